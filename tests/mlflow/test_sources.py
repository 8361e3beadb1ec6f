"""Versions from every kind of source: their bytes, their lineage, and what cannot be reached."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import mlflow
import mlflow.data
import numpy as np
import pytest
from mlflow.entities.model_registry import ModelVersionTag
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking.client import MlflowClient
from sklearn.linear_model import LogisticRegression

from gitreg import Registry
from gitreg.core.model.model import CodeCommit, DataDependency, Run
from gitreg.mlflow.sources import code_of
from gitreg.mlflow.store import GitregStore
from tests.conftest import git, write_model

COMMIT = "4b652c8d1c5b4d0f7a3b2e1d0c9b8a7f6e5d4c3b"


@dataclass(frozen=True)
class Trained:
    """A run that trained a model and logged it."""

    tracking_uri: str
    run_id: str
    model_id: str
    location: str


def dataset(source: str | None) -> mlflow.data.Dataset:
    """A data set of one row; without a source MLflow takes the code for it."""
    digest = "1a2b3c4d" if source else "5e6f7a8b"
    return mlflow.data.from_numpy(np.array([[1.0]]), source, name="rows", digest=digest)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    base = tmp_path_factory.mktemp("tracking")
    uri = f"sqlite:///{base / 'mlflow.db'}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        store = SqlAlchemyStore(uri, str(base / "artifacts"))
        mlflow.set_tracking_uri(uri)
        experiment = mlflow.create_experiment("churn", artifact_location=str(base / "artifacts"))
        rows = [[0.0], [1.0], [2.0], [3.0]]
        with mlflow.start_run(experiment_id=experiment) as run:
            mlflow.log_metrics({"auc": 0.9, "odd": float("nan")})
            mlflow.log_params({"C": 1.0})
            for context in ("training", "evaluation"):  # the same one twice
                mlflow.log_input(dataset("https://ada:s3cret@example.com/train.csv"), context)
            mlflow.log_input(dataset(None))
            mlflow.set_tags(
                {
                    "mlflow.source.git.commit": COMMIT,
                    "mlflow.source.git.repoURL": "https://ada:s3cret@example.com/churn.git",
                }
            )
            model = mlflow.sklearn.log_model(
                LogisticRegression().fit(rows, [0, 0, 1, 1]),
                name="model",
                signature=infer_signature(rows, [0, 1]),
            )
        mlflow.set_tracking_uri(None)
        location = MlflowClient(uri).get_logged_model(model.model_id).artifact_location
        yield Trained(uri, run.info.run_id, model.model_id, location)
        store._dispose_engine()


@pytest.fixture
def store(folder: Path, trained: Trained) -> Iterator[GitregStore]:
    opened = GitregStore(f"gitreg://{folder}", trained.tracking_uri)
    opened.create_registered_model("churn")
    yield opened
    opened.close()


@pytest.fixture
def strict(folder: Path, trained: Trained) -> Iterator[GitregStore]:
    opened = GitregStore(f"gitreg://{folder}?strict=true", trained.tracking_uri)
    opened.create_registered_model("churn")
    yield opened
    opened.close()


def test_a_run_is_copied_with_all_that_it_says(
    store: GitregStore, folder: Path, trained: Trained
) -> None:
    source = f"runs:/{trained.run_id}/model"
    mv = store.create_model_version(
        "churn", source, trained.run_id, run_link="http://ada:pw@mlflow.internal/#/runs/1"
    )
    assert (mv.source, mv.run_id) == (source, trained.run_id)
    assert mv.run_link == "http://mlflow.internal/#/runs/1"
    with Registry(folder) as registry:
        found = registry.show("churn@1")
        assert found.metrics == {"auc": 0.9}
        assert found.params == {"C": "1.0"}
        assert found.lineage.code is not None
        assert found.lineage.code.commit == COMMIT
        assert found.lineage.code.repository == "https://example.com/churn.git"
        assert found.lineage.data == (
            DataDependency("https://example.com/train.csv", digest="1a2b3c4d"),
            DataDependency("rows", digest="5e6f7a8b"),
        )
        assert found.lineage.run is not None
        assert found.lineage.run.tracking_uri is None  # a file of this machine says nothing
        assert found.signature is not None
        assert json.loads(str(found.signature.inputs))[0]["type"] == "array"
        assert found.environment.python is not None
        requirements = git(folder, "show", "HEAD:registry/churn/versions/1/requirements.txt")
        assert "scikit-learn" in requirements
        assert (registry.pull("churn@1", folder.parent) / "MLmodel").is_file()


@pytest.mark.parametrize("kind", ["id", "location", "run and id"])
def test_a_logged_model_is_copied(
    store: GitregStore, folder: Path, trained: Trained, kind: str
) -> None:
    source = trained.location if kind == "location" else f"models:/{trained.model_id}"
    run = trained.run_id if kind == "run and id" else None
    mv = store.create_model_version("churn", source, run, model_id=trained.model_id)
    assert (mv.run_id, mv.model_id) == (trained.run_id, trained.model_id)
    with Registry(folder) as registry:
        found = registry.show("churn@1")
        assert found.lineage.logged_model == trained.model_id
        assert found.metrics == {"auc": 0.9}
        assert (registry.pull("churn@1", folder.parent) / "MLmodel").is_file()


def test_a_logged_model_that_is_not_there(store: GitregStore) -> None:
    with pytest.raises(MlflowException, match="Unable to fetch model from model URI"):
        store.create_model_version("churn", "models:/m-nope")
    with pytest.raises(MlflowException) as raised:
        store.create_model_version("churn", "no/such/source", model_id="m-nope")
    assert raised.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_folders_and_files_of_this_machine(store: GitregStore, folder: Path) -> None:
    model = write_model(folder.parent, "weights")
    file = model / "model.pkl"
    sources = [str(model), model.as_uri(), f"file://localhost{model}", str(file), file.as_uri()]
    for source in sources:
        assert store.create_model_version("churn", source).source == source
    elsewhere = store.create_model_version(
        "churn", "dbfs:/nowhere", local_model_path=str(model), description="d"
    )
    assert (elsewhere.source, elsewhere.description) == ("dbfs:/nowhere", "d")
    with Registry(folder) as registry:
        digests = [version.artifact.sha256 for version in reversed(registry.versions("churn"))]
        assert len(set(digests[:3] + digests[5:])) == 1
        assert len(set(digests[3:5])) == 1
        assert not (model / "registered_model_meta").exists()


def test_a_version_is_copied_by_its_hash(
    store: GitregStore, folder: Path, trained: Trained
) -> None:
    store.create_model_version(
        "churn", f"models:/{trained.model_id}", tags=[ModelVersionTag("a", "1")]
    )
    copy = store.copy_model_version(store.get_model_version("churn", 1), "churn-prod")
    assert (copy.name, copy.version, copy.source) == ("churn-prod", 1, "models:/churn/1")
    assert (copy.tags, copy.run_id) == ({"a": "1"}, trained.run_id)
    with Registry(folder) as registry:
        one, other = registry.show("churn@1"), registry.show("churn-prod@1")
        assert one.artifact == other.artifact
        assert (one.metrics, one.params, one.signature) == (
            other.metrics,
            other.params,
            other.signature,
        )
        assert one.environment == other.environment
        requirements = "HEAD:registry/churn{}/versions/1/requirements.txt"
        assert git(folder, "show", requirements.format("")) == git(
            folder, "show", requirements.format("-prod")
        )


def test_a_copy_needs_no_tracking_server(store: GitregStore, folder: Path, tmp_path: Path) -> None:
    store.create_model_version("churn", str(write_model(tmp_path)), "0" * 32)
    lonely = GitregStore(f"gitreg://{folder}", f"sqlite:///{tmp_path / 'nowhere.db'}")
    lonely.copy_model_version(lonely.get_model_version("churn", 1), "other")
    assert lonely.get_model_version("other", 1).run_id == "0" * 32
    assert not (tmp_path / "nowhere.db").exists()
    lonely.close()


UNREACHABLE = [
    "s3://bucket/model",
    "mlflow-artifacts:/0/model",
    "http://127.0.0.1:9/model",
    "no/such/folder",
    "runs:/00000000000000000000000000000000/model",
    "unheard-of://x/y",
    "s3://AKIA:s3cret@bucket/model",
]


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients of stores that are not there give up at once."""
    for name, value in {
        "MLFLOW_S3_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_MAX_ATTEMPTS": "1",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("hasty")
def test_what_cannot_be_reached_is_a_link_with_a_warning(
    store: GitregStore, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number, source in enumerate(UNREACHABLE, start=1):
        caplog.clear()
        mv = store.create_model_version("churn", source)
        assert mv.source == source.replace("AKIA:s3cret@", "")
        assert "cannot be reached" in caplog.text
        assert "s3cret" not in caplog.text
        with Registry(folder) as registry:
            artifact = registry.pull(f"churn@{number}", folder.parent, replace_existing=True)
            assert artifact.name == "model.link"
            assert artifact.read_text() == mv.source
    assert "s3cret" not in git(folder, "log", "-p")


@pytest.mark.usefixtures("hasty")
def test_strict_refuses_links_and_folders_without_mlmodel(
    strict: GitregStore, trained: Trained, tmp_path: Path
) -> None:
    for source in (*UNREACHABLE, str(write_model(tmp_path))):
        with pytest.raises(MlflowException) as raised:
            strict.create_model_version("churn", source)
        assert raised.value.error_code == "INVALID_PARAMETER_VALUE"
        assert "strict=true" in str(raised.value)
        assert "s3cret" not in str(raised.value)
    assert strict.create_model_version("churn", f"models:/{trained.model_id}").version == 1
    assert strict.create_model_version("churn", "models:/churn/1").version == 2


def test_a_run_that_nobody_knows_is_recorded_all_the_same(
    store: GitregStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mv = store.create_model_version("churn", str(write_model(tmp_path)), "f" * 32)
    assert mv.run_id == "f" * 32
    assert "are not recorded" in caplog.text


@pytest.fixture
def remote() -> Iterator[str]:
    """A tracking server that knows one run, ``e`` 32 times, and nothing else."""
    run = {
        "info": {"run_id": "e" * 32, "experiment_id": "0", "status": "FINISHED"},
        "data": {
            "metrics": [{"key": "auc", "value": 0.75, "timestamp": 1, "step": 0}],
            "params": [{"key": "C", "value": "2"}],
            "tags": [{"key": "mlflow.source.git.commit", "value": COMMIT}],
        },
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path.startswith("/api/2.0/mlflow/runs/get?") and "e" * 32 in self.path
            content = json.dumps({"run": run} if known else {}).encode()
            self.send_response(200 if known else 404)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_tracking_server_is_asked_for_the_run(folder: Path, remote: str, tmp_path: Path) -> None:
    store = GitregStore(f"gitreg://{folder}", remote)
    store.create_registered_model("churn")
    store.create_model_version("churn", str(write_model(tmp_path)), "e" * 32)
    store.close()
    with Registry(folder) as registry:
        found = registry.show("churn@1")
    assert (found.metrics, found.params) == ({"auc": 0.75}, {"C": "2"})
    assert found.lineage.code == CodeCommit(COMMIT)
    assert found.lineage.run == Run("e" * 32, remote)  # it means something on other machines


def test_the_script_of_a_run_is_looked_at_where_it_is(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "work")
    script = tmp_path / "work" / "train.py"
    script.write_text("")
    git(script.parent, "add", ".")
    git(script.parent, "commit", "--quiet", "-m", "train")
    tags = {
        "mlflow.source.git.commit": git(script.parent, "rev-parse", "HEAD"),
        "mlflow.source.name": str(script),
    }
    clean = CodeCommit(tags["mlflow.source.git.commit"])
    assert code_of(tags) == clean
    script.write_text("changed")
    (script.parent / "try.ipynb").write_text("")
    changed = (script.name,)
    assert code_of(tags) == replace(clean, dirty=True, untracked=True, changed=changed)
    git(script.parent, "commit", "--quiet", "-am", "another commit says nothing of the run")
    for name in (str(script), str(tmp_path / "gone.py"), ""):
        assert code_of({**tags, "mlflow.source.name": name}) == clean
    (script.parent / ".git" / "index").write_bytes(b"junk")
    assert code_of(tags) == clean


@pytest.mark.parametrize(
    "address", ["sqlite:///{}/nowhere.db", "file:///{}/nowhere", "file://{}/no%20where"]
)
def test_a_tracking_store_that_is_absent_is_not_made(
    folder: Path, tmp_path: Path, address: str
) -> None:
    model = write_model(tmp_path, "weights")
    before = sorted(tmp_path.iterdir())
    store = GitregStore(f"gitreg://{folder}", address.format(tmp_path))
    store.create_registered_model("churn")
    store.create_model_version("churn", str(model), "f" * 32)
    assert store.get_model_version("churn", 1).run_id == "f" * 32
    store.close()
    assert sorted(tmp_path.iterdir()) == before


def test_a_model_folder_that_is_malformed_says_nothing_of_itself(
    store: GitregStore, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = write_model(folder.parent)
    (model / "MLmodel").write_text("signature: [")
    (model / "python_env.yaml").write_text("- a\n")
    store.create_model_version("churn", str(model))
    assert "MLmodel does not parse" in caplog.text
    (model / "MLmodel").write_text("signature: {inputs: '[]', outputs: 5}\n")
    (model / "python_env.yaml").write_text("python: 3.11.7\n")
    store.create_model_version("churn", str(model))
    with Registry(folder) as registry:
        assert registry.show("churn@1").signature is None
        found = registry.show("churn@2")
        assert found.signature is not None
        assert (found.signature.inputs, found.signature.outputs) == ("[]", None)
        assert found.environment.python == "3.11.7"


def test_an_empty_folder_over_there_is_no_model(
    store: GitregStore, trained: Trained, caplog: pytest.LogCaptureFixture
) -> None:
    store.create_model_version("churn", f"runs:/{trained.run_id}/nothing")
    assert "cannot be reached" in caplog.text
