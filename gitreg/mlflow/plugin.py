"""What MLflow's entry points name. Nothing is imported before one of them is called.

MLflow loads every plugin as soon as it resolves any store, also for those who never heard of a
Git registry, and survives no other failures than ImportError and AttributeError: so this module is
only two functions, whose parameters MLflow reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

    from gitreg.mlflow.store import GitregStore


def model_registry_store(
    store_uri: str | None = None, tracking_uri: str | None = None
) -> GitregStore:
    """Return the store of a registry; see `gitreg.mlflow.uri` for its URI."""
    from gitreg.mlflow.store import GitregStore

    return GitregStore(store_uri, tracking_uri)


def artifact_repository(
    artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
) -> ArtifactRepository:
    """Return the repository of a registry's artifacts, or of a server that serves them."""
    from gitreg.mlflow import artifact_repository as repository

    return repository.artifact_repository(artifact_uri, tracking_uri, registry_uri)
