"""The past as the history index has it: the rows that other indexes of the past are made from."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

_LAST = "SELECT seq, oid FROM commits WHERE seq <= ? ORDER BY seq DESC LIMIT 1"
_IS_THERE = "SELECT 1 FROM commits WHERE seq = ? AND oid = ?"
_LIVES = "SELECT model, seq, life FROM lives WHERE seq <= ? ORDER BY seq"
_BIRTHS = (
    "SELECT v.model, v.life, v.version, v.seq, v.oid, (SELECT e.renamed_from FROM events e WHERE "
    "e.seq = v.seq AND e.model = v.model AND e.version = v.version AND e.pointer IS NULL "
    "AND e.renamed_from IS NOT NULL) FROM versions v WHERE v.seq > ? AND v.seq <= ? ORDER BY v.seq"
)
_EVENTS = (
    "SELECT seq, model, version, pointer, after, reason FROM events WHERE seq > ? AND seq <= ? "
    "AND (pointer IS NOT NULL OR (version IS NOT NULL AND reason IS NOT NULL)) ORDER BY seq"
)
_COUNT = "SELECT count(*) FROM events WHERE seq <= ?"
_TOUCHED = "SELECT DISTINCT model FROM events WHERE seq > ? AND seq <= ?"
_CHANGES = (
    "SELECT DISTINCT c.oid FROM events e JOIN commits c USING (seq) WHERE e.model = ?1 "
    "AND e.seq >= ?3 AND e.seq <= ?4 AND (e.version = ?2 OR e.version IS NULL AND e.seq = ?4) "
    "ORDER BY e.seq DESC"
)


class Birth(NamedTuple):
    """A version under a name: the commit that gave it the name, and the one that registered it."""

    model: str
    life: int
    version: int
    seq: int
    oid: str
    renamed_from: str | None


class Said(NamedTuple):
    """A move or a reason: who it is about, what the pointer held after it, why."""

    seq: int
    model: str
    version: int | None
    pointer: str | None
    after: tuple[int, ...]
    reason: str | None


_Ask = Callable[[str, Sequence[object]], "list[tuple[Any, ...]]"]


class PastRows:
    """What happened up to a commit of the index.

    Args:
        ask: runs a query of the index.
        last: the sequence number of the commit, or more.
    """

    def __init__(self, ask: _Ask, last: int) -> None:
        self._ask = ask
        rows = ask(_LAST, (last,))
        self.seq: int
        self.oid: str
        self.seq, self.oid = rows[0] if rows else (0, "")

    def has(self, seq: int, oid: str) -> bool:
        """Tell whether the index has a commit at a sequence number; those before it are equal."""
        return seq == 0 or bool(self._ask(_IS_THERE, (seq, oid)))

    def lives(self) -> list[tuple[str, int, int]]:
        """Return where each life of a name began or went on: model, sequence number, life."""
        return [(row[0], row[1], row[2]) for row in self._ask(_LIVES, (self.seq,))]

    def births(self, since: int) -> list[Birth]:
        """Return the versions that got their name after a commit, oldest first."""
        return [Birth(*row) for row in self._ask(_BIRTHS, (since, self.seq))]

    def said(self, since: int) -> list[Said]:
        """Return the moves and the reasons after a commit, oldest first."""
        return [
            Said(seq, model, version, pointer, tuple(json.loads(after)), reason)
            for seq, model, version, pointer, after, reason in self._ask(_EVENTS, (since, self.seq))
        ]

    def count(self) -> int:
        """Return how many events there are."""
        return int(self._ask(_COUNT, (self.seq,))[0][0])

    def models_since(self, since: int) -> set[str]:
        """Return the models that had an event after a commit."""
        return {row[0] for row in self._ask(_TOUCHED, (since, self.seq))}

    def changes_of(self, model: str, version: int, since: int, until: int) -> list[str]:
        """Return the commits that changed a version, and the last one if it ended the model.

        Args:
            model: the model.
            version: its version.
            since: the first commit to look at, by its sequence number.
            until: the last one.

        Returns:
            The newest first.
        """
        return [row[0] for row in self._ask(_CHANGES, (model, version, since, until))]
