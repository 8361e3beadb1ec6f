"""Reads many documents of a few forms: parses each form once, and fills in each document's values.

Parsing YAML takes milliseconds, and a registry of ten thousand versions has twenty thousand
documents, which differ only in a name, some numbers and checksums. This module replaces those
values, line by line, with stand-ins of the same kind; the result is the document's form. If the
strict reader accepts a form, it accepts every document of that form, because none of its rules
distinguishes two values of one kind. A value that is written in another way is not replaced, so
its document has a form of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Generic, TypeVar

from gitreg.core.documents.yaml import SIZE_LIMIT
from gitreg.errors import InvalidDocument

_T = TypeVar("_T")
_S = TypeVar("_S", int, str)

# The whole value of a line, without values that could be read as another kind: digits with an 'e'
# among them are a number, and so is a checksum without letters. 'format' has only one valid value.
_VALUE = re.compile(
    rb"""^(?P<key>[ ]*(?:-[ ])?(?!format:)[A-Za-z_][\w.-]*:[ ]-?)(?:
      (?P<real>[0-9]{1,15}\.[0-9]{1,17})
    | (?P<integer>[1-9][0-9]{0,17})
    | (?P<quote>'?)(?:
        (?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)
      | (?P<sum>(?=[0-9e]*[abcdf])(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32}))(?P<dir>(?:\.dir)?)
      )(?P=quote)
    )$
    | ^model:[ ](?!(?i:null|true|false)$)(?P<name>[A-Za-z][\w.-]*)$""",
    re.MULTILINE | re.VERBOSE,
)
_NUMBER = 917_364_528_000_000_000
_SUM = b"facadefacadefacadefacade"
_WORD = b"stand-in-of-doctor-"
_MARKS = (b"917364528", _SUM, _WORD)


class Filled(Generic[_T]):
    """A document of a known form: the parsed form, and the values of its stand-ins."""

    def __init__(self, form: _T, values: dict[int | str, int | str]) -> None:
        self.form = form
        self._values = values

    def value(self, parsed: _S) -> _S:
        """Return the document's value where its form has ``parsed``.

        Raises:
            LookupError: the value combines a stand-in with something else.
        """
        if parsed in self._values:
            return self._values[parsed]  # type: ignore[return-value]  # each of its own kind
        if any(mark.decode() in str(parsed) for mark in _MARKS):
            raise LookupError(parsed)
        return parsed


class Forms(Generic[_T]):
    """A cache of the forms that one reader has parsed."""

    def __init__(self, read: Callable[[bytes, str], _T]) -> None:
        self._read = read
        self._known: dict[bytes, _T | None] = {}

    def read(self, data: bytes) -> Filled[_T] | None:
        """Return a document; ``None`` when only the reader itself can read it."""
        if len(data) > SIZE_LIMIT or any(mark in data for mark in _MARKS):
            return None
        values: dict[int | str, int | str] = {}

        def stand_in(found: re.Match[bytes]) -> bytes:
            count = len(values)
            if found["name"]:
                word = b"%s%06d" % (_WORD, count)
                values[word.decode()] = found["name"].decode()
                return b"model: " + word
            if found["real"]:
                return found["key"] + b"0.5"
            if found["integer"]:
                values[_NUMBER + count] = int(found["integer"])
                return b"%s%d" % (found["key"], _NUMBER + count)
            if found["time"]:
                value, word = found["time"], b"%s%06d" % (_WORD, count)
            else:
                value = found["sum"] + found["dir"]
                rest = len(found["sum"]) - len(_SUM)
                word = b"%s%0*d%s" % (_SUM, rest, count, found["dir"])
            values[word.decode()] = value.decode()
            return found["key"] + found["quote"] + word + found["quote"]

        form = _VALUE.sub(stand_in, data)
        if form not in self._known:
            try:
                self._known[form] = self._read(form, "")
            except InvalidDocument:
                self._known[form] = None
        parsed = self._known[form]
        return None if parsed is None else Filled(parsed, values)
