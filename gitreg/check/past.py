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

    def events(self, _model: str, _pointer: str, *, back: bool = False) -> Sequence[Event]:  # noqa: ARG002
        """Return the moves of a pointer, newest first.

        With ``back``, of the life that continues when the latest end of the name is taken back.
        """
        return ()

    def life(self, _model: str, *, back: bool = False) -> str | None:  # noqa: ARG002
        """Return the commit that began the life of a name; ``None`` for the first life."""
        return None

    def end(self, _model: str) -> str | None:
        """Return the commit that deleted or renamed a model last, if that stands."""
        return None

    def was_approved(
        self,
        _model: str,
        _version: int,
        _stage: str,
        *,
        back: bool = False,  # noqa: ARG002
        moved: bool = False,  # noqa: ARG002
    ) -> bool:
        """Tell whether a version was approved for a stage before the stage moved last.

        With ``moved`` the stage has moved since, so that any approval was there before.
        """
        return False

    def had_pointers(self, _model: str) -> bool:
        """Tell whether a pointer ever moved under a name, in any of its lives."""
        return False


class KnownPast(Past):
    """The history that an index has, which somebody else keeps up.

    Args:
        open_history: gives the index.
    """

    def __init__(self, open_history: Callable[[], HistoryIndex]) -> None:
        self._open = open_history

    @cached_property
    def _history(self) -> HistoryIndex:
        return self._open()

    def highest(self, model: str) -> int:
        """Return the highest number that a version of a model ever had; 0 for none."""
        return self._history.highest_number(model)

    def events(self, model: str, pointer: str, *, back: bool = False) -> Sequence[Event]:
        """Return the moves of a pointer, newest first."""
        return self._history.moves_of(model, pointer, back=back)

    def life(self, model: str, *, back: bool = False) -> str | None:
        """Return the commit that began the life of a name; ``None`` for the first life."""
        return self._history.names.life_of(model, back=back)

    def end(self, model: str) -> str | None:
        """Return the commit that deleted or renamed a model last, if that stands."""
        return self._history.names.end_of(model)

    def was_approved(
        self,
        model: str,
        version: int,
        stage: str,
        *,
        back: bool = False,
        moved: bool = False,
    ) -> bool:
        """Tell whether a version was approved for a stage before the stage moved last."""
        return self._history.names.was_approved(model, version, stage, back=back, moved=moved)

    def had_pointers(self, model: str) -> bool:
        """Tell whether a pointer ever moved under a name, in any of its lives."""
        return self._history.names.had_pointers(model)


class IndexedPast(KnownPast):
    """The history up to a commit.

    Args:
        open_history: gives the index.
        commit: where the history ends.
    """

    def __init__(self, open_history: Callable[[], HistoryIndex], commit: str) -> None:
        super().__init__(open_history)
        self._commit = commit

    @cached_property
    def _history(self) -> HistoryIndex:
        history = self._open()
        history.advance(self._commit)
        return history
