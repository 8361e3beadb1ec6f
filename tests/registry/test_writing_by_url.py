"""Writing by URL: a job without a checkout registers and promotes, through the complete copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import GitError, LostRace
from tests.conftest import git, write_model
from tests.support.commands import error, gitreg


@pytest.fixture
def hosted(shared: Path) -> str:
    """The URL of a registry whose bytes are at an absolute place, as in a bucket."""
    work = shared / "work"
    config = work / "registry" / ".dvc" / "config"
    config.write_text(config.read_text().replace("../../../dvc-remote", str(shared / "dvc-remote")))
    git(work, "commit", "--quiet", "-am", "absolute")
    git(work, "push", "--quiet")
    return f"file://{shared / 'origin.git'}"


def test_a_job_without_a_checkout_registers_and_promotes(
    shared: Path, hosted: str, tmp_path: Path
) -> None:
    source = write_model(tmp_path, "weights 4")
    gitreg("register", "churn", str(source), "--repo", hosted, "-m", "nightly")
    ran = gitreg("promote", "churn@4", "--to", "production", "--repo", hosted, "--json")
    assert ran.json["pushed"]
    assert ran.json["commit"] == git(shared / "origin.git", "rev-parse", "main")
    assert set(ran.json["tags"]) <= set(git(shared / "origin.git", "tag").split("\n"))
    with Registry(hosted) as registry:
        assert (registry.pull("churn/production") / "model.pkl").read_text() == "weights 4"
        assert registry.log("churn")[0].action in ("promote", "archive")
    gitreg("rollback", "churn", "--repo", hosted)
    assert gitreg("resolve", "churn/production", "--repo", hosted).out == "churn@2\n"
    git(shared / "work", "pull", "--quiet", "--ff-only")
    gitreg("tags", "sync", "--repo", str(shared / "work"))
    found = gitreg("doctor", "--repo", str(shared / "work"), "--json").json
    assert [finding for finding in found if finding["severity"] != "note"] == []


def test_a_job_without_a_checkout_repeats_itself(shared: Path, hosted: str, tmp_path: Path) -> None:
    source = write_model(tmp_path, "weights 4")
    words = ("register", "churn", str(source), "--repo", hosted, "--op-id", "job-17", "--json")
    first, second = gitreg(*words).json, gitreg(*words).json
    assert (first["repeated"], second["repeated"]) == (False, True)
    assert first["commit"] == second["commit"]
    said = error("promote", "churn@4", "--to", "staging", "--repo", hosted, "--op-id", "job-17")
    assert "another operation" in said


def test_a_job_without_a_checkout_gets_the_name_of_the_winner(shared: Path, hosted: str) -> None:
    with Registry(hosted) as registry:
        assert registry.model("churn").aliases == {"champion": 2}  # what was decided on
        with Registry(shared / "work") as theirs:
            won = theirs.set_alias("churn@1", "champion", push=True)
        with pytest.raises(LostRace, match=str(won.commit)[:9]):
            registry.set_alias("churn@3", "champion")


def test_nothing_is_written_by_url_while_the_remote_is_away(shared: Path, hosted: str) -> None:
    Registry(hosted).models()
    (shared / "origin.git").rename(shared / "away.git")
    ran = gitreg("alias", "set", "churn@3", "champion", "--repo", hosted, code=3)
    assert "nothing was published" in ran.err
    (shared / "away.git").rename(shared / "origin.git")
    assert gitreg("resolve", "churn@champion", "--repo", hosted).out == "churn@2\n"


@pytest.mark.parametrize("command", ["fetch", "push"])
def test_a_url_has_nothing_to_fetch_or_push(hosted: str, command: str) -> None:
    assert "by URL" in error(command, "--repo", hosted)


def test_a_copy_does_not_publish_what_was_withdrawn_meanwhile(shared: Path, hosted: str) -> None:
    origin = shared / "origin.git"
    with Registry(hosted) as registry:
        registry.models()
        git(origin, "update-ref", "refs/heads/main", "main~1")
        before = git(origin, "rev-parse", "main")
        with pytest.raises(GitError, match="rewritten"):
            registry.set_alias("churn@3", "champion")
    assert git(origin, "rev-parse", "main") == before
