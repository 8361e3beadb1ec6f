"""The SQLite file of the history index: its tables, their format, and how it is opened."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

FORMAT = 17
"""Increased when events or tables change: an index of another format is rebuilt."""

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
CREATE INDEX events_of_pointer ON events (model, pointer, seq);
CREATE TABLE lives (
    model TEXT, seq INTEGER, life INTEGER, PRIMARY KEY (model, seq)
) WITHOUT ROWID;
CREATE TABLE versions (
    model TEXT, life INTEGER, version INTEGER, seq INTEGER, oid TEXT, tagged TEXT,
    PRIMARY KEY (model, life, version)
) WITHOUT ROWID;
CREATE TABLE changes (
    model TEXT, life INTEGER, version INTEGER, seq INTEGER, created INTEGER, updated INTEGER,
    PRIMARY KEY (model, life, version, seq)
) WITHOUT ROWID;
CREATE INDEX changes_in_order ON changes (model, life, seq);
CREATE TABLE counters (model TEXT PRIMARY KEY, moves INTEGER, last INTEGER) WITHOUT ROWID;
CREATE TABLE tags (
    name TEXT PRIMARY KEY, seq INTEGER, model TEXT, version INTEGER, target TEXT, tagger TEXT,
    time INTEGER, zone TEXT, message TEXT, pointer TEXT
) WITHOUT ROWID;
CREATE INDEX tags_of_pointer ON tags (model, pointer, time);
"""
_FORGET = """
DELETE FROM versions WHERE seq > ?;
DELETE FROM lives WHERE seq > ?;
DELETE FROM changes WHERE seq > ?;
DELETE FROM operations WHERE oid IN (SELECT oid FROM commits WHERE seq > ?);
DELETE FROM events WHERE seq > ?;
DELETE FROM tags WHERE seq > ?;
DELETE FROM commits WHERE seq > ?;
DELETE FROM counters;
INSERT INTO counters SELECT model, sum(instr(name, '#') > 0), max(time) FROM tags GROUP BY model
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


def truncate(db: sqlite3.Connection, last: int) -> None:
    """Remove everything after a commit of the index, given by its sequence number."""
    for statement in _FORGET.strip().split(";\n"):
        db.execute(statement, (last,) if "?" in statement else ())
