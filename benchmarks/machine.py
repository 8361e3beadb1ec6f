"""Describes the machine and the versions of the measured programs."""

import importlib.metadata
import os
import platform
import re
import subprocess
import time
from pathlib import Path

PACKAGES = ("gitreg", "mlflow", "gto", "dvc", "GitPython", "pygit2", "typer")


def describe() -> dict[str, str]:
    """Return the facts that a reader needs to compare these figures with others."""
    git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True)
    facts = {
        "date": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": str(_cores()),
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "python": platform.python_version(),
        "git": git.stdout.removeprefix("git version ").strip(),
    }
    return facts | {package: _version(package) for package in PACKAGES}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "NOT INSTALLED"


def _cores() -> int:
    """Return the number of cores available to this process; a container can limit them."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    try:
        facts = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        facts = ""
    named = re.search(r"^model name\s*: (.*)$", facts, re.MULTILINE)
    return named[1] if named else platform.processor() or platform.machine()
