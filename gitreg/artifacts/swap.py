"""Exchanges the files of a folder that cannot be renamed: a mounted volume, an overlay's layer.

Each file appears by a rename. First all old files go aside, then all new ones come: at no moment
is a file of one version beside a file of another. The first file of the old version goes first,
and the first file of the new one (of an MLflow model, `MLmodel`) comes last: a loader that finds it
finds all. If a step fails, the old files come back. After a kill the next delivery goes on.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from gitreg.dvc import digest, member_paths
from gitreg.dvc.cache import TEMPORARY
from gitreg.errors import WorldError

ASIDE = "-replaced"
"""The end of the name of a folder with the files that are being replaced."""


def is_an_island(destination: Path) -> bool:
    """Return whether a folder is another file system than its parent, or alone writable."""
    if not destination.is_dir():
        return False
    return os.path.ismount(destination) or not os.access(destination.parent, os.W_OK | os.X_OK)


def is_unfinished(destination: Path) -> bool:
    """Return whether a killed delivery left its files in a folder, so that the next may go on."""
    if not destination.is_dir():
        return False
    names = [path.name for path in destination.iterdir()]
    left = [name for name in names if name.startswith(TEMPORARY)]
    return any(name.endswith(ASIDE) for name in left) or (left != [] and left == names)


def refuse_others(destination: Path, ours: set[Path]) -> None:
    """Refuse to deliver to a folder in which another process holds a folder of its own.

    Raises:
        WorldError: another process is delivering to the same destination.
    """
    if any(_is_held(left) for left in _left(destination, ours)):
        raise WorldError(
            f"another gitreg is delivering to {member_paths.shown(str(destination))}",
            hint="run the command again when it has finished",
        )


def _left(destination: Path, ours: set[Path]) -> list[Path]:
    """Return the folders of other deliveries in a destination."""
    found = destination.glob(f"{TEMPORARY}*") if destination.is_dir() else ()
    return [path for path in found if path not in ours and path.is_dir()]


@contextmanager
def _handle(folder: Path) -> Iterator[int]:
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


def _is_held(folder: Path) -> bool:
    try:
        with _handle(folder) as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError as error:
        return error.errno in (errno.EAGAIN, errno.EACCES)
    return False


def exchange(copy: Path, destination: Path, hashes: Mapping[str, str]) -> None:
    """Replace the content of a folder by a copy, file by file; if that fails, put it back.

    Args:
        copy: the new file or folder; it is in the workshop.
        destination: the folder that cannot be renamed.
        hashes: the SHA-256 of each file of the copy, by its path in it (``""`` for a file).

    Raises:
        OSError: a file cannot be moved; the old files are back, or in a folder in the destination
            whose name ends in `ASIDE`.
        WorldError: another process is delivering to the same destination.
    """
    aside = destination / (copy.parent.name + ASIDE)
    aside.mkdir()  # while it is there, the delivery is unfinished
    ours = {copy.parent, aside}
    with _handle(aside) as mine:
        fcntl.flock(mine, fcntl.LOCK_EX)
        try:
            refuse_others(destination, ours)
        except WorldError:
            aside.rmdir()
            raise
        _exchange(copy, destination, aside, hashes)
        for left in _left(destination, ours):
            shutil.rmtree(left, ignore_errors=True)  # of a delivery that was killed
        shutil.rmtree(aside, ignore_errors=True)


def _exchange(copy: Path, destination: Path, aside: Path, hashes: Mapping[str, str]) -> None:
    folders, files = _content(destination)
    came: list[str] = []
    try:
        for path in files:
            _move(destination / path, _made(aside / path))
        for path in reversed(folders):
            with suppress(OSError):  # a volume that is mounted in it stays
                (destination / path).rmdir()
        for path in sorted(hashes, key=_rank, reverse=True):
            came.append(path)
            _move(copy / path, _made(destination / path), hashes[path])
    except BaseException:
        _undo(destination, aside, came, folders)
        raise


def _content(folder: Path) -> tuple[list[str], list[str]]:
    """Return the paths of the folders and of all else in a folder, without our own folders."""
    folders, files = [], []
    for place, below, names in os.walk(folder):
        here = Path(place)
        below[:] = [name for name in below if here != folder or not name.startswith(TEMPORARY)]
        links = [name for name in below if (here / name).is_symlink()]
        folders += [str((here / name).relative_to(folder)) for name in below if name not in links]
        files += [str((here / name).relative_to(folder)) for name in (*names, *links)]
    return sorted(folders), sorted(files, key=_rank)


def _rank(path: str) -> tuple[int, str]:
    return path.count("/"), path


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _undo(destination: Path, aside: Path, came: Sequence[str], folders: Sequence[str]) -> None:
    """Put the old files back; what cannot be put back stays in ``aside``."""
    with suppress(OSError):
        for path in came:
            (destination / path).unlink(missing_ok=True)
            for parent in list((destination / path).parents)[: path.count("/")]:
                with suppress(OSError):
                    parent.rmdir()
        for path in ("", *folders):
            (destination / path).mkdir(parents=True, exist_ok=True)
        for path in _content(aside)[1]:
            _move(aside / path, _made(destination / path))
        shutil.rmtree(aside, ignore_errors=True)


def _move(source: Path, target: Path, sha256: str | None = None) -> None:
    """Rename a file; between file systems, copy it beside its target first and compare it."""
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        beside = target.with_name(f"{TEMPORARY}{secrets.token_hex(8)}.tmp")
        try:
            shutil.copy2(source, beside, follow_symlinks=False)
            if sha256 is not None and digest.file_sha256(beside, None)[0] != sha256:
                raise OSError(errno.EIO, "the copy differs", str(target)) from None
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
        source.unlink()
