"""Moments: what a person types becomes seconds since the epoch, or a clear no."""

from __future__ import annotations

import time
from datetime import datetime, timezone

import pytest

from gitreg.core.text.times import parse_instant
from gitreg.errors import InvalidRequest

NOW = datetime(2026, 11, 22, 20, 25, 6, tzinfo=timezone.utc)


def utc(*parts: int) -> int:
    year, month, day, *rest = parts
    hour, minute, second = (*rest, 0, 0, 0)[:3]
    return int(datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc).timestamp())


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22T20:25:06Z", utc(2026, 11, 22, 20, 25, 6)),
        ("2026-11-22t20:25:06z", utc(2026, 11, 22, 20, 25, 6)),
        (" 2026-11-22 20:25:06+01:00 ", utc(2026, 11, 22, 19, 25, 6)),
        ("2026-11-22T20:25", utc(2026, 11, 22, 20, 25)),
        ("2026-11-22", utc(2026, 11, 22, 23, 59, 59)),
        ("2026-11-22T00:00", utc(2026, 11, 22)),
        ("2026-11-22 20:25:06 Z", utc(2026, 11, 22, 20, 25, 6)),
        ("2026-11-22 20:25:06 local", utc(2026, 11, 23, 1, 25, 6)),
        ("2026-11-22  local", utc(2026, 11, 23, 4, 59, 59)),
        ("now", utc(2026, 11, 22, 20, 25, 6)),
        ("Yesterday", utc(2026, 11, 21, 20, 25, 6)),
        ("3 days ago", utc(2026, 11, 19, 20, 25, 6)),
        ("1 hour  ago", utc(2026, 11, 22, 19, 25, 6)),
        ("2 weeks ago", utc(2026, 11, 8, 20, 25, 6)),
        ("90 minutes ago", utc(2026, 11, 22, 18, 55, 6)),
        ("6 seconds ago", utc(2026, 11, 22, 20, 25)),
    ],
)
def test_moments(text: str, moment: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert parse_instant(text, NOW) == moment
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("text", ["20261122", "2026-W47-7"])
def test_a_date_in_any_form_is_the_end_of_its_day(text: str) -> None:
    try:
        found = parse_instant(text, NOW)
    except InvalidRequest:  # Python 3.10 does not read these forms
        return
    assert found == utc(2026, 11, 22, 23, 59, 59)


def test_a_compact_time_is_no_date() -> None:
    try:
        found = parse_instant("20261122T202506", NOW)
    except InvalidRequest:  # Python 3.10 does not read this form
        return
    assert found == utc(2026, 11, 22, 20, 25, 6)


def test_now_is_now() -> None:
    assert abs(parse_instant("now") - datetime.now(timezone.utc).timestamp()) < 60


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2026-13-01",
        "2026-02-30",
        "3 fortnights ago",
        "days ago",
        "-1 days ago",
        "999999 weeks ago",
        "9999999 days ago",
        "0000-01-01",
        "local",
        "2026-11-22T20:25:06Z local",
        "2026-11-22T20:25:06+01:00 local",
        "--output=F",
        "\x1b[0m",
        "x" * 1000,
    ],
)
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(InvalidRequest, match="is not a date or time") as caught:
        parse_instant(text, NOW)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 100
    assert "2026-11-22T20:25:06Z" in (caught.value.hint or "")
