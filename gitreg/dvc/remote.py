"""A DVC remote: objects elsewhere, looked up one by one, moved by DVC's own transfer.

Nothing here removes anything on a remote.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitreg import digest
from gitreg.digest import Meter, Progress
from gitreg.dvc.door import cause, door, load
from gitreg.dvc.listing import SIZE_LIMIT, ObjectId, may_have_size
from gitreg.errors import DvcError

if TYPE_CHECKING:
    from fsspec import Callback

    from gitreg.dvc.cache import Cache

_LOOK = "check it with `dvc remote list`, then run the command again"
_SECRET = re.compile(r"password|passphrase|secret|token|_key$|_key_id$|customer_key|connection_str")
_SECRET_LENGTH = 4  # shorter ones would take ordinary words out of messages


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
            self._objects = Configured(name, path, file_system(**options), **options).odb

    def _door(self, doing: str) -> AbstractContextManager[None]:
        return door(doing, self._secrets, _LOOK)

    def sizes(self, oids: Sequence[ObjectId]) -> dict[ObjectId, int | None]:
        """Return the objects that are there and their sizes, ``None`` where the remote tells none.

        Raises:
            DvcError: the remote cannot be asked.
        """
        with self._door(f"cannot look into DVC remote {self.name}"):
            self._objects.fs.fs.invalidate_cache()  # fsspec may remember how a folder was
            paths = [self._objects.oid_to_path(oid) for oid in oids]
            found = self._objects.fs.info(paths, return_exceptions=True)
        sizes = {}
        for oid, info in zip(oids, found, strict=True):
            if isinstance(info, FileNotFoundError):
                self._refuse_unanswered(info)
                continue
            with self._door(f"cannot look for {oid} on DVC remote {self.name}"):
                if isinstance(info, BaseException):
                    raise info
                size = info.get("size")
                if info["type"] == "file" and may_have_size(oid, size):
                    sizes[oid] = size
        return sizes

    def listing(self, oid: ObjectId) -> bytes | None:
        """Return a folder's listing, ``None`` when it is not there.

        Raises:
            DvcError: it is damaged, or the remote cannot be read.
        """
        with self._door(f"cannot read {oid} from DVC remote {self.name}"):
            try:
                with self._objects.fs.open(self._objects.oid_to_path(oid), "rb") as file:
                    data: bytes = file.read(SIZE_LIMIT + 1)
            except FileNotFoundError as error:
                self._refuse_unanswered(error)
                return None
        if digest.listing_name(data) != oid:
            raise DvcError(
                f"DVC object {oid} on remote {self.name} is damaged: its MD5 differs",
                hint="somebody who has the artifact can put it right with gitreg or dvc push",
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
            there = self.sizes(absent)
            if len(there) == len(absent):
                raise
            raise self.lack([oid for oid in absent if oid not in there]) from None

    def upload(self, oids: Sequence[ObjectId], cache: Cache, progress: Progress | None) -> None:
        """Copy objects from the cache, which were checked there.

        Raises:
            DvcError: the remote cannot be written.
        """
        if not oids:
            return
        with self._door(f"cannot push to DVC remote {self.name}"):
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

    def lack(self, oids: Sequence[ObjectId]) -> DvcError:
        """Return the error that says which objects are not there."""
        which = oids[0] if len(oids) == 1 else f"{oids[0]} and {len(oids) - 1} more"
        return DvcError(
            f"DVC remote {self.name} does not have {which}",
            hint="somebody who has the artifact can push it: dvc push",
        )


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
