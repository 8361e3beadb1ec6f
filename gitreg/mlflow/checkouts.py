"""Checks out versions' artifacts into the user's cache folder, for code that loads them there.

MLflow loads a model from a folder and writes its own file into it. So it gets a copy without links
to DVC's cache. The copy is made once, and compared with the manifest every time.

    <cache folder>/checkouts/<registry>/<model>/<version>-<digest>/files.json
    <cache folder>/checkouts/<registry>/<model>/<version>-<digest>/files/…

``files.json`` has the SHA-256 of each file. It need not be trusted: together these hashes must give
the digest in the manifest, or a new copy is made. So a part of an artifact can be checked alone.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gitreg.artifacts.mlmodel import MLMODEL
from gitreg.core.model.names import Reference
from gitreg.core.text.urls import has_scheme, without_credentials
from gitreg.dvc import digest
from gitreg.dvc.digest import FileDigest, Meter
from gitreg.errors import NotFound, WorldError
from gitreg.git import scratch
from gitreg.git.copies import cache_folder, place_name
from gitreg.mlflow.pool import FRESH
from gitreg.mlflow.uri import check_path, undecoded_folder
from gitreg.registry import Registry

META_FILE = "registered_model_meta"
"""The file that MLflow writes beside a downloaded ``MLmodel``; it is no part of the artifact."""

_ATTEMPTS = 5
"""How often a copy is repaired that another process keeps changing."""

_LISTING = "files.json"
_FILES = "files"


@dataclass(frozen=True)
class Entry:
    """A file or folder in an artifact; ``size`` in bytes, ``None`` for a folder."""

    name: str
    size: int | None


class Checkout:
    """The files of one version in the cache folder.

    Args:
        folder: the folder with ``files.json`` and the files.
        members: the files of the artifact; an artifact that is a file has its own name as path.
        pull: downloads the verified artifact into a folder, and returns its path there.
    """

    def __init__(
        self, folder: Path, members: Sequence[FileDigest], pull: Callable[[Path], Path]
    ) -> None:
        self._folder = folder
        self._root = folder / _FILES
        self._members = {member.path: member for member in members}
        self._pull = pull

    def entries(self, path: str) -> list[Entry]:
        """Return the entries of a folder of the artifact by name; empty if it is no folder."""
        above = PurePosixPath(path)
        found: dict[str, Entry] = {}
        for member in self._within(path):
            inner = PurePosixPath(member.path).relative_to(above).parts
            if inner:
                found[inner[0]] = Entry(inner[0], member.size if len(inner) == 1 else None)
        return sorted(found.values(), key=lambda entry: entry.name)

    def hand_out(self, path: str) -> Path:
        """Return the path of a file or folder of the artifact, verified and if needed repaired.

        Raises:
            NotFound: the artifact has no such file or folder.
            DvcError: a file was changed, and its bytes cannot be downloaded again.
            WorldError: the cache folder cannot be read or written.
        """
        wanted = self._existing(path)
        with digest.translated(self._folder):
            self._remove_strays(path)
            damaged = [member for member in wanted if not self._is_intact(member)]
            if damaged:
                self._repair(damaged)
        return self._root / path

    def copy(self, path: str, target_of: Callable[[str], Path]) -> None:
        """Copy a file or folder of the artifact; each file is verified while it is copied.

        Args:
            path: the path of the file or folder in the artifact.
            target_of: returns the target for the path of a file; an existing target is replaced.

        Raises:
            NotFound: the artifact has no such file or folder.
            DvcError: a file was changed, and its bytes cannot be downloaded again.
            WorldError: the cache folder cannot be read, or a target cannot be written.
        """

        def copy_one(member: FileDigest) -> bool:
            return self._copy_intact(member, target_of(member.path))

        def copy_all(members: Sequence[FileDigest]) -> list[FileDigest]:
            """Return the members that are damaged."""
            done = digest.each(copy_one, members, Meter(None))
            return [member for member, intact in zip(members, done, strict=True) if not intact]

        damaged = copy_all(self._existing(path))
        for _ in range(_ATTEMPTS):
            if not damaged:
                return
            with digest.translated(self._folder):
                self._repair(damaged)
            damaged = copy_all(damaged)
        if damaged:
            raise WorldError(
                f"{self._root / damaged[0].path}: another process keeps changing this file"
            )

    def _within(self, path: str) -> list[FileDigest]:
        if not path:
            return list(self._members.values())
        return [
            member
            for name, member in self._members.items()
            if name == path or name.startswith(f"{path}/")
        ]

    def _existing(self, path: str) -> list[FileDigest]:
        found = self._within(path)
        if not found:
            raise NotFound(f"the artifact has no file or folder {path!a}")
        return found

    def _copy_intact(self, member: FileDigest, target: Path) -> bool:
        """Copy a file; return whether its bytes are those of the manifest."""
        with digest.translated(target):
            target.unlink(missing_ok=True)
        source = self._root / member.path
        if not _is_plain_file(source):
            return False
        try:
            return digest.copy_and_sha256(source, target, None) == (member.sha256, member.size)
        except WorldError:
            if self._is_intact(member):
                raise  # the problem is the target
            return False  # another process just changed or removed it

    def _is_intact(self, member: FileDigest) -> bool:
        path = self._root / member.path
        if not _is_plain_file(path):
            return False
        if self._is_meta(member.path):
            return True  # part of an artifact registered with it; MLflow overwrites it
        try:
            return digest.file_sha256(path, None) == (member.sha256, member.size)
        except WorldError:
            return False  # an unreadable file is repaired like a changed one

    def _is_meta(self, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        return name == META_FILE and f"{folder}/{MLMODEL}".lstrip("/") in self._members

    def _remove_strays(self, path: str) -> None:
        """Remove files that do not belong to the artifact, or are in the place of its folders."""
        above = {parent for member in self._within(path) for parent in _parents(member.path)}
        for folder in (self._root, *(self._root / name for name in sorted(above))):
            if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
                folder.unlink(missing_ok=True)
        for where, folders, files in os.walk(self._root / path):
            for name in (*files, *folders):
                found = Path(where, name)
                if name in folders and not found.is_symlink():
                    continue
                inner = found.relative_to(self._root).as_posix()
                if inner not in self._members and not self._is_meta(inner):
                    found.unlink(missing_ok=True)

    def _repair(self, members: Sequence[FileDigest]) -> None:
        """Replace files one by one, because other processes can be reading the rest."""
        with _workshop(self._folder.parent) as workshop:
            pulled = self._pull(workshop)
            for member in members:
                source = pulled / member.path if pulled.is_dir() else pulled
                try:
                    self._place(source, member)
                except FileNotFoundError:  # another process just removed the cache folder
                    self._place(source, member)

    def _place(self, source: Path, member: FileDigest) -> None:
        target = self._root / member.path
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)


_recent: dict[tuple[str, str, int], tuple[float, Checkout]] = {}
"""Recent checkouts of registries used by URL, with the time of the last check: a server's clients
request file after file, and the bytes of a version never change."""

_RECENT_LIMIT = 256


def checkout(location: str, model: str, version: int) -> Checkout:
    """Return the checkout of a version, creating it if needed; see `open_checkout`.

    For a registry used by URL, the checkout can be up to `FRESH` seconds old.
    """
    if not has_scheme(location):
        return open_checkout(location, model, version)
    key = (location, model, version)
    checked, known = _recent.get(key, (-FRESH, None))
    if known is None or time.monotonic() - checked >= FRESH:
        now = time.monotonic()
        known = open_checkout(location, model, version)
        if len(_recent) >= _RECENT_LIMIT:
            _recent.clear()
        _recent[key] = (now, known)
    return known


def open_checkout(location: str, model: str, version: int) -> Checkout:
    """Return the checkout of a version, creating it if needed, after reading the registry.

    1. Read the digest from the manifest.
    2. Use the existing listing if its hashes give that digest.
    3. Otherwise download the artifact beside it, list its files, and rename it into place.

    Args:
        location: the path or URL of the registry.
        model: the model's name.
        version: the version number.

    Raises:
        NotFound: there is no such version.
        DvcError: the bytes cannot be downloaded, or are not those of the manifest.
        WorldError: the cache folder cannot be written.
    """
    reference = Reference(model, version=version)
    with Registry(location) as registry:
        commit = registry.resolve(reference).read_from
        sha256 = registry.sha256(reference, rev=commit)  # 1
        folder = _place(location) / undecoded_folder(model) / f"{version}-{sha256[:24]}"

        def pull_now(destination: Path) -> Path:
            return registry.pull(reference, destination, rev=commit)

        members = _listed(folder, sha256)  # 2
        if members is None:
            with digest.translated(folder):
                members = _make(folder, sha256, pull_now)  # 3

    def pull(destination: Path) -> Path:
        with Registry(location) as registry:
            return registry.pull(reference, destination, rev=commit)

    return Checkout(folder, members, pull)


def _make(folder: Path, sha256: str, pull: Callable[[Path], Path]) -> list[FileDigest]:
    with _workshop(folder.parent) as workshop:
        pulled = pull(workshop)
        made = workshop / "new"
        (made / _FILES).mkdir(parents=True)
        if pulled.is_dir():
            pulled.replace(made / _FILES)
            name = ""
        else:
            pulled.replace(made / _FILES / pulled.name)
            name = pulled.name
        found = digest.hash_tree(made / _FILES / name)
        if found.sha256 != sha256:
            raise WorldError(
                f"{folder}: another process changed the files while gitreg created them",
                hint="run the command again",
            )
        listing = made / _LISTING
        files = [[member.path, member.size, member.sha256] for member in found.members]
        listing.write_text(json.dumps({"name": name, "files": files}), "utf-8")
        try:
            made.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
            listing.replace(folder / _LISTING)  # another process was first, or repair the listing
    return _named(name, found.members)


def _listed(folder: Path, sha256: str) -> list[FileDigest] | None:
    """Return the files of a listing; ``None`` when their hashes do not give the digest."""
    try:
        stored = json.loads((folder / _LISTING).read_bytes())
        name = check_path(str(stored["name"]))
        members = [FileDigest(str(p), int(size), "", str(sha)) for p, size, sha in stored["files"]]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    if not members or (name and len(members) != 1):
        return None
    whole = members[0].sha256 if name else digest.folder_sha256(members)
    return _named(name, members) if whole == sha256 else None


def _named(name: str, members: Sequence[FileDigest]) -> list[FileDigest]:
    return [members[0].at(name)] if name else list(members)


def _place(location: str) -> Path:
    is_url = has_scheme(location)
    place = without_credentials(location) if is_url else str(Path(location).resolve())
    return cache_folder() / "checkouts" / place_name(place)


def _parents(path: str) -> list[str]:
    return [str(parent) for parent in PurePosixPath(path).parents][:-1]


def _is_plain_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


@contextmanager
def _workshop(folder: Path) -> Iterator[Path]:
    """Yield a private folder beside the checkouts, so that a rename between them is atomic."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with scratch.beside(folder) as workshop:
        yield workshop
