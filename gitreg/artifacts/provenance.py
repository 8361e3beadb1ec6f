"""What a caller knows of a version that is to be registered, and what of it a manifest may hold.

MLflow's client and an import say all of it themselves, where `gitreg register` finds it out. What
is secret or does not fit is left out, with a warning: it is no reason not to register a model.
"""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from gitreg.artifacts.source import Source
from gitreg.artifacts.values import flatten_metrics, plain, plain_numbers
from gitreg.core.documents.yaml import SIZE_LIMIT, Value
from gitreg.core.model.layout import REQUIREMENTS
from gitreg.core.model.manifest import SIGNATURE_LIMIT, Tombstone, is_artifact_name
from gitreg.core.model.model import Artifact, Environment, Lineage, ModelSignature, ModelVersion
from gitreg.core.model.names import has_invisible
from gitreg.core.operations.register import Registration
from gitreg.core.state.state import RegistryState
from gitreg.core.text.urls import (
    page_without_credentials,
    requirements_without_credentials,
    without_credentials,
)
from gitreg.errors import InvalidRequest, NotFound
from gitreg.git.repository import Signature

PART_LIMIT = 16 * 1024
"""How many bytes of a manifest are for metrics, and how many for params."""

DATA_LIMIT = 8 * 1024
"""How many are for data; what is left of the 64 KiB is for the signature and all the rest."""

NOT_IMPORTED = "not imported"
"""The reason that stands for a version which is left out."""

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z")
_V = TypeVar("_V")


@dataclass(frozen=True)
class Provenance:
    """Everything of a version that is to be registered, given by the caller.

    Attributes:
        source: the bytes: a file or folder, or a version of this registry, whose bytes it shares.
        text: or the name of an artifact that is a file (``model.link``, ``model.prompt``), and its
            content.
        lineage: where it comes from; credentials in its URLs are left out.
        metrics: numbers; those that are not finite are left out.
        params: hyperparameters.
        signature: what the model takes and gives.
        environment: of the model, not of who registers it.
        requirements: the text of its ``requirements.txt``.
        description: a text, which may change later.
        tags: free texts, which may change later.
        created_at: when, UTC, ``2026-11-22T20:25:06Z``, with up to six decimals; now by default.
        created_by: who; whoever commits by default.
        version: the number that it shall have; those below it which were never given are then
            marked as left out. The next one by default.
    """

    source: Path | ModelVersion | None = None
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


@dataclass(frozen=True)
class Given:
    """A registration of which the caller knows all; ``push`` says whether it is published."""

    name: str
    known: Provenance
    push: bool = False


@contextmanager
def source_of(material: Provenance, state: RegistryState) -> Iterator[Source | ModelVersion]:
    """Yield where the bytes are; a text lies in a file for as long.

    Raises:
        InvalidRequest: none or several are given, or the text's name is no artifact's.
        NotFound: nothing is there, or no such version.
    """
    if (material.source is None) == (material.text is None):
        raise InvalidRequest("give the bytes of a version as its source, or as a text; one of both")
    if isinstance(material.source, ModelVersion):
        yield state.version(material.source.model, material.source.version)
    elif material.source is not None:
        if not material.source.exists():
            raise NotFound(f"{material.source}: no such file or folder")
        yield Source(material.source.resolve(), None)
    elif material.text is not None:
        name, content = material.text
        if not is_artifact_name(name) or name == "model":
            raise InvalidRequest(f"{name!a} is no artifact's name: 'model.' and an extension")
        with tempfile.TemporaryDirectory(prefix="gitreg-") as folder:
            path = Path(folder).resolve() / name
            path.write_text(content, "utf-8", newline="")
            yield Source(path, None)


def registration_of(given: Given, source: Source | ModelVersion, who: Signature) -> Registration:
    """Return what is registered, of bytes that are not known yet.

    Args:
        given: what is known.
        source: where the bytes are.
        who: who commits, and when.

    Raises:
        InvalidRequest: a value is malformed.
    """
    material = given.known
    artifact = source.artifact.path if isinstance(source, ModelVersion) else source.artifact_name
    metrics, lost_metrics = _metrics(material.metrics)
    params = plain(plain_numbers(material.params), "params", strict=True)
    params, lost_params = _fitting(params, "params")
    signature, lost_signature = _signature(material.signature)
    requirements, lost_requirements = _requirements(material.requirements)
    lineage, lost_data = _public(material.lineage)
    return Registration(
        model=given.name,
        artifact=Artifact(artifact, 0, 1, "0" * 64, "0" * 32),
        created_at=_time(material.created_at) or who.utc,
        created_by=_person(material.created_by) or who.person,
        metrics=metrics,
        params=params,
        lineage=lineage,
        environment=replace(
            material.environment, requirements=None if requirements is None else REQUIREMENTS
        ),
        requirements=requirements,
        description=material.description,
        tags=dict(material.tags),
        signature=signature,
        number=material.version,
        left_out=Tombstone(who.utc, who.person, NOT_IMPORTED),
        warnings=(*lost_metrics, *lost_params, *lost_signature, *lost_requirements, *lost_data),
    )


def _metrics(
    given: Mapping[str, int | float],
) -> tuple[dict[str, int | float], tuple[str, ...]]:
    """Return the metrics that a manifest can hold, and warnings of the others."""
    numbers = plain_numbers(given)
    odd = [
        name
        for name, value in numbers.items()
        if isinstance(value, float) and not math.isfinite(value)
    ]
    kept = {name: value for name, value in numbers.items() if name not in odd}
    known = flatten_metrics(plain(kept, "metrics", strict=True), "metrics")
    fitting, lost = _fitting(known, "metrics")
    warnings = (f"metrics left out, not finite: {', '.join(odd)}",) if odd else ()
    return fitting, (*warnings, *lost)


def _fitting(
    values: Mapping[str, _V], what: str, limit: int = PART_LIMIT
) -> tuple[dict[str, _V], tuple[str, ...]]:
    """Return the first of some values, as many as a manifest has room for."""
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
    """Return a lineage without the credentials that its URLs may hold, as far as it fits."""
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
        raise InvalidRequest(f"created_at: {given[:40]!a} is no time like 2026-11-22T20:25:06Z")
    return given


def _person(given: str | None) -> str | None:
    if given is not None and has_invisible(given):
        raise InvalidRequest("created_by has a control or invisible character")
    return given
