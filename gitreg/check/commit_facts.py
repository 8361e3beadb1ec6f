"""The facts of the moves that a commit makes, when it is judged later, here or on a server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TypeAlias

from gitreg.check.facts import Bytes, RepositoryFacts
from gitreg.check.past import Past
from gitreg.check.step import Step
from gitreg.core.model.model import ModelVersion
from gitreg.git.repository import GitRepository

Emptied: TypeAlias = "tuple[str, tuple[int, ...]]"
"""The last commit at which a stage held something, and what."""


class CommitFacts(RepositoryFacts):
    """What rules may ask about the moves that one step makes; see `gitreg.core.policy.Facts`.

    Args:
        repository: where to read.
        step: the commit beside its parent.
        past: the history up to the range's base.
        entries: since when versions are in stages by what the range did.
        artifacts: what is known of bytes.
        now: the moment at which a server takes the commit; ``None`` judges by the commit's own.
        line: a commit of the branch that is judged: approvals are for the repository of its root,
            whatever history the commit itself comes from.
        arrived: gives when a commit arrived here, where that was noted.
        emptied: gives what a stage held before the range emptied it.
        lands: when a commit lands that is not published yet: at the earliest now.
    """

    def __init__(  # noqa: PLR0913  each fact has one source
        self,
        repository: GitRepository,
        step: Step,
        past: Past,
        entries: Callable[[str, int, str], int | None],
        artifacts: Bytes,
        now: int | None,
        line: str,
        *,
        arrived: Callable[[str], int | None] | None = None,
        emptied: Callable[[str, str], Emptied | None] = lambda _model, _stage: None,
        lands: int | None = None,
    ) -> None:
        super().__init__(
            repository,
            step.after.snapshot,
            lambda: step.policy,
            line,
            past.events,
            artifacts,
            is_server=now is not None,
            arrived=arrived,
        )
        self._step = step
        self._entries = entries
        self._now = now
        self._emptied = emptied
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

    def last_held(self, model: str, stage: str) -> Sequence[ModelVersion] | None:
        """Return the versions that a stage held before it became empty, in or before the range."""
        inside = self._emptied(model, stage)
        if inside is None:
            return super().last_held(model, stage)
        commit, versions = inside
        return self.held_at(commit, model, versions)

    def entered(self, model: str, version: int, stage: str) -> int | None:
        """Return since when a version is in a stage, in seconds since the epoch."""
        inside = self._entries(model, version, stage)
        if inside is None:
            return super().entered(model, version, stage)
        # A server sees it come only now: anybody can write another date into the commit.
        return inside if self._now is None else self._now

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
        return signer_of_commit(self.repository, self._step.commit.oid, signers)
