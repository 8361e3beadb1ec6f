"""Writes files of DVC's, and asks what they say of a source."""

from __future__ import annotations

import hashlib
from pathlib import Path
from textwrap import dedent

from gitreg.artifacts.lineage import TrackedOutput, find_tracked


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
    return folder


def tracked(source: Path) -> TrackedOutput:
    found = find_tracked(source)
    assert found is not None
    return found


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


OUT = md5("model")
"""The MD5 of an output."""
