"""This repository is a registry itself: right after a clone it answers, with nothing reachable."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg import Registry
from tests.conftest import git

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A fresh clone of this repository's commits."""
    path = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(ROOT), str(path))
    git(path, "remote", "remove", "origin")
    return path


def test_a_clone_shows_pulls_and_verifies(clone: Path) -> None:
    with Registry(clone) as registry:
        champion = registry.show("churn-predictor@champion")
        assert champion.stage == "production"
        path = registry.pull(champion)
        assert {file.name for file in path.iterdir()} == {"features.json", "model.pkl"}
        assert [found for _, found in registry.verify()] == [[], []]
        assert registry.log("churn-predictor/production")[-1].action == "promote"
    assert git(clone, "status", "--porcelain") == ""


def test_a_clone_makes_the_tags_that_gto_reads(clone: Path) -> None:
    with Registry(clone) as registry:
        registry.sync_tags()
        champion = registry.show("churn-predictor@champion")
        assert git(clone, "rev-parse", "churn-predictor@v2.0.0^{commit}") == champion.commit
        assert [f.code for f in registry.doctor()] == ["no-git-remote"]


def test_it_is_read_by_url_although_its_bytes_are_in_git(clone: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(clone), str(bare))
    with Registry(f"file://{bare}") as registry:
        path = registry.pull("churn-predictor/production", tmp_path / "served")
    assert (path / "model.pkl").stat().st_size > 1000
