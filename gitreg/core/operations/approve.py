"""Approve: a signature in the tree by which somebody approves a version for a stage.

Anybody can rebuild the signed text from the state of the registry before the move. An approval
therefore holds for one version, stage, incumbent and repository only, and it survives squash,
rebase and cherry-pick.

>>> print(Approval("4b65…", "churn", 5, "9f2c…", "production", (4,)).text.decode(), end="")
gitreg-approval 1
repository: 4b65…
model: churn
version: 5
manifest: 9f2c…
stage: production
replaces: 4
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from gitreg.core.model import layout, manifest
from gitreg.core.model.names import format_version
from gitreg.core.state.change import Change, Edit
from gitreg.core.state.compare import metrics_beside
from gitreg.core.state.state import RegistryState, Snapshot
from gitreg.errors import NotFound, Refused


@dataclass(frozen=True)
class Approval:
    """What an approval is valid for; its `text` is what is signed.

    Attributes:
        repository: the first commit of its history, 40 hex digits.
        model: the model.
        version: which one is to move.
        manifest: SHA-256 of its ``manifest.yaml``, which has that of the bytes; 64 hex digits.
        stage: where to.
        replaces: the versions in the stage before the move, ascending.
        withdrawn: how often this person's approval of it was withdrawn before: a signature from
            then, taken out of history again, does not count.
    """

    repository: str
    model: str
    version: int
    manifest: str
    stage: str
    replaces: tuple[int, ...] = ()
    withdrawn: int = 0

    @classmethod
    def over(
        cls,
        document: bytes,
        repository: str,
        model: str,
        version: int,
        stage: str,
        held: Iterable[int],
    ) -> Approval:
        """Return the approval of a version for a stage, to be signed or looked up.

        Args:
            document: the content of the version's ``manifest.yaml``.
            repository: the first commit of its history, 40 hex digits.
            model: the model.
            version: which one is to move.
            stage: where to.
            held: the versions in the stage before; a version does not replace itself.
        """
        replaces = tuple(sorted(other for other in held if other != version))
        digest = hashlib.sha256(document).hexdigest()
        return cls(repository, model, version, digest, stage, replaces)

    @property
    def text(self) -> bytes:
        """The text that is signed."""
        replaces = ", ".join(map(str, self.replaces)) or "none"
        return (
            "gitreg-approval 1\n"
            f"repository: {self.repository}\n"
            f"model: {self.model}\n"
            f"version: {self.version}\n"
            f"manifest: {self.manifest}\n"
            f"stage: {self.stage}\n"
            f"replaces: {replaces}\n" + (f"withdrawn: {self.withdrawn}\n" if self.withdrawn else "")
        ).encode()

    def by(self, principal: str, snapshot: Snapshot) -> Approval:
        """Return the approval as a principal has to sign it.

        Raises:
            InvalidDocument: the file that counts withdrawals does not parse.
            InvalidRequest: no file can have the principal's name.
        """
        path = layout.approval_path(self.model, self.version, self.stage, principal)
        return replace(self, withdrawn=_withdrawals(snapshot, path))

    @property
    def reference(self) -> str:
        """``churn-predictor@5``."""
        return format_version(self.model, self.version)


def _withdrawals(snapshot: Snapshot, approval: str) -> int:
    path = layout.withdrawal_path(approval)
    data = snapshot.read(path)
    return 0 if data is None else manifest.read_withdrawals(data, path)


def taken_away(state: RegistryState, approval: str) -> tuple[Edit, Edit]:
    """Return the edits that withdraw a stored approval, and remember it.

    Without the second one, the signature could be taken out of history again, and would count.

    Raises:
        InvalidDocument: the file that counts withdrawals does not parse.
    """
    times = _withdrawals(state.snapshot, approval) + 1
    return (
        Edit(approval, None),
        Edit(layout.withdrawal_path(approval), manifest.write_withdrawals(times)),
    )


def all_taken_away(state: RegistryState, model: str, version: int, stage: str) -> Iterator[Edit]:
    """Yield the edits that withdraw all approvals of a version for a stage."""
    folder = layout.approvals_path(model, version)
    for file in state.snapshot.list(folder):
        named = layout.approval_name(file)
        path = f"{folder}/{file}"
        if named and named[0] == stage and state.snapshot.read(path) is not None:
            yield from taken_away(state, path)


def approval_of(
    state: RegistryState, repository: str, model: str, version: int, stage: str
) -> Approval:
    """Return the approval that a move from this state needs.

    Raises:
        NotFound: no such version.
    """
    path = layout.manifest_path(model, version)
    document = state.snapshot.read(path)
    if document is None:
        state.check_version(model, version)
        raise NotFound(f"{path}: not there")
    held = state.stage(model, stage)
    return Approval.over(document, repository, model, version, stage, held)


@dataclass(frozen=True)
class Approve:
    """The request to store an approval.

    Attributes:
        approval: what the approver has seen and approves.
        principal: who approves.
        sign: returns the signature; called if one is needed.
        holds: tells whether a stored signature is this principal's over this approval.
        warnings: what the approver should know.
    """

    approval: Approval
    principal: str
    sign: Callable[[], bytes]
    holds: Callable[[bytes], bool]
    warnings: tuple[str, ...] = ()


def approve(state: RegistryState, request: Approve) -> Change:
    """Return the change that adds an approval; it has no edits when a valid one is stored.

    Raises:
        NotFound: the version or the stage is gone.
        Refused: the registry has changed since the approver looked.
    """
    seen = request.approval
    model, version, stage = seen.model, seen.version, seen.stage
    state.policy.stage(stage)
    now = approval_of(state, seen.repository, model, version, stage)
    now = now.by(request.principal, state.snapshot)
    if now != seen:
        held = ", ".join(format_version(model, other) for other in now.replaces) or "nothing"
        raise Refused(
            f"{seen.reference} was not approved: what it would replace has changed, "
            f"{stage} holds {held} now",
            hint=f"look again: gitreg approve {seen.reference} --to {stage}",
        )
    path = layout.approval_path(model, version, stage, request.principal)
    before = state.snapshot.read(path)
    edits = () if before is not None and request.holds(before) else (Edit(path, request.sign()),)
    incumbent = state.manifest(model, now.replaces[-1]) if now.replaces else None
    return Change(
        f"approve {seen.reference} for {stage}",
        edits,
        evidence=tuple(metrics_beside(state.manifest(model, version), incumbent)),
        trailers=_trailers("approve", model, version, stage),
        warnings=request.warnings,
    )


def withdraw(state: RegistryState, model: str, version: int, stage: str, principal: str) -> Change:
    """Return the change that withdraws an approval, and remembers it.

    Raises:
        NotFound: this principal has not approved the version for the stage.
    """
    state.check_version(model, version)
    path = layout.approval_path(model, version, stage, principal)
    name = format_version(model, version)
    if state.snapshot.read(path) is None:
        raise NotFound(
            f"{principal} has not approved {name} for {stage}", hint=f"gitreg show {name}"
        )
    return Change(
        f"withdraw the approval of {name} for {stage}",
        taken_away(state, path),
        trailers=_trailers("withdraw", model, version, stage),
    )


def _trailers(action: str, model: str, version: int, stage: str) -> tuple[tuple[str, str], ...]:
    return (
        ("Gitreg-Action", action),
        ("Gitreg-Model", model),
        ("Gitreg-Version", str(version)),
        ("Gitreg-Stage", stage),
    )
