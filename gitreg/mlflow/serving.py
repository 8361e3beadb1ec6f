"""How an MLflow server was started, and whether its clients can load what it registers."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import click

from gitreg.core.text.urls import has_scheme, without_credentials
from gitreg.errors import InvalidRequest
from gitreg.mlflow.uri import SCHEMES, RegistryUri, parse

# Copied from `mlflow.server.constants`, because importing that imports the whole server.
DESTINATION = "_MLFLOW_SERVER_ARTIFACT_DESTINATION"
REGISTRY_STORE = "_MLFLOW_SERVER_REGISTRY_STORE"
SERVES = "_MLFLOW_SERVER_SERVE_ARTIFACTS"
IN_SERVER = "_MLFLOW_SERVER_ARTIFACT_ROOT"


def check_server(registry: RegistryUri) -> None:
    """Refuse to start a server whose clients could not load a version.

    Raises:
        InvalidRequest: this server serves artifacts, but not those of the registry.
    """
    serves_artifacts, destination = _options()
    if not serves_artifacts or serves(registry, destination):
        return
    dest = destination or "mlartifacts"
    if not has_scheme(dest):
        dest = str(Path(dest).absolute())
    served = replace(registry, location=bare(registry.location), strict=False, dest=dest)
    raise InvalidRequest(
        f"this server does not serve the artifacts of {registry.root}, so clients without gitreg "
        "could not load a model",
        hint=f"--artifacts-destination '{served}'",
    )


def _options() -> tuple[bool, str | None]:
    """Return whether this is a server that serves artifacts, and their destination.

    MLflow opens the store first in the process of ``mlflow server``, which has them only as its
    arguments, and then in workers, which have them in their environment.
    """
    command = click.get_current_context(silent=True)
    given = {} if command is None else command.params
    if "artifacts_destination" in given and "registry_store_uri" in given:
        return bool(given.get("serve_artifacts")), given["artifacts_destination"]
    return os.environ.get(SERVES) == "true", os.environ.get(DESTINATION)


def serves(registry: RegistryUri, destination: str | None) -> bool:
    """Return whether a server with this destination serves the artifacts of a registry."""
    return (
        destination is not None
        and is_ours(destination)
        and bare(parse(destination).location) == bare(registry.location)
    )


def bare(location: str) -> str:
    """Return a registry's location without a login."""
    return without_credentials(location) if has_scheme(location) else location


def is_ours(uri: str) -> bool:
    """Return whether a URI names a registry or an artifact in it."""
    return urlsplit(uri).scheme.lower() in SCHEMES
