"""What a reproduction would run, from which code, data and environment; and what is missing."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitreg.artifacts.environment import LOCAL
from gitreg.core.model.model import DataDependency, ModelVersion
from gitreg.errors import InvalidRequest
from gitreg.reproduce.environment import version_of

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
        requirements: the frozen requirements, one a line, without a gitreg from a checkout.
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
    """Return what a reproduction would do. Nothing recorded is run, and nothing fetched.

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
    lines = [
        line
        for line in registry.state().requirements(version.model, version.version)
        if not _is_own(line)
    ]
    if python is None:
        found = Path(sys.executable) if environment == CURRENT else _interpreter(recorded.python)
    else:
        found = python if version_of(python) else None
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
        (
            *_missing(version),
            *(_not_installable(lines) if environment == FROZEN else ()),
            *(() if found else (_no_python(recorded.python, python),)),
        ),
    )


def _missing(version: ModelVersion) -> Iterator[str]:
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


def _is_own(line: str) -> bool:
    """Tell whether a requirement is gitreg from a checkout: no training needs it to be repeated."""
    return line.startswith("gitreg==") and line.endswith(LOCAL)


def _not_installable(requirements: Sequence[str]) -> Iterator[str]:
    if not requirements:
        yield "environment: no requirements are frozen; --environment current runs with those here"
    for line in requirements:
        if line.endswith(LOCAL):
            name = line.removesuffix(LOCAL).strip()
            yield f"environment: {name} was installed from a local folder; no index has that one"


def _no_python(recorded: str | None, asked: Path | None) -> str:
    if asked is not None:
        return f"environment: {asked} is no Python that can be run"
    known = f"Python {recorded} is not here" if recorded else "the Python is not recorded"
    return f"environment: {known}; --python PATH names one"


def _interpreter(version: str | None) -> Path | None:
    """Return an interpreter of the same minor version, ``3.11`` for ``3.11.7``, if one is here."""
    match = _MINOR.match(version or "")
    if match is None:
        return None
    major, minor = int(match[1]), int(match[2])
    if sys.version_info[:2] == (major, minor):
        return Path(sys.executable)
    found = shutil.which(f"python{major}.{minor}")
    # A shim of pyenv is on the path for every version, and fails where that one is not chosen.
    return Path(found) if found and version_of(Path(found)) else None
