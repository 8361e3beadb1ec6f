"""Runs other programs for targets: fixed words, values only as words of their own, no shell."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from gitreg.errors import InvalidRequest
from gitreg.watch.targets.target import Failed, Notice

_GRACE = 10.0
"""Seconds that an interrupted program gets before it is killed."""


class Command:
    """Runs the user's command with a move in its environment.

    Args:
        words: the command and its arguments.

    Raises:
        InvalidRequest: there is no such command.
    """

    name = "command"

    def __init__(self, *words: str) -> None:
        installed(words[0])
        self._words = words

    def __call__(self, notice: Notice) -> None:
        """Run it; see the class."""
        run(self._words, notice)


def installed(program: str) -> str:
    """Return the name of a program that can be run.

    Raises:
        InvalidRequest: there is none.
    """
    if shutil.which(program) is None:
        raise InvalidRequest(
            f"{program!a} is not a command that can be run",
            hint="a script needs its path and the mode of a program: ./deploy.sh",
        )
    return program


def run(words: Sequence[str], notice: Notice) -> None:
    """Run a program in a process group of its own, with the move in its environment.

    An interrupt ends the whole group.

    Raises:
        Failed: it cannot be started, or ends with another status than 0.
    """
    environment = {**os.environ, **notice.variables}
    try:
        process = subprocess.Popen(
            words, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
        )
    except OSError as error:
        raise Failed(f"{words[0]}: {error.strerror}") from None
    try:
        status = process.wait()
    except BaseException:
        _end(process)
        raise
    if status:
        how = f"signal {-status}" if status < 0 else f"status {status}"
        raise Failed(f"{words[0]} ended with {how}")


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
