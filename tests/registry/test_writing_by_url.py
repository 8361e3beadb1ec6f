"""Writing by URL: a job without a checkout registers and promotes, through a copy of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import GitError, LostRace
from gitreg.git import log
from gitreg.git.history_index import HistoryIndex
from gitreg.git.repository import GitRepository
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


@pytest.fixture
def filtering(shared: Path, hosted: str) -> str:
    """The URL of a longer history, whose server sends what is asked for, as Git hosts do."""
    git(shared / "origin.git", "config", "uploadpack.allowFilter", "true")
    for number in range(20):
        git(shared / "work", "commit", "--quiet", "--allow-empty", "-m", f"work {number}")
    git(shared / "work", "push", "--quiet")
    return hosted


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, as in a new container."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "gitreg"


def _commits(copies: Path) -> int:
    """Return how many commits a cold job has fetched; it has one copy."""
    (light,) = copies.glob("*/light.git")
    assert not list(copies.glob("*/repository.git"))
    return len(git(light, "rev-list", "refs/heads/gitreg/tip", "--all").split())


def _is_in_order(shared: Path) -> bool:
    """Tell whether a new clone agrees with the tags of the remote."""
    git(shared, "clone", "--quiet", str(shared / "origin.git"), "judge")
    with Registry(shared / "judge") as judge:
        found = judge.sync_tags(dry_run=True)
    return not (found.made or found.wrong or found.foreign or found.abandoned)


def test_a_cold_job_fetches_no_history_to_write(
    shared: Path, filtering: str, tmp_path: Path, copies: Path
) -> None:
    source = write_model(tmp_path, "weights 4")
    with Registry(filtering) as registry:
        outcome = registry.promote("churn@3", stage="production")
        assert outcome.tags
        assert _commits(copies) < 10
        registry.register("churn", source)
        registry.create_model("other")
        registry.delete("churn@1", force=True)
        registry.set_alias("churn@4", "champion")
    assert _is_in_order(shared)


@pytest.fixture
def wide(shared: Path, filtering: str) -> str:
    """The URL of a registry with 200 versions of another model, each in a folder of its own."""
    work = shared / "work"
    for number in range(1, 201):
        manifest = work / f"registry/wide/versions/{number}/manifest.yaml"
        manifest.parent.mkdir(parents=True)
        manifest.write_text(f"version: {number}\n")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "-m", "Many folders")
    git(work, "push", "--quiet")
    return filtering


def _objects(copies: Path) -> int:
    (light,) = copies.glob("*/light.git")
    return len(git(light, "cat-file", "--batch-all-objects", "--batch-check").split("\n"))


SERVERS = {
    "any filter": [],
    "no depth but 0": ["uploadpackfilter.tree.maxDepth", "0"],
    "no filter of folders": ["uploadpackfilter.tree.allow", "false"],
    "no filter": ["uploadpack.allowFilter", "false"],
}


@pytest.mark.parametrize("server", SERVERS)
def test_a_cold_write_fetches_the_folders_on_its_way(
    shared: Path, wide: str, copies: Path, server: str
) -> None:
    if SERVERS[server]:
        git(shared / "origin.git", "config", *SERVERS[server])
    with Registry(wide) as registry:
        registry.promote("churn@3", stage="production")
        assert (_objects(copies) < 100) is (server == "any filter")
        assert registry.model("churn").stages["production"] == (3,)
        outcome, _ = registry.rollback("churn")
        assert [str(version) for version in outcome.versions] == ["churn@2"]
    (light,) = copies.glob("*/light.git")
    held = git(light, "rev-list", "--objects", "--missing=print", "--filter=blob:none", "--all")
    assert "?" not in held  # no folder is left to be fetched on its own


def test_a_cold_job_fetches_the_history_that_a_rollback_needs(
    shared: Path, filtering: str, copies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "_CHUNK", 1)
    with Registry(filtering) as registry:
        outcome, _ = registry.rollback("churn")
    assert [str(version) for version in outcome.versions] == ["churn@1"]
    count = int(git(shared / "origin.git", "rev-list", "--count", "main"))
    assert _commits(copies) == count
    (light,) = copies.glob("*/light.git")
    missing = git(light, "rev-list", "--objects", "--missing=print", "--all").split()
    assert [oid for oid in missing if oid.startswith("?")]  # files that no pointer needs
    assert len(list((light / "objects/pack").glob("*.pack"))) < 12  # a pack for each request
    assert _is_in_order(shared)


@pytest.mark.parametrize("how", ["gone", "forged", "moved"])
def test_a_cold_job_does_not_believe_tags_that_prove_nothing(
    shared: Path, filtering: str, how: str, copies: Path
) -> None:
    origin = shared / "origin.git"
    name = {"gone": "churn#production#1", "forged": "churn#production#99", "moved": "churn@v3.0.0"}
    if how == "gone":
        git(origin, "tag", "-d", name[how])
    else:
        git(origin, "tag", "-f", "-am", "churn@3", name[how], "main")
    with Registry(filtering) as registry:
        made = registry.promote("churn@3", stage="production").tags
    assert _commits(copies) > 20
    index = HistoryIndex(GitRepository(origin))
    index.advance(git(origin, "rev-parse", "main"))
    assert set(made) == {tag.name for tag in index.tags_of_commit(git(origin, "rev-parse", "main"))}


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
