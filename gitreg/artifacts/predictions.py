"""How sure it is that one version is better, by the labels and scores of both on the same rows.

The area under the ROC curve has an exact test, that of DeLong, DeLong and Clarke-Pearson (1988), in
the fast form of Sun and Xu (2014). Any other metric is measured again on rows drawn with
replacement, the same rows for both versions: a paired bootstrap, whose seed is fixed, so that the
same files give the same answer on every machine.

NumPy, SciPy and scikit-learn compute it: the extra ``gitreg[evaluation]``.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gitreg.core.policy.verdict import Sure
from gitreg.errors import InvalidDocument, InvalidRequest

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy as np
    import numpy.typing as npt

    Numbers: TypeAlias = npt.NDArray[np.float64]

SIZE_LIMIT = 256 * 1024**2
"""The largest file of predictions that is read, in bytes."""

_RESAMPLES = 2000
_COLUMNS = ("label", "score")
_INSTALL = "pip install 'gitreg[evaluation]'"


def read_predictions(data: bytes, where: str) -> tuple[Numbers, Numbers]:
    """Return the labels and the scores of a CSV file with the columns ``label`` and ``score``.

    Raises:
        InvalidDocument: it has no such columns, no rows, or something that is no finite number.
    """
    import numpy as np

    try:
        rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig")))
        columns = {name.strip(): name for name in rows.fieldnames or ()}
        missing = [name for name in _COLUMNS if name not in columns]
        if missing:
            raise InvalidDocument(f"{where}: no column {missing[0]!r}")
        pairs = [[float(row[columns[name]]) for name in _COLUMNS] for row in rows]
    except (ValueError, TypeError, csv.Error) as error:
        raise InvalidDocument(f"{where}: not a CSV file of numbers: {error}") from None
    table = np.array(pairs, dtype=float).reshape(-1, len(_COLUMNS))
    if not len(table) or not np.isfinite(table).all():
        raise InvalidDocument(f"{where}: expected finite numbers, at least one row")
    return table[:, 0], table[:, 1]


def surely_better(
    candidate: bytes,
    incumbent: bytes,
    metric: str,
    confidence: float,
    threshold: float | None = None,
) -> Sure | str:
    """Return the interval of a metric's difference, candidate minus incumbent.

    Args:
        candidate: its predictions, a CSV file with ``label`` and ``score``.
        incumbent: likewise, of the same rows in the same order.
        metric: ``roc_auc``, ``recall``, ``rmse``; an unknown name gets the list of all.
        confidence: between 0 and 1.
        threshold: from which score a prediction counts as positive; 0.5 by default.

    Returns:
        The interval, or why there is none.
    """
    try:
        labels, new = read_predictions(candidate, "the candidate's predictions")
        others, old = read_predictions(incumbent, "the incumbent's predictions")
        if len(labels) != len(others) or (labels != others).any():
            return "the predictions of the two versions are not of the same rows"
        if metric == "roc_auc":
            return _delong(labels, new, old, confidence)
        measure = _metrics(0.5 if threshold is None else threshold).get(metric)
        if measure is None:
            known = ", ".join(("roc_auc", *_metrics(0.5)))
            return f"how sure {metric} is cannot be computed, only {known}"
        return _bootstrap(labels, new, old, measure, confidence)
    except ImportError as error:
        return f"{error.name} is not installed: {_INSTALL}"
    except (InvalidDocument, InvalidRequest) as error:
        return str(error)


def _delong(
    labels: Numbers,
    new: Numbers,
    old: Numbers,
    confidence: float,
) -> Sure | str:
    import numpy as np
    from scipy.stats import norm, rankdata

    positive = labels == labels.max()
    m, n = int(positive.sum()), int((~positive).sum())
    if len(np.unique(labels)) != 2 or min(m, n) < 2:
        return "roc_auc needs two labels, each on two rows or more"
    of_positives, of_negatives, areas = [], [], []
    for scores in (new, old):
        over_all = rankdata(np.concatenate([scores[positive], scores[~positive]]))
        above = (over_all[:m] - rankdata(scores[positive])) / n
        of_positives.append(above)
        of_negatives.append(1 - (over_all[m:] - rankdata(scores[~positive])) / m)
        areas.append(above.mean())
    covariance = np.cov(of_positives) / m + np.cov(of_negatives) / n
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    half = float(norm.ppf((1 + confidence) / 2)) * math.sqrt(max(float(variance), 0.0))
    difference = float(areas[0] - areas[1])
    return Sure(difference - half, difference + half, confidence, "DeLong", len(labels))


def _bootstrap(
    labels: Numbers,
    new: Numbers,
    old: Numbers,
    measure: Callable[[Any, Any], float],
    confidence: float,
) -> Sure:
    import numpy as np

    random = np.random.default_rng(0)
    differences = []
    for _ in range(_RESAMPLES):
        rows = random.integers(0, len(labels), len(labels))
        differences.append(measure(labels[rows], new[rows]) - measure(labels[rows], old[rows]))
    low, high = np.quantile(differences, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Sure(float(low), float(high), confidence, "bootstrap", len(labels))


def _metrics(threshold: float) -> Mapping[str, Callable[[Any, Any], float]]:
    """Return what can be measured of labels and scores, by the names that people use."""
    from sklearn import metrics

    def decided(measure: Callable[..., float], **options: object) -> Callable[[Any, Any], float]:
        return lambda labels, scores: float(measure(labels, scores >= threshold, **options))

    return {
        "accuracy": decided(metrics.accuracy_score),
        "balanced_accuracy": decided(metrics.balanced_accuracy_score),
        "precision": decided(metrics.precision_score, zero_division=0),
        "recall": decided(metrics.recall_score, zero_division=0),
        "f1": decided(metrics.f1_score, zero_division=0),
        "average_precision": metrics.average_precision_score,
        "brier": metrics.brier_score_loss,
        "mae": metrics.mean_absolute_error,
        "mse": metrics.mean_squared_error,
        "rmse": metrics.root_mean_squared_error,
        "r2": metrics.r2_score,
    }
