"""What a producer must share, so that a consumer who has the URL alone can pull."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gitreg import DvcError, Registry
from tests.conftest import git, write_model


def dvc(folder: Path, *args: str) -> None:
    """Run DVC as a user would."""
    command = [str(Path(sys.executable).with_name("dvc")), *args]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.fixture
def host(folder: Path, tmp_path: Path) -> Path:
    """A bare repository that the registry is pushed to."""
    path = tmp_path / "host.git"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(path))
    git(folder, "remote", "add", "origin", str(path))
    return path


def test_a_dvc_remote_that_is_not_committed_is_refused(folder: Path, host: Path) -> None:
    dvc(folder, "remote", "add", "--default", "store", str(host.parent / "store"))
    with Registry(folder) as registry:
        with pytest.raises(DvcError, match="not committed"):
            registry.register("churn", write_model(folder), push=True)
        assert git(host, "for-each-ref") == ""
        git(folder, "commit", "--quiet", "-m", "where the bytes are", ".dvc/config")
        assert registry.register("churn", write_model(folder), push=True).pushed
    with Registry(f"file://{host}") as consumer:
        assert (consumer.pull("churn@1", host.parent / "served") / "model.pkl").exists()


def test_a_relative_dvc_remote_is_named_to_who_reads_by_url(folder: Path, host: Path) -> None:
    dvc(folder, "remote", "add", "--default", "store", "../store")
    git(folder, "commit", "--quiet", "-m", "where the bytes are", ".dvc/config")
    with Registry(folder) as registry:
        registry.register("churn", write_model(folder), push=True)
    with Registry(f"file://{host}") as consumer, pytest.raises(DvcError) as refusal:
        consumer.pull("churn@1", host.parent / "served")
    assert "beside the repository" in str(refusal.value)


def test_an_outcome_names_its_version_and_is_short(folder: Path) -> None:
    with Registry(folder) as registry:
        outcome = registry.register("churn", write_model(folder))
    assert [str(version) for version in outcome.versions] == ["churn@1"]
    assert "weights" not in repr(outcome)
    assert len(repr(outcome)) < 2000
