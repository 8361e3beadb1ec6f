"""Moves of a model's pointers, collected first and turned into file edits at the end."""

from __future__ import annotations

from gitreg.core.model import layout, manifest
from gitreg.core.model.names import ARCHIVE, NO_STAGE, check_alias, fold
from gitreg.core.state.change import Edit
from gitreg.core.state.state import RegistryState
from gitreg.errors import InvalidRequest


class PointerMoves:
    """The pointers of one model, before and after the moves."""

    def __init__(self, state: RegistryState, model: str) -> None:
        self.model = model
        self._policy = state.policy.of(model)
        self._stages_before = state.stages(model)
        self._aliases_before = state.aliases(model)
        self._stages = {name: set(versions) for name, versions in self._stages_before.items()}
        self._aliases = dict(self._aliases_before)

    def holders(self, stage: str) -> tuple[int, ...]:
        """Return the versions that a stage holds now, ascending."""
        return tuple(sorted(self._stages.get(stage, ())))

    def stage_of(self, version: int) -> str | None:
        """Return the stage that a version is in now."""
        return next((name for name, held in self._stages.items() if version in held), None)

    def alias(self, name: str) -> int | None:
        """Return what an alias names now."""
        return self._aliases.get(name)

    def aliases_of(self, version: int) -> list[str]:
        """Return the aliases that name a version now."""
        return sorted(name for name, number in self._aliases.items() if number == version)

    def place(self, version: int, stage: str | None) -> None:
        """Put a version into one stage only; ``None`` for no stage."""
        for held in self._stages.values():
            held.discard(version)
        if stage is not None:
            self._stages.setdefault(stage, set()).add(version)

    def make_room(self, stage: str, newcomers: set[int]) -> list[int]:
        """Move versions out of a stage that holds too many; return them, lowest first.

        The lowest numbers leave first; newcomers stay.
        """
        rule = self._policy.stage(stage)
        held = self.holders(stage)
        excess = 0 if rule.holds is None else len(held) - rule.holds
        leaving = [version for version in held if version not in newcomers][: max(excess, 0)]
        for version in leaving:
            self.place(version, rule.replaced)
        return leaving

    def clear(self, stage: str, newcomers: set[int], target: str) -> list[int]:
        """Move all but the newcomers out of a stage, into another or none; return them."""
        leaving = [version for version in self.holders(stage) if version not in newcomers]
        for version in leaving:
            self.place(version, None if target == NO_STAGE else target)
        return leaving

    def withdraw(self, version: int, stage: str) -> None:
        """Put a version where the policy sends replaced versions of ``stage``, else the archive."""
        replaced = self._policy.stage(stage).replaced
        if replaced is None and ARCHIVE in self._policy.stages:
            replaced = ARCHIVE
        self.place(version, replaced)

    def point(self, alias: str, version: int | None) -> None:
        """Point an alias at a version; ``None`` removes it.

        Raises:
            InvalidRequest: the alias is malformed, or differs from another only by case or Unicode
                form.
        """
        if version is None:
            self._aliases.pop(alias, None)
            return
        check_alias(alias, tuple(self._policy.stages))
        twin = next((a for a in self._aliases if a != alias and fold(a) == fold(alias)), None)
        if twin is not None:
            raise InvalidRequest(
                f"alias {alias!r} differs from {twin!r} only by case or Unicode form",
                hint=f"use {twin!r}, or remove it first",
            )
        self._aliases[alias] = version

    def emptied_warnings(self) -> list[str]:
        """Return a warning for each of the stages that are `emptied`."""
        return [f"{self.model}/{stage} now holds no version" for stage in self.emptied()]

    def emptied(self) -> list[str]:
        """Return the bounded stages that are now empty: clients may serve from them."""
        return [
            stage
            for stage, rule in self._policy.stages.items()
            if rule.holds is not None and self._stages_before.get(stage) and not self.holders(stage)
        ]

    def edits(self) -> list[Edit]:
        """Return the pointer files that change."""
        edits = []
        for stage in sorted({*self._stages, *self._stages_before}):
            held = self.holders(stage)
            if held != self._stages_before.get(stage, ()):
                edits.append(
                    Edit(layout.stage_path(self.model, stage), manifest.write_versions(held))
                )
        for alias in sorted({*self._aliases, *self._aliases_before}):
            version = self._aliases.get(alias)
            if version != self._aliases_before.get(alias):
                content = None if version is None else manifest.write_alias(version)
                edits.append(Edit(layout.alias_path(self.model, alias), content))
        return edits
