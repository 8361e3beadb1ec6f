"""`gitreg reproduce` on a real DVC pipeline: each verdict, what is missing, and the record."""

from __future__ import annotations

import json
import os
import shutil
import signal
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
from tests.support.processes import is_alive, wait_for

TRAIN = """\
import json, os, pathlib, random, time
if os.environ.get("WAIT"):
    pathlib.Path(os.environ["WAIT"]).write_text(f"{os.getpid()} {os.environ['HOME']}")
    time.sleep(600)
rows = [int(line) for line in open("data/train.csv")]
pathlib.Path("models").mkdir(exist_ok=True)
noise = random.random() if os.environ.get("NOISE") or pathlib.Path("noise").exists() else 0
model = {"mean": sum(rows) / len(rows), "noise": noise, "secret": os.environ.get("TOKEN")}
if pathlib.Path("frozen").exists():
    import toolz
    model["toolz"] = toolz.__version__
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


RUN = """\
import signal
from gitreg.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
main()
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


def missing_of(*args: str, code: int = 3) -> str:
    """Reproduce by the command line, inconclusively; return what is missing."""
    found = gitreg("reproduce", *args, "--json", code=code).json
    assert found["verdict"] == "inconclusive"
    assert found["missing"]
    assert found["recorded"] is None
    return "\n".join(found["missing"])


def test_each_thing_that_is_missing_is_named_with_exit_code_3(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    (project / "loose.bin").write_text("weights")
    with Registry(project) as registry:
        registry.register("churn", project / "loose.bin")
        (project / "train.py").write_text(TRAIN + "# changed\n")
        registry.register("churn", project / "models" / "m.json")
    current = ("--environment", "current")
    assert missing_of("churn@3", *current) == (
        "command: none is recorded; a DVC stage records one (dvc stage add)"
    )
    assert "had uncommitted changes" in missing_of("churn@4", *current)
    # Nobody records that an inconclusive one happened.
    assert "had uncommitted changes" in missing_of("churn@4", *current, "--record")
    (project / "requirements.txt").write_text("toolz==1.0.0\nown==2  # local\ngitreg==1  # local\n")
    with Registry(project) as registry:
        model, listed = project / "models" / "m.json", project / "requirements.txt"
        registry.register("churn", model, requirements=listed)
    missing = missing_of("churn@5")
    assert "environment: own==2 was installed from a local folder" in missing
    assert "gitreg==" not in missing  # no training needs the checkout that registered it
    absent = project / "no-python"
    said = f"environment: {absent} is no Python that can be run"
    assert missing_of("churn@1", *current, "--python", str(absent)) == said
    assert (
        f"missing      {said}"
        in gitreg("reproduce", "churn@1", *current, "--python", str(absent), "--dry-run").out
    )
    with Registry(project) as registry, pytest.raises(InvalidRequest, match="is no environment"):
        plan(registry, "churn@1", environment="old")


def test_a_python_that_is_not_here_is_named(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A shim of another version's name, as pyenv puts it on the path, is no interpreter."""
    shim = tmp_path / "python3.1"
    shim.write_text("#!/bin/sh\necho 3.1.4; exit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr("platform.python_version", lambda: "3.1.4")
    monkeypatch.chdir(project)
    with Registry(project) as registry:
        registry.register("churn", project / "models" / "m.json")
    assert "environment: Python 3.1.4 is not here; --python PATH names one" in missing_of("churn@3")
    shim.write_text("#!/bin/sh\necho 3.1.4\n")
    with Registry(project) as registry:
        planned = plan(registry, "churn@3")
    assert planned.python == shim
    assert not any("3.1.4" in words for words in planned.missing)


def frozen(project: Path) -> None:
    """Register churn@3: its training needs a package that only its frozen requirements name."""
    (project / "noise").unlink()
    (project / "frozen").touch()
    (project / "requirements.txt").write_text("toolz==1.0.0\n")
    model = {"mean": 49.5, "noise": 0, "secret": None, "toolz": "1.0.0"}
    (project / "models" / "m.json").write_text(json.dumps(model))
    (project / "metrics.json").write_text(json.dumps({"auc": 0.9}))
    dvc(project, "commit", "--quiet", "--force")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message", "train 3")
    with Registry(project) as registry:
        made, listed = project / "models" / "m.json", project / "requirements.txt"
        registry.register("churn", made, requirements=listed)


def test_a_frozen_environment_is_made_from_the_package_index(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen(project)
    monkeypatch.setenv("HOME", str(tmp_path))  # pip asks rustc, which writes there
    monkeypatch.chdir(project)
    done = gitreg("reproduce", "churn@3", "--python", sys.executable, "--json", code=None)
    log = Path(done.json["log"]).read_text() if done.json["log"] else done.out
    if done.code == 3 and "Failed to establish a new connection" in log:
        pytest.skip("no package index is reachable")
    assert done.json["verdict"] == "identical", log


def test_without_a_package_index_it_is_inconclusive(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen(project)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_INDEX_URL", "http://me:secret@127.0.0.1:9/simple")
    monkeypatch.setenv("UV_INDEX_URL", "http://me:secret@127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.chdir(project)
    missing = missing_of("churn@3", "--python", sys.executable)
    assert missing.startswith("environment: the requirements cannot be installed: ")
    assert "secret" not in missing


def test_a_dvc_remote_that_is_away_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(project / ".dvc" / "cache")
    dvc(project, "remote", "add", "--default", "gone", "http://127.0.0.1:9/data")
    monkeypatch.chdir(project)
    missing = missing_of("churn@1", "--environment", "current")
    assert missing.startswith("data: data/train.csv (")


def test_an_interrupt_leaves_nothing_behind(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, temporary = tmp_path / "started", tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("WAIT", str(started))
    monkeypatch.setenv("TMPDIR", str(temporary))
    before = git(project, "status", "--porcelain", "--ignored")
    args = ("reproduce", "churn@1", "--environment", "current", "--env", "WAIT")
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, *args], cwd=project, stderr=subprocess.PIPE, text=True
    )
    wait_for(lambda: started.exists() and " " in started.read_text())
    pid, _, home = started.read_text().partition(" ")
    assert Path(home).is_relative_to(temporary)
    assert is_alive(int(pid))
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "interrupted" in said
    wait_for(lambda: not is_alive(int(pid)))
    assert [path.name for path in temporary.iterdir() if "gitreg" in path.name] == []
    assert git(project, "worktree", "list").count("\n") == 0
    assert git(project, "status", "--porcelain", "--ignored") == before


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
