"""The SQLite file of the history index: its tables, their format, and how it is opened."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from typing import Any

from gitreg.core.state.history import Event

FORMAT = 20
"""Increased when events or tables change: an index of another format is rebuilt."""

_CACHE = 65_536
"""KiB of pages in memory: with fewer, a new index writes the same pages again and again."""

_TABLES = """
CREATE TABLE meta (format INTEGER, tip TEXT);
CREATE TABLE commits (
    seq INTEGER PRIMARY KEY, oid TEXT UNIQUE, second INTEGER, moment INTEGER
);
CREATE TABLE operations (id TEXT PRIMARY KEY, oid TEXT) WITHOUT ROWID;
CREATE TABLE events (
    seq INTEGER, place INTEGER, time TEXT, author TEXT, model TEXT, action TEXT, version INTEGER,
    pointer TEXT, before TEXT, after TEXT, reason TEXT, subject TEXT, reverts TEXT,
    stage TEXT, override TEXT, renamed_from TEXT, renamed_to TEXT, PRIMARY KEY (seq, place)
) WITHOUT ROWID;
CREATE TABLE lives (
    model TEXT, seq INTEGER, life INTEGER, PRIMARY KEY (model, seq)
) WITHOUT ROWID;
CREATE TABLE versions (
    model TEXT, life INTEGER, version INTEGER, seq INTEGER, oid TEXT, tagged TEXT, named TEXT,
    PRIMARY KEY (model, life, version)
) WITHOUT ROWID;
CREATE TABLE changes (
    model TEXT, life INTEGER, version INTEGER, seq INTEGER, created INTEGER, updated INTEGER,
    PRIMARY KEY (model, life, version, seq)
) WITHOUT ROWID;
CREATE TABLE counters (
    model TEXT, seq INTEGER, moves INTEGER, last INTEGER, others INTEGER,
    PRIMARY KEY (model, seq)
) WITHOUT ROWID;
CREATE TABLE tags (
    name TEXT PRIMARY KEY, seq INTEGER, model TEXT, version INTEGER, target TEXT, tagger TEXT,
    time INTEGER, zone TEXT, message TEXT, pointer TEXT, adopted INTEGER
) WITHOUT ROWID;
"""
_INDEXES = """
CREATE INDEX IF NOT EXISTS events_of_pointer ON events (model, pointer, seq);
CREATE INDEX IF NOT EXISTS changes_in_order ON changes (model, life, seq);
CREATE INDEX IF NOT EXISTS tags_of_pointer ON tags (model, pointer, time)
"""
EVENT = (
    "SELECT oid, time, author, model, action, version, pointer, before, after, reason, subject, "
    "reverts, stage, override, renamed_from, renamed_to FROM events JOIN commits USING (seq)"
)
"""Reads events; `event_of` makes one of a row."""

# A version 0 is the model itself.
ACTIVITIES = (
    "SELECT model, version, min(created), max(updated) FROM changes WHERE seq <= ?1 "
    "AND life = ifnull((SELECT life FROM lives WHERE lives.model = changes.model AND seq <= ?1 "
    "ORDER BY seq DESC LIMIT 1), 0) GROUP BY model, life, version"
)
ACTIVITY_SINCE = (
    "SELECT version, min(created), max(updated) FROM changes INDEXED BY changes_in_order "
    "WHERE model = ? AND life = ? AND seq > ? AND seq <= ? GROUP BY version"
)
_FORGET = """
DELETE FROM versions WHERE seq > ?;
DELETE FROM lives WHERE seq > ?;
DELETE FROM changes WHERE seq > ?;
DELETE FROM operations WHERE oid IN (SELECT oid FROM commits WHERE seq > ?);
DELETE FROM events WHERE seq > ?;
DELETE FROM tags WHERE seq > ?;
DELETE FROM commits WHERE seq > ?;
DELETE FROM counters WHERE seq > ?
"""


def open_database(place: str) -> sqlite3.Connection:
    """Return the open database at a path, or ``:memory:``; one of another format is emptied.

    Raises:
        sqlite3.DatabaseError: the file cannot be opened, or is no database.
    """
    db = sqlite3.connect(place, timeout=60, check_same_thread=False, isolation_level=None)
    try:
        # After a power cut the last commits are read again; the truth is in Git.
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute(f"PRAGMA cache_size = -{_CACHE}")
        with transaction(db):
            _prepare(db)
    except BaseException:
        db.close()
        raise
    return db


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Write all or nothing; inside a transaction, write as a part of it."""
    if db.in_transaction:
        yield
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _prepare(db: sqlite3.Connection) -> None:
    tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    if "meta" in tables and db.execute("SELECT format FROM meta").fetchone() == (FORMAT,):
        return
    clear(db)


def clear(db: sqlite3.Connection) -> None:
    """Drop all tables and create them again, empty."""
    for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        db.execute(f'DROP TABLE "{name}"')
    for statement in _TABLES.split(";"):
        db.execute(statement)
    db.execute("INSERT INTO meta VALUES (?, NULL)", (FORMAT,))


def index(db: sqlite3.Connection) -> None:
    """Make the tables quick to ask; a new index does so at its end, because that is faster."""
    for statement in _INDEXES.split(";"):
        db.execute(statement)


def truncate(db: sqlite3.Connection, last: int) -> None:
    """Remove everything after a commit of the index, given by its sequence number."""
    for statement in _FORGET.strip().split(";\n"):
        db.execute(statement, (last,) if "?" in statement else ())


def event_of(row: tuple[Any, ...]) -> Event:
    """Return the event in a row of `EVENT`."""
    *facts, before, after, reason, subject, reverts, stage, override, was, became = row
    commit, time, author, model, action, version, pointer = facts
    return Event(
        commit,
        time,
        author,
        model,
        action,
        version,
        pointer,
        tuple(json.loads(before)),
        tuple(json.loads(after)),
        reason,
        subject,
        reverts,
        stage,
        override,
        was,
        became,
    )
