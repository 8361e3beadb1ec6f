"""DVC's cache: objects on this machine.

By DVC's convention, a file's mode shows whether its bytes were checked: mode 0444 means checked; a
writable file is checked before use. An object fetched from a remote stays writable until its bytes
were compared with the manifest's SHA-256.
"""

from __future__ import annotations

import filecmp
import secrets
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gitreg.dvc import digest
from gitreg.dvc.digest import FileDigest, Meter
from gitreg.dvc.door import door
from gitreg.dvc.listing import (
    SIZE_LIMIT,
    Member,
    ObjectId,
    check_object_id,
    may_have_size,
    md5_of,
    read_listing,
)
from gitreg.errors import DvcError

CHECKED = 0o444
"""The mode of a checked object (``LocalHashFileDB.CACHE_MODE``)."""

TEMPORARY = ".gitreg-"
"""The prefix of unfinished files; files left by a killed run are removed after a day."""

_STALE = 24 * 3600


class Cache:
    """The objects of a DVC cache.

    Args:
        folder: DVC's ``cache.dir``.
        settings: the rest of the section ``cache`` of DVC's configuration.
        beside: a cache in which objects are found that are missing here; it is only read.
    """

    def __init__(
        self, folder: Path, settings: Mapping[str, Any], beside: Cache | None = None
    ) -> None:
        with door("cannot open DVC's cache"):
            from dvc.fs import LocalFileSystem
            from dvc_data.hashfile.db.local import LocalHashFileDB

            self.file_system = LocalFileSystem()
            path = str(folder.absolute() / "files" / "md5")
            self._objects = LocalHashFileDB(self.file_system, path, hash_name="md5", **settings)
        # Beside `md5`, not in it: there DVC would list unfinished files among the objects.
        self._scratch = folder.absolute() / "files"
        is_same = beside is not None and beside._scratch == self._scratch  # noqa: SLF001
        self._beside = None if is_same else beside
        # The file state of each hashed object, so that a push right after a registration does not
        # hash a gigabyte again.
        self._hashed: dict[ObjectId, tuple[int, ...]] = {}
        # A listing is named by its content, so it needs to be read only once.
        self._listings: dict[ObjectId, tuple[Member, ...]] = {}

    def own_path(self, oid: ObjectId) -> Path:
        """Return the path of an object in this cache, whether or not it exists."""
        return Path(self._objects.oid_to_path(check_object_id(oid)))

    def path(self, oid: ObjectId) -> Path:
        """Return where an object is found; its path in this cache if it is missing."""
        own = self.own_path(oid)
        if self._beside is None or own.is_file() or not self._beside.holds(oid):
            return own
        return self._beside.path(oid)

    def size(self, oid: ObjectId) -> int | None:
        """Return an object's size in bytes; ``None`` when it is missing or obviously damaged."""
        with door(f"cannot look for {oid} in DVC's cache"):
            path = self.path(oid)
            size = path.stat().st_size if path.is_file() else None
            return size if may_have_size(oid, size) else None

    def owns(self, oid: ObjectId) -> bool:
        """Return whether an object exists in this cache itself; its bytes are not checked."""
        with door(f"cannot look for {oid} in DVC's cache"):
            path = self.own_path(oid)
            return path.is_file() and may_have_size(oid, path.stat().st_size)

    def holds(self, oid: ObjectId) -> bool:
        """Return whether an object exists; its bytes are not checked."""
        return self.size(oid) is not None

    def add_file(self, source: Path, meter: Meter) -> FileDigest:
        """Copy a file into the cache, reading it once, and return its digest.

        Raises:
            DvcError: the cache cannot be written, or has different bytes with the same MD5.
            WorldError: the source cannot be read, or changed while it was read.
        """
        with self._temporary() as temporary:
            found = digest.copy_and_hash(source, temporary, meter)
            self._keep(temporary, found.md5)
        return found

    def add_bytes(self, data: bytes, oid: ObjectId) -> None:
        """Write an object; the caller checked that its bytes have the MD5 of its name.

        Raises:
            DvcError: the cache cannot be written, or has different bytes with the same MD5.
        """
        with self._temporary() as temporary:
            with door("cannot write to DVC's cache"):
                temporary.write_bytes(data)
            self._keep(temporary, oid)

    def adopt(self, oid: ObjectId, other: Cache) -> bool:
        """Bring an object here from another cache: by a link where the file system can.

        An object that is read-only there was checked and is not read; any other is, and is copied
        only if its bytes have the MD5 of its name.

        Returns:
            Whether the object is here afterwards.

        Raises:
            DvcError: this cache cannot be written.
        """
        if self.owns(oid):
            return True
        source = other.own_path(oid)
        with door(f"cannot write {oid} to DVC's cache"):
            if not other.owns(oid):
                return False
            with self._temporary() as temporary:
                if not (_is_checked(source) and _linked(source, temporary)):
                    if digest.copy_and_md5(source, temporary, Meter(None)) != md5_of(oid):
                        return False
                    temporary.chmod(CHECKED)
                self._objects.makedirs(str(self.own_path(oid).parent))
                temporary.replace(self.own_path(oid))
        return True

    @contextmanager
    def _temporary(self) -> Iterator[Path]:
        """Yield a path for a new file in the cache's file system; remove the file afterwards."""
        with door("cannot write to DVC's cache"):
            self._objects.makedirs(str(self._scratch))
        path = self._scratch / f"{TEMPORARY}{secrets.token_hex(8)}.tmp"
        try:
            yield path
        finally:
            with suppress(OSError):
                path.unlink()

    def unfinished(self) -> list[Path]:
        """Return the unfinished files of running or killed processes."""
        return sorted(self._scratch.glob(f"{TEMPORARY}*"))

    def remove_stale(self) -> None:
        """Remove unfinished files that are older than a day."""
        remove_stale(self._scratch)

    def _keep(self, temporary: Path, oid: ObjectId) -> None:
        """Rename a checked file to the object ``oid``, unless the cache has the object already."""
        path = self.own_path(oid)
        with door(f"cannot write {oid} to DVC's cache"):
            if not _has_same_bytes(path, temporary, oid):
                self._objects.makedirs(str(path.parent))
                temporary.chmod(CHECKED)
                temporary.replace(path)
            self._objects.protect(str(path))
            self._hashed[oid] = file_state(path)

    def members(self, oid: ObjectId) -> tuple[Member, ...] | None:
        """Return the members of a folder's listing; ``None`` when the listing is missing.

        A damaged listing whose file is still writable counts as missing.

        Raises:
            DvcError: the listing is read-only and damaged, or breaks a rule.
        """
        path = self.path(oid)
        if not self.holds(oid):
            return None
        if oid not in self._listings:
            with door(f"cannot read {oid} in DVC's cache"), path.open("rb") as file:
                data = file.read(SIZE_LIMIT + 1)
            if digest.listing_name(data) != oid:
                if not _is_checked(path):
                    return None
                raise self.damage(oid)
            self._listings[oid] = read_listing(data, oid)
        return self._listings[oid]

    def hash_member(self, member: Member, meter: Meter) -> FileDigest:
        """Return the digest of a member.

        Raises:
            DvcError: its bytes do not have the MD5 of its name.
        """
        found = digest.hash_file(self.path(member.md5), meter)
        if found.md5 != md5_of(member.md5):
            raise self.damage(member.md5)
        return found.at(member.path)

    def check(self, oid: ObjectId) -> None:
        """Refuse a damaged or missing object.

        An object is hashed again only if its file changed since the last time.

        Raises:
            DvcError: the object is missing, or its bytes do not have the MD5 of its name.
        """
        if not self.is_intact(oid):
            raise self.damage(oid)

    def is_intact(self, oid: ObjectId) -> bool:
        """Return whether an object exists and its bytes have the MD5 of its name.

        An object is hashed again only if its file changed since the last time.

        Raises:
            WorldError: the object cannot be read.
        """
        if not self.holds(oid):
            return False
        path = self.path(oid)
        before = file_state(path)
        if self._hashed.get(oid) == before:
            return True
        if digest.file_md5(path) != md5_of(oid):
            return False
        self._hashed[oid] = before
        return True

    def damage(self, oid: ObjectId) -> DvcError:
        """Return the error for a damaged object."""
        return DvcError(
            f"DVC object {oid} in the cache is damaged: its MD5 differs",
            hint=f"remove {self.path(oid)}, then get the bytes again with dvc fetch or dvc add",
        )

    def damaged(self, oids: Iterable[ObjectId]) -> set[ObjectId]:
        """Return the objects whose bytes do not have the MD5 of their name."""
        names = sorted(set(oids))  # each object is hashed once
        found = digest.each(lambda oid: digest.file_md5(self.path(oid)), names, Meter(None))
        return {oid for oid, md5 in zip(names, found, strict=True) if md5 != md5_of(oid)}

    def discard(self, oids: Iterable[ObjectId]) -> set[ObjectId]:
        """Remove the objects that are still writable; return the others."""
        kept = set()
        for oid in oids:
            with door(f"cannot remove {oid} from DVC's cache"):
                if _is_checked(self.own_path(oid)):
                    kept.add(oid)
                else:
                    self.own_path(oid).unlink()
        return kept

    def vouch(self, oids: Iterable[ObjectId]) -> None:
        """Mark objects as checked: make them read-only, by DVC's convention."""
        for oid in filter(self.owns, oids):
            self._objects.protect(str(self.own_path(oid)))


def _has_same_bytes(path: Path, temporary: Path, oid: ObjectId) -> bool:
    if not path.is_file():
        return False
    if filecmp.cmp(path, temporary, shallow=False):
        return True
    if digest.file_md5(path) == md5_of(oid):
        # Somebody made two files with one MD5. Replacing the object would change every version
        # that uses it.
        raise DvcError(
            f"DVC's cache has different bytes with the same MD5, {oid}: DVC cannot store both",
            hint=f"compare the file with {path}; somebody made one of them to collide",
        )
    return False


def _linked(source: Path, target: Path) -> bool:
    """Make ``target`` a file that shares the bytes of ``source``; return whether that is possible.

    A clone of its blocks is better than a hard link: a change of one does not reach the other.
    """
    from dvc_objects.fs.system import hardlink, reflink

    for link in (reflink, hardlink):
        try:
            link(str(source), str(target))
        except OSError:
            target.unlink(missing_ok=True)
        else:
            return True
    return False


def _is_checked(path: Path) -> bool:
    return stat.S_IMODE(path.stat().st_mode) == CHECKED


def remove_stale(folder: Path) -> None:
    """Remove the unfinished files in a folder that are older than a day."""
    with suppress(OSError):
        for path in folder.glob(f"{TEMPORARY}*.tmp"):
            if path.lstat().st_mtime < time.time() - _STALE:
                path.unlink()


def file_state(path: Path) -> tuple[int, ...]:
    """Return a value that changes whenever somebody writes to a file."""
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
