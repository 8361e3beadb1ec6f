"""A process that is killed while it publishes: the next one finishes its work."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import GitError
from gitreg.git import worktree
from tests.conftest import git
from tests.publishing.by_hand import commit_by_hand, refs


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


def test_an_announcement_that_cannot_be_written_stops_the_writer(stocked: Path) -> None:
    before = refs(stocked)
    announcement = stocked / ".git" / worktree.ANNOUNCEMENT
    announcement.with_name(f"{announcement.name}.new").mkdir(parents=True)
    with (
        Registry(stocked) as registry,
        pytest.raises(GitError, match=r"^cannot write to \S+/work/\.git: Is a directory$"),
    ):
        registry.promote("churn@3", stage="production")
    assert refs(stocked) == before
    assert git(stocked, "status", "--porcelain") == ""
    assert not announcement.exists()
