"""A search for the first bad version: its plan, its steps and what it found, as text and JSON."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from gitreg.core.model.names import format_version
from gitreg.core.state.bisection import Verdict
from gitreg.core.text.counts import quantity
from gitreg.core.text.times import utc
from gitreg.history.bisect import BisectOutcome, BisectPlan, Step
from gitreg.render.as_json import comparison_json
from gitreg.render.comparison import comparison_text
from gitreg.render.terminal import line, size, table

SHOWN = 50
"""How many versions of a plan are shown; ``--json`` has all."""


def plan_text(plan: BisectPlan, known: Mapping[int, Verdict]) -> str:
    """Return what a search is about to do, in a few lines."""
    where = "" if plan.stage is None else f", as they came into {plan.stage}"
    ends = f"{plan.name(0)} (good) to {plan.name(-1)} (bad)"
    effort = plan.effort(known)
    pulls = f"at most {quantity(effort.runs, 'run')}, each after a pull: {size(effort.size)}"
    lines = [
        f"bisect {ends}: {quantity(len(plan.candidates), 'version')}{where}",
        f"{pulls}, of which {size(effort.download)} to download",
    ]
    left = [
        f"{plan.name(place)} ({one.left_out})"
        for place, one in enumerate(plan.candidates)
        if one.left_out is not None
    ]
    if left:
        more = f" and {len(left) - SHOWN} more" if len(left) > SHOWN else ""
        lines.append(f"not tested: {', '.join(left[:SHOWN])}{more}")
    if known:
        count = quantity(len(known), "verdict")
        lines.append(f"going on with {count} from before; --reset forgets them")
    return "\n".join(map(line, lines))


def candidates_text(plan: BisectPlan, known: Mapping[int, Verdict], width: int) -> str:
    """Return the versions that a search goes over, in their order."""
    rows = []
    for place, one in enumerate(plan.candidates[:SHOWN]):
        amount = None if one.version is None else size(one.version.artifact.size)
        since = one.since or (one.version and one.version.created_at)
        when = since and utc(since).replace("T", " ")
        verdict = one.left_out or known.get(one.number)
        rows.append((plan.name(place), when, amount, one.is_cached, verdict))
    titles = ("VERSION", "SINCE", "SIZE", "IN CACHE", "VERDICT")
    more = len(plan.candidates) - SHOWN
    return table(titles, rows, width) + (f"\n… and {more} more; --json has all" if more > 0 else "")


def plan_json(plan: BisectPlan, known: Mapping[int, Verdict]) -> dict[str, Any]:
    """Return what ``bisect --dry-run --json`` prints."""
    return {
        "model": plan.model,
        "stage": plan.stage,
        "read_from": plan.commit,
        "good": plan.candidates[0].number,
        "bad": plan.candidates[-1].number,
        **plan.effort(known)._asdict(),
        "candidates": [
            {
                "version": one.number,
                "since": one.since and utc(one.since),
                "size": one.version and one.version.artifact.size,
                "is_cached": one.is_cached,
                "left_out": one.left_out,
                "verdict": known.get(one.number),
            }
            for one in plan.candidates
        ],
    }


def step_text(step: Step) -> str:
    """Return what a search does, or has found out."""
    if step.kind == "test":
        return line(f"{step.version}: pull {size(step.size)}, run the command")
    return line(f"{step.version}: {step.kind}" + (f": {step.reason}" if step.reason else ""))


def outcome_text(found: BisectOutcome, width: int) -> str:
    """Return the first bad version, or which ones it may be, and how it differs."""
    good, bad = found.last_good.reference, found.first_bad.reference
    if found.hidden:
        names = [format_version(found.model, one) for one in found.hidden]
        lines = [f"the first bad version is one of {', '.join([*names, bad])}"]
    else:
        lines = [f"{bad} is the first bad version"]
    made = f"registered {found.first_bad.created_at} by {found.first_bad.created_by}"
    lines.append(f"last good: {good}; {bad} was {made}")
    lines += [
        f"skipped {format_version(found.model, one.version)}: {one.reason}" for one in found.skipped
    ]
    named = f"{shlex.quote(good)} {shlex.quote(bad)}"
    detail = f"    gitreg compare {named} --code --data --environment"
    compared = comparison_text(found.comparison, width)
    return "\n\n".join(["\n".join(map(line, lines)), compared, line(detail)])


def outcome_json(found: BisectOutcome) -> dict[str, Any]:
    """Return what ``bisect --json`` prints."""
    return {
        "model": found.model,
        "stage": found.stage,
        "found": not found.hidden,
        "first_bad": found.first_bad.version,
        "last_good": found.last_good.version,
        "hidden": list(found.hidden),
        "verdicts": {str(version): verdict for version, verdict in found.verdicts.items()},
        "skipped": [{"version": one.version, "reason": one.reason} for one in found.skipped],
        "comparison": comparison_json(found.comparison),
    }
