"""Adds commits to the history index: what the commits so far left, in memory while they are read.

A commit asks a dozen small questions: what did the pointer hold, does the version have a tag. To
ask SQLite takes longer than all the rest. So an answer is asked for once and then kept up to date,
and rows are written together.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from gitreg.core.model.gto_tags import parse_gto_tag
from gitreg.core.model.names import RegistryTag
from gitreg.core.state.change import OPERATION, TIME
from gitreg.core.state.history import CommitInfo, Event, FileChange, adopted_in, events_of
from gitreg.core.state.tags import Tag, draft_of, tags_of
from gitreg.core.state.timestamps import changed_in, moment_of

_MOST_ROWS = 20_000
"""How many rows are kept before they are written."""

_INSERTS = {
    "commits": "INSERT INTO commits VALUES (?, ?, ?, ?)",
    "operations": "INSERT OR IGNORE INTO operations VALUES (?, ?)",
    "events": "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    "versions": "INSERT OR IGNORE INTO versions VALUES (?, ?, ?, ?, ?, ?, ?)",
    "lives": "INSERT OR IGNORE INTO lives VALUES (?, ?, ?)",
    "changes": "INSERT OR REPLACE INTO changes VALUES (?, ?, ?, ?, ?, ?)",
    "counters": "INSERT OR REPLACE INTO counters VALUES (?, ?, ?, ?, ?)",
    "tags": "INSERT OR IGNORE INTO tags VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
}

Row = tuple[Any, ...]
Adopted = Mapping[tuple[str, int], tuple[str, str]]
Restored = Callable[["str | None", str, str], bool]


class Fold:
    """The end of an index, to which commits are added; it is a `core.state.tags.TagHistory`.

    The caller holds a transaction, and calls `write` at its end. Without `write`, nothing is
    stored.

    Args:
        db: the index.
        restored: tells whether a commit restores a model, byte for byte, as before the commit that
            ended its name; see `gitreg.git.restored.is_restored`.
    """

    def __init__(self, db: sqlite3.Connection, restored: Restored = lambda *_: False) -> None:
        self._db = db
        self._restored = restored
        self._ends: dict[int, str] = {}
        last = db.execute("SELECT seq, second, moment FROM commits ORDER BY seq DESC LIMIT 1")
        self._last: tuple[int, int, int] | None = last.fetchone()
        self._is_new = self._last is None
        self._rows: dict[str, list[Row]] = {table: [] for table in _INSERTS}
        self._count = 0
        self._lives: dict[str, list[tuple[int, int]]] = {}
        self._pointers: dict[tuple[str, str], tuple[int, ...]] = {}
        self._versions: dict[tuple[str, int, int], tuple[str, str | None, str]] = {}
        self._missing: set[tuple[str, int, int]] = set()
        self._counters: dict[str, tuple[int, int, int]] = {}
        self._stacks: dict[tuple[str, str], dict[int, None]] = {}
        self._names: set[str] = set()

    # What the commits so far left

    def _ask(self, query: str, *values: object) -> list[Row]:
        return [] if self._is_new else self._db.execute(query, values).fetchall()

    def _lives_of(self, model: str) -> list[tuple[int, int]]:
        """Return where each life of a model began or went on, and the life, oldest first."""
        known = self._lives.get(model)
        if known is None:
            rows = self._ask("SELECT seq, life FROM lives WHERE model = ? ORDER BY seq", model)
            known = self._lives[model] = [(seq, life) for seq, life in rows]
        return known

    def _life(self, model: str) -> int:
        lives = self._lives_of(model)
        return lives[-1][1] if lives else 0

    def _end_of(self, model: str) -> str | None:
        """Return the commit that ended a name last, unless a later one took that back."""
        lives = self._lives_of(model)
        if not lives or lives[-1][0] != lives[-1][1]:
            return None
        seq = lives[-1][0]
        if seq not in self._ends:
            self._ends[seq] = self._ask("SELECT oid FROM commits WHERE seq = ?", seq)[0][0]
        return self._ends[seq]

    def _events_of(self, commit: CommitInfo, changes: Sequence[FileChange]) -> list[Event]:
        """Return what a commit on top of the last one does."""

        def restored(model: str) -> bool:
            return self._restored(self._end_of(model), commit.oid, model)

        return events_of(commit, changes, self.held, restored)

    def held(self, model: str, pointer: str) -> tuple[int, ...]:
        """Return what a pointer holds by its last move."""
        known = self._pointers.get((model, pointer))
        if known is None:
            rows = self._ask(
                "SELECT after FROM events WHERE model = ? AND pointer = ? AND seq > ? "
                "ORDER BY seq DESC, place DESC LIMIT 1",
                model,
                pointer,
                self._life(model),
            )
            known = self._pointers[model, pointer] = tuple(json.loads(rows[0][0])) if rows else ()
        return known

    def _version(self, model: str, version: int) -> tuple[str, str | None, str] | None:
        """Return a version's commit, the commit that its tag is on, and the tag's name."""
        key = (model, self._life(model), version)
        known = self._versions.get(key)
        if known is None and key not in self._missing:
            self._missing.add(key)
            for oid, tagged, named in self._ask(
                "SELECT oid, tagged, named FROM versions "
                "WHERE model = ? AND life = ? AND version = ?",
                *key,
            ):
                known = self._versions[key] = (oid, tagged, named)
        return known

    def registered(self, model: str, version: int) -> str | None:
        """Return the commit that the tag of a version is on, if it has one."""
        known = self._version(model, version)
        return None if known is None else known[1]

    def tag_name(self, model: str, version: int) -> str:
        """Return the name of a version's tag: gitreg's own, or GTO's that it had before."""
        known = self._version(model, version)
        return str(RegistryTag(model, version=version)) if known is None else known[2]

    def is_taken(self, name: str) -> bool:
        """Tell whether there is a tag of that name, even one of a deleted model."""
        return name in self._names or bool(self._ask("SELECT 1 FROM tags WHERE name = ?", name))

    def moves(self, model: str) -> tuple[int, int]:
        """Return the highest counter of a model's tags, and the time of its last tag."""
        return self._counter(model)[:2]

    def _counter(self, model: str) -> tuple[int, int, int]:
        """Return the same, and the highest counter of GTO's tags."""
        known = self._counters.get(model)
        if known is None:
            rows = self._ask(
                "SELECT moves, last, others FROM counters WHERE model = ? "
                "ORDER BY seq DESC LIMIT 1",
                model,
            )
            known = self._counters[model] = (*rows[0],) if rows else (0, 0, 0)
        return known

    def standing(self, model: str, pointer: str) -> Sequence[int]:
        """Return the versions that a pointer has by its tags, the oldest first."""
        return list(self._stack(model, pointer))

    def _stack(self, model: str, pointer: str) -> dict[int, None]:
        known = self._stacks.get((model, pointer))
        if known is None:
            known = self._stacks[model, pointer] = {}
            for name, version in self._ask(
                "SELECT name, version FROM tags WHERE model = ? AND pointer = ? ORDER BY time",
                model,
                pointer,
            ):
                _play(known, name, version)
        return known

    # What a commit adds

    def plan(self, commit: CommitInfo, changes: Sequence[FileChange]) -> list[Tag]:
        """Return the tags that a commit on top of the last one would imply."""
        return tags_of(commit, self._events_of(commit, changes), self, adopted_in(changes))

    def add(self, commit: CommitInfo, changes: Sequence[FileChange]) -> None:
        """Add a commit on top of the last one."""
        events = self._events_of(commit, changes)
        adopted = adopted_in(changes)
        draft = draft_of(commit, events, self, adopted)
        seq = 1 if self._last is None else self._last[0] + 1
        before = None if self._last is None else self._last[1:]
        moment = moment_of(commit.time, before, commit.trailers.get(TIME, ()))
        self._last = (seq, commit.time, moment)
        rows = self._rows
        rows["commits"].append((seq, commit.oid, commit.time, moment))
        for name in commit.trailers.get(OPERATION, ()):
            rows["operations"].append((name, commit.oid))
        for place, event in enumerate(events):
            rows["events"].append(_event_row(seq, place, event))
        named = dict(adopted.values())
        named |= {tag.name: tag.target for tag in draft.tags if "#" not in tag.name}
        self._add_events(seq, moment, events, adopted, named)
        for model, version in changed_in(events, changes):
            row = (model, self._life(model), version or 0, seq, moment, moment)
            rows["changes"].append(row)
        for model in sorted({event.model for event in events}):
            others = max(draft.above, self._counter(model)[2])
            self._counters[model] = (*draft.counter_of(model), others)
            rows["counters"].append((model, seq, *self._counters[model]))
        for is_adopted, made in ((0, draft.tags), (1, draft.adopted)):
            for tag in made:
                self._add_tag(seq, tag, is_adopted)
        self._count += len(events) + len(draft.tags) + 1
        if self._count > _MOST_ROWS:
            self.write()

    def _add_events(
        self,
        seq: int,
        moment: int,
        events: Sequence[Event],
        adopted: Adopted,
        tagged: Mapping[str, str],
    ) -> None:
        for event in events:
            if event.is_birth:
                self._born(seq, event, adopted, tagged)
            elif event.renamed_from is not None and event.version is None:
                self._moves_along(seq, event, moment)
        for event in events:
            if event.pointer is not None:
                self._pointers[event.model, event.pointer] = event.after
        for event in events:  # last: the loop above reads the lives that end here
            self._begin_life(seq, event)

    def _born(self, seq: int, event: Event, adopted: Adopted, tagged: Mapping[str, str]) -> None:
        """Store a version: the commit that registered it, and the one that is tagged."""
        assert event.version is not None
        if self._version(event.model, event.version) is not None:
            return
        oid = event.commit
        if event.renamed_from is not None:
            before = self._version(event.renamed_from, event.version)
            oid = oid if before is None else before[0]
        own = str(RegistryTag(event.model, version=event.version))
        name = adopted.get((event.model, event.version), (own,))[0]
        key = (event.model, self._life(event.model), event.version)
        self._versions[key] = (oid, tagged.get(name), name)
        self._rows["versions"].append((*key, seq, *self._versions[key]))

    def _moves_along(self, seq: int, event: Event, moment: int) -> None:
        """Copy the creation times of a renamed model and its versions."""
        self.write()
        old = str(event.renamed_from)
        self._db.execute(
            "INSERT INTO changes SELECT ?, ?, version, ?, min(created), ? FROM changes "
            "WHERE model = ? AND life = ? GROUP BY version",
            (event.model, self._life(event.model), seq, moment, old, self._life(old)),
        )

    def _begin_life(self, seq: int, event: Event) -> None:
        """Begin a new life of a name whose model ended, or continue that of a restored model."""
        is_back = event.action == "revert" and event.version is None and event.pointer is None
        if not event.ends_the_model and not is_back:
            return
        lives = self._lives_of(event.model)
        if lives and lives[-1][0] == seq:
            return  # the first such event of a commit decides
        life = seq if event.ends_the_model else (lives[-2][1] if len(lives) > 1 else 0)
        lives.append((seq, life))
        self._ends[seq] = event.commit
        self._rows["lives"].append((event.model, seq, life))
        if life != seq:
            self.write()  # the moves of the life that goes on are asked for again
            self._is_new = False
        for pointer in [key for key in self._pointers if key[0] == event.model]:
            if life == seq:
                self._pointers[pointer] = ()  # only the moves of this life count
            else:
                del self._pointers[pointer]

    def _add_tag(self, seq: int, tag: Tag, is_adopted: int) -> None:
        parsed = parse_gto_tag(tag.name) if "#" in tag.name else None
        pointer = parsed.stage if parsed else None
        if pointer is not None and not self.is_taken(tag.name):
            _play(self._stack(tag.model, pointer), tag.name, tag.version)
        self._names.add(tag.name)
        self._rows["tags"].append(
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
                pointer,
                is_adopted,
            )
        )

    def write(self) -> None:
        """Write what was added."""
        for table, rows in self._rows.items():
            if rows:
                self._db.executemany(_INSERTS[table], rows)
                rows.clear()
        self._count = 0


def _play(stack: dict[int, None], name: str, version: int) -> None:
    """Apply a tag to the versions that its pointer has."""
    stack.pop(version, None)
    if "!" not in name:
        stack[version] = None


@lru_cache(maxsize=1024)
def _json(numbers: tuple[int, ...]) -> str:
    return json.dumps(numbers)


def _event_row(seq: int, place: int, event: Event) -> Row:
    return (
        seq,
        place,
        event.time,
        event.author,
        event.model,
        event.action,
        event.version,
        event.pointer,
        _json(event.before),
        _json(event.after),
        event.reason,
        event.subject,
        event.reverts,
        event.stage,
        event.override,
        event.renamed_from,
        event.renamed_to,
    )
