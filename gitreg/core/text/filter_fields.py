"""What a search can ask for: the fields, their types, and how a value of each type is written.

>>> named("params", "train.C").path, named("creation_timestamp", None).path
('params.train.C', 'created_at')
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from gitreg.core.text.times import parse_instant
from gitreg.errors import InvalidRequest

Type: TypeAlias = Literal[
    "number",
    "size",
    "time",
    "any",
    "text",
    "stage",
    "set",
    "flag",
    "hash",
    "python",
    "words",
    "pin",
]
"""``any`` is a number or a text, ``set`` several texts, ``pin`` packages, ``words`` free text."""


class Span(NamedTuple):
    """A time as it is written: from its first millisecond to the one after its last."""

    first: int
    end: int


Operand: TypeAlias = "int | float | str | Span"

_KEYED: dict[str, Type] = {
    "metrics": "number",
    "params": "any",
    "tags": "any",
    "evaluation": "any",
}
_PLAIN: dict[str, Type] = {
    "name": "text",
    "version": "number",
    "stage": "stage",
    "alias": "set",
    "created_at": "time",
    "created_by": "text",
    "description": "text",
    "source": "text",
    "command": "text",
    "run_id": "text",
    "code.commit": "hash",
    "code.repository": "text",
    "code.dirty": "flag",
    "data.path": "set",
    "data.md5": "hash",
    "data.digest": "set",
    "environment.python": "python",
    "environment.platform": "text",
    "requires": "pin",
    "size": "size",
    "files": "number",
    "format": "text",
    "sha256": "hash",
    "text": "words",
}
_ALSO = {
    "metric": "metrics",
    "param": "params",
    "parameter": "params",
    "parameters": "params",
    "tag": "tags",
    "evaluations": "evaluation",
    "model": "name",
    "version_number": "version",
    "current_stage": "stage",
    "aliases": "alias",
    "created": "created_at",
    "creation_time": "created_at",
    "creation_timestamp": "created_at",
    "source_path": "source",
    "dataset.name": "data.path",
    "dataset.digest": "data.digest",
}
"""Other names, most of them MLflow's."""

_ATTRIBUTE = frozenset({"attribute", "attributes", "attr", "run"})
"""MLflow's prefixes of a field without a key."""

MANY = frozenset({"stage", "alias", "data.path", "data.md5", "data.digest", "requires", "text"})
"""Fields that may have several values, which have no order; of the past, a stage may too."""


@dataclass(frozen=True)
class Field:
    """A field of a version: ``metrics`` with its key, or a field without one."""

    name: str
    key: str | None = None

    @property
    def path(self) -> str:
        """``metrics.roc_auc``: where the field is."""
        return self.name if self.key is None else f"{self.name}.{self.key}"

    @property
    def type(self) -> Type:
        """The type of its values."""
        return _PLAIN[self.name] if self.key is None else _KEYED[self.name]

    @property
    def is_always_known(self) -> bool:
        """Whether every version has it: without an entry it is empty, or in no stage."""
        return self.type in ("stage", "words") or self.name == "alias"


def named(name: str, key: str | None) -> Field:
    """Return the field that a filter names.

    Raises:
        InvalidRequest: there is none; the hint names the near misses.
    """
    lower = name.lower()
    if lower in _ATTRIBUTE and key is not None:
        lower, _, rest = key.lower().partition(".")
        key = rest or None
    lower = _ALSO.get(lower, lower)
    if lower in _KEYED:
        if not key:
            raise InvalidRequest(f"{lower} needs a key: {lower}.NAME")
        return Field(lower, key)
    path = lower if key is None else f"{lower}.{key.lower()}"
    path = _ALSO.get(path, path)
    if path in _PLAIN:
        return Field(path)
    from gitreg.core.text.suggest import did_you_mean

    shown = name if key is None else f"{name}.{key}"
    near = did_you_mean(path, _PLAIN)
    if near is None and key is not None:
        near = did_you_mean(lower, _KEYED)
    every = ", ".join((*(f"{kind}.NAME" for kind in _KEYED), *_PLAIN))
    raise InvalidRequest(f"no field {shown!a}", hint=near or f"fields are {every}")


# Values

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,5})?", re.ASCII)
_SIZE = re.compile(r"(?P<number>[\d.]+(?:[eE]\d+)?) ?(?P<unit>[kKMGTP]i?)?B?", re.ASCII)
_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_HASH = re.compile(r"[0-9a-f]{4,64}(?:\.dir)?", re.ASCII)
_PYTHON = re.compile(r"(?P<release>\d{1,6}(?:\.\d{1,6}){0,4})(?P<rest>[^.\d].*)?", re.ASCII)
_LARGEST = 2**63


def number_in(text: str) -> int | float | None:
    """Return the number that a text spells, or ``None``.

    >>> number_in("1e-3"), number_in("12"), number_in("auto")
    (0.001, 12, None)
    """
    if _NUMBER.fullmatch(text) is None:
        return None
    # Python refuses to read an integer of thousands of digits.
    is_whole = text.lstrip("+-").isdigit() and len(text) < 30
    return bounded(int(text) if is_whole else float(text))


def bounded(number: float) -> float:
    """Return a number that SQLite can hold: an integer of more than 64 bits becomes a float."""
    return number if -_LARGEST <= number < _LARGEST else float(number)


def python_key(text: str, *, whole: bool = False) -> str | None:
    """Return a text that sorts as the version of an interpreter does; ``None`` if it is none.

    Args:
        text: ``3.11.7``; what follows the numbers, such as ``rc1``, does not count.
        whole: fill up what is left out, so that ``3.11`` is ``3.11.0``.

    >>> python_key("3.9") < python_key("3.11")
    True
    """
    found = _PYTHON.fullmatch(text)
    if found is None:
        return None
    numbers = found["release"].split(".")
    if whole:
        numbers += ["0"] * (5 - len(numbers))
    return "".join(f"{int(number):06d}." for number in numbers)


def words_of(text: str) -> list[str]:
    """Return the words of a text as free text is searched: without case, letters and digits only.

    >>> words_of("Better RECALL, on the 2nd cohort_eu")
    ['better', 'recall', 'on', 'the', '2nd', 'cohort', 'eu']
    """
    import unicodedata

    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return [word[:100] for word in re.findall(r"[^\W_]+", folded)]


def operand(field: Field, text: str, *, quoted: bool) -> Operand:
    """Return a value of a filter as its field compares it.

    Args:
        field: the field.
        text: the value as it is written, without its quotes.
        quoted: whether it has quotes.

    Raises:
        InvalidRequest: it is no value of this field.
    """
    kind = field.type
    if not quoted and number_in(text) is None and kind not in ("size", "flag", "python"):
        raise InvalidRequest(f"text needs quotes: '{text[:40]}'")
    if kind == "any":
        return str(text) if quoted else _number(field, text)
    if kind == "number":
        return _number(field, text)
    if kind == "size":
        return _size(field, text)
    if kind == "time":
        return _time(text, quoted=quoted)
    if not quoted and kind not in ("flag", "python"):
        raise InvalidRequest(f"{field.path} is text, which needs quotes: '{text[:40]}'")
    return _textual(field, text)


def _textual(field: Field, text: str) -> str:
    kind = field.type
    if kind == "stage":
        return text.lower()
    if kind == "flag":
        if text.lower() not in ("true", "false"):
            raise InvalidRequest(f"{field.path} is true or false")
        return text.lower()
    if kind == "hash":
        if _HASH.fullmatch(text.lower()) is None:
            raise InvalidRequest(f"{field.path} takes 4 or more hex digits of a hash")
        return text.lower()
    if kind == "python":
        key = python_key(text)
        if key is None:
            raise InvalidRequest(f"{field.path} takes a version, such as '3.11'")
        return key
    return text


def _number(field: Field, text: str) -> int | float:
    found = number_in(text)
    if found is None:
        raise InvalidRequest(f"{field.path} takes a number")
    return found


def _size(field: Field, text: str) -> int | float:
    found = _SIZE.fullmatch(text)
    number = None if found is None else number_in(found["number"])
    if found is None or number is None:
        raise InvalidRequest(f"{field.path} takes bytes, or a size such as '10MB' or '1.5GiB'")
    unit = found["unit"] or ""
    base = 1024 if unit.endswith("i") else 1000
    return bounded(number * base ** _UNITS[unit[:1].lower()])


def _time(text: str, *, quoted: bool) -> Span:
    if not quoted:
        moment = number_in(text)
        if not isinstance(moment, int):
            raise InvalidRequest("a time is quoted, or whole milliseconds since the epoch")
        return Span(moment, min(moment + 1, _LARGEST - 1))
    first = parse_instant(text, first=True)
    return Span(first * 1000, (parse_instant(text) + 1) * 1000)


class Requirement(NamedTuple):
    """What `requires` asks for: a package's name as PEP 503 writes it, and versions of PEP 440."""

    name: str
    specifier: str


def requirement(text: str) -> Requirement:
    """Return the requirement in a filter.

    Raises:
        InvalidRequest: it is none, or asks for more than a name and versions.
    """
    from packaging.requirements import InvalidRequirement
    from packaging.requirements import Requirement as Parsed
    from packaging.utils import canonicalize_name

    try:
        parsed = Parsed(text)
    except InvalidRequirement:
        parsed = None
    if parsed is None or parsed.url or parsed.marker or parsed.extras:
        raise InvalidRequest(
            f"{text[:60]!a} is no package with versions",
            hint="write requires 'scikit-learn==1.3.0' or requires 'scikit-learn<1.4,>=1.2'",
        )
    return Requirement(canonicalize_name(parsed.name), str(parsed.specifier))


def satisfies(version: str, specifier: str) -> bool:
    """Return whether a version of a package is one of those that a specifier takes.

    Pre-releases count. A package without a version, such as one from a URL, satisfies only the
    empty specifier.

    >>> satisfies("1.3.0", "<1.4"), satisfies("git+https://example.com/x", "<1.4")
    (True, False)
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion, Version

    if not specifier:
        return True
    try:
        return SpecifierSet(specifier).contains(Version(version), prereleases=True)
    except (InvalidVersion, InvalidSpecifier):
        return False
