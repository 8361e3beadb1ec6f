"""The history index: events and tags of a branch in SQLite, so that no command walks it twice.

It is derived from commits and can be deleted at any time. It is in ``.git/gitreg/``, grows by new
commits, and is rebuilt when the branch was rewritten, the file is damaged, or another release wrote
it in another format. Where it cannot be written (a read-only folder) it is kept in memory for the
duration of the command.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from gitreg.core.model.names import is_taggable
from gitreg.core.state.change import ADOPTED, COUNTER
from gitreg.core.state.history import (
    CommitInfo,
    Event,
    FileChange,
    adopted_in,
    events_of,
    named_by,
)
from gitreg.core.state.ledger import Ledgers
from gitreg.core.state.tags import Tag, tags_of
from gitreg.core.state.timestamps import Timestamps
from gitreg.git.history_database import (
    ACTIVITIES,
    ACTIVITY_SINCE,
    EVENT,
    clear,
    event_of,
    index,
    open_database,
    transaction,
    truncate,
)
from gitreg.git.history_fold import Fold
from gitreg.git.history_lives import NameLives
from gitreg.git.history_past import PastRows
from gitreg.git.log import first_parents_reach, read_commits
from gitreg.git.model_tags import FAR, PublishedTags, Tags, TagsHere, are_registrations, ledgers
from gitreg.git.repository import GitRepository
from gitreg.git.restored import is_restored
from gitreg.git.sharing import share

_TAG = "SELECT name, model, version, target, tagger, time, zone, message FROM tags"
_VERSION = "FROM versions WHERE model = ? AND life = ? AND version = ?"

_MODEL = 3
"""The column of the model in `EVENT`."""

_MOST_NAMES = 500
"""How many models a query names; of more, it reads all."""

_MOST_CACHED = 100
"""How many models' timestamps are cached."""


class _Cached(NamedTuple):
    """The timestamps of a model at a commit, in one of its lives."""

    oid: str
    seq: int
    life: int
    activity: Timestamps


class HistoryIndex:
    """The events of a repository's branch up to a tip; see `advance` and `aim`.

    Args:
        repository: whose branch.
        published: the tags on the remote, for a repository that has only the last commits.
    """

    def __init__(self, repository: GitRepository, published: PublishedTags | None = None) -> None:
        self._repository = repository
        self._source = repository  # where commits are read; see `_settle`
        self._published = published
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._owner = os.getpid()
        self._cached: dict[str, _Cached] = {}
        self._views = threading.local()  # each thread reads at the commit that it advanced to

    @property
    def _limit(self) -> int | None:
        """The last commit that queries see; ``None`` for all."""
        limit: int | None = getattr(self._views, "limit", None)
        return limit

    @_limit.setter
    def _limit(self, position: int | None) -> None:
        self._views.limit = position

    @property
    def _aim(self) -> str | None:
        """The commit that the next query is about; ``None`` when the index is there."""
        aim: str | None = getattr(self._views, "aim", None)
        return aim

    @_aim.setter
    def _aim(self, commit: str | None) -> None:
        self._views.aim = commit

    # Keeping up

    def aim(self, tip: str) -> None:
        """Let the next query bring the index to ``tip`` exactly, if there is one.

        Most writes ask nothing that the files at the tip and the tags of one model do not tell.
        """
        self._aim = tip

    def is_far(self, tip: str) -> bool:
        """Tell whether to bring the index to ``tip`` takes long, or all of history is not here."""
        if self._repository.is_shallow:
            return True
        with self._lock:
            try:
                known = self._tip(self._open())
            except sqlite3.DatabaseError:
                return False  # `advance` makes a new one, and says what is wrong
        if known == tip:
            return False
        ask = ("rev-list", "--first-parent", "--count", f"--max-count={FAR + 1}", tip)
        count = self._repository.run(*ask, *([f"^{known}"] if known else []), check=False)
        return count.returncode != 0 or int(count.text) > FAR

    def advance(self, tip: str, *, exact: bool = False) -> None:
        """Bring the index to the commit ``tip``; a no-op when it is there.

        Args:
            tip: the commit that queries then read at.
            exact: rebuild the index when it is ahead of ``tip``, as after `git reset`. Otherwise it
                stays: events and tags end at ``tip``, but counters of tags include later ones.
        """
        self._aim = None
        with self._lock:
            for attempt in (1, 2):
                try:
                    self._advance(tip, exact=exact)
                except sqlite3.DatabaseError:
                    self._discard(in_memory=attempt == 2)
                else:
                    return
            self._advance(tip, exact=exact)

    def _advance(self, tip: str, *, exact: bool) -> None:
        db = self._open()
        if self._tip(db) == tip:
            self._limit = None
            return
        with transaction(db):
            known = self._tip(db)  # another process may have been faster
            if known == tip:
                self._limit = None
                return
            if known is not None and not first_parents_reach(self._source, known, tip):
                if not exact and self._seen(db, tip):
                    return
                known = self._step_back(db, known, tip)
            fold = self._fold(db)
            for commit, changes in read_commits(self._source, known, tip):
                fold.add(commit, changes)
            fold.write()
            index(db)
            self._limit = None
            db.execute("UPDATE meta SET tip = ?", (tip,))

    def _step_back(self, db: sqlite3.Connection, known: str, tip: str) -> str | None:
        """Remove the commits that do not lead to ``tip``; return the last one that does, if any."""
        fork = self._source.merge_base(known, tip)
        if fork is None or not all(
            first_parents_reach(self._source, fork, end) for end in (known, tip)
        ):
            clear(db)
            return None
        truncate(db, self._position(fork))
        return fork

    def _seen(self, db: sqlite3.Connection, tip: str) -> bool:
        """Let queries end at an earlier commit of the branch; the index stays."""
        known = self._tip(db)
        if known is None or not first_parents_reach(self._source, tip, known):
            return False
        self._limit = self._position(tip)
        return True

    def append(self, commit: CommitInfo, changes: Sequence[FileChange]) -> None:
        """Add a commit that was just made on top of the tip, without reading it from Git.

        An index that is not at the commit's parent reads it with the next query.
        """
        self._aim = commit.oid
        with self._lock:
            try:
                db = self._open()
                with transaction(db):
                    if self._tip(db) == commit.parent:
                        self._aim = None
                        fold = self._fold(db)
                        fold.add(commit, changes)
                        fold.write()
                        index(db)
                        db.execute("UPDATE meta SET tip = ?", (commit.oid,))
            except sqlite3.DatabaseError:
                self._discard(in_memory=False)
                self._aim = commit.oid  # the next query rebuilds it

    @contextlib.contextmanager
    def tentative(self) -> Iterator[None]:
        """Append commits that an exception removes again."""
        with self._lock, transaction(self._open()):
            yield

    def plan_tags(self, commit: CommitInfo, changes: Sequence[FileChange]) -> list[Tag]:
        """Return the tags that a commit on top of the tip would imply, and store nothing.

        An index that is far from the tip leaves it to the tags that are there already, if they can
        stand for the history.
        """
        if self._aim is not None and self.is_far(self._aim):
            planned = self._plan_by_tags(self._aim, commit, changes)
            if planned is not None:
                return planned
        self._settle()
        with self._lock:
            planned = self._fold(self._open()).plan(commit, changes)
        if self._published is not None and self._repository.is_shallow:
            self._published.bring_commits(tag for tag in planned if tag.target != commit.oid)
        return planned

    def _fold(self, db: sqlite3.Connection) -> Fold:
        return Fold(db, lambda *end: is_restored(self._source, *end))

    def _plan_by_tags(
        self, tip: str, commit: CommitInfo, changes: Sequence[FileChange]
    ) -> list[Tag] | None:
        """Return the tags of a commit by those of its models; ``None`` if these prove nothing."""
        if adopted_in(changes) or {ADOPTED, COUNTER} & set(commit.trailers):
            return None  # an import of GTO's tags
        events = events_of(commit, changes)
        models: dict[str, set[int]] = {event.model: set() for event in events}
        for event in events:
            models[event.model].update(filter(None, (event.version, named_by(event.after))))
        known = self._tags()
        key = (tip, repr(sorted((model, sorted(numbers)) for model, numbers in models.items())))
        last: tuple[object, Ledgers | None] = getattr(self._views, "told", (None, None))
        if known is None:
            return None
        if last[0] != key:  # a change is planned before it is made
            last = self._views.told = (key, ledgers(self._repository, tip, models, known))
        found = last[1]
        if found is None or not found.cover(events):
            return None
        tags = tags_of(commit, events, found)
        proven = are_registrations(self._repository, tip, tags, commit.oid, known)
        return tags if proven else None

    def _tags(self) -> Tags | None:
        """Return the tags that can stand for history, where there are such."""
        return self._published if self._repository.is_shallow else TagsHere(self._repository)

    def _settle(self) -> None:
        if self._aim is not None:
            with self._lock:
                source = self._repository.with_history()
                if source is not self._source:
                    self.close()
                    self._source = source
            self.advance(self._aim, exact=True)

    # Queries

    @property
    def names(self) -> NameLives:
        """The lives of models' names."""
        return NameLives(self._ask, self._last_seen)

    @property
    def rows(self) -> PastRows:
        """What happened up to the commit that queries read at, for other indexes."""
        return PastRows(self._ask, self._last_seen)

    def _life(self, model: str, last: int = 2**62) -> int:
        """Return the life of a model: the sequence number of the tombstone that began it."""
        return NameLives(self._ask, last).number(model)

    def others_counter(self, model: str) -> int:
        """Return the highest counter of GTO's tags of a model that gitreg's own are above."""
        query = "SELECT others FROM counters WHERE model = ? ORDER BY seq DESC LIMIT 1"
        rows = self._ask(query, (model,))
        return int(rows[0][0]) if rows else 0

    def highest_number(self, model: str) -> int:
        """Return the highest number that a version of a model ever had; 0 for none.

        Numbers of an earlier model of this name, which was deleted, do not count.
        """
        if self._aim is not None and is_taggable(model) and self.is_far(self._aim):
            known = self._tags()
            found = (
                None if known is None else ledgers(self._repository, self._aim, {model: ()}, known)
            )
            if found is not None:
                return found.of[model].highest
        query = "SELECT max(version) FROM versions WHERE model = ? AND life = ? AND seq <= ?"
        last = self._last_seen
        return int(self._ask(query, (model, self._life(model, last), last))[0][0] or 0)

    def operation(self, name: str) -> str | None:
        """Return the commit with an operation's id, ``None`` when there is none."""
        query = "SELECT oid FROM operations JOIN commits USING (oid) WHERE id = ? AND seq <= ?"
        rows = self._ask(query, (name, self._last_seen))
        return rows[0][0] if rows else None

    def registering_commit(self, model: str, version: int) -> str | None:
        """Return the commit that registered a version, ``None`` where history is cut off before.

        The model may have had another name then.
        """
        key = (model, self._life(model, self._last_seen), version)
        rows = self._ask(f"SELECT oid {_VERSION}", key)
        return rows[0][0] if rows else None

    def registering_commits(self, model: str) -> dict[int, str]:
        """Return the registering commits of a model's versions."""
        query = "SELECT version, oid FROM versions WHERE model = ? AND life = ?"
        return dict(self._ask(query, (model, self._life(model, self._last_seen))))

    def activity(self, model: str) -> Timestamps:
        """Return when a model and its versions were created and last changed.

        It continues from the cached timestamps of an earlier commit of this branch: a write asks
        for them, and changes one version of a thousand.
        """
        with self._lock:
            last = self._last_seen
            life = self._life(model, last)
            seq, oid = self._last_commit(last)
            begun = self._cached.get(model)
            if begun is None or begun.life != life or not self._leads_on(begun, seq):
                begun = _Cached("", 0, life, Timestamps())
            rows = self._ask(ACTIVITY_SINCE, (model, life, begun.seq, seq))
            cached = _Cached(oid, seq, life, begun.activity.then(rows))
            if len(self._cached) >= _MOST_CACHED:
                self._cached.clear()
            self._cached[model] = cached
            return cached.activity

    def _last_commit(self, last: int) -> tuple[int, str]:
        query = "SELECT seq, oid FROM commits WHERE seq <= ? ORDER BY seq DESC LIMIT 1"
        rows = self._ask(query, (last,))
        return (rows[0][0], rows[0][1]) if rows else (0, "")

    def _leads_on(self, cached: _Cached, seq: int) -> bool:
        """Tell whether cached timestamps are of this branch, at a commit or before it.

        A commit at the same sequence number has the same history.
        """
        there = "SELECT 1 FROM commits WHERE seq = ? AND oid = ?"
        return cached.seq <= seq and bool(self._ask(there, (cached.seq, cached.oid)))

    def activities(self) -> dict[str, Timestamps]:
        """Return when all models and their versions were created and last changed."""
        times: dict[str, list[tuple[int, int, int]]] = {}
        for name, *row in self._ask(ACTIVITIES, (self._last_seen,)):
            times.setdefault(name, []).append((row[0], row[1], row[2]))
        return {name: Timestamps().then(rows) for name, rows in times.items()}

    def moves_of(self, model: str, pointer: str, *, back: bool = False) -> list[Event]:
        """Return the moves of a model's pointer, newest first, since it got its name.

        Moves of an earlier model of this name, which was deleted, do not count; with ``back``, they
        do again, as after a commit that takes the deletion back.
        """
        life = self.names.number(model, back=back)
        query = (
            f"{EVENT} WHERE model = ? AND pointer = ? AND seq > ? AND seq <= ? "
            "ORDER BY seq DESC, place"
        )
        rows = self._ask(query, (model, pointer, life, self._last_seen))
        return [event_of(row) for row in rows]

    def events(
        self,
        model: str | None = None,
        pointer: str | None = None,
        limit: int = -1,
        since: str | None = None,
    ) -> list[Event]:
        """Return events, newest first; those of one commit in their order.

        Args:
            model: only events of this model, and of earlier ones of its name.
            pointer: only moves of this pointer, ``stages/production``.
            limit: the most events that are returned; -1 for all.
            since: a commit of the branch; only events after it.
        """
        where = ["seq <= ?", "seq > ?"]
        values: list[object] = [self._last_seen, self._position(since)]
        for column, value in (("model", model), ("pointer", pointer)):
            if value is not None:
                where.append(f"{column} = ?")
                values.append(value)
        query = f"{EVENT} WHERE {' AND '.join(where)} ORDER BY seq DESC, place LIMIT ?"
        return [event_of(row) for row in self._ask(query, (*values, limit))]

    def moves_and_ends(
        self, models: Collection[str] | None = None, pointer: str | None = None
    ) -> list[Event]:
        """Return what moved pointers, removed versions and ended models or brought them back.

        Args:
            models: only those of models that have or had these names; all by default.
            pointer: of moves, only those of this pointer.

        Returns:
            The oldest first; those of one commit in their order.
        """
        query = (
            f"{EVENT} WHERE seq <= ? AND (pointer = ifnull(?, pointer) OR (pointer IS NULL "
            "AND action IN ('delete', 'remove', 'rename', 'revert')))"
        )
        values: list[object] = [self._last_seen, pointer]
        if models is not None and len(models) <= _MOST_NAMES:
            query += f" AND model IN ({', '.join('?' * len(models))})"
            values += models
        rows = self._ask(f"{query} ORDER BY seq, place", values)
        return [event_of(row) for row in rows if models is None or row[_MODEL] in models]

    def model_names(self) -> list[str]:
        """Return the names that models have or had, sorted."""
        query = "SELECT DISTINCT model FROM events WHERE seq <= ? ORDER BY model"
        return [row[0] for row in self._ask(query, (self._last_seen,))]

    def events_of_commit(self, commit: str, model: str | None = None) -> list[Event]:
        """Return the events of a commit, of one model or of all."""
        query = f"{EVENT} WHERE oid = ? AND model = ifnull(?, model) ORDER BY place"
        return [event_of(row) for row in self._ask(query, (commit, model))]

    def models_of_commit(self, commit: str) -> list[str]:
        """Return the models whose pointers a commit moved."""
        query = (
            "SELECT DISTINCT model FROM events JOIN commits USING (seq) "
            "WHERE oid = ? AND pointer IS NOT NULL ORDER BY model"
        )
        return [row[0] for row in self._ask(query, (commit,))]

    def tags(self, since: str | None = None) -> list[Tag]:
        """Return the tags that history implies, oldest first; ``since`` a commit, later ones."""
        query = f"{_TAG} WHERE seq > ? AND seq <= ? AND adopted = 0 ORDER BY seq, time"
        rows = self._ask(query, (self._position(since), self._last_seen))
        return [Tag(*row) for row in rows]

    def tags_of_commit(self, commit: str) -> list[Tag]:
        """Return the tags that one commit implies."""
        query = f"{_TAG} JOIN commits USING (seq) WHERE oid = ? AND adopted = 0 ORDER BY time"
        return [Tag(*row) for row in self._ask(query, (commit,))]

    def adopted_tags(self) -> dict[str, str]:
        """Return GTO's tags of imported versions and moves, name to the commit that each is on."""
        query = "SELECT name, target FROM tags WHERE adopted = 1 AND seq <= ?"
        return dict(self._ask(query, (self._last_seen,)))

    def versions_since(self, since: str | None) -> list[tuple[str, int]]:
        """Return the versions registered after a commit; all for ``None``."""
        query = "SELECT DISTINCT model, version FROM versions WHERE seq > ? ORDER BY model, version"
        return [(row[0], row[1]) for row in self._ask(query, (self._position(since),))]

    def _position(self, commit: str | None) -> int:
        """Return the sequence number of the last indexed commit up to ``commit``."""
        if commit is None:
            return 0
        listing = self._source.run_at_root(
            "rev-list", "--first-parent", "--max-count=1", commit, "--", "registry"
        ).text
        rows = self._ask("SELECT seq FROM commits WHERE oid = ?", (listing,))
        return int(rows[0][0]) if rows else 0

    @property
    def _last_seen(self) -> int:
        self._settle()
        return 2**62 if self._limit is None else self._limit

    def _ask(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        self._settle()
        with self._lock:
            return self._open().execute(query, values).fetchall()

    # The file

    def _open(self) -> sqlite3.Connection:
        if self._owner != os.getpid():
            # Opened by the parent process: to close it here would release the parent's locks.
            _inherited.append(self._db)
            self._db, self._owner = None, os.getpid()
        if self._db is None:
            # The cut-off history of a shallow clone must not be kept when the clone is deepened.
            self._db = self._connect(None if self._source.is_shallow else self._path)
        return self._db

    @property
    def _path(self) -> Path:
        return self._source.private_dir / "history.sqlite"

    def _connect(self, path: Path | None) -> sqlite3.Connection:
        if path is not None:
            with contextlib.suppress(OSError, sqlite3.OperationalError):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()  # SQLite gives the files that it makes beside it the same mode
                share(self._source.common_dir, path.parent, path)
                return open_database(str(path))
        return open_database(":memory:")

    def _discard(self, *, in_memory: bool) -> None:
        self.close()
        if in_memory:
            self._db = self._connect(None)
            return
        with contextlib.suppress(OSError):  # then it is opened again, in memory
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    def is_damaged(self) -> bool:
        """Tell whether the file exists and is damaged; it is only read."""
        if self._source.is_shallow or not self._path.exists():
            return False
        try:
            place = f"file:{quote(os.fsencode(self._path))}?mode=ro"
            with contextlib.closing(sqlite3.connect(place, timeout=5, uri=True)) as db:
                return db.execute("PRAGMA quick_check(1)").fetchall() != [("ok",)]
        except sqlite3.OperationalError:
            return False  # not readable, or busy: that is no damage
        except sqlite3.DatabaseError:
            return True

    def throw_away(self) -> None:
        """Remove the index; the next query rebuilds it."""
        with self._lock:
            self._discard(in_memory=False)

    @staticmethod
    def _tip(db: sqlite3.Connection) -> str | None:
        tip: str | None = db.execute("SELECT tip FROM meta").fetchone()[0]
        return tip

    def close(self) -> None:
        """Close the file; the next query opens it again."""
        with self._lock:
            if self._db is not None and self._owner == os.getpid():
                self._db.close()
                self._db = None


_inherited: list[sqlite3.Connection | None] = []
"""Databases that a parent process opened before a fork: kept, so that nothing closes them."""
