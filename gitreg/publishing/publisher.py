"""Turns an operation into a published commit: one place for lock, race, tags and push.

A published operation takes these steps. It can be interrupted after any of them; run again with
the same id, it continues:

1. take the lock of this clone; 2. fetch the published branch; 3. look the operation up by its id,
in case it was published before; 4. run it on the tip, check that nobody moved the same pointers,
and upload bytes to the DVC remote; 5. write blobs, trees, commit and tags, which no reference names
yet; 6. up to here nothing has moved; 7. push branch and tags atomically, if the remote branch has
not moved; 8. push tags that are missing on the remote; 9. update the clone.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from gitreg.core.model.gto_tags import parse_gto_tag
from gitreg.core.model.layout import Place
from gitreg.core.model.names import Reference, check_operation_id, format_version
from gitreg.core.operations import Operation
from gitreg.core.operations.judging import GateRefused
from gitreg.core.state.change import (
    COUNTER,
    OPERATION,
    Change,
    check_reason,
    parse_message,
    trailers_of,
)
from gitreg.core.state.conflicts import ended_models, first_conflict
from gitreg.core.state.history import CommitInfo, FileChange
from gitreg.core.state.state import RegistryState
from gitreg.core.state.tags import Tag
from gitreg.errors import (
    GitError,
    GitregError,
    InvalidRequest,
    NotFound,
    Refused,
    UnknownOutcome,
    WorldError,
)
from gitreg.git import interrupted, publish, worktree
from gitreg.git.history_index import HistoryIndex
from gitreg.git.log import read_commits
from gitreg.git.objects import NO_OBJECT
from gitreg.git.repository import GitRepository, Tip
from gitreg.git.valid_policy import policy_in_force
from gitreg.publishing import detached
from gitreg.publishing.branch_status import BranchStatus
from gitreg.publishing.clone import Clone
from gitreg.publishing.outcome import Draft, Outcome, Overtaken, ReviewBranch, with_state_reached
from gitreg.publishing.repeated import refuse_if_taken_back
from gitreg.publishing.retry import until_done
from gitreg.publishing.sameness import file_changes, is_the_same, is_the_same_file, named_versions

_Done = TypeVar("_Done")


SendBytes = Callable[[RegistryState, Iterable[tuple[str, int]]], None]
"""Uploads the bytes of versions to the DVC remote, or raises."""


@dataclass
class _Run:
    """One operation during its attempts.

    Attributes:
        operation: what to do.
        reason: why.
        id: its id.
        is_new: whether the id was made for this run: then no earlier run can have used it.
        decided_at: the first state that it ran on.
        authored_at: see `Publisher.apply`.
        lost_from: the published commit before the first push whose answer was lost.
    """

    operation: Operation
    reason: str | None
    id: str
    is_new: bool
    decided_at: RegistryState | None = None
    authored_at: int | None = None
    lost_from: str | None = None

    def change_on(self, state: RegistryState) -> Change:
        return replace(self.operation(state), reason=self.reason)

    def change_for_review_on(self, state: RegistryState) -> Change:
        try:
            return self.change_on(state)
        except NotFound as error:
            unpublished = "only published versions can be proposed: run gitreg push, or merge first"
            error.hint = f"{error.hint}; {unpublished}" if error.hint else unpublished
            raise


class Publisher:
    """Publishes operations on the checked-out branch of one repository."""

    def __init__(
        self, repository: GitRepository, history: HistoryIndex, clone: Clone, send_bytes: SendBytes
    ) -> None:
        self._repository = repository
        self._history = history
        self._clone = clone
        self._send_bytes = send_bytes

    def plan(self, operation: Operation, reason: str | None, *, push: bool = False) -> Outcome:
        """Return what an operation would do. Only the history index is written."""
        base = self._clone.tip(ask=True) if push else self._clone.local_tip()
        state = self._state_at(base)
        change = replace(operation(state), reason=check_reason(reason))
        tags: list[Tag] = []
        if change.edits and base.commit:
            moved = file_changes(state, change)
            # The hash is unknown until the commit is written; tags only need a placeholder.
            change = self._above_others(base, change, moved)
            unborn = CommitInfo(NO_OBJECT, base.commit, "", "", 0, "+0000", change.message())
            tags = self._clone.plan_tags(base.branch, unborn, moved)
        return Outcome(change, tags=tuple(tag.name for tag in tags), warnings=change.warnings)

    def apply(
        self,
        operation: Operation,
        reason: str | None,
        *,
        push: bool = False,
        op_id: str | None = None,
        authored_at: int | None = None,
    ) -> Outcome:
        """Run an operation on the tip and publish its change.

        When somebody else moves the branch first, the operation runs again on the new tip. When
        they moved a pointer that the operation moves too, it fails and names the winner. An
        operation whose id was used before is found, not repeated.

        Args:
            operation: what to do.
            reason: why, for the commit message.
            push: publish on the remote before anything moves here.
            op_id: identifies the operation; a new id by default.
            authored_at: the author date, in seconds since the epoch, of an operation that comes
                from elsewhere. The committer date is always now.

        Raises:
            LostRace: somebody else moved the same pointer, or the branch kept moving.
            UnknownOutcome: the remote did not answer, and a retry could not find out either.
            GitregError: any error of the operation; nothing was written.
        """
        run = _new_run(operation, reason, op_id)
        run.authored_at = authored_at
        attempt = self._try_published if push else self._try_local
        with self._clone.exclusive():  # 1
            self._clone.finish_interrupted()
            try:
                return self._until_done(run, attempt)
            except WorldError as error:
                raise with_state_reached(error, published=push) from None
            except KeyboardInterrupt:
                again = f"run it again with --op-id {run.id}: then it happens only once"
                raise KeyboardInterrupt(again) from None

    def push_for_review(
        self,
        operation: Operation,
        reason: str | None,
        draft: Draft,
        *,
        op_id: str | None = None,
        dry_run: bool = False,
    ) -> ReviewBranch:
        """Push an operation's commit to its own branch, on top of the published one.

        The published branch stays as it is, and so do the clone's branch, index, work tree and
        tags. A review branch that holds an earlier commit of the same operation is replaced; an
        identical commit is not pushed again.

        Args:
            operation: what to do.
            reason: why, for the commit message.
            draft: names the branch.
            op_id: identifies the operation; a new id by default.
            dry_run: fetch, but neither write nor push.

        Raises:
            LostRace: the branch kept moving, or somebody else moved the same pointer.
            Refused: the review branch has somebody else's commits.
            GitregError: any error of the operation; nothing was published.
        """
        run = _new_run(operation, reason, op_id)
        with self._clone.exclusive():  # 1
            try:
                return self._until_done(
                    run, lambda run: self._try_review_branch(run, draft, dry_run)
                )
            except WorldError as error:
                raise with_state_reached(error, published=True) from None

    def _until_done(self, run: _Run, attempt: Callable[[_Run], _Done]) -> _Done:
        return until_done(
            lambda: attempt(run),
            lambda error: _unknown(run, error),
            lambda error: self._check_published(run, error),
        )

    def _check_published(self, run: _Run, error: UnknownOutcome) -> None:
        """Return when the remote has the operation whose answer was lost for the last time.

        Raises:
            GitError: the remote has no such operation.
            UnknownOutcome: the remote cannot be asked.
        """
        try:
            status = self._clone.fetch_status()
        except GitError as why:
            raise _unknown(run, why) from None
        self._history.aim(str(status.base.commit))
        if self._done(run, status.base) is None:
            raise GitError(str(error), hint="nothing was published, run it again") from None

    # Without a remote

    def _try_local(self, run: _Run) -> Outcome:
        base = self._clone.local_tip()
        state = self._state_at(base)
        done = self._done(run, base)
        if done is not None:
            refuse_if_taken_back(self._repository, run.id, done, str(base.commit))
            return self._done_before(run, done)
        change = run.change_on(state)
        if not change.edits:
            return Outcome(change, warnings=change.warnings)
        moved = file_changes(state, change)
        run.decided_at = run.decided_at or state
        self._refuse_if_overtaken(run.decided_at, state, moved, "")
        prepared, tags = self._prepare(run, base, base, change, moved)
        warnings = publish.publish(self._repository, prepared, tags)
        self._history.append(prepared.commit, moved)
        return Outcome(
            change,
            prepared.commit.oid,
            tuple(tags),
            warnings=(*change.warnings, *warnings),
            operation=run.id,
        )

    # On the remote

    def _try_published(self, run: _Run) -> Outcome:
        status = self._clone.fetch_status()  # 2
        detached.refuse_stray(status)
        state = self._state_at(status.base)
        done = self._done(run, status.base)  # 3
        if done is not None:
            return self._published_before(run, status, state, done)
        change = run.change_on(state)  # 4
        if not change.edits:
            warnings = self._publish_rest(status, state)
            return Outcome(change, pushed=True, warnings=(*change.warnings, *warnings))
        moved = self._moves_unless_overtaken(status, state, change)
        if status.is_ahead:
            self._clone.refuse_unfit(status)
        prepared, tags = self._prepare(run, status.local, status.base, change, moved)  # 5
        self._send(status, state, moved)  # 4, after what can be refused without bytes moving
        earlier = self._earlier_tags(status)
        try:
            self._clone.publish(status, prepared.commit.oid, {**earlier, **tags})  # 7
        except UnknownOutcome:
            run.lost_from = run.lost_from or status.published
            run.is_new = run.is_new and run.lost_from is not None
            raise
        warnings = self._follow(status, prepared, moved, tags)  # 9
        return Outcome(
            change,
            prepared.commit.oid,
            tuple(tags),
            pushed=True,
            warnings=(*change.warnings, *detached.note(self._repository, status), *warnings),
            operation=run.id,
        )

    def _moves_unless_overtaken(
        self, status: BranchStatus, state: RegistryState, change: Change
    ) -> list[FileChange]:
        """Return the files that a change moves, after a check that nobody else moved them.

        Raises:
            Overtaken: somebody else moved one since the user last looked.
        """
        moved = file_changes(state, change)
        decided_at = RegistryState(self._repository.snapshot(self._clone.last_seen_by_user(status)))
        try:
            self._refuse_if_overtaken(decided_at, state, moved, self._clone.how_to_see)
        except Overtaken:
            self._clone.remember_seen(status)  # the error names the winner: running again confirms
            raise
        return moved

    # On a review branch

    def _try_review_branch(self, run: _Run, draft: Draft, dry_run: bool) -> ReviewBranch:  # noqa: FBT001
        here = self._clone.fetch_status()  # 2
        status = here.as_published
        if status.published is None:
            raise GitError(f"{here.name} does not exist yet", hint="gitreg push creates it")
        state = self._state_at(status.base)
        base = here.upstream.short_branch
        done = self._done(run, status.base)  # 3
        if done is not None:
            return ReviewBranch(self._done_before(run, done), state, base)
        change = run.change_for_review_on(state)  # 4
        if not change.edits:
            return ReviewBranch(Outcome(change, warnings=change.warnings), state, base)
        moved = self._moves_unless_overtaken(here, state, change)
        branch = draft.branch(change, base)
        planned = Outcome(change, warnings=change.warnings)
        if dry_run:
            return ReviewBranch(planned, state, base, branch)
        planned = replace(planned, operation=run.id)
        there = self._clone.fetch_branch(status, f"refs/heads/{branch}")
        if there is not None and self._makes_the_change(there, status.published, state, change):
            said = trailers_of(self._repository.message_of(there)).get(OPERATION, (run.id,))
            outcome = replace(planned, commit=there, pushed=True, operation=said[0], repeated=True)
            return ReviewBranch(outcome, state, base, branch)
        if there is not None:
            self._refuse_strangers(there, status.published, branch)
        prepared = publish.prepare(
            self._repository, status.base, change.with_trailer(OPERATION, run.id)
        )  # 5
        self._send(status, state, moved)  # bytes first, here too
        words = self._clone.push_branch(
            status,
            f"refs/heads/{branch}",
            prepared.commit.oid,
            there,
            draft.push_options(change, base),
        )
        self._clone.remember_seen(here)
        outcome = replace(planned, commit=prepared.commit.oid, pushed=True)
        return ReviewBranch(outcome, state, base, branch, words)

    def _makes_the_change(
        self, commit: str, base: str, state: RegistryState, change: Change
    ) -> bool:
        """Tell whether a commit is what a change would make now, apart from author and date."""
        if self._repository.parents_of(commit) != [base]:
            return False
        told = parse_message(self._repository.message_of(commit))
        said = [pair for pair in told.trailers if pair[0] != OPERATION]
        if (told.subject, told.reason, said) != (
            change.subject,
            parse_message(change.message()).reason,
            list(change.trailers),
        ):
            return False
        after = self._repository.snapshot(commit)
        differing = {one.path for one in file_changes(state, change) if one.before != one.after}
        return set(self._repository.changed_paths(base, commit)) == differing and all(
            is_the_same_file(edit, after.read(edit.path)) for edit in change.edits
        )

    def _refuse_strangers(self, tip: str, base: str, branch: str) -> None:
        """Refuse to replace a branch that has more than one operation's commit.

        Merges of the published branch do not count: hosts offer a button for those.
        """
        listing = self._repository.run("rev-list", "--no-merges", tip, f"^{base}")
        commits = listing.text.split()
        strangers = [
            commit
            for commit in commits
            if OPERATION not in trailers_of(self._repository.message_of(commit))
        ] or commits[:-1]
        if strangers:
            raise Refused(
                f"{branch} has commits besides its operation, such as {strangers[0][:9]} "
                f"({self._repository.subject_of(strangers[0])}); nothing was published",
                hint=f"merge or close its request; git push origin --delete {branch} removes them",
            )

    def _published_before(
        self, run: _Run, status: BranchStatus, state: RegistryState, done: str
    ) -> Outcome:
        """Finish a publication that was interrupted after its commit was made."""
        outcome = self._done_before(run, done)
        self._history.advance(str(status.base.commit), exact=True)
        warnings = self._publish_rest(status, state, done)
        refuse_if_taken_back(self._repository, run.id, done, str(status.base.commit))
        warnings = (*outcome.warnings, *detached.note(self._repository, status), *warnings)
        return replace(outcome, pushed=True, warnings=warnings)

    def _publish_rest(
        self, status: BranchStatus, state: RegistryState, done: str | None = None
    ) -> tuple[str, ...]:
        """Publish earlier commits of this clone, or update the clone to what is published.

        With ``done``, the commit of an operation that is published, an error says so, and only the
        tags since then can be missing.
        """
        if status.is_ahead:
            self._clone.refuse_unfit(status)
            self._send(status, state, ())
            commit = str(status.base.commit)
            self._clone.publish(status, commit, self._earlier_tags(status))
            self._clone.remember_published(status, commit)
            return ()
        try:
            since = None if done is None else self._repository.commit_of(f"{done}^")
            warnings = self._clone.publish_missing_tags(status, since)  # 8
        except GitError as error:
            if done is None:
                raise
            raise GitError(
                f"published as {done[:9]}; its tags are missing on the remote: {error}",
                hint=error.hint or "gitreg tags sync --push",
            ) from None
        self._clone.remember_seen(status)
        return warnings + self._clone.follow(status, str(status.base.commit))  # 9

    def _send(
        self, status: BranchStatus, state: RegistryState, moved: Sequence[FileChange]
    ) -> None:
        """Upload the bytes of all versions that are about to be published."""
        earlier = self._history.versions_since(status.published) if status.is_ahead else []
        after = state.after({change.path: change.after for change in moved})
        # Versions that a rename moves along were uploaded under the old name, if published.
        renamed = {old: new for old, new in ended_models(moved).items() if new is not None}
        named = {(renamed.get(model, model), version) for model, version in earlier}
        named |= {pair for pair in named_versions(moved) if pair[0] not in renamed.values()}
        self._send_bytes(after, sorted(pair for pair in named if after.has_version(*pair)))

    def _earlier_tags(self, status: BranchStatus) -> dict[str, str]:
        """Return the tags of this clone's unpublished commits, name to object."""
        branch = status.local.branch
        earlier = self._clone.tags(branch, status.published) if status.is_ahead else []
        return publish.write_tags(self._repository, earlier)

    def _follow(
        self,
        status: BranchStatus,
        prepared: publish.Prepared,
        moved: Sequence[FileChange],
        tags: dict[str, str],
    ) -> tuple[str, ...]:
        self._clone.remember_published(status, prepared.commit.oid)
        if status.local.commit != prepared.base.commit:
            self._history.append(prepared.commit, moved)
            return self._clone.follow(status, prepared.commit.oid, tags)
        try:
            warnings = publish.publish(self._repository, prepared, tags)
        except GitregError as error:
            return (f"published, but this clone could not follow ({error}): gitreg fetch",)
        self._history.append(prepared.commit, moved)
        return warnings

    # With and without a remote

    def _state_at(self, base: Tip) -> RegistryState:
        state = RegistryState(self._repository.snapshot(base.commit))
        if base.commit is None or not state.exists():
            raise NotFound("no registry on this branch", hint="gitreg init makes one")
        self._history.aim(base.commit)
        return state

    def _done(self, run: _Run, base: Tip) -> str | None:
        """Return the commit of an operation that was done before.

        Only an id that somebody gave is looked for in all of history. One that was made for this
        run can only be in a commit after the push whose answer was lost.
        """
        if not run.is_new:
            done = self._history.operation(run.id)
            return done or interrupted.absorbed(self._repository, run.id, base.commit)
        if run.lost_from is None or base.commit is None:
            return None
        since = read_commits(self._repository, run.lost_from, base.commit)
        named = (commit.oid for commit, _ in since if run.id in commit.trailers.get(OPERATION, ()))
        return next(named, None)

    def _prepare(
        self, run: _Run, local: Tip, base: Tip, change: Change, moved: Sequence[FileChange]
    ) -> tuple[publish.Prepared, dict[str, str]]:
        """Write the objects of a change, unless it would overwrite uncommitted work."""
        here = self._repository.snapshot(local.commit)
        worktree.refuse_dirty(
            self._repository, {change.path: here.read(change.path) for change in moved}
        )
        author = None
        if run.authored_at is not None:
            who = self._repository.signature("AUTHOR")
            author = replace(who, time=run.authored_at, zone="+0000")
        change = self._above_others(base, change, moved)
        prepared = publish.prepare(
            self._repository, base, change.with_trailer(OPERATION, run.id), author
        )
        planned = self._clone.plan_tags(base.branch, prepared.commit, moved)
        return prepared, publish.write_tags(self._repository, planned, sign=True)

    def _above_others(self, base: Tip, change: Change, moved: Sequence[FileChange]) -> Change:
        """Return a change whose tags have other names than those that another tool made here.

        GTO counts its tags, too. The commit says above which counter gitreg's own are, so that
        every clone derives the same ones.
        """
        unborn = CommitInfo(NO_OBJECT, base.commit, "", "", 0, "+0000", change.message())
        planned = self._history.plan_tags(unborn, moved)
        models = {
            tag.model
            for tag in planned
            if "#" in tag.name and publish.is_another_tools(self._repository, tag.name)
        }
        if not models:
            return change
        tags = filter(None, map(parse_gto_tag, self._repository.tags()))
        counters = [tag.counter or 0 for tag in tags if tag.artifact in models]
        return change.with_trailer(COUNTER, str(max(counters)))

    def _done_before(self, run: _Run, commit: str) -> Outcome:
        """Return the outcome of an operation that was done before under the same id.

        Raises:
            InvalidRequest: the id belongs to a different operation.
        """
        past = self._repository.with_history()
        parent = past.commit_of(f"{commit}^")
        before = RegistryState(past.snapshot(parent))
        after = past.snapshot(commit)
        if parent is not None:
            self._history.advance(parent)  # a rollback looks back from there
        change: Change | None = None
        try:
            change = run.change_on(before)
        except WorldError:
            raise
        except GateRefused as refused:
            change = refused.change  # it passed when it was done; a freeze may have begun since
        except GitregError:
            pass
        if change is None or not is_the_same(change, after.read):
            raise InvalidRequest(
                f"the id {run.id} belongs to another operation, done in {commit[:9]}",
                hint="give each operation an id of its own, or leave --op-id out",
            )
        tags = tuple(tag.name for tag in self._history.tags_of_commit(commit))
        return Outcome(
            change, commit, tags, warnings=change.warnings, operation=run.id, repeated=True
        )

    def _refuse_if_overtaken(
        self,
        decided_at: RegistryState,
        now: RegistryState,
        moved: Sequence[FileChange],
        how_to_see: str,
    ) -> None:
        """Refuse to move a pointer that somebody else moved since the user last looked."""
        rules = policy_in_force(self._repository, now).policy
        place = first_conflict(decided_at.snapshot.read, rules, moved)
        if place is not None:
            raise self._overtaken(place, how_to_see)

    def _overtaken(self, place: Place, how_to_see: str) -> Overtaken:
        moves = []
        with suppress(GitError):  # the clone is shallow
            moves = self._history.events(place.model, place.pointer, limit=1)
        by = f" by {moves[0].author} in {moves[0].commit[:9]}" if moves else ""
        what = f"{_reference_to(place)}, which this would change, was moved"
        if place.version is not None:
            name = format_version(place.model, place.version)
            what = f"{name}, which this would delete, was registered"
        return Overtaken(
            f"{what}{by} since you last looked; nothing was published",
            hint=f"{how_to_see}gitreg log {_reference_to(place)}, then run yours again to confirm",
        )


def _new_run(operation: Operation, reason: str | None, op_id: str | None) -> _Run:
    name = secrets.token_hex(8) if op_id is None else check_operation_id(op_id)
    return _Run(operation, check_reason(reason), name, op_id is None)


def _unknown(run: _Run, error: Exception) -> UnknownOutcome:
    return UnknownOutcome(
        f"the remote did not answer, and gitreg cannot find out whether it published: {error}",
        hint=f"run it again with --op-id {run.id}: then it happens only once",
    )


def _reference_to(place: Place) -> Reference:
    if place.kind == "aliases":
        return Reference(place.model, alias=place.name)
    if place.version is not None:
        return Reference(place.model, version=place.version)
    return Reference(place.model, stage=place.name)
