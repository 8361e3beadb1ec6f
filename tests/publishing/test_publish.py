"""Publication is compare-and-swap: races, locks, refusals, and what it costs."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import GitError, LostRace, NotFound, WorldError
from gitreg.git import publish, worktree
from gitreg.git.objects import GitObject, ObjectReader
from gitreg.git.repository import GitRepository
from gitreg.publishing import retry
from gitreg.publishing.outcome import Outcome
from tests.conftest import git
from tests.publishing.by_hand import commit_by_hand, meanwhile, refs

# Races


def test_an_unrelated_commit_meanwhile_makes_it_run_again(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign: list[str] = []
    meanwhile(monkeypatch, lambda: foreign.append(commit_by_hand(stocked, "code.py", "pass\n")))
    with Registry(stocked) as registry:
        outcome = registry.promote("churn@3", stage="production", reason="better")
        assert [f for f in registry.doctor() if f.severity == "error"] == []
    assert git(stocked, "rev-parse", "HEAD", "HEAD^").split() == [outcome.commit, foreign[0]]
    assert git(stocked, "log", "--format=%B", "-1").count("Gitreg-Op:") == 1
    assert (stocked / "code.py").read_text() == "pass\n"
    assert git(stocked, "status", "--porcelain") == ""


def test_the_same_pointer_moved_meanwhile_names_the_winner(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    won: list[str] = []
    pointer = "registry/churn/aliases/champion.yaml"
    meanwhile(monkeypatch, lambda: won.append(commit_by_hand(stocked, pointer, "version: 1\n")))
    with Registry(stocked) as registry:
        with pytest.raises(LostRace, match="Grace Hopper") as lost:
            registry.set_alias("churn@3", "champion")
        assert won[0][:9] in str(lost.value)
        assert "churn@champion" in str(lost.value)
        assert registry.resolve("churn@champion").version == 1
    assert git(stocked, "rev-parse", "HEAD") == won[0]
    assert git(stocked, "status", "--porcelain") == ""


def test_the_operation_is_checked_again_on_the_new_tip(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule that a colleague commits meanwhile is the one that judges."""
    policy = (stocked / "registry/policy.yaml").read_text()
    without = policy.replace("  staging:\n    holds: any\n", "")
    assert without != policy
    meanwhile(monkeypatch, lambda: commit_by_hand(stocked, "registry/policy.yaml", without))
    with Registry(stocked) as registry, pytest.raises(NotFound, match="no stage 'staging'"):
        registry.promote("churn@3", stage="staging")
    assert git(stocked, "log", "--format=%s", "-1") == "by hand"


def test_a_branch_that_keeps_moving_is_given_up(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(
        monkeypatch,
        lambda: git(stocked, "commit", "--quiet", "--allow-empty", "-m", "x"),
        times=10**6,
    )
    monkeypatch.setattr(retry, "RETRY_BUDGET", 1.0)
    tags = git(stocked, "for-each-ref", "refs/tags")
    with Registry(stocked) as registry, pytest.raises(LostRace, match="keeps moving"):
        registry.promote("churn@3", stage="production")
    assert git(stocked, "log", "--format=%s", "-2").split("\n") == ["x"] * 2
    assert git(stocked, "for-each-ref", "refs/tags") == tags


def test_a_branch_switched_meanwhile_leaves_the_work_tree_alone(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, lambda: git(stocked, "switch", "--quiet", "-c", "side"))
    with Registry(stocked) as registry:
        outcome = registry.promote("churn@3", stage="production")
    assert git(stocked, "rev-parse", "main") == outcome.commit
    assert git(stocked, "rev-parse", "main^") == git(stocked, "rev-parse", "side")
    assert git(stocked, "status", "--porcelain") == ""
    assert any("another branch was checked out" in warning for warning in outcome.warnings)


def test_a_tag_taken_meanwhile_loses_nothing(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the branch is the truth: a foreign tag of that name stays, and doctor says so."""
    with Registry(stocked) as registry:
        name = registry.promote("churn@3", stage="production", dry_run=True).tags[0]
        meanwhile(monkeypatch, lambda: git(stocked, "tag", name, "HEAD"))
        outcome = registry.promote("churn@3", stage="production")
        assert git(stocked, "rev-parse", "HEAD") == outcome.commit
        assert git(stocked, "cat-file", "-t", f"refs/tags/{name}") == "commit"
        assert [f.subject for f in registry.doctor() if f.code == "wrong-tag"] == [name]


def in_threads(acts: Sequence[Callable[[], object]]) -> list[BaseException]:
    """Run all at once; return what they raised."""
    barrier, raised = threading.Barrier(len(acts)), []

    def run(act: Callable[[], object]) -> None:
        barrier.wait(timeout=30)
        try:
            act()
        except BaseException as error:  # noqa: BLE001  asserted on by the test
            raised.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads)
    return raised


@pytest.mark.parametrize("apart", [True, False], ids=["registries", "one registry"])
def test_writers_at_once_lose_nothing(stocked: Path, *, apart: bool) -> None:
    registries = [Registry(stocked) for _ in range(4)]
    acts = [
        partial(registries[n if apart else 0].set_alias, f"churn@{n % 3 + 1}", "busy")
        for n in range(4)
    ] + [lambda: registries[-1].promote("tokenizer@1", stage="production")]
    raised = in_threads(acts)
    assert raised == []
    for registry in registries:
        registry.close()
    with Registry(stocked) as registry:
        moves = registry.log("churn@busy")
        assert moves[-1].before == ()
        for later, earlier in pairwise(moves):
            assert later.before == earlier.after  # no update was lost
        assert registry.resolve("tokenizer/production").version == 1
        assert [f for f in registry.doctor() if f.severity == "error" or "tag" in f.code] == []
    assert git(stocked, "status", "--porcelain") == ""


def test_processes_at_once_lose_nothing(stocked: Path) -> None:
    script = (
        "import sys; from gitreg import Registry\n"
        "with Registry('.') as registry:\n"
        "    sys.stdin.read()\n"
        "    registry.promote(sys.argv[1], stage='production', alias=sys.argv[2])\n"
    )
    jobs = [("churn@1", "one"), ("churn@3", "three"), ("tokenizer@1", "champion")]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, *job], cwd=stocked, stdin=subprocess.PIPE, text=True
        )
        for job in jobs
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.close()
    assert [process.wait(timeout=60) for process in running] == [0, 0, 0]
    with Registry(stocked) as registry:
        churn = registry.model("churn")
        assert churn.aliases == {"champion": 2, "one": 1, "three": 3}
        assert set(churn.stages["production"] + churn.stages["archived"]) == {1, 2, 3}
        assert registry.resolve("tokenizer@champion").version == 1
        assert [f for f in registry.doctor() if f.severity == "error" or "tag" in f.code] == []
    assert git(stocked, "fsck", "--no-dangling") == ""


# The lock


def test_the_lock_is_waited_for(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other writer lets go while we wait; no second of a real wait is needed for that."""
    private = stocked / ".git" / "gitreg"
    handle = os.open(private / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        fcntl.flock(handle, fcntl.LOCK_UN)

    monkeypatch.setattr(time, "sleep", sleep)
    with Registry(stocked) as registry:
        assert registry.set_alias("churn@3", "waited").commit is not None
    os.close(handle)
    assert len(waits) == 1


def test_a_lock_held_for_too_long_is_an_error(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "LOCK_PATIENCE", -1.0)
    before = refs(stocked)
    with publish.exclusive(stocked / ".git" / "gitreg"), Registry(stocked) as registry:
        assert registry.resolve("churn@champion").version == 2  # readers never wait
        with pytest.raises(WorldError, match="another gitreg is writing"):
            registry.set_alias("churn@3", "late")
    assert refs(stocked) == before


def test_a_file_system_without_locks_is_an_error(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_handle: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with Registry(stocked) as registry, pytest.raises(WorldError, match="No locks available"):
        registry.set_alias("churn@3", "late")


def test_a_folder_that_cannot_be_written_is_an_error(stocked: Path) -> None:
    private = stocked / ".git" / "gitreg"
    for path in sorted(private.iterdir()):
        path.unlink()
    private.rmdir()
    private.write_text("a file where a folder should be")
    before = refs(stocked)
    with Registry(stocked) as registry:
        assert registry.log("churn@champion")[0].after == (2,)  # the index lives in memory then
        with pytest.raises(WorldError, match="cannot be written"):
            registry.set_alias("churn@3", "late")
    assert refs(stocked) == before


def test_a_read_only_folder_is_an_error(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def read_only(path: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & (os.O_RDWR | os.O_WRONLY | os.O_CREAT) and str(path).startswith(str(stocked)):
            raise OSError(errno.EROFS, "Read-only file system", path)
        return real(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", read_only)
    with Registry(stocked) as registry:
        with pytest.raises(WorldError, match="Read-only file system"):
            registry.set_alias("churn@3", "late")
        assert registry.resolve("churn@champion").version == 2


def test_an_object_store_that_cannot_be_written_is_an_error(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full when the objects are flushed."""

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    before = refs(stocked)
    with Registry(stocked) as registry, pytest.raises(GitError, match="No space left"):
        registry.set_alias("churn@3", "late")
    assert refs(stocked) == before
    assert git(stocked, "status", "--porcelain") == ""


# What Git refuses


def test_a_reference_that_somebody_holds_is_named(stocked: Path) -> None:
    lock = stocked / ".git" / "refs" / "heads" / "main.lock"
    lock.touch()
    before = refs(stocked)
    with Registry(stocked) as registry, pytest.raises(GitError, match=r"main\.lock") as held:
        registry.set_alias("churn@3", "late")
    assert not isinstance(held.value, LostRace)  # to run again at once would not help
    assert lock.exists()
    lock.unlink()
    assert refs(stocked) == before


def test_a_hook_that_vetoes_is_told(stocked: Path) -> None:
    hook = stocked / ".git" / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\nread -r _ _ ref\n[ "$1" != prepared ] || exit 1\n')
    hook.chmod(0o755)
    before = refs(stocked)
    with Registry(stocked) as registry, pytest.raises(GitError, match="update-ref") as veto:
        registry.set_alias("churn@3", "late")
    assert not isinstance(veto.value, LostRace)
    assert refs(stocked) == before
    assert git(stocked, "status", "--porcelain") == ""


def test_an_index_that_stays_locked_stops_a_local_write(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worktree, "_PATIENCE", 0.0)
    lock = stocked / ".git" / "index.lock"
    before = git(stocked, "rev-parse", "HEAD")
    meanwhile(monkeypatch, lock.touch)
    with Registry(stocked) as registry:
        with pytest.raises(GitError, match=r"index\.lock is in the way: last written") as stopped:
            registry.set_alias("churn@3", "busy")
        assert str(stopped.value.hint).startswith("nothing was written; ")
        assert str(stopped.value.hint).endswith(f": rm {lock}")
        lock.unlink()
        assert git(stocked, "rev-parse", "HEAD") == before
        assert git(stocked, "status", "--porcelain") == ""


def test_an_index_that_stays_locked_is_a_warning_after_a_push(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The publication stands by then: to fail would be to lie."""
    monkeypatch.setattr(worktree, "_PATIENCE", 0.0)
    lock = stocked / ".git" / "index.lock"
    meanwhile(monkeypatch, lock.touch)
    with Registry(stocked) as registry:
        outcome = registry.set_alias("churn@3", "busy", push=True)
        (warning,) = outcome.warnings
        assert warning.startswith("published, but this clone could not follow (Git's lock")
        lock.unlink()
        registry.fetch()
    assert outcome.commit == git(stocked, "rev-parse", "HEAD")
    assert git(stocked, "status", "--porcelain") == ""


def test_the_index_is_tried_again(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = stocked / ".git" / "index.lock"
    monkeypatch.setattr(time, "sleep", lambda _seconds: lock.unlink(missing_ok=True))
    meanwhile(monkeypatch, lock.touch)
    with Registry(stocked) as registry:
        assert registry.set_alias("churn@3", "busy").warnings == ()
    assert git(stocked, "status", "--porcelain") == ""


def test_a_file_that_cannot_be_replaced_stops_a_local_write(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = stocked / "registry/churn/aliases/busy.yaml"
    before = git(stocked, "rev-parse", "HEAD")
    meanwhile(monkeypatch, place.mkdir)
    with (
        Registry(stocked) as registry,
        pytest.raises(GitError, match=r"aliases/busy\.yaml: Is a directory"),
    ):
        registry.set_alias("churn@3", "busy")
    assert git(stocked, "rev-parse", "HEAD") == before
    assert git(stocked, "status", "--porcelain") == ""


# What it costs


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The argument lists of the processes that were started since."""
    found: list[list[str]] = []

    class Counting(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, args: list[str], **options: object) -> None:
            found.append(args)
            super().__init__(args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", Counting)
    return found


def test_a_warm_resolve_starts_no_process(stocked: Path, started: list[list[str]]) -> None:
    with Registry(stocked) as registry:
        registry.resolve("churn@champion")
        cold = len(started)
        assert cold > 0
        for reference in ("churn@champion", "churn/production", "churn@latest", "churn@1"):
            registry.resolve(reference)
        registry.model("churn")
        registry.models()
    assert len(started) == cold


def test_a_warm_promotion_in_a_bare_repository_starts_two_processes(
    shared: Path, started: list[list[str]]
) -> None:
    with Registry(shared / "origin.git") as registry:
        registry.promote("churn@3", stage="production")
        cold = len(started)
        assert registry.promote("churn@1", stage="production").warnings == ()
    assert len(started) - cold <= 2, started[cold:]  # one asks who else sees the branch


def test_a_warm_promotion_in_a_checkout_starts_three_processes(
    stocked: Path, started: list[list[str]]
) -> None:
    with Registry(stocked) as registry:
        registry.promote("churn@3", stage="production")
        cold = len(started)
        registry.promote("churn@1", stage="production")
        assert len(started) - cold <= 3, started[cold:]
        cold = len(started)
        registry.log("churn/production")
        registry.show("churn/production")
    assert len(started) == cold


def test_a_promotion_reads_as_many_objects_in_a_large_model(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    get_many = ObjectReader.get_many

    def counting(reader: ObjectReader, specs: Sequence[str]) -> list[GitObject | None]:
        read.extend(specs)
        return get_many(reader, specs)

    def cost(folder: Path) -> int:
        with Registry(folder) as registry:
            registry.promote("churn@1", stage="staging")  # the index is warm then
            read.clear()
            registry.promote("churn@1", stage="archived")
        return len(read)

    monkeypatch.setattr(ObjectReader, "get_many", counting)
    folder = shared / "work"
    few = cost(folder)
    first = folder / "registry/churn/versions/1"
    for number in range(4, 104):
        copy = folder / f"registry/churn/versions/{number}"
        copy.mkdir()
        for file in first.iterdir():
            text = file.read_text().replace("version: 1\n", f"version: {number}\n")
            (copy / file.name).write_text(text)
    git(folder, "add", "registry")
    git(folder, "commit", "--quiet", "-m", "a hundred more")
    assert few > 0
    assert cost(folder) == few


# Details of the door


def test_tags_are_set_all_or_nothing(stocked: Path) -> None:
    repository = GitRepository(stocked)
    before = refs(stocked)
    with pytest.raises(GitError):
        publish.set_tags(
            repository, {"good": git(stocked, "rev-parse", "HEAD"), "bad..name": "0" * 40}
        )
    publish.set_tags(repository, {})
    repository.close()
    assert refs(stocked) == before


def test_an_outcome_tells_whether_anything_changed(stocked: Path) -> None:
    with Registry(stocked) as registry:
        again = registry.promote("churn@2", stage="production")
        assert again.is_unchanged
        assert again.commit is None
        planned = registry.promote("churn@3", stage="production", dry_run=True)
    assert isinstance(planned, Outcome)
    assert not planned.is_unchanged
    assert planned.commit is None
