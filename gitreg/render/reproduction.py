"""A reproduction for people and for ``--json``: what will run, and what came out. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gitreg.reproduce import Plan, Reproduction


def plan_lines(planned: Plan) -> Iterator[str]:
    """Yield what would run; the text is not escaped."""
    version = planned.version
    yield f"version      {version.reference}"
    yield f"code         {planned.commit[:9] or '-'}"
    for item in planned.data:
        yield f"data         {item.path} ({(item.md5 or 'hash unknown')[:9]})"
    yield f"environment  {planned.environment}, {planned.python or 'no interpreter'}"
    yield f"runs         {planned.command or '-'}"
    yield f"makes        {planned.source or '-'}"
    for words in planned.missing:
        yield f"missing      {words}"


def plan_json(planned: Plan) -> dict[str, Any]:
    """Return what ``reproduce --dry-run --json`` prints."""
    return {
        "model": planned.version.model,
        "version": planned.version.version,
        "commit": planned.commit or None,
        "data": [{"path": item.path, "md5": item.md5} for item in planned.data],
        "environment": planned.environment,
        "python": None if planned.python is None else str(planned.python),
        "command": planned.command or None,
        "source": planned.source or None,
        "missing": list(planned.missing),
    }


def verdict_lines(done: Reproduction) -> Iterator[str]:
    """Yield the verdict and what it rests on; the text is not escaped."""
    verdict = done.verdict
    yield f"{done.plan.version.reference}: {verdict.verdict}"
    for path, same in verdict.bytes.items():
        word = {True: "identical", False: "different", None: "on one side only"}[same]
        yield f"bytes   {path or done.plan.source}: {word}"
    for name, metric in verdict.metrics.items():
        found = "not measured" if metric.found is None else f"{metric.found:.6g}"
        within = "within" if metric.is_within else "not within"
        yield f"metric  {name}: {found}, was {metric.recorded:.6g} ({within} {metric.tolerance:g})"
    for words in verdict.missing:
        yield f"missing {words}"
    if done.log is not None:
        yield f"log     {done.log}"


def verdict_json(done: Reproduction) -> dict[str, Any]:
    """Return what ``reproduce --json`` prints, but for the commit that recorded it."""
    verdict = done.verdict
    files = [
        {"path": path or done.plan.source, "identical": same}
        for path, same in verdict.bytes.items()
    ]
    return {
        "model": done.plan.version.model,
        "version": done.plan.version.version,
        "verdict": verdict.verdict,
        "bytes": {"identical": bool(files) and all(verdict.bytes.values()), "files": files},
        "metrics": {
            name: {
                "recorded": metric.recorded,
                "found": metric.found,
                "tolerance": metric.tolerance,
                "within": metric.is_within,
            }
            for name, metric in verdict.metrics.items()
        },
        "missing": list(verdict.missing),
        "log": None if done.log is None else str(done.log),
    }
