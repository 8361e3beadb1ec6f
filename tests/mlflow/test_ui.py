"""`gitreg ui` before there is a server: what it refuses, and with which words."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from gitreg.errors import WorldError
from gitreg.mlflow import ui
from gitreg.mlflow.ui import Settings
from gitreg.mlflow.uri import parse
from tests.conftest import git
from tests.support.commands import error


def test_without_mlflow_one_line_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_spec(name: str) -> ModuleSpec | None:
        assert name == "mlflow"
        return None

    monkeypatch.setattr(ui, "find_spec", find_spec)
    said = error("ui", "--repo", str(folder))
    assert said == (
        "gitreg: gitreg ui needs MLflow, which is not installed\n  pip install 'gitreg[mlflow]'\n"
    )


def test_the_command_line_does_not_import_it_for_others() -> None:
    mlflows = "[m for m in sys.modules if m.startswith(('mlflow', 'gitreg.mlflow'))]"
    program = f"import sys, gitreg.cli; print({mlflows})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "models.example.com"])
def test_a_host_that_others_reach_is_refused(folder: Path, host: str) -> None:
    assert "--no-authentication" in error("ui", "--repo", str(folder), "--host", host)


def test_a_port_that_is_in_use_is_told(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = error("ui", "--repo", str(folder), "--port", str(port), code=3)
    assert f"cannot listen on port {port} of 127.0.0.1: Address already in use" in said
    assert "--port" in said


def test_settings_that_do_not_do_are_refused(folder: Path, tmp_path: Path) -> None:
    here = ("ui", "--repo", str(folder))
    assert "less than 1" in error(*here, "--workers", "0")
    assert "between 0 and 65535" in error(*here, "--port", "65536")
    assert "no.such.invalid" in error(*here, "--host", "no.such.invalid", "--no-authentication")
    assert "needs a URL with a scheme" in error("ui", "--repo", "git@host:r.git")
    git(tmp_path, "init", "--quiet", "empty")
    assert "no registry here" in error("ui", "--repo", str(tmp_path / "empty"))


def test_the_server_gets_its_options_out_of_sight(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    monkeypatch.setenv("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "true")
    registry = parse("gitreg+https://ada:s3cret@host/r.git")
    data = ui._data_folder(registry)
    assert data == ui._data_folder(parse("gitreg+https://bob@host/r.git"))
    found = ui._environment(Settings(port=1), registry, data)
    assert parse(found["MLFLOW_REGISTRY_STORE_URI"]) == registry
    assert parse(found["MLFLOW_ARTIFACTS_DESTINATION"]).dest == str(data / "artifacts")
    assert found["MLFLOW_BACKEND_STORE_URI"] == f"sqlite:///{data}/mlflow.db"
    assert found["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "true"
    assert "MLFLOW_TRACKING_URI" not in found
    monkeypatch.chdir(tmp_path)
    for given, means in {
        "sqlite:///runs.db": f"sqlite:///{tmp_path}/runs.db",
        "runs": f"{tmp_path}/runs",
        "postgresql://host/runs": "postgresql://host/runs",
        "file:///srv/runs": "file:///srv/runs",
        "sqlite://": "sqlite://",
    }.items():
        settings = Settings(backend_store_uri=given)
        assert ui._environment(settings, registry, data)["MLFLOW_BACKEND_STORE_URI"] == means


def test_a_data_folder_that_cannot_be_made_is_told(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    said = error("ui", "--repo", str(folder), "--port", "0", code=3)
    assert "Not a directory" in said or "File exists" in said


# Servers that end: by a signal, and by themselves.


def test_a_signal_ends_all_of_its_processes(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    heard: list[str] = []

    def tell(url: str) -> None:
        heard.append(url)
        assert running(url)
        os.kill(os.getpid(), signal.SIGTERM)

    ui.run(Settings(str(folder), port=0, workers=2), tell)
    assert heard
    assert not running(heard[0])
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert capfd.readouterr().out == ""
    assert git(folder, "status", "--porcelain") == ""


def running(url: str) -> list[str]:
    """Return the processes that were started for a server."""
    port = f"--port {url.rpartition(':')[2]} "
    listed = subprocess.run(
        ["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True
    )
    return [line for line in listed.stdout.splitlines() if port in line and "uvicorn" in line]


def test_a_server_that_cannot_start_is_told(folder: Path) -> None:
    said = error(
        *("ui", "--repo", str(folder), "--port", "0", "--backend-store-uri", "nonsense://x"), code=3
    )
    assert said == "gitreg: MLflow's server did not start: exit status 1\n"


def test_a_server_that_ends_by_itself_is_told() -> None:
    server = ui.Server("http://127.0.0.1:5000", subprocess.Popen(["false"]))
    with pytest.raises(WorldError, match="MLflow's server ended with exit status 1"):
        server.wait()
