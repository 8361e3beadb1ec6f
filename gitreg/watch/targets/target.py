"""What a target is given, and how it says that it failed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gitreg.errors import WorldError
from gitreg.watch.moves import Move

_LONGEST = 32_768
"""Bytes of one variable: Linux starts no program with one above 128 KiB."""


class Failed(WorldError):
    """A target did not take a move.

    Attributes:
        is_final: whether it would not take it later, either.
        wait: the least number of seconds until the next try, as the target says.
    """

    def __init__(self, message: str, *, is_final: bool = False, wait: float = 0) -> None:
        super().__init__(message)
        self.is_final = is_final
        self.wait = wait


@dataclass(frozen=True)
class Notice:
    """One move, as targets get it.

    Attributes:
        move: the move.
        path: the pulled artifact; ``None`` where none is pulled.
        source: the registry, without credentials.
        timeout: seconds that a target may wait for others.
        say: prints a line for people.
    """

    move: Move
    path: Path | None
    source: str
    timeout: float
    say: Callable[[str], None]

    @property
    def variables(self) -> Mapping[str, str]:
        """The move as environment variables, empty where there is nothing."""
        move = self.move
        values = {
            "MODEL": move.model,
            "VERSION": move.version,
            "PREVIOUS": move.previous,
            "COMMIT": move.commit,
            "SHA256": move.sha256,
            "AUTHOR": move.author,
            "REASON": move.reason,
            "ACTION": move.action,
            "REFERENCE": move.reference,
            "EVENT": move.id,
            "PATH": self.path,
        }
        return {
            f"GITREG_{name}": "" if value is None else _shortened(str(value))
            for name, value in values.items()
        }


class Target(Protocol):
    """Who is told of a move."""

    name: str
    """Unique among the targets of a watcher."""

    def __call__(self, notice: Notice) -> None:
        """Tell it of a move.

        Raises:
            Failed: it did not take it.
        """


def _shortened(text: str) -> str:
    return os.fsdecode(os.fsencode(text.replace("\0", ""))[:_LONGEST])
