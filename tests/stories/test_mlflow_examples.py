"""The lesson's scripts as a person runs them: a model trained, promoted, served, rolled back."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.extent import extent

pytest.importorskip("mlflow")

SERVED = extent(
    ["models:/churn-predictor/Production"],
    ["models:/churn-predictor/Production", "models:/churn-predictor@champion"],
)
EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "mlflow"
SUBJECTS = """\
start a model registry
create churn-predictor
register churn-predictor@1
promote churn-predictor@1 to staging
promote churn-predictor@1 to production
set churn-predictor@champion to churn-predictor@1
register churn-predictor@2
promote churn-predictor@2 to staging
promote churn-predictor@2 to production
set churn-predictor@champion to churn-predictor@2
register churn-predictor@3
promote churn-predictor@3 to staging
archive churn-predictor@3
promote churn-predictor@1 to production
set churn-predictor@champion to churn-predictor@1
annotate churn-predictor@2
"""


@pytest.fixture
def told(tmp_path: Path) -> tuple[Path, str]:
    """The folder in which the lesson was told, and what was seen."""
    done = run(tmp_path, sys.executable, str(EXAMPLES / "lesson.py"), str(tmp_path / "lesson"))
    assert done.returncode == 0, done.stdout
    return tmp_path / "lesson", done.stdout


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        check=False,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        # MLflow's warnings that stages are deprecated are not what the lesson is about.
        env=os.environ | {"PYTHONWARNINGS": "ignore", "MLFLOW_DISABLE_TELEMETRY": "true"},
    )


def test_the_lesson_is_commits(told: tuple[Path, str]) -> None:
    folder, seen = told
    registry = folder / "models"
    log = run(registry, "git", "log", "--reverse", "--format=%s", "registry/").stdout
    assert log == SUBJECTS
    assert "version 3 is not better: archived" in seen
    assert "version 1 serves again instead of 2" in seen
    shown = [line.partition(" ")[2] for line in seen.splitlines()[-len(log.splitlines()) :]]
    assert shown == list(reversed(log.splitlines()))
    gitreg = (sys.executable, "-m", "gitreg")
    one = json.loads(run(registry, *gitreg, "show", "churn-predictor@1", "--json").stdout)
    assert one["stage"] == "production"
    assert one["aliases"] == ["champion"]
    assert one["tags"] == {"trained_by": "nightly", "training_dataset": "v2023-Q4"}
    assert set(one["metrics"]) == {"roc_auc", "recall"}
    assert one["params"] == {"C": "0.001", "features": "mean"}
    assert one["lineage"]["run"]["id"]
    assert one["lineage"]["code"]["commit"] == head_of(EXAMPLES)
    for command in ("check --history", "verify"):
        done = run(registry, *gitreg, *command.split())
        assert done.returncode == 0, done.stdout
    for uri in SERVED:
        with serving(folder, uri) as address:
            assert ask(f"{address}/health") == {
                "model": "churn-predictor",
                "uri": uri,
                "version": "1",
            }
            columns = json.loads(one["signature"]["inputs"])
            answer = ask(
                f"{address}/predict", {"rows": [{column["name"]: 1.0 for column in columns}]}
            )
            assert answer["version"] == "1"
            assert 0 <= answer["scores"][0] <= 1
    done = run(registry, *gitreg, "verify")  # loading alters nothing
    assert done.returncode == 0, done.stdout


def head_of(folder: Path) -> str:
    return run(folder, "git", "rev-parse", "HEAD").stdout.strip()


@contextmanager
def serving(folder: Path, uri: str) -> Iterator[str]:
    """Serve the example's API, and yield its address once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "serve:app", "--port", str(port)],
        cwd=EXAMPLES,
        env=os.environ
        | {
            "MODEL_URI": uri,
            "MLFLOW_REGISTRY_URI": f"gitreg://{folder / 'models'}",
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'tracking.db'}",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(600):
            assert server.poll() is None, server.communicate()[0]
            try:
                ask(f"{address}/health")
            except OSError:
                time.sleep(0.2)
            else:
                break
        yield address
    finally:
        server.terminate()
        server.communicate(timeout=60)


def ask(url: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)
