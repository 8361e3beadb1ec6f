"""Counts what a call does: a machine's load changes how long it takes, and not how much."""

from __future__ import annotations

import sys
from collections.abc import Callable


def calls_during(action: Callable[[], object]) -> int:
    """Return how many functions are called while ``action`` runs, those written in C included."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        action()
    finally:
        sys.setprofile(None)
    return calls
