"""The functions of gitreg's MLflow entry points; each imports the rest only when it is called.

MLflow loads every installed plugin as soon as it resolves any store, even for users who do not use
gitreg, and handles only ImportError and AttributeError. So this module has just two functions.
MLflow reads the names of their parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

    from gitreg.mlflow.store import GitregStore


def model_registry_store(
    store_uri: str | None = None, tracking_uri: str | None = None
) -> GitregStore:
    """Return the model registry store of a registry; see `gitreg.mlflow.uri` for its URI."""
    from gitreg.mlflow.store import GitregStore

    return GitregStore(store_uri, tracking_uri)


def artifact_repository(
    artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
) -> ArtifactRepository:
    """Return the artifact repository of a registry, or of a server that serves its artifacts."""
    from gitreg.mlflow import artifact_repository as repository

    return repository.artifact_repository(artifact_uri, tracking_uri, registry_uri)
