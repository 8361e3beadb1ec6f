"""The grammar of searches: MLflow's comparisons, with OR, NOT and parentheses.

A filter is parsed into a small tree, which knows nothing of how it is evaluated. Every mistake
names the character where it is.

>>> parse("metrics.roc_auc > 0.9 AND NOT stage IN ('production', 'archived')").describe()
"(metrics.roc_auc > 0.9 and not stage = 'production' 'archived')"
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import Literal, NamedTuple, NoReturn, TypeAlias

from gitreg.core.text.filter_fields import (
    MANY,
    Field,
    Operand,
    Requirement,
    named,
    operand,
    requirement,
    words_of,
)
from gitreg.errors import InvalidRequest

LONGEST = 20_000
"""The most characters of a filter."""

MOST_COMPARISONS, MOST_VALUES = 200, 400

DEEPEST = 20
"""How deep parentheses and NOT nest: SQLite's parser takes not much more."""

Sign: TypeAlias = Literal[
    "=", "<", "<=", ">", ">=", "STARTS", "LIKE", "ILIKE", "NULL", "REQUIRES", "MATCH"
]


class FilterError(InvalidRequest):
    """A filter or an order is wrong.

    Attributes:
        text: the whole filter.
        place: the index of the character where it is wrong.
    """

    def __init__(self, message: str, text: str, place: int, *, hint: str | None = None) -> None:
        super().__init__(f"{message} (character {place + 1})", hint=hint)
        self.text = text
        self.place = place


@dataclass(frozen=True)
class Comparison:
    """One comparison of a field; it holds if a value of the field satisfies one operand.

    Attributes:
        field: the field.
        sign: how it is compared; ``NULL`` holds where the field is absent, ``STARTS`` where a hash
            begins with the operand.
        operands: several after ``IN``; none after ``IS NULL``; the words after ``MATCH``.
    """

    field: Field
    sign: Sign
    operands: tuple[Operand | Requirement, ...] = ()

    def describe(self) -> str:
        """Return the comparison in words, for messages and tests."""
        return " ".join((self.field.path, self.sign, *map(repr, self.operands)))


@dataclass(frozen=True)
class Not:
    """What does not hold; of what is unknown, the opposite is unknown too."""

    part: Node

    def describe(self) -> str:
        """Return it in words."""
        return f"not {self.part.describe()}"


@dataclass(frozen=True)
class Both:
    """Two parts of which both must hold, or one with ``either``."""

    left: Node
    right: Node
    either: bool = False

    def describe(self) -> str:
        """Return it in words."""
        word = "or" if self.either else "and"
        return f"({self.left.describe()} {word} {self.right.describe()})"


Node: TypeAlias = "Comparison | Not | Both"


@dataclass(frozen=True)
class Order:
    """A field to sort by."""

    field: Field
    descending: bool = False


def parse(text: str) -> Node:
    """Return the tree of a filter.

    Raises:
        FilterError: it is malformed, names a field that does not exist, or is too large.
    """
    return _Parser(text).filter()


def parse_order(text: str) -> tuple[Order, ...]:
    """Return the fields of ``metrics.roc_auc DESC, created_at``.

    Raises:
        FilterError: it is malformed, or a field does not exist or has no order.
    """
    return _Parser(text).orders()


# LIKE


@lru_cache(maxsize=256)
def like(pattern: str, *, ignore_case: bool = False) -> Callable[[str], bool]:
    r"""Return what tells whether a text matches a pattern of SQL.

    ``%`` is any text, ``_`` any character; ``\%``, ``\_`` and ``\\`` are the characters
    themselves. It takes no longer than the text times the pattern, whatever the pattern is.

    >>> like("churn\\_%")("churn_eu"), like("churn\\_%")("churn-eu")
    (True, False)
    """
    flags = re.DOTALL | re.IGNORECASE if ignore_case else re.DOTALL
    runs = [""]
    for found in re.finditer(r"\\[%_\\]|.", pattern, re.DOTALL):
        char = found[0]
        if char == "%":
            runs.append("")
        else:
            runs[-1] += "." if char == "_" else re.escape(char[-1])
    first, *middle = [re.compile(run, flags) for run in runs]

    def matches(text: str) -> bool:
        if not middle:
            return first.fullmatch(text) is not None
        found = first.match(text)
        for run in middle[:-1]:
            # The leftmost place leaves the most for what follows: nothing is tried twice.
            found = found and run.search(text, found.end())
        # Each run has a fixed length: the last one is tried where the text ends.
        last = middle[-1]
        begin = len(text) - _length(runs[-1])
        return found is not None and begin >= found.end() and bool(last.fullmatch(text, begin))

    return matches


def _length(run: str) -> int:
    """Return how many characters a run of `like` matches."""
    return len(re.sub(r"\\(.)", r"\1", run, flags=re.DOTALL))


# Parsing


class _Token(NamedTuple):
    kind: str  # "name", "text", "bare", "sign" or "end"
    text: str
    place: int
    key: str | None = None
    key_place: int = 0

    @property
    def word(self) -> str:
        """The keyword that it may be."""
        return self.text.upper() if self.kind == "name" and self.key is None else ""


_TOKEN = re.compile(
    r"""(?P<name>[^\W\d]\w*|`[^`]*`)
        (?:\.(?P<key>`[^`]*`|"(?:[^"]|"")*"|[\w./-]*))?
      | (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
      | (?P<bare>[+-]?\.?\d[\w.:+-]*)
      | (?P<sign><=|>=|!=|<>|==|[=<>(),])""",
    re.VERBOSE,
)
_SPACE = re.compile(r"\s*")
_SIGNS = ("=", "!=", "<", "<=", ">", ">=")
_WORDS = ("LIKE", "ILIKE", "IN", "IS", "NOT", "MATCH")
_KEYWORDS = {*_WORDS, "AND", "OR", "NULL", "ASC", "DESC"}


def _unquoted(text: str) -> str:
    sign = text[:1]
    return text[1:-1].replace(sign * 2, sign) if sign in ("'", '"', "`") else text


def _tokens(text: str) -> list[_Token]:
    if len(text) > LONGEST:
        raise FilterError(f"more than {LONGEST:,} characters", text[:80], 0)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise FilterError("this is not valid Unicode", text, error.start) from None
    found = []
    place = _SPACE.match(text).end()  # type: ignore[union-attr]  # it matches anything
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            what = "this quote is not closed" if text[place] in "'\"`" else "this is not expected"
            raise FilterError(what, text, place)
        kind = str(match.lastgroup) if match["name"] is None else "name"
        key = match["key"]
        given = match["name"] or match[kind]
        begin = match.start("key") if key is not None else place
        inner = None if key is None else _unquoted(key)
        found.append(
            _Token(kind, given if kind == "text" else _unquoted(given), place, inner, begin)
        )
        place = _SPACE.match(text, match.end()).end()  # type: ignore[union-attr]
    return [*found, _Token("end", "", len(text))]


class _Parser:
    """Reads one filter or order from the left."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._at = 0
        self._comparisons = 0
        self._values = 0
        self._depth = 0

    # Tokens

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _took(self, *words: str) -> bool:
        """Take the next token if it is one of these keywords or signs."""
        token = self._next
        taken = token.word in words or (token.kind == "sign" and token.text in words)
        if taken:
            self._take()
        return taken

    def _fail(self, message: str, place: int, hint: str | None = None) -> NoReturn:
        raise FilterError(message, self._text, place, hint=hint)

    def _expected(self, what: str) -> NoReturn:
        token = self._next
        found = "the end" if token.kind == "end" else repr(token.text[:40])
        self._fail(f"expected {what}, found {found}", token.place)

    def _need(self, sign: str) -> None:
        if not self._took(sign):
            self._expected(repr(sign))

    # The grammar: or, and, not, parentheses, comparison

    def filter(self) -> Node:
        found = self._any()
        if self._next.kind != "end":
            self._expected("AND, OR or the end")
        return found

    def _any(self) -> Node:
        parts = [self._all()]
        while self._took("OR"):
            parts.append(self._all())
        return _joined(parts, either=True)

    def _all(self) -> Node:
        parts = [self._not()]
        while self._took("AND"):
            parts.append(self._not())
        return _joined(parts, either=False)

    def _not(self) -> Node:
        place = self._next.place
        self._depth += 1
        if self._depth > DEEPEST:
            self._fail(f"nested deeper than {DEEPEST} levels", place)
        if self._took("NOT"):
            found: Node = Not(self._not())
        elif self._took("("):
            found = self._any()
            self._need(")")
        else:
            found = self._comparison()
        self._depth -= 1
        return found

    def _comparison(self) -> Node:
        token = self._next
        self._comparisons += 1
        if self._comparisons > MOST_COMPARISONS:
            self._fail(f"more than {MOST_COMPARISONS} comparisons", token.place)
        if token.kind == "text":
            self._take()
            return self._match(Field("text"), token)
        if token.kind != "name" or token.word in _KEYWORDS:
            self._expected("a field, such as metrics.roc_auc")
        field = self._field()
        if field.type == "pin" and self._next.kind == "text":
            return self._requires(field)
        if self._took("IS"):
            return self._null(field)
        is_not = self._took("NOT")
        found = self._compared(field, is_not)
        return Not(found) if is_not else found

    def _field(self) -> Field:
        token = self._take()
        try:
            return named(token.text, token.key)
        except InvalidRequest as error:
            self._fail(str(error), token.place, error.hint)

    def _null(self, field: Field) -> Node:
        is_not = self._took("NOT")
        if not self._took("NULL"):
            self._expected("NULL or NOT NULL")
        if field.type == "words":
            self._fail("text is never absent: description IS NULL", self._next.place)
        found = Comparison(field, "NULL")
        return Not(found) if is_not else found

    def _requires(self, field: Field) -> Node:
        token = self._take()
        try:
            return Comparison(field, "REQUIRES", (requirement(_unquoted(token.text)),))
        except InvalidRequest as error:
            self._fail(str(error), token.place, error.hint)

    def _compared(self, field: Field, is_not: bool) -> Node:  # noqa: FBT001  NOT before the word
        token = self._next
        kind = field.type
        if kind == "pin":
            if token.kind == "name" and token.word not in _KEYWORDS:
                self._fail(f"text needs quotes: '{token.text[:40]}'", token.place)
            self._fail("write requires 'scikit-learn<1.4', without a sign", token.place)
        if self._took("MATCH"):
            if kind != "words":
                self._fail("only text has MATCH: text MATCH 'words'", token.place)
            return self._match(field, self._take())
        if kind == "words":
            self._expected("MATCH, as in text MATCH 'words'")
        if self._took("IN"):
            return self._equal(field, self._list(field))
        if self._took("LIKE", "ILIKE"):
            return self._like(field, token)
        if is_not:
            self._expected("IN, LIKE or ILIKE after NOT")
        return self._signed(field)

    def _signed(self, field: Field) -> Node:
        token = self._next
        if token.text in ("==", "<>") and token.kind == "sign":
            self._expected("= or !=")
        if not self._took(*_SIGNS):
            self._expected("a comparison: =, !=, <, <=, >, >=, LIKE, ILIKE, IN or IS NULL")
        value = self._operand(field)
        if token.text in ("=", "!="):
            found = self._equal(field, (value,))
            return Not(found) if token.text == "!=" else found
        if field.type in ("stage", "flag", "hash", "set"):
            self._fail(f"{field.path} has no order: use =, !=, IN or LIKE", token.place)
        sign: Sign = token.text  # type: ignore[assignment]
        return Comparison(field, sign, (value,))

    def _equal(self, field: Field, values: tuple[Operand, ...]) -> Node:
        return Comparison(field, "STARTS" if field.type == "hash" else "=", values)

    def _like(self, field: Field, token: _Token) -> Node:
        if field.type in ("number", "size", "time", "flag", "python"):
            self._fail(f"{field.path} is no text: use =, <, > or IN", token.place)
        value = self._take()
        if value.kind != "text":
            self._at -= value.kind != "end"
            self._expected("a pattern in quotes")
        ignores = token.word == "ILIKE" or field.type in ("stage", "hash")
        self._count(value)
        return Comparison(field, "ILIKE" if ignores else "LIKE", (_unquoted(value.text),))

    def _match(self, field: Field, token: _Token) -> Node:
        text = _unquoted(token.text) if token.kind == "text" else ""
        # A star after a word stands for any ending.
        words = [w + "*" * star for part in text.split() for w, star in _starred(part)]
        if not words:
            self._fail("expected words in quotes to search for", token.place)
        self._count(token, len(words))
        return Comparison(field, "MATCH", tuple(dict.fromkeys(words)))

    # Values

    def _list(self, field: Field) -> tuple[Operand, ...]:
        self._need("(")
        found = [self._operand(field)]
        while self._took(","):
            found.append(self._operand(field))
        self._need(")")
        return tuple(found)

    def _operand(self, field: Field) -> Operand:
        token = self._next
        is_word = token.word in ("TRUE", "FALSE")
        if token.kind == "name" and not is_word:
            self._fail(f"text needs quotes: '{token.text[:40]}'", token.place)
        if token.kind not in ("text", "bare") and not is_word:
            self._expected("a value")
        self._take()
        self._count(token)
        try:
            quoted = token.kind == "text"
            if is_word and field.type == "any":
                return token.text.lower()
            return operand(field, _unquoted(token.text), quoted=quoted)
        except InvalidRequest as error:
            self._fail(str(error), token.place, error.hint)

    def _count(self, token: _Token, more: int = 1) -> None:
        self._values += more
        if self._values > MOST_VALUES:
            self._fail(f"more than {MOST_VALUES} values", token.place)

    # Orders

    def orders(self) -> tuple[Order, ...]:
        found = [self._order()]
        while self._took(","):
            found.append(self._order())
        if self._next.kind != "end":
            self._expected("ASC, DESC, a comma or the end")
        return tuple(found)

    def _order(self) -> Order:
        token = self._next
        if token.kind != "name":
            self._expected("a field, such as created_at")
        field = self._field()
        if field.name in MANY:
            self._fail(f"{field.path} may have several values, and no order", token.place)
        self._comparisons += 1
        if self._comparisons > 10:
            self._fail("more than 10 fields to sort by", token.place)
        descending = self._took("DESC")
        if not descending:
            self._took("ASC")
        return Order(field, descending)


def _joined(parts: list[Node], *, either: bool) -> Node:
    return reduce(lambda left, right: Both(left, right, either), parts)


def _starred(part: str) -> list[tuple[str, bool]]:
    """Return the words of a part of free text, and whether each may have another ending."""
    words = words_of(part)
    last = len(words) - 1
    return [(word, part.endswith("*") and place == last) for place, word in enumerate(words)]
