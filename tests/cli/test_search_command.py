"""``gitreg search`` and ``gitreg list --where``: what they print, and how they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.render.terminal import pointed_at
from tests.conftest import write_model
from tests.support.commands import gitreg


@pytest.fixture(autouse=True)
def _here(reading: Path) -> None:
    """Every test reads the stocked registry."""


def test_what_it_prints() -> None:
    rows = gitreg("search", "metrics.auc > 0.75 AND name LIKE 'ch%'").out.splitlines()
    assert rows[0].split() == ["VERSION", "STAGE", "ALIASES", "METRICS", "CREATED", "BY"]
    assert [row.split()[:3] for row in rows[1:]] == [
        ["churn@3", "-", "-"],
        ["churn@2", "production", "@champion"],
    ]


def test_json_is_what_list_prints() -> None:
    text = "metrics.auc IS NOT NULL"
    found = gitreg("search", text, "--order-by", "metrics.auc DESC", "--json").json
    assert found == gitreg("list", "churn", "--json").json
    assert gitreg("search", text, "--json", "-n", "1").json == found[:1]
    assert gitreg("search", "metrics.auc > 1", "--json").json == []
    assert len(gitreg("search", "--json").json) == 4


def test_what_is_mistyped_is_named_where_nothing_matches() -> None:
    said = gitreg("search", "metrics.aux > 0 OR NOT (tags.nope = 'x') OR stage = 'Prodction'").err
    assert "no version has metrics.aux: did you mean 'metrics.auc'?" in said
    assert "no version has tags.nope\n" in said
    assert "there is no stage 'prodction': did you mean 'production'?" in said.lower()
    known = gitreg("search", "metrics.auc > 9 OR stage = 'none' AND name = 'nope'").err
    assert known == "nothing matches\n"


def test_the_past() -> None:
    assert (
        gitreg("search", "stage = 'production'", "--json", "--rev", "HEAD~1").json[0]["version"]
        == 1
    )
    found = gitreg("search", "stage = 'production'", "--history", "--json").json
    assert [one["version"] for one in found] == [2, 1]


def test_a_table_tells_what_is_deleted(folder: Path) -> None:
    with Registry(folder) as registry:
        for _ in range(2):
            registry.register("cart", write_model(folder))
        registry.promote("cart@2", stage="production", alias="champion")
        registry.delete("cart@1")
        repo = ("--repo", str(folder))
        rows = gitreg("search", "--history", *repo).out.splitlines()[1:]
        assert [row.split()[:3] for row in rows] == [
            ["cart@2", "production", "@champion"],
            ["cart@1", "deleted", "-"],
        ]
        registry.delete_model("cart", force=True)
        rows = gitreg("search", "--history", *repo).out.splitlines()[1:]
        assert [row.split()[1:3] for row in rows] == [["deleted", "-"]] * 2
        rows = gitreg("search", "--history", "--rev", "HEAD~1", *repo).out.splitlines()[1:]
        assert [row.split()[1] for row in rows] == ["production", "deleted"]


def test_nothing_matches() -> None:
    ran = gitreg("search", "metrics.auc > 1")
    assert ran.out == ""
    assert "nothing matches" in ran.err


def test_a_table_ends_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    gitreg("search", "-n", "1")  # imports the module
    monkeypatch.setattr("gitreg.cli.search.SHOWN", 2)
    ran = gitreg("search")
    assert len(ran.out.splitlines()) == 3
    assert "warning: more than 2 versions match: --json prints all" in ran.err
    assert len(gitreg("search", "-n", "3").out.splitlines()) == 4
    assert "more than" not in gitreg("search", "-n", "3").err


@pytest.mark.parametrize("words", [("search",), ("list", "--where"), ("list", "churn", "--where")])
def test_a_mistake_has_a_caret_below_it(words: tuple[str, ...]) -> None:
    ran = gitreg(*words, "stage = 'x' AND stge = 'y'", code=2)
    assert ran.err.splitlines() == [
        "  stage = 'x' AND stge = 'y'",
        "                  ^",
        "gitreg: no field 'stge' (character 17)",
        "  did you mean 'stage'?",
    ]


def test_an_order_has_carets_too() -> None:
    assert "\n              ^\n" in gitreg("search", "--order-by", "created_at, alias", code=2).err


def test_where() -> None:
    champion = "alias = 'champion'"
    assert [one["model"] for one in gitreg("list", "--where", champion, "--json").json] == ["churn"]
    found = gitreg("list", "churn", "--where", "metrics.auc != 0.8", "--json").json
    assert [one["version"] for one in found] == [3, 1]
    assert "nothing matches" in gitreg("list", "tokenizer", "--where", champion).err
    found = gitreg("list", "churn", "--where", "stage = 'production'", "--rev", "HEAD~1", "--json")
    assert [one["version"] for one in found.json] == [1]


@pytest.mark.parametrize(
    ("text", "place", "shown"),
    [
        ("é漢 = x", 5, "  é漢 = x\n        ^"),
        ("\x1b = 1", 0, "  \\x1b = 1\n  ^"),
        ("x", 1, "  x\n   ^"),
    ],
)
def test_the_caret_stands_below_the_character(text: str, place: int, shown: str) -> None:
    assert pointed_at(text, place) == shown


def test_of_a_long_filter_the_part_around_the_mistake_is_shown() -> None:
    shown = pointed_at("a" * 500 + "!" + "b" * 500, 500).splitlines()
    assert shown[0].startswith("  …aaa")
    assert shown[0][shown[1].index("^")] == "!"
    assert len(shown[0]) < 80
