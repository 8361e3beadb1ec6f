"""Runs a user's command on a version's files: `gitreg evaluate`, `bisect`, `reproduce`, `watch`.

No shell reads the command, so that no name in a registry can become one. Places in its words are
filled with paths, and the same variables tell every command which version it is about.

>>> filled(["check.py", "{model}", "--to={out}"], {"model": Path("/a/{out}"), "out": Path("/b")})
['check.py', '/a/{out}', '--to=/b']
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from gitreg.core.model.model import ModelVersion
from gitreg.errors import InvalidRequest

STDERR = 2
"""Where a command's output goes by default: stdout is for gitreg's answer."""

_GRACE = 10.0
"""Seconds that an interrupted command gets before it is killed."""


def filled(words: Sequence[str], places: Mapping[str, Path]) -> list[str]:
    """Return words with paths in places such as ``{model}``; a path with a brace stays as it is."""
    place = re.compile("{(" + "|".join(map(re.escape, places)) + ")}")
    return [place.sub(lambda match: str(places[match[1]]), word) for word in words]


def variables_of(version: ModelVersion, path: Path) -> dict[str, str]:
    """Return the variables that tell a command which version it is about.

    ``GITREG_MODEL`` is the model's name, ``GITREG_VERSION`` the number, ``GITREG_REFERENCE`` both,
    ``GITREG_SHA256`` the digest of the bytes, and ``GITREG_PATH`` where they are.
    """
    return {
        "GITREG_MODEL": version.model,
        "GITREG_VERSION": str(version.version),
        "GITREG_REFERENCE": version.reference,
        "GITREG_SHA256": version.artifact.sha256,
        "GITREG_PATH": str(path),
    }


def run_command(
    words: Sequence[str],
    variables: Mapping[str, str],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    output: int | IO[bytes] = STDERR,
) -> int:
    """Run a command to its end, and return its exit status; a signal's number is negative.

    It runs in a process group of its own, which an interrupt ends as a whole: first asked to, then
    killed. It reads nothing from stdin.

    Args:
        words: the command and its arguments.
        variables: added to the environment.
        folder: where it runs; by default the current one.
        environment: what it sees of the caller's environment. A command that the caller wrote gets
            all of it, the default; one that a registry recorded must not get secrets.
        output: the file descriptor or file for all that it prints.

    Raises:
        InvalidRequest: it cannot be started.
    """
    base = os.environ if environment is None else environment
    try:
        process = subprocess.Popen(
            words,
            cwd=folder,
            env={**base, **variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise InvalidRequest(f"{words[0]}: cannot be run: {error.strerror}") from None
    try:
        return process.wait()
    except BaseException:
        _end(process)
        raise


def ending(status: int) -> str:
    """Return in words how a command ended.

    >>> ending(3), ending(-9)
    ('ended with status 3', 'was ended by SIGKILL')
    """
    if status >= 0:
        return f"ended with status {status}"
    names = {int(one): one.name for one in signal.Signals}
    return f"was ended by {names.get(-status, f'signal {-status}')}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it started; a second interrupt shortens the wait."""
    try:
        _signal(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    finally:
        _signal(process, signal.SIGKILL)
        process.wait()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(OSError):  # the whole group has ended
        os.killpg(process.pid, number)
