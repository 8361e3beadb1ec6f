"""The grammar of searches: what it takes, where its mistakes are, what bounds it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitreg.core.text.filter import FilterError, like, parse, parse_order
from gitreg.errors import InvalidRequest


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        # MLflow's own forms, of search_runs and search_model_versions.
        ("metrics.acc > 0.9", "metrics.acc > 0.9"),
        ("metric.acc >= 1e-3", "metrics.acc >= 0.001"),
        ("params.`train C` = '1'", "params.train C = '1'"),
        ('parameter."train.C" != "1"', "not params.train.C = '1'"),
        ("`metrics`.`a b` < 1", "metrics.a b < 1"),
        ("tags.mlflow.runName LIKE 'x%'", "tags.mlflow.runName LIKE 'x%'"),
        ("tag.a ILIKE 'X'", "tags.a ILIKE 'X'"),
        ("attributes.run_id IN ('a', 'b')", "run_id = 'a' 'b'"),
        ("attribute.version_number = '3'", "version = 3"),
        ("name NOT IN ('a')", "not name = 'a'"),
        ("source_path LIKE 's3:%'", "source LIKE 's3:%'"),
        (
            "creation_timestamp > 1700000000000",
            "created_at > Span(first=1700000000000, end=1700000000001)",
        ),
        ("dataset.digest = 'x'", "data.digest = 'x'"),
        ("tags.a IS NOT NULL", "not tags.a NULL"),
        # What is new.
        ("NOT a.b = 1 OR".replace("a.b = 1 OR", "tags.x = '1'"), "not tags.x = '1'"),
        (
            "name='a' or name='b' and not name='c'",
            "(name = 'a' or (name = 'b' and not name = 'c'))",
        ),
        ("(name='a' OR name='b') AND name='c'", "((name = 'a' or name = 'b') and name = 'c')"),
        ("stage = 'Production'", "stage = 'production'"),
        ("current_stage IN ('None')", "stage = 'none'"),
        ("code.commit = 'ABCD12'", "code.commit STARTS 'abcd12'"),
        ("code.dirty = TRUE", "code.dirty = 'true'"),
        ("environment.python < 3.11", "environment.python < '000003.000011.'"),
        ("created_at = '2026-11-02'", "created_at = Span(first=1793577600000, end=1793664000000)"),
        (
            "created_at < '2026-11-02T06:00Z'",
            "created_at < Span(first=1793599200000, end=1793599201000)",
        ),
        ("size > '1.5GiB'", "size > 1610612736.0"),
        ("size > 10MB", "size > 10000000"),
        (
            "requires 'Scikit_Learn==1.3.0'",
            "requires REQUIRES Requirement(name='scikit-learn', specifier='==1.3.0')",
        ),
        (
            "NOT requires 'x<2,>=1'",
            "not requires REQUIRES Requirement(name='x', specifier='<2,>=1')",
        ),
        ("'Better recall'", "text MATCH 'better' 'recall'"),
        ("text MATCH 'rec* Novem-ber*'", "text MATCH 'rec*' 'novem' 'ber*'"),
        ("evaluation.holdout.auc > 0.9", "evaluation.holdout.auc > 0.9"),
        ("tags.x = 'it''s'", 'tags.x = "it\'s"'),
        ("tags.x = 5", "tags.x = 5"),
        ("params.on = true", "params.on = 'true'"),
        ("metrics.ünï > .5", "metrics.ünï > 0.5"),
    ],
)
def test_what_a_filter_means(text: str, tree: str) -> None:
    assert parse(text).describe() == tree


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("", 0, "expected a field"),
        ("stage", 5, "expected a comparison"),
        ("stage = production", 8, "text needs quotes: 'production'"),
        ("requires numpy", 9, "text needs quotes: 'numpy'"),
        ("stage = 'x' stage = 'y'", 12, "expected AND, OR or the end"),
        ("(stage = 'x'", 12, "expected ')'"),
        ("stage = 'x", 8, "this quote is not closed"),
        ("stage == 'x'", 6, "expected = or !="),
        ("stage <> 'x'", 6, "expected = or !="),
        ("stage > 'x'", 6, "stage has no order"),
        ("metrics = 1", 0, "metrics needs a key"),
        ("metrics. > 1", 0, "metrics needs a key"),
        ("metrics.auc > 'high'", 14, "metrics.auc takes a number"),
        ("metrics.auc LIKE '1%'", 12, "metrics.auc is no text"),
        ("name = 5", 7, "name is text, which needs quotes"),
        ("name LIKE 5", 10, "expected a pattern in quotes"),
        ("name IN 'x'", 8, "expected '('"),
        ("name NOT = 'x'", 9, "expected IN, LIKE or ILIKE after NOT"),
        ("name IS 'x'", 8, "expected NULL"),
        ("code.commit = 'xyz'", 14, "code.commit takes 4 or more hex digits"),
        ("code.dirty = 'maybe'", 13, "code.dirty is true or false"),
        ("created_at > 'soon'", 13, "'soon' is not a date or time"),
        ("created_at > 2026-11-02", 13, "text needs quotes: '2026-11-02'"),
        ("environment.python > 'new'", 21, "takes a version"),
        ("size > '5 parsecs'", 7, "size takes bytes"),
        ("requires = 'numpy'", 9, "write requires 'scikit-learn<1.4'"),
        ("requires 'numpy is nice'", 9, "is no package with versions"),
        ("requires \"x; python_version > '3'\"", 9, "is no package with versions"),
        ("text = 'x'", 5, "expected MATCH"),
        ("name MATCH 'x'", 5, "only text has MATCH"),
        ("'!?'", 0, "expected words"),
        ("text IS NULL", 12, "text is never absent"),
        ("name = 'x' AND \x00", 15, "this is not expected"),
        ("name = 'x'; DROP TABLE docs", 10, "this is not expected"),
        ("name = '\udcff'", 8, "not valid Unicode"),
        ("AND", 0, "expected a field"),
    ],
)
def test_a_mistake_is_pointed_at(text: str, place: int, said: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text)
    assert said in str(caught.value)
    assert (caught.value.place, caught.value.exit_code) == (place, 2)
    assert f"(character {place + 1})" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("stge = 'x'", "'stage'"),
        ("metrcs.auc > 1", "'metrics'"),
        ("code.comit = 'abcd'", "'code.commit'"),
    ],
)
def test_an_unknown_field_names_the_near_misses(text: str, near: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text)
    assert near in str(caught.value.hint)


@pytest.mark.parametrize(
    "text",
    [
        "NOT " * 60 + "name = 'x'",
        "(" * 60 + "name = 'x'" + ")" * 60,
        "(" * 100_000,
        " AND ".join(["name = 'x'"] * 201),
        f"name IN ({', '.join(['1'.join(chr(39) * 2)] * 401)})",
        f"name = '{'x' * 20_001}'",
    ],
)
def test_a_filter_is_bounded(text: str) -> None:
    with pytest.raises(FilterError, match=r"more than|nested deeper"):
        parse(text)


def _place_of_mistake(text: str) -> int:
    try:
        parse(text).describe()
    except FilterError as error:
        return error.place
    return 0


@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_a_mistake_inside_it(text: str) -> None:
    assert 0 <= _place_of_mistake(text) <= len(text)


WORDS = ("(", ")", ",", "=", "!=", "NOT", "AND", "OR", "IN", "IS", "NULL", "'x'", "5", "stage")


@given(st.lists(st.sampled_from((*WORDS, "metrics.a", "requires", "text", "MATCH"))))
def test_any_words_are_a_filter_or_a_mistake(words: list[str]) -> None:
    text = " ".join(words)
    assert 0 <= _place_of_mistake(text) <= len(text)


def test_orders() -> None:
    found = parse_order("metrics.`a b` DESC, created_at, version asc")
    assert [(one.field.path, one.descending) for one in found] == [
        ("metrics.a b", True),
        ("created_at", False),
        ("version", False),
    ]
    for wrong in ("", "alias", "created_at down", "'x'", ", ".join(["name"] * 11)):
        with pytest.raises(InvalidRequest):
            parse_order(wrong)


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("", "", True),
        ("", "x", False),
        ("%", "any\nthing", True),
        ("a%b%c", "a--b--b-c", True),
        ("a%b%c", "a--c--b", False),
        ("_", "é", True),
        ("__", "é", False),
        (r"100\%", "100%", True),
        (r"100\%", "1000", False),
        (r"a\_b", "a_b", True),
        (r"a\_b", "axb", False),
        (r"a\\%", "a\\b", True),
        (r"a\n", "a\\n", True),
        ("%aa", "aaa", True),
        ("aa%aa", "aaa", False),
        ("%.%", "abc", False),
    ],
)
def test_patterns(pattern: str, text: str, matches: bool) -> None:
    assert like(pattern)(text) is matches


def test_a_pattern_with_many_wildcards_takes_no_longer() -> None:
    began = time.process_time()
    assert not like("%a" * 2000 + "b")("a" * 4000)
    assert time.process_time() - began < 5  # backtracking takes longer than the universe is old
