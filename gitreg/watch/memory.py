"""What was delivered last, in a file that survives a crash and keeps two watchers apart.

A delivery is written down before it begins and after it ends, each time by a synced file that
replaces the old one. So a crash repeats at most the delivery that was under way.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gitreg.errors import InvalidDocument, WorldError
from gitreg.git.publish import open_lock, take_lock
from gitreg.watch.moves import Move

_FORMAT = 1
_COMMIT = re.compile("[0-9a-f]{40}")
_PATIENCE = 1.0
"""How long to wait for another watcher of the same file, in seconds: one may be about to end."""


@dataclass(frozen=True)
class Remembered:
    """What was delivered about one reference.

    Attributes:
        at: the commit up to which all is delivered, 40 hex digits.
        delivered: the last move that was delivered; ``None`` for none.
        under_way: the move whose delivery began and has not ended.
        done: the targets that have had it.
    """

    at: str | None = None
    delivered: Move | None = None
    under_way: Move | None = None
    done: tuple[str, ...] = ()


@dataclass
class Memory:
    """The file of one watcher; it holds the lock until it is closed. See `opened`."""

    path: Path
    entries: dict[str, Remembered] = field(default_factory=dict)

    def keep(self, reference: str, entry: Remembered) -> None:
        """Store what is known about a reference; it is on disk when this returns.

        Raises:
            WorldError: the file cannot be written.
        """
        self.entries[reference] = entry
        stored = {"format": _FORMAT, "references": {k: asdict(v) for k, v in self.entries.items()}}
        temporary = self.path.with_name(f".{self.path.name}.new")
        try:
            with temporary.open("w", encoding="ascii") as file:
                json.dump(stored, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path)
            _sync_folder(self.path.parent)
        except OSError as error:
            raise WorldError(f"{self.path}: {error.strerror}") from None


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Memory]:
    """Give the memory in a file, or an empty one, for this process alone.

    Raises:
        WorldError: another watcher uses the file, or it cannot be read or written.
        InvalidDocument: it is no file of a watcher.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = open_lock(path.with_name(f"{path.name}.lock"))
    except OSError as error:
        raise WorldError(f"{path}: {error.strerror}") from None
    try:
        if not take_lock(handle, _PATIENCE, str(path)):
            raise WorldError(
                f"another gitreg watch uses {path}",
                hint="--state FILE gives this one a file of its own",
            )
        yield Memory(path, _read(path))
    finally:
        os.close(handle)


def _read(path: Path) -> dict[str, Remembered]:
    try:
        return _parsed(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise WorldError(f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InvalidDocument(
            f"{path} is not a file that this gitreg watch wrote",
            hint=f"to begin anew with what is in service: mv {path} {path}.old",
        ) from None


def _parsed(stored: Any) -> dict[str, Remembered]:
    if stored["format"] != _FORMAT:
        raise ValueError(stored["format"])
    return {str(name): _entry(one) for name, one in stored["references"].items()}


def _entry(stored: Mapping[str, Any]) -> Remembered:
    moves = {key: stored[key] and Move(**stored[key]) for key in ("delivered", "under_way")}
    at = stored["at"]
    if at is not None and not _COMMIT.fullmatch(at):
        raise ValueError(at)
    return Remembered(at, moves["delivered"], moves["under_way"], tuple(stored["done"]))


def _sync_folder(folder: Path) -> None:
    """Make the new name of a file in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
