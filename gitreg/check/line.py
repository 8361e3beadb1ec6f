"""What the judged branch did before a commit: the moves of its stages, and the lives of its names.

A branch is the line of its first parents. What a merge brings counts from the merge on: what its
other sides did before never was on the branch, and proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import NamedTuple

from gitreg.check.lives import Lives
from gitreg.check.past import Past
from gitreg.check.step import Step
from gitreg.core.model import layout
from gitreg.core.state.history import held_in
from gitreg.core.state.standing import Values


class Moved(NamedTuple):
    """One move of a stage, the commit that made it, and that commit's date."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    commit: str
    time: int


@dataclass
class _Life:
    """The life of a name.

    Attributes:
        past: returns the moves of a stage before the range, oldest first.
        began: returns the commit that began it.
        used: tells whether a version was approved for a stage before the stage moved last; the
            third argument, whether it moved inside the range.
        moves: those inside the range, by stage, oldest first.
        approved: the versions that were approved inside the range, by stage.
        spent: those of them that were approved before the stage moved last.
    """

    past: Callable[[str], list[Moved]]
    began: Callable[[], str | None]
    used: Callable[[int, str, bool], bool]
    moves: dict[str, list[Moved]] = field(default_factory=dict)
    approved: dict[str, set[int]] = field(default_factory=dict)
    spent: dict[str, set[int]] = field(default_factory=dict)

    def last(self, stage: str) -> Moved | None:
        """Return the last move of a stage."""
        found = self.moves.get(stage) or self.past(stage)
        return found[-1] if found else None

    def all(self, stage: str) -> Iterator[Moved]:
        """Yield all moves of a stage, oldest first."""
        yield from self.past(stage)
        yield from self.moves.get(stage, ())


class Line:
    """The branch up to the commit that is judged next.

    Args:
        past: what it did before the range.
    """

    def __init__(self, past: Past) -> None:
        self._past = past
        self._lives: dict[str, _Life] = {}
        self._ended: dict[str, _Life] = {}
        self._pointed: set[str] = set()

    def values(self, model: str, stage: str) -> Iterator[Values]:
        """Yield what the moves of a model's stage led from and to, oldest first."""
        for move in self._life(model).all(stage):
            yield move.before, move.after

    def last_move(self, model: str, stage: str) -> str | None:
        """Return the commit that moved a stage last, in the present life of the model's name."""
        last = self._life(model).last(stage)
        return None if last is None else last.commit

    def emptied(self, model: str, stage: str) -> Moved | None:
        """Return the last move of a stage, by which a stage that is empty became so."""
        return self._life(model).last(stage)

    def since(self, model: str, version: int, stage: str) -> tuple[Moved, bool] | None:
        """Return the move by which a version last entered a stage, and whether in the range."""
        life = self._life(model)
        entry = _entry(life.moves.get(stage, ()), version)
        if entry is not None:
            return entry, True
        entry = _entry(life.past(stage), version)
        return None if entry is None else (entry, False)

    def was_approved(self, model: str, version: int, stage: str) -> bool:
        """Tell whether a version was approved for a stage before the stage moved last."""
        life = self._life(model)
        is_spent = version in life.spent.get(stage, ())
        return is_spent or life.used(version, stage, stage in life.moves)

    def life(self, model: str) -> str | None:
        """Return the commit that began the life of a model's name; ``None`` for the first life."""
        return self._life(model).began()

    def had_pointers(self, model: str) -> bool:
        """Tell whether a pointer ever moved under a name, in any of its lives."""
        return model in self._pointed or self._past.had_pointers(model)

    def learn(self, step: Step) -> None:
        """Record a commit of the branch beside its first parent."""
        lives = Lives(step)
        for model in lives.back:
            # Taken back, the end is a part of the life: the stages were empty for a while.
            ended = self._ended.pop(model, None)
            self._lives[model] = self._of_past(model, back=True) if ended is None else ended
        located = [(layout.locate(change.path), change) for change in step.registry_changes]
        for place, change in located:
            if place is not None and place.kind == "approval" and place.version and change.mode:
                approved = self._life(place.model).approved
                approved.setdefault(str(place.name), set()).add(place.version)
        for place, _ in located:
            if place is None or place.pointer is None:
                continue
            self._pointed.add(place.model)
            if place.kind == "stages":
                self._move(step, place)
        for model in lives.ended:
            self._ended[model] = self._life(model)
            self._lives[model] = _begun(step.commit.oid)

    def _move(self, step: Step, place: layout.Place) -> None:
        stage = str(place.name)
        path = layout.stage_path(place.model, stage)
        before, after = (held_in(place, s.snapshot.read(path)) for s in (step.before, step.after))
        life = self._life(place.model)
        last = life.last(stage) if before is None or stage in life.moves else None
        if before is None:  # it did not parse
            before = () if last is None else last.after
        elif last is not None and last.after == before:
            before = last.after  # one tuple: an archive may have thousands of versions
        if after is not None and before != after:
            found = life.moves.setdefault(stage, [])
            found.append(Moved(before, after, step.commit.oid, step.commit.time))
            life.spent.setdefault(stage, set()).update(life.approved.pop(stage, ()))

    def _life(self, model: str) -> _Life:
        if model not in self._lives:
            self._lives[model] = self._of_past(model)
        return self._lives[model]

    def _of_past(self, model: str, *, back: bool = False) -> _Life:
        @cache
        def moves(stage: str) -> list[Moved]:
            events = self._past.events(model, f"stages/{stage}", back=back)
            return [
                Moved(one.before, one.after, one.commit, _second(one.time))
                for one in reversed(events)
            ]

        def used(version: int, stage: str, moved: bool) -> bool:  # noqa: FBT001
            return self._past.was_approved(model, version, stage, back=back, moved=moved)

        return _Life(moves, lambda: self._past.life(model, back=back), used)


def _begun(commit: str) -> _Life:
    """Return a life that begins in a commit of the range."""
    return _Life(lambda _stage: [], lambda: commit, lambda *_: False)


def _entry(moves: Sequence[Moved], version: int) -> Moved | None:
    """Return the move by which a version last entered a stage."""
    return next(
        (move for move in reversed(moves) if version in move.after and version not in move.before),
        None,
    )


def _second(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp())
