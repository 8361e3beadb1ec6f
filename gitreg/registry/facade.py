"""`Registry`: everything that gitreg does, as a Python API.

    from gitreg import Registry

    registry = Registry(".")
    version = registry.resolve("churn-predictor@champion")
    path = registry.pull(version)                  # a verified local path

A version is named by a reference (``"churn-predictor@champion"``, see
`gitreg.core.model.names`), or by the keywords ``name`` and one of ``version``, ``alias`` and
``stage``. Reads take ``rev`` (any commit) and ``at`` (a moment). The library prints nothing,
prompts for nothing, and changes nothing outside the repository.

The class is built in a line, each part on top of the one before: `gitreg.registry.parts` (what it
works with), `reading`, `writing`, and here what concerns the clone as a whole.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitreg.core.model.model import Artifact
from gitreg.errors import InvalidRequest
from gitreg.registry.references import existing
from gitreg.registry.writing import Writing

if TYPE_CHECKING:
    from gitreg.check import CheckReport
    from gitreg.check.commit_facts import Bytes
    from gitreg.findings import Finding
    from gitreg.publishing.outcome import Outcome
    from gitreg.publishing.synchronise import FetchReport, PushReport
    from gitreg.publishing.tags import TagReport
    from gitreg.review.workflows import HostFile


class Registry(Writing):
    """A registry in a Git repository.

    It may move from thread to thread, but only one thread may use it at a time. After a fork, the
    child process may keep using it.

    Args:
        location: a folder in the repository (a bare one too), or the URL of a repository. A copy
            of a URL is kept in the user's cache, and updated when it is first read.
        progress: called with the number of bytes done during long transfers.
        allow_rewind: accept that the branch behind a URL went backwards or sideways since it was
            last seen. Without it such a read raises `GitError`, as it does when the URL cannot be
            reached and there is no copy to answer from.

    Raises:
        InvalidRequest: ``location`` is neither a folder nor a URL.
    """

    @classmethod
    def init(cls, location: str | os.PathLike[str] = ".") -> Outcome:
        """Make a registry: ``git init`` and ``dvc init`` as needed, the policy, one commit.

        Returns:
            The commit; an outcome without edits if the registry exists.
        """
        from gitreg.publishing.init import initialise

        return initialise(Path(location))

    def fetch(self, *, allow_rewind: bool = False) -> FetchReport:
        """Fast-forward the clone to what is published, without touching the user's work.

        Branch, index, work tree and tags are updated; staged and changed files stay as they are.

        Args:
            allow_rewind: accept that the published branch was rewritten or went backwards.

        Raises:
            Refused: the clone and the remote both have new commits, or the user's work is in the
                way; nothing was changed.
            GitError: the remote cannot be reached, or its branch went backwards.
        """
        return self._synchroniser.fetch(allow_rewind=allow_rewind)

    def push(self, *, dry_run: bool = False) -> PushReport:
        """Publish the commits that are only in this clone: bytes, then branch and tags.

        If the remote has moved, the operations run again on top of it, one by one. Operations
        that no longer apply are reported and not pushed, and neither are other commits.

        Args:
            dry_run: return what would be published, and do nothing.

        Raises:
            GitError: the remote cannot be reached, or refused; nothing was published.
            DvcError: the bytes could not be uploaded to the DVC remote; nothing was published.
        """
        return self._synchroniser.push(dry_run=dry_run)

    def sync_tags(
        self, *, dry_run: bool = False, push: bool = False, force: bool = False
    ) -> TagReport:
        """Make the missing tags from history; every clone makes the same objects.

        Args:
            dry_run: only compare.
            push: publish the tags on the Git remote.
            force: replace tags whose names gitreg uses and that disagree with history.
        """
        from gitreg.publishing.tags import sync_tags

        state = self.state()
        return sync_tags(
            self._repository,
            self._past(state),
            self._clone,
            dry_run=dry_run,
            push=push,
            force=force,
        )

    def check(
        self,
        commits: str | None = None,
        *,
        history: bool = False,
        only_registry: bool = False,
        strict: bool = False,
        remote: bool = False,
    ) -> CheckReport:
        """Judge every commit of a range against each of its parents, under its base's policy.

        Args:
            commits: ``BASE..HEAD`` (what Git understands as commits), ``BASE...HEAD`` from where
                they parted, or ``BASE`` up to the checked-out commit; by default what is not
                upstream yet, and where there is no upstream all of history.
            history: judge all commits since the start, each under the policy that the branch had
                when it came onto it; the tags of this clone, too. ``commits`` may then name the
                last one.
            only_registry: refuse commits that change the registry and other files.
            strict: what cannot be known here (no DVC remote) is an error, not a warning.
            remote: ask if the bytes of new versions are on the DVC remote.

        Raises:
            NotFound: there is no such commit.
            InvalidRequest: the base does not lead to the head, or its policy does not parse.
            GitError: a shallow clone does not have what has to be judged.
        """
        from gitreg.check.commit_facts import Bytes, Past
        from gitreg.check.past import IndexedPast
        from gitreg.check.ranges import CheckOptions, check_range
        from gitreg.check.revisions import Range, parse_range
        from gitreg.check.tags import judge_clone
        from gitreg.publishing.tags import tagged_tip

        if history:
            if commits is not None and ".." in commits:
                raise InvalidRequest(
                    f"--history judges all up to a commit: {commits!a} is a range",
                    hint="one of them: gitreg check BASE..HEAD, or gitreg check HEAD --history",
                )
            wanted = Range(None, self._repository.parse_revision(commits or "HEAD"))
        else:
            wanted = parse_range(self._repository, commits)
        base = wanted.base
        past = Past() if base is None else IndexedPast(lambda: self._history, base)
        known = self._bytes_known(wanted.head) if remote else Bytes()
        options = CheckOptions(only_registry, strict, remote, past, known)
        report = check_range(self._repository, base, wanted.head, options)
        tip: str | None = wanted.head if history else None
        if tip is not None and tip == self._repository.commit_of("HEAD"):
            tip = tagged_tip(self._repository, self._clone)
        tags = () if tip is None else judge_clone(self._repository, self._history, tip)
        return replace(
            report,
            findings=(*report.findings, *tags),
            notes=(*wanted.notes, *report.notes),
        )

    def _bytes_known(self, commit: str) -> Bytes:
        """Return what DVC knows of artifacts; what it cannot tell is not known."""
        from gitreg.check.commit_facts import Bytes
        from gitreg.errors import WorldError

        snapshot = self._repository.snapshot(commit)

        def is_on_remote(artifact: Artifact) -> bool | None:
            try:
                return self._artifacts.is_on_remote(snapshot, str(artifact.md5))
            except WorldError:
                return None

        def files(artifact: Artifact) -> Sequence[str] | None:
            try:
                return self._artifacts.files(snapshot, str(artifact.md5))
            except WorldError:
                return None

        return Bytes(is_on_remote, files)

    def workflow(
        self, host: str, *, install: str = "", write: bool = False, force: bool = False
    ) -> HostFile:
        """Return the file that makes a Git host check, tag and deploy.

        It runs for the remote's default branch, or, if that is unknown, the checked-out branch.

        Args:
            host: ``github`` or ``gitlab``.
            install: what pip installs for gitreg there, such as a URL with a release's tag.
            write: write the file into the work tree, for a person to commit.
            force: replace the file, whatever it contains.

        Raises:
            InvalidRequest: the host is unknown, or there is no work tree to write into.
            Refused: the file exists with other contents.
        """
        from gitreg.git.remote import registry_branch
        from gitreg.review.workflows import workflow, write_file

        branch = registry_branch(self._repository)
        file = workflow(host, branch=branch, install=install)
        return write_file(self._top(), file, force=force) if write else file

    def codeowners(self, *, write: bool = False) -> HostFile:
        """Return the CODEOWNERS file with the lines that the policy implies; others stay.

        Args:
            write: write the file into the work tree, for a person to commit.

        Raises:
            InvalidRequest: the policy names no owners, or there is no work tree to write into.
        """
        from gitreg.review.codeowners import codeowners
        from gitreg.review.workflows import write_file

        policy = existing(self.state()).policy
        file, text = codeowners(policy, None if self._url else self._repository.top_level)
        return write_file(self._top(), file, expected=text) if write else file

    def _top(self) -> Path:
        """Return the root of the work tree."""
        top = None if self._url is not None else self._repository.top_level
        if top is None:
            raise InvalidRequest("there is no work tree to write into", hint="in a clone: --repo")
        return top

    def doctor(self, *, fix: bool = False) -> list[Finding]:
        """Return the problems of the registry, of this clone and of its remotes, with remedies.

        Args:
            fix: first repair what is safe to repair; without it nothing changes. Each repair is a
                note of the code ``fixed`` at the start of the list, before what is still wrong.

        Raises:
            InvalidRequest: ``fix`` for a registry that is used by URL.
        """
        from gitreg.doctor import Inspection, examine, mend

        if fix and self._url is not None:
            raise InvalidRequest(
                "a registry that is used by URL has nothing to repair here",
                hint="run gitreg doctor --fix in a clone",
            )
        inspection = Inspection(
            self._repository, self.state(), self._history, self._artifacts, self._clone
        )
        done = mend(inspection) if fix else []
        return done + examine(inspection)
