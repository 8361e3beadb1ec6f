"""Import: brings the versions and stages that GTO's tags tell into the registry.

1. One commit a version, in the order of the tags, with the tag's date and person as author. 2. One
commit a move of a stage, in between, under the policy. GTO's own tags stay as they are: they count
as the tags of what was imported, so `gto show` answers the same before and after.

Operations have ids that depend on the tags alone. So an interrupted import continues where it
stopped, and a second one imports only new tags.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

from gitreg.artifacts.environment import code_commit
from gitreg.artifacts.provenance import Provenance
from gitreg.core.model.model import CodeCommit
from gitreg.core.model.names import ARCHIVE, NO_STAGE, Reference
from gitreg.core.operations.register import check_new_name
from gitreg.core.state.change import ADOPTED, COUNTER, check_reason, trailers_of
from gitreg.core.text.invisible import has_invisible
from gitreg.core.text.times import instant
from gitreg.errors import DvcError, GitregError, InvalidRequest, NotFound, Refused
from gitreg.git.history_index import HistoryIndex
from gitreg.git.repository import GitRepository
from gitreg.publishing.outcome import Outcome
from gitreg.registry import Registry
from gitreg.transfer.gto.past import Entry, Found, checkout
from gitreg.transfer.gto.plan import Plan, Stages, Step, numbers_of, plans_of
from gitreg.transfer.gto.records import Record, read_records
from gitreg.transfer.report import (
    ModelMoved,
    Progress,
    Report,
    Tell,
    chosen,
    going_on_later,
    one_line,
)

VERSION = "gto.version"
"""The tag of a version with the number that it had in GTO."""

DEPRECATED = "gto.deprecated"
"""The tag of a model that GTO calls deprecated."""

_IMPORT = "gto-import-"
_MESSAGE = 1000


@dataclass(frozen=True)
class GtoOptions:
    """Options of an import.

    Attributes:
        models: names of models, or shell patterns; all models by default.
        paths: artifact to its path, for artifacts that ``dvc.yaml`` does not name.
        stages: GTO's stages to those of the policy, where the names differ.
        reason: why, for the commit messages.
        dry_run: write nothing.
        push: publish at the end.
        tell: reports progress.
    """

    models: Sequence[str] = ()
    paths: Mapping[str, str] = field(default_factory=dict)
    stages: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None
    dry_run: bool = False
    push: bool = False
    tell: Tell | None = None


def import_gto(
    registry: Registry, repository: GitRepository, options: GtoOptions | None = None
) -> Report:
    """Import what GTO's tags say of a project.

    Args:
        registry: the registry to import into.
        repository: its repository, which has the tags.
        options: the options.

    Raises:
        NotFound: there is no registry here, no tag of GTO's, or a pattern matches no model.
        GitError: the clone is shallow.
        InvalidRequest: a path or a stage is for nothing that GTO knows.
        WorldError: Git or DVC failed; the next import continues from there.
    """
    options = options or GtoOptions()
    registry.policy()  # raises without a registry
    repository.refuse_shallow()
    check_reason(options.reason)
    if options.push:
        registry.push(dry_run=True)  # raises now if nothing could be published at the end
    with _history(repository, registry) as history:
        plans = plans_of(read_records(repository, history))
        if not plans:
            raise NotFound(
                "no tags of GTO's, such as NAME@v1.0.0, for versions that are not here",
                hint="git fetch --tags brings those of the remote",
            )
        names = chosen([plan.model for plan in plans], options.models)
        _refuse_unknown(options, plans)
        wanted = [plan for plan in plans if plan.model in names]
        total = sum(len(plan.versions) for plan in wanted)
        importing = _Import(registry, repository, history, options, total)
        with going_on_later():
            moved = [importing.model(plan) for plan in wanted]
            if options.push and not options.dry_run:
                registry.push()
    pushed = options.push and not options.dry_run
    return Report("GTO's tags", tuple(moved), dry_run=options.dry_run, pushed=pushed)


@contextmanager
def _history(repository: GitRepository, registry: Registry) -> Iterator[HistoryIndex]:
    history = HistoryIndex(repository)
    try:
        history.advance(str(registry.state().commit))
        yield history
    finally:
        history.close()


def _refuse_unknown(options: GtoOptions, plans: Sequence[Plan]) -> None:
    artifacts = {plan.artifact for plan in plans}
    stages = {step.record.tag.stage for plan in plans for step in plan.steps}
    for what, given, known in (
        ("artifact", options.paths, artifacts),
        ("stage", options.stages, stages),
    ):
        for name in given:
            if name not in known:
                there = ", ".join(sorted(str(one) for one in known if one)) or "none"
                raise InvalidRequest(f"GTO's tags have no {what} {name!a}; they have {there}")


@dataclass
class _Import:
    """One import, model by model."""

    registry: Registry
    repository: GitRepository
    history: HistoryIndex
    options: GtoOptions
    total: int
    done: int = 0
    seen: set[str] = field(default_factory=set)

    def model(self, plan: Plan) -> ModelMoved:
        """Import one model; a problem with it is remarked and does not stop the others."""
        made = Progress(plan.model)
        if plan.model in self.seen:
            made.leave(None, f"{plan.artifact} would get the same name as another artifact")
            return made.done()
        self.seen.add(plan.model)
        state = self.registry.state()
        gone = state.tombstone(plan.model)
        if gone is not None:
            became = f"renamed to {gone.renamed_to}" if gone.renamed_to else "deleted"
            made.note(None, f"was {became} here: not imported again")
            return made.done()
        try:
            check_new_name(state, plan.model)
            _Model(self, plan, made).bring()
        except (Refused, InvalidRequest, NotFound) as error:
            made.leave(None, one_line(error))
        return made.done()


class _Waits(Exception):
    """The rest of a model waits for another import, since a remote cannot be reached."""


class _Model:
    """The import of one model."""

    def __init__(self, whole: _Import, plan: Plan, made: Progress) -> None:
        self._whole = whole
        self._registry = whole.registry
        self._options = whole.options
        self._plan = plan
        self._made = made
        self._known = self._known_numbers()
        state = self._registry.state()
        highest = max(state.numbers(plan.model), default=0) if state.has_model(plan.model) else 0
        # The number of a registration that was reverted is in history alone.
        highest = max(highest, whole.history.highest_number(plan.model))
        versions = [(record.tag.text, record.tag.major) for record in plan.versions]
        self._numbers = numbers_of(versions, self._known, highest)
        self._here: set[str] = set()
        self._stages = Stages()
        self._said: set[str] = set()

    def bring(self) -> None:
        """Import the versions and moves, the oldest first."""
        steps = self._plan.steps
        moves = [n for n, step in enumerate(steps) if step.record.tag.action != "register"]
        last = max((n for n in moves if self._is_done(steps[n].record)), default=-1)
        follows = self._follows_gto([n for n in moves if n > last])
        try:
            for number, step in enumerate(steps):
                if step.record.tag.action == "register":
                    self._version(step.record)
                    continue
                self._unknown_version(step)
                holder = self._stages.follow(step)
                if number > last and follows and step.version is not None:
                    self._move(step, holder)
        except _Waits:
            return
        if follows:
            self._differences()
        if self._plan.deprecated:
            self._deprecate()

    # What is here

    def _known_numbers(self) -> dict[str, int]:
        """Return the numbers of the versions that were imported before, deleted ones included."""
        state = self._registry.state()
        name = self._plan.model
        known = {}
        for record in self._plan.versions:
            commit = self._whole.history.operation(self._id(record))
            if commit is not None:
                message = self._whole.repository.message_of(commit)
                told = trailers_of(message).get("Gitreg-Version", ("",))[0]
                if told.isdigit():
                    known[record.tag.text] = int(told)
        # After a squash the operations are gone, and the manifests still say it.
        for number in state.versions(name) if state.has_model(name) else ():
            tag = state.version(name, number).lineage.tag
            if tag is not None:
                known[tag] = number
        return known

    def _id(self, record: Record) -> str:
        """Return the operation's id: the same for the same tag on the same commit."""
        parts = (self._plan.model, record.tag.text, record.commit)
        return _IMPORT + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]

    def _is_done(self, record: Record) -> bool:
        return self._whole.history.operation(self._id(record)) is not None

    def _follows_gto(self, fresh: Sequence[int]) -> bool:
        """Tell whether stages follow GTO's tags: until somebody moves one here."""
        state = self._registry.state()
        if not state.has_model(self._plan.model):
            return True
        events = self._registry.log(Reference(self._plan.model))
        moved = next((e for e in events if (e.pointer or "").startswith("stages/")), None)
        if moved is None:
            return True
        if (self._registry.operation_of(moved.commit) or "").startswith(_IMPORT):
            return True
        if fresh:
            self._note(None, "stages were moved here since: GTO's stage tags are not followed")
        return False

    def _unknown_version(self, step: Step) -> None:
        if step.version is None:
            text = step.record.tag.text
            self._note(None, f"{text} is on a commit that no version of GTO's is on: left out")

    # Versions

    def _version(self, record: Record) -> None:
        text, name = record.tag.text, self._plan.model
        number = self._numbers[text]
        if self._options.tell:
            self._options.tell(self._whole.done, self._whole.total, text)
        self._whole.done += 1
        state = self._registry.state()
        if text in self._known:
            if not state.has_version(name, number):
                self._note(number, f"{text} was deleted here: not imported again")
                return
            code = state.version(name, number).lineage.code
            if code is not None and code.commit != record.commit:
                self._leave(number, f"{text} is on another commit than when it was imported")
                return
            self._made.present.append(number)
            self._here.add(text)
            return
        try:
            self._bring(record, number)
        except (Refused, InvalidRequest, NotFound) as error:
            self._leave(None, f"{text} was left out: {one_line(error)}")
        except DvcError as error:
            self._leave(None, f"{text} and what follows wait for another import: {error}")
            raise _Waits from None
        else:
            self._made.brought.append(number)
            self._here.add(text)
            if record.tag.version != f"v{number}.0.0":
                self._note(number, f"is {record.tag.version} in GTO")

    def _bring(self, record: Record, number: int) -> None:
        with checkout(self._whole.repository, record.commit) as past:
            given = self._options.paths.get(record.tag.artifact)
            found = past.find(past.entry(record.tag) if given is None else Entry(given))
            for warning in found.warnings:
                self._note(number, warning)
            if self._options.dry_run:
                return
            with self._as(record):
                outcome = self._registry.register_artifact(
                    self._plan.model,
                    self._material(record, number, found),
                    reason=self._reason(record),
                    op_id=self._id(record),
                )
            for warning in outcome.warnings:
                self._note(None, warning)

    def _material(self, record: Record, number: int, found: Found) -> Provenance:
        whole = self._whole
        folder = whole.repository.top_level or whole.repository.folder
        here = code_commit(folder)
        code = CodeCommit(record.commit, here.repository if here else None, dirty=False)
        person = f"{record.name} <{record.email}>"
        tracked = found.source.tracked
        return Provenance(
            source=replace(found.source, warnings=()),
            lineage=replace(found.lineage, code=code, tag=record.tag.text),
            metrics=tracked.metrics if tracked else {},
            params=tracked.params if tracked else {},
            description=found.entry.description,
            tags={VERSION: str(record.tag.version), **found.entry.tags},
            created_at=instant(record.time * 1000),
            created_by=None if has_invisible(person) or not record.name else person,
            version=number,
        )

    # Stages

    def _move(self, step: Step, holder: str | None) -> None:
        """Repeat a move: the stage gets the version that GTO shows for it afterwards."""
        tag = step.record.tag
        moved = str(step.version.tag.text) if step.version else ""
        if tag.action == "deregister":
            if moved in self._here:
                self._promote(step, moved, ARCHIVE)
            return
        stage = self._options.stages.get(str(tag.stage), str(tag.stage).lower())
        if stage not in self._registry.policy(self._plan.model).stages:
            self._leave(
                None,
                f"the policy has no stage {stage!a}: name one with --stage {tag.stage}=STAGE, or "
                "add it to registry/policy.yaml",
            )
        elif holder is None:
            if moved in self._here and self._stage_here(moved) == stage:
                self._promote(step, moved, NO_STAGE)
        elif holder in self._here and self._stage_here(holder) != stage:
            self._promote(step, holder, stage)

    def _stage_here(self, text: str) -> str | None:
        state = self._registry.state()
        if not state.has_model(self._plan.model):
            return None  # a dry run has not created it
        return self._registry.model(self._plan.model).stage_of(self._numbers[text])

    def _promote(self, step: Step, text: str, stage: str) -> None:
        number = self._numbers[text]
        if self._options.dry_run:
            self._made.changed.append(f"{stage}: {number}")
            return
        with self._as(step.record):
            outcome = self._try(
                number,
                stage,
                lambda: self._registry.promote(
                    Reference(self._plan.model, version=number),
                    stage=stage,
                    reason=self._reason(step.record),
                    op_id=self._id(step.record),
                ),
            )
        if outcome is not None and not outcome.is_unchanged:
            self._made.changed.append(f"{stage}: {number}")

    def _try(self, number: int, stage: str, move: Callable[[], Outcome]) -> Outcome | None:
        try:
            return move()
        except (Refused, InvalidRequest, NotFound) as error:
            self._leave(number, f"not in {stage}: {one_line(error)}")
            return None

    def _differences(self) -> None:
        """Remark where GTO shows another version for a stage than the registry has."""
        if self._options.dry_run or not self._registry.state().has_model(self._plan.model):
            return
        here = self._registry.model(self._plan.model)
        policy = self._registry.policy(self._plan.model)
        for theirs in sorted(self._stages.held):
            text = self._stages.last(theirs)
            stage = self._options.stages.get(theirs, theirs.lower())
            if text is None or stage not in policy.stages or text not in self._here:
                continue
            number = self._numbers[text]
            now = here.stage_of(number) or NO_STAGE
            newest = self._stages.newest[text]
            if now == stage:
                continue
            if newest != theirs:
                went_on = f"it went on to {newest}, and a version has one stage here"
                self._note(number, f"is in {theirs} in GTO, and here in {now}: {went_on}")
            else:
                self._leave(number, f"is in {theirs} in GTO, and here in {now}")

    def _deprecate(self) -> None:
        state = self._registry.state()
        name = self._plan.model
        self._note(None, f"GTO calls it deprecated: its tag {DEPRECATED} says so")
        if self._options.dry_run or not state.has_model(name):
            return
        if DEPRECATED not in self._registry.model(name).tags:
            self._registry.annotate(
                Reference(name), tags={DEPRECATED: "true"}, reason=self._options.reason
            )
            self._made.changed.append("described")

    # Who and why

    @contextmanager
    def _as(self, record: Record) -> Iterator[None]:
        """Make the tag's person the author, and its date the author date."""
        trailers = [(COUNTER, str(self._plan.counter))] if self._is_taggable else []
        if self._is_taggable and record.tag.action != "register":
            trailers.append((ADOPTED, record.tag.text))
        with ExitStack() as stack:
            stack.enter_context(self._registry.repeating(trailers, record.time))
            try:
                stack.enter_context(self._registry.authored_by(record.name, record.email))
            except InvalidRequest as error:
                self._note(None, f"{record.tag.text}: {error}; you are the author of its commit")
            yield

    @property
    def _is_taggable(self) -> bool:
        """Whether GTO's tags are for the same name; else gitreg's own are made beside them."""
        return self._plan.artifact == self._plan.model

    def _reason(self, record: Record) -> str:
        words = [self._options.reason or f"Imported from the tag {record.tag.text}."]
        try:
            said = check_reason(record.message[:_MESSAGE])
        except GitregError:
            said = None  # it has control characters
        return "\n\n".join([*words, *([said] if said else [])])

    # Remarks, each once

    def _note(self, number: int | None, text: str) -> None:
        if f"{number} {text}" not in self._said:
            self._said.add(f"{number} {text}")
            self._made.note(number, text)

    def _leave(self, number: int | None, text: str) -> None:
        if f"{number} {text}" not in self._said:
            self._said.add(f"{number} {text}")
            self._made.leave(number, text)
