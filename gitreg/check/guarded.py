"""Checks of changes of the policy itself, and of the files that decide whether it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from gitreg.check.finding import CheckFinding
from gitreg.check.step import Step
from gitreg.core.policy.guard import GuardedChange, judge_change
from gitreg.core.state.state import RegistryState
from gitreg.errors import InvalidRequest
from gitreg.git.repository import GitRepository
from gitreg.git.steps import Difference, read_steps


def guarded(
    step: Step,
    signer: Callable[[], str | None],
    approvers: Callable[[Step, Sequence[Difference]], Sequence[str]],
) -> Iterator[CheckFinding]:
    """Find changes that the policy before them does not let this commit make.

    Args:
        step: the commit beside a parent.
        signer: gives whose key signed the commit, by that policy.
        approvers: gives whose approval of these changes verifies, by that policy.
    """
    guard = step.policy.guard
    if guard is None:
        return
    changes = [change for change in step.changes if guard.covers(change.path)]
    if not changes:
        return
    change = GuardedChange(
        step.commit.author,
        signer(),
        approvers(step, changes) if guard.approvals is not None else (),
    )
    for verdict in judge_change(step.policy, change):
        if not verdict.passed:
            for one in changes:
                yield step.found(f"policy-{verdict.rule}", one.path, verdict.line)


def statement_of(repository_id: str, step: Step, changes: Sequence[Difference]) -> bytes:
    """Return what an approval of changes signs; see `gitreg.approvals.changes`."""
    from gitreg.approvals.changes import ChangedFile, statement

    return statement(
        repository_id,
        [
            ChangedFile(
                change.path,
                change.mode_before,
                step.before.snapshot.read(change.path),
                change.mode,
                step.after.snapshot.read(change.path),
            )
            for change in changes
        ],
    )


def statement_of_commit(repository: GitRepository, revision: str) -> bytes:
    """Return what an approval of a commit signs: its changes of what its parent's policy guards.

    Raises:
        NotFound: there is no such commit.
        InvalidRequest: it has no approvals to get.
    """
    commit = repository.parse_revision(revision)
    parent = repository.commit_of(f"{commit}^")
    if parent is None:
        raise InvalidRequest(f"{commit[:9]} is the first commit: it needs no approval")
    [read] = read_steps(repository, [f"{commit}^@"], commit)
    before, after = (RegistryState(repository.snapshot(one)) for one in (parent, commit))
    guard = before.policy.guard
    if guard is None:
        raise InvalidRequest(
            f"at {parent[:9]} the policy does not say who may change it",
            hint="its key `policy` says so: see docs/reference/policy.md",
        )
    changes = [change for change in read.differences[0] if guard.covers(change.path)]
    if not changes:
        raise InvalidRequest(f"{commit[:9]} changes nothing that the policy guards")
    step = Step(read.info, parent, tuple(changes), before, after, before.policy)
    return statement_of(repository.root_of(commit), step, changes)
