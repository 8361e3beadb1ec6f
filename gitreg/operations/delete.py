"""Delete: a version's files make room for a note that it was there. Its number stays taken."""

from __future__ import annotations

from gitreg import layout, manifest
from gitreg.change import Change, Edit
from gitreg.errors import Refused
from gitreg.manifest import Tombstone
from gitreg.names import ARCHIVE, Reference, format_version
from gitreg.operations.moves import PointerMoves
from gitreg.operations.register import dvc_yaml_edit
from gitreg.state import RegistryState


def delete(state: RegistryState, reference: Reference, tombstone: Tombstone) -> Change:
    """Return the change that deletes a version.

    Raises:
        NotFound: no such version.
        Refused: a stage other than the archive holds it, or an alias names it.
    """
    model, version = reference.model, state.resolve(reference)
    name = format_version(model, version)
    moves = PointerMoves(state, model)
    stage = moves.stage_of(version)
    if stage not in (None, ARCHIVE):
        raise Refused(f"{name} is in {stage}", hint=f"gitreg archive {name}, then delete it")
    aliases = moves.aliases_of(version)
    if aliases:
        raise Refused(
            f"{name} is named by @{', @'.join(aliases)}",
            hint=f"gitreg alias delete {model}@{aliases[0]}",
        )
    moves.place(version, None)
    folder = layout.version_path(model, version)
    approvals = layout.approvals_path(model, version)
    edits = [
        Edit(f"{place}/{file}", None)
        for place in (folder, approvals)
        for file in state.snapshot.list(place)
        if f"{place}/{file}" != approvals
    ]
    edits.append(Edit(layout.tombstone_path(model, version), manifest.write_tombstone(tombstone)))
    edits += moves.edits()
    if state.latest(model) == version:
        edits += dvc_yaml_edit(state, model, _newest_below(state, model, version))
    return Change(
        f"delete {name}",
        tuple(edits),
        trailers=(
            ("Gitreg-Action", "delete"),
            ("Gitreg-Model", model),
            ("Gitreg-Version", str(version)),
        ),
    )


def _newest_below(state: RegistryState, model: str, version: int) -> str | None:
    below = [number for number in state.versions(model) if number < version]
    if not below:
        return None
    return layout.version_path(model, below[-1], state.version(model, below[-1]).artifact.path)
