"""The statement on a reproduction, for the record: what ran, from what, and what came out."""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING

from gitreg.core.documents.yaml import Value
from gitreg.core.model.statement import Statement
from gitreg.errors import InvalidRequest
from gitreg.reproduce.verdict import INCONCLUSIVE

if TYPE_CHECKING:
    from gitreg.reproduce.running import Reproduction


def statement_on(done: Reproduction, by: str, at: str) -> Statement:
    """Return the statement on a reproduction.

    Args:
        done: the reproduction.
        by: who made it, ``Name <email>``.
        at: when, UTC, ``2026-11-22T20:25:06Z``.

    Raises:
        InvalidRequest: it is inconclusive: there is nothing to state.
    """
    planned, verdict = done.plan, done.verdict
    if verdict.verdict == INCONCLUSIVE:
        raise InvalidRequest("an inconclusive reproduction says nothing that could be recorded")
    metrics: dict[str, Value] = {
        name: {"recorded": one.recorded, "found": one.found, "tolerance": one.tolerance}
        for name, one in verdict.metrics.items()
    }
    differing: list[Value] = [path for path, same in verdict.bytes.items() if not same]
    facts: dict[str, Value] = {
        "by": by,
        "at": at,
        "code": planned.commit,
        "data": [{"path": item.path, "md5": item.md5} for item in planned.data],
        "command": planned.command,
        "environment": planned.environment,
        "python": done.python or platform.python_version(),
        "platform": f"{sys.platform}-{platform.machine()}",
        "files": len(verdict.bytes),
        "differing": differing,
        "metrics": metrics,
    }
    version = planned.version
    return Statement(version.reference, version.artifact.sha256, verdict.verdict, facts)
