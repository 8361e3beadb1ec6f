"""Converts a registry's values into MLflow's entities, exactly as MLflow's SQL store does."""

from __future__ import annotations

from collections.abc import Sequence

from mlflow.entities.model_registry import (
    ModelVersion,
    ModelVersionTag,
    RegisteredModel,
    RegisteredModelAlias,
    RegisteredModelTag,
)
from mlflow.entities.model_registry.model_version_stages import ALL_STAGES

from gitreg.core.model.names import NO_STAGE
from gitreg.mlflow.reading import ModelRow, Reading, VersionRow

_NONE = "None"
_STAGES: dict[str, str] = {stage.lower(): stage for stage in ALL_STAGES}


def stage_of(row: VersionRow) -> str:
    """Return MLflow's name for a version's stage; a stage that MLflow does not know is None."""
    return _STAGES.get(row.facts.stage or NO_STAGE, _NONE)


def model_version(row: VersionRow, *, aliases: bool = True) -> ModelVersion:
    """Return a version as MLflow's entity.

    Args:
        row: the version.
        aliases: whether to include its aliases; MLflow leaves them out in searches.
    """
    facts = row.facts
    run = facts.lineage.run
    return ModelVersion(
        name=facts.model,
        version=facts.version,
        creation_timestamp=row.created,
        last_updated_timestamp=row.updated,
        description=facts.description,
        user_id=facts.created_by,
        current_stage=stage_of(row),
        source=facts.lineage.source,
        run_id=row.run_id,
        tags=[ModelVersionTag(key, value) for key, value in sorted(facts.tags.items())],
        run_link=run.link if run else None,
        aliases=list(facts.aliases) if aliases else [],
        model_id=facts.lineage.logged_model,
    )


def registered_model(reading: Reading, row: ModelRow) -> RegisteredModel:
    """Return a registered model with the newest version of each stage."""
    model = row.model
    return RegisteredModel(
        row.name,
        row.created,
        row.updated,
        model.description,
        [model_version(version, aliases=False) for version in latest_versions(reading, row)],
        [RegisteredModelTag(key, value) for key, value in sorted(model.tags.items())],
        [RegisteredModelAlias(alias, number) for alias, number in sorted(model.aliases.items())],
    )


def latest_versions(reading: Reading, row: ModelRow) -> Sequence[VersionRow]:
    """Return the newest version of each stage, in the order in which the stages first appear."""
    newest: dict[str, int] = {}
    for number in row.versions:
        stage = _STAGES.get(row.stages.get(number, NO_STAGE), _NONE)
        newest[stage] = number
    return [reading.version(row.name, number) for number in newest.values()]
