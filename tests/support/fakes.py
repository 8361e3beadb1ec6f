"""A registry without Git: a snapshot over a dict, and a branch that operations can be run on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from gitreg.core.model.manifest import Tombstone
from gitreg.core.model.model import Artifact, ModelVersion
from gitreg.core.model.names import Reference, RegistryTag, parse_reference, parse_tag
from gitreg.core.operations.alias import delete_alias, set_alias
from gitreg.core.operations.delete import delete
from gitreg.core.operations.judging import Mover
from gitreg.core.operations.promote import Promotion, promote
from gitreg.core.operations.register import Registration, register
from gitreg.core.operations.rollback import Rollback, RollbackPlan, roll_back
from gitreg.core.policy.verdict import Sure
from gitreg.core.state.change import Change, Edit
from gitreg.core.state.history import CommitInfo, Event, FileChange, events_of
from gitreg.core.state.state import RegistryState
from gitreg.core.state.tags import Tag, draft_of

ADA = "Ada Lovelace <ada@example.com>"
SHA256 = "9f" * 32
MD5 = "d4" * 16
CREATED = "2026-11-22T20:25:06Z"


@dataclass
class FakeFacts:
    """What the world answers in a test; ``asked`` are the questions, in their order."""

    now: int = 2_000_000
    since: Mapping[tuple[str, int, str], int] = field(default_factory=dict)
    reachable: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    on_remote: bool | None = None
    names: Sequence[str] | None = None
    approved: Callable[[ModelVersion, str, tuple[int, ...]], Sequence[str]] | None = None
    signed_by: str | None = None
    commits: bool | None = True
    held_last: Sequence[ModelVersion] | None = ()
    pointed: Collection[str] = ()
    sure: Sure | str | None = None
    reproduced: Sequence[tuple[str, str]] = ()
    asked: list[str] = field(default_factory=list)

    def moment(self) -> int:
        self.asked.append("moment")
        return self.now

    def moments(self) -> Sequence[int]:
        self.asked.append("moments")
        return (self.now,)

    def has_commit(self, commit: str) -> bool | None:
        self.asked.append("has_commit")
        return self.commits

    def last_held(self, model: str, stage: str) -> Sequence[ModelVersion] | None:
        self.asked.append("last_held")
        return self.held_last

    def difference(
        self,
        candidate: ModelVersion,
        incumbent: ModelVersion,
        evaluation: str,
        metric: str,
        confidence: float,
    ) -> Sure | str | None:
        return self.sure

    def entered(self, model: str, version: int, stage: str) -> int | None:
        self.asked.append("entered")
        return self.since.get((model, version, stage))

    def had_pointers(self, model: str) -> bool:
        return model in self.pointed

    def is_reachable(self, commit: str, branch: str) -> bool | None:
        self.asked.append("is_reachable")
        return self.reachable.get((commit, branch))

    def is_on_remote(self, artifact: Artifact) -> bool | None:
        self.asked.append("is_on_remote")
        return self.on_remote

    def files(self, artifact: Artifact) -> Sequence[str] | None:
        self.asked.append("files")
        return self.names

    def approvers(
        self, version: ModelVersion, stage: str, replaces: tuple[int, ...]
    ) -> Sequence[str]:
        self.asked.append("approvers")
        return () if self.approved is None else self.approved(version, stage, replaces)

    def spent(
        self, version: ModelVersion, stage: str, replaces: tuple[int, ...]
    ) -> Mapping[str, str]:
        return {}

    def reproductions(self, version: ModelVersion) -> Sequence[tuple[str, str]]:
        return self.reproduced

    def signer(self) -> str | None:
        self.asked.append("signer")
        return self.signed_by


@dataclass(frozen=True)
class DictSnapshot:
    """The files of one commit, by path."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    commit: str | None = None

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    def list(self, path: str) -> Sequence[str]:
        inside = (
            file.removeprefix(f"{path}/") for file in self.files if file.startswith(f"{path}/")
        )
        return sorted({rest.split("/")[0] for rest in inside})

    def read_many(self, paths: Sequence[str]) -> Sequence[bytes | None]:
        return [self.read(path) for path in paths]

    def list_many(self, paths: Sequence[str]) -> Sequence[Sequence[str]]:
        return [self.list(path) for path in paths]

    def apply(self, edits: Sequence[Edit], commit: str | None = None) -> DictSnapshot:
        """Return the snapshot after the edits; each path once, and only paths that are there go."""
        paths = [edit.path for edit in edits]
        assert len(set(paths)) == len(paths), f"a path is edited twice: {paths}"
        files = dict(self.files)
        for edit in edits:
            if edit.content is None:
                del files[edit.path]
            else:
                assert files.get(edit.path) != edit.content, f"{edit.path} does not change"
                files[edit.path] = edit.content
        return DictSnapshot(files, commit)


class FakeBranch:
    """A branch of commits in memory; what a rollback and tags ask of history, it answers."""

    def __init__(self, files: Mapping[str, bytes] | None = None, start: int = 1_000_000) -> None:
        self.snapshot = DictSnapshot(dict(files or {}))
        self.commits: list[tuple[CommitInfo, list[FileChange]]] = []
        self.tags: list[Tag] = []
        self.clock = start
        self.facts = FakeFacts()
        self._tagged: dict[tuple[str, int], str] = {}
        self._moves: dict[str, tuple[int, int]] = {}

    @property
    def state(self) -> RegistryState:
        return RegistryState(self.snapshot)

    @property
    def mover(self) -> Mover:
        """Ada, and what the world answers her."""
        return Mover(ADA, self.facts)

    @property
    def tip(self) -> str:
        return self.commits[-1][0].oid

    # Commits

    def commit(self, change: Change) -> str:
        """Commit a change as gitreg would."""
        assert change.edits, f"nothing changes: {change.subject}"
        return self.by_hand(change.message(), change.edits)

    def by_hand(self, message: str, edits: Sequence[Edit]) -> str:
        """Commit edits as a person would, and fold the commit into history."""
        oid = f"{len(self.commits) + 1:040x}"
        before = self.snapshot
        self.snapshot = before.apply(edits, oid)
        self.clock += 60
        info = CommitInfo(oid, before.commit, ADA, ADA, self.clock, "+0100", message)
        changes = [FileChange(e.path, before.read(e.path), e.content) for e in edits]
        self.tags += self._fold(info, changes)
        self.commits.append((info, changes))
        return oid

    def write(self, files: Mapping[str, bytes | None], message: str = "by hand") -> str:
        """Commit files as a person would."""
        return self.by_hand(message, [Edit(path, content) for path, content in files.items()])

    def git_revert(self, oid: str) -> str:
        """Commit the inverse of a commit, with Git's own message."""
        info, changes = next(entry for entry in self.commits if entry[0].oid == oid)
        subject = info.message.partition("\n")[0]
        return self.by_hand(
            f'Revert "{subject}"\n\nThis reverts commit {oid}.\n',
            [Edit(change.path, change.before) for change in changes],
        )

    def squashed(self, start: DictSnapshot, message: str = "Squashed") -> FakeBranch:
        """Return a branch from ``start`` on whose one commit has this branch's files."""
        paths = [*start.files, *(path for path in self.snapshot.files if path not in start.files)]
        branch = FakeBranch(start.files)
        branch.by_hand(
            message,
            [
                Edit(path, self.snapshot.read(path))
                for path in paths
                if self.snapshot.read(path) != start.read(path)
            ],
        )
        return branch

    def _fold(self, info: CommitInfo, changes: Sequence[FileChange]) -> list[Tag]:
        events = events_of(info, changes)
        draft = draft_of(info, events, self)
        made = draft.tags
        for event in events:
            self._moves[event.model] = draft.counter_of(event.model)
        for event in events_of(info, changes):
            if event.is_birth and event.version is not None:
                name = str(RegistryTag(event.model, version=event.version))
                if name in {tag.name for tag in made}:
                    self._tagged[event.model, event.version] = info.oid
            if event.ends_the_model:
                self._tagged = {k: oid for k, oid in self._tagged.items() if k[0] != event.model}
        return made

    # What history is asked

    def registered(self, model: str, version: int) -> str | None:
        return self._tagged.get((model, version))

    def tag_name(self, model: str, version: int) -> str:
        return str(RegistryTag(model, version=version))

    def is_taken(self, name: str) -> bool:
        return name in {tag.name for tag in self.tags}

    def moves(self, model: str) -> tuple[int, int]:
        return self._moves.get(model, (0, 0))

    def standing(self, model: str, pointer: str) -> list[int]:
        versions: list[int] = []
        for tag in self.tags:
            parsed = parse_tag(tag.name)
            if tag.model == model and parsed is not None and parsed.pointer == pointer:
                versions = [version for version in versions if version != tag.version]
                versions += [] if parsed.cancelled else [tag.version]
        return versions

    def moves_of(self, model: str, pointer: str) -> list[Event]:
        found = [event for events in self._events().values() for event in events]
        return [e for e in reversed(found) if e.model == model and e.pointer == pointer]

    def events_of_commit(self, commit: str, model: str) -> list[Event]:
        return [event for event in self._events()[commit] if event.model == model]

    def models_of_commit(self, commit: str) -> list[str]:
        return sorted({event.model for event in self._events()[commit] if event.pointer})

    def _events(self) -> dict[str, list[Event]]:
        """Return the events of each commit, as the history index folds them."""
        held: dict[tuple[str, str | None], tuple[int, ...]] = {}
        found = {}

        def now_held(model: str, pointer: str) -> tuple[int, ...]:
            return held.get((model, pointer), ())

        for info, changes in self.commits:
            events = events_of(info, changes, now_held)
            held.update({(event.model, event.pointer): event.after for event in events})
            found[info.oid] = events
        return found

    # Operations, committed

    def register(self, model: str = "churn", **metrics: float) -> str:
        return self.commit(register(self.state, registration(model, metrics)))

    def promote(
        self,
        *references: str,
        to: str = "production",
        aliases: tuple[str, ...] = (),
        keep_existing: bool = False,
        if_better: tuple[str, ...] = (),
        if_lower: tuple[str, ...] = (),
        override: str | None = None,
        replaced_to: str | None = None,
        force: bool = False,
    ) -> Change:
        request = promotion(
            *references,
            to=to,
            aliases=aliases,
            keep_existing=keep_existing,
            if_better=if_better,
            if_lower=if_lower,
            override=override,
            replaced_to=replaced_to,
            force=force,
        )
        change = promote(self.state, request, self.mover)
        self.commit(change)
        return change

    def alias(self, reference: str, alias: str) -> Change:
        return self._done(set_alias(self.state, parse_reference(reference), alias))

    def unalias(self, model: str, alias: str) -> Change:
        return self._done(delete_alias(self.state, model, alias))

    def delete(self, reference: str, reason: str | None = None) -> Change:
        tombstone = Tombstone(CREATED, ADA, reason)
        return self._done(delete(self.state, parse_reference(reference), tombstone))

    def plan_rollback(
        self, *models: str, to: int | None = None, restage: bool = False, stage: str = "production"
    ) -> RollbackPlan:
        request = Rollback(models or ("churn",), stage, to, restage)
        return roll_back(self.state, self, request, self.mover)

    def rollback(
        self, *models: str, to: int | None = None, restage: bool = False, stage: str = "production"
    ) -> RollbackPlan:
        plan = self.plan_rollback(*models, to=to, restage=restage, stage=stage)
        self.commit(plan.change)
        return plan

    def _done(self, change: Change) -> Change:
        self.commit(change)
        return change

    # Where things stand

    def holds(self, stage: str, model: str = "churn") -> tuple[int, ...]:
        return self.state.stage(model, stage)

    def names(self, alias: str, model: str = "churn") -> int | None:
        return self.state.alias(model, alias)


def branch_with(*versions: Mapping[str, float], model: str = "churn") -> FakeBranch:
    """Return a branch on which a model has versions with these metrics."""
    branch = FakeBranch()
    for metrics in versions:
        branch.register(model, **metrics)
    return branch


def registration(model: str = "churn", metrics: Mapping[str, float] | None = None) -> Registration:
    return Registration(
        model, Artifact("model.pkl", 7, 1, SHA256, MD5), CREATED, ADA, metrics or {}
    )


def promotion(
    *references: str,
    to: str = "production",
    aliases: tuple[str, ...] = (),
    keep_existing: bool = False,
    if_better: tuple[str, ...] = (),
    if_lower: tuple[str, ...] = (),
    override: str | None = None,
    replaced_to: str | None = None,
    force: bool = False,
) -> Promotion:
    parsed: tuple[Reference, ...] = tuple(map(parse_reference, references))
    gates = if_better, if_lower
    return Promotion(parsed, to, aliases, keep_existing, *gates, override, replaced_to, force)


def trailers(change: Change, key: str) -> list[str]:
    """Return the values of a trailer of a change, in their order."""
    return [value for name, value in change.trailers if name == f"Gitreg-{key}"]
