"""Checks of ``dvc.yaml``: each artifact names the bytes of its model's newest version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gitreg.check.finding import CheckFinding, line_in_error, line_of
from gitreg.check.step import Step
from gitreg.core.documents.foreign_yaml import load
from gitreg.core.model import layout
from gitreg.core.model.dvc_yaml import is_others, is_own_path, set_artifact
from gitreg.core.model.names import format_version, is_taggable
from gitreg.errors import GitregError, InvalidDocument

_LIMIT = 1024 * 1024
"""The largest ``dvc.yaml`` that is read, in bytes; users write pipelines into it."""


def read_dvc_yaml(data: bytes | None) -> dict[str, Any]:
    """Return the content of ``dvc.yaml``; of an absent one an empty mapping.

    Raises:
        InvalidDocument: it is not a YAML mapping, or too large.
    """
    if data is None:
        return {}
    if len(data) > _LIMIT:
        raise InvalidDocument(f"{layout.DVC_YAML}: larger than {_LIMIT // 1024} KiB")
    found = load(data, layout.DVC_YAML)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InvalidDocument(f"{layout.DVC_YAML}: not a mapping")
    return found


def is_own_edit(step: Step) -> bool:
    """Tell whether ``dvc.yaml`` is what gitreg would have written for this step.

    Usually it is. Then nothing is parsed, which takes a second for a thousand models.
    """
    before, after = (state.snapshot.read(layout.DVC_YAML) for state in (step.before, step.after))
    expected = before
    try:
        for model in _renewed(step):
            path = _wanted(step, model)
            if is_taggable(model) and (expected is not None or path is not None):
                if is_others(expected or b"", model):
                    continue
                expected = set_artifact(expected or b"", model, path)
    except GitregError:
        return False
    return expected == after


def _renewed(step: Step) -> list[str]:
    """Return the models that got or lost a version, sorted."""
    return sorted({model for (model, _), files in step.versions.items() if _is_renewed(files)})


def _wanted(step: Step, model: str) -> str | None:
    """Return the path of a model's newest version, ``None`` where none is left.

    Raises:
        GitregError: its manifest does not parse.
    """
    latest = step.after.latest(model)
    if latest is None:
        return None
    return layout.version_path(model, latest, step.after.manifest(model, latest).artifact.path)


def entries(step: Step) -> Iterator[CheckFinding]:
    """Find entries of ``dvc.yaml`` that do not name the bytes of their model's newest version."""
    renewed = set(_renewed(step))
    changed = any(change.path == layout.DVC_YAML for change in step.changes)
    if is_own_edit(step) or not (changed or renewed):
        return
    data = step.after.snapshot.read(layout.DVC_YAML)
    try:
        before = _artifacts(step.before.snapshot.read(layout.DVC_YAML))
    except InvalidDocument:
        before = {}
    try:
        after = _artifacts(data)
    except InvalidDocument as error:
        yield step.found(
            "bad-dvc-yaml", layout.DVC_YAML, _rest(error), line=line_in_error(data, str(error))
        )
        return
    touched = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    for model in sorted(renewed | touched):
        if _is_users(model, before.get(model), after.get(model)):
            continue
        if is_taggable(model) and (model in renewed or step.after.numbers(model)):
            yield from _entry(step, model, after.get(model), data)


def _is_users(model: str, before: str | None, after: str | None) -> bool:
    """Tell whether an entry was the user's own before, and was not made gitreg's."""
    was = before is not None and not is_own_path(before, model)
    return was and (after is None or not is_own_path(after, model))


def _is_renewed(files: list[tuple[str, Any]]) -> bool:
    """Tell whether a version was added or removed."""
    return any(
        name == "manifest.yaml" and (change.mode == 0) != (change.mode_before == 0)
        for name, change in files
    )


def _entry(step: Step, model: str, path: str | None, data: bytes | None) -> Iterator[CheckFinding]:
    latest = step.after.latest(model)
    try:
        wanted = _wanted(step, model)
    except GitregError:
        return  # the check of manifests reports it
    if path == wanted:
        return
    named = "nothing" if path is None else repr(path)
    meant = "which has no version left" if latest is None else format_version(model, latest)
    yield step.found(
        "dvc-yaml",
        layout.DVC_YAML,
        f"artifacts.{model} names {named}, but the newest version is {meant}"
        if latest is not None
        else f"artifacts.{model} names {named} of a model {meant}",
        line=line_of(data, f"{model}:"),
    )


def _artifacts(data: bytes | None) -> dict[str, str | None]:
    """Return the path of each artifact."""
    section = read_dvc_yaml(data).get("artifacts") or {}
    if not isinstance(section, dict):
        raise InvalidDocument(f"{layout.DVC_YAML}: artifacts: not a mapping")
    paths = {name: entry.get("path") for name, entry in section.items() if isinstance(entry, dict)}
    # Only scalars are converted: a few YAML aliases can stand for a list of a billion.
    return {
        name: str(paths[name]) if isinstance(paths.get(name), (str, int, float)) else None
        for name in section
        if isinstance(name, str)
    }


def _rest(error: GitregError) -> str:
    return str(error).removeprefix(f"{layout.DVC_YAML}: ")
