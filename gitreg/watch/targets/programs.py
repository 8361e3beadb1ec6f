"""Runs other programs for targets: fixed words, values only as words of their own, no shell."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from gitreg.artifacts.commands import ending, run_command
from gitreg.errors import InvalidRequest
from gitreg.watch.targets.target import Failed, Notice

_STDOUT = 1
"""A watcher has no answer of its own to print there."""


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
    """Run a program with the move in its environment; what it prints goes to stdout.

    Raises:
        Failed: it cannot be started, or ends with another status than 0.
    """
    try:
        status = run_command(words, notice.variables, output=_STDOUT)
    except InvalidRequest as error:
        raise Failed(str(error)) from None
    if status:
        raise Failed(f"{words[0]} {ending(status)}")
