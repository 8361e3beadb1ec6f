"""Which of several references a request goes to: by shares, and the same for the same key.

>>> split = Split({"@champion": 0.9, "@challenger": 0.1})
>>> split.choose("customer 14"), split.choose("customer 15")
('@champion', '@challenger')
>>> Split({"@champion": 0.9})
Traceback (most recent call last):
...
gitreg.errors.InvalidRequest: the shares add up to 0.9, not to 1

Weighted rendezvous hashing: for each reference, SHA-256 of reference and key is a number between 0
and 1; the reference with the least ``-log(number) / share`` is chosen. Nothing is stored, every
process and machine chooses the same, and the choice between two references depends on nothing but
their shares: raising one's share only moves keys to it.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Mapping
from typing import TypeAlias

from gitreg.errors import InvalidRequest

Key: TypeAlias = str | bytes | int
"""What a request sticks to: a customer's number, say."""


class Split:
    """Shares of requests.

    Args:
        shares: reference to its share, from 0 to 1; together they are 1. The first is the main one.

    Raises:
        InvalidRequest: a share is not such a number, or they do not add up to 1.
    """

    def __init__(self, shares: Mapping[str, float]) -> None:
        for name, share in shares.items():
            if isinstance(share, bool) or not isinstance(share, (int, float)):
                raise InvalidRequest(f"the share of {name} is {share!r}, not a number")
            if not 0 <= share <= 1:
                raise InvalidRequest(f"the share of {name} is {share}, not between 0 and 1")
        total = math.fsum(shares.values())
        if not math.isclose(total, 1, abs_tol=1e-9):
            raise InvalidRequest(f"the shares add up to {total:.9g}, not to 1")
        self.shares = dict(shares)
        self._able = {name: share for name, share in shares.items() if share > 0}

    @property
    def main(self) -> str:
        """The first reference: it serves where another one cannot."""
        return next(iter(self.shares))

    def choose(self, key: Key | None) -> str:
        """Return the reference for a key; without one, any, by the shares."""
        if len(self._able) == 1:
            return next(iter(self._able))
        if key is None:
            return random.choices([*self._able], [*self._able.values()])[0]  # noqa: S311
        of_key = key if isinstance(key, bytes) else str(key).encode("utf-8", "surrogatepass")
        return min(self._able, key=lambda name: _cost(name, of_key) / self._able[name])


def _cost(name: str, key: bytes) -> float:
    digest = hashlib.sha256(name.encode() + b"\0" + key).digest()
    return -math.log((int.from_bytes(digest[:8], "big") + 1) / (2**64 + 1))
