"""Renders results as tables for people and as JSON for programs."""

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.harness import Result, ratio

MIB = 1 << 20
#: Smaller ratios need more than two decimals, or they become 0.00x.
SMALL = 0.1


def dedupe(values: Sequence[str]) -> list[str]:
    """Return the values in order, each once."""
    return list(dict.fromkeys(values))


def find(results: Sequence[Result], task: str, scale: str, subject: str) -> Result | None:
    """Return the result of one contender at one task; ``None`` if there is none."""
    for result in results:
        if (result.task, result.scale, result.subject) == (task, scale, subject):
            return result
    return None


def duration(seconds: float) -> str:
    """Return a duration with three significant figures in a suitable unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{_figures(seconds / size)} {unit}"
    return f"{_figures(seconds * 1e6)} µs"


def times(value: float) -> str:
    """Return a ratio such as 0.52x."""
    return f"{value:.2g}x" if value < SMALL else f"{_figures(value)}x"


def _figures(value: float) -> str:
    """Return a number with about three significant figures."""
    whole = len(f"{value:.0f}")
    return f"{value:,.{max(3 - whole, 0)}f}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; the first column is left-aligned, the others are right-aligned."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]

    def line(row: Sequence[str]) -> str:
        first, *others = row
        cells = [cell.rjust(w) for cell, w in zip(others, widths[1:], strict=True)]
        return "  ".join([first.ljust(widths[0]), *cells]).rstrip()

    return "\n".join([line(header), "  ".join("-" * w for w in widths), *map(line, rows)])


def section(title: str, results: Sequence[Result], ours: str) -> str:
    """Return a table for each scale, with a row for each task and a column for each contender.

    The factor after a peer's time is our time divided by the peer's: below 1, we are faster.
    """
    parts = []
    notes: list[str] = []
    for scale in dedupe([r.scale for r in results]):
        here = [r for r in results if r.scale == scale]
        subjects = dedupe([r.subject for r in here])
        rows = [
            [task, *(_cell(find(here, task, scale, s), here, ours, notes) for s in subjects)]
            for task in dedupe([r.task for r in here])
        ]
        heading = f"{title}: {scale}" if scale else title
        parts.append(f"{heading}\n\n{table(['', *subjects], rows)}")
    if any(len(result.samples) == 1 for result in results):
        notes.append("* only one call, because it takes long")
    return "\n\n".join([*parts, "\n".join(notes)]).rstrip()


def _cell(result: Result | None, here: Sequence[Result], ours: str, notes: list[str]) -> str:
    if result is None:
        return ""
    if result.figure is None:
        return _note(result.note, notes)
    text = duration(result.figure) + ("*" if len(result.samples) == 1 else "")
    if result.peak_bytes is not None:
        text += f" {result.peak_bytes / MIB:.0f} MiB"
    if result.subject != ours:
        factor = ratio(find(here, result.task, result.scale, ours), result)
        if factor is not None:
            text += f" ({times(factor)})"
    return text


def _note(note: str, notes: list[str]) -> str:
    """Return the mark of a footnote; equal reasons share a mark."""
    known = [line.partition(" ")[2] for line in notes]
    text = " ".join(note.split())
    if text not in known:
        notes.append(f"[{len(notes) + 1}] {text}")
        known.append(text)
    return f"[{known.index(text) + 1}]"


def as_json(result: Result) -> dict[str, Any]:
    """Return one result with its median and every sample, in seconds and bytes."""
    return {
        "task": result.task,
        "scale": result.scale,
        "subject": result.subject,
        "median_s": result.median,
        "percentile": result.percentile,
        "figure_s": result.figure,
        "samples_s": [sample.seconds for sample in result.samples],
        "peak_bytes": result.peak_bytes,
        "failed": result.failed,
        "note": result.note or None,
    }


def ratios(results: Sequence[Result], ours: Callable[[str], bool]) -> list[dict[str, Any]]:
    """Return the ratio of each of our results to each peer's at the same task and scale."""
    return [
        {
            "task": a.task,
            "scale": a.scale,
            "subject": a.subject,
            "peer": b.subject,
            "ratio": ratio(a, b),
        }
        for a in results
        for b in results
        if ours(a.subject)
        and not ours(b.subject)
        and (a.task, a.scale) == (b.task, b.scale)
        and ratio(a, b) is not None
    ]
