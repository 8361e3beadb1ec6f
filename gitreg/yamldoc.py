"""YAML as the registry uses it: a strict reader and a canonical writer.

The reader takes YAML 1.2 (core schema) without anchors, aliases, tags, duplicate keys,
several documents or numbers that are not finite, and refuses what is too large or too deep.
It builds plain values from the parser's events, so that there is no loader whose constructors
a document could reach. The writer gives the same bytes for the same value.

>>> parse(b"version: 5\\nmetrics:\\n  auc: 0.9\\n", "x.yaml")
{'version': 5, 'metrics': {'auc': 0.9}}
>>> dump({"version": 5})
b'version: 5\\n'
"""

from __future__ import annotations

import io
import math
import re
from typing import TYPE_CHECKING, TypeAlias

from gitreg.errors import InvalidDocument, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ruamel.yaml.events import Event, ScalarEvent

Scalar: TypeAlias = "str | int | float | bool | None"
Value: TypeAlias = "Scalar | list[Value] | dict[str, Value]"

SIZE_LIMIT = 64 * 1024
"""The largest document of a registry, in bytes."""

DEPTH_LIMIT = 20
"""How deep lists and mappings may be nested."""

INTEGER_LIMIT = 2**63
"""Integers lie between minus this and this: what JSON readers and SQL columns hold."""

# The core schema of YAML 1.2, https://yaml.org/spec/1.2.2/#103-core-schema
_NULL = re.compile(r"|~|null|Null|NULL")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+", re.ASCII)
_OCT_OR_HEX = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")

# What gitreg itself writes for a pointer needs no YAML parser: 1 µs instead of 500.
_POINTER = re.compile(
    rb"version: ([1-9][0-9]{0,8})\n|versions:\n((?:- [1-9][0-9]{0,8}\n){1,5000})"
)


def parse(data: bytes, where: str) -> dict[str, Value]:
    """Return the mapping that a document holds.

    Args:
        data: the bytes of the document.
        where: its file or name, for messages.

    Raises:
        InvalidDocument: it breaks one of the rules of this module.
    """
    pointer = _POINTER.fullmatch(data)
    if pointer:
        if pointer[1]:
            return {"version": int(pointer[1])}
        return {"versions": [int(line[2:]) for line in pointer[2].splitlines()]}
    if len(data) > SIZE_LIMIT:
        raise InvalidDocument(f"{where}: larger than {SIZE_LIMIT // 1024} KiB")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidDocument(f"{where}: not UTF-8 text") from None
    value = _build(text, where)
    if not isinstance(value, dict):
        raise InvalidDocument(f"{where}: expected a mapping, found {kind(value)}")
    return value


def kind(value: object) -> str:
    """Return the word for a value's type that a message uses."""
    if value is None:
        return "nothing"
    words = {bool: "a boolean", int: "an integer", float: "a number", str: "text"}
    words |= {list: "a list", dict: "a mapping"}
    return words.get(type(value), type(value).__name__)


def _events(text: str, where: str) -> Iterator[Event]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        yield from YAML(typ="safe", pure=True).parse(io.StringIO(text))
    except (YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}:" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InvalidDocument(f"{where}:{line} not YAML: {problem}") from None


class _Level:
    """One open list or mapping while a document is read; `key` is the mapping's pending key."""

    def __init__(self, container: list[Value] | dict[str, Value]) -> None:
        self.container = container
        self.key: str | None = None

    def add(self, value: Value, where: str) -> None:
        if isinstance(self.container, list):
            self.container.append(value)
        elif self.key is None:
            if not isinstance(value, str):
                raise InvalidDocument(f"{where} a key must be text, found {kind(value)}")
            if value in self.container:
                raise InvalidDocument(f"{where} duplicate key {value!r}")
            self.key = value
        else:
            self.container[self.key] = value
            self.key = None


def _build(text: str, where: str) -> Value:
    from ruamel.yaml import events

    root = _Level([])
    levels = [root]
    documents = 0
    for event in _events(text, where):
        at = f"{where}: line {event.start_mark.line + 1}:" if event.start_mark else f"{where}:"
        if isinstance(event, events.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise InvalidDocument(f"{at} a second document")
            if event.tags or event.version:
                raise InvalidDocument(f"{at} YAML directives are not allowed")
        if isinstance(event, events.AliasEvent) or getattr(event, "anchor", None):
            raise InvalidDocument(f"{at} YAML anchors and aliases are not allowed")
        if getattr(event, "tag", None):
            raise InvalidDocument(f"{at} YAML tags are not allowed")
        if isinstance(event, events.ScalarEvent):
            levels[-1].add(_scalar(event, at), at)
        elif isinstance(event, (events.MappingStartEvent, events.SequenceStartEvent)):
            if len(levels) > DEPTH_LIMIT:
                raise InvalidDocument(f"{at} nested deeper than {DEPTH_LIMIT} levels")
            level = _Level({} if isinstance(event, events.MappingStartEvent) else [])
            if isinstance(levels[-1].container, dict) and levels[-1].key is None:
                raise InvalidDocument(f"{at} a key must be text")
            levels[-1].add(level.container, at)
            levels.append(level)
        elif isinstance(event, (events.MappingEndEvent, events.SequenceEndEvent)):
            levels.pop()
    assert isinstance(root.container, list)
    return root.container[0] if root.container else None


def _scalar(event: ScalarEvent, at: str) -> Scalar:
    text: str = event.value
    if event.style:  # quoted or a block: text, whatever it looks like
        return text
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text):
        return True
    if _FALSE.fullmatch(text):
        return False
    if _NOT_FINITE.fullmatch(text):
        raise InvalidDocument(f"{at} {text} is not a finite number")
    if _INT.fullmatch(text) or _OCT_OR_HEX.fullmatch(text):
        if len(text) > 20 or abs(number := int(text, 0 if text[:2] in ("0o", "0x") else 10)) > (
            INTEGER_LIMIT
        ):
            raise InvalidDocument(f"{at} {text[:20]}… is too large an integer")
        return number
    if _FLOAT.fullmatch(text):
        if not math.isfinite(real := float(text)):
            raise InvalidDocument(f"{at} {text[:20]} is not a finite number")
        return real
    return text


def dump(value: dict[str, Value]) -> bytes:
    """Return the canonical document for ``value``: block style, keys in the order given.

    Raises:
        InvalidRequest: the document would be larger than `SIZE_LIMIT`.
    """
    data = _emit(value)
    if len(data) > SIZE_LIMIT:
        raise InvalidRequest(
            f"the document would have {len(data):,} bytes; {SIZE_LIMIT:,} is the most",
            hint="keep large lists in a file that DVC tracks, and name it with --data",
        )
    return data


def _emit(value: dict[str, Value]) -> bytes:
    if len(value) == 1 and type(value.get("version")) is int:
        return b"version: %d\n" % value["version"]
    versions = value.get("versions")
    if len(value) == 1 and isinstance(versions, list) and versions:
        return b"versions:\n" + b"".join(b"- %d\n" % number for number in versions)

    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.width = 2**16  # never fold a line: a folded line is a noisy diff
    yaml.sort_base_mapping_type_on_output = False
    yaml.representer.ignore_aliases = lambda _data: True
    stream = io.BytesIO()
    yaml.dump(value, stream)
    return stream.getvalue()
