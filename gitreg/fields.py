"""Typed, strict reading of a parsed document: each error names file, field and rule.

>>> Fields({"version": True}, "x.yaml").integer("version")
Traceback (most recent call last):
...
gitreg.errors.InvalidDocument: x.yaml: version: expected an integer, found a boolean
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import NoReturn

from gitreg.errors import InvalidDocument
from gitreg.suggest import did_you_mean
from gitreg.yamldoc import Value, kind


class Fields:
    """The fields of one mapping of a document."""

    def __init__(self, mapping: Mapping[str, Value], where: str, prefix: str = "") -> None:
        self._mapping = mapping
        self.where = where
        self._prefix = prefix

    def fail(self, name: str, rule: str) -> NoReturn:
        """Raise `InvalidDocument` for the field ``name``."""
        raise InvalidDocument(f"{self.where}: {self._prefix}{name}: {rule}")

    def only(self, known: Collection[str]) -> Fields:
        """Refuse fields that are not known, with the near miss; return self."""
        for name in self._mapping:
            if name not in known:
                raise InvalidDocument(
                    f"{self.where}: {self._prefix}{name}: unknown key",
                    hint=did_you_mean(name, known),
                )
        return self

    def has(self, name: str) -> bool:
        """Tell whether the field is there and not null."""
        return self._mapping.get(name) is not None

    def is_text(self, name: str, text: str) -> bool:
        """Tell whether the field is this text."""
        return self._mapping.get(name) == text

    def _required(self, name: str) -> Value:
        if name not in self._mapping:
            self.fail(name, "missing")
        return self._mapping[name]

    def text(self, name: str) -> str:
        """Return a text."""
        value = self._required(name)
        if not isinstance(value, str):
            self.fail(name, f"expected text, found {kind(value)}")
        return value

    def optional_text(self, name: str) -> str | None:
        """Return a text, or ``None`` when it is absent or null."""
        return self.text(name) if self.has(name) else None

    def boolean(self, name: str) -> bool:
        """Return a boolean."""
        value = self._required(name)
        if not isinstance(value, bool):
            self.fail(name, f"expected true or false, found {kind(value)}")
        return value

    def integer(self, name: str, minimum: int = 0) -> int:
        """Return an integer of at least ``minimum``."""
        value = self._required(name)
        if not isinstance(value, int) or isinstance(value, bool):
            self.fail(name, f"expected an integer, found {kind(value)}")
        if value < minimum:
            self.fail(name, f"{value} is less than {minimum}")
        return value

    def optional_integer(self, name: str) -> int | None:
        """Return an integer, or ``None`` when it is absent or null."""
        return self.integer(name) if self.has(name) else None

    def items(self, name: str) -> list[Value]:
        """Return a list; an absent one is empty."""
        value = self._mapping.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self.fail(name, f"expected a list, found {kind(value)}")
        return value

    def mapping(self, name: str) -> Mapping[str, Value]:
        """Return a mapping; an absent one is empty."""
        value = self._mapping.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.fail(name, f"expected a mapping, found {kind(value)}")
        return value

    def fields(self, name: str) -> Fields:
        """Return the fields of a mapping inside this one."""
        return Fields(self.mapping(name), self.where, f"{self._prefix}{name}.")

    def numbers(self, name: str) -> dict[str, int | float]:
        """Return a mapping from names to finite numbers."""
        inner = self.fields(name)
        found: dict[str, int | float] = {}
        for key, value in self.mapping(name).items():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                inner.fail(key, f"expected a number, found {kind(value)}")
            if not math.isfinite(value):
                inner.fail(key, "not a finite number")
            found[key] = value
        return found

    def texts(self, name: str) -> dict[str, str]:
        """Return a mapping from names to texts."""
        inner = self.fields(name)
        return {key: inner.text(key) for key in self.mapping(name)}

    def version_list(self, name: str) -> tuple[int, ...]:
        """Return version numbers, ascending and without doubles."""
        found: list[int] = []
        for item in self.items(name):
            if not isinstance(item, int) or isinstance(item, bool) or item < 1:
                self.fail(name, f"expected version numbers, found {kind(item)} {item!r}")
            found.append(item)
        if found != sorted(set(found)):
            self.fail(name, "the numbers must be ascending, each once")
        return tuple(found)
