"""gitreg push and gitreg fetch where something is wrong: rewinds, withdrawals, broken lines."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import GitError, Refused
from tests.conftest import git
from tests.git.test_remote import colleague, published, pushed_by_hand, tags_of
from tests.publishing.both_sides import (
    PRODUCTION,
    change_production,
    register_theirs,
    same_everywhere,
    theirs,
)
from tests.publishing.by_hand import commit_by_hand
from tests.support.commands import error, everything, gitreg
from tests.support.invariants import check_registry

# A remote that went backwards


def rewind(shared: Path) -> str:
    """Withdraw the last published operation, with its tags; return the commit before it."""
    origin = shared / "origin.git"
    last, now = git(origin, "rev-parse", "main", "main~1").split()
    with Registry(origin) as registry:
        registry.log()
        for tag in registry._history.tags_of_commit(last):
            git(origin, "tag", "-d", tag.name)
    git(origin, "update-ref", "refs/heads/main", now)
    return now


def test_a_rewound_remote(shared: Path) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        registry.set_alias("churn@3", "withdrawn", push=True)
    now = rewind(shared)
    here = git(work, "rev-parse", "HEAD")
    refused: list[tuple[str, ...]] = [
        ("fetch",),
        ("push",),
        ("promote", "churn@3", "--to", "production", "--push"),
        ("alias", "set", "churn@3", "x", "--push"),
    ]
    for line in refused:
        told = error(*line, "--repo", str(work), code=3)
        assert "went backwards" in told
        assert "gitreg fetch --allow-rewind" in told
    assert (git(work, "rev-parse", "HEAD"), git(shared / "origin.git", "rev-parse", "main")) == (
        here,
        now,
    )
    gitreg("fetch", "--allow-rewind", "--repo", str(work))
    assert git(work, "rev-parse", "HEAD") == now
    assert "withdrawn" not in git(work, "tag")
    gitreg("promote", "churn@3", "--to", "production", "--push", "--repo", str(work))
    same_everywhere(shared)


def test_a_rewind_that_could_not_be_followed_is_followed_later(shared: Path) -> None:
    """What was withdrawn must not turn into work of one's own that a push publishes again."""
    work = shared / "work"
    with Registry(work) as registry:
        registry.promote("churn@3", stage="production", push=True)
    now = rewind(shared)
    change_production(work)
    error("fetch", "--allow-rewind", "--repo", str(work), code=1)
    assert "went backwards" in error("push", "--repo", str(work), code=3)
    git(work, "restore", "--", PRODUCTION)
    gitreg("fetch", "--allow-rewind", "--repo", str(work))
    assert git(work, "rev-parse", "HEAD") == now == git(shared / "origin.git", "rev-parse", "main")


def test_a_rewind_beside_work_of_ones_own(shared: Path) -> None:
    work = shared / "work"
    rewind(shared)
    pushed_by_hand(shared, "code.py", "pass\n")
    with Registry(work) as registry:
        registry.set_alias("churn@3", "mine")
        with pytest.raises(GitError, match="went backwards"):
            registry.fetch()
        with pytest.raises(Refused, match="not published"):
            registry.fetch(allow_rewind=True)
        assert registry.push().left == ()
    same_everywhere(shared)


def test_a_branch_that_is_gone_and_accepted_is_made_again(shared: Path) -> None:
    work = shared / "work"
    git(shared / "origin.git", "update-ref", "-d", "refs/heads/main")
    assert "is gone" in error("push", "--repo", str(work), code=3)
    gitreg("fetch", "--allow-rewind", "--repo", str(work))
    gitreg("push", "--repo", str(work))
    same_everywhere(shared)


# Places where nothing can be brought together


def _no_remote(shared: Path) -> None:
    git(shared / "work", "remote", "remove", "origin")


def _down(shared: Path) -> None:
    shutil.rmtree(shared / "origin.git")


def _shallow(shared: Path) -> None:
    shutil.rmtree(shared / "work")
    git(shared, "clone", "--quiet", "--depth=2", f"file://{shared / 'origin.git'}", "work")


@pytest.mark.parametrize("command", ["push", "fetch"])
@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_no_remote, "there is no Git remote"),
        (_down, "cannot read the remote"),
        (_shallow, "shallow"),
    ],
    ids=["no remote", "down", "shallow"],
)
def test_a_world_that_is_wrong(
    shared: Path, command: str, spoil: Callable[[Path], None], told: str
) -> None:
    spoil(shared)
    before = everything(shared / "work")
    assert told in error(command, "--repo", str(shared / "work"), code=3)
    assert everything(shared / "work") == before


def test_a_bare_repository(shared: Path) -> None:
    git(shared, "clone", "--quiet", "--bare", "origin.git", "bare.git")
    bare = shared / "bare.git"
    with Registry(bare) as registry:
        registry.set_alias("churn@3", "bare")
        assert len(registry.push().sent) == 1
        register_theirs(shared)
        report = registry.fetch()
        assert [event.action for event in report.events] == ["register"]
        assert registry.model("churn").latest == 4
    assert git(bare, "rev-parse", "main") == git(shared / "origin.git", "rev-parse", "main")
    assert tags_of(bare) == tags_of(shared / "origin.git")


def test_an_unborn_branch_in_a_clone_of_an_empty_remote(shared: Path) -> None:
    git(shared, "init", "--quiet", "--bare", "-b", "main", "empty.git")
    git(shared, "clone", "--quiet", "empty.git", "fresh", check=False)
    fresh = shared / "fresh"
    for command in ("fetch", "push"):
        gitreg(command, "--repo", str(fresh))
    git(shared / "work", "push", "--quiet", "../empty.git", "main", "--tags")
    assert "gitreg fetch" in gitreg("push", "--repo", str(fresh)).err
    gitreg("fetch", "--repo", str(fresh))
    assert git(fresh, "rev-parse", "HEAD") == git(shared / "work", "rev-parse", "HEAD")
    assert git(fresh, "status", "--porcelain") == ""
    assert tags_of(fresh) == tags_of(shared / "work")


def test_histories_without_a_common_commit(shared: Path) -> None:
    other = shared / "other"
    Registry.init(other)
    git(other, "remote", "add", "origin", "../origin.git")
    before = everything(other)
    ran = gitreg("push", "--repo", str(other))
    assert "1 commit of your own" in ran.err
    assert everything(other)["files"] == before["files"]
    error("fetch", "--repo", str(other), code=1)


# What others withdrew, and what waits for review


def test_what_was_withdrawn_is_not_published_again_with_own_work(shared: Path) -> None:
    work, origin = shared / "work", shared / "origin.git"
    kept = git(work, "rev-parse", "HEAD")
    with Registry(work) as registry:
        registry.set_alias("churn@3", "bad", push=True)
        registry.set_alias("churn@1", "worse", push=True)
        git(origin, "update-ref", "refs/heads/main", kept)
        registry.set_alias("churn@3", "mine")
    assert "went backwards" in error("push", "--repo", str(work), code=3)
    said = error("fetch", "--allow-rewind", "--repo", str(work), code=1)
    assert "took back 2 commits" in said
    assert "1 commit of its own, not published" in said
    assert "1 commit" in error("fetch", "--repo", str(work), code=1)  # remembered
    gitreg("push", "--repo", str(work))
    with Registry(work) as registry:
        assert registry.model("churn").aliases == {"champion": 2, "mine": 3}
    assert git(origin, "rev-list", "--count", f"{kept}..main") == "1"
    assert gitreg("fetch", "--repo", str(work)).out == "up to date with origin/main\n"


def test_an_operation_does_not_take_what_was_withdrawn_along(shared: Path) -> None:
    work, origin = shared / "work", shared / "origin.git"
    kept = git(work, "rev-parse", "HEAD")
    with Registry(work) as registry:
        registry.set_alias("churn@3", "bad", push=True)
        git(origin, "update-ref", "refs/heads/main", kept)
        registry.set_alias("churn@3", "mine")
        with pytest.raises(Refused, match="took back"):
            registry.fetch(allow_rewind=True)
        registry.set_alias("churn@1", "other", push=True)
    with Registry(origin) as there:
        assert there.model("churn").aliases == {"champion": 2, "other": 1}


def test_a_fresh_clone_knows_where_the_remote_was(shared: Path) -> None:
    git(shared, "clone", "--quiet", "origin.git", "fresh")
    git(shared / "origin.git", "update-ref", "refs/heads/main", "main~1")
    assert "went backwards" in error(
        "alias", "set", "churn@3", "x", "--push", "--repo", str(shared / "fresh"), code=3
    )


def test_a_branch_that_waits_for_review_has_no_tags(shared: Path) -> None:
    """To GTO it would be in production already, and the names would be taken on main."""
    git(shared, "clone", "--quiet", "origin.git", "reviewed")
    work, origin = shared / "reviewed", shared / "origin.git"
    git(work, "switch", "--quiet", "-c", "review")
    before = tags_of(origin)
    with Registry(work) as registry:
        assert registry.promote("churn@3", stage="production", push=True).tags == ()
        registry.set_alias("churn@3", "next")
        registry.push()
        assert registry.sync_tags(push=True).wrong == ()
        assert [f for f in registry.doctor() if f.severity == "error" or "tag" in f.code] == []
    assert tags_of(origin) == before
    assert git(origin, "rev-parse", "review") == git(work, "rev-parse", "review")
    git(work, "switch", "--quiet", "main")
    git(work, "merge", "--quiet", "--ff-only", "review")
    git(work, "push", "--quiet")
    with Registry(work) as registry:
        assert set(registry.sync_tags(push=True).made) == tags_names(origin) - names(before)


def names(tags: set[str]) -> set[str]:
    return {tag.split(" refs/tags/")[1] for tag in tags}


def tags_names(folder: Path) -> set[str]:
    return names(tags_of(folder))


# What must not be lost, and what must not go out


@pytest.mark.parametrize("command", ["fetch", "promote"])
@pytest.mark.parametrize("mine", ["data/raw/x", "local.cfg"])
def test_ignored_files_are_work_too(shared: Path, mine: str, command: str) -> None:
    """Git takes them for expendable; in a DVC repository they are the data."""
    work = shared / "work"
    (work / ".git" / "info" / "exclude").write_text("/data\n/local.cfg\n")
    (work / mine).parent.mkdir(exist_ok=True, parents=True)
    (work / mine).write_text("precious")
    pushed_by_hand(shared, Path(mine).parts[0], "theirs\n")
    before = git(work, "rev-parse", "HEAD")
    if command == "fetch":
        assert "exists and is not in Git" in error("fetch", "--repo", str(work), code=1)
    else:
        ran = gitreg("promote", "churn@3", "--to", "staging", "--push", "--repo", str(work))
        assert "could not follow" in ran.err
    assert (work / mine).read_text() == "precious"
    assert git(work, "rev-parse", "HEAD") == before


def test_a_folder_of_theirs_may_take_a_tracked_file_s_place(shared: Path) -> None:
    pushed_by_hand(shared, "notes", "one file\n")
    gitreg("fetch", "--repo", str(shared / "work"))
    other = colleague(shared)
    git(other, "rm", "--quiet", "notes")
    commit_by_hand(other, "notes/more", "a folder\n")
    git(other, "push", "--quiet")
    gitreg("fetch", "--repo", str(shared / "work"))
    assert (shared / "work/notes/more").read_text() == "a folder\n"


def test_a_merge_does_not_bend_the_published_line(shared: Path) -> None:
    """After `git pull` what others published is a second parent; history is read by the first."""
    work, origin = shared / "work", shared / "origin.git"
    theirs(shared, lambda registry: registry.promote("churn@3", stage="production", push=True))
    line = git(origin, "rev-list", "--first-parent", "main")
    with Registry(work) as registry:
        registry.set_alias("churn@1", "challenger")
    git(work, "config", "pull.rebase", "false")
    git(work, "pull", "--quiet", "--no-edit")
    gitreg("push", "--repo", str(work))
    assert git(origin, "rev-list", "--first-parent", "main^") == line
    with Registry(work) as registry:
        assert registry.model("churn").aliases == {"champion": 2, "challenger": 1}
    same_everywhere(shared)


def _rebased(shared: Path) -> None:
    theirs(shared, lambda registry: registry.promote("churn@3", stage="production", push=True))
    with Registry(shared / "work") as registry:
        registry.promote("churn@3", stage="staging")
    git(shared / "work", "pull", "--quiet", "--rebase")


def _edited(shared: Path) -> None:
    path = "registry/churn/versions/1/manifest.yaml"
    text = (shared / "work" / path).read_text()
    commit_by_hand(shared / "work", path, text.replace("0.7", "0.99"))


def _removed(shared: Path) -> None:
    git(shared / "work", "rm", "-r", "--quiet", "registry/churn/versions/3")
    git(shared / "work", "commit", "--quiet", "-m", "by hand")


def _renamed(shared: Path) -> None:
    git(shared / "work", "mv", "registry/churn", "registry/other")
    git(shared / "work", "commit", "--quiet", "-m", "by hand")


def _dangling(shared: Path) -> None:
    commit_by_hand(shared / "work", "registry/churn/aliases/next.yaml", "version: 9\n")


@pytest.mark.parametrize("spoil", [_rebased, _edited, _removed, _renamed, _dangling])
@pytest.mark.parametrize("command", ["push", "operation"])
def test_a_line_that_breaks_the_registry_is_not_published(
    shared: Path, spoil: Callable[[Path], None], command: str
) -> None:
    spoil(shared)
    before = published(shared)
    words = ("push",) if command == "push" else ("annotate", "tokenizer", "--owner", "A", "--push")
    assert "nothing was published" in error(*words, "--repo", str(shared / "work"), code=1)
    assert published(shared) == before


def test_an_id_that_is_another_operation_s_loses_nothing(shared: Path) -> None:
    work = shared / "work"
    theirs(
        shared,
        lambda registry: registry.promote("churn@3", stage="staging", op_id="job-7", push=True),
    )
    with Registry(work) as registry:
        registry.set_alias("churn@1", "mine", op_id="job-7")
        report = registry.push()
        assert [left.subject for left in report.left] == ["set churn@mine to churn@1"]
        assert "another operation" in report.left[0].reason
        assert registry.resolve("churn@mine").version == 1  # it is still here


def test_more_tags_than_a_command_line_holds(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitreg.git.remote._ON_A_COMMAND_LINE", 2)
    work, origin = shared / "work", shared / "origin.git"
    for name in git(origin, "tag").split("\n"):
        git(origin, "tag", "-d", name)
    with Registry(work) as registry:
        assert registry.sync_tags(push=True).pushed
        registry.promote("churn@3", stage="production", alias=["a", "b"], push=True)
    same_everywhere(shared)
    assert git(work, "for-each-ref", "refs/gitreg/outgoing") == ""


def test_a_branch_that_was_renamed_over_there_is_not_made_again(shared: Path) -> None:
    git(shared, "clone", "--quiet", "origin.git", "fresh")
    origin = shared / "origin.git"
    git(origin, "branch", "-m", "main", "trunk")
    words = ("alias", "set", "churn@3", "x", "--push", "--repo", str(shared / "fresh"))
    assert "no longer has the branch main, but has trunk" in error(*words, code=3)
    assert git(origin, "for-each-ref", "refs/heads", "--format=%(refname)") == "refs/heads/trunk"


def test_who_was_told_of_the_winner_and_asks_again_is_believed(shared: Path) -> None:
    theirs(shared, lambda registry: registry.promote("churn@1", stage="production", push=True))
    again = ("promote", "churn@3", "--to", "production", "--push", "--op-id", "ci-42")
    assert "which this would change, was moved" in error(
        *again, "--repo", str(shared / "work"), code=3
    )
    gitreg(*again, "--repo", str(shared / "work"))
    check_registry(shared / "origin.git", {"ci-42"})


def test_another_place_for_pushes_is_where_it_is_read_too(shared: Path) -> None:
    work = shared / "work"
    git(shared, "clone", "--quiet", "--bare", "origin.git", "fork.git")
    git(work, "remote", "set-url", "--push", "origin", "../fork.git")
    for name in ("a", "b"):
        gitreg("alias", "set", "churn@3", name, "--push", "--repo", str(work))
    assert git(shared / "fork.git", "rev-parse", "main") == git(work, "rev-parse", "HEAD")


def test_ignored_files_are_work_before_the_first_commit_too(shared: Path) -> None:
    """A clone of an empty remote follows many commits at once: each may bring a file."""
    pushed_by_hand(shared, "local.cfg", "theirs\n")
    pushed_by_hand(shared, "code.py", "pass\n")
    git(shared, "init", "--quiet", "-b", "main", "unborn")
    work = shared / "unborn"
    git(work, "remote", "add", "origin", "../origin.git")
    (work / ".git" / "info" / "exclude").write_text("/local.cfg\n")
    (work / "local.cfg").write_text("precious")
    assert "local.cfg exists and is not in Git" in error("fetch", "--repo", str(work), code=1)
    assert (work / "local.cfg").read_text() == "precious"
