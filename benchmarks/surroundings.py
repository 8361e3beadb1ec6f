"""Sets the same environment for all contenders: no user configuration, no telemetry."""

import os
from pathlib import Path

from benchmarks import fastimport, peers_mlflow


def enclose(folder: Path) -> None:
    """Make all programs and libraries of this process and its children use ``folder``.

    The command line calls this once, before it measures or imports anything that reads the
    environment: GTO, DVC and MLflow read it when they are imported.
    """
    home = folder / "home"
    home.mkdir()
    for name in list(os.environ):
        if name.startswith(("GIT_", "DVC_", "MLFLOW_", "GTO_", "XDG_", "PYTHON")):
            del os.environ[name]
    os.environ.update(
        {
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": fastimport.NAME,
            "GIT_AUTHOR_EMAIL": fastimport.EMAIL,
            "GIT_COMMITTER_NAME": fastimport.NAME,
            "GIT_COMMITTER_EMAIL": fastimport.EMAIL,
            "DVC_NO_ANALYTICS": "1",
            "DVC_GLOBAL_CONFIG_DIR": str(home / "dvc-global"),
            "DVC_SYSTEM_CONFIG_DIR": str(home / "dvc-system"),
            "DVC_SITE_CACHE_DIR": str(home / "dvc-site-cache"),
            "ITERATIVE_DO_NOT_TRACK": "1",
            "DO_NOT_TRACK": "1",
            **peers_mlflow.environment(home),
        }
    )
