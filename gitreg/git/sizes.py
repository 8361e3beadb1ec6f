"""Kinds and sizes of objects, without reading them: whoever pushes chooses how large they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from gitreg.git.repository import GitRepository


class Header(NamedTuple):
    """The kind of an object (``blob``) and its size in bytes."""

    kind: str
    size: int


def headers(repository: GitRepository, oids: Iterable[str]) -> dict[str, Header]:
    """Return the kind and size of those of the objects that the repository has."""
    wanted = list(dict.fromkeys(oids))
    if not wanted:
        return {}
    answer = repository.run(
        "cat-file",
        "--batch-check=%(objectname) %(objecttype) %(objectsize)",
        stdin="".join(f"{oid}\n" for oid in wanted).encode("ascii"),
    ).text
    found = {}
    for line in answer.splitlines():
        oid, kind, *size = line.split(" ")
        if size:  # else "missing"
            found[oid] = Header(kind, int(size[0]))
    return found
