"""Which number of a version a gate is about, and whether two of them may be compared.

>>> str(Measure("roc_auc")), str(Measure("recall", "fairness", "age < 25"))
('roc_auc', 'fairness:recall where age < 25')
>>> parse_measure("holdout-2026q4:roc_auc")
Measure(metric='roc_auc', evaluation='holdout-2026q4', slice=None)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from gitreg.core.documents.yaml import kind
from gitreg.core.model.model import Evaluation, ModelVersion
from gitreg.core.model.names import is_evaluation_name

EVERY_SLICE = "*"

_PROGRAMS = frozenset({".py", ".ipynb", ".r", ".jl", ".sh"})

_HASH = 9
"""How many digits of a hash a line shows."""


@dataclass(frozen=True)
class Measure:
    """A number that versions have.

    Attributes:
        metric: its name.
        evaluation: where it was measured; ``None`` for the metrics of the registration.
        slice: on which part of the data; `EVERY_SLICE` for each of them, ``None`` for all of it.
    """

    metric: str
    evaluation: str | None = None
    slice: str | None = None

    def __str__(self) -> str:
        name = self.metric if self.evaluation is None else f"{self.evaluation}:{self.metric}"
        if self.slice is None:
            return name
        return (
            f"{name} where {self.slice}" if self.slice != EVERY_SLICE else f"{name} of each slice"
        )

    def of(self, version: ModelVersion) -> dict[str, int | float] | str:
        """Return a version's numbers, each under its name for people, or why there are none.

        There are several only for `EVERY_SLICE`.
        """
        numbers = self._metrics(version)
        if isinstance(numbers, str):
            return numbers
        found: dict[str, int | float] = {}
        for name, metrics in numbers.items():
            value: object = metrics.get(self.metric)
            if value is None:
                return f"{name} is missing from {version.reference}"
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                return f"{name} of {version.reference} is {kind(value)}, not a number"
            if not math.isfinite(value):
                return f"{name} of {version.reference} is {value}, not a finite number"
            found[name] = value
        return found

    def _metrics(self, version: ModelVersion) -> dict[str, Mapping[str, int | float]] | str:
        if self.evaluation is None:
            return {str(self): version.metrics}
        evaluation = version.evaluations.get(self.evaluation)
        if evaluation is None:
            return f"{version.reference} has no evaluation {self.evaluation}"
        if self.slice is None:
            return {str(self): evaluation.metrics}
        wanted = {
            str(Measure(self.metric, self.evaluation, part.where)): part.metrics
            for part in evaluation.slices
            if self.slice in (EVERY_SLICE, part.where)
        }
        what = "no slices" if self.slice == EVERY_SLICE else f"no slice {self.slice!r}"
        return wanted or f"{self.evaluation} of {version.reference} has {what}"


def unfair(one: ModelVersion, other: ModelVersion, evaluation: str) -> str | None:
    """Return why the numbers of an evaluation of two versions are not comparable.

    ``None`` where the data of both is the same by its hash, or where one has no such evaluation.
    """
    pair = [(version, version.evaluations.get(evaluation)) for version in (one, other)]
    found = [(version, there) for version, there in pair if there is not None]
    for version, there in found:
        if there.measured_on is None:
            return f"{evaluation} of {version.reference} does not name its data by a hash"
    if len({there.measured_on for _, there in found}) < 2:
        return None
    told = " and ".join(f"{version.reference} on {data_of(there)}" for version, there in found)
    return f"{evaluation} was measured on different data: {told}"


def other_data(one: ModelVersion, other: ModelVersion) -> tuple[str, ...] | None:
    """Return the paths of the data that only one of two versions has, or in another state.

    The metrics of a registration may be of different data then. A script among the dependencies of
    a stage is no data. ``None`` where that is not known: a version names no data, or some of it
    without a hash.
    """
    sides = [
        {item.path: item.state for item in version.lineage.data if not _is_program(item.path)}
        for version in (one, other)
    ]
    if not all(sides) or any(None in side.values() for side in sides):
        return None
    old, new = sides
    return tuple(path for path in {**old, **new} if old.get(path) != new.get(path))


def _is_program(path: str) -> bool:
    return PurePosixPath(path).suffix.lower() in _PROGRAMS


def data_of(evaluation: Evaluation) -> str:
    """Return the data of an evaluation for people: ``data/holdout.csv (91cc01b2f)``."""
    data = evaluation.data
    state = data.state[:_HASH] if data.state else "hash unknown"
    part = f", {evaluation.split}" if evaluation.split else ""
    return f"{data.path} ({state}{part})"


def parse_measure(text: str) -> Measure:
    """Return what ``METRIC`` or ``EVALUATION:METRIC`` names."""
    evaluation, colon, metric = text.partition(":")
    if colon and metric and is_evaluation_name(evaluation):
        return Measure(metric, evaluation)
    return Measure(text)
