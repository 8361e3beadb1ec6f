"""Reapply: an operation that was committed on one tip, done again on another.

When the remote has moved, unpublished commits are not rebased as text: two registrations may have
taken the same number, and two promotions may apply cleanly and give a state that nobody requested.
Instead an operation is read back from its commit (a version registered, pointers moved, a version
deleted, annotations changed) and done again if it still applies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from gitreg.core.model import layout, manifest
from gitreg.core.model.card import read_card
from gitreg.core.model.layout import Place
from gitreg.core.model.names import ARCHIVE, Reference, format_version
from gitreg.core.operations.approve import taken_away
from gitreg.core.operations.create import Creation, create_model
from gitreg.core.operations.delete import delete
from gitreg.core.operations.delete_model import delete_model
from gitreg.core.operations.judging import Demand, Mover, judged, takes_back
from gitreg.core.operations.reapply_moves import PointerMove, moved_again
from gitreg.core.operations.recorded import Recorded
from gitreg.core.operations.register import Registration, register
from gitreg.core.operations.rename import rename_model
from gitreg.core.state.change import OVERRIDE, Change, Edit, parse_message
from gitreg.core.state.decision import Moves
from gitreg.core.state.history import FileChange
from gitreg.core.state.state import RegistryState
from gitreg.errors import GitregError, Refused

Numbers = Mapping[tuple[str, int], "int | None"]
"""Model and the number of a version in the unpublished commits, to its number now.

``None`` for a version whose commit was not pushed: if that number is taken now, it is another
version's.
"""

_NUMBER = re.compile(r"[1-9][0-9]{0,8}")

ApprovalHolds = Callable[[RegistryState, Place, bytes], bool]
"""Tells whether an approval's signature verifies in a state."""


def redoes_everything(parent: RegistryState, recorded: Recorded) -> bool:
    """Tell whether doing an operation again does everything that its commit did.

    The user may edit ``dvc.yaml`` in the same commit as a registration, after a squash. Doing only
    the registration again would lose that edit.
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
    """Tell whether a commit deleted or renamed a model as gitreg does, and did nothing else."""
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
    moves: Moves,
) -> tuple[Change, dict[tuple[str, int], int]]:
    """Return the change that does a recorded operation again, and the numbers it gave.

    Moves are judged again, by the policy of the new state. An override needs no new reason, but
    that policy must allow its author to override.

    Args:
        state: where the operation is done again.
        recorded: what was done.
        numbers: the numbers now of versions from earlier unpublished commits.
        above: returns the highest number of a model in the history.
        holds: tells whether an approval verifies in a state.
        mover: who did it, and the facts for the rules.
        moves: of a stage; a message that claims to be a rollback proves nothing.

    Raises:
        Refused: it no longer applies, or the policy refuses it; the message says why.
        NotFound: a version that it names does not exist.
    """
    change, new = done_again(state, recorded, numbers, above, holds, mover)
    # What ends a model is judged while it is done: a rename looks like moves, but is none.
    return change if recorded.ended else _judged(state, change, mover, moves), new


def done_again(
    state: RegistryState,
    recorded: Recorded,
    numbers: Numbers,
    above: Callable[[str], int],
    holds: ApprovalHolds,
    mover: Mover | None = None,
) -> tuple[Change, dict[tuple[str, int], int]]:
    """Return what `reapply` returns, before the policy judges it."""
    todo = _Reapplication(state, recorded, dict(numbers), above)
    message = parse_message(recorded.message)
    evidence: tuple[str, ...] = message.evidence
    if recorded.ended is not None:
        evidence = todo.end(*recorded.ended, mover).evidence
    else:
        todo.create()
        todo.register()
        todo.add()
        todo.approve(holds)
        todo.move()
        todo.delete()
        todo.annotate()
    change = Change(
        todo.renamed(message.subject),
        tuple(Edit(path, content) for path, content in todo.edits.items()),
        message.reason,
        tuple(map(todo.renamed, evidence)),
        message.reverts,
        todo.trailers(message.trailers),
    )
    new = {
        key: number
        for key, number in todo.numbers.items()
        if number is not None and numbers.get(key) != number
    }
    return change, new


def carried(recorded: Recorded, numbers: Numbers) -> dict[tuple[str, int], int | None]:
    """Return the numbers of versions after an operation that deleted or renamed their model.

    The versions of a renamed model keep their numbers under its new name. A later model of the old
    name numbers its own versions.
    """
    if recorded.ended is None:
        return {}
    model, tombstone = recorded.ended
    mine = {version: number for (name, version), number in numbers.items() if name == model}
    new = tombstone.renamed_to
    moved = {} if new is None else {(new, version): number for version, number in mine.items()}
    return moved | {(model, version): version for version in mine}


def _judged(state: RegistryState, change: Change, mover: Mover, moves: Moves) -> Change:
    """Return the change with the verdicts of the state's policy as evidence.

    Raises:
        GateRefused: the policy refuses it.
    """
    trailers = dict(change.trailers)
    claims = trailers.get("Gitreg-Action") == "rollback" or change.reverts is not None
    returns = claims and takes_back(state, change.edits, moves)
    named, stage = _named(change.trailers)
    demand = Demand(named, override=trailers.get(OVERRIDE), returns=returns)
    return judged(state, change, mover, demand, stage)


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
    """The edits of an operation that is done again, collected step by step."""

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
            annotations = manifest.read_model_document(change.after, change.path)
            request = Creation(
                place.model,
                annotations.created_at,
                annotations.description,
                annotations.owner,
                annotations.tags,
            )
            self._add(create_model(self._state, request).edits)

    def end(self, model: str, tombstone: manifest.Tombstone, mover: Mover | None) -> Change:
        """Delete or rename a model again; delete it only if it has no other versions than then."""
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
        """Refuse to delete what somebody else has registered or moved since."""
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
            annotated_in = layout.annotations_path(place.model, number)
            annotations = manifest.read_annotations(content.get(annotated_in), annotated_in)
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
                description=annotations.description,
                tags=annotations.tags,
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
            self._state.check_model(model)  # the error says if the model was deleted or renamed
            moves = [
                PointerMove.of(place, self._renumbered(place, file))
                for place, file in moved
                if place.model == model
            ]
            self._add(moved_again(self._state, model, moves))

    def _renumbered(self, place: Place, change: FileChange) -> FileChange:
        """Return a pointer's change with the current numbers of versions."""

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
        """Keep the approvals that hold here; the signed text names the versions replaced."""
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
                    self._add(taken_away(self._state, path))
            elif holds(self._state, replace(place, version=number), change.after):
                self.edits[path] = change.after
            else:
                name = format_version(place.model, number)
                raise Refused(
                    f"the approval of {name} for {stage} no longer holds: it was for an "
                    "earlier state of the registry"
                )

    def add(self) -> None:
        """Add the evaluations and reproductions again: they name bytes, and so no number."""
        for place, change in self._recorded.of_kind(*layout.ADDED):
            if place.version is None or change.after is None:
                continue
            number = self._number(place.model, place.version)
            self._state.check_version(place.model, number)
            before, after = (
                layout.version_path(place.model, version) for version in (place.version, number)
            )
            path = after + change.path.removeprefix(before)
            there = self._state.snapshot.read(path)
            if there not in (None, change.after):
                raise Refused(f"{path} has been added by somebody else, with other content")
            if there is None:
                self.edits[path] = change.after

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
        for place, change in self._recorded.of_kind("annotations", "model", "card"):
            path = change.path
            if place.kind == "model" and place.model in self._recorded.created:
                continue
            if place.version is not None:
                if (place.model, place.version) in self._new_or_gone:
                    continue
                number = self._number(place.model, place.version)
                self._state.check_version(place.model, number)
                path = layout.annotations_path(place.model, number)
            else:
                self._state.check_model(place.model)
            _check_words(place, change.after, path)
            now = self._state.snapshot.read(path)
            if now == change.after:
                continue  # somebody else has written the same
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
        """Return a line of the message with the current numbers of versions."""
        # All names at once: churn@4 may have become churn@5, and churn@5 churn@6. Whole names, the
        # longest first: "my churn" may be a model, too.
        models = {place.model for place, _ in self._recorded.places}
        names = "|".join(map(re.escape, sorted(models, key=len, reverse=True)))
        if not names:
            return text

        def rename(found: re.Match[str]) -> str:
            model, number = found[1], int(found[2])
            return format_version(model, self.numbers.get((model, number)) or number)

        return re.sub(rf"(?<![^\s\"(])({names})@([1-9][0-9]{{0,8}})(?![0-9])", rename, text)

    def trailers(self, recorded: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        model = ""
        found = []
        for key, value in recorded:
            if key == "Gitreg-Model":
                model = value
            if key in ("Gitreg-Version", "Gitreg-Replaces") and _NUMBER.fullmatch(value):
                found.append((key, str(self._number(model, int(value)))))
            else:
                found.append((key, value))
        return tuple(found)


def _check_words(place: Place, content: bytes | None, path: str) -> None:
    """Refuse an annotation or a card that does not parse."""
    if place.kind == "annotations":
        manifest.read_annotations(content, path)
    elif place.kind == "model":
        manifest.read_model_document(content, path)
    elif content is not None:
        read_card(content, path)
