"""Which commits are on a branch, by the evidence that the repository has of it.

Others judge by what is published, so that a branch of a clone is what its remote was last seen to
have: a local branch of the same name may be stale, or hold what nobody else has yet. A repository
without a remote, and one that is pushed to, has the branch itself.
"""

from __future__ import annotations

from gitreg.core.text.invisible import has_invisible
from gitreg.git.remote import tracked_remotes
from gitreg.git.repository import GitRepository


def is_on_branch(
    repository: GitRepository, commit: str, branch: str, *, is_server: bool = False
) -> bool | None:
    """Tell whether a commit is on a branch; ``None`` where the repository cannot tell.

    1. A server (and any bare repository) answers by its own branch. 2. A clone answers by the
    tracking reference of the remote that it publishes to; see `tracked_remotes`. 3. Where several
    remotes qualify, those that have the branch must agree. 4. A clone without remotes answers by
    its own branch.

    Args:
        repository: where to look.
        commit: 40 hex digits.
        branch: the short name of the branch, ``main``.
        is_server: whether the repository is pushed to now, so that its own branches count.
    """
    if has_invisible(branch) or branch.startswith("-"):
        return None
    repository.bring_branch(branch)
    if repository.commit_of(commit) is None:
        return None
    tips = {
        repository.commit_of(name) for name in _references(repository, branch, is_server=is_server)
    }
    answers = {repository.is_ancestor(commit, tip) for tip in tips if tip is not None}
    return answers.pop() if len(answers) == 1 else None


def _references(repository: GitRepository, branch: str, *, is_server: bool) -> list[str]:
    """Return the full names of the references that say what is on a branch."""
    own = [f"refs/heads/{branch}"]
    if is_server or repository.top_level is None:
        return own
    if not repository.run("remote").text:
        return own
    return [f"refs/remotes/{remote}/{branch}" for remote in tracked_remotes(repository)]
