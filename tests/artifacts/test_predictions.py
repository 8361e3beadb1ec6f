"""How sure a difference is: against brute force, against resampling, and where nothing is known."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from gitreg.artifacts import predictions
from gitreg.artifacts.predictions import read_predictions, surely_better
from gitreg.core.policy.verdict import Sure
from gitreg.errors import InvalidDocument

pytest.importorskip("scipy")
pytest.importorskip("sklearn")

FEW = 100
"""How often rows are drawn here."""

Rows = Any
"""Pairs of label and score, in a list or an array."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitreg.artifacts.predictions._RESAMPLES", FEW)


def csv(rows: Rows) -> bytes:
    return "".join(["label,score\n", *(f"{label},{score}\n" for label, score in rows)]).encode()


def made(signal: float, seed: int, count: int = 120) -> list[tuple[float, float]]:
    """Make rows whose labels alternate; scores are rounded, so that there are ties."""
    chance = random.Random(seed)
    return [(n % 2, round(n % 2 * signal + chance.random(), 1)) for n in range(count)]


def area(rows: Rows) -> float:
    """Compute the area under the curve by its definition: every pair, and a tie counts half."""
    positives = [score for label, score in rows if label]
    negatives = [score for label, score in rows if not label]
    won = sum((p > n) + (p == n) / 2 for p in positives for n in negatives)
    return float(won) / len(positives) / len(negatives)


def resampled(new: Rows, old: Rows) -> tuple[float, float]:
    """Compute the middle 95 % of the differences over rows drawn again, both classes as large."""
    chance = random.Random(5)
    groups = [[n for n, row in enumerate(new) if row[0] == label] for label in (0, 1)]
    found: list[float] = []
    for _ in range(400):
        drawn = [n for group in groups for n in chance.choices(group, k=len(group))]
        found.append(area([new[n] for n in drawn]) - area([old[n] for n in drawn]))
    found.sort()
    return found[10], found[-11]


def test_delong_is_around_the_area_of_all_pairs() -> None:
    new, old = made(0.5, 1), made(0.3, 2)
    found = surely_better(csv(new), csv(old), "roc_auc", 0.95)
    assert isinstance(found, Sure)
    assert (found.low + found.high) / 2 == pytest.approx(area(new) - area(old))
    assert (found.method, found.rows, found.confidence) == ("DeLong", 120, 0.95)
    low, high = resampled(new, old)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.04)


def test_delong_is_narrow_where_both_are_right_about_the_same_rows() -> None:
    old = made(0.3, 2)
    nearly = [(label, score + 0.3 * label) for label, score in old]
    alike = surely_better(csv(nearly), csv(old), "roc_auc", 0.95)
    others = surely_better(csv(made(0.6, 1)), csv(old), "roc_auc", 0.95)
    assert isinstance(alike, Sure)
    assert isinstance(others, Sure)
    assert 0 < alike.high - alike.low < (others.high - others.low) * 0.75
    same = surely_better(csv(old), csv(old), "roc_auc", 0.95)
    assert isinstance(same, Sure)
    assert (same.low, same.high) == (0, 0)


def test_more_confidence_is_a_wider_interval() -> None:
    new, old = csv(made(0.5, 1)), csv(made(0.3, 2))
    for metric in ("roc_auc", "recall"):
        narrow, wide = (surely_better(new, old, metric, sure) for sure in (0.8, 0.99))
        assert isinstance(narrow, Sure)
        assert isinstance(wide, Sure)
        assert wide.low < narrow.low < narrow.high < wide.high


def test_the_bootstrap_answers_alike_each_time() -> None:
    new, old = csv(made(0.5, 1)), csv(made(0.3, 2))
    first = surely_better(new, old, "recall", 0.95)
    assert first == surely_better(new, old, "recall", 0.95)
    assert isinstance(first, Sure)
    assert first.method == "bootstrap"
    assert first.low < first.high
    higher = surely_better(new, old, "recall", 0.95, threshold=0.9)
    assert higher != first


def test_labels_of_a_regression() -> None:
    truth = [n / 10 for n in range(60)]
    new, old = (csv([(y, y + off * (-1) ** n) for n, y in enumerate(truth)]) for off in (0.1, 0.3))
    found = surely_better(new, old, "mae", 0.95)
    assert isinstance(found, Sure)
    assert (found.low, found.high) == pytest.approx((-0.2, -0.2))


def by_sklearn(metric: str, rows: Rows) -> float:
    import numpy as np
    from sklearn import metrics

    labels, scores = np.array(rows).T
    decided = {"accuracy", "balanced_accuracy", "precision", "recall", "f1"}
    if metric in decided:
        more = {} if "accuracy" in metric else {"zero_division": 0}
        name = metric if metric.startswith("balanced") else f"{metric}_score"
        measure = getattr(metrics, name if name.endswith("_score") else f"{name}_score")
        return float(measure(labels, scores >= 0.5, **more))
    names = {
        "average_precision": "average_precision_score",
        "brier": "brier_score_loss",
        "mae": "mean_absolute_error",
        "mse": "mean_squared_error",
        "rmse": "root_mean_squared_error",
        "r2": "r2_score",
    }
    return float(getattr(metrics, names[metric])(labels, scores))


@pytest.mark.parametrize("metric", predictions.KNOWN)
def test_each_metric_is_that_of_scikit_learn(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a sample that has some rows twice and others not at all."""
    import numpy as np

    times = np.array([2, 0, 1] * 20)
    old = np.array([(label, min(score, 1)) for label, score in made(0.3, 2, 60)])
    new = np.array([(label, min(score, 1)) for label, score in made(0.5, 1, 60)])
    expected = [by_sklearn(metric, np.repeat(rows, times, axis=0)) for rows in (new, old)]

    class Drawn:
        """Draws this sample, of rows and of kinds of rows."""

        def multinomial(self, _: int, often: object, size: int) -> object:
            labels = np.repeat(new, times, axis=0).T[0]
            first, second = (np.repeat(rows, times, axis=0).T[1] >= 0.5 for rows in (new, old))
            codes = (labels * 4 + first * 2 + second).astype(int)
            return np.stack([np.bincount(codes, minlength=8)] * size)

    monkeypatch.setattr("numpy.random.default_rng", lambda _seed: Drawn())
    monkeypatch.setattr(predictions, "_samples", lambda _random, _rows: iter([times]))
    found = surely_better(csv(new), csv(old), metric, 0.9)
    assert isinstance(found, Sure)
    assert (found.low, found.high) == pytest.approx([expected[0] - expected[1]] * 2)


def test_where_every_row_is_the_same_the_metric_is_exact() -> None:
    """A sample of one row repeated is that row: the value of each metric is then known."""
    for metric, expected in {"recall": 1, "precision": 1, "f1": 1, "accuracy": 1}.items():
        found = surely_better(csv([(1, 0.9)] * 4), csv([(1, 0.1)] * 4), metric, 0.9)
        assert isinstance(found, Sure)
        assert (found.low, found.high) == (expected, expected)
    nothing = surely_better(csv([(1, 0.9)] * 4), csv([(1, 0.1)] * 4), "r2", 0.9)
    assert nothing == "r2 is not defined on samples of these 4 rows"


def test_no_metric_is_called_for_each_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decisions need no row at all after the first count, however many there are."""
    drawn: list[int] = []

    def samples(_: object, count: int) -> Iterator[object]:
        drawn.append(count)
        return iter(())

    monkeypatch.setattr(predictions, "_samples", samples)
    rows = csv(made(0.5, 1, 1000))
    assert isinstance(surely_better(rows, rows, "f1", 0.95), Sure)
    assert drawn == []


GOOD = made(0.5, 1, 8)


@pytest.mark.parametrize(
    ("rows", "metric", "said"),
    [
        (GOOD, "rocauc", "how sure rocauc is cannot be computed, only roc_auc, accuracy"),
        (GOOD[:-1], "roc_auc", "are not of the same rows"),
        ([GOOD[1], GOOD[0], *GOOD[2:]], "roc_auc", "are not of the same rows"),
    ],
)
def test_why_nothing_is_known(rows: Rows, metric: str, said: str) -> None:
    found = surely_better(csv(GOOD), csv(rows), metric, 0.95)
    assert isinstance(found, str)
    assert said in found


@pytest.mark.parametrize("labels", [(0, 0, 0, 0), (0, 0, 0, 1), (0, 1, 2, 2)])
def test_the_area_needs_two_labels_on_two_rows_each(labels: Sequence[int]) -> None:
    rows = csv([(label, 0.5) for label in labels])
    found = surely_better(rows, rows, "roc_auc", 0.95)
    assert found == "roc_auc needs two labels, each on two rows or more"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"label,scores\n1,1\n", "it: no column 'score'"),
        (b"", "it: no column 'label'"),
        (b"label,score\n", "at least one row"),
        (b"label,score\n1,nan\n", "expected finite numbers"),
        (b"label,score\n1,inf\n", "expected finite numbers"),
        (b"label,score\n1\n", "not a CSV file of numbers"),
        (b"label,score\nyes,1\n", "not a CSV file of numbers"),
        (b"label,score\n1,1\n\xff", "not a CSV file of numbers"),
    ],
)
def test_what_is_no_file_of_predictions(data: bytes, said: str) -> None:
    with pytest.raises(InvalidDocument) as raised:
        read_predictions(data, "it")
    assert said in str(raised.value)
    assert surely_better(data, csv(GOOD), "roc_auc", 0.95) == str(raised.value).replace(
        "it:", "the candidate's predictions:"
    )


def test_other_columns_and_a_mark_of_the_encoding_do_no_harm() -> None:
    labels, scores = read_predictions("\ufeffid, score ,label\n7,0.5,1\n".encode(), "it")
    assert (list(labels), list(scores)) == ([1], [0.5])


@pytest.mark.parametrize("metric", ["recall", "average_precision"])
def test_other_labels_than_0_and_1_say_so(metric: str) -> None:
    rows = csv([(label, 0.5) for label in (1, 2, 2, 1)])
    assert surely_better(rows, rows, metric, 0.95) == f"{metric} needs the labels 0 and 1"
