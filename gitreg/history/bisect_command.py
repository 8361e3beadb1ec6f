"""Tests a version with the user's own command, by its exit status, as `git bisect run` does."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from gitreg.artifacts.commands import STDERR, ending, filled, run_command, variables_of
from gitreg.core.model.model import ModelVersion
from gitreg.core.state.bisection import Verdict, verdict_of
from gitreg.errors import InvalidRequest, WorldError


class CommandTest:
    """A test that runs a command, without a shell.

    0 is good, 125 skips the version, 1 to 127 are bad; anything else ends the search. ``{model}``
    in the words is the path of the artifact. The command also gets the variables of
    `gitreg.artifacts.commands.variables_of`.

    Args:
        words: the command and its arguments.
        output: the file descriptor for what it prints; by default stderr.

    Raises:
        InvalidRequest: there is no such command.
    """

    def __init__(self, words: Sequence[str], output: int = STDERR) -> None:
        if not words or shutil.which(words[0]) is None:
            named = f"{words[0]!a} is not a command that can be run" if words else "no command"
            raise InvalidRequest(
                named, hint="a script needs its path and the mode of a program: ./check.sh"
            )
        self._words = tuple(words)
        self._output = output

    def __call__(self, path: Path, version: ModelVersion) -> Verdict:
        """Return the verdict on a version.

        Raises:
            InvalidRequest: the command cannot be started.
            WorldError: it ended in a way that says nothing about the version.
        """
        words = filled(self._words, {"model": path})
        status = run_command(words, variables_of(version, path), output=self._output)
        verdict = verdict_of(status)
        if verdict is None:
            raise WorldError(
                f"{version.reference}: the command {ending(status)}, "
                "which says neither good nor bad",
                hint="run it again to go on there; exit status 125 skips a version",
            )
        return verdict
