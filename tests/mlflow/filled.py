"""MLflow registries filled with trained models, and all that MLflow tells of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow.sklearn
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.models import infer_signature
from mlflow.tracking._model_registry.utils import _get_store
from mlflow.tracking._tracking_service.utils import _use_tracking_uri
from sklearn.linear_model import LogisticRegression

from gitreg.dvc.digest import hash_tree
from gitreg.mlflow.plugin import model_registry_store

COMMIT = "4b652c8f0a1d5d3ce1a4b1c7a2f3d4e5f6a7b8c9"
FEATURES = [[0.0, 1.0], [1.0, 0.0], [0.2, 0.9], [0.8, 0.1]]
LABELS = [0, 1, 0, 1]


def train(folder: Path, strength: float) -> Path:
    """Train a model and save it as MLflow does; return its folder."""
    model = LogisticRegression(C=strength).fit(FEATURES, LABELS)
    path = folder / f"model-{strength}"
    mlflow.sklearn.save_model(
        model,
        str(path),
        signature=infer_signature(FEATURES, model.predict(FEATURES)),
        pip_requirements=["scikit-learn", "numpy"],
    )
    return path


class Filler:
    """Fills a registry through MLflow's client."""

    def __init__(self, uri: str, folder: Path, artifacts: Path | None = None) -> None:
        self.client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        self.store = _get_store(uri, uri)
        self.uri = uri
        self.folder = folder
        there = self.client.get_experiment_by_name("churn")
        self.experiment = (
            there.experiment_id
            if there
            else self.client.create_experiment("churn", artifacts and str(artifacts))
        )
        self._trained: dict[float, Path] = {}

    def run(self, metrics: Mapping[str, float], params: Mapping[str, str]) -> Any:
        """Log a run, as a training script would."""
        run = self.client.create_run(
            self.experiment,
            tags={
                "mlflow.source.git.commit": COMMIT,
                "mlflow.source.git.repoURL": "https://ada:pw@git.example.com/team/churn.git",
            },
        )
        self.client.log_batch(
            run.info.run_id,
            [Metric(key, value, 1, step) for key, value in metrics.items() for step in (0, 1)],
            [Param(key, value) for key, value in params.items()],
        )
        return run

    def trained(self, strength: float) -> Path:
        """Return the folder of a trained model."""
        if strength not in self._trained:
            self._trained[strength] = train(self.folder, strength)
        return self._trained[strength]

    def register_logged(self, name: str, model: Any) -> None:
        """Register a logged model as MLflow's fluent API does."""
        with _use_tracking_uri(self.uri):  # the store asks the one that is set
            self.client.create_model_version(
                name,
                f"models:/{model.model_id}",
                model.source_run_id,
                model_id=model.model_id,
                await_creation_for=0,
            )

    def version(self, name: str, strength: float, auc: float, **more: Any) -> int:
        """Train, log and register a version."""
        run = self.run({"auc": auc, "loss": 1 - auc}, {"C": str(strength), "note": "größer"})
        self.client.log_artifacts(run.info.run_id, str(self.trained(strength)), "model")
        self.client.set_terminated(run.info.run_id)
        made = self.client.create_model_version(
            name,
            f"{run.info.artifact_uri}/model",
            run.info.run_id,
            run_link=f"http://mlflow.internal/#/experiments/1/runs/{run.info.run_id}",
            await_creation_for=0,
            **more,
        )
        return int(made.version)

    def prompt(self, name: str, *texts: str) -> None:
        """Register a prompt."""
        self.client.register_prompt(name, texts[0], commit_message="first", tags={"tone": "kind"})
        for text in texts[1:]:
            self.client.register_prompt(name, text, commit_message="better")

    def stage(self, name: str, version: int, stage: str) -> None:
        """Move a version to a stage; the client's own method warns that stages are deprecated."""
        self.store.transition_model_version_stage(
            name, str(version), stage, archive_existing_versions=False
        )


def fill(uri: str, folder: Path, artifacts: Path | None = None) -> Filler:
    """Fill a registry with what a team has after a while.

    Args:
        uri: of the registry.
        folder: where models are trained.
        artifacts: where runs keep them; a server knows.
    """
    filler = Filler(uri, folder, artifacts)
    client = filler.client
    client.create_registered_model(
        "churn", {"team": "growth", "owner: mail": "ada@example.com"}, "Who leaves, and when?"
    )
    filler.version("churn", 0.1, 0.71, description="the first", tags={"set": "2025"})
    filler.version("churn", 0.2, 0.72)
    filler.version("churn", 0.5, 0.81, tags={"Größe": "drei ✓", "note": "two\nlines"})
    filler.version("churn", 1.0, 0.9, description="mit Ümlauten\n\nand *Markdown*")
    filler.version("churn", 1.0, 0.91)
    client.delete_model_version("churn", "2")
    filler.stage("churn", 1, "Archived")
    filler.stage("churn", 3, "Production")
    filler.stage("churn", 4, "Staging")
    client.set_registered_model_alias("churn", "champion", "3")
    client.set_registered_model_alias("churn", "challenger", "4")
    client.set_registered_model_alias("churn", "näch_ste", "4")

    client.create_registered_model("Größe 2 (EU)", {"ключ": "значение"}, None)
    filler.version("Größe 2 (EU)", 0.1, 0.6)
    filler.version("Größe 2 (EU)", 2.0, 0.61)
    client.delete_model_version("Größe 2 (EU)", "1")
    filler.stage("Größe 2 (EU)", 2, "Production")

    client.create_registered_model("it's empty", {"why": "to come"}, "nothing yet")
    filler.prompt("greeting", "Hello {{ name }}!", "Dear {{ name }},\n\nwelcome.")
    client.set_prompt_alias("greeting", "live", 2)
    return filler


def store_of(uri: str, tracking_uri: str | None = None) -> Any:
    """Return MLflow's way to a registry; of gitreg's by its plugin, which need not be installed."""
    if uri.startswith("gitreg"):
        return model_registry_store(store_uri=uri, tracking_uri=tracking_uri)
    return _get_store(uri, tracking_uri or uri)


def told(uri: str, tracking_uri: str | None = None) -> dict[str, Any]:
    """Return all that MLflow tells of a registry, but for times and what names the server."""
    store = store_of(uri, tracking_uri)  # the client does not show prompts as models
    prompts = "tags.`mlflow.prompt.is_prompt` = 'true'"
    found: dict[str, Any] = {}
    for query in (None, prompts):
        for model in store.search_registered_models(filter_string=query):
            said = store.get_registered_model(model.name)
            found[model.name] = {
                "description": said.description or None,
                "tags": dict(said._tags),
                "aliases": {alias: int(number) for alias, number in said.aliases.items()},
                "versions": {},
            }
    for query in (None, prompts):
        for listed in store.search_model_versions(filter_string=query):
            version = store.get_model_version(listed.name, listed.version)
            found[version.name]["versions"][int(version.version)] = {
                "description": version.description or None,
                "tags": dict(version.tags),
                "stage": version.current_stage,
                "aliases": sorted(version.aliases),
                "run_link": version.run_link or None,
                "status": version.status,
            }
    return found


def made_of(uri: str, folder: Path, tracking_uri: str | None = None) -> dict[str, Any]:
    """Return the bytes, metrics and params of all versions that are no prompts."""
    client = MlflowClient(tracking_uri=tracking_uri or uri, registry_uri=uri)
    found: dict[str, Any] = {}
    for version in client.search_model_versions():
        source = client.get_model_version_download_uri(version.name, version.version)
        place = folder / f"{len(found)}"
        path = mlflow.artifacts.download_artifacts(
            artifact_uri=source, dst_path=str(place), tracking_uri=tracking_uri or uri
        )
        run = client.get_run(version.run_id).data
        found[f"{version.name}@{version.version}"] = {
            "sha256": hash_tree(Path(path)).sha256,
            "metrics": {key: value for key, value in run.metrics.items() if math.isfinite(value)},
            "params": dict(run.params),
            "commit": run.tags.get("mlflow.source.git.commit"),
        }
    return found
