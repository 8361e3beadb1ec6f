"""What the guide lists as different from MLflow's SQL store, each line with its own test."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from mlflow.exceptions import MlflowException

from gitreg import Registry
from gitreg.core.policy import write_policy
from gitreg.core.policy.rules import Policy, StageRule
from gitreg.mlflow.store import GitregStore
from tests.conftest import git
from tests.mlflow.test_differential import blanks, source
from tests.mlflow.twins import Twins, twins

if TYPE_CHECKING:
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

__all__ = ["blanks", "source"]

GUIDE = Path(__file__).resolve().parents[2] / "docs/guides/mlflow.md"
Check: TypeAlias = "Callable[[SqlAlchemyStore, GitregStore, Path], None]"
TESTED: dict[str, Check] = {}


def difference(line: str) -> Callable[[Check], Check]:
    """Name the line of the guide that a function tests, by its beginning."""

    def add(check: Check) -> Check:
        TESTED[line] = check
        return check

    return add


@pytest.fixture
def pair(blanks: Path, source: str, tmp_path: Path) -> Iterator[Twins]:
    """Both stores, each with a version of churn."""
    base = tmp_path / "twins"
    shutil.copytree(blanks, base)
    with twins(base / "mlflow.db", base / "repo") as both:
        for store in (both.sql, both.ours):
            store.create_registered_model("churn")
            store.create_model_version("churn", source)
        yield both


def refuses(call: Callable[..., Any], *args: Any) -> None:
    with pytest.raises(MlflowException) as raised:
        call(*args)
    assert raised.value.error_code == "INVALID_PARAMETER_VALUE", args


def add_stage(folder: Path) -> None:
    """Let the policy have a stage that MLflow does not know."""
    policy = folder / "registry" / "policy.yaml"
    policy.write_bytes(write_policy(Policy({"canary": StageRule(), "production": StageRule()})))
    git(folder, "add", "registry/policy.yaml")
    git(folder, "commit", "--quiet", "-m", "a stage of our own")


@difference("The download URI of a version")
def downloads(sql: SqlAlchemyStore, ours: GitregStore, folder: Path) -> None:
    assert sql.get_model_version_download_uri("churn", 1).endswith("/model")
    assert ours.get_model_version_download_uri("churn", 1) == f"gitreg://{folder}/-/churn/1"


@difference("Names with `@`, `#`, control or zero-width characters")
def names(sql: SqlAlchemyStore, ours: GitregStore, folder: Path) -> None:
    for name in ("a@b", "a#b", "a\nb", "a\0b", "a\u200bb", " a", "a ", ".a", "a-", "a" * 101):
        sql.create_registered_model(name)
        refuses(ours.create_registered_model, name)


@difference("Names and aliases that differ from another one only by case")
def cases(sql: SqlAlchemyStore, ours: GitregStore, folder: Path) -> None:
    for store in (sql, ours):
        store.set_registered_model_alias("churn", "champion", 1)
    sql.create_registered_model("Churn")
    sql.set_registered_model_alias("churn", "Champion", 1)
    refuses(ours.create_registered_model, "Churn")
    refuses(ours.set_registered_model_alias, "churn", "Champion", 1)


@difference("Aliases that are numbers")
def aliases(sql: SqlAlchemyStore, ours: GitregStore, folder: Path) -> None:
    add_stage(folder)
    for alias in ("1", "canary"):
        sql.set_registered_model_alias("churn", alias, 1)
        refuses(ours.set_registered_model_alias, "churn", alias, 1)
    ours.set_registered_model_alias("churn", "production", 1)


@difference("An empty description")
def descriptions(sql: SqlAlchemyStore, ours: GitregStore, folder: Path) -> None:
    found = [store.update_registered_model("churn", "").description for store in (sql, ours)]
    assert found == ["", None]


@difference("A description, run ID, link or source of another type")
def types(sql: SqlAlchemyStore, ours: GitregStore, folder: Path) -> None:
    sql.update_registered_model("churn", 5)
    assert sql.get_registered_model("churn").description == "5"
    refuses(ours.update_registered_model, "churn", 5)
    refuses(ours.create_model_version, "churn", "x", 5)


@difference("Two changes never have the same time")
def times(sql: SqlAlchemyStore, ours: GitregStore, folder: Path) -> None:
    before = git(folder, "rev-parse", "HEAD")
    moved = ours.get_registered_model("churn").last_updated_timestamp
    ours.update_registered_model("churn", None)
    assert ours.get_registered_model("churn").last_updated_timestamp == moved
    assert git(folder, "rev-parse", "HEAD") == before
    made = [ours.create_registered_model(f"m{n}").creation_timestamp or 0 for n in range(3)]
    assert made[0] < made[1] < made[2]


@difference("The user of a version")
def users(sql: SqlAlchemyStore, ours: GitregStore, folder: Path) -> None:
    found = [store.get_model_version("churn", 1).user_id for store in (sql, ours)]
    assert found == [None, "Ada Lovelace <ada@example.com>"]


@difference("Nothing is kept of a deleted version")
def deleted(sql: SqlAlchemyStore, ours: GitregStore, folder: Path) -> None:
    ours.delete_model_version("churn", 1)
    kept = git(folder, "ls-tree", "-r", "--name-only", "HEAD", "registry/churn/versions/1")
    assert kept.split() == ["registry/churn/versions/1/deleted.yaml"]


@difference("MLflow shows a stage that it does not know as None")
def stages(sql: SqlAlchemyStore, ours: GitregStore, folder: Path) -> None:
    add_stage(folder)
    with Registry(folder) as registry:
        registry.promote("churn@1", stage="canary")
    assert ours.get_model_version("churn", 1).current_stage == "None"


def test_each_listed_difference_is_tested() -> None:
    listed = re.findall(
        r"^- (.+)$", GUIDE.read_text().partition("## Differences\n")[2], re.MULTILINE
    )
    assert len(listed) == len(TESTED)
    for line, tested in zip(listed, TESTED, strict=True):
        assert line.startswith(tested)


@pytest.mark.parametrize("line", TESTED)
def test_a_difference(pair: Twins, line: str) -> None:
    folder = Path(str(pair.ours._uri.location))
    TESTED[line](pair.sql, pair.ours, folder)
