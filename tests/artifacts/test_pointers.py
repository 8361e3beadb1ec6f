"""Files that stand for a model's bytes are not registered as a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg.artifacts.pointers import check_pointers
from gitreg.artifacts.provenance import Provenance
from gitreg.errors import InvalidRequest, NotFound
from gitreg.registry import Registry
from tests.artifacts.dvc_files import write
from tests.conftest import git

LFS = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'4d' * 32}\nsize 12345\n"
ANNEX = f"/annex/objects/SHA256E-s12345--{'4d' * 32}.bin\n"
DVC = f"outs:\n- md5: {'4d' * 16}\n  size: 12345\n  hash: md5\n  path: weights.bin\n"


@pytest.mark.parametrize(
    ("name", "text", "said", "hint"),
    [
        ("w.bin", LFS, r"w\.bin is a pointer of Git LFS", "git lfs pull"),
        ("w.bin", LFS.replace("git-lfs", "hawser"), "is a pointer of Git LFS", "git lfs pull"),
        ("m/w.bin", ANNEX, r"w\.bin is a pointer of git-annex", "git annex get"),
        ("m/deep/w.safetensors", LFS, r"^deep/w\.safetensors is a pointer", "git lfs pull"),
        ("m/weights.bin.dvc", DVC, r"weights\.bin itself is not there$", "dvc pull"),
    ],
)
def test_a_pointer_is_refused(
    registry: Registry, folder: Path, name: str, text: str, said: str, hint: str
) -> None:
    write(folder, {name: text, "m/config.json": "{}"})
    source = folder / name.split("/", maxsplit=1)[0]
    head = git(folder, "rev-parse", "HEAD")
    for dry_run in (True, False):
        with pytest.raises(InvalidRequest, match=said) as caught:
            registry.register("churn", source, dry_run=dry_run)
        assert str(caught.value.hint).startswith(hint)
    with pytest.raises(InvalidRequest, match=said):
        registry.register_artifact("churn", Provenance(source=source))
    assert git(folder, "rev-parse", "HEAD") == head
    assert not list((folder / ".dvc").rglob("files/md5/*/*"))
    with pytest.raises(NotFound):
        registry.show("churn@1")


def test_what_only_resembles_a_pointer_is_registered(registry: Registry, folder: Path) -> None:
    write(
        folder,
        {
            "m/README.md": f"A pointer begins so:\n{LFS}",
            "m/large.bin": LFS + "x" * 2000,
            "m/weights.bin": "weights",
            "m/weights.bin.dvc": DVC,
            "m/other.dvc": "not one of DVC's",
            "m/__init__.py": "",
        },
    )
    assert registry.register("churn", folder / "m", metrics={"auc": 1}).warnings == ()


def test_empty_weights_are_a_warning(registry: Registry, folder: Path, tmp_path: Path) -> None:
    write(folder, {"m/a.PT": "", "m/deep/b.onnx": "", "m/c.txt": "", "m/d.bin": "x", "model": ""})
    said = "empty, although a model's bytes belong there: "
    assert registry.register("churn", folder / "m", metrics={"auc": 1}).warnings == (
        f"{said}a.PT, deep/b.onnx",
    )
    assert registry.register("churn", folder / "model", metrics={"auc": 1}).warnings == (
        f"{said}{folder / 'model'}",
    )
    assert check_pointers(tmp_path / "nothing") == ()


def test_lost_execute_bits_are_a_warning(registry: Registry, folder: Path) -> None:
    write(folder, {"m/w.bin": "x", "m/run.sh": "#!/bin/sh\n", "m/not.sh": "#!/bin/sh\n"})
    for name in ("w.bin", "run.sh"):
        (folder / "m" / name).chmod(0o755)
    expected = ("a version does not keep execute bits: run.sh",)
    assert registry.register("churn", folder / "m", metrics={"auc": 1}).warnings == expected
