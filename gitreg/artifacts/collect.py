"""Gathers what a registration needs from the outside: the bytes, the lineage, who and when.

What a `Material` does not say is found out. A caller who knows better (MLflow's client, an import)
says all of it, as a `gitreg.artifacts.provenance.Provenance`, and only the bytes are brought.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from gitreg.artifacts.environment import code_commit, environment
from gitreg.artifacts.lineage import data_dependency
from gitreg.artifacts.mlmodel import mlflow_run
from gitreg.artifacts.provenance import Given, registration_of, source_of
from gitreg.artifacts.source import Source
from gitreg.artifacts.store import ArtifactStore
from gitreg.artifacts.values import (
    flatten_metrics,
    plain,
    plain_numbers,
    read_bytes,
    read_metrics,
    read_params,
)
from gitreg.core.documents.yaml import SIZE_LIMIT, Value
from gitreg.core.model.layout import REQUIREMENTS
from gitreg.core.model.model import (
    Artifact,
    DataDependency,
    Environment,
    Lineage,
    ModelVersion,
    Run,
)
from gitreg.core.model.names import has_invisible
from gitreg.core.operations import Operation
from gitreg.core.operations.annotate import check_tags
from gitreg.core.operations.register import Registration, check_new_name, register
from gitreg.core.state.change import Change
from gitreg.core.state.state import RegistryState
from gitreg.core.text.urls import requirements_without_credentials
from gitreg.dvc import DvcProject, digest
from gitreg.dvc.digest import Progress, TreeDigest
from gitreg.errors import InvalidDocument, InvalidRequest
from gitreg.git.history_index import HistoryIndex
from gitreg.git.repository import GitRepository


@dataclass(frozen=True)
class Material:
    """What a person gives; see `gitreg.registry.Registry.register`."""

    name: str
    source: Path
    metrics: Mapping[str, int | float] | str | os.PathLike[str] | None = None
    params: Mapping[str, Value] | str | os.PathLike[str] | None = None
    tags: Mapping[str, str] | None = None
    data: Sequence[Path] = ()
    description: str | None = None
    requirements: Path | None = None
    run_id: str | None = None
    push: bool = False


def collect(
    repository: GitRepository,
    artifacts: ArtifactStore,
    state: RegistryState,
    history: HistoryIndex,
    material: Material | Given,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Operation:
    """Return the operation that registers, after the slow part is done: the bytes are in the cache.

    Everything that can be wrong is looked at before the first byte is copied, and the bytes are
    copied, and where they are to be published sent, before any lock is taken.

    Raises:
        AlreadyExists: the number that it shall have is given.
        InvalidRequest: a name, a tag, a file or a value is malformed.
        NotFound: a file, or the version whose bytes it shares, is not there.
        DvcError: the bytes cannot be brought into the cache.
    """
    check_new_name(state, material.name)
    with _prepared(repository, state, material) as (request, source):
        # A document that would be too large is refused now; if a number is taken, a repetition of
        # what gave it has to find out first that it is one.
        register(state, replace(request, number=None))
        artifact = _artifact(artifacts, state, source, dry_run=dry_run, progress=progress)
    if material.push and not dry_run:
        artifacts.send_ahead(state, artifact, progress)
    request = replace(request, artifact=artifact)

    def operation(current: RegistryState) -> Change:
        return register(current, replace(request, above=history.highest_number(request.model)))

    return operation


@contextmanager
def _prepared(
    repository: GitRepository, state: RegistryState, material: Material | Given
) -> Iterator[tuple[Registration, Source | ModelVersion]]:
    """Yield what is registered but for its bytes, and where these are for as long."""
    if isinstance(material, Material):
        source = Source.of(material.source, with_metrics=material.metrics is None)
        _check_source(source.path)
        yield _found(repository, material, source), source
        return
    with source_of(material.known, state) as given:
        if isinstance(given, Source):
            _check_source(given.path)
        yield registration_of(material, given, repository.signature("AUTHOR")), given


def _found(repository: GitRepository, material: Material, source: Source) -> Registration:
    """Return what can be found out of a source, beside what a person says of it."""
    check_tags(material.tags or {})
    tracked = source.tracked
    metrics = _metrics(material, tracked.metrics if tracked else {})
    params = _params(material, tracked.params if tracked else {})
    top = repository.top_level or repository.folder
    data = {item.path: item for item in (tracked.data if tracked else ())}
    data |= {item.path: item for item in _data(material.data, top)}
    frozen, requirements = _environment(material.requirements)
    author = repository.signature("AUTHOR")
    return Registration(
        model=material.name,
        artifact=Artifact(source.artifact_name, 0, 1, "0" * 64, "0" * 32),
        created_at=author.utc,
        created_by=author.person,
        metrics=metrics,
        params=params,
        lineage=Lineage(
            _relative(source.path, top),
            code_commit(source.path.parent),
            tuple(data.values()),
            tracked.command if tracked else None,
            _run(material.run_id, source.path),
        ),
        environment=frozen,
        requirements=requirements,
        description=material.description,
        tags=dict(material.tags or {}),
    )


def _check_source(path: Path) -> None:
    """Refuse what has no bytes to register, and a repository's own folder, which has secrets."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InvalidRequest(f"{path} is neither a file nor a folder")
    if ".git" in path.parts:
        raise InvalidRequest(f"{path} is inside a .git folder, which is no model")


def _artifact(
    artifacts: ArtifactStore,
    state: RegistryState,
    source: Source | ModelVersion,
    *,
    dry_run: bool,
    progress: Progress | None,
) -> Artifact:
    if isinstance(source, ModelVersion):
        artifacts.require(state.snapshot, source)
        return source.artifact
    if not dry_run:
        return artifacts.take(source, artifacts.project(state.snapshot), progress)
    if source.path.exists():
        found = digest.hash_tree(source.path, progress)
    else:
        found = _cached(artifacts.project(state.snapshot), source, progress)
    return Artifact(source.artifact_name, found.size, found.files, found.sha256, found.md5)


def _cached(project: DvcProject, source: Source, progress: Progress | None) -> TreeDigest:
    """Return the digest of a source that is not in the work tree, without fetching anything."""
    tracked = source.tracked
    if (
        tracked is None
        or tracked.dvc_root.resolve() != project.root.resolve()
        or project.missing(tracked.md5)
    ):
        raise InvalidRequest(
            f"{source.path} is neither in the work tree nor in DVC's cache",
            hint="dvc pull brings it",
        )
    return project.digest(tracked.md5, progress)


def _metrics(material: Material, known: Mapping[str, int | float]) -> Mapping[str, int | float]:
    given = material.metrics
    if given is None:
        return known
    if isinstance(given, Mapping):
        return flatten_metrics(plain(plain_numbers(given), "metrics", strict=True), "metrics")
    return read_metrics(Path(given))


def _params(material: Material, known: Mapping[str, Value]) -> Mapping[str, Value]:
    given = material.params
    if given is None:
        return known
    if isinstance(given, Mapping):
        return plain(plain_numbers(given), "params", strict=True)
    return read_params(Path(given))


def _data(paths: Sequence[Path], top: Path) -> list[DataDependency]:
    return [data_dependency(path, top) for path in paths]


def _environment(given: Path | None) -> tuple[Environment, bytes]:
    """Return the environment; a frozen list that is given stands instead of this interpreter's."""
    if given is None:
        found, requirements = environment()
    else:
        found, requirements = (
            Environment(requirements=REQUIREMENTS),
            read_bytes(given, REQUIREMENTS),
        )
        try:
            requirements = requirements_without_credentials(requirements.decode("utf-8")).encode()
        except UnicodeDecodeError:
            raise InvalidDocument(f"{given}: not UTF-8 text") from None
    if len(requirements) > SIZE_LIMIT:
        raise InvalidDocument(
            f"{given or 'the frozen environment'}: larger than {SIZE_LIMIT} bytes"
        )
    return found, requirements


def _run(given: str | None, source: Path) -> Run | None:
    if given is None:
        return mlflow_run(source)
    if not given or has_invisible(given):
        raise InvalidRequest(f"{given!a} cannot be a run's id")
    return Run(given)


def _relative(path: Path, top: Path) -> str:
    """Return the source's path inside the repository; outside, its name: no path of a machine."""
    try:
        return path.resolve().relative_to(top.resolve()).as_posix()
    except ValueError:
        return path.name
