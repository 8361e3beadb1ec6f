"""A process that serves: reads without processes, handed between threads, forked; never stale."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gitreg import GitError, Refused, Registry
from gitreg.git import process
from gitreg.git.heads import Head, Unreadable
from gitreg.git.index import possibly_dirty
from gitreg.git.repository import GitRepository
from tests.conftest import git

STAGING = "registry/churn/stages/staging.yaml"
PRODUCTION = "registry/churn/stages/production.yaml"


def commit(work: Path) -> str:
    git(work, "commit", "--quiet", "--allow-empty", "-m", "more")
    return git(work, "rev-parse", "HEAD")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The Git processes that are run."""
    seen: list[str] = []
    ran = subprocess.Popen.__init__

    def watched(self: object, args: list[str], *rest: object, **named: object) -> None:
        fixed = process.command(Path(str(named.get("cwd") or "")))
        seen.append(" ".join(args[len(fixed) :]))
        ran(self, args, *rest, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess.Popen, "__init__", watched)
    return seen


# Where HEAD is


def test_questions_start_no_process(stocked: Path, calls: list[str]) -> None:
    with Registry(stocked) as registry:
        registry.show("churn@champion")
        registry.show("churn@champion")
        del calls[:]
        assert registry.resolve("churn@champion").version == 2
        assert registry.show("churn/production").version == 2
        here = registry.commit
        assert calls == []
    assert here == git(stocked, "rev-parse", "HEAD")


def test_the_commit_is_followed_wherever_git_keeps_it(stocked: Path) -> None:
    with Registry(stocked) as registry:
        assert registry.commit == git(stocked, "rev-parse", "HEAD")
        assert not registry.is_shallow  # now it is known where the files are
        assert commit(stocked) == registry.commit == registry.state().commit
        git(stocked, "pack-refs", "--all")
        assert not (stocked / ".git/refs/heads/main").exists()
        assert registry.commit == git(stocked, "rev-parse", "HEAD")
        assert commit(stocked) == registry.commit
        git(stocked, "pack-refs", "--all")
        assert registry.commit == git(stocked, "rev-parse", "HEAD")
        git(stocked, "switch", "--quiet", "-c", "other/one")
        assert commit(stocked) == registry.commit
        git(stocked, "switch", "--quiet", "--detach", "HEAD~1")
        assert registry.commit == git(stocked, "rev-parse", "HEAD")
        git(stocked, "symbolic-ref", "refs/heads/alias", "refs/heads/main")
        git(stocked, "symbolic-ref", "HEAD", "refs/heads/alias")
        assert registry.commit == git(stocked, "rev-parse", "HEAD")


def test_the_commit_of_another_work_tree_and_of_a_bare_repository(shared: Path) -> None:
    work = shared / "work"
    git(work, "worktree", "add", "--quiet", "-b", "beside", "../beside")
    first = commit(shared / "beside")
    with Registry(shared / "beside") as beside, Registry(shared / "origin.git") as bare:
        for _ in range(2):
            assert beside.commit == first != git(work, "rev-parse", "HEAD")
            assert bare.commit == git(shared / "origin.git", "rev-parse", "HEAD")
            assert beside.is_shallow is bare.is_shallow is False
        git(work, "pack-refs", "--all")
        assert beside.commit == first


def test_before_the_first_commit_there_is_none(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    with Registry(tmp_path) as registry:
        assert registry.commit is None
        assert not registry.is_shallow
        assert registry.commit is None
        first = commit(tmp_path)
        assert registry.commit == first


def test_what_files_do_not_say_git_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "refs/heads").mkdir(parents=True)
    head = Head(tmp_path, tmp_path)
    for content in (None, "ref: refs/heads/.invalid", "ref: refs/remotes/x", "rubbish"):
        if content is not None:
            (tmp_path / "HEAD").write_text(content)
        with pytest.raises(Unreadable):
            head.commit()
    (tmp_path / "HEAD").write_text("ref: refs/heads/main\n")
    (tmp_path / "refs/heads/main").write_text("ref: refs/heads/other\n")
    with pytest.raises(Unreadable):
        head.commit()
    (tmp_path / "refs/heads/main").unlink()
    (tmp_path / "refs/heads/main").mkdir()
    with pytest.raises(Unreadable):
        head.commit()


def test_a_reftable_is_read_by_git(tmp_path: Path) -> None:
    work = tmp_path / "reftable"
    made = subprocess.run(
        ["git", "init", "--quiet", "--ref-format=reftable", str(work)],
        capture_output=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.skip("this Git has no reftables")
    commit(work)
    with Registry(work) as registry:
        assert registry.commit == git(work, "rev-parse", "HEAD")
        assert not registry.is_shallow
        assert commit(work) == registry.commit


# What was read is kept over a write, and never stale


def test_after_a_write_all_is_as_git_has_it(stocked: Path) -> None:
    with Registry(stocked) as registry:
        for write in (
            lambda: registry.promote("churn@3", stage="staging"),
            lambda: registry.promote("churn@3", stage="production"),
            lambda: registry.set_alias("churn@1", "old"),
            lambda: registry.delete_alias("churn", "old"),
            lambda: registry.annotate("churn@1", tags={"a": "b"}),
            lambda: registry.delete("churn@1"),
            lambda: registry.rollback("churn"),
        ):
            registry.state().read_ahead(["churn", "tokenizer"])
            write()
            here = registry.state()
            with Registry(stocked) as fresh:
                there = fresh.state()
                assert here.commit == there.commit
                assert here.files("churn") == there.files("churn")
                assert list(here.models()) == list(there.models())
                assert here.snapshot.read("dvc.yaml") == there.snapshot.read("dvc.yaml")
        git(stocked, "reset", "--quiet", "--hard", "HEAD~3")
        assert registry.state().files("churn") == Registry(stocked).state().files("churn")


# Threads and forks


def test_a_registry_is_handed_between_threads(stocked: Path) -> None:
    registry = Registry(stocked)
    failures: list[BaseException] = []

    def use(number: int) -> None:
        try:
            assert registry.show("churn@champion").version == 2
            registry.promote("churn@3", stage=("staging", "archived")[number % 2])
            assert registry.log("churn")
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    for number in range(4):
        thread = threading.Thread(target=use, args=(number,))
        thread.start()
        thread.join()
    registry.close()
    assert failures == []


FORKED = """
import os, sys
from gitreg import Registry

registry = Registry(sys.argv[1])
registry.promote("churn@3", stage="staging")
children = []
for number in range(2):
    child = os.fork()
    if child == 0:
        try:
            registry.promote("churn@3", stage="archived" if number else "none")
            assert registry.show("churn@champion").version == 2
            assert registry.log("churn") and registry.activity("churn")
            registry.close()
        except BaseException as error:
            print(repr(error), file=sys.stderr)
            os._exit(1)
        os._exit(0)
    children.append(child)
    registry.set_alias("churn@3", f"alias-{number}")
codes = [os.waitpid(child, 0)[1] for child in children]
assert codes == [0, 0], codes
registry.promote("churn@3", stage="production")
assert registry.check(history=True).passed
"""


def test_a_child_goes_on_with_it_after_a_fork(stocked: Path) -> None:
    quiet = ("-W", "ignore:This process:DeprecationWarning")  # Python 3.12 and later warn of forks
    ran = subprocess.run(
        [sys.executable, *quiet, "-c", FORKED, str(stocked)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_what_a_parent_opened_is_not_closed(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry(stocked)
    registry.promote("churn@3", stage="staging")
    parents = registry._history._open()
    pid = os.getpid()
    monkeypatch.setattr("gitreg.git.history_index.os.getpid", lambda: pid + 1)
    registry._history.close()
    registry._repository.writer.close()
    assert parents.execute("SELECT count(*) FROM commits").fetchone()[0] > 0
    assert registry._history._open() is not parents
    registry._history.close()
    monkeypatch.undo()
    registry.close()
    parents.close()


# The look at the user's work


def stage(work: Path) -> None:
    (work / STAGING).parent.mkdir(exist_ok=True)
    (work / PRODUCTION).write_text("versions:\n- 1\n")
    git(work, "add", PRODUCTION)


def change(work: Path) -> None:
    (work / PRODUCTION).write_text("versions:\n- 1\n")


def stage_and_take_back(work: Path) -> None:
    content = (work / PRODUCTION).read_bytes()
    stage(work)
    (work / PRODUCTION).write_bytes(content)


def add(work: Path) -> None:
    (work / STAGING).write_text("versions:\n- 3\n")
    git(work, "add", STAGING)
    (work / STAGING).unlink()


def untracked(work: Path) -> None:
    (work / STAGING).write_text("versions:\n- 3\n")


@pytest.mark.parametrize("work", [stage, change, stage_and_take_back, add, untracked])
def test_work_of_the_user_is_never_overlooked(stocked: Path, work: Callable[[Path], None]) -> None:
    with Registry(stocked) as registry:
        registry.promote("churn@3", stage="archived")
        work(stocked)
        target = "production" if work not in (add, untracked) else "staging"
        with pytest.raises((Refused, GitError)):
            registry.promote("churn@3", stage=target)


def test_what_is_clean_is_affirmed_without_git(stocked: Path, calls: list[str]) -> None:
    with Registry(stocked) as registry:
        registry.promote("churn@3", stage="staging")
        del calls[:]
        registry.promote("churn@3", stage="archived")
        assert not any(call.startswith("status") for call in calls)


def affirmed(work: Path) -> bool:
    repository = GitRepository(work)
    path = PRODUCTION
    content = git(work, "show", f"HEAD:{path}").encode() + b"\n"
    sure = possibly_dirty(repository, work, {path: content, STAGING: None}) == []
    repository.close()
    return sure


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("update-index --index-version=3", True),
        ("update-index --index-version=4", False),
        ("update-index --split-index", False),
        (f"update-index --chmod=+x {PRODUCTION}", False),
        (f"rm --quiet --cached {PRODUCTION}", False),
        ("read-tree --empty", False),
    ],
)
def test_what_cannot_be_affirmed_git_is_asked_for(
    stocked: Path, command: str, expected: bool
) -> None:
    assert affirmed(stocked)
    git(stocked, *command.split(" "))
    assert affirmed(stocked) is expected


def test_odd_files_are_not_affirmed(stocked: Path) -> None:
    place = stocked / PRODUCTION
    content = place.read_bytes()
    place.chmod(0o755)
    assert not affirmed(stocked)
    place.unlink()
    assert not affirmed(stocked)
    place.symlink_to(stocked / "elsewhere")
    assert not affirmed(stocked)
    place.unlink()
    place.write_bytes(content)
    assert affirmed(stocked)
    nowhere = GitRepository(stocked.parent / "origin.git")
    assert possibly_dirty(nowhere, stocked, {PRODUCTION: content}) == [PRODUCTION]
    nowhere.close()


def test_a_path_is_told_from_the_end_of_a_longer_one(stocked: Path) -> None:
    other = stocked / "copy" / PRODUCTION
    other.parent.mkdir(parents=True)
    other.write_text("other\n")
    git(stocked, "add", "copy")
    assert affirmed(stocked)
    git(stocked, "update-index", "--force-remove", PRODUCTION)
    assert not affirmed(stocked)
