"""Python's objects as plain values: what training scripts pass as metrics, params and tags.

Numbers stay numbers, also NumPy's, pandas' and PyTorch's, of which no package is imported here.
What has no plain form becomes a text that says the same in every run: no memory addresses.

>>> from decimal import Decimal
>>> from functools import partial
>>> [plain_object(value) for value in (Decimal("0.5"), (1, 2), len, partial(int, base=2))]
[0.5, [1, 2], 'len', 'partial(int, base=2)']
>>> plain_object({1: "yes"})
{1: 'yes'}
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from numbers import Integral, Real
from typing import Any

TEXT_LIMIT = 1000
"""How many characters of an object's description are kept."""

ITEM_LIMIT = 1000
"""How many numbers of an array are kept; of a larger one only its type and shape are."""

# Not int() and float() for Python's own: a subclass may have other ones.
_NUMBERS: tuple[tuple[Any, Callable[[Any], object]], ...] = (
    (int, int.__int__),
    (Integral, int),
    (float, float.__float__),
    ((Real, Decimal), float),
)
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")


def plain_object(value: object) -> object:
    """Return an object as a plain value; a list or mapping keeps its items as they are.

    Numbers that are not finite stay numbers: the caller decides what they are worth.
    """
    if isinstance(value, Enum):
        return _enum(value)
    single = _single(value)
    return _several(value) if single is None and value is not None else single


def plain_texts(texts: Mapping[str, object]) -> dict[str, Any]:
    """Return texts of Python's own type; what is not a text stays, for others to refuse."""
    return {
        str(plain_object(key)): plain_object(text) if isinstance(text, str) else text
        for key, text in texts.items()
    }


def _enum(value: Enum) -> object:
    """Return what stands for a member: its number or text if it is one, else its name."""
    if isinstance(value, (int, float)) or isinstance(value.value, str):
        return plain_object(value.value)
    return str(getattr(value, "name", None) or value)  # combined flags have no name


def _single(value: object) -> object:
    """Return a single value in Python's own types; ``None`` for everything else."""
    if isinstance(value, (bool, date, time)):
        return value
    if isinstance(value, str):
        return str.__str__(value)  # not str(): a subclass may have another one
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, os.PathLike):
        return plain_object(os.fspath(value))
    # Before the numbers: NumPy's differences in time call themselves integers.
    if isinstance(value, timedelta) or _is_time(value):
        return str(value)
    return _number(value)


def _number(value: object) -> object:
    """Return a number, also that of an array without dimensions; ``None`` for anything else."""
    for kinds, number in _NUMBERS:
        if isinstance(value, kinds):
            return number(value)
    item = getattr(value, "item", None)
    if getattr(value, "shape", None) != () or not callable(item):
        return None
    found = item()
    return None if type(found) is type(value) else plain_object(found)


def _is_time(value: object) -> bool:
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    return kind in ("m", "M") and getattr(value, "shape", None) == ()


def _several(value: object) -> object:
    """Return a mapping or list for what has items, a text for everything else."""
    if isinstance(value, Mapping):
        return dict(value.items())
    if isinstance(value, AbstractSet):
        return sorted(value, key=_text_of)
    if callable(value) or isinstance(value, range):
        return _text_of(value)
    shape = _shape(value)
    if shape:
        return _array(value, shape)
    return list(value) if isinstance(value, Sequence) else _text_of(value)


def _shape(value: object) -> tuple[int, ...]:
    shape = getattr(value, "shape", None)
    whole = isinstance(shape, tuple) and all(isinstance(length, int) for length in shape)
    return tuple(map(int, shape)) if shape and whole else ()


def _array(value: object, shape: tuple[int, ...]) -> object:
    count = 1
    for length in shape:
        count *= length
    listed = getattr(value, "tolist", None)  # NumPy's, pandas' and PyTorch's
    if callable(listed) and count <= ITEM_LIMIT:
        return listed()
    return f"{type(value).__name__} of shape {shape}"


def _text_of(value: object) -> str:
    """Return a description of an object that is the same in every run."""
    if isinstance(value, partial):
        given = [_text_of(item) for item in value.args]
        given += [f"{name}={_text_of(item)}" for name, item in value.keywords.items()]
        return _shortened(f"partial({', '.join([_text_of(value.func), *given])})")
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    if isinstance(name, str) and callable(value):
        module = getattr(value, "__module__", None)
        return name if module in (None, "builtins") else f"{module}.{name}"
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001  other people's code, and a model is worth registering
        text = f"<{type(value).__name__}>"
    return _shortened(" ".join(_ADDRESS.sub("", text).split()))


def _shortened(text: str) -> str:
    text = text.encode("utf-8", "backslashreplace").decode()  # half of a surrogate pair
    return text if len(text) <= TEXT_LIMIT else f"{text[: TEXT_LIMIT - 1]}…"
