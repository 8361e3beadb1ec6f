"""Record: add a statement on a reproduction to a version, with its signature, if there is one."""

from __future__ import annotations

from dataclasses import dataclass

from gitreg.core.model import layout
from gitreg.core.model.names import Reference, format_version
from gitreg.core.model.statement import Statement, statement_id, write_statement
from gitreg.core.state.change import Change, Edit
from gitreg.core.state.state import RegistryState
from gitreg.errors import InvalidRequest


@dataclass(frozen=True)
class Recording:
    """The request to record a reproduction.

    Attributes:
        reference: the version.
        statement: what came out.
        signature: of the statement's file, armored; ``None`` for an unsigned one.
    """

    reference: Reference
    statement: Statement
    signature: bytes | None = None


def record(state: RegistryState, request: Recording) -> Change:
    """Return the change that records a reproduction; it has no edits if it is recorded already.

    Raises:
        NotFound: the version is not there.
        InvalidRequest: the statement is about other bytes than the version's.
    """
    model, number = request.reference.model, state.resolve(request.reference)
    name, statement = format_version(model, number), request.statement
    if statement.sha256 != state.manifest(model, number).artifact.sha256:
        raise InvalidRequest(f"the statement is about other bytes than those of {name}")
    data = write_statement(statement)
    path = layout.reproduction_path(model, number, statement_id(data))
    signed = layout.signature_path(path)
    edits = [Edit(path, data)] if state.snapshot.read(path) is None else []
    if request.signature is not None and state.snapshot.read(signed) is None:
        edits.append(Edit(signed, request.signature))
    return Change(
        f"reproduce {name}: {statement.verdict}",
        tuple(edits),
        trailers=(
            ("Gitreg-Action", "reproduce"),
            ("Gitreg-Model", model),
            ("Gitreg-Version", str(number)),
        ),
    )
