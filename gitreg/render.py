"""Values to text, tables and JSON. No I/O, and nothing from a registry reaches a terminal raw.

>>> visible("a\\x1b[31mb")
'a\\\\x1b[31mb'
"""

from __future__ import annotations

import io
import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from gitreg.change import Change
from gitreg.compare import Comparison, flatten
from gitreg.findings import Finding
from gitreg.history import Event, PointerValue
from gitreg.model import Model, ModelVersion, Resolved
from gitreg.publisher import Outcome
from gitreg.tagsync import TagReport

SHORT = 9
"""How many digits of a commit people are shown."""


def visible(text: str) -> str:
    """Return ``text`` with control and formatting characters as escapes; line breaks stay."""
    return "".join(
        char if char == "\n" or unicodedata.category(char) not in ("Cc", "Cf", "Cs") else ascii(char)[1:-1]
        for char in text
    )


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], width: int) -> str:
    """Return aligned columns, at most ``width`` cells wide; long cells are folded."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    for header in headers:
        grid.add_column(header, overflow="fold")
    for row in rows:
        grid.add_row(*(Text(visible(_cell(cell))) for cell in row))
    console = Console(
        file=io.StringIO(), width=width, color_system=None, markup=False, emoji=False,
        highlight=False, legacy_windows=False,
    )  # fmt: skip
    with console.capture() as captured:
        console.print(grid)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "-"
    return str(value)


# JSON


def to_json(value: object) -> str:
    """Return a value as JSON text."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)


def version_json(version: ModelVersion) -> dict[str, Any]:
    """Return what ``show --json`` prints."""
    found = asdict(version)
    order = (
        "model", "version", "stage", "aliases", "metrics", "params", "tags", "description",
        "artifact", "lineage", "environment", "created_at", "created_by", "commit", "read_from",
    )  # fmt: skip
    return {name: list(found[name]) if name == "aliases" else found[name] for name in order}


def resolved_json(resolved: Resolved) -> dict[str, Any]:
    """Return what ``resolve --json`` prints."""
    return asdict(resolved)


def model_json(model: Model) -> dict[str, Any]:
    """Return an entry of what ``list --json`` prints."""
    return {
        "model": model.name,
        "latest": model.latest,
        "stages": {stage: list(versions) for stage, versions in model.stages.items()},
        "aliases": dict(model.aliases),
        "description": model.description,
        "owner": model.owner,
        "tags": dict(model.tags),
    }


def event_json(event: Event) -> dict[str, Any]:
    """Return an entry of what ``log --json`` prints."""
    return asdict(event)


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Return what ``compare --json`` prints."""
    found = asdict(comparison)
    return found | {"a": version_json(comparison.a), "b": version_json(comparison.b)}


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """Return what a write prints with ``--json``."""
    return {
        "commit": outcome.commit,
        "subject": outcome.change.subject,
        "message": outcome.change.message(),
        "files": [edit.path for edit in outcome.change.edits],
        "tags": list(outcome.tags),
        "pushed": outcome.pushed,
        "unchanged": outcome.is_unchanged,
        "warnings": list(outcome.warnings),
    }


def finding_json(finding: Finding) -> dict[str, Any]:
    """Return a finding."""
    return asdict(finding)


def tags_json(report: TagReport) -> dict[str, Any]:
    """Return what ``tags sync --json`` prints."""
    return asdict(report)


# Text


def models_text(models: Sequence[Model], width: int) -> str:
    """Return the list of models."""
    rows = [
        (
            model.name,
            model.latest,
            "  ".join(f"{s}: {_cell(v)}" for s, v in model.stages.items()) or "-",
            "  ".join(f"@{alias}: {number}" for alias, number in model.aliases.items()) or "-",
            model.description,
        )
        for model in models
    ]
    return table(("MODEL", "LATEST", "STAGES", "ALIASES", "DESCRIPTION"), rows, width)


def versions_text(versions: Sequence[ModelVersion], width: int) -> str:
    """Return the list of a model's versions."""
    rows = [
        (
            version.reference,
            version.stage,
            " ".join(f"@{alias}" for alias in version.aliases) or "-",
            "  ".join(f"{name} {value:g}" for name, value in list(version.metrics.items())[:4])
            or "-",
            version.created_at,
            version.created_by.partition(" <")[0],
        )
        for version in versions
    ]
    return table(("VERSION", "STAGE", "ALIASES", "METRICS", "CREATED", "BY"), rows, width)


def version_text(version: ModelVersion, width: int) -> str:
    """Return everything that is known of a version."""
    code, run, artifact = version.lineage.code, version.lineage.run, version.artifact
    rows: list[tuple[str, object]] = [
        ("version", version.reference),
        ("stage", version.stage or "None"),
        ("aliases", version.aliases),
        ("description", version.description),
        ("created", f"{version.created_at} by {version.created_by}"),
        ("artifact", f"{artifact.path}, {_files(artifact.files)}, {size(artifact.size)}"),
        ("sha256", artifact.sha256),
    ]
    for label, values in (
        ("metric", version.metrics), ("param", flatten(version.params)), ("tag", version.tags),
    ):  # fmt: skip
        rows += [(f"{label} {name}", value) for name, value in values.items()]
    rows.append(("source", version.lineage.source))
    if code:
        dirty = ", with uncommitted changes" if code.dirty else ""
        place = f" of {code.repository}" if code.repository else ""
        rows.append(("code", f"{code.commit[:SHORT]}{place}{dirty}"))
    rows += [(f"data {item.path}", item.md5) for item in version.lineage.data]
    if version.lineage.command:
        rows.append(("command", version.lineage.command))
    if run:
        rows.append(("run", run.id + (f" at {run.tracking_uri}" if run.tracking_uri else "")))
    environment = version.environment
    known = [word for word in (environment.python, environment.platform) if word]
    rows.append(("environment", ", ".join(["python " + known[0], *known[1:]]) if known else None))
    rows.append(("registered in", version.commit and version.commit[:SHORT]))
    rows.append(("read from", version.read_from and version.read_from[:SHORT]))
    return table(("", ""), rows, width).lstrip("\n")


def _files(count: int) -> str:
    return f"{count} file" + ("s" if count != 1 else "")


def size(count: float) -> str:
    """Return a number of bytes for people.

    >>> size(512), size(184312)
    ('512 B', '180.0 KiB')
    """
    if count < 1024:
        return f"{count:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        count /= 1024
        if count < 1024:
            break
    return f"{count:.1f} {unit}"


def events_text(events: Sequence[Event], width: int) -> str:
    """Return history as a table: when, who, what, from, to, why, commit."""
    rows = [
        (
            event.time[:19].replace("T", " "),
            event.author.partition(" <")[0],
            event.action,
            event.model + (f"@{event.version}" if event.version is not None else ""),
            (event.pointer or "-").replace("aliases/", "@").replace("stages/", ""),
            f"{_side(event.before)} → {_side(event.after)}" if event.pointer else "-",
            (event.reason or "-").partition("\n")[0],
            event.commit[:SHORT],
        )
        for event in events
    ]
    headers = ("WHEN", "WHO", "WHAT", "VERSION", "POINTER", "FROM → TO", "WHY", "COMMIT")
    return table(headers, rows, width)


def _side(value: PointerValue) -> str:
    return _cell(value)


def comparison_text(comparison: Comparison, width: int) -> str:
    """Return two versions side by side, section by section."""
    a, b = comparison.a.reference, comparison.b.reference
    parts = []
    if comparison.metrics:
        rows = [
            (name, m.a, m.b, None if m.delta is None else f"{m.delta:+g}")
            for name, m in comparison.metrics.items()
        ]
        parts.append(table(("METRIC", a, b, "DIFFERENCE"), rows, width))
    for title, differences in (
        ("PARAM", comparison.params), ("DATA", comparison.data), ("CODE", comparison.code),
        ("ENVIRONMENT", comparison.environment),
    ):  # fmt: skip
        if differences:
            lines = [(name, pair.a, pair.b) for name, pair in differences.items()]
            parts.append(table((title, a, b), lines, width))
    if len(parts) <= 1:
        parts.append("params, data, code and environment are the same")
    return "\n\n".join(parts)


def outcome_text(outcome: Outcome, *, dry_run: bool = False) -> str:
    """Return what became of a write."""
    if outcome.is_unchanged:
        return f"nothing to do: {visible(outcome.change.subject)} is so already"
    if dry_run:
        return change_text(outcome.change, outcome.tags)
    pushed = ", pushed" if outcome.pushed else ""
    return f"[{str(outcome.commit)[:SHORT]}{pushed}] {visible(outcome.change.subject)}"


def change_text(change: Change, tags: Sequence[str]) -> str:
    """Return what a change would do: its message, its files, its tags."""
    lines = ["would commit:", *_indented(change.message().rstrip())]
    for edit in change.edits:
        lines.append(f"{'remove' if edit.content is None else 'write'} {visible(edit.path)}")
        if edit.content is not None and edit.path.endswith(".yaml") and len(edit.content) < 400:
            lines += _indented(edit.content.decode("utf-8", "replace").rstrip())
    lines += [f"tag {tag}" for tag in tags]
    return "\n".join(lines)


def _indented(text: str) -> list[str]:
    return [f"    {line}".rstrip() for line in visible(text).split("\n")]


def versions_with_metrics(title: str, versions: Iterable[ModelVersion]) -> str:
    """Return versions with their metrics, a line each."""
    return "\n".join(
        f"{title} {version.reference}"
        + "".join(f"  {name} {value:g}" for name, value in version.metrics.items())
        for version in versions
    )


def findings_text(findings: Sequence[Finding]) -> str:
    """Return findings, a line each, the remedy under it."""
    lines = []
    for finding in findings:
        lines.append(visible(f"{finding.severity}: {finding.subject}: {finding.message}"))
        if finding.remedy:
            lines.append(visible(f"    {finding.remedy}"))
    return "\n".join(lines)


def tags_text(report: TagReport, *, dry_run: bool) -> str:
    """Return what became of the tags."""
    verb = "would make" if dry_run else "made"
    lines = [f"{verb} {name}" for name in report.made]
    lines += [f"replaced {name}" for name in report.replaced]
    lines += [f"wrong: {name} is not the tag that history implies" for name in report.wrong]
    lines += [f"foreign: {name} has no event of history behind it" for name in report.foreign]
    pushed = ", pushed" if report.pushed else ""
    lines.append(f"{len(report.made)} {verb}, {len(report.kept)} right already{pushed}")
    return visible("\n".join(lines))


def errors_text(message: str, hint: str | None) -> str:
    """Return an error in one line, and what to do next in another."""
    lines = [f"gitreg: {visible(message)}"]
    if hint:
        lines.append(f"  {visible(hint)}")
    return "\n".join(lines)

