"""Checks a clone: the range that a person names, or all of history with the clone's tags."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from gitreg.artifacts.store import ArtifactStore
from gitreg.check.facts import NoBytes, StoredBytes
from gitreg.check.past import IndexedPast, Past
from gitreg.check.ranges import CheckOptions, CheckReport, check_range
from gitreg.check.revisions import Range, parse_range
from gitreg.check.tags import judge_clone
from gitreg.core.state.state import RegistryState
from gitreg.errors import InvalidDocument, InvalidRequest, Refused
from gitreg.git.history_index import HistoryIndex
from gitreg.git.remote import default_branches, registry_branch, tracked_remotes
from gitreg.git.repository import GitRepository


@dataclass(frozen=True)
class CheckedClone:
    """What of a clone a check may ask, each when it needs it.

    Attributes:
        repository: where the commits are.
        history: gives the history index.
        artifacts: gives the bytes.
        tagged_tip: gives the commit whose history implies the clone's tags, if there is one.
    """

    repository: GitRepository
    history: Callable[[], HistoryIndex]
    artifacts: Callable[[], ArtifactStore]
    tagged_tip: Callable[[], str | None]


def check_clone(
    clone: CheckedClone,
    commits: str | None,
    *,
    history: bool,
    only_registry: bool,
    strict: bool,
    remote: bool,
) -> CheckReport:
    """Return the report of a range; the arguments and errors are those of `Registry.check`."""
    choose = _whole_history if history else parse_range
    wanted = choose(clone.repository, commits)
    base, head = wanted.base, wanted.head
    options = CheckOptions(
        only_registry,
        strict,
        remote,
        Past() if base is None else IndexedPast(clone.history, base),
        StoredBytes(clone.artifacts, clone.repository.snapshot(head)) if remote else NoBytes(),
        unpublished=_Unpublished(clone.repository, base, head),
    )
    report = check_range(clone.repository, base, head, options)
    tip: str | None = head if history else None
    if tip is not None and tip == clone.repository.commit_of("HEAD"):
        tip = clone.tagged_tip()
    tags = () if tip is None else judge_clone(clone.repository, clone.history(), tip)
    return replace(
        report,
        findings=(*report.findings, *tags),
        notes=(*wanted.notes, *report.notes),
    )


class _Unpublished:
    """The commits of a range that the published branch does not have; read when first asked.

    All of history, and a clone without a remote, have none: these commits landed when they say.
    """

    def __init__(self, repository: GitRepository, base: str | None, head: str) -> None:
        self._repository = repository
        self._base = base
        self._head = head

    def __contains__(self, commit: object) -> bool:
        return commit in self._commits

    @cached_property
    def _commits(self) -> frozenset[str]:
        published = [] if self._base is None else list(self._published())
        if not published:
            return frozenset()
        without = [f"^{commit}" for commit in (self._base, *published)]
        return frozenset(self._repository.run("rev-list", self._head, *without, "--").text.split())

    def _published(self) -> Iterator[str]:
        defaults = default_branches(self._repository)
        for remote in tracked_remotes(self._repository):
            branch = defaults.get(remote) or registry_branch(self._repository)
            tip = self._repository.commit_of(f"refs/remotes/{remote}/{branch}")
            if tip is not None:
                yield tip


def refuse_unfit(
    repository: GitRepository, history: Callable[[], HistoryIndex], base: str | None, head: str
) -> None:
    """Return if `gitreg check BASE..HEAD` finds no error, so that the commits may be published.

    A repository that gets its registry with them has no policy yet that judges: of such a range
    only the new policy is read.

    Raises:
        Refused: a commit is refused; the message has the first reason.
    """
    if base is None or not RegistryState(repository.snapshot(base)).exists():
        try:
            _ = RegistryState(repository.snapshot(head)).policy
        except InvalidDocument as error:
            raise Refused(f"{error}; nothing was published", hint=error.hint) from None
        return
    report = check_range(repository, base, head, CheckOptions(past=IndexedPast(history, base)))
    errors = [finding for finding in report.findings if finding.is_error]
    if errors:
        first = errors[0]
        more = f", and {len(errors) - 1} more" if errors[1:] else ""
        raise Refused(
            f"{first.subject}: {first.message}{more}; nothing was published",
            hint=f"gitreg check {base[:9]}..{head[:9]} shows which commit, and what to do",
        )


def judged_commit(
    repository: GitRepository, history: Callable[[], HistoryIndex], commit: str
) -> CheckReport:
    """Return the report on one commit of a branch, with what it merged, as `check` judges it.

    Raises:
        GitError: the clone is shallow and misses commits that the check needs.
    """
    base = repository.commit_of(f"{commit}^1")
    past = Past() if base is None else IndexedPast(history, base)
    return check_range(repository, base, commit, CheckOptions(past=past))


def _whole_history(repository: GitRepository, commits: str | None) -> Range:
    """Return all of history up to a commit.

    Raises:
        InvalidRequest: a range is given.
    """
    if commits is not None and ".." in commits:
        raise InvalidRequest(
            f"--history judges all up to a commit: {commits!a} is a range",
            hint="one of them: gitreg check BASE..HEAD, or gitreg check HEAD --history",
        )
    return Range(None, repository.parse_revision(commits or "HEAD"))
