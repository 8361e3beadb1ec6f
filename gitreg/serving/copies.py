"""Verified copies of versions on disk, which all processes of a machine share.

A folder per version, named by number and digest. Who uses a copy holds a shared lock on a file
beside it, which the kernel frees with the process, so that nothing removes a copy that a model may
still read. All changes happen under the lock of the whole folder.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from gitreg.dvc import digest
from gitreg.errors import InvalidRequest, WorldError
from gitreg.git.copies import copies_folder, place_name
from gitreg.git.publish import open_lock, take_lock
from gitreg.serving.following import Named, View
from gitreg.serving.loaders import nothing

_PATIENCE = 3600.0
"""Seconds that a process waits for another one that is downloading to the same folder."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Copy:
    """A verified artifact on disk; it stays there while this object lives.

    Attributes:
        path: the artifact's file or folder.
        allowed: which of its files the policy allows to load, by name, although that runs code.
    """

    def __init__(self, path: Path, allowed: Callable[[str], bool] = nothing) -> None:
        self.path = path
        self.allowed = allowed
        # A child of a fork has the same lock. Closing frees it when both have.
        handle = open_lock(_lock_of(path.parent))
        self._release = weakref.finalize(self, os.close, handle)
        self._release.atexit = False
        fcntl.flock(handle, fcntl.LOCK_SH)


@dataclass(frozen=True)
class Remembered:
    """The version that last came into service for a reference.

    Attributes:
        named: the version.
        file: the artifact's name in its folder.
        reached: when the registry last answered, in seconds since the epoch.
    """

    named: Named
    file: str
    reached: float


class Copies:
    """The folder with the copies of a registry's versions.

    Args:
        folder: where.
        keep: how many versions of a model stay, besides those in use.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self._folder = folder.absolute()
        self._keep = keep

    def take(self, view: View, is_stopped: Callable[[], bool]) -> Copy:
        """Return a verified copy of the version that a view names; it is downloaded if need be.

        Args:
            view: names the version.
            is_stopped: whether nobody waits for it any more, which ends a download.

        Raises:
            DvcError: the bytes cannot be had, or are not those of the manifest.
            WorldError: the folder cannot be written.
        """
        place = self._place(view.named)
        with self._exclusive() as lock:
            try:
                path = _standing(place, view.named)
                path = path or view.pull(place, self._folder, lock, is_stopped)
                copy = Copy(path, view.allowed())
                os.utime(place)
            finally:
                # What DVC downloaded is in the copy now; kept, it would grow by each version.
                shutil.rmtree(copies_folder(str(self._folder)), ignore_errors=True)
            self._prune(place.parent)
        return copy

    def again(self, remembered: Remembered) -> Copy:
        """Return the copy of a version that came into service before, verified anew.

        Raises:
            WorldError: it is gone, or is not what it was.
        """
        path = self._place(remembered.named) / remembered.file
        with self._exclusive():
            if not path.exists():
                raise WorldError("there is no copy of the version that served last")
            if not _is_verified(path, remembered.named):
                raise WorldError("the copy of the version that served last was changed")
            return Copy(path)

    def remember(self, reference: str, named: Named, path: Path) -> None:
        """Store which version came into service for a reference."""
        record = self._record(reference)
        temporary = record.with_name(f".{record.name}.{os.getpid()}")
        with self._translated():
            record.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps({**asdict(named), "file": path.name}), "utf-8")
            temporary.replace(record)

    def recall(self, reference: str) -> Remembered | None:
        """Return what `remember` stored for a reference; ``None`` when there is nothing."""
        record = self._record(reference)
        try:
            stored = json.loads(record.read_bytes())
            file, reached = stored.pop("file"), record.stat().st_mtime
            named = Named(**stored)
            is_fit = _SHA256.fullmatch(named.sha256) and "/" not in file and file not in {"", ".."}
            return Remembered(named, file, reached) if is_fit else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def touch(self, reference: str) -> None:
        """Note that the registry has just answered: how old a copy is counts from here."""
        with suppress(OSError):
            os.utime(self._record(reference))

    def ring(self) -> None:
        """Wake all processes that follow from this folder."""
        with suppress(OSError):
            self._bell.touch()

    def rung(self) -> int:
        """Return a number that `ring` changes."""
        try:
            return self._bell.stat().st_mtime_ns
        except OSError:
            return 0

    @property
    def _bell(self) -> Path:
        return self._folder / "woken"

    def _place(self, named: Named) -> Path:
        # A model's name may be longer than a file's.
        number = f"{int(named.version)}-{named.sha256[:16]}"
        return self._folder / "versions" / place_name(named.model) / number

    def _record(self, reference: str) -> Path:
        return self._folder / "served" / f"{place_name(reference)}.json"

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise WorldError(
                f"the folder for copies {self._folder} cannot be used: {error.strerror}",
                hint="name another one: LiveModel(…, folder=…), or XDG_CACHE_HOME=FOLDER",
            ) from None

    @contextmanager
    def _exclusive(self) -> Iterator[int]:
        with self._translated():
            self._folder.mkdir(parents=True, exist_ok=True)
            handle = open_lock(self._folder / "lock")
            try:
                if not take_lock(handle, _PATIENCE, "the folder for copies"):
                    raise WorldError("another process is using the folder for copies")
                yield handle
            finally:
                # A child that was forked meanwhile has the handle too.
                fcntl.flock(handle, fcntl.LOCK_UN)
                os.close(handle)

    def _prune(self, model: Path) -> None:
        """Remove old copies that nobody uses."""
        places = [place for place in model.iterdir() if place.is_dir()]
        by_age = sorted(places, key=lambda place: place.stat().st_mtime, reverse=True)
        for place in by_age[self._keep :]:
            _remove_if_free(place)


def _standing(place: Path, named: Named) -> Path | None:
    """Return the artifact that is in a copy's place already, if it is what it should be."""
    found = list(place.iterdir()) if place.exists() else []
    return found[0] if len(found) == 1 and _is_verified(found[0], named) else None


def _is_verified(path: Path, named: Named) -> bool:
    try:
        return not path.is_symlink() and digest.hash_whole(path)[0] == named.sha256
    except InvalidRequest:  # a link or a device in the folder
        return False


def _lock_of(place: Path) -> Path:
    """Return the file whose lock keeps a copy; beside it, as an artifact may have any name."""
    return place.with_name(f"{place.name}.lock")


def _remove_if_free(place: Path) -> None:
    lock = _lock_of(place)
    try:
        handle = open_lock(lock)
    except OSError:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(place, ignore_errors=True)
        lock.unlink()
    except OSError:
        return  # a process uses it
    finally:
        os.close(handle)
