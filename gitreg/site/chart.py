"""The intervals of a model's stages and aliases as a picture: bars on an axis of time. Pure.

The axis ends at the model's last event, so that the picture changes only when the model does. What
lasts ends in an arrow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

from gitreg.core.state.intervals import ARCHIVED, Interval, Track, seconds_of
from gitreg.core.text.times import lasting
from gitreg.site.texts import initials_first

WIDTH, LEFT, ROW, BAR, HEAD = 1000, 120, 30, 18, 26
_SPAN = WIDTH - LEFT - 22
_NARROW = 22
"""A bar that is narrower has no room for its number."""

_MOST_BARS = 400
"""How many bars a track shows, the latest ones: more are thinner than a pixel."""


@dataclass(frozen=True)
class Bar:
    """An interval in the picture; ``kind`` is the class that colours it."""

    x: float
    width: float
    kind: str
    label: str
    title: str
    version: int | None
    lasts: bool


@dataclass(frozen=True)
class Line:
    """A stage or an alias in the picture."""

    name: str
    y: float
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Chart:
    """The picture."""

    height: float
    lines: tuple[Line, ...]
    ticks: tuple[tuple[float, str], ...]


def chart_of(tracks: Iterable[Track], last: str) -> Chart | None:
    """Return the picture of tracks; ``None`` without any interval.

    Args:
        tracks: of one model; the archive is left out.
        last: the moment of the model's last event.
    """
    shown = [track for track in tracks if track.pointer != ARCHIVED and not track.is_over]
    starts = [seconds_of(one.since) for track in shown for one in track.intervals if one.since]
    if not starts:
        return None
    begin = min(starts)
    end = max(seconds_of(last), *starts, begin + 3600)
    end += max(1, (end - begin) // 20)  # room for what began just now
    scale = _SPAN / (end - begin)
    lines = []
    for place, track in enumerate(shown):
        y = HEAD + place * ROW
        bars = tuple(_bars(track, begin, end, scale))
        lines.append(Line(_name(track), y, bars))
    return Chart(HEAD + len(lines) * ROW + 4, tuple(lines), tuple(_ticks(begin, end, scale)))


def _name(track: Track) -> str:
    kind, _, name = track.pointer.partition("/")
    return name if kind == "stages" else f"@{name}"


def _bars(track: Track, begin: int, end: int, scale: float) -> Iterator[Bar]:
    for one in track.intervals[-_MOST_BARS:]:
        first = begin if one.since is None else seconds_of(one.since)
        last = end if one.until is None else max(first, seconds_of(one.until))
        x = LEFT + (first - begin) * scale
        width = max(2.5, (last - first) * scale - 1)
        label = "" if one.version is None or width < _NARROW else str(one.version)
        yield Bar(
            round(x, 1),
            round(width, 1),
            one.kind,
            label,
            _title(track, one),
            one.version,
            one.until is None,
        )


def _title(track: Track, one: Interval) -> str:
    what = "nothing" if one.version is None else f"version {one.version}"
    until = f"to {one.until}" if one.until else "until now"
    by = f", by {initials_first(one.author)}" if one.author else ""
    return f"{_name(track)}: {what} from {one.since or 'the beginning'} {until}{by}"


def length_of(one: Interval) -> str:
    """Return how long an interval was, in words; empty while it lasts."""
    return lasting(one.seconds) if one.until and one.seconds is not None else ""


def _ticks(begin: int, end: int, scale: float) -> Iterator[tuple[float, str]]:
    days = (end - begin) / 86_400
    form = "%Y-%m-%d" if days > 2 else "%m-%d %H:%M"
    for step in range(6):
        moment = begin + (end - begin) * step // 6
        text = datetime.fromtimestamp(moment, timezone.utc).strftime(form)
        yield round(LEFT + (moment - begin) * scale, 1), text
