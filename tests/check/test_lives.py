"""`gitreg check` over models that are created, renamed, deleted and begun anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.check import CheckReport
from tests.conftest import git, write_model

GATED = b"""\
format: 1
stages:
  staging: {holds: any}
  production: {holds: 1, replaced: archived, gates: [{metric: auc, at_least: 0.75}]}
  archived: {holds: any}
models:
  strict-*:
    stages:
      production: {gates: [{metric: auc, at_least: 0.95}]}
"""


@pytest.fixture
def work(stocked: Path) -> Path:
    """A clone of a registry whose policy has gates, and stricter ones for some names."""
    (stocked / "registry" / "policy.yaml").write_bytes(GATED)
    git(stocked, "commit", "--quiet", "-am", "rules")
    return stocked


@pytest.fixture
def registry(work: Path) -> Iterator[Registry]:
    with Registry(work) as opened:
        yield opened


def codes(report: CheckReport) -> list[str]:
    return sorted({finding.code for finding in report.findings if finding.is_error})


def commit(work: Path, message: str = "by hand") -> None:
    git(work, "add", "--all", "registry", "dvc.yaml")
    git(work, "commit", "--quiet", "-m", message)


def judged(registry: Registry) -> list[str]:
    """Return what is wrong with the last commit, as a pull request and by all of history."""
    one = codes(registry.check("HEAD~1..HEAD"))
    assert codes(registry.check("HEAD~1..HEAD", only_registry=True)) == one
    whole = codes(registry.check(history=True))
    assert [code for code in whole if code != "tag-moved"] == one  # commits are amended here
    return one


# Honest

HONEST: dict[str, Callable[[Registry], object]] = {
    "create": lambda r: r.create_model("leavers", description="d"),
    "delete": lambda r: r.delete_model("churn", force=True),
    "delete one": lambda r: r.delete("churn@2", force=True),
    "rename": lambda r: r.rename_model("churn", "leavers"),
    "rename before the first letter": lambda r: r.rename_model("churn", "a-model"),
    "rename what has no version": lambda r: (r.create_model("a"), r.rename_model("a", "b"))[1],
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_commits_and_their_reverts_pass(registry: Registry, work: Path, name: str) -> None:
    HONEST[name](registry)
    assert judged(registry) == []
    if name == "delete one":
        return  # a deletion of one version is not taken back
    tree = git(work, "rev-parse", "HEAD~1^{tree}")
    models = registry.models(rev="HEAD~1")
    git(work, "revert", "--no-edit", "HEAD")
    assert git(work, "rev-parse", "HEAD^{tree}") == tree
    assert judged(registry) == []
    assert registry.models() == models
    registry.sync_tags()
    assert [f for f in registry.doctor() if f.severity != "note"] == []
    git(work, "revert", "--no-edit", "HEAD")
    assert judged(registry) == []
    assert codes(registry.check("HEAD~3..HEAD")) == []


def test_a_second_life_passes(registry: Registry, work: Path) -> None:
    start = git(work, "rev-parse", "HEAD")
    registry.delete_model("churn", force=True)
    registry.create_model("churn")
    for number in (1, 2):
        registry.register("churn", write_model(work, f"new {number}"), metrics={"auc": 0.8})
    registry.promote("churn@1", stage="production")
    registry.promote("churn@2", stage="production")
    registry.rollback("churn")
    assert judged(registry) == []
    assert codes(registry.check(f"{start}..HEAD")) == []


def test_a_name_that_a_rename_left_begins_anew(registry: Registry, work: Path) -> None:
    start = git(work, "rev-parse", "HEAD")
    registry.rename_model("churn", "leavers")
    registry.create_model("churn")
    registry.register("churn", write_model(work, "new"), metrics={"auc": 0.8})
    registry.register("leavers", write_model(work, "4"), metrics={"auc": 0.8})
    registry.promote("churn@1", stage="production")
    registry.promote("leavers@4", stage="production")
    assert codes(registry.check(f"{start}..HEAD")) == []
    assert codes(registry.check(history=True)) == []
    registry.delete_model("churn", force=True)
    registry.rename_model("leavers", "churn")
    assert codes(registry.check(f"{start}..HEAD")) == []
    assert codes(registry.check(history=True)) == []
    assert str(registry.register("churn", write_model(work, "5")).versions[0]) == "churn@5"


# Not


def test_a_folder_that_vanishes(registry: Registry, work: Path) -> None:
    git(work, "rm", "--quiet", "-r", "registry/churn")
    commit(work)
    assert "removed" in judged(registry)


def test_a_model_without_versions_that_vanishes(registry: Registry, work: Path) -> None:
    registry.create_model("leavers")
    git(work, "rm", "--quiet", "-r", "registry/leavers")
    commit(work)
    assert judged(registry) == ["removed"]


def test_a_tombstone_that_goes_or_changes(registry: Registry, work: Path) -> None:
    registry.delete_model("churn", force=True)
    note = work / "registry/churn/deleted.yaml"
    text = note.read_text()
    note.write_text(text.replace("Ada", "Eve"))
    commit(work)
    assert judged(registry) == ["immutable"]
    git(work, "rm", "--quiet", "registry/churn/deleted.yaml")
    commit(work)
    assert codes(registry.check("HEAD~1..HEAD")) == ["immutable"]


def test_a_tombstone_beside_what_it_says_is_gone(registry: Registry, work: Path) -> None:
    note = work / "registry/churn/deleted.yaml"
    note.write_text("deleted_at: x\ndeleted_by: y\n")
    commit(work)
    assert judged(registry) == ["half-deleted"]


def test_a_rename_that_changes_more(registry: Registry, work: Path) -> None:
    registry.rename_model("churn", "leavers")
    manifest = work / "registry/leavers/versions/3/manifest.yaml"
    manifest.write_text(manifest.read_text().replace("auc: 0.9", "auc: 0.99"))
    git(work, "add", "--all", "registry")
    git(work, "commit", "--quiet", "--amend", "--no-edit")
    assert judged(registry) == ["bad-rename", "removed"]


def test_a_rename_to_nothing(registry: Registry, work: Path) -> None:
    registry.rename_model("churn", "leavers")
    git(work, "rm", "--quiet", "-r", "registry/leavers")
    git(work, "commit", "--quiet", "--amend", "--no-edit")
    assert "bad-rename" in judged(registry)


def test_a_rename_with_a_promotion_in_it_is_judged(registry: Registry, work: Path) -> None:
    registry.rename_model("churn", "leavers")
    pointer = work / "registry/leavers/stages/production.yaml"
    archived = work / "registry/leavers/stages/archived.yaml"
    pointer.write_text("versions:\n- 1\n")
    archived.write_text("versions:\n- 2\n")
    git(work, "add", "--all", "registry")
    git(work, "commit", "--quiet", "--amend", "--no-edit")
    assert judged(registry) == ["policy-metric"]


def test_a_rename_to_a_name_with_other_rules_is_judged(registry: Registry, work: Path) -> None:
    (work / "registry" / "policy.yaml").write_bytes(GATED.replace(b"0.95", b"0.1"))
    git(work, "commit", "--quiet", "-am", "laxer")
    registry.rename_model("churn", "strict-churn")
    assert judged(registry) == []
    git(work, "reset", "--hard", "--quiet", "HEAD~1")
    (work / "registry" / "policy.yaml").write_bytes(GATED.replace(b"strict", b"other"))
    git(work, "commit", "--quiet", "-am", "other")
    registry.rename_model("churn", "strict-churn")
    renamed = git(work, "rev-parse", "HEAD")
    git(work, "reset", "--hard", "--quiet", "HEAD~1")
    (work / "registry" / "policy.yaml").write_bytes(GATED)
    git(work, "commit", "--quiet", "-am", "strict again")
    git(work, "cherry-pick", renamed)
    assert judged(registry) == ["policy-metric"]


def test_what_an_earlier_life_was_lets_nothing_in(registry: Registry, work: Path) -> None:
    start = git(work, "rev-parse", "HEAD")
    registry.delete_model("churn", force=True)
    registry.create_model("churn")
    registry.register("churn", write_model(work, "bad"), metrics={"auc": 0.1})
    registry.register("churn", write_model(work, "bad too"), metrics={"auc": 0.1})
    pointer = work / "registry/churn/stages/production.yaml"
    pointer.parent.mkdir()
    pointer.write_text("versions:\n- 2\n")
    commit(work, f'Revert "delete churn"\n\nThis reverts commit {start}.')
    assert judged(registry) == ["policy-metric"]
    assert codes(registry.check(f"{start}..HEAD")) == ["policy-metric"]


def test_numbers_of_one_life_are_given_once(registry: Registry, work: Path) -> None:
    registry.delete_model("churn", force=True)
    registry.create_model("churn")
    registry.register("churn", write_model(work, "new"))
    folder = work / "registry/churn/versions"
    (folder / "1").rename(folder / "3")
    text = (folder / "3/manifest.yaml").read_text()
    (folder / "3/manifest.yaml").write_text(text.replace("version: 1", "version: 3"))
    dvc = (work / "dvc.yaml").read_text()
    (work / "dvc.yaml").write_text(dvc.replace("churn/versions/1/", "churn/versions/3/"))
    git(work, "add", "--all", "registry", "dvc.yaml")
    git(work, "commit", "--quiet", "--amend", "--no-edit")
    assert judged(registry) == ["number-skipped"]


# Merges


@pytest.fixture
def side(registry: Registry, work: Path) -> str:
    """A branch on which churn is renamed; the work goes on beside it."""
    git(work, "switch", "--quiet", "--create", "side")
    registry.rename_model("churn", "leavers")
    git(work, "switch", "--quiet", "main")
    return "side"


def test_a_rename_that_is_merged(registry: Registry, work: Path, side: str) -> None:
    start = git(work, "rev-parse", "HEAD")
    registry.promote("tokenizer@1", stage="staging")
    git(work, "merge", "--quiet", "--no-edit", side)
    assert codes(registry.check(f"{start}..HEAD")) == []
    registry.sync_tags(force=True)  # those of the side's commit, which was no event by itself
    assert codes(registry.check(history=True)) == []
    assert registry.model("leavers").latest == 3
    assert [f for f in registry.doctor() if f.severity == "error"] == []


def test_a_registration_beside_a_rename_that_is_merged(
    registry: Registry, work: Path, side: str
) -> None:
    start = git(work, "rev-parse", "HEAD")
    registry.register("churn", write_model(work, "four"), metrics={"auc": 0.8})
    git(work, "merge", "--quiet", "--no-edit", "-X", "ours", side)
    assert "half-deleted" in codes(registry.check(f"{start}..HEAD"))
    found = {finding.code for finding in registry.doctor() if finding.severity == "error"}
    assert "half-deleted" in found
