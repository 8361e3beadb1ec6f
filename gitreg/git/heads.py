"""Reads the commit of HEAD from Git's own files, because a server needs it for every request.

A reference is a file of its own or a line of ``packed-refs``, which is read again only after Git
replaces it. For anything stored in another way (reftable, a symbolic reference) the caller runs
Git.
"""

from __future__ import annotations

import re
from pathlib import Path

_OID = re.compile(r"[0-9a-f]{40}\n?")
_BRANCH = re.compile(r"ref: (refs/heads/[^\n]+)\n?")
_NO_BRANCH = "refs/heads/.invalid"  # the placeholder that a reftable repository has in HEAD

_Stamp = tuple[int, int, int]


class Unreadable(Exception):
    """The files do not hold the answer; run Git to get it."""


class Head:
    """The HEAD of one work tree.

    Args:
        git_dir: the ``.git`` folder of the work tree.
        common_dir: the ``.git`` folder that all work trees share; it holds the branches.
    """

    def __init__(self, git_dir: Path, common_dir: Path) -> None:
        self._head = git_dir / "HEAD"
        self._common_dir = common_dir
        self._packed: tuple[_Stamp, dict[str, str]] | None = None

    def commit(self) -> str | None:
        """Return the commit of HEAD, 40 hex digits; ``None`` before the first commit.

        Raises:
            Unreadable: Git stores HEAD or its branch in another way.
        """
        head = _read(self._head)
        if head is None:
            raise Unreadable(self._head)
        if _OID.fullmatch(head):
            return head.strip()  # detached
        return self._commit_of(self._branch(head))

    def tip(self) -> tuple[str, str | None]:
        """Return the full name of the checked-out branch, and its commit.

        Raises:
            Unreadable: HEAD is detached, or Git stores it or its branch in another way.
        """
        branch = self._branch(_read(self._head) or "")
        return branch, self._commit_of(branch)

    def _branch(self, head: str) -> str:
        branch = _BRANCH.fullmatch(head)
        if branch is None or branch[1] == _NO_BRANCH:
            raise Unreadable(self._head)
        return branch[1]

    def _commit_of(self, branch: str) -> str | None:
        # Git packs a reference before it removes its file. A reader between the two steps can miss
        # both, so it looks for the file once more.
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
            status = place.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unreadable(place) from error
        if status.st_size == 0:  # after a power cut: Git writes a first line in any case
            raise Unreadable(place)
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
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
    """Return the content of one of Git's files; ``None`` when it does not exist."""
    try:
        with open(place, encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Unreadable(place) from error
