"""Whether a server's clients can load what it registers is found out when it starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from mlflow.server import constants

from gitreg.mlflow.store import GitregStore


def serve(monkeypatch: pytest.MonkeyPatch, destination: str | None, serves: str = "true") -> None:
    monkeypatch.setenv(constants.SERVE_ARTIFACTS_ENV_VAR, serves)
    if destination is not None:
        monkeypatch.setenv(constants.ARTIFACTS_DESTINATION_ENV_VAR, destination)


@pytest.mark.parametrize(
    ("registry", "destination", "option"),
    [
        ("/srv/churn", "s3://bucket/runs", "gitreg:///srv/churn?dest=s3://bucket/runs"),
        ("/srv/churn?strict=true", "/srv/runs", "gitreg:///srv/churn?dest=/srv/runs"),
        ("/srv/churn?push=true", "/runs", "gitreg:///srv/churn?push=true&dest=/runs"),
        ("/srv/churn", "gitreg:///srv/other?dest=/runs", None),
    ],
)
def test_a_server_that_serves_other_artifacts_does_not_start(
    monkeypatch: pytest.MonkeyPatch, registry: str, destination: str, option: str | None
) -> None:
    serve(monkeypatch, destination)
    with pytest.raises(MlflowException, match="does not serve the artifacts of gitreg") as raised:
        GitregStore(f"gitreg://{registry}")
    assert raised.value.error_code == "INVALID_PARAMETER_VALUE"
    if option is not None:
        assert raised.value.message.endswith(f"\n--artifacts-destination '{option}'")


def test_other_processes_and_servers_start(monkeypatch: pytest.MonkeyPatch) -> None:
    GitregStore("gitreg:///srv/churn").close()
    serve(monkeypatch, "gitreg:///srv/churn/?dest=/runs")
    GitregStore("gitreg:///srv/churn").close()
    serve(monkeypatch, "/runs", serves="false")
    GitregStore("gitreg:///srv/churn").close()


def test_mlflow_server_says_what_to_add(folder: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mlflow", "server", "--port", "1"),
            *("--backend-store-uri", f"sqlite:///{tmp_path}/runs.db"),
            *("--registry-store-uri", f"gitreg://{folder}"),
            *("--artifacts-destination", "runs"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 1
    assert f"--artifacts-destination 'gitreg://{folder}?dest={tmp_path}/runs'" in done.stderr
