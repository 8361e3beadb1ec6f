"""Projects with and without a remote, and a model to put there."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg.dvc import DvcProject
from tests.dvc.projects import make_project


@pytest.fixture
def project(tmp_path: Path) -> DvcProject:
    return make_project(tmp_path / "repo", str(tmp_path / "remote"))


@pytest.fixture
def lonely(tmp_path: Path) -> DvcProject:
    """A project without a remote."""
    return make_project(tmp_path / "lonely")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "data").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "data" / "weights é.bin").write_bytes(bytes(range(256)) * 100)
    (folder / "data" / "copy.bin").write_bytes(bytes(range(256)) * 100)
    (folder / "empty").write_bytes(b"")
    return folder
