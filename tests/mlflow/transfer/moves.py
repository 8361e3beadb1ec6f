"""Databases of MLflow's that are moved from and to, and what a move has to keep."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitreg import Registry
from gitreg.mlflow.transfer.exporting import export_registry
from gitreg.mlflow.transfer.foreign import ForeignRegistry
from gitreg.mlflow.transfer.importing import ImportOptions, import_registry
from gitreg.transfer.report import Report
from tests.mlflow.filled import Filler
from tests.support.commands import gitreg

if TYPE_CHECKING:
    import pytest


@dataclass(frozen=True)
class Place:
    """A database of MLflow's in a folder, which a test may change."""

    folder: Path

    @property
    def database(self) -> Path:
        return self.folder / "mlflow.db"

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.database}"

    def filler(self) -> Filler:
        """Return what fills it further."""
        return Filler(self.uri, self.folder)


def quiet(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    patch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


def bring(folder: Path, source: Place, *models: str, **wishes: Any) -> Report:
    with Registry(folder) as registry:
        return import_registry(
            registry, ForeignRegistry(source.uri), models, ImportOptions(**wishes)
        )


def take(folder: Path, target: Place, *models: str, **wishes: Any) -> Report:
    with Registry(folder) as registry:
        return export_registry(registry, ForeignRegistry(target.uri), models, **wishes)


def sound(folder: Path) -> None:
    """All that gitreg checks of a registry is as it should be."""
    gitreg("check", "--history", "--repo", str(folder))
    gitreg("verify", "--repo", str(folder))


def remarks(report: Report) -> list[tuple[str, bool]]:
    return [(f"{remark.subject}: {remark.text}", remark.is_left) for remark in report.remarks]


def cut_off(folder: Path, args: list[str], how: signal.Signals, is_time: Any) -> int:
    process = subprocess.Popen(
        [sys.executable, "-m", "gitreg", *args],
        cwd=folder.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # A shell that starts the tests in the background has told them to ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    while process.poll() is None and not is_time():
        time.sleep(0.01)
    process.send_signal(how)
    return process.wait(120)
