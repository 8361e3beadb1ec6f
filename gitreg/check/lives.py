"""Checks of whole models: deleted or renamed with a tombstone, and created again.

A deleted model leaves its tombstone, ``deleted.yaml``, and nothing else. A renamed model is there
under the name that the tombstone gives, with the same versions: in each manifest the line of the
model differs, and nothing else. `git revert` of a rename restores the old name without a tombstone,
where the model is then byte for byte what it was. Any other model whose tombstone goes begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from gitreg.check.finding import CheckFinding
from gitreg.check.step import Step, is_revert
from gitreg.core.model import layout, manifest
from gitreg.core.model.manifest import Tombstone
from gitreg.core.operations.rename import moved_files
from gitreg.core.state.state import RegistryState
from gitreg.errors import GitregError

_SAID = ("stages", "aliases", "model", "card", "annotations", "approval")
"""The kinds of files that may change at any time, and so in the commit of a rename, too."""


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
    """What a step does to whole models: which it deletes and which it renames."""

    def __init__(self, step: Step) -> None:
        self._step = step

    @cached_property
    def gone(self) -> tuple[str, ...]:
        """The names that have no model after the step."""
        return tuple(
            model
            for model in self._step.models
            if self._step.before.has_model(model) and not self._step.after.has_model(model)
        )

    @cached_property
    def deleted(self) -> frozenset[str]:
        """The models that were deleted, with a tombstone as it has to be."""
        told = {model: _tombstone(self._step.after, model) for model in self.gone}
        return frozenset(
            model for model, note in told.items() if note is not None and note.renamed_to is None
        )

    @cached_property
    def renames(self) -> tuple[Rename, ...]:
        """The models that the step renames."""
        found = []
        for model in self.gone:
            note = _tombstone(self._step.after, model)
            new = self._name_before(model) if note is None else note.renamed_to
            if new is not None and not self._step.before.has_model(new):
                found.append(_rename(self._step, model, new))
        return tuple(found)

    @cached_property
    def back(self) -> tuple[str, ...]:
        """The names whose latest end the step takes back: the model is what it was before.

        A model that was renamed, and lives on under the other name, is not back beside it.
        """
        step = self._step
        return tuple(
            model
            for model in step.models
            if not step.before.has_model(model) and step.after.has_model(model)
            if (note := _tombstone(step.before, model)) is not None
            if note.renamed_to is None or note.renamed_to in self.gone
            if step.restored(model)
        )

    @cached_property
    def ended(self) -> tuple[str, ...]:
        """The names whose life ends: a later model of the name has nothing of this one's past."""
        reverted = {one.old for one in self.renames}
        return tuple(
            model
            for model in self._step.models
            if (model in reverted and model in self.gone) or self._gets_tombstone(model)
        )

    def _gets_tombstone(self, model: str) -> bool:
        """Tell whether a name gets a tombstone, also where a squash never showed its model."""
        path = layout.model_tombstone_path(model)
        before, after = (s.snapshot.read(path) for s in (self._step.before, self._step.after))
        return before is None and after is not None

    def _name_before(self, model: str) -> str | None:
        """Return the name that a model has again where its rename is taken back."""
        for other in self.back:
            note = _tombstone(self._step.before, other)
            if note is not None and note.renamed_to == model:
                return other
        return None

    @cached_property
    def honest(self) -> frozenset[str]:
        """The names of models that were deleted or renamed by the rules."""
        renamed = [one for one in self.renames if not one.wrong]
        return self.deleted | {name for one in renamed for name in (one.old, one.new)}

    def beside(self, model: str, had_pointers: Callable[[str], bool]) -> Step:
        """Return the step by which the moves of a model are judged.

        What a stage holds leaves it under the old name, as it does when its model is deleted. Under
        a name that never had pointers, and has the same rules, nothing is promoted: only what moved
        besides is judged. Under any other name people may follow a pointer to something else: its
        versions are judged as if they were promoted now.

        Args:
            model: the old or the new name.
            had_pointers: tells whether a pointer ever moved under a name.
        """
        policy = self._step.policy
        for one in self.renames:
            if one.wrong or model != one.new:
                continue
            # What moved under the other name is not taken back with the rename.
            is_new = policy.of(one.old) == policy.of(one.new) and not had_pointers(model)
            if is_new or model in self.back:
                return replace(self._step, before=self._step.before.after(dict(one.expected)))
        return self._step

    @property
    def returning(self) -> frozenset[str]:
        """The names whose pointers only go back to where they were before the latest end.

        A rename that is taken back leaves the other name, as it came to it.
        """
        renames = [one for one in self.renames if one.new in self.back]
        return (frozenset(self.back) - {one.new for one in renames}) | {one.old for one in renames}


def models(step: Step) -> Iterator[CheckFinding]:
    """Find models that vanished, renames that change more, and changed tombstones."""
    lives = Lives(step)
    for one in lives.renames:
        for path in one.wrong:
            yield step.found(
                "bad-rename",
                path,
                f"{one.old} was renamed to {one.new}, and this file is not the same as before",
                remedy=f"gitreg rename {one.old} {one.new}, in a commit of its own",
            )
    told = {name for one in lives.renames for name in (one.old, one.new)} | lives.deleted
    for model in lives.gone:
        if model not in told and not _never_was(step, model):
            yield step.found(
                "removed",
                layout.model_path(model),
                f"the model {model} is gone, and no deleted.yaml says who deleted it and why, or "
                "its new name",
                remedy=f"gitreg delete {model} -m REASON",
            )
    for model in step.models:
        yield from _tombstones(step, model)


def _tombstones(step: Step, model: str) -> Iterator[CheckFinding]:
    """Find tombstones that changed, or are gone while the model is not back."""
    path = layout.model_tombstone_path(model)
    before, after = (state.snapshot.read(path) for state in (step.before, step.after))
    if before is None or before == after or step.before.has_model(model):
        return
    if after is not None or not step.after.has_model(model):
        what = "changed" if after is not None else "is gone, and the model is not back"
        yield step.found("immutable", path, f"the tombstone of {model} {what}")


def _never_was(step: Step, model: str) -> bool:
    """Tell whether a commit reverts the creation of a model that never had a version."""
    return is_revert(step) and not step.before.numbers(model) and step.highest(model) == 0


def _tombstone(state: RegistryState, model: str) -> Tombstone | None:
    """Return a model's tombstone where it parses and is the model's only file."""
    if list(state.snapshot.list(layout.model_path(model))) != ["deleted.yaml"]:
        return None
    path = layout.model_tombstone_path(model)
    try:
        return manifest.read_tombstone(state.snapshot.read(path) or b"", path)
    except GitregError:
        return None  # the check of documents reports it


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
