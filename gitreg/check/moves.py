"""Checks of moves: what the policy says of each version that a step lets enter a stage."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from gitreg.check.finding import CheckFinding
from gitreg.check.step import Step

Decide = Callable[[Step], Iterable[CheckFinding]]


def moves(step: Step, decide: Decide) -> Iterator[CheckFinding]:
    yield from decide(step)
