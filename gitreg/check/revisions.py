"""Which commits a check is about: revisions, ranges and their base."""

from __future__ import annotations

from dataclasses import dataclass

from gitreg.errors import GitError, InvalidRequest, NotFound
from gitreg.git.repository import GitRepository


def check_base(repository: GitRepository, base: str, head: str) -> None:
    """Refuse a base that is not an ancestor of the head.

    Raises:
        InvalidRequest: it is not an ancestor.
        GitError: the clone is shallow and does not show that it is one.
    """
    if repository.is_ancestor(base, head):
        return
    if repository.is_shallow:
        raise GitError(
            f"{base[:9]} is not among the ancestors of {head[:9]} that this shallow clone has",
            hint="git fetch --unshallow, or check out with fetch-depth: 0",
        )
    raise InvalidRequest(
        f"{base[:9]} is not an ancestor of {head[:9]}: nothing was judged",
        hint=f"judge from where they parted: gitreg check {base[:9]}...{head[:9]}",
    )


@dataclass(frozen=True)
class Range:
    """Which commits to judge; ``base`` is ``None`` for all of history up to ``head``."""

    base: str | None
    head: str
    notes: tuple[str, ...] = ()


def parse_range(repository: GitRepository, text: str | None) -> Range:
    """Return the commits that a person's ``BASE..HEAD`` names.

    ``BASE`` alone means ``BASE..HEAD``, up to the checked-out commit; ``BASE...HEAD`` starts at
    their merge base. Git hosts give zeros as the base of a new branch: then it starts where the
    branch left the default one, or at its beginning. Without a text the range is what upstream does
    not have.

    Raises:
        NotFound: there is no such commit.
        InvalidRequest: it is no range.
        GitError: a shallow clone does not have the base.
    """
    if text is None:
        return _not_upstream(repository)
    dots = "..." if "..." in text else ".."
    first, separator, last = text.partition(dots)
    if not first or (separator and not last):
        raise InvalidRequest(
            f"{text!a} is no range", hint="gitreg check BASE..HEAD, as in origin/main..HEAD"
        )
    head = _commit(repository, last or "HEAD")
    if set(first) == {"0"} and len(first) >= 40:
        return _of_new_branch(repository, head)
    base = _commit(repository, first)
    if dots == "...":
        parted = repository.merge_base(base, head)
        if parted is None:
            raise InvalidRequest(f"{first} and {last} have no common commit: nothing was judged")
        base = parted
    return Range(base, head)


def _commit(repository: GitRepository, revision: str) -> str:
    try:
        return repository.parse_revision(revision)
    except NotFound:
        if repository.is_shallow:
            raise GitError(
                f"no commit {revision!a} in this shallow clone: nothing was judged",
                hint="git fetch --unshallow, or check out with fetch-depth: 0",
            ) from None
        raise


def _not_upstream(repository: GitRepository) -> Range:
    head = _commit(repository, "HEAD")
    asked = repository.run("rev-parse", "--verify", "--quiet", "@{upstream}^{commit}", check=False)
    if asked.returncode != 0:
        note = "no upstream: all of history was judged; gitreg check BASE..HEAD judges a part"
        return Range(None, head, (note,))
    parted = repository.merge_base(asked.text, head)
    if parted is None:
        raise InvalidRequest(
            "HEAD and its upstream have no commit in common",
            hint="gitreg check BASE..HEAD, or --history",
        )
    return Range(parted, head)


def _of_new_branch(repository: GitRepository, head: str) -> Range:
    """Return the range of a new branch: the commits since it left the default one."""
    default = repository.head_branch() if repository.top_level is None else None
    for name in filter(None, (default, "refs/remotes/origin/HEAD")):
        tip = repository.commit_of(name)
        parted = None if tip is None else repository.merge_base(tip, head)
        if parted is not None:
            return Range(parted, head)
    return Range(
        None, head, ("a new branch, and no default branch is known: all of its history was judged",)
    )
