"""When commits arrived at a server: a small log beside its repository, written by the hook.

A commit's date is a claim; when the server first saw the commit is not. The log is only appended
to. Where it is lost, or a commit is older than the log, the commit's own date counts as before.

One line a commit: its name, when it arrived, and the newest date of it and its ancestors.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from gitreg.git.repository import GitRepository
from gitreg.git.sharing import share


class Arrivals:
    """The log of a server's repository.

    Args:
        repository: the server's.
    """

    def __init__(self, repository: GitRepository) -> None:
        self._repository = repository

    @property
    def path(self) -> Path:
        """The file of the log."""
        return self._repository.private_dir / "arrivals"

    def arrived(self, commit: str) -> int | None:
        """Return when a commit arrived, in seconds since the epoch."""
        return self._numbers(commit)[0]

    def newest(self, commit: str) -> int | None:
        """Return the newest date of a commit and its ancestors, in seconds since the epoch."""
        return self._numbers(commit)[1]

    def _numbers(self, commit: str) -> tuple[int, int] | tuple[None, None]:
        # The last line counts: a push that Git refused after the hook comes again.
        start = self._content.rfind(b"\n" + commit.encode("ascii") + b" ")
        entry = self._content[start + 1 :].partition(b"\n")[0] if start >= 0 else b""
        found = re.fullmatch(rb"[0-9a-f]{40} (\d{1,15}) (\d{1,15})", entry)
        return (int(found[1]), int(found[2])) if found else (None, None)

    @cached_property
    def _content(self) -> bytes:
        try:
            return b"\n" + self.path.read_bytes()
        except OSError:
            return b""

    def note(self, commits: Iterable[tuple[str, int]], now: int) -> None:
        """Append commits, each with the newest date up to it.

        A log that cannot be written is as good as none.
        """
        lines = "".join(f"{oid} {now} {max(newest, 0)}\n" for oid, newest in commits)
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # A line that a crash cut off must not swallow the next one.
            torn = bool(self._content) and not self._content.endswith(b"\n")
            handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                os.write(handle, (f"\n{lines}" if torn else lines).encode("ascii"))
            finally:
                os.close(handle)
            share(self._repository.common_dir, self.path.parent, self.path)
