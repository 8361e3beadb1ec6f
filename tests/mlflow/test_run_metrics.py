"""Which metrics a version gets: the run's last ones, or those of a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import mlflow
import pytest
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking.client import MlflowClient
from sklearn.linear_model import LogisticRegression

from gitreg import Registry
from gitreg.mlflow.run_metrics import metrics_of
from gitreg.mlflow.store import GitregStore
from gitreg.mlflow.transfer.foreign import ForeignRegistry
from gitreg.mlflow.transfer.importing import ImportOptions, import_registry
from tests.mlflow.transfer.moves import quiet


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a tracking database, set for MLflow's fluent calls."""
    base = tmp_path_factory.mktemp("tracking")
    address = f"sqlite:///{base / 'mlflow.db'}"
    with pytest.MonkeyPatch.context() as patch:
        quiet(patch)
        patch.setenv("MLFLOW_TRACKING_URI", address)
        store = SqlAlchemyStore(address, str(base / "artifacts"))
        mlflow.set_tracking_uri(address)
        mlflow.set_experiment(experiment_id=mlflow.create_experiment("x", str(base / "artifacts")))
        yield address
        mlflow.set_tracking_uri(None)
        store._dispose_engine()


def log_model(step: int = 0) -> str:
    """Log a model to the active run; return its id."""
    fitted = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    logged = mlflow.sklearn.log_model(
        fitted, name="model", step=step, pip_requirements=["scikit-learn"]
    )
    assert logged.model_id is not None
    return str(logged.model_id)


def found(uri: str, run: str, model: str | None) -> dict[str, float]:
    client = MlflowClient(uri)
    logged = client.get_logged_model(model) if model else None
    return metrics_of(client, client.get_run(run), logged)


def epochs(values: Sequence[float]) -> None:
    for step, value in enumerate(values):
        mlflow.log_metric("acc", value, step=step)


def test_the_last_values_of_the_run_count(uri: str, folder: Path) -> None:
    store = GitregStore(f"gitreg://{folder}", uri)
    store.create_registered_model("churn")
    for values in ((0.1, 0.5, 0.9), (0.3, 0.4, 0.5)):  # the second one begins better, ends worse
        with mlflow.start_run() as run:
            epochs(values)
            model = log_model()
            mlflow.log_metric("auc", 0.7)  # after the model
        store.create_model_version("churn", f"models:/{model}", run.info.run_id, model_id=model)
        assert MlflowClient(uri).get_logged_model(model).metrics[0].value == values[0]
    store.close()
    with Registry(folder) as registry:
        kept = [version.metrics for version in registry.versions("churn")]
        registry.promote("churn@1", stage="production")
        compared = registry.compare("churn@1", "churn@2")
    assert kept == [{"acc": 0.5, "auc": 0.7}, {"acc": 0.9, "auc": 0.7}]
    assert compared.metrics["acc"].a == 0.9


def test_a_checkpoint_has_the_metrics_of_its_step(uri: str, folder: Path) -> None:
    models = []
    with mlflow.start_run() as run:
        for step, value in enumerate((0.4, 0.9, 0.6)):
            mlflow.log_metric("acc", value, step=step)
            mlflow.log_metric("lr", 0.1)
            models.append(log_model(step))
    run_id = run.info.run_id
    # Step 0 is that of the first checkpoint: later ones follow.
    assert [found(uri, run_id, model)["acc"] for model in models] == [0.4, 0.9, 0.6]
    assert found(uri, run_id, models[1])["lr"] == 0.1
    assert found(uri, run_id, None)["acc"] == 0.6
    store = GitregStore(f"gitreg://{folder}", uri)
    store.create_registered_model("churn")
    best = store.create_model_version("churn", f"models:/{models[1]}", run_id, model_id=models[1])
    store.copy_model_version(best, "copy")
    store.close()
    client = MlflowClient(uri, uri)
    client.create_registered_model("old")
    client.create_model_version("old", f"models:/{models[1]}", run_id, model_id=models[1])
    with Registry(folder) as registry:
        import_registry(registry, ForeignRegistry(uri), ("old",), ImportOptions())
        for name in ("churn", "copy", "old"):
            assert registry.show(f"{name}@1").metrics["acc"] == 0.9


def test_a_last_model_without_a_step_has_the_last_values(uri: str) -> None:
    with mlflow.start_run() as run:
        mlflow.log_metric("acc", 0.4, step=0)
        mlflow.log_metric("acc", 0.9, step=1)
        log_model(step=1)
        mlflow.log_metric("acc", 0.6, step=2)
        last = log_model()
    assert found(uri, run.info.run_id, last) == {"acc": 0.6}


def test_metrics_that_a_script_links_itself_are_the_model_s(uri: str) -> None:
    with mlflow.start_run() as run:
        one, other = log_model(), log_model()
        for model, value in ((one, 0.8), (other, 0.7)):
            mlflow.log_metric("acc", value, model_id=model)
            mlflow.log_metric("f1", value, step=5 if model == one else 9, model_id=model)
    assert found(uri, run.info.run_id, one) == {"acc": 0.8, "f1": 0.8}
    assert found(uri, run.info.run_id, other) == {"acc": 0.7, "f1": 0.7}


def test_without_a_run_the_model_has_its_own(uri: str) -> None:
    with mlflow.start_run():
        mlflow.log_metric("acc", 0.4)
        model = log_model()
    client = MlflowClient(uri)
    assert metrics_of(client, None, client.get_logged_model(model)) == {"acc": 0.4}
    assert metrics_of(client, None, None) == {}
