"""Checkouts: files that MLflow loads in place, compared with the manifest every time."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import DvcError, NotFound, WorldError
from gitreg.git import scratch
from gitreg.mlflow import checkouts
from gitreg.mlflow.checkouts import META_FILE, Entry, checkout

MODEL = {
    "MLmodel": "flavors: {}",
    "model.pkl": "weights",
    "code/net.py": "width = 3",
    "data/deep/sample.csv": "1,2",
}


@pytest.fixture
def trained(registry: Registry, tmp_path: Path) -> Path:
    """A registry with ``net``, whose version 1 is a folder and 2 a file."""
    source = tmp_path / "source"
    for name, text in MODEL.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    registry.register("net", source)
    (tmp_path / "net.onnx").write_text("graph")
    registry.register("net", tmp_path / "net.onnx")
    return tmp_path / "registry-repo"


def files_of(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def handed_out(repo: Path, path: str = "", version: int = 1) -> Path:
    return checkout(str(repo), "net", version).hand_out(path)


def test_a_folder_is_handed_out_and_no_link_to_the_cache(trained: Path) -> None:
    place = handed_out(trained)
    assert files_of(place) == MODEL
    assert handed_out(trained) == place
    assert {file.stat().st_nlink for file in place.rglob("*") if file.is_file()} == {1}


def test_parts_are_listed_and_handed_out(trained: Path) -> None:
    files = checkout(str(trained), "net", 1)
    assert files.entries("") == [
        Entry("MLmodel", 11),
        Entry("code", None),
        Entry("data", None),
        Entry("model.pkl", 7),
    ]
    assert files.entries("data") == [Entry("deep", None)]
    assert files.entries("model.pkl") == files.entries("nothing") == []
    assert files.hand_out("data/deep/sample.csv").read_text() == "1,2"
    with pytest.raises(NotFound, match="the artifact has no file or folder"):
        files.hand_out("data/dee")


def test_a_file_lies_in_a_folder(trained: Path, tmp_path: Path) -> None:
    files = checkout(str(trained), "net", 2)
    assert files.entries("") == [Entry("model.onnx", 5)]
    assert files_of(files.hand_out("")) == {"model.onnx": "graph"}
    files.copy("model.onnx", lambda _: tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "graph"


def replaced_by_a_folder(place: Path) -> None:
    (place / "model.pkl").unlink()
    (place / "model.pkl").mkdir()
    (place / "model.pkl" / "x").touch()


def replaced_by_a_link(place: Path) -> None:
    shutil.rmtree(place / "code")
    (place / "elsewhere").mkdir()
    (place / "code").symlink_to(place / "elsewhere")


def root_is_a_file(place: Path) -> None:
    shutil.rmtree(place)
    place.touch()


@pytest.mark.parametrize(
    "alter",
    [
        lambda place: (place / "model.pkl").write_text("WEIGHTS"),
        lambda place: (place / "model.pkl").unlink(),
        lambda place: (place / "more.pkl").touch(),
        lambda place: (place / "code" / META_FILE).touch(),
        lambda place: shutil.rmtree(place / "code"),
        shutil.rmtree,
        lambda place: (place.parent / "files.json").unlink(),
        lambda place: (place.parent / "files.json").write_text("[" * 100_000),
        lambda place: (place.parent / "files.json").write_text('{"name": "", "files": []}'),
        replaced_by_a_folder,
        replaced_by_a_link,
        root_is_a_file,
    ],
)
def test_what_was_altered_is_put_right(trained: Path, alter: Callable[[Path], object]) -> None:
    place = handed_out(trained)
    alter(place)
    assert handed_out(trained) == place
    assert files_of(place) == MODEL
    assert [path.name for path in place.parent.parent.iterdir()] == [place.parent.name]


def test_the_cache_folder_may_be_removed_at_any_time(trained: Path, tmp_path: Path) -> None:
    files = checkout(str(trained), "net", 1)
    place = files.hand_out("")
    shutil.rmtree(place.parents[2])
    assert files_of(files.hand_out("")) == MODEL
    shutil.rmtree(place.parents[2])
    (tmp_path / "there").mkdir()
    files.copy("MLmodel", lambda name: tmp_path / "there" / name)
    assert files_of(tmp_path / "there") == {"MLmodel": MODEL["MLmodel"]}


def test_what_a_killed_process_left_is_removed(trained: Path) -> None:
    place = handed_out(trained)
    left = place.parents[1] / ".gitreg-leftover"
    left.mkdir()
    scratch.hide(left)
    (place / "MLmodel").unlink()
    with scratch.beside(place.parents[1]) as at_work:
        assert handed_out(trained) == place
        assert (left.exists(), at_work.exists()) == (False, True)


def test_only_what_is_asked_for_is_compared(trained: Path) -> None:
    place = handed_out(trained)
    (place / "model.pkl").write_text("WEIGHTS")
    assert handed_out(trained, "code/net.py").read_text() == "width = 3"
    assert (place / "model.pkl").read_text() == "WEIGHTS"


def test_what_mlflow_writes_may_stay(trained: Path) -> None:
    place = handed_out(trained)
    (place / META_FILE).write_text("model_name: net")
    assert (handed_out(trained) / META_FILE).read_text() == "model_name: net"


def test_an_artifact_that_was_downloaded_before_has_that_file(
    trained: Path, registry: Registry, tmp_path: Path
) -> None:
    place = handed_out(trained)
    (place / META_FILE).write_text("model_version: 1")
    registry.register("net", place)
    again = handed_out(trained, version=3)
    (again / META_FILE).write_text("model_version: 3")
    assert (handed_out(trained, version=3) / META_FILE).read_text() == "model_version: 3"
    checkout(str(trained), "net", 3).copy(META_FILE, lambda _: tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "model_version: 1"


def test_a_copy_is_verified_and_replaces_what_is_there(trained: Path, tmp_path: Path) -> None:
    place = handed_out(trained)
    (place / "model.pkl").write_text("WEIGHTS")
    target = tmp_path / "target"
    for name in MODEL:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
    (target / "model.pkl").write_text("older")
    checkout(str(trained), "net", 1).copy("", lambda name: target / name)
    assert files_of(target) == MODEL


def test_a_copy_that_is_altered_again_and_again_is_given_up(trained: Path, tmp_path: Path) -> None:
    files = checkout(str(trained), "net", 1)

    def target_of(name: str) -> Path:
        (files.hand_out("") / name).write_text("WEIGHTS")
        return tmp_path / "target"

    with pytest.raises(WorldError, match="another process keeps changing this file"):
        files.copy("model.pkl", target_of)


def test_a_target_that_cannot_be_written_is_told(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="No such file or directory"):
        checkout(str(trained), "net", 1).copy("MLmodel", lambda name: tmp_path / "nowhere" / name)


def test_damaged_bytes_are_not_handed_out(trained: Path) -> None:
    place = handed_out(trained)
    (place / "model.pkl").unlink()
    for path in (trained / "registry" / ".dvc" / "cache" / "files").rglob("*"):
        if path.is_file() and path.read_text() == "weights":
            path.chmod(0o600)
            path.write_text("poison!")
    with pytest.raises(DvcError):
        handed_out(trained)
    assert not (place / "model.pkl").exists()


def test_what_is_not_there_or_was_deleted_is_not_found(trained: Path, registry: Registry) -> None:
    handed_out(trained)
    with pytest.raises(NotFound):
        handed_out(trained, version=4)
    registry.delete("net@1")
    with pytest.raises(NotFound):
        handed_out(trained)


def test_a_cache_folder_that_cannot_be_written_is_told(
    trained: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(WorldError):
        handed_out(trained)


def test_a_registry_by_url(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = checkout(f"file://{stocked}", "churn", 2)
    assert (files.hand_out("") / "model.pkl").read_text() == "weights 2"
    # Whoever asks for file after file does not ask the repository each time.
    assert checkout(f"file://{stocked}", "churn", 2) is files
    monkeypatch.setattr(checkouts, "FRESH", 0.0)
    monkeypatch.setattr(checkouts, "_RECENT_LIMIT", 1)
    again = checkout(f"file://{stocked}", "churn", 2)
    assert again is not files
    assert again.hand_out("") == files.hand_out("")


def test_many_threads_and_processes_get_it_at_once(trained: Path) -> None:
    program = (
        "import sys; from gitreg.mlflow.checkouts import checkout\n"
        "print(checkout(sys.argv[1], 'net', 1).hand_out(''))"
    )
    others = [
        subprocess.Popen([sys.executable, "-c", program, str(trained)], stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    with ThreadPoolExecutor(4) as pool:
        places = set(pool.map(lambda _: handed_out(trained), range(8)))
    for other in others:
        out, _ = other.communicate(timeout=60)
        places.add(Path(out.decode().strip()))
    assert len(places) == 1
    assert files_of(places.pop()) == MODEL
