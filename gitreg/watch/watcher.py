"""Looks for moves, delivers them, tries again, and waits.

A look (`Watcher.look`):

1. Read the registry's tip; nothing more, if it is where it was.
2. Read the moves since the last delivery: as one step for each reference, or each of them.
3. In the order of their commits: write down that a delivery begins, deliver, write down that it
   ended. The first that fails ends the look: what follows waits.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from gitreg.core.model.names import Reference
from gitreg.errors import GitError, GitregError, InvalidRequest, Refused
from gitreg.git.copies import copies_folder
from gitreg.registry import Registry
from gitreg.watch.delivery import Delivery
from gitreg.watch.memory import Memory, Remembered
from gitreg.watch.moves import Move, Moves
from gitreg.watch.returning import put_back
from gitreg.watch.targets.target import Failed

CURRENT, NOW, START = "current", "now", "start"
"""Where a watcher without a memory begins: with what is in service, with the next move, or with the
first move ever; or a commit."""

TRIES_ONCE = 3
"""How often one look tries a delivery."""

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 300.0


@dataclass(frozen=True)
class Watching:
    """What is watched, and how.

    Attributes:
        location: the registry, a folder or a URL.
        references: stages, aliases, or the newest versions of models.
        each: deliver every move in between, instead of one step to the newest version.
        start: where to begin without a memory: `CURRENT`, `NOW`, `START` or a commit.
        tries: how often a delivery is tried before the watcher gives up; ``None`` for no limit, or
            for `TRIES_ONCE` where it looks only once.
        poll: seconds between two looks.
        allow_rewind: accept that the history was rewritten since the last delivery.
        rolls_back: put the reference back when the tries are over; one try then is the default.
    """

    location: str
    references: tuple[Reference, ...]
    each: bool = False
    start: str = CURRENT
    tries: int | None = None
    poll: float = 30.0
    allow_rewind: bool = False
    rolls_back: bool = False

    def __post_init__(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            InvalidRequest: it does.
        """
        newest = [one for one in self.references if one.latest]
        if self.rolls_back and newest:
            raise InvalidRequest(
                f"{newest[0]} cannot be rolled back: it is always the newest version",
                hint="watch a stage or an alias",
            )


class _Then(Enum):
    """What follows a failed delivery."""

    AGAIN = "it is tried again"
    NEXT = "the next move is delivered"
    STOP = "nothing"


class Watcher:
    """Delivers moves.

    Args:
        what: is watched.
        memory: of the last deliveries; held by this process.
        delivery: to whom.
        say: prints a line for people.
        sleep: waits for some seconds; for tests.
    """

    def __init__(
        self,
        what: Watching,
        memory: Memory,
        delivery: Delivery,
        say: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._what = what
        self._memory = memory
        self._delivery = delivery
        self._say = say
        self._sleep = sleep
        self._seen: str | None = None
        self._allow_rewind = what.allow_rewind
        self._known = False  # whether all references are known to exist
        self._tried: tuple[str, int] = ("", 0)
        self._has_given_up = False

    def once(self) -> bool:
        """Deliver what has moved so far; return whether all of it was taken.

        Raises:
            NotFound: a reference names nothing, and never did.
            GitError: the registry cannot be reached, or its history was rewritten.
        """
        while (failure := self.look()) is not None:
            if self._after(*failure, limit=TRIES_ONCE) is _Then.STOP:
                return False
        return not self._has_given_up

    def run(self) -> None:
        """Deliver moves until the process is interrupted.

        Raises:
            InvalidRequest: a reference names nothing, and never did.
            Refused: a target refused a move for good, or the tries are over.
        """
        away: tuple[str, float, int] | None = None
        while True:
            try:
                failure = self.look()
            except GitregError as error:
                if isinstance(error, InvalidRequest) and not self._known:
                    raise
                away = self._stay_away(error, away)
                continue
            if away is not None:
                self._say(f"read again after {time.monotonic() - away[1]:.0f} s")
                away = None
            if failure is None:
                self._sleep(_jittered(self._what.poll))
            elif self._after(*failure, limit=None) is _Then.STOP:
                raise Refused(
                    f"{failure[0].reference}: {failure[1]}",
                    hint="start it again when that is repaired: it goes on with this move",
                )

    def _stay_away(
        self, error: GitregError, before: tuple[str, float, int] | None
    ) -> tuple[str, float, int]:
        """Wait until the next look at what cannot be read; the reason is printed once."""
        said, since, count = before or ("", time.monotonic(), 0)
        if str(error) != said:
            hint = f" ({error.hint})" if error.hint else ""
            self._say(f"{error}{hint}; trying again")
        longest = max(_LONGEST_WAIT, self._what.poll)
        self._sleep(_jittered(min(self._what.poll * 2 ** min(count, 20), longest)))
        return str(error), since, count + 1

    # A look

    def look(self) -> tuple[Move, GitregError] | None:
        """Deliver what has moved; return the move that was not taken and why, if there is one.

        Raises:
            NotFound: a reference names nothing, and never did.
            GitError: the registry cannot be reached, or its history was rewritten.
        """
        with Registry(self._what.location, allow_rewind=self._allow_rewind) as registry:
            commit = registry.commit  # 1
            if registry.warnings:
                raise GitError(registry.warnings[0])
            if self._is_delivered(registry, commit):
                return None
            moves = Moves(registry)
            if registry.warnings:
                raise GitError(registry.warnings[0])
            self._check(moves)
            for move in self._pending(moves):  # 2
                failure = self._deliver(registry, move)  # 3
                if failure is not None:
                    return move, failure
            self._seen = moves.tip
        self._allow_rewind = False  # accepted once, not for what happens later
        return None

    def _is_delivered(self, registry: Registry, commit: str | None) -> bool:
        """Tell without the history whether nothing is to be delivered."""
        entries = [self._memory.entries.get(str(one)) for one in self._what.references]
        if any(entry is None or entry.under_way is not None for entry in entries):
            return False
        if commit == self._seen:
            return True
        if self._what.each or self._allow_rewind:
            return False
        for entry, wanted in zip(entries, self._what.references, strict=True):
            last = None if entry is None else entry.delivered
            try:
                here = (registry.resolve(wanted).version, registry.sha256(wanted))
            except InvalidRequest:
                return False  # it names nothing, or its files do not parse: see the history
            if last is None or here != (last.version, last.sha256):
                return False
        self._known, self._seen = True, commit
        return True

    def _check(self, moves: Moves) -> None:
        if not self._known:
            for wanted in self._what.references:
                if str(wanted) not in self._memory.entries:
                    moves.check(wanted)
            self._known = True

    def _pending(self, moves: Moves) -> list[Move]:
        """Return the moves to deliver, in the order of their commits."""
        found: list[Move] = []
        for wanted in self._what.references:
            entry = self._memory.entries.get(str(wanted))
            if entry is None or entry.at is None:
                found += self._first(moves, wanted, entry)
            else:
                found += self._later(moves, wanted, entry)
        return moves.in_order(found)

    def _first(self, moves: Moves, wanted: Reference, entry: Remembered | None) -> Sequence[Move]:
        """Return what is delivered without a memory."""
        start = self._what.start
        if start == START and self._what.each:
            return moves.since(wanted, None)
        if start in (CURRENT, START):
            begun = entry and entry.under_way
            if self._what.each and begun and moves.is_on_branch(begun.commit):
                return [begun, *moves.since(wanted, begun.commit)]
            step = _step(moves.since(wanted, None, only_last=True), entry or Remembered())
            if entry is None and (self._what.each or not step):
                # From here on nothing is left out, also if the first delivery takes long.
                first = Remembered(under_way=step[0]) if step else Remembered(moves.tip)
                self._memory.keep(str(wanted), first)
            return step
        at = moves.tip if start == NOW else moves.commit(start)
        every = moves.since(wanted, None)
        later = 0 if start == NOW else len(moves.since(wanted, at))
        before = every[: len(every) - later]
        known = Remembered(at, before[-1] if before else None)
        self._memory.keep(str(wanted), known)
        return self._later(moves, wanted, known)

    def _later(self, moves: Moves, wanted: Reference, entry: Remembered) -> Sequence[Move]:
        """Return what moved since the last delivery."""
        at = str(entry.at)
        if moves.is_on_branch(at):
            each = self._what.each
            found = moves.since(wanted, at, only_last=not each)
            if found or entry.under_way is None:
                return found if each else _step(found, entry)
            # The branch was put back to before the move whose delivery began.
        elif moves.is_gone(at) and not self._allow_rewind:
            raise GitError(
                f"{wanted}: the history was rewritten: {at[:12]} was delivered, and is no ancestor "
                f"of {moves.tip[:12]}",
                hint="--allow-rewind, when that is right",
            )
        # Which moves are new is unknown: one step leads from what was delivered last.
        step = _step(moves.since(wanted, None, only_last=True), entry)
        if not step:
            self._memory.keep(str(wanted), replace(entry, at=moves.tip))
        return step

    def _deliver(self, registry: Registry, move: Move) -> GitregError | None:
        """Deliver a move, and remember it; return why it was not taken, if it was not."""
        entry = self._memory.entries.get(move.reference, Remembered())
        under_way = entry.under_way
        if under_way is None or (under_way.id, under_way.version) != (move.id, move.version):
            entry = replace(entry, under_way=move, done=())
            self._memory.keep(move.reference, entry)
        done = list(entry.done)

        def ended(target: str) -> None:
            done.append(target)
            if len(done) < len(self._delivery.targets):
                self._memory.keep(move.reference, replace(entry, done=tuple(done)))

        try:
            self._delivery(registry, move, entry.done, ended)
        except GitregError as error:
            return error
        self._finish(move)
        return None

    def _finish(self, move: Move) -> None:
        self._memory.keep(move.reference, Remembered(move.commit, move))

    # After a failure

    def _after(self, move: Move, error: GitregError, limit: int | None) -> _Then:
        """Report a failed delivery, wait or roll back, and return what follows."""
        name, count = self._tried
        count = count + 1 if name == move.id else 1
        self._tried = (move.id, count)
        # Where the bytes or the remote cannot be had, the version did nothing wrong.
        rolls_back = self._what.rolls_back and isinstance(error, Failed)
        most = self._what.tries or (1 if rolls_back else limit)
        is_final = isinstance(error, Failed) and error.is_final
        is_over = is_final or (most is not None and count >= most)
        what = f"{move.reference}: {move.names} was not delivered (try {count}): {error}"
        if is_over:
            self._say(what)
            if rolls_back and self._put_back(move, error):
                self._has_given_up = True
                self._finish(move)  # it was told of: the way back is a move of its own
                return _Then.NEXT
            if is_final or limit is not None or not self._what.rolls_back:
                return _Then.STOP
        wait = _jittered(min(_FIRST_WAIT * 2 ** min(count - 1, 20), _LONGEST_WAIT))
        wait = max(wait, error.wait if isinstance(error, Failed) else 0)
        self._say(f"{what if not is_over else move.reference}; again in {wait:.0f} s")
        self._sleep(wait)
        return _Then.AGAIN

    def _put_back(self, move: Move, error: GitregError) -> bool:
        """Roll back; return whether the reference names another version now."""
        try:
            is_back, said = put_back(self._what.location, move, str(error))
        except GitregError as refused:
            self._say(f"{move.reference}: not rolled back: {refused}")
            return False
        self._say(f"{move.reference}: {said}")
        return is_back


def _step(moves: Sequence[Move], entry: Remembered) -> list[Move]:
    """Return moves as one step from what was delivered last; none where they lead back to it.

    A move back after a delivery that failed is one: the target may have the version that failed.
    """
    last = moves[-1] if moves else None
    delivered = entry.delivered
    is_new = delivered is None and entry.under_way is None
    if last is None or (last.version is None and is_new):
        return []
    if not last.is_same_version(delivered):
        return [replace(last, previous=delivered.version if delivered else None)]
    begun = entry.under_way
    if begun is None:
        return []
    is_begun = last.is_same_version(begun)  # the way back itself: it ended in a failure or a crash
    return [replace(last, previous=begun.previous if is_begun else begun.version)]


def _jittered(seconds: float) -> float:
    """Return about as many seconds, so that many watchers do not ask at the same moment."""
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311  no secret


def default_memory(location: str, references: Sequence[Reference], purpose: Sequence[str]) -> Path:
    """Return the file of a watcher for which none is named.

    It is in the clone's ``.git/gitreg/``, or beside the copy of a URL in the user's cache. Another
    command or target has a file of its own.
    """
    key = hashlib.sha256(repr((sorted(map(str, references)), list(purpose))).encode()).hexdigest()
    with Registry(location) as registry:
        folder = copies_folder(registry.url) if registry.url else registry.private_dir
    return folder / "watch" / f"{key[:24]}.json"
