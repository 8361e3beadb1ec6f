"""What a remote branch had is remembered until a person accepts that it was withdrawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gitreg import Registry
from tests.conftest import git
from tests.git.test_remote import colleague
from tests.support.commands import error, gitreg

REFUSED: list[tuple[str, ...]] = [
    ("fetch",),
    ("push",),
    ("push",),
    ("promote", "churn@3", "--to", "staging", "--push"),
    ("tags", "sync", "--push"),
]


@pytest.fixture
def newcomer(shared: Path) -> Path:
    """A clone that has the latest promotion, and in which gitreg was never used."""
    with Registry(shared / "work") as registry:
        registry.promote("churn@3", stage="production", push=True)
    return colleague(shared)


def withdraw(shared: Path, to: str = "main~1") -> str:
    """Take back the last commit on the remote; return the commit that it is at then."""
    origin = shared / "origin.git"
    git(origin, "update-ref", "refs/heads/main", git(origin, "rev-parse", to))
    return tip(shared)


def replace_last(shared: Path) -> str:
    """Replace the last commit on the remote by another one."""
    origin = shared / "origin.git"
    tree = git(origin, "rev-parse", "main~1^{tree}")
    git(origin, "update-ref", "refs/heads/main", "main~1")
    made = git(origin, "commit-tree", tree, "-p", "main", "-m", "something else")
    git(origin, "update-ref", "refs/heads/main", made)
    return made


def tip(shared: Path) -> str:
    return git(shared / "origin.git", "rev-parse", "main")


def refuses_until_accepted(shared: Path, clone: Path) -> None:
    now = tip(shared)
    for line in REFUSED:
        said = error(*line, "--repo", str(clone), code=3)
        assert "went backwards" in said
        assert "gitreg fetch --allow-rewind" in said
    assert tip(shared) == now
    assert "which does not contain it" in gitreg("doctor", "--repo", str(clone), code=1).out
    gitreg("fetch", "--allow-rewind", "--repo", str(clone))
    gitreg("push", "--repo", str(clone))
    assert tip(shared) == git(clone, "rev-parse", "HEAD") == now
    gitreg("alias", "set", "churn@3", "later", "--push", "--repo", str(clone))
    assert git(shared / "origin.git", "rev-parse", "main~1") == now


@pytest.mark.parametrize("taken_back", [withdraw, replace_last])
def test_a_clone_without_gitreg_so_far(
    shared: Path, newcomer: Path, taken_back: Callable[[Path], str]
) -> None:
    taken_back(shared)
    refuses_until_accepted(shared, newcomer)


@pytest.mark.parametrize("taken_back", [withdraw, replace_last])
def test_an_editor_that_fetched_first(
    shared: Path, newcomer: Path, taken_back: Callable[[Path], str]
) -> None:
    taken_back(shared)
    git(newcomer, "fetch", "--quiet")
    git(newcomer, "fetch", "--quiet", "--all")
    refuses_until_accepted(shared, newcomer)


def test_an_editor_that_fetched_each_of_two_rewrites(shared: Path, newcomer: Path) -> None:
    for _ in range(2):
        replace_last(shared)
        git(newcomer, "fetch", "--quiet")
    refuses_until_accepted(shared, newcomer)


def test_a_clone_that_keeps_no_reflog(shared: Path, newcomer: Path) -> None:
    git(newcomer, "config", "core.logAllRefUpdates", "false")
    withdraw(shared)
    refuses_until_accepted(shared, newcomer)


def test_what_only_an_editor_has_seen_counts_too(shared: Path) -> None:
    """The clone used gitreg, an editor fetched and merged what came later, and that went."""
    work, before = shared / "work", tip(shared)
    gitreg("fetch", "--repo", str(work))
    with Registry(colleague(shared)) as registry:
        registry.promote("churn@3", stage="production", push=True)
    git(work, "pull", "--quiet", "--ff-only")
    assert withdraw(shared) == before
    git(work, "fetch", "--quiet")
    refuses_until_accepted(shared, work)


def test_work_on_another_branch_in_between(shared: Path, newcomer: Path) -> None:
    withdraw(shared)
    error("fetch", "--repo", str(newcomer), code=3)
    git(newcomer, "switch", "--quiet", "--create", "other", "main~1")
    gitreg("alias", "set", "churn@3", "other", "--push", "--repo", str(newcomer))
    git(newcomer, "switch", "--quiet", "main")
    refuses_until_accepted(shared, newcomer)


def test_acceptance_lasts_where_git_does_not_follow_the_branch(
    shared: Path, newcomer: Path
) -> None:
    git(newcomer, "config", "remote.origin.fetch", "+refs/heads/other:refs/remotes/origin/other")
    withdraw(shared)
    refuses_until_accepted(shared, newcomer)


def test_a_push_by_force_from_here_is_no_surprise(shared: Path, newcomer: Path) -> None:
    git(newcomer, "switch", "--quiet", "--create", "feature")
    git(newcomer, "commit", "--quiet", "--allow-empty", "-m", "draft")
    git(newcomer, "push", "--quiet", "--set-upstream", "origin", "feature")
    git(newcomer, "commit", "--quiet", "--amend", "--allow-empty", "-m", "draft, rebased")
    git(newcomer, "push", "--quiet", "--force")
    gitreg("alias", "set", "churn@3", "x", "--push", "--repo", str(newcomer))
    there = git(shared / "origin.git", "rev-parse", "feature")
    assert there == git(newcomer, "rev-parse", "HEAD")


def test_a_rewound_branch_does_not_bring_withdrawn_work_back_beside_own(
    shared: Path, newcomer: Path
) -> None:
    gitreg("alias", "set", "churn@3", "mine", "--repo", str(newcomer))
    withdraw(shared)
    git(newcomer, "fetch", "--quiet")
    assert "went backwards" in error("push", "--repo", str(newcomer), code=3)
    error("fetch", "--allow-rewind", "--repo", str(newcomer), code=1)
    gitreg("push", "--repo", str(newcomer))
    with Registry(shared / "origin.git") as registry:
        assert registry.show("churn@mine").reference == "churn@3"
        assert registry.show("churn@3").stage != "production"
