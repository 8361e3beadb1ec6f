"""Many documents of a few forms: each form is parsed once, and values are put back in its places.

To parse YAML takes milliseconds, and a registry of ten thousand versions has twenty thousand
documents, which differ in a name, some numbers and checksums. Those are replaced here, line by
line, by stand-ins of the same kind. When the strict reader takes a document of stand-ins it takes
every document that becomes the same by this: no rule of its tells two values of a kind apart.
Whatever is written in another way stays as it is, so that it makes a form of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Generic, TypeVar

from gitreg.core.documents.yaml import SIZE_LIMIT
from gitreg.errors import InvalidDocument

_T = TypeVar("_T")
_S = TypeVar("_S", int, str)

# The whole value of a line. What could be read as another kind is left out: digits with an e among
# them are a number, and so is a checksum without a letter; 'format' may have one value alone.
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
    """A document of a known form: what its stand-ins were parsed to, and what they stand for."""

    def __init__(self, form: _T, values: dict[int | str, int | str]) -> None:
        self.form = form
        self._values = values

    def value(self, parsed: _S) -> _S:
        """Return what stands in the document where its form has ``parsed``.

        Raises:
            LookupError: it is made of a stand-in and something else.
        """
        if parsed in self._values:
            return self._values[parsed]  # type: ignore[return-value]  # each of its own kind
        if any(mark.decode() in str(parsed) for mark in _MARKS):
            raise LookupError(parsed)
        return parsed


class Forms(Generic[_T]):
    """The forms that one reader has met."""

    def __init__(self, read: Callable[[bytes, str], _T]) -> None:
        self._read = read
        self._met: dict[bytes, _T | None] = {}

    def read(self, data: bytes) -> Filled[_T] | None:
        """Return a document, or ``None`` when the reader itself has to be asked for it."""
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
                told, word = found["time"], b"%s%06d" % (_WORD, count)
            else:
                told = found["sum"] + found["dir"]
                rest = len(found["sum"]) - len(_SUM)
                word = b"%s%0*d%s" % (_SUM, rest, count, found["dir"])
            values[word.decode()] = told.decode()
            return found["key"] + found["quote"] + word + found["quote"]

        form = _VALUE.sub(stand_in, data)
        if form not in self._met:
            try:
                self._met[form] = self._read(form, "")
            except InvalidDocument:
                self._met[form] = None
        parsed = self._met[form]
        return None if parsed is None else Filled(parsed, values)
