"""Submodules in a push: ``push.recurseSubmodules``, as the user configured it."""

from __future__ import annotations

from gitreg.errors import GitError
from gitreg.git import process
from gitreg.git.repository import GitRepository


def push(repository: GitRepository, remote: str) -> str:
    """Push the submodules if the user wants that; return the option's value for the push itself.

    Git pushes submodules on demand only along with a branch's name, and gitreg pushes commits that
    no branch has yet. So this is a push of its own, without the repository that contains them.

    Raises:
        GitError: a submodule cannot be pushed, or only submodules are to be pushed.
    """
    top = repository.top_level
    if top is None or not (top / ".gitmodules").is_file():
        return "no"
    wanted = _setting(repository)
    if wanted == "only":
        raise GitError(
            "push.recurseSubmodules is only, so Git publishes nothing but the submodules",
            hint="git config push.recurseSubmodules on-demand",
        )
    if wanted != "on-demand":
        return wanted
    done = process.run(
        top,
        *_default_push(repository),
        "push",
        "--recurse-submodules=only",
        "--no-verify",  # of this repository, once: in the push that follows
        "--end-of-options",
        remote,
        check=False,
        interactive=True,
    )
    if done.returncode != 0:
        raise GitError(
            f"the submodules cannot be pushed: {process.failure('push', done)}",
            hint="nothing of this repository was published",
        )
    return "check"


def _setting(repository: GitRepository) -> str:
    """Return ``no``, ``check``, ``on-demand`` or ``only``; of two settings, Git takes the last."""
    pattern = r"^(push\.recursesubmodules|submodule\.recurse)$"
    listing = repository.run("config", "--get-regexp", pattern, check=False)
    key, _, value = (listing.text.splitlines() or [""])[-1].partition(" ")
    if key == "submodule.recurse":
        return "on-demand" if value.lower() in ("true", "yes", "on", "1", "") else "no"
    return value or "no"


def _default_push(repository: GitRepository) -> list[str]:
    """Return the option that a push needs when the branch has no upstream."""
    short = (repository.head_branch() or "").removeprefix("refs/heads/")
    given = repository.config("push.default") or repository.config(f"branch.{short}.merge")
    return [] if given else ["-c", "push.default=current"]
