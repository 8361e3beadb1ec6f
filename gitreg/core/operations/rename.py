"""Rename: a model's folder gets another name, and a tombstone keeps the old one.

Every file stays the same, byte for byte, except the line of each manifest that names the model.
Approvals do not move: the signed text names the model, so they are void under another name.
"""

from __future__ import annotations

from gitreg.core.model import layout, manifest
from gitreg.core.model.dvc_yaml import is_others, rename_artifact
from gitreg.core.model.manifest import Tombstone
from gitreg.core.model.names import NO_STAGE, format_version, is_taggable
from gitreg.core.operations.create import check_free_name, tombstone_edit
from gitreg.core.operations.judging import Demand, GateRefused, Mover, judged
from gitreg.core.operations.register import dvc_yaml_edit
from gitreg.core.state.change import Change, Edit
from gitreg.core.state.state import RegistryState


def rename_model(
    state: RegistryState, name: str, tombstone: Tombstone, mover: Mover | None
) -> Change:
    """Return the change that renames a model; it has no edits when it already has that name.

    What a stage holds leaves it: freezes and demands for signatures apply. If the same rules hold
    for both names, and nobody follows a pointer of the new one, its versions then only move along.
    Otherwise each version counts as promoted under the new name, and the rules of that name decide.

    Args:
        state: the registry.
        name: of the model.
        tombstone: what remains under the old name; it has the new one.
        mover: who renames it; with ``None`` the caller applies the rules.

    Raises:
        NotFound: there is no such model.
        AlreadyExists: another model has the new name.
        InvalidRequest: it is malformed, or differs from another only by case or Unicode form.
        InvalidDocument: the line with the name cannot be found in a manifest.
        GateRefused: the rules of either name refuse.
    """
    new = str(tombstone.renamed_to)
    state.check_model(name)
    trailers = (("Gitreg-Action", "rename"), ("Gitreg-Model", name), ("Gitreg-Model", new))
    subject = f"rename {name} to {new}"
    if new == name:
        return Change(subject, trailers=trailers)
    check_free_name(state, new)
    files = state.files(name)
    moved = moved_files(name, new, files)
    edits = {path: None for path in files if path != layout.model_tombstone_path(name)}
    change = Change(
        subject,
        (
            *(Edit(path, content) for path, content in edits.items()),
            Edit(layout.model_tombstone_path(name), manifest.write_tombstone(tombstone)),
            *tombstone_edit(state, new),
            *(Edit(path, content) for path, content in moved.items()),
            *_dvc_yaml_edits(state, name, new),
        ),
        trailers=trailers,
        warnings=_left_behind(files),
    )
    return change if mover is None else _judged(state, change, name, new, mover)


def moved_files(name: str, new: str, files: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files of a renamed model, path to content, from those under its old name.

    Raises:
        InvalidDocument: the line with the name cannot be found in a manifest.
    """
    moved = {}
    for path, content in files.items():
        place = layout.locate(path)
        if place is None or place.kind == "approval" or path == layout.model_tombstone_path(name):
            continue
        is_manifest = place.kind == "manifest"
        moved[layout.model_path(new) + path.removeprefix(layout.model_path(name))] = (
            manifest.rename_in_manifest(content, path, new) if is_manifest else content
        )
    return moved


def _dvc_yaml_edits(state: RegistryState, name: str, new: str) -> list[Edit]:
    """Return the edit after which ``dvc.yaml`` has the newest artifact under the new name."""
    latest = state.latest(name)
    if latest is None:
        return dvc_yaml_edit(state, name, None)
    path = layout.version_path(new, latest, state.manifest(name, latest).artifact.path)
    before = state.snapshot.read(layout.DVC_YAML) or b""
    if is_taggable(name) and is_taggable(new):
        if is_others(before, name):
            return dvc_yaml_edit(state, new, path)
        if not is_others(before, new):
            # What the user wrote into the entry, such as labels, moves along.
            after = rename_artifact(before, name, new, path)
            return [Edit(layout.DVC_YAML, after)]
    gone = dvc_yaml_edit(state, name, None)
    between = state.after({edit.path: edit.content for edit in gone})
    return dvc_yaml_edit(between, new, path) or gone


def _left_behind(files: dict[str, bytes]) -> tuple[str, ...]:
    places = [layout.locate(path) for path in files]
    signed = [place for place in places if place is not None and place.kind == "approval"]
    return tuple(
        dict.fromkeys(
            f"the approvals of {format_version(place.model, place.version or 0)} are for its old "
            "name: they do not move"
            for place in signed
        )
    )


def _judged(state: RegistryState, change: Change, name: str, new: str, mover: Mover) -> Change:
    """Return the change, if the rules of both names allow it.

    What a stage holds leaves it under the old name. Under a new name with other rules, or one whose
    pointers people may follow, it is promoted.
    """
    places = ((edit, layout.locate(edit.path)) for edit in change.edits)
    pointers = [(edit, place.model) for edit, place in places if place and place.pointer]
    held = state.stages(name)
    stages = " and ".join(held)
    leaving = [edit for edit, model in pointers if model == name]
    named = tuple((name, version) for versions in held.values() for version in versions)
    change = judged(state, change, mover, Demand(named), NO_STAGE, leaving)
    if state.policy.of(name) == state.policy.of(new) and not mover.facts.had_pointers(new):
        return change
    arriving = [edit for edit, model in pointers if model == new]
    paths = {edit.path for edit, _ in pointers}
    # The state with the versions under the new name, and in no stage yet.
    arrived = state.after(
        {
            edit.path: edit.content
            for edit in change.edits
            if edit.content is not None and edit.path not in paths
        }
    )
    named = tuple((new, version) for _, version in named)
    try:
        return judged(arrived, change, mover, Demand(named), stages, arriving)
    except GateRefused as refused:
        # An approval names the model: nobody can give one before the rename.
        refused.hint = (
            f"take the versions of {name} out of their stages, rename it, and promote them as {new}"
        )
        raise
