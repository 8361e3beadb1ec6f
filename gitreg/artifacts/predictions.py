"""How sure it is that one version is better, by the labels and scores of both on the same rows.

The area under the ROC curve has an exact test, that of DeLong, DeLong and Clarke-Pearson (1988), in
the fast form of Sun and Xu (2014). Any other metric is measured again on rows drawn with
replacement, the same rows for both versions: a paired bootstrap, whose seed is fixed, so that the
same files give the same answer on every machine.

NumPy and SciPy compute it: the extra ``gitreg[evaluation]``.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
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
        if metric not in KNOWN:
            known = ", ".join(("roc_auc", *KNOWN))
            return f"how sure {metric} is cannot be computed, only {known}"
        found = _bootstrap(labels, new, old, metric, 0.5 if threshold is None else threshold)
        return found if isinstance(found, str) else _between(found, confidence, len(labels), metric)
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


def _between(differences: Numbers, confidence: float, rows: int, metric: str) -> Sure | str:
    import numpy as np

    if not np.isfinite(differences).all():
        return f"{metric} is not defined on samples of these {rows} rows"
    low, high = np.quantile(differences, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Sure(float(low), float(high), confidence, "bootstrap", rows)


def _bootstrap(
    labels: Numbers,
    new: Numbers,
    old: Numbers,
    metric: str,
    threshold: float,
) -> Numbers | str:
    """Return the difference of a metric on each sample of rows, or why there is none.

    The metrics are computed on all samples at once: a call of scikit-learn for each takes a
    millisecond, whatever the number of rows, and there are thousands.
    """
    import numpy as np

    random = np.random.default_rng(0)
    if metric in _OF_ERRORS:
        columns, value = _OF_ERRORS[metric]
        both = np.hstack([columns(labels, new), columns(labels, old)])
        means = np.stack([times @ both for times in _samples(random, len(labels))]) / len(labels)
    elif not np.isin(labels, (0, 1)).all():
        return f"{metric} needs the labels 0 and 1"
    elif metric == _AVERAGE_PRECISION:
        first, second = _ranked(labels, new), _ranked(labels, old)
        samples = _samples(random, len(labels))
        return np.array([first(times) - second(times) for times in samples])
    else:
        value = _OF_DECISIONS[metric]
        # A row is one of eight: its label, and what each version says. How often each is drawn
        # is all that counts, so that the number of rows does not matter.
        kinds = np.array(list(itertools.product((0, 1), repeat=3)))
        codes = (labels * 4 + (new >= threshold) * 2 + (old >= threshold)).astype(int)
        often = np.bincount(codes, minlength=len(kinds)) / len(labels)
        counts = random.multinomial(len(labels), often, size=_RESAMPLES) / len(labels)
        means = counts @ np.hstack([_outcomes(kinds[:, 0], kinds[:, at]) for at in (1, 2)])
    width = means.shape[1] // 2
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Numbers = value(means[:, :width].T) - value(means[:, width:].T)
    return found


def _samples(random: np.random.Generator, rows: int) -> Iterator[Any]:
    """Yield how often each row is drawn, sample by sample."""
    import numpy as np

    for _ in range(_RESAMPLES):
        yield np.bincount(random.integers(0, rows, rows), minlength=rows)


def _outcomes(labels: Any, decided: Any) -> Numbers:
    """Return whether each row is a true positive, false positive, false and true negative."""
    import numpy as np

    pairs = ((1, 1), (0, 1), (1, 0), (0, 0))
    rows = [(labels == label) & (decided == says) for label, says in pairs]
    return np.stack(rows, axis=1).astype(float)


def _ranked(labels: Numbers, scores: Numbers) -> Callable[[Numbers], float]:
    """Return the average precision of rows by how often each is drawn; they are sorted once."""
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    positive = labels[order]

    def average(times: Numbers) -> float:
        drawn = times[order]
        true, every = np.cumsum(drawn * positive)[ends], np.cumsum(drawn)[ends]
        if not true[-1]:
            return 0.0
        precision = np.divide(true, every, out=np.zeros(len(ends)), where=every > 0)
        return float((np.diff(true, prepend=0) / true[-1]) @ precision)

    return average


def _ratio(part: Any, whole: Any) -> Any:
    """Return a ratio, which is 0 of nothing, as scikit-learn has it with ``zero_division=0``."""
    import numpy as np

    return np.where(whole > 0, part / whole, 0.0)


def _balanced(means: Numbers) -> Numbers:
    """Return the mean recall of the labels that there are."""
    import numpy as np

    tp, fp, fn, tn = means
    found: Numbers = np.nanmean(np.stack([tp / (tp + fn), tn / (tn + fp)]), axis=0)
    return found


_OF_DECISIONS: Mapping[str, Callable[[Any], Any]] = {
    "accuracy": lambda means: means[0] + means[3],
    "balanced_accuracy": _balanced,
    "precision": lambda means: _ratio(means[0], means[0] + means[1]),
    "recall": lambda means: _ratio(means[0], means[0] + means[2]),
    "f1": lambda means: _ratio(2 * means[0], 2 * means[0] + means[1] + means[2]),
}
"""Metrics of decisions, by the shares of true and false positives, false and true negatives."""


def _squares(labels: Numbers, scores: Numbers) -> Numbers:
    return (labels - scores)[:, None] ** 2


def _spread(labels: Numbers, scores: Numbers) -> Numbers:
    import numpy as np

    # Far from zero, the difference of two large squares would be noise.
    centred = labels - labels.mean()
    return np.stack([(labels - scores) ** 2, centred, centred**2], axis=1)


_OF_ERRORS: Mapping[str, tuple[Callable[[Any, Any], Any], Callable[[Any], Any]]] = {
    "brier": (_squares, lambda means: means[0]),
    "mae": (lambda labels, scores: abs(labels - scores)[:, None], lambda means: means[0]),
    "mse": (_squares, lambda means: means[0]),
    "rmse": (_squares, lambda means: means[0] ** 0.5),
    "r2": (_spread, lambda means: 1 - means[0] / (means[2] - means[1] ** 2)),
}
"""Metrics of errors: columns of each row, and the metric by the means of these columns."""

_AVERAGE_PRECISION = "average_precision"
KNOWN = (*_OF_DECISIONS, _AVERAGE_PRECISION, *_OF_ERRORS)
"""The metrics whose difference can be drawn again; `roc_auc` has a test of its own."""
