"""`gitreg reproduce` on a real DVC pipeline: each verdict, what is missing, and the record."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gitreg import InvalidRequest, Registry
from gitreg.reproduce import plan, reproduce, statement_on
from gitreg.reproduce.verdict import ComparedMetric, Outcome, judge
from tests.conftest import git, isolate
from tests.support.commands import gitreg

TRAIN = """\
import json, os, pathlib, random
rows = [int(line) for line in open("data/train.csv")]
pathlib.Path("models").mkdir(exist_ok=True)
noise = random.random() if os.environ.get("NOISE") or pathlib.Path("noise").exists() else 0
model = {"mean": sum(rows) / len(rows), "noise": noise, "secret": os.environ.get("TOKEN")}
pathlib.Path("models/m.json").write_text(json.dumps(model))
pathlib.Path("metrics.json").write_text(json.dumps({"auc": 0.9 + noise / 1000}))
"""
PIPELINE = """\
stages:
  train:
    cmd: python train.py
    deps: [train.py, data/train.csv]
    outs: [models/m.json]
    metrics:
    - metrics.json: {cache: false}
"""


def dvc(folder: Path, *args: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "dvc", *args], cwd=folder, check=True, capture_output=True
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose stage made churn@1, and, with noise, churn@2; its data is DVC's."""
    folder = tmp_path_factory.mktemp("reproduce") / "work"
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("reproduce-home"))
        Registry.init(folder)
        (folder / "data").mkdir()
        (folder / "data" / "train.csv").write_text("\n".join(map(str, range(100))))
        dvc(folder, "add", "--quiet", "data/train.csv")
        (folder / "train.py").write_text(TRAIN)
        (folder / "dvc.yaml").write_text(PIPELINE)
        (folder / "requirements.txt").write_text("")
        with Registry(folder) as registry:
            for number, files in ((1, ()), (2, ("noise",))):
                for file in files:
                    (folder / file).touch()
                dvc(folder, "repro", "--quiet", "--force")
                git(folder, "add", ".")
                git(folder, "commit", "--quiet", "--message", f"train {number}")
                registry.register("churn", folder / "models" / "m.json")
    return folder


@pytest.fixture
def project(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "work", symlinks=True))


def again(folder: Path, number: int, **options: object) -> tuple[str, str]:
    """Reproduce a version; return the verdict, and what is missing."""
    with Registry(folder) as registry:
        planned = plan(registry, f"churn@{number}", environment="current")
        done = reproduce(registry, planned, **options)  # type: ignore[arg-type]
    return done.verdict.verdict, "\n".join(done.verdict.missing)


def test_the_same_bytes_come_out_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "hidden")  # the command must not see it
    (project / "data" / "train.csv").unlink()  # nor what lies in the tree now
    (project / "train.py").write_text("broken now")
    before = git(project, "status", "--porcelain")
    assert again(project, 1) == ("identical", "")
    assert git(project, "status", "--porcelain") == before
    assert git(project, "worktree", "list").count("\n") == 0
    assert again(project, 1, passed={"TOKEN": "given"})[0] == "equivalent"


def test_other_bytes_are_equivalent_within_the_tolerance(project: Path) -> None:
    assert again(project, 2, tolerances={"auc": 0.001})[0] == "equivalent"
    assert again(project, 2)[0] == "different"


def test_data_that_is_gone_is_named(project: Path) -> None:
    shutil.rmtree(project / ".dvc" / "cache")
    verdict, missing = again(project, 1)
    assert verdict == "inconclusive"
    assert missing.startswith("data: data/train.csv (")


def test_a_command_that_fails_is_inconclusive_and_its_log_is_kept(project: Path) -> None:
    with Registry(project) as registry:
        planned = plan(registry, "churn@1", environment="current")
        (project / "train.py").write_text("raise SystemExit('no GPU')")
        git(project, "commit", "--quiet", "--all", "--message", "broken")
        broken = replace(planned, commit=git(project, "rev-parse", "HEAD"))
        done = reproduce(registry, broken)
    assert done.verdict.verdict == "inconclusive"
    assert done.verdict.missing[0].startswith("data: train.py (")
    with Registry(project) as registry:
        done = reproduce(registry, replace(broken, data=()))
    assert done.verdict.missing[0].startswith("command: it ended with status ")
    assert done.log is not None
    assert "no GPU" in done.log.read_text()


def test_what_a_plan_misses_is_said_before_anything_runs(
    project: Path,
) -> None:
    (project / "loose.bin").write_text("weights")
    (project / "train.py").write_text(TRAIN + "# changed\n")
    with Registry(project) as registry:
        registry.register("churn", project / "loose.bin")
        missing = "\n".join(plan(registry, "churn@3", environment="current").missing)
        assert "had uncommitted changes" in missing
        assert "command: none is recorded" in missing
        frozen = plan(registry, "churn@1", python=Path(sys.executable))
        assert frozen.environment == "frozen"
        with pytest.raises(InvalidRequest, match="is no environment"):
            plan(registry, "churn@1", environment="old")


def test_the_verdict_is_recorded_once_and_checked(project: Path) -> None:
    with Registry(project) as registry:
        done = reproduce(registry, plan(registry, "churn@1", environment="current"))
        statement = statement_on(done, *registry.who_and_when())
        outcome = registry.record_reproduction("churn@1", statement)
        assert outcome.change.subject == "reproduce churn@1: identical"
        assert registry.record_reproduction("churn@1", statement).is_unchanged
        assert list(registry.check().findings) == []
        events = [event.action for event in registry.log("churn")]
    assert events[0] == "reproduce"
    [file] = (project / "registry" / "churn" / "versions" / "1" / "reproductions").iterdir()
    file.write_text(file.read_text().replace("identical", "equivalent"))
    git(project, "commit", "--quiet", "--all", "--message", "better")
    with Registry(project) as registry:
        codes = {finding.code for finding in registry.check().findings}
    assert "immutable" in codes


def test_the_command_line_exits_by_the_verdict(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    args = ("reproduce", "churn@2", "--environment", "current")
    assert gitreg(*args, "--dry-run", "--json").json["command"] == "python train.py"
    different = gitreg(*args, "--json", code=1)
    assert different.json["verdict"] == "different"
    assert different.json["bytes"]["identical"] is False
    within = gitreg(*args, "--tolerance", "auc=0.001")
    assert "churn@2: equivalent" in within.out
    assert gitreg(*args, "--push", code=2).err.count("--record") == 1
    assert "expected a number" in gitreg(*args, "--tolerance", "auc=x", code=2).err


def test_metrics_are_compared_in_decimals() -> None:
    assert ComparedMetric(0.3, 0.1 + 0.2, 0.0).is_within is False
    assert ComparedMetric(0.9, 0.901, 0.001).is_within
    recorded, found = Outcome({"a": "1", "b": "2"}, {"auc": 0.9}), Outcome({"a": "1"}, {"auc": 0.9})
    verdict = judge(recorded, found, {"": 0.1})
    assert (verdict.verdict, verdict.bytes) == ("equivalent", {"a": True, "b": None})
    assert judge(Outcome({"a": "1"}), Outcome({"a": "2"}), {}).verdict == "different"
