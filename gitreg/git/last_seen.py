"""Stores the last known state of a repository read by URL: a small file beside its copies."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from gitreg.errors import WorldError

_NAME = "seen.json"
_OID = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class LastSeen:
    """The commit of a remote's default branch when the remote was last reached.

    Attributes:
        commit: 40 hex digits.
        branch: the branch's full name (``refs/heads/main``); ``None`` until somebody needs it.
        reached: when, in seconds since the epoch; shown to people, never used for a decision.
    """

    commit: str
    branch: str | None
    reached: float


def recall(folder: Path) -> LastSeen | None:
    """Return the state that `remember` stored in ``folder``; ``None`` when there is none.

    A file that does not parse counts as missing. gitreg replaces it atomically, so a person or the
    disk damaged it, and the copy beside it still knows its own commit.
    """
    try:
        stored = json.loads((folder / _NAME).read_bytes())
        found = LastSeen(stored["commit"], stored["branch"], float(stored["reached"]))
        return found if _OID.fullmatch(found.commit) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(folder: Path, seen: LastSeen) -> None:
    """Store the last known state in ``folder`` atomically; the caller holds the folder's lock.

    Raises:
        WorldError: the file cannot be written.
    """
    temporary = folder / f".{_NAME}"
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            json.dump(asdict(seen), stream)
            stream.flush()
            os.fsync(stream.fileno())  # else a crash can leave an empty file under the new name
        temporary.replace(folder / _NAME)
    except OSError as error:
        raise WorldError(f"{folder / _NAME}: {error.strerror}") from None
