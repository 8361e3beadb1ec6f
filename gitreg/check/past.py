"""The history before a range, from the history index; it is opened when a check first asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from gitreg.core.state.history import Event

# SQLite is slow to import for a push that never asks.
if TYPE_CHECKING:
    from gitreg.git.history_index import HistoryIndex


class Past:
    """The history before the first commit of a branch: nothing."""

    def highest(self, _model: str) -> int:
        """Return the highest number that a version of a model ever had; 0 for none."""
        return 0

    def events(self, _model: str, _pointer: str) -> Sequence[Event]:
        """Return the moves of a pointer, newest first."""
        return ()


class IndexedPast(Past):
    """The history up to a commit.

    Args:
        open_history: gives the index.
        commit: where the history ends.
    """

    def __init__(self, open_history: Callable[[], HistoryIndex], commit: str) -> None:
        self._open = open_history
        self._commit = commit

    @cached_property
    def _history(self) -> HistoryIndex:
        history = self._open()
        history.advance(self._commit)
        return history

    def highest(self, model: str) -> int:
        """Return the highest number that a version of a model ever had; 0 for none."""
        return self._history.highest_number(model)

    def events(self, model: str, pointer: str) -> Sequence[Event]:
        """Return the moves of a pointer, newest first."""
        return self._history.moves_of(model, pointer)
