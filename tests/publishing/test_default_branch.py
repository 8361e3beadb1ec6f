"""Only the default branch is tagged, and the remote says which one that is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gitreg import Registry
from tests.conftest import git
from tests.git.test_remote import tags_of
from tests.publishing.by_hand import commit_by_hand
from tests.support.commands import gitreg


@pytest.fixture
def added(shared: Path) -> Path:
    """The clone as `git remote add` makes it: it does not know the remote's default branch."""
    work = shared / "work"
    assert "origin/HEAD" not in git(work, "for-each-ref", "--format=%(refname)")
    return work


def known(work: Path) -> str:
    return git(work, "symbolic-ref", "refs/remotes/origin/HEAD")


def by_promotion(work: Path) -> None:
    gitreg("promote", "churn@3", "--to", "production", "--push", "--repo", str(work))


def by_push(work: Path) -> None:
    commit_by_hand(work, "code.py", "pass\n")
    gitreg("fetch", "--repo", str(work), code=None)
    gitreg("promote", "churn@3", "--to", "production", "--repo", str(work))
    gitreg("push", "--repo", str(work))


def by_synchronised_tags(work: Path) -> None:
    gitreg("promote", "churn@3", "--to", "production", "--repo", str(work))
    git(work, "push", "--quiet", "origin", "HEAD")
    gitreg("tags", "sync", "--push", "--repo", str(work))


@pytest.mark.parametrize("publishes", [by_promotion, by_push, by_synchronised_tags])
@pytest.mark.parametrize("tracked", [True, False])
def test_a_review_branch_publishes_no_tags(
    shared: Path,
    added: Path,
    publishes: Callable[[Path], None],
    tracked: bool,
) -> None:
    if not tracked:
        git(added, "update-ref", "-d", "refs/remotes/origin/main")
    git(added, "switch", "--quiet", "--create", "review")
    before = tags_of(shared / "origin.git")
    publishes(added)
    assert tags_of(shared / "origin.git") == before
    there = git(shared / "origin.git", "rev-parse", "review")
    assert there == git(added, "rev-parse", "HEAD")
    assert known(added) == "refs/remotes/origin/main"


def test_the_default_branch_is_tagged(shared: Path, added: Path) -> None:
    by_promotion(added)
    assert known(added) == "refs/remotes/origin/main"
    assert tags_of(shared / "origin.git") == tags_of(added)
    assert "churn#production#" in git(shared / "origin.git", "tag")


def test_where_git_follows_other_branches_nothing_dangles(shared: Path, added: Path) -> None:
    git(added, "config", "remote.origin.fetch", "+refs/heads/review:refs/remotes/origin/review")
    git(added, "update-ref", "-d", "refs/remotes/origin/main")
    git(added, "switch", "--quiet", "--create", "review")
    before = tags_of(shared / "origin.git")
    by_promotion(added)
    assert tags_of(shared / "origin.git") == before
    assert git(added, "for-each-ref", "--format=%(refname)", "refs/remotes/").split() == [
        "refs/remotes/origin/review"
    ]


def test_a_remote_with_a_slash_in_its_name(shared: Path, added: Path) -> None:
    git(added, "remote", "rename", "origin", "team/origin")
    git(added, "switch", "--quiet", "--create", "review")
    before = tags_of(shared / "origin.git")
    by_promotion(added)
    assert tags_of(shared / "origin.git") == before


@pytest.mark.parametrize("head", ["refs/heads/nothing", None])
def test_a_remote_that_names_no_default_branch(shared: Path, added: Path, head: str | None) -> None:
    origin = shared / "origin.git"
    if head is None:
        (origin / "HEAD").write_text(git(origin, "rev-parse", "main") + "\n")
    else:
        git(origin, "symbolic-ref", "HEAD", head)
    by_promotion(added)
    assert tags_of(origin) == tags_of(added)


def test_without_the_remote_nothing_waits_for_it(shared: Path, added: Path) -> None:
    (shared / "origin.git").rename(shared / "away.git")
    with Registry(added) as registry:
        assert registry.promote("churn@3", stage="production").commit
        assert registry.sync_tags().wrong == ()
