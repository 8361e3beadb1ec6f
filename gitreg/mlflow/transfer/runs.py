"""The tracking runs that stand for exported versions.

The tags of a run name its version. The run is finished once it has everything of the version:
artifacts, metrics, params and lineage.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import (
    MLFLOW_GIT_COMMIT,
    MLFLOW_GIT_REPO_URL,
    MLFLOW_USER,
)
from mlflow.utils.validation import (
    MAX_ENTITY_KEY_LENGTH,
    MAX_METRICS_PER_BATCH,
    MAX_PARAM_VAL_LENGTH,
    MAX_PARAMS_TAGS_PER_BATCH,
    _validate_metric_name,
    _validate_param_name,
)

from gitreg.core.documents.yaml import Value
from gitreg.core.model.model import ModelVersion
from gitreg.core.text.times import milliseconds
from gitreg.errors import InvalidRequest
from gitreg.mlflow.transfer.foreign import ForeignRegistry, answering
from gitreg.transfer.report import Progress

SHA256 = "gitreg.sha256"
"""The tag with the SHA-256 of the artifact that a run holds, as its manifest has it."""

_FINISHED = "FINISHED"
_PAGE = 500


class Runs:
    """The runs that stand for versions in the experiment of a registry."""

    def __init__(self, target: ForeignRegistry, name: str, *, dry_run: bool) -> None:
        self._target = target
        self._client = target.client
        found = target.ask(lambda: self._client.get_experiment_by_name(name))
        if found is not None and found.lifecycle_stage != "active":
            raise InvalidRequest(
                f"the experiment {name!r} is deleted at {target.address}",
                hint=f"mlflow experiments restore -x {found.experiment_id}",
            )
        self.experiment = found.experiment_id if found else None
        self._tags: dict[str, str] = dict(found.tags) if found else {}
        if found is None and not dry_run:
            place = target.artifacts and str(target.artifacts / _short(name))
            self.experiment = target.ask(lambda: self._client.create_experiment(name, place))
        self.of_version: dict[tuple[str, int], Any] = {}
        self.by_id: dict[str, Any] = {}
        for run in self._all():
            tags = run.data.tags
            self.by_id[run.info.run_id] = run
            if tags.get("gitreg.version", "").isdigit():
                self.of_version[tags.get("gitreg.model", ""), int(tags["gitreg.version"])] = run

    def _all(self) -> Iterator[Any]:
        token = None
        while self.experiment is not None:
            page = self._target.ask(
                partial(
                    self._client.search_runs,
                    [self.experiment],
                    max_results=_PAGE,
                    page_token=token,
                )
            )
            yield from page
            token = page.token
            if not token:
                return

    def numbers_taken(self, model: str) -> int:
        """Return the highest number that an export used up for versions deleted here."""
        return int(self._tags.get(_numbers_tag(model), "0"))

    def note_numbers_taken(self, model: str, highest: int) -> None:
        """Store that number for the next export."""
        experiment, tag = self.experiment, _numbers_tag(model)
        self._target.ask(lambda: self._client.set_experiment_tag(experiment, tag, highest))

    def run_for(self, mine: ModelVersion, bytes_of: Path | None, made: Progress) -> Any:
        """Return the finished run of a version, after uploading what it still needs."""
        run = self.of_version.get((mine.model, mine.version))
        if run is None or run.data.tags.get(SHA256) != mine.artifact.sha256:
            run = self._target.ask(
                lambda: self._client.create_run(
                    self.experiment, milliseconds(mine.created_at), _tags(mine), mine.reference
                )
            )
        if run.info.status != _FINISHED:
            with answering(self._target.address):
                self._fill(run.info.run_id, mine, bytes_of, made)
        self.of_version[mine.model, mine.version] = self.by_id[run.info.run_id] = run
        return run

    def _fill(self, run: str, mine: ModelVersion, bytes_of: Path | None, made: Progress) -> None:
        when = milliseconds(mine.created_at)
        metrics = [
            Metric(key, float(value), when, 0)
            for key, value in mine.metrics.items()
            if _is_taken("metric", key, made, mine.version)
        ]
        params = [
            Param(key, _shortened(key, _text(value), made, mine.version))
            for key, value in mine.params.items()
            if _is_taken("param", key, made, mine.version)
        ]
        for start in range(0, len(metrics), MAX_METRICS_PER_BATCH):
            self._client.log_batch(run, metrics[start : start + MAX_METRICS_PER_BATCH])
        for start in range(0, len(params), MAX_PARAMS_TAGS_PER_BATCH):
            some = params[start : start + MAX_PARAMS_TAGS_PER_BATCH]
            self._client.log_batch(run, params=some)
        if bytes_of is not None and bytes_of.is_dir():
            self._client.log_artifacts(run, str(bytes_of), "model")
        elif bytes_of is not None:
            self._client.log_artifact(run, str(bytes_of), "model")
        self._client.set_terminated(run, _FINISHED, when)


def _tags(mine: ModelVersion) -> dict[str, str]:
    """Return the tags of the run for a version; they hold no secrets."""
    run, code = mine.lineage.run, mine.lineage.code
    tags = {
        MLFLOW_USER: mine.created_by,
        MLFLOW_GIT_COMMIT: code.commit if code else None,
        MLFLOW_GIT_REPO_URL: code.repository if code else None,
        "gitreg.model": mine.model,
        "gitreg.version": str(mine.version),
        SHA256: mine.artifact.sha256,
        "gitreg.commit": mine.commit,
        "gitreg.created_at": mine.created_at,
        "gitreg.source": mine.lineage.source,
        "gitreg.run_id": run.id if run else None,
        "gitreg.tracking_uri": run.tracking_uri if run else None,
    }
    return {key: value for key, value in tags.items() if value}


def _numbers_tag(model: str) -> str:
    return f"gitreg.numbers.{_short(model)}"


def _short(name: str) -> str:
    """Return a short digest of a name, for places that restrict characters."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def _is_taken(what: str, key: str, made: Progress, version: int) -> bool:
    """Tell whether MLflow accepts a name; remark it when it does not."""
    try:
        (_validate_metric_name if what == "metric" else _validate_param_name)(key)
    except MlflowException:
        made.leave(version, f"{what} left out: MLflow does not accept the name {key[:60]!a}")
        return False
    if len(key) > MAX_ENTITY_KEY_LENGTH:
        made.leave(version, f"{what} left out: the name {key[:40]!a}… is too long for MLflow")
        return False
    return True


def _text(value: Value) -> str:
    """Return a param as text, as MLflow stores it; lists and mappings as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _shortened(key: str, text: str, made: Progress, version: int) -> str:
    if len(text) > MAX_PARAM_VAL_LENGTH:
        made.leave(version, f"param {key} cut to {MAX_PARAM_VAL_LENGTH:,} characters")
    return text[:MAX_PARAM_VAL_LENGTH]
