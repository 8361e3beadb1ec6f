"""Reapply: an operation that was committed on one tip, done again on another.

What was not published yet when the remote moved is not rebased as text: two registrations took
the same number, and two promotions may both apply cleanly and mean something nobody asked for. It
is read back from its commit as what it did (a version registered, pointers moved, a version
deleted, words changed), and does that again where it still holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from gitreg.core.model import layout, manifest
from gitreg.core.model.layout import Place
from gitreg.core.model.names import ARCHIVE, Reference, format_version
from gitreg.core.operations.create import Creation, create_model
from gitreg.core.operations.delete import delete
from gitreg.core.operations.delete_model import delete_model
from gitreg.core.operations.judging import Demand, Mover, judged
from gitreg.core.operations.moves import PointerMoves
from gitreg.core.operations.recorded import Recorded
from gitreg.core.operations.register import Registration, register
from gitreg.core.operations.rename import rename_model
from gitreg.core.state.change import OVERRIDE, Change, Edit, parse_message
from gitreg.core.state.conflicts import first_conflict
from gitreg.core.state.decision import Move, WasIn, may_return, moves_between
from gitreg.core.state.history import FileChange
from gitreg.core.state.state import RegistryState
from gitreg.errors import GitregError, Refused

Numbers = Mapping[tuple[str, int], "int | None"]
"""Model and the number that a version had in the unpublished commits, to the number it has now.

``None`` for one whose commit is left: what has that number now, if anything, is another version.
"""

_NUMBER = re.compile(r"[1-9][0-9]{0,8}")

ApprovalHolds = Callable[[RegistryState, Place, bytes], bool]
"""Tells whether an approval's signature verifies in a state."""


def is_told_in_full(parent: RegistryState, recorded: Recorded) -> bool:
    """Tell whether an operation that is done again does all that its commit did.

    ``dvc.yaml`` is shared with the user: a registration edits it, and so may they in one commit
    with it, after a squash. To do only the registration again would lose theirs.
    """
    if recorded.ended is not None:
        return _ends_in_full(parent, recorded)
    shared = next((file for file in recorded.files if file.path == layout.DVC_YAML), None)
    if shared is None:
        return True
    first = dict(reversed(recorded.registered))
    try:
        change, _ = done_again(
            parent, recorded, {}, lambda model: first[model] - 1, lambda *_: True
        )
    except GitregError:
        return False
    made = {edit.path: edit.content for edit in change.edits}
    return made.get(layout.DVC_YAML, shared.before) == shared.after


def _ends_in_full(parent: RegistryState, recorded: Recorded) -> bool:
    """Tell whether a model was deleted or renamed as gitreg does it, and nothing else was done."""
    try:
        change, _ = done_again(parent, recorded, {}, lambda _: 0, lambda *_: True)
    except GitregError:
        return False
    made = {edit.path: edit.content for edit in change.edits}
    return made == {file.path: file.after for file in recorded.files}


def reapply(
    state: RegistryState,
    recorded: Recorded,
    numbers: Numbers,
    above: Callable[[str], int],
    holds: ApprovalHolds,
    mover: Mover,
    was_in: WasIn,
) -> tuple[Change, dict[tuple[str, int], int]]:
    """Return the change that does a recorded operation again, and the numbers it gave.

    Moves are judged again, by the policy of where it is done. What somebody had overridden needs
    no new reason, but has to be theirs to override by that policy.

    Args:
        state: where it is done.
        recorded: what was done.
        numbers: what versions that were registered in earlier unpublished commits are called now.
        above: the highest number that history knows of a model.
        holds: whether an approval verifies where it is done.
        mover: who did it, and what may be asked to judge it.
        was_in: what history knows; a message that says it is a rollback proves nothing.

    Raises:
        Refused: it does not hold any more, or the policy refuses it; the message says why.
        NotFound: a version that it names is not there.
    """
    change, new = done_again(state, recorded, numbers, above, holds, mover)
    # What ends a model is judged as it is done: a rename is none of the moves that it looks like.
    return change if recorded.ended else _judged(state, change, mover, was_in), new


def done_again(
    state: RegistryState,
    recorded: Recorded,
    numbers: Numbers,
    above: Callable[[str], int],
    holds: ApprovalHolds,
    mover: Mover | None = None,
) -> tuple[Change, dict[tuple[str, int], int]]:
    """Return what `reapply` does; without a mover, no policy has judged it yet."""
    todo = _Reapplication(state, recorded, dict(numbers), above)
    told = parse_message(recorded.message)
    evidence: tuple[str, ...] = told.evidence
    if recorded.ended is not None:
        evidence = todo.end(*recorded.ended, mover).evidence
    else:
        todo.create()
        todo.register()
        todo.approve(holds)
        todo.move()
        todo.delete()
        todo.annotate()
    change = Change(
        todo.renamed(told.subject),
        tuple(Edit(path, content) for path, content in todo.edits.items()),
        told.reason,
        tuple(map(todo.renamed, evidence)),
        told.reverts,
        todo.trailers(told.trailers),
    )
    new = {
        key: number
        for key, number in todo.numbers.items()
        if number is not None and numbers.get(key) != number
    }
    return change, new


def carried(recorded: Recorded, numbers: Numbers) -> dict[tuple[str, int], int | None]:
    """Return what numbers come to by an operation that ended a model.

    Under its new name the versions of a renamed one have the numbers that they had. Those that a
    later model of the old name gives are its own.
    """
    if recorded.ended is None:
        return {}
    model, tombstone = recorded.ended
    mine = {version: number for (name, version), number in numbers.items() if name == model}
    new = tombstone.renamed_to
    moved = {} if new is None else {(new, version): number for version, number in mine.items()}
    return moved | {(model, version): version for version in mine}


def _judged(state: RegistryState, change: Change, mover: Mover, was_in: WasIn) -> Change:
    """Return the change with what the policy of the state says of it as evidence.

    Raises:
        GateRefused: the policy refuses it.
    """
    told = dict(change.trailers)
    claims = told.get("Gitreg-Action") == "rollback" or change.reverts is not None
    returns = claims and all(may_return(state.policy, m, was_in) for m in _moves(state, change))
    named, stage = _named(change.trailers)
    demand = Demand(named, override=told.get(OVERRIDE), returns=returns)
    return judged(state, change, mover, demand, stage)


def _moves(state: RegistryState, change: Change) -> list[Move]:
    after = state.after({edit.path: edit.content for edit in change.edits})
    places = (layout.locate(edit.path) for edit in change.edits)
    models = dict.fromkeys(place.model for place in places if place and place.pointer)
    return [move for model in models for move in moves_between(state, after, model)]


def _named(trailers: Sequence[tuple[str, str]]) -> tuple[tuple[tuple[str, int], ...], str]:
    """Return the versions that trailers name, and the stage that they went to."""
    model, stage, named = "", "", []
    for key, value in trailers:
        if key == "Gitreg-Model":
            model = value
        elif key == "Gitreg-Version" and _NUMBER.fullmatch(value):
            named.append((model, int(value)))
        elif key == "Gitreg-Stage":
            stage = value
    return tuple(named), stage or "another stage"


class _Reapplication:
    """The edits of an operation that is done again, gathered step by step."""

    def __init__(
        self,
        state: RegistryState,
        recorded: Recorded,
        numbers: dict[tuple[str, int], int | None],
        above: Callable[[str], int],
    ) -> None:
        self.edits: dict[str, bytes | None] = {}
        self.numbers = numbers
        self._base = state
        self._recorded = recorded
        self._above = above

    @property
    def _state(self) -> RegistryState:
        return self._base.after(self.edits) if self.edits else self._base

    def _add(self, edits: Sequence[Edit]) -> None:
        self.edits.update((edit.path, edit.content) for edit in edits)

    def _number(self, model: str, version: int) -> int:
        number = self.numbers.get((model, version), version)
        if number is None:
            raise Refused(
                f"{format_version(model, version)} belongs to a commit that was not pushed"
            )
        return number

    def create(self) -> None:
        for place, change in self._recorded.of_kind("model"):
            if place.model not in self._recorded.created:
                continue
            said = manifest.read_model_document(change.after, change.path)
            request = Creation(
                place.model, said.created_at, said.description, said.owner, said.tags
            )
            self._add(create_model(self._state, request).edits)

    def end(self, model: str, tombstone: manifest.Tombstone, mover: Mover | None) -> Change:
        """Delete or rename a model again; a deletion, if it has the versions that it had then."""
        if tombstone.renamed_to is not None:
            done = rename_model(self._state, model, tombstone, mover)
        else:
            pointers = self._recorded.of_kind("stages", "aliases")
            self._refuse_others_work(model)
            used = any(place.name != ARCHIVE for place, _ in pointers)
            done = delete_model(self._state, model, tombstone, mover, force=used)
        self.numbers |= carried(self._recorded, self.numbers)
        self._add(done.edits)
        return done

    def _refuse_others_work(self, model: str) -> None:
        """Refuse to delete what somebody else registered or moved since that was decided."""
        had = {
            self._number(model, place.version)
            for place, _ in self._recorded.of_kind("manifest")
            if place.version is not None
        }
        for version in self._state.versions(model):
            if version not in had:
                name = format_version(model, version)
                raise Refused(f"{name} has been registered by somebody else")
        for place, change in self._recorded.of_kind("stages", "aliases"):
            then = self._renumbered(place, change).before
            if self._state.snapshot.read(change.path) != then:
                raise Refused(f"{model} {place.pointer} has been moved by somebody else")

    def register(self) -> None:
        births = [
            (place.version, place, change)
            for place, change in self._recorded.of_kind("manifest")
            if place.version is not None and change.after is not None
        ]
        # In the order of the numbers: that of the paths has 10 before 9.
        for number, place, change in sorted(births, key=lambda birth: birth[0]):
            assert change.after is not None
            taken = max(self._above(place.model), *self._state.numbers(place.model), 0)
            keeps = (place.model, number - 1) in self._recorded.gaps and number > taken
            content = {file.path: file.after for file in self._recorded.files}
            version = manifest.read_manifest(change.after, change.path)
            pointer = layout.dvc_pointer_path(place.model, number, version.artifact.path)
            said_in = layout.annotations_path(place.model, number)
            said = manifest.read_annotations(content.get(said_in), said_in)
            frozen = layout.version_path(place.model, number, layout.REQUIREMENTS)
            md5 = manifest.read_dvc_pointer(content.get(pointer) or b"", pointer)
            request = Registration(
                model=place.model,
                artifact=replace(version.artifact, md5=md5),
                created_at=version.created_at,
                created_by=version.created_by,
                metrics=version.metrics,
                params=version.params,
                lineage=version.lineage,
                environment=version.environment,
                requirements=content.get(frozen),
                description=said.description,
                tags=said.tags,
                above=self._above(place.model),
                signature=version.signature,
                number=number if keeps else None,
                left_out=self._recorded.left_out(place.model, number - 1) if keeps else None,
            )
            done = register(self._state, request)
            self.numbers[place.model, number] = int(dict(done.trailers)["Gitreg-Version"])
            self._add(done.edits)

    def move(self) -> None:
        moved = self._recorded.of_kind("stages", "aliases")
        for model in dict.fromkeys(place.model for place, _ in moved):
            self._state.check_model(model)  # of one that is gone it says why
            moves = [
                _PointerMove.of(place, self._renumbered(place, file))
                for place, file in moved
                if place.model == model
            ]
            self._add(_moved(self._state, model, moves))

    def _renumbered(self, place: Place, change: FileChange) -> FileChange:
        """Return a pointer's change with the numbers that versions have now."""

        def renumber(data: bytes | None) -> bytes | None:
            if data is None:
                return None
            if place.kind == "aliases":
                version = manifest.read_alias(data, change.path)
                return manifest.write_alias(self._number(place.model, version))
            held = manifest.read_versions(data, change.path)
            return manifest.write_versions(
                tuple(sorted(self._number(place.model, version) for version in held))
            )

        return FileChange(change.path, renumber(change.before), renumber(change.after))

    def approve(self, holds: ApprovalHolds) -> None:
        """Keep the approvals that hold here; the text that was signed names what is replaced."""
        for place, change in self._recorded.of_kind("approval"):
            if (place.model, place.version) in self._new_or_gone:
                continue
            assert place.version is not None
            stage, principal = str(place.name), str(place.principal)
            number = self._number(place.model, place.version)
            self._state.check_version(place.model, number)
            path = layout.approval_path(place.model, number, stage, principal)
            if change.after is None:
                if self._state.snapshot.read(path) is not None:
                    self.edits[path] = None
            elif holds(self._state, replace(place, version=number), change.after):
                self.edits[path] = change.after
            else:
                name = format_version(place.model, number)
                raise Refused(
                    f"the approval of {name} for {stage} no longer holds: it was for an "
                    "earlier state of the registry"
                )

    def delete(self) -> None:
        for place, change in self._recorded.of_kind("deleted"):
            if change.after is None or place.version is None:
                continue
            if (place.model, place.version) in self._recorded.gaps:
                continue
            number = self._number(place.model, place.version)
            tombstone = manifest.read_tombstone(change.after, change.path)
            done = delete(self._state, Reference(place.model, version=number), tombstone)
            self._add(done.edits)

    def annotate(self) -> None:
        for place, change in self._recorded.of_kind("annotations", "model"):
            path = change.path
            if place.version is None and place.model in self._recorded.created:
                continue
            if place.version is not None:
                if (place.model, place.version) in self._new_or_gone:
                    continue
                number = self._number(place.model, place.version)
                self._state.check_version(place.model, number)
                path = layout.annotations_path(place.model, number)
            else:
                self._state.check_model(place.model)
            read = manifest.read_annotations if place.version else manifest.read_model_document
            read(change.after, path)
            now = self._state.snapshot.read(path)
            if now == change.after:
                continue  # somebody else has said the very same
            if now != change.before:
                raise Refused(f"{path} has been changed by somebody else")
            self.edits[path] = change.after

    @property
    def _new_or_gone(self) -> set[tuple[str, int | None]]:
        return {
            (place.model, place.version)
            for place, _ in self._recorded.of_kind("manifest", "deleted")
        }

    def renamed(self, text: str) -> str:
        """Return a line of the message with the numbers that versions have now."""
        # All names at once: churn@4 may have become churn@5, and churn@5 churn@6. And whole names,
        # the longest first: "my churn" is a model, too.
        models = {place.model for place, _ in self._recorded.places}
        names = "|".join(map(re.escape, sorted(models, key=len, reverse=True)))
        if not names:
            return text

        def rename(found: re.Match[str]) -> str:
            model, number = found[1], int(found[2])
            return format_version(model, self.numbers.get((model, number)) or number)

        return re.sub(rf"(?<![^\s\"(])({names})@([1-9][0-9]{{0,8}})(?![0-9])", rename, text)

    def trailers(self, told: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        model = ""
        found = []
        for key, value in told:
            if key == "Gitreg-Model":
                model = value
            if key in ("Gitreg-Version", "Gitreg-Replaces") and _NUMBER.fullmatch(value):
                found.append((key, str(self._number(model, int(value)))))
            else:
                found.append((key, value))
        return tuple(found)


@dataclass(frozen=True)
class _PointerMove:
    """What an operation did to one pointer: as it was before, what came and what went."""

    place: Place
    change: FileChange
    gained: frozenset[int]
    lost: frozenset[int]

    @classmethod
    def of(cls, place: Place, change: FileChange) -> _PointerMove:
        before, after = (
            frozenset(_versions(place, data, change.path)) for data in (change.before, change.after)
        )
        return cls(place, change, after - before, before - after)

    def is_done(self, state: RegistryState) -> bool:
        """Tell whether somebody else has brought the pointer to the very same."""
        now, then = (
            _versions(self.place, data, self.change.path)
            for data in (state.snapshot.read(self.change.path), self.change.after)
        )
        return set(now) == set(then)

    def on(self, state: RegistryState) -> FileChange:
        """Return what it does to the pointer as it is now."""
        now = state.snapshot.read(self.change.path)
        if self.place.kind == "aliases":
            return FileChange(self.change.path, now, self.change.after)
        held = frozenset(_versions(self.place, now, self.change.path)) - self.lost | self.gained
        return FileChange(self.change.path, now, manifest.write_versions(tuple(sorted(held))))


def _versions(place: Place, data: bytes | None, path: str) -> tuple[int, ...]:
    if place.kind == "aliases":
        return () if data is None else (manifest.read_alias(data, path),)
    return manifest.read_versions(data, path)


def _moved(state: RegistryState, model: str, moves: Sequence[_PointerMove]) -> list[Edit]:
    """Return the edits that move a model's pointers again.

    Raises:
        NotFound: a version is not there, or the policy has no such stage any more.
        Refused: one has been moved by somebody else.
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
        # Where it is now, nobody who decided this has seen it, unless that is the same.
        here = pointers.stage_of(version)
        if here not in (stage, goes.get(version)):
            raise _taken(model, version, here)
    for version, _ in leaving:
        pointers.place(version, None)
    for move in moves:
        _arrive(state, pointers, move)
    _send_aliases(state, pointers, moves)
    return pointers.edits()


def _arrive(state: RegistryState, pointers: PointerMoves, move: _PointerMove) -> None:
    """Put what a pointer gained where it belongs."""
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
    state: RegistryState, pointers: PointerMoves, moves: Sequence[_PointerMove]
) -> None:
    """Let the aliases of a stage's rule follow, which may be newer than the operation."""
    rules = state.policy.of(pointers.model)
    for move in moves:
        if move.place.kind == "stages" and move.gained:
            for alias in rules.stage(str(move.place.name)).aliases:
                pointers.point(alias, max(move.gained))
