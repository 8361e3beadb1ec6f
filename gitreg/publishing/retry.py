"""Retries: how often and how long a publication is tried again after a race or a lost answer."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from gitreg.errors import GitError, LostRace, UnknownOutcome, WorldError
from gitreg.git.push_failures import Locked
from gitreg.publishing.outcome import Overtaken

RETRY_BUDGET = 60.0
"""How long an operation is retried while others move the branch, in seconds."""

LOCK_BUDGET = 5.0
"""How long a lock on the remote counts as a push in progress, in seconds."""

LOST_ANSWERS = 3
"""How many pushes may lose their answer before gitreg gives up."""

_JITTER = 0.4
"""The longest pause before a retry, in seconds; random, so that colliding writers separate."""

_Done = TypeVar("_Done")


def until_done(
    attempt: Callable[[], _Done],
    unknown: Callable[[Exception], UnknownOutcome],
    check_outcome: Callable[[UnknownOutcome], None] | None = None,
) -> _Done:
    """Return the result of the first attempt that succeeds.

    Args:
        attempt: tries once. It must find what an earlier attempt published.
        unknown: makes the error for an outcome that nobody can find out.
        check_outcome: called after the last lost answer. When it returns, ``attempt`` runs once
            more and finds what was published; by default the outcome stays unknown.

    Raises:
        Overtaken: somebody else moved the same pointer; only a person can decide on a retry.
        LostRace: the branch kept moving for longer than `RETRY_BUDGET`.
        UnknownOutcome: the remote did not answer, and a retry could not find out either.
        GitregError: ``attempt`` failed for a reason that a retry does not help against.
    """
    budget = _Budget()
    while True:
        try:
            return attempt()
        except Overtaken:
            raise
        except (LostRace, Locked) as error:
            budget.pause_after_race(error)
        except UnknownOutcome as error:
            if budget.pause_after_lost_answer():
                continue
            if check_outcome is None:
                raise unknown(error) from None
            check_outcome(error)
        except WorldError as error:
            if not budget.lost_answers:
                raise
            raise unknown(error) from None


class _Budget:
    """The time and the lost answers that are left for one publication."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self.lost_answers = 0

    def pause_after_lost_answer(self) -> bool:
        """Wait before the next attempt; return whether there is one."""
        self.lost_answers += 1
        if self.lost_answers >= LOST_ANSWERS:
            return False
        time.sleep(_JITTER * self.lost_answers)
        return True

    def pause_after_race(self, error: GitError) -> None:
        """Wait before the next attempt.

        Raises:
            GitError: an error like the given one, when the time is used up.
        """
        budget = RETRY_BUDGET if isinstance(error, LostRace) else LOCK_BUDGET
        if time.monotonic() - self._started > budget:
            if isinstance(error, Locked):
                raise error
            raise LostRace(
                f"the branch keeps moving: given up after {budget:.0f} s, nothing was published",
                hint="run it again when fewer others push",
            )
        time.sleep(random.uniform(0, _JITTER))  # noqa: S311  no secret
