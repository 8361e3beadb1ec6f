"""A clone's branch beside the remote branch that it is published on."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gitreg.git.remote import Upstream
from gitreg.git.repository import Tip


@dataclass(frozen=True)
class BranchStatus:
    """A clone's branch beside the remote branch, which was just fetched.

    Attributes:
        upstream: the remote branch.
        local: the checked-out branch and its commit.
        published: the commit of the remote branch; ``None`` when there is no such branch yet.
        fork: the last commit that both have; ``None`` when one of them has no commits.
        seen: the last known commit of the remote branch, before this fetch.
        gone: the commits that the remote branch had and does not contain any more, newest first,
            which the caller allowed.
        withdrawn: the last local commit that was published and then taken back on the remote;
            ``None`` when there is none. Such commits are not published again.
        merged_in: whether the published commit came into the clone's branch by a merge
            (`git pull`). History is read along first parents, and those are a different line.
    """

    upstream: Upstream
    local: Tip
    published: str | None
    fork: str | None
    seen: str | None = None
    gone: tuple[str, ...] = ()
    withdrawn: str | None = None
    merged_in: bool = False

    @property
    def name(self) -> str:
        """The name of the remote branch, such as ``origin/main``."""
        return f"{self.upstream.shown}/{self.upstream.short_branch}"

    @property
    def rewound(self) -> bool:
        """Whether the remote branch does not contain what it had."""
        return bool(self.gone)

    @property
    def is_ahead(self) -> bool:
        """Whether the clone has everything that is published, and unpublished commits."""
        return self._goes_along and self.local.commit not in (None, self.published)

    @property
    def is_behind(self) -> bool:
        """Whether everything in the clone is published, and the remote has more."""
        return self.published is not None and self.fork == self.local.commit != self.published

    @property
    def has_diverged(self) -> bool:
        """Whether the clone has commits that cannot be published unchanged."""
        parted = self.fork not in (self.local.commit, self.published)
        return parted or self.withdrawn is not None or self.merged_in

    @property
    def _goes_along(self) -> bool:
        """Whether the clone's branch can be pushed as it is: it follows the published commit."""
        return self.fork == self.published and self.withdrawn is None and not self.merged_in

    @property
    def own_since(self) -> str | None:
        """The commit after which the clone's unpublished commits begin."""
        return self.withdrawn or self.published

    @property
    def base(self) -> Tip:
        """The parent of the next published commit: the published commit or the clone's own tip.

        Unpublished commits of the clone are published with it, unless somebody else published
        first.
        """
        commit = self.local.commit if self._goes_along else self.published
        return replace(self.local, commit=commit)

    @property
    def as_published(self) -> BranchStatus:
        """The status of a clone that is at the published commit and has no unpublished ones."""
        local = replace(self.local, commit=self.published)
        return replace(self, local=local, fork=self.published, withdrawn=None, merged_in=False)
