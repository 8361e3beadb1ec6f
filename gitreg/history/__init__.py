"""Questions that only the past can answer: who stood where and when, and since when it is wrong.

Everything here reads a `gitreg.registry.Registry` and writes nothing into it. What can be computed
from values alone is in `gitreg.core`.

=================  =================================================================
`timelines`        which version stood where, from when to when; `timeline` is its function
`explaining`       what served, by whom, why, from what; `explain` is its function
`differences`      the commits, files of data and packages between two versions
`bisect`           which version was the first bad one
`bisect_command`   tests a version with the user's own command
`bisect_memory`    what an interrupted search has learned
`searching`        the versions for which a filter holds; `search` is its function
`search_database`  the file of its index
`search_index`     keeps the index at a commit
`search_past`      what the index knows of the past
`search_query`     a filter as SQL
=================  =================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitreg.history.explaining import explain
    from gitreg.history.searching import search
    from gitreg.history.timelines import timeline

__all__ = ["explain", "search", "timeline"]

_MODULES = {"explain": "explaining", "search": "searching", "timeline": "timelines"}
"""Where each function is defined; who asks one thing does not import the others."""


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
