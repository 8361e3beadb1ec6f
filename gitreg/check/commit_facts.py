"""The facts of the moves that a commit makes, when it is judged later, here or on a server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

from gitreg.check.facts import Bytes, RepositoryFacts
from gitreg.check.line import Line
from gitreg.check.step import Step
from gitreg.git.repository import GitRepository


class CommitFacts(RepositoryFacts):
    """What rules may ask about the moves that one step makes; see `gitreg.core.policy.Facts`.

    Args:
        repository: where to read.
        step: the commit beside its parent.
        history: what the branch did before the commit.
        artifacts: what is known of bytes.
        now: the moment at which a server takes the commit; ``None`` judges by the commit's own.
        line: a commit of the branch that is judged: approvals are for the repository of its root,
            whatever history the commit itself comes from.
        arrived: gives when a commit arrived here, where that was noted.
        lands: when a commit lands that is not published yet: at the earliest now.
    """

    def __init__(  # noqa: PLR0913  each fact has one source
        self,
        repository: GitRepository,
        step: Step,
        history: Line,
        artifacts: Bytes,
        now: int | None,
        line: str,
        *,
        arrived: Callable[[str], int | None] | None = None,
        lands: int | None = None,
    ) -> None:
        super().__init__(
            repository,
            step.after.snapshot,
            lambda: step.policy,
            line,
            history,
            artifacts,
            is_server=now is not None,
            arrived=arrived,
        )
        self._step = step
        self._now = now
        self._lands = lands

    def moment(self) -> int:
        """Return when the move is made: now, where a server is pushed to."""
        return self._step.commit.time if self._now is None else self._now

    def moments(self) -> Sequence[int]:
        """Return every time at which a freeze must not be: the commit's own, and that it lands at.

        So a move that one of them allows and the other does not is refused wherever it is checked.
        """
        lands = self._lands if self._now is None else self._now
        return (self._step.commit.time, *(() if lands is None else (lands,)))

    def entered(self, model: str, version: int, stage: str) -> int | None:
        """Return since when a version is in a stage, in seconds since the epoch."""
        found = self.history.since(model, version, stage)
        if found is None:
            return None
        move, is_new = found
        # A server sees it come only now: anybody can write another date into the commit.
        return self.moment_of(move) if self._now is None or not is_new else self._now

    def signer(self) -> str | None:
        """Return whose key signed the commit that made the moves, by the policy that judges."""
        return self._signer

    @cached_property
    def _signer(self) -> str | None:
        # Verifying starts programs; a policy without signers imports none of it.
        from gitreg.approvals.signatures import signer_of_commit
        from gitreg.approvals.stored import signers_of

        signers = signers_of(self._step.policy)
        if not signers.principals:
            return None
        return signer_of_commit(self.repository, self._step.made_by.oid, signers)
