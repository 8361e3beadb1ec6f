"""What the commands that import and export print."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from gitreg.cli.output import drawn_bar, print_json, terminal_width

if TYPE_CHECKING:
    from gitreg.transfer.report import Report, Tell


@contextmanager
def counting(words: str) -> Iterator[Tell | None]:
    """Give a callback that draws how many are done, or ``None`` outside a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

    from gitreg.render import terminal

    shown = TextColumn("{task.fields[next]}", markup=False)
    with drawn_bar(words, BarColumn(), MofNCompleteColumn(), shown) as update:
        yield lambda done, total, name: update(
            completed=done, total=total, next=terminal.line(name)
        )


def print_move(report: Report, *, json: bool) -> None:
    """Print the result of a transfer; exit with 1 if something is missing from it."""
    if json:
        print_json(move_json(report))
    else:
        typer.echo(move_text(report, terminal_width()))
    if not report.is_complete:
        raise typer.Exit(1)


def move_json(report: Report) -> dict[str, Any]:
    """Return the result of an import or an export, for JSON."""
    models = [
        {
            "name": model.name,
            "brought": list(model.brought),
            "present": list(model.present),
            "changed": list(model.changed),
        }
        for model in report.models
    ]
    remarks = [
        {
            "model": remark.model,
            "version": remark.version,
            "left": remark.is_left,
            "text": remark.text,
        }
        for remark in report.remarks
    ]
    return {
        "address": report.address,
        "dry_run": report.dry_run,
        "pushed": report.pushed,
        "complete": report.is_complete,
        "models": models,
        "remarks": remarks,
    }


def move_text(report: Report, width: int) -> str:
    """Return the result of an import or an export: a table, then each remark."""
    from gitreg.render.terminal import line, spans, table

    rows = [
        (model.name, spans(model.brought), spans(model.present), model.changed)
        for model in report.models
    ]
    headers = ("model", "would be copied" if report.dry_run else "copied", "present", "changed")
    lines = [table(headers, rows, width, folds="changed")]
    for remark in report.remarks:
        kind = "incomplete" if remark.is_left else "note"
        lines.append(line(f"{kind}: {remark.subject}: {remark.text}"))
    if report.is_unchanged:
        lines.append("nothing to do" if report.is_complete else "nothing could be done")
    return "\n".join(lines)
