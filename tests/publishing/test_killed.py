"""A process that is killed while it publishes: the next one goes on."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import GitError
from gitreg.git import interrupted, publish, worktree
from gitreg.publishing.outcome import Outcome
from tests.conftest import git, write_model
from tests.publishing.by_hand import commit_by_hand, refs


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours handles it."""


POINTER = "registry/churn/stages/production.yaml"


def kill_before_the_branch_moves(folder: Path, action: Callable[[Registry], object]) -> None:
    """Let a writer die when index and files have moved, and the branch has not."""

    def kill(*_args: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish, "move_references", kill)
        with Registry(folder) as registry, pytest.raises(Killed):
            action(registry)


def promote(registry: Registry) -> Outcome:
    return registry.promote("churn@3", stage="production", alias="busy", op_id="promote-3")


@pytest.fixture
def killed(stocked: Path) -> Path:
    """A clone whose writer was killed when index and files had moved, and the branch had not."""
    before = git(stocked, "rev-parse", "HEAD")
    kill_before_the_branch_moves(stocked, promote)
    assert git(stocked, "rev-parse", "HEAD") == before
    assert "M  registry/churn/stages/production.yaml" in git(stocked, "status", "--porcelain")
    return stocked


def test_the_next_writer_takes_back_what_was_not_published(killed: Path) -> None:
    with Registry(killed) as registry:
        assert registry.annotate("churn", owner="Ada").commit is not None
        assert registry.resolve("churn/production").version == 2
    assert git(killed, "status", "--porcelain") == ""


def test_the_same_command_publishes_it(killed: Path) -> None:
    with Registry(killed) as registry:
        assert promote(registry).commit == git(killed, "rev-parse", "HEAD")
    assert git(killed, "status", "--porcelain") == ""


@pytest.mark.parametrize("options", [("-a",), ()])
def test_a_commit_of_the_users_makes_the_whole_change(killed: Path, options: list[str]) -> None:
    """Then the same command makes no second one."""
    (killed / ".gitignore").write_text("/models/\n/data/\n")
    git(killed, "commit", "--quiet", *options, "-m", "my own work")
    with Registry(killed) as registry:
        again = promote(registry)
        assert registry.resolve("churn/production").version == 3
        assert registry.resolve("churn@busy").version == 3
    assert (again.repeated, again.commit) == (True, git(killed, "rev-parse", "HEAD"))
    assert git(killed, "status", "--porcelain", "registry") == ""


def test_a_registration_in_a_commit_of_the_users_is_not_made_twice(stocked: Path) -> None:
    source = write_model(stocked, "weights 4")

    def register(registry: Registry) -> Outcome:
        return registry.register("churn", source, op_id="register-4")

    kill_before_the_branch_moves(stocked, register)
    git(stocked, "commit", "--quiet", "-m", "my own work")
    mine = git(stocked, "rev-parse", "HEAD")
    (stocked / "code.py").write_text("more\n")
    git(stocked, "add", "code.py")
    git(stocked, "commit", "--quiet", "-m", "more")
    with Registry(stocked) as registry:
        for _ in range(2):
            assert (register(registry).repeated, register(registry).commit) == (True, mine)
        assert registry.resolve("churn@latest").version == 4


def test_a_part_that_the_user_committed_is_completed_to_nothing_else(killed: Path) -> None:
    git(killed, "commit", "--quiet", "-m", "only this", "--", "registry/churn/aliases/busy.yaml")
    with Registry(killed) as registry:
        assert registry.resolve("churn@busy").version == 3
        assert not promote(registry).repeated
        assert registry.resolve("churn/production").version == 3
    assert git(killed, "status", "--porcelain") == ""


def test_what_the_user_did_since_stays(killed: Path) -> None:
    (killed / POINTER).write_text("mine\n")
    with Registry(killed) as registry:
        registry.annotate("churn", owner="Ada")
    assert (killed / POINTER).read_text() == "mine\n"
    assert "registry/churn/aliases/busy.yaml" not in git(killed, "status", "--porcelain")


def test_what_cannot_be_finished_yet_stays_announced(
    killed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed Git's own lock on the index, which a person removes."""
    monkeypatch.setattr(worktree, "_PATIENCE", 0.0)
    lock = killed / ".git" / "index.lock"
    lock.touch()
    with Registry(killed) as registry:
        for action in (lambda: registry.annotate("churn", owner="Ada"), registry.fetch):
            with pytest.raises(GitError, match=r"index\.lock .*last written less") as stopped:
                action()
            assert str(stopped.value.hint).endswith(f"rm {lock}")
        lock.unlink()
        registry.annotate("churn", owner="Ada")
    assert git(killed, "status", "--porcelain") == ""


def test_git_refuses_while_a_part_is_there_and_the_next_writer_goes_on(stocked: Path) -> None:
    """gitreg holds Git's lock while it renames files, and removes its own lock later."""
    place = worktree._place

    def kill(top: Path, path: str, fresh: Path | None) -> None:
        if path == POINTER:
            raise Killed
        place(top, path, fresh)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worktree, "_place", kill)
        patch.setattr(Path, "unlink", lambda *_args, **_options: None)  # as SIGKILL: no clean-up
        with Registry(stocked) as registry, pytest.raises(Killed):
            promote(registry)
    assert " M registry/churn/stages/" in git(stocked, "status", "--porcelain")
    with pytest.raises(AssertionError, match=r"index\.lock': File exists"):
        git(stocked, "commit", "-a", "-m", "my own work")
    with Registry(stocked) as registry:
        assert not promote(registry).repeated
    assert git(stocked, "status", "--porcelain") == ""


def test_a_disk_that_is_full_leaves_nothing(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = refs(stocked)
    with Registry(stocked) as registry:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", _unless_a_pointer(Path.replace, no_room))
            with pytest.raises(GitError, match="No space left on device"):
                registry.promote("churn@3", stage="production")
        assert refs(stocked) == before
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


@pytest.fixture
def overtaken(stocked: Path) -> Path:
    """What gitreg 0.1 left: the branch had moved, and index and files had not."""
    before = git(stocked, "rev-parse", "HEAD")
    with Registry(stocked) as registry:
        promote(registry)
    after = git(stocked, "rev-parse", "HEAD")
    git(stocked, "reset", "--quiet", "--hard", before)
    git(stocked, "update-ref", "refs/heads/main", after)
    text = json.dumps({"branch": "refs/heads/main", "before": before, "after": after})
    (stocked / ".git" / "gitreg-following.json").write_text(text)
    return stocked


@pytest.mark.parametrize("half", ["nothing", "an empty file", "a part"])
def test_a_file_that_git_wrote_by_half_is_written_anew(overtaken: Path, half: str) -> None:
    """It takes the old file away first."""
    pointer = overtaken / POINTER
    pointer.unlink()
    if half != "nothing":
        pointer.write_text("" if half == "an empty file" else "versions:\n- ")
    with Registry(overtaken) as registry:
        registry.annotate("churn", owner="Ada")
        assert registry.resolve("churn/production").version == 3
    assert git(overtaken, "status", "--porcelain") == ""


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


def test_what_git_wrote_by_half_it_writes_again_beside_the_users_work(killed_fetch: Path) -> None:
    (killed_fetch / "theirs.py").write_text("mine\n")
    with Registry(killed_fetch) as registry:
        registry.annotate("churn", owner="Ada")
    assert (killed_fetch / "theirs.py").read_text() == "mine\n"
    assert (killed_fetch / "code.py").read_text() == "second\n"
    assert (killed_fetch / "new.py").read_text() == "second\n"


def test_what_was_killed_on_another_branch_is_forgotten(killed: Path) -> None:
    git(killed, "reset", "--quiet", "--hard", "HEAD~1")
    with Registry(killed) as registry:
        registry.annotate("churn", owner="Ada")
        assert registry.resolve("churn/production").version == 1
    assert git(killed, "status", "--porcelain") == ""
    assert not (killed / ".git" / "gitreg-following.json").exists()


def test_an_announcement_cut_off_is_forgotten(stocked: Path) -> None:
    (stocked / ".git" / "gitreg-following.json").write_text('{"branch": "refs/he')
    with Registry(stocked) as registry:
        assert registry.annotate("churn", owner="Ada").warnings == ()
    assert not (stocked / ".git" / "gitreg-following.json").exists()


def test_an_announcement_that_cannot_be_written_stops_the_writer(stocked: Path) -> None:
    before = refs(stocked)
    announcement = stocked / ".git" / interrupted.ANNOUNCEMENT
    announcement.with_name(f"{announcement.name}.new").mkdir(parents=True)
    with (
        Registry(stocked) as registry,
        pytest.raises(GitError, match=r"^cannot write to \S+/work/\.git: Is a directory$"),
    ):
        registry.promote("churn@3", stage="production")
    assert refs(stocked) == before
    assert git(stocked, "status", "--porcelain") == ""
    assert not announcement.exists()


def test_an_init_that_was_killed_makes_the_same_registry(tmp_path: Path) -> None:
    """In an empty folder it makes a DVC project, too."""
    for name in ("killed", "whole"):
        (tmp_path / name).mkdir()

    def kill(*_args: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish, "move_references", kill)
        with pytest.raises(Killed):
            Registry.init(tmp_path / "killed")
    for name in ("killed", "whole"):
        Registry.init(tmp_path / name)
    trees = {git(tmp_path / name, "rev-parse", "HEAD^{tree}") for name in ("killed", "whole")}
    assert len(trees) == 1
    assert git(tmp_path / "killed", "status", "--porcelain") == ""
