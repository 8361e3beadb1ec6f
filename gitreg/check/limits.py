"""How much a check reads: whoever pushes chooses how much there is.

Above a limit there is one clear finding, and nothing more is judged.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from gitreg.check.finding import CheckFinding
from gitreg.check.step import is_registry
from gitreg.core.model import layout
from gitreg.core.policy import Guard
from gitreg.errors import GitError, InvalidRequest
from gitreg.git.steps import MOST_BYTES, MOST_PARENTS, ReadCommit


@dataclass(frozen=True)
class Limits:
    """The limits of one push; the server's configuration may set others.

    Attributes:
        commits: the most commits that it brings to a branch.
        size: the most bytes that it sends, as Git stores them.
        seconds: how long judging may take.
    """

    commits: int = 20_000
    size: int = 1024**3
    seconds: int = 120

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> Limits:
        """Return the limits of a configuration: ``gitreg.mostcommits`` and so on.

        Raises:
            InvalidRequest: one is not a positive number.
        """
        return cls(
            _number(settings, "gitreg.mostcommits", cls.commits),
            _number(settings, "gitreg.mostbytes", cls.size),
            _number(settings, "gitreg.mostseconds", cls.seconds),
        )


def _number(settings: Mapping[str, str], key: str, default: int) -> int:
    text = settings.get(key, str(default))
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 10**15):
        raise InvalidRequest(f"{key}: expected a number above 0, found {text[:40]!a}")
    return int(text)


def limits(read: ReadCommit, guard: Guard | None) -> Iterator[CheckFinding]:
    """Find a merge of too many parents, and files that are too large to be read.

    A merge of many parents that changes no registry is a project's own.
    """
    for path in read.large:
        yield _over(read, path, f"this file is larger than {MOST_BYTES} bytes")
    if len(read.parents) > MOST_PARENTS:
        paths = (entry.path for found in read.differences for entry in found)
        if any(
            is_registry(path)
            or path == layout.DVC_YAML
            or (guard is not None and guard.covers(path))
            for path in paths
        ):
            yield _over(
                read,
                read.info.oid[:9],
                f"a merge of {len(read.parents)} parents that changes the registry: "
                f"{MOST_PARENTS} are the most",
                "merge them in parts",
            )


def _over(read: ReadCommit, subject: str, message: str, remedy: str | None = None) -> CheckFinding:
    return CheckFinding(
        "over-limit", "error", subject, message, remedy, commit=read.info.oid, file=None
    )


def received_bytes(quarantine: str | None) -> int:
    """Return the size of the objects that a push sent; 0 where Git does not say where they are."""
    if quarantine is None:
        return 0
    return sum(
        Path(folder, name).lstat().st_size
        for folder, _, names in os.walk(quarantine)
        for name in names
    )


class _TimeIsOver(BaseException):
    """Passes every check that takes an error of its own for a finding."""


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Give up after some seconds, also while a program runs.

    Raises:
        GitError: the time is over.
    """
    can_be_interrupted = hasattr(signal, "setitimer") and (
        threading.current_thread() is threading.main_thread()
    )
    if not can_be_interrupted:
        yield
        return

    def give_up(_signal: int, _frame: FrameType | None) -> None:
        raise _TimeIsOver

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _TimeIsOver:
        raise GitError(
            f"this push takes longer than {seconds} s to judge",
            hint="push it in parts, or on the server: git config gitreg.mostSeconds",
        ) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
