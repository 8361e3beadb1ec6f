"""DVC's remotes: what is sent, fetched, audited and repaired."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitreg.dvc import DvcProject, digest, member_paths
from gitreg.dvc.remote import REPAIR
from gitreg.errors import DvcError
from tests.dvc.projects import (
    ABSENT,
    EMPTY,
    damage,
    files_below,
    forget_cache,
    make_project,
    open_dvc,
    remote_path,
    write_pointer,
)

# DVC 3.67 itself meets this one.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")


class TestRemote:
    def test_what_was_pushed_dvc_pulls(self, project: DvcProject, model: Path) -> None:
        tree = project.stage(model)
        assert project.not_on_remote([tree.md5]) == project.objects(tree.md5)
        assert project.push([tree.md5]) == 4
        assert project.not_on_remote([tree.md5]) == []
        assert project.push([tree.md5]) == 0
        project = forget_cache(project)
        write_pointer(project.root, tree.md5)
        repo = open_dvc(project.root)
        repo.pull()
        repo.close()
        assert digest.hash_tree(project.root / "model") == tree

    def test_what_dvc_pushed_is_fetched(self, project: DvcProject, model: Path) -> None:
        shutil.copytree(model, project.root / "model")
        repo = open_dvc(project.root)
        (stage_,) = repo.add(str(project.root / "model"))
        repo.push()
        repo.close()
        md5 = stage_.outs[0].hash_info.value
        project = forget_cache(project)
        done: list[int] = []
        assert project.missing(md5) == [md5]
        fetched = project.fetch(md5, done.append)
        assert fetched == set(project.objects(md5))
        assert project.fetch(md5) == set()
        assert project.digest(md5) == digest.hash_tree(model)
        assert sum(done) == sum(
            {file.md5: file.size for file in project.digest(md5).members}.values()
        )

    def test_what_is_fetched_stays_writable_until_it_is_vouched_for(
        self, project: DvcProject, model: Path
    ) -> None:
        tree = project.stage(model)
        project.push([tree.md5])
        project = forget_cache(project)
        project.fetch(tree.md5)
        modes = {
            oid: stat.S_IMODE(project.cache_path(oid).stat().st_mode)
            for oid in project.objects(tree.md5)
        }
        assert modes.pop(tree.md5) == 0o444  # a listing is checked when it is fetched
        assert all(mode & 0o200 for mode in modes.values())
        assert project.verify_cached(tree.sha256, tree.md5) == []
        assert {stat.S_IMODE(project.cache_path(oid).stat().st_mode) for oid in modes} == {0o444}

    def test_only_what_is_missing_is_fetched(self, project: DvcProject, model: Path) -> None:
        tree = project.stage(model)
        project.push([tree.md5])
        oid = tree.members[0].md5
        project.cache_path(oid).unlink()
        assert project.missing(tree.md5) == [oid]
        assert project.fetch(tree.md5) == {oid}

    def test_a_file_goes_there_and_back(self, project: DvcProject, tmp_path: Path) -> None:
        (tmp_path / "model.pkl").write_bytes(b"weights")
        done: list[int] = []
        md5 = project.stage(tmp_path / "model.pkl").md5
        assert project.push([md5], done.append) == 1
        assert done == [7]
        project = forget_cache(project)
        assert project.fetch(md5) == {md5}

    def test_several_artifacts_share_objects(
        self, project: DvcProject, model: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "model.pkl").write_bytes(b"")
        folder, file = project.stage(model), project.stage(tmp_path / "model.pkl")
        assert project.push([folder.md5, file.md5, folder.md5]) == 4
        assert project.push([]) == 0

    def test_members_are_pushed_although_the_listing_is_there(
        self, project: DvcProject, model: Path
    ) -> None:
        tree = project.stage(model)
        project.push([tree.md5])
        for member in tree.members:
            remote_path(project, member.md5).unlink(missing_ok=True)
        assert set(project.not_on_remote([tree.md5])) == {member.md5 for member in tree.members}
        assert project.push([tree.md5]) == 3

    def test_a_truncated_object_there_is_put_right(self, project: DvcProject, model: Path) -> None:
        tree = project.stage(model)
        project.push([tree.md5])
        big, small = tree.members[1].md5, tree.members[0].md5
        damage(remote_path(project, big), b"half", 0o644)
        damage(remote_path(project, small), b"", 0o644)
        assert set(project.not_on_remote([tree.md5])) == {big, small}
        assert project.push([tree.md5]) == 2
        assert remote_path(project, big).read_bytes() == project.cache_path(big).read_bytes()

    @pytest.mark.parametrize("mode", [0o444, 0o644])
    def test_other_bytes_of_the_same_size_there_are_put_right(
        self, project: DvcProject, model: Path, mode: int
    ) -> None:
        tree = project.stage(model)
        project.push([tree.md5])
        good = files_below(project.root.parent / "remote")
        for oid in project.objects(tree.md5):
            content = project.cache_path(oid).read_bytes()
            if content:
                damage(remote_path(project, oid), b"!" * len(content), mode)
        project = DvcProject(project.root)
        assert project.push([tree.md5]) == 3
        assert files_below(project.root.parent / "remote") == good
        assert project.push([tree.md5]) == 0

    def test_an_object_that_is_replaced_is_never_half_there(
        self, project: DvcProject, model: Path
    ) -> None:
        """DVC's own transfer would empty the file in place first: whoever reads it keeps it."""
        tree = project.stage(model)
        project.push([tree.md5])
        oid = tree.members[1].md5
        damage(remote_path(project, oid))
        with remote_path(project, oid).open("rb") as reader:
            project.push([tree.md5])
            assert reader.read() == b"damaged"
        assert remote_path(project, oid).read_bytes() == project.cache_path(oid).read_bytes()

    def test_a_kill_before_the_rename_leaves_nothing_under_a_name(
        self, project: DvcProject, model: Path
    ) -> None:
        tree = project.stage(model)
        remote = project.root.parent / "remote"
        killed = (
            "import os, signal, sys\n"
            "from pathlib import Path\n"
            "from gitreg.dvc import DvcProject\n"
            "Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
            "DvcProject(Path(sys.argv[1])).push([sys.argv[2]])\n"
        )
        done = subprocess.run([sys.executable, "-c", killed, project.root, tree.md5], check=False)
        assert done.returncode == -signal.SIGKILL
        left = [path for path in remote.rglob("*") if path.is_file()]
        assert left  # it was killed in the middle
        assert {path.parent for path in left} == {remote / "files"}
        yesterday = time.time() - 25 * 3600
        for path in left:
            os.utime(path, (yesterday, yesterday))
        assert project.push([tree.md5]) == 4
        assert not any(path.exists() for path in left)

    @pytest.mark.parametrize("mode", [0o444, 0o644])
    def test_a_damaged_cache_object_is_not_pushed(
        self, project: DvcProject, model: Path, mode: int
    ) -> None:
        tree = project.stage(model)
        oid = tree.members[1].md5
        damage(project.cache_path(oid), mode=mode)
        for asked in (project, DvcProject(project.root)):
            with pytest.raises(DvcError, match=f"{oid} in the cache is damaged") as error:
                asked.push([tree.md5])
            assert str(project.cache_path(oid)) in str(error.value.hint)
        assert not (project.root.parent / "remote").exists()
        assert project.cache_path(oid).read_bytes() == b"damaged"

    def test_what_was_just_hashed_is_not_hashed_again(
        self, project: DvcProject, model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tree = project.stage(model)
        monkeypatch.setattr(digest, "file_md5", None)
        assert project.push([tree.md5]) == 4

    def test_an_object_that_is_nowhere_is_named(self, project: DvcProject, model: Path) -> None:
        tree = project.stage(model)
        oid = tree.members[1].md5
        project.cache_path(oid).unlink()
        with pytest.raises(DvcError, match=f"{oid} is neither in the cache nor on remote storage"):
            project.push([tree.md5])
        assert not (project.root.parent / "remote").exists()
        with pytest.raises(DvcError, match=f"{ABSENT}.dir is neither"):
            project.push([f"{ABSENT}.dir"])

    def test_what_is_only_on_the_remote_need_not_be_pushed(
        self, project: DvcProject, model: Path
    ) -> None:
        tree = project.stage(model)
        project.push([tree.md5])
        project = forget_cache(project)
        assert project.push([tree.md5]) == 0
        assert project.available(tree.md5)
        assert not (project.root / ".dvc" / "cache").exists()

    def test_a_remote_that_cannot_be_written(self, project: DvcProject, model: Path) -> None:
        tree = project.stage(model)
        (project.root.parent / "remote").write_text("not a folder")
        with pytest.raises(DvcError, match="DVC remote storage: Not a directory") as error:
            project.push([tree.md5])
        assert error.value.hint is not None

    def test_no_remote(self, lonely: DvcProject, model: Path) -> None:
        tree = lonely.stage(model)
        assert lonely.available(tree.md5)
        assert lonely.fetch(tree.md5) == set()
        assert lonely.not_on_remote([tree.md5]) == lonely.objects(tree.md5)
        with pytest.raises(DvcError, match="no DVC remote is configured") as error:
            lonely.push([tree.md5])
        assert error.value.hint == "dvc remote add -d NAME URL, and commit .dvc/config"
        lonely.cache_path(EMPTY).unlink()
        assert not lonely.available(tree.md5)
        assert not lonely.available(f"{ABSENT}.dir")
        with pytest.raises(DvcError, match=f"{EMPTY} is not in the cache, and no DVC remote"):
            lonely.fetch(tree.md5)

    @pytest.mark.parametrize("kind", ["absent", "empty"])
    def test_a_remote_that_has_nothing(self, project: DvcProject, kind: str) -> None:
        if kind == "empty":
            (project.root.parent / "remote").mkdir()
        for oid in (ABSENT, f"{ABSENT}.dir"):
            assert not project.available(oid)
            with pytest.raises(DvcError, match=f"remote storage does not have {oid}") as error:
                project.fetch(oid)
            # A folder that is not there may only not be mounted.
            is_told = f": there is no folder {project.root.parent / 'remote'}" in str(error.value)
            assert is_told == (kind == "absent")
            assert str(error.value.hint).removeprefix("is it mounted? if so, ") == REPAIR
        assert (project.root.parent / "remote").exists() == (kind == "empty")

    def test_several_that_the_remote_lacks(self, project: DvcProject, model: Path) -> None:
        tree = project.stage(model)
        project.push([tree.md5])
        project = forget_cache(project)
        for member in tree.members:
            remote_path(project, member.md5).unlink(missing_ok=True)
        assert not project.available(tree.md5)
        with pytest.raises(DvcError, match=r"does not have [0-9a-f]{32} and 2 more$"):
            project.fetch(tree.md5)

    @pytest.mark.parametrize("verify", ["true", "false"])
    @pytest.mark.parametrize("mode", [0o444, 0o644])
    def test_a_damaged_object_there_is_never_removed(
        self, tmp_path: Path, model: Path, mode: int, verify: str
    ) -> None:
        project = make_project(tmp_path / "repo", str(tmp_path / "remote"), verify=verify)
        tree = project.stage(model)
        project.push([tree.md5])
        oid = tree.members[1].md5
        damage(remote_path(project, oid), mode=mode)
        project = forget_cache(project)
        before = files_below(tmp_path / "remote")
        assert project.available(tree.md5)
        assert project.not_on_remote([tree.md5]) == []
        for where in ("not in the cache", "damaged in the cache too"):
            with pytest.raises(DvcError, match=f"{oid} is damaged on remote .*, and {where}$"):
                project.push([tree.md5])
            project.fetch(tree.md5)
        assert files_below(tmp_path / "remote") == before
        assert project.verify_cached(tree.sha256, tree.md5) == [
            f"{member_paths.shown(file.path)}: differs" for file in tree.members if file.md5 == oid
        ]

    def test_a_damaged_listing_there_is_refused(self, project: DvcProject, model: Path) -> None:
        tree = project.stage(model)
        project.push([tree.md5])
        damage(remote_path(project, tree.md5), mode=0o644)
        project = forget_cache(project)
        for ask in (project.fetch, project.available):
            with pytest.raises(DvcError, match=f"{tree.md5} on remote storage is damaged"):
                ask(tree.md5)
        assert remote_path(project, tree.md5).read_bytes() == b"damaged"
        assert not project.cache_path(tree.md5).exists()

    def test_a_folder_in_the_place_of_an_object(self, project: DvcProject) -> None:
        remote_path(project, ABSENT).mkdir(parents=True)
        assert not project.available(ABSENT)

    def test_errors_of_a_file_system_are_one_line_without_credentials(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        project = make_project(
            tmp_path / "repo", "http://ada:hunter2@localhost:1/x", password="sesame42"
        )

        def fail(*_: object, **__: object) -> list[Exception]:
            return [RuntimeError("403 for http://ada:hunter2@localhost:1/x?sig=abc\n sesame42")]

        monkeypatch.setattr("dvc_http.HTTPFileSystem.info", fail)
        with pytest.raises(DvcError) as error:
            project.available(ABSENT)
        assert str(error.value) == (
            f"cannot look for {ABSENT} on DVC remote storage: 403 for http://localhost:1/x ***"
        )
