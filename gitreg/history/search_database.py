"""The SQLite file of the search index: its tables, their format, and how it is opened.

It is derived from commits and can be deleted at any time. It is in ``.git/gitreg/``; where that
cannot be written, or another process is filling it for minutes, the index is made in memory.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from gitreg.core.text.filter import like
from gitreg.core.text.filter_fields import satisfies
from gitreg.errors import WorldError
from gitreg.git.history_database import transaction
from gitreg.git.repository import GitRepository
from gitreg.git.sharing import share

FORMAT = 2
"""Increased when tables, fields or words change: an index of another format is rebuilt."""

FILE = "search.sqlite"

LIVE, GONE, KEPT = 1, 2, 0
"""A version of the index's commit; one that existed before it; one that other commits had."""

_TABLES = """
CREATE TABLE meta (format INTEGER, tip TEXT, seq INTEGER, oid TEXT);
INSERT INTO meta VALUES (0, NULL, 0, '');
CREATE TABLE models (
    model TEXT PRIMARY KEY, tree TEXT, versions TEXT, stages TEXT, aliases TEXT, page TEXT
) WITHOUT ROWID;
CREATE TABLE folders (
    model TEXT, version INTEGER, oid TEXT, PRIMARY KEY (model, version)
) WITHOUT ROWID;
CREATE TABLE docs (
    id INTEGER PRIMARY KEY, model TEXT, version INTEGER, scope INTEGER, line INTEGER,
    environment INTEGER, died TEXT, document TEXT
);
CREATE INDEX docs_by_name ON docs (model, version DESC, line DESC);
CREATE INDEX docs_by_line ON docs (line);
CREATE TABLE fields (id INTEGER PRIMARY KEY, path TEXT UNIQUE);
CREATE TABLE facts (
    doc INTEGER, field INTEGER, place INTEGER, num, text TEXT, PRIMARY KEY (doc, field, place)
) WITHOUT ROWID;
CREATE TABLE pointers (model TEXT, version INTEGER, field TEXT, num, text TEXT);
CREATE INDEX pointers_by_version ON pointers (model, version);
CREATE TABLE environments (id INTEGER PRIMARY KEY, oid TEXT UNIQUE);
CREATE TABLE packages (
    name TEXT, environment INTEGER, version TEXT, PRIMARY KEY (name, environment)
) WITHOUT ROWID;
CREATE TABLE texts (
    id INTEGER PRIMARY KEY, doc INTEGER, model TEXT, line INTEGER, seq INTEGER
);
CREATE INDEX texts_by_doc ON texts (doc);
CREATE INDEX texts_by_model ON texts (model);
CREATE VIRTUAL TABLE words USING fts5(text, tokenize = 'ascii');
CREATE TABLE broken (model TEXT, version INTEGER, message TEXT, hint TEXT);
CREATE INDEX broken_by_version ON broken (model, version);
CREATE TABLE lines (
    model TEXT, life INTEGER, version INTEGER, seq INTEGER, oid TEXT, line INTEGER,
    PRIMARY KEY (model, life, version)
) WITHOUT ROWID;
CREATE INDEX lines_in_order ON lines (line, seq);
CREATE TABLE held (
    line INTEGER, field TEXT, text TEXT, seq INTEGER, num, PRIMARY KEY (line, field, text)
) WITHOUT ROWID
"""
# One life of a version, through renames, is a line. What `words` finds is in the row of `texts` of
# the same number: a version's own text, its model's, or the reason of something that was done.

_Found = TypeVar("_Found")


def with_database(
    repository: GitRepository, work: Callable[[sqlite3.Connection], _Found]
) -> _Found:
    """Return what ``work`` makes of the search index of a repository.

    ``work`` may run again, on an empty index: where the file is damaged, or cannot be used.

    Raises:
        WorldError: Python's SQLite cannot search texts.
    """
    path = repository.private_dir / FILE
    # The cut-off history of a shallow clone must not be kept when the clone is deepened.
    for attempt in () if repository.is_shallow else (1, 2):
        try:
            with contextlib.closing(_in_file(repository, path)) as db:
                return work(db)
        except OSError:
            break
        except sqlite3.DatabaseError as error:
            is_there = isinstance(error, sqlite3.OperationalError) and "no such" not in str(error)
            if is_there or attempt == 2:
                break  # it cannot be written, or another process fills it
            _remove(path)
    try:
        with contextlib.closing(_opened(":memory:")) as db:
            return work(db)
    except sqlite3.OperationalError as error:
        if "fts5" not in str(error):
            raise
        raise WorldError(
            "the SQLite of this Python cannot search texts", hint="install one with FTS5"
        ) from None


def is_kept(repository: GitRepository) -> bool:
    """Tell whether a repository keeps its index, so that the next search does not make it anew."""
    if repository.is_shallow:
        return False
    folder = repository.private_dir
    return os.access(folder if folder.exists() else folder.parent, os.W_OK)


def _in_file(repository: GitRepository, path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()  # SQLite gives the files that it makes beside it the same mode
    share(repository.common_dir, path.parent, path)
    return _opened(str(path))


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def _opened(place: str) -> sqlite3.Connection:
    db = sqlite3.connect(place, timeout=300, isolation_level=None)
    try:
        # After a power cut the last commits are read again; the truth is in Git.
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.create_function("like_text", 3, _like, deterministic=True)
        db.create_function("satisfies", 2, satisfies, deterministic=True)
        if not _is_current(db):
            with transaction(db):
                if not _is_current(db):  # another process may have been faster
                    clear(db)
    except BaseException:
        db.close()
        raise
    return db


def _like(text: str | None, pattern: str, ignore_case: int) -> bool:
    return text is not None and like(pattern, ignore_case=bool(ignore_case))(text)


def _is_current(db: sqlite3.Connection) -> bool:
    tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE name = 'meta'")]
    return bool(tables) and db.execute("SELECT format FROM meta").fetchone() == (FORMAT,)


def clear(db: sqlite3.Connection) -> None:
    """Drop all tables and create them again, empty."""
    listed = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name LIKE 'words_%'"
    for (name,) in db.execute(listed).fetchall():
        db.execute(f'DROP TABLE IF EXISTS "{name}"')
    for statement in _TABLES.split(";"):
        db.execute(statement)
    db.execute("UPDATE meta SET format = ?", (FORMAT,))


@contextlib.contextmanager
def snapshot(db: sqlite3.Connection) -> Iterator[None]:
    """Read one state of the index: others may move it to another commit in between."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        db.execute("COMMIT")
