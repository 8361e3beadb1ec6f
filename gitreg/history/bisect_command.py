"""Tests a version with the user's own command, by its exit status, as `git bisect run` does."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from gitreg.core.model.model import ModelVersion
from gitreg.core.state.bisection import Verdict, verdict_of
from gitreg.errors import InvalidRequest, WorldError

PLACE = "{model}"
"""Stands for the path of the version's artifact in a command."""


class CommandTest:
    """A test that runs a command, without a shell.

    0 is good, 125 skips the version, 1 to 127 are bad; anything else ends the search. ``{model}``
    in the words is the path of the artifact. The command also gets these variables:
    ``GITREG_MODEL`` (that path), ``GITREG_NAME``, ``GITREG_VERSION`` and ``GITREG_REFERENCE``.

    Args:
        words: the command and its arguments.
        output: the file descriptor for what it prints; by default that of this process.

    Raises:
        InvalidRequest: there is no such command.
    """

    def __init__(self, words: Sequence[str], output: int | None = None) -> None:
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
        words = [word.replace(PLACE, str(path)) for word in self._words]
        variables = {
            **os.environ,
            "GITREG_MODEL": str(path),
            "GITREG_NAME": version.model,
            "GITREG_VERSION": str(version.version),
            "GITREG_REFERENCE": version.reference,
        }
        try:
            status = subprocess.run(
                words, env=variables, stdout=self._output, check=False
            ).returncode
        except OSError as error:
            raise InvalidRequest(f"{words[0]}: {error.strerror}") from None
        verdict = verdict_of(status)
        if verdict is None:
            raise WorldError(
                f"{version.reference}: the command {_how(status)}, which says neither good nor bad",
                hint="run it again to go on there; exit status 125 skips a version",
            )
        return verdict


def _how(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    names = {int(one): one.name for one in signal.Signals}
    return f"was ended by {names.get(-status, f'signal {-status}')}"
