"""Evaluate: add what was measured of versions on named data, in one commit.

An evaluation never changes: other numbers are another evaluation, under another name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gitreg.core.model import layout
from gitreg.core.model.evaluation import write_evaluation
from gitreg.core.model.model import Evaluation
from gitreg.core.model.names import Reference, format_version
from gitreg.core.policy.measured import data_of
from gitreg.core.state.change import Change, Edit
from gitreg.core.state.state import RegistryState
from gitreg.errors import InvalidRequest, Refused


@dataclass(frozen=True)
class Evaluated:
    """What was measured of one version.

    Attributes:
        reference: the version.
        evaluation: the numbers; its ``sha256`` is of the bytes that were measured.
    """

    reference: Reference
    evaluation: Evaluation


def evaluate(state: RegistryState, request: Sequence[Evaluated]) -> Change:
    """Return the change that adds evaluations; an equal one that is there already is left out.

    Raises:
        NotFound: a version is not there.
        InvalidRequest: other bytes than the version's were measured, or a value breaks a rule.
        Refused: the version has another evaluation of this name.
    """
    edits, names, evidence = [], [], []
    trailers: list[tuple[str, str]] = [("Gitreg-Action", "evaluate")]
    for one in request:
        model, number = one.reference.model, state.resolve(one.reference)
        evaluation = one.evaluation
        names.append(format_version(model, number))
        edit = _edit(state, model, number, evaluation)
        edits += [] if edit is None else [edit]
        trailers += [("Gitreg-Model", model), ("Gitreg-Version", str(number))]
        trailers.append(("Gitreg-Evaluation", evaluation.name))
        shown = ", ".join(f"{metric} {value:g}" for metric, value in evaluation.metrics.items())
        evidence.append(f"{names[-1]}: {shown or 'slices'} on {data_of(evaluation)}")
    called = " and ".join(dict.fromkeys(one.evaluation.name for one in request))
    return Change(
        f"evaluate {', '.join(dict.fromkeys(names))}: {called}",
        tuple(edits),
        evidence=tuple(evidence[:20]),
        trailers=tuple(trailers),
    )


def _edit(state: RegistryState, model: str, number: int, evaluation: Evaluation) -> Edit | None:
    name, path = (
        format_version(model, number),
        layout.evaluation_path(model, number, evaluation.name),
    )
    if evaluation.sha256 != state.manifest(model, number).artifact.sha256:
        raise InvalidRequest(f"{name} was not evaluated: other bytes were measured than its own")
    before, content = state.snapshot.read(path), write_evaluation(evaluation)
    if before == content:
        return None
    if before is not None:
        raise Refused(
            f"{name} has an evaluation {evaluation.name} already, and it never changes",
            hint="give the new one another name with --name",
        )
    return Edit(path, content)
