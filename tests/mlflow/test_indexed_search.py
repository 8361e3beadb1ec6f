"""MLflow's searches through the search index: the same answers, and fewer objects read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitreg.git.objects import GitObject, ObjectReader
from gitreg.mlflow import reading
from gitreg.mlflow.store import GitregStore
from tests.history.made import make

FILTERS = (
    "tags.team = 'recall'",
    "tags.team != 'recall'",
    "tags.team LIKE '%\\_%'",
    "tags.team ILIKE '%RECALL%'",
    'tags."a b" = \'it"s\'',
    "run_id IN ('0a1b', 'x')",
    "run_id = '0a1b' AND name LIKE 'ch%'",
    "source_path = 'models/churn' AND version_number > 1",
    "source_path != 'x'",
    "version_number < 99999999999999999999999",
    "run_id = '\ud800'",
    " AND ".join(["tags.team LIKE '%e%'"] * 150),
    f"run_id IN ({', '.join(repr(str(number)) for number in range(3000))}, '0a1b')",
    "tags.mlflow.prompt.is_prompt = 'true'",
    "name = 'churn'",
)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("indexed")
    make(folder, 11, 25)
    return folder


def _found(store: GitregStore, text: str) -> list[tuple[str, str]]:
    return [(one.name, one.version) for one in store.search_model_versions(text, 1000)]


@pytest.fixture
def store(registry: Path) -> Iterator[GitregStore]:
    opened = GitregStore(f"gitreg://{registry}")
    yield opened
    opened.close()


@pytest.mark.parametrize("text", FILTERS, ids=range(len(FILTERS)))
def test_the_index_changes_no_answer(
    store: GitregStore, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _found(store, text)
    monkeypatch.setattr(reading, "is_kept", lambda _: False)
    assert found == _found(store, text)


def test_some_filters_find_something(store: GitregStore) -> None:
    assert sum(bool(_found(store, text)) for text in FILTERS) > 5


def test_only_models_with_a_match_are_read(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    get_many = ObjectReader.get_many

    def counted(self: ObjectReader, wanted: list[str]) -> list[GitObject | None]:
        read.extend(wanted)
        return get_many(self, wanted)

    monkeypatch.setattr(ObjectReader, "get_many", counted)
    counts = {}
    for is_kept in (True, False):
        monkeypatch.setattr(reading, "is_kept", lambda _, kept=is_kept: kept)
        store = GitregStore(f"gitreg://{registry}")
        _found(store, "run_id = 'none' AND name LIKE '%'")  # fills the index
        store.close()
        store = GitregStore(f"gitreg://{registry}")
        read.clear()
        assert _found(store, "run_id = 'none' AND name LIKE '%'") == []
        counts[is_kept] = len([spec for spec in read if "manifest.yaml" in spec])
        store.close()
    assert counts[True] == 0 < counts[False]
