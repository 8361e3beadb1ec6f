"""The frozen requirements in a virtual environment of its own; and what a command gets to see."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from gitreg.reproduce.worktree import Missing

_KEPT = ("PATH", "LANG", "LANGUAGE", "TZ", "TERM", "OMP_NUM_THREADS")
"""What a command needs of the environment; the rest may be secrets."""


def make_environment(
    python: Path, requirements: Sequence[str], folder: Path, log: IO[bytes]
) -> Path:
    """Return the folder of programs of a new environment with the frozen requirements.

    ``uv`` makes it where it is installed, else ``venv`` and ``pip``.

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
    for step in steps:
        done = subprocess.run(step, capture_output=True, check=False, stdin=subprocess.DEVNULL)
        log.write(done.stdout + done.stderr)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
            why = next(
                (line for line in said if line.startswith("ERROR")), said[-1] if said else ""
            )
            raise Missing(f"environment: the requirements cannot be installed: {why.strip()}")
    return place / "bin"


def seen(programs: Path, home: Path, passed: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables of the recorded command.

    Args:
        programs: the folder of the interpreter; it comes first on the path.
        home: an empty folder: keys and tokens are often below the real one.
        passed: variables that the user passes on.
    """
    home.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name[:3] == "LC_"}
    kept["PATH"] = os.pathsep.join([str(programs), kept.get("PATH", os.defpath)])
    return {**kept, "HOME": str(home), "TMPDIR": str(home), **passed}


def version_of(python: Path | None) -> str | None:
    """Return the version of an interpreter, ``3.11.7``; ``None`` if it does not say one."""
    asked = [str(python), "-c", "import platform; print(platform.python_version())"]
    try:
        done = subprocess.run(asked, capture_output=True, check=False, text=True)
    except OSError:
        return None
    return done.stdout.strip() or None
