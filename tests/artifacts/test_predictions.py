"""How sure a difference is: against brute force, against resampling, and where nothing is known."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from gitreg.artifacts.predictions import read_predictions, surely_better
from gitreg.core.policy.verdict import Sure
from gitreg.errors import InvalidDocument

pytest.importorskip("scipy")
pytest.importorskip("sklearn")

FEW = 100
"""How often rows are drawn here: scikit-learn measures slowly."""

Rows = Sequence[tuple[float, float]]


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
    return won / len(positives) / len(negatives)


def resampled(new: Rows, old: Rows) -> tuple[float, float]:
    """Compute the middle 95 % of the differences over rows drawn again, both classes as large."""
    chance = random.Random(5)
    groups = [[n for n, row in enumerate(new) if row[0] == label] for label in (0, 1)]
    found = []
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
