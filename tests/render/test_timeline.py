"""Timelines as text and as a picture: readable, escaped, and the same bytes again."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from rich.cells import cell_len

from gitreg.core.state.intervals import Interval, Timeline, Track, seconds_of
from gitreg.core.text.times import utc
from gitreg.render.axis import Axis
from gitreg.render.colour import colours
from gitreg.render.timeline import moment_text, timeline_json, timeline_text
from gitreg.render.timeline_svg import timeline_svg

START, DAY = 1_790_000_000, 86_400
NOW = START + 400 * DAY
PRODUCTION = "stages/production"
HOSTILE = "<script>alert('1')</script>\x1b[31m\u202e]]>&\ufffe\ud800\nline two"


def interval(
    version: int | None, first: float | None, last: float | None = None, **more: object
) -> Interval:
    since = None if first is None else START + int(first * DAY)
    until = None if last is None else START + int(last * DAY)
    one = Interval(
        "churn",
        PRODUCTION,
        version,
        None if since is None else utc(since),
        None if until is None else utc(until),
        None if since is None else (until or NOW) - since,
        "Ada Lovelace <ada@example.com>",
        "better",
        "promote",
        "c" * 40,
        None if until is None else "promote",
        None if until is None else "d" * 40,
        {"auc": 0.9, "recall": 0.5},
    )
    return replace(one, **more)  # type: ignore[arg-type]


def line_of(*intervals: Interval, since: int | None = None, until: int | None = None) -> Timeline:
    return Timeline((Track("churn", PRODUCTION, intervals),), NOW, since, until)


SHORT = line_of(
    interval(1, 0, 100),
    interval(2, 100, 200, override="the feed broke"),
    interval(1, 200, 300, action="rollback"),
    interval(None, 300, 350, metrics={}),
    interval(3, 350),
)


def long(count: int) -> Timeline:
    return line_of(*(interval(n % 40 + 1, n, n + 1) for n in range(count)), interval(41, count))


@pytest.mark.parametrize("timeline", [SHORT, long(300), line_of(interval(1, 0, 0))])
@pytest.mark.parametrize("width", [40, 80, 120, 4096])
def test_no_line_is_wider_than_the_terminal(timeline: Timeline, width: int) -> None:
    lines = timeline_text(timeline, width).split("\n")
    limit = max(width, 80)  # below, a table's words do not fit, and the terminal folds
    assert max(map(cell_len, lines)) <= limit
    assert not any(line.endswith(" ") for line in lines)


def test_bars_stand_under_one_axis() -> None:
    lines = timeline_text(SHORT, 80, ascii_only=True).split("\n")
    assert lines[0] == "churn/production"
    one, two, three, gap = lines[2:6]
    assert [row.split()[0] for row in lines[2:6]] == ["@1", "@2", "@3", "nothing"]
    assert one.index("#") < two.index("!") <= one.index("<") < gap.index(".") < three.index("#")
    assert three.endswith(">")
    assert two.index("!") - one.index("#") == pytest.approx(len(three[11:]) / 4, abs=1)
    assert lines[1].split() == ["|2026-10", "|2027-01", "|2027-04", "|2027-07"]
    legend = "< rollback or revert   ! policy overridden   . nothing there   > to this day"
    assert lines[-1] == legend
    assert timeline_text(SHORT, 80).isascii() is False


def test_colours_change_no_text() -> None:
    import re

    with colours(on=True):
        coloured = timeline_text(SHORT, 80)
    assert "\x1b[33m" in coloured
    plain = re.sub(r"\x1b\[[\d;]*m", "", coloured)
    assert "\n".join(map(str.rstrip, plain.split("\n"))) == timeline_text(SHORT, 80)


def test_a_wide_terminal_shows_more() -> None:
    heads = [
        next(line for line in timeline_text(SHORT, width).split("\n") if line.startswith("SINCE"))
        for width in (80, 100, 120, 160)
    ]
    assert [head.split() for head in heads] == [
        ["SINCE", "FOR", "VERSION", "HOW", "BY", "WHY"],
        ["SINCE", "FOR", "VERSION", "HOW", "BY", "ENDED", "BY", "WHY"],
        ["SINCE", "FOR", "VERSION", "HOW", "BY", "ENDED", "BY", "METRICS", "WHY"],
        [
            *("SINCE", "UNTIL", "FOR", "VERSION", "HOW", "BY", "ENDED", "BY", "METRICS", "WHY"),
            "COMMIT",
        ],
    ]
    wide = timeline_text(SHORT, 160)
    assert "promote (override)" in wide
    assert "50 days so far" in wide
    assert "auc 0.9  recall 0.5" in wide
    assert "auc 0.9  +1" in timeline_text(SHORT, 120)


def test_the_archive_is_counted_unless_it_is_asked_for() -> None:
    archived = Track(
        "churn",
        "stages/archived",
        tuple(interval(n, n, None, pointer="stages/archived") for n in (1, 2)),
    )
    both = Timeline((*SHORT.tracks, archived), NOW)
    told = "churn/archived: 2 versions; --stage archived shows since when"
    assert timeline_text(both, 80).endswith(told)
    alone = timeline_text(Timeline((archived,), NOW), 80)
    assert alone.startswith("churn/archived\n")
    assert "archived" not in timeline_svg(both)
    assert "archived" in timeline_svg(Timeline((archived,), NOW))
    assert len(moment_text(both, 80).split("\n")) == len(moment_text(SHORT, 80).split("\n"))
    assert len(timeline_json(both)) == len(SHORT.intervals) + 2


def test_what_is_hostile_is_escaped() -> None:
    hostile = line_of(
        interval(1, 0, 1, reason=HOSTILE, author=HOSTILE, model="<b>" + HOSTILE[-8:]),
        interval(2, 1, None, reason=HOSTILE, ended_by=HOSTILE, metrics={HOSTILE: 1.0}),
    )
    for text in (timeline_text(hostile, 120), moment_text(hostile, 120)):
        assert "\x1b" not in text
        assert "\u202e" not in text
    picture = timeline_svg(hostile)
    root = ET.fromstring(picture)
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert names == {"svg", "title", "desc", "style", "text", "rect", "line", "g"}
    assert any("<script>alert('1')</script>\\x1b[31m" in (e.text or "") for e in root.iter())
    attributes = {key for element in root.iter() for key in element.attrib}
    assert not [key for key in attributes if "href" in key or key.startswith("on")]


def test_a_picture_is_the_same_again_and_says_what_it_shows() -> None:
    picture = timeline_svg(SHORT)
    assert picture == timeline_svg(SHORT)
    root = ET.fromstring(picture)
    space = "{http://www.w3.org/2000/svg}"
    assert (root.get("role"), root.get("aria-labelledby")) == ("img", "title description")
    assert root.findtext(f"{space}title") == "Timeline of churn"
    assert root.findtext(f"{space}desc") == "churn/production: @3 now, 4 intervals before"
    bars = [e.get("class") for e in root.iter(f"{space}rect") if e.get("height") == "16"]
    assert bars == ["ended", "return", "override", "lasts", "gap"]
    assert "prefers-color-scheme: dark" in picture
    told = [e.findtext(f"{space}title") for e in root.iter(f"{space}g")]
    assert told[0] == (
        f"churn@1 in churn/production; {utc(START)} until {utc(START + 100 * DAY)} (promote); "
        "promote by Ada Lovelace; better; auc 0.9  recall 0.5"
    )
    inside = line_of(*SHORT.intervals, until=START + 380 * DAY)
    assert timeline_svg(inside) == timeline_svg(replace(inside, now=NOW + 77))


@pytest.mark.parametrize(
    "span", [1, 50, 3000, 40_000, DAY, 9 * DAY, 100 * DAY, 900 * DAY, 9000 * DAY, 2_900_000 * DAY]
)
def test_an_axis_marks_some_moments_in_order(span: int) -> None:
    axis = Axis(START, min(START + span, 253_402_214_400))
    found = axis.ticks(6)
    assert len(found) <= 8
    assert found or span < 60
    moments = [moment for moment, _ in found]
    assert moments == sorted(moments)
    assert all(axis.begin <= moment <= axis.end for moment in moments)
    assert len({label for _, label in found}) == len(found)


def test_an_axis_spans_what_is_shown_or_asked_for() -> None:
    assert Axis.of(SHORT) == Axis(START, NOW)
    assert Axis.of(line_of(interval(1, 0, 5))) == Axis(START, START + 5 * DAY)
    assert Axis.of(line_of(interval(1, 0), since=5, until=9)) == Axis(5, 9)
    assert Axis.of(line_of()) == Axis(NOW, NOW + 1)
    unknown = Axis(START, NOW).span(interval(1, None, 5))
    assert unknown[0] == 0.0
    backwards = Axis(START, NOW).span(interval(1, 9, 5))
    assert backwards[0] == backwards[1]
    assert seconds_of(utc(START)) == START


def test_of_two_models_of_one_name_the_deleted_one_is_told() -> None:
    gone = Track("churn", PRODUCTION, (interval(1, 0, 100, ended_by="delete"),), is_over=True)
    timeline = Timeline((gone, Track("churn", PRODUCTION, (interval(1, 150),))), NOW)
    heads = [one for one in timeline_text(timeline, 100).splitlines() if one.startswith("churn/")]
    assert heads == ["churn/production (deleted)", "churn/production"]
    assert timeline_svg(timeline).count(">churn/production (deleted)</text>") == 1
    assert timeline_svg(timeline).count(">churn/production</text>") == 1
