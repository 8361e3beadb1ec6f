"""`gitreg serve`: a real process, MLflow's own client, moves while it runs, and its refusals."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
import requests

from gitreg import Registry
from tests.conftest import git, isolate
from tests.support.commands import error, gitreg
from tests.support.models import mlflow_model, onnx_model

LOAD = """\
import pathlib, time

def load(path):
    def seven(rows):
        while pathlib.Path("hold").exists():
            pathlib.Path("begun").touch()
            time.sleep(0.01)
        return rows * 7
    return seven

def broken(path):
    raise ValueError("/secret/path")

number = 7
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """churn@1 (champion), @2 (challenger) and @3 are MLflow's; doubler@1 is ONNX, and others."""
    folder = tmp_path_factory.mktemp("serve") / "work"
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("serve-home"))
        Registry.init(folder)
        models = tmp_path_factory.mktemp("models")
        with Registry(folder) as registry:
            for number, threshold in enumerate((1.5, 2.5, 3.5), start=1):
                registry.register("churn", mlflow_model(models / f"churn{number}", threshold))
            registry.promote("churn@1", stage="production", alias="champion")
            registry.set_alias("churn@2", "challenger")
            registry.register("doubler", onnx_model(models / "model.onnx"))
            registry.promote("doubler@1", stage="production")
            (models / "pickled.pkl").write_bytes(b"c__main__\nno\n.")
            registry.register("pickled", models / "pickled.pkl")
        (folder / "own.py").write_text(LOAD)
        yield folder


@contextmanager
def served(
    folder: Path, *args: str, ends_by: signal.Signals = signal.SIGTERM
) -> Iterator[tuple[str, list[str]]]:
    """Run the command, yield its URL and its lines on stderr, and end it, unless it is ending."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gitreg", "serve", *args, "--port", "0"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    said: list[str] = []
    reader = threading.Thread(target=said.extend, args=(process.stderr,))
    reader.start()
    try:
        line = process.stdout.readline()
        assert " at http://127.0.0.1:" in line, (line, process.wait(60), said)
        yield line.split(" at ")[1].split(" ")[0], said
        process.send_signal(ends_by)
        assert process.wait(60) == 0, said
    finally:
        process.kill()
        process.wait()
        reader.join(60)
        process.stdout.close()
        process.stderr.close()


def until(holds: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(1200):
        if holds():
            return
        waiting.wait(0.05)
    raise AssertionError("it never came")


def _version(url: str) -> Any:
    return requests.get(f"{url}/version", timeout=60).json()


def test_champion_challenger_and_shadow_while_pointers_move(made: Path, tmp_path: Path) -> None:
    import pandas as pd
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    log = tmp_path / "predictions.jsonl"
    line = "churn@champion --trust --poll 0.2 --challenger @challenger=50 --key X-Customer"
    words = (*line.split(), "--shadow", "@candidate", "--log", str(log))
    with served(made, *words) as (url, said):
        client = ScoringServerClient("127.0.0.1", int(url.rpartition(":")[2]))
        client.wait_server_ready(60)
        assert json.loads(client.get_version())["model"] == "churn"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = client.invoke(pd.DataFrame({"age": [0.0, 9.0]}))
        assert found.get_predictions()[0].tolist() == [0, 1]

        # Sticky: 2 is below the challenger's threshold and above the champion's.
        def ask(customer: str, request: str) -> tuple[str, int]:
            done = requests.post(
                f"{url}/invocations",
                json={"dataframe_split": {"columns": ["age"], "data": [[2.0]]}},
                headers={"X-Customer": customer, "X-Request-ID": request},
                timeout=60,
            )
            return done.headers["Gitreg-Version"], done.json()["predictions"][0]

        answers = {ask(f"customer {n}", f"order-{n}") for n in range(12)}
        assert answers == {("churn@1", 1), ("churn@2", 0)}
        assert len({ask("customer 3", f"again-{n}") for n in range(3)}) == 1

        # The champion moves; the candidate comes to be.
        gitreg("alias", "set", "churn@3", "champion", "--repo", str(made))
        gitreg("alias", "set", "churn@1", "candidate", "--repo", str(made))
        until(lambda: _version(url)["version"] == 3)
        assert ask("customer 0", "moved-1")[0] in {"churn@3", "churn@2"}
        tensor: Any = {"name": "age", "shape": [1], "datatype": "FP64", "data": [3.0]}
        done = requests.post(
            f"{url}/v2/models/churn/versions/3/infer", json={"inputs": [tensor]}, timeout=60
        )
        assert done.json()["outputs"][0]["data"] == [0]
        assert done.headers["Gitreg-Version"] == "churn@3"
        on_challenger = next(n for n in range(12) if ask(f"customer {n}", "x")[0] == "churn@2")
        gitreg("alias", "delete", "churn@challenger", "--repo", str(made))
        until(lambda: ask(f"customer {on_challenger}", "x")[0] == "churn@3")
        assert "gitreg_" in requests.get(f"{url}/metrics", timeout=60).text
        assert requests.get(f"{url}/docs", timeout=60).status_code == 404
    assert any("loaded by mlflow_pyfunc(trust=True)" in one for one in said)
    assert not any("Traceback" in one for one in said), said
    lines = [json.loads(one) for one in log.read_text().splitlines()]
    first = next(one for one in lines if one["request_id"] == "order-0")
    asked = ("explain", "--prediction", "order-0", "--log", str(log), "--repo", str(made), "--json")
    assert gitreg(*asked).json["version"] == first["version"]
    gitreg("alias", "set", "churn@1", "champion", "--repo", str(made))


def test_an_onnx_model_and_a_function_of_ones_own(made: Path) -> None:
    ones = {"instances": [[1, 1], [1, 1], [1, 1]]}
    with served(made, "doubler/production") as (url, _):
        done = requests.post(f"{url}/invocations", json=ones, timeout=60)
        assert done.json() == {"predictions": [[1, 2], [3, 4], [5, 6]]}
        assert done.headers["Gitreg-Version"] == "doubler@1"
    hold, begun = made / "hold", made / "begun"
    found: list[Any] = []

    def ask(url: str) -> None:
        found.append(requests.post(f"{url}/invocations", json=ones, timeout=60).json())

    with served(made, "models:/doubler/1", "--load", "own:load", ends_by=signal.SIGINT) as (url, _):
        hold.touch()
        asking = threading.Thread(target=ask, args=(url,))
        asking.start()
        until(begun.exists)
        # It is told to end while it answers, and answers first.
        threading.Timer(0.5, hold.unlink).start()
    asking.join(60)
    begun.unlink()
    assert found == [{"predictions": [[7, 7]] * 3}]


def test_what_cannot_be_served(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for words, code, message in (
        ("churm@champion", 2, "did you mean 'churn'?"),
        ("churn@champoin", 2, "champion"),
        ("churn", 2, "names a model"),
        ("churn@champion", 1, "to load it is to run code from it"),
        ("pickled@1 --trust", 2, "does not load"),
        ("churn@1 --load own", 2, "'own' is not module:function"),
        ("churn@1 --load own:none", 2, "own has no function none"),
        ("churn@1 --load own:number", 2, "own has no function number"),
        ("churn@1 --load no_such:load", 2, "no_such cannot be imported: ModuleNotFoundError"),
        ("churn@1 --load own:broken", 3, "churn@1: it does not load"),
        ("churn@1 --challenger @x", 2, "is not @ALIAS=PERCENT"),
        ("churn@1 --challenger x=10", 2, "'x' is not an alias"),
        ("churn@1 --challenger @x=101", 2, "the shares of all are 100 percent"),
        ("churn@1 --challenger @x=60 --challenger @y=60", 2, "the shares of all are 100"),
        ("churn@1 --shadow x", 2, "--shadow: 'x' is not an alias"),
        ("churn@1 --poll 0", 2, "are more than 0"),
        ("churn@1 --port 65536", 2, "not between 0 and 65535"),
        ("churn@1 --log no/such/file", 2, "No such file"),
    ):
        port = () if "--port" in words else ("--port", "0")
        assert message in error("serve", *words.split(), *port, code=code), words


def test_a_port_in_use_and_a_missing_extra(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.chdir(made)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = error("serve", "churn@1", "--port", port, code=3)
        assert f"cannot listen on port {port} of 127.0.0.1" in said
    found = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "uvicorn" else found(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    assert error("serve", "churn@1") == (
        "gitreg: gitreg serve needs uvicorn, which is not installed\n"
        "  pip install 'gitreg[serve]'\n"
    )
    assert git(made, "status", "--porcelain").strip() == "?? own.py"
