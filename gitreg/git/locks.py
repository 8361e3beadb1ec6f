"""Git's lock files: who holds one, how old it is, and how to remove one that nobody holds.

Git takes a lock by creating ``NAME.lock``. A Git that is killed leaves the file, and every later
one fails. gitreg removes no lock of Git's: only a person knows whether a Git still runs, perhaps on
another machine. gitreg says what can be known here.
"""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gitreg.core.text.times import ago
from gitreg.errors import GitError

_PROCESSES = Path("/proc")
_IDLE = {b"cat-file", b"fsmonitor--daemon", b"daemon"}
"""Git commands that run for long and hold no lock."""

_GIT = re.compile(r"git(-[\w-]+)?\n?")
"""The names of Git's processes; ``gitreg`` is none, and holds no lock of Git's."""

_FAILED = re.compile(
    r"(?:Unable to create|could not lock config file) '?([^'\n]*?)(?:\.lock)?'?:? File exists"
)


@dataclass(frozen=True)
class Lock:
    """A lock file of Git's on this machine.

    Attributes:
        path: the file.
        age: the seconds since it was written.
        process: a process that has it open, or a Git process at work in its repository; ``None``
            when there is none, or the system does not tell.
        is_known: whether the system lists processes, so that ``process`` means something.
    """

    path: Path
    age: float
    process: int | None
    is_known: bool

    @property
    def text(self) -> str:
        """How old it is and who holds it."""
        written = f"last written {ago(self.age)}"
        if self.process is not None:
            return f"{written}, and process {self.process} is at work there"
        if self.is_known:
            return f"{written}, and no Git process of yours is at work there"
        return written

    @property
    def is_abandoned(self) -> bool:
        """Whether no process of the user's can hold it."""
        return self.is_known and self.process is None

    @property
    def remedy(self) -> str:
        """The command to run next: it shows the process, or removes the file."""
        if self.process is not None:
            return f"ps -fp {self.process}"
        return f"rm {shlex.quote(str(self.path))}"


def look_at(path: Path, files: Mapping[str, int] | None = None) -> Lock | None:
    """Return what is known about a lock file; ``None`` when it does not exist.

    Args:
        path: the lock file.
        files: the result of `open_files`, where the caller has it.
    """
    try:
        age = max(0.0, time.time() - path.lstat().st_mtime)
    except OSError:
        return None
    known = open_files() if files is None else files
    if known is None:
        return Lock(path, age, None, is_known=False)
    return Lock(path, age, _holder(path.resolve(), known), is_known=True)


def _holder(path: Path, files: Mapping[str, int]) -> int | None:
    """Return a process that has a lock open, or a Git that works in its repository.

    Git closes a lock while an editor is open or a hook runs, so an open file is not the only sign.
    """
    if str(path) in files:
        return files[str(path)]
    git_dir = next((folder for folder in path.parents if (folder / "HEAD").exists()), path.parent)
    roots = (git_dir, git_dir.parent) if git_dir.name == ".git" else (git_dir,)
    for place in _PROCESSES.glob("[0-9]*"):
        try:
            if not _GIT.fullmatch((place / "comm").read_text()):
                continue
            at = Path(os.readlink(place / "cwd"))  # noqa: PTH115  fast
            words = (place / "cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            continue  # it ended, or belongs to another user
        if not _IDLE.intersection(words) and any(at.is_relative_to(root) for root in roots):
            return int(place.name)
    return None


def open_files() -> Mapping[str, int] | None:
    """Return the open files of processes, real path to process; ``None`` where this is unknown.

    Linux lists them for the user's own processes, and for all processes to the administrator.
    """
    if not (_PROCESSES / "self" / "fd").is_dir():
        return None
    found = {}
    for folder in _PROCESSES.glob("[0-9]*/fd"):
        try:
            for handle in folder.iterdir():
                found[os.readlink(handle)] = int(folder.parent.name)  # noqa: PTH115  fast
        except OSError:
            continue  # the process ended, or belongs to another user
    return found


def named_in(output: str) -> Path | None:
    """Return the lock file that made Git fail, if its output names one.

    >>> named_in("fatal: Unable to create '/x/.git/./index.lock': File exists.")
    PosixPath('/x/.git/index.lock')
    >>> named_in("error: could not lock config file .git/config: File exists")
    PosixPath('.git/config.lock')
    >>> named_in("fatal: bad object")
    """
    found = _FAILED.search(output)
    return None if found is None else Path(f"{found[1] or found[2]}.lock")


def failure(path: Path, state: str = "") -> GitError:
    """Return the error for a write that a lock on this machine stopped.

    Args:
        path: the lock file.
        state: what was reached, ``nothing was written``, where nobody adds it later.
    """
    lock = look_at(path)
    reached = f"; {state}" if state else ""
    if lock is None:
        return GitError(f"another Git process held {path}{reached}", hint="run the command again")
    hint = f"if no Git is running there: {lock.remedy}"
    if lock.process is not None:
        hint = f"run it again when that process has ended: {lock.remedy}"
    return GitError(f"Git's lock {path} is in the way: {lock.text}{reached}", hint=hint)
