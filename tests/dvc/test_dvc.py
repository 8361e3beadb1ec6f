"""DVC's cache, with the real DVC on the other side."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gitreg.dvc import DvcProject, Member, digest
from gitreg.dvc.digest import FileDigest
from gitreg.dvc.door import cause
from gitreg.dvc.remote import _callback
from gitreg.errors import DvcError, InvalidRequest, WorldError
from tests.dvc.projects import (
    ABSENT,
    COLLISION,
    EMPTY,
    damage,
    files_below,
    forget_cache,
    make_project,
    open_dvc,
    write_pointer,
)

# DVC 3.67 itself meets this one.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")


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


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("two\n  lines"), "two lines"),
        (ValueError(), "ValueError"),
        (FileNotFoundError(2, "No such file", "/x"), "No such file: /x"),
        (ConnectionError(111, "refused"), "refused"),
        (ValueError("get s3://key:secret@host/a failed"), "get s3://host/a failed"),
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
