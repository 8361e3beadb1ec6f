"""The tags that history implies: the same objects on any clone, whoever derives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import GitError
from tests.conftest import git

TAGS = (
    "churn@v1.0.0",
    "churn@v2.0.0",
    "churn@v3.0.0",
    "tokenizer@v1.0.0",
    "churn#production#1",
    "churn#production#2",
    "churn#archived#3",
    "churn#champion#4",
)


def tags(folder: Path) -> str:
    return git(folder, "for-each-ref", "refs/tags")


def test_the_names_are_gto_s(stocked: Path) -> None:
    assert sorted(git(stocked, "tag").split()) == sorted(TAGS)
    for name in TAGS:
        assert git(stocked, "cat-file", "-t", f"refs/tags/{name}") == "tag"
    registering = git(stocked, "rev-parse", "churn@v2.0.0^{commit}")
    assert git(stocked, "log", "--format=%s", "-1", registering) == "register churn@2"
    for name in ("churn#production#2", "churn#champion#4"):
        assert git(stocked, "rev-parse", f"{name}^{{commit}}") == registering


def test_another_person_derives_the_same_objects(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(shared, "clone", "--quiet", "--no-tags", "origin.git", "clone")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Grace Hopper")
    monkeypatch.setenv("GIT_COMMITTER_NAME", "Grace Hopper")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    with Registry(shared / "clone") as registry:
        planned = registry.sync_tags(dry_run=True)
        assert tags(shared / "clone") == ""
        report = registry.sync_tags()
        assert report.made == planned.made
        assert set(report.made) == set(TAGS)
        again = registry.sync_tags()
    assert (again.made, set(again.kept)) == ((), set(TAGS))
    assert tags(shared / "clone") == tags(shared / "work")


def test_wrong_tags_are_told_and_replaced_when_asked(stocked: Path) -> None:
    right = tags(stocked)
    git(stocked, "tag", "-f", "churn@v2.0.0", "HEAD")
    git(stocked, "tag", "-d", "churn#champion#4")
    git(stocked, "tag", "churn#production#77")
    git(stocked, "tag", "release-1")
    with Registry(stocked) as registry:
        report = registry.sync_tags()
        assert report.made == ("churn#champion#4",)
        assert report.wrong == ("churn@v2.0.0",)
        assert report.foreign == ("churn#production#77",)
        assert report.replaced == ()
        assert tags(stocked) != right
        forced = registry.sync_tags(force=True)
    assert (forced.wrong, forced.replaced) == ((), ("churn@v2.0.0",))
    git(stocked, "tag", "-d", "churn#production#77", "release-1")
    assert tags(stocked) == right


def test_tags_of_a_merged_branch_follow(shared: Path) -> None:
    work = shared / "work"
    git(work, "switch", "--quiet", "-c", "pr")
    with Registry(work) as registry:
        made = registry.promote("churn@3", stage="production").tags
        git(work, "switch", "--quiet", "main")
        git(work, "merge", "--quiet", "--no-ff", "-m", "Merge #7", "pr")
        git(work, "tag", "-d", *made)
        before = tags(shared / "origin.git")
        report = registry.sync_tags(push=True)
        assert set(report.made) == set(made)
        assert tags(shared / "origin.git") == before  # of what is not published nobody shall learn
        git(work, "push", "--quiet", "origin", "main")
        assert registry.sync_tags(push=True).pushed
    assert tags(shared / "origin.git") == tags(work)


def test_pushing_leaves_a_wrong_tag_of_the_remote_alone_unless_forced(shared: Path) -> None:
    work, origin = shared / "work", shared / "origin.git"
    right = tags(origin)
    git(origin, "tag", "-f", "churn@v2.0.0", "main")
    git(origin, "tag", "-d", "churn#champion#4")
    git(work, "tag", "-d", "churn#champion#4")
    with Registry(work) as registry:
        with pytest.raises(GitError, match=r"churn@v2\.0\.0"):
            registry.sync_tags(push=True)
        assert "churn#champion#4" not in git(origin, "tag")  # all or nothing
        assert "churn#champion#4" not in git(work, "tag")
        registry.sync_tags(push=True, force=True)
    assert tags(origin) == right


def test_among_several_remotes_without_an_upstream_every_branch_is_tagged(stocked: Path) -> None:
    """No remote says which branch this one is published as, so none says that it is a side one."""
    git(stocked, "remote", "rename", "origin", "one")
    git(stocked, "remote", "add", "two", "../origin.git")
    git(stocked, "fetch", "--quiet", "two")
    for name in ("one", "two"):
        git(stocked, "remote", "set-head", name, "main")
    git(stocked, "switch", "--quiet", "--no-track", "-c", "release")
    with Registry(stocked) as registry:
        outcome = registry.promote("churn@3", stage="production")
    assert outcome.tags[0] == "churn#production#5"
    assert set(outcome.tags) <= set(git(stocked, "tag").split())
