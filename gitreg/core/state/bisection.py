"""Which version to test next, and what the tests so far prove: bisection as a pure value.

The candidates stand in an order in which good ones come before bad ones. Both ends are tested
first: a search between a good end that is bad, or a bad end that is good, finds nothing.

>>> search = Bisection((None, None, None, None))
>>> while (place := search.next) is not None:
...     search = search.tested(place, "good" if place < 2 else "bad")
>>> search.last_good, search.first_bad, search.hidden
(1, 2, ())
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

Verdict: TypeAlias = Literal["good", "bad", "skipped"]

SKIP = 125
"""The exit status by which a command says that a version cannot be tested."""

ABORT = 128
"""The lowest exit status that says nothing about the version: a shell reports signals so."""


def verdict_of(status: int) -> Verdict | None:
    """Return what an exit status says, as `git bisect run` reads it; ``None`` to stop.

    Args:
        status: of a process; negative if a signal ended it.

    >>> [verdict_of(status) for status in (0, 1, 125, 127, 128, -9)]
    ['good', 'bad', 'skipped', 'bad', None, None]
    """
    if status == 0:
        return "good"
    if status == SKIP:
        return "skipped"
    return "bad" if 0 < status < ABORT else None


class Effort(NamedTuple):
    """What tests cost: how many, the bytes that are unpacked, and those that are downloaded."""

    runs: int = 0
    size: int = 0
    download: int = 0

    def and_then(self, other: Effort) -> Effort:
        """Return the cost of both."""
        return Effort(*(one + more for one, more in zip(self, other, strict=True)))

    def at_most(self, other: Effort) -> Effort:
        """Return a bound that holds for either."""
        return Effort(*map(max, self, other))


@dataclass(frozen=True)
class Bisection:
    """The verdicts on the candidates, in their order; ``None`` for one that is not tested yet."""

    verdicts: tuple[Verdict | None, ...]

    def tested(self, place: int, verdict: Verdict) -> Bisection:
        """Return the bisection with one more verdict."""
        verdicts = list(self.verdicts)
        verdicts[place] = verdict
        return Bisection(tuple(verdicts))

    @property
    def ends(self) -> tuple[int, ...]:
        """The first and the last candidate that can be tested; the same one if it is alone."""
        left = [place for place, verdict in enumerate(self.verdicts) if verdict != "skipped"]
        return (left[0], left[-1]) if left else ()

    @property
    def last_good(self) -> int | None:
        """The last candidate known to be good."""
        return max(self._places("good"), default=None)

    @property
    def first_bad(self) -> int | None:
        """The first candidate known to be bad."""
        return min(self._places("bad"), default=None)

    @property
    def next(self) -> int | None:
        """The candidate to test now; ``None`` when nothing more can be learned."""
        for end, needed in zip(self.ends, ("good", "bad"), strict=False):
            if self.verdicts[end] is None:
                return end
            if self.verdicts[end] != needed:
                return None
        left = self._between()
        return left[_middle(left)] if left else None

    @property
    def hidden(self) -> tuple[int, ...]:
        """The skipped candidates between the last good and the first bad one."""
        good, bad = self.last_good, self.first_bad
        if good is None or bad is None:
            return ()
        return tuple(place for place in self._places("skipped") if good < place < bad)

    def worst(self, costs: Sequence[Effort]) -> Effort:
        """Return what the remaining tests cost at most, if none skips its candidate.

        Args:
            costs: of each candidate, in the order of the verdicts.
        """
        if self.next is None:
            return Effort()
        ends = {end for end in self.ends if self.verdicts[end] is None}
        total = Effort()
        for end in ends:
            total = total.and_then(costs[end])
        return total.and_then(_worst([costs[place] for place in self._between()]))

    def _places(self, verdict: Verdict) -> list[int]:
        return [place for place, found in enumerate(self.verdicts) if found == verdict]

    def _between(self) -> list[int]:
        """Return the untested candidates between the last good and the first bad one."""
        if not self.ends:
            return []
        first, last = self.ends
        good = first if self.last_good is None else self.last_good
        bad = last if self.first_bad is None else self.first_bad
        return [place for place in range(good + 1, bad) if self.verdicts[place] is None]


def _middle(left: Sequence[object]) -> int:
    """Return the place that halves what is left, whatever was skipped around it."""
    return (len(left) - 1) // 2


def _worst(costs: Sequence[Effort]) -> Effort:
    if not costs:
        return Effort()
    middle = _middle(costs)
    beside = _worst(costs[:middle]).at_most(_worst(costs[middle + 1 :]))
    return costs[middle].and_then(beside)
