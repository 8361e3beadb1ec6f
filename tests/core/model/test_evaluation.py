"""Evaluations as files: written, read back, and everything that a hostile one may be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitreg.core.model import layout
from gitreg.core.model.evaluation import read_evaluation, read_evaluation_of, write_evaluation
from gitreg.core.model.layout import Place
from gitreg.core.model.model import (
    CodeCommit,
    DataDependency,
    Evaluation,
    Predictions,
    Slice,
)
from gitreg.errors import InvalidDocument, InvalidRequest
from tests.support.fakes import ADA, CREATED, MD5, SHA256

HOLDOUT = Evaluation(
    "holdout-2026q4", SHA256, CREATED, ADA, DataDependency("data/h.csv", MD5, 9), {"auc": 0.9}
)
NUMBERS = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
WORDS = st.text("abc <25é", min_size=1, max_size=12).filter(str.strip)
METRICS = st.dictionaries(WORDS, NUMBERS, min_size=1, max_size=3)


@st.composite
def evaluations(draw: st.DrawFn) -> Evaluation:
    low, high = sorted((draw(NUMBERS), draw(NUMBERS)))
    places = draw(st.lists(WORDS.filter(lambda text: text != "*"), unique=True, max_size=3))
    return Evaluation(
        draw(st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,20}[a-z0-9])?", fullmatch=True)),
        SHA256,
        CREATED,
        ADA,
        DataDependency("data/h.csv", draw(st.sampled_from([MD5, f"{MD5}.dir", None])), 9),
        draw(METRICS),
        draw(st.none() | WORDS),
        {"auc": (low, high)} if draw(st.booleans()) else {},
        draw(st.none() | NUMBERS),
        tuple(Slice(where, draw(METRICS), draw(st.none() | st.integers(0, 9))) for where in places),
        draw(st.sampled_from([None, Predictions(MD5, 12)])),
        draw(st.none() | WORDS),
        draw(st.sampled_from([None, CodeCommit("4b" * 20, None, dirty=True)])),
    )


@settings(max_examples=60, deadline=None)
@given(evaluations())
def test_reading_is_the_inverse_of_writing(evaluation: Evaluation) -> None:
    assert read_evaluation(write_evaluation(evaluation), "it") == evaluation


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("metrics: {auc: .nan}", ".nan is not a finite number"),
        ("metrics: {auc: true}", "metrics.auc: expected a number, found a boolean"),
        ("metrics: {}", "metrics: expected at least one number"),
        ("sha256: 9F", "sha256: expected 64 lower-case hex digits"),
        ("name: Holdout", "name: lower-case letters"),
        ("name: ../../x", "name: lower-case letters"),
        ("data: {path: x, md5: '91cc'}", "data.md5: expected an MD5"),
        ("data: {}", "data.path: missing"),
        ("slices: [{where: '*', metrics: {auc: 1}}]", "slices[1].where: "),
        (
            "slices: [{where: a, metrics: {auc: 1}}, {where: a, metrics: {auc: 2}}]",
            "slices[2].where: ",
        ),
        ("intervals: {auc: [2, 1]}", "intervals.auc: the lowest value comes first"),
        ("intervals: {auc: [1]}", "intervals.auc: expected two numbers"),
        (f"predictions: {{md5: {MD5}.dir, size: 1}}", "predictions.md5: expected the MD5 of a"),
        ("sclices: []", "sclices: unknown key"),
        ("format: 2", "format: expected 1"),
    ],
)
def test_what_breaks_a_rule_is_named(line: str, said: str) -> None:
    key = line.partition(":")[0]
    lines = write_evaluation(HOLDOUT).decode().split("\n")
    kept, skipping = [], False
    for one in lines:
        skipping = one.startswith(f"{key}:") or (skipping and one.startswith(" "))
        kept += [] if skipping else [one]
    with pytest.raises(InvalidDocument) as raised:
        read_evaluation("\n".join([*kept, line, ""]).encode(), "h.yaml")
    assert said in str(raised.value)


def test_it_belongs_to_its_file_and_its_bytes() -> None:
    written = write_evaluation(HOLDOUT)
    assert read_evaluation_of(written, "it", HOLDOUT.name, SHA256) == HOLDOUT
    with pytest.raises(InvalidDocument, match="not that of the file"):
        read_evaluation_of(written, "it", "other", SHA256)
    with pytest.raises(InvalidDocument, match="other bytes"):
        read_evaluation_of(written, "it", HOLDOUT.name, "00" * 32)


def test_only_numbers_of_the_same_data_are_comparable() -> None:
    same = replace(HOLDOUT, data=DataDependency("elsewhere.csv", MD5), metrics={"auc": 0.1})
    assert same.measured_on == HOLDOUT.measured_on
    assert replace(HOLDOUT, split="test").measured_on != HOLDOUT.measured_on
    assert replace(HOLDOUT, data=DataDependency("data/h.csv")).measured_on is None


@pytest.mark.parametrize("name", ["", "A", "-x", "x-", "a/b", "..", "x" * 101, "a:b", "é"])
def test_names_that_no_evaluation_has(name: str) -> None:
    with pytest.raises(InvalidRequest):
        layout.evaluation_path("churn", 5, name)
    path = f"registry/churn/versions/5/evaluations/{name}.yaml"
    place = layout.locate(path)
    assert place is None or place.kind == "other"


def test_its_path_and_its_place_are_inverse() -> None:
    path = layout.evaluation_path("churn", 5, "holdout-2026q4")
    assert layout.locate(path) == Place("churn", "evaluation", "holdout-2026q4", 5)
