"""Comparing versions: what differs, with types kept apart and absence told from a value."""

from __future__ import annotations

from collections.abc import Mapping

from gitreg.core.documents.yaml import Value
from gitreg.core.model.model import (
    Artifact,
    CodeCommit,
    DataDependency,
    Environment,
    Lineage,
    ModelVersion,
)
from gitreg.core.state.compare import Difference, MetricDifference, compare, flatten, packages


def version(
    number: int,
    metrics: Mapping[str, float] | None = None,
    params: Mapping[str, Value] | None = None,
    lineage: Lineage | None = None,
    environment: Environment | None = None,
) -> ModelVersion:
    return ModelVersion(
        "m",
        number,
        "",
        "",
        Artifact("model", 0, 1, ""),
        metrics or {},
        params or {},
        lineage or Lineage(),
        environment or Environment(),
    )


def test_every_metric_of_either_is_shown() -> None:
    found = compare(
        version(1, {"auc": 0.75, "n": 10, "old": 1.5}), version(2, {"new": 2, "auc": 0.5, "n": 13})
    )
    assert dict(found.metrics) == {
        "auc": MetricDifference(0.75, 0.5, -0.25),
        "n": MetricDifference(10, 13, 3),
        "old": MetricDifference(1.5, None, None),
        "new": MetricDifference(None, 2, None),
    }
    assert (found.a.version, found.b.version) == (1, 2)


def test_params_that_differ_have_dotted_names() -> None:
    found = compare(
        version(1, params={"train": {"lr": 0.1, "seed": 1}, "layers": [1, 2], "opt": {}}),
        version(2, params={"train": {"lr": 0.2, "seed": 1}, "layers": [1, 3], "x": None, "y": 0}),
    )
    assert dict(found.params) == {
        "train.lr": Difference(0.1, 0.2),
        "layers": Difference([1, 2], [1, 3]),
        "opt": Difference({}, None),
        "y": Difference(None, 0),
    }


def test_one_is_not_true_and_not_one_point_zero() -> None:
    found = compare(
        version(1, params={"a": 1, "b": 1, "c": "1", "d": 0}),
        version(2, params={"a": True, "b": 1.0, "c": 1, "d": 0}),
    )
    assert set(found.params) == {"a", "b", "c"}


def test_data_code_and_environment() -> None:
    a = version(
        1,
        lineage=Lineage(
            code=CodeCommit("c1", "url"),
            data=(
                DataDependency("train.csv", "m1"),
                DataDependency("same.csv", "m"),
                DataDependency("rows", digest="d1"),
            ),
        ),
        environment=Environment("3.10", "linux"),
    )
    b = version(
        2,
        lineage=Lineage(
            code=CodeCommit("c2", "url", dirty=True),
            data=(
                DataDependency("train.csv", "m2"),
                DataDependency("same.csv", "m"),
                DataDependency("new.csv", "m3"),
                DataDependency("rows", digest="d2"),
            ),
        ),
        environment=Environment("3.11", "linux"),
    )
    found = compare(a, b, ["numpy==1.0", "gone==1"], ["numpy==2.0", "new==3"])
    assert dict(found.data) == {
        "train.csv": Difference("m1", "m2"),
        "new.csv": Difference(None, "m3"),
        "rows": Difference("d1", "d2"),
    }
    assert dict(found.code) == {"commit": Difference("c1", "c2"), "dirty": Difference(False, True)}
    assert dict(found.environment) == {
        "python": Difference("3.10", "3.11"),
        "numpy": Difference("1.0", "2.0"),
        "gone": Difference("1", None),
        "new": Difference(None, "3"),
    }


def test_a_version_is_like_itself() -> None:
    same = version(1, {"auc": 1}, {"lr": 1}, Lineage(code=CodeCommit("c")))
    found = compare(same, same, ["a==1"], ["a==1"])
    assert (found.params, found.data, found.code, found.environment) == ({}, {}, {}, {})
    assert found.metrics == {"auc": MetricDifference(1, 1, 0)}


def test_code_of_one_side_alone() -> None:
    found = compare(version(1), version(2, lineage=Lineage(code=CodeCommit("c", "url"))))
    assert set(found.code) == {"commit", "repository", "dirty", "untracked", "changed"}
    assert found.code["commit"] == Difference(None, "c")


def test_flatten_keeps_what_is_empty_and_goes_deep() -> None:
    params: dict[str, Value] = {"a": {"b": {"c": 1}, "d": {}}, "e": [], "f": None}
    assert flatten(params) == {"a.b.c": 1, "a.d": {}, "e": [], "f": None}


def test_packages_of_a_frozen_environment() -> None:
    lines = ["numpy==2.1.0  # pinned", "", "# -- conda", "a @ https://x/a.whl#sha256=1", "-e ."]
    assert packages(lines) == {"numpy": "2.1.0", "a": "https://x/a.whl"}
