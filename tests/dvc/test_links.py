"""Links in a folder to register: followed inside the repository and its caches, else refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg.dvc.digest import hash_tree, list_files
from gitreg.errors import InvalidRequest
from gitreg.registry import Registry
from tests.artifacts.dvc_files import write


def link(place: Path, target: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


def test_links_inside_the_repository_are_followed(registry: Registry, folder: Path) -> None:
    write(folder, {"m/epoch=3.ckpt": "weights", "shared/vocab/a.txt": "a", "shared/c.json": "{}"})
    link(folder / "m" / "best.ckpt", "epoch=3.ckpt")
    link(folder / "m" / "vocab", "../shared/vocab")
    link(folder / "m" / "config.json", str(folder / "shared" / "c.json"))
    registry.register("churn", folder / "m")
    registry.register("churn", folder / "m", dry_run=True)
    pulled = registry.pull("churn@1", folder / "out")
    assert list_files(pulled) == ["best.ckpt", "config.json", "epoch=3.ckpt", "vocab/a.txt"]
    assert (pulled / "best.ckpt").read_text() == "weights"
    found = registry.show("churn@1").artifact
    assert (found.files, found.sha256) == (4, hash_tree(pulled).sha256)
    registry.register("churn", folder / "m" / "best.ckpt")  # a link that somebody names
    registry.register("other", folder / "m" / "best.ckpt", data=folder / "m" / "best.ckpt")


def test_a_snapshot_of_hugging_face_is_followed(tmp_path: Path) -> None:
    hub = write(tmp_path / "hub", {"blobs/4d4d": "weights", "blobs/5e5e": "{}", "other": "x"})
    snapshot = hub / "snapshots" / "abc"
    link(snapshot / "model.safetensors", "../../blobs/4d4d")
    link(snapshot / "unet" / "config.json", "../../../blobs/5e5e")
    assert list_files(snapshot, as_source=True) == ["model.safetensors", "unet/config.json"]
    assert hash_tree(snapshot, as_source=True).size == 9
    assert list_files(snapshot / "unet", as_source=True) == ["config.json"]
    link(snapshot / "more", "../../other")
    with pytest.raises(InvalidRequest, match=r"more in .* that leaves the repository"):
        list_files(snapshot, as_source=True)


@pytest.mark.parametrize(
    ("target", "rule"),
    [
        ("/etc/passwd", "that leaves the repository"),
        ("../../outside", "that leaves the repository"),
        ("../.git/config", "that leaves the repository"),
        ("../.dvc/config", "that leaves the repository"),
        ("../sneaky", "that leaves the repository"),
        ("nowhere", "and nothing is there"),
        ("link", "it is a symbolic link"),
        (".", "to a folder around it"),
        ("..", "to a folder around it"),
    ],
)
def test_other_links_are_refused(folder: Path, target: str, rule: str) -> None:
    write(folder, {"m/w.bin": "x", "../outside": "secret"})
    link(folder / "sneaky", "../outside")
    link(folder / "m" / "link", target)
    with pytest.raises(InvalidRequest, match=f"link in .*{rule}") as caught:
        list_files(folder / "m", as_source=True)
    assert caught.value.hint == "replace it with a copy of its target"


def test_folders_that_link_each_other_end(folder: Path) -> None:
    write(folder, {"m/a/x": "x", "n/y": "y"})
    link(folder / "m" / "a" / "n", "../../n")
    link(folder / "n" / "m", "../m/a")
    with pytest.raises(InvalidRequest, match="to a folder around it"):
        list_files(folder / "m", as_source=True)
