"""Writes from a detached HEAD, as CI checks out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import GitError, LostRace
from gitreg.git import worktree
from gitreg.git.repository import GitRepository
from gitreg.publishing import detached
from gitreg.publishing.outcome import Outcome
from tests.conftest import git, write_model
from tests.git.test_remote import pushed_by_hand
from tests.publishing.both_sides import theirs
from tests.publishing.by_hand import refs


def _detach(clone: Path) -> None:
    git(clone, "checkout", "--quiet", "--detach", "origin/main")


def _as_gitlab(clone: Path) -> None:
    """Fetch one commit and check it out: there is no branch, here or remote-tracking."""
    origin = clone.parent / "origin.git"
    git(origin, "config", "uploadpack.allowAnySHA1InWant", "true")
    commit = git(origin, "rev-parse", "main")
    git(clone, "fetch", "--quiet", "origin", commit)
    git(clone, "checkout", "--quiet", "FETCH_HEAD")


def _as_a_pull_request(clone: Path) -> None:
    """Check out what a host made for a pull request, here one without commits of its own."""
    git(clone, "fetch", "--quiet", "origin", "+main:refs/remotes/pull/7/merge")
    git(clone, "checkout", "--quiet", "refs/remotes/pull/7/merge")


WAYS = {"detached": _detach, "gitlab": _as_gitlab, "pull request": _as_a_pull_request}


def checked_out(shared: Path, way: Callable[[Path], None]) -> Path:
    """Return a clone of the remote with a detached HEAD, and nothing in it but what CI made."""
    clone = shared / "job"
    if way is _detach:
        git(shared, "clone", "--quiet", "origin.git", "job")
    else:
        git(shared, "init", "--quiet", "job")
        git(clone, "remote", "add", "origin", "../origin.git")
    way(clone)
    return clone


@pytest.fixture
def published(shared: Path) -> Path:
    """The folder of `templates`, with all of the clone on the remote."""
    with Registry(shared / "work") as registry:
        registry.push()
    return shared


def tip_there(shared: Path) -> str:
    return git(shared / "origin.git", "rev-parse", "main")


def follows(shared: Path, clone: Path) -> None:
    """HEAD is detached at the published commit, and index and files are there, too."""
    assert git(clone, "rev-parse", "HEAD") == tip_there(shared)
    assert git(clone, "symbolic-ref", "--quiet", "HEAD", check=False) == ""
    assert git(clone, "status", "--porcelain", "--untracked-files=no") == ""


def _register(registry: Registry) -> Outcome:
    folder = registry.private_dir.parents[1]
    return registry.register("churn", write_model(folder, "job", "models/job"), push=True)


WRITES: dict[str, Callable[[Registry], Outcome]] = {
    "register": _register,
    "promote": lambda registry: registry.promote("churn@3", stage="production", push=True),
    "rollback": lambda registry: registry.rollback("churn", push=True)[0],
    "alias": lambda registry: registry.set_alias("churn@3", "blue", push=True),
    "annotate": lambda registry: registry.annotate("churn@3", tags={"by": "job"}, push=True),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_write_goes_to_the_branch_and_head_follows(
    published: Path, way: Callable[[Path], None]
) -> None:
    clone = checked_out(published, way)
    local = git(clone, "for-each-ref", "refs/heads/")
    for write in WRITES.values():
        before = tip_there(published)
        with Registry(clone) as registry:
            outcome = write(registry)
        assert outcome.commit == tip_there(published)
        assert git(clone, "rev-parse", "HEAD^") == before
        assert outcome.warnings[-1].startswith("HEAD is detached: published to origin/main")
        follows(published, clone)
        for tag in outcome.tags:
            there = git(clone.parent / "origin.git", "rev-parse", tag)
            assert git(clone, "rev-parse", tag) == there
    assert git(clone, "for-each-ref", "refs/heads/") == local  # a branch here stays


def test_head_that_is_behind_follows_as_a_branch_does(published: Path) -> None:
    clone = checked_out(published, _detach)
    theirs(published, lambda registry: registry.annotate("churn@1", tags={"a": "b"}, push=True))
    with Registry(clone) as registry:
        registry.promote("churn@3", stage="production", push=True)
    follows(published, clone)
    theirs(published, lambda registry: registry.promote("churn@2", stage="production", push=True))
    git(clone, "fetch", "--quiet", "--tags")
    with Registry(clone) as registry:
        assert "foreign-tag" not in {finding.code for finding in registry.doctor()}
    with Registry(clone) as registry, pytest.raises(LostRace, match="was moved"):
        registry.promote("churn@1", stage="production", push=True)
    with Registry(clone) as registry:  # as the error advises
        assert registry.fetch().after == tip_there(published)
        follows(published, clone)
        assert registry.promote("churn@1", stage="production", push=True).pushed
    follows(published, clone)


def test_commits_beside_the_branch_are_not_published(published: Path) -> None:
    clone = checked_out(published, _detach)
    git(clone, "commit", "--quiet", "--allow-empty", "-m", "of a pull request")
    before, there = refs(clone), tip_there(published)
    with Registry(clone) as registry:
        calls: list[Callable[[Registry], object]] = [*WRITES.values(), Registry.fetch]
        for write in (*calls, Registry.push):
            with pytest.raises(GitError, match="which is not on origin/main") as refused:
                write(registry)
        assert str(refused.value.hint).startswith("git fetch origin main && git checkout --detach")
        with pytest.raises(GitError, match="HEAD is detached: a commit made here") as refused:
            registry.promote("churn@3", stage="production")
        assert "--push" not in str(refused.value.hint)
        found = {finding.code: finding for finding in registry.doctor()}
        assert "its commit is not on main" in found["detached-head"].message
        status = registry.status()
    assert (status.branch, len(status.unpublished)) == (None, 1)
    assert tip_there(published) == there
    assert git(clone, "for-each-ref", "refs/heads/", "refs/remotes/") in before
    pushed_by_hand(published, "notes.md", "beside")
    with Registry(clone) as registry, pytest.raises(GitError, match="which is not on origin/main"):
        registry.promote("churn@3", stage="production", push=True)


def test_without_push_it_says_what_to_do(published: Path) -> None:
    clone = checked_out(published, _detach)
    before = refs(clone)
    with Registry(clone) as registry:
        for dry_run in (False, True):
            with pytest.raises(GitError, match="HEAD is detached") as refused:
                registry.promote("churn@3", stage="production", dry_run=dry_run)
            assert "with --push it is published on main, or git switch main" in str(
                refused.value.hint
            )
        planned = registry.promote("churn@3", stage="production", push=True, dry_run=True)
    assert (planned.commit, planned.tags) == (None, ("churn#production#5", "churn#archived#6"))
    assert refs(clone) == before


def test_the_branch_whose_tip_head_is_at(published: Path) -> None:
    """It need not be the default branch; what is on that one goes there."""
    git(published / "origin.git", "branch", "canary", "main")
    clone = checked_out(published, _detach)
    repository = GitRepository(clone)
    assert detached.tip(repository, {"origin": "main"}).branch == "refs/heads/main"
    git(clone, "commit", "--quiet", "--allow-empty", "-m", "canary")
    git(clone, "push", "--quiet", "origin", "HEAD:canary")
    assert detached.tip(repository, {"origin": "main"}).branch == "refs/heads/canary"
    repository.close()
    with Registry(clone) as registry:
        outcome = registry.annotate("churn@3", tags={"by": "canary"}, push=True)
    assert outcome.branch == "canary"
    assert git(published / "origin.git", "rev-parse", "canary") == outcome.commit
    assert git(clone, "rev-parse", "HEAD") == outcome.commit


@pytest.mark.parametrize(
    ("file", "told"), [("rebase-merge", "git rebase"), ("BISECT_START", "git bisect")]
)
def test_git_is_in_the_middle_of_something(published: Path, file: str, told: str) -> None:
    clone = checked_out(published, _detach)
    (clone / ".git" / file).mkdir()
    with Registry(clone) as registry, pytest.raises(GitError, match=told):
        registry.annotate("churn@3", tags={"a": "b"}, push=True)


def test_one_that_is_killed_is_finished(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Published, and killed before HEAD moves: the same command brings HEAD along."""

    def killed(*_args: object) -> None:
        raise KeyboardInterrupt

    clone = checked_out(published, _detach)
    with monkeypatch.context() as patch, Registry(clone) as registry:
        patch.setattr(worktree, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            registry.promote("churn@3", stage="production", push=True, op_id="job-7")
        codes = {finding.code for finding in registry.doctor()}
    assert {"not-followed", "behind"} <= codes
    assert git(clone, "rev-parse", "HEAD") != tip_there(published)
    with Registry(clone) as registry:
        assert registry.promote("churn@3", stage="production", push=True, op_id="job-7").repeated
    follows(published, clone)


def test_what_the_clone_does_not_know(published: Path) -> None:
    clone = checked_out(published, _as_gitlab)
    with Registry(clone) as registry:
        status = registry.status()
        assert (status.branch, status.upstream) == (None, None)
        assert registry.age is None
        found = {finding.code: finding for finding in registry.doctor()}
        assert found["detached-head"].remedy == "git switch BRANCH"
        with pytest.raises(GitError, match="HEAD is detached") as refused:
            registry.promote("churn@3", stage="production")
    assert "git switch BRANCH" in str(refused.value.hint)
