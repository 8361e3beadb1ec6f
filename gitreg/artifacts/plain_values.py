"""Plain values: those that a manifest can hold as metrics and params.

Keys are text, numbers are finite, text is Unicode.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import date, time
from typing import Any, NoReturn

from gitreg.artifacts.python_values import plain_object
from gitreg.core.documents import yaml
from gitreg.core.documents.yaml import Value, kind
from gitreg.core.text.invisible import has_invisible
from gitreg.errors import InvalidDocument

DEPTH_LIMIT = yaml.DEPTH_LIMIT - 5
"""How deep values may be nested; a manifest around them then keeps its own limit."""

COUNT_LIMIT = yaml.SIZE_LIMIT
"""How many values one document may have; more cannot fit into a manifest. With YAML's anchors a
small file can hold billions."""


def plain(
    document: Mapping[Any, object], where: str, *, strict: bool, objects: bool = False
) -> dict[str, Value]:
    """Return ``document`` as values that a manifest can hold.

    Dates become text. With ``strict``, a value that a manifest cannot hold is refused: a person
    can correct it. What a tool has recorded (``strict`` is false) cannot be corrected: keys that
    are numbers, integers that are too large, infinity and not-a-number become the text that YAML
    writes for them. With ``objects``, keys and values may be any of Python's objects.

    Raises:
        InvalidDocument: a manifest cannot hold it, it nests too deep or it has too many values.
    """
    return _Plain(where, strict=strict, objects=objects).mapping(document, "", 1)


def plain_metrics(given: Mapping[Any, object]) -> dict[str, int | float]:
    """Return the metrics that a training script passes, under dotted names.

    Raises:
        InvalidDocument: a value is not a finite number, or two have one name.
    """
    return flatten_metrics(plain(given, "metrics", strict=True, objects=True), "metrics")


def plain_params(given: Mapping[Any, object]) -> dict[str, Value]:
    """Return the params that a training script passes, such as ``estimator.get_params()``.

    Numbers stay numbers, except those that a manifest cannot hold; what has no plain form becomes
    a readable text (`gitreg.artifacts.python_values`).

    Raises:
        InvalidDocument: they nest too deep, there are too many, or two have one name.
    """
    return plain(given, "params", strict=False, objects=True)


def flatten_metrics(values: Mapping[str, Value], where: str) -> dict[str, int | float]:
    """Return the numbers of nested mappings under dotted names.

    Raises:
        InvalidDocument: a value is not a finite number, or two have one name.
    """
    found: dict[str, int | float] = {}
    for name, value in _leaves(values):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InvalidDocument(f"{where}: {name}: expected a number, found {kind(value)}")
        if name in found:
            raise InvalidDocument(f"{where}: {name}: two metrics have this name")
        found[name] = value
    return found


def split_numbers(values: Mapping[str, Value]) -> tuple[dict[str, Value], list[str]]:
    """Return nested mappings with their numbers only, and the dotted names of all other values."""
    numbers: dict[str, Value] = {}
    others: list[str] = []
    for name, value in values.items():
        if isinstance(value, dict):
            numbers[name], left = split_numbers(value)
            others += [f"{name}.{inner}" for inner in left]
        elif isinstance(value, bool) or not isinstance(value, (int, float)):
            others.append(name)
        else:
            numbers[name] = value
    return numbers, others


def _leaves(values: Mapping[str, Value], prefix: str = "") -> Iterator[tuple[str, Value]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


class _Plain:
    """One walk through a document; it counts values, so that a file of anchors cannot explode."""

    def __init__(self, where: str, *, strict: bool, objects: bool = False) -> None:
        self._where = where
        self._strict = strict
        self._objects = objects  # whether Python's objects are welcome, not only a file's values
        self._count = 0

    def _fail(self, name: str, rule: str) -> NoReturn:
        raise InvalidDocument(f"{self._where}: {name + ': ' if name else ''}{rule}")

    def mapping(self, values: Mapping[Any, object], name: str, depth: int) -> dict[str, Value]:
        """Return a mapping with text keys and plain values; ``name`` leads to it."""
        found: dict[str, Value] = {}
        for original, value in values.items():
            key = self._key(original, name)
            inner = f"{name}.{key}" if name else key
            if key in found:
                self._fail(inner, "two keys are the same text")
            found[key] = self._value(value, inner, depth)
        return found

    def _key(self, key: object, name: str) -> str:
        if self._objects:
            key = _object_key(key)
        if not isinstance(key, str) and self._strict:
            self._fail(name, f"a key must be text, found {kind(key)}")
        text = _as_text(key)
        if text is None:
            self._fail(name, f"a key must be text, found {kind(key)}")
        if not text or has_invisible(text):
            self._fail(name, f"the key {text[:100]!a} is empty or has an invisible character")
        return text

    def _value(self, value: object, name: str, depth: int) -> Value:
        self._count += 1
        if self._count > COUNT_LIMIT:
            self._fail(name, f"more than {COUNT_LIMIT:,} values")
        if self._objects:
            value = plain_object(value)
        if isinstance(value, (dict, list)):
            if depth >= DEPTH_LIMIT:
                self._fail(name, f"nested deeper than {DEPTH_LIMIT} levels")
            if isinstance(value, dict):
                return self.mapping(value, name, depth + 1)
            return [
                self._value(item, f"{name}[{number}]", depth + 1)
                for number, item in enumerate(value)
            ]
        return self._scalar(value, name)

    def _scalar(self, value: object, name: str) -> str | int | float | bool | None:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            if not is_unicode(value):
                self._fail(name, "not Unicode text: half of a surrogate pair")
            return value
        if isinstance(value, (int, float)):
            rule = _unheld(value)
            if rule is None:
                return value
            if self._strict:
                self._fail(name, rule)
        text = _as_text(value)
        if text is None:
            self._fail(name, f"expected a plain value, found {kind(value)}")
        return text


def _object_key(key: object) -> str:
    """Return the text for a key, such as the class 1 of ``class_weight={1: 10}``."""
    text = _as_text(plain_object(key))
    return str(key) if text is None else text


def is_unicode(text: str) -> bool:
    """Tell whether a text has no half of a surrogate pair, which no file can hold as UTF-8."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _unheld(number: float) -> str | None:
    """Return why a manifest cannot hold ``number``, or ``None`` when it can."""
    if isinstance(number, int):
        return None if abs(number) <= yaml.INTEGER_LIMIT else "too large an integer"
    return None if math.isfinite(number) else "not a finite number"


def _as_text(value: object) -> str | None:
    """Return the text that YAML writes for a scalar, or ``None`` if it is not a scalar."""
    if isinstance(value, str):
        return value
    if isinstance(value, (date, time)):
        return value.isoformat()
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else f"{'-' if value < 0 else ''}.inf"
    if isinstance(value, int):
        return f"{value:#x}" if abs(value) > 10**4000 else str(value)  # Python's limit is 4,300
    return repr(value) if isinstance(value, float) else None
