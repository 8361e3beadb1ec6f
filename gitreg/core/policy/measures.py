"""Sizes, durations and moments as a policy writes them; each parser has an inverse.

>>> parse_size("2 GiB"), format_size(2 * 1024**3)
(2147483648, '2 GiB')
>>> parse_duration("7d"), format_duration(604800)
(604800, '7d')
>>> parse_moment("2026-12-20T01:00:00+01:00"), format_moment(1797724800)
(1797724800, '2026-12-20T00:00:00Z')
"""

from __future__ import annotations

import re
from datetime import datetime, timezone

_SIZES = {
    "GiB": 1024**3,
    "GB": 1000**3,
    "MiB": 1024**2,
    "MB": 1000**2,
    "KiB": 1024,
    "kB": 1000,
    "B": 1,
    "TiB": 1024**4,
    "TB": 1000**4,
}
_DURATIONS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_LONGEST = 16
"""The most digits that a number may have."""

_SIZE = re.compile(rf"(\d{{1,{_LONGEST}}}) ?({'|'.join(_SIZES)})", re.ASCII)
_DURATION = re.compile(rf"(\d{{1,{_LONGEST}}}) ?([dhms])", re.ASCII)
_MOMENT = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2})?(?:[zZ]|[-+]\d{2}:\d{2})", re.ASCII
)
_LAST = 253_402_300_799  # of year 9999
MOST = 2**53
"""All numbers stay below this, so that every reader of a document represents them exactly."""


def parse_size(text: str) -> int | None:
    """Return a number of bytes, or ``None`` for what is no size such as ``500 MB``."""
    match = _SIZE.fullmatch(text)
    size = int(match[1]) * _SIZES[match[2]] if match else MOST
    return size if size < MOST else None


def format_size(size: int) -> str:
    """Return a number of bytes in the largest unit that says it exactly."""
    exact = [unit for unit in _SIZES if size and size % _SIZES[unit] == 0]
    unit = max(exact, key=_SIZES.__getitem__, default="B")
    return f"{size // _SIZES[unit]} {unit}"


def parse_duration(text: str) -> int | None:
    """Return a number of seconds, or ``None`` for what is no duration such as ``24h`` or ``7d``."""
    match = _DURATION.fullmatch(text)
    seconds = int(match[1]) * _DURATIONS[match[2]] if match else MOST
    return seconds if seconds < MOST else None


def format_duration(seconds: int) -> str:
    """Return a number of seconds in the largest unit that says it exactly."""
    unit = next((u for u in _DURATIONS if seconds and seconds % _DURATIONS[u] == 0), "s")
    return f"{seconds // _DURATIONS[unit]}{unit}"


def spoken_duration(seconds: int) -> str:
    """Return about how long that is, in at most two units.

    >>> spoken_duration(93784), spoken_duration(42), spoken_duration(7200)
    ('1d 2h', '42s', '2h')
    """
    for unit, size in _DURATIONS.items():
        if seconds >= size:
            rest = seconds % size
            below = {"d": "h", "h": "m", "m": "s"}.get(unit)
            parts = rest // _DURATIONS[below] if below else 0
            return f"{seconds // size}{unit}" + (f" {parts}{below}" if parts else "")
    return "0s"


def parse_moment(text: str) -> int | None:
    """Return seconds since the epoch, or ``None`` for what is no ISO 8601 time with a zone.

    Without a zone it would be another moment on another machine.
    """
    if not _MOMENT.fullmatch(text):
        return None
    try:
        # Python 3.10 does not read the Z of UTC.
        moment = int(datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text)).timestamp())
    except ValueError:
        return None
    return moment if 0 <= moment <= _LAST else None  # in UTC, as it is written


def format_moment(moment: int) -> str:
    """Return seconds since the epoch as ``2026-12-20T00:00:00Z``."""
    try:
        return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{moment} s after 1970"  # Git stores any number for a date
