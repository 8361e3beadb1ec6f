"""Two versions side by side. No I/O; text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gitreg.core.policy.measured import data_of, other_data
from gitreg.core.state.compare import SAME
from gitreg.core.text.counts import quantity
from gitreg.render.terminal import SHORT, Piece, beside, line, table

if TYPE_CHECKING:
    from gitreg.core.state.compare import Comparison, EvaluationPair

SHOWN_FILES = 5
"""How many files are named."""


def comparison_text(comparison: Comparison, width: int) -> str:
    """Return two versions side by side, section by section."""
    a, b = comparison.a.reference, comparison.b.reference
    parts = []
    if comparison.metrics:
        rows = [
            (Piece(name), *beside(m.a, m.b), None if m.delta is None else f"{m.delta:+g}")
            for name, m in comparison.metrics.items()
        ]
        parts.append(table(("METRIC", a, b, "DIFFERENCE"), rows, width) + _fairness(comparison))
    for name, pair in comparison.evaluations.items():
        parts.append(_evaluation_text(name, pair, (a, b), width))
    for title, differences in (
        ("PARAM", comparison.params),
        ("DATA", comparison.data),
        ("CODE", {} if comparison.code_files is not None else comparison.code),
        ("ENVIRONMENT", comparison.environment),
        ("SIGNATURE", comparison.signature),
    ):
        if differences:
            pairs = [(Piece(name), *beside(pair.a, pair.b)) for name, pair in differences.items()]
            parts.append(table((title, a, b), pairs, width))
    if comparison.code_files is not None:
        parts.append(_code_text(comparison))
        if not any((comparison.params, comparison.data, comparison.environment)):
            parts.append("params, data and environment are the same")
    elif not any((comparison.params, comparison.data, comparison.code, comparison.environment)):
        parts.append("params, data, code and environment are the same")
    return "\n\n".join(parts)


def _fairness(comparison: Comparison) -> str:
    """Return a line where the metrics of the registrations may not be comparable."""
    if comparison.measured_on == SAME:
        return ""
    paths = _listed(": ", other_data(comparison.a, comparison.b) or ())
    said = f"these numbers may be of different data{paths}; gitreg evaluate uses the same for both"
    return f"\n{line(said)}"


def _evaluation_text(name: str, pair: EvaluationPair, names: tuple[str, str], width: int) -> str:
    rows = [
        (Piece(metric), *beside(m.a, m.b), None if m.delta is None else f"{m.delta:+g}")
        for metric, m in pair.metrics.items()
    ]
    told = table((f"EVALUATION {name}", *names, "DIFFERENCE"), rows, width)
    sides = [one for one in (pair.a, pair.b) if one is not None]
    data = " and ".join(dict.fromkeys(data_of(one) for one in sides))
    if len(sides) < 2:
        return f"{told}\n{line(data)}: only one of them was measured"
    return f"{told}\n{line(data)}" + ("" if pair.is_fair else ": not the same data, no comparison")


def _listed(before: str, files: Sequence[str]) -> str:
    """Return which files these are, as far as they are known, after what comes before them."""
    more = " and others" if files[SHOWN_FILES:] else ""
    return f"{before}{', '.join(files[:SHOWN_FILES])}{more}" if files else ""


def _code_text(comparison: Comparison) -> str:
    """Return whether code changed, and the command that shows how."""
    files = comparison.code_files or ()
    codes = [side.lineage.code for side in (comparison.a, comparison.b)]
    dirty = [
        f"{side.reference} was trained with uncommitted changes{_listed(' in ', code.changed)}"
        for side, code in zip((comparison.a, comparison.b), codes, strict=True)
        if code is not None and code.dirty
    ]
    if not files:
        return "\n".join(["code: no file outside registry/ differs", *map(line, dirty)])
    shown = ", ".join(files[:SHOWN_FILES])
    more = f" and {len(files) - SHOWN_FILES} more" if files[SHOWN_FILES:] else ""
    commits = " ".join(code.commit[:SHORT] for code in codes if code is not None)
    return "\n".join(
        map(
            line,
            [
                f"code: {quantity(len(files), 'file')} outside registry/: {shown}{more}",
                f"    git diff {commits} -- . ':!registry'",
                *dirty,
            ],
        )
    )
