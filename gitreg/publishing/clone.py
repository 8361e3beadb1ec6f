"""A clone and the remote branch that it publishes on: their status, and how one follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from gitreg.core.state.history import CommitInfo, FileChange
from gitreg.core.state.tags import Tag
from gitreg.errors import GitError, GitregError, UnknownOutcome
from gitreg.git import (
    damage,
    interrupted,
    own_references,
    path_remotes,
    publish,
    remote,
    rewinds,
    worktree,
)
from gitreg.git.copies import copies_folder
from gitreg.git.freshness import last_answer
from gitreg.git.history_index import HistoryIndex
from gitreg.git.log import first_parents_reach
from gitreg.git.remote import Upstream
from gitreg.git.repository import GitRepository, Tip
from gitreg.publishing import detached
from gitreg.publishing.branch_status import BranchStatus

_WITHDRAWN = "refs/gitreg/withdrawn"
"""The last local commit that the remote took back, while unpublished ones are on top of it."""


Judge = Callable[[str | None, str], None]
"""Raises `Refused` if the commits between two must not be published."""


class Clone:
    """A repository and where its branch is published.

    Args:
        repository: the clone.
        history: its index.
        judge: raises `Refused` for commits that must not be published.
        url: where it is published, for gitreg's own copies, which have no remote configured.
        branch: the full name of the branch there, where the copy's has another name.
    """

    def __init__(
        self,
        repository: GitRepository,
        history: HistoryIndex,
        judge: Judge,
        url: str | None = None,
        branch: str | None = None,
    ) -> None:
        self._repository = repository
        self._history = history
        self._judge = judge
        self._url = url
        self._branch = branch
        self._asked: dict[str, str] = {}

    def finish_interrupted(self) -> None:
        """Finish what a killed writer began: the work tree and the tags.

        Git moves branch and tags in one transaction, but a kill in the middle leaves the branch
        moved and tags missing. The caller holds the lock.
        """
        for harm in damage.of_settings(self._repository.common_dir):
            raise damage.Damaged(harm)
        worktree.refuse_damaged_index(self._repository)
        unfinished = interrupted.finish(self._repository)
        try:
            tip = self.tip()
        except GitError:
            return  # a detached HEAD: whose tags it has is not known
        if tip.commit is None or self._repository.is_shallow or not self.is_tagged(tip.branch):
            return
        if unfinished is None and self._history.is_far(tip.commit):
            return  # the last commit here is none that gitreg just made
        self._history.advance(tip.commit, exact=True)
        tags = self._history.tags_of_commit(tip.commit)
        if unfinished is not None:
            tags = self._history.tags(since=unfinished.before)
        publish.make_missing_tags(self._repository, tags)

    def tip(self, *, ask: bool = False) -> Tip:
        """Return what is checked out; a detached HEAD with the branch that it is published on.

        Args:
            ask: ask the remote for its default branch when that is not known.

        Raises:
            GitError: HEAD is detached, and nothing tells the branch.
        """
        if self._repository.head_branch() is not None:
            return self._repository.tip()
        if ask:
            self._ask_default_branch(detached.any_upstream(self._repository))
        return detached.tip(self._repository, self._default_branches())

    def local_tip(self) -> Tip:
        """Return the checked-out branch and its commit, for a write that is not published.

        Raises:
            GitError: HEAD is detached.
        """
        try:
            return self._repository.tip()
        except GitError as error:
            with suppress(GitError):
                tip = self.tip()
                known, short = self.last_published(tip.branch), tip.branch.split("/", 2)[2]
                if known is None or self._leads_to(str(tip.commit), known):
                    error.hint = f"with --push it is published on {short}, or git switch {short}"
            raise

    @property
    def how_to_see(self) -> str:
        """The words before ``gitreg log`` in the advice to look at what others published."""
        return "gitreg fetch && " if self._url is None else ""

    def exclusive(self) -> AbstractContextManager[None]:
        """Hold the lock of all writers to the clone; readers of a copy take it to update it."""
        folder = self._repository.private_dir if self._url is None else copies_folder(self._url)
        return publish.exclusive(folder)

    def upstream(self, tip: Tip) -> Upstream:
        """Return where a branch is published.

        Raises:
            GitError: no remote is configured, or several could be meant.
        """
        if self._url is not None:
            branch = self._branch or tip.branch
            return Upstream(self._url, branch, runs_hooks=False, url=self._url)
        return remote.upstream_of(self._repository, tip)

    def fetch_status(self, *, allow_rewind: bool = False) -> BranchStatus:
        """Fetch the remote branch and return the clone's status beside it.

        Args:
            allow_rewind: accept a remote branch that does not descend from its last known commit.

        Raises:
            GitError: the remote cannot be reached, or its branch went backwards.
        """
        local = self.tip(ask=True)
        upstream = self.upstream(local)
        seen = remote.last_seen(self._repository, upstream)
        tracked = None if seen else remote.tracked(self._repository, upstream)
        known = rewinds.known_tips(self._repository, upstream)  # the fetch moves some of them
        published = remote.fetch_tip(self._repository, upstream)
        with suppress(OSError):
            last_answer(self._repository).touch()
        self._ask_default_branch(upstream)
        gone: tuple[str, ...] = ()
        if published is not None or seen is not None:
            gone = rewinds.withdrawn(self._repository, upstream, known, published)
        if gone and not allow_rewind:
            self._refuse_rewound(upstream, gone, published)
        if published is None and tracked is not None:
            remote.refuse_renamed(self._repository, upstream)
        fork = self._fork(local.commit, published)
        if self._url is not None and fork != local.commit:
            raise GitError(
                f"{upstream.shown}: its history was rewritten after it was opened",
                hint="nothing was published; run it again",
            )
        withdrawn = self._withdrawn(local.commit, published, gone)
        merged_in = (
            local.commit is not None
            and published is not None
            and fork == published
            and not first_parents_reach(self._repository, published, local.commit)
        )
        return BranchStatus(upstream, local, published, fork, seen, gone, withdrawn, merged_in)

    def _refuse_rewound(
        self, upstream: Upstream, gone: Sequence[str], published: str | None
    ) -> NoReturn:
        """Refuse a remote branch that went backwards, now and until a person accepts it."""
        if remote.last_seen(self._repository, upstream) is None:
            # The tracking reference has moved now, and Git may keep no reflog of it.
            remote.remember(self._repository, upstream, gone[0])
        now = f"is at {published[:9]}, which does not follow it" if published else "is gone"
        raise GitError(
            f"{upstream.shown} went backwards: {upstream.short_branch} was at {gone[0][:9]}, "
            f"and {now}; nothing was published",
            hint="if that is right: gitreg fetch --allow-rewind",
        )

    def refuse_unfit(self, status: BranchStatus) -> None:
        """Refuse to publish the clone's own commits when `gitreg check` refuses them.

        Raises:
            Refused: it does; the message has the reason.
        """
        self._repository.refuse_shallow()
        local = str(status.local.commit)
        self._judge(status.published, local)
        self._history.advance(local, exact=True)  # the judge looked at the published commit

    def _withdrawn(
        self, local: str | None, published: str | None, gone: Sequence[str]
    ) -> str | None:
        """Return the last commit of the clone that the remote is known to have taken back."""
        before = self._repository.commit_of(_WITHDRAWN)
        known = gone or ((before,) if before else ())
        if local is None or published is None:
            return None
        for one in known:
            # A clone that was behind has only commits that were published once.
            last = local if local == one else self._repository.merge_base(local, one)
            if last is not None and not self._leads_to(last, published):
                return last
        return None

    def _leads_to(self, start: str, end: str | None) -> bool:
        return start == end or (end is not None and self._repository.is_ancestor(start, end))

    def _fork(self, local: str | None, published: str | None) -> str | None:
        if local is None or published is None:
            return None
        return local if local == published else self._repository.merge_base(local, published)

    def last_seen_by_user(self, status: BranchStatus) -> str | None:
        """Return the last remote commit that the user has seen.

        The user decided on the operation with that in view: what the clone has of the remote
        branch, or what gitreg reported about it since. Their own unpublished commits count when
        they are published with it.
        """
        if status.base.commit == status.local.commit:
            return status.local.commit
        known, seen = status.fork, status.seen
        if seen is None or status.rewound or (known and self._leads_to(seen, known)):
            return known
        return seen

    def remember_seen(self, status: BranchStatus) -> None:
        """Store the remote branch's commit as the last one that the user has seen."""
        if status.withdrawn is not None:
            own_references.write(self._repository, _WITHDRAWN, status.withdrawn)
        if status.published is not None:
            remote.remember(self._repository, status.upstream, status.published)
            rewinds.accept(self._repository, status.upstream, status.gone)

    # Tags

    def is_tagged(self, branch: str) -> bool:
        """Tell whether moves on a branch (``refs/heads/main``) are tagged.

        Tags belong to no branch. When the remote names its default branch, only that one is
        tagged: a version whose promotion waits for review on another branch is not in production,
        and a tag would make GTO report that it is.
        """
        short = branch.removeprefix("refs/heads/")
        defaults = self._default_branches()
        if not defaults or short in defaults.values():
            return True
        try:
            upstream = self.upstream(Tip(branch, None))
        except GitError:
            return True
        return defaults.get(upstream.remote, upstream.short_branch) == upstream.short_branch

    def _default_branches(self) -> dict[str, str]:
        """Return the known default branches, remote name to short branch name."""
        return self._asked | remote.default_branches(self._repository)

    def _ask_default_branch(self, upstream: Upstream) -> None:
        """Ask the remote for its default branch if that is not known: only that one is tagged."""
        if self._url is None and upstream.remote not in self._default_branches():
            default = remote.ask_default_branch(self._repository, upstream)
            if default is not None:
                self._asked[upstream.remote] = default

    def plan_tags(self, branch: str, commit: CommitInfo, moved: Sequence[FileChange]) -> list[Tag]:
        """Return the tags that a new commit on a branch would imply."""
        return self._history.plan_tags(commit, moved) if self.is_tagged(branch) else []

    def tags(self, branch: str, since: str | None = None) -> list[Tag]:
        """Return the tags that a branch implies up to the commit that the index is at."""
        return self._history.tags(since=since) if self.is_tagged(branch) else []

    def tagged_commit(self, tip: Tip) -> str | None:
        """Return the commit whose history implies the clone's tags.

        On a branch that is not tagged it is the fork from the default branch; ``None`` when that
        does not exist.
        """
        if tip.commit is None or self.is_tagged(tip.branch):
            return tip.commit
        upstream = self.upstream(tip)
        default = self._default_branches()[upstream.remote]
        main = self._repository.commit_of(f"refs/remotes/{upstream.remote}/{default}")
        return None if main is None else self._repository.merge_base(tip.commit, main)

    def default_beside(self, branch: str, *, fetch: bool = False) -> tuple[str, str | None] | None:
        """Return the default branch and its last known commit, if ``branch`` is another one.

        Args:
            branch: the checked-out branch, ``refs/heads/feature``.
            fetch: ask the remote for the commit.

        Raises:
            GitError: the remote cannot be reached.
        """
        if self.is_tagged(branch):
            return None
        upstream = self.upstream(Tip(branch, None))
        default = self._default_branches()[upstream.remote]
        beside = _beside(upstream, f"refs/heads/{default}")
        known = f"refs/remotes/{upstream.remote}/{default}"
        found = remote.fetch_tip if fetch else lambda on, _: on.commit_of(known)
        return default, found(self._repository, beside)

    def last_published(self, branch: str) -> str | None:
        """Return the last known commit of the published branch; ``None`` before its first.

        Raises:
            GitError: no remote is configured, or several could be meant.
        """
        upstream = self.upstream(Tip(branch, None))
        seen = remote.last_seen(self._repository, upstream)
        tracked = remote.tracked(self._repository, upstream)
        if seen is None or tracked is None:
            return seen or tracked
        return tracked if self._leads_to(seen, tracked) else seen

    def publish(self, status: BranchStatus, commit: str, tags: dict[str, str]) -> None:
        """Publish a commit that follows the published one, with tags; see `remote.push`."""
        self._push(status.upstream, commit, status.published, tags)

    def _push(
        self,
        upstream: Upstream,
        commit: str,
        expected: str | None,
        tags: Mapping[str, str],
        push_options: Sequence[str] = (),
    ) -> str:
        """Push a commit; when the answer is lost, fetch to see whether the remote has it."""
        try:
            return remote.push(
                self._repository, upstream, commit, expected, tags, push_options=push_options
            )
        except UnknownOutcome as unknown:
            try:
                published = remote.fetch_tip(self._repository, upstream)
            except GitError:
                raise unknown from None
            if not self._leads_to(commit, published):
                raise
            return ""

    def remember_published(self, status: BranchStatus, commit: str) -> None:
        """Store a commit that was just published as the last seen one.

        An error is ignored: the commit is published, and the next fetch stores it.
        """
        with suppress(GitError):
            remote.remember(self._repository, status.upstream, commit)

    def folder_of_remote(self) -> Path | None:
        """Return the Git folder that the branch is pushed to, if it is on this machine."""
        try:
            base = self._repository.top_level or self._repository.folder
            return path_remotes.folder_of(self.push_url(), base)
        except GitError:
            return None

    def push_url(self) -> str:
        """Return the URL that the clone's branch is pushed to; it may hold credentials."""
        return remote.push_url(self._repository, self.upstream(self.tip()))

    def fetch_branch(self, status: BranchStatus, branch: str) -> str | None:
        """Fetch a review branch; return its commit, or ``None`` if the remote has no such branch.

        Args:
            status: names the remote.
            branch: the full name of the branch on the remote.

        Raises:
            GitError: the remote cannot be reached.
        """
        return remote.fetch_tip(self._repository, _beside(status.upstream, branch))

    def push_branch(
        self,
        status: BranchStatus,
        branch: str,
        commit: str,
        expected: str | None,
        push_options: Sequence[str],
    ) -> str:
        """Push a commit to a review branch, replacing what the branch held; see `publish`.

        Args:
            status: names the remote.
            branch: the full name of the branch on the remote.
            commit: the new tip.
            expected: the tip that it must have now; ``None`` when it must not exist.
            push_options: push options for the Git host.

        Returns:
            What the remote printed.
        """
        beside = _beside(status.upstream, branch)
        return self._push(beside, commit, expected, {}, push_options)

    def publish_missing_tags(
        self, status: BranchStatus, since: str | None = None
    ) -> tuple[str, ...]:
        """Publish tags that the remote is missing for commits published since the last fetch.

        An interrupted push can leave the branch without its tags, after ``since`` at the latest.

        Returns:
            Warnings about tags on the remote that name something else.

        Raises:
            GitError: the remote cannot be reached, or refused the push.
        """
        since = status.seen or since
        is_known = since is not None or not self._history.is_far(str(status.published))
        if status.published is None or since == status.published or not is_known:
            return ()
        self._history.advance(status.published, exact=True)
        tags = self.tags(status.local.branch, None if status.rewound else since)
        objects = publish.write_tags(self._repository, tags)
        there = self.published_tags(status.upstream, tags, objects)
        missing = {name: oid for name, oid in objects.items() if name not in there}
        remote.push(self._repository, status.upstream, None, None, missing)
        return tuple(
            f"{status.upstream.shown} has a different tag {name}: gitreg tags sync --push --force"
            for name, oid in there.items()
            if objects[name] != oid
        )

    def published_tags(
        self, upstream: Upstream, tags: list[Tag], objects: Mapping[str, str]
    ) -> dict[str, str]:
        """Return the given tags that the remote has, name to object.

        A tag that differs from ours only by its signature counts as ours.

        Args:
            upstream: the remote.
            tags: the tags to look for.
            objects: the local objects, name to object.

        Raises:
            GitError: the remote cannot be reached.
        """
        there = remote.published_tags(self._repository, upstream, [tag.name for tag in tags])
        return self.ignoring_signatures(upstream, tags, objects, there)

    def ignoring_signatures(
        self,
        upstream: Upstream,
        tags: list[Tag],
        objects: Mapping[str, str],
        there: Mapping[str, str],
    ) -> dict[str, str]:
        """Return a remote's tags, with our objects for those that differ only by a signature.

        Args:
            upstream: the remote; its objects under our names are fetched.
            tags: the tags to compare.
            objects: the local objects, name to object.
            there: the remote's objects, name to object.

        Raises:
            GitError: the remote cannot be reached.
        """
        other = [tag for tag in tags if there.get(tag.name, objects[tag.name]) != objects[tag.name]]
        remote.fetch_tags(self._repository, upstream, [tag.name for tag in other])
        found = self._repository.reader.get_many([there[tag.name] for tag in other])
        same = [
            tag.name
            for tag, data in zip(other, found, strict=True)
            if data is not None and publish.is_tag(data, tag)
        ]
        return {**there, **{name: objects[name] for name in same}}

    def follow(
        self, status: BranchStatus, commit: str, made: Mapping[str, str] | None = None
    ) -> tuple[str, ...]:
        """Update the clone to a published commit if nothing is in the way.

        Args:
            status: the clone beside the remote branch.
            commit: the published commit.
            made: the tags that were published with it, name to object.

        Returns:
            Warnings that say why the clone was not updated.
        """
        local = status.local.commit
        if local is not None and not self._leads_to(local, commit):
            own = f"this clone has commits of its own, and does not follow {status.name}"
            return (f"{own}: gitreg push publishes them",)
        try:
            return self.move_to(status, commit, made)
        except GitregError as error:
            if self._url is not None:
                return ()  # a copy of our own is updated when it is next opened
            return (f"published, but this clone could not follow ({error}): gitreg fetch",)

    def move_to(
        self, status: BranchStatus, commit: str, made: Mapping[str, str] | None = None
    ) -> tuple[str, ...]:
        """Update branch, tags, index and work tree to a published commit.

        Tags are computed from history, not fetched, and are unsigned: nobody signs what others
        did. Tags in ``made`` are taken as they are. Tags of commits that the branch loses, because
        their operations were redone as other commits, are removed.

        Raises:
            Refused, GitError: uncommitted work is in the way, or Git refused; nothing was changed.
        """
        local = status.local
        if local.commit == commit:
            return ()
        worktree.refuse_to_move(self._repository, local.commit, commit)
        if self._repository.is_shallow:  # history that is cut off gives the tags wrong numbers
            return publish.switch(self._repository, local, commit, dict(made or {}))
        lost: list[Tag] = []
        # When the published commit came in by a merge, the first-parent lines fork before it.
        parted = None if status.merged_in else status.fork
        if local.commit is not None and not self._leads_to(local.commit, commit):
            self._history.advance(local.commit, exact=True)
            lost = self.tags(local.branch, parted)
        self._history.advance(commit, exact=True)
        tags = self.tags(local.branch, parted if lost else local.commit)
        fresh = [tag for tag in tags if tag.name not in (made or {})]
        objects = publish.write_tags(self._repository, fresh)
        objects |= {tag.name: made[tag.name] for tag in tags if made and tag.name in made}
        here = publish.present_tags(self._repository, lost)
        stale = {name: oid for name, oid in here.items() if objects.get(name) != oid}
        warnings = publish.switch(self._repository, local, commit, objects, stale)
        if status.withdrawn is not None and self._repository.commit_of(_WITHDRAWN):
            own_references.delete(self._repository, _WITHDRAWN)
        return warnings


def _beside(upstream: Upstream, branch: str) -> Upstream:
    """Return another branch of the same remote, whose last commit is not stored."""
    return replace(upstream, branch=branch, seen=None)
