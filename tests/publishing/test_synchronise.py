"""gitreg push and gitreg fetch: a clone and what is published are brought together."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import DvcError
from gitreg.git import publish, worktree
from gitreg.publishing.clone import Clone
from tests.conftest import git, write_model
from tests.git.test_remote import colleague, meanwhile, published, pushed_by_hand, stored
from tests.publishing.both_sides import (
    PRODUCTION,
    change_production,
    register_theirs,
    same_everywhere,
    theirs,
)
from tests.publishing.by_hand import commit_by_hand
from tests.support.commands import error, everything, gitreg
from tests.support.signers import make_key, use_ssh


def run_printed(work: Path, text: str, *, force: bool = False) -> None:
    """Run the command that was printed, word for word, as a person would who copies it."""
    found = re.search(r"git reset --keep .*", text)
    assert found is not None
    line = f"{found[0]} --force" if force else found[0]
    shell = work.parent / "bin"
    shell.mkdir()
    (shell / "gitreg").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gitreg "$@"\n')
    (shell / "gitreg").chmod(0o755)
    done = subprocess.run(
        ["sh", "-ec", line],
        cwd=work,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PATH": f"{shell}{os.pathsep}{os.environ['PATH']}"},
    )
    assert done.returncode == 0, done.stderr


# Push


def test_nothing_to_push(shared: Path) -> None:
    before = published(shared)
    assert gitreg("push", "--repo", str(shared / "work")).out == (
        "nothing to publish on origin/main\n"
    )
    assert published(shared) == before


def test_what_is_ahead_is_pushed_as_it_is(shared: Path) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        registry.register("churn", write_model(work, "weights 4"))
        done = registry.promote("churn@4", stage="production")
        md5 = registry.show("churn@4").artifact.md5
        assert md5 not in stored(shared)
        report = registry.push()
        again = registry.push()
    assert [sent.was for sent in report.sent] == [None, None]
    assert report.commit == done.commit == git(shared / "origin.git", "rev-parse", "main")
    assert md5 in stored(shared)
    assert (again.sent, again.left, again.own) == ((), (), ())
    same_everywhere(shared)


def test_own_commits_that_are_ahead_go_along(shared: Path) -> None:
    work = shared / "work"
    mine = commit_by_hand(work, "train.py", "pass\n")
    out = gitreg("push", "--repo", str(work)).out
    assert out == f"[{mine[:9]}, pushed] by hand\n"
    same_everywhere(shared)


def test_one_that_is_behind_is_told_so(shared: Path) -> None:
    pushed_by_hand(shared, "code.py", "pass\n")
    before = everything(shared / "work")
    ran = gitreg("push", "--repo", str(shared / "work"))
    assert "origin/main has commits that this clone does not have: gitreg fetch" in ran.err
    after = everything(shared / "work")
    assert {**after, "refs": "", "objects": ""} == {**before, "refs": "", "objects": ""}


def test_diverged_operations_are_done_again(shared: Path) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        registry.register("churn", write_model(work, "ours"), reason="because")
        was = git(work, "rev-parse", "HEAD")
        registry.promote("churn@4", stage="production")
        md5 = registry.show("churn@4").artifact.md5
        register_theirs(shared)
        before = git(work, "log", "-1", "--format=%an %ae %ad %B", was)
        ran = gitreg("push", "--repo", str(work))
        assert f"register churn@5 (was {was[:9]})" in ran.out
        assert "promote churn@5 to production" in ran.out
        assert registry.resolve("churn/production").version == 5
        assert (registry.pull("churn@5") / "model.pkl").read_text() == "ours"
        assert (registry.pull("churn@4") / "model.pkl").read_text() == "theirs"
        assert registry.push().sent == ()
    assert md5 in stored(shared)
    again = git(work, "log", "-1", "--format=%an %ae %ad %B", "HEAD^")
    assert again.replace("churn@5", "churn@4").replace("Version: 5", "Version: 4") == before
    same_everywhere(shared)


def test_the_very_same_is_dropped(shared: Path) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        registry.promote("churn@3", stage="production")
        theirs(shared, lambda other: other.promote("churn@3", stage="production", push=True))
        report = registry.push()
    assert (report.sent, report.left, report.own) == ((), (), ())
    same_everywhere(shared)


def leave_one(shared: Path) -> str:
    """Do two operations of which one does not hold any more; return what a push says."""
    work = shared / "work"
    with Registry(work) as registry:
        registry.promote("churn@3", stage="production")
        registry.set_alias("churn@3", "fine")
    theirs(shared, lambda other: other.promote("churn@1", stage="production", push=True))
    here = git(work, "rev-parse", "HEAD")
    ran = gitreg("push", "--repo", str(work), code=1)
    assert "set churn@fine to churn@3" in ran.out
    assert re.search(
        r"not pushed: \w{9} promote churn@3 to production: churn stages/production has been moved "
        "by somebody else",
        ran.out,
    )
    assert "not pushed, because no longer applicable: 1 operation" in ran.err
    assert git(work, "rev-parse", "HEAD") == here
    return ran.err


def test_what_does_not_hold_any_more_is_left(shared: Path) -> None:
    work = shared / "work"
    told = leave_one(shared)
    again = gitreg("push", "--repo", str(work), code=1)  # what was done is not done twice
    assert "churn@fine" not in again.out
    run_printed(work, told, force=True)
    same_everywhere(shared)
    with Registry(work) as registry:
        assert registry.resolve("churn@fine").version == 3
        assert registry.resolve("churn/production").version == 1


def bring_over(shared: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Do an operation between commits of one's own; return what a push says, a minute later."""
    work = shared / "work"
    commit_by_hand(work, "train.py", "pass\n")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2030-01-01 12:00:00 +0000")
    with Registry(work) as registry:
        registry.set_alias("churn@3", "fine")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2030-01-01 12:01:00 +0000")
    commit_by_hand(work, "train.py", "print()\n")
    pushed_by_hand(shared, "code.py", "pass\n")
    ran = gitreg("push", "--repo", str(work))
    assert "not published: 2 commits of your own; to move" in ran.err
    return ran.err


def test_own_commits_are_left_and_brought_over(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = shared / "work"
    run_printed(work, bring_over(shared, monkeypatch), force=True)
    assert git(work, "log", "--format=%s", "-4").split("\n") == [
        "by hand",
        "by hand",
        "set churn@fine to churn@3",
        "by hand",
    ]
    assert (work / "train.py").read_text() == "print()\n"
    gitreg("push", "--repo", str(work))
    same_everywhere(shared)


def test_what_was_left_is_taken_back_as_printed(shared: Path) -> None:
    run_printed(shared / "work", leave_one(shared))
    same_everywhere(shared)


def test_what_was_left_takes_its_signed_tags_along(shared: Path, tmp_path: Path) -> None:
    key = make_key(tmp_path / "keys", "ada")
    use_ssh(shared / "work", str(key.file), commits=True, tags=True)
    ran = leave_one(shared)
    work, origin = shared / "work", shared / "origin.git"
    ours = git(work, "cat-file", "tag", "churn#production#5")
    assert "production names churn@3" in ours
    assert "SSH SIGNATURE" in ours
    run_printed(work, ran)
    assert git(work, "rev-parse", "HEAD") == git(origin, "rev-parse", "main")
    assert git(work, "tag") == git(origin, "tag")
    assert "production names churn@1" in git(work, "cat-file", "tag", "churn#production#5")
    with Registry(work) as registry:
        assert not [finding for finding in registry.doctor() if "tag" in finding.code]


def test_own_commits_are_brought_over_as_printed(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_printed(shared / "work", bring_over(shared, monkeypatch))
    gitreg("push", "--repo", str(shared / "work"))
    same_everywhere(shared)


def test_a_registration_that_was_left_is_taken_back_as_printed(shared: Path) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        registry.register("Tokens", write_model(work, "ours"))
    source = write_model(colleague(shared), "theirs", "models/theirs")
    theirs(shared, lambda registry: registry.register("tokens", source, push=True))
    ran = gitreg("push", "--repo", str(work), code=1)
    assert "differs from the model 'tokens' only by case" in ran.out
    run_printed(work, ran.err)
    same_everywhere(shared)


def test_a_version_in_a_commit_of_ones_own_is_not_taken_for_theirs(shared: Path) -> None:
    """Both registered a fourth version; ours is part of a commit that is no operation."""
    work = shared / "work"
    with Registry(work) as registry:
        registry.register("churn", write_model(work, "ours"))
        git(work, "tag", "-d", "churn@v4.0.0")
        (work / "train.py").write_text("pass\n")
        git(work, "add", "train.py")
        git(work, "commit", "--quiet", "--amend", "--no-edit")
        registry.promote("churn@4", stage="production")
        register_theirs(shared)
        report = registry.push()
    assert [len(part) for part in (report.sent, report.left, report.own)] == [0, 1, 1]
    assert "churn@4 belongs to a commit that was not pushed" in report.left[0].reason
    with Registry(colleague(shared)) as other:
        assert other.resolve("churn/production").version == 2


def test_a_squash_with_the_users_stage_is_their_own(shared: Path) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        registry.register("churn", write_model(work, "ours"))
        with (work / "dvc.yaml").open("a") as stream:
            stream.write("stages:\n  train:\n    cmd: python train.py\n")
        git(work, "commit", "--quiet", "-a", "--amend", "--no-edit")
        pushed_by_hand(shared, "code.py", "pass\n")
        report = registry.push()
    assert (len(report.own), report.sent) == (1, ())
    assert "cmd: python train.py" in (work / "dvc.yaml").read_text()


def test_a_merge_of_ones_own_is_left(shared: Path) -> None:
    work = shared / "work"
    git(work, "switch", "--quiet", "-c", "side")
    side = commit_by_hand(work, PRODUCTION, "versions:\n- 3\n")
    git(work, "switch", "--quiet", "main")
    git(work, "merge", "--quiet", "--no-ff", "-m", "merge", "side")
    pushed_by_hand(shared, "code.py", "pass\n")
    with Registry(work) as registry:
        report = registry.push()
    assert report.own == (side,)  # which `git cherry-pick` can take, and a merge it cannot


def test_a_revert_names_the_commit_as_it_is_now(shared: Path) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        registry.promote("churn@3", stage="production")
        registry.rollback("churn")
        pushed_by_hand(shared, "code.py", "pass\n")
        first, second = registry.push().sent
    assert f"This reverts commit {first.commit}." in git(work, "log", "-1", "--format=%B")
    assert second.commit == git(work, "rev-parse", "HEAD")
    same_everywhere(shared)


def test_a_dry_run_changes_nothing(shared: Path) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        registry.register("churn", write_model(work, "ours"))
        registry._clone.fetch_status()  # what is fetched is no change of ours
    here, there = everything(work), published(shared)
    assert gitreg("push", "--dry-run", "--repo", str(work)).out == (
        "would publish register churn@4\n"
    )
    assert (everything(work), published(shared)) == (here, there)
    register_theirs(shared)
    with Registry(work) as registry:
        registry._clone.fetch_status()
    here, there, bytes_there = everything(work), published(shared), stored(shared)
    out = gitreg("push", "--dry-run", "--repo", str(work)).out
    assert re.fullmatch(r"would publish register churn@5 \(was \w{9}\)\n", out)
    assert (everything(work), published(shared), stored(shared)) == (here, there, bytes_there)


@pytest.mark.parametrize("diverged", [False, True], ids=["ahead", "diverged"])
def test_the_remote_moves_meanwhile(
    shared: Path, monkeypatch: pytest.MonkeyPatch, *, diverged: bool
) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        registry.register("churn", write_model(work, "ours"))
        if diverged:
            pushed_by_hand(shared, "code.py", "pass\n")
        meanwhile(monkeypatch, lambda: register_theirs(shared))
        report = registry.push()
        assert [sent.subject for sent in report.sent] == ["register churn@5"]
        assert (registry.pull("churn@5") / "model.pkl").read_text() == "ours"
    same_everywhere(shared)


def test_bytes_that_cannot_be_sent_stop_a_push(shared: Path) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        registry.register("churn", write_model(work, "ours"))
        shutil.rmtree(shared / "dvc-remote")
        (shared / "dvc-remote").write_text("no folder")
        there = published(shared)
        with pytest.raises(DvcError):
            registry.push()
        pushed_by_hand(shared, "code.py", "pass\n")
        there = published(shared)
        with pytest.raises(DvcError):
            registry.push()
    assert published(shared) == there


@pytest.mark.parametrize("diverged", [False, True], ids=["ahead", "diverged"])
@pytest.mark.parametrize("again", ["push", "fetch"])
def test_killed_between_push_and_follow(
    shared: Path, monkeypatch: pytest.MonkeyPatch, again: str, *, diverged: bool
) -> None:
    """The next command brings the clone where it would have been."""
    work = shared / "work"
    with Registry(work) as registry:
        registry.register("churn", write_model(work, "ours"))
        registry.promote("churn@4", stage="production")
        if diverged:
            register_theirs(shared)
        with monkeypatch.context() as patch:
            real = Clone.publish

            def die(self: Clone, *args: object) -> None:
                real(self, *args)  # type: ignore[arg-type]
                raise KeyboardInterrupt

            patch.setattr(Clone, "publish", die)
            with pytest.raises(KeyboardInterrupt):
                registry.push()
    there = published(shared)
    if again == "fetch" and diverged:
        # Its own commits are done again over there, but a fetch does not know that: it asks.
        assert "gitreg push" in error("fetch", "--repo", str(work), code=1)
        again = "push"
    gitreg(again, "--repo", str(work))
    assert published(shared) == there
    same_everywhere(shared)


@pytest.mark.parametrize("place", ["references", "work tree"])
def test_killed_while_it_follows(shared: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    work = shared / "work"
    register_theirs(shared)
    with Registry(work) as registry, monkeypatch.context() as patch:

        def die(*_: object) -> None:
            raise KeyboardInterrupt

        if place == "references":
            patch.setattr(publish, "_transaction", die)
        else:
            patch.setattr(worktree, "move", die)
        with pytest.raises(KeyboardInterrupt):
            registry.fetch()
    gitreg("fetch", "--repo", str(work))
    same_everywhere(shared)


# Fetch


def test_fetch_follows_and_tells(shared: Path) -> None:
    work = shared / "work"
    before = git(work, "rev-parse", "HEAD")
    assert gitreg("fetch", "--repo", str(work)).out == "up to date with origin/main\n"
    register_theirs(shared)
    theirs(shared, lambda other: other.promote("churn@4", stage="production", push=True))
    out = gitreg("fetch", "--repo", str(work)).out
    assert out.startswith(f"{before[:9]} → {git(work, 'rev-parse', '--short=9', 'HEAD')}")
    assert out.count("churn@4") == 2
    same_everywhere(shared)


def test_fetch_when_ahead_or_diverged(shared: Path) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        registry.set_alias("churn@3", "mine")
    out = gitreg("fetch", "--repo", str(work)).out
    assert out == "up to date with origin/main; not published: 1 commit: gitreg push\n"
    pushed_by_hand(shared, "code.py", "pass\n")
    here = git(work, "rev-parse", "HEAD")
    told = error("fetch", "--repo", str(work), code=1)
    assert "origin/main has moved, and this clone has 1 commit of its own, not published" in told
    assert "gitreg push" in told
    assert git(work, "rev-parse", "HEAD") == here


def test_the_users_work_survives(shared: Path) -> None:
    """What is staged, changed and untracked stays, byte for byte; all else follows."""
    work = shared / "work"
    commit_by_hand(work, "notes.txt", "old\n")
    commit_by_hand(work, "both.txt", "old\n")
    gitreg("push", "--repo", str(work))
    (work / "notes.txt").write_text("changed\n")
    (work / "both.txt").write_text("staged\n")
    git(work, "add", "both.txt")
    (work / "both.txt").write_text("and changed\n")
    (work / "new.bin").write_bytes(b"\0\r\n\xff")
    (work / "staged.txt").write_text("staged\n")
    git(work, "add", "staged.txt")
    before = git(work, "status", "--porcelain")
    other = colleague(shared)
    (other / "tool.sh").write_text("#!/bin/sh\n")
    (other / "tool.sh").chmod(0o755)
    (other / "link").symlink_to("tool.sh")
    git(other, "rm", "--quiet", ".gitignore")
    git(other, "add", "tool.sh", "link")
    git(other, "commit", "--quiet", "-m", "tools")
    git(other, "push", "--quiet")
    register_theirs(shared)
    gitreg("fetch", "--repo", str(work))
    assert os.access(work / "tool.sh", os.X_OK)
    assert (work / "link").readlink() == Path("tool.sh")
    assert not (work / ".gitignore").exists()
    assert (work / "registry/churn/versions/4/manifest.yaml").exists()
    lines = [
        line for line in git(work, "status", "--porcelain").split("\n") if "models/" not in line
    ]
    assert lines == before.split("\n")
    assert (work / "notes.txt").read_text() == "changed\n"
    assert (work / "both.txt").read_text() == "and changed\n"
    assert git(work, "show", ":both.txt") == "staged"
    assert (work / "new.bin").read_bytes() == b"\0\r\n\xff"
    assert git(work, "show", ":staged.txt") == "staged"
    assert git(work, "rev-parse", "HEAD") == git(shared / "origin.git", "rev-parse", "main")


def _staged(work: Path) -> None:
    (work / PRODUCTION).write_text("mine\n")
    git(work, "add", PRODUCTION)


def _untracked(work: Path) -> None:
    place = work / "registry/churn/versions/4/manifest.yaml"
    place.parent.mkdir(parents=True)
    place.write_text("mine\n")


@pytest.mark.parametrize("spoil", [change_production, _staged, _untracked])
def test_work_in_the_way_is_refused(shared: Path, spoil: Callable[[Path], None]) -> None:
    work = shared / "work"
    register_theirs(shared)
    theirs(shared, lambda other: other.promote("churn@4", stage="production", push=True))
    spoil(work)
    before = everything(work)
    heads = git(work, "for-each-ref", "refs/heads", "refs/tags")
    told = error("fetch", "--repo", str(work), code=1)
    assert "the work tree cannot be updated" in told
    after = everything(work)
    assert (after["head"], after["status"], after["files"]) == (
        before["head"],
        before["status"],
        before["files"],
    )
    assert git(work, "for-each-ref", "refs/heads", "refs/tags") == heads
    shutil.rmtree(work / "registry/churn/versions/4", ignore_errors=True)
    git(work, "restore", "--staged", "--worktree", "--", PRODUCTION)
    gitreg("fetch", "--repo", str(work))
    same_everywhere(shared)
