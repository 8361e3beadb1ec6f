"""Approve: a signature in the tree by which somebody approves a version for a stage.

Anybody can rebuild the signed text from the registry and its history before the move. An approval
therefore holds for one entry only: of these bytes, into this stage, in place of what it holds since
its last move. Once the stage moves, the approval is spent, whatever moves the stage back. It
survives squash, rebase and cherry-pick.

>>> approval = Approval("4b65…", "churn", 5, "9f2c…", "1c8a…", "production", (4,), Entry("77e0…"))
>>> print(approval.text.decode(), end="")
gitreg-approval 2
repository: 4b65…
model: churn
life: first
version: 5
manifest: 9f2c…
dvc: 1c8a…
stage: production
replaces: 4
moved: 77e0…

Approvals in the earlier form (`Approval.earlier`) do not name the last move. They count only where
nothing could have used them before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from gitreg.core.model import layout, manifest
from gitreg.core.model.model import ModelVersion
from gitreg.core.model.names import format_version
from gitreg.core.state.change import Change, Edit
from gitreg.core.state.compare import metrics_beside
from gitreg.core.state.state import RegistryState, Snapshot
from gitreg.errors import NotFound, Refused


@dataclass(frozen=True)
class Entry:
    """Which entry into a stage an approval is for, by history.

    Attributes:
        moved: the commit of the branch that moved the stage last, 40 hex digits; ``None`` where
            none did.
        life: the commit that ended the model's name before, and so began this life of it; ``None``
            for the first life.
    """

    moved: str | None = None
    life: str | None = None


Entries = Callable[[str, str], Entry]
"""Returns the next entry into a stage of a model."""


@dataclass(frozen=True)
class Approval:
    """What an approval is valid for; its `text` is what is signed.

    Attributes:
        repository: the first commit of its history, 40 hex digits.
        model: the model.
        version: which one is to move.
        manifest: SHA-256 of its ``manifest.yaml``, which has that of the bytes; 64 hex digits.
        dvc: SHA-256 of its ``.dvc`` file, by which DVC finds the bytes; 64 hex digits.
        stage: where to.
        replaces: the versions in the stage before the move, ascending.
        entry: which entry into the stage.
        withdrawn: how often this person's approval of it was withdrawn before: a signature from
            then, taken out of history again, does not count.
    """

    repository: str
    model: str
    version: int
    manifest: str
    dvc: str
    stage: str
    replaces: tuple[int, ...] = ()
    entry: Entry = Entry()
    withdrawn: int = 0

    @classmethod
    def over(
        cls,
        snapshot: Snapshot,
        repository: str,
        version: ModelVersion,
        stage: str,
        held: Iterable[int],
        entry: Entry,
    ) -> Approval:
        """Return the approval of a version for a stage, to be signed or looked up.

        Args:
            snapshot: the files, with those of the version.
            repository: the first commit of its history, 40 hex digits.
            version: which one is to move.
            stage: where to.
            held: the versions in the stage before; a version does not replace itself.
            entry: which entry into the stage.
        """
        model, number = version.model, version.version
        replaces = tuple(sorted(other for other in held if other != number))
        document = _sha256(snapshot, layout.manifest_path(model, number))
        dvc = _sha256(snapshot, layout.dvc_pointer_path(model, number, version.artifact.path))
        return cls(repository, model, number, document, dvc, stage, replaces, entry)

    @property
    def text(self) -> bytes:
        """The text that is signed."""
        return self._statement(
            "gitreg-approval 2",
            ("repository", self.repository),
            ("model", self.model),
            ("life", self.entry.life or "first"),
            ("version", self.version),
            ("manifest", self.manifest),
            ("dvc", self.dvc),
            ("stage", self.stage),
            ("replaces", self._replaced),
            ("moved", self.entry.moved or "never"),
        )

    @property
    def earlier(self) -> bytes:
        """The text that was signed before approvals named the entry: it may recur."""
        return self._statement(
            "gitreg-approval 1",
            ("repository", self.repository),
            ("model", self.model),
            ("version", self.version),
            ("manifest", self.manifest),
            ("stage", self.stage),
            ("replaces", self._replaced),
        )

    @property
    def _replaced(self) -> str:
        return ", ".join(map(str, self.replaces)) or "none"

    def _statement(self, first: str, *fields: tuple[str, object]) -> bytes:
        withdrawn = (("withdrawn", self.withdrawn),) if self.withdrawn else ()
        lines = (f"{key}: {value}" for key, value in (*fields, *withdrawn))
        return "".join(f"{line}\n" for line in (first, *lines)).encode()

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


def _sha256(snapshot: Snapshot, path: str) -> str:
    content = snapshot.read(path)
    return "none" if content is None else hashlib.sha256(content).hexdigest()


def approval_of(
    state: RegistryState,
    repository: str,
    model: str,
    version: int,
    stage: str,
    entry: Entry,
) -> Approval:
    """Return the approval that a move from this state needs.

    Raises:
        NotFound: no such version.
    """
    held = state.stage(model, stage)
    found = state.version(model, version)
    return Approval.over(state.snapshot, repository, found, stage, held, entry)


@dataclass(frozen=True)
class Approve:
    """The request to store an approval.

    Attributes:
        approval: what the approver has seen and approves.
        principal: who approves.
        sign: returns the signature; called if one is needed.
        holds: tells whether a stored signature is this principal's over this approval.
        entries: returns the next entry into a stage, by the history up to the state.
        warnings: what the approver should know.
    """

    approval: Approval
    principal: str
    sign: Callable[[], bytes]
    holds: Callable[[bytes], bool]
    entries: Entries
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
    entry = request.entries(model, stage)
    now = approval_of(state, seen.repository, model, version, stage, entry)
    now = now.by(request.principal, state.snapshot)
    if now != seen:
        held = ", ".join(format_version(model, other) for other in now.replaces) or "nothing"
        changed = f"what it would replace has changed, {stage} holds {held} now"
        if now.replaces == seen.replaces:
            changed = f"{stage} has moved, and holds {held} again"
        raise Refused(
            f"{seen.reference} was not approved: {changed}",
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
