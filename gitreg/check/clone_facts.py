"""The facts of a clone: the door through which rules ask the history, Git, DVC and signatures.

Nothing is asked before a rule needs it, so that a registry whose policy has no rule on artifacts
imports no DVC to promote, and one without signatures runs no ``ssh-keygen``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from gitreg.core.model.model import Artifact, ModelVersion
from gitreg.core.model.names import has_invisible
from gitreg.core.state.state import RegistryState
from gitreg.errors import GitError, InvalidRequest, WorldError
from gitreg.git.repository import GitRepository

if TYPE_CHECKING:
    from gitreg.artifacts.store import ArtifactStore
    from gitreg.git.history_index import HistoryIndex


class CloneFacts:
    """What rules may ask about a move that is made in a clone now; see `Facts`.

    Args:
        repository: the clone.
        history: its index, which is at the commit of ``state``.
        artifacts: gives the bytes when they are asked about.
        state: the registry before the move.
    """

    def __init__(
        self,
        repository: GitRepository,
        history: HistoryIndex,
        artifacts: Callable[[], ArtifactStore],
        state: RegistryState,
    ) -> None:
        self._repository = repository
        self._history = history
        self._artifacts = artifacts
        self._state = state

    def moment(self) -> int:
        """Return the committer's date that a commit would have now, in seconds since the epoch.

        Raises:
            GitError: no identity is configured.
        """
        return self._repository.signature("COMMITTER").time

    def entered(self, model: str, version: int, stage: str) -> int | None:
        """Return when a version entered a stage last, by the committer's date of that commit."""
        for event in self._history.moves_of(model, f"stages/{stage}"):
            before, after = (
                side if isinstance(side, tuple) else () for side in (event.before, event.after)
            )
            if version in after and version not in before:
                return int(datetime.fromisoformat(event.time).timestamp())
        return None

    def is_reachable(self, commit: str, branch: str) -> bool | None:
        """Tell whether a commit is on a branch, here or as a remote was last seen to have it."""
        if has_invisible(branch) or self._repository.commit_of(commit) is None:
            return None
        names = [f"refs/heads/{branch}", *self._remote_branches(branch)]
        tips = {self._repository.commit_of(name) for name in names} - {None}
        if not tips:
            return None
        return any(self._repository.is_ancestor(commit, str(tip)) for tip in tips)

    def _remote_branches(self, branch: str) -> list[str]:
        remotes = self._repository.run("remote").text.splitlines()
        return [f"refs/remotes/{remote}/{branch}" for remote in remotes]

    def is_on_remote(self, artifact: Artifact) -> bool | None:
        """Tell whether all of an artifact is on the DVC remote; ``None`` if it cannot be asked."""
        if artifact.md5 is None:
            return None
        try:
            return self._artifacts().is_on_remote(self._state.snapshot, artifact.md5)
        except WorldError:
            return None

    def files(self, artifact: Artifact) -> Sequence[str] | None:
        """Return the paths of an artifact's files, by its listing in the cache or on the remote."""
        if artifact.md5 is None:
            return None
        if not artifact.is_folder:
            return (artifact.path,)
        try:
            return self._artifacts().files(self._state.snapshot, artifact.md5)
        except (WorldError, InvalidRequest):
            return None

    def approvers(
        self, version: ModelVersion, stage: str, replaces: tuple[int, ...]
    ) -> Sequence[str]:
        """Return whose approvals of the move verify, by the keys of the policy before it."""
        policy = self._state.policy
        if not policy.signers or self._state.commit is None:
            return ()
        from gitreg.approvals import stored

        return stored.approvers(
            self._state.snapshot,
            policy,
            self._repository.root_of(self._state.commit),
            version,
            stage,
            replaces,
        )

    def signer(self) -> str | None:
        """Return the principal whose key a commit would be signed with now, if it counts."""
        policy = self._state.policy
        if not policy.signers or not self._repository.signing.signs_commits:
            return None
        from gitreg.approvals import stored

        try:
            key = self._repository.signing.public_key()
        except GitError:
            return None  # OpenPGP, or no key: where a commit is made, Git says what is wrong
        return None if key is None else stored.signers_of(policy).principal_of(key)
