"""A report as text, Markdown, JSON and in the formats of Git hosts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gitreg.check import CheckFinding, CheckReport
from gitreg.render import reports
from tests.support.clones import commit
from tests.support.commands import error, gitreg

HOSTILE = 'a"b|<img src=x>\n::error::x %0A \x1b[31m @everyone [x](http://evil)'


FOUND = CheckReport(
    "b" * 40,
    "c" * 40,
    2,
    (
        CheckFinding("immutable", "error", "f", HOSTILE, "do `it`", "c" * 40, f"r/{HOSTILE}", 3),
        CheckFinding("tag-moved", "warning", "refs/tags/x", "moved"),
    ),
    ("a note | <b>",),
)


def test_text() -> None:
    text = reports.report_text(FOUND)
    assert "\x1b" not in text
    lines = text.splitlines()
    assert lines[0].startswith("error: immutable: r/a")
    assert lines[0].endswith("(ccccccccc)")
    assert lines[1:3] == ["    do `it`", "warning: tag-moved: refs/tags/x: moved"]
    assert lines[-1] == "2 commits judged since bbbbbbbbb: 1 error, 1 warning"
    none = CheckReport(None, "c" * 40, 1)
    assert reports.report_text(none) == "1 commit judged: nothing is wrong"


def test_markdown_shows_text_as_it_is() -> None:
    text = reports.report_markdown(FOUND)
    row = next(entry for entry in text.splitlines() if entry.startswith("| error"))
    assert "<img" not in text
    assert "](http" not in text
    assert row.replace("\\|", "").count("|") == 6
    message = re.search("<code>[^<]*&#64;everyone[^<]*</code>", row)  # no host looks for mentions
    assert message
    many = CheckReport(None, "c" * 40, 1, FOUND.findings * 150)
    assert "… and 100 more" in reports.report_markdown(many)
    assert "passed" in reports.report_markdown(CheckReport(None, "c" * 40, 1))


def test_github_commands_cannot_be_forged() -> None:
    commands = reports.report_github(FOUND).splitlines()
    assert len(commands) == 3
    assert commands[0].startswith("::error file=r/a")
    assert ",line=3,title=gitreg immutable::" in commands[0]
    assert "%3A%3Aerror%3A%3A" in commands[0].partition(",line")[0]
    assert commands[1] == "::warning title=gitreg tag-moved::moved"
    assert commands[2].startswith("::notice")


def test_gitlab() -> None:
    found = reports.report_gitlab(FOUND)
    assert [entry["severity"] for entry in found] == ["major", "minor"]
    assert found[0]["location"]["lines"] == {"begin": 3}
    assert len({entry["fingerprint"] for entry in found}) == 2
    assert json.loads(reports.formatted(FOUND, "gitlab", "1")) == found


# The parts of SARIF 2.1.0 that are used, after the OASIS schema: no package that can be installed
# carries the schema itself. Required keys, types and enumerations are those of the standard.
TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}


SARIF: dict[str, Any] = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"enum": ["2.1.0"]},
        "runs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["tool"],
                "additionalProperties": False,
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "properties": {
                                    "name": {"type": "string"},
                                    "version": {"type": "string"},
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "type": "object",
                                            "required": ["id"],
                                            "properties": {
                                                "id": {"type": "string"},
                                                "shortDescription": TEXT,
                                            },
                                        },
                                    },
                                },
                            }
                        },
                    },
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["message"],
                            "additionalProperties": False,
                            "properties": {
                                "ruleId": {"type": "string"},
                                "ruleIndex": {"type": "integer", "minimum": -1},
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "message": TEXT,
                                "partialFingerprints": {
                                    "type": "object",
                                    "additionalProperties": {"type": "string"},
                                },
                                "locations": {
                                    "type": "array",
                                    "items": {
                                        "type": "object",
                                        "properties": {
                                            "physicalLocation": {
                                                "type": "object",
                                                "required": ["artifactLocation"],
                                                "properties": {
                                                    "artifactLocation": {
                                                        "type": "object",
                                                        "properties": {
                                                            "uri": {
                                                                "type": "string",
                                                                "pattern": r"^[\w./%~-]+$",
                                                            },
                                                            "uriBaseId": {"type": "string"},
                                                        },
                                                    },
                                                    "region": {
                                                        "type": "object",
                                                        "properties": {
                                                            "startLine": {
                                                                "type": "integer",
                                                                "minimum": 1,
                                                            },
                                                        },
                                                    },
                                                },
                                            }
                                        },
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


def test_sarif() -> None:
    log = json.loads(reports.formatted(FOUND, "sarif", "1.0"))
    jsonschema.Draft7Validator.check_schema(SARIF)
    jsonschema.validate(log, SARIF)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [result["ruleId"] for result in run["results"]] == ["immutable", "tag-moved"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]


FORMS: dict[str, Callable[[str], object]] = {
    "text": str,
    "markdown": str,
    "sarif": json.loads,
    "github": str,
    "gitlab": json.loads,
}


@pytest.mark.parametrize("form", FORMS)
def test_the_command_prints_each_format(stocked: Path, form: str) -> None:
    commit(stocked, {"registry/churn/aliases/next.yaml": "version: 9\n"})
    ran = gitreg("check", "HEAD~1..HEAD", "--format", form, "--repo", str(stocked), code=1)
    assert "dangling" in ran.out.replace("\\", "")
    assert FORMS[form](ran.out)


def test_json_and_bad_formats(stocked: Path) -> None:
    commit(stocked, {"registry/churn/aliases/next.yaml": "version: 9\n"})
    told = gitreg("check", "HEAD~1", "--json", "--repo", str(stocked), code=1).json
    assert (told["passed"], told["commits"]) == (False, 1)
    (found,) = told["findings"]
    assert found == {
        "code": "dangling-pointer",
        "severity": "error",
        "subject": "registry/churn/aliases/next.yaml",
        "message": "it names churn@9, which does not exist",
        "remedy": None,
        "commit": told["head"],
        "file": "registry/churn/aliases/next.yaml",
        "line": 1,
    }
    assert "no 'html'" in error("check", "--format", "html", "--repo", str(stocked))
    near = error("check", "--format", "markdwn", "--repo", str(stocked))
    assert "did you mean 'markdown'?" in near
    ranged = error("check", "HEAD~1..HEAD", "--history", "--repo", str(stocked))
    assert "'HEAD~1..HEAD' is a range" in ranged
    both = gitreg("check", "--json", "--format", "sarif", "--repo", str(stocked), code=2).err
    assert "--json and --format sarif exclude each other" in both
