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
    remedy = _remedy_of(work, path, stopped.value)
    run(work, remedy, tmp_path / "bin")
    with Registry(work) as registry:
        registry.fetch()
        assert registry.resolve("churn/production").version == 2
        assert registry.set_alias("churn@3", "two", push=True).pushed
        assert [f for f in registry.doctor() if f.severity == "error"] == []
    assert git(work, "status", "--porcelain") == ""


def _remedy_of(work: Path, path: Path, error: GitError) -> str:
    """Return the doctor's remedy; without a HEAD only the error has one."""
    if path.name == "HEAD":
        return str(error.hint)
    with Registry(work) as registry:
        (found,) = (f for f in registry.doctor() if f.code == "damaged")
    assert (found.severity, found.subject) == ("error", str(path))
    return str(found.remedy)


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
