"""Why two versions differ: the commits, files of data and packages between them.

    from gitreg import Registry
    from gitreg.history.differences import code_difference

    with Registry(".") as registry:
        found = code_difference(registry, "churn-predictor@4", "churn-predictor@5")
        print([entry.subject for entry in found.commits])

Nothing is downloaded but DVC's listings of folders, and those only where the cache lacks them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from gitreg.core.model.model import DataDependency, ModelVersion
from gitreg.core.state.compare import Difference, packages
from gitreg.core.state.differences import (
    CodeDifference,
    CodeSide,
    DataChange,
    DataDifference,
    EnvironmentDifference,
    file_changes,
    kind_of,
    package_changes,
)
from gitreg.errors import DvcError, GitError
from gitreg.registry import Registry
from gitreg.registry.references import ReferenceLike

if TYPE_CHECKING:
    from typing_extensions import Unpack  # in typing itself since Python 3.11

    from gitreg.artifacts.data_listings import DataListings
    from gitreg.registry.options import ReadOptions


def code_difference(
    registry: Registry,
    base: ReferenceLike,
    candidate: ReferenceLike,
    **options: Unpack[ReadOptions],
) -> CodeDifference:
    """Return the commits and the files between the code of two versions.

    They are limited to the files of the pipeline that made the versions, if one is known.

    Args:
        registry: where the versions are.
        base: a version.
        candidate: the version that is compared with it.
        **options: see `ReadOptions`.
    """
    from gitreg.git import code

    repository = registry.repository
    versions = [registry.show(reference, **options) for reference in (base, candidate)]
    sides = [code.code_side(repository, version) for version in versions]
    found = CodeDifference(sides[0], sides[1], is_shallow=repository.is_shallow)
    if not all(side.is_here for side in sides):
        return found
    before, after = (str(side.commit) for side in sides)
    where, common = code.relation(repository, before, after)
    pipeline, made = _pipeline(registry, versions)
    found = replace(found, relation=where, merge_base=common, pipeline=pipeline)
    try:
        files = code.line_changes(repository, before, after, pipeline)
        every = dict.fromkeys(code.changed_code(repository, before, after))
    except GitError:
        return replace(found, base=_absent(sides[0]), candidate=_absent(sides[1]))
    names = {name for one in files for name in (one.path, one.renamed_from)}
    return replace(
        found,
        commits=code.commits_apart(repository, before, after, pipeline),
        # An entry that gitreg writes into dvc.yaml is no code: `changed_code` leaves it out.
        files=tuple(one for one in files if one.path in every),
        elsewhere=tuple(path for path in every if path not in names and path not in made),
    )


def _absent(side: CodeSide) -> CodeSide:
    """Return a side whose commit is here, but not the files: in a light copy, say."""
    return replace(side, is_here=False)


def _pipeline(
    registry: Registry, versions: list[ModelVersion]
) -> tuple[tuple[str, ...] | None, set[str]]:
    """Return what the pipelines of both versions are made of, and what they make."""
    from gitreg.artifacts.pipeline_files import pipeline_files

    found = [
        pipeline_files(registry.repository.snapshot(code.commit), version.lineage.source)
        for version in versions
        if (code := version.lineage.code) is not None and version.lineage.source is not None
    ]
    known = [one for one in found if one is not None]
    sources = sorted({path for one in known for path in one.sources})
    return tuple(sources) or None, {path for one in known for path in one.made}


def data_difference(
    registry: Registry,
    base: ReferenceLike,
    candidate: ReferenceLike,
    **options: Unpack[ReadOptions],
) -> DataDifference:
    """Return the data that differ between two versions, and which files of folders; see above.

    Args:
        registry: where the versions are.
        base: a version.
        candidate: the version that is compared with it.
        **options: see `ReadOptions`.
    """
    from gitreg.artifacts.data_listings import DataListings

    versions = [registry.show(reference, **options) for reference in (base, candidate)]
    before, after = ({one.path: one for one in each.lineage.data} for each in versions)
    snapshot = registry.state(**options).snapshot
    top = None if registry.url is not None else registry.repository.top_level
    listings = DataListings(registry.artifacts, snapshot, top)
    paths = sorted({*before, *after})
    changes = [_data_change(path, before.get(path), after.get(path), listings) for path in paths]
    return DataDifference(
        versions[0].reference,
        versions[1].reference,
        tuple(change for change in changes if change is not None),
        tuple(path for path, change in zip(paths, changes, strict=True) if change is None),
    )


def _data_change(
    path: str, before: DataDependency | None, after: DataDependency | None, listings: DataListings
) -> DataChange | None:
    states = [None if side is None else side.state or "" for side in (before, after)]
    kind = kind_of(*states)
    if kind is None:
        return None
    found = DataChange(
        path,
        kind,
        states[0] or None,
        states[1] or None,
        None if before is None else before.size,
        None if after is None else after.size,
    )
    if not any((state or "").endswith(".dir") for state in states):
        return found
    try:
        one, other = (dict(_files(path, side, listings)) for side in (before, after))
    except DvcError as error:
        return replace(found, problem=str(error))
    changed = {hash_ for path, hash_ in {*one.items()} ^ {*other.items()}}
    return replace(
        found,
        files_before=len(one) if before else None,
        files_after=len(other) if after else None,
        files=file_changes(one, other, listings.sizes(path, changed)),
    )


def _files(
    path: str, side: DataDependency | None, listings: DataListings
) -> Iterator[tuple[str, str]]:
    """Yield the files of a folder and their hashes; a single file has no name of its own."""
    if side is None or side.md5 is None:
        return
    if side.md5.endswith(".dir"):
        yield from listings.files(path, side.md5).items()
    else:
        yield "", side.md5


def environment_difference(
    registry: Registry,
    base: ReferenceLike,
    candidate: ReferenceLike,
    **options: Unpack[ReadOptions],
) -> EnvironmentDifference:
    """Return the packages that differ between two versions, and Python and platform if they do.

    Args:
        registry: where the versions are.
        base: a version.
        candidate: the version that is compared with it.
        **options: see `ReadOptions`.
    """
    versions = [registry.show(reference, **options) for reference in (base, candidate)]
    state = registry.state(**options)
    lines = [state.requirements(one.model, one.version) for one in versions]
    unknown = [one.reference for one, known in zip(versions, lines, strict=True) if not known]
    changes = () if unknown else package_changes(*lines)
    return EnvironmentDifference(
        versions[0].reference,
        versions[1].reference,
        _difference(*(one.environment.python for one in versions)),
        _difference(*(one.environment.platform for one in versions)),
        changes,
        0 if unknown else len(packages(lines[0])) - sum(one.kind != "added" for one in changes),
        tuple(unknown),
    )


def _difference(before: str | None, after: str | None) -> Difference | None:
    return None if before == after else Difference(before, after)
