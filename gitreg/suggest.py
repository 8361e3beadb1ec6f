"""Near misses for a mistyped name.

>>> did_you_mean("prodction", ["staging", "production"])
"did you mean 'production'?"
>>> did_you_mean("xyz", ["staging"]) is None
True
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def near_misses(word: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Return up to ``limit`` known words that look like ``word``, the nearest first."""
    by_fold = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(word.casefold(), by_fold, n=limit, cutoff=0.6)
    return [by_fold[fold] for fold in found]


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return ``did you mean …?`` for the words near to ``word``, or ``None``."""
    found = near_misses(word, known)
    return f"did you mean {' or '.join(repr(name) for name in found)}?" if found else None
