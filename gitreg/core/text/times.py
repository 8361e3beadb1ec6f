"""Moments as a person types them for ``--at``, as messages name them and as documents store them.

Git accepts any text as a date, even one that it does not understand; this module refuses that.

>>> parse_instant("2026-11-22T20:25:06Z")
1795379106
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from gitreg.errors import InvalidRequest

_AGO = re.compile(r"(?P<count>\d{1,6}) (?P<unit>second|minute|hour|day|week)s? ago")
# Later Pythons also read 20261122 and 2026-W47-7: what follows a date sets the time apart.
_LOCAL = re.compile(r"\s+local$", re.IGNORECASE)
_HAS_TIME = re.compile(r"\d[^\dW-]\d")


def parse_instant(text: str, now: datetime | None = None, *, first: bool = False) -> int:
    """Return a point in time in seconds since the epoch.

    Args:
        text: ISO 8601, in UTC unless it has an offset or ends in `` local`` (the end of the day for
            a date alone), ``3 days ago``, ``yesterday`` or ``now``.
        now: the present, for tests.
        first: read a date alone as the beginning of its day, not the end.

    Raises:
        InvalidRequest: ``text`` has none of these forms.
    """
    present = now or datetime.now(timezone.utc)
    words = " ".join(text.lower().split())
    if words in ("now", "yesterday"):
        return int((present - timedelta(days=words == "yesterday")).timestamp())
    ago = _AGO.fullmatch(words)
    try:
        if ago:
            elapsed = timedelta(**{ago["unit"] + "s": int(ago["count"])})
            return int((present - elapsed).timestamp())
        return int(_written(text.strip(), first=first).timestamp())
    except (ValueError, OverflowError, OSError):
        raise InvalidRequest(
            f"{text[:60]!a} is not a date or time",
            hint="write 2026-11-22, 2026-11-22T20:25:06Z, '2026-11-22 20:25 local', '3 days ago' "
            "or yesterday",
        ) from None


def _written(text: str, *, first: bool) -> datetime:
    """Return the moment of ISO 8601; a naive one is in local time.

    Raises:
        ValueError: it is none.
    """
    given = _LOCAL.sub("", text)
    # Python 3.10 does not read the Z of UTC.
    moment = datetime.fromisoformat(re.sub(" ?[zZ]$", "+00:00", given))
    if not first and not _HAS_TIME.search(given):
        moment += timedelta(days=1, seconds=-1)
    if given == text:
        return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    if moment.tzinfo is not None:
        raise ValueError(text)
    return moment


def utc(moment: str | int) -> str:
    """Return a moment in UTC, as every message and every JSON has it.

    Args:
        moment: ISO 8601 with an offset, as in an event, or seconds since the epoch.

    >>> utc("2026-11-22T21:25:06+01:00"), utc(1795379106)
    ('2026-11-22T20:25:06Z', '2026-11-22T20:25:06Z')
    """
    if isinstance(moment, int):
        found = datetime.fromtimestamp(moment, timezone.utc)
    else:
        found = datetime.fromisoformat(re.sub("[zZ]$", "+00:00", moment)).astimezone(timezone.utc)
    return f"{found:%Y-%m-%dT%H:%M:%S}Z"


def ago(seconds: float) -> str:
    """Return how long ago something was, in words, rounded down.

    >>> [ago(seconds) for seconds in (-5, 61, 7300, 200_000)]
    ['less than a minute ago', '1 minute ago', '2 hours ago', '2 days ago']
    """
    return f"{lasting(seconds)} ago"


def lasting(seconds: float) -> str:
    """Return how long something is, in words, rounded down.

    >>> [lasting(seconds) for seconds in (5, 61, 7300, 200_000)]
    ['less than a minute', '1 minute', '2 hours', '2 days']
    """
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count = int(seconds // length)
        if count > 0:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"


def instant(milliseconds: int) -> str:
    """Return a point in time as a manifest holds it.

    >>> instant(1700000000123)
    '2023-11-14T22:13:20.123Z'
    """
    moment = datetime.fromtimestamp(milliseconds // 1000, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def milliseconds(instant: str) -> int:
    """Return the milliseconds of a time in a manifest; 0 for text that is no time.

    >>> milliseconds("2023-11-14T22:13:20.123Z"), milliseconds("2023-11-14T22:13:20Z")
    (1700000000123, 1700000000000)
    """
    whole, _, fraction = instant.rstrip("Z").partition(".")
    try:
        moment = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
        return int(moment.timestamp()) * 1000 + int(f"{fraction:0<3}"[:3])
    except ValueError:
        return 0
