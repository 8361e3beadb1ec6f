"""How much the long tests try: a sample in ``make test``, everything in ``make soak``."""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")

IS_WHOLE = os.environ.get("TESTS_WHOLE") == "1"
"""Set by `tests.support.soak`."""


def extent(sample: T, whole: T) -> T:
    """Return what to try: the sample, or everything in a soak run."""
    return whole if IS_WHOLE else sample
