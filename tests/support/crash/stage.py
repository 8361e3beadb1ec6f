"""Where a command is crashed: a clone with work of the user's in it, its remotes, a home."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from tests.conftest import git, write_model
from tests.support.crash.server import Ran, Server


@dataclass(frozen=True)
class Stage:
    """A folder with ``work`` (a clone), ``origin.git`` (bare), ``dvc-remote`` and ``home``.

    Every path that is configured is relative, so that it can be copied.
    """

    root: Path
    server: Server
    judged: str = "work"
    """The repository whose branch has to have what a command leads to."""

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def origin(self) -> Path:
        return self.root / "origin.git"

    @property
    def store(self) -> Path:
        """The DVC remote."""
        return self.root / "dvc-remote"

    @property
    def out(self) -> Path:
        """Where artifacts are delivered to."""
        return self.root / "out"

    def gitreg(self, *argv: str, folder: Path | None = None, control: Path | None = None) -> Ran:
        """Run a command in the clone."""
        return self.server.run(list(argv), folder or self.work, self.root / "home", control)

    def set_up(self, *argv: str) -> None:
        """Run a command that has to succeed."""
        ran = self.gitreg(*argv)
        assert ran.code == 0, (argv, ran)

    def copy(self, root: Path) -> Stage:
        return replace(self, root=Path(shutil.copytree(self.root, root, symlinks=True)))


def build(root: Path, server: Server) -> Stage:
    """Make a stage: churn@1 (archived), churn@2 (production, champion) and churn@3, all published.

    The user has staged, changed and made files that are none of the registry's.
    """
    stage = Stage(root, server)
    work = stage.work
    for folder in (work, stage.store, root / "home"):
        folder.mkdir(parents=True)
    # Sample hooks would make each copy of a stage slower.
    git(work, "init", "--quiet", "--initial-branch=main", "--template=")
    git(root, "init", "--quiet", "--bare", "--initial-branch=main", "--template=", "origin.git")
    git(work, "remote", "add", "origin", "../origin.git")
    stage.set_up("init")
    (work / "registry" / ".dvc" / "config").write_text(
        "[core]\n    remote = store\n[cache]\n    dir = cache\n"
        "['remote \"store\"']\n    url = ../../../dvc-remote\n"
    )
    (work / ".gitignore").write_text("/models/\n")
    for name in ("notes.md", "train.py"):
        (work / name).write_text("first\n")
    git(work, "add", "registry/.dvc/config", ".gitignore", "notes.md", "train.py")
    git(work, "commit", "--quiet", "-m", "share the bytes")
    for number in (1, 2, 3):
        write_model(work, f"weights {number}")
        stage.set_up("register", "churn", "models/churn", "--metric", f"auc=0.{number}")
    stage.set_up("promote", "churn@1", "--to", "production")
    stage.set_up("promote", "churn@2", "--to", "production", "--alias", "champion", "--push")
    git(work, "branch", "--quiet", "--set-upstream-to=origin/main")
    write_model(work, "weights 4")
    _work_of_the_users(work)
    return stage


def _work_of_the_users(work: Path) -> None:
    (work / "train.py").write_text("staged\n")
    (work / "staged.py").write_text("new\n")
    git(work, "add", "train.py", "staged.py")
    (work / "train.py").write_text("staged, and changed again\n")
    (work / "notes.md").write_text("changed\n")
    (work / "scratch.txt").write_text("untracked\n")


def work_of_the_users(work: Path) -> str:
    """Return what the user has that is not committed, and anything else that a status shows."""
    files = ("train.py", "staged.py", "notes.md", "scratch.txt")
    return "\n".join(
        [
            git(work, "status", "--porcelain", "--untracked-files=all"),
            git(work, "ls-files", "--stage", "--", *files),
            *((work / name).read_text() for name in files),
        ]
    )
