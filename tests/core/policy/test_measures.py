"""Sizes, durations and moments as a policy spells them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gitreg.core.policy.measures import (
    format_duration,
    format_moment,
    format_size,
    parse_duration,
    parse_moment,
    parse_size,
)


@given(st.integers(0, 2**52), st.integers(0, 2**52), st.integers(0, 253_402_300_799))
@example(0, 0, 253_402_300_799)
def test_measures_are_read_back(size: int, duration: int, moment: int) -> None:
    assert parse_size(format_size(size)) == size
    assert parse_duration(format_duration(duration % 10**11)) == duration % 10**11
    assert parse_moment(format_moment(moment)) == moment


@pytest.mark.parametrize(
    "text",
    ["", "2", "GiB", "2 gib", "-1 GiB", "1.5 GiB", "2  GiB", "1e3 B", "9" * 40 + " B", "٣ GiB"],
)
def test_what_is_no_size(text: str) -> None:
    assert parse_size(text) is None


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "1.5h", "24 hours", "1w", "9" * 16 + "d"])
def test_what_is_no_duration(text: str) -> None:
    assert parse_duration(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-12-20",
        "2026-12-20T00:00:00",
        "2026-13-20T00:00:00Z",
        "2026-12-20T25:00:00Z",
        "tomorrow",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59-14:00",
        "20261220T000000Z",
        "1970-01-01T00:00:00+01:00",
    ],
)
def test_what_is_no_moment(text: str) -> None:
    assert parse_moment(text) is None


def test_a_moment_that_no_calendar_has_is_still_shown() -> None:
    assert format_moment(2**60) == f"{2**60} s after 1970"
