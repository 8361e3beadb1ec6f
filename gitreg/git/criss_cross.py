"""Tells which side of a criss-cross merge changed a path, where the merge bases disagree."""

from __future__ import annotations

from functools import cache

from gitreg.git import process
from gitreg.git.repository import GitRepository

_DEEPEST = 8


def merge_bases(repository: GitRepository, one: str, other: str) -> list[str]:
    """Return the merge bases of two commits; none for unrelated histories."""
    done = repository.run("merge-base", "--all", one, other, check=False)
    if done.returncode not in (0, 1):
        raise process.failure("merge-base", done)
    return done.text.split()


def changed_since(repository: GitRepository, mine: str, other: str, path: str) -> bool:
    """Tell whether a commit that one side has and the other has not changed a path.

    A change that was taken back is one, too. A merge changes what differs from all its parents.
    """
    options = ("-c", "--full-history", "--name-only", "--format=", "--no-show-signature")
    return bool(repository.run("log", *options, mine, f"^{other}", "--", path).stdout.strip())


class CrissCross:
    """Two sides that merged each other's past have several merge bases, which may disagree.

    A base that left a path alone, while another had changed it since the two parted, says nothing
    about the path. Without that, a side could bring back what was changed and taken back before.

    Args:
        repository: where the commits are.
    """

    def __init__(self, repository: GitRepository) -> None:
        self._repository = repository
        self._bases = cache(self._read_bases)
        self._differ = cache(self._read_differ)
        self.left_alone = cache(self._left_alone)

    def _read_bases(self, one: str, other: str) -> list[str]:
        return merge_bases(self._repository, one, other)

    def _read_differ(self, one: str, other: str, path: str) -> bool:
        done = self._repository.run("diff-tree", "--quiet", one, other, "--", path, check=False)
        if done.returncode not in (0, 1):
            raise process.failure("diff-tree", done)
        return done.returncode == 1

    def _left_alone(self, mine: str, other: str, path: str, depth: int = 0) -> bool:
        """Tell whether a commit has a path as it was when it and another one parted."""
        if depth > _DEEPEST:
            return False
        bases = self._bases(mine, other)
        counting = [
            base
            for base in bases
            if not any(
                self._differ(base, one, path)
                and self.left_alone(base, one, path, depth + 1)
                and not self.left_alone(one, base, path, depth + 1)
                for one in bases
                if one != base
            )
        ]
        return bool(counting) and not any(self._differ(mine, base, path) for base in counting)
