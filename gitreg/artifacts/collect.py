"""Collects what a registration needs: the bytes, and everything that is known of them.

`found_out` makes a `Provenance` of a source and what a person says of it. MLflow's client and an
import make one themselves. `collect` brings the bytes, whichever it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gitreg.artifacts import doubts
from gitreg.artifacts.dvc_files import absolute_path
from gitreg.artifacts.environment import code_commit, environment
from gitreg.artifacts.evaluations import read_evaluation_file
from gitreg.artifacts.files import read_bytes
from gitreg.artifacts.lineage import data_dependency
from gitreg.artifacts.metrics_and_params import read_metrics, read_params
from gitreg.artifacts.mlmodel import mlflow_run
from gitreg.artifacts.plain_values import plain_metrics, plain_params
from gitreg.artifacts.pointers import check_pointers
from gitreg.artifacts.provenance import Provenance, registration_of, source_of
from gitreg.artifacts.python_values import plain_texts
from gitreg.artifacts.source import Source
from gitreg.artifacts.store import ArtifactStore
from gitreg.artifacts.untracked_code import code_at
from gitreg.core.documents.yaml import SIZE_LIMIT, Value
from gitreg.core.model import layout
from gitreg.core.model.layout import REQUIREMENTS
from gitreg.core.model.manifest import Tombstone
from gitreg.core.model.model import Artifact, CodeCommit, Environment, Lineage, ModelVersion, Run
from gitreg.core.model.names import format_version, is_taggable
from gitreg.core.operations import Operation
from gitreg.core.operations.annotate import check_tags
from gitreg.core.operations.register import Registration, check_new_name, register
from gitreg.core.state.change import Change
from gitreg.core.state.state import RegistryState
from gitreg.core.state.tags import major_of
from gitreg.core.text.invisible import has_invisible
from gitreg.core.text.urls import requirements_without_credentials
from gitreg.dvc.digest import Progress
from gitreg.errors import InvalidDocument, InvalidRequest, Refused
from gitreg.git.history_index import HistoryIndex
from gitreg.git.repository import GitRepository


def collect(  # noqa: PLR0913  the parts of a registry, and what is registered
    repository: GitRepository,
    artifacts: ArtifactStore,
    state: RegistryState,
    history: HistoryIndex,
    model: str,
    provenance: Callable[[], Provenance],
    *,
    published: Callable[[], Mapping[str, str]] | None = None,
    beside: Callable[[], tuple[str, RegistryState] | None] = lambda: None,
    push: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Operation:
    """Return the operation that registers a version; its bytes are then in DVC's cache.

    Everything that can be wrong is checked before the first byte is copied. The bytes are copied,
    and sent to the DVC remote when the version is published, before any lock is taken.

    Args:
        repository: the registry's.
        artifacts: where the bytes go.
        state: the registry now.
        history: gives the highest number that a model ever had.
        model: the model's name.
        provenance: gives what is known of the version; called once the name is checked.
        published: gives the remote's version tags of the model, name to commit.
        beside: gives the default branch, if another one is checked out.
        push: whether the version is published: its bytes are sent to the DVC remote.
        dry_run: hash the bytes where they are; copy and send nothing.
        progress: called with the bytes done.

    Raises:
        AlreadyExists: the requested version number is taken.
        Refused: the default branch has versions that the checked-out branch lacks.
        InvalidRequest: a name, a tag, a file or a value is malformed.
        NotFound: a file, or the version whose bytes it shares, is not there.
        DvcError: the bytes cannot be brought into the cache.
    """
    check_new_name(state, model)
    known = provenance()
    with source_of(known, state) as source:
        if known.text is None and isinstance(source, Source) and source.path.exists():
            found = check_pointers(source.path)
            known = replace(known, warnings=(*known.warnings, *found))
        request = registration_of(model, known, source, repository.signature("AUTHOR"))
        # A document that would be too large is refused now. A number that is taken is not: a
        # repetition of the operation that took it has to find out first that it is one.
        register(state, replace(request, number=None))
        artifact = _artifact(artifacts, state, source, dry_run=dry_run, progress=progress)
    if push and not dry_run:
        artifacts.send_ahead(state, artifact, progress)
    request = replace(request, artifact=artifact)
    said = known.doubts
    if isinstance(known.source, Source):
        said += tuple(doubts.same_bytes(state, model, artifact))

    def operation(current: RegistryState) -> Change:
        above = history.highest_number(request.model)
        numbered = replace(request, above=above)
        if request.number is None:
            taken = max(above, *current.numbers(model), 0)
            _refuse_taken(model, taken, beside())
            others = _tagged_by_others(repository, model, taken, published)
            numbered = numbered if others is None else _above(numbered, others)
        change = register(current, numbered)
        return replace(change, warnings=(*change.warnings, *said))

    return operation


def _refuse_taken(model: str, taken: int, beside: tuple[str, RegistryState] | None) -> None:
    """Refuse a number that the default branch has given to another version already.

    Raises:
        Refused: it has higher numbers than the checked-out branch.
    """
    if beside is None:
        return
    branch, state = beside
    highest = max(state.numbers(model), default=0)
    if highest > taken:
        raise Refused(
            f"{branch} has {format_version(model, highest)}, and this branch has versions up to "
            f"{taken}: the next number here would be taken",
            hint=f"merge {branch} into this branch, or register on {branch}",
        )


def _tagged_by_others(
    repository: GitRepository,
    model: str,
    taken: int,
    published: Callable[[], Mapping[str, str]] | None,
) -> int | None:
    """Return the highest major version above ``taken`` that a tag of another tool gives a model.

    A tag is gitreg's own if its commit has the version in the tree.
    """
    if not is_taggable(model):
        return None
    here = repository.run(
        "for-each-ref", "--format=%(refname:strip=2)", f"refs/tags/{model}@v*"
    ).text.split("\n")
    # A commit that was just published may be tagged over there and not yet here.
    tagged = dict(published()) if published else {}
    tagged |= {name: f"refs/tags/{name}" for name in here if name}
    found: set[int] = set()
    for name, revision in tagged.items():
        number = major_of(name, model)
        if number is None or number <= taken:
            continue
        commit = repository.commit_of(revision)
        path = layout.manifest_path(model, number)
        if commit is None or repository.snapshot(commit).read(path) is None:
            found.add(number)
    return max(found, default=None)


def _above(request: Registration, tagged: int) -> Registration:
    """Return a request for the number above one that a tag of another tool has."""
    why = f"tags that gitreg did not make have versions up to {request.model}@v{tagged}"
    return replace(
        request,
        number=tagged + 1,
        left_out=Tombstone(request.created_at, request.created_by, why),
    )


def found_out(  # noqa: PLR0913  the keywords of `Registry.register`
    repository: GitRepository,
    source: Path,
    *,
    metrics: Mapping[str, int | float] | str | os.PathLike[str] | None = None,
    params: Mapping[str, Value] | str | os.PathLike[str] | None = None,
    tags: Mapping[str, str] | None = None,
    data: Sequence[Path] = (),
    description: str | None = None,
    requirements: Path | None = None,
    run_id: str | None = None,
    evaluations: Sequence[Path] = (),
) -> Provenance:
    """Return what can be found out of a source, and what a person says of it.

    See `gitreg.registry.Registry.register` for the arguments.

    Raises:
        InvalidDocument: a file does not parse, or is too large for a manifest.
        InvalidRequest: a tag, a value or the run's id is malformed.
        NotFound: a file is not there.
    """
    place = Source.of(source, with_metrics=metrics is None)
    tags = plain_texts(tags or {})
    check_tags(tags)
    tracked = place.tracked
    top = repository.top_level or repository.folder
    known_metrics = _metrics(metrics, tracked.metrics if tracked else {})
    known_params = _params(params, tracked.params if tracked else {})
    dependencies = {item.path: item for item in (tracked.data if tracked else ())}
    dependencies |= {item.path: item for item in (data_dependency(path, top) for path in data)}
    frozen, listed = _environment(requirements)
    folder = _code_folder(place, source)
    code, unrecorded = _code(place, folder)
    return Provenance(
        source=place,
        metrics=known_metrics,
        params=known_params,
        lineage=Lineage(
            _relative(place.path, top),
            code,
            tuple(dependencies.values()),
            tracked.command if tracked else None,
            _run(run_id, place.path),
        ),
        environment=frozen,
        requirements=listed,
        description=description,
        tags=tags,
        evaluations=tuple(read_evaluation_file(path, top) for path in evaluations),
        warnings=(*place.warnings, *unrecorded),
        doubts=(
            *(doubts.uncommitted(folder) if folder and code and code.dirty else ()),
            *doubts.untracked(repository, data),
            *doubts.metrics_doubt(
                place,
                Path(metrics) if isinstance(metrics, (str, os.PathLike)) else None,
                has_metrics=bool(known_metrics),
            ),
        ),
    )


def _code_folder(place: Source, given: Path) -> Path | None:
    """Return a folder of the work tree that has a source's code; ``None`` without a commit."""
    # A link in a repository may lead to a source outside of it; DVC may not have brought a folder.
    places = (place.path, absolute_path(given))
    folders = [next(filter(Path.is_dir, path.parents), path.parent) for path in places]
    return next(filter(code_commit, dict.fromkeys(folders)), None)


def _code(place: Source, folder: Path | None) -> tuple[CodeCommit | None, tuple[str, ...]]:
    """Return the commit of a source's code, and a warning if it does not hold all of the code."""
    if folder is None:
        where = f"{place.path} is in no Git repository with a commit"
        return None, (f"{where}: no code is recorded",)
    return code_at(folder, place.path, place.tracked.named if place.tracked else ())


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
    place = artifacts.measure if dry_run else artifacts.take
    return place(source, artifacts.project(state.snapshot), progress)


def _metrics(
    given: Mapping[str, int | float] | str | os.PathLike[str] | None,
    known: Mapping[str, int | float],
) -> Mapping[str, int | float]:
    if given is None:
        return known
    if isinstance(given, Mapping):
        return plain_metrics(given)
    return read_metrics(Path(given))


def _params(
    given: Mapping[str, Value] | str | os.PathLike[str] | None, known: Mapping[str, Value]
) -> Mapping[str, Value]:
    if given is None:
        return known
    if isinstance(given, Mapping):
        return plain_params(given)
    return read_params(Path(given))


def _environment(given: Path | None) -> tuple[Environment, bytes]:
    """Return the environment and its frozen list: the given one, or that of this interpreter."""
    if given is None:
        found, requirements = environment()
    else:
        found, requirements = (
            Environment(requirements=REQUIREMENTS),
            read_bytes(given, "requirements"),
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
    """Return the source's path inside the repository; outside, only its name: paths are private."""
    try:
        return path.resolve().relative_to(top.resolve()).as_posix()
    except ValueError:
        return path.name
