"""Versions' artifacts as files in the user's cache folder, for code that loads them in place.

MLflow loads a model from a folder, and writes a file of its own into it. What it is given is a
copy that DVC's cache has no link to: made once, and compared with the manifest every time.

    <cache folder>/checkouts/<registry>/<model>/<version>-<digest>/files.json
    <cache folder>/checkouts/<registry>/<model>/<version>-<digest>/files/…

``files.json`` holds the SHA-256 of each file. Nobody needs to believe it: together they make up the
digest that the manifest has, or the copy is made anew. So a part can be compared by itself.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gitreg.artifacts.mlmodel import MLMODEL
from gitreg.core.model.names import Reference
from gitreg.core.text.urls import has_scheme, without_credentials
from gitreg.dvc import digest
from gitreg.dvc.cache import TEMPORARY
from gitreg.dvc.digest import FileDigest, Meter
from gitreg.errors import NotFound, WorldError
from gitreg.git.copies import cache_folder, place_name
from gitreg.mlflow.pool import FRESH
from gitreg.mlflow.uri import check_path, undecoded_folder
from gitreg.registry import Registry

META_FILE = "registered_model_meta"
"""What MLflow writes beside an ``MLmodel`` that it has downloaded: no part of the artifact."""

_ATTEMPTS = 5
"""How often a copy is put right that somebody else alters meanwhile."""

_ABANDONED = 24 * 60 * 60.0
"""After how many seconds nobody is at work any more on a copy that was begun."""

_LISTING = "files.json"
_FILES = "files"


@dataclass(frozen=True)
class Entry:
    """A file or folder in an artifact; ``size`` in bytes, ``None`` for a folder."""

    name: str
    size: int | None


class Checkout:
    """The files of one version, as the cache folder has them.

    Args:
        folder: what holds ``files.json`` and the files.
        members: the files of the artifact; a file that is an artifact by itself has its name.
        pull: delivers the artifact, verified, into a folder, and returns its path there.
    """

    def __init__(
        self, folder: Path, members: Sequence[FileDigest], pull: Callable[[Path], Path]
    ) -> None:
        self._folder = folder
        self._root = folder / _FILES
        self._members = {member.path: member for member in members}
        self._pull = pull

    def entries(self, path: str) -> list[Entry]:
        """Return what is in a folder of the artifact, by name; nothing for what is no folder."""
        above = PurePosixPath(path)
        found: dict[str, Entry] = {}
        for member in self._within(path):
            inner = PurePosixPath(member.path).relative_to(above).parts
            if inner:
                found[inner[0]] = Entry(inner[0], member.size if len(inner) == 1 else None)
        return sorted(found.values(), key=lambda entry: entry.name)

    def hand_out(self, path: str) -> Path:
        """Return where a file or folder of the artifact lies, verified and put right.

        Raises:
            NotFound: the artifact has no such file or folder.
            DvcError: something was altered, and its bytes cannot be had again.
            WorldError: the cache folder cannot be read or written.
        """
        wanted = self._existing(path)
        with _translated(self._folder):
            self._remove_strays(path)
            damaged = [member for member in wanted if not self._holds(member)]
            if damaged:
                self._put_right(damaged)
        return self._root / path

    def copy(self, path: str, target_of: Callable[[str], Path]) -> None:
        """Copy a file or folder of the artifact, each file verified while it is copied.

        Args:
            path: of the file or folder.
            target_of: returns where the file of a path goes; what is there is replaced.

        Raises:
            NotFound: the artifact has no such file or folder.
            DvcError: something was altered, and its bytes cannot be had again.
            WorldError: the cache folder cannot be read, or a target not written.
        """

        def copied(member: FileDigest) -> bool:
            return self._copied(member, target_of(member.path))

        def left(members: Sequence[FileDigest]) -> list[FileDigest]:
            done = digest.each(copied, members, Meter(None))
            return [member for member, well in zip(members, done, strict=True) if not well]

        damaged = left(self._existing(path))
        for _ in range(_ATTEMPTS):
            if not damaged:
                return
            with _translated(self._folder):
                self._put_right(damaged)
            damaged = left(damaged)
        if damaged:
            raise WorldError(f"{self._root / damaged[0].path}: altered again and again")

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
            raise NotFound(f"no such artifact: {path!a}")
        return found

    def _copied(self, member: FileDigest, target: Path) -> bool:
        with _translated(target):
            target.unlink(missing_ok=True)
        source = self._root / member.path
        if not _is_plain_file(source):
            return False
        try:
            return digest.copy_and_sha256(source, target, None) == (member.sha256, member.size)
        except WorldError:
            if self._holds(member):
                raise  # what is wrong is the target
            return False  # somebody has just altered or removed it

    def _holds(self, member: FileDigest) -> bool:
        path = self._root / member.path
        if not _is_plain_file(path):
            return False
        if self._is_meta(member.path):
            return True  # of an artifact that was downloaded before: MLflow writes it anew
        try:
            return digest.file_sha256(path, None) == (member.sha256, member.size)
        except WorldError:
            return False  # cannot be read: put right like one that was altered

    def _is_meta(self, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        return name == META_FILE and f"{folder}/{MLMODEL}".lstrip("/") in self._members

    def _remove_strays(self, path: str) -> None:
        """Remove what stands in the place of the artifact's folders, and files that are not its."""
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

    def _put_right(self, members: Sequence[FileDigest]) -> None:
        """Put files in place, one by one: others may be reading the rest."""
        with _workshop(self._folder.parent) as workshop:
            pulled = self._pull(workshop)
            for member in members:
                source = pulled / member.path if pulled.is_dir() else pulled
                try:
                    self._place(source, member)
                except FileNotFoundError:  # somebody removes the cache folder meanwhile
                    self._place(source, member)

    def _place(self, source: Path, member: FileDigest) -> None:
        target = self._root / member.path
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)


_recent: dict[tuple[str, str, int], tuple[float, Checkout]] = {}
"""Checkouts of registries that are used by URL, and when these were asked: clients of a server ask
for file after file, and the bytes of a version do not change."""

_RECENT_LIMIT = 256


def checkout(location: str, model: str, version: int) -> Checkout:
    """Return the checkout of a version; it is made when there is none.

    Of a registry that is used by URL it may be one that was returned in the last `FRESH` seconds.
    See `open_checkout` for the rest.
    """
    if not has_scheme(location):
        return open_checkout(location, model, version)
    key = (location, model, version)
    asked, known = _recent.get(key, (-FRESH, None))
    if known is None or time.monotonic() - asked >= FRESH:
        now = time.monotonic()
        known = open_checkout(location, model, version)
        if len(_recent) >= _RECENT_LIMIT:
            _recent.clear()
        _recent[key] = (now, known)
    return known


def open_checkout(location: str, model: str, version: int) -> Checkout:
    """Return the checkout of a version that is there now; it is made when there is none.

    1. The digest is read from the manifest.
    2. The listing that is there is taken when it makes up that digest.
    3. Otherwise the artifact is delivered beside it and listed, and a rename makes it appear.

    Args:
        location: of the registry.
        model: the model's name.
        version: its number.

    Raises:
        NotFound: no such version.
        DvcError: its bytes cannot be had, or are not those of the manifest.
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
            with _translated(folder):
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
            raise WorldError(f"{folder}: altered while it was made")
        listing = made / _LISTING
        files = [[member.path, member.size, member.sha256] for member in found.members]
        listing.write_text(json.dumps({"name": name, "files": files}), "utf-8")
        try:
            made.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
            listing.replace(folder / _LISTING)  # another one was first, or the listing was damaged
    return _named(name, found.members)


def _listed(folder: Path, sha256: str) -> list[FileDigest] | None:
    """Return the files that a listing names; ``None`` when they do not make up the digest."""
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
    """Give a private folder beside the checkouts, so that a rename between them is atomic."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in folder.glob(f"{TEMPORARY}*"):  # by who was killed
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > _ABANDONED:
                shutil.rmtree(left, ignore_errors=True)
    workshop = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=folder))
    try:
        yield workshop
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Translate what the operating system says about the cache folder."""
    try:
        yield
    except OSError as error:
        where = error.filename or path
        raise WorldError(f"{where}: {error.strerror or error}") from error
