"""What training scripts pass: NumPy's and pandas' objects, enums, estimators."""

from __future__ import annotations

import datetime as dt
import enum
import functools
import subprocess
import sys
import warnings
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import all_estimators

from gitreg.artifacts.plain_values import plain_metrics, plain_params
from gitreg.artifacts.provenance import Provenance
from gitreg.core.documents import yaml
from gitreg.errors import InvalidDocument, InvalidRequest
from tests.conftest import write_model

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

    from gitreg.registry import Registry


class Kind(enum.Enum):
    LINEAR = "linear"
    RBF = object()


class Level(enum.IntEnum):
    HIGH = 3


class Solver(str, enum.Enum):  # as scripts for Python 3.10 write it
    SAGA = "saga"


class Name(str):  # noqa: SLOT000  as libraries write it
    def __str__(self) -> str:
        return "another text"


class Count(int):
    def __int__(self) -> int:
        return 99


class Odd:
    def __repr__(self) -> str:
        raise RuntimeError("not today")


def loss(_wanted: object, _found: object) -> float:
    return 0.0


CASES: dict[str, tuple[object, object]] = {
    "float64": (np.float64(0.5), 0.5),
    "float32": (np.float32(0.5), 0.5),
    "longdouble": (np.longdouble("0.5"), 0.5),
    "int64": (np.int64(7), 7),
    "uint64": (np.uint64(2**64 - 1), "18446744073709551615"),
    "bool": (np.bool_(True), True),
    "text": (np.str_("x"), "x"),
    "bytes": (np.bytes_(b"x"), "x"),
    "no dimensions": (np.array(3), 3),
    "array": (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    "large array": (np.zeros((500, 3)), "ndarray of shape (500, 3)"),
    "day": (np.datetime64("2026-11-30"), "2026-11-30"),
    "duration": (np.timedelta64(5, "m"), "5 minutes"),
    "durations": (np.array([5, 6], "m8[m]"), ["0:05:00", "0:06:00"]),
    "numpy's complex": (np.complex128(1 + 2j), "(1+2j)"),
    "missing": (np.nan, ".nan"),
    "endless": (-np.inf, "-.inf"),
    "dtype": (np.float32, "numpy.float32"),
    "ufunc": (np.log1p, "numpy.log1p"),
    "series": (pd.Series([1, 2]), [1, 2]),
    "index": (pd.Index(["a", "b"]), ["a", "b"]),
    "frame": (pd.DataFrame({"a": [1, 2]}), "DataFrame of shape (2, 1)"),
    "timestamp": (pd.Timestamp("2026-11-30T12:00"), "2026-11-30T12:00:00"),
    "not a time": (pd.NaT, "NaT"),
    "not available": (pd.NA, "<NA>"),
    "numbers of a list": (list(np.logspace(-1, 1, 3)), [0.1, 1.0, 10.0]),
    "tuple": ((1, np.int64(2), ("a", None)), [1, 2, ["a", None]]),
    "set": ({"b", "a"}, ["a", "b"]),
    "range": (range(3), "range(0, 3)"),
    "weights of classes": ({0: np.float64(1), 1: 5.0}, {"0": 1.0, "1": 5.0}),
    "other keys": ({np.int64(2): 1, True: 2, (1, "a"): 3}, {"2": 1, "true": 2, "(1, 'a')": 3}),
    "enum of texts": (Kind.LINEAR, "linear"),
    "enum of objects": (Kind.RBF, "RBF"),
    "enum of integers": (Level.HIGH, 3),
    "enum that is a text": (Solver.SAGA, "saga"),
    "subclass of text": (Name("mine"), "mine"),
    "subclass of int": (Count(5), 5),
    "decimal": (Decimal("0.25"), 0.25),
    "fraction": (Fraction(1, 4), 0.25),
    "complex": (1 + 2j, "(1+2j)"),
    "path": (PurePosixPath("data/train.csv"), "data/train.csv"),
    "date": (dt.date(2026, 11, 30), "2026-11-30"),
    "delta": (dt.timedelta(hours=1), "1:00:00"),
    "function": (loss, f"{__name__}.loss"),
    "built in": (len, "len"),
    "method": (np.random.default_rng, "numpy.random.default_rng"),
    "partial": (functools.partial(loss, 1, _found=[2]), f"partial({__name__}.loss, 1, _found=[2])"),
    "type": (dict, "dict"),
    "class": (LogisticRegression, "sklearn.linear_model._logistic.LogisticRegression"),
    "estimator": (LogisticRegression(C=0.5), "LogisticRegression(C=0.5)"),
    "state of a generator": (np.random.RandomState(1), "RandomState(MT19937)"),
    "object": (object(), "<object object>"),
    "long": (("x" * 5000).split, "str.split"),
    "object without description": (Odd(), "<Odd>"),
}


@pytest.mark.parametrize("name", CASES)
def test_each_object_is_a_number_or_a_readable_text(name: str) -> None:
    given, expected = CASES[name]
    found = plain_params({"p": given})["p"]
    assert found == expected
    assert type(found) is type(expected)
    # `dump` and `parse` know no type but Python's own.
    assert yaml.parse(yaml.dump({"p": found}), "x") == {"p": expected}


def test_a_long_description_is_cut() -> None:
    steps = [f"step number {number}" for number in range(1000)]
    found = plain_params({"p": functools.partial(loss, steps)})["p"]
    assert isinstance(found, str)
    assert len(found) == 1000
    assert found.endswith("…")


def test_objects_that_contain_themselves_end() -> None:
    endless: list[object] = []
    endless.append((endless,))
    with pytest.raises(InvalidDocument, match=r"params: .*nested deeper than 15 levels"):
        plain_params({"a": endless})


def test_metrics_are_numbers_of_any_kind_and_finite() -> None:
    given = {
        "auc": np.mean([0.4, 0.6]),
        "by class": {0: np.float32(0.5), np.str_("b"): Decimal("0.25")},
        "count": np.int32(3),
        "loss": np.array(0.5),
    }
    found = plain_metrics(given)
    assert found == {"auc": 0.5, "by class.0": 0.5, "by class.b": 0.25, "count": 3, "loss": 0.5}
    assert {type(value) for value in found.values()} == {int, float}
    refused: list[tuple[object, str]] = [
        (np.nan, "not a finite number"),
        (np.float64("inf"), "not a finite number"),
        (np.float32("nan"), "not a finite number"),
        (Decimal("NaN"), "not a finite number"),
        (np.bool_(True), "expected a number, found a boolean"),
        (np.array([1.0, 2.0]), "expected a number, found a list"),
        ("0.5", "expected a number, found text"),
    ]
    for value, rule in refused:
        with pytest.raises(InvalidDocument, match=f"metrics: auc: {rule}"):
            plain_metrics({"auc": value})


NEEDED: dict[str, object] = {
    "estimator": LogisticRegression(),
    "estimators": [("model", LogisticRegression())],
    "steps": [("model", LogisticRegression())],
    "transformers": [("scale", StandardScaler(), [0, 1])],
    "transformer_list": [("scale", StandardScaler())],
    "param_grid": {"C": np.logspace(-1, 1, 3)},
    "param_distributions": {"C": [1, 2]},
    "dictionary": np.eye(2),
}


def _every_estimator() -> Iterator[BaseEstimator]:
    for _, kind in all_estimators():
        yield kind(**{name: NEEDED[name] for name in NEEDED.keys() & kind._get_param_names()})


def test_the_params_of_every_estimator_of_scikit_learn_can_be_written() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some are deprecated
        estimators = list(_every_estimator())
        assert len(estimators) > 150
        for estimator in estimators:
            found = plain_params(estimator.get_params())
            assert yaml.parse(yaml.dump(found), type(estimator).__name__) == found
            assert " at 0x" not in str(found)


def test_a_pipeline_is_registered_with_its_params(registry: Registry, folder: Path) -> None:
    model = Pipeline(
        [
            ("columns", ColumnTransformer([("scale", StandardScaler(), [0, 1])])),
            ("model", LogisticRegression(C=float(np.float64(0.5)), class_weight={0: 1, 1: 10})),
        ]
    )
    registry.register(
        "churn",
        write_model(folder),
        params=model.get_params(),
        metrics={"auc": np.float64(0.9)},
        tags={"team": np.str_("growth"), "solver": Solver.SAGA},
    )
    found = registry.show("churn@1")
    assert found.metrics == {"auc": 0.9}
    assert found.params["model__C"] == 0.5
    assert found.params["model__class_weight"] == {"0": 1, "1": 10}
    assert found.params["columns__scale"] == "StandardScaler()"
    assert found.tags == {"team": "growth", "solver": "saga"}
    with pytest.raises(InvalidRequest, match="expected text, found an integer"):
        registry.register("churn", write_model(folder), tags={"team": 1})  # type: ignore[dict-item]


def test_values_that_a_caller_knows_are_plain_too(registry: Registry, folder: Path) -> None:
    known = Provenance(
        source=write_model(folder),
        metrics={"auc": np.float64(0.9), "loss": np.float32("nan")},  # type: ignore[dict-item]
        params={"kind": Kind.LINEAR, "missing": np.nan},  # type: ignore[dict-item]
        tags={"team": np.str_("growth")},
    )
    outcome = registry.register_artifact("churn", known)
    assert outcome.warnings == ("metrics left out, not finite: loss",)
    found = registry.show("churn@1")
    assert (found.metrics, found.tags) == ({"auc": 0.9}, {"team": "growth"})
    assert found.params == {"kind": "linear", "missing": ".nan"}


def test_no_package_of_the_objects_is_imported() -> None:
    code = (
        "import sys; from gitreg.artifacts.plain_values import plain_params; "
        "plain_params({'a': (1, len)}); print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
