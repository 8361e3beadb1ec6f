"""`.dvcignore`: what `dvc add` leaves out of a folder is left out of a registration."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gitreg.dvc.digest import hash_tree, list_files
from gitreg.dvc.ignoring import kept_in
from gitreg.errors import InvalidRequest
from gitreg.registry import Registry
from tests.artifacts.dvc_files import write

PATTERNS = """
# a comment
.DS_Store
*.tmp
!keep.tmp
logs/
/models/churn/top.txt
"""
MODEL = {
    "models/churn/w.bin": "weights",
    "models/churn/.DS_Store": "x",
    "models/churn/keep.tmp": "x",
    "models/churn/other.tmp": "x",
    "models/churn/top.txt": "x",
    "models/churn/deep/top.txt": "x",
    "models/churn/deep/logs/1": "x",
    "models/churn/deep/.DS_Store": "x",
    "models/churn/deep/nested.cfg": "x",
    "models/.dvcignore": "*.cfg\n",
}
LEFT = ["deep/top.txt", "keep.tmp", "w.bin"]


def dvc(folder: Path, *args: str) -> None:
    command = [sys.executable, "-m", "dvc", *args, "-q"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def test_a_folder_is_what_dvc_add_makes_of_it(registry: Registry, folder: Path) -> None:
    source = write(folder, {".dvcignore": PATTERNS, **MODEL}) / "models" / "churn"
    assert list_files(source, as_source=True) == LEFT
    assert len(list_files(source)) == 9
    registry.register("churn", source)  # before DVC tracks it
    planned = registry.register("churn", source, dry_run=True)
    dvc(folder, "add", "models/churn")
    recorded = (folder / "models" / "churn.dvc").read_text()
    assert hash_tree(source, as_source=True).md5 in recorded
    (source / "new.tmp").write_text("x")
    registry.register("churn", source)  # although DVC would say that nothing changed
    registry.register("other", source / "w.bin", data=folder / "models" / "churn")
    first, second = registry.show("churn@1"), registry.show("churn@2")
    assert first.artifact == second.artifact
    assert (first.artifact.files, str(first.artifact.md5) in recorded) == (3, True)
    assert planned.commit is None
    (data,) = registry.show("other@1").lineage.data
    assert data.md5 == first.artifact.md5
    pulled = registry.pull("churn@1", folder / "out")
    assert sorted(path.name for path in pulled.rglob("*") if path.is_file()) == [
        "keep.tmp",
        "top.txt",
        "w.bin",
    ]


def test_a_folder_that_is_ignored_itself_is_whole(folder: Path) -> None:
    write(folder, {".dvcignore": "build/\n", "build/model/w.bin": "x", "build/model/c.json": "x"})
    assert list_files(folder / "build" / "model", as_source=True) == ["c.json", "w.bin"]
    assert list_files(folder / "build", as_source=True) == ["model/c.json", "model/w.bin"]


def test_what_dvc_never_tracks_is_still_refused(folder: Path) -> None:
    write(folder, {".dvcignore": "*.tmp\n", "m/w.bin": "x", "m/.git/config": "x"})
    with pytest.raises(InvalidRequest, match=r"\.git is not tracked by DVC"):
        list_files(folder / "m", as_source=True)


def test_without_patterns_dvc_is_not_imported(tmp_path: Path) -> None:
    write(tmp_path, {".dvc/config": "", ".dvcignore": "# nothing\n\n", "m/w.bin": "x"})
    assert kept_in(tmp_path / "m") is None
    write(tmp_path / "outside", {".dvcignore": "*.bin\n", "m/w.bin": "x"})
    (tmp_path / ".dvc" / "config").unlink()
    (tmp_path / ".dvc").rmdir()
    assert kept_in(tmp_path / "outside" / "m") is None
    code = (
        "import sys; from pathlib import Path; from gitreg.dvc.digest import hash_tree; "
        f"hash_tree(Path({str(tmp_path / 'm')!r}), as_source=True); print('dvc' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
