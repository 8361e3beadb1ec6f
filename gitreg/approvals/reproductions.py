"""Statements on reproductions: which are signed by the policy's signers, and what they say."""

from __future__ import annotations

from collections.abc import Sequence

from gitreg.approvals.signatures import Unverified, verify
from gitreg.approvals.stored import signers_of
from gitreg.core.model import layout
from gitreg.core.model.model import ModelVersion
from gitreg.core.model.statement import Statement, read_statement_of, write_statement
from gitreg.core.policy import Policy
from gitreg.core.state.state import Snapshot
from gitreg.errors import InvalidDocument
from gitreg.git.repository import GitRepository

REPRODUCTION = "gitreg-reproduction"
"""The namespace of these signatures; a signature for another namespace does not count."""


def signature_of(repository: GitRepository, statement: Statement) -> bytes | None:
    """Return the signature of a statement by the user's SSH key; ``None`` if Git names none.

    Raises:
        GitError: the key cannot sign.
    """
    if not repository.config("user.signingkey") or repository.config("gpg.format") != "ssh":
        return None
    return repository.signing.sign_text(write_statement(statement), REPRODUCTION)


def signed_statements(
    snapshot: Snapshot, policy: Policy, version: ModelVersion
) -> Sequence[tuple[str, str]]:
    """Return principal and verdict of each statement whose signature verifies, by file name.

    Raises:
        GitError: ``ssh-keygen`` cannot be run.
    """
    folder = layout.reproductions_path(version.model, version.version)
    signers = signers_of(policy)
    found = []
    for file in sorted(snapshot.list(folder))[: 2 * layout.ADDED_LIMIT]:
        path = f"{folder}/{file}"
        place = layout.locate(path)
        if place is None or place.kind != "reproduction":
            continue
        data, signature = snapshot.read_many([path, layout.signature_path(path)])
        if data is None or signature is None:
            continue
        try:
            statement = read_statement_of(data, path, version.artifact.sha256)
            found.append((verify(data, signature, REPRODUCTION, signers), statement.verdict))
        except (InvalidDocument, Unverified):
            continue
    return found
