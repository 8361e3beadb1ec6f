"""A repository that a group shares: what gitreg writes has the modes that Git would give."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import gitdb.db.loose
import pytest

from gitreg import Registry
from gitreg.errors import GitError
from gitreg.git import publish
from gitreg.git.objects import ObjectWriter
from tests.conftest import git, write_model


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(folder: Path) -> set[tuple[bool, str]]:
    """Return the modes of all files and folders below a folder."""
    return {(path.is_dir(), oct(stat.S_IMODE(path.stat().st_mode))) for path in folder.rglob("*")}


@pytest.mark.parametrize(
    "value",
    ["group", "true", "1", "all", "everybody", "2", "0640", "0660", "0600", "umask", "false", "0"],
)
def test_objects_have_git_s_modes(tmp_path: Path, value: str) -> None:
    for name in ("theirs", "ours"):
        git(tmp_path, "init", "--quiet", "--template=", name)
        git(tmp_path / name, "config", "core.sharedRepository", value)
    (tmp_path / "file").write_text("text")
    git(tmp_path / "theirs", "hash-object", "-w", str(tmp_path / "file"))
    writer = ObjectWriter(tmp_path / "ours" / ".git" / "objects")
    writer.write("blob", b"text")
    writer.close()
    objects = [tmp_path / name / ".git" / "objects" for name in ("theirs", "ours")]
    theirs, ours = ({*found.glob("??"), *found.glob("??/*")} for found in objects)
    assert len(ours) == 2
    assert [oct(path.stat().st_mode) for path in sorted(ours)] == [
        oct(path.stat().st_mode) for path in sorted(theirs)
    ]


def test_a_whole_session_leaves_nothing_that_the_group_cannot_write(tmp_path: Path) -> None:
    work = tmp_path / "work"
    git(tmp_path, "init", "--quiet", "--shared=group", "-b", "main", "work")
    Registry.init(work)
    with Registry(work) as registry:
        registry.register("churn", write_model(work))
        registry.promote("churn@1", stage="production")
        registry.log("churn")
        own = {*(work / ".git" / "gitreg").rglob("*"), work / ".git" / "gitreg"}
        assert {path.name for path in own} >= {"lock", "history.sqlite", "history.sqlite-wal"}
    folders = {path for path in (work / ".git").rglob("*") if path.is_dir()}
    wrong = [
        path for path in own | folders if path.exists() and not path.stat().st_mode & stat.S_IWGRP
    ]
    assert wrong == []
    assert all(path.stat().st_mode & stat.S_ISGID for path in folders)


def test_without_the_setting_the_umask_decides(stocked: Path) -> None:
    with Registry(stocked) as registry:
        registry.promote("churn@3", stage="production")
    found = modes(stocked / ".git" / "gitreg") | modes(stocked / ".git" / "objects")
    assert found <= {(True, "0o755"), (False, "0o644"), (False, "0o444")}


def test_an_object_of_somebody_else_is_left_as_it_is(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = ObjectWriter(stocked / ".git" / "objects")
    oid = writer.write("blob", b"theirs")
    place = stocked / ".git" / "objects" / oid[:2] / oid[2:]
    os.utime(place, (1, 1))

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(gitdb.db.loose, "chmod", refuse)
    assert writer.write("blob", b"theirs") == oid
    assert place.stat().st_mtime > 1  # in use again
    monkeypatch.setattr(os, "utime", refuse)
    assert writer.write("blob", b"theirs") == oid
    writer.sync()
    monkeypatch.setattr(gitdb.db.loose.time, "sleep", refuse)  # gitdb would try for a second
    with pytest.raises(GitError, match="object store: ") as failed:
        writer.write("blob", b"mine")
    assert "None" not in str(failed.value)
    assert "sharedRepository" in str(failed.value.hint)
    writer.close()


def test_a_lock_that_somebody_else_made_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with publish.exclusive(tmp_path):
        pass
    real = os.open

    def refuse(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_ACCMODE != os.O_RDONLY:
            raise PermissionError(13, "Permission denied")
        return real(path, flags, mode)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        with publish.exclusive(tmp_path):
            assert publish.is_busy(tmp_path)
        assert not publish.is_busy(tmp_path)
