"""Examines the files of a commit: files that do not parse, or that contradict each other."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from gitreg.core.model import layout
from gitreg.core.model.names import fold, format_version
from gitreg.core.state.state import RegistryState
from gitreg.doctor.inspection import Inspection
from gitreg.dvc.member_paths import shown
from gitreg.errors import GitregError, InvalidDocument
from gitreg.findings import Finding
from gitreg.git.repository import GitRepository

_MODES = (b"100644", b"100755")
_KINDS = {b"120000": "a symbolic link", b"160000": "a submodule"}


def not_files(repository: GitRepository, commit: str) -> Iterator[Finding]:
    """Yield entries that should be files and are not, such as links, whose targets Git returns."""
    listing = repository.run_at_root(
        "ls-tree", "-r", "-z", "--full-tree", commit, "--", f"{layout.ROOT}/"
    )
    folders: set[str] = set()
    for entry in filter(None, listing.stdout.split(b"\0")):
        fields, _, name = entry.partition(b"\t")
        path, mode = os.fsdecode(name), fields.split()[0]
        if mode not in _MODES:
            kind = _KINDS.get(mode, f"an entry of mode {mode.decode('ascii')}")
            yield Finding("not-a-file", "error", path, f"it is {kind}", _log(path))
        if (folder := path.rpartition("/")[0]) not in folders:
            folders.update((folder, *map(str, PurePosixPath(folder).parents)))
    for path in sorted(filter(_is_document, folders)):
        yield Finding("not-a-file", "error", path, "it is a folder", _log(path))


def _log(*paths: str) -> str:
    """Return the command that shows the commits of files."""
    return f"git --no-pager log -- {shlex.join(paths)}"


def _is_document(path: str) -> bool:
    """Return whether gitreg reads a path as a file."""
    place = layout.locate(path)
    return path == layout.POLICY or (place is not None and place.kind != "other")


def examine(inspection: Inspection) -> Iterator[Finding]:
    """Yield errors in the files of a commit, without looking at history."""
    state = inspection.state
    if state.commit is None or not state.exists():
        yield Finding(
            "no-registry", "error", "registry/", "there is no registry here", "gitreg init"
        )
        return
    try:
        stages = set(state.policy.stages)
    except GitregError as error:
        message = str(error).removeprefix(f"{layout.POLICY}: ")  # the subject names the file
        yield Finding("bad-policy", "error", layout.POLICY, message, error.hint)
        stages = None
    yield from _not_models(state)
    names = inspection.models
    for twin in (name for name, count in Counter(map(fold, names)).items() if count > 1):
        same = ", ".join(name for name in names if fold(name) == twin)
        yield Finding(
            "name-collision",
            "error",
            same,
            "these names differ only in case or Unicode form: some file systems can hold only one "
            "of them, and people cannot tell them apart; rename or delete one of the models",
            _log(layout.ROOT),
        )
    for name in names:
        yield from _model(state, name, stages)
    yield from _versions(inspection)
    yield from _tombstones(state)


def _not_models(state: RegistryState) -> Iterator[Finding]:
    """Yield folders that look like models, but whose names are no model names."""
    names = state.snapshot.list(layout.ROOT)
    others = [f"{layout.ROOT}/{name}" for name in names if layout.model_of_folder(name) is None]
    inside = state.snapshot.list_many([f"{path}/versions" for path in others])
    for path, versions in zip(others, inside, strict=True):
        if versions:
            yield Finding(
                "not-a-model",
                "warning",
                shown(path),
                "it has versions, but its name is not the folder name of a model, so gitreg "
                "ignores it",
                _log(path),
            )


def _model(state: RegistryState, model: str, stages: set[str] | None) -> Iterator[Finding]:
    try:
        pointers = state.pointers(model)
    except InvalidDocument as error:
        yield Finding("bad-pointer", "error", model, str(error), _log(layout.model_path(model)))
        return
    holders: dict[int, list[str]] = {}
    for stage, versions in pointers.stages.items():
        path = layout.stage_path(model, stage)
        if stages is not None and stage not in stages:
            yield Finding(
                "unknown-stage",
                "error",
                f"{model}/{stage}",
                f"the policy has no such stage: add it to {layout.POLICY}, or remove the file",
                _log(layout.POLICY, path),
            )
        for version in versions:
            holders.setdefault(version, []).append(stage)
            if not state.has_version(model, version):
                yield _dangling(f"{model}/{stage}", model, version, _log(path))
    for alias, version in pointers.aliases.items():
        if not state.has_version(model, version):
            remedy = f"gitreg alias delete {shlex.quote(model)} {shlex.quote(alias)}"
            yield _dangling(f"{model}@{alias}", model, version, remedy)
    for version, held_by in holders.items():
        if len(held_by) > 1:
            yield _two_stages(format_version(model, version), held_by)


def _versions(inspection: Inspection) -> Iterator[Finding]:
    for (model, number), read in inspection.read.items():
        error = read if isinstance(read, GitregError) else None
        try:
            # Most versions have no annotations, and a lookup of an absent file is not free.
            if layout.annotations_path(model, number).rpartition("/")[2] in (
                inspection.state.snapshot.list(layout.version_path(model, number))
            ):
                inspection.state.annotations(model, number)
        except GitregError as annotated:
            error = error or annotated
        if error is not None:
            folder = layout.version_path(model, number)
            name = format_version(model, number)
            yield Finding("bad-version", "error", name, str(error), _log(folder))


def _tombstones(state: RegistryState) -> Iterator[Finding]:
    """Yield errors in the tombstones of models."""
    folders = [f"{layout.ROOT}/{name}" for name in state.snapshot.list(layout.ROOT)]
    for path, names in zip(folders, state.snapshot.list_many(folders), strict=True):
        model = layout.model_of_folder(path.rpartition("/")[2])
        if model is None or "deleted.yaml" not in names:
            continue
        note = layout.model_tombstone_path(model)
        try:
            state.tombstone(model)
        except GitregError as error:
            message = str(error).removeprefix(f"{note}: ")
            yield Finding("bad-tombstone", "error", note, message, _log(note))
        if len(names) > 1:
            yield Finding(
                "half-deleted",
                "error",
                model,
                "its deleted.yaml says that it was deleted or renamed, but files of it remain",
                _log(path),
            )


def _two_stages(name: str, stages: list[str]) -> Finding:
    return Finding(
        "two-stages",
        "error",
        name,
        f"it is in {' and '.join(stages)}, and a version has at most one stage: promote it to the "
        "right one",
        f"gitreg promote {shlex.quote(name)} --to {stages[0]}",
    )


def _dangling(subject: str, model: str, version: int, remedy: str) -> Finding:
    return Finding(
        "dangling-pointer",
        "error",
        subject,
        f"it names {format_version(model, version)}, which does not exist",
        remedy,
    )
