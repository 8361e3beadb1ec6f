"""Checks of models as a whole: deleted or renamed with a note of it, and begun anew.

A model goes by making room for its tombstone, ``deleted.yaml``. One that is renamed is there again
under the name that the tombstone says: the same versions, of which each manifest has another line
for the model and nothing else. `git revert` of a rename leads back, and leaves no tombstone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from gitreg.check.finding import CheckFinding
from gitreg.check.step import Step, is_revert
from gitreg.core.model import layout, manifest
from gitreg.core.model.manifest import Tombstone
from gitreg.core.operations.rename import moved_files
from gitreg.core.state.state import RegistryState
from gitreg.errors import GitregError

_SAID = ("stages", "aliases", "model", "annotations", "approval")
"""What may change of a model at any time, so that it may in one commit with a rename."""


@dataclass(frozen=True)
class Rename:
    """A model that a step gives another name.

    Attributes:
        old: the name before.
        new: the name after.
        wrong: the files that are not those that the model had before, sorted.
        expected: the files that there would be if nothing else had happened.
    """

    old: str
    new: str
    wrong: tuple[str, ...]
    expected: dict[str, bytes]


class Lives:
    """What a step does to models as a whole."""

    def __init__(self, step: Step) -> None:
        self._step = step

    @cached_property
    def gone(self) -> tuple[str, ...]:
        """The models that are no more, under their names."""
        return tuple(
            model
            for model in self._step.models
            if self._step.before.has_model(model) and not self._step.after.has_model(model)
        )

    @cached_property
    def deleted(self) -> frozenset[str]:
        """The models that made room for a tombstone alone."""
        told = {model: _tombstone(self._step.after, model) for model in self.gone}
        return frozenset(
            model for model, note in told.items() if note is not None and note.renamed_to is None
        )

    @cached_property
    def renames(self) -> tuple[Rename, ...]:
        """The models that have another name since."""
        found = []
        for model in self.gone:
            note = _tombstone(self._step.after, model)
            new = self._name_before(model) if note is None else note.renamed_to
            if new is not None and not self._step.before.has_model(new):
                found.append(_rename(self._step, model, new))
        return tuple(found)

    def _name_before(self, model: str) -> str | None:
        """Return the name that a model had, and has again, where a rename of it is reverted."""
        for other in self._step.models:
            note = _tombstone(self._step.before, other)
            if note is not None and note.renamed_to == model and self._step.after.has_model(other):
                return other
        return None

    @cached_property
    def honest(self) -> frozenset[str]:
        """The names of models that went, or came, as they may."""
        renamed = [one for one in self.renames if not one.wrong]
        return self.deleted | {name for one in renamed for name in (one.old, one.new)}

    def beside(self, model: str) -> Step | None:
        """Return the step as the moves of a model are judged; ``None`` where none is.

        Of a renamed model, only what moved besides; as if all came anew where the rules differ.
        """
        policy = self._step.policy
        for one in self.renames:
            if one.wrong or model not in (one.old, one.new):
                continue
            if policy.of(one.old) != policy.of(one.new):
                return self._step
            if model == one.old:
                return None
            return replace(self._step, before=self._step.before.after(dict(one.expected)))
        return self._step


def models(step: Step) -> Iterator[CheckFinding]:
    """Find models that vanished, were renamed and changed, or whose tombstone did."""
    lives = Lives(step)
    for one in lives.renames:
        for path in one.wrong:
            yield step.found(
                "bad-rename",
                path,
                f"{one.old} has the name {one.new} since, and this file is not the one that it had",
                remedy=f"gitreg rename {one.old} {one.new}, in a commit of its own",
            )
    told = {name for one in lives.renames for name in (one.old, one.new)} | lives.deleted
    for model in lives.gone:
        if model not in told and not _never_was(step, model):
            yield step.found(
                "removed",
                layout.model_path(model),
                f"the model {model} went without a deleted.yaml that says who deleted it and why, "
                "or what it is called now",
                remedy=f"gitreg delete {model} -m REASON",
            )
    for model in step.models:
        yield from _tombstones(step, model)


def _tombstones(step: Step, model: str) -> Iterator[CheckFinding]:
    """Find tombstones of models that changed, or went with nothing in their place."""
    path = layout.model_tombstone_path(model)
    before, after = (state.snapshot.read(path) for state in (step.before, step.after))
    if before is None or before == after or step.before.has_model(model):
        return
    if after is not None or not step.after.has_model(model):
        what = "changed" if after is not None else "is gone, and there is no such model"
        yield step.found("immutable", path, f"the note that {model} was deleted or renamed {what}")


def _never_was(step: Step, model: str) -> bool:
    """Tell whether the creation of a model is reverted that never had a version."""
    return is_revert(step) and not step.before.numbers(model) and step.highest(model) == 0


def _tombstone(state: RegistryState, model: str) -> Tombstone | None:
    """Return a model's tombstone, if it is one that can be read, and all that there is."""
    if list(state.snapshot.list(layout.model_path(model))) != ["deleted.yaml"]:
        return None
    path = layout.model_tombstone_path(model)
    try:
        return manifest.read_tombstone(state.snapshot.read(path) or b"", path)
    except GitregError:
        return None  # told by the check of documents


def _rename(step: Step, old: str, new: str) -> Rename:
    try:
        expected = moved_files(old, new, step.before.files(old))
    except GitregError:
        expected = {}
    found = step.after.files(new)
    wrong = [
        path
        for path in sorted({*expected, *found})
        if expected.get(path) != found.get(path) and not _may_differ(path)
    ]
    if not found:
        wrong = [layout.model_path(new)]
    return Rename(old, new, tuple(wrong), expected)


def _may_differ(path: str) -> bool:
    place = layout.locate(path)
    return place is not None and place.kind in _SAID
