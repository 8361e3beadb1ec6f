"""What differs between two versions: metrics, params, data, code, environment. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from gitreg.core.documents.yaml import Value
from gitreg.core.model.model import Evaluation, ModelVersion
from gitreg.core.policy.measured import other_data, unfair

_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*)(?P<extras>\[[^]]*\])?\s*"
    r"(?:==\s*(?P<exact>\S.*)|@\s+(?P<source>\S.*)|(?P<rest>[<>=!~;(].*)?)"
)
"""A line of a ``requirements.txt``; options and paths are none."""


@dataclass(frozen=True)
class MetricDifference:
    """A metric on both sides; ``delta`` is ``b - a``, ``None`` where one side does not have it."""

    a: int | float | None
    b: int | float | None
    delta: int | float | None


@dataclass(frozen=True)
class Difference:
    """A value on both sides; ``None`` where a side does not have it."""

    a: Any
    b: Any


@dataclass(frozen=True)
class EvaluationPair:
    """An evaluation of both versions under one name.

    Attributes:
        a: of the first version, ``None`` where it has none.
        b: of the second version, likewise.
        metrics: every metric of either; without differences where the data is not the same.
        is_fair: whether both were measured on the same data, by its hash.
    """

    a: Evaluation | None
    b: Evaluation | None
    metrics: Mapping[str, MetricDifference]
    is_fair: bool


SAME, DIFFERENT, UNKNOWN = "same", "different", "unknown"


@dataclass(frozen=True)
class Comparison:
    """Version ``a`` beside version ``b``.

    Attributes:
        a: the first version.
        b: the second version.
        metrics: every metric of either.
        params: the hyperparameters that differ; nested ones under dotted names.
        data: the data that differs, by path; the values are hashes.
        code: the facts of the code commit that differ.
        environment: Python, platform and packages that differ.
        signature: the models' inputs and outputs that differ.
        evaluations: what was measured on named data, by name.
        measured_on: whether the metrics of the registrations are of the same data, by what the
            versions were made from: `SAME`, `DIFFERENT` or `UNKNOWN`.
        code_files: the files outside the registry that differ between the code commits; ``None``
            where one of the commits is not in this repository.
    """

    a: ModelVersion
    b: ModelVersion
    metrics: Mapping[str, MetricDifference]
    params: Mapping[str, Difference]
    data: Mapping[str, Difference]
    code: Mapping[str, Difference]
    environment: Mapping[str, Difference]
    signature: Mapping[str, Difference] = field(default_factory=dict)
    evaluations: Mapping[str, EvaluationPair] = field(default_factory=dict)
    measured_on: str = UNKNOWN
    code_files: tuple[str, ...] | None = None


def compare(
    a: ModelVersion,
    b: ModelVersion,
    requirements_a: Iterable[str] = (),
    requirements_b: Iterable[str] = (),
) -> Comparison:
    """Return what differs between two versions.

    Args:
        a: the first version.
        b: the second version; differences are ``b - a``.
        requirements_a: lines of the frozen environment of ``a``.
        requirements_b: lines of the frozen environment of ``b``.
    """
    names = dict.fromkeys([*a.metrics, *b.metrics])
    return Comparison(
        a,
        b,
        {name: _metric(a.metrics.get(name), b.metrics.get(name)) for name in names},
        _differing(flatten(a.params), flatten(b.params)),
        _differing(_data(a), _data(b)),
        _differing(_code(a), _code(b)),
        _differing(
            _environment(a) | packages(requirements_a), _environment(b) | packages(requirements_b)
        ),
        _differing(_signature(a), _signature(b)),
        {name: _pair(a, b, name) for name in dict.fromkeys([*a.evaluations, *b.evaluations])},
        _measured_on(a, b),
    )


def _pair(a: ModelVersion, b: ModelVersion, name: str) -> EvaluationPair:
    old, new = a.evaluations.get(name), b.evaluations.get(name)
    is_fair = old is not None and new is not None and not unfair(a, b, name)
    then, now = (({} if one is None else one.metrics) for one in (old, new))
    metrics = {
        metric: _metric(then.get(metric), now.get(metric))
        if is_fair
        else MetricDifference(then.get(metric), now.get(metric), None)
        for metric in dict.fromkeys([*then, *now])
    }
    return EvaluationPair(old, new, metrics, is_fair)


def _measured_on(a: ModelVersion, b: ModelVersion) -> str:
    differing = other_data(a, b)
    if differing is None:
        return UNKNOWN
    return DIFFERENT if differing else SAME


def _metric(a: float | None, b: float | None) -> MetricDifference:
    return MetricDifference(a, b, None if a is None or b is None else b - a)


def flatten(params: Mapping[str, Value], prefix: str = "") -> dict[str, Value]:
    """Return nested mappings as one, under dotted names.

    >>> flatten({"train": {"lr": 0.1}, "seed": 1})
    {'train.lr': 0.1, 'seed': 1}
    """
    flat: dict[str, Value] = {}
    for name, value in params.items():
        if isinstance(value, dict) and value:
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def packages(requirements: Iterable[str]) -> dict[str, Any]:
    """Return the packages of an environment: normalised name to version, source or condition.

    >>> packages(["NumPy==2.1.0", "# comment", "tool @ git+https://example.com/tool@4b652c8"])
    {'numpy': '2.1.0', 'tool': 'git+https://example.com/tool@4b652c8'}
    >>> packages(["--index-url https://example.com", "scikit_learn >=1.5", "pandas"])
    {'scikit-learn': '>=1.5', 'pandas': 'any version'}
    """
    found = {}
    for line in requirements:
        match = _REQUIREMENT.fullmatch(line.partition("#")[0].strip())
        if match is not None:
            name = re.sub(r"[-_.]+", "-", match["name"]).lower()
            found[name] = match["exact"] or match["source"] or match["rest"] or "any version"
    return found


def _data(version: ModelVersion) -> dict[str, Any]:
    return {item.path: item.state for item in version.lineage.data}


def _code(version: ModelVersion) -> dict[str, Any]:
    return asdict(version.lineage.code) if version.lineage.code else {}


def _signature(version: ModelVersion) -> dict[str, Any]:
    return asdict(version.signature) if version.signature else {}


def _environment(version: ModelVersion) -> dict[str, Any]:
    return {"python": version.environment.python, "platform": version.environment.platform}


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Difference]:
    return {
        name: Difference(a.get(name), b.get(name))
        for name in dict.fromkeys([*a, *b])
        # 1 == 1.0 == True in Python; to a person they are not the same parameter.
        if (type(a.get(name)), a.get(name)) != (type(b.get(name)), b.get(name))
    }


def metrics_beside(candidate: ModelVersion, incumbent: ModelVersion | None) -> list[str]:
    """Return the candidate's metrics as lines of evidence, beside the incumbent's."""
    lines = []
    for name, value in candidate.metrics.items():
        line = f"{name} {value:g}"
        if incumbent is not None and name in incumbent.metrics:
            line += f", was {incumbent.metrics[name]:g} ({incumbent.reference})"
        lines.append(line)
    return lines[:20]
