"""Delete: a tombstone replaces the files of a version. Its number stays taken."""

from __future__ import annotations

from collections.abc import Sequence

from gitreg.core.model import layout, manifest
from gitreg.core.model.manifest import Tombstone
from gitreg.core.model.names import ARCHIVE, NO_STAGE, Reference, format_version
from gitreg.core.operations.judging import Demand, Mover, judged
from gitreg.core.operations.moves import PointerMoves
from gitreg.core.operations.register import dvc_yaml_edit
from gitreg.core.state.change import Change, Edit
from gitreg.core.state.state import RegistryState
from gitreg.errors import Refused


def delete(
    state: RegistryState,
    reference: Reference,
    tombstone: Tombstone,
    mover: Mover | None = None,
    *,
    force: bool = False,
) -> Change:
    """Return the change that deletes a version.

    Args:
        state: the registry.
        reference: which version.
        tombstone: what remains of it.
        mover: who deletes it; with ``None`` the caller applies the rules of its stage.
        force: also take it out of its stage and remove its aliases, in the same commit.

    Raises:
        NotFound: no such version.
        Refused: a stage other than the archive holds it, or an alias names it; with ``force``, a
            protected alias names it.
        GateRefused: a rule of the stage that it leaves refuses, as in a freeze.
    """
    model, version = reference.model, state.resolve(reference)
    name = format_version(model, version)
    moves = PointerMoves(state, model)
    aliases = moves.aliases_of(version)
    if not force:
        _refuse_in_use(name, moves.stage_of(version), aliases, model)
    moves.place(version, None)
    for alias in aliases:
        moves.point(alias, None)
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
    change = Change(
        f"delete {name}",
        tuple(edits),
        trailers=(
            ("Gitreg-Action", "delete"),
            ("Gitreg-Model", model),
            ("Gitreg-Version", str(version)),
        ),
    )
    if mover is None:
        return change
    return judged(state, change, mover, Demand(((model, version),)), NO_STAGE, moves.edits())


def _refuse_in_use(name: str, stage: str | None, aliases: Sequence[str], model: str) -> None:
    if stage not in (None, ARCHIVE):
        raise Refused(f"{name} is in {stage}", hint=f"gitreg archive {name}, then delete it")
    if aliases:
        raise Refused(
            f"{name} is named by @{', @'.join(aliases)}",
            hint=f"gitreg alias delete {model}@{aliases[0]}",
        )


def _newest_below(state: RegistryState, model: str, version: int) -> str | None:
    below = [number for number in state.versions(model) if number < version]
    if not below:
        return None
    return layout.version_path(model, below[-1], state.version(model, below[-1]).artifact.path)
