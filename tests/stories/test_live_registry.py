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


def test_its_first_version_was_made_again_and_its_policy_asks_for_that(clone: Path) -> None:
    with Registry(clone) as registry:
        [judgement] = registry.test_policy("churn-predictor@1", stage="production")
        assert judgement.passed
        [verdict] = judgement.verdicts
        assert verdict.line.startswith("equivalent by maintainers@")
        # Without the signature, it does not count.
        [signature] = (clone / "registry").glob("*/versions/1/reproductions/*.sig")
        signature.unlink()
        git(clone, "-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "--quiet", "-am", "cut")
        [judgement] = registry.test_policy("churn-predictor@1", stage="production")
        assert not judgement.passed
        assert "immutable" in {finding.code for finding in registry.check("HEAD~1..HEAD").findings}


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
