"""The folder of a site: writes what changed, and deletes only what it wrote before.

``gitreg-site.json`` in it lists the files that are gitreg's, with sizes and digests, and what the
next build needs so as not to read the whole registry again.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitreg.errors import InvalidRequest, WorldError

MANIFEST = "gitreg-site.json"
FORMAT = 1
_HALF = ".gitreg-"
"""How the name of a file begins while it is written."""

_AN_HOUR = 3600

_Stamp = tuple[int, str]


@dataclass
class Counts:
    """What a build did: pages written and left as they were, files deleted, models read."""

    written: int = 0
    kept: int = 0
    deleted: int = 0
    models: int = 0

    def add(self, other: Counts) -> None:
        """Add what another build did."""
        self.written += other.written
        self.kept += other.kept
        self.deleted += other.deleted
        self.models += other.models


def stamp(data: bytes) -> _Stamp:
    """Return size and digest of a file's content."""
    return len(data), hashlib.sha256(data).hexdigest()[:32]


class Output:
    """The folder of a site while it is built.

    Args:
        folder: where; it may not be there yet.
        builder: the digest of the program that writes; another one's pages are all written again.

    Raises:
        InvalidRequest: the folder has files and is not a site of gitreg's.
    """

    def __init__(self, folder: Path, builder: str) -> None:
        self.folder = folder
        self._builder = builder
        self.files: dict[str, _Stamp] = {}
        self.counts = Counts()
        self._before, self.known = self._read()
        self._folders: set[Path] = set()
        self._inside: dict[str, list[str]] = {}

    def _read(self) -> tuple[dict[str, _Stamp], dict[str, Any]]:
        """Return the files of the last build, and what it noted; nothing of another's."""
        try:
            names = os.listdir(self.folder)  # noqa: PTH208  only whether there are any
        except FileNotFoundError:
            return {}, {}
        except NotADirectoryError:
            raise InvalidRequest(
                f"{self.folder} is not a folder", hint="choose another one with -o"
            ) from None
        except OSError as error:
            raise WorldError(f"{self.folder} cannot be read: {error.strerror}") from None
        if not names:
            return {}, {}
        manifest = self.folder / MANIFEST
        if MANIFEST not in names or manifest.is_symlink():
            raise InvalidRequest(
                f"{self.folder} has files and is not a site that gitreg built",
                hint="choose an empty folder with -o",
            )
        try:
            found = json.loads(manifest.read_bytes())
            before = {str(path): (int(s), str(d)) for path, (s, d) in found["files"].items()}
            before = {path: one for path, one in before.items() if _is_inside(path)}
            is_ours = (found["format"], found["builder"]) == (FORMAT, self._builder)
            known = found["known"] if is_ours and self._are_there(before) else {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            # Its list is lost, so nothing is deleted; every page is written again.
            return {}, {}
        for inside in {path.rpartition("/")[0] for path in before}:
            self.check_folder(self.folder / inside)
        return before, dict(known)

    def _are_there(self, files: Mapping[str, _Stamp]) -> bool:
        """Tell whether files are as they were written; those that are read again by content."""
        try:
            return all(
                (self.folder / path).lstat().st_size == found[0]
                and (not path.startswith("search/") or self._is_unchanged(path, found))
                for path, found in files.items()
            )
        except OSError:
            return False

    def begin(self) -> None:
        """Make the folder one of gitreg's, so that a build that is killed can be repeated."""
        if not (self.folder / MANIFEST).exists():
            self._write_list({}, {})

    def text(self, path: str) -> str:
        """Return a file of the last build."""
        return (self.folder / path).read_text("utf-8")

    def keep(self, path: str) -> None:
        """Keep a file of the last build as it is."""
        self.files[path] = self._before[path]
        self.counts.kept += 1

    def keep_folder(self, folder: str) -> None:
        """Keep all files of the last build in a folder."""
        if not self._inside:
            for path in self._before:
                self._inside.setdefault(path.rpartition("/")[0], []).append(path)
        for path in self._inside.get(folder, ()):
            self.keep(path)

    def write(self, path: str, content: str | bytes) -> None:
        """Write a file, unless it is there with this content already."""
        data = content if isinstance(content, bytes) else content.encode("utf-8", "replace")
        found = stamp(data)
        self.files[path] = found
        if self._before.get(path) == found and self._is_unchanged(path, found):
            self.counts.kept += 1
            return
        self._replace(self.folder / path, data)
        self.counts.written += 1

    def _is_unchanged(self, path: str, found: _Stamp) -> bool:
        with suppress(OSError):
            return stamp((self.folder / path).read_bytes()) == found
        return False

    def _replace(self, place: Path, data: bytes) -> None:
        try:
            if place.parent not in self._folders:
                self._make(place.parent)
            handle, name = tempfile.mkstemp(dir=place.parent, prefix=_HALF)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                Path(name).chmod(0o644)
                Path(name).replace(place)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise WorldError(f"{place} cannot be written: {error.strerror}") from None

    def _make(self, folder: Path) -> None:
        """Make a folder of the site, without what a build that was killed left half written."""
        folder.mkdir(parents=True, exist_ok=True)
        self.check_folder(folder)
        long_ago = time.time() - _AN_HOUR
        for half in folder.glob(f"{_HALF}*"):
            with suppress(OSError):  # another build may be at work
                if half.lstat().st_mtime < long_ago:
                    half.unlink()
        self._folders.add(folder)

    def check_folder(self, folder: Path) -> None:
        """Refuse a link in the place of a folder of the site: it would lead out of it.

        Raises:
            WorldError: there is one.
        """
        inner = folder
        while inner != self.folder:
            if inner.is_symlink():
                raise WorldError(f"{inner} is a symbolic link, and not a folder of the site")
            inner = inner.parent

    def finish(self, known: Mapping[str, Any]) -> Counts:
        """Delete what the last build wrote and this one did not, and write the list of files."""
        for path in self._before.keys() - self.files.keys():
            with suppress(OSError):
                (self.folder / path).unlink()
                self.counts.deleted += 1
            with suppress(OSError):
                for folder in Path(path).parents[:-1]:
                    (self.folder / folder).rmdir()  # fails unless it is empty
        self._write_list(known, self.files)
        return self.counts

    def _write_list(self, known: Mapping[str, Any], files: Mapping[str, _Stamp]) -> None:
        document = {
            "format": FORMAT,
            "builder": self._builder,
            "known": known,
            "files": dict(sorted(files.items())),
        }
        text = json.dumps(document, ensure_ascii=True, separators=(",", ":"), sort_keys=True)
        self._replace(self.folder / MANIFEST, f"{text}\n".encode())


def left_by(folder: Path) -> tuple[dict[str, _Stamp], dict[str, Any]]:
    """Return the files of the last build in a folder, its list among them, and what it noted.

    Both are empty where nothing was built.
    """
    try:
        data = (folder / MANIFEST).read_bytes()
        found = json.loads(data)
        files = {str(path): (int(s), str(d)) for path, (s, d) in found["files"].items()}
        return {**files, MANIFEST: stamp(data)}, dict(found["known"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}, {}


def _is_inside(path: str) -> bool:
    """Tell whether a path of the list stays in the folder: somebody may have written the list."""
    parts = path.split("/")
    return path != MANIFEST and not {"", ".", ".."} & set(parts) and "\0" not in path
