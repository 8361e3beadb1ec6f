"""The library that is preloaded into gitreg and Git, and the file that tells it what to do."""

from __future__ import annotations

import ctypes
import mmap
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")
NEVER = 2**62
"""A moment that no run reaches: to count, and to see in which order things happen."""

_HEAD = struct.Struct("=iiqq1000s")
_ENTRY, _ENTRIES = 256, 8192
_SIZE = _HEAD.size + _ENTRY * _ENTRIES


class Mode(IntEnum):
    """What happens at the Nth call; each mode counts the calls that it is about."""

    KILL = 0
    """The machine loses its power: from then on, whoever would change anything dies."""
    TORN = 1
    """The same in the middle of a write: half of it is in the file."""
    NO_SPACE = 2
    """The disk is full for one call."""
    FULL = 3
    """The disk is full from then on."""
    BROKEN = 4
    """One call fails with EIO."""
    BROKEN_FOR_GOOD = 5
    """All calls fail with EIO from then on."""
    REFUSED = 6
    """No connection is made from then on."""
    CUT = 7
    """No byte goes over a connection from then on."""

    @property
    def word(self) -> str:
        """As it is typed, ``no-space``."""
        return self.name.lower().replace("_", "-")

    @property
    def kills(self) -> bool:
        """Whether processes die, so that they cannot say a last word."""
        return self in (Mode.KILL, Mode.TORN)


def unavailable() -> str | None:
    """Return why nothing can be preloaded here, or ``None``."""
    if sys.platform != "linux" or ctypes.sizeof(ctypes.c_void_p) != 8:
        return "preloading needs Linux on 64 bits"
    return None if shutil.which("cc") else "no C compiler"


def build(folder: Path) -> Path:
    """Compile the library into a folder and return its path."""
    library = folder / "shim.so"
    options = ("-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror")
    subprocess.run(
        ["cc", *options, "-o", str(library), str(SOURCE), "-ldl"], check=True, timeout=60
    )
    return library


class Control:
    """What the preloaded library is told, and what it tells."""

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory = memory

    @property
    def is_hit(self) -> bool:
        """Whether the moment came."""
        return bool(self._head()[1])

    @property
    def count(self) -> int:
        """How many calls were counted."""
        return int(self._head()[3])

    def _head(self) -> tuple[int, int, int, int, bytes]:
        mode, hit, moment, count, folder = _HEAD.unpack_from(self._memory)
        return mode, hit, moment, count, folder

    def call(self, number: int) -> str:
        """Return what the call with this number was, ``git: rename /work/.git/index``."""
        if not 1 <= number <= _ENTRIES:
            return "?"
        start = _HEAD.size + _ENTRY * (number - 1)
        return self._memory[start : start + _ENTRY].split(b"\0")[0].decode("utf-8", "replace")


@contextmanager
def controlled(path: Path, folder: Path, mode: Mode, moment: int) -> Iterator[Control]:
    """Write the file that says what happens when in a folder; yield what is told back."""
    head = _HEAD.pack(mode, 0, moment, 0, str(folder.resolve()).encode())
    path.write_bytes(head + bytes(_SIZE - len(head)))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), _SIZE) as memory:
        yield Control(memory)
    path.unlink()
