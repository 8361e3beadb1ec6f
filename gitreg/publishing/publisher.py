"""Turns an operation into a published commit: one place for lock, race, tags and push.

A published operation goes through these steps, and can be cut off after any of them; run again
under the same id it goes on from where it was:

1. take the lock of this clone; 2. fetch the published branch; 3. look whether the operation is
there already, by its id; 4. run it on the tip, check what it expected and put bytes on the DVC
remote; 5. write blobs, trees, commit and tags, which nothing names yet; 6. nothing here has moved;
7. push branch and tags at once, if the branch is where it was; 8. push tags that are lacking;
9. let the clone follow.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from gitreg.core.model.layout import Place
from gitreg.core.model.names import Reference, check_operation_id, format_version
from gitreg.core.operations import Operation
from gitreg.core.operations.judging import GateRefused
from gitreg.core.state.change import (
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
    LostRace,
    NotFound,
    Refused,
    UnknownOutcome,
    WorldError,
)
from gitreg.git import publish, worktree
from gitreg.git.history_index import HistoryIndex
from gitreg.git.objects import NO_OBJECT
from gitreg.git.remote import Locked
from gitreg.git.repository import GitRepository, Tip
from gitreg.publishing.clone import Clone, Standing
from gitreg.publishing.outcome import Draft, Outcome, Overtaken, Proposal
from gitreg.publishing.retry import RetryBudget
from gitreg.publishing.sameness import _is_the_same_file, file_changes, is_the_same, named_versions

_Done = TypeVar("_Done")


SendBytes = Callable[[RegistryState, Iterable[tuple[str, int]]], None]
"""Puts the bytes of versions on the DVC remote, or raises."""

_STATES_REACHED = ("nothing was", "published as", "written as")
"""How an error begins to say what had been done when it came."""


@dataclass
class _Run:
    """One operation while it is tried, maybe several times."""

    operation: Operation
    reason: str | None
    id: str
    budget: RetryBudget = field(default_factory=RetryBudget)
    decided_at: RegistryState | None = None
    authored_at: int | None = None

    def change_on(self, state: RegistryState) -> Change:
        return replace(self.operation(state), reason=self.reason)

    def proposed_on(self, state: RegistryState) -> Change:
        try:
            return self.change_on(state)
        except NotFound as error:
            unpublished = "only what is published can be proposed, by gitreg push or a merge"
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

    def plan(self, operation: Operation, reason: str | None) -> Outcome:
        """Return what an operation would do, without writing anything but the history index."""
        base = self._repository.tip()
        state = self._state_at(base)
        change = replace(operation(state), reason=check_reason(reason))
        tags: list[Tag] = []
        if change.edits and base.commit:
            moved = file_changes(state, change)
            # Its own hash is not known before it is written; tags only need a place for it.
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

        When somebody else moves the branch meanwhile it runs again on the new tip; when that
        moved a pointer which the operation moves too, it fails and names the winner. Under an id
        that was used before, it is found and not done again.

        Args:
            operation: what is done.
            reason: why, for the commit's message.
            push: publish it on the remote, before anything moves here.
            op_id: identifies it; a new one by default.
            authored_at: when it was first done, in seconds since the epoch, where that was
                elsewhere: the author's date. The committer's is now in any case.

        Raises:
            LostRace: so, or the branch kept moving.
            UnknownOutcome: the remote did not answer, and cannot be asked.
            GitregError: whatever the operation raises; nothing was written.
        """
        run = _new_run(operation, reason, op_id)
        run.authored_at = authored_at
        attempt = self._try_published if push else self._try_here
        with self._clone.exclusive():  # 1
            self._clone.settle()
            try:
                return self._until_done(run, attempt)
            except WorldError as error:
                raise _with_state_reached(error, published=push) from None
            except KeyboardInterrupt:
                again = f"with --op-id {run.id} it is done once, whatever was done by now"
                raise KeyboardInterrupt(again) from None

    def propose(
        self,
        operation: Operation,
        reason: str | None,
        draft: Draft,
        *,
        op_id: str | None = None,
        dry_run: bool = False,
    ) -> Proposal:
        """Put an operation's commit on a branch of its own, on top of what is published.

        The clone's branch, index, work tree and tags are left alone, and so is the published
        branch. The branch is replaced when it has the same operation from before; what is there
        already is not pushed again.

        Args:
            operation: what is done.
            reason: why, for the commit's message.
            draft: names the branch.
            op_id: identifies it; a new one by default.
            dry_run: fetch, but neither write nor push.

        Raises:
            LostRace: the branch kept moving, or what the operation moves was moved meanwhile.
            Refused: the branch has commits that are somebody else's.
            GitregError: whatever the operation raises; nothing was published.
        """
        run = _new_run(operation, reason, op_id)
        with self._clone.exclusive():  # 1
            try:
                return self._until_done(run, lambda run: self._try_proposed(run, draft, dry_run))
            except WorldError as error:
                raise _with_state_reached(error, published=True) from None

    def _until_done(self, run: _Run, attempt: Callable[[_Run], _Done]) -> _Done:
        while True:
            try:
                return attempt(run)
            except Overtaken:
                raise
            except (LostRace, Locked, UnknownOutcome) as error:
                try:
                    run.budget.again(error)
                except UnknownOutcome:
                    self._look_what_came_of_it(run, error)
            except WorldError as error:
                if not run.budget.lost_answers:
                    raise
                raise self._unknown(run, error) from None

    def _look_what_came_of_it(self, run: _Run, error: GitError) -> None:
        """Go on when an operation is found whose answer was lost for the last time."""
        try:
            standing = self._clone.look()
        except GitError as why:
            raise self._unknown(run, why) from None
        self._history.advance(str(standing.base.commit), exact=True)
        if self._history.operation(run.id) is None:
            raise GitError(str(error), hint="nothing was published, run it again") from None

    def _unknown(self, run: _Run, error: Exception) -> UnknownOutcome:
        return UnknownOutcome(
            f"the remote did not answer, and cannot be asked what it did: {error}",
            hint=f"run it again with --op-id {run.id}: then it is done once, whatever it did",
        )

    # Here alone

    def _try_here(self, run: _Run) -> Outcome:
        base = self._repository.tip()
        self._repository.refuse_shallow()
        state = self._state_at(base)
        done = self._history.operation(run.id)
        if done is not None:
            return self._done_before(run, done)
        change = run.change_on(state)
        if not change.edits:
            return Outcome(change, warnings=change.warnings)
        moved = file_changes(state, change)
        run.decided_at = run.decided_at or state
        self._check_expected(run.decided_at, state, moved, "see")
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
        standing = self._clone.look()  # 2
        state = self._state_at(standing.base)
        done = self._history.operation(run.id)  # 3
        if done is not None:
            return self._published_before(run, standing, state, done)
        change = run.change_on(state)  # 4
        if not change.edits:
            warnings = self._publish_rest(standing, state)
            return Outcome(change, pushed=True, warnings=(*change.warnings, *warnings))
        moved = self._expected(standing, state, change)
        if standing.is_ahead:
            self._clone.refuse_broken_invariants(standing)
        prepared, tags = self._prepare(run, standing.local, standing.base, change, moved)  # 5
        self._send(standing, state, moved)  # 4, after what can be refused without bytes moving
        earlier = self._earlier_tags(standing)
        self._clone.publish(standing, prepared.commit.oid, {**earlier, **tags})  # 7
        warnings = self._follow(standing, prepared, moved, tags)  # 9
        return Outcome(
            change,
            prepared.commit.oid,
            tuple(tags),
            pushed=True,
            warnings=(*change.warnings, *warnings),
            operation=run.id,
        )

    def _expected(
        self, standing: Standing, state: RegistryState, change: Change
    ) -> list[FileChange]:
        """Return what a change does, after a look at what others have published meanwhile."""
        moved = file_changes(state, change)
        decided_at = RegistryState(self._repository.snapshot(self._clone.decided_at(standing)))
        try:
            self._check_expected(decided_at, state, moved, self._clone.how_to_see)
        except Overtaken:
            self._clone.remember(standing)  # told now, they may decide to replace the winner
            raise
        return moved

    # On a branch beside

    def _try_proposed(self, run: _Run, draft: Draft, dry_run: bool) -> Proposal:  # noqa: FBT001
        here = self._clone.look()  # 2
        standing = here.as_published
        if standing.published is None:
            raise GitError(f"{here.name} is not there yet", hint="gitreg push publishes the first")
        state = self._state_at(standing.base)
        base = here.upstream.short_branch
        done = self._history.operation(run.id)  # 3
        if done is not None:
            return Proposal(self._done_before(run, done), state, base)
        change = run.proposed_on(state)  # 4
        if not change.edits:
            return Proposal(Outcome(change, warnings=change.warnings), state, base)
        moved = self._expected(here, state, change)
        branch = draft.branch(change, base)
        planned = Outcome(change, warnings=change.warnings)
        if dry_run:
            return Proposal(planned, state, base, branch)
        planned = replace(planned, operation=run.id)
        there = self._clone.proposed(standing, f"refs/heads/{branch}")
        if there is not None and self._proposes(there, standing.published, state, change):
            said = trailers_of(self._repository.message_of(there)).get(OPERATION, (run.id,))
            outcome = replace(planned, commit=there, pushed=True, operation=said[0], repeated=True)
            return Proposal(outcome, state, base, branch)
        if there is not None:
            self._refuse_strangers(there, standing.published, branch)
        prepared = publish.prepare(
            self._repository, standing.base, change.with_trailer(OPERATION, run.id)
        )  # 5
        self._send(standing, state, moved)  # bytes first, here too
        words = self._clone.propose(
            standing,
            f"refs/heads/{branch}",
            prepared.commit.oid,
            there,
            draft.push_options(change, base),
        )
        self._clone.remember(here)
        outcome = replace(planned, commit=prepared.commit.oid, pushed=True)
        return Proposal(outcome, state, base, branch, words)

    def _proposes(self, commit: str, base: str, state: RegistryState, change: Change) -> bool:
        """Tell whether a commit is the one that a change would make now, who and when apart."""
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
            _is_the_same_file(edit, after.read(edit.path)) for edit in change.edits
        )

    def _refuse_strangers(self, tip: str, base: str, branch: str) -> None:
        """Refuse to replace a branch that has more on it than one operation's commit.

        Merges of the published branch, which hosts offer a button for, are nobody's work.
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
                hint=f"merge or close its request; git push origin --delete {branch} drops them",
            )

    def _published_before(
        self, run: _Run, standing: Standing, state: RegistryState, done: str
    ) -> Outcome:
        """Bring to its end what was cut off after its commit was made."""
        outcome = self._done_before(run, done)
        self._history.advance(str(standing.base.commit), exact=True)
        try:
            warnings = self._publish_rest(standing, state)
        except GitError as error:
            if standing.is_ahead:
                raise
            raise GitError(
                f"published as {done[:9]}; its tags are missing over there: {error}",
                hint="gitreg tags sync --push",
            ) from None
        return replace(outcome, pushed=True, warnings=(*outcome.warnings, *warnings))

    def _publish_rest(self, standing: Standing, state: RegistryState) -> tuple[str, ...]:
        """Publish what was committed here before, or let the clone follow what is published."""
        if standing.is_ahead:
            self._clone.refuse_broken_invariants(standing)
            self._send(standing, state, ())
            commit = str(standing.base.commit)
            self._clone.publish(standing, commit, self._earlier_tags(standing))
            self._clone.note(standing, commit)
            return ()
        warnings = self._clone.publish_missing_tags(standing)  # 8
        self._clone.remember(standing)
        return warnings + self._clone.follow(standing, str(standing.base.commit))  # 9

    def _send(self, standing: Standing, state: RegistryState, moved: Sequence[FileChange]) -> None:
        """Put the bytes of all that is to be published on the DVC remote."""
        earlier = self._history.versions_since(standing.published) if standing.is_ahead else []
        after = state.after({change.path: change.after for change in moved})
        # What only moves along has been sent under its old name, if it was published then.
        renamed = {old: new for old, new in ended_models(moved).items() if new is not None}
        named = {(renamed.get(model, model), version) for model, version in earlier}
        named |= {pair for pair in named_versions(moved) if pair[0] not in renamed.values()}
        self._send_bytes(after, sorted(pair for pair in named if after.has_version(*pair)))

    def _earlier_tags(self, standing: Standing) -> dict[str, str]:
        """Return the tags of commits that were made here before, name to object."""
        branch = standing.local.branch
        earlier = self._clone.tags(branch, standing.published) if standing.is_ahead else []
        return publish.write_tags(self._repository, earlier)

    def _follow(
        self,
        standing: Standing,
        prepared: publish.Prepared,
        moved: Sequence[FileChange],
        tags: dict[str, str],
    ) -> tuple[str, ...]:
        if standing.local.commit != prepared.base.commit:
            self._clone.note(standing, prepared.commit.oid)
            self._history.append(prepared.commit, moved)
            return self._clone.follow(standing, prepared.commit.oid, tags)
        try:
            warnings = publish.publish(
                self._repository, prepared, tags, seen=standing.upstream.seen
            )
        except GitError as error:
            self._clone.note(standing, prepared.commit.oid)
            return (f"published, but this clone could not follow ({error}): gitreg fetch",)
        self._history.append(prepared.commit, moved)
        return warnings

    # Both

    def _state_at(self, base: Tip) -> RegistryState:
        state = RegistryState(self._repository.snapshot(base.commit))
        if base.commit is None or not state.exists():
            raise NotFound("no registry on this branch", hint="gitreg init makes one")
        self._history.advance(base.commit, exact=True)
        return state

    def _prepare(
        self, run: _Run, local: Tip, base: Tip, change: Change, moved: Sequence[FileChange]
    ) -> tuple[publish.Prepared, dict[str, str]]:
        """Write the objects of a change, after making sure that it overwrites nobody's work."""
        here = self._repository.snapshot(local.commit)
        worktree.refuse_dirty(
            self._repository, {change.path: here.read(change.path) for change in moved}
        )
        author = None
        if run.authored_at is not None:
            who = self._repository.signature("AUTHOR")
            author = replace(who, time=run.authored_at, zone="+0000")
        prepared = publish.prepare(
            self._repository, base, change.with_trailer(OPERATION, run.id), author
        )
        planned = self._clone.plan_tags(base.branch, prepared.commit, moved)
        return prepared, publish.write_tags(self._repository, planned, sign=True)

    def _done_before(self, run: _Run, commit: str) -> Outcome:
        """Return the outcome of an operation that is found under its id.

        Raises:
            InvalidRequest: what was done under the id is something else.
        """
        parent = self._repository.commit_of(f"{commit}^")
        before = RegistryState(self._repository.snapshot(parent))
        after = self._repository.snapshot(commit)
        if parent is not None:
            self._history.advance(parent)  # a rollback looks back from there
        change: Change | None = None
        try:
            change = run.change_on(before)
        except WorldError:
            raise
        except GateRefused as refused:
            change = refused.change  # judged when it was done; a freeze may have begun since
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

    def _check_expected(
        self,
        decided_at: RegistryState,
        now: RegistryState,
        moved: Sequence[FileChange],
        how_to_see: str,
    ) -> None:
        """Refuse to move what somebody else has moved since the operation was decided on."""
        place = first_conflict(decided_at.snapshot.read, now.policy, moved)
        if place is not None:
            raise self._overtaken(place, how_to_see)

    def _overtaken(self, place: Place, how_to_see: str) -> Overtaken:
        moves = self._history.events(place.model, place.pointer, limit=1)
        by = f" by {moves[0].author} in {moves[0].commit[:9]}" if moves else ""
        what = f"{place.model} {place.pointer}, which this would change, was moved"
        if place.version is not None:
            name = format_version(place.model, place.version)
            what = f"{name}, which this would delete, was registered"
        return Overtaken(
            f"{what} meanwhile{by}; nothing was published",
            hint=f"{how_to_see} gitreg log {_reference_to(place)}, then run yours again if it "
            "still holds",
        )


def _new_run(operation: Operation, reason: str | None, op_id: str | None) -> _Run:
    name = secrets.token_hex(8) if op_id is None else check_operation_id(op_id)
    return _Run(operation, check_reason(reason), name)


def _with_state_reached(error: WorldError, *, published: bool) -> WorldError:
    """Make sure that an error says what was done before it: nothing, unless it says so itself."""
    said = f"{error} {error.hint}"
    if not isinstance(error, UnknownOutcome) and not any(w in said for w in _STATES_REACHED):
        nothing = f"nothing was {'published' if published else 'written'}"
        error.hint = f"{nothing}; {error.hint}" if error.hint else nothing
    return error


def _reference_to(place: Place) -> Reference:
    if place.kind == "aliases":
        return Reference(place.model, alias=place.name)
    if place.version is not None:
        return Reference(place.model, version=place.version)
    return Reference(place.model, stage=place.name)
