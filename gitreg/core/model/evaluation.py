"""``evaluations/NAME.yaml``: what was measured of a version, and on which data.

The file says neither model nor number: the SHA-256 of the bytes ties it to its version, also after
the model is renamed.

>>> measured = Evaluation(
...     "holdout", "9f" * 32, "2026-11-22T20:25:06Z", "Ada <ada@example.com>",
...     DataDependency("data/holdout.csv", "91" * 16, 90211), {"roc_auc": 0.921},
... )
>>> read_evaluation(write_evaluation(measured), "holdout.yaml") == measured
True
"""

from __future__ import annotations

import re
from functools import lru_cache

from gitreg.core.documents import yaml
from gitreg.core.documents.fields import Fields
from gitreg.core.documents.yaml import Value
from gitreg.core.model.manifest import (
    MD5,
    SHA256,
    code_document,
    dump_checked,
    present,
    read_code,
)
from gitreg.core.model.model import DataDependency, Evaluation, Predictions, Slice
from gitreg.core.model.names import is_evaluation_name
from gitreg.errors import InvalidDocument

FORMAT = 1
"""The format of evaluations that this release reads and writes."""

_FILE = re.compile("[0-9a-f]{32}")
_BYTES = "64 lower-case hex digits"


def write_evaluation(evaluation: Evaluation) -> bytes:
    """Return the file of an evaluation.

    Raises:
        InvalidRequest: a value breaks a rule, or the file would be too large.
    """
    data, predictions = evaluation.data, evaluation.predictions
    document: dict[str, Value] = {
        "format": FORMAT,
        "name": evaluation.name,
        "sha256": evaluation.sha256,
        "created_at": evaluation.created_at,
        "created_by": evaluation.created_by,
        "data": present(
            path=data.path,
            md5=data.md5,
            size=data.size,
            digest=data.digest,
            split=evaluation.split,
        ),
        "metrics": dict(evaluation.metrics),
    }
    more = present(
        intervals={metric: list(bounds) for metric, bounds in evaluation.intervals.items()},
        threshold=evaluation.threshold,
        slices=[
            present(where=part.where, rows=part.rows, metrics=dict(part.metrics))
            for part in evaluation.slices
        ],
        predictions=present(md5=predictions.md5, size=predictions.size) if predictions else None,
        command=evaluation.command,
        code=code_document(evaluation.code),
    )
    return dump_checked(document | more, read_evaluation, f"{evaluation.name}.yaml")


@lru_cache(maxsize=4096)
def read_evaluation(data: bytes, where: str) -> Evaluation:
    """Return the evaluation that a file describes.

    Each content is parsed once, since an evaluation never changes.

    Raises:
        InvalidDocument: the document breaks a rule; the message names file and field.
    """
    fields = Fields(yaml.parse(data, where), where)
    if fields.integer("format") != FORMAT:
        fields.fail("format", f"expected {FORMAT}")
    fields.only(
        (
            *("format", "name", "sha256", "created_at", "created_by", "data", "metrics"),
            *("intervals", "threshold", "slices", "predictions", "command", "code"),
        )
    )
    name = fields.text("name")
    if not is_evaluation_name(name):
        fields.fail("name", "lower-case letters, digits and inner . _ or - only")
    measured_on = fields.fields_of("data").only(("path", "md5", "size", "digest", "split"))
    metrics = fields.numbers("metrics")
    slices = _read_slices(fields)
    if not metrics and not slices:
        fields.fail("metrics", "expected at least one number, here or in a slice")
    predictions = None
    if fields.has("predictions"):
        inner = fields.fields("predictions").only(("md5", "size"))
        predictions = Predictions(
            inner.matching("md5", _FILE, "the MD5 of a file"), inner.integer("size")
        )
    return Evaluation(
        name,
        fields.matching("sha256", SHA256, _BYTES),
        fields.text("created_at"),
        fields.text("created_by"),
        DataDependency(
            measured_on.text("path"),
            measured_on.matching("md5", MD5, "an MD5, with .dir for a folder")
            if measured_on.has("md5")
            else None,
            measured_on.optional_integer("size"),
            measured_on.optional_text("digest"),
        ),
        metrics,
        measured_on.optional_text("split"),
        read_intervals(fields),
        fields.number("threshold") if fields.has("threshold") else None,
        slices,
        predictions,
        fields.optional_text("command"),
        read_code(fields),
    )


def _read_slices(fields: Fields) -> tuple[Slice, ...]:
    slices: list[Slice] = []
    for entry in fields.entries("slices"):
        entry.only(("where", "rows", "metrics"))
        where = entry.text("where")
        if not where.strip() or where == "*" or where in (part.where for part in slices):
            entry.fail("where", "expected a text that no other slice has, and not *")
        slices.append(Slice(where, entry.numbers("metrics"), entry.optional_integer("rows")))
    return tuple(slices)


def read_intervals(fields: Fields) -> dict[str, tuple[int | float, int | float]]:
    """Return the field ``intervals``: metric to its lowest and highest value.

    Raises:
        InvalidDocument: these are not two finite numbers, or the highest comes first.
    """
    inner = fields.fields("intervals")
    found = {}
    for metric in fields.mapping("intervals"):
        bounds = inner.items(metric)
        if len(bounds) != 2:
            inner.fail(metric, "expected two numbers, the lowest and the highest value")
        low, high = (
            Fields({metric: bound}, fields.where, "intervals.").number(metric) for bound in bounds
        )
        if low > high:
            inner.fail(metric, "the lowest value comes first")
        found[metric] = (low, high)
    return found


def read_evaluation_of(data: bytes, where: str, name: str, sha256: str) -> Evaluation:
    """Return the evaluation in a version's folder.

    Args:
        data: the file.
        where: its path.
        name: the evaluation's name by its path.
        sha256: of the version's bytes.

    Raises:
        InvalidDocument: the document breaks a rule, or is of another name or of other bytes.
    """
    found = read_evaluation(data, where)
    if found.name != name:
        raise InvalidDocument(f"{where}: name: it is {found.name!r}, and not that of the file")
    if found.sha256 != sha256:
        raise InvalidDocument(f"{where}: sha256: other bytes than this version's were evaluated")
    return found
