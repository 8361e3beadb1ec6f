"""Arguments of the wrong type, and texts of errors: as the SQL store's."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

from gitreg.mlflow.arguments import _CHECKS
from gitreg.mlflow.store import GitregStore
from tests.conftest import git, write_model


@pytest.fixture
def filled(folder: Path) -> Iterator[GitregStore]:
    """A store with a version of churn, and an empty model."""
    store = GitregStore(f"gitreg://{folder}")
    store.create_registered_model("churn")
    store.create_registered_model("other")
    store.create_model_version("churn", str(write_model(folder.parent, "one")))
    yield store
    store.close()


WRONG: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("search_registered_models", (), {"max_results": 1.5}),
    ("search_registered_models", (), {"max_results": "1"}),
    ("search_registered_models", (), {"order_by": "name"}),
    ("search_registered_models", (5,), {}),
    ("search_model_versions", (), {"max_results": 1.5}),
    ("search_model_versions", (), {"page_token": 5}),
    ("search_registered_models", (), {"page_token": b"x"}),
    ("search_model_versions", (), {"order_by": [5]}),
    ("get_registered_model", (5,), {}),
    ("get_latest_versions", ("churn", [None]), {}),
    ("get_latest_versions", ("churn", 5), {}),
    ("get_model_version", (["churn"], 1), {}),
    ("get_model_version", ("churn", None), {}),
    ("get_model_version_by_alias", ("churn", 5), {}),
    ("get_model_version_download_uri", ("churn", []), {}),
    ("create_registered_model", (b"new",), {}),
    ("create_registered_model", ("new", {"a": "b"}), {}),
    ("create_registered_model", ("new", ["a"]), {}),
    ("create_registered_model", ("new", None, 5), {}),
    ("create_model_version", ("churn", []), {}),
    ("create_model_version", ("churn", "x", object()), {}),
    ("create_model_version", ("churn", "x", None, None, 5), {}),
    ("create_model_version", ("churn", "x", None, None, None, {}), {}),
    ("rename_registered_model", ("other", 5), {}),
    ("delete_registered_model", (5,), {}),
    ("update_registered_model", ("churn", []), {}),
    ("update_model_version", ("churn", 1, {}), {}),
    ("delete_model_version", ("churn", None), {}),
    ("transition_model_version_stage", ("churn", 1, 5, False), {}),
    ("set_registered_model_alias", ("churn", 5, 1), {}),
    ("set_registered_model_tag", ("churn", RegisteredModelTag("a", [])), {}),
    ("set_model_version_tag", ("churn", 1, ModelVersionTag(5, "b")), {}),
    ("delete_model_version_tag", ("churn", 1, 5), {}),
]


def test_a_wrong_type_is_mlflows_error_and_changes_nothing(
    filled: GitregStore, folder: Path
) -> None:
    before = git(folder, "rev-parse", "HEAD")
    for method, args, kwargs in WRONG:
        with pytest.raises(MlflowException) as raised:
            getattr(filled, method)(*args, **kwargs)
        assert raised.value.error_code == "INVALID_PARAMETER_VALUE", (method, args, kwargs)
    assert git(folder, "rev-parse", "HEAD") == before


def test_every_parameter_that_takes_text_or_numbers_is_checked() -> None:
    for name, method in vars(GitregStore).items():
        if inspect.isfunction(method) and not name.startswith("_") and "webhook" not in name:
            for parameter in list(inspect.signature(method).parameters.values())[1:]:
                assert parameter.annotation in {*_CHECKS, "bool", "int"}, (name, parameter)


def test_errors_have_the_words_of_the_sql_store(filled: GitregStore, tmp_path: Path) -> None:
    sql = SqlAlchemyStore(f"sqlite:///{tmp_path}/mlflow.db")
    sql.create_registered_model("churn")
    sql.create_registered_model("other")
    sql.create_model_version("churn", "x")
    calls: list[tuple[str, tuple[Any, ...]]] = [
        ("create_registered_model", ("churn",)),
        ("create_registered_model", ("a/b",)),
        ("rename_registered_model", ("other", "churn")),
        ("rename_registered_model", ("nope", "x")),
        ("get_registered_model", ("nope",)),
        ("delete_registered_model", ("nope",)),
        ("get_model_version", ("nope", 1)),
        ("get_model_version", ("churn", 9)),
        ("get_model_version", ("churn", "x")),
        ("update_model_version", ("nope", 1, "x")),
        ("delete_model_version", ("nope", 1)),
        ("get_model_version_download_uri", ("nope", 1)),
        ("set_model_version_tag", ("nope", 1, ModelVersionTag("a", "b"))),
        ("transition_model_version_stage", ("nope", 1, "Staging", False)),
        ("transition_model_version_stage", ("churn", 1, "nowhere", False)),
        ("transition_model_version_stage", ("churn", 1, "Archived", True)),
        ("create_model_version", ("nope", "x")),
        ("set_registered_model_alias", ("nope", "a", 1)),
        ("set_registered_model_alias", ("churn", "v1", 1)),
        ("set_registered_model_alias", ("churn", "latest", 1)),
        ("get_model_version_by_alias", ("churn", "nobody")),
        ("get_model_version_by_alias", ("other", "latest")),
        ("search_model_versions", (None, 0)),
        ("search_registered_models", (None, 1001)),
        ("search_registered_models", (None, 1e15)),
        ("search_model_versions", (None, 1e15)),
    ]
    for method, args in calls:
        said = []
        for store in (sql, filled):
            with pytest.raises(MlflowException) as raised:
                getattr(store, method)(*args)
            # The driver's words, and gitreg's hint, come after MLflow's own.
            words = raised.value.message.partition(" Error: ")[0].partition("\n")[0]
            said.append((raised.value.error_code, words))
        assert said[0] == said[1], (method, args)
    sql._dispose_engine()
