"""How long something is tried again when others, or the network, got in its way."""

from __future__ import annotations

import random
import time

from gitreg.errors import GitError, LostRace, UnknownOutcome
from gitreg.git.remote import Locked

RETRY_BUDGET = 60.0
"""How long an operation is tried again while others move the branch, in seconds."""

LOCK_BUDGET = 5.0
"""How long a lock on the other side is taken for a push under way, in seconds."""

LOST_ANSWERS = 3
"""How often a push is tried whose answer was lost before it is given up."""

_JITTER = 0.4
"""The longest pause before the next try, in seconds: writers that collided must part."""


class RetryBudget:
    """What is left of the will to try one thing again."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self.lost_answers = 0

    def again(self, error: GitError) -> None:
        """Wait a moment before the next try, or give up.

        Raises:
            GitError: ``error`` is nothing that another try would help against, or it has been
                tried for long enough. After the last lost answer it is that `UnknownOutcome`:
                the caller looks what came of it.
        """
        if isinstance(error, UnknownOutcome):
            self.lost_answers += 1
            if self.lost_answers >= LOST_ANSWERS:
                raise error
            time.sleep(_JITTER * self.lost_answers)
        elif isinstance(error, (LostRace, Locked)):
            budget = RETRY_BUDGET if isinstance(error, LostRace) else LOCK_BUDGET
            if time.monotonic() - self._started > budget:
                why = "the branch keeps moving" if isinstance(error, LostRace) else str(error)
                raise type(error)(
                    f"{why}: given up after {budget:.0f} s, nothing was published",
                    hint="run it again when less is going on",
                )
            time.sleep(random.uniform(0, _JITTER))  # noqa: S311  no secret
        else:
            raise error
