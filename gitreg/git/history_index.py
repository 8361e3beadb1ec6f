"""The history index: events and tags of a branch in SQLite, so that no command walks it twice.

It is derived from commits and can be deleted at any time. It is in ``.git/gitreg/``, grows by new
commits, and is rebuilt when the branch was rewritten, the file is damaged, or another release wrote
it in another format. Where it cannot be written (a read-only folder) it is kept in memory for the
duration of the command.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from gitreg.core.model.gto_tags import parse_gto_tag
from gitreg.core.model.names import RegistryTag
from gitreg.core.state.change import OPERATION, trailers_of
from gitreg.core.state.history import CommitInfo, Event, FileChange, adopted_in, events_of
from gitreg.core.state.tags import Tag, draft_of, tags_of
from gitreg.core.state.timestamps import Timestamps, changed_in, moment_of
from gitreg.git.history_database import (
    ACTIVITIES,
    ACTIVITY_SINCE,
    EVENT,
    clear,
    event_of,
    open_database,
    transaction,
    truncate,
)
from gitreg.git.history_lives import NameLives
from gitreg.git.log import first_parents_reach, read_commits
from gitreg.git.repository import GitRepository
from gitreg.git.restored import is_restored
from gitreg.git.sharing import share

_TAG = "SELECT name, model, version, target, tagger, time, zone, message FROM tags"
_VERSION = "FROM versions WHERE model = ? AND life = ? AND version = ?"

_MOST_CACHED = 100
"""How many models' timestamps are cached."""


class _Cached(NamedTuple):
    """The timestamps of a model at a commit, in one of its lives."""

    oid: str
    seq: int
    life: int
    activity: Timestamps


class HistoryIndex:
    """The events of a repository's branch up to a tip; see `advance`."""

    def __init__(self, repository: GitRepository) -> None:
        self._repository = repository
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

    # Keeping up

    def advance(self, tip: str, *, exact: bool = False) -> None:
        """Bring the index to the commit ``tip``; a no-op when it is there.

        Args:
            tip: the commit that queries then read at.
            exact: rebuild the index when it is ahead of ``tip``, as after `git reset`. Otherwise it
                stays: events and tags end at ``tip``, but counters of tags include later ones.
        """
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
            if known is not None and not first_parents_reach(self._repository, known, tip):
                if not exact and self._seen(db, tip):
                    return
                known = self._step_back(db, known, tip)
            for commit, changes in read_commits(self._repository, known, tip):
                self._fold(db, commit, changes)
            self._limit = None
            db.execute("UPDATE meta SET tip = ?", (tip,))

    def _step_back(self, db: sqlite3.Connection, known: str, tip: str) -> str | None:
        """Remove the commits that do not lead to ``tip``; return the last one that does, if any."""
        fork = self._repository.merge_base(known, tip)
        if fork is None or not all(
            first_parents_reach(self._repository, fork, end) for end in (known, tip)
        ):
            clear(db)
            return None
        truncate(db, self._position(fork))
        return fork

    def _seen(self, db: sqlite3.Connection, tip: str) -> bool:
        """Let queries end at an earlier commit of the branch; the index stays."""
        known = self._tip(db)
        if known is None or not first_parents_reach(self._repository, tip, known):
            return False
        self._limit = self._position(tip)
        return True

    def append(self, commit: CommitInfo, changes: Sequence[FileChange]) -> None:
        """Add a commit that was just made on top of the tip, without reading it from Git."""
        with self._lock:
            try:
                db = self._open()
                with transaction(db):
                    if self._tip(db) == commit.parent:
                        self._fold(db, commit, changes)
                        db.execute("UPDATE meta SET tip = ?", (commit.oid,))
            except sqlite3.DatabaseError:
                self._discard(in_memory=False)  # the next `advance` rebuilds it

    @contextlib.contextmanager
    def tentative(self) -> Iterator[None]:
        """Append commits that an exception removes again."""
        with self._lock, transaction(self._open()):
            yield

    def plan_tags(self, commit: CommitInfo, changes: Sequence[FileChange]) -> list[Tag]:
        """Return the tags that a commit on top of the tip would imply, and store nothing."""
        return tags_of(commit, self._events_of(commit, changes), self, adopted_in(changes))

    def _events_of(self, commit: CommitInfo, changes: Iterable[FileChange]) -> list[Event]:
        """Return what a commit on top of the tip does."""

        def restored(model: str) -> bool:
            end = NameLives(self._ask).end_of(model)
            return is_restored(self._repository, end, commit.oid, model)

        return events_of(commit, changes, self._held, restored)

    def _fold(
        self, db: sqlite3.Connection, commit: CommitInfo, changes: Iterable[FileChange]
    ) -> None:
        changes = list(changes)
        events = self._events_of(commit, changes)
        last = db.execute("SELECT second, moment FROM commits ORDER BY seq DESC LIMIT 1").fetchone()
        moment = moment_of(commit.time, last)
        seq = db.execute(
            "INSERT INTO commits (oid, second, moment) VALUES (?, ?, ?)",
            (commit.oid, commit.time, moment),
        ).lastrowid
        adopted = adopted_in(changes)
        draft = draft_of(commit, events, self, adopted)
        tags = draft.tags
        named = dict(adopted.values())
        named |= {tag.name: tag.target for tag in tags if "#" not in tag.name}
        db.executemany(
            "INSERT OR IGNORE INTO operations VALUES (?, ?)",
            [(name, commit.oid) for name in trailers_of(commit.message).get(OPERATION, ())],
        )
        db.executemany(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    seq,
                    place,
                    event.time,
                    event.author,
                    event.model,
                    event.action,
                    event.version,
                    event.pointer,
                    json.dumps(event.before),
                    json.dumps(event.after),
                    event.reason,
                    event.subject,
                    event.reverts,
                    event.stage,
                    event.override,
                    event.renamed_from,
                    event.renamed_to,
                )
                for place, event in enumerate(events)
            ],
        )
        for event in events:
            if event.is_birth:
                self._born(db, seq, event, adopted, named)
            elif event.renamed_from is not None and event.version is None:
                self._moves_along(db, seq, event, moment)
        for event in events:  # last: the loop above reads the lives that end here
            self._begin_life(db, seq, event)
        db.executemany(
            "INSERT OR REPLACE INTO changes VALUES (?, ?, ?, ?, ?, ?)",
            [
                (model, self._life(model), version or 0, seq, moment, moment)
                for model, version in changed_in(events, changes)
            ],
        )
        db.executemany(
            "INSERT OR REPLACE INTO counters VALUES (?, ?, ?, ?, ?)",
            [
                (model, seq, *draft.counter_of(model), max(draft.above, self.others_counter(model)))
                for model in sorted({event.model for event in events})
            ],
        )
        db.executemany(
            "INSERT OR IGNORE INTO tags VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    tag.name,
                    seq,
                    tag.model,
                    tag.version,
                    tag.target,
                    tag.tagger,
                    tag.time,
                    tag.zone,
                    tag.message,
                    _pointer_of(tag),
                    is_adopted,
                )
                for is_adopted, made in ((0, tags), (1, draft.adopted))
                for tag in made
            ],
        )

    def _born(
        self,
        db: sqlite3.Connection,
        seq: int | None,
        event: Event,
        adopted: Mapping[tuple[str, int], tuple[str, str]],
        tagged: Mapping[str, str],
    ) -> None:
        """Store a version: the commit that registered it, and the one that is tagged."""
        assert event.version is not None
        oid = event.commit
        if event.renamed_from is not None:
            before = (event.renamed_from, self._life(event.renamed_from), event.version)
            oid = (db.execute(f"SELECT oid {_VERSION}", before).fetchone() or (oid,))[0]
        own = str(RegistryTag(event.model, version=event.version))
        name = adopted.get((event.model, event.version), (own,))[0]
        life = self._life(event.model)
        db.execute(
            "INSERT OR IGNORE INTO versions VALUES (?, ?, ?, ?, ?, ?, ?)",
            (event.model, life, event.version, seq, oid, tagged.get(name), name),
        )

    def _moves_along(
        self, db: sqlite3.Connection, seq: int | None, event: Event, moment: int
    ) -> None:
        """Copy the creation times of a renamed model and its versions."""
        db.execute(
            "INSERT INTO changes SELECT ?, ?, version, ?, min(created), ? FROM changes "
            "WHERE model = ? AND life = ? GROUP BY version",
            (
                event.model,
                self._life(event.model),
                seq,
                moment,
                event.renamed_from,
                self._life(str(event.renamed_from)),
            ),
        )

    def _begin_life(self, db: sqlite3.Connection, seq: int | None, event: Event) -> None:
        """Begin a new life of a name whose model ended, or continue that of a restored model."""
        is_back = event.action == "revert" and event.version is None and event.pointer is None
        if event.ends_the_model:
            life = seq
        elif is_back:
            life = NameLives(self._ask).number(event.model, back=True)
        else:
            return
        db.execute("INSERT OR IGNORE INTO lives VALUES (?, ?, ?)", (event.model, seq, life))

    # Queries

    @property
    def names(self) -> NameLives:
        """The lives of models' names."""
        return NameLives(self._ask, self._last_seen)

    def _life(self, model: str, last: int = 2**62) -> int:
        """Return the life of a model: the sequence number of the tombstone that began it."""
        return NameLives(self._ask, last).number(model)

    def _held(self, model: str, pointer: str) -> tuple[int, ...]:
        """Return what a pointer holds by its last move."""
        query = (
            "SELECT after FROM events WHERE model = ? AND pointer = ? AND seq > ? "
            "ORDER BY seq DESC, place DESC LIMIT 1"
        )
        rows = self._ask(query, (model, pointer, self._life(model)))
        return tuple(json.loads(rows[0][0])) if rows else ()

    def registered(self, model: str, version: int) -> str | None:
        """Return the commit that a version's tag is on, if it has one."""
        key = (model, self._life(model), version)
        rows = self._ask(f"SELECT tagged {_VERSION}", key)
        return rows[0][0] if rows else None

    def tag_name(self, model: str, version: int) -> str:
        """Return the name of a version's tag: gitreg's own, or GTO's that it had before."""
        rows = self._ask(f"SELECT named {_VERSION}", (model, self._life(model), version))
        return str(rows[0][0]) if rows else str(RegistryTag(model, version=version))

    def is_taken(self, name: str) -> bool:
        """Tell whether there is a tag of that name, even one of a deleted model."""
        return bool(self._ask("SELECT 1 FROM tags WHERE name = ?", (name,)))

    def moves(self, model: str) -> tuple[int, int]:
        """Return the highest counter of a model's tags, and the time of its last tag."""
        query = "SELECT moves, last FROM counters WHERE model = ? ORDER BY seq DESC LIMIT 1"
        rows = self._ask(query, (model,))
        return (rows[0][0], rows[0][1]) if rows else (0, 0)

    def others_counter(self, model: str) -> int:
        """Return the highest counter of GTO's tags of a model that gitreg's own are above."""
        query = "SELECT others FROM counters WHERE model = ? ORDER BY seq DESC LIMIT 1"
        rows = self._ask(query, (model,))
        return int(rows[0][0]) if rows else 0

    def standing(self, model: str, pointer: str) -> list[int]:
        """Return the versions that a pointer has by its tags, the oldest first."""
        query = "SELECT name, version FROM tags WHERE model = ? AND pointer = ? ORDER BY time"
        versions: dict[int, None] = {}
        for name, version in self._ask(query, (model, pointer)):
            versions.pop(version, None)
            if "!" not in name:
                versions[version] = None
        return list(versions)

    def highest_number(self, model: str) -> int:
        """Return the highest number that a version of a model ever had; 0 for none.

        Numbers of an earlier model of this name, which was deleted, do not count.
        """
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
        self, model: str | None = None, pointer: str | None = None, limit: int = -1
    ) -> list[Event]:
        """Return events, newest first; those of one commit in their order.

        Args:
            model: only events of this model, and of earlier ones of its name.
            pointer: only moves of this pointer, ``stages/production``.
            limit: the most events that are returned; -1 for all.
        """
        where = ["seq <= ?"]
        values: list[object] = [self._last_seen]
        for column, value in (("model", model), ("pointer", pointer)):
            if value is not None:
                where.append(f"{column} = ?")
                values.append(value)
        query = f"{EVENT} WHERE {' AND '.join(where)} ORDER BY seq DESC, place LIMIT ?"
        return [event_of(row) for row in self._ask(query, (*values, limit))]

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
        listing = self._repository.run_at_root(
            "rev-list", "--first-parent", "--max-count=1", commit, "--", "registry"
        ).text
        rows = self._ask("SELECT seq FROM commits WHERE oid = ?", (listing,))
        return int(rows[0][0]) if rows else 0

    @property
    def _last_seen(self) -> int:
        return 2**62 if self._limit is None else self._limit

    def _ask(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
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
            self._db = self._connect(None if self._repository.is_shallow else self._path)
        return self._db

    @property
    def _path(self) -> Path:
        return self._repository.private_dir / "history.sqlite"

    def _connect(self, path: Path | None) -> sqlite3.Connection:
        if path is not None:
            with contextlib.suppress(OSError, sqlite3.OperationalError):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()  # SQLite gives the files that it makes beside it the same mode
                share(self._repository.common_dir, path.parent, path)
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
        if self._repository.is_shallow or not self._path.exists():
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


def _pointer_of(tag: Tag) -> str | None:
    parsed = parse_gto_tag(tag.name)
    return parsed.stage if parsed else None
