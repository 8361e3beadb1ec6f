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
from gitreg.errors import DvcError, GitError, Refused
from gitreg.git import publish, worktree
from gitreg.publishing.clone import Clone
from tests.conftest import git, write_model
from tests.git.test_remote import colleague, meanwhile, published, pushed_by_hand, stored, tags_of
from tests.publishing.test_publish import commit_by_hand
from tests.support.commands import error, everything, gitreg
from tests.support.invariants import check_registry
from tests.support.signers import make_key, use_ssh

PRODUCTION = "registry/churn/stages/production.yaml"


def theirs(shared: Path, act: Callable[[Registry], object]) -> None:
    """Let somebody else publish something."""
    with Registry(colleague(shared)) as registry:
        act(registry)


def register_theirs(shared: Path) -> None:
    source = write_model(colleague(shared), "theirs", "models/theirs")
    theirs(shared, lambda registry: registry.register("churn", source, push=True))


def same_everywhere(shared: Path) -> None:
    """The clone is where the remote is, clean, with the same tags."""
    work, origin = shared / "work", shared / "origin.git"
    assert git(work, "rev-parse", "HEAD") == git(origin, "rev-parse", "main")
    assert git(work, "status", "--porcelain") == ""
    assert tags_of(work) == tags_of(origin)
    check_registry(origin, [])


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
    assert "origin/main has commits that are not here: gitreg fetch" in ran.err
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
        r"left: \w{9} promote churn@3 to production: churn stages/production has been moved "
        "by somebody else",
        ran.out,
    )
    assert "1 operation(s) do not hold any more, and were left" in ran.err
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
    assert "2 commit(s) of your own stay on this branch alone" in ran.err
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
    assert "churn@4 is of a commit that is left" in report.left[0].reason
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
        registry._clone.look()  # what is fetched is no change of ours
    here, there = everything(work), published(shared)
    assert gitreg("push", "--dry-run", "--repo", str(work)).out == (
        "would publish register churn@4\n"
    )
    assert (everything(work), published(shared)) == (here, there)
    register_theirs(shared)
    with Registry(work) as registry:
        registry._clone.look()
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
    assert out == "up to date with origin/main; 1 commit(s) are not published: gitreg push\n"
    pushed_by_hand(shared, "code.py", "pass\n")
    here = git(work, "rev-parse", "HEAD")
    told = error("fetch", "--repo", str(work), code=1)
    assert "origin/main has moved, and this clone has 1 commit(s) that are not published" in told
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


def _changed(work: Path) -> None:
    (work / PRODUCTION).write_text("mine\n")


def _staged(work: Path) -> None:
    (work / PRODUCTION).write_text("mine\n")
    git(work, "add", PRODUCTION)


def _untracked(work: Path) -> None:
    place = work / "registry/churn/versions/4/manifest.yaml"
    place.parent.mkdir(parents=True)
    place.write_text("mine\n")


@pytest.mark.parametrize("spoil", [_changed, _staged, _untracked])
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
    _changed(work)
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


def _detached(shared: Path) -> None:
    git(shared / "work", "switch", "--quiet", "--detach")


def _shallow(shared: Path) -> None:
    shutil.rmtree(shared / "work")
    git(shared, "clone", "--quiet", "--depth=2", f"file://{shared / 'origin.git'}", "work")


@pytest.mark.parametrize("command", ["push", "fetch"])
@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_no_remote, "there is no Git remote"),
        (_down, "cannot read the remote"),
        (_detached, "HEAD is detached"),
        (_shallow, "shallow"),
    ],
    ids=["no remote", "down", "detached", "shallow"],
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
    assert "1 commit(s) of your own" in ran.err
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
    assert "took back 2 commit(s)" in said
    assert "1 commit(s) that are not published" in said
    assert "1 commit(s)" in error("fetch", "--repo", str(work), code=1)  # remembered
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
    assert "no branch main any more, but trunk" in error(*words, code=3)
    assert git(origin, "for-each-ref", "refs/heads", "--format=%(refname)") == "refs/heads/trunk"


def test_who_was_told_of_the_winner_and_asks_again_is_believed(shared: Path) -> None:
    theirs(shared, lambda registry: registry.promote("churn@1", stage="production", push=True))
    again = ("promote", "churn@3", "--to", "production", "--push", "--op-id", "ci-42")
    assert "was moved meanwhile" in error(*again, "--repo", str(shared / "work"), code=3)
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
