r"""YAML as the registry uses it: a strict reader and a canonical writer.

The reader takes YAML 1.2 (core schema) without anchors, aliases, tags, duplicate keys,
several documents or numbers that are not finite, and refuses what is too large or too deep.
It builds plain values from the parser's events, so that there is no loader whose constructors
a document could reach. Two parsers stand behind it:

- `quick_yaml` reads what gitreg writes, a manifest in 0.2 ms. `gitreg resolve` imports no other.
- ruamel.yaml reads the rest: what people write, such as a policy, and texts of several lines. It
  takes 1.3 ms for a small policy and 3.3 ms for a manifest, after 16 ms to import it.

ruamel.yaml stays, although libyaml (in PyYAML) gives the same events ten times as fast after an
import as long: libyaml accepts other documents, some machines have none, and on every machine the
same documents must be valid. A command reads one policy, so libyaml would save it a millisecond.

The writer gives the same bytes for the same value. Readers of YAML 1.1 and 1.2 agree on them, since
the writer quotes texts such as ``NO`` and ``12:30:00``.

>>> parse(b"version: 5\nmetrics:\n  auc: 0.9\n", "x.yaml")
{'version': 5, 'metrics': {'auc': 0.9}}
>>> dump({"version": 5, "country": "NO", "rate": 1e-07})
b"version: 5\ncountry: 'NO'\nrate: 1.0e-07\n"
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

from gitreg.core.documents import quick_yaml
from gitreg.errors import InvalidDocument, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ruamel.yaml import YAML
    from ruamel.yaml.events import Event, ScalarEvent
    from ruamel.yaml.nodes import ScalarNode

Scalar: TypeAlias = quick_yaml.Scalar
Value: TypeAlias = quick_yaml.Value

SIZE_LIMIT = 64 * 1024
"""The largest document of a registry, in bytes, apart from annotations."""

TEXTS_LIMIT = 1024 * 1024
"""The largest document of texts, in bytes. Above `SIZE_LIMIT` it has one form: each text on a line
of its own, in double quotes. A parser would take seconds for it, so it is read without one.
"""

DEPTH_LIMIT = 20
"""How deep lists and mappings may be nested."""

INTEGER_LIMIT = 2**63
"""Integers lie between minus this and this: few readers hold longer ones."""

# The core schema of YAML 1.2, https://yaml.org/spec/1.2.2/#103-core-schema
_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")

# What readers of YAML 1.1 (PyYAML's `safe_load`, Go's yaml.v2) do not take for text, and what
# ruamel.yaml takes for a number although YAML 1.2 does not. See https://yaml.org/type/
_YAML_1_1 = re.compile(
    r"(?:y|n|yes|no|on|off|true|false|null|~|<<|=)?"
    r"|[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-f_]+|[0-9_]+|[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?)"
    r"|[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9_]+)(?:e[-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|nan)"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:(?:t|[ \t]+)[0-9].*)?",
    re.IGNORECASE | re.ASCII,
)

_INTEGER_DIGITS = 20
"""The most characters of an integer that are worth converting: sign and `INTEGER_LIMIT`."""

# What gitreg itself writes for a pointer needs no YAML parser: 1 µs instead of 500.
_POINTER = re.compile(rb"version: ([1-9][0-9]{0,8})\n|versions:\n((?:- [1-9][0-9]{0,8}\n)+)")

# Line breaks of YAML 1.1, which some parsers fold into a space.
_FOLDED = re.compile("[\x85\u2028\u2029]")

# Where JSON and YAML disagree about a text in double quotes: what JSON may leave as it is, and half
# surrogate pairs, which JSON puts together.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_KEY = re.compile("[a-z_]+")
_HALF_ESCAPED = re.compile(r"\\u[dD][89a-fA-F]")
_HALF = re.compile("[\ud800-\udfff]")


def parse(data: bytes, where: str, limit: int = SIZE_LIMIT) -> dict[str, Value]:
    """Return the mapping that a document holds.

    Args:
        data: the bytes of the document.
        where: its file or name, for messages.
        limit: the most bytes that it may have; for more than `SIZE_LIMIT`, see `TEXTS_LIMIT`.

    Raises:
        InvalidDocument: the document breaks a rule of this module.
    """
    if len(data) > limit:
        raise InvalidDocument(f"{where}: larger than {limit // 1024} KiB")
    pointer = _POINTER.fullmatch(data)
    if pointer:
        if pointer[1]:
            return {"version": int(pointer[1])}
        return {"versions": [int(line[2:]) for line in pointer[2].splitlines()]}
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidDocument(f"{where}: not UTF-8 text") from None
    if len(data) > SIZE_LIMIT:
        return _texts(text, where)
    quick = quick_yaml.read(text, _quick_plain)
    if quick is not None:
        return quick
    value = _build(text, where)
    if not isinstance(value, dict):
        raise InvalidDocument(f"{where}: expected a mapping, found {kind(value)}")
    return value


def _texts(text: str, where: str) -> dict[str, Value]:
    """Read a large document, the inverse of `_emit_texts`."""
    found: dict[str, Value] = {}
    inner: dict[str, Value] | None = None
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        at = f"{where}: line {number}:"
        is_inside = inner is not None and line.startswith("  ")
        container = inner if inner is not None and is_inside else found
        try:
            key, text_or_none = _texts_line(line, 2 if is_inside else 0)
        except ValueError:
            raise InvalidDocument(
                f"{at} a document of more than {SIZE_LIMIT // 1024} KiB has each text in double "
                "quotes, on a line of its own"
            ) from None
        if key in container:
            raise InvalidDocument(f"{at} duplicate key {key[:100]!a}")
        container[key] = text_or_none
        if not is_inside:
            inner = None
            if line.endswith(":"):
                found[key] = inner = {}
    return found


def _texts_line(line: str, start: int) -> tuple[str, str | None]:
    """Return the key and value of one line; a line that opens a mapping has no value.

    Raises:
        ValueError: the line has another form.
    """
    if _HALF_ESCAPED.search(line):
        raise ValueError(line)
    word = _KEY.match(line, start)
    key, end = (word[0], word.end()) if word else _quoted_text(line, start)
    if line[end:] == ":" and start == 0:
        return key, None
    if line[end:] == ": null":
        return key, None
    value, last = _quoted_text(line, end + 2)
    if line[end : end + 2] != ": " or last != len(line):
        raise ValueError(line)
    return key, value


def _quoted_text(line: str, start: int) -> tuple[str, int]:
    if not line.startswith('"', start):
        raise ValueError(line)
    import json  # only for what is quoted

    text, end = json.JSONDecoder().raw_decode(line, start)
    return text, end


def line_of_field(data: bytes, field: str) -> int | None:
    """Return the line of a field in a document, from 1; of its nearest part that is found.

    >>> line_of_field(b"stages:\\n  production:\\n    holds: x\\n", "stages.production.holds")
    3
    """
    lines = data.decode("utf-8", "replace").split("\n")
    found: int | None = None
    start = 0
    for name, entry in re.findall(r"([^.\[\]]+)|\[(\d+)\]", field):
        if entry:
            items = [n for n in range(start, len(lines)) if lines[n].lstrip().startswith("- ")]
            here = next(iter(items[int(entry) :]), None)
        else:
            key = re.compile(rf"(?<![\w.-]){re.escape(name)}[\"']?[ \t]*:")
            here = next((n for n in range(start, len(lines)) if key.search(lines[n])), None)
        if here is None:
            break
        found, start = here + 1, here
    return found


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

    def add(self, value: Value, at: str) -> None:
        if isinstance(self.container, list):
            self.container.append(value)
        elif self.key is None:
            if not isinstance(value, str):
                raise InvalidDocument(f"{at} a key must be text, found {kind(value)}")
            if value in self.container:
                raise InvalidDocument(f"{at} duplicate key {value[:100]!a}")
            self.key = value
        else:
            self.container[self.key] = value
            self.key = None


def _build(text: str, where: str) -> Value:
    """Return the value that the parser's events describe; its constructors are never asked."""
    from ruamel.yaml import events

    documents: list[Value] = []
    levels = [_Level(documents)]
    for event in _events(text, where):
        at = f"{where}: line {event.start_mark.line + 1}:"
        _refuse_features(event, at)
        if isinstance(event, events.DocumentStartEvent) and documents:
            raise InvalidDocument(f"{at} a second document")
        if isinstance(event, events.ScalarEvent):
            levels[-1].add(_scalar(event, at), at)
        elif isinstance(event, (events.MappingStartEvent, events.SequenceStartEvent)):
            if len(levels) > DEPTH_LIMIT:
                raise InvalidDocument(f"{at} nested deeper than {DEPTH_LIMIT} levels")
            level = _Level({} if isinstance(event, events.MappingStartEvent) else [])
            levels[-1].add(level.container, at)
            levels.append(level)
        elif isinstance(event, (events.MappingEndEvent, events.SequenceEndEvent)):
            levels.pop()
    return documents[0] if documents else None


def _refuse_features(event: Event, at: str) -> None:
    """Refuse what YAML has and a registry does not need: directives, anchors, aliases, tags."""
    from ruamel.yaml import events

    if isinstance(event, events.DocumentStartEvent) and (event.tags or event.version):
        raise InvalidDocument(f"{at} YAML directives are not allowed")
    if isinstance(event, events.AliasEvent) or getattr(event, "anchor", None):
        raise InvalidDocument(f"{at} YAML anchors and aliases are not allowed")
    if getattr(event, "tag", None):
        raise InvalidDocument(f"{at} YAML tags are not allowed")


def _scalar(event: ScalarEvent, at: str) -> Scalar:
    text: str = event.value
    if _HALF.search(text):
        raise InvalidDocument(f"{at} not Unicode text")
    if event.style:  # quoted or a block: text, whatever it looks like
        return text
    return _plain(text, at)


def _quick_plain(text: str) -> Scalar:
    try:
        return _plain(text, "")
    except InvalidDocument:
        raise ValueError(text) from None  # the strict reader says it, and where


def _plain(text: str, at: str) -> Scalar:
    """Return the value of a text without quotes."""
    if _reads_as_text(text):
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        base = 0 if text[:2] in ("0o", "0x") else 10
        if len(text) > _INTEGER_DIGITS or abs(number := int(text, base)) > INTEGER_LIMIT:
            raise InvalidDocument(f"{at} {text[:_INTEGER_DIGITS]}… is too large an integer")
        return number
    if _NOT_FINITE.fullmatch(text) or not math.isfinite(real := float(text)):
        raise InvalidDocument(f"{at} {text[:_INTEGER_DIGITS]} is not a finite number")
    return real


def _reads_as_text(text: str) -> bool:
    """Tell whether ``text`` is text even without quotes: no word of YAML's, no number."""
    return text not in _WORDS and not any(
        pattern.fullmatch(text) for pattern in (_INT, _FLOAT, _NOT_FINITE)
    )


def dump(value: dict[str, Value]) -> bytes:
    """Return the canonical document for ``value``: block style, keys in the order given.

    Raises:
        InvalidRequest: the document would exceed `SIZE_LIMIT`, or hold what `parse` refuses.
    """
    data = _emit(value)
    if len(data) > SIZE_LIMIT:
        raise InvalidRequest(
            f"the document would have {len(data):,} bytes; {SIZE_LIMIT:,} is the most",
            hint="keep large lists in a file that DVC tracks, and name it with --data",
        )
    return data


def dump_texts(texts: Mapping[str, str | Mapping[str, str | None] | None]) -> bytes:
    """Return the canonical document for texts and mappings of texts.

    Raises:
        InvalidRequest: the document would exceed `TEXTS_LIMIT`, or hold what `parse` refuses.
    """
    value: dict[str, Value] = {
        key: dict(item) if isinstance(item, Mapping) else item for key, item in texts.items()
    }
    _check(value, "", 1)
    data = _emit_texts(value)
    if len(data) > TEXTS_LIMIT:
        raise InvalidRequest(
            f"the document would have {len(data):,} bytes; {TEXTS_LIMIT:,} is the most",
            hint="keep long texts with the model's files",
        )
    if len(data) <= SIZE_LIMIT:
        readable = _emit(value)
        data = readable if len(readable) <= SIZE_LIMIT else data
    return data


def _emit_texts(value: dict[str, Value]) -> bytes:
    """Return the form of a large document, which is YAML and can be read line by line."""
    lines = []
    for key, item in value.items():
        if isinstance(item, dict):
            lines += [f"{key}:", *(f"  {_quoted(name)}: {_quoted(item[name])}" for name in item)]
        else:
            lines.append(f"{key}: {_quoted(item)}")
    return "".join(f"{line}\n" for line in lines).encode()


def _quoted(value: Value) -> str:
    import json

    text = json.dumps(value, ensure_ascii=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _emit(value: dict[str, Value]) -> bytes:
    if len(value) == 1:
        version, versions = value.get("version"), value.get("versions")
        if type(version) is int:
            return f"version: {version}\n".encode()
        if isinstance(versions, list) and versions and all(type(n) is int for n in versions):
            return ("versions:\n" + "".join(f"- {n}\n" for n in versions)).encode()
    _check(value, "", 1)
    stream = io.BytesIO()
    _writer().dump(value, stream)
    return stream.getvalue()


def _check(value: Value, name: str, depth: int) -> None:
    """Refuse what the reader would refuse, so that every written document can be read."""
    rule = None
    if isinstance(value, dict) and depth <= DEPTH_LIMIT:
        for key, item in value.items():
            _check(key, name, depth)
            _check(item, f"{name}.{key}" if name else key, depth + 1)
    elif isinstance(value, list) and depth <= DEPTH_LIMIT:
        for item in value:
            _check(item, name, depth + 1)
    elif isinstance(value, (dict, list)):
        rule = f"nested deeper than {DEPTH_LIMIT} levels"
    elif isinstance(value, float) and not math.isfinite(value):
        rule = f"{value} is not a finite number"
    elif isinstance(value, int) and abs(value) > INTEGER_LIMIT:
        rule = "too large an integer"
    elif isinstance(value, str) and _HALF.search(value):
        rule = "not Unicode text"
    if rule:
        raise InvalidRequest(f"{name!a}: {rule}")


def _real(number: float) -> str:
    """Return a number that readers of YAML 1.1 take for one too: they expect a point in it.

    >>> _real(1e-07), _real(1e16), _real(0.5)
    ('1.0e-07', '1.0e+16', '0.5')
    """
    text = repr(number)
    return text if "." in text else text.replace("e", ".0e")


def _writer() -> YAML:
    from ruamel.yaml import YAML
    from ruamel.yaml.representer import SafeRepresenter

    class Representer(SafeRepresenter):
        """Writes what every reader, of YAML 1.1 or 1.2, reads in the same way."""

        def represent_str(self, data: str) -> ScalarNode:
            is_plain = _reads_as_text(data) and not _YAML_1_1.fullmatch(data)
            style = '"' if _FOLDED.search(data) else None if is_plain else "'"
            return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)

        def represent_float(self, data: float) -> ScalarNode:
            return self.represent_scalar("tag:yaml.org,2002:float", _real(data))

    Representer.add_representer(str, Representer.represent_str)
    Representer.add_representer(float, Representer.represent_float)
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = Representer
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.width = 2**16  # never fold a line: a folded line is a noisy diff
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # typed as None
    yaml.representer.ignore_aliases = lambda _data: True
    return yaml
