"""Export: copies a registry of gitreg into one of MLflow's, the reverse of an import.

1. Create the model. 2. For each version, oldest first, upload artifacts, metrics, params and
lineage to a run of the tracking server, then create a version with the same number. MLflow counts
versions itself, so a version with a number that is deleted here is deleted again. 3. Set stages,
aliases, descriptions and tags as they are here.

The tags of a run name its version, and it is finished once everything is uploaded. Versions that
may have to be deleted again are marked. So an interrupted export can continue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag

from gitreg.core.model.model import Model, ModelVersion
from gitreg.core.model.names import NO_STAGE
from gitreg.errors import DvcError, InvalidRequest, Refused
from gitreg.git import scratch
from gitreg.mlflow.artifact_repository import LINK
from gitreg.mlflow.sources import PROMPT
from gitreg.mlflow.transfer.foreign import (
    ForeignModel,
    ForeignRegistry,
    ForeignVersion,
    is_the_same,
)
from gitreg.mlflow.transfer.runs import SHA256, Runs
from gitreg.registry import Registry
from gitreg.transfer.report import ModelMoved, Progress, Report, Tell, chosen, one_line

STAGES = {"staging": "Staging", "production": "Production", "archived": "Archived"}
"""The stages that MLflow knows, and its names for them."""

PLACEHOLDER = "gitreg.placeholder"
"""The tag of a version that may still get the wrong number."""

_PROMPT_SOURCE = "prompt-template"
"""The source that MLflow's server expects for the version of a prompt."""


def export_registry(
    registry: Registry,
    target: ForeignRegistry,
    models: Sequence[str] = (),
    *,
    dry_run: bool = False,
    tell: Tell | None = None,
) -> Report:
    """Copy a registry into one of MLflow's.

    Args:
        registry: the registry to export.
        target: the MLflow registry.
        models: names of models, or shell patterns; all models by default.
        dry_run: write nothing.
        tell: reports progress.

    Raises:
        NotFound: there is no registry here, or a pattern matches no model.
        WorldError: MLflow, Git or DVC failed; the next export continues from there.
    """
    found = {model.name: model for model in registry.models()}
    names = chosen(list(found), models)
    plan = [(found[name], registry.versions(name)[::-1]) for name in names]
    total = sum(len(versions) for _, versions in plan)
    exporting = _Export(registry, target, total, dry_run=dry_run, tell=tell)
    moved = tuple(exporting.model(model, versions) for model, versions in plan)
    return Report(target.address, moved, dry_run=dry_run)


class _Export:
    """One export, model by model."""

    def __init__(
        self,
        registry: Registry,
        target: ForeignRegistry,
        total: int,
        *,
        dry_run: bool,
        tell: Tell | None,
    ) -> None:
        self._registry = registry
        self._target = target
        self._store = target.store
        self._runs = Runs(target, registry.name, dry_run=dry_run)
        self._dry_run = dry_run
        self._tell = tell
        self._total = total
        self._done = 0

    def model(self, mine: Model, versions: Sequence[ModelVersion]) -> ModelMoved:
        """Export one model; a problem with it is remarked and does not stop the others."""
        made = Progress(mine.name)
        try:
            theirs = self._target.model(mine.name)
            if theirs is None:
                self._create(mine, made)
            else:
                self._describe_model(mine, theirs, made)
            there = {v.number: v for v in self._target.versions(theirs)} if theirs else {}
            ours = self._versions(versions, there, made)
            self._take_numbers(mine, ours, made)
            self._point(mine, ours, made)
        except (Refused, InvalidRequest, DvcError) as error:
            made.leave(None, one_line(error))
        return made.done()

    # The model

    def _create(self, mine: Model, made: Progress) -> None:
        made.changed.append("created")
        if not self._dry_run:
            tags = [RegisteredModelTag(key, value) for key, value in mine.tags.items()]
            self._target.ask(
                lambda: self._store.create_registered_model(mine.name, tags, mine.description)
            )
        if mine.owner:
            made.note(None, f"MLflow cannot store its owner, {mine.owner}")

    def _describe_model(self, mine: Model, theirs: ForeignModel, made: Progress) -> None:
        store, name = self._store, mine.name
        if (mine.description or "") != (theirs.description or ""):
            made.changed.append("description")
            self._write(lambda: store.update_registered_model(name, mine.description or ""))
        for key, value in mine.tags.items():
            if key not in theirs.tags or theirs.tags[key] != value:
                made.changed.append(f"tag {key}")
                tag = RegisteredModelTag(key, value)
                self._write(partial(store.set_registered_model_tag, name, tag))
        for key in sorted(theirs.tags.keys() - mine.tags.keys()):
            made.note(None, f"MLflow has a tag {key!r}, which is not here; it stays")

    def _write(self, call: Callable[[], object]) -> None:
        if not self._dry_run:
            self._target.ask(call)

    # Its versions

    def _versions(
        self,
        versions: Sequence[ModelVersion],
        there: Mapping[int, ForeignVersion],
        made: Progress,
    ) -> dict[int, ForeignVersion | None]:
        """Export a model's versions; return those now in MLflow, as they were before."""
        ours: dict[int, ForeignVersion | None] = {}
        for place, version in enumerate(versions):
            if self._tell:
                self._tell(self._done + place, self._total, version.reference)
            number = version.version
            if number in there:
                if self._is_ours(version, there[number]):
                    made.present.append(number)
                    ours[number] = there[number]
                    self._describe(version, there[number], made)
                else:
                    made.leave(number, "is another version there, which has the number already")
                continue
            if number < max(there, default=0):
                made.note(number, "was deleted in MLflow: not taken there again")
                continue
            if not self._dry_run:
                try:
                    self._take(version, made, marked=bool(number - 1 and number - 1 not in ours))
                except (Refused, InvalidRequest, DvcError) as error:
                    made.leave(number, one_line(error))
                    waiting = [later.version for later in versions[place + 1 :]]
                    if waiting:  # after a higher number MLflow could not give this one its own
                        made.leave(None, f"{_numbers(waiting)} wait until {number} can be exported")
                    break
            made.brought.append(number)
            ours[number] = None
        self._done += len(versions)
        for number in sorted(there.keys() - {version.version for version in versions}):
            if PLACEHOLDER in there[number].tags:  # an export was interrupted
                made.changed.append(f"{number} deleted")
                self._write(partial(self._delete_version, versions[0].model, number))
            else:
                made.note(number, "is in MLflow and not here; it stays")
        return ours

    def _is_ours(self, mine: ModelVersion, theirs: ForeignVersion) -> bool:
        """Tell whether an export created the version there, or an import brought it here."""
        if is_the_same(mine, theirs):
            return True
        run = self._runs.by_id.get(theirs.run_id or "")
        tags = run.data.tags if run else self._target.tags_of_run(theirs)
        return bool(tags.get(SHA256) == mine.artifact.sha256)

    def _take(self, mine: ModelVersion, made: Progress, *, marked: bool) -> None:
        if mine.artifact.path == PROMPT:
            source = mine.lineage.source
            known = source in (_PROMPT_SOURCE, "dummy-source")
            source = str(source) if known else _PROMPT_SOURCE
            self._create_version(mine, source, None, marked=marked)
            return
        with scratch.temporary("export") as folder:
            path = self._registry.pull(mine, folder)
            if mine.artifact.path == LINK:
                run = self._runs.run_for(mine, None, made)
                source = path.read_text("utf-8")
            else:
                run = self._runs.run_for(mine, path, made)
                inner = "model" if path.is_dir() else f"model/{path.name}"
                source = f"{run.info.artifact_uri}/{inner}"
        self._create_version(mine, source, run.info.run_id, marked=marked)

    def _create_version(
        self, mine: ModelVersion, source: str, run_id: str | None, *, marked: bool
    ) -> None:
        """Create versions until one gets the right number; delete the others."""
        mark = {PLACEHOLDER: "true"} if marked else {}
        tags = [ModelVersionTag(key, value) for key, value in {**mine.tags, **mark}.items()]
        link = mine.lineage.run.link if mine.lineage.run else None
        got = 0
        while got < mine.version:
            got = self._next_version(mine.model, source, run_id, tags, link, mine.description)
            if got != mine.version:
                self._delete_version(mine.model, got)
        if got > mine.version:
            raise Refused(f"the next number of {mine.model} in MLflow is {got}, not {mine.version}")
        if marked:
            self._unmark(mine)

    def _unmark(self, mine: ModelVersion) -> None:
        store, number = self._store, str(mine.version)
        self._target.ask(lambda: store.delete_model_version_tag(mine.model, number, PLACEHOLDER))

    def _next_version(
        self,
        model: str,
        source: str | None,
        run_id: str | None,
        tags: Sequence[ModelVersionTag],
        link: str | None = None,
        description: str | None = None,
    ) -> int:
        """Create the next version of a model; return the number that MLflow gave it."""
        made = self._target.ask(
            lambda: self._store.create_model_version(model, source, run_id, tags, link, description)
        )
        return int(made.version)

    def _delete_version(self, model: str, number: int) -> None:
        self._target.ask(lambda: self._store.delete_model_version(model, str(number)))

    def _describe(self, mine: ModelVersion, theirs: ForeignVersion, made: Progress) -> None:
        store, name, number = self._store, mine.model, str(mine.version)
        if (mine.description or "") != (theirs.description or ""):
            made.changed.append(f"{number} description")
            self._write(lambda: store.update_model_version(name, number, mine.description or ""))
        for key, value in mine.tags.items():
            if theirs.tags.get(key) != value:
                made.changed.append(f"{number} tag {key}")
                tag = ModelVersionTag(key, value)
                self._write(partial(store.set_model_version_tag, name, number, tag))
        if PLACEHOLDER in theirs.tags:  # an export was interrupted
            made.changed.append(f"{number} kept")
            self._write(partial(self._unmark, mine))
        for key in sorted(theirs.tags.keys() - mine.tags.keys() - {PLACEHOLDER}):
            made.note(mine.version, f"MLflow has a tag {key!r}, which is not here; it stays")

    def _take_numbers(
        self, mine: Model, ours: Mapping[int, ForeignVersion | None], made: Progress
    ) -> None:
        """Use up the numbers above the last version that were given and deleted here."""
        highest = max(self._registry.state().numbers(mine.name), default=0)
        if highest <= max(ours, default=0) or self._runs.numbers_taken(mine.name) >= highest:
            return
        if not ours or any(remark.is_left for remark in made.remarks):
            made.note(None, f"MLflow may reuse numbers up to {highest}, which were given here")
            return
        if self._dry_run:
            return
        last = max(ours)
        known = self._target.ask(lambda: self._store.get_model_version(mine.name, str(last)))
        marked = {**known.tags, PLACEHOLDER: "true"}
        tags = [ModelVersionTag(key, value) for key, value in marked.items()]
        got = 0
        while got < highest:
            got = self._next_version(mine.name, known.source, known.run_id, tags)
            self._delete_version(mine.name, got)
        self._runs.note_numbers_taken(mine.name, highest)

    # Stages and aliases

    def _point(
        self, mine: Model, ours: Mapping[int, ForeignVersion | None], made: Progress
    ) -> None:
        store, name = self._store, mine.name
        for number, before in ours.items():
            stage = mine.stage_of(number)
            if stage is not None and stage not in STAGES:
                made.leave(number, f"not in {stage}: MLflow has no such stage")
                stage = None
            if stage == (before.stage if before else None):
                continue
            wanted = STAGES.get(stage or "", "None")
            made.changed.append(f"{stage or NO_STAGE}: {number}")
            self._write(
                partial(store.transition_model_version_stage, name, str(number), wanted, False)
            )
        theirs = self._target.model(name)
        there = theirs.aliases if theirs else {}
        for alias, number in mine.aliases.items():
            if there.get(alias) == number:
                continue
            if number not in ours:
                made.leave(None, f"@{alias} names {number}, which is not in MLflow")
                continue
            made.changed.append(f"@{alias}: {number}")
            self._write(partial(store.set_registered_model_alias, name, alias, str(number)))
        for alias in sorted(there.keys() - mine.aliases.keys()):
            made.note(None, f"MLflow has an alias {alias!r}, which is not here; it stays")


def _numbers(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
