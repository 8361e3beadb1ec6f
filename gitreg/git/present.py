"""Which objects a repository has: read from its files, because Git fetches one that is asked for.

Git 2.44 has ``GIT_NO_LAZY_FETCH`` for that; older ones have nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

_MAGIC = b"\xfftOc\0\0\0\2"
_NAMES = len(_MAGIC) + 256 * 4
_SIZE = 20


class Present:
    """The objects in a folder ``objects``, without those of its alternates."""

    def __init__(self, objects: Path) -> None:
        self._objects = objects
        self._indexes: dict[str, bytes] = {}

    def without(self, oids: Iterable[str]) -> list[str]:
        """Return those of some objects that are not here, each once."""
        missing = [oid for oid in dict.fromkeys(oids) if not self._is_known(oid)]
        if missing and self._read():
            missing = [oid for oid in missing if not self._is_known(oid)]
        return missing

    def _is_known(self, oid: str) -> bool:
        name = bytes.fromhex(oid)
        if any(_has(index, name) for index in self._indexes.values()):
            return True
        return (self._objects / oid[:2] / oid[2:]).exists()

    def _read(self) -> bool:
        """Read the indexes of packs that are new; tell whether there was one."""
        places = {place.name: place for place in (self._objects / "pack").glob("*.idx")}
        for gone in self._indexes.keys() - places.keys():
            del self._indexes[gone]
        new = places.keys() - self._indexes.keys()
        for name in new:
            try:
                self._indexes[name] = places[name].read_bytes()
            except OSError:
                continue  # another process is replacing it
        return bool(new)


def _has(index: bytes, name: bytes) -> bool:
    """Tell whether a pack's index has an object; for another format, that it has not."""
    if not index.startswith(_MAGIC):
        return False
    first = len(_MAGIC) + 4 * name[0]
    low = struct.unpack_from(">I", index, first - 4)[0] if name[0] else 0
    high = struct.unpack_from(">I", index, first)[0]
    while low < high:
        middle = (low + high) // 2
        start = _NAMES + middle * _SIZE
        found = index[start : start + _SIZE]
        if found == name:
            return True
        low, high = (middle + 1, high) if found < name else (low, middle)
    return False
