"""Reads an MLflow registry: its content as frozen values, and its artifacts.

It uses MLflow's public interface, so a server, a database and a folder all work. The MLflow
settings of this process stay unchanged.
"""

from __future__ import annotations

import errno
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import requests
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException
from mlflow.prompt.constants import IS_PROMPT_TAG_KEY, PROMPT_TEXT_TAG_KEY
from mlflow.store.db.db_types import DATABASE_ENGINES
from mlflow.tracking._model_registry.utils import _get_store
from sqlalchemy.exc import SQLAlchemyError

from gitreg.artifacts.files import near_sibling
from gitreg.core.model.model import DataDependency, ModelVersion
from gitreg.core.text.suggest import did_you_mean
from gitreg.core.text.times import instant
from gitreg.core.text.urls import hide_credentials, without_credentials
from gitreg.errors import InvalidRequest, NotFound, WorldError
from gitreg.mlflow.run_metrics import metrics_of
from gitreg.mlflow.sources import data_of
from gitreg.mlflow.uri import SCHEMES

_Answer = TypeVar("_Answer")

PATIENCE = 10.0
"""How long a server may take to answer the first request, in seconds."""

_PAGE = 500
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_LOGGED_MODEL = re.compile(r"models:/+(m-[0-9a-zA-Z]+)/?")
_NOT_TAKEN = frozenset(
    {
        *("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "INVALID_STATE"),
        *("RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"),
    }
)
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Unavailable(Exception):
    """The artifacts of a version cannot be downloaded; the message says why, in one line."""


@dataclass(frozen=True)
class ForeignModel:
    """A registered model in MLflow; times are in milliseconds since the epoch."""

    name: str
    created: int
    description: str | None = None
    tags: Mapping[str, str | None] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_prompt(self) -> bool:
        """Whether it is a prompt."""
        return (self.tags.get(IS_PROMPT_TAG_KEY) or "").lower() == "true"


@dataclass(frozen=True)
class ForeignVersion:
    """A version in MLflow; ``stage`` is in lower case, ``None`` for no stage."""

    model: str
    number: int
    created: int
    source: str = ""
    run_id: str | None = None
    run_link: str | None = None
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    stage: str | None = None
    user: str | None = None
    logged_model: str | None = None
    status: str = "READY"


def is_the_same(mine: ModelVersion, theirs: ForeignVersion) -> bool:
    """Tell whether a version here and one in MLflow are the same.

    They are when they have the same creation time and source, or the same prompt text: those never
    change. Stages and annotations may.
    """
    text = theirs.tags.get(PROMPT_TEXT_TAG_KEY)
    if text is not None and hashlib.sha256(text.encode()).hexdigest() == mine.artifact.sha256:
        return True
    source = without_credentials(theirs.source) or None
    return mine.created_at == instant(theirs.created) and mine.lineage.source == source


@dataclass(frozen=True)
class RunFacts:
    """What the tracking server knows about the run behind a version."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    data: tuple[DataDependency, ...] = ()


class ForeignRegistry:
    """An MLflow registry and its tracking server.

    Args:
        uri: the registry, as in ``MLFLOW_REGISTRY_URI``.
        tracking_uri: the tracking server; ``uri`` by default.
        make: whether a missing database may be created.

    Raises:
        InvalidRequest: a URI is not one of MLflow's.
        NotFound: the database or the folder does not exist.
        WorldError: the server cannot be reached.
    """

    def __init__(self, uri: str, tracking_uri: str | None = None, *, make: bool = False) -> None:
        self.uri = uri
        self.tracking_uri = tracking_uri or uri
        for one in dict.fromkeys((self.uri, self.tracking_uri)):
            check_uri(one, make=make)
        self.address = without_credentials(uri)

    @property
    def artifacts(self) -> Path | None:
        """The folder for artifacts of a new experiment: beside a SQLite database.

        ``None`` when MLflow decides, as a server does. For a database MLflow would use the working
        folder, which is mostly the registry itself.
        """
        if not self.tracking_uri.lower().startswith("sqlite"):
            return None
        return _database(self.tracking_uri).absolute().parent / "mlruns"

    @cached_property
    def client(self) -> MlflowClient:
        """MLflow's own client for the tracking server."""
        return MlflowClient(tracking_uri=self.tracking_uri, registry_uri=self.uri)

    @cached_property
    def store(self) -> Any:
        """MLflow's own registry store; its client does not list prompts as models."""
        return self.ask(lambda: _get_store(self.uri, self.tracking_uri))

    def ask(self, question: Callable[[], _Answer]) -> _Answer:
        """Return MLflow's answer.

        Raises:
            InvalidRequest: MLflow does not accept the request.
            WorldError: MLflow failed or cannot be reached.
        """
        with answering(self.address):
            return question()

    def models(self) -> dict[str, ForeignModel]:
        """Return all registered models and prompts, by name."""
        found: dict[str, ForeignModel] = {}
        for query in (None, _PROMPTS):
            pages = self._pages(self.store.search_registered_models, query)
            found |= {model.name: _model(model) for model in pages}
        return found

    def model(self, name: str) -> ForeignModel | None:
        """Return one model, or ``None`` when it does not exist."""
        found = self.ask(lambda: _or_none(lambda: self.store.get_registered_model(name)))
        return None if found is None else _model(found)

    def versions(self, model: ForeignModel) -> list[ForeignVersion]:
        """Return the versions of a model that are not deleted, ascending."""
        named = _named(model.name)
        queries = [named]
        if model.is_prompt:
            queries.append(" and ".join(filter(None, (named, _PROMPTS))))
        found: dict[int, ForeignVersion] = {}
        for query in queries:
            for version in self._pages(self.store.search_model_versions, query):
                if version.name == model.name:  # a database may ignore case
                    found[int(version.version)] = _version(version)
        return [found[number] for number in sorted(found)]

    def _pages(self, search: Callable[..., Any], query: str | None) -> Iterator[Any]:
        token = None
        while True:
            page = self.ask(
                partial(search, filter_string=query, max_results=_PAGE, page_token=token)
            )
            yield from page
            token = page.token
            if not token:
                return

    def run(self, version: ForeignVersion) -> RunFacts | None:
        """Return what is known about the run of a version; ``None`` when it is gone.

        Metrics are the last values of the run; for a checkpoint, those that were linked to it.
        """
        run = logged = None
        if version.run_id:
            run = self._found(lambda: self.client.get_run(version.run_id))
        if version.logged_model:
            logged = self._found(lambda: self.client.get_logged_model(version.logged_model))
        if run is None and logged is None:
            return None
        metrics = self.ask(lambda: metrics_of(self.client, run, logged))
        params = dict(logged.params or {}) if logged else {}
        if run is None:
            return RunFacts(metrics, params)
        return RunFacts(
            metrics,
            {**params, **run.data.params},
            dict(run.data.tags),
            data_of(run),
        )

    def tags_of_run(self, version: ForeignVersion) -> Mapping[str, str]:
        """Return the tags of a version's run."""
        found = self.run(replace(version, logged_model=None))
        return found.tags if found else {}

    def _found(self, question: Callable[[], Any]) -> Any:
        return self.ask(lambda: _or_none(question))

    def fetch(self, version: ForeignVersion, folder: Path) -> Path:
        """Download the artifacts of a version into a folder; return their path.

        Raises:
            Unavailable: they do not exist or cannot be read.
            WorldError: the server stopped answering, the disk is full, or the package for the
                artifact store is not installed.
        """
        number = str(version.number)
        uri = self.ask(lambda: self.store.get_model_version_download_uri(version.model, number))
        if uri.startswith("mlflow-artifacts:") and not self.tracking_uri.startswith("http"):
            raise WorldError(
                f"{self.address}: the artifacts are behind a tracking server",
                hint="--tracking-uri http://… names it",
            )
        try:
            path = Path(
                download_artifacts(
                    artifact_uri=uri,
                    dst_path=str(folder),
                    tracking_uri=self.tracking_uri,
                    registry_uri=self.uri,
                )
            )
        except ImportError as error:
            raise WorldError(
                f"{without_credentials(uri)}: {error}",
                hint="install the package for that store, such as boto3 for s3://",
            ) from error
        except Exception as error:
            # Each artifact store (S3, Azure, …) has its own errors. A local or temporary problem
            # must not count as missing artifacts.
            if isinstance(error, OSError) and error.errno in _FULL:
                raise WorldError(f"{folder}: {error.strerror}") from None
            for one in dict.fromkeys((self.uri, self.tracking_uri)):
                check_uri(one)
            raise Unavailable(_first_line(error)) from error
        if path.is_dir() and not any(found.is_file() for found in path.rglob("*")):
            raise Unavailable(f"{without_credentials(uri)} has no files")
        return path


_PROMPTS = f"tags.`{IS_PROMPT_TAG_KEY}` = 'true'"


def check_uri(uri: str, *, make: bool = False) -> None:
    """Refuse a URI without an MLflow registry, before MLflow creates one or waits for it.

    Args:
        uri: the URI from the user.
        make: whether a missing database may be created.

    Raises:
        InvalidRequest: the URI is malformed, or is one of gitreg's.
        NotFound: the database or folder does not exist.
        WorldError: the server cannot be reached.
    """
    found = _SCHEME.match(uri)
    scheme = found[1].lower() if found else ""
    if scheme in ("http", "https"):
        _check_server(uri)
    elif scheme.partition("+")[0] == "sqlite":
        _check_file(uri, _database(uri), make=make)
    elif scheme in ("", "file"):
        _check_file(uri, Path(uri.removeprefix("file:").removeprefix("//")), make=make)
    elif scheme in SCHEMES:
        raise InvalidRequest(
            f"{without_credentials(uri)} is a registry of gitreg, not one of MLflow's own",
            hint="git clone copies it, and git push publishes it",
        )
    elif scheme.partition("+")[0] not in (*DATABASE_ENGINES, "databricks", "databricks-uc", "uc"):
        near = did_you_mean(scheme, ("http", "https", *DATABASE_ENGINES))
        raise InvalidRequest(
            f"{without_credentials(uri)} is not the URI of an MLflow registry",
            hint=near or f"such as http://{uri} or sqlite:////srv/mlflow.db",
        )


def _database(uri: str) -> Path:
    """Return the file of a SQLite database.

    >>> _database("sqlite:////srv/m.db?timeout=5").as_posix(), _database("sqlite:///m.db").as_posix()
    ('/srv/m.db', 'm.db')
    """
    return Path(uri.partition("///")[2].partition("?")[0])


def _check_server(uri: str) -> None:
    shown = without_credentials(uri)
    try:
        requests.get(f"{uri.rstrip('/')}/version", timeout=PATIENCE, stream=True).close()
    except requests.exceptions.SSLError:
        pass  # MLflow may be configured to trust it; if not, MLflow's own error says why
    except requests.exceptions.InvalidURL:
        raise InvalidRequest(f"{shown} is not the URL of a server") from None
    except requests.Timeout:
        raise WorldError(f"{shown} does not answer within {PATIENCE:.0f} s") from None
    except requests.RequestException as error:
        refused = "refused" in str(error)
        raise WorldError(
            f"{shown} cannot be reached" + (": connection refused" if refused else ""),
            hint="is the server running, and is that its address?",
        ) from None


def _check_file(uri: str, path: Path, *, make: bool) -> None:
    wanted = path.parent if make else path
    if not wanted.exists():
        raise NotFound(f"{uri}: there is no {wanted}", hint=near_sibling(wanted))


@contextmanager
def answering(address: str) -> Iterator[None]:
    """Translate what MLflow raises.

    Raises:
        InvalidRequest: MLflow does not accept the request.
        WorldError: MLflow failed or cannot be reached.
    """
    try:
        yield
    except MlflowException as error:
        kind = InvalidRequest if error.error_code in _NOT_TAKEN else WorldError
        raise kind(f"{address}: {_first_line(error)}", hint=_advice(error)) from error
    except (requests.RequestException, SQLAlchemyError) as error:
        raise WorldError(f"{address}: {_first_line(error)}") from error
    except ImportError as error:
        raise WorldError(
            f"{address}: {error}", hint="install the driver for that database beside MLflow"
        ) from error


def _advice(error: MlflowException) -> str | None:
    if error.get_http_status_code() in (401, 403) or "error code 401" in str(error):
        return "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
    if "failed with error code 404" in str(error):
        return "is that the address of an MLflow server?"
    return None


def _first_line(error: BaseException) -> str:
    """Return the first line of an error, shortened, without the response body."""
    text = str(error).partition(" Response body:")[0]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return hide_credentials(lines[0])[:300].rstrip(".") if lines else type(error).__name__


def _or_none(question: Callable[[], _Answer]) -> _Answer | None:
    try:
        return question()
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def _named(name: str) -> str | None:
    """Return the filter for a name; ``None`` when the name has both kinds of quotes."""
    quote = next((mark for mark in "'\"" if mark not in name), None)
    return None if quote is None else f"name = {quote}{name}{quote}"


def _model(found: Any) -> ForeignModel:
    return ForeignModel(
        found.name,
        int(found.creation_timestamp or 0),
        found.description or None,
        dict(found._tags),  # its `tags` hide that it is a prompt
        {alias: int(number) for alias, number in found.aliases.items()},
    )


def _version(found: Any) -> ForeignVersion:
    stage = (found.current_stage or "None").lower()
    source = found.source or ""
    logged = _LOGGED_MODEL.fullmatch(source)
    return ForeignVersion(
        found.name,
        int(found.version),
        int(found.creation_timestamp or 0),
        source,
        found.run_id or None,
        found.run_link or None,
        found.description or None,
        dict(found.tags),
        None if stage == "none" else stage,
        found.user_id or None,
        found.model_id or (logged[1] if logged else None),
        found.status or "READY",
    )
