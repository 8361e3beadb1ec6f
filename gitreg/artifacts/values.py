"""Metrics and parameters as people hand them over: files, and ``key=value`` on a command line.

A file's extension names its format: JSON, YAML or TOML. All three give the same plain values
under the same rules, which are those of a manifest: text keys, finite numbers, UTF-8.

>>> parse_metrics(b'{"train": {"auc": 0.9}, "epochs": 3}', "metrics.json")
{'train.auc': 0.9, 'epochs': 3}
>>> parse_param("learning_rate=1e-2"), parse_param("glob=*.csv"), parse_param("layers=[64, 8]")
(('learning_rate', 0.01), ('glob', '*.csv'), ('layers', [64, 8]))
"""

from __future__ import annotations

import errno
import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import date, time
from importlib import import_module
from numbers import Integral, Real
from pathlib import Path, PurePath
from typing import Any, NoReturn, cast

from gitreg.core.documents import yaml
from gitreg.core.documents.yaml import Value, kind
from gitreg.core.model.names import has_invisible
from gitreg.core.text.suggest import did_you_mean
from gitreg.errors import InvalidDocument, InvalidRequest, NotFound, WorldError

FORMATS = (".json", ".yaml", ".yml", ".toml")
"""The extensions that are read."""

DEPTH_LIMIT = yaml.DEPTH_LIMIT - 5
"""How deep values may be nested, so that a manifest around them keeps within its own limit."""

COUNT_LIMIT = yaml.SIZE_LIMIT
"""How many values one file may hold; more cannot fit into a manifest. YAML's anchors make a
small file that holds billions."""

# What YAML takes for a number, a word or nothing when it stands alone. All else that may follow
# `key=` on a command line (globs, URLs, `a: b`) is text there, whatever YAML makes of it.
_PLAIN = re.compile(r"|~|[-+]?[.\w][-+.\w]*", re.ASCII)
_STRUCTURED = ("[", "{", '"', "'")
_DIGITS = 20  # of the largest integer, with its sign


def read_values(path: Path, kind: str) -> dict[str, Value]:
    """Return the mapping that a JSON, YAML or TOML file holds.

    Args:
        path: the file; its extension names the format.
        kind: what it is to the caller (``metrics``), for messages.

    Raises:
        NotFound: there is no such file.
        InvalidRequest: it is a folder, or its extension is not one of `FORMATS`.
        InvalidDocument: it breaks a rule of this module.
        WorldError: it cannot be read.
    """
    check_format(path, kind)
    return parse_values(read_bytes(path, kind), str(path))


def read_metrics(path: Path) -> dict[str, int | float]:
    """Return the metrics that a file holds, nested names joined by dots.

    Raises:
        InvalidDocument: a value is not a finite number, or two have one name.
        InvalidRequest: see `read_values`.
        WorldError: the file cannot be read.
    """
    return flatten_metrics(read_values(path, "metrics"), str(path))


def read_params(path: Path) -> dict[str, Value]:
    """Return the parameters that a file holds, in the structure that they have there.

    Raises:
        InvalidRequest: see `read_values`.
        WorldError: the file cannot be read.
    """
    return read_values(path, "params")


def check_format(path: PurePath, kind: str) -> None:
    """Refuse a file whose extension is not one of `FORMATS`.

    Raises:
        InvalidRequest: it is not.
    """
    if path.suffix.lower() not in FORMATS:
        raise InvalidRequest(
            f"{path}: cannot read {kind} from {path.suffix or 'a file without extension'}",
            hint=f"one of {', '.join(FORMATS)}",
        )


def read_bytes(path: Path, kind: str) -> bytes:
    """Return the bytes of a file of values; of a large one no more than its first part.

    Raises:
        NotFound: there is no such file.
        InvalidRequest: it is a folder.
        WorldError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(yaml.SIZE_LIMIT + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"{path}: no such {kind} file", hint=near_sibling(path)) from None
    except IsADirectoryError:
        raise InvalidRequest(f"{path}: a folder, expected a {kind} file") from None
    except OSError as error:
        raise WorldError(f"{path}: cannot be read: {error.strerror}") from None


def near_sibling(path: Path) -> str | None:
    """Return ``did you mean …?`` for the files beside ``path``, or ``None``."""
    try:
        return did_you_mean(path.name, [entry.name for entry in path.parent.iterdir()])
    except OSError:
        return None


def parse_values(data: bytes, where: str) -> dict[str, Value]:
    """Return the mapping that the bytes of the file ``where`` hold.

    Raises:
        InvalidDocument: they break a rule of this module.
        InvalidRequest: the format is TOML and this Python cannot read it.
    """
    suffix = PurePath(where).suffix.lower()
    if len(data) > yaml.SIZE_LIMIT:
        raise InvalidDocument(
            f"{where}: larger than {yaml.SIZE_LIMIT // 1024} KiB",
            hint="keep large lists in a file that DVC tracks, and name it with --data",
        )
    if suffix in (".yaml", ".yml"):
        document: object = yaml.parse(data, where)
    else:
        try:
            text = data.decode("utf-8-sig")  # PowerShell writes a byte-order mark
        except UnicodeDecodeError:
            raise InvalidDocument(f"{where}: not UTF-8 text") from None
        document = _toml(text, where) if suffix == ".toml" else _json(text, where)
    if not isinstance(document, dict):
        raise InvalidDocument(f"{where}: expected a mapping, found {kind(document)}")
    return plain(document, where, strict=True)


def parse_metrics(data: bytes, where: str) -> dict[str, int | float]:
    """Return the metrics that the bytes of the file ``where`` hold; see `read_metrics`."""
    return flatten_metrics(parse_values(data, where), where)


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


def _leaves(values: Mapping[str, Value], prefix: str = "") -> Iterator[tuple[str, Value]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _json(text: str, where: str) -> object:
    def fail(rule: str) -> NoReturn:
        raise InvalidDocument(f"{where}: {rule}")

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, value in pairs:
            if key in found:
                fail(f"duplicate key {key!r}")
            found[key] = value
        return found

    def integer(digits: str) -> int:
        return (
            int(digits)
            if len(digits) <= _DIGITS
            else fail(f"{digits[:_DIGITS]}… is too large an integer")
        )

    try:
        return cast(
            "object",
            json.loads(
                text,
                object_pairs_hook=unique,
                parse_int=integer,
                # Python takes NaN and Infinity for JSON; nobody else does.
                parse_constant=lambda word: fail(f"{word} is not a finite number"),
            ),
        )
    except json.JSONDecodeError as error:
        raise InvalidDocument(f"{where}: line {error.lineno}: not JSON: {error.msg}") from None
    except RecursionError:
        raise InvalidDocument(f"{where}: nested too deep") from None


def _toml(text: str, where: str) -> object:
    for name in ("tomllib", "tomli"):  # the standard library has it from Python 3.11 on
        try:
            reader = import_module(name)
            break
        except ImportError:
            continue
    else:
        raise InvalidRequest(
            f"{where}: this Python cannot read TOML", hint="pip install tomli, or Python 3.11"
        )
    try:
        return cast("object", reader.loads(text))
    except ValueError as error:
        raise InvalidDocument(f"{where}: not TOML: {str(error)[:200]}") from None
    except RecursionError:
        raise InvalidDocument(f"{where}: nested too deep") from None


def plain(document: Mapping[Any, object], where: str, *, strict: bool) -> dict[str, Value]:
    """Return ``document`` as values that a manifest can hold.

    Dates become text. What a person hands over is refused when a manifest cannot hold it as it
    is; what a tool recorded (``strict`` is false) is there already and cannot be refused
    usefully: keys that are numbers, integers that are too large, infinity and not-a-number
    become the text that YAML writes for them.

    Raises:
        InvalidDocument: it cannot be held, nests too deep or has too many values.
    """
    return _Plain(where, strict=strict).mapping(document, "", 1)


def plain_numbers(values: Mapping[str, object]) -> dict[str, object]:
    """Return values whose numbers are Python's own; a training script has NumPy's."""
    found: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found[name] = plain_numbers(value)
        elif isinstance(value, (bool, int, float)):
            found[name] = value
        elif isinstance(value, Integral):
            found[name] = int(value)
        elif isinstance(value, Real):
            found[name] = float(value)
        else:
            found[name] = value
    return found


class _Plain:
    """One walk through a document; counts, so that a small file of anchors cannot explode."""

    def __init__(self, where: str, *, strict: bool) -> None:
        self._where = where
        self._strict = strict
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
            if not _is_unicode(value):
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


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _unheld(number: float) -> str | None:
    """Return why a manifest cannot hold ``number``, or ``None`` when it can."""
    if isinstance(number, int):
        return None if abs(number) <= yaml.INTEGER_LIMIT else "too large an integer"
    return None if math.isfinite(number) else "not a finite number"


def _as_text(value: object) -> str | None:
    """Return the text that YAML writes for a scalar, or ``None`` for what is none."""
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


def parse_assignment(text: str, what: str) -> tuple[str, str]:
    """Return key and value of ``key=value``, the form of ``--tag``, ``--metric``, ``--param``.

    Args:
        text: what was typed; all behind the first ``=`` is the value.
        what: the option it was given to, for messages.

    Raises:
        InvalidRequest: there is no ``=``; the key is empty, begins or ends with a space or has
            an invisible character; or it is not Unicode text.
    """
    key, equals, value = text.partition("=")
    rule = None
    if not equals:
        rule = "expected key=value"
    elif not key or key != key.strip():
        rule = "the key is empty or has spaces around it"
    elif has_invisible(key):
        rule = "the key has a control or invisible character"
    elif not _is_unicode(value):
        rule = "not UTF-8 text"
    if rule:
        raise InvalidRequest(f"{what} {text[:100]!a}: {rule}", hint=f"as in {what} name=value")
    return key, value


def parse_param(text: str) -> tuple[str, Value]:
    """Return name and value of ``--param name=value``.

    The value is what YAML makes of it: a number, ``true``, ``null``, a list or mapping in
    brackets, quoted text; all else is text.

    Raises:
        InvalidRequest: it is not ``key=value``, or the value breaks a rule of this module.
    """
    name, value = parse_assignment(text, "--param")
    return name, _parse_value(name, value, "--param")


def parse_metric(text: str) -> tuple[str, int | float]:
    """Return name and value of ``--metric name=value``.

    Raises:
        InvalidRequest: it is not ``key=value``, or the value is not a finite number.
    """
    name, value = parse_assignment(text, "--metric")
    number = _parse_value(name, value, "--metric")
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise InvalidRequest(f"--metric {name}: expected a number, found {kind(number)}")
    return name, number


def _parse_value(name: str, text: str, what: str) -> Value:
    if not _PLAIN.fullmatch(text) and not text.startswith(_STRUCTURED):
        return text
    where = f"{what} {name}"
    document = yaml.parse(f"value: {text}".encode(), where)
    if list(document) != ["value"]:  # a line break in the text began another key
        raise InvalidRequest(f"{where}: expected one value")
    return plain(document, where, strict=True)["value"]


def read_file(path: Path, where: str, limit: int) -> bytes | None:
    """Return the bytes of a file, or ``None`` when there is no such file.

    Args:
        path: the file.
        where: its name, for messages.
        limit: the most that is read, in bytes.

    Raises:
        InvalidDocument: it is larger.
        WorldError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # a name so long that it takes no `.dvc` behind it
            return None
        raise WorldError(f"{where}: cannot be read: {error.strerror}") from None
    if len(data) > limit:
        raise InvalidDocument(f"{where}: larger than {limit // 1024:,} KiB")
    return data
