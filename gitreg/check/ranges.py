"""Judges ranges of commits in a repository: the door between Git and the checks, which are pure.

Every commit is judged against each of its parents under the policy of the range's base; a policy
that changes inside the range judges nothing in it. Without a base (all of history) each step is
judged under the policy of its parent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from gitreg import layout
from gitreg.check.finding import CheckFinding
from gitreg.check.judge import judge_step, new_faults
from gitreg.check.step import Step, is_registry, models_of
from gitreg.check.versions import new_versions
from gitreg.errors import GitError, GitregError, InvalidRequest
from gitreg.git.objects import CommitSnapshot
from gitreg.git.repository import GitRepository
from gitreg.git.steps import Difference, ReadCommit, read_steps
from gitreg.policy import DEFAULT, Policy
from gitreg.state import RegistryState

_REMEMBERED = 1000
"""Commits of which the highest numbers and the states are kept while a history is judged."""


@dataclass(frozen=True)
class CheckReport:
    """What a check found.

    Attributes:
        base: the commit whose policy judged, 40 hex digits; ``None`` for all of history.
        head: the last commit that was judged.
        commits: how many commits were judged.
        findings: what was found, in the order of the commits.
        notes: what a person should know of how it was judged, one line each.
    """

    base: str | None
    head: str
    commits: int
    findings: tuple[CheckFinding, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing that was found is an error."""
        return not any(finding.is_error for finding in self.findings)


@dataclass(frozen=True)
class CheckOptions:
    """How to judge.

    Attributes:
        only_registry: whether a commit that touches the registry may touch nothing else.
        strict: whether what cannot be known here is an error, not a warning.
        highest: tells the highest number that a version of a model had in the history up to the
            base; asked only when a version is registered.
    """

    only_registry: bool = False
    strict: bool = False
    highest: Callable[[str], int] = lambda _model: 0


def check_base(repository: GitRepository, base: str, head: str) -> None:
    """Refuse a base that does not lead to the head: between them there is nothing to judge by.

    Raises:
        InvalidRequest: it is not an ancestor.
        GitError: it is not, as far as a shallow clone tells.
    """
    if repository.is_ancestor(base, head):
        return
    if repository.is_shallow:
        raise GitError(
            f"{base[:9]} is not among the ancestors of {head[:9]} that this shallow clone has",
            hint="git fetch --unshallow, or check out with fetch-depth: 0",
        )
    raise InvalidRequest(
        f"{base[:9]} is not an ancestor of {head[:9]}: nothing was judged",
        hint=f"judge from where they parted: gitreg check {base[:9]}...{head[:9]}",
    )


def check_range(
    repository: GitRepository,
    base: str | None,
    head: str,
    options: CheckOptions | None = None,
) -> CheckReport:
    """Judge the commits that ``head`` has and ``base`` has not.

    Args:
        repository: where they are.
        base: a commit; ``None`` for all of history.
        head: a commit.
        options: how to judge.

    Raises:
        InvalidRequest: the base is not an ancestor of the head.
        GitError: history is cut off inside the range, or Git fails.
    """
    if base is not None:
        check_base(repository, base, head)
    judge = _Judge(repository, base, options or CheckOptions())
    findings: list[CheckFinding] = []
    count = 0
    for commit in read_steps(repository, base, head):
        findings += judge.commit(commit)
        count += 1
    return CheckReport(base, head, count, tuple(findings), tuple(judge.notes))


class _Judge:
    """Judges the commits of a range, each after its parents."""

    def __init__(
        self, repository: GitRepository, base: str | None, options: CheckOptions
    ) -> None:
        self._repository = repository
        self._base = base
        self._options = options
        self._states: dict[str | None, RegistryState] = {}
        # Numbers given inside the range, by commit: what its ancestors in the range gave.
        self._given: dict[str, dict[str, int]] = {}
        self._rules = None if base is None else _policy_of(self._state(base))
        self._in_force: dict[str, Policy] = {}
        self.notes: list[str] = []

    def _state(self, commit: str | None) -> RegistryState:
        if commit not in self._states:
            if len(self._states) > _REMEMBERED:
                self._states.clear()
            self._states[commit] = RegistryState(CommitSnapshot(self._repository.reader, commit))
        return self._states[commit]

    def commit(self, read: ReadCommit) -> Iterator[CheckFinding]:
        """Yield what is wrong with a commit, each thing once."""
        oid = read.info.oid
        self._inherit(read)
        told: set[tuple[str, str]] = set()
        for step in self._steps(read):
            for finding in judge_step(step, only_registry=self._options.only_registry):
                key = finding.code, finding.subject
                if not read.parents[1:] or key not in told:
                    told.add(key)
                    yield self._graded(finding)
            for model, numbers in new_versions(step):
                given = self._given[oid]
                given[model] = max(given.get(model, 0), *numbers)
        yield from self._faults(read)
        self._remember_policy(read)

    def _graded(self, finding: CheckFinding) -> CheckFinding:
        if self._options.strict and finding.code.startswith("unknown-"):
            return replace(finding, severity="error")
        return finding

    def _inherit(self, read: ReadCommit) -> None:
        given: dict[str, int] = {}
        for parent in read.parents:
            for model, number in self._given.get(parent, {}).items():
                given[model] = max(given.get(model, 0), number)
        self._given[read.info.oid] = given

    def _steps(self, read: ReadCommit) -> Iterator[Step]:
        parents: tuple[str | None, ...] = read.parents or (None,)
        is_merge = len(parents) > 1
        after = self._state(read.info.oid)
        for place, (parent, differences) in enumerate(zip(parents, read.differences, strict=True)):
            before = self._state(parent)
            changes = differences
            if is_merge:
                brought = read.brought[place]
                changes = tuple(entry for entry in differences if entry.path not in brought)
                if any(is_registry(entry.path) for entry in changes):
                    before = before.after(_contents(after, differences, brought))
            policy = self._policy(parent)
            self._note_policy(read, changes)
            yield Step(
                read.info, parent, changes, before, after, policy,
                highest=lambda model: self._highest(read.info.oid, model), is_merge=is_merge,
            )  # fmt: skip

    def _policy(self, parent: str | None) -> Policy:
        """Return the rules that what a commit did to this parent is judged by."""
        if self._rules is not None:
            return self._rules
        return DEFAULT if parent is None else self._in_force.get(parent, DEFAULT)

    def _remember_policy(self, read: ReadCommit) -> None:
        """Note the rules in force after a commit; one that cannot be read (a finding) sets none."""
        if self._rules is not None:
            return
        inherited = self._policy(read.parents[0] if read.parents else None)
        changed = any(
            entry.path == layout.POLICY for found in read.differences for entry in found
        )
        try:
            policy = self._state(read.info.oid).policy if changed else inherited
        except GitregError:
            policy = inherited
        self._in_force[read.info.oid] = policy

    def _note_policy(self, read: ReadCommit, changes: tuple[Difference, ...]) -> None:
        if self._base is not None and any(entry.path == layout.POLICY for entry in changes):
            self.notes.append(
                f"{read.info.oid[:9]} changes {layout.POLICY}: this range was judged by the rules "
                f"of its base, {self._base[:9]}; the new ones judge what comes after it"
            )

    def _highest(self, oid: str, model: str) -> int:
        return max(self._options.highest(model), self._given[oid].get(model, 0))

    def _faults(self, read: ReadCommit) -> Iterator[CheckFinding]:
        """Yield what is wrong with the state of a commit and of no parent of it."""
        touched = [
            set(models_of(entry.path for entry in found if is_registry(entry.path)))
            for found in read.differences
        ]
        models = sorted(set.intersection(*touched))
        if not models:
            return
        states = [self._state(parent) for parent in read.parents or (None,)]
        yield from new_faults(
            read.info.oid,
            self._state(read.info.oid),
            states,
            self._policy(read.parents[0] if read.parents else None),
            models,
        )


def _contents(
    after: RegistryState, differences: tuple[Difference, ...], brought: frozenset[str]
) -> dict[str, bytes | None]:
    """Return the files of the registry that a merge brought from another parent."""
    gone = {entry.path for entry in differences if entry.mode == 0}
    paths = [path for path in brought if is_registry(path) or path == layout.DVC_YAML]
    contents = after.snapshot.read_many(paths)
    return {
        path: None if path in gone else content if content is not None else b""
        for path, content in zip(paths, contents, strict=True)
    }


def _policy_of(state: RegistryState) -> Policy:
    """Return the rules of a state.

    Raises:
        InvalidRequest: they do not parse: nothing can be judged by them.
    """
    try:
        return state.policy
    except GitregError as error:
        raise InvalidRequest(
            f"the policy at {str(state.commit)[:9]} cannot be read, so that nothing can be judged "
            f"by it: {error}",
            hint="mend registry/policy.yaml on the branch first, past the hook",
        ) from None
