"""What was seen last of a repository that is read by URL: a small file beside its copies."""

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
    """The commit that a remote's default branch was at, and when that was found out.

    Attributes:
        commit: 40 hex digits.
        branch: its full name (``refs/heads/main``); ``None`` as long as nobody had to ask.
        reached: seconds since the epoch; read to a person, and to nothing that decides.
    """

    commit: str
    branch: str | None
    reached: float


def recall(folder: Path) -> LastSeen | None:
    """Return what `remember` wrote into ``folder``; ``None`` when it never did.

    A file that does not parse counts as none: it appears whole or not at all, so that it is a
    person's doing or the disk's, and a copy that lies beside it still says where it is.
    """
    try:
        said = json.loads((folder / _NAME).read_bytes())
        found = LastSeen(said["commit"], said["branch"], float(said["reached"]))
        return found if _OID.fullmatch(found.commit) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(folder: Path, seen: LastSeen) -> None:
    """Write what was seen into ``folder``, whole or not at all; its lock is the caller's to hold.

    Raises:
        WorldError: the disk refuses.
    """
    temporary = folder / f".{_NAME}"
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            json.dump(asdict(seen), stream)
            stream.flush()
            os.fsync(stream.fileno())  # or the new name may stand for an empty file
        temporary.replace(folder / _NAME)
    except OSError as error:
        raise WorldError(f"{folder / _NAME}: {error.strerror}") from None
