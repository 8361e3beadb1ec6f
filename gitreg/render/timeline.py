"""Timelines as text and JSON: a bar a version on one time axis, then a row an interval.

No I/O; text from a registry is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from gitreg.core.model.names import ARCHIVE
from gitreg.core.state.intervals import Interval, Timeline, Track
from gitreg.core.text.counts import quantity
from gitreg.core.text.times import lasting
from gitreg.render.axis import Axis, label_of, rows_of, serving, title_of, where
from gitreg.render.colour import CYAN, DIM, GREEN, RED, YELLOW, paint
from gitreg.render.terminal import SHORT, figure, line, person, table

KEYS = (
    *("model", "pointer", "version", "since", "until", "seconds", "author", "reason", "action"),
    *("commit", "ended_by", "ended_commit", "metrics"),
)
"""What `--json` has of an interval."""

_WIDEST = 120
"""The most columns of a chart; a pipe's lines are longer than a bar needs."""

_LABEL = 24
"""The most columns of a row's label."""

_BLOCKS = {"bar": "█", "gap": "░", "return": "↺", "override": "!", "lasts": "▶"}
_ASCII = {"bar": "#", "gap": ".", "return": "<", "override": "!", "lasts": ">"}
_LEGEND = {
    "return": "rollback or revert",
    "override": "policy overridden",
    "gap": "nothing there",
    "lasts": "to this day",
}
_COLOURS = {"override": RED, "gap": DIM, "return": YELLOW, "lasts": GREEN, "bar": CYAN}
"""Colours by kind: an interval has that of the first kind that it is of."""


def timeline_json(timeline: Timeline) -> list[dict[str, Any]]:
    """Return what ``timeline --json`` prints."""
    return [interval_json(one) for one in timeline.intervals]


def interval_json(interval: Interval) -> dict[str, Any]:
    """Return an interval as JSON."""
    return {key: getattr(interval, key) for key in KEYS} | {"metrics": dict(interval.metrics)}


def timeline_text(timeline: Timeline, width: int, *, ascii_only: bool = False) -> str:
    """Return pointer after pointer, each as a chart and a table; all charts have one time axis.

    The archive serves nothing: it is shown where it alone was asked for, and else counted.

    Args:
        timeline: what is shown.
        width: the columns of the terminal.
        ascii_only: whether it has no other characters than those of ASCII.
    """
    shown = serving(timeline)
    hidden = [track for track in timeline.tracks if track not in shown]
    signs = _ASCII if ascii_only else _BLOCKS
    chart = _Chart.of(timeline, shown, width, signs)
    parts = [f"{chart.text(track)}\n\n{_table(track, width)}" for track in shown]
    used = {kind for track in shown for one in track.intervals for kind in _kinds(one)}
    legend = [f"{signs[kind]} {words}" for kind, words in _LEGEND.items() if kind in used]
    parts += ["   ".join(legend)] if legend else []
    parts += [line(_archived(track)) for track in hidden]
    return "\n\n".join(parts)


def _archived(track: Track) -> str:
    count = len({one.version for one in track.intervals if one.until is None})
    held = quantity(count, "version")
    return f"{title_of(track)}: {held}; --stage {ARCHIVE} shows since when"


def moment_text(timeline: Timeline, width: int) -> str:
    """Return what stood where at a moment, as a table."""
    rows = [
        (
            where(one.model, one.pointer),
            "nothing" if one.version is None else f"{one.model}@{one.version}",
            moment(one.since),
            _until(one),
            person(one.author),
            _why(one),
        )
        for track in serving(timeline)
        for one in track.intervals
    ]
    return table(("WHERE", "VERSION", "SINCE", "UNTIL", "BY", "WHY"), rows, width, folds="WHY")


def moment(text: str | None) -> str:
    """Return a moment as a table has it, to the minute; ``earlier`` for an unknown one."""
    return "earlier" if text is None else f"{text[:10]} {text[11:16]}Z"


def _until(one: Interval) -> str:
    return "now" if one.until is None else f"{moment(one.until)} ({one.ended_by})"


def _why(one: Interval) -> str:
    return (one.reason or "-").partition("\n")[0]


def how(one: Interval) -> str:
    """Return how an interval began, and whether the policy was overridden."""
    return (one.action or "-") + (" (override)" if one.override else "")


def length(one: Interval) -> str:
    """Return how long an interval lasted, or has lasted so far."""
    if one.seconds is None:
        return "-"
    return lasting(one.seconds) + (" so far" if one.until is None else "")


def metrics_line(one: Interval, most: int | None = None) -> str:
    """Return the metrics of an interval's version in one line."""
    told = [f"{name} {figure(value)}" for name, value in list(one.metrics.items())[:most]]
    more = len(one.metrics) - len(told)
    return "  ".join([*told, *([f"+{more}"] if more else [])]) or "-"


def _table(track: Track, width: int) -> str:
    """Return a row an interval; a wide terminal has more columns."""
    headers = ["SINCE", "FOR", "VERSION", "HOW", "BY", "WHY"]
    if width >= 100:
        headers[5:5] = ["ENDED BY"]
    if width >= 120:
        headers[6:6] = ["METRICS"]
    if width >= 160:
        headers[1:1] = ["UNTIL"]
        headers.append("COMMIT")
    most = None if width >= 160 else 1
    rows = [[_cell(one, track, header, most) for header in headers] for one in track.intervals]
    return table(headers, rows, width, folds="WHY")


def _cell(one: Interval, track: Track, header: str, most: int | None) -> str:
    cells = {
        "SINCE": lambda: moment(one.since),
        "UNTIL": lambda: "-" if one.until is None else moment(one.until),
        "FOR": lambda: length(one),
        "VERSION": lambda: label_of(one, track.model),
        "HOW": lambda: how(one),
        "BY": lambda: person(one.author),
        "ENDED BY": lambda: one.ended_by or "-",
        "METRICS": lambda: metrics_line(one, most),
        "COMMIT": lambda: (one.commit or "-")[:SHORT],
        "WHY": lambda: _why(one),
    }
    return cells[header]()


# The chart


def _kinds(one: Interval) -> list[str]:
    """Return what is marked in an interval."""
    marks = [("gap", one.is_gap), ("return", one.is_return and not one.is_gap)]
    marks += [("override", one.override is not None), ("lasts", one.until is None)]
    return [kind for kind, present in marks if present]


@dataclass(frozen=True)
class _Chart:
    """What all charts of a timeline share.

    Attributes:
        axis: the time axis.
        beside: the columns of labels, before the axis.
        cells: the columns of the axis.
        signs: the characters that bars are made of.
    """

    axis: Axis
    beside: int
    cells: int
    signs: Mapping[str, str]

    @classmethod
    def of(
        cls, timeline: Timeline, tracks: Sequence[Track], width: int, signs: Mapping[str, str]
    ) -> _Chart:
        from rich.cells import cell_len

        labels = [_label(one, track) for track in tracks for one in track.intervals]
        beside = min(_LABEL, max(map(cell_len, labels), default=0)) + 4
        cells = max(10, min(width, _WIDEST) - beside)
        return cls(Axis.of(timeline), beside, cells, signs)

    def text(self, track: Track) -> str:
        """Return a chart: its title, its ruler, and a bar a version."""
        from rich.cells import set_cell_size

        title = line(title_of(track))
        lines = [title, " " * self.beside + paint(self._ruler(), DIM)]
        for first, several in rows_of(track.intervals):
            name = set_cell_size(f"  {_label(first, track)}", self.beside)
            lines.append(name + self._bar(several))
        return "\n".join(map(str.rstrip, lines))

    def _bar(self, several: Sequence[Interval]) -> str:
        row: list[tuple[str, str]] = [(" ", "")] * self.cells
        for one in several:
            begin, end = self.axis.span(one)
            first = min(int(begin * self.cells), self.cells - 1)
            last = max(first + 1, min(self.cells, math.ceil(end * self.cells)))
            kinds = _kinds(one)
            base = "gap" if one.is_gap else "bar"
            style = _COLOURS[next((kind for kind in _COLOURS if kind in kinds), base)]
            row[first:last] = [(self.signs[base], style)] * (last - first)
            if "lasts" in kinds and not one.is_gap:
                row[last - 1] = (self.signs["lasts"], style)
            for kind in ("return", "override"):
                if kind in kinds:
                    row[first] = (self.signs[kind], style)
        runs = groupby(row, key=lambda cell: cell[1])
        return "".join(paint("".join(sign for sign, _ in run), style) for style, run in runs)

    def _ruler(self) -> str:
        """Return the labels of the axis, each where its moment is; labels never touch."""
        found = [" "] * self.cells
        free = 0
        for moment, label in self.axis.ticks(max(1, self.cells // 13)):
            at = int(self.axis.place(moment) * self.cells)
            if at >= free and at + len(label) + 1 <= self.cells:
                found[at : at + len(label) + 1] = ["|", *label]
                free = at + len(label) + 3
        return "".join(found).rstrip()


def _label(one: Interval, track: Track) -> str:
    return line(label_of(one, track.model))
