"""Turns the arguments of MLflow's `create_model_version` into a provenance: bytes and lineage.

Everything is gathered before any lock is taken, and outlives the tracking server: the run's
metrics, params, data sets and code commit are copied, and so are the signature and the environment
of the model folder. If the bytes cannot be reached, the version is a link: its only file has the
URI of the source.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

import yaml
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException
from mlflow.prompt.constants import PROMPT_TEXT_TAG_KEY
from mlflow.store.artifact.runs_artifact_repo import RunsArtifactRepository
from mlflow.store.artifact.utils.models import _parse_model_uri
from mlflow.tracking.client import MlflowClient
from mlflow.utils.mlflow_tags import (
    MLFLOW_GIT_COMMIT,
    MLFLOW_GIT_DIRTY,
    MLFLOW_GIT_REPO_URL,
    MLFLOW_SOURCE_NAME,
)

from gitreg.artifacts.mlmodel import MLMODEL
from gitreg.artifacts.provenance import Provenance
from gitreg.artifacts.untracked_code import code_at
from gitreg.core.model import model as records
from gitreg.core.text.urls import without_credentials
from gitreg.errors import GitregError, InvalidRequest
from gitreg.git import scratch
from gitreg.mlflow.artifact_repository import LINK, own_artifact
from gitreg.mlflow.reading import Reading
from gitreg.mlflow.run_metrics import metrics_of
from gitreg.mlflow.search import is_prompt

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel
    from mlflow.entities.model_registry import ModelVersionTag

PROMPT = "model.prompt"
"""The artifact of a prompt's version: its text."""

_DOCUMENT_LIMIT = 1024 * 1024
"""The largest ``MLmodel`` or ``python_env.yaml`` that is read, in bytes."""

_PLACES = ("uri", "url", "path", "delta_table_name", "table_name")
"""Under which keys MLflow's sources of data sets have their place."""

_COMMIT = re.compile(r"[0-9a-f]{40}")
_logger = logging.getLogger(__name__)


def submitted(
    source: str | None,
    run_id: str | None = None,
    tags: Sequence[ModelVersionTag] = (),
    run_link: str | None = None,
    description: str | None = None,
    local_model_path: str | None = None,
    model_id: str | None = None,
    tracking_uri: str | None = None,
) -> Provenance:
    """Return what the arguments of `create_model_version` say of a version.

    Args:
        source: the URI of the bytes.
        run_id: the tracking run that made them.
        tags: of the version; the last one of a key counts.
        run_link: the page of the run.
        description: of the version.
        local_model_path: where the bytes are on this machine, if that is known.
        model_id: the logged model that they are.
        tracking_uri: the server that knows the run and the logged model.
    """
    return Provenance(
        source=Path(local_model_path) if local_model_path else None,
        lineage=records.Lineage(
            source, run=records.Run(run_id, tracking_uri, run_link), logged_model=model_id
        ),
        description=description,
        tags={tag.key: str(tag.value) for tag in tags},
    )


@contextlib.contextmanager
def gathered(
    name: str, given: Provenance, reading: Reading, *, strict: bool
) -> Iterator[Provenance]:
    """Yield everything that is known of a version to register.

    What was downloaded is deleted when the context ends.

    Args:
        name: the model, for messages.
        given: what the client says; see `submitted`.
        reading: the registry, for bytes that it has already.
        strict: whether a folder without ``MLmodel``, or a source that cannot be reached, is
            refused.

    Raises:
        MlflowException: the logged model is not known.
        GitregError: the source is a version that is not there, or is refused.
    """
    if is_prompt(given.tags):
        text = (PROMPT, given.tags.get(PROMPT_TEXT_TAG_KEY, ""))
        yield replace(given, source=None, text=text, lineage=records.Lineage(given.lineage.source))
        return
    origin = _origin(given, reading)
    with contextlib.ExitStack() as stack:
        if origin.version is not None:
            found = _copied(reading, origin.version)
        else:
            found = _described(name, given, _bytes(given, origin, stack), strict=strict)
        known = _tracked(found, given, origin)
        yield replace(
            known,
            lineage=replace(known.lineage, source=given.lineage.source),
            description=given.description,
            tags=given.tags,
        )


@dataclass(frozen=True)
class _Origin:
    """What a ``models:/`` URI or a model's id names: a logged model, or a version here."""

    model: LoggedModel | None = None
    version: records.ModelVersion | None = None


def _run_of(given: Provenance) -> records.Run:
    return given.lineage.run or records.Run()


def _origin(given: Provenance, reading: Reading) -> _Origin:
    source, logged_model = given.lineage.source or "", given.lineage.logged_model
    tracking_uri = _run_of(given).tracking_uri
    if urlparse(source).scheme != "models":
        if logged_model is None or _run_of(given).id is not None:
            return _Origin()
        return _Origin(MlflowClient(tracking_uri).get_logged_model(logged_model))
    try:
        parsed = _parse_model_uri(source)
        if parsed.model_id is not None:
            client = MlflowClient(tracking_uri)
            return _Origin(client.get_logged_model(parsed.model_id))
        # Only by number, as in MLflow: a stage or an alias may move before the bytes are read.
        return _Origin(version=reading.version(parsed.name, int(parsed.version)).facts)
    except Exception as error:
        raise MlflowException(
            f"Unable to fetch model from model URI source artifact location '{source}'."
            f"Error: {error}"
        ) from error


def _copied(reading: Reading, version: records.ModelVersion) -> Provenance:
    """Return what a copy takes from a version of this registry; its bytes are shared."""
    return Provenance(
        source=version,
        lineage=replace(version.lineage, run=None),
        metrics=version.metrics,
        params=version.params,
        signature=version.signature,
        environment=version.environment,
        requirements=reading.requirements(version),
    )


# Bytes


@dataclass(frozen=True)
class _Bytes:
    """Where the bytes are, or why they cannot be reached."""

    path: Path | None
    problem: str = ""


def _bytes(given: Provenance, origin: _Origin, stack: contextlib.ExitStack) -> _Bytes:
    if isinstance(given.source, Path) and given.source.exists():
        return _Bytes(given.source)
    location = origin.model.artifact_location if origin.model else given.lineage.source
    if not location:
        return _Bytes(None, "no source is given")
    tracking_uri = _run_of(given).tracking_uri
    try:
        location = _location(location, tracking_uri)
        path = _local_path(location)
        if path is None:
            folder = stack.enter_context(scratch.temporary("mlflow"))
            path = _downloaded(location, str(folder), tracking_uri)
    except Exception as error:  # noqa: BLE001  each store has its own, and a missing package too
        return _Bytes(None, f"{type(error).__name__}: {_without_secrets(str(error), location)}")
    if not path.exists():
        return _Bytes(None, "there is no such file or folder")
    if path.is_dir() and not any(below.is_file() for below in path.rglob("*")):
        return _Bytes(None, "there are no files in it")
    return _Bytes(path)


def _location(uri: str, tracking_uri: str | None) -> str:
    """Return the location of the logged model that a ``runs:/`` URI names, else the URI itself.

    MLflow finds a logged model only on the tracking server that is set for the whole process.
    """
    if not RunsArtifactRepository.is_runs_uri(uri) or _is_not_there(tracking_uri):
        return uri
    run_id, name = RunsArtifactRepository.parse_runs_uri(uri)
    try:
        return next(_logged_models(MlflowClient(tracking_uri), run_id, name), uri)
    except MlflowException as error:  # an older server knows none
        _logger.debug("%s: %s", uri, error)
        return uri


def _logged_models(client: MlflowClient, run_id: str, name: str) -> Iterator[str]:
    """Yield the locations of the models that a run logged under a name."""
    experiment = client.get_run(run_id).info.experiment_id
    token = None
    while True:
        page = client.search_logged_models([experiment], f"name = '{name}'", page_token=token)
        yield from (str(m.artifact_location) for m in page if m.source_run_id == run_id)
        token = page.token
        if not token:
            return


def _downloaded(location: str, folder: str, tracking_uri: str | None) -> Path:
    own = own_artifact(location)
    if own is not None:
        return Path(own.download(folder))
    # Not with the run's artifact repository: for a logged model it returns an empty folder.
    return Path(
        download_artifacts(artifact_uri=location, dst_path=folder, tracking_uri=tracking_uri)
    )


def _without_secrets(text: str, uri: str) -> str:
    """Return a store's message about a URI, without the login and the token of the URI."""
    parsed = urlparse(uri)
    secrets = (parsed.netloc.rpartition("@")[0], parsed.query)
    for secret in filter(None, secrets):
        text = text.replace(secret, "…")
    return text


def _local_path(uri: str) -> Path | None:
    """Return the path of a URI on this machine; ``None`` if it names another place."""
    parsed = urlparse(uri)
    if parsed.scheme == "file" and parsed.netloc in ("", "localhost"):
        return Path(unquote(parsed.path))
    return Path(uri) if parsed.scheme == "" else None


def _described(name: str, given: Provenance, found: _Bytes, *, strict: bool) -> Provenance:
    """Return the bytes with the metadata of an MLflow model folder; without bytes, a link."""
    source = without_credentials(given.lineage.source or "")
    if found.path is None:
        problem = f"the source {source} cannot be reached: {found.problem}"
        if strict:
            raise InvalidRequest(problem, hint="the registry is used with strict=true")
        _logger.warning("%s; the version of %s is a link to it", problem, name)
        return Provenance(text=(LINK, source))
    if strict and not (found.path / MLMODEL).is_file():
        raise InvalidRequest(
            f"{source} has no {MLMODEL} file", hint="the registry is used with strict=true"
        )
    return described(found.path)


def described(path: Path) -> Provenance:
    """Return a model folder with its metadata: signature, Python version and requirements."""
    signature = _document(path / MLMODEL).get("signature")
    python = _document(path / "python_env.yaml").get("python")
    requirements = path / "requirements.txt"
    return Provenance(
        source=path,
        signature=_signature(signature) if isinstance(signature, dict) else None,
        environment=records.Environment(python=str(python) if python else None),
        requirements=requirements.read_bytes() if requirements.is_file() else None,
    )


def _document(path: Path) -> dict[str, Any]:
    """Return a YAML file of a model folder; empty if it is absent or malformed."""
    if not path.is_file() or path.stat().st_size > _DOCUMENT_LIMIT:
        return {}
    try:
        found = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        _logger.warning("%s does not parse: %s", path.name, error)
        return {}
    return found if isinstance(found, dict) else {}


def _signature(fields: dict[str, Any]) -> records.ModelSignature:
    texts = {name: fields.get(name) for name in ("inputs", "outputs", "params")}
    return records.ModelSignature(
        **{name: text for name, text in texts.items() if isinstance(text, str) and text}
    )


# What the tracking server knows


def _tracked(found: Provenance, given: Provenance, origin: _Origin) -> Provenance:
    """Add metrics, params and the code commit of the run and of the logged model."""
    asked = _run_of(given)
    asked = replace(asked, id=asked.id or (origin.model and origin.model.source_run_id) or None)
    logged_model = given.lineage.logged_model
    lineage = found.lineage
    metrics, params = dict(found.metrics), dict(found.params)
    run = None if asked.id is None else _run(asked.id, asked.tracking_uri)
    if run is not None or origin.model is not None:
        # A copy has the bytes of its version, and so that version's metrics.
        metrics = metrics_of(MlflowClient(asked.tracking_uri), run, origin.model) | metrics
    if run is not None:
        params |= run.data.params
        code = code_of(run.data.tags) or lineage.code
        lineage = replace(lineage, code=code, data=data_of(run) or lineage.data)
    if origin.model is not None:
        params |= origin.model.params or {}
        logged_model = logged_model or origin.model.model_id
    known = None if origin.version is None else origin.version.lineage.run
    if run is None and known is not None and known.id == asked.id:
        server = known.tracking_uri  # of the version that this one copies
    else:
        server = server_of(asked.tracking_uri) if asked.id else None
    where = replace(asked, tracking_uri=server)
    return replace(
        found,
        metrics=metrics,
        params=params,
        lineage=replace(
            lineage,
            run=None if where == records.Run() else where,
            logged_model=logged_model or lineage.logged_model,
        ),
    )


def _run(run_id: str, tracking_uri: str | None) -> Any:
    """Return a run; ``None``, with a warning, if the tracking store does not return it."""
    if _is_not_there(tracking_uri):
        return None  # MLflow would create a database there, and migrate it
    try:
        return MlflowClient(tracking_uri).get_run(run_id)
    except Exception as error:  # noqa: BLE001  each tracking store has its own errors
        _logger.warning("metrics and params of run %s are not recorded: %s", run_id, error)
        return None


def _is_not_there(tracking_uri: str | None) -> bool:
    """Tell whether a tracking store is a missing file or folder of this machine."""
    scheme, _, rest = (tracking_uri or "").partition(":///")
    if scheme in ("sqlite", "file"):
        return not Path(unquote(rest if scheme == "sqlite" else f"/{rest}")).exists()
    return False


def server_of(tracking_uri: str | None) -> str | None:
    """Return the tracking URI if it is valid on other machines, else ``None``."""
    parsed = urlparse(tracking_uri or "")
    return tracking_uri if parsed.netloc or parsed.scheme.startswith("databricks") else None


def code_of(tags: Mapping[str, str]) -> records.CodeCommit | None:
    """Return the commit of the code from the tags of a run.

    MLflow's tags name the commit that was checked out, and rarely whether it has the code. If it is
    still checked out where the run's script is, the script's repository says so.
    """
    commit = tags.get(MLFLOW_GIT_COMMIT, "")
    if not _COMMIT.fullmatch(commit):
        return None
    dirty = tags.get(MLFLOW_GIT_DIRTY, "").lower() == "true"
    code = records.CodeCommit(commit, tags.get(MLFLOW_GIT_REPO_URL), dirty)
    script = Path(tags.get(MLFLOW_SOURCE_NAME) or "").absolute()
    if not script.is_file():
        return code
    try:
        here, warnings = code_at(script.parent, script.parent / "mlruns", [script])
    except GitregError as error:
        _logger.warning("whether the code is clean is not known: %s", error)
        return code
    if here is None or here.commit != commit:
        return code
    for warning in warnings:
        _logger.warning("%s", warning)
    return replace(
        code,
        dirty=code.dirty or here.dirty,
        untracked=here.untracked,
        changed=here.changed,
    )


def data_of(run: Any) -> tuple[records.DataDependency, ...]:
    """Return the data sets that a run logged, each once."""
    logged = [given.dataset for given in run.inputs.dataset_inputs] if run.inputs else []
    found = [records.DataDependency(_place_of(one), digest=one.digest or None) for one in logged]
    return tuple(dict.fromkeys(found))


def _place_of(dataset: Any) -> str:
    """Return the place of a data set; its name if MLflow knows no place."""
    try:
        source = json.loads(dataset.source)
    except (TypeError, ValueError):
        source = None
    places = [source.get(key) for key in _PLACES] if isinstance(source, dict) else []
    return next((place for place in places if place and isinstance(place, str)), dataset.name)
