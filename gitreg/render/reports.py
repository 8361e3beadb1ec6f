"""The findings of a check as text, Markdown, SARIF and annotations of Git hosts. No I/O.

Text from a registry is always escaped: for terminals, for Markdown and HTML, and so that no file
name can forge a workflow command.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from gitreg.core.text.markdown import code, table
from gitreg.render.terminal import SHORT, line

# For types only: printing a value does not need its class.
if TYPE_CHECKING:
    from gitreg.check import CheckFinding, CheckReport

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
SARIF_VERSION = "2.1.0"

MARKDOWN_ROWS = 200
"""The most findings that Markdown lists: GitHub cuts a summary at 1 MiB, a comment at 64 KiB."""

_LEVELS = {"error": "error", "warning": "warning", "note": "note"}
_GITHUB = {"error": "error", "warning": "warning", "note": "notice"}
_GITLAB = {"error": "major", "warning": "minor", "note": "info"}


def report_text(report: CheckReport) -> str:
    """Return findings, one a line with its remedy below, and a summary."""
    lines = []
    for finding in report.findings:
        lines.append(finding_line(finding))
        if finding.remedy:
            lines.append(f"    {line(finding.remedy)}")
    lines += [f"note: {line(note)}" for note in report.notes]
    lines.append(_sum(report))
    return "\n".join(lines)


def finding_line(finding: CheckFinding) -> str:
    """Return a finding as one line: severity, code, place, message, commit."""
    commit = f" ({finding.commit[:SHORT]})" if finding.commit else ""
    return line(f"{finding.severity}: {finding.code}: {_place(finding)}: {finding.message}{commit}")


def _place(finding: CheckFinding) -> str:
    if finding.file is None:
        return finding.subject
    return finding.file + (f":{finding.line}" if finding.line else "")


def _sum(report: CheckReport) -> str:
    counts = Counter(finding.severity for finding in report.findings)
    words = ", ".join(
        f"{counts[severity]} {severity}{'s' if counts[severity] != 1 else ''}"
        for severity in ("error", "warning", "note")
        if counts[severity]
    )
    judged = f"{report.commits} commit{'s' if report.commits != 1 else ''} judged"
    since = f" since {report.base[:SHORT]}" if report.base else ""
    return f"{judged}{since}: {words or 'nothing is wrong'}"


def report_json(report: CheckReport) -> dict[str, Any]:
    """Return a report as ``check --json`` prints it."""
    return {
        "base": report.base,
        "head": report.head,
        "commits": report.commits,
        "passed": report.passed,
        "notes": list(report.notes),
        "findings": [asdict(finding) for finding in report.findings],
    }


# Markdown


def report_markdown(report: CheckReport) -> str:
    """Return a report for a job summary or a comment."""
    passed = "✅ gitreg check passed" if report.passed else "❌ gitreg check refused"
    lines = [f"### {passed}", "", _sum(report), ""]
    if report.findings:
        rows = map(_markdown_row, report.findings[:MARKDOWN_ROWS])
        lines.append(table(["", "Code", "Where", "What", "Commit"], rows))
    more = len(report.findings) - MARKDOWN_ROWS
    if more > 0:
        lines += ["", f"… and {more} more: run `gitreg check` to see all"]
    lines += [f"\n> {code(note)}" for note in report.notes]
    return "\n".join(lines).rstrip() + "\n"


def _markdown_row(finding: CheckFinding) -> Sequence[str]:
    what = code(finding.message)
    if finding.remedy:
        what += f"<br>→ {code(finding.remedy)}"
    commit = finding.commit[:SHORT] if finding.commit else ""
    return finding.severity, code(finding.code), code(_place(finding)), what, commit


# For hosts


def report_github(report: CheckReport) -> str:
    """Return GitHub workflow commands that annotate the changed files, one a finding.

    https://docs.github.com/actions/reference/workflow-commands-for-github-actions
    """
    commands = []
    for finding in report.findings:
        properties = {"title": f"gitreg {finding.code}"}
        if finding.file is not None:
            properties = {"file": finding.file, "line": str(finding.line or 1)} | properties
        told = ",".join(f"{key}={_github(value, ',:')}" for key, value in properties.items())
        commit = f" ({finding.commit[:SHORT]})" if finding.commit else ""
        remedy = f"\n{line(finding.remedy)}" if finding.remedy else ""
        message = _github(f"{line(finding.message)}{commit}{remedy}", "")
        commands.append(f"::{_GITHUB[finding.severity]} {told}::{message}")
    commands += [f"::notice title=gitreg::{_github(line(note), '')}" for note in report.notes]
    return "\n".join(commands)


def _github(text: str, more: str) -> str:
    """Return text encoded for a workflow command: percent, line breaks and ``more``."""
    for char in "%\r\n" + more:
        text = text.replace(char, f"%{ord(char):02X}")
    return text


def report_gitlab(report: CheckReport) -> list[dict[str, Any]]:
    """Return a GitLab code-quality report.

    https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
    """
    return [
        {
            "description": f"{line(finding.message)}",
            "check_name": finding.code,
            "fingerprint": _fingerprint(finding),
            "severity": _GITLAB[finding.severity],
            "location": {
                "path": line(finding.file or finding.subject),
                "lines": {"begin": finding.line or 1},
            },
        }
        for finding in report.findings
    ]


def _fingerprint(finding: CheckFinding) -> str:
    facts = (finding.code, finding.subject, finding.message, finding.commit or "")
    return hashlib.sha256("\0".join(facts).encode("utf-8", "surrogateescape")).hexdigest()


def report_sarif(report: CheckReport, version: str) -> dict[str, Any]:
    """Return a SARIF 2.1.0 log.

    Args:
        report: the findings.
        version: gitreg's version.
    """
    codes = sorted({finding.code for finding in report.findings})
    return {
        "$schema": SARIF_SCHEMA,
        "version": SARIF_VERSION,
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "gitreg",
                        "version": version,
                        "rules": [
                            {"id": code, "shortDescription": {"text": code.replace("-", " ")}}
                            for code in codes
                        ],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(finding, codes) for finding in report.findings],
            }
        ],
    }


def _result(finding: CheckFinding, codes: Sequence[str]) -> dict[str, Any]:
    commit = f" ({finding.commit[:SHORT]})" if finding.commit else ""
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": codes.index(finding.code),
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{line(finding.message)}{commit}"},
        "partialFingerprints": {"gitreg/v1": _fingerprint(finding)},
    }
    if finding.file is not None:
        uri = quote(finding.file.encode("utf-8", "surrogateescape"))
        result["locations"] = [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": uri, "uriBaseId": "%SRCROOT%"},
                    "region": {"startLine": finding.line or 1},
                }
            }
        ]
    return result


def _dumped(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False)


def formatted(report: CheckReport, form: str, version: str) -> str:
    """Return a report in one of `FORMATS`."""
    forms: dict[str, Callable[[], str]] = {
        "text": lambda: report_text(report),
        "markdown": lambda: report_markdown(report).rstrip("\n"),
        "sarif": lambda: _dumped(report_sarif(report, version)),
        "github": lambda: report_github(report),
        "gitlab": lambda: _dumped(report_gitlab(report)),
    }
    return forms[form]()


FORMATS = ("text", "markdown", "sarif", "github", "gitlab")
"""The values of ``check --format``."""
