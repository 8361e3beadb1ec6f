"""What a reproduction would run, from which code, data and environment; and what is missing."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitreg.core.model.model import DataDependency, ModelVersion
from gitreg.errors import InvalidRequest

if TYPE_CHECKING:
    from gitreg.registry import ReferenceLike, Registry

FROZEN, CURRENT = "frozen", "current"
"""The environments: the recorded requirements, or the interpreter that runs gitreg."""

_MINOR = re.compile(r"(\d+)\.(\d+)(?:\.|$)")


@dataclass(frozen=True)
class Plan:
    """What a reproduction would do.

    Attributes:
        version: what is made again.
        top: the root of the work tree whose repository has the code.
        commit: of the code, 40 hex digits.
        source: where the command puts the artifact, relative to the repository.
        command: the recorded command line.
        data: what it was made from.
        environment: `FROZEN` or `CURRENT`.
        python: the interpreter that runs it, or makes the environment; ``None`` if it is not here.
        requirements: the frozen requirements, one a line.
        missing: what is missing, in words: nothing runs while there is something.
    """

    version: ModelVersion
    top: Path
    commit: str
    source: str
    command: str
    data: tuple[DataDependency, ...]
    environment: str
    python: Path | None
    requirements: tuple[str, ...]
    missing: tuple[str, ...]


def plan(
    registry: Registry,
    reference: ReferenceLike,
    *,
    environment: str = FROZEN,
    python: Path | None = None,
) -> Plan:
    """Return what a reproduction would do. Nothing is run or fetched.

    Args:
        registry: a clone, whose repository has the code.
        reference: which version.
        environment: `FROZEN` or `CURRENT`.
        python: the interpreter, instead of the one that is found by its version.

    Raises:
        NotFound: there is no such version.
        InvalidRequest: the registry is not a clone with a work tree, or the environment is unknown.
    """
    if environment not in (FROZEN, CURRENT):
        raise InvalidRequest(f"{environment[:40]!a} is no environment", hint="frozen or current")
    top = registry.top_level
    if top is None:
        raise InvalidRequest(
            f"{registry.name} has no work tree: a reproduction needs the code's repository",
            hint=f"git clone {registry.url or registry.name}, and run it there",
        )
    version = registry.show(reference)
    lineage, recorded = version.lineage, version.environment
    lines = registry.state().requirements(version.model, version.version)
    if environment == CURRENT:
        found: Path | None = python or Path(sys.executable)
    else:
        found = python or _interpreter(recorded.python)
    return Plan(
        version,
        top,
        lineage.code.commit if lineage.code else "",
        lineage.source or "",
        lineage.command or "",
        lineage.data,
        environment,
        found,
        tuple(lines),
        tuple(_missing(version, environment, found, has_requirements=bool(lines))),
    )


def _missing(
    version: ModelVersion, environment: str, python: Path | None, *, has_requirements: bool
) -> Iterator[str]:
    lineage = version.lineage
    if lineage.code is None:
        yield "code: no commit of it is recorded"
    elif lineage.code.unrecorded:
        yield f"code: commit {lineage.code.commit[:9]} had {lineage.code.unrecorded}"
    if not lineage.command:
        yield "command: none is recorded; a DVC stage records one (dvc stage add)"
    if not lineage.source:
        yield "source: where the command put the model is not recorded"
    for item in lineage.data:
        if item.md5 is None:
            yield f"data: no hash of {item.path} is recorded"
    if environment != FROZEN:
        return
    if not has_requirements:
        yield "environment: no requirements are frozen; --environment current runs with those here"
    if python is None:
        wanted = version.environment.python
        known = f"Python {wanted} is not here" if wanted else "the Python is not recorded"
        yield f"environment: {known}; --python PATH names one"


def _interpreter(version: str | None) -> Path | None:
    """Return an interpreter of the same minor version, ``3.11`` for ``3.11.7``, if one is here."""
    match = _MINOR.match(version or "")
    if match is None:
        return None
    major, minor = int(match[1]), int(match[2])
    if sys.version_info[:2] == (major, minor):
        return Path(sys.executable)
    found = shutil.which(f"python{major}.{minor}")
    return Path(found) if found else None
