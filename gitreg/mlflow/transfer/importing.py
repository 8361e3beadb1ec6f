"""Import: copies an MLflow registry into one of gitreg, version by version.

1. A commit creates the model. 2. One commit a version, oldest first, with the date of MLflow's
registration as the author date; numbers that MLflow deleted are marked as left out. 3. Commits that
move stages and aliases, under the policy (`gitreg.mlflow.transfer.following`).

A version that is here already is not imported again: it is recognised by its creation time and its
source. So an interrupted import continues where it stopped, and a second import of an unchanged
source writes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from mlflow.prompt.constants import PROMPT_TEXT_TAG_KEY

from gitreg.artifacts.provenance import Provenance
from gitreg.core.model import layout
from gitreg.core.model.model import Lineage, ModelVersion, Run
from gitreg.core.model.names import fold
from gitreg.core.operations.register import check_new_name, twin_of
from gitreg.core.text.times import instant
from gitreg.core.text.urls import without_credentials
from gitreg.errors import InvalidRequest, Refused
from gitreg.git import scratch
from gitreg.mlflow.artifact_repository import LINK
from gitreg.mlflow.sources import PROMPT, code_of, described, server_of
from gitreg.mlflow.transfer.following import Follower, fitting_tags, operation_id
from gitreg.mlflow.transfer.foreign import (
    ForeignModel,
    ForeignRegistry,
    ForeignVersion,
    RunFacts,
    Unavailable,
    is_the_same,
)
from gitreg.mlflow.transfer.runs import SHA256
from gitreg.publishing.outcome import Outcome
from gitreg.registry import Registry
from gitreg.transfer.report import (
    ModelMoved,
    Progress,
    Report,
    Tell,
    chosen,
    going_on_later,
    one_line,
)


@dataclass(frozen=True)
class ImportOptions:
    """Options of an import.

    Attributes:
        reason: why, for the commit messages.
        dry_run: write nothing.
        push: publish at the end; a registry by URL publishes every commit at once.
        links: import a version whose artifacts cannot be downloaded as a link to them; otherwise
            it and the versions after it are not imported.
        tell: reports progress.
    """

    reason: str | None = None
    dry_run: bool = False
    push: bool = False
    links: bool = True
    tell: Tell | None = None


def import_registry(
    registry: Registry,
    source: ForeignRegistry,
    models: Sequence[str] = (),
    options: ImportOptions | None = None,
) -> Report:
    """Import an MLflow registry.

    Args:
        registry: the registry to import into.
        source: the MLflow registry.
        models: names of models, or shell patterns; all models by default.
        options: the options.

    Raises:
        NotFound: there is no registry here, or a pattern matches no model.
        WorldError: MLflow, Git or DVC failed; the next import continues from there.
    """
    options = options or ImportOptions()
    registry.policy()  # raises without a registry, before MLflow is read
    published = registry.url is not None
    if options.push and not published:
        registry.push(dry_run=True)  # raises now if nothing could be published at the end
    found = source.models()
    plan = [(found[name], source.versions(found[name])) for name in chosen(list(found), models)]
    importing = _Import(registry, source, options, sum(len(versions) for _, versions in plan))
    with going_on_later():
        moved = [importing.model(model, versions) for model, versions in plan]
        if not models:
            moved += importing.gone(found.keys())
        if options.push and not options.dry_run and not published:
            registry.push()
            published = True
    pushed = published and not options.dry_run
    return Report(source.address, tuple(moved), dry_run=options.dry_run, pushed=pushed)


@dataclass
class _Import:
    """One import, model by model."""

    registry: Registry
    source: ForeignRegistry
    options: ImportOptions
    total: int
    done: int = 0
    lives: int = 0
    fetched: dict[str, ModelVersion] = field(default_factory=dict)
    would_make: dict[str, str] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        return self.options.reason or f"Imported from MLflow at {self.source.address}."

    def model(self, theirs: ForeignModel, versions: Sequence[ForeignVersion]) -> ModelMoved:
        """Import one model; a problem with it is remarked and does not stop the others."""
        made = Progress(theirs.name)
        self.fetched.clear()
        try:
            if self._create(theirs, made):
                if not self.options.dry_run:
                    self.lives = self._follower(made).earlier_lives(theirs.name)
                ours = self._versions(theirs, versions, made)
                self._follower(made).pointers(theirs, [v for v in versions if v.number in ours])
        except (Refused, InvalidRequest) as error:
            made.leave(None, one_line(error))
        return made.done()

    def gone(self, there: Collection[str]) -> list[ModelMoved]:
        """Return remarks on imported models that are no longer in MLflow."""
        found = []
        for name in self.registry.state().model_names():
            made = Progress(name)
            if name not in there and self._follower(made).began_there(name):
                made.note(None, "is no longer in MLflow; it stays here")
                found.append(made.done())
        return found

    def _follower(self, made: Progress) -> Follower:
        return Follower(self.registry, self.source.address, made, self.reason, self.options.dry_run)

    def _create(self, theirs: ForeignModel, made: Progress) -> bool:
        """Create a model or update its annotations; tell whether it is here."""
        name = theirs.name
        state = self.registry.state()
        if state.has_model(name):
            self._follower(made).model(theirs)
            return True
        gone = state.tombstone(name)
        if gone is not None:
            became = f"renamed to {gone.renamed_to}" if gone.renamed_to else "deleted"
            made.note(None, f"was {became} here: not imported again")
            return False
        check_new_name(state, name)
        if self.options.dry_run:
            twin = self.would_make.setdefault(fold(name), name)
            if twin != name:
                raise twin_of(name, twin)
        tags = fitting_tags(theirs.tags, made, None)
        made.changed.append("created")
        if not self.options.dry_run:
            self._tell_warnings(
                None,
                made,
                self.registry.create_model(
                    name,
                    description=theirs.description,
                    tags=tags,
                    created_at=instant(theirs.created),
                    reason=self.reason,
                    op_id=operation_id(self.source.address, name, "create", theirs.created),
                ),
            )
        return True

    def _versions(
        self, theirs: ForeignModel, versions: Sequence[ForeignVersion], made: Progress
    ) -> set[int]:
        """Import the versions of a model; return the numbers of those that are here now."""
        ours: set[int] = set()
        for place, version in enumerate(versions):
            if self.options.tell:
                name = f"{version.model}@{version.number}"
                self.options.tell(self.done + place, self.total, name)
            try:
                if self._version(theirs, version, made):
                    ours.add(version.number)
            except (Refused, InvalidRequest, Unavailable) as error:
                made.leave(version.number, one_line(error))
                waiting = [later.number for later in versions[place + 1 :]]
                if waiting:  # a higher number would mark this one as left out for good
                    made.leave(
                        None, f"{_numbers(waiting)} wait until {version.number} can be imported"
                    )
                break
        self.done += len(versions)
        self._tell_deleted(theirs.name, {version.number for version in versions}, made)
        return ours

    def _version(self, model: ForeignModel, theirs: ForeignVersion, made: Progress) -> bool:
        """Import one version; tell whether it is here now."""
        state = self.registry.state()
        name, number = theirs.model, theirs.number
        if state.has_model(name) and state.has_version(name, number):
            mine = state.version(name, number)
            if not self._is_the_same(mine, theirs):
                made.leave(number, "is another version here, which has the number already")
                return False
            made.present.append(number)
            self._follower(made).version(mine, theirs)
            return True
        if number in state.numbers(name):
            made.note(number, "was deleted here: not imported again")
            return False
        if self.options.dry_run:
            made.brought.append(number)
            return True
        if model.is_prompt:
            text = theirs.tags.get(PROMPT_TEXT_TAG_KEY) or ""
            self._register(theirs, Provenance(text=(PROMPT, text)), made)
        else:
            self._bring(theirs, made)
        made.brought.append(number)
        return True

    def _is_the_same(self, mine: ModelVersion, theirs: ForeignVersion) -> bool:
        """Tell whether an import brought the version here, or an export created it there."""
        if is_the_same(mine, theirs):
            return True
        return self.source.tags_of_run(theirs).get(SHA256) == mine.artifact.sha256

    def _bring(self, theirs: ForeignVersion, made: Progress) -> None:
        """Import a version with its artifacts, or as a link to their address."""
        twin = self.fetched.get(theirs.source)
        if twin is not None:  # registered twice from one source: the bytes are here
            self._register(
                theirs,
                Provenance(
                    source=twin,
                    signature=twin.signature,
                    environment=twin.environment,
                    requirements=self.registry.state().snapshot.read(
                        layout.version_path(twin.model, twin.version, layout.REQUIREMENTS)
                    ),
                ),
                made,
            )
            return
        with scratch.temporary("import") as folder:
            try:
                path = self.source.fetch(theirs, folder)
            except Unavailable as error:
                if not self.options.links:
                    raise
                made.leave(
                    theirs.number,
                    f"its artifacts could not be downloaded, it is a link to them: {error}",
                )
                link = without_credentials(theirs.source)
                self._register(theirs, Provenance(text=(LINK, link)), made)
                return
            self._register(theirs, described(path), made)
        self.fetched[theirs.source] = self.registry.state().version(theirs.model, theirs.number)

    def _register(self, theirs: ForeignVersion, bytes_of: Provenance, made: Progress) -> None:
        run = self.source.run(theirs)
        if run is None and (theirs.run_id or theirs.logged_model):
            what = theirs.run_id or theirs.logged_model
            made.note(theirs.number, f"its run {what} is gone: no metrics, params and commit")
        if theirs.status != "READY":
            made.note(theirs.number, f"is {theirs.status} in MLflow")
        known = run or RunFacts()
        tags = fitting_tags(theirs.tags, made, theirs.number)
        material = replace(
            bytes_of,
            lineage=self._lineage(theirs, known),
            metrics=dict(known.metrics),
            params=dict(known.params),
            description=theirs.description,
            tags={key: value for key, value in tags.items() if value is not None},
            created_at=instant(theirs.created),
            created_by=theirs.user,
            version=theirs.number,
        )
        outcome = self.registry.register_artifact(
            theirs.model,
            material,
            reason=self.reason,
            op_id=operation_id(
                self.source.address,
                theirs.model,
                theirs.number,
                theirs.created,
                self.lives,
            ),
        )
        self._tell_warnings(theirs.number, made, outcome)

    def _tell_warnings(self, version: int | None, made: Progress, outcome: Outcome) -> None:
        for warning in outcome.warnings:
            made.note(version, warning)

    def _lineage(self, theirs: ForeignVersion, run: RunFacts) -> Lineage:
        known = None
        if theirs.run_id or theirs.run_link:
            known = Run(theirs.run_id, server_of(self.source.tracking_uri), theirs.run_link)
        return Lineage(
            source=theirs.source or None,
            code=code_of(run.tags),
            data=run.data,
            run=known,
            logged_model=theirs.logged_model,
        )

    def _tell_deleted(self, name: str, there: set[int], made: Progress) -> None:
        """Remark imported versions that MLflow has deleted since."""
        state = self.registry.state()
        if not state.has_model(name):
            return
        for number in state.versions(name):
            if number not in there and self._follower(made).came_from_there(name, number):
                made.note(number, "was deleted in MLflow since; it stays here")


def _numbers(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
