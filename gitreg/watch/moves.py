"""The moves of a reference: which version it named, which one it names then, who moved it and why.

>>> move = Move("churn@champion", "churn", 6, 5, "alias", "c0ffee", "2026-11-22T20:25:06Z", "Ada")
>>> move.names, replace(move, version=None).names
('churn@6', 'no version')
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from gitreg.core.model.names import ARCHIVE, NO_STAGE, Reference, format_version, parse_reference
from gitreg.core.state.history import Event, named_by
from gitreg.core.state.state import RegistryState
from gitreg.core.text.times import utc
from gitreg.errors import InvalidRequest
from gitreg.git.events import events_about
from gitreg.git.log import first_parents_reach
from gitreg.registry import Registry
from gitreg.registry.references import existing
from gitreg.watch.events import commit_on_branch, digests_at, pointer_of


@dataclass(frozen=True)
class Move:
    """A reference names another version than before, or none any more.

    Attributes:
        reference: which one, ``churn-predictor@champion``.
        model: the model.
        version: the version that it names now; ``None`` if it names none.
        previous: the version that was delivered before; ``None`` if none was.
        action: how it moved: ``promote``, ``rollback``, ``alias``, ``archive``, ``delete``,
            ``rename``, ``register`` (of ``@latest``) and so on, as events name it.
        commit: the commit that moved it, 40 hex digits.
        time: when, in UTC.
        author: who, ``Name <email>``.
        reason: why; where the policy was overridden, the reason for that.
        sha256: the digest of the version's artifact; ``None`` without a version.
        renamed_to: the model's new name, if it was renamed.
    """

    reference: str
    model: str
    version: int | None
    previous: int | None
    action: str
    commit: str
    time: str
    author: str
    reason: str | None = None
    sha256: str | None = None
    renamed_to: str | None = None

    @property
    def id(self) -> str:
        """The same for each delivery of this move, and for no other move.

        A way back to a commit that was delivered before leads from another version, so a receiver
        that leaves out what it knows does not leave it out.
        """
        said = f"{self.reference}\n{self.commit}\n{self.previous}"
        return hashlib.sha256(said.encode()).hexdigest()[:32]

    @property
    def names(self) -> str:
        """What the reference names now, in words."""
        return "no version" if self.version is None else format_version(self.model, self.version)

    def is_same_version(self, other: Move | None) -> bool:
        """Whether it leads to the version that another move led to."""
        return other is not None and (self.version, self.sha256) == (other.version, other.sha256)


def watched(text: str) -> Reference:
    """Return a reference that can move.

    Raises:
        InvalidRequest: it is malformed, names a whole model, or one version, which never changes.
    """
    wanted = parse_reference(text)
    if wanted.is_model:
        raise InvalidRequest(
            f"{wanted} is a model: which of its versions?",
            hint=f"{wanted}/production, {wanted}@champion or {wanted}@latest",
        )
    if wanted.version is not None:
        raise InvalidRequest(
            f"{wanted} is one version, which never changes",
            hint=f"watch a stage, an alias or the newest version: {wanted.model}@latest",
        )
    if wanted.stage in (NO_STAGE, ARCHIVE):
        raise InvalidRequest(f"{wanted} is no version in service")
    return wanted


class Moves:
    """Reads the moves of references in an open registry, at its newest commit.

    Args:
        registry: which.

    Raises:
        NotFound: there is no registry.
        GitError: the clone is shallow, and the remote cannot be reached.
    """

    def __init__(self, registry: Registry) -> None:
        self._state = existing(registry.state())
        self._history = registry.past(self._state, whole=True)
        self._repository = registry.repository
        self._whole = registry.repository.with_history()
        self.tip = str(self._state.commit)

    def check(self, wanted: Reference) -> None:
        """Refuse a reference that names nothing and never did; a stage may be empty.

        Raises:
            NotFound: the hint names the near misses.
        """
        model = Reference(wanted.model)
        events_about(self._history, self._state, model, 1)
        if wanted.stage is not None:
            self._state.policy.stage(wanted.stage)
        elif wanted.alias is not None:
            events_about(self._history, self._state, wanted, 1)

    def commit(self, revision: str) -> str:
        """Return a commit that the branch was at; see `commit_on_branch`."""
        return commit_on_branch(self._repository, revision, self.tip)

    def is_on_branch(self, commit: str) -> bool:
        """Tell whether the branch was at a commit, and its history was not rewritten since."""
        return first_parents_reach(self._whole, commit, self.tip)

    def is_gone(self, commit: str) -> bool:
        """Tell whether a commit is no ancestor of the tip any more."""
        known = self._whole.commit_of(commit) is not None
        return not known or not self._whole.is_ancestor(commit, self.tip)

    def since(
        self, wanted: Reference, commit: str | None, *, only_last: bool = False
    ) -> list[Move]:
        """Return the moves of a reference after a commit of the branch, the oldest first.

        Args:
            wanted: the reference.
            commit: the branch was at it; ``None`` for all moves.
            only_last: return none but the last one; digests of the others are not read.
        """
        steps = self._newest if wanted.latest else self._of_pointer
        found = list(steps(wanted, commit))[-1 if only_last else 0 :]
        asked = [(one.commit, one.model, one.version) for one in found]
        digests = digests_at(self._repository, asked)
        return [replace(one, sha256=sha) for one, sha in zip(found, digests, strict=True)]

    def in_order(self, moves: Sequence[Move]) -> list[Move]:
        """Return moves of several references in the order of their commits."""
        if len({move.commit for move in moves}) < 2:
            return list(moves)
        listing = self._whole.run("rev-list", "--first-parent", "--reverse", self.tip).text.split()
        place = {commit: number for number, commit in enumerate(listing)}
        return sorted(moves, key=lambda move: place[move.commit])

    def _of_pointer(self, wanted: Reference, commit: str | None) -> Iterator[Move]:
        newest_first = self._history.events(wanted.model, pointer_of(wanted), since=commit)
        for event in reversed(newest_first):
            before, after = named_by(event.before), named_by(event.after)
            if before != after:
                yield _move(wanted, self._cause(event, after), after, before)

    def _cause(self, event: Event, after: int | None) -> Event:
        """Return the event that explains a move: the end of the model, where that emptied it."""
        if after is not None:
            return event
        beside = self._history.events_of_commit(event.commit, event.model)
        return next((one for one in beside if one.ends_the_model), event)

    def _newest(self, wanted: Reference, commit: str | None) -> Iterator[Move]:
        """Yield the moves of ``@latest``, which has no pointer: versions came or went."""
        before = None if commit is None else self._latest_at(wanted.model, commit)
        events: dict[str, Event] = {}
        for event in self._history.events(wanted.model, since=commit):
            if event.pointer is None and event.action in _OF_VERSIONS:
                is_end = event.commit not in events or event.ends_the_model
                events |= {event.commit: event} if is_end else {}
        for event in reversed(events.values()):
            after = self._latest_at(wanted.model, event.commit)
            if after != before:
                yield _move(wanted, event, after, before)
            before = after

    def _latest_at(self, model: str, commit: str) -> int | None:
        return RegistryState(self._whole.another_snapshot(commit)).latest(model)


_OF_VERSIONS = ("register", "delete", "remove", "rename", "revert")
"""The actions after which a model may have another newest version."""


def _move(wanted: Reference, event: Event, version: int | None, previous: int | None) -> Move:
    return Move(
        str(wanted),
        wanted.model,
        version,
        previous,
        event.action,
        event.commit,
        utc(event.time),
        event.author,
        event.override or event.reason,
        renamed_to=event.renamed_to,
    )
