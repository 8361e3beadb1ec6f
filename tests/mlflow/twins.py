"""MLflow's SQL store and ours, side by side: one call is made on both, and all they say compared.

What may differ, and why:

- fields: `IGNORED`; times move together, but for `IDLE_CALLS_MOVE_TIMES` that change nothing;
- an empty description is none;
- no two changes have the same time;
- values of another type than text, such as a description 5, are refused, not converted;
- names that a registry cannot have (``@``, ``#``, invisible characters, a leading ``-``, over 100
  characters, another's but for case), and aliases that are numbers or a policy's own stages, are
  refused: INVALID_PARAMETER_VALUE;
- of a deleted version nothing is kept that a search could find: the SQL store still counts a model
  as a prompt by the tags of its deleted versions;
- a policy's own stages are None, its refusals PERMISSION_DENIED (`tests.mlflow.test_store`);
- where the artifact is downloaded from, and that there is one (`tests.mlflow.test_sources`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from mlflow.entities.model_registry import (
    ModelVersion,
    RegisteredModel,
)
from mlflow.exceptions import MlflowException
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.model_registry import sqlalchemy_store
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

from gitreg.mlflow.store import GitregStore

Store: TypeAlias = "SqlAlchemyStore | GitregStore"

PROMPTS = "tag.`mlflow.prompt.is_prompt` = 'true'"

IGNORED = {
    "user_id": "the SQL store knows nobody; ours says who committed",
    "model_id": "the SQL store forgets which logged model a version is",
    "creation_timestamp": "times are compared by whether they moved",
    "last_updated_timestamp": "likewise",
    "aliases": "compared sorted, below",
    "latest_versions": "compared sorted, below",
}
"""Fields of entities that are not compared as they are."""

IDLE_CALLS_MOVE_TIMES = (
    "update_registered_model",
    "update_model_version",
    "transition_model_version_stage",
    "rename_registered_model",
)
"""Where nothing is changed, ours makes no commit; the SQL store calls that an update, too."""


@dataclass
class Twins:
    """Both stores, and what their times were after the last call."""

    sql: SqlAlchemyStore
    ours: GitregStore
    times: list[dict[Any, int]] = field(default_factory=lambda: [{}, {}])

    def __call__(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Make a call on both; return what ours said."""
        before = _everything(self.ours)
        said = [_outcome(store, method, args, kwargs) for store in (self.sql, self.ours)]
        assert said[0] == said[1], (method, args, kwargs, *difference(*said))
        holds = [_everything(store) for store in (self.sql, self.ours)]
        assert holds[0] == holds[1], (method, args, kwargs, *difference(*holds))
        moved = [self._moved(number, store) for number, store in enumerate((self.sql, self.ours))]
        if method not in IDLE_CALLS_MOVE_TIMES or before != holds[1]:
            idle = _idle(method, args, before, holds[1])
            assert moved[0] - idle == moved[1], (method, args, kwargs, *moved)
        return said[1]

    def _moved(self, number: int, store: Store) -> set[Any]:
        """Return the names of times that changed since the last call, and look at their sense."""
        before, after = self.times[number], _times(store)
        self.times[number] = after
        for (kind, *what), time in after.items():
            if kind == "created":
                assert time <= after[("updated", *what)]
        changed = {key for key in after if before.get(key) != after[key]}
        assert all(after[key] > before.get(key, 0) for key in changed)
        return changed


def _idle(method: str, args: tuple[Any, ...], before: Any, after: Any) -> set[Any]:
    """Return the time of a version that was in the stage already, into which it was moved."""
    if method != "transition_model_version_stage":
        return set()
    name, version = args[0], int(args[1])
    stages = [
        mv["current_stage"]
        for state in (before, after)
        for mv in state[1]
        if (mv["name"][1], mv["version"][1]) == (name, version)
    ]
    return {("updated", name, version)} if len(set(stages)) == 1 else set()


def _outcome(store: Store, method: str, args: Any, kwargs: Any) -> Any:
    try:
        return plain(getattr(store, method)(*args, **kwargs))
    except MlflowException as error:
        return "error", error.error_code


def plain(value: Any) -> Any:
    """Return what is compared of a result: types, too."""
    if isinstance(value, PagedList):
        return [plain(item) for item in value], value.token
    if isinstance(value, list):
        return sorted((plain(item) for item in value), key=repr)
    if isinstance(value, (ModelVersion, RegisteredModel)):
        found = {
            name.removeprefix("_"): (type(inner).__name__, inner)
            for name, inner in vars(value).items()
            if name.lstrip("_") not in (*IGNORED, "latest_version", "creation_time")
        }
        found["creation_timestamp"] = type(value.creation_timestamp).__name__, None
        found["last_updated_timestamp"] = type(value.last_updated_timestamp).__name__, None
        if isinstance(value, ModelVersion):
            found["aliases"] = "list", sorted(value.aliases)
        else:
            found["aliases"] = "dict", value.aliases
            found["latest_versions"] = "list", plain(value.latest_versions)
        return found
    return value


def difference(one: Any, other: Any) -> tuple[Any, Any]:
    """Return the innermost part in which two results differ: the SQL store's first."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return difference(*next((one[k], other[k]) for k in one if one[k] != other[k]))
    if isinstance(one, (list, tuple)) and type(one) is type(other) and len(one) == len(other) > 2:
        return difference(
            *next(pair for pair in zip(one, other, strict=True) if pair[0] != pair[1])
        )
    return one, other


def _models(store: Store) -> list[RegisteredModel]:
    found = store.search_registered_models(max_results=1000)
    return [*found, *store.search_registered_models(PROMPTS, max_results=1000)]


def _versions(store: Store) -> list[ModelVersion]:
    found = store.search_model_versions(max_results=1000)
    return [*found, *store.search_model_versions(PROMPTS, max_results=1000)]


def _everything(store: Store) -> Any:
    """Return all that a store holds, asked in every way."""
    models, versions = _models(store), _versions(store)
    return (
        plain(models),
        plain(versions),
        [plain(store.get_registered_model(model.name)) for model in models],
        [plain(store.get_latest_versions(model.name)) for model in models],
        [plain(store.get_model_version(mv.name, mv.version)) for mv in versions],
        [
            plain(store.get_model_version_by_alias(model.name, alias))
            for model in models
            for alias in sorted(model.aliases)
        ],
        [(mv.name, mv.version) for mv in store.search_model_versions(max_results=1000)],
    )


def _times(store: Store) -> dict[Any, int]:
    times: dict[Any, int] = {}
    for model in _models(store):
        times["created", model.name] = model.creation_timestamp
        times["updated", model.name] = model.last_updated_timestamp
    for mv in _versions(store):
        times["created", mv.name, mv.version] = mv.creation_timestamp
        times["updated", mv.name, mv.version] = mv.last_updated_timestamp
    return times


@contextmanager
def twins(database: Path, folder: Path) -> Iterator[Twins]:
    """Yield both stores.

    Args:
        database: a file with MLflow's tables and nothing in them.
        folder: a registry without models.
    """
    clock = itertools.count(1_700_000_000_000)
    with pytest.MonkeyPatch.context() as patch:
        # Two calls within a millisecond would look like one that moved nothing.
        patch.setattr(sqlalchemy_store, "get_current_time_millis", lambda: next(clock))
        sql = SqlAlchemyStore(f"sqlite:///{database}")
        ours = GitregStore(f"gitreg://{folder}")
        try:
            yield Twins(sql, ours)
        finally:
            ours.close()
            sql._dispose_engine()
            SqlAlchemyStore._engine_map.pop(sql.db_uri, None)
