"""What a Git host does with its CI files: reads them by its schema, and runs their scripts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

_SCHEMAS = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}
_ROOT = Path(__file__).parents[2]


def tool(name: str) -> str:
    path = shutil.which(name, path=str(Path(sys.executable).parent))
    assert path is not None
    return path


def by_schema(host: str, file: Path) -> subprocess.CompletedProcess[str]:
    """Check a file against the schema that the host publishes."""
    return subprocess.run(
        [tool("check-jsonschema"), "--builtin-schema", _SCHEMAS[host], str(file)],
        capture_output=True,
        text=True,
        check=False,
    )


def audited(folder: Path, workflow: str) -> subprocess.CompletedProcess[str]:
    """Look for what lets others execute code in a workflow of GitHub's."""
    path = folder / ".github" / "workflows" / "gitreg.yml"
    path.parent.mkdir(parents=True)
    path.write_text(workflow)
    # GitHub's own actions by their major version: who wants hashes has a tool that keeps them.
    settings = folder / "zizmor.yml"
    settings.write_text(
        "rules: {unpinned-uses: {config: {policies: {'actions/*': ref-pin, '*': hash-pin}}}}\n"
    )
    return subprocess.run(
        [*(tool("zizmor"), "--offline", "--no-progress"), "--config", str(settings), path.parent],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HOME": str(folder)},
    )


def run(
    folder: Path, script: str, program: str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a script as the host would, with this gitreg; nothing is installed."""
    programs = folder.parent / "programs"
    programs.mkdir(exist_ok=True)
    program = program or f'exec {sys.executable} -m gitreg "$@"'
    (programs / "gitreg").write_text(f"#!/bin/sh\n{program}\n")
    (programs / "python").write_text(f'#!/bin/sh\n[ "$2" = pip ] || exec {sys.executable} "$@"\n')
    for name in ("gitreg", "python"):
        (programs / name).chmod(0o755)
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env={
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(_ROOT),
            "GITREG": "gitreg",
            **variables,
        },
        capture_output=True,
        text=True,
        check=False,
    )
