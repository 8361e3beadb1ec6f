"""Typed, strict reading of a parsed document: each error names file, field and rule.

>>> Fields({"version": True}, "x.yaml").integer("version")
Traceback (most recent call last):
...
gitreg.errors.InvalidDocument: x.yaml: version: expected an integer, found a boolean
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import NoReturn

from gitreg.core.documents.yaml import Value, kind
from gitreg.core.text.suggest import did_you_mean
from gitreg.errors import InvalidDocument


class Fields:
    """The fields of one mapping of a document."""

    def __init__(self, mapping: Mapping[str, Value], where: str, prefix: str = "") -> None:
        self._mapping = mapping
        self.where = where
        self._prefix = prefix

    def fail(self, name: str, rule: str, hint: str | None = None) -> NoReturn:
        """Raise `InvalidDocument` for the field ``name``."""
        raise InvalidDocument(f"{self.where}: {self._prefix}{name}: {rule}", hint=hint)

    def refuse(self, rule: str) -> NoReturn:
        """Raise `InvalidDocument` for the mapping itself."""
        raise InvalidDocument(f"{self.where}: {self._prefix.rstrip('.')}: {rule}")

    def only(self, known: Collection[str]) -> Fields:
        """Refuse unknown fields, suggesting the nearest known one; return self."""
        for name in self._mapping:
            if name not in known:
                raise InvalidDocument(
                    f"{self.where}: {self._prefix}{name}: unknown key",
                    hint=did_you_mean(name, known),
                )
        return self

    def has(self, name: str) -> bool:
        """Tell whether the field is present and not null."""
        return self._mapping.get(name) is not None

    def lists(self, name: str) -> bool:
        """Tell whether the field is present, even if it is null."""
        return name in self._mapping

    def is_text(self, name: str, text: str) -> bool:
        """Tell whether the field is this text."""
        return self._mapping.get(name) == text

    def is_of(self, name: str, kind: type) -> bool:
        """Tell whether the field is of this type: a boolean is no integer."""
        return type(self._mapping.get(name)) is kind

    def one_of(self, name: str, known: Collection[str], what: str, text: str) -> str:
        """Return ``text``, found in the field ``name``, if it is a known value.

        Raises:
            InvalidDocument: it is unknown; the hint names the nearest known value.
        """
        if text not in known:
            self.fail(name, f"{text[:100]!a} is not {what}", did_you_mean(text, known))
        return text

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

    def matching(self, name: str, pattern: re.Pattern[str], rule: str) -> str:
        """Return a text that matches as a whole; ``rule`` says to people what it has to be."""
        value = self.text(name)
        if not pattern.fullmatch(value):
            self.fail(name, f"expected {rule}")
        return value

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

    def fields_of(self, name: str) -> Fields:
        """Return the fields of a required mapping; an empty one is null in YAML."""
        self._required(name)
        return self.fields(name)

    def entries(self, name: str) -> list[Fields]:
        """Return the fields of each mapping in a list; an absent one is empty."""
        found = []
        for number, item in enumerate(self.items(name), start=1):
            if not isinstance(item, dict):
                self.fail(f"{name}[{number}]", f"expected a mapping, found {kind(item)}")
            found.append(Fields(item, self.where, f"{self._prefix}{name}[{number}]."))
        return found

    def text_list(self, name: str) -> tuple[str, ...]:
        """Return a list of texts, each once; an absent one is empty."""
        found: list[str] = []
        for item in self.items(name):
            if not isinstance(item, str):
                self.fail(name, f"expected a list of texts, found {kind(item)} in it")
            if item in found:
                self.fail(name, f"{item[:100]!a} is listed twice")
            found.append(item)
        return tuple(found)

    def number(self, name: str) -> int | float:
        """Return a finite number."""
        value = self._required(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.fail(name, f"expected a number, found {kind(value)}")
        if not math.isfinite(value):
            self.fail(name, "not a finite number")
        return value

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

    def optional_texts(self, name: str) -> dict[str, str | None]:
        """Return a mapping from names to texts, or to ``None`` where one is null."""
        inner = self.fields(name)
        return {key: inner.optional_text(key) for key in self.mapping(name)}

    def version_list(self, name: str) -> tuple[int, ...]:
        """Return version numbers, ascending and without doubles."""
        found: list[int] = []
        for item in self.items(name):
            if not isinstance(item, int) or isinstance(item, bool) or item < 1:
                self.fail(name, f"expected version numbers, found {kind(item)} {item!r}")
            found.append(item)
        if found != sorted(set(found)):
            self.fail(name, "the numbers must ascend, without duplicates")
        return tuple(found)
