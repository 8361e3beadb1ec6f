"""Moments as a person types them for ``--at``.

Git takes any text for a date and never says that it did not understand it; this does.

>>> parse_instant("2026-11-22T20:25:06Z")
1795379106
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from gitreg.errors import InvalidRequest

_AGO = re.compile(r"(?P<count>\d{1,6}) (?P<unit>second|minute|hour|day|week)s? ago")
# Later Pythons also read 20261122 and 2026-W47-7: what follows a date sets the time apart.
_HAS_TIME = re.compile(r"\d[^\dW-]\d")


def parse_instant(text: str, now: datetime | None = None) -> int:
    """Return a moment in seconds since the epoch.

    Args:
        text: ISO 8601 (without a zone, local time; a date alone, the end of that day),
            ``3 days ago``, ``yesterday`` or ``now``.
        now: the present, for tests.

    Raises:
        InvalidRequest: it is none of these.
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
        # Python 3.10 does not read the Z of UTC.
        moment = datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text.strip()))
        if not _HAS_TIME.search(text.strip()):
            moment += timedelta(days=1, seconds=-1)
        return int(moment.timestamp())
    except (ValueError, OverflowError, OSError):
        raise InvalidRequest(
            f"{text[:60]!a} is not a moment",
            hint="write 2026-11-22, 2026-11-22T20:25:06Z, '3 days ago' or yesterday",
        ) from None
