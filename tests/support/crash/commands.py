"""The commands that are crashed: how each is prepared, and what it has to lead to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.conftest import git
from tests.support.crash.checks import delivered, pointer
from tests.support.crash.shim import Mode
from tests.support.crash.stage import Stage

DISK_MODES = (
    Mode.KILL,
    Mode.TORN,
    Mode.NO_SPACE,
    Mode.FULL,
    Mode.BROKEN,
    Mode.BROKEN_FOR_GOOD,
)
NET_MODES = (Mode.REFUSED, Mode.CUT)

Check = Callable[[Stage], Iterator[str]]


def _nothing(stage: Stage) -> None:
    """Prepare nothing."""


def _sound(stage: Stage) -> Iterator[str]:
    """Ask no more than every command has to fulfil."""
    return iter(())


@dataclass(frozen=True)
class Command:
    """A command of gitreg's, crashed.

    Attributes:
        name: what it is called here.
        argv: what is typed.
        prepare: brings a stage to where it is typed.
        check: says what is wrong afterwards, besides what is asked after every command.
        commits: how many it makes.
        pushes: whether the remote has to have them.
        modes: how it is crashed.
        served: whether the remote is behind a connection.
        is_write: whether it has an id, by which it is told from others.
        has_registry: whether there is one before.
    """

    name: str
    argv: tuple[str, ...]
    prepare: Callable[[Stage], None] = _nothing
    check: Check = _sound
    commits: int = 1
    pushes: bool = False
    modes: tuple[Mode, ...] = field(default=DISK_MODES)
    served: bool = False
    is_write: bool = True
    has_registry: bool = True

    def allows(self, mode: Mode, then: str) -> bool:
        """Return whether it makes sense that something happens after a crash in a mode.

        People go on after a kill of a command that changes the registry.
        """
        if then == "nothing":
            return True
        if mode is not Mode.KILL or not self.has_registry or self.served:
            return False
        if then == "power-cut":
            return True
        return self.is_write and (then == "plain-git" or self.argv[0] != "rollback")


def _registered(stage: Stage) -> Iterator[str]:
    yield from pointer(stage, "stages/production.yaml", "- 2")


def _promoted(stage: Stage) -> Iterator[str]:
    yield from pointer(stage, "stages/production.yaml", "- 3")
    yield from pointer(stage, "stages/archived.yaml", "- 1\n- 2")
    yield from pointer(stage, "aliases/champion.yaml", "version: 3")


def _rolled_back(stage: Stage) -> Iterator[str]:
    yield from pointer(stage, "stages/production.yaml", "- 1")
    yield from pointer(stage, "stages/archived.yaml", "- 2")


def _local_commits(stage: Stage) -> None:
    stage.set_up("register", "churn", "models/churn")
    stage.set_up("promote", "churn@4", "--to", "production")


def _published(stage: Stage) -> Iterator[str]:
    yield from pointer(stage, "stages/production.yaml", "- 4")


def _colleague(stage: Stage) -> None:
    """Let somebody else publish from a clone of their own."""
    git(stage.root, "clone", "--quiet", "origin.git", "theirs")
    ran = stage.gitreg(
        "promote", "churn@3", "--to", "production", "--push", folder=stage.root / "theirs"
    )
    assert ran.code == 0, ran
    shutil.rmtree(stage.root / "theirs")


def _fetched(stage: Stage) -> Iterator[str]:
    here, there = (
        git(stage.work, "rev-parse", "origin/main"),
        git(stage.origin, "rev-parse", "main"),
    )
    if here != there:
        yield f"origin/main is {here}, and main there is {there}"


def _cold_cache(stage: Stage) -> None:
    """Let the bytes be on the remote alone, as on another machine."""
    for folder, _, files in os.walk(stage.work / "registry" / ".dvc" / "cache"):
        for name in files:
            os.chmod(os.path.join(folder, name), 0o644)  # noqa: PTH101, PTH118
    shutil.rmtree(stage.work / "registry" / ".dvc" / "cache")


def _something_there(stage: Stage) -> None:
    _cold_cache(stage)
    (stage.out / "model").mkdir(parents=True)
    (stage.out / "model" / "old.pkl").write_text("old")


def _lost_tags(stage: Stage) -> None:
    for folder in (stage.work, stage.origin):
        names = git(folder, "tag", "--list").splitlines()
        git(folder, "tag", "--delete", *names[1:])


def _no_repository(stage: Stage) -> None:
    """Leave nothing but files of the user's."""
    shutil.rmtree(stage.work)
    stage.work.mkdir()
    (stage.work / "train.py").write_text("untracked\n")


def _initialised(stage: Stage) -> Iterator[str]:
    committed = set(git(stage.work, "ls-tree", "-r", "--name-only", "main").splitlines())
    wanted = {
        "registry/.dvc/.gitignore",
        "registry/.dvc/config",
        "registry/.gitignore",
        "registry/policy.yaml",
    }
    if committed != wanted:
        yield f"committed {sorted(committed)}"
    status = git(stage.work, "status", "--porcelain", "--untracked-files=all")
    if status != "?? train.py":
        yield f"status: {status!r}"
    ran = stage.gitreg("register", "churn", "train.py")
    if ran.code != 0:
        yield f"nothing can be registered: {ran.err}"


_PROMOTE = ("promote", "churn@3", "--to", "production", "--alias", "champion")
_REGISTER = ("register", "churn", "models/churn", "--metric", "auc=0.4")

COMMANDS = (
    Command("register-push", (*_REGISTER, "--push"), check=_registered, pushes=True),
    Command("register", _REGISTER, check=_registered),
    Command("promote-push", (*_PROMOTE, "--push"), check=_promoted, pushes=True),
    Command("promote", _PROMOTE, check=_promoted),
    Command("rollback-push", ("rollback", "churn", "--push"), check=_rolled_back, pushes=True),
    Command("push", ("push",), _local_commits, _published, commits=2, pushes=True, is_write=False),
    Command("fetch", ("fetch",), _colleague, _fetched, commits=0, is_write=False),
    Command(
        "pull",
        ("pull", "churn@champion", "-o", "../out"),
        _cold_cache,
        delivered,
        commits=0,
        is_write=False,
    ),
    Command(
        "pull-force",
        ("pull", "churn@champion", "-o", "../out", "--force"),
        _something_there,
        delivered,
        commits=0,
        is_write=False,
    ),
    Command(
        "tags-sync",
        ("tags", "sync", "--push"),
        _lost_tags,
        commits=0,
        pushes=True,
        is_write=False,
    ),
    Command("init", ("init",), _no_repository, _initialised, is_write=False, has_registry=False),
    Command(
        "promote-push-served",
        (*_PROMOTE, "--push"),
        check=_promoted,
        pushes=True,
        served=True,
        modes=(Mode.KILL, *NET_MODES),
    ),
    Command(
        "register-push-served",
        (*_REGISTER, "--push"),
        check=_registered,
        pushes=True,
        served=True,
        modes=NET_MODES,
    ),
    Command(
        "push-served",
        ("push",),
        _local_commits,
        _published,
        commits=2,
        pushes=True,
        is_write=False,
        served=True,
        modes=NET_MODES,
    ),
    Command(
        "fetch-served",
        ("fetch",),
        _colleague,
        _fetched,
        commits=0,
        is_write=False,
        served=True,
        modes=NET_MODES,
    ),
)
