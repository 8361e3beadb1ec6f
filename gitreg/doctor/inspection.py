"""`Inspection`: the parts of a registry to examine, and the facts that examinations share."""

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
from gitreg.git import locks
from gitreg.git.history_index import HistoryIndex
from gitreg.git.repository import GitRepository
from gitreg.publishing.clone import Clone


@dataclass(frozen=True)
class Inspection:
    """A registry to examine, and the clone that contains it.

    Attributes:
        repository: the clone's Git repository.
        state: the registry at the checked-out commit.
        history: the history index of the clone's branch.
        artifacts: the bytes of the versions.
        clone: the clone and its remote.
    """

    repository: GitRepository
    state: RegistryState
    history: HistoryIndex
    artifacts: ArtifactStore
    clone: Clone

    @cached_property
    def models(self) -> list[str]:
        """The names of all models; their files are read ahead in a few batches."""
        names = self.state.model_names()
        with contextlib.suppress(GitregError):  # reported by the examination that reads the file
            self.state.read_ahead(names)
        return names

    @cached_property
    def read(self) -> Mapping[tuple[str, int], ModelVersion | GitregError]:
        """Every version by model and number, or the error if its files do not parse.

        A version has only its identity and its artifact here: no metrics, parameters, lineage,
        environment or pointers. Its pointers and annotations can still be damaged.
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
        version = _from_form(manifests.read(data)) if data is not None else None
        if version is None or (version.model, version.version) != (model, number):
            version = _essentials(self.state.manifest(model, number))
        path = version.artifact.path
        data = read(layout.dvc_pointer_path(model, number, path))
        md5 = _sum(pointers.read(data)) if data is not None else None
        if md5 is None:
            md5 = self.state.artifact_md5(model, number, path)
        return replace(version, artifact=replace(version.artifact, md5=md5))

    @property
    def versions(self) -> Iterator[ModelVersion]:
        """The versions whose files parse; the others are reported as bad versions."""
        return (version for version in self.read.values() if isinstance(version, ModelVersion))

    @cached_property
    def open_files(self) -> Mapping[str, int] | None:
        """The result of `gitreg.git.locks.open_files`."""
        return locks.open_files()

    def holder(self, path: Path) -> int | None:
        """Return a process with this file, or a file below this folder, open; ``None`` if none."""
        place = str(path.resolve())
        for name, process in (self.open_files or {}).items():
            if name == place or name.startswith(f"{place}/"):
                return process
        return None


def _essentials(version: ModelVersion) -> ModelVersion:
    """Return a version with only its identity and its artifact."""
    return ModelVersion(
        version.model, version.version, version.created_at, version.created_by, version.artifact
    )


def _from_form(read: Filled[ModelVersion] | None) -> ModelVersion | None:
    """Return the essentials of a manifest whose form is known."""
    if read is None:
        return None
    form, value = read.form, read.value
    try:
        artifact = Artifact(
            path=value(form.artifact.path),
            size=value(form.artifact.size),
            files=value(form.artifact.files),
            sha256=value(form.artifact.sha256),
        )
        return ModelVersion(
            value(form.model),
            value(form.version),
            value(form.created_at),
            value(form.created_by),
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
    """Return the seconds since the last write to a file, or to anything in a folder."""
    newest = path.lstat().st_mtime
    if path.is_dir() and not path.is_symlink():
        for place, _, files in os.walk(path):
            for name in (".", *files):
                try:
                    newest = max(newest, os.lstat(Path(place, name)).st_mtime)
                except OSError:
                    continue  # another process just removed it
    return max(0.0, time.time() - newest)
