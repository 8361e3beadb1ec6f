"""A clone and the remote branch that it publishes on: how they stand, and how one follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace

from gitreg.core.model import layout
from gitreg.core.state.history import CommitInfo, FileChange
from gitreg.core.state.state import RegistryState
from gitreg.core.state.tags import Tag
from gitreg.errors import GitError, GitregError, UnknownOutcome
from gitreg.git import publish, remote, worktree
from gitreg.git.copies import copies_folder
from gitreg.git.history_index import HistoryIndex
from gitreg.git.log import first_parents_reach
from gitreg.git.remote import Upstream
from gitreg.git.repository import GitRepository, Tip
from gitreg.publishing.invariants import refuse_broken_invariants

_WITHDRAWN = "refs/gitreg/withdrawn"
"""The last commit here that was taken back over there, while own ones stand on top of it."""


@dataclass(frozen=True)
class BranchStatus:
    """How a clone stands to the remote branch, as it was just fetched.

    Attributes:
        upstream: the remote branch.
        local: the checked-out branch and its commit.
        published: the commit of the remote branch; ``None`` when there is no such branch yet.
        fork: the last commit that both have; ``None`` when one of them has none.
        seen: the commit that the remote branch was last known to be at, before it was fetched.
        rewound: whether the remote branch does not lead on from there; that was allowed.
        withdrawn: the last commit here that was published once and taken back over there; ``None``
            when the clone has none of that kind. They are not published again.
        merged_in: whether what is published came into the clone's branch by a merge (`git pull`).
            Its first parents are another line, and history is read along those.
    """

    upstream: Upstream
    local: Tip
    published: str | None
    fork: str | None
    seen: str | None = None
    rewound: bool = False
    withdrawn: str | None = None
    merged_in: bool = False

    @property
    def name(self) -> str:
        """The remote branch as people call it, ``origin/main``."""
        return f"{self.upstream.shown}/{self.upstream.short_branch}"

    @property
    def is_ahead(self) -> bool:
        """Whether the clone has all that is published, and commits that are not."""
        return self._goes_along and self.local.commit not in (None, self.published)

    @property
    def is_behind(self) -> bool:
        """Whether all that the clone has is published, and more."""
        return self.published is not None and self.fork == self.local.commit != self.published

    @property
    def has_diverged(self) -> bool:
        """Whether the clone has commits that cannot be published as they are."""
        parted = self.fork not in (self.local.commit, self.published)
        return parted or self.withdrawn is not None or self.merged_in

    @property
    def _goes_along(self) -> bool:
        """Whether the clone's branch leads on from what is published, with nothing against it."""
        return self.fork == self.published and self.withdrawn is None and not self.merged_in

    @property
    def own_since(self) -> str | None:
        """The commit after which the clone's own unpublished ones begin."""
        return self.withdrawn or self.published

    @property
    def base(self) -> Tip:
        """What the next published commit is made on: what is published, or the clone's own tip.

        What was committed here without being published goes along, as long as nobody else has
        published something meanwhile.
        """
        commit = self.local.commit if self._goes_along else self.published
        return Tip(self.local.branch, commit)

    @property
    def as_published(self) -> BranchStatus:
        """How a clone would stand that is at what is published, and has nothing of its own."""
        local = Tip(self.local.branch, self.published)
        return replace(self, local=local, fork=self.published, withdrawn=None, merged_in=False)


class Clone:
    """A repository and where its branch is published.

    Args:
        repository: the clone.
        history: its index.
        url: where it is published, for a copy of gitreg's own that has no remote configured.
    """

    def __init__(
        self, repository: GitRepository, history: HistoryIndex, url: str | None = None
    ) -> None:
        self._repository = repository
        self._history = history
        self._url = url

    def settle(self) -> None:
        """Finish what a writer who was killed had begun here: its work tree, and its tags.

        Git moves branch and tags in one transaction, but a kill in the middle of it leaves the
        branch moved and tags unmade. The caller holds the lock.
        """
        unfinished = worktree.finish(self._repository)
        tip = self._repository.tip()
        if tip.commit is None or self._repository.is_shallow or not self.is_tagged(tip.branch):
            return
        self._history.advance(tip.commit, exact=True)
        tags = self._history.tags_of_commit(tip.commit)
        if unfinished is not None:
            tags = self._history.tags(since=unfinished.before)
        publish.make_missing_tags(self._repository, tags)

    @property
    def how_to_see(self) -> str:
        """What comes before ``gitreg log`` in advice to look at what others have published."""
        return "gitreg fetch, see" if self._url is None else "see"

    def exclusive(self) -> AbstractContextManager[None]:
        """Hold the lock that all who write to the clone take; a copy's readers bring it forward."""
        folder = self._repository.private_dir if self._url is None else copies_folder(self._url)
        return publish.exclusive(folder)

    def upstream(self, tip: Tip) -> Upstream:
        """Return where a branch is published.

        Raises:
            GitError: nowhere, or it is not clear where.
        """
        if self._url is not None:
            return Upstream(self._url, tip.branch)
        return remote.upstream_of(self._repository, tip)

    def look(self, *, allow_rewind: bool = False) -> BranchStatus:
        """Fetch the remote branch and return how the clone stands to it.

        Args:
            allow_rewind: accept a remote branch that does not lead on from where it was.

        Raises:
            GitError: the remote cannot be reached, or its branch went backwards.
        """
        self._repository.refuse_shallow()
        local = self._repository.tip()
        upstream = self.upstream(local)
        seen = remote.last_seen(self._repository, upstream)
        tracked = None if seen else remote.tracked(self._repository, upstream)
        published = remote.fetch_tip(self._repository, upstream)
        if tracked is not None and published is not None and self._leads_to(published, tracked):
            seen = tracked  # gitreg asks for the first time; `git clone` has asked before
        rewound = seen is not None and not self._leads_to(seen, published)
        if rewound and not allow_rewind:
            now = f"is at {published[:9]}, which does not follow it" if published else "is gone"
            raise GitError(
                f"{upstream.shown} went backwards: {upstream.short_branch} was at {str(seen)[:9]}, "
                f"and {now}; nothing was published",
                hint="if that is right: gitreg fetch --allow-rewind",
            )
        if published is None and tracked is not None:
            self._refuse_renamed(upstream)
        fork = self._fork(local.commit, published)
        if self._url is not None and fork != local.commit:
            raise GitError(
                f"{upstream.shown}: its history was rewritten since it was opened",
                hint="nothing was published; run it again, and it is read anew",
            )
        withdrawn = self._withdrawn(local.commit, published, seen if rewound else None)
        merged_in = (
            local.commit is not None
            and published is not None
            and fork == published
            and not first_parents_reach(self._repository, published, local.commit)
        )
        return BranchStatus(upstream, local, published, fork, seen, rewound, withdrawn, merged_in)

    def _refuse_renamed(self, upstream: Upstream) -> None:
        """Refuse to make a branch again that was there once, beside those that the remote has."""
        others = remote.branches(self._repository, upstream)
        if others:
            raise GitError(
                f"{upstream.shown} has no branch {upstream.short_branch} any more, but "
                f"{', '.join(others[:3])}; nothing was published",
                hint=f"git branch --set-upstream-to={upstream.remote}/{others[0]}, if it was "
                "renamed to that",
            )

    def refuse_broken_invariants(self, status: BranchStatus) -> None:
        """Refuse to publish the clone's own line when that would break what is published.

        Raises:
            Refused: see `gitreg.publishing.invariants.refuse_broken_invariants`.
        """
        published, local = status.published, str(status.local.commit)
        if published is None:
            return
        before, after = (self._repository.snapshot(oid) for oid in (published, local))
        paths = [
            path
            for path in self._repository.changed_paths(published, local)
            if path.startswith(f"{layout.ROOT}/")
        ]
        contents = zip(paths, before.read_many(paths), after.read_many(paths), strict=True)
        changes = [FileChange(*change) for change in contents]
        refuse_broken_invariants(
            RegistryState(after), changes, self._history.ended_since(published)
        )

    def _withdrawn(
        self, local: str | None, published: str | None, taken_back: str | None
    ) -> str | None:
        """Return the last commit of the clone that is known to have been taken back over there."""
        known = taken_back or self._repository.commit_of(_WITHDRAWN)
        if known is None or local is None or published is None:
            return None
        # Where the clone was behind, all that it has was published once.
        last = known if self._leads_to(known, local) else local
        if not self._leads_to(last, known) or self._leads_to(last, published):
            return None
        return last

    def _leads_to(self, start: str, end: str | None) -> bool:
        return start == end or (end is not None and self._repository.is_ancestor(start, end))

    def _fork(self, local: str | None, published: str | None) -> str | None:
        if local is None or published is None:
            return None
        return local if local == published else self._repository.merge_base(local, published)

    def decided_at(self, status: BranchStatus) -> str | None:
        """Return the commit that a person at this clone has last been told of.

        What they ask for now, they decided on by that: by what the clone has of the remote branch,
        or by what gitreg said of it since. Their own unpublished commits count where they go along.
        """
        if status.base.commit == status.local.commit:
            return status.local.commit
        known, seen = status.fork, status.seen
        if seen is None or status.rewound or (known and self._leads_to(seen, known)):
            return known
        return seen

    def remember(self, status: BranchStatus) -> None:
        """Remember where the remote branch is, once the person was told."""
        if status.withdrawn is not None:
            self._repository.run("update-ref", _WITHDRAWN, status.withdrawn)
        if status.published is not None:
            remote.remember(self._repository, status.upstream, status.published)

    # Tags

    def is_tagged(self, branch: str) -> bool:
        """Tell whether moves on a branch (``refs/heads/main``) are tagged.

        Tags have no branch. Where the remote says which branch is its default one, only that is
        tagged: what waits for review on another is not in production, and must not be so to GTO.
        """
        short = branch.removeprefix("refs/heads/")
        defaults = remote.default_branches(self._repository)
        if not defaults or short in defaults.values():
            return True
        try:
            upstream = self.upstream(Tip(branch, None))
        except GitError:
            return True
        return defaults.get(upstream.remote, upstream.short_branch) == upstream.short_branch

    def plan_tags(self, branch: str, commit: CommitInfo, moved: Sequence[FileChange]) -> list[Tag]:
        """Return the tags that a commit on top of a branch would imply."""
        return self._history.plan_tags(commit, moved) if self.is_tagged(branch) else []

    def tags(self, branch: str, since: str | None = None) -> list[Tag]:
        """Return the tags that a branch implies at the commit that its history was advanced to."""
        return self._history.tags(since=since) if self.is_tagged(branch) else []

    def tagged_commit(self, tip: Tip) -> str | None:
        """Return the commit whose history implies the tags of a clone: of another branch, the fork.

        ``None`` when there is none that is tagged.
        """
        if tip.commit is None or self.is_tagged(tip.branch):
            return tip.commit
        upstream = self.upstream(tip)
        default = remote.default_branches(self._repository)[upstream.remote]
        main = self._repository.commit_of(f"refs/remotes/{upstream.remote}/{default}")
        return None if main is None else self._repository.merge_base(tip.commit, main)

    def publish(self, status: BranchStatus, commit: str, tags: dict[str, str]) -> None:
        """Publish a commit that follows what is published, with tags; see `remote.push`.

        When the answer is lost, the remote is asked whether it has the commit.
        """
        self._push(status.upstream, commit, status.published, tags)

    def _push(
        self,
        upstream: Upstream,
        commit: str,
        expected: str | None,
        tags: Mapping[str, str],
        push_options: Sequence[str] = (),
    ) -> str:
        """Push a commit, and ask the remote whether it has it when the answer is lost."""
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

    def note(self, status: BranchStatus, commit: str) -> None:
        """Remember that the remote branch is at a commit that was just published.

        It is published: what fails from here on is no failure of that, and the next look at the
        remote remembers it.
        """
        with suppress(GitError):
            remote.remember(self._repository, status.upstream, commit)

    def push_url(self) -> str:
        """Return where the clone's branch is pushed to; it may hold credentials."""
        return remote.push_url(self._repository, self.upstream(self._repository.tip()))

    def fetch_branch(self, status: BranchStatus, branch: str) -> str | None:
        """Fetch a branch beside the published one; return its commit, ``None`` if there is none.

        Args:
            status: where the remote is.
            branch: its full name there.

        Raises:
            GitError: the remote cannot be reached.
        """
        return remote.fetch_tip(self._repository, Upstream(status.upstream.remote, branch))

    def push_branch(
        self,
        status: BranchStatus,
        branch: str,
        commit: str,
        expected: str | None,
        push_options: Sequence[str],
    ) -> str:
        """Put a commit on a branch beside the published one; see `publish`.

        Args:
            status: where the remote is.
            branch: its full name there.
            commit: what it is at from now on, whether or not it leads on from where it was.
            expected: what it must be at; ``None`` when it must not be there.
            push_options: what the remote is asked beside.

        Returns:
            What the remote said.
        """
        beside = Upstream(status.upstream.remote, branch)
        return self._push(beside, commit, expected, {}, push_options)

    def publish_missing_tags(self, status: BranchStatus) -> tuple[str, ...]:
        """Publish the tags that the remote lacks beside what it has since it was last seen.

        A remote that was cut off in the middle of a push has the branch, and not its tags.

        Returns:
            What the person should know: tags over there that stand for something else.

        Raises:
            GitError: the remote cannot be reached, or refused.
        """
        if status.published is None or status.seen == status.published:
            return ()
        self._history.advance(status.published, exact=True)
        tags = self.tags(status.local.branch, None if status.rewound else status.seen)
        objects = publish.write_tags(self._repository, tags)
        there = self.published_tags(status.upstream, tags, objects)
        lacking = {name: oid for name, oid in objects.items() if name not in there}
        remote.push(self._repository, status.upstream, None, None, lacking)
        return tuple(
            f"{status.upstream.shown} has another tag {name}: gitreg tags sync --push --force"
            for name, oid in there.items()
            if objects[name] != oid
        )

    def published_tags(
        self, upstream: Upstream, tags: list[Tag], objects: Mapping[str, str]
    ) -> dict[str, str]:
        """Return the tags that the remote has, name to object.

        Where it has one of ours signed by somebody else, or without our signature, that is ours.

        Args:
            upstream: where.
            tags: which ones.
            objects: what they are here, name to object.

        Raises:
            GitError: the remote cannot be reached.
        """
        there = remote.published_tags(self._repository, upstream, [tag.name for tag in tags])
        return self.but_for_signatures(upstream, tags, objects, there)

    def but_for_signatures(
        self,
        upstream: Upstream,
        tags: list[Tag],
        objects: Mapping[str, str],
        there: Mapping[str, str],
    ) -> dict[str, str]:
        """Return a remote's tags, with our objects for those that only a signature tells apart.

        Args:
            upstream: which remote; what it has under names of ours is fetched.
            tags: which ones.
            objects: what they are here, name to object.
            there: what the remote has, name to object.

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
        """Bring the clone to a commit that is published, as far as it can be.

        Args:
            status: how it stands.
            commit: where to.
            made: tags as they were published with it, name to object.

        Returns:
            What the person should know: why it could not.
        """
        local = status.local.commit
        if local is not None and not self._leads_to(local, commit):
            own = f"this clone has commits of its own, and does not follow {status.name}"
            return (f"{own}: gitreg push publishes them",)
        try:
            return self.bring(status, commit, made)
        except GitregError as error:
            if self._url is not None:
                return ()  # a copy of our own is brought up to date when it is next opened
            return (f"published, but this clone could not follow ({error}): gitreg fetch",)

    def bring(
        self, status: BranchStatus, commit: str, made: Mapping[str, str] | None = None
    ) -> tuple[str, ...]:
        """Bring branch, tags, index and work tree to a published commit.

        The tags are worked out from history, not fetched, and have no signature then: nobody
        signs what others have done. Those that were ``made`` are taken as they are. Those of
        commits that the branch loses by it, which are done again under other names, go.

        Raises:
            Refused: the user's work is in the way; nothing was changed.
            GitError: Git refused; nothing was changed.
        """
        local = status.local
        if local.commit == commit:
            return ()
        worktree.refuse_to_move(self._repository, local.commit, commit)
        lost: list[Tag] = []
        # Where what is published came in by a merge, the two lines of first parents part before it.
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
            self._repository.run("update-ref", "-d", _WITHDRAWN)
        return warnings
