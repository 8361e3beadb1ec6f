"""DVC's cache and remotes, with the real DVC on the other side."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gitreg.dvc import Audit, DvcProject, Fault, Member, digest, init, read_listing
from gitreg.dvc.digest import FileDigest
from gitreg.dvc.door import cause
from gitreg.dvc.foreign import read_foreign_config
from gitreg.dvc.remote import REPAIR, _callback
from gitreg.errors import DvcError, InvalidRequest, WorldError

# DVC 3.67 itself meets this one.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")

EMPTY = hashlib.md5(b"").hexdigest()
ABSENT = "0" * 32

# Two blocks with one MD5, by Wang and Yu: https://www.mscs.dal.ca/~selinger/md5collision/
COLLISION = (
    bytes.fromhex(
        "d131dd02c5e6eec4693d9a0698aff95c2fcab58712467eab4004583eb8fb7f89"
        "55ad340609f4b30283e488832571415a085125e8f7cdc99fd91dbdf280373c5b"
        "d8823e3156348f5bae6dacd436c919c6dd53e2b487da03fd02396306d248cda0"
        "e99f33420f577ee8ce54b67080a80d1ec69821bcb6a8839396f9652b6ff72a70"
    ),
    bytes.fromhex(
        "d131dd02c5e6eec4693d9a0698aff95c2fcab50712467eab4004583eb8fb7f89"
        "55ad340609f4b30283e4888325f1415a085125e8f7cdc99fd91dbd7280373c5b"
        "d8823e3156348f5bae6dacd436c919c6dd53e23487da03fd02396306d248cda0"
        "e99f33420f577ee8ce54b67080280d1ec69821bcb6a8839396f965ab6ff72a70"
    ),
)


def make_project(root: Path, remote: str | None = None, **options: str) -> DvcProject:
    """Make a DVC project without Git, which costs a process."""
    lines = ["[core]", "    no_scm = true"]
    if remote is not None:
        lines += ["    remote = storage", "['remote \"storage\"']", f"    url = {remote}"]
        lines += [f"    {key} = {value}" for key, value in options.items()]
    (root / ".dvc").mkdir(parents=True)
    (root / ".dvc" / "config").write_text("\n".join(lines) + "\n")
    return DvcProject(root)


@pytest.fixture
def project(tmp_path: Path) -> DvcProject:
    return make_project(tmp_path / "repo", str(tmp_path / "remote"))


@pytest.fixture
def lonely(tmp_path: Path) -> DvcProject:
    """A project without a remote."""
    return make_project(tmp_path / "lonely")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "data").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "data" / "weights é.bin").write_bytes(bytes(range(256)) * 100)
    (folder / "data" / "copy.bin").write_bytes(bytes(range(256)) * 100)
    (folder / "empty").write_bytes(b"")
    return folder


def remote_path(project: DvcProject, oid: str) -> Path:
    return project.root.parent / "remote" / "files" / "md5" / oid[:2] / oid[2:]


def damage(path: Path, content: bytes = b"damaged", mode: int = 0o444) -> None:
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(mode)


def files_below(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
        for path in folder.rglob("*")
        if path.is_file()
    }


def open_dvc(root: Path) -> Any:
    from dvc.repo import Repo

    return Repo(str(root))


def write_pointer(root: Path, md5: str, name: str = "model") -> None:
    (root / f"{name}.dvc").write_text(f"outs:\n- md5: {md5}\n  hash: md5\n  path: {name}\n")


def forget_cache(project: DvcProject) -> DvcProject:
    """What a second clone is: the same configuration, no cache."""
    shutil.rmtree(project.root / ".dvc" / "cache", ignore_errors=True)
    return DvcProject(project.root)


class TestInit:
    def test_is_what_dvc_init_does_but_leaves_the_index_alone(self, tmp_path: Path) -> None:
        from dvc.repo import Repo

        for name in ("ours", "theirs"):
            subprocess.run(["git", "init", "-q", tmp_path / name], check=True)
        created = init(tmp_path / "ours")
        Repo.init(str(tmp_path / "theirs")).close()
        assert created == [".dvc/.gitignore", ".dvc/config", ".dvcignore"]
        for path in created:
            assert (tmp_path / "ours" / path).read_bytes() == (
                tmp_path / "theirs" / path
            ).read_bytes()
        status = subprocess.run(
            ["git", "status", "--porcelain"],
            cwd=tmp_path / "ours",
            check=True,
            capture_output=True,
            text=True,
        )
        assert status.stdout == "?? .dvc/\n?? .dvcignore\n"
        assert init(tmp_path / "ours") == []

    def test_keeps_an_ignore_file_that_is_there(self, tmp_path: Path) -> None:
        subprocess.run(["git", "init", "-q", tmp_path], check=True)
        (tmp_path / ".dvcignore").write_text("*.tmp\n")
        assert init(tmp_path) == [".dvc/.gitignore", ".dvc/config"]
        assert (tmp_path / ".dvcignore").read_text() == "*.tmp\n"

    def test_that_fails_leaves_nothing_half_made(self, tmp_path: Path) -> None:
        with pytest.raises(DvcError, match=r"cannot set up DVC: .* is not a git repository"):
            init(tmp_path)
        assert list(tmp_path.iterdir()) == []
        (tmp_path / ".dvcignore").write_text("*.tmp\n")
        with pytest.raises(DvcError):
            init(tmp_path)
        assert list(tmp_path.iterdir()) == [tmp_path / ".dvcignore"]


class TestOpening:
    def test_importing_does_not_import_dvc(self) -> None:
        code = (
            "import sys, gitreg.dvc, gitreg.artifacts.materialise; "
            "sys.exit(any(n.split('.')[0] in ('dvc', 'dvc_data', 'dvc_objects', 'fsspec') "
            "for n in sys.modules))"
        )
        subprocess.run([sys.executable, "-c", code], check=True)

    def test_leaves_the_standard_streams_alone(self, project: DvcProject) -> None:
        code = (
            "import sys; from pathlib import Path; from gitreg.dvc import DvcProject; "
            "before = sys.stdout; DvcProject(Path(sys.argv[1])).remote_name(); "
            "assert 'dvc.config' in sys.modules; sys.exit(sys.stdout is not before)"
        )
        subprocess.run([sys.executable, "-c", code, project.root], check=True)

    def test_a_folder_that_is_none(self, tmp_path: Path) -> None:
        project = DvcProject(tmp_path)
        with pytest.raises(DvcError, match="is not a DVC project") as error:
            project.missing(ABSENT)
        assert error.value.hint == "gitreg init"

    def test_a_configuration_that_does_not_parse(self, project: DvcProject) -> None:
        (project.root / ".dvc" / "config").write_text("[core\n")
        with pytest.raises(DvcError, match="cannot read DVC's configuration") as error:
            project.remote_name()
        assert "\n" not in str(error.value)

    def test_the_remote_s_name(self, project: DvcProject, lonely: DvcProject) -> None:
        assert project.remote_name() == "storage"
        assert lonely.remote_name() is None

    def test_the_cache_is_where_dvc_has_it(self, project: DvcProject, tmp_path: Path) -> None:
        oid = "ab" + "1" * 30
        assert project.cache_path(oid) == project.root / ".dvc/cache/files/md5/ab" / ("1" * 30)
        with (project.root / ".dvc" / "config").open("a") as config:
            config.write("[cache]\n    dir = ../../elsewhere\n    type = copy\n")
        moved = DvcProject(project.root).cache_path(oid)
        assert moved == tmp_path / "elsewhere/files/md5/ab" / ("1" * 30)

    @pytest.mark.parametrize("oid", ["", "../../etc/passwd", "a" * 31, "A" * 32, "a" * 32 + ".exe"])
    def test_what_is_no_name_of_an_object(self, project: DvcProject, oid: str) -> None:
        for ask in (project.cache_path, project.members, project.missing, project.available):
            with pytest.raises(InvalidRequest, match="not the name of a DVC object"):
                ask(oid)

    def test_a_cloud_versioned_remote_is_refused(self, tmp_path: Path) -> None:
        project = make_project(tmp_path / "repo", str(tmp_path / "remote"), version_aware="true")
        with pytest.raises(DvcError, match="cloud-versioned"):
            project.push([EMPTY])

    def test_a_remote_whose_plugin_is_missing(self, tmp_path: Path) -> None:
        project = make_project(tmp_path / "repo", "oss://bucket/models")
        with pytest.raises(DvcError, match="DVC remote storage: ") as error:
            project.available(ABSENT)
        assert error.value.hint == "pip install dvc-oss"

    def test_a_remote_that_is_not_there(self, project: DvcProject) -> None:
        config = project.root / ".dvc" / "config"
        config.write_text(config.read_text().replace("remote = storage", "remote = other"))
        with pytest.raises(DvcError, match="remote 'other' doesn't exist") as error:
            project.push([EMPTY])
        assert error.value.hint is not None


class TestStage:
    def test_a_folder_gets_the_objects_that_dvc_add_gives(
        self, project: DvcProject, model: Path, tmp_path: Path
    ) -> None:
        theirs = make_project(tmp_path / "theirs")
        shutil.copytree(model, theirs.root / "model")
        repo = open_dvc(theirs.root)
        (stage_,) = repo.add(str(theirs.root / "model"))
        tree = project.stage(model)
        assert tree.md5 == stage_.outs[0].hash_info.value
        assert files_below(project.root / ".dvc/cache") == files_below(theirs.root / ".dvc/cache")
        assert tree == digest.hash_tree(model)
        repo.close()

    def test_dvc_checks_out_what_was_staged(self, project: DvcProject, model: Path) -> None:
        write_pointer(project.root, project.stage(model).md5)
        repo = open_dvc(project.root)
        repo.checkout()
        repo.close()
        assert digest.hash_tree(project.root / "model") == digest.hash_tree(model)

    def test_a_file(self, project: DvcProject, tmp_path: Path) -> None:
        (tmp_path / "model.pkl").write_bytes(b"weights")
        done: list[int] = []
        tree = project.stage(tmp_path / "model.pkl", done.append)
        assert tree == digest.hash_tree(tmp_path / "model.pkl")
        assert project.cache_path(tree.md5).read_bytes() == b"weights"
        assert stat.S_IMODE(project.cache_path(tree.md5).stat().st_mode) == 0o444
        assert project.objects(tree.md5) == [tree.md5]
        assert project.members(tree.md5) == (Member("", tree.md5),)
        assert sum(done) == 7

    def test_what_it_consists_of(self, project: DvcProject, model: Path) -> None:
        tree = project.stage(model)
        members = project.members(tree.md5)
        assert members == tuple(Member(file.path, file.md5) for file in tree.members)
        objects = project.objects(tree.md5)
        assert len(objects) == 4  # two of the four files have the same bytes
        assert objects[-1] == tree.md5
        assert project.missing(tree.md5) == []

    def test_what_is_in_the_cache_already_is_kept(self, project: DvcProject, model: Path) -> None:
        tree = project.stage(model)
        inodes = {oid: project.cache_path(oid).stat().st_ino for oid in project.objects(tree.md5)}
        project.cache_path(EMPTY).chmod(0o644)
        assert project.stage(model) == tree
        assert {oid: project.cache_path(oid).stat().st_ino for oid in inodes} == inodes
        assert stat.S_IMODE(project.cache_path(EMPTY).stat().st_mode) == 0o444

    @pytest.mark.parametrize("mode", [0o444, 0o644])
    @pytest.mark.parametrize("content", [b"", b"same si", b"another size"])
    def test_a_damaged_object_is_put_right(
        self, project: DvcProject, tmp_path: Path, mode: int, content: bytes
    ) -> None:
        (tmp_path / "model.pkl").write_bytes(b"weights")
        path = project.cache_path(project.stage(tmp_path / "model.pkl").md5)
        damage(path, content, mode)
        project.stage(tmp_path / "model.pkl")
        assert path.read_bytes() == b"weights"
        assert stat.S_IMODE(path.stat().st_mode) == 0o444

    def test_other_bytes_with_the_same_md5_are_refused(
        self, project: DvcProject, tmp_path: Path
    ) -> None:
        for name, content in zip(("good", "evil"), COLLISION, strict=True):
            (tmp_path / name).write_bytes(content)
        good = project.stage(tmp_path / "good")
        with pytest.raises(DvcError, match=f"same MD5, {good.md5}: DVC cannot store both"):
            project.stage(tmp_path / "evil")
        assert project.cache_path(good.md5).read_bytes() == COLLISION[0]
        assert project.verify_cached(good.sha256, good.md5) == []

    def test_the_listing_comes_last_and_nothing_unfinished_stays(
        self, project: DvcProject, model: Path
    ) -> None:
        def interrupt(_done: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            project.stage(model, interrupt)
        left = files_below(project.root / ".dvc" / "cache")
        assert not [name for name in left if name.endswith((".dir", ".tmp"))]

    def test_what_a_killed_run_left_goes_a_day_later(
        self, project: DvcProject, tmp_path: Path
    ) -> None:
        (tmp_path / "model.pkl").write_bytes(b"")
        folder = project.root / ".dvc/cache/files"
        folder.mkdir(parents=True)
        for name in ("old", "new"):
            (folder / f".gitreg-{name}.tmp").write_bytes(b"")
        yesterday = time.time() - 25 * 3600
        os.utime(folder / ".gitreg-old.tmp", (yesterday, yesterday))
        project.stage(tmp_path / "model.pkl")
        assert sorted(path.name for path in folder.iterdir()) == [".gitreg-new.tmp", "md5"]

    def test_a_cache_that_cannot_be_written(self, project: DvcProject, tmp_path: Path) -> None:
        (tmp_path / "model.pkl").write_bytes(b"weights")
        (project.root / ".dvc" / "cache").write_text("not a folder")
        with pytest.raises(DvcError, match="cannot write to DVC's cache: ") as error:
            project.stage(tmp_path / "model.pkl")
        assert "\n" not in str(error.value)

    def test_a_source_that_is_refused_writes_nothing(
        self, project: DvcProject, tmp_path: Path
    ) -> None:
        with pytest.raises(InvalidRequest):
            project.stage(tmp_path / "nowhere")
        assert not (project.root / ".dvc" / "cache").exists()

    def test_a_source_that_changes_meanwhile_leaves_nothing(
        self, project: DvcProject, tmp_path: Path
    ) -> None:
        path = tmp_path / "log"
        path.write_bytes(b"weights")
        with pytest.raises(WorldError, match="changed while gitreg was reading it"):
            project.stage(path, lambda _done: os.truncate(path, 1))
        assert files_below(project.root / ".dvc" / "cache") == {}

    def test_needs_no_lock_of_dvc_s(self, project: DvcProject, tmp_path: Path) -> None:
        (tmp_path / "model.pkl").write_bytes(b"weights")
        repo = open_dvc(project.root)
        with repo.lock:
            project.stage(tmp_path / "model.pkl")
        repo.close()

    def test_is_quiet_and_leaves_the_process_alone(
        self,
        project: DvcProject,
        model: Path,
        capfd: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(sys, "stdin", None)
        environment, folder = dict(os.environ), Path.cwd()
        tree = project.stage(model)
        project.push([tree.md5])
        forget_cache(project).fetch(tree.md5)
        assert capfd.readouterr() == ("", "")
        assert (dict(os.environ), Path.cwd()) == (environment, folder)


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
        assert error.value.hint == "configure one: dvc remote add -d NAME URL"
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
            with pytest.raises(DvcError, match=f"remote storage does not have {oid}$") as error:
                project.fetch(oid)
            assert error.value.hint == REPAIR
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
            f"{digest.shown(file.path)}: differs" for file in tree.members if file.md5 == oid
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
            f"cannot look for {ABSENT} on DVC remote storage: "
            "403 for http://***@localhost:1/x?*** ***"
        )


class TestHttp:
    """A remote with an asynchronous file system, where DVC takes other ways."""

    @pytest.fixture
    def served(self, project: DvcProject, model: Path) -> Iterator[tuple[DvcProject, Any]]:
        tree = project.stage(model)
        project.push([tree.md5])
        root = project.root.parent / "remote"
        truncated: set[str] = set()

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args: Any) -> None:
                super().__init__(*args, directory=str(root))

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

            def do_POST(self) -> None:
                """Say yes and keep nothing."""
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def copyfile(self, source: Any, outputfile: Any) -> None:
                content = source.read()
                if self.path in truncated:
                    content = content[: len(content) // 2]
                    self.close_connection = True
                outputfile.write(content)

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
            thread.start()
            url = f"http://127.0.0.1:{server.server_port}"
            yield make_project(project.root.parent / "consumer", url), truncated
            server.shutdown()
            thread.join()

    def test_objects_are_fetched(self, served: tuple[DvcProject, Any], model: Path) -> None:
        project, _ = served
        tree = digest.hash_tree(model)
        done: list[int] = []
        assert project.available(tree.md5)
        assert not project.available(ABSENT)
        assert len(project.fetch(tree.md5, done.append)) == 4
        assert project.digest(tree.md5) == tree
        assert sum(done) == sum({file.md5: file.size for file in tree.members}.values())

    def test_an_upload_that_went_nowhere_is_noticed(
        self, served: tuple[DvcProject, Any], tmp_path: Path
    ) -> None:
        project, _ = served
        (tmp_path / "model.pkl").write_bytes(b"never arrives")
        tree = project.stage(tmp_path / "model.pkl")
        with pytest.raises(DvcError, match=f"gitreg uploaded {tree.md5} to DVC remote"):
            project.push([tree.md5])

    def test_of_another_size_than_in_the_cache(
        self, served: tuple[DvcProject, Any], model: Path
    ) -> None:
        """It is read to know which of the two is damaged: here it is the one in the cache."""
        project, _ = served
        tree = project.stage(model)
        damage(project.cache_path(tree.members[1].md5))
        assert project.push([tree.md5]) == 0

    def test_is_audited(self, served: tuple[DvcProject, Any], model: Path) -> None:
        project, truncated = served
        tree = digest.hash_tree(model)
        done: list[int] = []
        assert project.audit([tree.md5, tree.md5], done.append) == {tree.md5: Audit(tree=tree)}
        assert sum(done) == sum({file.md5: file.size for file in tree.members}.values())
        assert not (project.root / ".dvc" / "cache").exists()
        gone = project.audit([ABSENT, f"{ABSENT}.dir"])
        assert gone[ABSENT].faults == (Fault(ABSENT, "", is_missing=True, in_cache=False),)
        assert [fault.path for fault in gone[f"{ABSENT}.dir"].faults] == [None]
        oid = tree.members[1].md5
        truncated.add(f"/files/md5/{oid[:2]}/{oid[2:]}")
        with pytest.raises(DvcError, match=f"cannot read {oid} from DVC remote storage: "):
            project.audit([tree.md5])

    @pytest.mark.parametrize("status", [None, 403, 500])
    def test_no_answer_is_not_taken_for_absence(self, tmp_path: Path, status: int | None) -> None:
        """fsspec raises FileNotFoundError for all of them."""

        class Refusing(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.send_error(status or 0)

            def do_GET(self) -> None:
                self.do_HEAD()

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        server = http.server.HTTPServer(("127.0.0.1", 0), Refusing)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        if status is None:
            server.server_close()
        else:
            thread.start()
        project = make_project(tmp_path / "repo", f"http://127.0.0.1:{server.server_port}")
        try:
            for oid in (ABSENT, f"{ABSENT}.dir"):
                with pytest.raises(DvcError, match="DVC remote storage cannot be reached: "):
                    project.available(oid)
        finally:
            if status is not None:
                server.shutdown()
                thread.join()
                server.server_close()

    def test_half_a_file_does_not_stay(self, served: tuple[DvcProject, Any], model: Path) -> None:
        project, truncated = served
        tree = digest.hash_tree(model)
        oid = tree.members[1].md5
        truncated.add(f"/files/md5/{oid[:2]}/{oid[2:]}")
        with pytest.raises(DvcError, match="cannot fetch from DVC remote storage: "):
            project.fetch(tree.md5)
        assert oid in project.missing(tree.md5)
        truncated.clear()
        assert oid in project.fetch(tree.md5)
        assert project.verify_cached(tree.sha256, tree.md5) == []


class TestInCache:
    @pytest.fixture
    def staged(self, project: DvcProject, model: Path) -> tuple[DvcProject, digest.TreeDigest]:
        return project, project.stage(model)

    def test_all_is_well(self, staged: tuple[DvcProject, digest.TreeDigest]) -> None:
        project, tree = staged
        done: list[int] = []
        assert project.verify_cached(tree.sha256, tree.md5, done.append) == []
        assert sum(done) == tree.size
        assert project.digest(tree.md5) == tree

    def test_missing(self, staged: tuple[DvcProject, digest.TreeDigest]) -> None:
        project, tree = staged
        project.cache_path(tree.members[0].md5).unlink()
        assert project.verify_cached(tree.sha256, tree.md5) == ["MLmodel: missing"]
        with pytest.raises(DvcError, match=f"{tree.members[0].md5} is not in the cache"):
            project.digest(tree.md5)
        project.cache_path(tree.md5).unlink()
        assert project.verify_cached(tree.sha256, tree.md5) == ["missing"]
        assert project.missing(tree.md5) == [tree.md5]
        with pytest.raises(DvcError, match=f"{tree.md5} is not in the cache"):
            project.objects(tree.md5)

    def test_damaged(self, staged: tuple[DvcProject, digest.TreeDigest]) -> None:
        project, tree = staged
        oid = tree.members[1].md5  # the bytes of two files
        damage(project.cache_path(oid))
        assert project.verify_cached(tree.sha256, tree.md5) == [
            "data/copy.bin: differs",
            r"'data/weights \xe9.bin': differs",
        ]
        assert project.damaged(project.objects(tree.md5)) == {oid}
        with pytest.raises(DvcError, match=f"{oid} in the cache is damaged"):
            project.digest(tree.md5)

    def test_a_file_and_another_manifest(self, project: DvcProject, tmp_path: Path) -> None:
        (tmp_path / "model.pkl").write_bytes(b"weights")
        md5 = project.stage(tmp_path / "model.pkl").md5
        assert project.verify_cached("0" * 64, md5) == ["differs"]
        damage(project.cache_path(md5))
        assert project.verify_cached("0" * 64, md5) == ["differs"]

    @pytest.mark.parametrize("content", [b"damaged", b"[]"])
    def test_a_damaged_listing(
        self, staged: tuple[DvcProject, digest.TreeDigest], content: bytes
    ) -> None:
        project, tree = staged
        project.push([tree.md5])
        damage(project.cache_path(tree.md5), content)
        project = DvcProject(project.root)
        with pytest.raises(DvcError, match=f"{tree.md5} in the cache is damaged"):
            project.missing(tree.md5)
        # Where nobody vouched for it, it counts as not there and is fetched again.
        project.cache_path(tree.md5).chmod(0o644)
        assert project.missing(tree.md5) == [tree.md5]
        assert project.fetch(tree.md5) == {tree.md5}
        assert project.missing(tree.md5) == []

    def test_only_what_nobody_vouched_for_is_discarded(
        self, staged: tuple[DvcProject, digest.TreeDigest]
    ) -> None:
        project, tree = staged
        one, other = tree.members[0].md5, tree.members[1].md5
        project.cache_path(one).chmod(0o644)
        assert project.discard([one, other]) == {other}
        assert project.missing(tree.md5) == [one]
        with pytest.raises(DvcError, match=f"cannot remove {one} from DVC's cache: No such file"):
            project.discard([one])


def listing(*entries: object) -> bytes:
    return json.dumps(entries).encode()


def entry(path: object, md5: object = EMPTY) -> dict[str, object]:
    return {"relpath": path, "md5": md5}


class TestHostileListings:
    @pytest.mark.parametrize(
        ("data", "rule"),
        [
            (b"", "not the listing"),
            (b"\xff", "not the listing"),
            (b"{}", "lists no files"),
            (b"[]", "lists no files"),
            (b"3", "not the listing"),
            (b'["a"]', "not the listing"),
            (b"[" * 100_000, "not the listing"),
            (listing({"relpath": "a"}), "not the listing"),
            (listing(entry(3)), "not the listing"),
            (listing(entry("a", 3)), "MD5"),
            (listing(entry("a", EMPTY.upper())), "MD5"),
            (listing(entry("a", "../" * 10 + "xx")), "MD5"),
            (listing(entry("a", EMPTY + ".dir")), "MD5"),
            (listing(entry("")), "plain relative path"),
            (listing(entry("../evil")), "plain relative path"),
            (listing(entry("a/../../evil")), "plain relative path"),
            (listing(entry("/etc/cron.d/evil")), "plain relative path"),
            (listing(entry("a//b")), "plain relative path"),
            (listing(entry("./a")), "plain relative path"),
            (listing(entry("..\\evil")), "backslash"),
            (listing(entry("C:/evil")), "drive letter"),
            (listing(entry("a\x00b")), "control character"),
            (listing(entry("a\x1b[2J")), "control character"),
            (listing(entry("\ud800")), "UTF-8"),
            (listing(entry(".git/hooks/post-checkout")), "not tracked"),
            (listing(entry("a/" * 3000 + "b")), "longer than"),
            (listing(entry("a"), entry("a")), "cannot exist in one folder"),
            (listing(entry("a"), entry("a/b")), "cannot exist in one folder"),
            (listing(entry("Model"), entry("model")), "cannot exist in one folder"),
        ],
    )
    def test_are_refused_everywhere(self, project: DvcProject, data: bytes, rule: str) -> None:
        oid = digest.listing_name(data)
        with pytest.raises(DvcError, match=rule) as error:
            read_listing(data, oid)
        assert str(error.value).isprintable()
        remote_path(project, oid).parent.mkdir(parents=True)
        remote_path(project, oid).write_bytes(data)
        if data:  # an empty one counts as absent
            for ask in (project.fetch, project.available):
                with pytest.raises(DvcError, match=rule):
                    ask(oid)
            assert not project.cache_path(oid).exists()
            project.cache_path(oid).parent.mkdir(parents=True)
            project.cache_path(oid).write_bytes(data)
            with pytest.raises(DvcError, match=rule):
                project.objects(oid)

    def test_that_are_too_large(
        self, project: DvcProject, model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tree = project.stage(model)
        project.push([tree.md5])
        project = forget_cache(project)
        monkeypatch.setattr("gitreg.dvc.remote.SIZE_LIMIT", 10)
        with pytest.raises(DvcError, match="is damaged"):
            project.fetch(tree.md5)

    def test_many_files_are_read_quickly(self) -> None:
        data = listing(*(entry(f"{number % 100}/{number}") for number in range(20_000)))
        before = time.process_time()
        assert len(read_listing(data, "x")) == 20_000
        assert time.process_time() - before < 3


class TestForeign:
    """The project of a repository that is not the user's own."""

    @pytest.fixture
    def published(self, project: DvcProject, model: Path) -> digest.TreeDigest:
        tree = project.stage(model)
        project.push([tree.md5])
        return tree

    @pytest.mark.parametrize("url", ["../remote", "ABSOLUTE"])
    def test_its_artifacts_are_fetched(
        self, tmp_path: Path, published: digest.TreeDigest, url: str
    ) -> None:
        url = url.replace("ABSOLUTE", str(tmp_path / "remote"))
        config = f"[core]\n    remote = Storage\n[ 'remote \"storage\"' ]\n    url = {url}\n"
        folder = tmp_path / "ours" / "1"
        project = DvcProject.from_config(folder, config.encode(), tmp_path)
        assert project.remote_name() == "storage"
        assert project.fetch(published.md5) == set(project.objects(published.md5))
        assert project.verify_cached(published.sha256, published.md5) == []
        again = DvcProject.from_config(folder, config.encode(), tmp_path)
        assert again.missing(published.md5) == []

    def test_a_relative_remote_needs_the_tree(self, tmp_path: Path) -> None:
        config = b"[core]\nremote = s\n['remote \"s\"']\nurl = ../remote\n"
        with pytest.raises(DvcError, match=r"is the folder '../remote' beside the repository"):
            DvcProject.from_config(tmp_path, config, None)

    @pytest.mark.parametrize(
        "config", [b"", b"[core]\n", b"['remote \"s\"']\nurl = /x\n", b"core = 3\n"]
    )
    def test_without_a_default_remote(self, tmp_path: Path, config: bytes) -> None:
        project = DvcProject.from_config(tmp_path, config, None)
        assert project.remote_name() is None
        assert not project.available(ABSENT)

    def test_only_remotes_are_taken(self, tmp_path: Path) -> None:
        config = (
            f"[core]\nremote = s\nhardlink_lock = true\nsite_cache_dir = {tmp_path}/evil\n"
            f"[cache]\ndir = {tmp_path}/evil\n[hydra]\nenabled = true\nplugins_path = {tmp_path}\n"
            "['remote \"s\"']\nurl = /nowhere\n['remote \"t\"']\nurl = x\nkeyfile = /y\n"
        )
        project = DvcProject.from_config(tmp_path / "ours", config.encode(), None)
        assert project.cache_path(ABSENT).is_relative_to(tmp_path / "ours")
        found = read_foreign_config(config.encode(), None)
        assert set(found["remote"]) == {"s"}
        assert found["core"]["remote"] == "s"
        assert not {"hardlink_lock", "site_cache_dir"} & {
            key for key, value in found["core"].items() if value
        }

    def test_the_user_s_own_credentials_stay_away(
        self, tmp_path: Path, hermetic: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "global"))
        (tmp_path / "global").mkdir()
        (tmp_path / "global" / "config").write_text("['remote \"s\"']\npassword = hunter2\n")
        config = b"[core]\nremote = s\n['remote \"s\"']\nurl = http://evil.example/\n"
        project = DvcProject.from_config(tmp_path / "ours", config, None)
        assert "hunter2" not in str(project._config)

    @pytest.mark.parametrize(
        ("url", "option"),
        [
            ("webdav://h/x", "bearer_token_command = touch /tmp/x"),
            ("webdavs://h/x", "cert_path = /etc/passwd"),
            ("webdavs://h/x", "key_path = /etc/passwd"),
            ("ssh://h/x", "keyfile = ~/.ssh/id_ed25519"),
            ("ssh://h/x", "ask_password = true"),
            ("ssh://h/x", "ask_passphrase = true"),
            ("http://h/x", "ask_password = true"),
            ("http://h/x", "ssl_verify = /etc/passwd"),
            ("s3://b/x", "credentialpath = ~/.aws/credentials"),
            ("s3://b/x", "configpath = /x"),
            ("gs://b/x", "credentialpath = /x"),
            ("gs://b/x", "endpointurl = http://evil.example"),
            ("hdfs://h/x", "kerb_ticket = /tmp/krb5cc_0"),
            ("s3://b/x", "surprise = 1"),
        ],
    )
    def test_what_could_name_a_file_or_a_command_is_refused(
        self, tmp_path: Path, url: str, option: str
    ) -> None:
        config = f"[core]\nremote = s\n['remote \"s\"']\nurl = {url}\n{option}\n"
        with pytest.raises(DvcError, match=f"sets '{option.split(maxsplit=1)[0]}'") as error:
            DvcProject.from_config(tmp_path, config.encode(), None)
        assert "clone the repository" in str(error.value.hint)

    @pytest.mark.parametrize(
        ("url", "options"),
        [
            ("s3://b/x", "endpointurl = http://minio:9000\nssl_verify = False\nregion = eu"),
            ("ssh://h/x", "port = 22\nuser = ada\ngss_auth = true"),
            ("http://h/x", "auth = basic\nuser = ada\npassword = pw"),
            ("azure://c/x", "account_name = a"),
        ],
    )
    def test_the_usual_options_pass(self, url: str, options: str) -> None:
        config = f"[core]\nremote = s\n['remote \"s\"']\nurl = {url}\n{options}\n"
        found = read_foreign_config(config.encode(), None)
        assert found["remote"]["s"]["url"] == url

    @pytest.mark.parametrize(
        "url", ["gdrive://x/y", "file:///x", "simplecache::s3://x", "ext::sh", "dvc://x", "git://x"]
    )
    def test_a_url_of_another_kind_is_refused(self, url: str) -> None:
        config = f"[core]\nremote = s\n['remote \"s\"']\nurl = {url}\n"
        with pytest.raises(DvcError, match="has a URL of the kind"):
            read_foreign_config(config.encode(), None)

    def test_a_remote_that_refers_to_another(self, tmp_path: Path) -> None:
        config = (
            "[core]\nremote = images\n['remote \"images\"']\nurl = remote://Server/img\n"
            "['remote \"server\"']\nurl = ssh://host/x\nuser = ada\n"
        )
        found = read_foreign_config(config.encode(), None)
        assert set(found["remote"]) == {"images", "server"}
        evil = config + "keyfile = /x\n"
        with pytest.raises(DvcError, match="sets 'keyfile'"):
            read_foreign_config(evil.encode(), None)
        loop = config.replace("ssh://host/x", "remote://images/x")
        with pytest.raises(DvcError, match="'images' refers to itself"):
            read_foreign_config(loop.encode(), None)

    @pytest.mark.parametrize(
        ("config", "rule"),
        [
            (b"[core\n", "does not parse"),
            (b"\xff\xfe", "does not parse"),
            (b"#" * 70_000, "larger than 64 KiB"),
            (b"[core]\nremote = s\n", "names the remote 's' but no url"),
            (b"[core]\nremote = s\n['remote \"s\"']\nuser = a\n", "no url"),
            (b"[core]\nremote = s\n['remote \"s\"']\nurl = http://h/x\njobs = many\n", "jobs"),
        ],
    )
    def test_a_configuration_that_is_wrong(self, tmp_path: Path, config: bytes, rule: str) -> None:
        with pytest.raises(DvcError, match=rule) as error:
            DvcProject.from_config(tmp_path, config, None)
        assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("two\n  lines"), "two lines"),
        (ValueError(), "ValueError"),
        (FileNotFoundError(2, "No such file", "/x"), "No such file: /x"),
        (ConnectionError(111, "refused"), "refused"),
        (ValueError("get s3://key:secret@host/a failed"), "get s3://***@host/a failed"),
        (ValueError("token is pass word"), "token is ***"),
        (ValueError("x" * 400), "x" * 300 + "…"),
    ],
)
def test_causes(error: Exception, expected: str) -> None:
    assert cause(error, ["pass", "pass word"]) == expected


def test_progress_that_a_file_system_tells_as_a_total() -> None:
    done: list[int] = []
    with _callback(done.append).branched("bucket/x", "/tmp/x") as one:
        one.absolute_update(3)
        one.absolute_update(10)
    assert done == [3, 7]


def test_a_file_digest_can_be_at_another_path() -> None:
    assert FileDigest("", 0, "m", "s").at("a") == FileDigest("a", 0, "m", "s")
