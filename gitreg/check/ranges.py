"""Judges ranges of commits: reads them from Git for the checks, which are pure.

Every commit is judged against each of its parents under the policy of the range's base; a policy
that changes inside the range applies after it. Moves are those of the branch, which is the line of
first parents: what a merge brings is judged as moved by the merge. A head whose first parents do
not lead to the base, as of a branch that the base was merged into, is judged as if it were merged.
Without a base (all of history) each commit is judged under the policy of the branch that it came
onto: that of its first parent, and for merged commits that of the merge's first parent.
"""

from __future__ import annotations

import time
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from gitreg.check import commits
from gitreg.check.arrivals import Arrivals
from gitreg.check.commit_facts import CommitFacts
from gitreg.check.digests import Digests
from gitreg.check.facts import Bytes, NoBytes
from gitreg.check.finding import CheckFinding
from gitreg.check.guarded import guarded, statement_of
from gitreg.check.judge import judge_moves, judge_step, new_faults
from gitreg.check.limits import limits
from gitreg.check.line import Line
from gitreg.check.lives import Lives
from gitreg.check.origins import Makers
from gitreg.check.past import Past
from gitreg.check.renders import Renders
from gitreg.check.revisions import check_base
from gitreg.check.step import Step, is_registry, models_of
from gitreg.check.taken_back import Operations
from gitreg.check.versions import new_versions
from gitreg.core.model import layout
from gitreg.core.policy import DEFAULT, Facts, Policy
from gitreg.core.state.decision import Move
from gitreg.core.state.history import CommitInfo
from gitreg.core.state.standing import Values
from gitreg.core.state.state import RegistryState
from gitreg.errors import GitregError
from gitreg.git.commit_info import read_commit_info
from gitreg.git.criss_cross import changed_since
from gitreg.git.objects import CommitSnapshot
from gitreg.git.repository import GitRepository
from gitreg.git.restored import is_restored
from gitreg.git.steps import (
    MOST_PARENTS,
    Difference,
    ReadCommit,
    differences_between,
    read_steps,
)
from gitreg.git.valid_policy import policy_in_force

_REMEMBERED = 1000
"""How many commits' states are cached while a history is judged."""


@dataclass(frozen=True)
class CheckReport:
    """What a check found.

    Attributes:
        base: the commit whose policy judged, 40 hex digits; ``None`` for all of history.
        head: the last commit that was judged.
        commits: how many commits were judged.
        findings: what was found, in the order of the commits.
        notes: how it was judged, where that may surprise, one line each.
        to_note: the commits whose arrival a server notes: the last one, and those that moved
            stages; each with the newest date of it and its ancestors.
    """

    base: str | None
    head: str
    commits: int
    findings: tuple[CheckFinding, ...] = ()
    notes: tuple[str, ...] = ()
    to_note: tuple[tuple[str, int], ...] = field(default=(), compare=False, repr=False)

    @property
    def passed(self) -> bool:
        """Whether no finding is an error."""
        return not any(finding.is_error for finding in self.findings)


@dataclass(frozen=True)
class CheckOptions:
    """How to judge.

    Attributes:
        only_registry: whether a commit that touches the registry may touch nothing else.
        strict: whether what cannot be known here is an error, not a warning.
        remote: whether to ask if the bytes of new versions are on the DVC remote.
        past: the history up to the base; read when a version is registered or returns, and for
            soaking.
        artifacts: what is known of bytes.
        now: when a server receives the commits, in seconds since the epoch; ``None`` judges by
            their own dates.
        arrivals: when earlier commits arrived, on a server.
        unpublished: the commits of a clone that are still to be published; no freeze may be now.
        most_commits: the most commits that are judged; ``None`` for any number.
    """

    only_registry: bool = False
    strict: bool = False
    remote: bool = False
    past: Past = field(default_factory=Past)
    artifacts: Bytes = field(default_factory=NoBytes)
    now: int | None = None
    arrivals: Arrivals | None = None
    unpublished: Container[str] = ()
    most_commits: int | None = None


def check_range(
    repository: GitRepository,
    base: str | None,
    head: str,
    options: CheckOptions | None = None,
) -> CheckReport:
    """Judge the commits of ``head`` that ``base`` does not have.

    Args:
        repository: where they are.
        base: a commit; ``None`` for all of history, each step under the policy of its time.
        head: a commit.
        options: how to judge.

    Raises:
        InvalidRequest: the base is not an ancestor of the head.
        GitError: history is cut off inside the range, or Git fails.
    """
    if base is not None:
        check_base(repository, base, head)
    return judge_range(repository, base, head, options)


def judge_range(
    repository: GitRepository,
    base: str | None,
    head: str,
    options: CheckOptions | None = None,
) -> CheckReport:
    """Judge a range as `check_range` does, where the base is known to be an ancestor of the head.

    Raises:
        GitError: history is cut off inside the range, or Git fails.
    """
    return _judged(repository, base, [base] if base else [], head, options)


def check_commit(
    repository: GitRepository, commit: str, parents: list[str], options: CheckOptions | None = None
) -> CheckReport:
    """Judge one commit alone, under the policy of its first parent.

    Args:
        repository: where it is.
        commit: 40 hex digits.
        parents: its parents.
        options: how to judge.

    Raises:
        GitError: Git fails.
    """
    return _judged(repository, parents[0] if parents else None, parents, commit, options)


def _judged(
    repository: GitRepository,
    base: str | None,
    bases: list[str],
    head: str,
    options: CheckOptions | None,
) -> CheckReport:
    judge = _Judge(repository, base, head, options or CheckOptions())
    findings: list[CheckFinding] = []
    count = 0
    most = None if options is None else options.most_commits
    for commit in read_steps(repository, bases, head, most=most):
        findings += judge.commit(commit)
        count += 1
        if judge.is_over:
            return CheckReport(base, head, count, tuple(findings))
    findings += judge.merged(head)
    findings += judge.unshared(head)
    notes = tuple(dict.fromkeys(judge.notes))
    return CheckReport(base, head, count, tuple(findings), notes, judge.to_note(head))


@dataclass
class _Known:
    """What the ancestors of a commit did inside the range.

    Attributes:
        given: by model, how many lives of the name ended, and the highest number since.
        ended: by model, the commit that ended its name last.
        children: how many commits still need it.
    """

    given: dict[str, tuple[int, int]] = field(default_factory=dict)
    ended: dict[str, str] = field(default_factory=dict)
    children: int = 0

    def copy(self) -> _Known:
        return _Known(dict(self.given), dict(self.ended))

    def add(self, other: _Known) -> None:
        for model, number in other.given.items():
            self.given[model] = max(self.given.get(model, (0, 0)), number)
        for model, commit in other.ended.items():
            self.ended.setdefault(model, commit)


class _Judge:
    """Judges the commits of a range, each after its parents."""

    def __init__(
        self, repository: GitRepository, base: str | None, head: str, options: CheckOptions
    ) -> None:
        self._repository = repository
        self._base = base
        self._root_of = base or head
        self._options = options
        clock = int(time.time()) if options.now is None else options.now
        noted = None if options.arrivals is None else options.arrivals.newest
        self._dates = commits.Dates(
            repository, clock, is_server=options.now is not None, noted=noted
        )
        self._digests = Digests(repository, base)
        self._renders = Renders(repository)
        self._arrived: list[str] = []
        self.is_over = False  # a limit is: nothing more can be judged
        self._operations = Operations(repository)
        self._line = Line(options.past)
        self._is_line: bool | None = None
        self._makers = Makers(repository, self._state)
        self._states: dict[str | None, RegistryState] = {}
        self._known: dict[str, _Known] = {}
        self._latest = _Known()
        self._parents: tuple[str, ...] = ()
        self._registered: dict[tuple[str, int], str] = {}
        self.notes: list[str] = []
        self._rules = None if base is None else self._rules_of(base)
        self._in_force: dict[str, Policy] = {}

    def _state(self, commit: str | None) -> RegistryState:
        if commit not in self._states:
            if len(self._states) > _REMEMBERED:
                self._states.clear()
            self._states[commit] = RegistryState(CommitSnapshot(self._repository.reader, commit))
        return self._states[commit]

    def _rules_of(self, base: str) -> Policy:
        """Return the rules in force at the base; note where they are not its own."""
        found = policy_in_force(self._repository, self._state(base))
        self.notes += found.warnings
        return found.policy

    def commit(self, read: ReadCommit) -> Iterator[CheckFinding]:
        """Yield the findings on a commit, each once."""
        over = list(limits(read, self._policy(read).guard))
        if over:
            self.is_over = True
            yield from over
            return
        brings = any(parent in self._known for parent in read.parents[1:])
        self._inherit(read)
        told: set[tuple[str, str]] = set()
        steps = list(self._steps(read))
        moving = self._moving(read, steps[0], brings=brings)
        for step in steps:
            found = judge_step(step, only_registry=self._options.only_registry)
            if step is steps[0]:
                found += self._operations.undone(step)
                if moving is not None:
                    found += judge_moves(moving, self)
            found += self._digests.judge(step)
            if step is steps[0]:
                found += self._renders.judge(moving or step)
            if step.policy.guard is not None:
                found += guarded(step, self.facts(step).signer, self._approve_change)
            for finding in found:
                key = finding.code, finding.subject
                if not read.parents[1:] or key not in told:
                    told.add(key)
                    yield self._graded(finding)
        yield from self._faults(read)
        yield from commits.faults(read)
        yield from self._dates.judge(read, counts=self._state(read.info.oid).exists)
        yield from commits.trees(self._repository, read)
        if any(layout.is_stage(entry.path) for found in read.differences for entry in found):
            self._arrived.append(read.info.oid)
        if moving is not None:
            self._line.learn(moving)
        self._learn(read, steps)
        self._remember_policy(read)

    def _moving(self, read: ReadCommit, step: Step, *, brings: bool) -> Step | None:
        """Return a commit of the branch beside its first parent, with all that it brings.

        ``None`` for a commit that a merge brings, whose moves the merge makes.
        """
        if self._is_line is None:  # the first commit tells where the line of first parents begins
            self._is_line = self._base is None or read.onto == self._base
        if not read.on_line or not self._is_line:
            return None
        if not brings:  # what a merge of older commits brings is known already
            return step
        before = self._state(read.parents[0])
        return replace(step, changes=read.differences[0], before=before)

    def merged(self, head: str) -> Iterator[CheckFinding]:
        """Yield the findings on what a head would move, where it is no continuation of its base."""
        if self._is_line is not False:
            return
        self._parents = (str(self._base), head)
        found = self._repository.reader.get(head)
        assert found is not None
        step = Step(
            read_commit_info(found),
            self._base,
            differences_between(self._repository, str(self._base), head),
            self._state(self._base),
            self._state(head),
            self._rules or DEFAULT,
            is_merge=True,
            restored=lambda model: self._is_restored(head, model, self._options.past.end(model)),
        )
        yield from map(self._graded, judge_moves(step, self))

    def _graded(self, finding: CheckFinding) -> CheckFinding:
        if self._options.strict and finding.code.startswith("unknown-"):
            return replace(finding, severity="error")
        return finding

    def _inherit(self, read: ReadCommit) -> None:
        """Hand what is known at its parents to a commit.

        The last child takes over its parent's object: a copy for each commit of a long history
        would not fit into memory.
        """
        known: list[_Known] = []
        self._parents = read.parents
        for parent in dict.fromkeys(read.parents):
            found = self._known.get(parent)
            if found is None:  # outside the range
                continue
            found.children -= 1
            if found.children <= 0:
                del self._known[parent]
                known.append(found)
            else:
                known.append(found.copy())
        mine = known[0] if known else _Known()
        for other in known[1:]:
            mine.add(other)
        mine.children = read.children
        self._known[read.info.oid] = mine
        self._latest = mine

    def to_note(self, head: str) -> tuple[tuple[str, int], ...]:
        """Return the commits whose arrival a server notes, each with the newest date up to it."""
        noted = dict.fromkeys((*self._arrived, head))
        return tuple((oid, self._dates.newest(oid)) for oid in noted)

    def unshared(self, head: str) -> Iterator[CheckFinding]:
        """Yield the versions of the range whose bytes are not on the DVC remote."""
        if not self._options.remote:
            return
        state = self._state(head)
        for (model, number), commit in self._registered.items():
            if not state.has_version(model, number):
                continue
            path = layout.manifest_path(model, number)
            try:
                artifact = state.manifest(model, number).artifact
                artifact = replace(artifact, md5=state.artifact_md5(model, number, artifact.path))
            except GitregError:
                continue  # the check of manifests reports it
            shared = self._options.artifacts.is_on_remote(artifact)
            if shared is None:
                yield self._graded(
                    CheckFinding(
                        "unknown-remote",
                        "warning",
                        path,
                        "the DVC remote cannot be asked here whether it has the bytes",
                        "check with the remote's credentials: dvc remote list names it",
                        commit=commit,
                        file=path,
                    )
                )
            elif not shared:
                yield CheckFinding(
                    "not-on-remote",
                    "error",
                    path,
                    "its bytes are not on the DVC remote",
                    "gitreg push, in the clone that has them",
                    commit=commit,
                    file=path,
                )

    def _learn(self, read: ReadCommit, steps: Sequence[Step]) -> None:
        """Record what later commits have to know about this one."""
        given = self._latest.given
        ended = [model for step in steps for model in Lives(step).ended]
        for step in steps:
            for model in Lives(step).gone:
                given[model] = (given.get(model, (0, 0))[0] + 1, 0)
            for model, numbers in new_versions(step):
                for number in numbers:
                    self._registered[model, number] = step.commit.oid
                lives, last = given.get(model, (0, 0))
                given[model] = (lives, max(last, *numbers))
        self._latest.ended |= dict.fromkeys(ended, read.info.oid)

    # What moves are judged by

    def facts(self, step: Step) -> Facts:
        """Return the facts by which a move of this step is judged."""
        options = self._options
        return CommitFacts(
            self._repository,
            step,
            self._line,
            options.artifacts,
            options.now,
            self._root_of,
            arrived=None if options.arrivals is None else options.arrivals.arrived,
            lands=self._lands(step),
        )

    def _approve_change(self, step: Step, changes: Sequence[Difference]) -> Sequence[str]:
        from gitreg.approvals.changes import change_approvers

        text = statement_of(self._repository.root_of(self._root_of), step, changes)
        return change_approvers(step.after.snapshot, step.policy, text)

    def _lands(self, step: Step) -> int | None:
        """Return when a commit lands at the earliest; only freezes ask."""
        policy = step.policy
        if not policy.freeze and not any(rules.freeze for rules in policy.models.values()):
            return None
        return int(time.time()) if step.commit.oid in self._options.unpublished else None

    def moves(self, model: str, stage: str) -> Iterator[Values]:
        """Yield the moves of a model's stage before the commit that is judged, oldest first."""
        return self._line.values(model, stage)

    def had_pointers(self, model: str) -> bool:
        """Tell whether a pointer ever moved under a name before the commit that is judged."""
        return self._line.had_pointers(model)

    def maker(self, move: Move) -> CommitInfo | None:
        """Return the commit that made a move which a merge brings, if it still counts."""
        stage = move.stage or move.came_from or ""
        known = self._line.last_move(move.model, stage), self._line.life(move.model)
        since = [commit for commit in known if commit is not None]
        return self._makers.maker_of(self._parents, move, since)

    def _began_anew(self, model: str) -> bool:
        """Tell whether a name was freed in the range: its earlier history is another model's."""
        return self._latest.given.get(model, (0, 0))[0] > 0

    def _is_restored(self, commit: str, model: str, ended_in: str | None = None) -> bool:
        """Tell whether a model is at a commit what it was before its latest end."""
        known = ended_in or self._latest.ended.get(model) or self._options.past.end(model)
        return is_restored(self._repository, known, commit, model)

    def _steps(self, read: ReadCommit) -> Iterator[Step]:
        parents: tuple[str | None, ...] = read.parents or (None,)
        is_merge = len(parents) > 1
        if len(parents) > MOST_PARENTS:  # it changes no registry: see `limits`
            parents = parents[:1]
        after = self._state(read.info.oid)
        for place, (parent, differences) in enumerate(zip(parents, read.differences, strict=False)):
            before = self._state(parent)
            changes = differences
            if is_merge:
                brought = read.brought[place] if read.brought else frozenset()
                brought -= frozenset(self._left_behind(read, place, brought))
                changes = tuple(entry for entry in differences if entry.path not in brought)
                if any(is_registry(entry.path) for entry in changes):
                    before = before.after(_contents(after, differences, brought))
            self._note_policy(read, changes)
            yield Step(
                read.info,
                parent,
                changes,
                before,
                after,
                self._policy(read),
                highest=self._highest,
                is_merge=is_merge,
                restored=partial(self._is_restored, read.info.oid),
            )

    def _left_behind(self, read: ReadCommit, place: int, brought: frozenset[str]) -> Iterator[str]:
        """Yield what is guarded and was brought from before a change that was taken back since."""
        guard = self._policy(read).guard
        for path in () if guard is None else filter(guard.covers, brought):
            givers = [
                other
                for other, found in zip(read.parents, read.differences, strict=True)
                if all(entry.path != path for entry in found)
            ]
            mine = read.parents[place]
            if all(changed_since(self._repository, mine, other, path) for other in givers):
                yield path

    def _policy(self, read: ReadCommit) -> Policy:
        """Return the rules that judge a commit; those of its own branch do not count."""
        if self._rules is not None:
            return self._rules
        return DEFAULT if read.onto is None else self._in_force[read.onto]

    def _remember_policy(self, read: ReadCommit) -> None:
        """Record the rules in force after a commit; a policy that does not parse changes none."""
        if self._rules is not None:
            return
        inherited = self._policy(read)
        changed = any(entry.path == layout.POLICY for found in read.differences for entry in found)
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

    def _highest(self, model: str) -> int:
        past = 0 if self._began_anew(model) else self._options.past.highest(model)
        return max(past, self._latest.given.get(model, (0, 0))[1])

    def _faults(self, read: ReadCommit) -> Iterator[CheckFinding]:
        """Yield the faults of a commit's state that none of its parents has."""
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
            self._policy(read),
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
