"""What is no MLflow, or none that can be reached: errors of import and export."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gitreg.errors import GitregError, InvalidRequest, NotFound, WorldError
from tests.conftest import git
from tests.mlflow.transfer.moves import Place, bring
from tests.support.commands import error, gitreg
from tests.support.servers.mlflow_tracking import free_port


@pytest.mark.parametrize(
    ("uri", "kind", "says"),
    [
        ("mlflow.internal:5000", InvalidRequest, "is not the URI of an MLflow registry"),
        ("htp://mlflow", InvalidRequest, "htp://mlflow is not the URI"),
        ("sqlite:////nowhere/mlflow.db", NotFound, "there is no /nowhere/mlflow.db"),
        ("/nowhere/mlruns", NotFound, "there is no /nowhere/mlruns"),
        ("gitreg:///srv/models", InvalidRequest, "not one of MLflow's own"),
        ("http://127.0.0.1:{port}", WorldError, "cannot be reached: connection refused"),
        ("http://ada:s3cret@127.0.0.1:{port}", WorldError, "http://127.0.0.1:"),
    ],
)
def test_what_is_no_mlflow(folder: Path, uri: str, kind: type[GitregError], says: str) -> None:
    address = uri.format(port=free_port())
    said = error("import", "mlflow", "--uri", address, "--repo", str(folder), code=kind.exit_code)
    assert says in said
    assert "s3cret" not in said


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    """A server that is none of MLflow's; below ``/closed`` it wants a login."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = 401 if self.path.startswith("/closed") else 404
            page = b"<html>\n<h1>nothing here</h1></html>"
            self.send_response(status)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_server_of_something_else(folder: Path, web: str) -> None:
    said = error("import", "mlflow", "--uri", web, "--repo", str(folder), code=3)
    assert "404" in said
    assert "is that the address of an MLflow server?" in said
    assert "<html>" not in said


def test_a_server_that_wants_a_login(folder: Path, web: str) -> None:
    address = web.replace("http://", "http://ada:s3cret@")
    for way in ("import", "export"):
        said = error(way, "mlflow", "--uri", f"{address}/closed", "--repo", str(folder), code=3)
        assert "MLFLOW_TRACKING_TOKEN" in said
        assert "s3cret" not in said


def test_an_export_into_a_database_keeps_artifacts_beside_it(
    folder: Path, source: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(folder, source, "Größe*")
    monkeypatch.chdir(folder)
    (tmp_path / "new").mkdir()
    uri = f"sqlite:///{tmp_path}/new/m.db"
    gitreg("export", "mlflow", "--uri", uri)
    assert git(folder, "status", "--porcelain") == ""
    assert list((tmp_path / "new" / "mlruns").glob("*/*/artifacts/model"))


def test_an_export_into_a_folder_that_is_not_there(folder: Path) -> None:
    said = error("export", "mlflow", "--uri", "sqlite:////nowhere/m.db", "--repo", str(folder))
    assert "sqlite:////nowhere/m.db: there is no /nowhere" in said


def test_a_database_of_something_else(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other.db").write_text("this is no database at all" * 100)
    said = error(
        "import", "mlflow", "--uri", f"sqlite:///{tmp_path}/other.db", "--repo", str(folder), code=3
    )
    assert "other.db" in said
    said = error(
        "import", "mlflow", "--uri", f"sqlite:///{tmp_path}/othr.db", "--repo", str(folder)
    )
    assert "did you mean '" in said
    assert "/other.db'?" in said


def test_mistyped_options(folder: Path, source: Place) -> None:
    assert "did you mean --uri?" in error("import", "mlflow", "--url", source.uri)
    assert "No such command" in error("import", "mlfow")
    assert "Missing option '--uri'" in error("export", "mlflow")


def test_no_registry_here(tmp_path: Path, source: Place) -> None:
    (tmp_path / "plain").mkdir()
    git(tmp_path / "plain", "init", "-q")
    assert "no registry" in error(
        "import", "mlflow", "--uri", source.uri, "--repo", str(tmp_path / "plain")
    )


def test_without_mlflow_it_says_how_to_get_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    for way in ("import", "export"):
        said = error(way, "mlflow", "--uri", "http://mlflow", "--repo", str(folder))
        assert said == "gitreg: this needs MLflow: pip install 'gitreg[mlflow]'\n"
