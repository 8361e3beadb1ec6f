"""Metric gates of a promotion: a candidate must be better than the version in the stage.

>>> from gitreg.model import Artifact, ModelVersion
>>> old, new = (
...     ModelVersion("m", n, "", "", Artifact("model", 0, 1, ""), metrics={"auc": auc})
...     for n, auc in ((1, 0.90), (2, 0.92))
... )
>>> Gate("auc", higher_is_better=True).judge(new, old)
Verdict(passed=True, line='auc 0.92 > 0.9 (m@1)')
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gitreg.model import ModelVersion


@dataclass(frozen=True)
class Verdict:
    """What a gate says, with the numbers, in one line."""

    passed: bool
    line: str


@dataclass(frozen=True)
class Gate:
    """A candidate must be strictly better than an incumbent by one metric."""

    metric: str
    higher_is_better: bool

    def judge(self, candidate: ModelVersion, incumbent: ModelVersion) -> Verdict:
        """Return the verdict. A metric that is missing on either side fails."""
        missing = self.missing(candidate) or self.missing(incumbent)
        if missing is not None:
            return missing
        new, old = candidate.metrics[self.metric], incumbent.metrics[self.metric]
        passed = new > old if self.higher_is_better else new < old
        wanted = ">" if self.higher_is_better else "<"
        found = wanted if passed else "is not " + wanted
        told_apart = f"{new:g}" != f"{old:g}" or new == old
        shown = f"{new:g} {found} {old:g}" if told_apart else f"{new!r} {found} {old!r}"
        return Verdict(passed, f"{self.metric} {shown} ({incumbent.reference})")

    def missing(self, version: ModelVersion) -> Verdict | None:
        """Return the verdict on a version without the metric, which fails; ``None`` if it is there.

        A candidate needs it even where there is nothing to beat: a name misspelt must not pass.
        """
        value = version.metrics.get(self.metric)
        if value is not None and math.isfinite(value):
            return None
        return Verdict(False, f"{self.metric} is missing from {version.reference}")


def metrics_beside(candidate: ModelVersion, incumbent: ModelVersion | None) -> list[str]:
    """Return the candidate's metrics as lines of evidence, beside the incumbent's."""
    lines = []
    for name, value in candidate.metrics.items():
        line = f"{name} {value:g}"
        if incumbent is not None and name in incumbent.metrics:
            line += f", was {incumbent.metrics[name]:g} ({incumbent.reference})"
        lines.append(line)
    return lines[:20]
