"""Fetch and push: synchronises a clone with the published branch, in either direction.

While the remote has not moved, unpublished commits are pushed unchanged. When it has, the
unpublished operations are redone on the published commit, one by one and in order: as operations,
never merged as text. Those that no longer apply are reported and stay unpublished. The user's own
commits are neither rewritten nor merged; gitreg prints how to move them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from gitreg.approvals import stored
from gitreg.core.model import layout, manifest
from gitreg.core.operations.judging import Mover
from gitreg.core.operations.reapply import carried, done_again, reapply, redoes_everything
from gitreg.core.operations.recorded import Recorded
from gitreg.core.operations.renders import never, rendered
from gitreg.core.policy.renders import followed_by
from gitreg.core.state.change import OPERATION, Change, trailers_of
from gitreg.core.state.decision import Moves
from gitreg.core.state.history import Event, FileChange
from gitreg.core.state.standing import Values
from gitreg.core.state.state import RegistryState
from gitreg.core.text.counts import quantity
from gitreg.errors import GitregError, Refused, UnknownOutcome, WorldError
from gitreg.git import own_references, publish
from gitreg.git.history_index import HistoryIndex
from gitreg.git.repository import GitRepository, Tip
from gitreg.git.valid_policy import policy_in_force
from gitreg.publishing import detached
from gitreg.publishing.branch_status import BranchStatus
from gitreg.publishing.clone import Clone
from gitreg.publishing.dvc_remote import SUBJECT, give_remote, remote_edit
from gitreg.publishing.publisher import SendBytes
from gitreg.publishing.renders import registered_in
from gitreg.publishing.retry import until_done
from gitreg.publishing.sameness import file_changes, is_the_same, named_versions
from gitreg.publishing.tags import LEFT


@dataclass(frozen=True)
class FetchReport:
    """The result of a fetch.

    Attributes:
        upstream: the remote branch, ``origin/main``.
        before: the clone's commit before the fetch; ``None`` when it had none.
        after: the clone's commit now.
        events: what happened to models in between, newest first.
        unpublished: the number of unpublished commits in the clone.
        warnings: warnings for the user, one line each.
    """

    upstream: str
    before: str | None
    after: str | None
    events: tuple[Event, ...] = ()
    unpublished: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sent:
    """A commit that was published.

    Attributes:
        subject: its first line.
        commit: 40 hex digits; ``None`` for a redone operation in a dry run.
        was: the local commit that it replaces, when the operation was redone.
    """

    subject: str
    commit: str | None
    was: str | None = None


@dataclass(frozen=True)
class Left:
    """A commit that was not published, and why."""

    commit: str
    subject: str
    reason: str


@dataclass(frozen=True)
class PushReport:
    """The result of a push.

    Attributes:
        upstream: the remote branch, ``origin/main``.
        commit: the remote branch's commit.
        sent: what was published, oldest first.
        left: operations that no longer apply and were not published.
        own: the user's own commits, which were not published.
        warnings: warnings for the user, one line each.
    """

    upstream: str
    commit: str | None
    sent: tuple[Sent, ...] = ()
    left: tuple[Left, ...] = ()
    own: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Step:
    """An unpublished operation, redone on top of the published commit."""

    recorded: Recorded
    change: Change
    moved: tuple[FileChange, ...]


@dataclass(frozen=True)
class _Plan:
    steps: tuple[_Step, ...]
    left: tuple[Left, ...]
    own: tuple[str, ...]
    base: RegistryState
    state: RegistryState


class Synchroniser:
    """Synchronises a clone with its published branch."""

    def __init__(
        self,
        repository: GitRepository,
        history: HistoryIndex,
        clone: Clone,
        send_bytes: SendBytes,
        mover: Callable[[RegistryState, str], Mover],
    ) -> None:
        self._repository = repository
        self._history = history
        self._clone = clone
        self._send_bytes = send_bytes
        self._mover = mover

    # Fetch

    def fetch(self, *, allow_rewind: bool = False) -> FetchReport:
        """Update the clone to the published commit; see `gitreg.registry.Registry.fetch`.

        Raises:
            Refused: the clone has unpublished commits, or uncommitted work is in the way.
            GitError: the remote cannot be reached, or its branch went backwards.
        """
        self._repository.refuse_shallow()
        with self._clone.exclusive():
            self._clone.finish_interrupted()
            status = self._clone.fetch_status(allow_rewind=allow_rewind)
            detached.refuse_stray(status)
            local, published = status.local.commit, status.published
            report = FetchReport(status.name, local, local)
            follows = status.withdrawn is not None and status.withdrawn == local
            if not follows:
                self._remember(status)
            if published is None or published == local:
                return report
            if status.is_ahead:
                unpublished = self._repository.commits_between(published, str(local))
                return replace(report, unpublished=len(unpublished))
            if status.has_diverged and not follows:
                raise self._refusal(status)
            warnings = self._clone.move_to(status, published)
            # Not earlier: a clone that could not follow would take withdrawn commits for its own.
            self._remember(replace(status, withdrawn=None))
            events = self._events_between(local, published)
            return replace(report, after=published, events=events, warnings=warnings)

    def _refusal(self, status: BranchStatus) -> Refused:
        """Return the error for a clone whose unpublished commits keep it from following."""
        own = len(self._repository.commits_between(status.own_since, str(status.local.commit)))
        what = "has moved"
        if status.withdrawn is not None:
            gone = self._repository.commits_between(status.published, status.withdrawn)
            what = f"took back {quantity(len(gone), 'commit')} that this clone has"
        return Refused(
            f"{status.name} {what}, and this clone has {quantity(own, 'commit')} of its own, "
            "not published",
            hint="gitreg push redoes them on top of it and reports what no longer applies",
        )

    def _remember(self, status: BranchStatus) -> None:
        """Store the remote branch's commit; forget a branch whose removal the user accepted."""
        if status.published is None and status.rewound and status.upstream.seen is not None:
            own_references.delete(self._repository, status.upstream.seen)
        self._clone.remember_seen(status)

    def _events_between(self, start: str | None, end: str) -> tuple[Event, ...]:
        self._history.advance(end)
        new = set(self._repository.commits_between(start, end))
        return tuple(event for event in self._history.events() if event.commit in new)

    # Push

    def push(self, *, dry_run: bool = False) -> PushReport:
        """Publish unpublished commits; see `gitreg.registry.Registry.push`.

        Raises:
            GitError: the remote cannot be reached, refuses, or its branch keeps moving.
            DvcError: the bytes of a version cannot be uploaded to the DVC remote.
        """
        self._repository.refuse_shallow()
        with self._clone.exclusive():
            self._clone.finish_interrupted()
            return until_done(lambda: self._push(dry_run=dry_run), _unknown)

    def _push(self, *, dry_run: bool) -> PushReport:
        status = self._clone.fetch_status()
        detached.refuse_stray(status)
        if status.has_diverged:
            return self._push_again(status, dry_run=dry_run)
        report = PushReport(status.name, status.published)
        if status.is_ahead:
            return self._push_line(status, report, dry_run=dry_run)
        if not dry_run:
            warnings = self._clone.publish_missing_tags(status)
            self._clone.remember_seen(status)
            report = replace(report, warnings=warnings)
        if status.is_behind:
            warning = f"{status.name} has commits that this clone does not have: gitreg fetch"
            return replace(report, warnings=(*report.warnings, warning))
        return report

    def _push_line(self, status: BranchStatus, report: PushReport, *, dry_run: bool) -> PushReport:
        """Publish the clone's commits unchanged."""
        if not dry_run:
            status = self._give_remote(status)
        commit = str(status.local.commit)
        state = self._state_at(commit)
        self._clone.refuse_unfit(status)
        unpublished = self._repository.commits_between(status.published, commit)
        sent = tuple(Sent(self._repository.subject_of(oid), oid) for oid in unpublished)
        if not dry_run:
            versions = self._history.versions_since(status.published)
            self._send_bytes(state, [pair for pair in versions if state.has_version(*pair)])
            tags = self._clone.tags(status.local.branch, status.published)
            self._clone.publish(status, commit, publish.write_tags(self._repository, tags))
            self._clone.remember_published(status, commit)
        return replace(report, commit=commit, sent=sent)

    def _give_remote(self, status: BranchStatus) -> BranchStatus:
        """Commit the registry's DVC remote on top of what is published next, if it has none yet."""
        change = give_remote(RegistryState(self._repository.snapshot(status.local.commit)))
        if not change.edits:
            return status
        prepared = publish.prepare(self._repository, status.local, change)
        publish.publish(self._repository, prepared, {})
        return replace(status, local=replace(status.local, commit=prepared.commit.oid))

    def _push_again(self, status: BranchStatus, *, dry_run: bool) -> PushReport:
        """Redo the unpublished operations on the published commit, and publish the result."""
        published = str(status.published)
        plan = self._plan(status, self._state_at(published))
        report = PushReport(status.name, published, left=plan.left, own=plan.own)
        if dry_run:
            sent = tuple(Sent(s.change.subject, None, s.recorded.commit) for s in plan.steps)
            return replace(report, sent=sent)
        commit, sent = published, ()
        made: dict[str, str] = {}
        if plan.steps:
            commit, sent, made = self._publish_steps(status, plan)
        self._clone.remember_seen(replace(status, published=commit))
        warnings: tuple[str, ...] = ()
        if not plan.left and not plan.own:
            warnings = self._replace_line(status, commit, made)
        else:
            own_references.write(self._repository, LEFT, str(status.local.commit))
        if (plan.left or plan.own) and self._repository.top_level is not None:
            # The index entries that gitreg wrote have no file times. `git reset --keep`, which
            # the user is about to run, would take those files for changed.
            self._repository.run_at_root("update-index", "-q", "--refresh", check=False)
        return replace(report, commit=commit, sent=sent, warnings=warnings)

    def _plan(self, status: BranchStatus, base: RegistryState) -> _Plan:
        """Redo the unpublished operations in memory; nothing is written."""
        edits: dict[str, bytes | None] = {}
        numbers: dict[tuple[str, int], int | None] = {}
        steps: list[_Step] = []
        left: list[Left] = []
        own: list[str] = []
        ended: set[str] = set()
        local = str(status.local.commit)
        for commit in self._repository.commits_between(status.own_since, local):
            merged = self._repository.parents_of(commit)[1:]
            if merged:
                own += self._brought_in(commit, merged, status)
                continue
            recorded = self._recorded(commit)
            if not self._is_operation(recorded):
                own += () if _gives_remote(recorded) else (commit,)
                numbers |= dict.fromkeys(recorded.registered)
                continue
            there = self._history.operation(_operation_of(recorded))
            if there is not None:
                if self._is_done_there(recorded, numbers, there, str(status.published)):
                    numbers |= self._renumbered(recorded, there)
                    numbers |= carried(recorded, numbers)
                else:
                    why = f"its id belongs to another operation, published in {there[:9]}"
                    left.append(Left(commit, self._repository.subject_of(commit), why))
                    numbers |= dict.fromkeys(recorded.registered)
                continue
            state = self._ruled(base.after(edits), recorded)
            try:
                change, new = reapply(
                    state,
                    recorded,
                    numbers,
                    lambda model: 0 if model in ended else self._history.highest_number(model),
                    partial(self._holds, str(status.published), tuple(steps)),
                    self._mover(state, self._repository.author_of(commit).person),
                    self._moves(steps),
                )
                change = rendered(state, change, never)  # their commits are not made yet
            except WorldError:
                raise
            except GitregError as error:
                subject = self._repository.subject_of(commit)
                left.append(Left(commit, subject, str(error)))
                numbers |= dict.fromkeys(recorded.registered)
                continue
            numbers |= new
            if recorded.ended is not None:
                ended.add(recorded.ended[0])
            if not change.edits:
                continue  # somebody else did the same
            if OPERATION not in dict(change.trailers):
                change = change.with_trailer(OPERATION, _operation_of(recorded))
            steps.append(_Step(recorded, change, tuple(file_changes(state, change))))
            edits.update((edit.path, edit.content) for edit in change.edits)
        return _Plan(_with_remote(steps, base), tuple(left), tuple(own), base, base.after(edits))

    def _ruled(self, state: RegistryState, recorded: Recorded) -> RegistryState:
        """Return the state by whose policy an operation is judged again.

        A rollback goes by the last policy that parses, as it did when it was made.
        """
        if trailers_of(recorded.message).get("Gitreg-Action") != ("rollback",):
            return state
        return state.ruled_by(policy_in_force(self._repository, state).policy)

    def _moves(self, steps: Sequence[_Step]) -> Moves:
        """Return a function that returns the moves of a stage, those of the steps included."""

        def moves(model: str, stage: str) -> Iterator[Values]:
            path = layout.stage_path(model, stage)
            for event in reversed(self._history.moves_of(model, f"stages/{stage}")):
                yield event.before, event.after
            for step in steps:
                for change in step.moved:
                    if change.path == path:
                        before, after = (
                            manifest.read_versions(data, path)
                            for data in (change.before, change.after)
                        )
                        yield before, after

        return moves

    def _holds(
        self,
        published: str,
        steps: Sequence[_Step],
        state: RegistryState,
        place: layout.Place,
        data: bytes,
    ) -> bool:
        """Tell whether an approval holds after the steps, which have no commits yet."""
        path = layout.stage_path(place.model, str(place.name))
        if any(change.path == path for step in steps for change in step.moved):
            return False
        root = self._repository.root_of(published)
        return stored.holds(state, self._history, root, place, data)

    def _recorded(self, commit: str) -> Recorded:
        """Return what a commit did relative to its first parent."""
        parent = next(iter(self._repository.parents_of(commit)), None)
        before, after = (self._repository.snapshot(oid) for oid in (parent, commit))
        paths = self._repository.changed_paths(parent, commit)
        if len(paths) > 1 and layout.DVC_CONFIG in paths:
            paths.remove(layout.DVC_CONFIG)  # no part of the operation: it is given again if needed
        files = tuple(
            FileChange(path, old, new)
            for path, old, new in zip(
                paths, before.read_many(paths), after.read_many(paths), strict=True
            )
        )
        # Nor is a rendered file: it is rendered again.
        files = tuple(file for file in files if not _is_rendered(file))
        return Recorded(commit, self._repository.message_of(commit), files)

    def _is_operation(self, recorded: Recorded) -> bool:
        """Tell whether a commit is an operation that can be redone, not the user's own."""
        parents = self._repository.parents_of(recorded.commit)
        if len(parents) != 1 or not recorded.is_operation:
            return False
        return redoes_everything(RegistryState(self._repository.snapshot(parents[0])), recorded)

    def _brought_in(self, merge: str, merged: Sequence[str], status: BranchStatus) -> list[str]:
        """Return the user's own unpublished commits that a merge brought in."""
        published = [f"^{status.published}"] if status.published else []
        listing = self._repository.run(
            "rev-list", "--no-merges", "--reverse", *merged, f"^{merge}^1", *published
        )
        return listing.text.split()

    def _is_done_there(
        self,
        recorded: Recorded,
        numbers: Mapping[tuple[str, int], int | None],
        there: str,
        published: str,
    ) -> bool:
        """Tell whether a published commit did the same as an unpublished one with its id."""
        parent = self._repository.commit_of(f"{there}^")
        if parent is None:
            return False
        before = RegistryState(self._repository.snapshot(parent))
        self._history.advance(parent)
        try:
            # Not judged again: it was judged when it was published.
            change, _ = done_again(
                before, recorded, numbers, self._history.highest_number, lambda *_: True
            )
        except GitregError:
            return False
        finally:
            self._history.advance(published, exact=True)
        return is_the_same(change, self._repository.snapshot(there).read)

    def _renumbered(self, recorded: Recorded, there: str) -> dict[tuple[str, int], int]:
        """Return the numbers that an operation's versions got when it was published."""
        given: dict[str, list[int]] = {}
        for event in self._history.events_of_commit(there):
            if event.action == "register" and event.version is not None:
                given.setdefault(event.model, []).append(event.version)
        born: dict[str, list[int]] = {}
        for model, version in recorded.registered:
            born.setdefault(model, []).append(version)
        return {
            (model, old): new
            for model, numbers in born.items()
            for old, new in zip(numbers, given.get(model, ()), strict=False)
        }

    def _publish_steps(
        self, status: BranchStatus, plan: _Plan
    ) -> tuple[str, tuple[Sent, ...], dict[str, str]]:
        """Commit the steps on the published commit, and publish them in one push."""
        tip = str(status.published)
        became: dict[str, str] = {}
        tags: dict[str, str] = {}
        sent: list[Sent] = []
        named = {pair for step in plan.steps for pair in named_versions(step.moved)}
        self._send_bytes(plan.state, sorted(p for p in named if plan.state.has_version(*p)))
        with self._history.tentative():
            edits: dict[str, bytes | None] = {}
            registered = registered_in(self._repository, self._history)
            for step in plan.steps:
                was = step.recorded.commit
                reverts = step.change.reverts
                change = replace(step.change, reverts=became.get(reverts or "", reverts))
                change = rendered(
                    self._ruled(plan.base.after(edits), step.recorded), change, registered
                )
                edits.update((edit.path, edit.content) for edit in change.edits)
                author = self._repository.author_of(was)
                base = Tip(status.local.branch, tip)
                prepared = publish.prepare(self._repository, base, change, author)
                planned = self._clone.plan_tags(base.branch, prepared.commit, step.moved)
                tags |= publish.write_tags(self._repository, planned, sign=True)
                self._history.append(prepared.commit, step.moved)
                tip = became[was] = prepared.commit.oid
                sent.append(Sent(change.subject, tip, was))
        # Not inside: the user's pre-push hook may read the registry, which needs the index.
        self._clone.publish(status, tip, tags)
        return tip, tuple(sent), tags

    def _replace_line(
        self, status: BranchStatus, commit: str, made: dict[str, str]
    ) -> tuple[str, ...]:
        """Move the clone's branch to the redone operations."""
        try:
            return self._clone.move_to(status, commit, made)
        except GitregError as error:
            return (
                f"published, but this clone could not follow ({error}): gitreg push tries again",
            )

    def _state_at(self, commit: str) -> RegistryState:
        self._history.advance(commit, exact=True)
        return RegistryState(self._repository.snapshot(commit))


def _with_remote(steps: Sequence[_Step], base: RegistryState) -> tuple[_Step, ...]:
    """Let the first step also give the registry its DVC remote, if that is still missing."""
    edit = remote_edit(base.snapshot) if steps else None
    if edit is None:
        return tuple(steps)
    first = replace(steps[0].change, edits=(*steps[0].change.edits, edit))
    return replace(steps[0], change=first), *steps[1:]


def _gives_remote(recorded: Recorded) -> bool:
    """Tell whether a commit gave the registry its DVC remote, and did nothing else."""
    paths = [file.path for file in recorded.files]
    return recorded.message.startswith(SUBJECT) and paths == [layout.DVC_CONFIG]


def _is_rendered(file: FileChange) -> bool:
    """Tell whether gitreg rendered a file, both before and after a commit."""
    sides = [data for data in (file.before, file.after) if data is not None]
    return all(followed_by(data) is not None for data in sides)


def _unknown(error: Exception) -> UnknownOutcome:
    return UnknownOutcome(
        f"the remote did not answer, and gitreg cannot find out whether it published: {error}",
        hint="run gitreg push again: it finds what was published",
    )


def _operation_of(recorded: Recorded) -> str:
    """Return an operation's id; a commit without one gets an id from its hash."""
    given: Sequence[str] = trailers_of(recorded.message).get(OPERATION, ())
    return given[0] if given else f"from-{recorded.commit[:16]}"
