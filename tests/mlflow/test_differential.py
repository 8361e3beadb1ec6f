"""MLflow's SQL store says what our store has to say: fixed scenarios, and random ones."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

from gitreg import Registry
from tests.mlflow.twins import PROMPTS, Twins, twins
from tests.support.extent import extent

Scenario = Callable[[Twins, str], None]
SCENARIOS: list[Scenario] = []


def scenario(function: Scenario) -> Scenario:
    SCENARIOS.append(function)
    return function


@pytest.fixture(scope="session")
def blanks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables, and a registry without models: made once, then copied."""
    base = tmp_path_factory.mktemp("blanks")
    SqlAlchemyStore(f"sqlite:///{base / 'mlflow.db'}")._dispose_engine()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
        for role in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{role}_NAME", "Ada Lovelace")
            patch.setenv(f"GIT_{role}_EMAIL", "ada@example.com")
        Registry.init(base / "repo")
    return base


@pytest.fixture
def both(blanks: Path, tmp_path: Path) -> Iterator[Twins]:
    shutil.copytree(blanks, tmp_path / "twins")
    with twins(tmp_path / "twins" / "mlflow.db", tmp_path / "twins" / "repo") as pair:
        yield pair


@pytest.fixture
def source(tmp_path: Path) -> str:
    """A folder with something in it, as MLflow calls it."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.pkl").write_text("weights")
    return str(folder)


def tags(**values: str) -> list[ModelVersionTag]:
    return [ModelVersionTag(key, value) for key, value in values.items()]


def model_tags(**values: str | None) -> list[RegisteredModelTag]:
    return [RegisteredModelTag(key, value) for key, value in values.items()]


@scenario
def models_are_made_described_and_deleted(both: Twins, source: str) -> None:
    both("create_registered_model", "churn")
    both("create_registered_model", "churn")
    both("create_registered_model", "fraud", model_tags(team="risk", empty=None, void=""), "about")
    both("create_registered_model", "Größe 2", model_tags(a="1") + model_tags(a="2"))
    both("get_registered_model", "fraud")
    both("get_registered_model", "nope")
    both("update_registered_model", "churn", "the first")
    both("update_registered_model", "churn", "the first")
    both("update_registered_model", "churn", None)
    both("update_registered_model", "nope", "x")
    both("delete_registered_model", "nope")
    both("delete_registered_model", "fraud")
    both("get_registered_model", "fraud")
    both("delete_registered_model", "fraud")
    both("get_latest_versions", "nope")
    both("get_latest_versions", "churn")


@scenario
def names_that_break_a_rule(both: Twins, source: str) -> None:
    for name in ("", "  ", None, "a/b", "a:b", ".", "..", "../x", "./x"):
        for method in ("create_registered_model", "get_registered_model"):
            both(method, name)
        both("create_model_version", name, source)
        both("get_model_version", name, 1)
        both("get_model_version_by_alias", name, "x")
        both("set_registered_model_tag", name, RegisteredModelTag("k", "v"))
    both("create_registered_model", "churn")
    for name in ("", None, "a/b", "..", "churn"):
        both("rename_registered_model", "churn", name)
    for name in ("a@b", "a#b", "-a", "a" * 101):  # names that a registry cannot have
        both("get_registered_model", name)
        both("get_model_version", name, 1)


@scenario
def versions_are_numbered(both: Twins, source: str) -> None:
    both("create_model_version", "churn", source)
    both("create_registered_model", "churn")
    both("create_model_version", "churn", source)
    both("create_model_version", "churn", source, "0" * 32, tags(a="1", b="2"), "http://x/#/r", "d")
    both("create_model_version", "churn", "no/such/folder", tags=tags(a="1") + tags(a="2"))
    for version in (1, "2", 3, 4, 0, -1, "x", "1.5", "v1"):
        both("get_model_version", "churn", version)
    both("get_model_version", "nope", 1)
    both("delete_model_version", "churn", 3)
    both("get_model_version", "churn", 3)
    both("delete_model_version", "churn", 3)
    both("delete_model_version", "churn", "y")
    both("delete_model_version", "nope", 1)
    both("create_model_version", "churn", source)  # its number is 4
    both("update_model_version", "churn", 1, "new")
    both("update_model_version", "churn", 1, "new")
    both("update_model_version", "churn", "2", None)
    both("update_model_version", "churn", 3, "gone")
    both("update_model_version", "nope", 3, "gone")


@scenario
def numbers_start_again_in_a_second_life(both: Twins, source: str) -> None:
    both("create_registered_model", "churn", model_tags(a="1"), "first life")
    both("create_model_version", "churn", source)
    both("create_model_version", "churn", source)
    both("set_registered_model_alias", "churn", "champion", 2)
    both("transition_model_version_stage", "churn", 2, "Production", False)
    both("delete_registered_model", "churn")
    both("create_model_version", "churn", source)
    both("create_registered_model", "churn")
    both("get_model_version_by_alias", "churn", "champion")
    both("create_model_version", "churn", source)
    both("create_model_version", "churn", source)
    both("create_model_version", "churn", source)


@scenario
def stages(both: Twins, source: str) -> None:
    both("create_registered_model", "churn")
    for _ in range(5):
        both("create_model_version", "churn", source)
    both("transition_model_version_stage", "churn", 1, "staging", False)
    both("transition_model_version_stage", "churn", 2, "STAGING", False)
    both("transition_model_version_stage", "churn", "3", "Staging", True)
    both("transition_model_version_stage", "churn", 3, "Staging", True)
    both("transition_model_version_stage", "churn", 3, "Production", True)
    both("transition_model_version_stage", "churn", 4, "Production", False)  # two are in it
    both("transition_model_version_stage", "churn", 5, "Production", True)
    both("transition_model_version_stage", "churn", 1, "None", False)
    both("transition_model_version_stage", "churn", 1, "none", False)
    both("transition_model_version_stage", "churn", 2, "Production", False)
    both("transition_model_version_stage", "churn", 2, "Production", True)
    for stage in ("canary", "", "Deleted_Internal", "prod"):
        both("transition_model_version_stage", "churn", 1, stage, False)
    for stage in ("None", "Archived"):
        both("transition_model_version_stage", "churn", 1, stage, True)
        both("transition_model_version_stage", "nope", 1, stage, True)
    both("transition_model_version_stage", "churn", 9, "Staging", False)
    both("transition_model_version_stage", "nope", 1, "Staging", True)
    both("transition_model_version_stage", "churn", "x", "Staging", False)
    for asked in (None, [], ["Production"], ["none", "STAGING"], ["Archived"], ["nope"]):
        both("get_latest_versions", "churn", asked)
    both("delete_model_version", "churn", 5)
    both("delete_model_version", "churn", 2)
    both("get_latest_versions", "churn")


@scenario
def aliases(both: Twins, source: str) -> None:
    both("create_registered_model", "churn")
    both("get_model_version_by_alias", "churn", "latest")
    both("create_model_version", "churn", source)
    both("create_model_version", "churn", source)
    both("set_registered_model_alias", "churn", "champion", 1)
    both("set_registered_model_alias", "churn", "champion", 1)
    both("set_registered_model_alias", "churn", "champion", "2")
    both("set_registered_model_alias", "churn", "shadow_1", 2)
    both("set_registered_model_alias", "churn", "größter", 2)
    both("set_registered_model_alias", "churn", "champion", 9)
    both("set_registered_model_alias", "nope", "champion", 1)
    both("set_registered_model_alias", "churn", "champion", "x")
    for alias in ("", None, "a b", "a/b", "latest", "LATEST", "v1", "V27", "a" * 256):
        both("set_registered_model_alias", "churn", alias, 1)
        both("delete_registered_model_alias", "churn", alias)
        both("get_model_version_by_alias", "churn", alias)
    both("get_model_version_by_alias", "churn", "champion")
    both("get_model_version_by_alias", "churn", "Champion")
    both("get_model_version_by_alias", "churn", "nope")
    both("get_model_version_by_alias", "nope", "champion")
    both("delete_registered_model_alias", "churn", "nope")
    both("delete_registered_model_alias", "nope", "champion")
    both("delete_registered_model_alias", "churn", "champion")
    both("delete_registered_model_alias", "churn", "champion")
    both("delete_model_version", "churn", 2)
    both("get_model_version_by_alias", "churn", "shadow_1")
    both("get_model_version_by_alias", "churn", "Latest")


TAGS = [
    ("k", "v"),
    ("k", "v"),
    ("k", "w"),
    ("k", ""),
    ("a.b/c d:e-f", "x\ny"),
    ("long", "x" * 100_000),
    ("longer", "x" * 100_001),
    ("", "v"),
    (None, "v"),
    ("k" * 250, "v"),
    ("k" * 251, "v"),
    ("a$", "v"),
    ("..", "v"),
    ("k", None),
]


@scenario
def tags_of_both_kinds(both: Twins, source: str) -> None:
    both("create_registered_model", "churn")
    both("create_model_version", "churn", source, tags=tags(a="1"))
    for key, value in TAGS:
        both("set_registered_model_tag", "churn", RegisteredModelTag(key, value))
        both("set_model_version_tag", "churn", 1, ModelVersionTag(key, value))
    both("set_model_version_tag", "churn", 9, ModelVersionTag("k", "v"))
    both("set_model_version_tag", "nope", 1, ModelVersionTag("k", "v"))
    both("set_model_version_tag", "churn", "x", ModelVersionTag("k", "v"))
    both("set_registered_model_tag", "nope", RegisteredModelTag("k", "v"))
    for key in ("k", "k", "nope", "", None, "a$"):
        both("delete_registered_model_tag", "churn", key)
        both("delete_model_version_tag", "churn", "1", key)
    both("delete_registered_model_tag", "nope", "k")
    both("delete_model_version_tag", "churn", 9, "k")
    both("delete_model_version_tag", "nope", 1, "k")
    both("delete_model_version_tag", "churn", "x", "k")
    both("create_registered_model", "x", model_tags(**{"a$": "v"}))
    both("create_model_version", "churn", source, tags=tags(**{"a$": "v"}))
    both("create_model_version", "churn", source, tags=[ModelVersionTag("k", None)])


@scenario
def renames(both: Twins, source: str) -> None:
    both("create_registered_model", "churn", model_tags(team="growth"), "about")
    both("create_registered_model", "other")
    both("create_model_version", "churn", source, tags=tags(a="1"))
    both("create_model_version", "churn", source)
    both("create_model_version", "churn", source)
    both("set_registered_model_alias", "churn", "champion", 2)
    both("transition_model_version_stage", "churn", 2, "Production", True)
    both("delete_model_version", "churn", 3)
    both("rename_registered_model", "churn", "other")
    both("rename_registered_model", "nope", "third")
    both("rename_registered_model", "churn", "leaver")
    both("get_registered_model", "churn")
    both("get_model_version", "churn", 1)
    both("get_model_version_by_alias", "leaver", "champion")
    both("create_model_version", "leaver", source)
    both("create_registered_model", "churn")
    both("create_model_version", "churn", source)
    both("rename_registered_model", "leaver", "churn")
    both("delete_registered_model", "churn")
    both("rename_registered_model", "leaver", "churn")
    both("create_model_version", "churn", source)


MODEL_FILTERS = [
    None,
    "",
    "name = 'churn'",
    "name != 'churn'",
    "name LIKE 'ch%'",
    "name LIKE 'CH%'",
    "name ILIKE 'CH%'",
    "name ILIKE '%GRÖSSE%'",
    "name LIKE 'c_urn'",
    "name LIKE 'c.*n'",
    "name LIKE '%'",
    "name LIKE ''",
    "name IN ('churn', 'fraud')",
    "name NOT IN ('churn', 'fraud')",
    "attribute.name = 'churn'",
    "name LIKE 'c%' AND name LIKE '%n'",
    "tags.team = 'risk'",
    "tag.team = 'risk'",
    "tags.team != 'risk'",
    "tags.team LIKE 'r%'",
    "tags.team ILIKE 'R%'",
    "tags.`a.b c` = 'x'",
    "tags.empty = ''",
    "tags.empty != 'x'",
    "tags.team = 'risk' AND tags.level = '1'",
    "tags.team = 'risk' AND tags.team != 'growth'",
    "tags.team = 'risk' AND tags.team = 'growth'",
    "tags.team LIKE '%' AND name = 'fraud'",
    PROMPTS,
    "tags.`mlflow.prompt.is_prompt` = 'TRUE'",
    "tags.`mlflow.prompt.is_prompt` != 'true'",
    "tags.`mlflow.prompt.is_prompt` = 'false'",
    "tags.`mlflow.prompt.is_prompt` != 'false'",
    "tags.`mlflow.prompt.is_prompt` = 'true' AND tags.team = 'risk'",
    "tags.`mlflow.prompt.is_prompt` != 'true' AND tags.team = 'risk'",
    "name = churn",
    "name > 'a'",
    "nome = 'churn'",
    "tags.team > 'a'",
    "tags.team IN ('a')",
    "name = 'a' OR name = 'b'",
    "name",
    "name = 'a'; name = 'b'",
    "run_id = 'x'",
    "foo.bar = 'x'",
    "name IN ()",
    "name IN ('churn')",
    "creation_timestamp > 0",
]


MODEL_ORDERS = [
    ["name"],
    ["name DESC"],
    ["timestamp ASC"],
    ["timestamp DESC", "name asc"],
    ["last_updated_timestamp desc"],
    ["name", "name DESC"],
    ["timestamp", "last_updated_timestamp"],
    ["creation_timestamp"],
    ["nope"],
    ["name up"],
    [""],
]


@scenario
def searches_for_models(both: Twins, source: str) -> None:
    stocked: dict[str, dict[str, str | None]] = {
        "churn": {"team": "growth", "level": "1"},
        "Churn 2": {"team": "risk"},
        "fraud": {"team": "risk", "level": "1", "empty": None},
        "größe": {"a.b c": "x"},
        "a_prompt": {"mlflow.prompt.is_prompt": "true", "team": "risk"},
        "no_prompt": {"mlflow.prompt.is_prompt": "false"},
    }
    for name, values in stocked.items():
        both("create_registered_model", name, model_tags(**values))
    both("update_registered_model", "churn", "x")
    for text in MODEL_FILTERS:
        both("search_registered_models", text)
    for order in MODEL_ORDERS:
        both("search_registered_models", None, 100, order)
    for most in (1, 2, 4, 5, 6, 0, -1, -2, 1000, 1001):
        _, token = pages(both, "search_registered_models", None, most, ["name DESC"])
    for token in ("x", "bm8=", "eyJvZmZzZXQiOiAyfQ==", "eyJvZmZzZXQiOiAtMX0=", "e30="):
        both("search_registered_models", None, 2, None, token)


VERSION_FILTERS = [
    None,
    "name = 'churn'",
    "name != 'churn'",
    "name ILIKE 'CHURN%'",
    "name IN ('churn')",
    "name NOT IN ('churn')",
    "run_id = 'r1'",
    "run_id != 'r1'",
    "run_id LIKE 'r%'",
    "run_id IN ('r1', 'r2')",
    "run_id NOT IN ('r1')",
    "source_path = 'a/b'",
    "source_path LIKE '%b%'",
    "source_path ILIKE 'A/%'",
    "source_path != 'a/b'",
    "source_path IN ('a/b')",
    "version_number = 1",
    "version_number = '1'",
    "version_number > 1",
    "version_number >= 2 AND version_number < 3",
    "version_number != 1",
    "version_number <= 1",
    "version_number = 1.5",
    "version_number = 'x'",
    "version_number LIKE '1'",
    "version_number IN (1)",
    "tags.a = '1'",
    "tags.a != '1'",
    "tags.a LIKE '_'",
    "tags.a ILIKE 'X%' AND tags.b = '2'",
    "tags.nope != 'x'",
    "tags.a IN ('1')",
    "name = 'churn' AND run_id = 'r1' AND tags.a = '1' AND version_number > 0",
    "tags.`mlflow.prompt.is_prompt` != 'true'",
    PROMPTS,
    "attribute.name = 'churn'",
    "stage = 'Production'",
    "creation_timestamp > 1",
    "name = 'a' OR name = 'b'",
    "run_id = r1",
]


VERSION_ORDERS = [
    ["name"],
    ["version_number"],
    ["name DESC", "version_number ASC"],
    ["creation_timestamp ASC"],
    ["last_updated_timestamp DESC"],
    ["run_id"],
    ["name", "name"],
    ["version_number DESC", "version_number"],
    ["nope"],
    [],
]


@scenario
def searches_for_versions(both: Twins, source: str) -> None:
    for name in ("churn", "Churn 2", "texts"):
        both("create_registered_model", name)
    both("create_model_version", "churn", "a/b", "r1", tags(a="1"))
    both("create_model_version", "churn", "a/c", "r2", tags(a="x1", b="2"))
    both("create_model_version", "churn", "A/b")
    both("create_model_version", "Churn 2", "hdfs", "R1", tags(a="X", b="2"))
    both(
        "create_model_version",
        "texts",
        "dummy-source",
        tags=tags(**{"mlflow.prompt.is_prompt": "true", "mlflow.prompt.text": "hi"}),
    )
    both("create_model_version", "texts", "a/b")  # counts as a prompt, by its sibling
    both("transition_model_version_stage", "churn", 1, "Production", False)
    both("update_model_version", "churn", 2, "x")
    for text in VERSION_FILTERS:
        both("search_model_versions", text)
    for order in VERSION_ORDERS:
        both("search_model_versions", None, 100, order)
    for most in (1, 2, 3, 4, 5, 0, -1, 200_000, 200_001, None, "7"):
        pages(both, "search_model_versions", None, most, None)
    both("delete_model_version", "churn", 2)
    both("search_model_versions", "name = 'churn'")


def pages(both: Twins, method: str, text: str | None, most: Any, order: Any) -> tuple[Any, Any]:
    """Go through all pages."""
    said, token = both(method, text, most, order), None
    for _ in range(8):
        token = said[1] if isinstance(said[0], list) else None
        if not token or not isinstance(most, int) or most < 1:
            break
        said = both(method, text, most, order, token)
    return said, token


@scenario
def copies(both: Twins, source: str) -> None:
    both("create_registered_model", "churn")
    both("create_model_version", "churn", source, "r1", tags(a="1"), "http://run", "about")
    both("create_model_version", "churn", "models:/churn/1")
    both("create_model_version", "churn", "models:/churn/9")
    both("create_model_version", "churn", "models:/nope/1")
    both("create_model_version", "churn", "models:/churn/Production")
    both("create_model_version", "churn", "models:/churn@champion")
    both("create_model_version", "churn", "models:/")


@pytest.mark.parametrize("play", SCENARIOS, ids=lambda play: play.__name__)
def test_the_sql_store_says_the_same(both: Twins, source: str, play: Scenario) -> None:
    play(both, source)


NAMES = st.sampled_from(["churn", "fraud", "Größe 2", "nope"])
VERSIONS = st.integers(1, 4)
KEYS = st.sampled_from(["a", "b.c", "team"])
TEXTS = st.sampled_from(["", "1", "x y", "größer"])
STAGES = st.sampled_from(["None", "Staging", "Production", "Archived"])
ALIASES = st.sampled_from(["champion", "production"])
CALLS = st.one_of(
    st.tuples(st.just("create_registered_model"), NAMES),
    st.tuples(st.just("create_registered_model"), NAMES),
    st.tuples(st.just("create_model_version"), NAMES, st.just("no/such/source")),
    st.tuples(st.just("create_model_version"), NAMES, st.just("no/such/source")),
    st.tuples(st.just("create_model_version"), NAMES, st.just("no/such/source")),
    st.tuples(st.just("transition_model_version_stage"), NAMES, VERSIONS, STAGES, st.booleans()),
    st.tuples(st.just("transition_model_version_stage"), NAMES, VERSIONS, STAGES, st.booleans()),
    st.tuples(st.just("set_registered_model_alias"), NAMES, ALIASES, VERSIONS),
    st.tuples(st.just("delete_registered_model_alias"), NAMES, ALIASES),
    st.tuples(st.just("rename_registered_model"), NAMES, NAMES),
    st.tuples(st.just("delete_registered_model"), NAMES),
    st.tuples(st.just("delete_model_version"), NAMES, VERSIONS),
    st.tuples(st.just("update_registered_model"), NAMES, TEXTS.filter(bool)),
    st.tuples(st.just("update_model_version"), NAMES, VERSIONS, TEXTS.filter(bool)),
    st.builds(
        lambda name, key, text: ("set_registered_model_tag", name, RegisteredModelTag(key, text)),
        NAMES,
        KEYS,
        TEXTS,
    ),
    st.builds(
        lambda name, n, key, text: ("set_model_version_tag", name, n, ModelVersionTag(key, text)),
        NAMES,
        VERSIONS,
        KEYS,
        TEXTS,
    ),
    st.tuples(st.just("delete_registered_model_tag"), NAMES, KEYS),
    st.tuples(st.just("delete_model_version_tag"), NAMES, VERSIONS, KEYS),
)


@settings(
    max_examples=extent(4, 300),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
)
@given(calls=st.lists(CALLS, min_size=12, max_size=25))
def test_random_calls(
    blanks: Path, tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[Any, ...]]
) -> None:
    base = tmp_path_factory.mktemp("random") / "twins"
    shutil.copytree(blanks, base)
    with twins(base / "mlflow.db", base / "repo") as both:
        both("create_registered_model", "churn")
        for method, *arguments in calls:
            both(method, *arguments)
