"""The verdict on a reproduction: by the bytes of each file, and by the metrics.

>>> judge(
...     Outcome({"model.pkl": "9f"}, {"auc": 0.92}), Outcome({"model.pkl": "4b"}, {"auc": 0.9201}),
...     {"auc": 0.001},
... ).verdict
'equivalent'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

IDENTICAL, EQUIVALENT, DIFFERENT = "identical", "equivalent", "different"
INCONCLUSIVE = "inconclusive"

EVERY_METRIC = ""
"""The key of the tolerance of metrics that have none of their own."""


@dataclass(frozen=True)
class Outcome:
    """What a training gave.

    Attributes:
        files: path to SHA-256, of each file of the artifact.
        metrics: name to value.
    """

    files: Mapping[str, str]
    metrics: Mapping[str, int | float] = field(default_factory=dict)


@dataclass(frozen=True)
class ComparedMetric:
    """A metric then and now; ``found`` is ``None`` where it was not measured again."""

    recorded: int | float
    found: int | float | None
    tolerance: int | float

    @property
    def is_within(self) -> bool:
        """Whether the difference is at most the tolerance, in decimals as people write them."""
        if self.found is None:
            return False
        recorded, found, most = (
            Decimal(repr(one)) for one in (self.recorded, self.found, self.tolerance)
        )
        return abs(found - recorded) <= most


@dataclass(frozen=True)
class Verdict:
    """What came out of a reproduction.

    Attributes:
        verdict: `IDENTICAL` bytes; `EQUIVALENT` metrics; `DIFFERENT`; or `INCONCLUSIVE`.
        bytes: path to whether the file is identical; ``None`` for one that is on one side only.
        metrics: the recorded metrics, then and now.
        missing: what an inconclusive one lacks, in words.
    """

    verdict: str
    bytes: Mapping[str, bool | None] = field(default_factory=dict)
    metrics: Mapping[str, ComparedMetric] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 for `IDENTICAL` and `EQUIVALENT`, 1 for `DIFFERENT`, 3 for `INCONCLUSIVE`."""
        return {IDENTICAL: 0, EQUIVALENT: 0, DIFFERENT: 1}.get(self.verdict, 3)


def inconclusive(*missing: str) -> Verdict:
    """Return the verdict where something is missing."""
    return Verdict(INCONCLUSIVE, missing=missing)


def judge(recorded: Outcome, found: Outcome, tolerances: Mapping[str, int | float]) -> Verdict:
    """Return the verdict on two outcomes.

    Args:
        recorded: of the version.
        found: of the reproduction.
        tolerances: metric to the largest difference; `EVERY_METRIC` for all others. Without one,
            a metric has to be the same number.
    """
    paths = sorted({*recorded.files, *found.files})
    same = {
        path: recorded.files[path] == found.files[path]
        if path in recorded.files and path in found.files
        else None
        for path in paths
    }
    default = tolerances.get(EVERY_METRIC, 0)
    metrics = {
        name: ComparedMetric(value, found.metrics.get(name), tolerances.get(name, default))
        for name, value in recorded.metrics.items()
    }
    if all(same.values()):
        verdict = IDENTICAL
    elif metrics and all(metric.is_within for metric in metrics.values()):
        verdict = EQUIVALENT
    else:
        verdict = DIFFERENT
    return Verdict(verdict, same, metrics)
