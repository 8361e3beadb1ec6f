"""Checks of pointers and documents: what is wrong in a state that was right before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from gitreg.check.finding import CheckFinding, line_in_error, line_of
from gitreg.check.step import Step
from gitreg.check.versions import without_path
from gitreg.core.model import layout, manifest
from gitreg.core.model.card import read_card
from gitreg.core.model.model import Model
from gitreg.core.model.names import check_alias, fold, format_version
from gitreg.core.policy import Policy, read_policy
from gitreg.core.state.state import RegistryState
from gitreg.errors import GitregError


def documents(step: Step) -> Iterator[CheckFinding]:
    """Find changed documents that do not parse; manifests have their own check."""
    for change in step.registry_changes:
        reader = _reader(change.path) if change.mode else None
        if reader is None:
            continue
        code, read = reader
        data = step.after.snapshot.read(change.path)
        try:
            read(data or b"", change.path)
        except GitregError as error:
            yield step.found(
                code,
                change.path,
                without_path(error, change.path),
                line=line_in_error(data, str(error)),
                remedy=error.hint,
            )


def _reader(path: str) -> tuple[str, Callable[[bytes, str], object]] | None:
    if path == layout.POLICY:
        return "bad-policy", read_policy
    place = layout.locate(path)
    readers: Mapping[str, tuple[str, Callable[[bytes, str], object]]] = {
        "stages": ("bad-pointer", manifest.read_versions),
        "aliases": ("bad-pointer", manifest.read_alias),
        "withdrawal": ("bad-approval", manifest.read_withdrawals),
        "annotations": ("bad-annotations", manifest.read_annotations),
        "model": ("bad-annotations", manifest.read_model_document),
        "card": ("bad-card", read_card),
        "deleted": ("bad-tombstone", manifest.read_tombstone),
    }
    return readers.get(place.kind) if place is not None else None


def standing(state: RegistryState, policy: Policy, model: str) -> Iterator[CheckFinding]:
    """Find what is wrong with a model's pointers; subject and message identify a finding.

    A pointer that does not parse holds nothing here: `documents` reports it.
    """
    policy = policy.of(model)
    pointers = state.readable_pointers(model, [])
    held = Counter(version for versions in pointers.stages.values() for version in versions)
    for stage, versions in pointers.stages.items():
        path = layout.stage_path(model, stage)
        data = state.snapshot.read(path)
        rule = policy.stages.get(stage)
        if rule is None:
            yield _at(path, "unknown-stage", f"the policy has no stage {stage!r}")
        elif rule.holds is not None and len(versions) > rule.holds:
            listed = ", ".join(map(str, versions))
            found = _at(
                path,
                "too-many",
                f"{stage} holds {len(versions)} versions of {model} ({listed}), and may hold "
                f"{rule.holds}",
            )
            # `promote --keep-existing` may let a stage hold more for a while, unless told not to.
            yield replace(found, severity="warning") if rule.crowded else found
        for version in versions:
            line = line_of(data, f"- {version}")
            if held[version] > 1:
                yield _at(
                    path,
                    "two-stages",
                    f"{format_version(model, version)} is in {held[version]} stages",
                    line,
                )
            if not _is_there(state, model, version):
                yield _dangling(path, model, version, line)
    yield from _aliases(state, policy, pointers)
    if {"deleted.yaml"} < set(state.snapshot.list(layout.model_path(model))):
        yield _at(
            layout.model_tombstone_path(model),
            "half-deleted",
            f"it says that {model} was deleted or renamed, but files of it are still there",
        )


def _aliases(state: RegistryState, policy: Policy, pointers: Model) -> Iterator[CheckFinding]:
    model = pointers.name
    twins = Counter(map(fold, pointers.aliases))
    for alias, version in pointers.aliases.items():
        path = layout.alias_path(model, alias)
        if not _is_there(state, model, version):
            yield _dangling(path, model, version, 1)
        if twins[fold(alias)] > 1:
            yield _at(
                path,
                "name-collision",
                f"another alias of {model} differs from {alias!r} only by case or Unicode form",
            )
        try:
            check_alias(alias, tuple(policy.stages))
        except GitregError as error:
            yield _at(path, "bad-name", str(error))


def collisions(state: RegistryState) -> Iterator[CheckFinding]:
    """Find models whose names differ only by case or Unicode form."""
    folders = state.snapshot.list(layout.ROOT)
    names = [name for name in map(layout.model_of_folder, folders) if name is not None]
    names = [name for name in names if layout.model_path(name) != layout.POLICY]
    twins = Counter(map(fold, names))
    for name in names:
        if twins[fold(name)] > 1 and name not in ("policy.yaml", ".gitignore"):
            yield _at(
                layout.model_path(name),
                "name-collision",
                f"another model's name differs from {name!r} only by case or Unicode form",
            )


def _is_there(state: RegistryState, model: str, version: int) -> bool:
    return "manifest.yaml" in state.snapshot.list(layout.version_path(model, version))


def _dangling(path: str, model: str, version: int, line: int | None) -> CheckFinding:
    return _at(
        path,
        "dangling-pointer",
        f"it names {format_version(model, version)}, which does not exist",
        line,
    )


def _at(path: str, code: str, message: str, line: int | None = None) -> CheckFinding:
    return CheckFinding(code, "error", path, message, file=path, line=line)
