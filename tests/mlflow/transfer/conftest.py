"""MLflow databases, filled and empty, to import from and export to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import isolate
from tests.mlflow.filled import Filler, fill
from tests.mlflow.transfer.moves import Place, quiet


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a filled database and an empty one; both are to be copied."""
    base = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("mlflow-home"))
        quiet(patch)
        Filler(f"sqlite:///{base}/empty.db", base, base / "artifacts-empty")
        shutil.copy(base / "empty.db", base / "filled.db")
        fill(f"sqlite:///{base}/filled.db", base, base / "artifacts")
    return base


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quiet(monkeypatch)
    monkeypatch.chdir(tmp_path)  # where MLflow puts artifacts when nobody says where


@pytest.fixture
def source(made: Path, tmp_path: Path) -> Place:
    """A filled MLflow."""
    place = Place(tmp_path / "source")
    place.folder.mkdir()
    shutil.copy(made / "filled.db", place.database)
    return place


@pytest.fixture
def target(made: Path, tmp_path: Path) -> Place:
    """An empty MLflow."""
    place = Place(tmp_path / "target")
    place.folder.mkdir()
    shutil.copy(made / "empty.db", place.database)
    return place
