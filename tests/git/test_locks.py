"""Locks that a killed Git left: gitreg's own references need none, and Git's are named truly."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import GitError
from gitreg.git import locks
from gitreg.git.path_remotes import folder_of
from gitreg.publishing import retry
from tests.conftest import git

FSYNC = "committed,loose-object,reference"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "LOCK_BUDGET", 0.0)


def test_stale_locks_on_references_of_our_own_stop_nothing(shared: Path) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        registry.set_alias("churn@3", "one", push=True)
        (seen,) = (work / ".git/refs/gitreg/seen").iterdir()
        for lock in (seen.with_name(f"{seen.name}.lock"), work / ".git/refs/gitreg/incoming.lock"):
            lock.touch()
        left = work / ".git/refs/gitreg/tmp-0123456789abcdef/incoming.lock"
        left.parent.mkdir()
        left.touch()
        assert registry.set_alias("churn@3", "two", push=True).warnings == ()
        registry.fetch()
    assert not left.parent.exists()
    assert seen.read_text().strip() == git(shared / "origin.git", "rev-parse", "main")


def test_references_of_our_own_are_packed_and_go_on(shared: Path) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        registry.set_alias("churn@3", "one", push=True)
        git(work, "pack-refs", "--all", "--prune")
        registry.set_alias("churn@3", "two", push=True)
    found = git(work, "for-each-ref", "--format=%(objectname)", "refs/gitreg/seen")
    assert found == git(work, "rev-parse", "HEAD")
    assert git(work, "for-each-ref", "refs/gitreg/tmp*") == ""


def test_a_lock_of_the_clones_that_stops_a_fetch_is_not_the_remotes_fault(shared: Path) -> None:
    work = shared / "work"
    git(shared, "clone", "--quiet", "origin.git", "colleague")
    with Registry(shared / "colleague") as registry:
        registry.set_alias("churn@3", "one", push=True)
    lock = work / ".git/refs/remotes/origin/main.lock"
    lock.touch()
    with Registry(work) as registry:
        with pytest.raises(GitError, match=r"^Git's lock \S+/main\.lock is in the way") as stopped:
            registry.fetch()
        assert stopped.value.hint == f"if no Git is running there: rm {lock}"
        lock.unlink()
        assert registry.fetch().after == git(shared / "origin.git", "rev-parse", "main")


def test_a_lock_on_the_remote_is_named_and_the_doctor_of_the_clone_sees_it(shared: Path) -> None:
    lock = shared / "origin.git/refs/heads/main.lock"
    lock.touch()
    with Registry(shared / "work") as registry:
        with pytest.raises(GitError, match=r"the push to origin failed: Git's lock") as stopped:
            registry.set_alias("churn@3", "one", push=True)
        assert str(stopped.value.hint).startswith("nothing was published; ")
        (found,) = (f for f in registry.doctor() if f.code == "reference-lock")
        assert (found.subject, found.severity) == (str(lock), "error")
        assert found.remedy == f"rm {shlex.quote(str(lock))}"
        assert str(stopped.value.hint).endswith(str(found.remedy))
        lock.unlink()
        assert registry.set_alias("churn@3", "one", push=True).pushed


def test_tags_that_cannot_be_published_are_told_with_their_lock(shared: Path) -> None:
    """The branch was published, and its tags were not: a push that the remote did by half."""
    with Registry(shared / "work") as registry:
        before = git(shared / "origin.git", "rev-parse", "main")
        done = registry.promote("churn@3", stage="staging", push=True, op_id="job-1")
        for tag in done.tags:
            git(shared / "origin.git", "tag", "--delete", tag)
        git(shared / "work", "update-ref", "refs/heads/main", before)
        git(shared / "work", "reset", "--quiet", "--hard")
        (seen,) = (shared / "work/.git/refs/gitreg/seen").iterdir()
        seen.write_text(f"{before}\n")
        (shared / f"origin.git/refs/tags/{done.tags[0]}.lock").touch()
        with pytest.raises(GitError, match=r"^published as \w+; its tags are missing") as stopped:
            registry.promote("churn@3", stage="staging", push=True, op_id="job-1")
    assert str(stopped.value.hint).startswith("if no Git is running there: rm ")


def test_a_git_at_work_is_the_holder(stocked: Path) -> None:
    lock = stocked / ".git/index.lock"
    lock.touch()
    script = "import sys; sys.stdin.read()"
    program = stocked / "git-waits"  # named as a Git would be, without the file open
    program.symlink_to(sys.executable)
    with subprocess.Popen([program, "-c", script], cwd=stocked, stdin=subprocess.PIPE) as waiting:
        if not Path(f"/proc/{waiting.pid}/comm").read_text().startswith("git"):
            pytest.skip("the interpreter is a script here")
        found = locks.look_at(lock)
        assert found is not None
        assert (found.process, found.remedy) == (waiting.pid, f"ps -fp {waiting.pid}")
        assert not found.is_abandoned
        waiting.communicate()
    found = locks.look_at(lock)
    assert found is not None
    assert found.is_abandoned


def test_gitreg_itself_is_not_the_holder(stocked: Path) -> None:
    """The process that asks is called ``gitreg``, and works in the repository."""
    lock = stocked / ".git/index.lock"
    lock.touch()
    program = stocked / "gitreg"
    program.symlink_to(sys.executable)
    script = (
        "import pathlib; from gitreg.git import locks;"
        "print(pathlib.Path('/proc/self/comm').read_text().strip());"
        f"print(locks.look_at(pathlib.Path({str(lock)!r})).process)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    said = subprocess.run(
        [program, "-c", script],
        cwd=stocked,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["gitreg", "None"], said


@pytest.mark.parametrize("own", [False, True])
def test_what_is_published_in_a_folder_is_durable(shared: Path, own: bool) -> None:
    hook = shared / "origin.git/hooks/post-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ngit config core.fsync >fsync || echo none >fsync\n")
    hook.chmod(0o755)
    if own:
        git(shared / "work", "config", "remote.origin.receivepack", "git receive-pack")
    with Registry(shared / "work") as registry:
        registry.set_alias("churn@3", "one", push=True)
    assert (shared / "origin.git/fsync").read_text().strip() == ("none" if own else FSYNC)


def test_which_urls_are_folders(tmp_path: Path) -> None:
    for name in ("bare.git", "work"):
        git(tmp_path, "init", "--quiet", *(["--bare"] if name == "bare.git" else []), name)
    bare, work = tmp_path / "bare.git", tmp_path / "work/.git"
    assert [folder_of(url, tmp_path / "work") for url in ("../bare.git", "../bare", ".")] == [
        bare,
        bare,
        work,
    ]
    assert folder_of(bare.as_uri(), tmp_path) == bare
    for url in ("git@host:bare.git", f"ssh://host{bare}", "https://host/bare.git", "nothing"):
        assert folder_of(url, tmp_path) is None
    assert os.path.lexists(bare)
