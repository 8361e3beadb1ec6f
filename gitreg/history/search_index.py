"""Keeps the search index at a commit: it reads what differs from the commit that it was at.

Git's object names tell what differs, model by model and version by version, forwards and backwards
in time. A promotion makes it read the model's pointers, a registration one version.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar

from gitreg.core.model import layout
from gitreg.core.model.model import Model, ModelVersion
from gitreg.core.state.search import own_texts, packages_of, values_of
from gitreg.core.state.state import RegistryState
from gitreg.core.text.filter_fields import words_of
from gitreg.errors import GitregError, InvalidDocument
from gitreg.git.objects import GitObject, ObjectReader, TreeEntry, parse_tree
from gitreg.history.search_database import LIVE

_AT_ONCE = 500
"""How many versions are read at a time."""

_PARTS = ("versions", "stages", "aliases", "model.yaml")
_T = TypeVar("_T")


class _Files:
    """Some files as a `gitreg.core.state.state.Snapshot`: only those that are read here."""

    def __init__(self, commit: str | None, files: Mapping[str, bytes]) -> None:
        self.commit = commit
        self._files = files
        self._folders: dict[str, dict[str, None]] = {}
        for path in files:
            while "/" in path:
                path, _, name = path.rpartition("/")  # noqa: PLW2901  up to the root
                self._folders.setdefault(path, {})[name] = None

    def read(self, path: str) -> bytes | None:
        return self._files.get(path)

    def list(self, path: str) -> Sequence[str]:
        return list(self._folders.get(path, ()))

    def read_many(self, paths: Sequence[str]) -> Sequence[bytes | None]:
        return [self.read(path) for path in paths]

    def list_many(self, paths: Sequence[str]) -> Sequence[Sequence[str]]:
        return [self.list(path) for path in paths]


class SearchIndex:
    """The part of the index that is about one commit; the caller holds a transaction.

    Args:
        db: the index.
        reader: reads the objects of its repository.
    """

    def __init__(self, db: sqlite3.Connection, reader: ObjectReader) -> None:
        self._db = db
        self._reader = reader
        self._fields: dict[str, int] = {}
        self._environments: dict[str, int] = {}

    def follow(self, commit: str) -> None:
        """Bring the index to a commit; a no-op when it is there."""
        found = self._reader.get(f"{commit}:{layout.ROOT}")
        entries = parse_tree(found.data) if found is not None and found.kind == "tree" else []
        trees = {
            model: entry.oid
            for entry in entries
            if entry.is_folder and (model := layout.model_of_folder(entry.name)) is not None
        }
        known = dict(self._db.execute("SELECT model, tree FROM models").fetchall())
        for model in [model for model in known if model not in trees]:
            self._follow_model(model, {})
            self._db.execute("DELETE FROM models WHERE model = ?", (model,))
        changed = [model for model, tree in trees.items() if known.get(model) != tree]
        for model, tree in zip(changed, self._trees([trees[m] for m in changed]), strict=True):
            self._follow_model(model, tree)
            self._db.execute("UPDATE models SET tree = ? WHERE model = ?", (trees[model], model))

    def _follow_model(self, model: str, tree: Mapping[str, TreeEntry]) -> None:
        """Follow one model's folder, by the names in it."""
        new = [tree[part].oid if part in tree else None for part in _PARTS]
        query = "SELECT versions, stages, aliases, page FROM models WHERE model = ?"
        old = self._db.execute(query, (model,)).fetchone() or (None,) * len(_PARTS)
        if new[0] != old[0]:
            self._follow_versions(model, new[0])
        if new[1:3] != list(old[1:3]):
            self._place(model, new[1], new[2])
        if new[3] != old[3]:
            self._describe(model, new[3])
        row = (model, None, *new)
        self._db.execute("INSERT OR REPLACE INTO models VALUES (?, ?, ?, ?, ?, ?)", row)

    # Versions

    def _follow_versions(self, model: str, tree: str | None) -> None:
        entries = next(iter(self._trees([tree]))) if tree is not None else {}
        there = {
            number: entry.oid
            for name, entry in entries.items()
            if entry.is_folder and (number := layout.version_of_folder(name)) is not None
        }
        query = "SELECT version, oid FROM folders WHERE model = ?"
        known = dict(self._db.execute(query, (model,)).fetchall())
        for number, oid in known.items():
            if there.get(number) != oid:
                self._forget(model, number)
        new = [number for number, oid in sorted(there.items()) if known.get(number) != oid]
        for some in _chunks(new, _AT_ONCE):
            self._read(model, {number: there[number] for number in some})
        rows = [(model, number, there[number]) for number in new]
        self._db.executemany("INSERT OR REPLACE INTO folders VALUES (?, ?, ?)", rows)

    def _forget(self, model: str, number: int) -> None:
        query = "SELECT id FROM docs WHERE model = ? AND version = ? AND scope = ?"
        for (doc,) in self._db.execute(query, (model, number, LIVE)).fetchall():
            self.remove(doc)
        for table in ("folders", "broken"):
            self._db.execute(
                f"DELETE FROM {table} WHERE model = ? AND version = ?",  # noqa: S608  two names
                (model, number),
            )

    def remove(self, doc: int) -> None:
        """Remove a version and all that is known of it."""
        self._forget_texts("doc", doc)
        self._db.execute("DELETE FROM facts WHERE doc = ?", (doc,))
        self._db.execute("DELETE FROM docs WHERE id = ?", (doc,))

    def _read(self, model: str, folders: Mapping[int, str]) -> None:
        """Read new versions, given by number and folder, in two batches of objects."""
        trees = dict(zip(folders, self._trees(folders.values()), strict=True))
        wanted = {
            layout.version_path(model, number, name): entry.oid
            for number, tree in trees.items()
            for name, entry in tree.items()
            if name.endswith((".yaml", ".dvc")) and not entry.is_folder
        }
        wanted |= self._evaluations(model, trees)
        state = self._state(wanted)
        for number, tree in trees.items():
            if "manifest.yaml" not in tree:
                continue  # it was deleted
            try:
                version = state.version_of(Model(model, None), number)
            except InvalidDocument as error:
                self._note(model, number, error)
            else:
                frozen = tree.get(layout.REQUIREMENTS)
                self.add(version, None if frozen is None else frozen.oid, LIVE)

    def _evaluations(
        self, model: str, trees: Mapping[int, Mapping[str, TreeEntry]]
    ) -> dict[str, str]:
        """Return the evaluations in folders of versions, path to object name."""
        inside = {number: tree["evaluations"].oid for number, tree in trees.items() if _has(tree)}
        return {
            f"{layout.evaluations_path(model, number)}/{name}": entry.oid
            for number, files in zip(inside, self._trees(inside.values()), strict=True)
            for name, entry in files.items()
            if not entry.is_folder
        }

    def add(
        self,
        version: ModelVersion,
        requirements: str | None,
        scope: int,
        line: int | None = None,
    ) -> int:
        """Add a version, and return its number in the index.

        Args:
            version: what is found; of a live one, without stage and aliases.
            requirements: the object name of its frozen environment.
            scope: whether it is live; see `gitreg.history.search_database`.
            line: which life of which version it is, where that is known.
        """
        environment = None if requirements is None else self._environment(requirements)
        document = json.dumps(version, default=vars, ensure_ascii=False)
        row = (version.model, version.version, scope, line, environment, document)
        query = (
            "INSERT INTO docs (model, version, scope, line, environment, document) "
            "VALUES (?, ?, ?, ?, ?, ?)"
        )
        doc = self._db.execute(query, row).lastrowid
        assert doc is not None
        places: dict[str, int] = {}
        facts = []
        for path, (number, text) in values_of(version):
            places[path] = place = places.get(path, -1) + 1
            facts.append((doc, self._field(path), place, number, text))
        self._db.executemany("INSERT INTO facts VALUES (?, ?, ?, ?, ?)", facts)
        self.say(" ".join(own_texts(version)), doc=doc)
        return doc

    def _field(self, path: str) -> int:
        if not self._fields:
            self._fields = dict(self._db.execute("SELECT path, id FROM fields").fetchall())
        if path not in self._fields:
            added = self._db.execute("INSERT INTO fields (path) VALUES (?)", (path,))
            self._fields[path] = int(added.lastrowid or 0)
        return self._fields[path]

    def _environment(self, oid: str) -> int:
        """Return the number of an environment; most versions share theirs with others."""
        if oid not in self._environments:
            query = "SELECT id FROM environments WHERE oid = ?"
            row = self._db.execute(query, (oid,)).fetchone()
            self._environments[oid] = row[0] if row else self._read_environment(oid)
        return self._environments[oid]

    def _read_environment(self, oid: str) -> int:
        found = self._reader.get(oid)
        lines = found.data.decode("utf-8", "replace").splitlines() if found is not None else []
        added = self._db.execute("INSERT INTO environments (oid) VALUES (?)", (oid,))
        number = int(added.lastrowid or 0)
        rows = [(name, number, version) for name, version in packages_of(lines)]
        self._db.executemany("INSERT INTO packages VALUES (?, ?, ?)", rows)
        return number

    # Pointers and texts

    def _place(self, model: str, stages: str | None, aliases: str | None) -> None:
        """Read which versions of a model stages and aliases name."""
        self._db.execute("DELETE FROM pointers WHERE model = ?", (model,))
        broken_row = "DELETE FROM broken WHERE model = ? AND version = 0"
        self._db.execute(broken_row, (model,))
        wanted = {}
        for kind, oid in (("stages", stages), ("aliases", aliases)):
            for name, entry in next(iter(self._trees([oid]))).items() if oid else ():
                wanted[f"{layout.model_path(model)}/{kind}/{name}"] = entry.oid
        broken: list[GitregError] = []
        found = self._state(wanted).readable_pointers(model, broken)
        placed = {n: stage for stage, held in sorted(found.stages.items())[::-1] for n in held}
        rows = [(model, number, "stage", None, stage) for number, stage in placed.items()]
        rows += [(model, number, "alias", None, alias) for alias, number in found.aliases.items()]
        self._db.executemany("INSERT INTO pointers VALUES (?, ?, ?, ?, ?)", rows)
        for error in broken:
            self._note(model, 0, error)

    def _describe(self, model: str, page: str | None) -> None:
        """Read the description and the tags of a model."""
        self._forget_texts("model", model)
        self._db.execute("DELETE FROM broken WHERE model = ? AND version = -1", (model,))
        wanted = {} if page is None else {layout.model_document_path(model): page}
        try:
            said = self._state(wanted).model_annotations(model)
        except InvalidDocument as error:
            self._note(model, -1, error)
            return
        tags = [text for pair in said.tags.items() for text in pair if text]
        self.say(" ".join([said.description or "", *tags]), model=model)

    def say(
        self,
        text: str,
        *,
        doc: int | None = None,
        model: str | None = None,
        line: int | None = None,
        seq: int | None = None,
    ) -> None:
        """Add a text of a version, of a model, or of what was done with a version."""
        words = " ".join(words_of(text))
        if words:
            query = "INSERT INTO texts (doc, model, line, seq) VALUES (?, ?, ?, ?)"
            number = self._db.execute(query, (doc, model, line, seq)).lastrowid
            self._db.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (number, words))

    def _forget_texts(self, column: str, value: object) -> None:
        where = f"FROM texts WHERE {column} = ?"
        query = f"DELETE FROM words WHERE rowid IN (SELECT id {where})"  # noqa: S608  a column
        self._db.execute(query, (value,))
        self._db.execute(f"DELETE {where}", (value,))

    def _note(self, model: str, version: int, error: GitregError) -> None:
        row = (model, version, str(error), error.hint)
        self._db.execute("INSERT INTO broken VALUES (?, ?, ?, ?)", row)

    # Objects

    def _state(self, wanted: Mapping[str, str]) -> RegistryState:
        """Return a state that has only some files, by path and object name."""
        found = self._objects(wanted.values())
        files = {
            path: one.data
            for path, one in zip(wanted, found, strict=True)
            if one is not None and one.kind == "blob"
        }
        return RegistryState(_Files(None, files))

    def _trees(self, oids: Iterable[str]) -> Iterator[dict[str, TreeEntry]]:
        for found in self._objects(oids):
            is_tree = found is not None and found.kind == "tree"
            entries = parse_tree(found.data) if found is not None and is_tree else []
            yield {entry.name: entry for entry in entries}

    def _objects(self, oids: Iterable[str]) -> list[GitObject | None]:
        return self._reader.get_many(list(oids))


def _has(tree: Mapping[str, TreeEntry]) -> bool:
    """Tell whether a version has evaluations."""
    return "evaluations" in tree and tree["evaluations"].is_folder


def _chunks(items: Sequence[_T], size: int) -> Iterator[list[_T]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
