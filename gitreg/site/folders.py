"""The folders of some models, read level by level: a snapshot that answers from memory.

Git finds an object by its name several times faster than by a commit and a path, and every version
is asked for files that it does not have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gitreg.core.model import layout
from gitreg.core.state.state import Snapshot
from gitreg.git.objects import ObjectReader, parse_tree

_READ = (".yaml", ".dvc", ".txt", ".md", ".json", ".sig")
"""The ends of the names of files that pages are made from."""


class Folders:
    """A `gitreg.core.state.state.Snapshot` of some models; for all else it asks another one.

    Args:
        below: the commit.
        reader: reads its objects.
        trees: the models' names, each with the object name of its folder.
    """

    def __init__(self, below: Snapshot, reader: ObjectReader, trees: dict[str, str]) -> None:
        self._below = below
        self._reader = reader
        self._roots = tuple(f"{layout.model_path(name)}/" for name in trees)
        self._names: dict[str, list[str]] = {}
        self._contents: dict[str, bytes] = {}
        level = {layout.model_path(name): oid for name, oid in trees.items()}
        blobs: dict[str, str] = {}
        while level:
            level = dict(self._walk(level, blobs))
        known = dict(self._blobs(set(blobs.values())))
        self._contents = {path: known[oid] for path, oid in blobs.items() if oid in known}

    def _walk(self, level: dict[str, str], blobs: dict[str, str]) -> Iterator[tuple[str, str]]:
        """Note the names in some folders, and yield the folders in them."""
        found = self._reader.get_many(list(level.values()))
        for path, tree in zip(level, found, strict=True):
            entries = parse_tree(tree.data) if tree is not None and tree.kind == "tree" else []
            self._names[path] = [entry.name for entry in entries]
            for entry in entries:
                if entry.is_folder:
                    yield f"{path}/{entry.name}", entry.oid
                elif entry.name.endswith(_READ):
                    blobs[f"{path}/{entry.name}"] = entry.oid

    def _blobs(self, oids: set[str]) -> Iterator[tuple[str, bytes]]:
        ordered = sorted(oids)
        for oid, found in zip(ordered, self._reader.get_many(ordered), strict=True):
            if found is not None and found.kind == "blob":
                yield oid, found.data

    @property
    def commit(self) -> str | None:
        """The commit that is read."""
        return self._below.commit

    def _is_here(self, path: str) -> bool:
        return f"{path}/".startswith(self._roots)

    def read(self, path: str) -> bytes | None:
        """Return a file's content, or ``None`` when there is no such file."""
        return self._contents.get(path) if self._is_here(path) else self._below.read(path)

    def list(self, path: str) -> Sequence[str]:
        """Return the names in a folder; an absent folder has none."""
        return self._names.get(path, ()) if self._is_here(path) else self._below.list(path)

    def read_many(self, paths: Sequence[str]) -> Sequence[bytes | None]:
        """Return the contents of several files."""
        return [self.read(path) for path in paths]

    def list_many(self, paths: Sequence[str]) -> Sequence[Sequence[str]]:
        """Return the names in several folders."""
        return [self.list(path) for path in paths]
