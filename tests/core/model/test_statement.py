"""Statements on reproductions: in in-toto's form, named by content, about one version's bytes."""

from __future__ import annotations

import json

import pytest

from gitreg.core.model.statement import (
    Statement,
    read_statement,
    read_statement_of,
    statement_id,
    write_statement,
)
from gitreg.errors import InvalidDocument, InvalidRequest
from tests.support.fakes import SHA256

MADE = Statement(
    "größe@5",
    SHA256,
    "equivalent",
    {"by": "Ada <ada@example.com>", "metrics": {"auc": {"recorded": 0.9, "found": 0.91}}},
)


def read(document: object) -> Statement:
    data = json.dumps(document).encode()
    return read_statement(data, f"{statement_id(data)}.json")


def test_it_is_read_back_and_is_json_of_in_toto() -> None:
    data = write_statement(MADE)
    assert read_statement(data, f"x/{statement_id(data)}.json") == MADE
    document = json.loads(data)
    assert document["_type"] == "https://in-toto.io/Statement/v1"
    assert document["subject"] == [{"name": "größe@5", "digest": {"sha256": SHA256}}]


def test_it_is_about_its_own_bytes_under_its_own_name() -> None:
    data = write_statement(MADE)
    name = f"{statement_id(data)}.json"
    assert read_statement_of(data, name, SHA256) == MADE
    with pytest.raises(InvalidDocument, match="other bytes"):
        read_statement_of(data, name, "00" * 32)
    with pytest.raises(InvalidDocument, match=f"belongs into {name}"):
        read_statement(data, f"{'0' * 32}.json")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"_type": "https://in-toto.io/Statement/v0.1"}, "_type: "),
        ({"predicateType": "urn:other"}, "predicateType: "),
        ({"predicate": {"verdict": "inconclusive"}}, "predicate.verdict: 'inconclusive'"),
        ({"predicate": {"verdict": "Identical"}}, "predicate.verdict: "),
        ({"predicate": {}}, "predicate.verdict: missing"),
        ({"subject": []}, "subject: expected exactly one"),
        ({"subject": [{"name": "a", "digest": {"sha256": "9F"}}]}, "sha256: "),
        ({"more": 1}, "more: unknown key"),
    ],
)
def test_what_breaks_a_rule_is_named(change: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidDocument) as raised:
        read(json.loads(write_statement(MADE)) | change)
    assert said in str(raised.value)


def test_an_inconclusive_one_cannot_be_written() -> None:
    with pytest.raises(InvalidRequest, match="inconclusive"):
        write_statement(Statement("churn@1", SHA256, "inconclusive"))
