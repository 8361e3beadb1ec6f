"""Tags of a model's versions that another tool made, as GTO does."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.publishing.outcome import Outcome
from tests.conftest import git, write_model
from tests.support.clones import check


def register(folder: Path, *, push: bool = False) -> Outcome:
    with Registry(folder) as registry:
        return registry.register("churn", write_model(folder, "the next"), push=push)


def tag(folder: Path, name: str) -> str:
    """Tag the project's first commit; return the tag's object."""
    root = git(folder, "rev-list", "--max-parents=0", "HEAD").split("\n")[0]
    git(folder, "tag", "-a", "-m", "by another tool", name, root)
    return git(folder, "rev-parse", name)


def newest(folder: Path, model: str = "churn") -> int:
    with Registry(folder) as registry:
        return registry.versions(model)[0].version


@pytest.mark.parametrize("name", ["churn@v7.0.0", "churn@v7.2.1"])
@pytest.mark.parametrize("where", ["here", "on the remote"])
def test_numbers_start_above_the_tags_of_others(stocked: Path, name: str, where: str) -> None:
    made = tag(stocked, name)
    git(stocked, "push", "--quiet", "origin", f"refs/tags/{name}")
    if where == "on the remote":
        git(stocked, "tag", "-d", name)
    base = git(stocked, "rev-parse", "HEAD")
    outcome = register(stocked, push=True)
    assert "churn@v8.0.0" in outcome.tags
    assert newest(stocked) == 8
    assert check(stocked, f"{base}..HEAD").findings == ()
    assert git(stocked, "ls-remote", "origin", f"refs/tags/{name}").split("\t")[0] == made
    assert register(stocked, push=True).tags[0] == "churn@v9.0.0"
    assert newest(stocked) == 9


def test_lower_tags_and_those_of_other_models_change_nothing(stocked: Path) -> None:
    for name in ("churn@v2.5.0", "churner@v50.0.0", "churn#prod#9", "churn@vx", "v90.0.0"):
        tag(stocked, name)
    register(stocked)
    assert newest(stocked) == 4


def test_a_tag_of_a_registration_that_was_taken_back_is_no_others(stocked: Path) -> None:
    register(stocked)
    git(stocked, "reset", "--quiet", "--hard", "HEAD~1")
    assert git(stocked, "tag", "--list", "churn@v4.0.0")
    register(stocked)
    assert newest(stocked) == 4


def test_doctor_does_not_advise_tags_of_others_away(stocked: Path) -> None:
    for name in ("churn@v9.0.0", "churn#prod#1"):
        tag(stocked, name)
        git(stocked, "push", "--quiet", "origin", f"refs/tags/{name}")
    with Registry(stocked) as registry:
        found = [f for f in registry.doctor() if f.code.endswith("foreign-tag")]
    assert {finding.subject for finding in found} == {"churn@v9.0.0", "churn#prod#1"}
    for finding in found:  # they say how to look at it
        assert str(finding.remedy).startswith(("git show ", "git ls-remote "))


def test_counters_start_above_those_of_others(stocked: Path) -> None:
    """GTO counts its tags, too: the same name would block every push, or replace its record."""
    theirs = {name: tag(stocked, name) for name in ("churn#staging#5", "churn#none#8")}
    git(stocked, "push", "--quiet", "origin", *(f"refs/tags/{name}" for name in theirs))
    with Registry(stocked) as registry:
        moved = registry.promote("churn@3", stage="staging", push=True)
        assert moved.tags == ("churn#staging#9",)
        assert registry.promote("churn@3", stage="none", dry_run=True).tags == (
            "churn#staging!#10",
        )
        assert registry.sync_tags().wrong == ()
    assert {name: git(stocked, "rev-parse", name) for name in theirs} == theirs
    git(stocked.parent, "clone", "--quiet", "origin.git", "clone")
    with Registry(stocked.parent / "clone") as clone:
        report = clone.sync_tags()
        assert (report.made, report.wrong) == ((), ())


def test_no_counter_changes_where_names_are_free(stocked: Path) -> None:
    tag(stocked, "churn#prod#900")
    with Registry(stocked) as registry:
        assert registry.promote("churn@3", stage="staging").tags == ("churn#staging#5",)


@pytest.mark.parametrize("name", ["churn@v9.0.0", "churn#prod#1"])
def test_a_tag_of_others_on_no_branch_stays(stocked: Path, name: str) -> None:
    tree = git(stocked, "mktree")
    alone = git(stocked, "commit-tree", "-m", "an experiment", tree)
    git(stocked, "tag", "-a", "-m", "by another tool", name, alone)
    with Registry(stocked) as registry:
        report = registry.sync_tags()
        assert (report.abandoned, report.foreign) == ((), (name,))
        registry.doctor(fix=True)
    assert git(stocked, "rev-parse", f"{name}^{{commit}}") == alone
