"""Plain values: what a manifest can hold of a document, and what is refused."""

from __future__ import annotations

import math

import pytest

from gitreg.artifacts.plain_values import plain
from gitreg.errors import InvalidDocument


def test_what_a_tool_recorded_becomes_text_where_a_manifest_cannot_hold_it() -> None:
    recorded = {
        0: 1.5,
        True: "yes",
        None: 2,
        0.5: 3,
        "missing": math.nan,
        "up": math.inf,
        "down": -math.inf,
        "seed": 2**64,
        "huge": 10**5000,
    }
    read = plain(recorded, "dvc.lock", strict=False)
    assert read.pop("huge") == hex(10**5000)
    assert read == {
        "0": 1.5,
        "true": "yes",
        "null": 2,
        "0.5": 3,
        "missing": ".nan",
        "up": ".inf",
        "down": "-.inf",
        "seed": "18446744073709551616",
    }


def test_what_no_text_can_stand_for_is_refused() -> None:
    for document in ({"a": b"x"}, {"a": {1, 2}}, {("a",): 1}, {"1": 1, 1: 2}):
        with pytest.raises(InvalidDocument, match=r"^dvc.lock: "):
            plain(document, "dvc.lock", strict=False)
    with pytest.raises(InvalidDocument, match="a: a key must be text, found an integer"):
        plain({"a": {1: 2}}, "x.json", strict=True)


def test_a_small_document_of_anchors_cannot_explode() -> None:
    bomb: list[object] = ["boom"] * 10
    for _ in range(10):
        bomb = [bomb] * 10
    with pytest.raises(InvalidDocument, match="more than 65,536 values"):
        plain({"a": bomb}, "dvc.lock", strict=False)
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(InvalidDocument, match="nested deeper than 15 levels"):
        plain({"a": endless}, "dvc.lock", strict=False)
