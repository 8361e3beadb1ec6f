"""Imports and exports through MLflow's own servers, and what a person sees of them."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import mlflow.sklearn
import pytest

from gitreg import Registry, cli
from gitreg.errors import WorldError
from gitreg.mlflow.transfer.foreign import ForeignRegistry
from gitreg.mlflow.transfer.importing import ImportOptions, import_registry
from tests.conftest import git, isolate
from tests.mlflow.filled import FEATURES, fill, made_of, told
from tests.mlflow.transfer.moves import Place, bring, quiet, sound
from tests.support.commands import gitreg
from tests.support.servers.mlflow_tracking import free_port, mlflow_server

# By URL, published, through servers


def test_what_comes_is_published(stocked: Path, source: Place) -> None:
    args = ["import", "mlflow", "--uri", source.uri, "--models", "greeting", "--push"]
    ran = gitreg(*args, "--json", "--repo", str(stocked))
    assert ran.json["pushed"]
    origin = stocked.parent / "origin.git"
    assert git(origin, "rev-parse", "main") == git(stocked, "rev-parse", "HEAD")
    gitreg(
        "import",
        "mlflow",
        "--uri",
        source.uri,
        "--models",
        "churn",
        "--push",
        "--repo",
        str(stocked),
        code=1,
    )  # churn is another model there
    config = stocked / "registry" / ".dvc" / "config"
    remote = stocked.parent / "dvc-remote"
    config.write_text(config.read_text().replace("../../../dvc-remote", str(remote)))
    git(stocked, "commit", "-qam", "the bytes are at the same place for all")
    git(stocked, "push", "-q")
    by_url = f"file://{origin}"
    gitreg("import", "mlflow", "--uri", source.uri, "--models", "Gr*", "--push", "--repo", by_url)
    assert "register Größe 2 (EU)@2" in git(origin, "log", "--format=%s", "main")
    gitreg("fetch", "--repo", str(stocked))
    sound(stocked)


@pytest.fixture(scope="module")
def servers(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Two servers of MLflow's, one of them filled through its REST API."""
    base = tmp_path_factory.mktemp("servers")
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("servers-home"))
        quiet(patch)
        places = [base / "a", base / "b"]
        for place in places:
            place.mkdir()
            shutil.copy(made / "empty.db", place / "mlflow.db")
        with (
            mlflow_server(places[0], places[0] / "mlflow.db") as one,
            mlflow_server(places[1], places[1] / "mlflow.db") as other,
        ):
            fill(one, base)
            yield one, other


def test_a_server_that_goes_down_on_the_way(
    folder: Path, source: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    port = free_port()
    with ExitStack() as running, Registry(folder) as registry:
        uri = running.enter_context(mlflow_server(source.folder, source.database, port))

        def fall(done: int, total: int, name: str) -> None:
            if name == "churn@4":
                running.close()

        with pytest.raises(WorldError) as told_so:
            import_registry(registry, ForeignRegistry(uri), (), ImportOptions(tell=fall))
        assert told_so.value.hint is not None
        assert registry.model("churn").latest == 3
        with mlflow_server(source.folder, source.database, port) as again:
            assert again == uri
            assert import_registry(registry, ForeignRegistry(uri)).is_complete
    assert told(f"gitreg://{folder}") == told(source.uri)
    sound(folder)


def test_through_servers_nothing_is_lost(
    folder: Path, servers: tuple[str, str], tmp_path: Path
) -> None:
    one, other = servers
    gitreg("import", "mlflow", "--uri", one, "--repo", str(folder))
    sound(folder)
    assert told(f"gitreg://{folder}") == told(one)
    gitreg("export", "mlflow", "--uri", other, "--repo", str(folder))
    assert told(other) == told(one)
    assert made_of(other, tmp_path / "b") == made_of(one, tmp_path / "a")
    there = ForeignRegistry(other)
    version = next(v for v in there.versions(there.models()["churn"]) if v.number == 3)
    model = mlflow.sklearn.load_model(str(there.fetch(version, tmp_path / "loaded")))
    assert list(model.predict(FEATURES)) == [0, 1, 0, 1]
    for way, uri in (("import", one), ("export", other), ("import", other)):
        ran = gitreg(way, "mlflow", "--uri", uri, "--repo", str(folder))
        assert "nothing to do" in ran.out


def test_a_person_who_watches_sees_how_far_it_is(
    folder: Path, source: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with cli.transfers.counting("import") as tell:
        assert tell is not None
        bring(folder, source, "churn", tell=tell)
    assert "churn@" in screen.getvalue()
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with cli.transfers.counting("import") as tell:
        assert tell is None
