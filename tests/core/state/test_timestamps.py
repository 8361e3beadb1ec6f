"""When models and versions came to be and last changed, as MLflow counts it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gitreg import NotFound, Registry
from gitreg.artifacts.provenance import Provenance
from gitreg.core.state.history import FileChange
from gitreg.core.state.timestamps import Timestamps, changed_in, moment_of
from gitreg.git.history_index import HistoryIndex
from tests.conftest import git

START = 1_800_000_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Set the time of the commits that follow, in seconds after `START`."""

    def at(seconds: int) -> None:
        for who in ("AUTHOR", "COMMITTER"):
            monkeypatch.setenv(f"GIT_{who}_DATE", f"{START + seconds} +0100")

    at(0)
    return at


def add(registry: Registry, name: str = "churn", **known: str) -> None:
    registry.register_artifact(name, Provenance(text=("model.link", "x"), **known))  # type: ignore[arg-type]


def ms(seconds: int, index: int = 0) -> int:
    return (START + seconds) * 1000 + index


def again(folder: Path) -> Timestamps:
    """Return what a new index says, made from nothing."""
    (folder / ".git" / "gitreg" / "history.sqlite").unlink()
    with Registry(folder) as opened:
        return opened.activity("churn")


def test_what_counts_and_what_does_not(
    registry: Registry, folder: Path, clock: Callable[[int], None]
) -> None:
    clock(10)
    registry.create_model("churn", tags={"a": "b"})
    clock(20)
    add(registry, description="the first")
    add(registry)  # in the same second
    expected = Timestamps(ms(10), ms(20, 1), {1: ms(20), 2: ms(20, 1)}, {1: ms(20), 2: ms(20, 1)})
    assert registry.activity("churn") == expected
    clock(30)
    registry.annotate("churn", tags={"c": None})
    registry.annotate("churn@1", tags={"c": "d"})
    registry.set_alias("churn@1", "champion")
    registry.delete_alias("churn", "champion")
    assert registry.activity("churn") == expected
    clock(40)
    registry.annotate("churn@1", description="said\n\nanew: 'so'\n", tags={"e": "f"})
    found = registry.activity("churn")
    assert (found.updated, found.versions) == (ms(20, 1), {1: ms(40), 2: ms(20, 1)})
    clock(50)
    registry.annotate("churn", description="of the model")
    assert registry.activity("churn").updated == ms(50)
    clock(60)
    registry.promote("churn@1", stage="production")
    clock(70)
    registry.promote("churn@2", stage="production")
    found = registry.activity("churn")
    assert (found.updated, found.versions) == (ms(70), {1: ms(70), 2: ms(70)})
    clock(80)
    registry.delete("churn@1")
    found = registry.activity("churn")
    assert (found.created, found.updated) == (ms(10), ms(80))
    assert found.registered == {1: ms(20), 2: ms(20, 1)}
    assert again(folder) == found
    assert registry.activity("churn", rev="HEAD~3").updated == ms(50)


def test_a_renamed_model_came_to_be_when_it_did(
    registry: Registry, folder: Path, clock: Callable[[int], None]
) -> None:
    clock(10)
    add(registry, "old", description="of the version")
    registry.annotate("old", description="of the model")
    clock(20)
    registry.promote("old@1", stage="staging")
    clock(25)
    registry.rename_model("old", "between")
    clock(30)
    registry.rename_model("between", "churn")
    found = Timestamps(ms(10), ms(30), {1: ms(10)}, {1: ms(30)})
    assert registry.activities() == {"churn": found}
    assert again(folder) == found
    with pytest.raises(NotFound, match="renamed to 'between'"):
        registry.activity("old")


def test_a_name_that_begins_anew_has_no_past(
    registry: Registry, folder: Path, clock: Callable[[int], None]
) -> None:
    clock(10)
    add(registry)
    clock(20)
    registry.delete_model("churn")
    assert registry.activities() == {}
    clock(30)
    registry.create_model("churn")
    clock(40)
    add(registry)
    found = Timestamps(ms(30), ms(40), {1: ms(40)}, {1: ms(40)})
    assert registry.activity("churn") == found
    assert again(folder) == found


def test_a_deletion_that_is_reverted_leaves_the_past(
    registry: Registry, folder: Path, clock: Callable[[int], None]
) -> None:
    clock(10)
    add(registry)
    clock(20)
    registry.delete_model("churn")
    clock(30)
    git(folder, "revert", "--no-edit", "HEAD")
    found = Timestamps(ms(10), ms(30), {1: ms(10)}, {1: ms(30)})
    assert registry.activity("churn") == found
    git(folder, "reset", "--quiet", "--hard", "HEAD~2")
    assert registry.activity("churn").updated == ms(10)


def test_of_a_clone_that_is_cut_off_nothing_is_known(registry: Registry, folder: Path) -> None:
    add(registry)
    git(folder.parent, "clone", "--quiet", "--depth=1", f"file://{folder}", "shallow")
    with Registry(folder.parent / "shallow") as shallow:
        assert shallow.activity("churn") == Timestamps()


def test_what_was_said_is_gone_on_from(
    registry: Registry, folder: Path, clock: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock(50)
    add(registry)
    add(registry)
    registry.activity("churn")
    found: list[list[tuple[object, ...]]] = []
    ask = HistoryIndex._ask

    def counted(
        self: HistoryIndex, query: str, values: Sequence[object]
    ) -> list[tuple[object, ...]]:
        rows = ask(self, query, values)
        if "FROM changes" in query:
            found.append(rows)
            plan = self._open().execute(f"EXPLAIN QUERY PLAN {query}", values).fetchall()
            assert "INDEX changes_in_order (model=? AND life=? AND seq>? AND seq<?)" in plan[0][3]
        return rows

    monkeypatch.setattr(HistoryIndex, "_ask", counted)
    before = registry.activity("churn")
    clock(40)  # backwards
    registry.promote("churn@1", stage="production")
    after = registry.activity("churn")
    assert before.updated == after.updated == ms(50, 1)
    clock(60)
    registry.promote("churn@1", stage="archived")
    assert registry.activity("churn").versions == {1: ms(60), 2: ms(50, 1)}
    assert [sorted(row[0] for row in rows) for rows in found] == [[], [0, 1], [0, 1]]  # type: ignore[type-var]
    git(folder, "reset", "--quiet", "--hard", "HEAD~1")
    assert registry.activity("churn") == after
    clock(70)
    registry.promote("churn@2", stage="production")
    assert registry.activity("churn") == again(folder)


def test_all_models_are_one_question(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    add(registry)
    asked = []
    ask = HistoryIndex._ask

    def counted(self: HistoryIndex, query: str, values: object) -> object:
        asked.append(query)
        return ask(self, query, values)  # type: ignore[arg-type]

    monkeypatch.setattr(HistoryIndex, "_ask", counted)
    registry.activities()
    assert len(asked) == 1
    with registry._history._lock:
        db = registry._history._open()
        plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {asked[0]}", (9,))]
    assert not any("TEMP B-TREE" in step for step in plan)


def test_moments_of_a_clock_that_goes_back_are_the_clocks() -> None:
    assert moment_of(5, (6, 6_003)) == 5_000


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        (None, b"tags:\n  a: b\n", False),
        (None, b"description: x\n", True),
        (b"description: x\n", None, True),
        (b"description: x\n", b"description: x\ntags:\n  a: b\n", False),
        (b"description: 'x\n\n  y'\nowner: a\n", b"description: 'x\n\n  y'\n", False),
        (b"description: 'x\n\n  y'\nowner: a\n", b"description: 'x\n\n  z'\nowner: a\n", True),
        (b"tags:\n  description: x\n", b"tags:\n  description: y\n", False),
        (b'owner: a\n"description": x\n', b'owner: b\n"description": y\n', True),
    ],
)
def test_descriptions_are_told_from_the_rest(
    before: bytes | None, after: bytes | None, counts: bool
) -> None:
    for path, subject in (
        ("registry/churn/model.yaml", ("churn", None)),
        ("registry/churn/versions/3/annotations.yaml", ("churn", 3)),
    ):
        found = changed_in((), [FileChange(path, before, after)])
        assert found == ({subject} if counts else set())
