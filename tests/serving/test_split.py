"""Shares of requests: sticky, as large as they say, and moving few keys when they change."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitreg.errors import InvalidRequest
from gitreg.serving.split import Split

KEYS = range(10_000)
AB = {"@champion": 0.9, "@challenger": 0.1}


def test_shares_are_as_large_as_they_say() -> None:
    split = Split({"@a": 0.6, "@b": 0.3, "@c": 0.1, "@d": 0})
    counts = Counter(split.choose(key) for key in KEYS)
    assert set(counts) == {"@a", "@b", "@c"}
    for name, share in {"@a": 0.6, "@b": 0.3, "@c": 0.1}.items():
        assert abs(counts[name] / len(KEYS) - share) < 0.015  # three deviations of 10,000


def test_a_key_always_goes_to_the_same_reference() -> None:
    """Processes and releases choose alike: these were chosen once."""
    assert [Split(AB).choose(f"customer {n}") for n in (14, 15, 16, 17)] == [
        *("@champion", "@challenger", "@champion", "@challenger"),
    ]
    assert Split(AB).choose("7") == Split(AB).choose(7) == Split(AB).choose(b"7")
    assert Split(AB).choose("\udcff")


def test_raising_a_share_only_moves_keys_to_it() -> None:
    before, after = Split(AB), Split({"@champion": 0.8, "@challenger": 0.2})
    moves = Counter((before.choose(key), after.choose(key)) for key in KEYS)
    assert moves[("@challenger", "@champion")] == 0
    assert abs(moves[("@champion", "@challenger")] / len(KEYS) - 0.1) < 0.01


@given(st.lists(st.integers(0, 20), min_size=2, max_size=5).filter(any), st.integers())
def test_a_third_share_changes_nothing_between_two_others(parts: list[int], key: int) -> None:
    names = [f"@{n}" for n in range(len(parts))]
    total = sum(parts)
    whole = Split({name: part / total for name, part in zip(names, parts, strict=True)})
    chosen = whole.choose(key)
    rest = {name: part for name, part in zip(names, parts, strict=True) if name != "@0" and part}
    if chosen in rest:
        left = sum(rest.values())
        assert Split({name: part / left for name, part in rest.items()}).choose(key) == chosen


def test_without_a_key_shares_hold_too() -> None:
    counts = Counter(Split(AB).choose(None) for _ in range(2000))
    assert 100 < counts["@challenger"] < 320
    assert Split({"@a": 0, "@b": 1}).choose(None) == "@b"
    assert Split({"@a": 0, "@b": 1}).main == "@a"


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({}, "add up to 0, not"),
        ({"@a": 0.5}, "add up to 0.5, not to 1"),
        ({"@a": 0.6, "@b": 0.6}, "add up to 1.2"),
        ({"@a": 1.1, "@b": -0.1}, "share of @a is 1.1, not between"),
        ({"@a": -0.1, "@b": 1.1}, "share of @a is -0.1"),
        ({"@a": float("nan"), "@b": 1}, "share of @a is nan"),
        ({"@a": float("inf")}, "share of @a is inf"),
        ({"@a": True}, "share of @a is True, not a number"),
        ({"@a": "1"}, "share of @a is '1', not a number"),
    ],
)
def test_bad_shares_are_refused(shares: Any, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        Split(shares)


def test_tenths_add_up() -> None:
    Split({f"@{n}": 0.1 for n in range(10)})
