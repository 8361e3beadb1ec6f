r"""Reads YAML as gitreg writes it, line by line, without a YAML parser.

To import a parser takes as long as to read eighty manifests; `gitreg.core.documents.yaml` has the
figures. This reader knows block mappings and lists, indented as the writer does, and texts, numbers
and words that stand on one line. At anything else, right or wrong, it gives up, and the strict
reader takes over: what this one takes, that one reads in the same way.

>>> read("a:\n- 5\n- b: 'x'\n  c: y z\n", str)
{'a': ['5', {'b': 'x', 'c': 'y z'}]}
>>> read("a: &anchor 5\n", str) is None
True
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

Scalar: TypeAlias = str | int | float | bool | None

if TYPE_CHECKING:
    Value: TypeAlias = Scalar | list["Value"] | dict[str, "Value"]
else:  # `typing.get_type_hints` would look the inner names up wherever the alias is used
    Value = Scalar | list | dict

DEPTH_LIMIT = 10
"""The deepest nesting that this reader takes."""

_KEY = r"[A-Za-z_](?:[\w./-]| (?=[^ #:])){0,200}|'[^']{0,200}'"
# A text without quotes: no character that could mean something, no space at the end, no colon
# before one. The number of a line of its own is read by the rules of its reader.
_PLAIN = r"(?:[\w/.]|-(?=[\d.]))(?:[\w./@<>+~%=,()*&!?\"'\\-]|:(?=[^ ])| (?=[^ #:]))*"
_QUOTED = r"'(?:[^']|'')*'|\"[^\"\\]*\""
_LINE = re.compile(
    rf"(?P<indent> *)(?P<dash>- )?"
    rf"(?:(?P<key>{_KEY}):(?: (?P<value>{_PLAIN}|{_QUOTED}))?|(?P<item>{_PLAIN}|{_QUOTED}))"
)


class _GiveUp(Exception):
    """The strict reader takes over."""


class _Line(NamedTuple):
    indent: int
    dash: bool
    key: str | None
    value: str | None


def read(text: str, plain: Callable[[str], Scalar]) -> dict[str, Value] | None:
    """Return the mapping that a document holds, ``None`` where the strict reader has to say.

    Args:
        text: the document.
        plain: returns the value of a text without quotes, and raises `ValueError` for one that
            breaks a rule.
    """
    if not text.endswith("\n") or "\t" in text:
        return None
    try:
        reader = _Reader([_line(line) for line in text[:-1].split("\n")], plain)
        return reader.document()
    except (_GiveUp, ValueError):
        return None


def _line(text: str) -> _Line:
    found = _LINE.fullmatch(text)
    if found is None or not text.isprintable():
        raise _GiveUp
    key, value, item = found["key"], found["value"], found["item"]
    if key is None and found["dash"] is None:
        raise _GiveUp
    return _Line(len(found["indent"]), found["dash"] is not None, key, value if key else item)


class _Reader:
    def __init__(self, lines: list[_Line], plain: Callable[[str], Scalar]) -> None:
        self._lines = lines
        self._plain = plain
        self._at = 0

    def document(self) -> dict[str, Value]:
        found = self._mapping(0, 1)
        if self._at < len(self._lines):
            raise _GiveUp
        return found

    def _next(self) -> _Line | None:
        return self._lines[self._at] if self._at < len(self._lines) else None

    def _mapping(self, indent: int, depth: int) -> dict[str, Value]:
        if depth > DEPTH_LIMIT:
            raise _GiveUp
        found: dict[str, Value] = {}
        while (line := self._next()) is not None and line.indent == indent and not line.dash:
            key = self._key(line)
            if key in found:
                raise _GiveUp
            self._at += 1
            found[key] = self._below(indent, depth) if line.value is None else self._scalar(line)
        if not found or (line is not None and line.indent > indent):
            raise _GiveUp
        return found

    def _below(self, indent: int, depth: int) -> Value:
        """Return what stands below a key: a list at its own indentation, or a mapping."""
        line = self._next()
        if line is not None and line.dash and line.indent == indent:
            return self._list(indent, depth + 1)
        return self._mapping(indent + 2, depth + 1)

    def _list(self, indent: int, depth: int) -> list[Value]:
        if depth > DEPTH_LIMIT:
            raise _GiveUp
        found: list[Value] = []
        while (line := self._next()) is not None and line.indent == indent and line.dash:
            if line.key is None:
                self._at += 1
                found.append(self._scalar(line))
            else:
                self._lines[self._at] = line._replace(indent=indent + 2, dash=False)
                found.append(self._mapping(indent + 2, depth + 1))
        return found

    def _key(self, line: _Line) -> str:
        key = line.key
        if key is None:
            raise _GiveUp
        if key[0] == "'":
            return key[1:-1]
        if self._plain(key) != key:
            raise _GiveUp
        return key

    def _scalar(self, line: _Line) -> Scalar:
        value = line.value
        if value is None:
            raise _GiveUp
        if value[0] == "'":
            return value[1:-1].replace("''", "'")
        if value[0] == '"':
            return value[1:-1]
        return self._plain(value)
