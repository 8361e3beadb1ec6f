"""Projects that used GTO: one that DVC and GTO made, and small ones of tags alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import gto.api
from dvc.cli import main as dvc_main

from gitreg import Registry
from gitreg.git.repository import GitRepository
from gitreg.transfer.gto.importing import GtoOptions, import_gto
from gitreg.transfer.report import Report
from tests.conftest import git

BIN = Path(sys.executable).parent
STARTED = 1_672_567_200
"""The time of the first commit, in seconds since the epoch: 2023-01-01."""
DAY = 86_400
GRACE = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "Grace Hopper"), ("EMAIL", "grace@example.com"))
}

PIPELINE = """
stages:
  train:
    cmd: cp data.csv models/churn.pkl && cp data.csv metrics.json
    deps: [data.csv]
    params: [lr]
    outs: [models/churn.pkl]
    metrics:
    - metrics.json: {cache: false}
artifacts:
  churn:
    path: models/churn.pkl
    type: model
    desc: who leaves
    labels: [tabular]
  vocab:
    path: vocab
"""


def tool(folder: Path, name: str, *args: str) -> str:
    """Run GTO or DVC as a process; return what it prints."""
    done = subprocess.run(
        [BIN / name, *args], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def dvc(folder: Path, *args: str) -> None:
    """Run a command of DVC in this process: importing it takes longer than the command."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # DVC's own
            assert dvc_main([*args, "--quiet"]) == 0
    finally:
        os.chdir(before)


def register(folder: Path, name: str, version: str) -> None:
    """Register a version with GTO, as Grace."""
    with mock.patch.dict(os.environ, GRACE):
        gto.api.register(str(folder), name, "HEAD", version=version)


def assign(folder: Path, name: str, version: str, stage: str) -> None:
    """Assign a version to a stage with GTO, as Grace."""
    with mock.patch.dict(os.environ, GRACE):
        gto.api.assign(str(folder), name, version=version, stage=stage, force=True)


def dated(folder: Path, day: int, *args: str, stdin: str | None = None) -> str:
    """Run Git as Grace, on a day."""
    when = f"{STARTED + day * DAY} +0200"
    dates = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
    done = subprocess.run(
        ["git", *args],
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **GRACE, **dates},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip("\n")


def commit(folder: Path, day: int, files: Mapping[str, str]) -> str:
    """Commit files as Grace, on a day; return the commit."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
        git(folder, "add", "--force", path)
    dated(folder, day, "commit", "--quiet", "--allow-empty", "-m", f"day {day}")
    return git(folder, "rev-parse", "HEAD")


def tag(folder: Path, day: int, name: str, commit: str = "HEAD", message: str | None = None) -> str:
    """Tag a commit as GTO does, on a day; return the name."""
    dated(folder, day, "tag", "-a", "-m", message or f"Words of {name}", name, commit)
    return name


def whole_project(base: Path) -> Path:
    """Make a project with a pipeline, a file in Git and a subfolder, tagged by GTO itself.

    Three versions of churn went to production, and the second one again at the end.
    """
    work = base / "work"
    work.mkdir()
    git(base, "init", "--quiet", "--bare", "--initial-branch=main", "origin.git")
    git(work, "init", "--quiet", "--initial-branch=main")
    for key, value in (("user.name", "Grace Hopper"), ("user.email", "grace@example.com")):
        git(work, "config", key, value)
    git(work, "remote", "add", "origin", "../origin.git")
    dvc(work, "init")
    (base / "store").mkdir()
    dvc(work, "remote", "add", "--default", "store", "../store")
    (work / "dvc.yaml").write_text(PIPELINE)
    for folder in ("models", "vocab", "nested/out"):
        (work / folder).mkdir(parents=True)
    (work / "nested" / "dvc.yaml").write_text("artifacts:\n  tiny:\n    path: out/tiny.bin\n")
    (work / "nested" / "out" / "tiny.bin").write_text("tiny weights")
    dvc(work, "add", "nested/out/tiny.bin")
    for number in (1, 2, 3):
        (work / "vocab" / "words.txt").write_text(f"words {number}\n")
        (work / "data.csv").write_text(json.dumps({"auc": number / 10}))
        (work / "params.yaml").write_text(f"lr: 0.0{number}\n")
        dvc(work, "repro")
        dvc(work, "push")
        git(work, "add", ".")
        dated(work, number, "commit", "--quiet", "-m", f"model {number}")
        register(work, "churn", f"v{number}.0.0")
        for stage in ("staging", "production"):
            assign(work, "churn", f"v{number}.0.0", stage)
        if number < 3:
            register(work, "vocab", f"v0.{number}.0")
    assign(work, "churn", "v2.0.0", "production")
    register(work, "nested:tiny", "v1.0.0")
    Registry.init(work)
    git(work, "push", "--quiet", "--set-upstream", "origin", "main", "--tags")
    return work


def bring(folder: Path, **options: Any) -> Report:
    """Import, as the command does."""
    with Registry(folder) as registry:
        return import_gto(registry, GitRepository(folder), GtoOptions(**options))


def lines(report: Report, *, left: bool) -> list[str]:
    """Return the remarks of one kind."""
    return [f"{r.subject}: {r.text}" for r in report.remarks if r.is_left == left]


def tags(folder: Path) -> dict[str, str]:
    return GitRepository(folder).tags()
