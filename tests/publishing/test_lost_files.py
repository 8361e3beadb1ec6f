"""A sparse checkout, or a lost ``.dvc/``: Git has the files, and nothing is written over them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import DvcError
from tests.conftest import dvc_project, git, write_model
from tests.support.commands import error, gitreg


@pytest.fixture
def sparse(shared: Path) -> Path:
    """A clone that has only the folder ``src`` and the files of the root."""
    git(shared / "work", "push", "--quiet", "origin", "main")
    git(shared, "clone", "--quiet", "--sparse", "origin.git", "sparse")
    git(shared / "sparse", "sparse-checkout", "set", "src")
    assert not (shared / "sparse" / ".dvc").exists()
    return shared / "sparse"


def test_a_sparse_checkout_is_named(sparse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sparse)
    said = error("pull", "churn@2", code=3)
    assert "registry/.dvc/config is in Git but not in the work tree" in said
    assert said.endswith("git sparse-checkout add registry/.dvc\n")
    git(sparse, *["sparse-checkout", "add", "registry/.dvc"])
    assert gitreg("pull", "churn@2", "-o", "out").code == 0
    assert (sparse / "out" / "model" / "model.pkl").read_text() == "weights 2"


def test_a_lost_folder_is_named(stocked: Path) -> None:
    shutil.rmtree(stocked / "registry" / ".dvc")
    with Registry(stocked) as registry:
        with pytest.raises(DvcError, match="in Git but not in the work tree") as lost:
            registry.pull("churn@2")
        assert lost.value.hint == "git restore registry/.dvc"
        found = {finding.code: finding for finding in registry.doctor()}
    assert found["dvc"].remedy == "git restore registry/.dvc"
    assert not any("delete" in str(finding.remedy) for finding in found.values())
    git(stocked, "restore", "registry/.dvc")
    with Registry(stocked) as registry:
        assert registry.pull("churn@2").is_dir()


def test_a_lost_configuration_alone_is_named(stocked: Path) -> None:
    (stocked / "registry" / ".dvc" / "config").unlink()  # DVC itself would take it for an empty one
    with Registry(stocked) as registry, pytest.raises(DvcError, match="in Git but not") as lost:
        registry.register("churn", write_model(stocked, "weights 4"))
    assert lost.value.hint == "git restore registry/.dvc"
    git(stocked, "rm", "--quiet", "--cached", "registry/.dvc/config")
    with Registry(stocked) as registry, pytest.raises(DvcError, match="in Git but not") as lost:
        registry.pull("churn@2")
    assert lost.value.hint == "git restore --source=HEAD registry/.dvc"
    git(stocked, *lost.value.hint.split()[1:])
    assert (stocked / "registry" / ".dvc" / "config").exists()


@pytest.mark.parametrize("way", ["sparse", "lost", "removed from the index"])
def test_init_writes_over_nothing(
    sparse: Path, stocked: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    folder = sparse if way == "sparse" else stocked
    if way == "lost":
        shutil.rmtree(folder / "registry" / ".dvc")
    if way == "removed from the index":
        git(folder, "rm", "-r", "--quiet", "registry/.dvc")
        shutil.rmtree(folder / "registry" / ".dvc", ignore_errors=True)
    before, head = git(folder, "status", "--porcelain"), git(folder, "rev-parse", "HEAD")
    monkeypatch.chdir(folder)
    told = gitreg("init")
    assert "nothing to do" in told.out
    assert (
        "registry/.dvc/config is in Git but not in the work tree; to bring it back: git "
        in told.err
    )
    assert git(folder, "status", "--porcelain") == before
    assert git(folder, "rev-parse", "HEAD") == head
    assert not (folder / "registry" / ".dvc").exists()


def test_init_of_a_registry_in_a_sparse_dvc_project(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "-b", "main", ".")
    dvc_project(tmp_path, "[core]\n    remote = s\n['remote \"s\"']\n    url = /store\n")
    git(tmp_path, "add", ".dvc")
    git(tmp_path, "commit", "--quiet", "-m", "dvc init")
    config = git(tmp_path, "show", "HEAD:.dvc/config")
    git(tmp_path, "sparse-checkout", "set", "src")
    shutil.rmtree(tmp_path / ".dvc", ignore_errors=True)
    outcome = Registry.init(tmp_path)
    assert all(path.startswith("registry/") for path in outcome.change.paths)
    assert any("git sparse-checkout add .dvc" in warning for warning in outcome.warnings)
    assert git(tmp_path, "show", "HEAD:.dvc/config") == config
    assert "/store/registry" in git(tmp_path, "show", "HEAD:registry/.dvc/config")


def test_the_doctor_deletes_no_version_whose_bytes_are_elsewhere(stocked: Path) -> None:
    shutil.rmtree(stocked / "registry" / ".dvc" / "cache")
    config = stocked / "registry" / ".dvc" / "config"
    config.write_text("")
    with Registry(stocked) as registry:
        found = [f for f in registry.doctor() if f.code == "artifact-missing"]
    assert [finding.subject for finding in found][:1] == ["churn@1"]
    assert all("dvc remote add" in str(finding.remedy) for finding in found)
    assert not any("delete" in str(finding.remedy) for finding in found)
