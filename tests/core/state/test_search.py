"""A scan of versions: when a comparison is true, false or unknown, one rule after the other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitreg.core.model.model import (
    Artifact,
    CodeCommit,
    DataDependency,
    Environment,
    Lineage,
    ModelVersion,
)
from gitreg.core.state.search import Document, matches, ordered, packages_of
from gitreg.core.text.filter import parse, parse_order

VERSION = ModelVersion(
    "churn",
    5,
    "2026-11-02T06:00:00Z",
    "Ada <ada@example.com>",
    Artifact("model.pkl", 2_000_000, 1, "ab" * 32),
    {"auc": 0.9},
    {"C": 1, "lr": 0.01, "kind": "auto", "text": "0.50", "on": True, "none": None, "a": {"b": 2}},
    Lineage(code=CodeCommit("4b65" * 10), data=(DataDependency("a.csv", "91cc" * 8),)),
    Environment("3.9.18"),
    tags={"team": "growth", "build": "100"},
    description="Recall of the November cohort",
)
DOCUMENT = Document(
    VERSION,
    packages_of(["Scikit_Learn==1.3.0", "tool @ git+https://example.com/x", "numpy==2.1.0rc1"]),
    ("Recall of the November cohort",),
    ("production",),
    ("champion", "best"),
)
BARE = Document(ModelVersion("bare", 1, "", "", Artifact("model", 1, 1, "ab" * 32, "x.dir")))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("metrics.auc > 0.8", True),
        ("metrics.f1 > 0.8", None),
        ("metrics.f1 != 0.8", None),
        ("NOT metrics.f1 > 0.8", None),
        ("metrics.f1 > 0.8 OR metrics.auc > 0.8", True),
        ("metrics.f1 > 0.8 AND metrics.auc > 1", False),
        ("metrics.f1 > 0.8 AND metrics.auc > 0.8", None),
        ("metrics.f1 IS NULL", True),
        # A number without quotes compares numbers, a text compares texts.
        ("params.C = 1.0", True),
        ("params.C = '1'", True),
        ("params.C = '1.0'", False),
        ("params.lr = 1e-2", True),
        ("params.text = 0.5", True),
        ("params.text = '0.5'", False),
        ("params.kind > 5", None),
        ("params.kind != 5", True),
        ("params.kind > 'alpha'", True),
        ("params.on = true", True),
        ("params.none IS NULL", True),
        ("params.a.b = 2", True),
        ("tags.build > 99", True),
        ("tags.build > '99'", False),
        # Lists: one entry is enough; the opposite holds if none is equal.
        ("alias = 'best'", True),
        ("alias != 'best'", False),
        ("alias IN ('x', 'champion')", True),
        ("data.md5 = '91CC91'", True),
        ("data.md5 != '91cc'", False),
        ("code.commit = '4b65'", True),
        ("code.dirty = false", True),
        ("stage = 'PRODUCTION'", True),
        ("stage IS NULL", False),
        # Versions of Python compare as far as they are written.
        ("environment.python < '3.11'", True),
        ("environment.python = '3.9'", True),
        ("environment.python > '3.9'", False),
        ("environment.python <= 3.9", True),
        ("environment.python = '3.9.18.0.0'", True),
        ("created_at = '2026-11-02'", True),
        ("created_at > '2026-11-02'", False),
        ("created_at >= '2026-11-02T06:00:01'", False),
        ("created_at = 1793599200000", True),
        ("requires 'scikit-learn<1.4'", True),
        ("requires 'SCIKIT.learn==1.3.*'", True),
        ("requires 'scikit-learn>1.3'", False),
        ("requires 'numpy>2'", True),
        ("requires 'tool'", True),
        ("requires 'tool>1'", False),
        ("requires 'torch'", False),
        ("size = 2MB", True),
        ("format = 'pkl'", True),
        ("'NOVEMBER recall'", True),
        ("'novem'", False),
        ("'novem*'", True),
        ("evaluation.test.auc > 0", None),
    ],
)
def test_a_version(text: str, answer: bool | None) -> None:
    assert matches(DOCUMENT, parse(text)) is answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("stage = 'none'", True),
        ("stage != 'production'", True),
        ("stage IS NULL", True),
        ("alias != 'champion'", True),
        ("alias IS NULL", True),
        ("data.md5 != '91cc'", None),
        ("requires 'x'", None),
        ("requires IS NULL", True),
        ("code.dirty = false", None),
        ("created_at > '2020-01-01'", None),
        ("format = 'folder'", True),
        ("NOT 'november'", True),
    ],
)
def test_a_version_of_which_little_is_known(text: str, answer: bool | None) -> None:
    assert matches(BARE, parse(text)) is answer


def test_what_is_absent_comes_last_and_ties_are_by_name() -> None:
    def one(model: str, number: int, lr: object) -> Document:
        params = {} if lr is None else {"lr": lr}
        return Document(replace(VERSION, model=model, version=number, params=params))  # type: ignore[arg-type]

    every = [one("b", 1, 2), one("a", 1, "x"), one("a", 2, None), one("a", 3, 10), one("a", 4, 2)]
    for text, expected in (
        ("params.lr", ["a@4", "b@1", "a@3", "a@1", "a@2"]),
        ("params.lr DESC", ["a@3", "a@4", "b@1", "a@1", "a@2"]),
        ("version DESC", ["a@4", "a@3", "a@2", "a@1", "b@1"]),
    ):
        assert [found.version.reference for found in ordered(every, parse_order(text))] == expected
