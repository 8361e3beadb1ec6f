"""Near misses for a mistyped name.

>>> did_you_mean("prodction", ["staging", "production"])
"did you mean 'production'?"
>>> did_you_mean("prod", ["staging", "production"])
"did you mean 'production'?"
>>> did_you_mean("xyz", ["staging"]) is None
True
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LIKE = 0.62
"""How alike words are, from 0 to 1; ``aprovals`` and ``roles``, which are not, have 0.615."""

_TELLING = 3
"""The fewest letters of a prefix that identify a word."""


def near_misses(word: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Return up to ``limit`` known words that look like ``word``, the nearest first.

    A prefix of a known word is near, and so is a longer word: ``prod``, ``staging-eu``.
    """
    by_fold = {name.casefold(): name for name in known}
    fold = word.casefold()
    found = difflib.get_close_matches(fold, by_fold, n=limit, cutoff=_LIKE)
    if len(fold) >= _TELLING:
        found += [name for name in by_fold if name.startswith(fold)]
    found += [name for name in by_fold if len(name) >= _TELLING and fold.startswith(name)]
    return [by_fold[name] for name in dict.fromkeys(found)][:limit]


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return ``did you mean …?`` for the words near to ``word``, or ``None``."""
    found = near_misses(word, known)
    return f"did you mean {' or '.join(repr(name) for name in found)}?" if found else None
