"""A DVC remote: looks up, reads and writes its objects one by one.

DVC's own transfer moves the objects, except into a folder, where `gitreg.dvc.folder` does it.
Nothing here removes an object from a remote. Even a damaged one is replaced or left alone.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitreg.dvc import digest, folder
from gitreg.dvc.cache import file_state, remove_stale
from gitreg.dvc.checksums import reported_md5
from gitreg.dvc.digest import FileDigest, Meter, Progress
from gitreg.dvc.door import cause, door, load
from gitreg.dvc.listing import SIZE_LIMIT, ObjectId, may_have_size, md5_of
from gitreg.errors import DvcError, WorldError

if TYPE_CHECKING:
    from fsspec import Callback

    from gitreg.dvc.cache import Cache

REPAIR = "in a clone that has the bytes: gitreg verify --remote --repair"
"""The hint that repairs objects on a remote. `dvc push` does not: it skips a listing's members."""

_CHECK = "check it with `dvc remote list`, then run the command again"
_BLOCKS = {
    # fsspec reads ranges, and not every HTTP server supports them; 0 requests one stream.
    **dict.fromkeys(("http", "https"), 0),
    # Some file systems request 50 MiB at a time, and keep two blocks in memory for each object.
    **dict.fromkeys(("s3", "gs", "azure", "oss"), 4 * 1024 * 1024),
}
"""The block size of fsspec's reads by protocol, in bytes; fsspec's own default for the others."""

_COPYING = ("s3", "gs", "azure")
"""The protocols of stores that copy an object on their side."""

_SECRET = re.compile(r"password|passphrase|secret|token|_key$|_key_id$|customer_key|connection_str")
_SECRET_LENGTH = 4  # hiding shorter ones would remove ordinary words from messages


class AbsentObjectsError(DvcError):
    """A remote answered that it does not have an object."""


@dataclass(frozen=True)
class StoredObject:
    """The metadata of an object on a remote, as its file system reports it.

    Attributes:
        size: in bytes; ``None`` when the remote reports none.
        md5: the MD5 of the content, by `gitreg.dvc.checksums`; ``None`` when the remote reports
            none.
    """

    size: int | None
    md5: str | None


class Remote:
    """The objects of a remote.

    Args:
        name: the remote's name in the configuration.
        config: DVC's configuration.

    Raises:
        DvcError: the configuration of the remote is wrong, or its DVC plugin is not installed.
    """

    def __init__(self, name: str, config: Mapping[str, Any]) -> None:
        self.name = name
        self._secrets = _secrets(config)
        with self._door(f"DVC remote {name}"):
            load()
            from dvc.data_cloud import Remote as Configured
            from dvc.fs import get_cloud_fs

            file_system, options, path = get_cloud_fs(config, name=name)
            if options.get("version_aware") or options.get("worktree"):
                raise DvcError(
                    f"DVC remote {name} is cloud-versioned, so it does not store objects by hash",
                    hint="use another remote: dvc remote default NAME",
                )
            if file_system.protocol == "ssh":
                # By default DVC forwards the user's SSH agent to any host that a repository names,
                # and does not check host keys. Copying files does not need an agent on the host.
                options["agent_forwarding"] = False
            self._objects = Configured(name, path, file_system(**options), **options).odb
        self._protocol = str(self._objects.fs.protocol)
        # The intact objects of a remote folder, with the states of their files at the check.
        self._proven: dict[ObjectId, tuple[int, ...]] = {}

    @property
    def missing_folder(self) -> Path | None:
        """The remote's folder if it does not exist: it is not mounted, or not created yet."""
        root = Path(self._objects.path).parent.parent if self.is_folder else None
        return None if root is None or os.path.lexists(root) else root

    @property
    def is_folder(self) -> bool:
        """Whether the remote is a folder on this machine, which is cheap to read."""
        return self._protocol == "local"

    def _door(self, doing: str) -> AbstractContextManager[None]:
        return door(doing, self._secrets, _CHECK)

    def look(self, oids: Sequence[ObjectId]) -> dict[ObjectId, StoredObject]:
        """Return the objects that exist on the remote, with their metadata.

        Raises:
            DvcError: the remote cannot be reached.
        """
        with self._door(f"cannot look into DVC remote {self.name}"):
            self._objects.fs.fs.invalidate_cache()  # fsspec may have cached an old directory
            paths = [self._objects.oid_to_path(oid) for oid in oids]
            found = self._objects.fs.info(paths, return_exceptions=True)
        present = {}
        for oid, info in zip(oids, found, strict=True):
            if isinstance(info, FileNotFoundError):
                self._refuse_unanswered(info)
                continue
            with self._door(f"cannot look for {oid} on DVC remote {self.name}"):
                if isinstance(info, BaseException):
                    raise info
                size = info.get("size")
                if info["type"] == "file" and may_have_size(oid, size):
                    present[oid] = StoredObject(size, reported_md5(info, self._protocol))
        return present

    def is_proven(self, oid: ObjectId, seen: StoredObject) -> bool:
        """Return whether an object is known to be intact, by reported MD5 or earlier read."""
        if not self.is_folder:
            return seen.md5 == md5_of(oid)
        with self._door(f"cannot look for {oid} on DVC remote {self.name}"):
            return self._proven.get(oid) == file_state(self._path(oid))

    def damaged(self, oids: Iterable[ObjectId], progress: Progress | None) -> set[ObjectId]:
        """Read objects; return those that are gone, or whose bytes do not have their name's MD5.

        Raises:
            DvcError: an object cannot be read.
        """

        def is_damaged(oid: ObjectId) -> bool:
            before = file_state(self._path(oid)) if self.is_folder else ()
            with self._opened(oid) as stream:
                if digest.stream_md5(stream, meter) != md5_of(oid):
                    return True
            if self.is_folder:
                self._proven[oid] = before
            return False

        def work(oid: ObjectId) -> bool:
            with self._reading(oid):
                try:
                    return is_damaged(oid)
                except FileNotFoundError as error:
                    self._refuse_unanswered(error)
                    return True

        meter = Meter(progress)
        names = list(oids)
        found = digest.each(work, names, meter)
        return {oid for oid, bad in zip(names, found, strict=True) if bad}

    def reach(self) -> None:
        """Refuse a remote folder that does not exist, for example because it is not mounted.

        Raises:
            DvcError: the folder does not exist.
        """
        root = Path(self._objects.path).parent.parent
        if self.is_folder and not root.is_dir():
            raise DvcError(
                f"DVC remote {self.name} cannot be reached: there is no folder {root}",
                hint="mount it, or check it with `dvc remote list`, then run the command again",
            )
        self._objects.fs.fs.invalidate_cache()  # fsspec may have cached an old directory

    def read(self, oid: ObjectId, meter: Meter) -> FileDigest | None:
        """Return the digest of an object, read once in constant memory; ``None`` if it is missing.

        Raises:
            DvcError: the object cannot be read.
        """
        with self._reading(oid):
            try:
                with self._opened(oid) as stream:
                    return digest.hash_stream(stream, meter)
            except FileNotFoundError as error:
                self._refuse_unanswered(error)
            except IsADirectoryError:
                pass
        return None

    def content(self, oid: ObjectId) -> bytes | None:
        """Return at most ``SIZE_LIMIT + 1`` bytes of an object; ``None`` when it is missing.

        Raises:
            DvcError: the object cannot be read.
        """
        with self._reading(oid):
            try:
                with self._opened(oid) as stream:
                    return _read_up_to(stream, SIZE_LIMIT + 1)
            except FileNotFoundError as error:
                self._refuse_unanswered(error)
            except IsADirectoryError:
                pass
        return None

    def _reading(self, oid: ObjectId) -> AbstractContextManager[None]:
        return self._door(f"cannot read {oid} from DVC remote {self.name}")

    def _path(self, oid: ObjectId) -> Path:
        """Return the path of an object in a remote folder."""
        return Path(self._objects.oid_to_path(oid))

    def _opened(self, oid: ObjectId) -> Any:
        """Open an object for one sequential read."""
        size = _BLOCKS.get(self._protocol)
        options = {} if size is None else {"block_size": size}
        return self._objects.fs.open(self._objects.oid_to_path(oid), "rb", **options)

    def listing(self, oid: ObjectId) -> bytes | None:
        """Return a folder's listing; ``None`` when it is missing.

        Raises:
            DvcError: the listing is damaged, or the remote cannot be read.
        """
        data = self.content(oid)
        if data is not None and digest.listing_name(data) != oid:
            raise DvcError(
                f"DVC object {oid} on remote {self.name} is damaged: its MD5 differs", hint=REPAIR
            )
        return data

    def _refuse_unanswered(self, error: FileNotFoundError) -> None:
        """Raise if a ``FileNotFoundError`` hides that the remote did not answer.

        Raises:
            DvcError: the remote did not answer, so the object may exist.
        """
        why = error.__cause__
        if isinstance(why, Exception) and not _says_absent(why):
            raise DvcError(
                f"DVC remote {self.name} cannot be reached: {cause(why, self._secrets)}",
                hint=_CHECK,
            )

    def download(self, oids: Sequence[ObjectId], cache: Cache, progress: Progress | None) -> None:
        """Copy objects into the cache, writable, because their bytes are unchecked.

        Raises:
            DvcError: an object is missing, or the remote cannot be read. Objects copied before
                that stay in the cache.
        """
        try:
            with self._door(f"cannot fetch from DVC remote {self.name}"):
                from dvc_objects.fs import generic

                # Without on_error: with it, DVC renames an incomplete file into place.
                generic.copy(
                    self._objects.fs,
                    [self._objects.oid_to_path(oid) for oid in oids],
                    cache.file_system,
                    [str(cache.own_path(oid)) for oid in oids],
                    callback=_callback(progress),
                )
        except DvcError:
            absent = [oid for oid in oids if not cache.owns(oid)]
            present = self.look(absent)
            if len(present) == len(absent):
                raise
            raise self.missing_error([oid for oid in absent if oid not in present]) from None

    def upload(self, oids: Sequence[ObjectId], cache: Cache, progress: Progress | None) -> None:
        """Copy checked objects from the cache to the remote, replacing existing ones.

        Raises:
            DvcError: the remote cannot be written, or an object in the cache is damaged after all.
        """
        if not oids:
            return
        with self._door(f"cannot push to DVC remote {self.name}"):
            if self.is_folder:
                self._fill_folder(oids, cache, progress)
                return
            # verify=False, whatever the configuration: DVC's check deletes objects. gitreg checks
            # before and after the upload.
            self._objects.add(
                [str(cache.path(oid)) for oid in oids],
                cache.file_system,
                list(oids),
                callback=_callback(progress),
                check_exists=False,
                verify=False,
            )

    def copy_from(self, other: Remote, oids: Sequence[ObjectId]) -> set[ObjectId]:
        """Copy objects from another remote of the same store, without a transfer through here.

        In a folder they are linked, after their bytes were read; S3, GCS and Azure copy them. The
        caller has looked them up over there, and checks them here afterwards.

        Returns:
            The copied objects; the others have to be uploaded.

        Raises:
            DvcError: an object over there cannot be read.
        """
        if self.is_folder and other.is_folder:
            damaged = other.damaged(oids, None)
            return {oid for oid in oids if oid not in damaged and self._linked(other, oid)}
        if self._protocol != other._protocol or self._protocol not in _COPYING:
            return set()
        if self._objects.fs.fs_args != other._objects.fs.fs_args:
            return set()  # another account or endpoint
        return {oid for oid in oids if self._copied(other, oid)}

    def _linked(self, other: Remote, oid: ObjectId) -> bool:
        target = self._path(oid)
        self._objects.makedirs(str(target.parent))
        try:
            os.link(other._path(oid), target)
        except OSError:  # another file system, or one without links
            return False
        self._proven[oid] = file_state(target)
        return True

    def _copied(self, other: Remote, oid: ObjectId) -> bool:
        source, target = other._objects.oid_to_path(oid), self._objects.oid_to_path(oid)
        try:
            self._objects.fs.fs.cp_file(source, target)
        except Exception:  # noqa: BLE001  a login may upload and not copy: then it is uploaded
            return False
        return True

    def is_at(self, other: Remote) -> bool:
        """Return whether another remote is the same place."""
        mine, theirs = self._objects, other._objects
        return bool(mine.path == theirs.path and self._protocol == other._protocol)

    def _fill_folder(
        self, oids: Sequence[ObjectId], cache: Cache, progress: Progress | None
    ) -> None:
        def put(oid: ObjectId) -> None:
            target = self._path(oid)
            if not target.parent.is_dir():
                self._objects.makedirs(str(target.parent))
            try:
                done = folder.put(cache.path(oid), target, scratch, meter, md5=md5_of(oid))
            except WorldError as error:
                raise DvcError(
                    f"cannot push to DVC remote {self.name}: {error}", hint=_CHECK
                ) from error
            if not done:
                raise cache.damage(oid)
            self._proven[oid] = file_state(target)

        # Beside the objects, not among them: there DVC would list unfinished files as objects.
        scratch = Path(self._objects.path).parent
        self._objects.makedirs(self._objects.path)
        remove_stale(scratch)
        meter = Meter(progress)
        digest.each(put, oids, meter)

    def missing_error(self, oids: Sequence[ObjectId]) -> AbsentObjectsError:
        """Return the error that names missing objects."""
        which = oids[0] if len(oids) == 1 else f"{oids[0]} and {len(oids) - 1} more"
        folder = self.missing_folder
        if folder is not None:
            return AbsentObjectsError(
                f"DVC remote {self.name} does not have {which}: there is no folder {folder}",
                hint=f"is it mounted? if so, {REPAIR}",
            )
        return AbsentObjectsError(f"DVC remote {self.name} does not have {which}", hint=REPAIR)


def _read_up_to(stream: Any, limit: int) -> bytes:
    """Read to the end or the limit: one read of a stream can return less than requested."""
    data = bytearray()
    while len(data) < limit and (more := stream.read(limit - len(data))):
        data += more
    return bytes(data)


def _says_absent(why: Exception) -> bool:
    """Return whether the cause of fsspec's ``FileNotFoundError`` means that an object is missing.

    Its HTTP file system raises that error for every failure, even a refused connection or a 403.
    The other file systems raise it only when their service reports a missing object, each with its
    own exception.
    """
    status = getattr(why, "status", None)
    if isinstance(status, int):
        return status in (404, 410)
    if isinstance(why, OSError):
        return isinstance(why, FileNotFoundError)
    return not isinstance(why, asyncio.TimeoutError) and not type(why).__module__.startswith(
        "aiohttp"
    )


def _secrets(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the secret values of a configuration, to hide in messages."""
    return tuple(
        value
        for options in config.get("remote", {}).values()
        for key, value in options.items()
        if _SECRET.search(key) and isinstance(value, str) and len(value) >= _SECRET_LENGTH
    )


def _callback(progress: Progress | None) -> Callback:
    """Return an fsspec callback that reports to ``progress``."""
    from fsspec.callbacks import Callback

    class OneFile(Callback):  # type: ignore[misc]
        """Reports the bytes of a file; for a local copy, all at the end."""

        def __init__(self, local: Path) -> None:
            super().__init__()
            self._local = local

        def relative_update(self, inc: int = 1) -> None:
            self.value += inc
            meter(inc)

        def absolute_update(self, value: int) -> None:
            self.relative_update(value - self.value)

        def close(self) -> None:
            if self._local.is_file():
                self.relative_update(self._local.stat().st_size - self.value)

    class AllFiles(Callback):  # type: ignore[misc]
        """Gives each file its own callback."""

        def branched(self, path_1: str, _path_2: str, **_kwargs: object) -> Callback:
            return OneFile(Path(path_1))

    meter = Meter(progress)
    return AllFiles()
