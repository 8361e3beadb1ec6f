"""`Patient`: the parts of a registry that are examined, and what is asked of all of them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from gitreg.artifacts import Artifacts
from gitreg.clone import Clone
from gitreg.errors import GitregError
from gitreg.git.repository import GitRepository
from gitreg.ledger import History
from gitreg.model import ModelVersion
from gitreg.state import RegistryState

_PROCESSES = Path("/proc")


@dataclass(frozen=True)
class Patient:
    """A registry, and the clone that it is looked at in.

    Attributes:
        repository: the clone.
        state: the registry at the commit that is checked out.
        history: the index of the clone's branch.
        artifacts: its bytes.
        clone: the clone beside its remote.
    """

    repository: GitRepository
    state: RegistryState
    history: History
    artifacts: Artifacts
    clone: Clone

    @cached_property
    def read(self) -> Mapping[tuple[str, int], ModelVersion | GitregError]:
        """Every version by model and number, without pointers, or why its files do not parse.

        Parsing is what takes time in a large registry: it is done once. What pointers and people
        say of a version may be damaged all the same.
        """
        found: dict[tuple[str, int], ModelVersion | GitregError] = {}
        for model in self.state.model_names():
            for number in self.state.versions(model):
                try:
                    said = self.state.manifest(model, number)
                    md5 = self.state.artifact_md5(model, number, said.artifact.path)
                except GitregError as error:
                    found[model, number] = error
                else:
                    artifact = replace(said.artifact, md5=md5)
                    found[model, number] = replace(said, artifact=artifact)
        return found

    @property
    def versions(self) -> Iterator[ModelVersion]:
        """The versions whose files parse; the others are reported as bad versions."""
        return (version for version in self.read.values() if isinstance(version, ModelVersion))

    @cached_property
    def open_files(self) -> Mapping[str, int] | None:
        """The files that processes have open, real path to process; ``None`` if nobody can tell.

        Linux says so, of this user's processes; of all of them to its administrator.
        """
        if not (_PROCESSES / "self" / "fd").is_dir():
            return None
        found = {}
        for folder in _PROCESSES.glob("[0-9]*/fd"):
            try:
                for handle in folder.iterdir():
                    found[os.readlink(handle)] = int(folder.parent.name)  # noqa: PTH115  fast
            except OSError:
                continue  # it has ended, or is somebody else's
        return found

    def holder(self, path: Path) -> int | None:
        """Return a process that has a file open, or one in a folder; ``None`` if none is known."""
        place = str(path.resolve())
        for name, process in (self.open_files or {}).items():
            if name == place or name.startswith(f"{place}/"):
                return process
        return None


def age(path: Path) -> float:
    """Return how long ago a file, or anything in a folder, was last written, in seconds."""
    newest = path.lstat().st_mtime
    if path.is_dir() and not path.is_symlink():
        for place, _, files in os.walk(path):
            for name in (".", *files):
                try:
                    newest = max(newest, os.lstat(Path(place, name)).st_mtime)
                except OSError:
                    continue  # it is just being removed
    return max(0.0, time.time() - newest)


def ago(seconds: float) -> str:
    """Return a span of time as people say it.

    >>> ago(12), ago(600), ago(7200), ago(3 * 86400)
    ('just now', '10 min ago', '2 h ago', '3 days ago')
    """
    for size, unit in ((2 * 86400, "days"), (7200, "h"), (60, "min")):
        if seconds >= size:
            one = {"days": 86400, "h": 3600, "min": 60}[unit]
            return f"{int(seconds // one)} {unit} ago"
    return "just now"
