"""Delete a model: a tombstone replaces all its files."""

from __future__ import annotations

from gitreg.core.model import layout, manifest
from gitreg.core.model.manifest import Tombstone
from gitreg.core.model.model import Model
from gitreg.core.model.names import ARCHIVE, NO_STAGE, format_version
from gitreg.core.operations.judging import Demand, Mover, judged
from gitreg.core.operations.register import dvc_yaml_edit
from gitreg.core.state.change import Change, Edit
from gitreg.core.state.state import RegistryState
from gitreg.errors import Refused


def delete_model(
    state: RegistryState,
    name: str,
    tombstone: Tombstone,
    mover: Mover | None,
    *,
    force: bool = False,
) -> Change:
    """Return the change that deletes a model with all its versions, stages and aliases.

    Args:
        state: the registry.
        name: of the model.
        tombstone: what remains of it.
        mover: who deletes it; with ``None`` the caller applies the rules of its stages.
        force: delete it even if its versions are in stages or have aliases.

    Raises:
        NotFound: there is no such model.
        Refused: a stage other than the archive holds a version, or an alias names one.
        GateRefused: a rule of a stage that it leaves refuses, as in a freeze.
    """
    state.check_model(name)
    pointers = state.pointers(name)
    if not force:
        _refuse_in_use(pointers)
    edits = [Edit(path, None) for path in state.files(name)]
    change = Change(
        f"delete {name}",
        (
            *(edit for edit in edits if edit.path != layout.model_tombstone_path(name)),
            Edit(layout.model_tombstone_path(name), manifest.write_tombstone(tombstone)),
            *dvc_yaml_edit(state, name, None),
        ),
        evidence=(_what_goes(state, name),),
        trailers=(("Gitreg-Action", "delete"), ("Gitreg-Model", name)),
    )
    if mover is None:
        return change
    named = tuple((name, version) for held in pointers.stages.values() for version in held)
    return judged(state, change, mover, Demand(named), NO_STAGE)


def _refuse_in_use(pointers: Model) -> None:
    hint = f"gitreg delete {pointers.name} --force"
    for stage, held in pointers.stages.items():
        if stage != ARCHIVE:
            names = ", ".join(format_version(pointers.name, version) for version in held)
            verb = "is" if len(held) == 1 else "are"
            raise Refused(f"{names} {verb} in {stage}", hint=hint)
    for alias, version in pointers.aliases.items():
        raise Refused(
            f"{format_version(pointers.name, version)} is named by @{alias}",
            hint=hint,
        )


def _what_goes(state: RegistryState, name: str) -> str:
    versions = state.versions(name)
    if not versions:
        return "no version"
    one = len(versions) == 1
    return f"version {versions[0]}" if one else f"{len(versions)} versions up to {versions[-1]}"
