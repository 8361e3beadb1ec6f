"""Judges a push before a server's repository takes it: the work of the pre-receive hook.

>>> Settings("refs/heads/main").every_branch
False
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gitreg.check.arrivals import Arrivals
from gitreg.check.claims import Update, judge_claims, read_updates, refused
from gitreg.check.finding import CheckFinding
from gitreg.check.limits import Limits, at_most, received_bytes
from gitreg.check.past import IndexedPast
from gitreg.check.ranges import CheckOptions, CheckReport, judge_range
from gitreg.git.log import first_parents_reach
from gitreg.git.repository import GitRepository

# SQLite is slow to import for a push that never asks.
if TYPE_CHECKING:
    from gitreg.git.history_index import HistoryIndex


@dataclass(frozen=True)
class Settings:
    """The server's configuration.

    Attributes:
        branch: the guarded one, ``refs/heads/main``.
        every_branch: whether the other branches are judged, too.
        only_registry: see `CheckOptions`.
        limits: how much one push may bring.
    """

    branch: str
    every_branch: bool = False
    only_registry: bool = False
    limits: Limits = field(default_factory=Limits)


def receive(
    repository: GitRepository, stdin: Iterable[str], quarantine: str | None = None
) -> tuple[list[CheckFinding], list[str]]:
    """Return the findings on a push, and notes.

    1. What the client claims of references; nothing else is judged by a claim that is wrong.
    2. Replacements of objects. 3. The guarded branch: deleted, rewound or with another line of
    first parents; else every new commit. 4. Other branches, if `gitreg.checkBranches` is set.
    5. Tags with gitreg's names, against the history that the guarded branch has afterwards. 6. What
    is accepted arrives now, and that is noted.

    Args:
        repository: the server's, with the objects that the push brings.
        stdin: what Git writes to the hook, a line an update.
        quarantine: the folder of the objects that the push brings.

    Raises:
        GitError: it takes too long.
        InvalidRequest: there are too many commits, or the server's configuration is malformed.
    """
    updates, findings = read_updates(stdin)
    settings = _settings(repository)
    with at_most(settings.limits.seconds):
        sent = received_bytes(quarantine)
        if sent > settings.limits.size:
            findings.append(
                refused(
                    "over-limit",
                    "the push",
                    f"it sends {sent} bytes: {settings.limits.size} are the most",
                    "push it in parts, or on the server: git config gitreg.mostBytes",
                )
            )
        findings += judge_claims(repository, updates)
        if findings:
            return findings, []
        return _Push(repository, updates, settings).judge()


class _Push:
    """A push whose claims about references are true."""

    def __init__(
        self, repository: GitRepository, updates: Sequence[Update], settings: Settings
    ) -> None:
        self._repository = repository
        self._opened = ExitStack()
        self._updates = updates
        self._settings = settings
        self._arrivals = Arrivals(repository)
        self._now = int(time.time())
        self._options = CheckOptions(
            settings.only_registry,
            now=self._now,
            arrivals=self._arrivals,
            most_commits=settings.limits.commits,
        )
        self._to_note: tuple[tuple[str, int], ...] = ()
        self._old_tip = repository.commit_of(settings.branch)
        self._tip = self._old_tip
        self._findings: list[CheckFinding] = []
        self._notes: list[str] = []

    def judge(self) -> tuple[list[CheckFinding], list[str]]:
        """Return the findings and notes."""
        with self._opened:
            self._judge_all()
        if self._tip != self._old_tip and not any(one.is_error for one in self._findings):
            self._arrivals.note(self._to_note, self._now)
        return self._findings, self._notes

    def _judge_all(self) -> None:
        for update in self._updates:
            if update.name.startswith("refs/replace/") and update.new is not None:
                self._findings.append(
                    refused("replace-ref", update.name, "it would replace the content of an object")
                )
            elif update.name == self._settings.branch:
                self._guarded(update)
            elif update.name.startswith("refs/heads/") and self._settings.every_branch:
                self._other(update)
        if not any(finding.is_error for finding in self._findings):
            self._tags()

    def _guarded(self, update: Update) -> None:
        wrong = _refuse_move(self._repository, update)
        self._findings += wrong
        if not wrong:
            self._to_note = self._judge(update.old, str(update.new)).to_note
            self._tip = update.new

    def _other(self, update: Update) -> None:
        if update.new is None:
            return
        merge_base, old_tip = self._repository.merge_base, self._old_tip
        self._judge(None if old_tip is None else merge_base(old_tip, update.new), update.new)

    def _judge(self, base: str | None, head: str) -> CheckReport:
        options = self._options
        if base is not None:
            options = replace(options, past=IndexedPast(self._history, base))
        report = judge_range(self._repository, base, head, options)
        self._findings += report.findings
        self._notes += report.notes
        return report

    def _history(self) -> HistoryIndex:
        from gitreg.git.history_index import HistoryIndex

        return self._opened.enter_context(closing(HistoryIndex(self._repository)))

    def _tags(self) -> None:
        from gitreg.check.pushed_tags import PushedTags

        tags = PushedTags(self._repository, self._history, self._old_tip, self._tip)
        self._findings += tags.judge(self._updates)


def _settings(repository: GitRepository) -> Settings:
    asked = repository.run("config", "-z", "--get-regexp", r"^gitreg\.", check=False)
    entries = (entry.partition("\n") for entry in asked.text.split("\0") if entry)
    told = {key: value if separator else "true" for key, separator, value in entries}
    named = told.get("gitreg.branch", "HEAD")
    if not named.startswith("refs/") and named != "HEAD":
        named = f"refs/heads/{named}"
    # A push cannot change a server's HEAD, which names the default branch. A branch can itself be
    # a symbolic reference: what it names is what moves.
    asked = repository.run("symbolic-ref", "--quiet", named, check=False)
    branch = asked.text or ("refs/heads/main" if named == "HEAD" else named)
    every_branch, only_registry = (
        told.get(key, "false").lower() in ("true", "yes", "on", "1")
        for key in ("gitreg.checkbranches", "gitreg.onlyregistry")
    )
    return Settings(branch, every_branch, only_registry, Limits.of(told))


def _refuse_move(repository: GitRepository, update: Update) -> list[CheckFinding]:
    """Return why a guarded branch may not move like this, whatever its commits."""
    if update.new is None:
        return [refused("branch-deleted", update.name, "the registry's branch cannot be deleted")]
    if repository.commit_of(update.new) != update.new:
        # Git would refuse it only after the hook, and take the tags beside it.
        return [refused("not-a-commit", update.name, f"{update.new[:9]} is not a commit")]
    if update.old is None or first_parents_reach(repository, update.old, update.new):
        return []
    if not repository.is_ancestor(update.old, update.new):
        return [
            refused(
                "force-push",
                update.name,
                f"the branch would lose commits up to {update.old[:9]}: published commits stay",
                "git pull --rebase, or gitreg fetch, and push again without --force",
            )
        ]
    return [
        refused(
            "first-parent",
            update.name,
            f"{update.old[:9]} would leave the branch's line of first parents, which is the order "
            "of history: the merge has its parents in the wrong order",
            "git pull --rebase, and push again",
        )
    ]
