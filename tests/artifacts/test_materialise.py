"""Deliveries: exactly the artifact, inside the destination, all at once or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tracemalloc
from pathlib import Path

import pytest

from gitreg.artifacts.materialise import check_delivered, deliver
from gitreg.core.model.model import Artifact
from gitreg.dvc import DvcProject, digest
from gitreg.dvc.cache import file_state
from gitreg.errors import DvcError, InvalidRequest, WorldError


@pytest.fixture
def project(tmp_path: Path) -> DvcProject:
    root = tmp_path / "repo"
    (root / ".dvc").mkdir(parents=True)
    (root / ".dvc" / "config").write_text(
        "[core]\nremote = storage\nno_scm = true\n"
        f"['remote \"storage\"']\nurl = {tmp_path}/remote\n"
    )
    return DvcProject(root)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "data").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "data" / "weights.bin").write_bytes(b"w" * 1000)
    return folder


def as_artifact(tree: digest.TreeDigest, path: str = "model") -> Artifact:
    return Artifact(path, tree.size, tree.files, tree.sha256, tree.md5)


@pytest.fixture
def folder(project: DvcProject, source: Path) -> Artifact:
    return as_artifact(project.stage(source))


@pytest.fixture
def file(project: DvcProject, tmp_path: Path) -> Artifact:
    (tmp_path / "model.pkl").write_bytes(b"weights")
    return as_artifact(project.stage(tmp_path / "model.pkl"), "model.pkl")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The folder that the destinations of these tests lie in."""
    path = tmp_path / "out"
    path.mkdir()
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fetch_anew(project: DvcProject, artifact: Artifact) -> set[str]:
    """Push an artifact, forget the cache, and fetch it as another machine would."""
    assert artifact.md5
    project.push([artifact.md5])
    shutil.rmtree(project.root / ".dvc" / "cache")
    return project.fetch(artifact.md5)


def damage(path: Path, content: bytes = b"damaged") -> None:
    """Change a file's bytes and leave its mode as it is."""
    mode = path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(mode)


def member(project: DvcProject, artifact: Artifact, path: str) -> Path:
    assert artifact.md5
    return next(
        project.cache_path(one.md5) for one in project.members(artifact.md5) if one.path == path
    )


class TestDelivery:
    def test_a_folder(self, project: DvcProject, folder: Artifact, source: Path, out: Path) -> None:
        done: list[int] = []
        path = deliver(project, folder, out / "a" / "model", set(), progress=done.append)
        assert path == out / "a" / "model"
        assert digest.hash_tree(path) == digest.hash_tree(source)
        assert names(out / "a") == ["model"]
        assert sum(done) == folder.size
        assert check_delivered(path, folder, project) == []

    def test_a_file(self, project: DvcProject, file: Artifact, out: Path) -> None:
        path = deliver(project, file, out / "model.pkl", set())
        assert path.read_bytes() == b"weights"
        assert names(out) == ["model.pkl"]
        assert check_delivered(path, file) == []

    def test_a_relative_destination(
        self, project: DvcProject, file: Artifact, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(out)
        assert deliver(project, file, Path("model.pkl"), set()) == out / "model.pkl"

    def test_is_a_writable_copy(self, project: DvcProject, folder: Artifact, out: Path) -> None:
        before = os.umask(0o027)
        try:
            path = deliver(project, folder, out / "model", set())
        finally:
            os.umask(before)
        found = (path / "MLmodel").lstat()
        assert stat.filemode(found.st_mode) == "-rw-r-----"
        assert found.st_nlink == 1
        assert stat.filemode((path / "data").stat().st_mode) == "drwxr-x---"
        assert stat.filemode(path.stat().st_mode) == "drwxr-x---"

    def test_vouches_for_what_was_fetched(
        self, project: DvcProject, folder: Artifact, out: Path
    ) -> None:
        deliver(project, folder, out / "model", fetch_anew(project, folder))
        mode = member(project, folder, "MLmodel").stat().st_mode
        assert stat.S_IMODE(mode) == 0o444

    def test_memory_is_constant_in_the_size(
        self, project: DvcProject, tmp_path: Path, out: Path
    ) -> None:
        with (tmp_path / "large").open("wb") as large:
            large.truncate(48 * digest.CHUNK)
        tracemalloc.start()
        try:
            artifact = as_artifact(project.stage(tmp_path / "large"), "model.bin")
            deliver(project, artifact, out / "model.bin", set())
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 12 * digest.CHUNK  # DVC's own modules are imported meanwhile


class TestDestination:
    def test_that_is_the_artifact_already_is_not_touched(
        self, project: DvcProject, folder: Artifact, out: Path
    ) -> None:
        path = deliver(project, folder, out / "model", set())
        before = {one: file_state(one) for one in path.rglob("*")}
        shutil.rmtree(project.root / ".dvc" / "cache")
        assert deliver(project, folder, path, set()) == path
        assert {one: file_state(one) for one in path.rglob("*")} == before

    @pytest.mark.parametrize("kind", ["file", "folder"])
    def test_that_is_something_else_is_refused(
        self, project: DvcProject, folder: Artifact, file: Artifact, out: Path, kind: str
    ) -> None:
        for number, artifact in enumerate((folder, file)):
            path = out / str(number)
            if kind == "file":
                path.write_text("mine")
            else:
                path.mkdir()
                (path / "mine").write_text("mine")
            with pytest.raises(InvalidRequest, match="already exists") as error:
                deliver(project, artifact, path, set())
            assert error.value.hint
            assert (path if kind == "file" else path / "mine").read_text() == "mine"
        assert names(out) == ["0", "1"]

    @pytest.mark.parametrize("kind", ["file", "folder"])
    def test_that_is_something_else_is_replaced_when_that_was_said(
        self, project: DvcProject, folder: Artifact, file: Artifact, out: Path, kind: str
    ) -> None:
        for number, artifact in enumerate((folder, file)):
            path = out / str(number)
            if kind == "file":
                path.write_text("mine")
            else:
                path.mkdir()
                (path / "mine").write_text("mine")
            deliver(project, artifact, path, set(), replace=True)
            assert check_delivered(path, artifact) == []
        assert names(out) == ["0", "1"]

    def test_that_is_an_empty_folder(
        self, project: DvcProject, folder: Artifact, file: Artifact, out: Path
    ) -> None:
        for name in ("folder", "file"):
            (out / name).mkdir()
        deliver(project, folder, out / "folder", set())
        assert check_delivered(out / "folder", folder) == []
        with pytest.raises(InvalidRequest, match="already exists"):
            deliver(project, file, out / "file", set())

    @pytest.mark.parametrize("target", ["mine", "nowhere"])
    def test_that_is_a_link_is_refused(
        self, project: DvcProject, folder: Artifact, out: Path, target: str
    ) -> None:
        (out / "mine").mkdir()
        (out / "link").symlink_to(target)
        for replace in (False, True):
            with pytest.raises(InvalidRequest, match="link is a symbolic link"):
                deliver(project, folder, out / "link", set(), replace=replace)
        assert names(out) == ["link", "mine"]
        assert names(out / "mine") == []

    def test_below_a_link(self, project: DvcProject, file: Artifact, out: Path) -> None:
        (out / "real").mkdir()
        (out / "link").symlink_to("real")
        deliver(project, file, out / "link" / "model.pkl", set())
        assert names(out / "real") == ["model.pkl"]

    def test_that_cannot_be_written(self, project: DvcProject, file: Artifact, out: Path) -> None:
        (out / "mine").write_text("mine")
        for place in (out / "mine" / "model.pkl", out / "mine" / "deeper" / "model.pkl"):
            with pytest.raises(InvalidRequest, match="mine is not a folder"):
                deliver(project, file, place, set())
        with pytest.raises(WorldError, match=r"cannot deliver to /proc/model\.pkl: "):
            deliver(project, file, Path("/proc/model.pkl"), set())

    @pytest.mark.parametrize("error", [OSError(5, "Input/output error"), KeyboardInterrupt()])
    def test_is_put_back_when_the_last_step_fails(
        self,
        project: DvcProject,
        folder: Artifact,
        out: Path,
        monkeypatch: pytest.MonkeyPatch,
        error: BaseException,
    ) -> None:
        def fail(*_: object) -> None:
            raise error

        (out / "model").mkdir()
        (out / "model" / "mine").write_text("mine")
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", fail)
            with pytest.raises((WorldError, KeyboardInterrupt)):
                deliver(project, folder, out / "model", set(), replace=True)
        assert names(out) == ["model"]
        assert (out / "model" / "mine").read_text() == "mine"

    def test_is_not_there_when_the_last_step_fails(
        self, project: DvcProject, folder: Artifact, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", fail)
            with pytest.raises(WorldError, match="No space left"):
                deliver(project, folder, out / "model", set())
        assert names(out) == []

    def test_is_not_there_after_an_interrupt(
        self, project: DvcProject, folder: Artifact, out: Path
    ) -> None:
        def interrupt(_done: int) -> None:
            assert names(out)[0].startswith(".gitreg-")
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            deliver(project, folder, out / "model", set(), progress=interrupt)
        assert names(out) == []


class TestDamage:
    def test_that_was_fetched_is_named_and_leaves_the_cache(
        self, project: DvcProject, folder: Artifact, out: Path
    ) -> None:
        fetched = fetch_anew(project, folder)
        path = member(project, folder, "data/weights.bin")
        damage(path)
        with pytest.raises(
            DvcError, match=r"^data/weights\.bin: arrived damaged from the DVC remote"
        ) as error:
            deliver(project, folder, out / "model", fetched)
        assert error.value.hint
        assert names(out) == []
        assert not path.exists()
        deliver(project, folder, out / "model", project.fetch(folder.md5 or ""))

    def test_that_a_killed_run_fetched_leaves_the_cache_too(
        self, project: DvcProject, file: Artifact, out: Path
    ) -> None:
        fetch_anew(project, file)
        path = member(project, file, "")
        damage(path)
        with pytest.raises(DvcError, match=r"^model\.pkl: damaged in DVC's cache"):
            deliver(project, file, out / "model.pkl", set())
        assert not path.exists()

    def test_of_what_was_vouched_for_is_left_to_its_owner(
        self, project: DvcProject, folder: Artifact, out: Path
    ) -> None:
        path = member(project, folder, "data/weights.bin")
        damage(path)
        with pytest.raises(DvcError, match=r"weights\.bin: damaged in DVC's cache") as error:
            deliver(project, folder, out / "model", set())
        assert error.value.hint == f"remove {path}, then run the command again"
        assert path.read_bytes() == b"damaged"
        assert names(out) == []

    @pytest.mark.parametrize(
        "wrong",
        [{"sha256": "0" * 64}, {"size": 1}, {"files": 7}],
    )
    def test_to_the_manifest(
        self, project: DvcProject, folder: Artifact, out: Path, wrong: dict[str, int | str]
    ) -> None:
        fields = {
            "path": "model",
            "size": folder.size,
            "files": folder.files,
            "sha256": folder.sha256,
            "md5": folder.md5,
        }
        artifact = Artifact(**{**fields, **wrong})  # type: ignore[arg-type]
        with pytest.raises(DvcError, match="but not the SHA-256 of its manifest"):
            deliver(project, artifact, out / "model", set())
        assert names(out) == []
        assert project.missing(folder.md5 or "") == []

    def test_by_which_an_object_is_missing(
        self, project: DvcProject, folder: Artifact, out: Path
    ) -> None:
        path = member(project, folder, "MLmodel")
        path.unlink()
        with pytest.raises(DvcError, match="of MLmodel is not in the cache"):
            deliver(project, folder, out / "model", set())
        assert names(out) == []

    def test_to_the_pointer(self, project: DvcProject, out: Path) -> None:
        with pytest.raises(DvcError, match=r"no \.dvc file names the object of model"):
            deliver(project, Artifact("model", 1, 1, "0" * 64), out / "model", set())

    def test_by_a_hostile_listing_stays_inside(
        self, project: DvcProject, file: Artifact, out: Path
    ) -> None:
        listing = b'[{"md5": "%s", "relpath": "../evil"}]' % (file.md5 or "").encode()
        md5 = hashlib.md5(listing).hexdigest() + ".dir"
        project.cache_path(md5).parent.mkdir(parents=True, exist_ok=True)
        project.cache_path(md5).write_bytes(listing)
        with pytest.raises(DvcError, match="plain relative path"):
            deliver(project, Artifact("model", 7, 1, file.sha256, md5), out / "sub" / "x", set())
        assert names(out) == []


class TestCheck:
    def test_names_what_differs(self, project: DvcProject, folder: Artifact, out: Path) -> None:
        path = deliver(project, folder, out / "model", set())
        (path / "MLmodel").write_text("other")
        (path / "notes").write_text("mine")
        (path / "data" / "weights.bin").unlink()
        expected = ["MLmodel: differs", "data/weights.bin: missing", "notes: not part of it"]
        assert check_delivered(path, folder, project) == expected
        assert check_delivered(path, folder) == ["differs"]
        project.cache_path(folder.md5 or "").unlink()
        assert check_delivered(path, folder, project) == ["differs"]

    def test_of_another_manifest(self, project: DvcProject, folder: Artifact, out: Path) -> None:
        path = deliver(project, folder, out / "model", set())
        other = Artifact("model", folder.size, folder.files, "0" * 64, folder.md5)
        assert check_delivered(path, other, project) == ["differs"]

    def test_of_the_wrong_kind(
        self, project: DvcProject, folder: Artifact, file: Artifact, out: Path
    ) -> None:
        assert check_delivered(out / "nowhere", file) == ["missing"]
        assert check_delivered(out, file) == ["differs"]
        (out / "file").write_text("x")
        assert check_delivered(out / "file", folder) == ["differs"]
        assert check_delivered(out / "file", file, project) == ["differs"]
        path = deliver(project, file, out / "model.pkl", set())
        (out / "link").symlink_to(path)
        assert check_delivered(out / "link", file) == ["differs"]

    def test_of_a_folder_with_a_link(
        self, project: DvcProject, folder: Artifact, out: Path
    ) -> None:
        path = deliver(project, folder, out / "model", set())
        (path / "MLmodel").unlink()
        (path / "MLmodel").symlink_to("/etc/passwd")
        (line,) = check_delivered(path, folder, project)
        assert line.startswith("differs: MLmodel in ")
        assert line.endswith("it is a symbolic link")
