"""Results as JSON: what `--json` prints."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gitreg.render.terminal import escape_invisible

if TYPE_CHECKING:
    from gitreg.approvals.given import GivenApproval
    from gitreg.approvals.stored import StoredApproval
    from gitreg.core.model.model import Model, ModelVersion, Resolved
    from gitreg.core.operations.rollback import Tenure
    from gitreg.core.policy import Judgement
    from gitreg.core.state.compare import Comparison
    from gitreg.core.state.history import Event
    from gitreg.findings import Finding
    from gitreg.publishing.outcome import Outcome
    from gitreg.publishing.status import CloneStatus, Held
    from gitreg.publishing.synchronise import FetchReport, PushReport
    from gitreg.publishing.tags import TagReport


def to_json(value: object, *, ascii_only: bool = False) -> str:
    """Return a value as JSON text with all invisible characters escaped.

    >>> print(to_json("\\u202eé"), to_json("é", ascii_only=True))
    "\\u202eé" "\\u00e9"
    """
    text = json.dumps(value, indent=2, ensure_ascii=ascii_only, allow_nan=False)
    return "\n".join(escape_invisible(part, json.dumps) for part in text.split("\n"))


def to_json_line(value: object, *, ascii_only: bool = False) -> str:
    """Return a value as JSON in one line, with all invisible characters escaped."""
    text = json.dumps(value, ensure_ascii=ascii_only, allow_nan=False)
    return escape_invisible(text, json.dumps)


def version_json(version: ModelVersion) -> dict[str, Any]:
    """Return what ``show --json`` prints."""
    found = asdict(version)
    order = (
        "model",
        "version",
        "stage",
        "aliases",
        "metrics",
        "evaluations",
        "params",
        "tags",
        "description",
        "artifact",
        "lineage",
        "environment",
        "signature",
        "created_at",
        "created_by",
        "commit",
        "read_from",
    )
    return {name: list(found[name]) if name == "aliases" else found[name] for name in order}


def moved_json(version: ModelVersion) -> dict[str, Any]:
    """Return a moved version as ``rollback --json`` prints it."""
    return {"model": version.model, "version": version.version, "metrics": dict(version.metrics)}


def resolved_json(resolved: Resolved) -> dict[str, Any]:
    """Return what ``resolve --json`` prints."""
    return asdict(resolved)


def model_json(model: Model) -> dict[str, Any]:
    """Return one model as ``list --json`` prints it."""
    return {
        "model": model.name,
        "latest": model.latest,
        "stages": {stage: list(versions) for stage, versions in model.stages.items()},
        "aliases": dict(model.aliases),
        "description": model.description,
        "owner": model.owner,
        "tags": dict(model.tags),
    }


def approvals_json(
    approvals: Sequence[StoredApproval], given: Sequence[GivenApproval]
) -> dict[str, Any]:
    """Return the approvals, and how they came and went, as ``show --json`` prints them."""
    return {
        "approvals": [asdict(approval) for approval in approvals],
        "approval_events": [asdict(event) for event in given],
    }


def tenure_json(model: str, tenure: Tenure, version: ModelVersion | None) -> dict[str, Any]:
    """Return an entry of what ``rollback --list --json`` prints."""
    from gitreg.core.text.times import utc

    return {
        "model": model,
        **asdict(tenure),
        "began": tenure.began and utc(tenure.began),
        "ended": utc(tenure.ended),
        "deleted": version is None,
        "metrics": {} if version is None else dict(version.metrics),
    }


def held_json(held: Held) -> dict[str, Any]:
    """Return what a stage holds, as ``status --json`` and ``show --json`` print it."""
    from gitreg.core.text.times import utc

    return asdict(held) | {"since": held.since and utc(held.since)}


def status_json(status: CloneStatus) -> dict[str, Any]:
    """Return what ``status --json`` prints."""
    return asdict(status) | {"held": [held_json(one) for one in status.held]}


def event_json(event: Event) -> dict[str, Any]:
    """Return an entry of what ``log --json`` prints.

    ``before`` and ``after`` are lists of a stage, a number or null of an alias, else null.
    """
    from gitreg.core.state.history import named_by  # not for `resolve`, whose start counts
    from gitreg.core.text.times import utc

    found = asdict(event) | {"time": utc(event.time)}
    if not (event.pointer or "").startswith("stages/"):
        found |= {"before": named_by(event.before), "after": named_by(event.after)}
    return found


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Return what ``compare --json`` prints."""
    found = asdict(comparison)
    return found | {"a": version_json(comparison.a), "b": version_json(comparison.b)}


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """Return the result of a write as ``--json`` prints it."""
    review = outcome.review
    return {
        "commit": outcome.commit,
        "subject": outcome.change.subject,
        "message": outcome.change.message(),
        "files": [edit.path for edit in outcome.change.edits],
        "tags": list(outcome.tags),
        "pushed": outcome.pushed,
        "branch": outcome.branch,
        "unshared": outcome.unshared,
        "operation": outcome.operation,
        "repeated": outcome.repeated,
        "unchanged": outcome.is_unchanged,
        "warnings": list(outcome.warnings),
        "verdicts": verdicts_json(outcome.change.judgements),
        **({} if review is None else asdict(review)),
    }


def verdicts_json(judgements: Iterable[Judgement]) -> list[dict[str, Any]]:
    """Return the policy's verdicts, one an entry."""
    return [
        {
            "model": judgement.model,
            "version": judgement.version,
            "reference": judgement.reference,
            "stage": judgement.stage,
            **asdict(verdict),
        }
        for judgement in judgements
        for verdict in judgement.verdicts
    ]


def error_json(error: Exception) -> dict[str, Any]:
    """Return an error as every command prints it; a refused move has its verdicts, too."""
    found = {
        "error": str(error),
        "hint": getattr(error, "hint", None),
        "exit_code": getattr(error, "exit_code", 3),
    }
    judgements = getattr(error, "judgements", ())
    if judgements:
        found |= {"refused": str(error), "verdicts": verdicts_json(judgements)}
    return found


def fetch_json(report: FetchReport) -> dict[str, Any]:
    """Return what ``fetch --json`` prints."""
    return {**asdict(report), "events": [event_json(event) for event in report.events]}


def push_json(report: PushReport) -> dict[str, Any]:
    """Return what ``push --json`` prints."""
    return asdict(report)


def finding_json(finding: Finding) -> dict[str, Any]:
    """Return one finding as ``doctor --json`` prints it."""
    return asdict(finding)


def tags_json(report: TagReport) -> dict[str, Any]:
    """Return what ``tags sync --json`` prints."""
    return asdict(report)
