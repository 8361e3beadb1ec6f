"""Publication is compare-and-swap: races, locks, refusals, and what it costs."""

from __future__ import annotations

import errno
import fcntl
import json
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


def refs(folder: Path) -> str:
    return git(folder, "for-each-ref")


def commit_by_hand(folder: Path, path: str, text: str) -> str:
    """Commit a file as a colleague would, in an editor."""
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text)
    git(folder, "add", "--", path)
    git(folder, "commit", "--quiet", "--author=Grace Hopper <grace@example.com>", "-m", "by hand")
    return git(folder, "rev-parse", "HEAD")


def meanwhile(
    monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], *, times: int = 1
) -> None:
    """Let something happen between the reading of the tip and the move of the branch."""
    prepare, left = publish.prepare, [act] * times

    def interrupted(*args: object) -> publish.Prepared:
        prepared = prepare(*args)  # type: ignore[arg-type]
        if left:
            left.pop()()
        return prepared

    monkeypatch.setattr(publish, "prepare", interrupted)


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
        assert "aliases/champion" in str(lost.value)
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
        assert moves[-1].before is None
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
        assert registry.log("churn@champion")[0].after == 2  # the index lives in memory then
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


def test_the_work_tree_that_cannot_follow_is_a_warning(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The publication stands by then: to fail would be to lie."""
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    meanwhile(monkeypatch, (stocked / ".git" / "index.lock").touch)
    with Registry(stocked) as registry:
        outcome = registry.set_alias("churn@3", "busy")
        assert registry.resolve("churn@busy").version == 3
    assert outcome.commit == git(stocked, "rev-parse", "HEAD")
    (warning,) = outcome.warnings
    assert "was not updated" in warning
    (stocked / ".git" / "index.lock").unlink()
    remedy = warning.partition("to update it: ")[2].split()
    git(stocked, *remedy[1:])
    assert git(stocked, "status", "--porcelain") == ""


def test_the_index_is_tried_again(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = stocked / ".git" / "index.lock"
    monkeypatch.setattr(time, "sleep", lambda _seconds: lock.unlink(missing_ok=True))
    meanwhile(monkeypatch, lock.touch)
    with Registry(stocked) as registry:
        assert registry.set_alias("churn@3", "busy").warnings == ()
    assert git(stocked, "status", "--porcelain") == ""


def test_a_file_that_cannot_be_replaced_is_a_warning(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = stocked / "registry/churn/aliases/busy.yaml"
    meanwhile(monkeypatch, place.mkdir)
    with Registry(stocked) as registry:
        (warning,) = registry.set_alias("churn@3", "busy").warnings
    assert "was not updated" in warning


# Killed between the move of the branch and the work tree


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours handles it."""


@pytest.fixture
def killed(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone whose writer was killed when the branch had moved and the files had not."""

    def kill(*_args: object) -> tuple[str, ...]:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(worktree, "follow", kill)
        with Registry(stocked) as registry, pytest.raises(Killed):
            registry.promote("churn@3", stage="production", alias="busy")
    assert git(stocked, "log", "--format=%s", "-1").startswith("promote churn@3")
    assert git(stocked, "status", "--porcelain") != ""
    return stocked


def test_the_next_writer_finishes_what_was_killed(killed: Path) -> None:
    with Registry(killed) as registry:
        assert registry.annotate("churn", owner="Ada").commit is not None
    assert git(killed, "status", "--porcelain") == ""


def test_what_the_user_did_since_stays(killed: Path) -> None:
    pointer = "registry/churn/stages/production.yaml"
    (killed / pointer).write_text("mine\n")
    with Registry(killed) as registry:
        registry.annotate("churn", owner="Ada")
    assert (killed / pointer).read_text() == "mine\n"
    assert "registry/churn/aliases/busy.yaml" not in git(killed, "status", "--porcelain")


def test_what_cannot_be_finished_yet_stays_announced(
    killed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed Git's own lock on the index, which a person removes."""
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    lock = killed / ".git" / "index.lock"
    lock.touch()
    with Registry(killed) as registry:
        for _ in range(2):
            with pytest.raises(GitError, match=r"index\.lock"):
                registry.annotate("churn", owner="Ada")
        lock.unlink()
        registry.annotate("churn", owner="Ada")
    assert git(killed, "status", "--porcelain") == ""


def test_a_disk_that_is_full_leaves_no_scraps_and_the_next_writer_follows(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Registry(stocked) as registry:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", _unless_a_pointer(Path.replace, no_room))
            (warning,) = registry.promote("churn@3", stage="production").warnings
        assert "stages/archived.yaml: No space left on device" in warning
        assert not list(stocked.rglob("*.gitreg"))
        # Two commits ahead of the work tree by now.
        registry.annotate("churn", owner="Ada")
    assert git(stocked, "status", "--porcelain") == ""


def _unless_a_pointer(
    replace: Callable[[Path, Path], Path], otherwise: Callable[[], None]
) -> Callable[[Path, Path], Path]:
    def patched(source: Path, target: Path) -> Path:
        if target.parent.name == "stages":
            otherwise()
        return replace(source, target)

    return patched


def test_what_waits_is_not_forgotten_over_the_next_publication(
    killed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(worktree, "finish", lambda _repository: None)
        with Registry(killed) as registry:
            patch.setattr(worktree, "follow", lambda *_args: ("not yet",))
            registry.annotate("churn", owner="Ada")
    with Registry(killed) as registry:
        registry.annotate("tokenizer", owner="Ada")
    assert git(killed, "status", "--porcelain") == ""


@pytest.mark.parametrize("half", ["nothing", "an empty file", "a part"])
def test_a_file_that_git_wrote_by_half_is_written_anew(killed: Path, half: str) -> None:
    """It takes the old file away first."""
    pointer = killed / "registry/churn/stages/production.yaml"
    pointer.unlink()
    if half != "nothing":
        pointer.write_text("" if half == "an empty file" else "versions:\n- ")
    with Registry(killed) as registry:
        registry.annotate("churn", owner="Ada")
    assert git(killed, "status", "--porcelain") == ""


@pytest.fixture
def killed_fetch(stocked: Path) -> Path:
    """A clone whose branch has moved to a colleague's commits, and Git was killed over the files.

    Of ``code.py`` it has written the beginning, of ``new.py`` too; ``theirs.py`` is to be changed.
    """
    for name in ("code.py", "theirs.py"):
        before = commit_by_hand(stocked, name, "first\n")
    for name in ("code.py", "new.py", "theirs.py"):
        after = commit_by_hand(stocked, name, "second\n")
    git(stocked, "read-tree", before)
    (stocked / "code.py").write_text("sec")
    (stocked / "new.py").write_text("")
    (stocked / "theirs.py").write_text("first\n")
    text = json.dumps({"branch": "refs/heads/main", "before": before, "after": after})
    (stocked / ".git" / "gitreg-following.json").write_text(text)
    return stocked


def test_what_git_wrote_by_half_it_writes_again(killed_fetch: Path) -> None:
    with Registry(killed_fetch) as registry:
        registry.annotate("churn", owner="Ada")
    assert git(killed_fetch, "status", "--porcelain") == ""
    assert (killed_fetch / "code.py").read_text() == "second\n"


def test_what_git_wrote_by_half_is_taken_back_where_it_cannot_follow(killed_fetch: Path) -> None:
    (killed_fetch / "theirs.py").write_text("mine\n")
    with Registry(killed_fetch) as registry:
        registry.annotate("churn", owner="Ada")
    assert (killed_fetch / "theirs.py").read_text() == "mine\n"
    assert (killed_fetch / "code.py").read_text() == "first\n"
    assert not (killed_fetch / "new.py").exists()


def test_what_was_killed_on_another_branch_is_forgotten(killed: Path) -> None:
    git(killed, "reset", "--quiet", "--hard", "HEAD~1")
    with Registry(killed) as registry:
        registry.annotate("churn", owner="Ada")
        assert registry.resolve("churn/production").version == 2
    assert git(killed, "status", "--porcelain") == ""
    assert not (killed / ".git" / "gitreg-following.json").exists()


def test_an_announcement_cut_off_is_forgotten(stocked: Path) -> None:
    (stocked / ".git" / "gitreg-following.json").write_text('{"branch": "refs/he')
    with Registry(stocked) as registry:
        assert registry.annotate("churn", owner="Ada").warnings == ()
    assert not (stocked / ".git" / "gitreg-following.json").exists()


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


def test_a_warm_promotion_in_a_bare_repository_starts_one_process(
    shared: Path, started: list[list[str]]
) -> None:
    with Registry(shared / "origin.git") as registry:
        registry.promote("churn@3", stage="production")
        cold = len(started)
        registry.promote("churn@1", stage="production")
    assert len(started) - cold <= 1, started[cold:]


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
