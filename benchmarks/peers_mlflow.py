"""MLflow in-process and warm, on SQLite and on files.

gitreg is compared with MLflow's store, which is MLflow's best case: before most calls, the client
for users checks whether the model is a prompt, and takes two to three times as long. The client on
SQLite is a separate contender, which shows the difference.

The stores are filled without the client, because the client needs three minutes for 10,000 versions
in SQLite and twenty minutes in files. The content is the same as the client's: the client itself
writes the first version of each store, and the others are copies with another number.
"""

import importlib
import importlib.util
import shutil
import warnings
from pathlib import Path
from typing import Any

from benchmarks.scale import (
    ALIAS,
    FIRST_HISTORY,
    HISTORY,
    LIST_MODELS,
    PROMOTE,
    REGISTER,
    RESOLVE_ALIAS,
    RESOLVE_STAGE,
    SET_ALIAS,
    STAGE,
    TAGS,
    Contender,
    Scale,
    Target,
    absent,
)

SQLITE = "MLflow SQLite"
CLIENT = "MLflow client"
FILES = "MLflow files"
NOT_INSTALLED = "NOT INSTALLED (pip install mlflow)"
NO_HISTORY = "MLflow keeps no history"
SOURCE = "models/churn"
PRODUCTION = STAGE.capitalize()


def installed() -> bool:
    """Return whether MLflow is installed."""
    return importlib.util.find_spec("mlflow") is not None


def in_sqlite(scale: Scale, folder: Path) -> Contender:
    """Return MLflow on SQLite filled to ``scale``, or the reason why it is missing."""
    if not installed():
        return absent(SQLITE, scale, NOT_INSTALLED)
    return of_store(SQLITE, scale, _store(_client(sqlite(scale, folder))))


def in_sqlite_by_client(scale: Scale, folder: Path) -> Contender:
    """Return the same behind ``MlflowClient``, as users call it, on a separate database."""
    if not installed():
        return absent(CLIENT, scale, NOT_INSTALLED)
    return _of_client(CLIENT, scale, _client(sqlite(scale, folder)))


def sqlite(scale: Scale, folder: Path) -> str:
    """Return the URI of a SQLite store of this scale in ``folder``, creating it if needed."""
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    if not folder.exists():
        folder.mkdir(parents=True)
        client = _client(uri)
        first = scale.names[0]
        client.create_registered_model(first)
        _register(client, first)
        _fill_sqlite(_store(client), scale)
    return uri


def in_files(scale: Scale, folder: Path) -> Contender:
    """Return MLflow's file store filled to ``scale``, or the reason why it is missing."""
    if not installed():
        return absent(FILES, scale, NOT_INSTALLED)
    folder.mkdir(parents=True)
    client = _client((folder / "registry").as_uri())
    first = scale.names[0]
    for name in scale.names:
        client.create_registered_model(name)
    _register(client, first)
    client.set_registered_model_alias(first, ALIAS, "1")
    models = folder / "registry" / "models"
    _fill_files(models, scale)
    return of_store(FILES, scale, _store(client))


def _client(registry_uri: str) -> Any:
    mlflow: Any = importlib.import_module("mlflow")
    # Stages are deprecated in MLflow, which warns at each call.
    warnings.filterwarnings("ignore", r".*MlflowClient\..* is deprecated", FutureWarning)
    return mlflow.MlflowClient(registry_uri=registry_uri)


def _store(client: Any) -> Any:
    return client._get_registry_client().store  # noqa: SLF001 - there is no public access


def _register(client: Any, name: str) -> object:
    return client.create_model_version(name, source=SOURCE, tags=TAGS, await_creation_for=0)


def _fill_sqlite(store: Any, scale: Scale) -> None:
    tables: Any = importlib.import_module("mlflow.store.model_registry.dbmodels.models")
    first = scale.names[0]
    with store.ManagedSessionMaker() as session:
        model = _row(session.query(tables.SqlRegisteredModel).one())
        version = _row(session.query(tables.SqlModelVersion).one())
        tags = [_row(tag) for tag in session.query(tables.SqlModelVersionTag).all()]
        # The first model and its first version exist already.
        others = [name for name in scale.names if name != first]
        session.bulk_insert_mappings(
            tables.SqlRegisteredModel, [model | {"name": name} for name in others]
        )
        keys: list[dict[str, Any]] = [
            {"name": name, "version": number}
            for name in scale.names
            for number in range(1, scale.versions + 1)
            if (name, number) != (first, 1)
        ]
        session.bulk_insert_mappings(
            tables.SqlModelVersion,
            [version | key | {"current_stage": _stage(scale, key["version"])} for key in keys],
        )
        session.bulk_insert_mappings(
            tables.SqlModelVersionTag, [tag | key for key in keys for tag in tags]
        )
        alias = {key: model[key] for key in ("workspace", "name") if key in model}
        session.bulk_insert_mappings(
            tables.SqlRegisteredModelAlias,
            [
                alias | {"name": name, "alias": ALIAS, "version": scale.versions}
                for name in scale.names
            ],
        )


def _row(entity: Any) -> dict[str, Any]:
    return {column.key: getattr(entity, column.key) for column in entity.__table__.columns}


def _stage(scale: Scale, version: int) -> str:
    if version == scale.versions:
        return PRODUCTION
    return "Archived" if version in scale.promoted else "None"


def _fill_files(models: Path, scale: Scale) -> None:
    first = scale.names[0]
    template = models / first / "version-1"
    meta = (template / "meta.yaml").read_text()
    alias = (models / first / "aliases" / ALIAS).read_text()
    for name in scale.names:
        for number in range(1, scale.versions + 1):
            version = models / name / f"version-{number}"
            if version != template:
                shutil.copytree(template, version)
            text = (
                meta.replace(f"\nname: {first}\n", f"\nname: {name}\n")
                .replace("\nversion: 1\n", f"\nversion: {number}\n")
                .replace(
                    "\ncurrent_stage: None\n",
                    f"\ncurrent_stage: {_stage(scale, number)}\n",
                )
            )
            (version / "meta.yaml").write_text(text)
        holder = models / name / "aliases" / ALIAS
        holder.parent.mkdir(exist_ok=True)
        holder.write_text(alias.replace("1", str(scale.versions)))


def of_store(label: str, scale: Scale, store: Any) -> Contender:
    """Return a contender that calls a model registry store filled to ``scale``."""
    entities: Any = importlib.import_module("mlflow.entities.model_registry")
    tags = [entities.ModelVersionTag(key, value) for key, value in TAGS.items()]

    def register(target: Target) -> object:
        return store.create_model_version(target.model, SOURCE, tags=tags)

    def promote(target: Target) -> object:
        return store.transition_model_version_stage(
            target.model, str(target.version), PRODUCTION, archive_existing_versions=True
        )

    def set_alias(target: Target) -> object:
        return store.set_registered_model_alias(target.model, ALIAS, str(target.version))

    def resolve_alias(target: Target) -> Any:
        return store.get_model_version_by_alias(target.model, ALIAS)

    def resolve_stage(target: Target) -> Any:
        return store.get_latest_versions(target.model, stages=[PRODUCTION])

    last = Target(scale.names[-1], scale.versions)
    found = {int(v.version) for v in [resolve_alias(last), *resolve_stage(last)]}
    if found != {scale.versions}:
        raise ValueError(f"{label} {scale.label} was not filled as intended: {found}")
    return Contender(
        label,
        scale,
        {
            REGISTER: register,
            PROMOTE: promote,
            SET_ALIAS: set_alias,
            RESOLVE_ALIAS: resolve_alias,
            RESOLVE_STAGE: resolve_stage,
            LIST_MODELS: lambda _: store.search_registered_models(max_results=1000),
        },
        {HISTORY: NO_HISTORY, FIRST_HISTORY: NO_HISTORY},
    )


def _of_client(label: str, scale: Scale, client: Any) -> Contender:
    def promote(target: Target) -> object:
        return client.transition_model_version_stage(
            target.model, str(target.version), PRODUCTION, archive_existing_versions=True
        )

    def set_alias(target: Target) -> object:
        return client.set_registered_model_alias(target.model, ALIAS, str(target.version))

    def resolve_stage(target: Target) -> object:
        return client.get_latest_versions(target.model, stages=[PRODUCTION])

    return Contender(
        label,
        scale,
        {
            REGISTER: lambda t: _register(client, t.model),
            PROMOTE: promote,
            SET_ALIAS: set_alias,
            RESOLVE_ALIAS: lambda t: client.get_model_version_by_alias(t.model, ALIAS),
            RESOLVE_STAGE: resolve_stage,
            LIST_MODELS: lambda _: client.search_registered_models(max_results=1000),
        },
        {HISTORY: NO_HISTORY, FIRST_HISTORY: NO_HISTORY},
    )


def environment(folder: Path) -> dict[str, str]:
    """Return variables that keep MLflow's data in ``folder`` and out of the working folder."""
    database = f"sqlite:///{folder / 'tracking.db'}"
    return {
        "MLFLOW_TRACKING_URI": database,
        "MLFLOW_REGISTRY_URI": database,
        # MLflow's file store is in "maintenance mode", but many users still have it.
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
