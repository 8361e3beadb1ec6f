"""Compares pulled models in their versions' own folders with the manifests."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from gitreg.artifacts.materialise import check_delivered
from gitreg.core.model.model import Artifact, ModelVersion
from gitreg.core.text.counts import quantity
from gitreg.doctor.inspection import Inspection
from gitreg.errors import WorldError
from gitreg.findings import Finding

READ_AT_MOST = 256 * 1024 * 1024
"""How many bytes one examination hashes; beyond that, only sizes are compared."""


def examine(inspection: Inspection) -> Iterator[Finding]:
    """Yield pulled models that differ from the registered ones.

    Small models are hashed. For the others, only the number of files and their sizes are compared;
    ``gitreg verify`` reads everything.
    """
    left = READ_AT_MOST
    for version in inspection.versions:
        place = inspection.artifacts.own_place(version)
        if not os.path.lexists(place):
            continue
        wrong = _shape(place, version.artifact)
        if wrong is None and version.artifact.size <= left:
            left -= version.artifact.size
            wrong = _content(place, version.artifact)
        if wrong is not None:
            yield _differs(version, wrong)


def _differs(version: ModelVersion, wrong: str) -> Finding:
    return Finding(
        "model-differs",
        "error",
        version.reference,
        f"the model in its folder differs from the registered one: {wrong}",
        f"gitreg pull {shlex.quote(version.reference)}",
    )


def _shape(place: Path, artifact: Artifact) -> str | None:
    """Return the difference in kind, number of files or size; ``None`` when there is none."""
    if place.is_symlink():
        return "it is a symbolic link; remove it first"
    if place.is_dir() != artifact.is_folder:
        return f"it is {'a folder' if place.is_dir() else 'a file'}"
    files, size = 0, 0
    paths = (Path(at, name) for at, _, names in os.walk(place) for name in names)
    for path in paths if artifact.is_folder else [place]:
        files += 1
        size += path.lstat().st_size
        if files > artifact.files or size > artifact.size:
            break
    if files != artifact.files:
        word = "more" if files > artifact.files else "fewer"
        return f"{word} than {quantity(artifact.files, 'file')}"
    if size != artifact.size:
        return f"{'more' if size > artifact.size else 'fewer'} than {artifact.size} bytes"
    return None


def _content(place: Path, artifact: Artifact) -> str | None:
    try:
        found = check_delivered(place, artifact)
    except WorldError as error:
        return str(error)
    return found[0] if found else None
