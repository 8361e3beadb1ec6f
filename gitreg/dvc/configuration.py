"""Reads the configuration of a DVC project, also for a user without a home folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitreg.dvc.door import load


@dataclass(frozen=True)
class Levels:
    """The configuration of a DVC project, in DVC's form.

    Attributes:
        merged: all levels together: the machine's, the user's, the project's and the clone's.
        repo: ``.dvc/config`` alone.
        local: ``.dvc/config.local`` alone.
    """

    merged: dict[str, Any]
    repo: dict[str, Any]
    local: dict[str, Any]


def read_levels(folder: Path) -> Levels:
    """Return the configuration of the project whose ``.dvc`` is ``folder``.

    A process without HOME whose user id has no entry in the machine's list (a container) has no
    file of the user.

    Raises:
        Exception: any of DVC's; see `gitreg.dvc.door.door`.
    """
    load()
    from dvc.config import Config

    class AnyUser(Config):  # type: ignore[misc]
        @classmethod
        def get_dir(cls, level: str) -> str:
            try:
                return str(super().get_dir(level))
            except (RuntimeError, KeyError):  # no home folder
                return ""

        @property
        def files(self) -> dict[str, str]:
            return {level: path for level, path in super().files.items() if path != self.CONFIG}

    merged = AnyUser(str(folder))
    return Levels(merged, merged.load_one("repo"), merged.load_one("local"))
