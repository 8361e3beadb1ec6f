"""The facts that rules ask for: one function for each question.

`promote`, `policy test`, `check` and the hooks judge by the same rules, and get the same answers. A
move made now (`gitreg.check.clone_facts`) and a move of a commit (`gitreg.check.commit_facts`)
differ in when the move is made and who signs it. A commit's facts also know since when a version is
in a stage by the earlier commits of their range, which no history index has yet. A check without
``--remote`` asks nobody about bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from gitreg.check.line import Line, Moved
from gitreg.core.model.model import Artifact, ModelVersion
from gitreg.core.policy import Policy
from gitreg.core.state.state import RegistryState, Snapshot
from gitreg.errors import GitregError, InvalidRequest, WorldError
from gitreg.git.branches import is_on_branch
from gitreg.git.repository import GitRepository

if TYPE_CHECKING:
    from gitreg.approvals.stored import Approvers
    from gitreg.artifacts.store import ArtifactStore


class Bytes(Protocol):
    """What is known of artifacts' bytes; ``None`` answers what cannot be known."""

    def is_on_remote(self, artifact: Artifact) -> bool | None:
        """Tell whether all of an artifact is on the DVC remote."""

    def files(self, artifact: Artifact) -> Sequence[str] | None:
        """Return the paths of an artifact's files."""


class NoBytes:
    """Knows no bytes, as on a server without access to them, but the name of a single file."""

    def is_on_remote(self, artifact: Artifact) -> bool | None:  # noqa: ARG002
        """Tell whether all of an artifact is on the DVC remote: that cannot be asked."""
        return None

    def files(self, artifact: Artifact) -> Sequence[str] | None:
        """Return the paths of an artifact's files."""
        return None if artifact.md5 is None or artifact.is_folder else (artifact.path,)


class StoredBytes(NoBytes):
    """Asks the DVC cache and the DVC remote, when a rule first needs them.

    Args:
        artifacts: gives the store.
        snapshot: the commit whose configuration names the remote.
    """

    def __init__(self, artifacts: Callable[[], ArtifactStore], snapshot: Snapshot) -> None:
        self._artifacts = artifacts
        self._snapshot = snapshot

    def is_on_remote(self, artifact: Artifact) -> bool | None:
        """Tell whether all of an artifact is on the DVC remote."""
        if artifact.md5 is None:
            return None
        try:
            return self._artifacts().is_on_remote(self._snapshot, artifact.md5)
        except WorldError:
            return None

    def files(self, artifact: Artifact) -> Sequence[str] | None:
        """Return the paths of an artifact's files, by its listing in the cache or on the remote."""
        if artifact.md5 is None or not artifact.is_folder:
            return super().files(artifact)
        try:
            return self._artifacts().files(self._snapshot, artifact.md5)
        except (WorldError, InvalidRequest):
            return None


@dataclass(eq=False)
class RepositoryFacts:
    """The answers that do not depend on who judges; see `gitreg.core.policy.Facts`.

    Attributes:
        repository: where branches and signatures are read.
        snapshot: the files that may hold approvals.
        policy: gives the rules that judge.
        line: a commit of the branch: approvals are for the repository of its root. ``None`` before
            the first commit.
        history: what the branch did before the move.
        artifacts: what is known of bytes.
        is_server: whether the repository is pushed to now.
        arrived: gives when a commit arrived here, where a server noted it.
    """

    repository: GitRepository
    snapshot: Snapshot
    policy: Callable[[], Policy]
    line: str | None
    history: Line
    artifacts: Bytes
    is_server: bool = field(default=False, kw_only=True)
    arrived: Callable[[str], int | None] | None = field(default=None, kw_only=True)

    def entered(self, model: str, version: int, stage: str) -> int | None:
        """Return when a version last entered a stage.

        A server has noted when the commit arrived. The committer's date counts where it has not.
        """
        found = self.history.since(model, version, stage)
        return None if found is None else self.moment_of(found[0])

    def moment_of(self, move: Moved) -> int:
        """Return when a move of the branch was made, in seconds since the epoch."""
        arrived = None if self.arrived is None else self.arrived(move.commit)
        return move.time if arrived is None else arrived

    def last_held(self, model: str, stage: str) -> Sequence[ModelVersion] | None:
        """Return the versions that a stage held before it became empty; none if it never held any.

        They are read where they were then: since, one may have been deleted.
        """
        move = self.history.emptied(model, stage)
        if move is None:
            return ()
        # A pointer that does not parse empties a stage without a move.
        revision, versions = (
            (move.commit, move.after) if move.after else (f"{move.commit}^", move.before)
        )
        whole = self.repository.with_history()  # a shallow clone lacks the commit
        commit = whole.commit_of(revision)
        state = RegistryState(whole.snapshot(commit)) if commit is not None else None
        try:
            return None if state is None else [state.manifest(model, n) for n in versions]
        except GitregError:
            return None

    def has_commit(self, commit: str) -> bool | None:
        """Tell whether a commit is in this repository; ``None`` where nothing of that name is."""
        found = self.repository.reader.get(commit)
        return None if found is None else found.kind == "commit"

    def had_pointers(self, model: str) -> bool:
        """Tell whether a pointer ever moved under a model's name."""
        return self.history.had_pointers(model)

    def is_reachable(self, commit: str, branch: str) -> bool | None:
        """Tell whether a commit is on a branch; see `gitreg.git.branches.is_on_branch`."""
        return is_on_branch(self.repository, commit, branch, is_server=self.is_server)

    def is_on_remote(self, artifact: Artifact) -> bool | None:
        """Tell whether all of an artifact is on the DVC remote."""
        return self.artifacts.is_on_remote(artifact)

    def files(self, artifact: Artifact) -> Sequence[str] | None:
        """Return the paths of an artifact's files."""
        return self.artifacts.files(artifact)

    def approvers(
        self, version: ModelVersion, stage: str, replaces: tuple[int, ...]
    ) -> Sequence[str]:
        """Return the principals whose approval of this very move verifies.

        Raises:
            GitError: the clone is shallow, or ``ssh-keygen`` cannot be run.
        """
        found = self._approvers(version, stage, replaces)
        return () if found is None else found.given

    def spent(
        self, version: ModelVersion, stage: str, replaces: tuple[int, ...]
    ) -> Mapping[str, str]:
        """Return the principals whose approval does not count any more, and why."""
        found = self._approvers(version, stage, replaces)
        return {} if found is None else found.spent

    def _approvers(
        self, version: ModelVersion, stage: str, replaces: tuple[int, ...]
    ) -> Approvers | None:
        policy = self.policy()
        if not policy.signers or self.line is None:
            return None
        from gitreg.approvals import stored
        from gitreg.core.operations.approve import Approval, Entry

        root, history = self.repository.root_of(self.line), self.history
        entry = Entry(history.last_move(version.model, stage), history.life(version.model))
        wanted = Approval.over(self.snapshot, root, version, stage, replaces, entry)
        return stored.approvers(
            self.snapshot,
            policy,
            wanted,
            lambda: not history.was_approved(version.model, version.version, stage),
        )
