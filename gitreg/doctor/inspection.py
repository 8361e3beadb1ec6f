"""`Inspection`: the parts of a registry that are examined, and what is asked of all of them."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from gitreg.artifacts.store import ArtifactStore
from gitreg.core.model import layout
from gitreg.core.model.manifest import read_dvc_pointer, read_manifest
from gitreg.core.model.model import Artifact, ModelVersion
from gitreg.core.state.state import RegistryState
from gitreg.doctor.forms import Filled, Forms
from gitreg.errors import GitregError
from gitreg.git.history_index import HistoryIndex
from gitreg.git.repository import GitRepository
from gitreg.publishing.clone import Clone

_PROCESSES = Path("/proc")


@dataclass(frozen=True)
class Inspection:
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
    history: HistoryIndex
    artifacts: ArtifactStore
    clone: Clone

    @cached_property
    def models(self) -> list[str]:
        """The names of all models. All that is written of them is read ahead, in a few batches."""
        names = self.state.model_names()
        with contextlib.suppress(GitregError):  # who reads the one that it fails on says so
            self.state.read_ahead(names)
        return names

    @cached_property
    def read(self) -> Mapping[tuple[str, int], ModelVersion | GitregError]:
        """Every version by model and number, or why its files do not parse.

        Of a version there is what names it and its bytes: not its metrics, parameters, lineage
        and environment, nor pointers. What pointers and people say of it may be damaged all the
        same.
        """
        manifests, pointers = Forms(read_manifest), Forms(read_dvc_pointer)
        found: dict[tuple[str, int], ModelVersion | GitregError] = {}
        for model in self.models:
            for number in self.state.versions(model):
                try:
                    found[model, number] = self._version(model, number, manifests, pointers)
                except GitregError as error:
                    found[model, number] = error
        return found

    def _version(
        self, model: str, number: int, manifests: Forms[ModelVersion], pointers: Forms[str]
    ) -> ModelVersion:
        read = self.state.snapshot.read
        data = read(layout.manifest_path(model, number))
        said = _bare(manifests.read(data)) if data is not None else None
        if said is None or (said.model, said.version) != (model, number):
            said = _told(self.state.manifest(model, number))
        path = said.artifact.path
        data = read(layout.dvc_pointer_path(model, number, path))
        md5 = _sum(pointers.read(data)) if data is not None else None
        if md5 is None:
            md5 = self.state.artifact_md5(model, number, path)
        return replace(said, artifact=replace(said.artifact, md5=md5))

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


def _told(version: ModelVersion) -> ModelVersion:
    """Return of a version what names it and its bytes."""
    return ModelVersion(
        version.model, version.version, version.created_at, version.created_by, version.artifact
    )


def _bare(read: Filled[ModelVersion] | None) -> ModelVersion | None:
    """Return the same of a manifest whose form is known."""
    if read is None:
        return None
    said, value = read.form, read.value
    try:
        artifact = Artifact(
            path=value(said.artifact.path),
            size=value(said.artifact.size),
            files=value(said.artifact.files),
            sha256=value(said.artifact.sha256),
        )
        return ModelVersion(
            value(said.model),
            value(said.version),
            value(said.created_at),
            value(said.created_by),
            artifact,
        )
    except LookupError:
        return None


def _sum(read: Filled[str] | None) -> str | None:
    try:
        return None if read is None else read.value(read.form)
    except LookupError:
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
