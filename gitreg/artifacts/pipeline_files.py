"""The files in Git that a version was made from: those of its DVC pipeline, at a commit."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import cast

from gitreg.artifacts.dvc_files import (
    DVC_FILE_LIMIT,
    TEMPLATE,
    Stage,
    named_in,
    path_of,
    pipeline_of,
    up_to,
)
from gitreg.core.documents.fields import Fields
from gitreg.core.documents.foreign_yaml import load
from gitreg.core.documents.yaml import Value
from gitreg.core.model import layout
from gitreg.core.state.state import Snapshot
from gitreg.core.text.urls import has_scheme
from gitreg.errors import InvalidDocument

_ROOT = Path("/")
"""Where the commit's tree is imagined to be: DVC's files name paths relative to themselves."""


@dataclass(frozen=True)
class PipelineFiles:
    """What of a commit belongs to the pipeline that made an output; paths are the repository's.

    Attributes:
        sources: what the stages are made of: code, parameters, ``dvc.yaml``. Files or folders.
        made: what the stages write, and ``dvc.lock``.
    """

    sources: tuple[str, ...]
    made: tuple[str, ...]


def pipeline_files(snapshot: Snapshot, source: str) -> PipelineFiles | None:
    """Return the files of the stage that made an output, and of the stages before that one.

    Args:
        snapshot: the commit's files.
        source: the path of the output, relative to the repository.

    Returns:
        ``None`` where no stage of a ``dvc.lock`` in the commit made it, or one does not parse.
    """
    path = PurePosixPath(os.path.normpath(source))
    if has_scheme(source) or path.is_absolute() or path.parts[:1] == ("..",):
        return None
    for folder in path.parents:
        try:
            stages = _stages(snapshot, folder, _ROOT / path)
            if stages:
                return _files(snapshot, folder, stages)
        except InvalidDocument:
            return None
    return None


def _stages(snapshot: Snapshot, folder: PurePosixPath, output: Path) -> list[Stage]:
    """Return the stage that made an output, and those before it; none if no stage made it."""
    lock = _document(snapshot, folder / "dvc.lock")
    if lock is None:
        return []
    pipeline = pipeline_of(lock, _document(snapshot, folder / layout.DVC_YAML), _ROOT / folder)
    made = next((one for one in pipeline.stages if one.find("outs", output) is not None), None)
    return [] if made is None else list(up_to(made, pipeline))


def _document(snapshot: Snapshot, path: PurePosixPath) -> Fields | None:
    data = snapshot.read(str(path))
    if data is None or len(data) > DVC_FILE_LIMIT:
        return None
    document = load(data, str(path))
    if not isinstance(document, dict):
        return None
    return Fields(cast("dict[str, Value]", document), str(path))


def _files(snapshot: Snapshot, folder: PurePosixPath, stages: Iterable[Stage]) -> PipelineFiles:
    named: list[Path] = [_ROOT / folder / layout.DVC_YAML]
    made: list[Path] = [_ROOT / folder / "dvc.lock"]
    for stage in stages:
        named += named_in(stage)
        # The lock file may be older than the stage.
        declared = (dep for dep, _ in stage.declared("deps") if not TEMPLATE.search(dep))
        named += [stage.folder / dep for dep in declared]
        named += [stage.folder / str(file) for file in stage.recorded.mapping("params")]
        made += [path_of(entry, stage.folder) for entry in stage.entries("outs")]
    # A word such as `.` in a command is no file of the pipeline.
    around = {_relative(_ROOT / place) for place in (folder, *folder.parents)}
    paths = sorted(set(map(_relative, named)) - around)
    present = (path for path in paths if _is_in(snapshot, path))
    outputs = tuple(sorted(set(map(_relative, made)) - {""}))
    return PipelineFiles(tuple(sorted(set(present) - set(outputs))), outputs)


def _relative(path: Path) -> str:
    """Return a path of the imagined tree as the repository has it; empty for its root."""
    return os.path.normpath(path).lstrip("/")


def _is_in(snapshot: Snapshot, path: str) -> bool:
    return snapshot.read(path) is not None or bool(snapshot.list(path))
