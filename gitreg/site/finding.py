"""The index that the search page reads: models and versions with their words, in parts. Pure.

A model's entries are in one part, which its name alone decides: a change of a model changes one
part. A part has some 5,000 versions, and stays below a megabyte whatever they say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from gitreg.site.texts import script, values_in
from gitreg.site.values import ModelSeen, Row

_PER_PART = 5_000
LIMIT = 900_000
"""The most bytes of all parts for 10,000 versions; what a version says is shortened for it."""

_PER_VERSION = 60
"""How many characters of a version's own words are kept."""

Docs = Mapping[str, Any]


def parts_for(versions: int) -> int:
    """Return into how many parts the entries of so many versions go: a power of two.

    >>> parts_for(0), parts_for(10_000), parts_for(100_000)
    (1, 2, 32)
    """
    parts = 1
    while parts * _PER_PART < versions:
        parts *= 2
    return parts


def part_of(model: str, parts: int) -> int:
    """Return the part of a model's entries."""
    digest = hashlib.sha256(model.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:4], "big") % parts


def entry_of(row: Row, seen: ModelSeen) -> list[Any]:
    """Return what is found of a model and of its versions.

    It is a list: folder, words, and of each version its number, place and words.
    """
    tags = [text for pair in seen.model.tags.items() for text in pair if text]
    words = " ".join([row.line, row.owner, *tags])[:300]
    versions = []
    for one in seen.versions:
        said = " ".join([one.description or "", *(f"{k} {v}" for k, v in one.tags.items())])
        place = " ".join([*([one.stage] if one.stage else []), *(f"@{a}" for a in one.aliases)])
        versions.append(
            [
                one.version,
                place[:80],
                " ".join(said.split())[:_PER_VERSION],
                one.artifact.sha256[:8],
            ]
        )
    return [row.folder, words, versions]


def part_text(number: int, entries: Mapping[str, list[Any]]) -> str:
    """Return the script of a part."""
    return script("found", number, dict(sorted(entries.items())))


def read_part(text: str) -> dict[str, list[Any]]:
    """Return the entries in a part; the inverse of `part_text`."""
    _, entries = values_in(text)
    return dict(entries)
