"""Applies what changed in MLflow since the last import, unless somebody changed it here.

History tells who changed a thing last: the operations of an import are recognised by their ids.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from gitreg.core.model.model import Annotations, Model, ModelVersion
from gitreg.core.model.names import NO_STAGE, Reference, check_alias
from gitreg.core.operations.annotate import check_tags
from gitreg.core.state.history import Event
from gitreg.errors import InvalidRequest, Refused
from gitreg.mlflow.transfer.foreign import ForeignModel, ForeignVersion
from gitreg.registry import Registry
from gitreg.transfer.report import Progress, one_line

_IMPORT = "mlflow-import-"


def operation_id(*parts: object) -> str:
    """Return an id for an operation of an import, the same for the same parts."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:32]
    return f"{_IMPORT}{digest}"


def fitting_tags(
    tags: Mapping[str, str | None], made: Progress, version: int | None
) -> dict[str, str | None]:
    """Return the tags that a registry accepts; remark the others."""
    fitting: dict[str, str | None] = {}
    for key, value in tags.items():
        try:
            check_tags({key: value}, of_model=version is None)
        except InvalidRequest as error:
            made.leave(version, f"tag left out: {error}")
        else:
            fitting[key] = value
    return fitting


@dataclass(frozen=True)
class Follower:
    """Updates one model to what MLflow has.

    Attributes:
        registry: the registry to update.
        address: the MLflow registry.
        made: collects the result.
        reason: why, for the commit messages.
        dry_run: write nothing.
    """

    registry: Registry
    address: str
    made: Progress
    reason: str
    dry_run: bool

    # Descriptions and tags

    def model(self, theirs: ForeignModel) -> None:
        """Update the description and the tags of a model."""
        mine = self.registry.model(theirs.name)
        said = Annotations(mine.description, tags=mine.tags)
        self._annotate(Reference(theirs.name), said, theirs.description, theirs.tags)

    def version(self, mine: ModelVersion, theirs: ForeignVersion) -> None:
        """Update the description and the tags of a version."""
        said = Annotations(mine.description, tags=mine.tags)
        reference = Reference(mine.model, version=mine.version)
        self._annotate(reference, said, theirs.description, theirs.tags)

    def _annotate(
        self,
        reference: Reference,
        said: Annotations,
        description: str | None,
        tags: Mapping[str, str | None],
    ) -> None:
        number = reference.version
        fitting = fitting_tags(tags, self.made, number)
        new = {key: value for key, value in fitting.items() if _differs(said.tags, key, value)}
        gone = tuple(key for key in said.tags if key not in fitting)
        text = None if description == said.description else description or ""
        if not new and not gone and text is None:
            return
        if self._moved_here(reference, lambda event: _annotates(event, number)):
            self.made.note(number, "its annotations differ, but were changed here: kept")
            return
        self.made.changed.append("described" if number is None else f"{number} described")
        if not self.dry_run:
            self.registry.annotate(
                reference,
                description=text,
                tags=new,
                untag=gone,
                reason=self.reason,
                op_id=self._next_id(reference, "annotate"),
            )

    # Stages and aliases

    def pointers(self, theirs: ForeignModel, versions: Sequence[ForeignVersion]) -> None:
        """Update stages and aliases of the versions that are here."""
        name = theirs.name
        wanted = {version.number: version.stage for version in versions}
        aliases = self._aliases(theirs, wanted)
        settled = self._settled_here(name, wanted)
        policy = self.registry.policy(name)
        stages = {stage for stage in wanted.values() if stage is not None}
        # Stages with a limit first: a version that leaves one may go to its own stage next.
        few = {stage for stage, rule in policy.stages.items() if rule.holds is not None}
        for stage in (*sorted(stages, key=lambda stage: (stage not in few, stage)), None):
            here = self._model_here(name)
            coming = [
                number
                for number, where in wanted.items()
                if where == stage and here.stage_of(number) != stage and number not in settled
            ]
            if coming:
                followers = wanted.keys() - settled
                crowd = sum(where == stage for where in wanted.values())
                self._place(here, coming, stage, followers, crowd, aliases)
        for alias, number in aliases.items():
            self._point(name, alias, number)
        self._drop_aliases(theirs, wanted)

    def _model_here(self, name: str) -> Model:
        if self.registry.state().has_model(name):
            return self.registry.model(name)
        return Model(name, None)  # a dry run has not created it

    def _settled_here(self, name: str, wanted: Mapping[int, str | None]) -> set[int]:
        """Return the versions that somebody moved here since; they stay in their stages."""
        here = self._model_here(name)
        settled = set()
        for number, stage in wanted.items():
            mine = here.stage_of(number)
            if mine == stage or number in self.made.brought:
                continue
            reference = Reference(name, version=number)
            if self._moved_here(reference, _is_of_a_stage):
                self.made.note(
                    number,
                    f"is in {mine or NO_STAGE} here and in {stage or NO_STAGE} in MLflow: it was "
                    "moved here since, and stays",
                )
                settled.add(number)
        return settled

    def _place(
        self,
        here: Model,
        coming: list[int],
        stage: str | None,
        followers: Collection[int],
        crowd: int,
        aliases: dict[str, int],
    ) -> None:
        """Move versions into a stage, a single one together with its aliases.

        Args:
            here: the model as it is.
            coming: the versions that MLflow has in the stage.
            stage: ``None`` for no stage.
            followers: the versions that may be moved to make room.
            crowd: how many versions MLflow has in the stage.
            aliases: the aliases to set; those that are set are removed from it.
        """
        rule = self.registry.policy(here.name).stages.get(stage or "")
        holds = rule.holds if rule else None
        staying = [n for n in here.stages.get(stage or "", ()) if n not in followers]
        if holds is not None and staying:
            taken = f"{stage} holds {here.name}@{staying[-1]}, which somebody put there"
            for number in coming:
                self.made.leave(number, f"not in {stage}: {taken}")
            return
        keep = holds is not None and crowd > holds
        groups = [[number] for number in coming] if keep else [coming]
        for group in groups:
            along = [alias for alias, number in aliases.items() if group == [number]]
            if self._promote(here.name, group, stage, along, keep=keep):
                for alias in along:
                    del aliases[alias]

    def _promote(
        self, name: str, group: list[int], stage: str | None, along: list[str], *, keep: bool
    ) -> bool:
        """Move versions in one commit; tell whether their aliases moved along."""
        said = f"{stage or NO_STAGE}: {', '.join(map(str, group))}"
        if self.dry_run:
            self.made.changed += [said, *(f"@{alias}: {group[0]}" for alias in along)]
            return True
        try:
            self.registry.promote(
                *(Reference(name, version=number) for number in group),
                stage=stage or NO_STAGE,
                alias=along,
                keep_existing=keep,
                force=True,
                reason=self.reason,
                op_id=self._next_id(name, stage, group),
            )
        except (Refused, InvalidRequest) as error:
            if along:
                self._promote(name, group, stage, [], keep=keep)
            elif len(group) > 1:
                for number in group:
                    self._promote(name, [number], stage, [], keep=keep)
            else:
                self.made.leave(group[0], f"not in {stage or NO_STAGE}: {one_line(error)}")
            return False
        self.made.changed += [said, *(f"@{alias}: {group[0]}" for alias in along)]
        return True

    def _aliases(self, theirs: ForeignModel, wanted: Mapping[int, str | None]) -> dict[str, int]:
        """Return the aliases to set: valid ones that nobody moved here."""
        here = self._model_here(theirs.name)
        stages = tuple(self.registry.policy(theirs.name).stages)
        coming: dict[str, int] = {}
        for alias, number in sorted(theirs.aliases.items()):
            if number not in wanted:
                self.made.leave(None, f"@{alias} names {number}, which is not here")
                continue
            try:
                check_alias(alias, stages)
            except InvalidRequest as error:
                self.made.leave(None, one_line(error))
                continue
            mine = here.aliases.get(alias)
            if mine == number:
                continue
            if mine is not None and self._alias_moved_here(theirs.name, alias):
                self.made.note(
                    None,
                    f"@{alias} names {mine} here and {number} in MLflow: it was moved here since, "
                    "and stays",
                )
                continue
            coming[alias] = number
        return coming

    def _point(self, name: str, alias: str, number: int) -> None:
        if not self.dry_run:
            try:
                outcome = self.registry.set_alias(
                    Reference(name, version=number),
                    alias,
                    reason=self.reason,
                    op_id=self._next_id(name, alias, number),
                )
            except (Refused, InvalidRequest) as error:
                self.made.leave(None, f"@{alias} does not name {number}: {one_line(error)}")
                return
            if outcome.is_unchanged:
                return
        self.made.changed.append(f"@{alias}: {number}")

    def _drop_aliases(self, theirs: ForeignModel, wanted: Mapping[int, str | None]) -> None:
        """Remove imported aliases that are no longer in MLflow."""
        name = theirs.name
        policy = self.registry.policy(name)
        for alias, number in self._model_here(name).aliases.items():
            if alias in theirs.aliases or number not in wanted or policy.stages_naming(alias):
                continue
            if self._alias_moved_here(name, alias):
                continue  # somebody's own
            if not self.dry_run:
                try:
                    self.registry.delete_alias(
                        name,
                        alias,
                        reason=self.reason,
                        op_id=self._next_id(name, alias, "delete"),
                    )
                except Refused as error:
                    self.made.leave(None, f"@{alias} stays: {one_line(error)}")
                    continue
            self.made.changed.append(f"@{alias}: removed")

    # Who changed it last

    def came_from_there(self, name: str, number: int) -> bool:
        """Tell whether an import registered a version."""
        commit = self.registry.show(Reference(name, version=number)).commit
        return commit is not None and self._is_import(commit)

    def began_there(self, name: str) -> bool:
        """Tell whether an import created a model."""
        return self._is_import(self.registry.log(Reference(name))[-1].commit)

    def earlier_lives(self, name: str) -> int:
        """Return how often a model of the name was deleted or renamed here."""
        return sum(event.ends_the_model for event in self.registry.log(Reference(name)))

    def _alias_moved_here(self, name: str, alias: str) -> bool:
        pointer = f"aliases/{alias}"
        return self._moved_here(Reference(name), lambda event: event.pointer == pointer)

    def _moved_here(self, reference: Reference, concerns: Callable[[Event], bool]) -> bool:
        """Tell whether somebody, not an import, caused the last event of a kind."""
        last = next(filter(concerns, self.registry.log(reference)), None)
        return last is not None and not self._is_import(last.commit)

    def _is_import(self, commit: str) -> bool:
        return (self.registry.operation_of(commit) or "").startswith(_IMPORT)

    def _next_id(self, *what: object) -> str:
        """Return an id that depends on the present commit: the same move may recur later."""
        return operation_id(self.address, self.registry.state().commit, *what)


def _annotates(event: Event, number: int | None) -> bool:
    return event.action in ("annotate", "create") and event.version == number


def _is_of_a_stage(event: Event) -> bool:
    return event.pointer is not None and event.pointer.startswith("stages/")


def _differs(tags: Mapping[str, str | None], key: str, value: str | None) -> bool:
    return key not in tags or tags[key] != value
