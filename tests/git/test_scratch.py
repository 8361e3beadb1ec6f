"""Temporary folders: Git ignores them, and the next run removes what is nobody's."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.git import scratch
from tests.conftest import git
from tests.doctor.states import changed_pull, killed

LEAVE = """
import os, signal, sys
from pathlib import Path
from gitreg.git import scratch
with scratch.temporary("import") as folder:
    (folder / "weights").write_text("bytes")
    if sys.argv[1] == "wait":
        print(folder, flush=True)
        sys.stdin.read()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("failpoint", ["_compare", "_copy", "shutil.rmtree", "_rename"])
def test_a_killed_pull_leaves_nothing_that_git_would_add(stocked: Path, failpoint: str) -> None:
    with Registry(stocked) as registry:
        registry.pull("churn@2")
    changed_pull(stocked.parent)
    killed(stocked, f"gitreg.artifacts.materialise.{failpoint}", "pull('churn@2')")
    assert list(stocked.rglob(".gitreg-*"))
    git(stocked, "add", ".")
    assert git(stocked, "status", "--porcelain") == ""


def test_the_next_pull_removes_it(stocked: Path) -> None:
    killed(stocked, "gitreg.artifacts.materialise._compare", "pull('churn@2')")
    (left,) = stocked.rglob(".gitreg-*")
    with Registry(stocked) as registry:
        registry.pull("churn@2")
    assert not left.exists()


def test_what_a_killed_process_left_among_temporary_files_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    subprocess.run([sys.executable, "-c", LEAVE, "die"], check=False)
    (left,) = tmp_path.iterdir()
    theirs = tmp_path / "gitreg-import-of_mine"  # as long as a random name, and not empty
    theirs.mkdir()
    (theirs / "notes").write_text("mine")
    with subprocess.Popen(
        [sys.executable, "-c", LEAVE, "wait"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        living = Path(running.stdout.readline().strip())
        assert not left.exists()
        with scratch.temporary("import") as folder:
            assert list(folder.iterdir()) == []
            assert (living / "weights").exists()
        assert not folder.parent.exists()
        running.communicate()
    with scratch.temporary("import"):
        assert not living.parent.exists()
    assert [path.name for path in tmp_path.iterdir()] == [theirs.name]


def test_a_folder_that_was_removed_before_it_was_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, made = tempfile.mkdtemp, []

    def once(**options: object) -> str:
        made.append(make(**options))  # type: ignore[call-overload]
        return str(made[-1])

    lock = fcntl.flock

    def late(handle: int, kind: int) -> None:
        if len(made) == 1:
            Path(made[0]).rmdir()
            made.append("")
        lock(handle, kind)

    monkeypatch.setattr(tempfile, "mkdtemp", once)
    monkeypatch.setattr(fcntl, "flock", late)
    with scratch.beside(tmp_path) as folder:
        assert folder == Path(made[-1])
        assert scratch.is_hidden(folder)


def test_many_threads_at_once_keep_theirs(tmp_path: Path) -> None:
    def use(number: int) -> str:
        with scratch.beside(tmp_path) as folder:
            (folder / "mine").write_text(str(number))
            return (folder / "mine").read_text()

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(use, range(400))) == [str(number) for number in range(400)]
    assert list(tmp_path.iterdir()) == []
