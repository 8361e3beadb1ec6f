"""The part of the search index that is about the past: who stood where, why, and who is gone.

A *line* is one life of a version, through the renames of its model. Lines and what was done with
them are added in the order of history, and each query ends at its own commit. A version that is
there no more is read from the last commit that had it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import pairwise

from gitreg.core.model import layout
from gitreg.core.state.state import RegistryState
from gitreg.errors import InvalidDocument
from gitreg.git.history_past import Birth, PastRows, Said
from gitreg.git.objects import CommitSnapshot, ObjectReader
from gitreg.history.search_database import GONE, KEPT, LIVE
from gitreg.history.search_index import SearchIndex

_LINE = "SELECT line FROM lines WHERE model = ? AND life = ? AND version = ?"
_KNOWN_LINE = """
UPDATE docs SET line = (
    SELECT line FROM lines WHERE lines.model = docs.model AND lines.version = docs.version
    AND life = ifnull((SELECT life FROM present WHERE present.model = docs.model), 0)
) WHERE scope = 1 AND (line IS NULL OR model IN (SELECT model FROM present))
"""
_ABSENT = """
SELECT line, model, life, version, max(seq) FROM lines WHERE seq <= ?
AND line NOT IN (SELECT line FROM docs WHERE scope = 1 AND line IS NOT NULL) GROUP BY line
"""


class _Lives:
    """The lives of names up to a commit."""

    def __init__(self, rows: Sequence[tuple[str, int, int]]) -> None:
        self._rows: dict[str, list[tuple[int, int]]] = {}
        for model, seq, life in rows:
            self._rows.setdefault(model, []).append((seq, life))

    def before(self, model: str, seq: int) -> int:
        """Return the life that a commit found: what it does belongs to that one."""
        return next((life for at, life in reversed(self._rows.get(model, ())) if at < seq), 0)

    def end(self, model: str, life: int) -> int | None:
        """Return the commit that ended a life last; ``None`` if it goes on."""
        rows = [(0, 0), *self._rows.get(model, ())]
        ends = [later[0] for this, later in pairwise(rows) if this[1] == life]
        return None if rows[-1][1] == life else ends[-1] if ends else None

    @property
    def present(self) -> list[tuple[str, int]]:
        """The names that had several lives, each with the present one."""
        return [(model, rows[-1][1]) for model, rows in self._rows.items()]


class SearchPast:
    """Adds the past to an index; the caller holds a transaction.

    Args:
        db: the index, at the commit.
        index: writes into it.
        rows: the past, up to the same commit.
        reader: reads the objects of its repository.
    """

    def __init__(
        self, db: sqlite3.Connection, index: SearchIndex, rows: PastRows, reader: ObjectReader
    ) -> None:
        self._db = db
        self._index = index
        self._rows = rows
        self._reader = reader
        self._lives = _Lives(rows.lives())

    def follow(self) -> None:
        """Add what happened since, and find out which versions are gone at the index's commit."""
        seq, oid = self._db.execute("SELECT seq, oid FROM meta").fetchone()
        if not self._rows.has(seq, oid):
            self._forget()  # the branch was rewritten
            seq = 0
        if self._rows.seq > seq:
            self._add(self._rows.births(seq), self._rows.said(seq))
            values = (self._rows.seq, self._rows.oid)
            self._db.execute("UPDATE meta SET seq = ?, oid = ?", values)
        self._find_lines()
        self._find_gone()

    def _forget(self) -> None:
        for (doc,) in self._db.execute("SELECT id FROM docs WHERE scope <> ?", (LIVE,)).fetchall():
            self._index.remove(doc)
        for statement in (
            "DELETE FROM words WHERE rowid IN (SELECT id FROM texts WHERE line IS NOT NULL)",
            "DELETE FROM texts WHERE line IS NOT NULL",
            "DELETE FROM lines",
            "DELETE FROM held",
            "UPDATE docs SET line = NULL",
        ):
            self._db.execute(statement)

    def _add(self, births: Sequence[Birth], said: Sequence[Said]) -> None:
        newest = self._db.execute("SELECT max(line) FROM lines").fetchone()[0] or 0
        for birth in births:
            line = None
            if birth.renamed_from is not None:
                old = birth.renamed_from
                line = self._line(old, self._lives.before(old, birth.seq), birth.version)
            if line is None:
                line = newest = newest + 1
            row = (birth.model, birth.life, birth.version, birth.seq, birth.oid, line)
            self._db.execute("INSERT OR IGNORE INTO lines VALUES (?, ?, ?, ?, ?, ?)", row)
        reasons: dict[tuple[int, int, str], None] = {}
        for one in said:
            life = self._lives.before(one.model, one.seq)
            if one.reason and one.version is not None:
                line = self._line(one.model, life, one.version)
                if line is not None:
                    reasons[line, one.seq, one.reason] = None
            if one.pointer is not None and one.after:
                self._hold(one, life)
        for line, seq, reason in reasons:
            self._index.say(reason, line=line, seq=seq)

    def _hold(self, one: Said, life: int) -> None:
        kind, _, name = str(one.pointer).partition("/")
        field = "stage" if kind == "stages" else "alias"
        lines = (self._line(one.model, life, number) for number in one.after)
        rows = [(line, field, name, one.seq) for line in lines if line is not None]
        self._db.executemany("INSERT OR IGNORE INTO held VALUES (?, ?, ?, ?, NULL)", rows)

    def _line(self, model: str, life: int, version: int) -> int | None:
        row = self._db.execute(_LINE, (model, life, version)).fetchone()
        return None if row is None else int(row[0])

    def _find_lines(self) -> None:
        """Note which line each version of the commit is."""
        self._db.execute("CREATE TEMP TABLE IF NOT EXISTS present (model TEXT PRIMARY KEY, life)")
        self._db.execute("DELETE FROM present")
        self._db.executemany("INSERT INTO present VALUES (?, ?)", self._lives.present)
        self._db.execute(_KNOWN_LINE)

    def _find_gone(self) -> None:
        self._db.execute("UPDATE docs SET scope = ? WHERE scope = ?", (KEPT, GONE))
        for line, model, life, version, seq in self._db.execute(
            _ABSENT, (self._rows.seq,)
        ).fetchall():
            end = self._lives.end(model, life)
            if end is None and self._is_broken(model, version):
                continue
            self._keep(line, model, version, (seq, self._rows.seq if end is None else end))

    def _is_broken(self, model: str, version: int) -> bool:
        query = "SELECT 1 FROM broken WHERE model = ? AND version = ?"
        return self._db.execute(query, (model, version)).fetchone() is not None

    def _keep(self, line: int, model: str, version: int, span: tuple[int, int]) -> None:
        """Have a version that is gone as the last commit with it had it."""
        for oid in self._rows.changes_of(model, version, *span):
            kept = "UPDATE docs SET scope = ? WHERE line = ? AND died = ?"
            if self._db.execute(kept, (GONE, line, oid)).rowcount:
                return
            before = self._reader.get(f"{oid}^")
            if before is None:
                continue
            snapshot = CommitSnapshot(self._reader, before.oid)
            state = RegistryState(snapshot)
            if not state.has_version(model, version):
                continue
            try:
                found = state.version(model, version)
            except InvalidDocument:
                return  # `check` reports it
            frozen = snapshot.identity(layout.version_path(model, version, layout.REQUIREMENTS))
            doc = self._index.add(found, frozen, GONE, line)
            self._db.execute("UPDATE docs SET died = ? WHERE id = ?", (oid, doc))
            return
