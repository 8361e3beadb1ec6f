"""Everything that is known of a version to register, and how much of it a manifest can hold.

MLflow's client and an import give all of it; `gitreg register` finds it out
(`gitreg.artifacts.collect.found_out`). What a caller cannot change, `fitting` leaves out with a
warning where it is secret or too large: that is no reason not to register a model.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from gitreg.artifacts.plain_values import plain_metrics, plain_params
from gitreg.artifacts.python_values import plain_object, plain_texts
from gitreg.artifacts.source import Source, text_source
from gitreg.core.documents.yaml import SIZE_LIMIT, Value
from gitreg.core.model.layout import REQUIREMENTS
from gitreg.core.model.manifest import SIGNATURE_LIMIT, Tombstone
from gitreg.core.model.model import (
    Artifact,
    Environment,
    Evaluation,
    Lineage,
    ModelSignature,
    ModelVersion,
)
from gitreg.core.operations.register import Registration
from gitreg.core.state.state import RegistryState
from gitreg.core.text.invisible import has_invisible
from gitreg.core.text.urls import (
    page_without_credentials,
    requirements_without_credentials,
    without_credentials,
)
from gitreg.errors import InvalidRequest
from gitreg.git.repository import Signature

PART_LIMIT = 16 * 1024
"""How many bytes of a manifest metrics may take, and how many params."""

DATA_LIMIT = 8 * 1024
"""How many bytes data may take; the rest of the 64 KiB is for the signature and all else."""

NOT_IMPORTED = "not imported"
"""The reason in the tombstone of a number that is skipped."""

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z")
_V = TypeVar("_V")


@dataclass(frozen=True)
class Provenance:
    """Everything that is known of a version to register, from a caller or found out.

    Attributes:
        source: the bytes: a file or folder, or a version of this registry, whose bytes it shares.
        text: or the name of an artifact that is a file (``model.link``, ``model.prompt``), and its
            content.
        lineage: where it comes from.
        metrics: numbers.
        params: hyperparameters.
        signature: the model's inputs and outputs.
        environment: of the model, not of the person who registers it.
        requirements: the text of its ``requirements.txt``.
        description: a text, which may change later.
        tags: free texts, which may change later.
        created_at: when, UTC, ``2026-11-22T20:25:06Z``, with up to six decimals; now by default.
        created_by: who; the author of the commit by default.
        version: the requested version number; numbers below it that were never given are marked
            as left out. The next number by default.
        evaluations: what was measured on named data; bytes, time and person are filled in.
        warnings: what the person should know, such as values that were left out.
        doubts: what they may not have meant, such as code that is not committed.
    """

    source: Path | Source | ModelVersion | None = None
    text: tuple[str, str] | None = None
    lineage: Lineage = field(default_factory=Lineage)
    metrics: Mapping[str, int | float] = field(default_factory=dict)
    params: Mapping[str, Value] = field(default_factory=dict)
    signature: ModelSignature | None = None
    environment: Environment = field(default_factory=Environment)
    requirements: bytes | None = None
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    created_at: str | None = None
    created_by: str | None = None
    version: int | None = None
    evaluations: tuple[Evaluation, ...] = ()
    warnings: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


@contextmanager
def source_of(known: Provenance, state: RegistryState) -> Iterator[Source | ModelVersion]:
    """Yield where the bytes of a new version are; a text lies in a file until the context ends.

    Raises:
        InvalidRequest: none or several are given, the text's name is not an artifact's, or the
            source is neither a file nor a folder.
        NotFound: there is no such file, folder or version.
    """
    given = known.source
    if (given is None) == (known.text is None):
        raise InvalidRequest("give the bytes of a version either as its source or as a text")
    if isinstance(given, ModelVersion):
        yield state.version(given.model, given.version)
    elif isinstance(given, Source):
        yield given
    elif given is not None:
        yield Source.untracked(given)
    elif known.text is not None:
        with text_source(*known.text) as source:
            yield source


def registration_of(
    model: str, known: Provenance, source: Source | ModelVersion, who: Signature
) -> Registration:
    """Return the request to register a version, except for the digests of its bytes.

    Args:
        model: the model's name.
        known: what is known of the version.
        source: where the bytes are.
        who: who commits, and when.

    Raises:
        InvalidRequest: the time or the person is malformed.
    """
    artifact = source.artifact.path if isinstance(source, ModelVersion) else source.artifact_name
    listed = None if known.requirements is None else REQUIREMENTS
    evaluations = [
        replace(one, created_at=one.created_at or who.utc, created_by=one.created_by or who.person)
        for one in known.evaluations
    ]
    return Registration(
        model=model,
        artifact=Artifact(artifact, 0, 1, "0" * 64, "0" * 32),
        created_at=_time(known.created_at) or who.utc,
        created_by=_person(known.created_by) or who.person,
        metrics=known.metrics,
        params=known.params,
        lineage=known.lineage,
        environment=replace(known.environment, requirements=listed),
        requirements=known.requirements,
        description=known.description,
        tags=dict(known.tags),
        signature=known.signature,
        number=known.version,
        left_out=Tombstone(who.utc, who.person, NOT_IMPORTED),
        evaluations=tuple(evaluations),
        warnings=known.warnings,
    )


def fitting(known: Provenance) -> Provenance:
    """Return a provenance that a manifest can hold, with a warning for each part left out.

    Left out are numbers that are not finite, credentials in URLs, and what is too large.

    Raises:
        InvalidRequest: a value is malformed.
    """
    metrics, lost_metrics = _metrics(known.metrics)
    params, lost_params = _fitting(plain_params(known.params), "params")
    signature, lost_signature = _signature(known.signature)
    requirements, lost_requirements = _requirements(known.requirements)
    lineage, lost_data = _public(known.lineage)
    lost = (*lost_metrics, *lost_params, *lost_signature, *lost_requirements, *lost_data)
    return replace(
        known,
        lineage=lineage,
        metrics=metrics,
        params=params,
        signature=signature,
        requirements=requirements,
        tags=plain_texts(known.tags),
        warnings=(*known.warnings, *lost),
    )


def _metrics(
    given: Mapping[str, int | float],
) -> tuple[dict[str, int | float], tuple[str, ...]]:
    """Return the metrics that a manifest can hold, and warnings about the others."""
    numbers = {name: plain_object(value) for name, value in given.items()}
    odd = [
        name
        for name, value in numbers.items()
        if isinstance(value, float) and not math.isfinite(value)
    ]
    kept = {name: value for name, value in numbers.items() if name not in odd}
    fitting, lost = _fitting(plain_metrics(kept), "metrics")
    warnings = (f"metrics left out, not finite: {', '.join(odd)}",) if odd else ()
    return fitting, (*warnings, *lost)


def _fitting(
    values: Mapping[str, _V], what: str, limit: int = PART_LIMIT
) -> tuple[dict[str, _V], tuple[str, ...]]:
    """Return the first values, as many as a manifest has room for, and a warning for the rest."""
    kept: dict[str, _V] = {}
    size = 0
    for name, value in values.items():
        size += len(json.dumps({name: value}, ensure_ascii=False).encode())
        if size > limit:
            left = len(values) - len(kept)
            room = f"a manifest has room for {limit // 1024} KiB of them"
            return kept, (f"{left} of {len(values)} {what} left out: {room}",)
        kept[name] = value
    return kept, ()


def _signature(given: ModelSignature | None) -> tuple[ModelSignature | None, tuple[str, ...]]:
    texts = () if given is None else (given.inputs, given.outputs, given.params)
    if not any(texts):
        return None, ()
    if sum(len((text or "").encode()) for text in texts) > SIGNATURE_LIMIT:
        return None, (f"signature left out: larger than {SIGNATURE_LIMIT // 1024} KiB",)
    return given, ()


def _requirements(given: bytes | None) -> tuple[bytes | None, tuple[str, ...]]:
    if given is None:
        return None, ()
    if len(given) > SIZE_LIMIT:
        return None, (f"{REQUIREMENTS} left out: larger than {SIZE_LIMIT // 1024} KiB",)
    try:
        return requirements_without_credentials(given.decode("utf-8")).encode(), ()
    except UnicodeDecodeError:
        return None, (f"{REQUIREMENTS} left out: not UTF-8 text",)


def _public(lineage: Lineage) -> tuple[Lineage, tuple[str, ...]]:
    """Return a lineage without credentials in its URLs and without data that does not fit."""
    run, code = lineage.run, lineage.code
    if run is not None:
        run = replace(
            run,
            tracking_uri=run.tracking_uri and without_credentials(run.tracking_uri),
            link=run.link and page_without_credentials(run.link),
        )
    if code is not None:
        code = replace(code, repository=code.repository and without_credentials(code.repository))
    source = lineage.source and without_credentials(lineage.source)
    places = [replace(item, path=without_credentials(item.path)) for item in lineage.data]
    each = {str(number): asdict(item) for number, item in enumerate(places)}
    fitting, lost = _fitting(each, "data", DATA_LIMIT)
    data = tuple(places[: len(fitting)])
    return replace(lineage, source=source, run=run, code=code, data=data), lost


def _time(given: str | None) -> str | None:
    if given is not None and not _TIME.fullmatch(given):
        raise InvalidRequest(f"created_at: {given[:40]!a} is not a time like 2026-11-22T20:25:06Z")
    return given


def _person(given: str | None) -> str | None:
    if given is not None and has_invisible(given):
        raise InvalidRequest("created_by has a control or invisible character")
    return given
