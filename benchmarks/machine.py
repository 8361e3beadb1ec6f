"""The machine and the versions that the figures belong to."""

import importlib.metadata
import os
import platform
import subprocess
import time

PACKAGES = ("gitreg", "mlflow", "gto", "dvc", "GitPython", "pygit2", "typer")


def describe() -> dict[str, str]:
    """Return what a reader must know to compare these figures with others."""
    git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True)  # noqa: S607
    facts = {
        "date": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": str(_cores()),
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "python": platform.python_version(),
        "git": git.stdout.removeprefix("git version ").strip(),
    }
    for package in PACKAGES:
        try:
            facts[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            facts[package] = "NOT INSTALLED"
    return facts


def _cores() -> int:
    """Return the cores this process may use: in a container fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as facts:
            for line in facts:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
