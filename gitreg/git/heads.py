"""Where HEAD is, from Git's own files: a process that serves asks for it at every question.

A reference is a file of its own, else a line of ``packed-refs``, which is read again only after it
was replaced. Whatever is kept in another way (reftable, a symbolic reference) Git is asked for.
"""

from __future__ import annotations

import re
from pathlib import Path

_OID = re.compile(r"[0-9a-f]{40}\n?")
_BRANCH = re.compile(r"ref: (refs/heads/[^\n]+)\n?")
_NO_BRANCH = "refs/heads/.invalid"  # what a reftable leaves in HEAD

_Stamp = tuple[int, int, int]


class Unreadable(Exception):
    """The files do not say it: Git has to be asked."""


class Head:
    """The HEAD of one work tree.

    Args:
        git_dir: the ``.git`` folder of the work tree.
        common_dir: the one that all work trees share, which has the branches.
    """

    def __init__(self, git_dir: Path, common_dir: Path) -> None:
        self._head = git_dir / "HEAD"
        self._common_dir = common_dir
        self._packed: tuple[_Stamp, dict[str, str]] | None = None

    def commit(self) -> str | None:
        """Return the commit that HEAD is at, 40 hex digits; ``None`` before the first one.

        Raises:
            Unreadable: so.
        """
        head = _read(self._head)
        if head is None:
            raise Unreadable(self._head)
        if _OID.fullmatch(head):
            return head.strip()  # detached
        return self._commit_of(self._branch(head))

    def tip(self) -> tuple[str, str | None]:
        """Return the full name of the branch that HEAD is at, and its commit.

        Raises:
            Unreadable: the files do not say it, or it is at none.
        """
        branch = self._branch(_read(self._head) or "")
        return branch, self._commit_of(branch)

    def _branch(self, head: str) -> str:
        branch = _BRANCH.fullmatch(head)
        if branch is None or branch[1] == _NO_BRANCH:
            raise Unreadable(self._head)
        return branch[1]

    def _commit_of(self, branch: str) -> str | None:
        # Git packs a reference before it removes its file: whoever finds neither looks once more.
        return self._loose(branch) or self._packed_line(branch) or self._loose(branch)

    def _loose(self, name: str) -> str | None:
        content = _read(self._common_dir / name)
        if content is None:
            return None
        if not _OID.fullmatch(content):
            raise Unreadable(name)
        return content.strip()

    def _packed_line(self, name: str) -> str | None:
        place = self._common_dir / "packed-refs"
        try:
            found = place.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unreadable(place) from error
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        if self._packed is None or self._packed[0] != stamp:
            self._packed = (stamp, {})
        known = self._packed[1]
        if name not in known:
            line = re.search(
                rf"^([0-9a-f]{{40}}) {re.escape(name)}$", _read(place) or "", re.MULTILINE
            )
            known[name] = line[1] if line else ""
        return known[name] or None


def _read(place: Path) -> str | None:
    """Return the content of a file of Git's, ``None`` when there is none."""
    try:
        with open(place, encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Unreadable(place) from error
