"""Moves of pointers done again on another tip, where nobody else has moved the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gitreg.core.model import manifest
from gitreg.core.model.layout import Place
from gitreg.core.model.names import format_version
from gitreg.core.operations.moves import PointerMoves
from gitreg.core.state.change import Edit
from gitreg.core.state.conflicts import first_conflict
from gitreg.core.state.history import FileChange
from gitreg.core.state.state import RegistryState
from gitreg.errors import Refused


@dataclass(frozen=True)
class PointerMove:
    """What an operation did to one pointer: its change, the versions gained and lost."""

    place: Place
    change: FileChange
    gained: frozenset[int]
    lost: frozenset[int]

    @classmethod
    def of(cls, place: Place, change: FileChange) -> PointerMove:
        """Return the move that the change of a pointer's file makes."""
        before, after = (
            frozenset(_versions(place, data, change.path)) for data in (change.before, change.after)
        )
        return cls(place, change, after - before, before - after)

    def is_done(self, state: RegistryState) -> bool:
        """Tell whether somebody else has moved the pointer to the same versions."""
        now, then = (
            _versions(self.place, data, self.change.path)
            for data in (state.snapshot.read(self.change.path), self.change.after)
        )
        return set(now) == set(then)

    def on(self, state: RegistryState) -> FileChange:
        """Return the change that it makes to the pointer now."""
        now = state.snapshot.read(self.change.path)
        if self.place.kind == "aliases":
            return FileChange(self.change.path, now, self.change.after)
        held = frozenset(_versions(self.place, now, self.change.path)) - self.lost | self.gained
        return FileChange(self.change.path, now, manifest.write_versions(tuple(sorted(held))))


def _versions(place: Place, data: bytes | None, path: str) -> tuple[int, ...]:
    if place.kind == "aliases":
        return () if data is None else (manifest.read_alias(data, path),)
    return manifest.read_versions(data, path)


def moved_again(state: RegistryState, model: str, moves: Sequence[PointerMove]) -> list[Edit]:
    """Return the edits that move a model's pointers again.

    Raises:
        NotFound: a version does not exist, or the policy no longer has the stage.
        Refused: somebody else has moved one of the pointers.
    """
    then = {move.change.path: move.change.before for move in moves}
    todo = [move.on(state) for move in moves if not move.is_done(state)]
    surprise = first_conflict(then.get, state.policy, todo)
    if surprise is not None:
        raise Refused(f"{model} {surprise.pointer} has been moved by somebody else")
    pointers = PointerMoves(state, model)
    stages = [(move.place.name, move) for move in moves if move.place.kind == "stages"]
    goes = {version: stage for stage, move in stages for version in move.gained}
    leaving = [(version, stage) for stage, move in stages for version in sorted(move.lost)]
    for version, stage in leaving:
        # The author of this move has not seen it anywhere but in its old or its new stage.
        here = pointers.stage_of(version)
        if here not in (stage, goes.get(version)):
            raise _taken(model, version, here)
    for version, _ in leaving:
        pointers.place(version, None)
    for move in moves:
        _arrive(state, pointers, move)
    _send_aliases(state, pointers, moves)
    return pointers.edits()


def _arrive(state: RegistryState, pointers: PointerMoves, move: PointerMove) -> None:
    """Put the versions that a pointer gained where they belong."""
    name = str(move.place.name)
    for version in sorted(move.gained):
        state.check_version(pointers.model, version)
    if move.place.kind == "aliases":
        pointers.point(name, max(move.gained, default=None))
        return
    if move.gained:
        state.policy.stage(name)
    for version in sorted(move.gained):
        elsewhere = pointers.stage_of(version)
        if elsewhere not in (None, name):
            raise _taken(pointers.model, version, elsewhere)
        pointers.place(version, name)


def _taken(model: str, version: int, stage: str | None) -> Refused:
    name = format_version(model, version)
    where = f"put into {stage}" if stage is not None else "taken out of its stage"
    return Refused(f"{name} has been {where} by somebody else")


def _send_aliases(
    state: RegistryState, pointers: PointerMoves, moves: Sequence[PointerMove]
) -> None:
    """Move the aliases of a stage's rule along; the rule may be newer than the operation."""
    rules = state.policy.of(pointers.model)
    for move in moves:
        if move.place.kind == "stages" and move.gained:
            for alias in rules.stage(str(move.place.name)).aliases:
                pointers.point(alias, max(move.gained))
