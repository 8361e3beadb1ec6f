"""Deliveries into folders that cannot be renamed: volumes, layers of images, read-only roots."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gitreg.artifacts import swap
from gitreg.artifacts.materialise import check_delivered, deliver
from gitreg.core.model.model import Artifact
from gitreg.dvc import DvcProject
from gitreg.errors import WorldError
from tests.conftest import git

OLD, NEW = ("MLmodel", "data/a", "data/deep/b", "old"), ("MLmodel", "data/a", "data/c", "new/d")
STEPS = len(OLD) + len(NEW)


@pytest.fixture
def project(tmp_path: Path) -> DvcProject:
    root = tmp_path / "repo"
    (root / ".dvc").mkdir(parents=True)
    (root / ".dvc" / "config").write_text("[core]\nno_scm = true\n")
    return DvcProject(root)


@pytest.fixture
def model(project: DvcProject, tmp_path: Path) -> Artifact:
    source = write(tmp_path / "source", NEW, "new")
    tree = project.stage(source)
    return Artifact("model", tree.size, tree.files, tree.sha256, tree.md5)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A destination that holds another model."""
    return write(tmp_path / "out" / "model", OLD, "old")


def write(folder: Path, paths: tuple[str, ...], text: str) -> Path:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(f"{text} {path}")
    return folder


def content(folder: Path) -> dict[str, str]:
    """Return the files of a folder, without gitreg's own."""
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".gitreg-" not in str(path)
    }


BEFORE = {path: f"old {path}" for path in sorted(OLD)}
AFTER = {path: f"new {path}" for path in sorted(NEW)}


@pytest.fixture(params=[errno.EXDEV, errno.EBUSY])
def fixed(request: pytest.FixtureRequest, place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The destination, which cannot be renamed."""
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self == place:
            raise OSError(request.param, os.strerror(request.param), str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    return place


def at_each_step(monkeypatch: pytest.MonkeyPatch, act: Callable[[int], None]) -> None:
    """Call a function before each rename of a file, with the number of those before."""
    replace, count = Path.replace, iter(range(1000))

    def watched(self: Path, target: Path) -> Path:
        act(next(count))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", watched)


def test_files_are_exchanged(project: DvcProject, model: Artifact, fixed: Path) -> None:
    inode = fixed.stat().st_ino
    deliver(project, model, fixed, set(), replace=True)
    assert check_delivered(fixed, model) == []
    assert content(fixed) == AFTER
    assert fixed.stat().st_ino == inode
    assert [path.name for path in fixed.parent.iterdir()] == ["model"]


def test_never_are_two_versions_mixed(
    project: DvcProject, model: Artifact, fixed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, str]] = []
    at_each_step(monkeypatch, lambda _: seen.append(content(fixed)))
    deliver(project, model, fixed, set(), replace=True)
    assert len(seen) == STEPS
    assert seen[0] == BEFORE
    for state in seen[1:]:
        assert state.items() <= BEFORE.items() or state.items() <= AFTER.items()
        assert "MLmodel" not in state  # what a loader opens first


def test_between_file_systems_each_file_is_copied_and_compared(
    project: DvcProject, model: Artifact, fixed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, copy = Path.replace, shutil.copy2

    def refuse(self: Path, target: Path) -> Path:
        if self.parent != target.parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    deliver(project, model, fixed, set(), replace=True)
    assert content(fixed) == AFTER

    def damage(source: Path, target: Path, **options: bool) -> None:
        copy(source, target, **options)
        if source.is_relative_to(fixed.parent) and f"{swap.ASIDE}/" not in f"{source}{target}":
            target.write_text("damaged")

    write(fixed, OLD, "old")
    before = content(fixed)
    monkeypatch.setattr(shutil, "copy2", damage)
    with pytest.raises(WorldError, match="the copy differs"):
        deliver(project, model, fixed, set(), replace=True)
    assert content(fixed) == before


@pytest.mark.parametrize("step", range(STEPS))
def test_a_step_that_fails_puts_everything_back(
    project: DvcProject, model: Artifact, fixed: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    def fail(number: int) -> None:
        if number == step:
            raise OSError(errno.ENOSPC, "No space left on device")

    at_each_step(monkeypatch, fail)
    (fixed / "empty").mkdir()
    with pytest.raises(WorldError, match="No space left"):
        deliver(project, model, fixed, set(), replace=True)
    assert content(fixed) == BEFORE
    assert (fixed / "empty").is_dir()
    assert not list(fixed.parent.rglob(".gitreg-*"))


@pytest.mark.parametrize("step", range(STEPS))
def test_after_a_kill_the_next_delivery_goes_on(
    project: DvcProject, model: Artifact, fixed: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    child = os.fork()
    if child == 0:
        at_each_step(monkeypatch, lambda number: os._exit(9) if number == step else None)
        try:
            deliver(project, model, fixed, set(), replace=True)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert check_delivered(fixed, model) != []  # it does not pass for the model
    deliver(project, model, fixed, set())
    assert check_delivered(fixed, model) == []


def test_two_deliveries_to_one_place(
    project: DvcProject, model: Artifact, fixed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second: list[str] = []

    def again(number: int) -> None:
        if number == 3:
            with pytest.raises(WorldError, match="another gitreg is delivering") as refused:
                deliver(project, model, fixed, set(), replace=True)
            second.append(str(refused.value))

    at_each_step(monkeypatch, again)
    deliver(project, model, fixed, set(), replace=True)
    assert second
    assert content(fixed) == AFTER


def test_what_the_user_has_there_is_refused_as_ever(
    project: DvcProject, model: Artifact, fixed: Path
) -> None:
    (fixed / ".gitreg-x").mkdir()  # of a delivery that was killed while it copied
    with pytest.raises(Exception, match="already exists and is something else"):
        deliver(project, model, fixed, set())
    assert content(fixed) == BEFORE


def test_only_the_destination_is_writable(
    project: DvcProject, model: Artifact, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path) != place.parent and access(path, mode)
    )
    before = place.parent.stat().st_mtime_ns
    assert swap.is_an_island(place)
    deliver(project, model, place, set(), replace=True)
    assert content(place) == AFTER
    assert place.parent.stat().st_mtime_ns == before  # nothing was made beside it


MOUNTS = {
    "layer": """
        mkdir lower layers merged && cp -r {place} lower/model && mount -t tmpfs none layers
        mkdir layers/upper layers/work
        mount -t overlay none merged -o lowerdir=lower,upperdir=layers/upper,workdir=layers/work
        to=merged""",
    "volume": "mkdir -p v/model && mount -t tmpfs none v/model; to=v",
    "bound": "mkdir -p v/model other && mount --bind other v/model; to=v",
    "read-only root": """
        mkdir -p v/model && mount --bind v v && mount -t tmpfs none v/model
        mount -o remount,ro,bind v; to=v""",
}


@pytest.mark.parametrize("kind", MOUNTS)
def test_real_mounts(stocked: Path, tmp_path: Path, kind: str) -> None:
    place = write(tmp_path / "was" / "model", OLD, "old").absolute()
    unshared = ["unshare", "--mount", "bash", "-euc"]
    able = shutil.which("unshare") and os.geteuid() == 0
    if not able or subprocess.run([*unshared, "mount -t tmpfs none /mnt"], check=False).returncode:
        pytest.skip("mounts need root")
    pull = f"{sys.executable} -m gitreg pull --repo {stocked} churn@{{}} -o $to --force"
    steps = MOUNTS[kind].format(place=place)
    script = f"cd {tmp_path}; {steps}\n{pull.format(1)}; {pull.format(2)}; "
    script += "cat $to/model/model.pkl; echo; ls -A $to/model"
    done = subprocess.run([*unshared, script], capture_output=True, text=True, check=False)
    if "mount: " in done.stderr:
        pytest.skip(f"no such mount here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-3:] == ["weights 2", "features.json", "model.pkl"]
    assert git(stocked, "status", "--porcelain") == ""
