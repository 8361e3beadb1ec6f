"""What an evaluation wrote: numbers, those of slices, intervals and a threshold, in one file.

>>> found = parse_measurements(
...     b'{"roc_auc": 0.9, "slices": [{"where": "age < 25", "rows": 40, "recall": 0.7}]}', "m.json"
... )
>>> found.metrics, found.slices
({'roc_auc': 0.9}, (Slice(where='age < 25', metrics={'recall': 0.7}, rows=40),))
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gitreg.artifacts.files import read_bytes
from gitreg.artifacts.metrics_and_params import check_format, parse_values
from gitreg.artifacts.plain_values import flatten_metrics
from gitreg.core.documents.fields import Fields
from gitreg.core.documents.yaml import Value
from gitreg.core.model.evaluation import read_intervals
from gitreg.core.model.model import Slice

_BESIDE = ("slices", "intervals", "threshold")
_OF_A_SLICE = ("where", "rows", "metrics")


@dataclass(frozen=True)
class Measurements:
    """The numbers of an evaluation; see `gitreg.core.model.model.Evaluation`."""

    metrics: Mapping[str, int | float]
    intervals: Mapping[str, tuple[int | float, int | float]] = field(default_factory=dict)
    threshold: int | float | None = None
    slices: tuple[Slice, ...] = ()


def read_measurements(path: Path) -> Measurements:
    """Return the measurements in a JSON, YAML or TOML file.

    Raises:
        NotFound: there is no such file.
        InvalidRequest: its extension is another one.
        InvalidDocument: a value is not what it has to be.
        WorldError: it cannot be read.
    """
    check_format(path, "metrics")
    return parse_measurements(read_bytes(path, "metrics"), str(path))


def parse_measurements(data: bytes, where: str) -> Measurements:
    """Return the measurements that the bytes of the file ``where`` hold.

    Every key is a metric, nested ones under dotted names, but ``threshold``, ``intervals`` (metric
    to its lowest and highest value) and ``slices``: a list of mappings with ``where``, ``rows`` and
    metrics.
    """
    return measurements_of(parse_values(data, where), where)


def measurements_of(values: Mapping[str, Value], where: str) -> Measurements:
    """Return the measurements in values that were read from ``where``; see above."""
    fields = Fields(values, where)
    return Measurements(
        flatten_metrics(_without(values, _BESIDE), where),
        read_intervals(fields),
        fields.number("threshold") if fields.has("threshold") else None,
        tuple(_slices(fields, where)),
    )


def _slices(fields: Fields, where: str) -> Iterator[Slice]:
    entries = fields.entries("slices")
    for entry, raw in zip(entries, fields.items("slices"), strict=True):
        assert isinstance(raw, dict)
        metrics = _without(raw, _OF_A_SLICE) | dict(entry.mapping("metrics"))
        place = f"{where}: slices"
        yield Slice(
            entry.text("where"), flatten_metrics(metrics, place), entry.optional_integer("rows")
        )


def _without(values: Mapping[str, Value], names: tuple[str, ...]) -> dict[str, Value]:
    return {name: value for name, value in values.items() if name not in names}
