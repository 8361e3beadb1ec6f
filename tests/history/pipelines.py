"""A project whose versions DVC's pipeline made: data in a folder, code, a script of no stage."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gitreg import Registry
from tests.conftest import git

STAGES = """\
stages:
  prepare:
    cmd: python prepare.py
    deps: [prepare.py, raw]
    outs: [data]
  train:
    cmd: python -m churn.train
    deps: [data]
    params: [rate]
    outs: [models/churn.txt]
    metrics: [{metrics.json: {cache: false}}]
"""
PREPARE = """\
from pathlib import Path
Path("data").mkdir(exist_ok=True)
for raw in sorted(Path("raw").iterdir()):
    Path("data", raw.name).write_text(raw.read_text().upper())
"""
TRAIN = """\
from pathlib import Path
words = "".join(path.read_text() for path in sorted(Path("data").iterdir()))
Path("models").mkdir(exist_ok=True)
Path("models/churn.txt").write_text(words + Path("params.yaml").read_text())
Path("metrics.json").write_text('{"auc": 0.5}')
"""


def write(folder: Path, files: dict[str, str | None]) -> None:
    for name, text in files.items():
        path = folder / name
        if text is None:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def commit(folder: Path, message: str) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def python(folder: Path, script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def repro(folder: Path) -> None:
    python(folder, "import sys; from dvc.cli import main; sys.exit(main(['repro', '--quiet']))")


def make(folder: Path) -> None:
    """Make a project whose churn@1 and churn@2 differ in code, data, params and packages."""
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / ".dvc").mkdir()
    (folder / ".dvc" / "config").write_text(
        "[core]\n    remote = store\n['remote \"store\"']\n    url = ../../store\n"
    )
    (folder / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
    Registry.init(folder)
    write(
        folder,
        {
            "dvc.yaml": STAGES,
            "prepare.py": PREPARE,
            "churn/__init__.py": "",
            "churn/train.py": TRAIN,
            "params.yaml": "rate: 1\n",
            "notes.md": "one\n",
            "raw/a.txt": "a",
            "raw/b.txt": "bb",
            "raw/c.txt": "ccc",
        },
    )
    repro(folder)
    commit(folder, "the first pipeline")
    with Registry(folder) as registry:
        registry.register("churn", folder / "models" / "churn.txt")
        write(folder, {"notes.md": "two\n"})
        commit(folder, "notes")
        write(folder, {"prepare.py": PREPARE.replace("upper", "lower")})
        commit(folder, "lower case")
        write(folder, {"raw/a.txt": "changed", "raw/b.txt": None, "raw/d.txt": "d"})
        write(folder, {"params.yaml": "rate: 2\n"})
        repro(folder)
        commit(folder, "other data")
        registry.register("churn", folder / "models" / "churn.txt", push=False)
