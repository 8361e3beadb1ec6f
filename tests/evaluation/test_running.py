"""`gitreg evaluate` on real versions: what the command sees, what is committed, what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gitreg import InvalidRequest, Refused, Registry
from gitreg.core.operations.judging import GateRefused
from gitreg.evaluation import Evaluating, evaluate
from gitreg.render.comparison import comparison_text
from tests.conftest import dvc_project, git
from tests.support.commands import error, gitreg

SCRIPT = """\
import json, os, sys
model, data, metrics, predictions = sys.argv[1:]
number = int(open(model).read())
rows = open(data).read().split()
names = ("PATH", "MODEL", "VERSION", "REFERENCE")
told = [os.environ[f"GITREG_{name}"] for name in names]
assert told == [model, "churn", str(number), f"churn@{number}"], told
with open("runs", "a") as runs:
    runs.write(f"{number} ")
if "break" in rows:
    open(data, "a").write("more")
if "fail" in rows:
    sys.exit(3)
slices = [{"where": "young", "rows": 1, "recall": 0.5 + number / 10}]
json.dump({"auc": 0.7 + number / 100, "slices": slices}, open(metrics, "w"))
with open(predictions, "w") as file:
    file.write("label,score\\n")
    for row in range(200):
        noise = (row * 37 % 100) / 100
        file.write(f"{row % 2},{row % 2 * number * 0.4 + noise}\\n")
print("it speaks")
"""
RUN = "python3 measure.py {model} {data} {metrics} {predictions}"


@pytest.fixture
def two(registry: Registry, folder: Path) -> Registry:
    """Versions 1, in production, and 2."""
    (folder / ".gitignore").write_text("/models\n/runs\n/h.csv\n")
    (folder / "measure.py").write_text(SCRIPT)
    (folder / "h.csv").write_text("a b c\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "measure")
    (folder / "models").mkdir()
    for number in (1, 2):
        (folder / "models" / "m.txt").write_text(str(number))
        registry.register("churn", folder / "models" / "m.txt", metrics={"auc": 1 - number / 10})
    registry.promote("churn@1", stage="production")
    return registry


def sure(policy: str, metric: str) -> str:
    """A policy whose production asks for a difference that is sure."""
    better = "better_than: production, better_by: {confidence: 0.95}"
    gate = f"{{metric: {metric}, evaluation: q4, {better}}}"
    return policy.replace("  production:\n", f"  production:\n    gates: [{gate}]\n")


def holdout(folder: Path, name: str = "q4") -> Evaluating:
    return Evaluating(name, folder / "h.csv", RUN, folder=folder)


def test_both_are_measured_once_on_the_same_bytes(two: Registry, folder: Path) -> None:
    said: list[str] = []
    outcome = evaluate(two, ["churn@2", "churn/production"], holdout(folder), said.append)
    assert (folder / "runs").read_text() == "2 1 "
    assert outcome.change.subject == "evaluate churn@2, churn@1: q4"
    found = two.show("churn@2").evaluations["q4"]
    assert found.metrics == {"auc": 0.72}
    assert found.data.path == "h.csv"
    assert found.measured_on == two.show("churn@1").evaluations["q4"].measured_on
    assert found.code is not None
    assert found.code.dirty is False
    assert said[0].startswith("churn@2: python3 measure.py ")
    # A later candidate is measured alone.
    (folder / "models" / "m.txt").write_text("3")
    two.register("churn", folder / "models" / "m.txt")
    evaluate(two, ["churn@3", "churn/production"], holdout(folder))
    assert (folder / "runs").read_text() == "2 1 3 "
    assert list(two.check().findings) == []


def test_a_gate_compares_them_and_how_sure_it_is(two: Registry, folder: Path) -> None:
    with pytest.raises(GateRefused, match="has no evaluation q4"):
        two.promote("churn@2", stage="production", if_better=["q4:auc"])
    evaluate(two, ["churn@2", "churn@1"], holdout(folder))
    policy = folder / "registry" / "policy.yaml"
    policy.write_text(sure(policy.read_text(), "auc"))
    [judgement] = two.test_policy("churn@2", stage="production", policy=policy)
    assert "how sure auc is cannot be computed" in judgement.verdicts[0].line
    outcome = two.promote("churn@2", stage="production", if_better=["q4:auc"])
    assert "q4:auc 0.72 > 0.71 (churn@1)" in outcome.change.message()


def test_different_data_is_refused_and_the_same_is_let_through(two: Registry, folder: Path) -> None:
    """By the numbers alone, the first would pass too."""
    evaluate(two, ["churn@1"], holdout(folder))
    (folder / "h.csv").write_text("others\n")
    evaluate(two, ["churn@2"], holdout(folder))
    with pytest.raises(GateRefused, match=r"on different data: churn@2 on h\.csv \("):
        two.promote("churn@2", stage="production", if_better=["q4:auc"])
    evaluate(two, ["churn@1", "churn@2"], holdout(folder, "again"))
    outcome = two.promote("churn@2", stage="production", if_better=["again:auc"])
    assert "again:auc 0.72 > 0.71 (churn@1)" in outcome.change.message()


def test_predictions_say_how_sure_a_difference_is(two: Registry, folder: Path) -> None:
    script = folder / "measure.py"
    script.write_text(SCRIPT.replace('{"auc"', '{"roc_auc"'))
    git(folder, "commit", "--quiet", "--all", "--message", "roc_auc")
    evaluate(two, ["churn@2", "churn@1"], holdout(folder))
    policy = folder / "registry" / "policy.yaml"
    policy.write_text(sure(policy.read_text(), "roc_auc"))
    [judgement] = two.test_policy("churn@2", stage="production", policy=policy)
    assert judgement.passed
    assert "with 0.95 confidence (DeLong, 200 rows)" in judgement.verdicts[0].line


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("fail", r"churn@2: the command ended with status 3; nothing was recorded"),
        ("break", r"h\.csv changed while it was measured on"),
    ],
)
def test_a_command_that_fails_or_writes_data_records_nothing(
    two: Registry, folder: Path, data: str, said: str
) -> None:
    (folder / "h.csv").write_text(data)
    before = git(folder, "rev-parse", "HEAD")
    with pytest.raises(Refused, match=said):
        evaluate(two, ["churn@2"], holdout(folder))
    assert git(folder, "rev-parse", "HEAD") == before


def test_other_data_under_the_same_name_is_refused(two: Registry, folder: Path) -> None:
    evaluate(two, ["churn@1"], holdout(folder))
    (folder / "h.csv").write_text("others\n")
    with pytest.raises(Refused, match="has an evaluation q4 on other data"):
        evaluate(two, ["churn@2", "churn@1"], holdout(folder))
    assert (folder / "runs").read_text() == "1 "


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("python3 measure.py", "does not say where {model} goes"),
        ("python3 'measure.py {model} {metrics}", "does not parse"),
        ("no-such-program {model} {metrics}", "no-such-program: cannot be run"),
        ("true {model} {metrics}", "wrote no file {metrics}"),
    ],
)
def test_a_command_that_cannot_measure(two: Registry, folder: Path, run: str, said: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        evaluate(two, ["churn@1"], Evaluating("q4", folder / "h.csv", run, folder=folder))
    assert said in str(raised.value)


def test_the_command_line_prints_commands_and_the_commit(
    two: Registry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert two.top_level == folder
    monkeypatch.chdir(folder)
    args = ("--data", "h.csv", "--run", RUN, "--json")
    done = gitreg("evaluate", "churn@2", "churn/production", "--name", "q4", *args)
    assert done.json["subject"] == "evaluate churn@2, churn@1: q4"
    assert "churn@2: python3 measure.py" in done.err
    assert "cannot be an evaluation's name" in error(
        "evaluate", "churn@2", "--name", "Q 4", *args[:-1]
    )


def test_data_that_dvc_knows_goes_with_the_metrics_of_registrations(
    registry: Registry, folder: Path
) -> None:
    """Versions from a real stage, of which the third was made from other data."""
    dvc_project(folder)
    (folder / "train.py").write_text("print(open('d.csv').read())")
    (folder / "dvc.yaml").write_text(
        "stages: {train: {cmd: python3 train.py > m.txt, deps: [d.csv], outs: [m.txt]}}\n"
    )
    for number, data in enumerate(("one", "one", "two"), start=1):
        (folder / "d.csv").write_text(data)
        dvc = [sys.executable, "-m", "dvc", "repro", "--quiet"]
        subprocess.run(dvc, cwd=folder, check=True, capture_output=True)
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "--allow-empty", "--message", "train")
        registry.register("churn", folder / "m.txt", metrics={"auc": 0.7 + number / 100})
    assert registry.compare("churn@1", "churn@2").measured_on == "same"
    compared = registry.compare("churn@1", "churn@3")
    assert compared.measured_on == "different"
    assert "may be of different data: d.csv; gitreg evaluate" in comparison_text(compared, 100)
    registry.promote("churn@1", stage="production")
    outcome = registry.promote("churn@3", stage="production", if_better=["auc"])
    line = "auc 0.73 > 0.71 (churn@1), perhaps of different data: d.csv"
    assert line in outcome.change.message()
