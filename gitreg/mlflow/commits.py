"""Makes the commit of one call of MLflow's, with the time of the call."""

from __future__ import annotations

import logging
from collections.abc import Callable

from mlflow.utils.time import get_current_time_millis

from gitreg.core.state.change import TIME
from gitreg.core.text.times import instant
from gitreg.mlflow.pool import Pool
from gitreg.publishing.outcome import Outcome, Overtaken
from gitreg.registry import Registry

_RETRIES = 3
"""How often a call is retried after somebody else moved the same pointer."""

_logger = logging.getLogger(__name__)


def committed(registry: Registry, pool: Pool, write: Callable[[], Outcome]) -> Outcome:
    """Return the outcome of a write, and log its warnings.

    The message of the commit gives the time to the millisecond, as MLflow's times are. If two
    callers move the same pointer at once, the last one wins, as in the SQL store: a retry
    overwrites the first one's change.
    """
    with registry.repeating([(TIME, instant(get_current_time_millis()))]):
        outcome = _retried(pool, write)
    for warning in outcome.warnings:
        _logger.warning("%s", warning)
    return outcome


def _retried(pool: Pool, write: Callable[[], Outcome]) -> Outcome:
    for _ in range(_RETRIES):
        try:
            return write()
        except Overtaken as error:
            _logger.info("%s; retrying", error)
            pool.update()
    return write()
