"""Reads the configuration of a DVC project, also for a user without a home folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gitreg.dvc.door import load


def read_config(folder: Path) -> dict[str, Any]:
    """Return the configuration of the project whose ``.dvc`` is ``folder``, in DVC's form.

    It is made of the files of the machine, the user, the project and the clone. A process without
    HOME whose user id has no entry in the machine's list (a container) has no file of the user.

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

    found: dict[str, Any] = AnyUser(str(folder))
    return found
