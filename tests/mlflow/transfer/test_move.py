"""`gitreg import mlflow` and `gitreg export mlflow`, on registries that MLflow itself filled."""

from __future__ import annotations

import io
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import mlflow.sklearn
import pytest

from gitreg import Registry, cli
from gitreg.core.text.times import instant
from gitreg.errors import GitregError, InvalidRequest, NotFound, WorldError
from gitreg.mlflow.transfer.exporting import export_registry
from gitreg.mlflow.transfer.foreign import ForeignRegistry
from gitreg.mlflow.transfer.importing import ImportOptions, import_registry
from gitreg.mlflow.transfer.report import Report
from tests.conftest import git, isolate
from tests.mlflow.filled import FEATURES, Filler, fill, made_of, store_of, told
from tests.support.commands import error, gitreg
from tests.support.servers.mlflow_tracking import free_port, mlflow_server


@dataclass(frozen=True)
class Place:
    """A database of MLflow's in a folder, which a test may change."""

    folder: Path

    @property
    def database(self) -> Path:
        return self.folder / "mlflow.db"

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.database}"

    def filler(self) -> Filler:
        """Return what fills it further."""
        return Filler(self.uri, self.folder)


def quiet(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    patch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a filled database and an empty one; both are to be copied."""
    base = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("mlflow-home"))
        quiet(patch)
        Filler(f"sqlite:///{base}/empty.db", base, base / "artifacts-empty")
        shutil.copy(base / "empty.db", base / "filled.db")
        fill(f"sqlite:///{base}/filled.db", base, base / "artifacts")
    return base


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quiet(monkeypatch)
    monkeypatch.chdir(tmp_path)  # where MLflow puts artifacts when nobody says where


@pytest.fixture
def source(made: Path, tmp_path: Path) -> Place:
    """A filled MLflow."""
    place = Place(tmp_path / "source")
    place.folder.mkdir()
    shutil.copy(made / "filled.db", place.database)
    return place


@pytest.fixture
def target(made: Path, tmp_path: Path) -> Place:
    """An empty MLflow."""
    place = Place(tmp_path / "target")
    place.folder.mkdir()
    shutil.copy(made / "empty.db", place.database)
    return place


def bring(folder: Path, source: Place, *models: str, **wishes: Any) -> Report:
    with Registry(folder) as registry:
        return import_registry(
            registry, ForeignRegistry(source.uri), models, ImportOptions(**wishes)
        )


def take(folder: Path, target: Place, *models: str, **wishes: Any) -> Report:
    with Registry(folder) as registry:
        return export_registry(registry, ForeignRegistry(target.uri), models, **wishes)


def commits(folder: Path) -> int:
    return int(git(folder, "rev-list", "--count", "HEAD"))


def sound(folder: Path) -> None:
    """All that gitreg checks of a registry is as it should be."""
    gitreg("check", "--history", "--repo", str(folder))
    gitreg("verify", "--repo", str(folder))


def remarks(report: Report) -> list[tuple[str, bool]]:
    return [(f"{remark.subject}: {remark.text}", remark.is_left) for remark in report.remarks]


# In


def test_all_of_a_registry_comes_over(folder: Path, source: Place) -> None:
    ran = gitreg("import", "mlflow", "--uri", source.uri, "--repo", str(folder))
    assert "churn         1, 3-5" in ran.out
    assert ran.err == ""
    sound(folder)
    assert told(f"gitreg://{folder}") == told(source.uri)
    with Registry(folder) as registry:
        third = registry.show("churn@3")
        tomb = registry.state().numbers("churn")
    assert third.metrics == {"auc": 0.81, "loss": pytest.approx(0.19)}
    assert third.params == {"C": "0.5", "note": "größer"}
    assert third.lineage.code is not None
    assert third.lineage.code.repository == "https://git.example.com/team/churn.git"
    assert third.signature is not None
    assert third.environment.requirements == "requirements.txt"
    assert tomb == [1, 2, 3, 4, 5]

    before = git(folder, "rev-parse", "HEAD")
    again = gitreg("import", "mlflow", "--uri", source.uri, "--repo", str(folder))
    assert "nothing to do" in again.out
    assert git(folder, "rev-parse", "HEAD") == before


def test_versions_are_dated_as_they_were(folder: Path, source: Place) -> None:
    bring(folder, source)
    there = ForeignRegistry(source.uri)
    first = there.versions(there.models()["churn"])[0]
    with Registry(folder) as registry:
        version = registry.show("churn@1")
    assert version.created_at == instant(first.created)
    author, committer = git(folder, "log", "-1", "--format=%at %ct", str(version.commit)).split()
    assert int(author) == first.created // 1000 <= int(committer)


def test_source_run_and_times_are_told_as_they_were(folder: Path, source: Place) -> None:
    bring(folder, source, "churn")
    named = "name = 'churn'"
    here, there = (
        {
            int(version.version): (
                version.source,
                version.run_id,
                version.run_link,
                version.creation_timestamp,
                version.model_id,
            )
            for version in store_of(uri).search_model_versions(named)
        }
        for uri in (f"gitreg://{folder}", source.uri)
    )
    assert here == there
    assert sorted(here) == [1, 3, 4, 5]
    models = [
        store_of(uri).get_registered_model("churn") for uri in (f"gitreg://{folder}", source.uri)
    ]
    assert models[0].creation_timestamp == models[1].creation_timestamp


def test_models_are_chosen_by_pattern(folder: Path, source: Place) -> None:
    report = bring(folder, source, "gr*", "it's*")
    assert [model.name for model in report.models] == ["greeting", "it's empty"]
    said = error(
        "import", "mlflow", "--uri", source.uri, "--models", "chrun", "--repo", str(folder)
    )
    assert "no model matches 'chrun'" in said
    assert "did you mean 'churn'?" in said


def test_a_dry_run_writes_nothing(folder: Path, source: Place) -> None:
    before = git(folder, "rev-parse", "HEAD")
    report = bring(folder, source, dry_run=True)
    assert git(folder, "rev-parse", "HEAD") == before
    assert {model.name: model.brought for model in report.models}["churn"] == (1, 3, 4, 5)
    assert (
        "would be copied"
        in gitreg("import", "mlflow", "--uri", source.uri, "--repo", str(folder), "--dry-run").out
    )
    assert bring(folder, source).is_complete


def test_a_dry_run_knows_names_that_exclude_each_other(folder: Path, source: Place) -> None:
    for name in ("Twin", "twin"):
        source.filler().client.create_registered_model(name)
    would = bring(folder, source, "[Tt]win", dry_run=True)
    assert remarks(would) == remarks(bring(folder, source, "[Tt]win"))
    assert "'twin' differs from the model 'Twin'" in remarks(would)[0][0]


def test_cut_off_by_the_keyboard_it_goes_on(folder: Path, source: Place) -> None:
    def stop(done: int, total: int, name: str) -> None:
        if name == "churn@4":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring(folder, source, tell=stop)
    report = bring(folder, source)
    churn = next(model for model in report.models if model.name == "churn")
    assert (churn.present, churn.brought) == ((1, 3), (4, 5))
    sound(folder)
    assert told(f"gitreg://{folder}") == told(source.uri)
    assert bring(folder, source).is_unchanged


def _cut_off(folder: Path, args: list[str], how: signal.Signals, is_time: Any) -> int:
    process = subprocess.Popen(
        [sys.executable, "-m", "gitreg", *args],
        cwd=folder.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # A shell that starts the tests in the background has told them to ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    while process.poll() is None and not is_time():
        pass
    process.send_signal(how)
    return process.wait(120)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_process_that_is_ended_goes_on(folder: Path, source: Place, how: signal.Signals) -> None:
    args = ["import", "mlflow", "--uri", source.uri, "--repo", str(folder)]
    started = commits(folder)
    code = _cut_off(folder, args, how, lambda: commits(folder) >= started + 4)
    assert code in (130, -how)
    gitreg(*args)
    sound(folder)
    assert told(f"gitreg://{folder}") == told(source.uri)
    assert bring(folder, source).is_unchanged


# What moves afterwards


def test_what_moves_in_mlflow_moves_here(folder: Path, source: Place) -> None:
    bring(folder, source)
    there = source.filler()
    there.version("churn", 0.1, 0.95)
    there.stage("churn", 3, "Archived")
    there.stage("churn", 4, "Production")
    there.stage("churn", 1, "None")
    there.client.set_registered_model_alias("churn", "champion", "4")
    there.client.delete_registered_model_alias("churn", "näch_ste")
    there.client.update_registered_model("churn", "New words.")
    there.client.update_model_version("churn", "3", "the old one")
    there.client.set_model_version_tag("churn", "3", "set", "2026")
    there.client.delete_model_version_tag("churn", "1", "set")
    report = bring(folder, source)
    churn = next(model for model in report.models if model.name == "churn")
    assert churn.brought == (6,)
    assert remarks(report) == []
    assert told(f"gitreg://{folder}") == told(source.uri)
    sound(folder)
    assert bring(folder, source).is_unchanged


def test_what_was_moved_here_stays(folder: Path, source: Place) -> None:
    bring(folder, source)
    with Registry(folder) as registry:
        registry.promote("churn@4", stage="production")
        registry.set_alias("churn@5", "champion")
        registry.annotate("churn@1", description="mine")
        registry.set_alias("churn@5", "mine")
    before = git(folder, "rev-parse", "HEAD")
    report = bring(folder, source)
    assert git(folder, "rev-parse", "HEAD") == before
    assert report.is_complete
    assert [text.split(":")[0] for text, _ in remarks(report)] == [
        "churn@1",
        "churn",
        "churn@3",
        "churn@4",
    ]


def test_what_is_gone_on_one_side_is_told(folder: Path, source: Place) -> None:
    bring(folder, source)
    with Registry(folder) as registry:
        registry.delete("churn@5")
        registry.delete_model("it's empty")
        registry.rename_model("greeting", "welcome")
    source.filler().client.delete_model_version("Größe 2 (EU)", "2")
    before = git(folder, "rev-parse", "HEAD")
    report = bring(folder, source)
    assert git(folder, "rev-parse", "HEAD") == before
    assert remarks(report) == [
        ("Größe 2 (EU)@2: was deleted in MLflow since; it stays here", False),
        ("churn@5: was deleted here: not imported again", False),
        ("greeting: was renamed to welcome here: not imported again", False),
        ("it's empty: was deleted here: not imported again", False),
    ]


def test_a_model_that_began_anew_here_comes_again(folder: Path, source: Place) -> None:
    bring(folder, source, "churn")
    with Registry(folder) as registry:
        registry.delete_model("churn", force=True)
        assert bring(folder, source, "churn").is_unchanged
        registry.create_model("churn")
    report = bring(folder, source, "churn")
    assert report.models[0].brought == (1, 3, 4, 5)
    assert (
        told(f"gitreg://{folder}")["churn"]["versions"] == (told(source.uri)["churn"]["versions"])
    )
    sound(folder)


def test_models_that_are_gone_in_mlflow_are_told(folder: Path, source: Place) -> None:
    write = folder / "own.pkl"
    write.write_text("weights")
    with Registry(folder) as registry:
        registry.register("own", write)
    bring(folder, source)
    source.filler().client.delete_registered_model("it's empty")
    report = bring(folder, source)
    assert remarks(report) == [("it's empty: is no longer in MLflow; it stays here", False)]
    assert report.is_unchanged


def test_what_cuts_an_import_off_says_how_to_go_on(folder: Path, source: Place) -> None:
    def fail(done: int, total: int, name: str) -> None:
        if name == "churn@3":
            raise WorldError("the disk is full")

    with pytest.raises(WorldError) as told_so:
        bring(folder, source, tell=fail)
    assert told_so.value.hint == "run it again: it continues with what is not imported yet"
    assert bring(folder, source).is_complete


def test_another_version_of_the_same_number_stays(folder: Path, source: Place) -> None:
    (folder / "own.pkl").write_text("weights")
    with Registry(folder) as registry:
        registry.register("churn", folder / "own.pkl")
    report = bring(folder, source, "churn")
    assert ("churn@1: is another version here, which has the number already", True) in remarks(
        report
    )
    with Registry(folder) as registry:
        assert registry.show("churn@1").artifact.path == "model.pkl"
        assert registry.resolve("churn@champion").version == 3


def test_where_somebody_put_another_version_mlflow_s_does_not_come(
    folder: Path, source: Place
) -> None:
    bring(folder, source)
    with Registry(folder) as registry:
        registry.promote("churn@5", stage="production")
    there = source.filler()
    number = there.version("churn", 0.1, 0.6)
    there.stage("churn", 3, "Archived")
    there.stage("churn", number, "Production")
    report = bring(folder, source, "churn")
    assert [text for text, is_left in remarks(report) if is_left] == [
        "churn@6: not in production: production holds churn@5, which somebody put there"
    ]
    with Registry(folder) as registry:
        assert registry.resolve("churn/production").version == 5


def test_mlflow_may_have_several_in_production(folder: Path, source: Place, target: Place) -> None:
    there = source.filler()
    for number in (1, 4, 5):
        there.stage("churn", number, "Production")
    assert bring(folder, source, "churn").is_complete
    assert told(f"gitreg://{folder}")["churn"] == told(source.uri)["churn"]
    gitreg("check", "--history", "--repo", str(folder))  # too-many is a warning
    assert take(folder, target, "churn").is_complete
    assert told(target.uri)["churn"] == told(source.uri)["churn"]


def test_an_alias_that_the_policy_protects_stays(folder: Path, source: Place) -> None:
    bring(folder, source)
    policy = folder / "registry" / "policy.yaml"
    policy.write_text(f"{policy.read_text()}aliases:\n  challenger: {{protected: true}}\n")
    git(folder, "commit", "-qam", "protect the challenger")
    source.filler().client.delete_registered_model_alias("churn", "challenger")
    report = bring(folder, source, "churn")
    ((text, is_left),) = remarks(report)
    assert text.startswith("churn: @challenger stays: ")
    assert is_left


# What cannot be downloaded


def test_what_the_policy_refuses_stays_behind(folder: Path, source: Place) -> None:
    policy = folder / "registry" / "policy.yaml"
    text = policy.read_text()
    assert "  production:\n" in text
    policy.write_text(text.replace("  production:\n", "  production:\n    from: [staging]\n"))
    git(folder, "commit", "-qam", "production from staging only")
    ran = gitreg("import", "mlflow", "--uri", source.uri, "--repo", str(folder), code=1)
    assert "left: churn@3: not in production" in ran.out
    with Registry(folder) as registry:
        assert registry.resolve("churn@champion").version == 3
        assert registry.model("churn").stages == {"archived": (1,), "staging": (4,)}
    sound(folder)


def test_artifacts_that_are_gone_become_links(folder: Path, source: Place) -> None:
    there = source.filler()
    there.client.create_registered_model("lost")
    run = there.run({"auc": 0.5, "bad": float("nan")}, {})
    made = there.client.create_model_version(
        "lost", f"{run.info.artifact_uri}/nothing", run.info.run_id, await_creation_for=0
    )
    there.version("lost", 0.1, 0.6)
    report = bring(folder, source, "lost", links=False)
    assert [text for text, is_left in remarks(report) if is_left][1:] == [
        "lost: 2 wait until 1 can be imported"
    ]
    report = bring(folder, source, "lost")
    (text, is_left), note = remarks(report)
    assert "lost@1: its artifacts could not be downloaded, it is a link to them" in text
    assert is_left
    assert note == ("lost@1: metrics left out, not finite: bad", False)
    with Registry(folder) as registry:
        version = registry.show("lost@1")
        assert version.artifact.path == "model.link"
        assert registry.pull(version, folder.parent).read_text() == made.source
    assert bring(folder, source, "lost").is_unchanged
    sound(folder)


def test_what_is_not_installed_makes_no_links(
    folder: Path, source: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link stays one for good: it must not come of what a `pip install` mends."""
    there = source.filler()
    there.client.create_registered_model("stored")
    there.client.create_model_version("stored", "s3://bucket/model", await_creation_for=0)
    with monkeypatch.context() as patch:
        for name in ("boto3", "botocore"):
            patch.setitem(sys.modules, name, None)
        with pytest.raises(WorldError, match=r"s3://bucket/model: .*boto") as raised:
            bring(folder, source, "stored")
    assert "install" in str(raised.value.hint)
    with Registry(folder) as registry:
        assert registry.versions("stored") == []


def test_a_run_that_is_gone_and_names_that_do_not_fit_are_told(folder: Path, source: Place) -> None:
    there = source.filler()
    for name in ("x@y", "CHURN", "odd"):
        there.client.create_registered_model(name)
    version = there.version("odd", 0.1, 0.6)
    for alias in ("production", "7", "Best", "best"):
        there.client.set_registered_model_alias("odd", alias, str(version))
    there.store.create_model_version("odd", "s3://nobody/has/it", "0" * 32)
    there.client.delete_model_version("odd", "2")
    made = there.client.search_model_versions("name = 'odd'")[0]
    there.store.create_model_version("odd", made.source, "0" * 32)
    report = bring(folder, source, "x@y", "CHURN", "odd", "churn")
    said = dict(remarks(report))
    left = [text for text, is_left in remarks(report) if is_left]
    assert any(text.startswith("x@y: 'x@y' cannot be a model's name") for text in left)
    assert any("differs from the model 'CHURN' only by case" in text for text in left)
    assert any("'production' cannot be an alias" in text for text in left)
    assert any("'7' cannot be an alias" in text for text in left)
    assert any(text.startswith("odd: @best does not name 1: alias 'best' differs") for text in left)
    assert not said[f"odd@3: its run {'0' * 32} is gone: no metrics, params and commit"]
    sound(folder)


def test_a_long_run_is_cut_to_what_a_manifest_holds(folder: Path, source: Place) -> None:
    there = source.filler()
    there.client.create_registered_model("long")
    run = there.run({}, {f"p{number}": "x" * 5000 for number in range(9)})
    there.client.log_text(run.info.run_id, "weights", "model/weights.txt")
    there.client.create_model_version(
        "long", f"{run.info.artifact_uri}/model", run.info.run_id, await_creation_for=0
    )
    report = bring(folder, source, "long")
    assert len(report.remarks) == 1
    assert "params left out" in report.remarks[0].text
    assert report.is_complete


def test_artifacts_behind_a_server_that_is_not_named(folder: Path, source: Place) -> None:
    there = source.filler()
    there.client.create_registered_model("proxied")
    there.store.create_model_version("proxied", "mlflow-artifacts:/1/abc/artifacts/model")
    with pytest.raises(WorldError, match="behind a tracking server"):
        bring(folder, source, "proxied")
    report = bring(folder, source, "churn")
    assert report.is_complete


def test_names_with_both_kinds_of_quotes(folder: Path, source: Place, target: Place) -> None:
    there = source.filler()
    there.client.create_registered_model('it\'s "it"')
    there.version('it\'s "it"', 0.1, 0.6)
    assert bring(folder, source, "it's \"*").is_complete
    assert take(folder, target, "it's \"*").is_complete
    assert told(target.uri)['it\'s "it"'] == told(source.uri)['it\'s "it"']


def test_a_logged_model_is_known_by_its_id(folder: Path, source: Place) -> None:
    there = source.filler()
    there.client.create_registered_model("logged")
    run = there.run({"auc": 0.5}, {})
    model = there.client.create_logged_model(
        there.experiment, "logged", run.info.run_id, params={"depth": "3"}
    )
    path = there.trained(0.1)
    there.client.log_model_artifacts(model.model_id, str(path))
    there.client.log_metric(run.info.run_id, "f1", 0.4, model_id=model.model_id)
    there.client.finalize_logged_model(model.model_id, "READY")
    there.register_logged("logged", model)
    assert remarks(bring(folder, source, "logged")) == []
    with Registry(folder) as registry:
        version = registry.show("logged@1")
    assert version.artifact.is_folder
    assert version.lineage.logged_model == model.model_id
    assert version.metrics == {"auc": 0.5, "f1": 0.4}
    assert version.params == {"depth": "3"}


# Which MLflow?


@pytest.mark.parametrize(
    ("uri", "kind", "says"),
    [
        ("mlflow.internal:5000", InvalidRequest, "is not the URI of an MLflow registry"),
        ("htp://mlflow", InvalidRequest, "htp://mlflow is no URI"),
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
    assert "did you mean 'other.db'?" in said


def test_mistyped_options(folder: Path, source: Place) -> None:
    assert "Possible options: --uri" in error("import", "mlflow", "--url", source.uri)
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


# Out


def test_a_registry_goes_over_and_back(folder: Path, source: Place, target: Place) -> None:
    bring(folder, source)
    ran = gitreg("export", "mlflow", "--uri", target.uri, "--repo", str(folder))
    assert "churn         1, 3-5" in ran.out
    assert told(target.uri) == told(source.uri)
    assert made_of(target.uri, target.folder) == made_of(source.uri, source.folder)
    again = gitreg("export", "mlflow", "--uri", target.uri, "--repo", str(folder))
    assert "nothing to do" in again.out
    assert b"ada:pw" in source.database.read_bytes()  # a login in the URL of a run's repository
    assert b"ada:pw" not in target.database.read_bytes()
    assert "ada:pw" not in git(folder, "log", "--patch", "--text")
    back = bring(folder, target)  # what went there is known when it comes back
    assert (remarks(back), back.is_unchanged) == ([], True)


def test_what_went_over_comes_anew(
    folder: Path, source: Place, target: Place, tmp_path: Path
) -> None:
    bring(folder, source)
    take(folder, target)
    anew = tmp_path / "anew"
    Registry.init(anew)
    assert bring(anew, target).is_complete
    assert told(f"gitreg://{anew}") == told(source.uri)
    sound(anew)


def test_what_somebody_said_of_a_model_before_it_came_stays(folder: Path, source: Place) -> None:
    with Registry(folder) as registry:
        registry.create_model("churn", description="mine", tags={"my": "own"})
    report = bring(folder, source, "churn")
    assert remarks(report) == [
        ("churn: its annotations differ, but were changed here: kept", False)
    ]
    with Registry(folder) as registry:
        assert registry.model("churn").tags == {"my": "own"}
        assert registry.resolve("churn@champion").version == 3


def test_an_export_that_is_cut_off_goes_on(folder: Path, source: Place, target: Place) -> None:
    bring(folder, source)
    args = ["export", "mlflow", "--uri", target.uri, "--repo", str(folder)]
    there = ForeignRegistry(target.uri)

    def has_two() -> bool:
        model = there.model("churn")
        return model is not None and len(there.versions(model)) >= 2

    assert _cut_off(folder, args, signal.SIGKILL, has_two) == -signal.SIGKILL
    gitreg(*args)
    assert told(target.uri) == told(source.uri)
    assert made_of(target.uri, target.folder) == made_of(source.uri, source.folder)
    assert take(folder, target).is_unchanged


def test_what_took_a_number_of_nobody_goes_when_an_export_goes_on(
    folder: Path, source: Place, target: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off after each of its calls in turn, before and after what takes a number is deleted."""
    bring(folder, source, "churn")
    store = type(ForeignRegistry(target.uri).store)
    for call in ("create_model_version", "delete_model_version", "delete_model_version_tag"):
        for late in (False, True):
            with monkeypatch.context() as patch:
                patch.setattr(store, call, _interrupted(getattr(store, call), late=late))
                with suppress(KeyboardInterrupt):
                    take(folder, target)
    take(folder, target)
    here, there = (told(place.uri)["churn"] for place in (source, target))
    assert there == here
    assert take(folder, target).is_unchanged


def _interrupted(call: Any, *, late: bool) -> Any:
    """Return a call that is interrupted, before it does its work or after it."""

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        if late:
            call(*args, **kwargs)
        raise KeyboardInterrupt

    return interrupted


def test_numbers_that_are_deleted_here_are_not_given_there(
    folder: Path, source: Place, target: Place
) -> None:
    bring(folder, source, "churn", "Größe*")
    with Registry(folder) as registry:
        registry.delete("churn@5")
        registry.delete("Größe 2 (EU)@2", force=True)
    report = take(folder, target)
    assert [text for text, _ in remarks(report)] == [
        "Größe 2 (EU): MLflow may reuse numbers up to 2, which were given here"
    ]
    assert take(folder, target).is_unchanged
    there = target.filler()
    assert there.version("churn", 0.1, 0.5) == 6


def test_what_moves_here_moves_there(folder: Path, source: Place, target: Place) -> None:
    bring(folder, source)
    take(folder, target)
    with Registry(folder) as registry:
        registry.promote("churn@4", stage="production", alias="champion")
        registry.annotate("churn", description="New words.", tags={"team": "core"})
        registry.annotate("churn@1", description="old", tags={"set": "x"}, untag=())
        registry.delete_alias("churn", "näch_ste")
        registry.delete("churn@5")
    dry = take(folder, target, dry_run=True)
    report = take(folder, target)
    assert [model.changed for model in dry.models] == [model.changed for model in report.models]
    assert remarks(report) == [
        ("churn@5: is in MLflow and not here; it stays", False),
        ("churn: MLflow has an alias 'näch_ste', which is not here; it stays", False),
    ]
    found = told(target.uri)["churn"]
    assert found["description"] == "New words."
    assert found["tags"]["team"] == "core"
    assert found["aliases"] == {"challenger": 4, "champion": 4, "näch_ste": 4}
    assert {number: found["versions"][number]["stage"] for number in (3, 4)} == {
        3: "Archived",
        4: "Production",
    }
    assert take(folder, target).is_unchanged


def test_what_mlflow_cannot_hold_stays_behind(folder: Path, target: Place) -> None:
    policy = folder / "registry" / "policy.yaml"
    policy.write_text(policy.read_text().replace("  staging:", "  canary: {}\n  staging:"))
    git(folder, "commit", "-qam", "canary")
    (folder / "one.pkl").write_text("weights")
    with Registry(folder) as registry:
        registry.register(
            "one",
            folder / "one.pkl",
            metrics={"auc": 0.5, "a|b": 1},
            params={"deep": {"er": [1, 2]}, "long": "x" * 7000, "k" * 251: 1},
        )
        registry.annotate("one", owner="Ada")
        registry.promote("one@1", stage="canary")
    report = take(folder, target)
    assert remarks(report) == [
        ("one@1: metric left out: MLflow does not accept the name 'a|b'", True),
        ("one@1: param long cut to 6,000 characters", True),
        (f"one@1: param left out: the name '{'k' * 40}'… is too long for MLflow", True),
        ("one@1: not in canary: MLflow has no such stage", True),
        ("one: MLflow cannot store its owner, Ada", False),
    ]
    made = made_of(target.uri, target.folder)["one@1"]
    with Registry(folder) as registry:
        assert made["sha256"] == registry.sha256("one@1")
    assert made["params"]["deep"] == '{"er": [1, 2]}'


def test_links_go_over_and_what_cannot_be_had_waits(
    folder: Path, source: Place, target: Place
) -> None:
    there = source.filler()
    there.client.create_registered_model("lost")
    for place in ("s3://bucket/one", "s3://bucket/two"):
        there.client.create_model_version("lost", place, await_creation_for=0)
    bring(folder, source, "lost", "churn")
    assert take(folder, target, "lost").is_complete
    found = store_of(target.uri).search_model_versions("name = 'lost'")
    assert {version.source for version in found} == {"s3://bucket/one", "s3://bucket/two"}
    store_of(target.uri).delete_model_version("lost", "1")
    shutil.rmtree(folder / ".dvc" / "cache")
    shutil.rmtree(folder / "registry" / "churn" / "versions", ignore_errors=True)
    git(folder, "checkout", "-q", ".")
    report = take(folder, target, "lost", "churn")
    said = [text for text, _ in remarks(report)]
    assert any(text.startswith("churn@1: ") for text in said)
    assert "churn: 3, 4, 5 wait until 1 can be exported" in said
    assert "churn: @champion names 3, which is not in MLflow" in said
    assert "lost@1: was deleted in MLflow: not taken there again" in said


def test_another_version_there_stays(folder: Path, source: Place, target: Place) -> None:
    bring(folder, source, "churn")
    there = target.filler()
    there.client.create_registered_model("churn", {"its": "own"})
    there.version("churn", 0.7, 0.5)
    there.version("churn", 0.7, 0.6)
    there.client.delete_model_version("churn", "2")
    report = take(folder, target)
    said = remarks(report)
    assert ("churn@1: is another version there, which has the number already", True) in said
    assert ("churn: MLflow has a tag 'its', which is not here; it stays", False) in said
    assert sorted(told(target.uri)["churn"]["versions"]) == [1, 3, 4, 5]


def test_a_number_that_mlflow_gave_already(folder: Path, source: Place, target: Place) -> None:
    bring(folder, source, "churn")
    there = target.filler()
    there.client.create_registered_model("churn")
    for _ in range(3):
        there.version("churn", 0.7, 0.5)
    for number in ("1", "2", "3"):
        there.client.delete_model_version("churn", number)
    report = take(folder, target)
    assert ("churn@1: the next number of churn in MLflow is 4, not 1", True) in remarks(report)
    assert told(target.uri)["churn"]["versions"] == {}


def test_a_deleted_experiment_is_in_the_way(folder: Path, source: Place, target: Place) -> None:
    bring(folder, source, "it's*")
    client = target.filler().client
    client.delete_experiment(client.create_experiment(folder.name))
    with pytest.raises(InvalidRequest, match="is deleted at"):
        take(folder, target)


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
    config = stocked / ".dvc" / "config"
    remote = stocked.parent / "dvc-remote"
    config.write_text(config.read_text().replace("../../dvc-remote", str(remote)))
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
    with cli.mlflow._counting("import") as tell:
        assert tell is not None
        bring(folder, source, "churn", tell=tell)
    assert "churn@" in screen.getvalue()
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with cli.mlflow._counting("import") as tell:
        assert tell is None
