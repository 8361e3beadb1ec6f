"""A project whose files DVC 2 wrote: lineage is taken, and the bytes are hashed by themselves."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.core.model.model import DataDependency
from gitreg.dvc.old_hash import old_md5
from gitreg.errors import InvalidRequest
from tests.artifacts.dvc_files import write
from tests.conftest import git

PIPELINE = """\
stages:
  train:
    cmd: python train.py
    deps: [data.csv]
    params: [lr]
    outs: [models/tree.txt, models/net]
    metrics: [metrics.json: {cache: false}]
  judge:
    cmd: echo
    deps: [models/tree.txt]
    metrics: [judged.json: {cache: false}]
"""
TEXT = b"split 1\r\nleaf 2\r\n"
"""A text with the line ends of Windows: DVC 2 hashed it as if it had those of Unix."""

NET = {"weights.bin": b"\0\r\n\xff", "vocab.txt": b"a\r\nb\r\n"}
METRICS = b'{\r\n "auc": 0.9\r\n}\r\n'
JUDGED = b'{\r\n "f1": 0.8\r\n}\r\n'


def unix(data: bytes) -> str:
    data = data if b"\0" in data else data.replace(b"\r\n", b"\n")
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def listing(files: dict[str, bytes]) -> str:
    entries = [{"md5": unix(data), "relpath": name} for name, data in sorted(files.items())]
    whole = json.dumps(entries).encode()
    return hashlib.md5(whole, usedforsecurity=False).hexdigest() + ".dir"


def recorded() -> str:
    """Return the `dvc.lock` that DVC 2.58 writes of the pipeline."""
    tree = f"    - path: models/tree.txt\n      md5: {unix(TEXT)}\n      size: {len(TEXT)}\n"
    return (
        "schema: '2.0'\nstages:\n  train:\n    cmd: python train.py\n    deps:\n"
        f"    - path: data.csv\n      md5: {unix(b'a,b')}\n      size: 3\n"
        "    params:\n      params.yaml:\n        lr: 0.1\n    outs:\n"
        f"    - path: metrics.json\n      md5: {unix(METRICS)}\n      size: {len(METRICS)}\n"
        f"    - path: models/net\n      md5: {listing(NET)}\n      size: 10\n      nfiles: 2\n"
        f"{tree}"
        f"  judge:\n    cmd: echo\n    deps:\n{tree}    outs:\n"
        f"    - path: judged.json\n      md5: {unix(JUDGED)}\n      size: {len(JUDGED)}\n"
    )


@pytest.fixture
def project(folder: Path) -> Path:
    write(folder, {"dvc.lock": recorded(), "data.csv": "a,b", "params.yaml": "lr: 0.1\n"})
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "models" / "net").mkdir(parents=True)
    (folder / "models" / "tree.txt").write_bytes(TEXT)
    for name, data in NET.items():
        (folder / "models" / "net" / name).write_bytes(data)
    (folder / "metrics.json").write_bytes(METRICS)
    (folder / "judged.json").write_bytes(JUDGED)
    write(folder, {".gitignore": "/models/\n"})
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "pipeline")
    return folder


def test_dvc_itself_takes_these_files_for_unchanged(project: Path) -> None:
    assert modified(project) == []
    assert old_md5(project / "models" / "tree.txt") == unix(TEXT)
    assert old_md5(project / "models" / "net") == listing(NET)
    (project / "models" / "tree.txt").write_bytes(TEXT + b"more")
    assert modified(project) == ["models/tree.txt"]


def modified(project: Path) -> list[str]:
    dvc = (sys.executable, "-m", "dvc", "data", "status", "--granular", "--json")
    done = subprocess.run(dvc, cwd=project, capture_output=True, text=True, check=True)
    found: list[str] = json.loads(done.stdout).get("uncommitted", {}).get("modified", [])
    return found


def test_versions_of_a_project_of_dvc_2(project: Path, tmp_path: Path) -> None:
    with Registry(project) as registry:
        assert registry.register("tree", project / "models" / "tree.txt").warnings == ()
        registry.register("net", project / "models" / "net")
        tree, net = registry.show("tree@1"), registry.show("net@1")
        assert tree.metrics == {"auc": 0.9, "f1": 0.8}
        assert tree.params == {"lr": 0.1}
        assert tree.lineage.command == net.lineage.command == "python train.py"
        assert tree.lineage.data == (DataDependency("data.csv", unix(b"a,b"), 3),)
        # The bytes have their own names in the cache, with the line ends that they have.
        assert tree.artifact.md5 == hashlib.md5(TEXT, usedforsecurity=False).hexdigest()
        assert tree.artifact.md5 != unix(TEXT)
        assert tree.artifact.sha256 == hashlib.sha256(TEXT).hexdigest()
        assert net.artifact.md5 != listing(NET)
        pulled = registry.pull("net@1", tmp_path)
        assert {path.name: path.read_bytes() for path in pulled.iterdir()} == NET
        assert [faults for _, faults in registry.verify()] == [[], []]


def test_what_dvc_2_did_not_record_is_refused(project: Path) -> None:
    tree = project / "models" / "tree.txt"
    with Registry(project) as registry:
        tree.write_bytes(TEXT.replace(b"\r\n", b"\n"))  # the same to DVC 2
        registry.register("tree", tree)
        tree.write_bytes(TEXT + b"more")
        for dry in (True, False):
            with pytest.raises(InvalidRequest, match=r"tree\.txt: differs from what dvc\.lock"):
                registry.register("tree", tree, dry_run=dry)
        tree.unlink()
        with pytest.raises(InvalidRequest, match=r"tree\.txt is not in the work tree, and DVC 2"):
            registry.register("tree", tree)
        write(project, {"metrics.json": "{}"})
        with pytest.raises(InvalidRequest, match=r"metrics\.json: differs from what the stage"):
            registry.register("net", project / "models" / "net")
