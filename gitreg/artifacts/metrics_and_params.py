"""Metrics and parameters as people give them: files, and ``key=value`` on a command line.

A file's extension names its format: JSON, YAML or TOML. All three give the same plain values by
the same rules, those of a manifest: text keys, finite numbers, UTF-8.

>>> parse_metrics(b'{"train": {"auc": 0.9}, "epochs": 3}', "metrics.json")
{'train.auc': 0.9, 'epochs': 3}
>>> parse_param("learning_rate=1e-2"), parse_param("glob=*.csv"), parse_param("layers=[64, 8]")
(('learning_rate', 0.01), ('glob', '*.csv'), ('layers', [64, 8]))
"""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path, PurePath
from typing import NoReturn, cast

from gitreg.artifacts.files import read_bytes
from gitreg.artifacts.plain_values import flatten_metrics, is_unicode, plain, split_numbers
from gitreg.core.documents import foreign_yaml, yaml
from gitreg.core.documents.yaml import Value, kind
from gitreg.core.text.invisible import has_invisible
from gitreg.errors import InvalidDocument, InvalidRequest

FORMATS = (".json", ".yaml", ".yml", ".toml")
"""The extensions that are read."""

# What YAML reads as a number, a word or nothing when it is alone. Everything else after `key=` on
# a command line (globs, URLs, `a: b`) is text, even if YAML reads it in another way.
_PLAIN = re.compile(r"|~|[-+]?[.\w][-+.\w]*", re.ASCII)
_STRUCTURED = ("[", "{", '"', "'")
_DIGITS = 20  # of the largest integer, with its sign


def read_values(path: Path, kind: str) -> dict[str, Value]:
    """Return the mapping that a JSON, YAML or TOML file holds.

    Args:
        path: the file; its extension names the format.
        kind: what the caller reads (``metrics``), for messages.

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
        InvalidRequest: the extension is another one.
    """
    if path.suffix.lower() not in FORMATS:
        raise InvalidRequest(
            f"{path}: cannot read {kind} from {path.suffix or 'a file without extension'}",
            hint=f"one of {', '.join(FORMATS)}",
        )


def parse_values(data: bytes, where: str) -> dict[str, Value]:
    """Return the mapping that the bytes of the file ``where`` hold.

    Raises:
        InvalidDocument: the bytes break a rule of this module.
        InvalidRequest: the format is TOML and this Python cannot read it.
    """
    document = _document(data, where)
    if not isinstance(document, dict):
        raise InvalidDocument(f"{where}: expected a mapping, found {kind(document)}")
    return plain(document, where, strict=True)


def _document(data: bytes, where: str) -> object:
    suffix = PurePath(where).suffix.lower()
    if len(data) > yaml.SIZE_LIMIT:
        raise InvalidDocument(
            f"{where}: larger than {yaml.SIZE_LIMIT // 1024} KiB",
            hint="keep large lists in a file that DVC tracks, and name it with --data",
        )
    if suffix in (".yaml", ".yml"):
        return yaml.parse(data, where)
    try:
        text = data.decode("utf-8-sig")  # PowerShell writes a byte-order mark
    except UnicodeDecodeError:
        raise InvalidDocument(f"{where}: not UTF-8 text") from None
    return _toml(text, where) if suffix == ".toml" else _json(text, where)


def parse_metrics(data: bytes, where: str) -> dict[str, int | float]:
    """Return the metrics that the bytes of the file ``where`` hold; see `read_metrics`."""
    return flatten_metrics(parse_values(data, where), where)


def parse_numbers(data: bytes, where: str) -> tuple[dict[str, int | float], list[str]]:
    """Return the numbers in a metrics file of DVC's, and the names of values that are none.

    Only DVC's metrics are read in this way: `dvc metrics show` lists other values beside them. A
    file that is one number has it under the name of the file.

    Raises:
        InvalidDocument: the file does not parse, or has a number that is not finite.
    """
    path = PurePath(where)
    is_known = path.suffix.lower() in FORMATS
    document = _document(data, where) if is_known else _as_dvc(data, where)
    if isinstance(document, (int, float)) and not isinstance(document, bool):
        document = {path.stem: document}
    if not isinstance(document, dict):
        return {}, ["the whole file"]
    numbers, others = split_numbers(plain(document, where, strict=True, objects=True))
    return flatten_metrics(numbers, where), others


def _as_dvc(data: bytes, where: str) -> object:
    """Return what YAML makes of a file of any kind, as DVC does; ``None`` if nothing."""
    try:
        return foreign_yaml.load(data, where) if len(data) <= yaml.SIZE_LIMIT else None
    except InvalidDocument:
        return None


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


def parse_assignment(text: str, what: str) -> tuple[str, str]:
    """Return key and value of ``key=value``, the form of ``--tag``, ``--metric``, ``--param``.

    Args:
        text: what was typed; everything after the first ``=`` is the value.
        what: the option, for messages.

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
    elif not is_unicode(value):
        rule = "not UTF-8 text"
    if rule:
        raise InvalidRequest(f"{what} {text[:100]!a}: {rule}", hint=f"as in {what} name=value")
    return key, value


def parse_param(text: str) -> tuple[str, Value]:
    """Return name and value of ``--param name=value``.

    YAML reads the value: a number, ``true``, ``null``, a list or mapping in brackets, or quoted
    text. Everything else is text.

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
