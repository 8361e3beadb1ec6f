"""The lives of models' names, as the history index has them.

A name's life ends when its model is deleted or renamed. A commit that takes the latest end back, so
that the model is as it was, continues the life before; anything else begins a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

_LIFE = "SELECT life FROM lives WHERE model = ? AND seq <= ? ORDER BY seq DESC LIMIT 1 OFFSET ?"
_END = (
    "SELECT oid, seq = life FROM lives JOIN commits USING (seq) WHERE model = ? AND seq <= ? "
    "ORDER BY seq DESC LIMIT 1"
)
_POINTED = "SELECT 1 FROM events WHERE model = ? AND pointer IS NOT NULL AND seq <= ? LIMIT 1"
_LAST_MOVE = "SELECT max(seq) FROM events WHERE model = ? AND pointer = ? AND seq > ? AND seq <= ?"
_APPROVED = (
    "SELECT 1 FROM events WHERE model = ? AND pointer IS NULL AND action = 'approve' "
    "AND version = ? AND stage = ? AND seq > ? AND seq <= ? LIMIT 1"
)

_Ask = Callable[[str, Sequence[object]], "list[tuple[Any, ...]]"]


class NameLives:
    """The lives of names up to a commit of the index.

    Args:
        ask: runs a query of the index.
        last: the sequence number of the commit.
    """

    def __init__(self, ask: _Ask, last: int = 2**62) -> None:
        self._ask = ask
        self._last = last

    def number(self, model: str, *, back: bool = False) -> int:
        """Return the sequence number of the commit that began a life; 0 for the first life.

        Args:
            model: the name.
            back: ask of the life that continues when the latest end is taken back.
        """
        rows = self._ask(_LIFE, (model, self._last, int(back)))
        return int(rows[0][0]) if rows else 0

    def life_of(self, model: str, *, back: bool = False) -> str | None:
        """Return the commit that began a life, as `number` does; ``None`` for the first life."""
        query = "SELECT oid FROM commits WHERE seq = ?"
        rows = self._ask(query, (self.number(model, back=back),))
        return rows[0][0] if rows else None

    def end_of(self, model: str) -> str | None:
        """Return the commit that ended a name last, unless a later one took that back."""
        rows = self._ask(_END, (model, self._last))
        return rows[0][0] if rows and rows[0][1] else None

    def was_approved(
        self, model: str, version: int, stage: str, *, back: bool = False, moved: bool = False
    ) -> bool:
        """Tell whether a version was approved for a stage before the stage moved last.

        Args:
            model: the model.
            version: its version.
            stage: the stage.
            back: ask of the life that continues when the latest end is taken back.
            moved: the stage has moved since, so that any approval was there before.
        """
        life = self.number(model, back=back)
        last = self._last
        if not moved:
            rows = self._ask(_LAST_MOVE, (model, f"stages/{stage}", life, self._last))
            last = rows[0][0] or 0
        return bool(self._ask(_APPROVED, (model, version, stage, life, last)))

    def had_pointers(self, model: str) -> bool:
        """Tell whether a pointer ever moved under a name, in any of its lives."""
        return bool(self._ask(_POINTED, (model, self._last)))
