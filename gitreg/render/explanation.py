"""Explanations as text and JSON. No I/O; text from a registry is escaped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gitreg.core.policy.words import stage_rows
from gitreg.render.as_text import version_text
from gitreg.render.axis import where
from gitreg.render.comparison import comparison_text
from gitreg.render.terminal import SHORT, line, prose, table
from gitreg.render.timeline import interval_json, length, moment

if TYPE_CHECKING:
    from gitreg.approvals.stored import StoredApproval
    from gitreg.core.state.compare import Comparison
    from gitreg.core.state.intervals import Interval
    from gitreg.history.explaining import Explanation

_CHANGED = ("metrics", "params", "data", "code", "environment", "signature", "code_files")


def explanation_text(found: Explanation, width: int) -> str:
    """Return what served, since when, by whom and why; then the rules, the version, the changes."""
    parts = ["\n".join(prose(line(one), width) for one in _story(found))]
    rows = [*_approvals(found), *_rules(found)]
    parts += [table(("", ""), rows, width).lstrip("\n")] if rows else []
    parts.append(version_text(found.version, width))
    if found.packages:
        name = found.version.environment.requirements or "its environment"
        parts[-1] += "\n" + line(f"packages: {len(found.packages)}, in {name}")
    if found.changed is not None:
        before = found.changed.a.reference
        parts.append(f"{line(f'what differs from {before}, which served before')}")
        parts[-1] += "\n" + comparison_text(found.changed, width)
    return "\n\n".join(parts)


def _story(found: Explanation) -> Iterator[str]:
    name, served = found.version.reference, found.served
    if served is None or found.place is None:
        yield f"{name} was in no stage"
        return
    there = where(found.version.model, found.place)
    lasts = served.until is None
    until = "" if lasts else f" until {moment(served.until)} ({served.ended_by})"
    for_ = f", {length(served)}" if served.seconds is not None else ""
    yield f"{name} in {there} since {moment(served.since)}{until}{for_}"
    yield _move(served)
    if served.model != found.version.model:
        yield f"the model was called {served.model} then"
    if served.override is not None:
        yield "the policy was overridden"
    if found.promoted is not None and found.promoted.commit != served.commit:
        yield f"before that, {moment(found.promoted.since)}: {_move(found.promoted)}"
    if found.before is not None:
        before = found.before
        yield (
            f"before it: {before.model}@{before.version} since {moment(before.since)} "
            f"until {moment(before.until)} ({before.ended_by})"
            if before.until is not None
            else f"before it, and still there: {before.model}@{before.version}"
        )


def _move(one: Interval) -> str:
    if one.commit is None:
        return "who put it there, and why, is not known: this clone is shallow"
    why = f", because: {one.reason}" if one.reason else ""
    return f"{one.action} by {one.author} in {one.commit[:SHORT]}{why}"


def _approvals(found: Explanation) -> Iterator[tuple[str, object]]:
    for one in found.approvals:
        yield "approved by", _approval(one)
    if found.policy is not None and not found.approvals:
        yield "approved by", "nobody"


def _approval(one: StoredApproval) -> str:
    verdict = "verified" if one.verified else f"does not verify: {one.reason}"
    return f"{one.principal}, {verdict}" + (f", key {one.key}" if one.key else "")


def _rules(found: Explanation) -> Iterator[tuple[str, object]]:
    then = found.policy
    if then is None:
        return
    made = f"of {then.commit[:SHORT]}" if then.commit else "without a file: gitreg's default"
    yield "policy", f"{made}, as read at {then.read_at[:SHORT]}"
    rule = then.policy.stages.get(then.stage)
    if rule is None:
        yield f"rules of {then.stage}", "none: it is no stage of the policy"
        return
    for key, value in stage_rows(then.policy, rule):
        yield f"rule {key}", value


def explanation_json(found: Explanation) -> dict[str, Any]:
    """Return what ``explain --json`` prints."""
    version, served = found.version, found.served
    keys = ("since", "until", "seconds", "author", "reason", "action", "commit")
    return {
        "model": version.model,
        "version": version.version,
        "pointer": found.place,
        "stage": found.stage,
        **{
            key: None if served is None else getattr(served, key)
            for key in (*keys, "ended_by", "ended_commit", "override")
        },
        "promoted": _interval(found.promoted),
        "approvals": [asdict(one) for one in found.approvals],
        "policy": None if found.policy is None else found.policy.document,
        "metrics": dict(version.metrics),
        "params": dict(version.params),
        "code": asdict(version.lineage.code) if version.lineage.code else None,
        "data": [asdict(one) for one in version.lineage.data],
        "environment": {**asdict(version.environment), "packages": dict(found.packages)},
        "artifact": asdict(version.artifact),
        "before": _interval(found.before),
        "changed": None if found.changed is None else _changed_json(found.changed),
        "intervals": [interval_json(one) for one in found.intervals],
        "read_from": version.read_from,
    }


def _interval(one: Interval | None) -> dict[str, Any] | None:
    return None if one is None else interval_json(one)


def _changed_json(changed: Comparison) -> dict[str, Any]:
    found = asdict(changed)
    return {
        "model": changed.a.model,
        "version": changed.a.version,
        **{key: found[key] for key in _CHANGED},
    }
