"""Checks of commits themselves: their objects, their dates, the trees that they bring."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from gitreg.check.finding import CheckFinding
from gitreg.check.step import is_registry
from gitreg.core.model import layout
from gitreg.git.repository import GitRepository
from gitreg.git.steps import ReadCommit, is_sound_tree

CLOCK_SLACK = 3600
"""How much the clocks of people's machines may differ, in seconds."""

_MOST_WALKED = 1000
"""How many ancestors of a commit are asked for their dates, where nobody knows the newest."""

_NO_DATE = 10**15
"""Git lists a date that it cannot read as a number above this."""


def faults(read: ReadCommit) -> Iterator[CheckFinding]:
    """Find a commit object that programs read differently: its date and author are unclear."""
    if read.fault is not None:
        yield CheckFinding(
            "bad-commit",
            "error",
            read.info.oid[:9],
            read.fault,
            "git commit --amend --reset-author --no-edit",
            commit=read.info.oid,
        )


class Dates:
    """Judges the date of every commit: against its newest ancestor, and against the clock.

    A chain of commits, each dated a little before its parent, gets nowhere this way. A date in the
    future counts as now: others cannot help that it is there.

    Args:
        repository: where to read.
        now: the clock of this machine, in seconds since the epoch.
        is_server: whether commits arrive here now, so that none is of the future.
        noted: gives the newest date up to a commit, where it was noted.
    """

    def __init__(
        self,
        repository: GitRepository,
        now: int,
        *,
        is_server: bool = False,
        noted: Callable[[str], int | None] | None = None,
    ) -> None:
        self._repository = repository
        self._now = now
        self._noted = noted
        self._is_server = is_server
        self._newest: dict[str, int] = {}

    def newest(self, commit: str) -> int:
        """Return the newest date of a commit and its ancestors."""
        if commit not in self._newest:
            noted = None if self._noted is None else self._noted(commit)
            self._newest[commit] = self._walked(commit) if noted is None else noted
        return self._newest[commit]

    def _walked(self, commit: str) -> int:
        listing = self._repository.run(
            "rev-list", "--timestamp", f"--max-count={_MOST_WALKED}", commit, "--"
        )
        dates = (int(entry.split()[0]) for entry in listing.text.splitlines())
        return max((date for date in dates if date < _NO_DATE), default=0)

    def judge(self, read: ReadCommit, *, counts: Callable[[], bool]) -> Iterator[CheckFinding]:
        """Find a date that cannot be; parents are judged before their children.

        Args:
            read: the commit.
            counts: tells whether the commit has a registry; what came before gitreg is the
                project's own.
        """
        time, now = read.info.time, self._now
        before = max((self.newest(parent) for parent in read.parents), default=time)
        self._newest[read.info.oid] = max(before, time)
        message = None
        if time < min(before, now) - CLOCK_SLACK:
            message = f"its date is {min(before, now) - time} s before that of an earlier commit"
        elif self._is_server and time > now + CLOCK_SLACK:
            message = f"its date is {time - now} s ahead of this server's clock"
        if message is not None and counts():
            yield CheckFinding(
                "wrong-date",
                "error",
                read.info.oid[:9],
                message,
                "git commit --amend --reset-author --no-edit, once the clock is right",
                commit=read.info.oid,
            )


def trees(repository: GitRepository, read: ReadCommit) -> Iterator[CheckFinding]:
    """Find folders with doubled or unsorted entries, which programs read differently.

    Git accepts such trees, made by hand, unless `receive.fsckObjects` is set.
    """
    changed = {
        str(folder)
        for found in read.differences
        for entry in found
        if (is_registry(entry.path) or entry.path == layout.DVC_YAML)
        and entry.mode
        and "\n" not in entry.path
        for folder in PurePosixPath(entry.path).parents
    }
    folders = sorted(changed)
    specs = [f"{read.info.oid}:{'' if folder == '.' else folder}" for folder in folders]
    for folder, tree in zip(folders, repository.reader.get_many(specs), strict=True):
        if tree is not None and tree.kind == "tree" and not is_sound_tree(tree.data):
            yield CheckFinding(
                "bad-tree",
                "error",
                folder,
                "its entries are doubled or out of order",
                "git config receive.fsckObjects true, on the server",
                commit=read.info.oid,
                file=folder,
            )
