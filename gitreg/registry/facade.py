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
works with), `reading`, `moving`, `writing`, and here what concerns the clone as a whole.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import gitreg
from gitreg.core.model import layout
from gitreg.core.model.names import ARCHIVE, NO_STAGE
from gitreg.core.state.state import RegistryState
from gitreg.errors import GitError, InvalidRequest
from gitreg.registry.options import ReadOptions, Unpack, revision_and_time
from gitreg.registry.references import ReferenceLike, existing, number_of, reference_of
from gitreg.registry.writing import Writing


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
    def init(cls, location: str | os.PathLike[str] = ".") -> gitreg.Outcome:
        """Create a registry: ``git init`` as needed, policy and ``registry/.dvc``, one commit.

        A registry whose versions are in the user's own DVC project moves to one of its own.

        Returns:
            The commit; an outcome without edits if the registry exists.
        """
        from gitreg.publishing.init import initialise

        outcome = initialise(Path(location))
        if outcome.commit is None or layout.DVC_CONFIG not in outcome.change.paths:
            return outcome
        with cls(location) as registry:
            warnings = registry._artifacts.move_in(registry.state())
        return replace(outcome, warnings=(*outcome.warnings, *warnings))

    def fetch(self, *, allow_rewind: bool = False) -> gitreg.FetchReport:
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

    def push(self, *, dry_run: bool = False) -> gitreg.PushReport:
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
    ) -> gitreg.TagReport:
        """Make the missing tags from history; every clone makes the same objects.

        Args:
            dry_run: return what would be made, and do nothing.
            push: publish the tags on the Git remote.
            force: replace tags whose names gitreg uses and that disagree with history.
        """
        from gitreg.publishing.tags import sync_tags

        state = self.state()
        return sync_tags(
            self._repository,
            self.past(state),
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
    ) -> gitreg.CheckReport:
        """Check every commit of a range against each of its parents, under its base's policy.

        Args:
            commits: ``BASE..HEAD`` (what Git understands as commits), ``BASE...HEAD`` from where
                they parted, or ``BASE`` up to the checked-out commit. By default what is not
                upstream yet, or, without an upstream, all of history.
            history: check all commits since the start, each under the policy that the branch had
                when it reached the branch, and the tags of this clone. ``commits`` may then name
                the last commit.
            only_registry: refuse commits that change the registry and other files.
            strict: report what cannot be checked here (no DVC remote) as an error, not a warning.
            remote: check that the bytes of new versions are on the DVC remote.

        Raises:
            NotFound: there is no such commit.
            InvalidRequest: the base is not an ancestor of the head, or its policy does not parse.
            GitError: the clone is shallow and misses commits that the check needs.
        """
        from gitreg.check.clone_check import CheckedClone, check_clone
        from gitreg.publishing.tags import tagged_tip

        clone = CheckedClone(
            self._repository,
            lambda: self._history,
            lambda: self._artifacts,
            lambda: tagged_tip(self._repository, self._whole_clone),
        )
        return check_clone(
            clone,
            commits,
            history=history,
            only_registry=only_registry,
            strict=strict,
            remote=remote,
        )

    def change_statement(self, commit: str = "HEAD") -> bytes:
        """Return what an approval of a change of the policy signs.

        Args:
            commit: which commit changes the policy, or what else the policy guards.

        Raises:
            NotFound: there is no such commit.
            InvalidRequest: it changes nothing that its parent's policy guards.
            GitError: the clone is shallow.
        """
        from gitreg.check.guarded import statement_of_commit

        return statement_of_commit(self._repository, commit)

    def workflow(
        self,
        host: str,
        *,
        install: str = "",
        site: bool = False,
        write: bool = False,
        force: bool = False,
    ) -> gitreg.HostFile:
        """Return the file that makes a Git host check, tag and deploy.

        It runs for the remote's default branch, or, if that is unknown, the checked-out branch.

        Args:
            host: ``github`` or ``gitlab``.
            install: what pip installs for gitreg there, such as a URL with a release's tag.
            site: publish the registry as web pages, too.
            write: write the file into the work tree, for a person to commit.
            force: replace an existing file that differs.

        Raises:
            InvalidRequest: the host is unknown, or there is no work tree to write into.
            Refused: the file exists with other contents.
        """
        from gitreg.git.remote import registry_branch
        from gitreg.review.workflows import workflow, write_file

        branch = registry_branch(self._repository)
        file = workflow(host, branch=branch, install=install, site=site)
        return write_file(self._top(), file, force=force) if write else file

    def codeowners(self, *, write: bool = False) -> gitreg.HostFile:
        """Return the CODEOWNERS file with the lines that the policy implies; others stay.

        Args:
            write: write the file into the work tree, for a person to commit.

        Raises:
            InvalidRequest: the policy names no owners, or there is no work tree to write into.
        """
        from gitreg.review.codeowners import codeowners
        from gitreg.review.workflows import write_file

        policy = existing(self.state()).policy
        file, text = codeowners(policy, self.top_level)
        return write_file(self._top(), file, expected=text) if write else file

    def _top(self) -> Path:
        """Return the root of the work tree."""
        top = self.top_level
        if top is None:
            raise InvalidRequest("there is no work tree to write into", hint="in a clone: --repo")
        return top

    def status(self) -> gitreg.CloneStatus:
        """Return where this clone stands, by what it knows; no remote is asked.

        Raises:
            InvalidRequest: the registry is used by URL.
        """
        from gitreg.publishing.status import status

        if self._url is not None:
            raise InvalidRequest(
                "a registry that is used by URL is never behind or ahead",
                hint="gitreg list shows what is in service, gitreg log what happened",
            )
        state = existing(self.state())
        return status(self._repository, self.past(state), self._clone, state)

    @property
    def age(self) -> float | None:
        """How many seconds ago this clone last read its remote; ``None`` without one."""
        from gitreg.git.freshness import age

        if self._url is not None:
            return None
        branch = self._repository.head_branch()
        try:
            return age(self._repository, branch or self._clone.tip().branch)
        except GitError:
            return None  # HEAD is detached, and nothing tells the branch

    def held(
        self, reference: ReferenceLike, **options: Unpack[ReadOptions]
    ) -> tuple[gitreg.Held, gitreg.Tenure | None] | None:
        """Return what a stage holds since when, and what it held before.

        That is the version that a rollback would go back to; where there is none, the one that the
        last move replaced.

        Args:
            reference: a stage of a model; for any other reference the answer is ``None``.
            **options: see `ReadOptions`.

        Raises:
            NotFound: the stage is empty, or there is no such stage.
        """
        from gitreg.core.operations.rollback import tenures
        from gitreg.publishing.status import held

        revision_and_time(options)
        wanted = reference_of(reference)
        if wanted.stage is None or wanted.stage in (NO_STAGE, ARCHIVE):
            return None
        state = existing(self.state(**options))
        number_of(state, wanted)
        versions = state.stage(wanted.model, wanted.stage)
        moves = self.past(state).moves_of(wanted.model, f"stages/{wanted.stage}")
        now = held(moves, wanted.model, wanted.stage, versions)
        found = tenures(moves, versions)
        replaced = next((one for one in found if one.ended_in == now.commit), None)
        return now, next((one for one in found if one.is_previous), replaced)

    def doctor(self, *, fix: bool = False) -> list[gitreg.Finding]:
        """Return the problems of the registry, of this clone and of its remotes, with remedies.

        Args:
            fix: first repair what is safe to repair; without it nothing changes. Each repair is a
                note of the code ``fixed`` at the start of the list, before what is still wrong.

        Raises:
            InvalidRequest: ``fix`` for a registry that is used by URL.
        """
        from gitreg.doctor import Inspection, damaged, examine, mend

        if fix and self._url is not None:
            raise InvalidRequest(
                "a registry that is used by URL has nothing to repair here",
                hint="run gitreg doctor --fix in a clone",
            )

        def inspection(state: RegistryState) -> Inspection:
            return Inspection(
                self._repository, state, self._history, self._artifacts, self._whole_clone
            )

        try:
            state = self.state()
            state.exists()  # reads its files
        except GitError:
            harm = damaged(inspection(RegistryState(self._repository.snapshot(None))))
            if not harm:
                raise
            return harm  # nothing else can be examined
        found = inspection(state)
        return [*(mend(found) if fix else []), *examine(found)]
