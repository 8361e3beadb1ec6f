"""A timeline as a picture: SVG without scripts, fonts or anything from elsewhere.

The same timeline gives the same bytes. Text from a registry is escaped twice: invisible characters
as in a terminal, and what has a meaning in XML.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from gitreg.core.state.intervals import Interval, Timeline, Track
from gitreg.core.text.counts import quantity
from gitreg.core.text.times import lasting, utc
from gitreg.render.axis import Axis, label_of, rows_of, serving, title_of, where
from gitreg.render.terminal import line
from gitreg.render.timeline import how, metrics_line

_WIDTH = 1000
_LEFT, _RIGHT = 150, 24
_SPAN = _WIDTH - _LEFT - _RIGHT
_ROW, _BAR, _HEAD = 26, 16, 40
_LETTER = 6.6
"""The width of a letter of a bar's text, about."""

_STYLE = """\
svg { background: #ffffff; color-scheme: light dark; }
text { font: 12px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #24292f; }
.title { font-size: 16px; font-weight: 600; }
.track { font-size: 13px; font-weight: 600; }
.soft { fill: #57606a; }
.label { text-anchor: end; }
.in { font-size: 11px; fill: #ffffff; }
.grid { stroke: #d0d7de; stroke-width: 1; }
.ended { fill: #4f81b8; }
.lasts { fill: #2d7d46; }
.return { fill: #a9640c; }
.override { fill: #b3332b; }
.gap { fill: none; stroke: #8c959f; stroke-dasharray: 4 3; }
@media (prefers-color-scheme: dark) {
  svg { background: #0d1117; }
  text { fill: #e6edf3; }
  .soft { fill: #9198a1; }
  .in { fill: #ffffff; }
  .grid { stroke: #30363d; }
  .ended { fill: #3f72a8; }
  .lasts { fill: #2c7a44; }
  .return { fill: #9c5d0c; }
  .override { fill: #b5403a; }
  .gap { stroke: #6e7681; }
}"""

_LEGEND = (
    ("lasts", "in place"),
    ("ended", "ended"),
    ("return", "by rollback or revert"),
    ("override", "policy overridden"),
    ("gap", "nothing there"),
)


def timeline_svg(timeline: Timeline) -> str:
    """Return the chart of a timeline as SVG."""
    shown = serving(timeline)
    axis = Axis.of(timeline)
    body: list[str] = []
    top = 92
    for track in shown:
        body.append(_text(16, top, "track", title_of(track)))
        top += 12
        for first, several in rows_of(track.intervals):
            body.append(_text(_LEFT - 10, top + 13, "label", _short(label_of(first, track.model))))
            body += [_bar(one, axis, top + 1) for one in several]
            top += _ROW
        top += 24
    kinds = {one.kind for track in shown for one in track.intervals}
    height = top + 8
    title = "Timeline of " + (", ".join(dict.fromkeys(track.model for track in shown)) or "nothing")
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    names = 'role="img" aria-labelledby="title description"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {names}>',
        f'<title id="title">{_safe(title)}</title>',
        f'<desc id="description">{_safe(_description(shown))}</desc>',
        f"<style>\n{_STYLE}\n</style>",
        _text(16, 28, "title", _short(title, 100)),
        *_legend(kinds),
        *_grid(axis, top - 24),
        *body,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _safe(text: str) -> str:
    """Return text that is text in XML, too, which knows no noncharacters."""
    shown = "".join(ascii(char)[1:-1] if char in "\ufffe\uffff" else char for char in line(text))
    return escape(shown)


def _short(text: str, most: int = 20) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _text(x: float, y: float, kind: str, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{_safe(text)}</text>'


def _bar(one: Interval, axis: Axis, top: float) -> str:
    begin, end = axis.span(one)
    x, width = _LEFT + begin * _SPAN, max(2.0, (end - begin) * _SPAN)
    size = f'x="{x:.1f}" y="{top}" width="{width:.1f}" height="{_BAR}"'
    bar = f'<rect {size} rx="3" class="{one.kind}"/>'
    parts = [f"<g><title>{_safe(_told(one))}</title>{bar}"]
    inside = "" if one.seconds is None or one.until is None else lasting(one.seconds)
    if inside and len(inside) * _LETTER + 12 <= width:
        kind = "soft" if one.is_gap else "in"
        parts.append(_text(x + 7, top + 12, kind, inside))
    return "".join([*parts, "</g>"])


def _told(one: Interval) -> str:
    """Return what a pointing hand reads of an interval."""
    what = "nothing" if one.version is None else f"{one.model}@{one.version}"
    since = one.since or "before this history"
    until = "until now" if one.until is None else f"until {one.until} ({one.ended_by})"
    told = [f"{what} in {where(one.model, one.pointer)}", f"{since} {until}"]
    told += [f"{how(one)} by {one.author.partition(' <')[0]}"] if one.author else []
    told += [one.reason.partition("\n")[0]] if one.reason else []
    told += [metrics_line(one)] if one.metrics else []
    return "; ".join(told)


def _description(tracks: Sequence[Track]) -> str:
    """Return the picture in words: what is in place, and how much there was before."""
    told = []
    for track in tracks:
        now = [one for one in track.intervals if one.until is None]
        names = [label_of(one, track.model) for one in now]
        held = f"{', '.join(names)} now" if names else "ended"
        before = quantity(len(track.intervals) - len(now), "interval")
        told.append(f"{title_of(track)}: {held}, {before} before")
    return ". ".join(told) or "No intervals"


def _legend(kinds: set[str]) -> Iterator[str]:
    x = 16.0
    for kind, words in _LEGEND:
        if kind in kinds:
            yield f'<rect x="{x:.1f}" y="40" width="14" height="12" rx="3" class="{kind}"/>'
            yield _text(x + 20, 50.5, "soft", words)
            x += 20 + len(words) * _LETTER + 22


def _grid(axis: Axis, bottom: float) -> Iterator[str]:
    free = 0.0
    for moment, label in axis.ticks(9):
        x = _LEFT + axis.place(moment) * _SPAN
        yield f'<line x1="{x:.1f}" y1="76" x2="{x:.1f}" y2="{bottom:.1f}" class="grid"/>'
        half = len(label) * _LETTER / 2
        if x - half >= free and x + half <= _WIDTH:
            middle = f'<text x="{x:.1f}" y="70" class="soft" text-anchor="middle">'
            yield f"{middle}<title>{utc(moment)}</title>{_safe(label)}</text>"
            free = x + half + 8
