"""Which paths the files of an artifact may have: those that every operating system can restore."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import pairwise

PATH_LIMIT = 4096
"""The longest relative path inside an artifact, in UTF-8 bytes (Linux's ``PATH_MAX``)."""


# DVC never tracks these, so a folder with one of them could not be restored as registered.
_FOREIGN = frozenset({".git", ".hg", ".dvc", ".dvcignore"})


_DRIVE = re.compile(r"[A-Za-z]:")


def shown(path: str) -> str:
    """Return a path for a message: quoted and escaped if it could disturb a terminal."""
    return path if path.isascii() and path.isprintable() else ascii(path)


def path_rule(path: str) -> str | None:
    """Return the rule that a member's path breaks; ``None`` when it is valid.

    The same rules apply to registrations and to listings from a repository, so that every
    registered artifact can be restored, on every operating system.
    """
    categories = {unicodedata.category(char) for char in path}
    parts = path.split("/")
    foreign = next((part for part in parts if part.lower() in _FOREIGN), None)
    rule = None
    if "Cs" in categories:
        rule = "its name is not UTF-8"
    elif "Cc" in categories:
        rule = "its name has a control character"
    elif "\\" in path:
        rule = "its name has a backslash"
    elif _DRIVE.match(path):
        rule = "it starts with a drive letter"
    elif len(path.encode()) > PATH_LIMIT:
        rule = f"its path is longer than {PATH_LIMIT} bytes"
    elif any(part in ("", ".", "..") for part in parts):
        rule = "it is not a plain relative path"
    elif foreign:
        rule = f"{foreign} is not tracked by DVC"
    return rule


def clash(paths: Iterable[str]) -> tuple[str, str] | None:
    """Return two paths that cannot exist in one folder on every system; ``None`` if none clash.

    They differ only in case or Unicode form, or one is a file where the other needs a folder.
    """
    # With NUL instead of the slash, the paths below a path sort right after it. No path has a NUL.
    folded = sorted((_folded(path).replace("/", "\0"), path) for path in paths)
    for (first, one), (second, other) in pairwise(folded):
        if first == second or second.startswith(first + "\0"):
            return one, other
    return None


def _folded(path: str) -> str:
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold())
