"""The frozen requirements in a virtual environment of its own; and what a command gets to see."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from gitreg.artifacts.commands import ending, run_command
from gitreg.core.text.urls import hide_credentials
from gitreg.reproduce.worktree import Missing

_KEPT = re.compile(r"PATH|LANG|LANGUAGE|LC_.*|TZ|TERM|OMP_NUM_THREADS")
"""What a command needs of the environment; the rest may be secrets."""

_INSTALLING = re.compile(
    _KEPT.pattern + r"|HOME|XDG_.*|TMPDIR|PIP_.*|UV_.*|SSL_CERT_.*|REQUESTS_CA_BUNDLE"
    r"|(?i:https?_proxy|all_proxy|no_proxy)"
)
"""What pip and uv need to reach the package index; a package's own build code sees it, too."""


def make_environment(
    python: Path, requirements: Sequence[str], folder: Path, log: IO[bytes]
) -> Path:
    """Return the folder of programs of a new environment with the frozen requirements.

    ``uv`` makes it where it is installed, else ``venv`` and ``pip``. They see what they need to
    reach the package index, and no other variables.

    Args:
        python: the interpreter.
        requirements: one a line.
        folder: where it is made.
        log: open for reading and writing.

    Raises:
        Missing: a requirement cannot be installed.
    """
    place, listed = folder / "environment", folder / "requirements.txt"
    listed.write_text("\n".join([*requirements, ""]), "utf-8")
    uv = shutil.which("uv")
    if uv is not None:
        steps = [
            [uv, "venv", "--quiet", "--python", str(python), str(place)],
            [uv, "pip", "install", "--python", str(place), "-r", str(listed)],
        ]
    else:
        own = str(place / "bin" / "python")
        steps = [
            [str(python), "-m", "venv", str(place)],
            [own, "-m", "pip", "install", "--disable-pip-version-check", "-r", str(listed)],
        ]
    environment = {name: at for name, at in os.environ.items() if _INSTALLING.fullmatch(name)}
    for step in steps:
        start = log.tell()
        status = run_command(step, {}, environment=environment, output=log)
        if status != 0:
            raise Missing(
                f"environment: the requirements cannot be installed: {_why(log, start, status)}"
            )
    return place / "bin"


def _why(log: IO[bytes], start: int, status: int) -> str:
    """Return the line of the log since ``start`` that says why a step failed."""
    log.seek(start)
    lines = [line.strip() for line in log.read().decode("utf-8", "replace").splitlines()]
    said = [line for line in lines if line]
    errors = [line for line in said if line.startswith(("ERROR", "error", "×"))]  # noqa: RUF001
    return hide_credentials([f"it {ending(status)}", *said[-1:], *errors[-1:]][-1])


def seen(programs: Path, home: Path, passed: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables of the recorded command.

    Args:
        programs: the folder of the interpreter; it comes first on the path.
        home: an empty folder: keys and tokens are often below the real one.
        passed: variables that the user passes on.
    """
    home.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)}
    kept["PATH"] = os.pathsep.join([str(programs), kept.get("PATH", os.defpath)])
    return {**kept, "HOME": str(home), "TMPDIR": str(home), **passed}


def version_of(python: Path | None) -> str | None:
    """Return the version of an interpreter, ``3.11.7``; ``None`` if it cannot be run."""
    asked = [str(python), "-c", "import platform; print(platform.python_version())"]
    try:
        done = subprocess.run(asked, capture_output=True, check=False, text=True)
    except OSError:
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
