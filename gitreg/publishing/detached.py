"""Writes from a detached HEAD, as CI checks out: they go to the remote's branch, and HEAD follows.

A detached HEAD names no branch. It is taken for the branch that has its commit: the remote's
default branch, or a branch whose last known commit is the one of HEAD. Nothing is published unless
that branch contains HEAD's commit: a checkout of a pull request's merge would merge it.
"""

from __future__ import annotations

from collections.abc import Mapping

from gitreg.errors import GitError
from gitreg.git import remote
from gitreg.git.repository import GitRepository, Tip
from gitreg.publishing.branch_status import BranchStatus

_UNDER_WAY = {
    "rebase-merge": ("rebase", "git rebase --continue, or git rebase --abort"),
    "rebase-apply": ("rebase", "git rebase --continue, or git rebase --abort"),
    "BISECT_START": ("bisect", "git bisect reset"),
}
"""Git's files while it has detached HEAD itself: the command, and what ends it."""


def tip(repository: GitRepository, defaults: Mapping[str, str]) -> Tip:
    """Return a detached HEAD's commit, and the branch that it is published on.

    Args:
        repository: whose HEAD is detached.
        defaults: the known default branches, remote name to short branch name.

    Raises:
        GitError: no remote is configured, nothing tells the branch, or a ``git rebase`` or ``git
            bisect`` is under way.
    """
    for name, (command, end) in _UNDER_WAY.items():
        if (repository.git_dir / name).exists():
            raise GitError(f"HEAD is detached: a git {command} is under way", hint=end)
    commit = repository.head_commit()
    name = any_upstream(repository).remote
    default = defaults.get(name)
    if commit is not None and not _is_known_to_have(repository, f"{name}/{default}", commit):
        prefix = f"refs/remotes/{name}/"
        listing = repository.run(
            "for-each-ref", "--format=%(symref)%(refname)", f"--points-at={commit}", prefix
        )
        others = [line.removeprefix(prefix) for line in listing.text.splitlines()]
        others = [other for other in others if not other.startswith("refs/")]  # its HEAD
        if len(others) == 1:
            default = others[0]
    if default is None:
        raise GitError(
            f"HEAD is detached: the default branch of {name} is not known here",
            hint="git switch BRANCH",
        )
    return Tip(f"refs/heads/{default}", commit, is_detached=True)


def any_upstream(repository: GitRepository) -> remote.Upstream:
    """Return where a branch without settings of its own is published.

    Raises:
        GitError: there is no remote, or several could be meant.
    """
    return remote.upstream_of(repository, Tip("refs/heads/HEAD", None))


def _is_known_to_have(repository: GitRepository, branch: str, commit: str) -> bool:
    known = repository.commit_of(f"refs/remotes/{branch}")
    return known is not None and repository.is_ancestor(commit, known)


def refuse_stray(status: BranchStatus) -> None:
    """Refuse to publish from a detached HEAD whose commit the published branch does not have.

    Raises:
        GitError: it is detached, and has other commits.
    """
    local = status.local
    if not local.is_detached or (local.commit is not None and status.fork == local.commit):
        return
    here = f"HEAD is detached at {str(local.commit)[:9]}"
    if status.published is None:
        raise GitError(
            f"{here}, and {status.name} does not exist yet; nothing was published",
            hint=f"git switch -c {status.upstream.short_branch}",
        )
    from_tip = f"git fetch {status.upstream.shown} {status.upstream.short_branch}"
    raise GitError(
        f"{here}, which is not on {status.name}: a write from here would publish it, too; "
        "nothing was published",
        hint=f"{from_tip} && git checkout --detach FETCH_HEAD, or to keep its commits: "
        "git switch -c BRANCH",
    )


def note(repository: GitRepository, status: BranchStatus) -> tuple[str, ...]:
    """Return the line that says where a detached HEAD's write was published; else nothing.

    Args:
        repository: the clone, after the write.
        status: the clone before it.
    """
    if not status.local.is_detached:
        return ()
    follows = repository.head_commit() != status.local.commit
    now = f"and HEAD is at {str(repository.head_commit())[:9]} now" if follows else "HEAD stays"
    return (f"HEAD is detached: published to {status.name}, {now}",)
