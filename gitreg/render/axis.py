"""The time axis of a chart: where a moment is, and which moments are marked.

>>> axis = Axis(1793577600, 1793577600 + 30 * 86400)
>>> [label for _, label in axis.ticks(5)]
['2026-11-02', '2026-11-09', '2026-11-16', '2026-11-23', '2026-11-30']
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

from gitreg.core.state.intervals import ARCHIVED, Interval, Timeline, Track, seconds_of

_DAY = 86_400
_STEPS = (60, 300, 900, 3600, 3 * 3600, 6 * 3600, 12 * 3600, _DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY)
_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120, 600, 1200, 6000, 60_000)
_MONDAY = 4 * _DAY
"""The first Monday since the epoch: weeks are marked on Mondays."""


@dataclass(frozen=True)
class Axis:
    """A span of time.

    Attributes:
        begin: its first second since the epoch.
        end: its last second, later than the first.
    """

    begin: int
    end: int

    @classmethod
    def of(cls, timeline: Timeline) -> Axis:
        """Return the span that was asked for, or that of the intervals."""
        every = timeline.intervals
        lasts = any(one.until is None for one in every)
        moments = [seconds_of(text) for one in every for text in (one.since, one.until) if text]
        moments += [timeline.now] if lasts or not moments else []
        begin = min(moments) if timeline.since is None else timeline.since
        end = max(moments) if timeline.until is None else timeline.until
        return cls(begin, max(end, begin + 1))

    def span(self, interval: Interval) -> tuple[float, float]:
        """Return where an interval begins and ends, from 0 to 1; it never ends before it begins."""
        begin = 0.0 if interval.since is None else self.place(seconds_of(interval.since))
        end = 1.0 if interval.until is None else self.place(seconds_of(interval.until))
        return begin, max(begin, end)

    def place(self, moment: int) -> float:
        """Return where a moment is, from 0 to 1."""
        return min(1.0, max(0.0, (moment - self.begin) / (self.end - self.begin)))

    def ticks(self, most: int) -> list[tuple[int, str]]:
        """Return at most ``most`` moments to mark, each with its label; none in a short span."""
        for step in _STEPS:
            if (self.end - self.begin) / step <= most:
                return self._regular(step)
        for months in _MONTHS:
            found = list(self._months(months))
            if len(found) <= most:
                return found
        return []

    def _regular(self, step: int) -> list[tuple[int, str]]:
        shift = _MONDAY if step > 2 * _DAY else 0
        first = (self.begin - shift + step - 1) // step * step + shift
        form = "%Y-%m-%d" if step >= _DAY else "%m-%d %H:%M"
        return [(at, _moment(at).strftime(form)) for at in range(first, self.end + 1, step)]

    def _months(self, step: int) -> Iterator[tuple[int, str]]:
        first, last = _moment(self.begin), _moment(self.end)
        form = "%Y-%m" if step < 12 else "%Y"
        count = first.year * 12 + first.month - 1
        first_marked = max(12, (count + step - 1) // step * step)  # there is no year 0
        for month in range(first_marked, last.year * 12 + last.month, step):
            at = datetime(month // 12, month % 12 + 1, 1, tzinfo=timezone.utc)
            if first <= at <= last:
                yield int(at.timestamp()), at.strftime(form)


def _moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, timezone.utc)


def serving(timeline: Timeline) -> list[Track]:
    """Return the tracks but the archive's, which serves nothing; it is shown where it is alone."""
    found = [track for track in timeline.tracks if track.pointer != ARCHIVED]
    return found or list(timeline.tracks)


def rows_of(intervals: tuple[Interval, ...]) -> list[tuple[Interval, list[Interval]]]:
    """Return the rows of a chart: each version with all its intervals, gaps last."""
    found: dict[tuple[str, int | None], list[Interval]] = {}
    for one in intervals:
        found.setdefault((one.model if one.version else "", one.version), []).append(one)
    return sorted(
        ((several[0], several) for several in found.values()), key=lambda row: row[0].is_gap
    )


def label_of(interval: Interval, model: str) -> str:
    """Return what a chart calls an interval: ``@5``; under an earlier name, ``churn@5``."""
    if interval.version is None:
        return "nothing"
    return f"{'' if interval.model == model else interval.model}@{interval.version}"


def where(model: str, pointer: str) -> str:
    """Return a pointer as people refer to it.

    >>> where("churn", "stages/production"), where("churn", "aliases/champion")
    ('churn/production', 'churn@champion')
    """
    kind, _, name = pointer.partition("/")
    return f"{model}{'/' if kind == 'stages' else '@'}{name}"


def title_of(track: Track) -> str:
    """Return what a chart is about; of two models that had one name, it tells which is gone."""
    return where(track.model, track.pointer) + " (deleted)" * track.is_over
