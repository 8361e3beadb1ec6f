"""A DVC remote: objects elsewhere, looked up and read one by one.

They are moved by DVC's own transfer, but into a folder by `gitreg.dvc.folder`. Nothing here removes
an object on a remote, damaged as it may be: it is replaced, or left alone.
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
from gitreg.dvc.checksums import told_md5
from gitreg.dvc.digest import FileDigest, Meter, Progress
from gitreg.dvc.door import cause, door, load
from gitreg.dvc.listing import SIZE_LIMIT, ObjectId, may_have_size, md5_of
from gitreg.errors import DvcError, WorldError

if TYPE_CHECKING:
    from fsspec import Callback

    from gitreg.dvc.cache import Cache

REPAIR = "in a clone that has the bytes: gitreg verify --remote --repair"
"""What puts objects on a remote right. `dvc push` does not: it skips what a listing names."""

_LOOK = "check it with `dvc remote list`, then run the command again"
_BLOCKS = {
    # Not every HTTP server gives ranges, by which fsspec reads; 0 asks it for one stream.
    **dict.fromkeys(("http", "https"), 0),
    # Some ask for 50 MiB at a time, and keep two of them in memory for each object that is read.
    **dict.fromkeys(("s3", "gs", "azure", "oss"), 4 * 1024 * 1024),
}
"""How much of an object fsspec asks for at a time, in bytes, where not its own default."""

_SECRET = re.compile(r"password|passphrase|secret|token|_key$|_key_id$|customer_key|connection_str")
_SECRET_LENGTH = 4  # shorter ones would take ordinary words out of messages


@dataclass(frozen=True)
class StoredObject:
    """An object on a remote as its file system tells of it, unread.

    Attributes:
        size: in bytes; ``None`` where the remote tells none.
        md5: of its content, by `gitreg.dvc.checksums`; ``None`` where the remote tells none.
    """

    size: int | None
    md5: str | None


class Remote:
    """The objects of a remote.

    Args:
        name: as the configuration has it.
        config: DVC's configuration.

    Raises:
        DvcError: the configuration of the remote is wrong, or what it needs is not installed.
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
                    f"DVC remote {name} is cloud versioned, which holds no objects by their hash",
                    hint="use another remote: dvc remote default NAME",
                )
            if file_system.protocol == "ssh":
                # By default DVC lends the person's SSH agent to whatever host a repository names,
                # and checks no host key. Copying files needs no agent over there.
                options["agent_forwarding"] = False
            self._objects = Configured(name, path, file_system(**options), **options).odb
        self._protocol = str(self._objects.fs.protocol)
        # The objects of a folder that were found good, and the state of their files then.
        self._proven: dict[ObjectId, tuple[int, ...]] = {}

    @property
    def missing_folder(self) -> Path | None:
        """The folder that the remote is, when that is not there: not mounted, or not made yet."""
        root = Path(self._objects.path).parent.parent if self.is_folder else None
        return None if root is None or os.path.lexists(root) else root

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of this machine's file systems, which is cheap to read."""
        return self._protocol == "local"

    def _door(self, doing: str) -> AbstractContextManager[None]:
        return door(doing, self._secrets, _LOOK)

    def look(self, oids: Sequence[ObjectId]) -> dict[ObjectId, StoredObject]:
        """Return the objects that are there, and what the remote tells of each.

        Raises:
            DvcError: the remote cannot be asked.
        """
        with self._door(f"cannot look into DVC remote {self.name}"):
            self._objects.fs.fs.invalidate_cache()  # fsspec may remember how a folder was
            paths = [self._objects.oid_to_path(oid) for oid in oids]
            found = self._objects.fs.info(paths, return_exceptions=True)
        there = {}
        for oid, info in zip(oids, found, strict=True):
            if isinstance(info, FileNotFoundError):
                self._refuse_unanswered(info)
                continue
            with self._door(f"cannot look for {oid} on DVC remote {self.name}"):
                if isinstance(info, BaseException):
                    raise info
                size = info.get("size")
                if info["type"] == "file" and may_have_size(oid, size):
                    there[oid] = StoredObject(size, told_md5(info, self._protocol))
        return there

    def is_proven(self, oid: ObjectId, seen: StoredObject) -> bool:
        """Tell whether an object needs no reading: its MD5 is told, or was found here before."""
        if not self.is_folder:
            return seen.md5 == md5_of(oid)
        with self._door(f"cannot look for {oid} on DVC remote {self.name}"):
            return self._proven.get(oid) == file_state(self._path(oid))

    def damaged(self, oids: Iterable[ObjectId], progress: Progress | None) -> set[ObjectId]:
        """Read objects; return those whose bytes do not have the MD5 of their name, or are gone.

        Raises:
            DvcError: one cannot be read.
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
        """Refuse a folder that is not there, as when it is not mounted: nothing could be in it.

        Raises:
            DvcError: so.
        """
        root = Path(self._objects.path).parent.parent
        if self.is_folder and not root.is_dir():
            raise DvcError(
                f"DVC remote {self.name} cannot be reached: there is no folder {root}",
                hint="mount it, or check it with `dvc remote list`, then run the command again",
            )
        self._objects.fs.fs.invalidate_cache()  # fsspec may remember how a folder was

    def read(self, oid: ObjectId, meter: Meter) -> FileDigest | None:
        """Return the digest of an object, read once in constant memory; ``None`` when it is absent.

        Raises:
            DvcError: it cannot be read.
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
        """Return the first `SIZE_LIMIT` bytes of an object and one; ``None`` when it is absent.

        Raises:
            DvcError: it cannot be read.
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
        """Return where an object of a folder lies."""
        return Path(self._objects.oid_to_path(oid))

    def _opened(self, oid: ObjectId) -> Any:
        """Open an object to be read from its beginning to its end, once."""
        size = _BLOCKS.get(self._protocol)
        options = {} if size is None else {"block_size": size}
        return self._objects.fs.open(self._objects.oid_to_path(oid), "rb", **options)

    def listing(self, oid: ObjectId) -> bytes | None:
        """Return a folder's listing, ``None`` when it is not there.

        Raises:
            DvcError: it is damaged, or the remote cannot be read.
        """
        data = self.content(oid)
        if data is not None and digest.listing_name(data) != oid:
            raise DvcError(
                f"DVC object {oid} on remote {self.name} is damaged: its MD5 differs", hint=REPAIR
            )
        return data

    def _refuse_unanswered(self, error: FileNotFoundError) -> None:
        """Refuse to take a remote that did not answer for one that lacks an object.

        Raises:
            DvcError: so.
        """
        why = error.__cause__
        if isinstance(why, Exception) and not _says_absent(why):
            raise DvcError(
                f"DVC remote {self.name} cannot be reached: {cause(why, self._secrets)}", hint=_LOOK
            )

    def download(self, oids: Sequence[ObjectId], cache: Cache, progress: Progress | None) -> None:
        """Copy objects into the cache, writable, for nobody has checked them yet.

        Raises:
            DvcError: one is not there, or the remote cannot be read. Those copied before stay.
        """
        try:
            with self._door(f"cannot fetch from DVC remote {self.name}"):
                from dvc_objects.fs import generic

                # Without on_error: with it DVC renames the half of a file that arrived into place.
                generic.copy(
                    self._objects.fs,
                    [self._objects.oid_to_path(oid) for oid in oids],
                    cache.file_system,
                    [str(cache.path(oid)) for oid in oids],
                    callback=_callback(progress),
                )
        except DvcError:
            absent = [oid for oid in oids if not cache.holds(oid)]
            there = self.look(absent)
            if len(there) == len(absent):
                raise
            raise self.lack([oid for oid in absent if oid not in there]) from None

    def upload(self, oids: Sequence[ObjectId], cache: Cache, progress: Progress | None) -> None:
        """Copy objects from the cache, which were checked there, over what may be in their place.

        Raises:
            DvcError: the remote cannot be written, or an object of the cache turned out damaged.
        """
        if not oids:
            return
        with self._door(f"cannot push to DVC remote {self.name}"):
            if self.is_folder:
                self._fill_folder(oids, cache, progress)
                return
            # verify=False whatever the configuration says: DVC's check deletes. Ours was made
            # before, and follows.
            self._objects.add(
                [str(cache.path(oid)) for oid in oids],
                cache.file_system,
                list(oids),
                callback=_callback(progress),
                check_exists=False,
                verify=False,
            )

    def _fill_folder(
        self, oids: Sequence[ObjectId], cache: Cache, progress: Progress | None
    ) -> None:
        def put(oid: ObjectId) -> None:
            target = self._path(oid)
            if not target.parent.is_dir():
                self._objects.makedirs(str(target.parent))
            try:
                done = folder.put(cache.path(oid), target, workshop, meter, md5=md5_of(oid))
            except WorldError as error:
                raise DvcError(
                    f"cannot push to DVC remote {self.name}: {error}", hint=_LOOK
                ) from error
            if not done:
                raise cache.damage(oid)
            self._proven[oid] = file_state(target)

        # Beside the objects, not among them: there DVC would list unfinished files as objects.
        workshop = Path(self._objects.path).parent
        self._objects.makedirs(self._objects.path)
        remove_stale(workshop)
        meter = Meter(progress)
        digest.each(put, oids, meter)

    def lack(self, oids: Sequence[ObjectId]) -> DvcError:
        """Return the error that says which objects are not there."""
        which = oids[0] if len(oids) == 1 else f"{oids[0]} and {len(oids) - 1} more"
        return DvcError(
            f"DVC remote {self.name} does not have {which}",
            hint=REPAIR,
        )


def _read_up_to(stream: Any, limit: int) -> bytes:
    """Read until the end or the limit: a stream may give less at once than it is asked for."""
    data = bytearray()
    while len(data) < limit and (more := stream.read(limit - len(data))):
        data += more
    return bytes(data)


def _says_absent(why: Exception) -> bool:
    """Tell whether what fsspec made a ``FileNotFoundError`` of says that an object is not there.

    Its HTTP file system makes one of every failure, of a refused connection and a 403 too. The
    others do it only for what their service calls absent, each with an exception of its own.
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
    """Return the values of a configuration that no message may show."""
    return tuple(
        value
        for options in config.get("remote", {}).values()
        for key, value in options.items()
        if _SECRET.search(key) and isinstance(value, str) and len(value) >= _SECRET_LENGTH
    )


def _callback(progress: Progress | None) -> Callback:
    """Return fsspec's way to report progress, for ours."""
    from fsspec.callbacks import Callback

    class OneFile(Callback):  # type: ignore[misc]
        """Reports the bytes of a file; a local copy, which tells none, when it is done."""

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
        """Gives each file a callback of its own."""

        def branched(self, path_1: str, _path_2: str, **_kwargs: object) -> Callback:
            return OneFile(Path(path_1))

    meter = Meter(progress)
    return AllFiles()
