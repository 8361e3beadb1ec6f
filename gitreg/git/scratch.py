"""Temporary folders that Git ignores, and that the next run removes when their process was killed.

A folder ignores itself: its first file is a ``.gitignore``, so that no ``git add .`` takes what a
killed process left in a work tree. Its process holds a lock on it, which the kernel frees.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = ".gitreg-"
"""The beginning of the names of folders beside what they are for."""

_RANDOM = r"[a-z0-9_]{8}"  # by tempfile
_IGNORE, _EVERYTHING = ".gitignore", "*\n"


@contextmanager
def beside(folder: Path) -> Iterator[Path]:
    """Yield a new folder in ``folder``, in its file system; it is removed afterwards.

    Raises:
        OSError: it cannot be made.
    """
    with _made(folder, PREFIX) as made:
        yield made


@contextmanager
def temporary(purpose: str) -> Iterator[Path]:
    """Yield an empty folder among the temporary files of the system; it is removed afterwards.

    Args:
        purpose: a word for its name, ``import``.

    Raises:
        OSError: it cannot be made.
    """
    with _made(Path(tempfile.gettempdir()), f"gitreg-{purpose}-") as made:
        inner = made / "files"
        inner.mkdir()
        yield inner


@contextmanager
def _made(parent: Path, prefix: str) -> Iterator[Path]:
    for left in parent.glob(f"{prefix}*"):
        if re.fullmatch(re.escape(prefix) + _RANDOM, left.name):
            remove_if_nobodys(left)
    made, handle = _held(parent, prefix)
    try:
        hide(made)
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(handle)


def _held(parent: Path, prefix: str) -> tuple[Path, int]:
    """Make a folder and lock it; return it with the handle that holds the lock.

    Another process or thread may remove it before it is locked, as one of a killed process.
    """
    while True:
        made = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        try:
            handle = os.open(made, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        with suppress(OSError):  # a file system without locks: then nobody removes it either
            fcntl.flock(handle, fcntl.LOCK_EX)
        if made.is_dir():
            return made, handle
        os.close(handle)


def hide(folder: Path) -> None:
    """Make Git ignore a folder.

    Raises:
        OSError: it cannot be written.
    """
    (folder / _IGNORE).write_text(_EVERYTHING)


def is_hidden(folder: Path) -> bool:
    """Return whether `hide` was called for a folder."""
    try:
        return (folder / _IGNORE).read_text() == _EVERYTHING
    except (OSError, ValueError):
        return False


def is_nobodys(folder: Path) -> bool:
    """Return whether no running process made a folder: it is one of ours, and its lock is free."""
    with _taken(folder) as mine:
        return mine


def remove_if_nobodys(folder: Path) -> None:
    """Remove a folder of a killed process; anything else stays."""
    with _taken(folder) as mine:
        if mine:
            shutil.rmtree(folder, ignore_errors=True)


def _is_empty(folder: Path) -> bool:
    try:
        return not any(folder.iterdir())
    except OSError:
        return False  # its process has just removed it


@contextmanager
def _taken(folder: Path) -> Iterator[bool]:
    """Lock a folder that another process made; yield whether that worked."""
    try:
        is_ours = not folder.is_symlink() and folder.lstat().st_uid == os.geteuid()
        handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        yield False
    else:
        yield is_ours and (is_hidden(folder) or _is_empty(folder))
    finally:
        os.close(handle)
