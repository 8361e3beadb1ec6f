"""Where a version came from, according to DVC, found at registration.

DVC's files (`.dvc`, `dvc.yaml`, `dvc.lock`) are read without DVC: they say which object holds an
output, and which stage made it from what. Nothing here runs a stage, copies a byte or writes a
file.

>>> from pathlib import Path
>>> find_tracked(Path("/nowhere/model.pkl")) is None
True
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from gitreg.artifacts.dvc_files import (
    Record,
    Stage,
    absolute_path,
    entries_of,
    find_record,
    md5_of,
    named_by,
    path_of,
    relative_path,
    working_folder,
)
from gitreg.artifacts.dvc_metrics import merged, metrics_of
from gitreg.artifacts.files import near_sibling
from gitreg.artifacts.plain_values import plain
from gitreg.core.documents.fields import Fields
from gitreg.core.documents.yaml import Value
from gitreg.core.model.model import DataDependency
from gitreg.core.text.urls import has_scheme, without_credentials
from gitreg.dvc.digest import hash_tree
from gitreg.errors import NotFound


@dataclass(frozen=True)
class TrackedOutput:
    """A file or folder that DVC tracks, and what DVC knows about its origin.

    Attributes:
        md5: the object's name in DVC's cache; ends in ``.dir`` for a folder. If ``is_old``, the
            hash of `gitreg.dvc.old_hash`.
        size: of all files together, in bytes, when recorded.
        files: how many files, when recorded.
        path: where it is (or would be, after ``dvc checkout``) in the work tree; absolute.
        dvc_root: the folder that holds ``.dvc/``.
        origin: where DVC recorded it: ``models/churn.dvc`` or ``dvc.lock: train``.
        command: the stage's command line.
        data: the stage's dependencies.
        params: the stage's parameters, by the names that ``dvc.lock`` gives them.
        metrics: of the stage, of stages that depend on the output, and of no stage.
        warnings: what was left out of the metrics.
        named: what the stage, and the stages before it, name in command and dependencies, if it
            exists: scripts and folders of code among it.
        is_old: whether DVC 2 recorded it.
    """

    md5: str
    size: int | None
    files: int | None
    path: Path
    dvc_root: Path
    origin: str
    command: str | None = None
    data: tuple[DataDependency, ...] = ()
    params: Mapping[str, Value] = field(default_factory=dict)
    metrics: Mapping[str, int | float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    named: tuple[Path, ...] = ()
    is_old: bool = False


def find_tracked(source: Path, *, with_metrics: bool = True) -> TrackedOutput | None:
    """Return what DVC knows about ``source``, from the first of these that tracks it.

    1. ``source`` itself, when it is a ``.dvc`` file;
    2. ``<source>.dvc`` beside it;
    3. a ``dvc.lock`` beside it or in a folder above it, up to the one that holds ``.dvc/``.

    The caller checks whether the bytes in the work tree are still the recorded ones: it hashes
    them anyway.

    Args:
        source: a file or folder, which may be missing from the work tree; or a ``.dvc`` file.
        with_metrics: whether to read the metric files of the pipeline.

    Returns:
        ``None`` if DVC does not track it as an output of its own, or keeps it out of the cache.

    Raises:
        NotFound: the ``.dvc`` file does not exist.
        InvalidRequest: the ``.dvc`` file does not point at one cached output; or a metric file
            is not the one that the pipeline made.
        InvalidDocument: a file of DVC's, or a metric file, does not parse or breaks a rule.
        WorldError: such a file cannot be read.
    """
    record = find_record(absolute_path(source))
    if record is None:
        return None
    stage = record.stage
    origin = relative_path(record.file, record.root)
    metrics, warnings = metrics_of(record) if with_metrics else ({}, ())
    return TrackedOutput(
        md5=record.md5,
        size=record.size,
        files=record.files,
        path=record.path,
        dvc_root=record.root,
        origin=f"{origin}: {stage.name}" if stage else origin,
        command=stage.command if stage else None,
        data=tuple(_dependencies(record)),
        params=_params(stage) if stage else {},
        metrics=metrics,
        warnings=warnings,
        named=named_by(stage, record.pipeline) if stage else (),
        is_old=record.is_old,
    )


def data_dependency(path: Path, root: Path | None) -> DataDependency:
    """Return a dependency on ``path`` as it is in the work tree now.

    The hash that DVC recorded is used if number and size of the files are the same and none is
    newer than the record; otherwise the files are hashed.

    Args:
        path: a file or folder, which may be missing when DVC tracks it; or its ``.dvc`` file.
        root: the folder that the path is stored relative to; a path outside of it stays absolute.

    Raises:
        NotFound: there is no such file or folder, and DVC does not track it.
        InvalidDocument: a file of DVC's does not parse.
        WorldError: a file cannot be read.
    """
    absolute = absolute_path(path)
    record = find_record(absolute)
    path = record.path if record else absolute
    stored = relative_path(path, absolute_path(root)) if root is not None else path.as_posix()
    if record is not None and _unchanged(record):
        return DataDependency(stored, record.md5, record.size)
    if not path.exists():
        raise NotFound(f"{path}: no such file or folder", hint=near_sibling(path))
    digest = hash_tree(path, as_source=True)
    return DataDependency(stored, digest.md5, digest.size)


def _unchanged(record: Record) -> bool:
    """Tell whether the work tree seems to hold what was recorded, without hashing it."""
    if not os.path.lexists(record.path):
        return True  # not pulled: only the record is there
    found = [record.path] if record.path.is_file() else list(record.path.rglob("*"))
    try:
        states = [path.stat() for path in found if path.is_file()]
    except OSError:
        return False  # hashing reports what cannot be read
    newest = max((state.st_mtime_ns for state in states), default=0)
    return (
        record.size == sum(state.st_size for state in states)
        and record.files == len(states)
        and newest <= record.file.stat().st_mtime_ns
    )


def _dependencies(record: Record) -> Iterator[DataDependency]:
    """Yield the dependencies of an output, with paths relative to the repository."""
    base = next(
        (folder for folder in (record.root, *record.root.parents) if (folder / ".git").exists()),
        record.root,
    )
    if record.stage is not None:
        for dep in record.stage.entries("deps"):
            yield _dependency(dep, record.stage.folder, base)
        return
    # The source of `dvc import` and `dvc import-url` is not a file of this repository.
    for dep in entries_of(record.document, "deps"):
        if dep.has("md5") and dep.has("path") and not dep.has("repo"):
            yield _dependency(dep, working_folder(record.document, record.file.parent), base)


def _dependency(dep: Fields, folder: Path, base: Path) -> DataDependency:
    text = dep.text("path")
    if has_scheme(text):
        stored = without_credentials(text)
    else:
        path = path_of(dep, folder)
        stored = relative_path(path, base)
        if stored == path.as_posix() and not PurePath(text).is_absolute():
            stored = PurePath(os.path.relpath(path, base)).as_posix()
    return DataDependency(stored, md5_of(dep), dep.optional_integer("size"))


def _params(stage: Stage) -> dict[str, Value]:
    files = stage.recorded.fields("params")
    return merged(
        {
            name: plain(
                files.mapping(name),
                f"{files.where}: stages.{stage.name}.params.{name}",
                strict=False,
            )
            for name in map(str, stage.recorded.mapping("params"))
        },
        files.where,
    )
