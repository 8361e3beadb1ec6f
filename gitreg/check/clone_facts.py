"""The facts of a move that is made in a clone now.

Nothing is asked before a rule needs it: a registry whose policy has no rule on artifacts imports no
DVC to promote, and one without signatures runs no ``ssh-keygen``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gitreg.check.facts import RepositoryFacts, StoredBytes
from gitreg.check.line import Line
from gitreg.check.past import KnownPast
from gitreg.core.state.state import RegistryState
from gitreg.errors import GitError
from gitreg.git.repository import GitRepository

if TYPE_CHECKING:
    from gitreg.artifacts.store import ArtifactStore
    from gitreg.git.history_index import HistoryIndex


class CloneFacts(RepositoryFacts):
    """What rules may ask about a move that is made in a clone now; see `gitreg.core.policy.Facts`.

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
        super().__init__(
            repository,
            state.snapshot,
            lambda: state.policy,
            state.commit,
            Line(KnownPast(lambda: history)),
            StoredBytes(artifacts, state.snapshot),
        )

    def moment(self) -> int:
        """Return the committer's date that a commit would have now, in seconds since the epoch.

        Raises:
            GitError: no identity is configured.
        """
        return self.repository.signature("COMMITTER").time

    def moments(self) -> Sequence[int]:
        """Return every time at which a freeze must not be: now."""
        return (self.moment(),)

    def signer(self) -> str | None:
        """Return the principal whose key a commit would be signed with now, if it counts."""
        policy = self.policy()
        if not policy.signers or not self.repository.signing.signs_commits:
            return None
        from gitreg.approvals import stored

        try:
            key = self.repository.signing.public_key()
        except GitError:
            return None  # OpenPGP, or no key: where a commit is made, Git says what is wrong
        return None if key is None else stored.signers_of(policy).principal_of(key)
