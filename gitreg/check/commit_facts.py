"""What rules may ask of the world when a commit is judged: Git, signatures, approvals, DVC."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from gitreg.check.step import Step
from gitreg.core.model.model import Artifact, ModelVersion
from gitreg.core.state.history import Event
from gitreg.errors import GitError, NotFound
from gitreg.git.repository import GitRepository


class Past:
    """What is known of the branch's history up to a commit, asked of an index when it is needed."""

    def highest(self, _model: str) -> int:
        """Return the highest number that a version of a model ever had; 0 for none."""
        return 0

    def events(self, _model: str, _pointer: str) -> Sequence[Event]:
        """Return the moves of a pointer, newest first."""
        return ()


@dataclass(frozen=True)
class Bytes:
    """What is known of artifacts; by default nothing, for a server has no access to them."""

    is_on_remote: Callable[[Artifact], bool | None] = field(default=lambda _artifact: None)
    files: Callable[[Artifact], Sequence[str] | None] = field(default=lambda _artifact: None)


class CommitFacts:
    """The facts of the moves that one step makes; the `gitreg.core.policy.Facts` of a commit.

    Args:
        repository: where to read.
        step: the commit beside its parent.
        past: the history up to the range's base.
        entries: since when versions are in stages by what the range did.
        artifacts: what is known of bytes.
        now: the moment at which a server takes the commit; ``None`` judges by the commit's own.
        line: a commit of the branch that is judged: approvals are for the repository of its root,
            whatever history the commit itself comes from.
    """

    def __init__(
        self,
        repository: GitRepository,
        step: Step,
        past: Past,
        entries: Callable[[str, int, str], int | None],
        artifacts: Bytes,
        now: int | None,
        line: str,
    ) -> None:
        self._repository = repository
        self._step = step
        self._past = past
        self._entries = entries
        self._artifacts = artifacts
        self._now = now
        self._line = line

    def moment(self) -> int:
        """Return when the move is made: now, where a server is asked to take it."""
        return self._step.commit.time if self._now is None else self._now

    def entered(self, model: str, version: int, stage: str) -> int | None:
        """Return since when a version is in a stage, in seconds since the epoch."""
        inside = self._entries(model, version, stage)
        if inside is not None:
            # A server saw it come just now: what the commit says of its date is free text.
            return inside if self._now is None else self._now
        for event in self._past.events(model, f"stages/{stage}"):
            held = event.after if isinstance(event.after, tuple) else ()
            before = event.before if isinstance(event.before, tuple) else ()
            if version in held and version not in before:
                return _seconds(event.time)
        return None

    def is_reachable(self, commit: str, branch: str) -> bool | None:
        """Tell whether a commit is on a branch of this repository."""
        for name in (f"refs/heads/{branch}", f"refs/remotes/origin/{branch}"):
            tip = self._repository.commit_of(name)
            if tip is not None and self._repository.commit_of(commit) is not None:
                return self._repository.is_ancestor(commit, tip)
        return None

    def is_on_remote(self, artifact: Artifact) -> bool | None:
        """Tell whether all of an artifact is on the DVC remote."""
        return self._artifacts.is_on_remote(artifact)

    def files(self, artifact: Artifact) -> Sequence[str] | None:
        """Return the paths of an artifact's files."""
        if not artifact.is_folder:
            return [artifact.path]
        return self._artifacts.files(artifact)

    def approvers(
        self, version: ModelVersion, stage: str, _replaces: tuple[int, ...]
    ) -> Sequence[str]:
        """Return who approved this very move, out of the state before it."""
        from gitreg.approvals.stored import approvers

        try:
            holders = self._step.before.stage(version.model, stage)
            root = self._repository.root_of(self._line)
        except (NotFound, GitError):
            return ()
        return approvers(
            self._step.after.snapshot,
            self._step.policy,
            root,
            version,
            stage,
            holders,
        )

    def signer(self) -> str | None:
        """Return whose key signed the commit, by the policy that judges."""
        return self._signer

    @cached_property
    def _signer(self) -> str | None:
        # Verifying starts programs; a policy without signers imports none of it.
        from gitreg.approvals.signatures import signer_of_commit
        from gitreg.approvals.stored import signers_of

        signers = signers_of(self._step.policy)
        if not signers.principals:
            return None
        return signer_of_commit(self._repository, self._step.commit.oid, signers)


def _seconds(moment: str) -> int:
    from datetime import datetime

    return int(datetime.fromisoformat(moment).timestamp())
