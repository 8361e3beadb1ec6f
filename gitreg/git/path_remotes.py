"""Finds the folder of a remote that is on this machine."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

_SCP = re.compile(r"[^/]*:")
_ENDINGS = ("/.git", "", ".git/.git", ".git")  # in Git's order


def folder_of(url: str, base: Path) -> Path | None:
    """Return the Git folder that a URL names on this machine; ``None`` for another machine.

    Args:
        url: a URL or a path, as Git takes it.
        base: the folder that a relative path starts from.
    """
    if url.startswith("file://"):
        place = Path(unquote(urlsplit(url).path))
    elif _SCP.match(url):
        return None
    else:
        place = base / url
    candidates = (Path(f"{place}{ending}") for ending in _ENDINGS)
    found = next((folder for folder in candidates if (folder / "HEAD").exists()), None)
    return None if found is None else found.resolve()
