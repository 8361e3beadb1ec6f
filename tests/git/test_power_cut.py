"""Files of Git's that a power cut left empty: each is named, and its remedy brings it back."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import GitError, GitregError
from gitreg.git.damage import Damaged
from gitreg.git.repository import GitRepository
from tests.conftest import git
from tests.doctor.states import run


def _empty(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.chmod(0o644)
    path.write_bytes(b"")
    return path


def _object(repository: Path, name: str) -> Path:
    """Empty an object; the templates have theirs in packs, whose objects are loosened first."""
    folder = repository if (repository / "objects").is_dir() else repository / ".git"
    for pack in (folder / "objects/pack").glob("*.pack"):
        moved = shutil.move(pack, folder / pack.name)
        pack.with_suffix(".idx").unlink()
        with Path(moved).open("rb") as data:
            subprocess.run(["git", "unpack-objects", "-q"], cwd=folder, stdin=data, check=True)
    oid = git(repository, "rev-parse", name)
    return _empty(folder / "objects" / oid[:2] / oid[2:])


def _branch(shared: Path) -> Path:
    return _empty(shared / "work/.git/refs/heads/main")


def _head(shared: Path) -> Path:
    return _empty(shared / "work/.git/HEAD")


def _index(shared: Path) -> Path:
    return _empty(shared / "work/.git/index")


def _tracking(shared: Path) -> Path:
    return _empty(shared / "work/.git/refs/remotes/origin/main")


def _tracking_head(shared: Path) -> Path:
    git(shared / "work", "remote", "set-head", "origin", "main")
    return _empty(shared / "work/.git/refs/remotes/origin/HEAD")


def _packed_references(shared: Path) -> Path:
    git(shared / "work", "pack-refs", "--all")
    return _empty(shared / "work/.git/packed-refs")


def _packed(shared: Path, ending: str) -> Path:
    git(shared / "work", "repack", "--quiet", "-a", "-d")
    (path,) = (shared / "work/.git/objects/pack").glob(f"*{ending}")
    return _empty(path)


def _pack(shared: Path) -> Path:
    return _packed(shared, ".pack")


def _pack_index(shared: Path) -> Path:
    return _packed(shared, ".idx")


def _tag(shared: Path) -> Path:
    return _empty(shared / "work/.git/refs/tags/churn@v1.0.0")


def _commit(shared: Path) -> Path:
    return _object(shared / "work", "HEAD")


def _pointer(shared: Path) -> Path:
    return _object(shared / "work", "HEAD:registry/churn/stages/production.yaml")


def _branch_over_there(shared: Path) -> Path:
    return _empty(shared / "origin.git/refs/heads/main")


def _commit_over_there(shared: Path) -> Path:
    return _object(shared / "origin.git", "main")


# Each with whether a read notices it, too.
CUTS: dict[Callable[[Path], Path], bool] = {
    _branch: True,
    _head: True,
    _index: False,
    _tracking: False,
    _tracking_head: False,
    _packed_references: True,
    _pack: True,
    _pack_index: True,
    _tag: False,
    _commit: True,
    _pointer: True,
    _branch_over_there: False,
    _commit_over_there: False,
}


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: cut.__name__)
def test_it_is_named_and_the_remedy_brings_it_back(
    shared: Path, tmp_path: Path, cut: Callable[[Path], Path]
) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        registry.set_alias("churn@3", "one", push=True)
    path = cut(shared)
    with Registry(work) as registry:
        if CUTS[cut]:
            with pytest.raises(Damaged, match=str(path)):
                registry.resolve("churn/production")
        with pytest.raises(GitError, match=str(path)) as stopped:
            registry.set_alias("churn@3", "two", push=True)
    assert "gitreg init" not in f"{stopped.value} {stopped.value.hint}"
    with Registry(work) as registry:
        (found,) = (f for f in registry.doctor() if f.code == "damaged")
    assert (found.severity, found.subject) == ("error", str(path))
    remedy = str(found.remedy)
    run(work, remedy, tmp_path / "bin")
    with Registry(work) as registry:
        registry.fetch()
        assert registry.resolve("churn/production").version == 2
        assert registry.set_alias("churn@3", "two", push=True).pushed
        assert [f for f in registry.doctor() if f.severity == "error"] == []
    assert git(work, "status", "--porcelain") == ""


def test_an_object_with_other_bytes_is_not_a_missing_version(shared: Path, tmp_path: Path) -> None:
    """As after a fault of the disk; Git names such an object without its file."""
    work = shared / "work"
    for name in ("churn/stages/production.yaml", "churn/versions/2/manifest.yaml"):
        path = _object(work, f"HEAD:registry/{name}")
        path.write_bytes(b"garbage garbage")
        with Registry(work) as registry, pytest.raises(Damaged, match=str(path)) as stopped:
            registry.show("churn/production")
        run(work, str(stopped.value.hint), tmp_path / "bin")
        with Registry(work) as registry:
            assert registry.show("churn/production").version == 2


@pytest.mark.parametrize(
    ("name", "remedy"), [("config", "git remote add origin URL"), ("shallow", "git fetch")]
)
def test_settings_that_are_lost_stop_every_write(stocked: Path, name: str, remedy: str) -> None:
    path = _empty(stocked / ".git" / name)
    with Registry(stocked) as registry:
        for push in (False, True):
            with pytest.raises(Damaged, match=str(path)) as stopped:
                registry.set_alias("churn@3", "one", push=push)
            assert remedy in str(stopped.value.hint)
        assert [f.subject for f in registry.doctor() if f.code == "damaged"] == [str(path)]


def test_the_file_is_named_from_a_folder_below(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git names it from the root of the work tree."""
    path = _object(stocked, "HEAD:registry")
    monkeypatch.chdir(stocked / "models")
    with Registry() as registry:
        with pytest.raises(Damaged) as stopped:
            registry.resolve("churn/production")
        assert stopped.value.damage.path == path
        assert [f.subject for f in registry.doctor() if f.code == "damaged"] == [str(path)]


def test_a_commit_that_is_lost_is_not_a_missing_registry(stocked: Path) -> None:
    head = git(stocked, "rev-parse", "HEAD")
    _object(stocked, "HEAD").unlink()
    with Registry(stocked) as registry, pytest.raises(GitError, match=f"commit {head[:9]} is not"):
        registry.resolve("churn/production")


def test_a_repository_without_commits_is_none_that_was_damaged(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", ".")
    with Registry(tmp_path) as registry:
        with pytest.raises(GitregError, match="no registry here") as missing:
            registry.resolve("churn@1")
        assert "gitreg init" in str(missing.value.hint)


def test_an_object_that_nothing_named_yet_is_written_anew(stocked: Path) -> None:
    """A write that lost its power leaves an empty object, and the next write needs the same."""
    text = b"versions:\n- 3\n"
    oid = str(GitRepository.blob_name(text))
    path = _empty(stocked / ".git/objects" / oid[:2] / oid[2:])
    with Registry(stocked) as registry:
        registry.promote("churn@3", stage="production")
    assert path.stat().st_size
    blob = git(stocked, "show", "HEAD:registry/churn/stages/production.yaml")
    assert blob == text.decode().strip()
