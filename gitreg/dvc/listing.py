"""Checks the names of DVC objects, and reads the listing of a folder by strict rules.

>>> read_listing(b'[{"md5": "d41d8cd98f00b204e9800998ecf8427e", "relpath": "a/b"}]', "x.dir")
(Member(path='a/b', md5='d41d8cd98f00b204e9800998ecf8427e'),)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from gitreg.dvc import member_paths
from gitreg.errors import DvcError, InvalidRequest

ObjectId: TypeAlias = str
"""The name of a DVC object: 32 hex digits, followed by ``.dir`` for a folder."""

SIZE_LIMIT = 64 * 1024 * 1024
"""The largest ``.dir`` object that is read, in bytes: about half a million files."""

_OBJECT = re.compile(r"[0-9a-f]{32}(?:\.dir)?")
_MEMBER = re.compile(r"[0-9a-f]{32}")
_EMPTY = "d41d8cd98f00b204e9800998ecf8427e"


@dataclass(frozen=True)
class Member:
    """A file of an artifact: its object, and its path (``""`` when the artifact is the file)."""

    path: str
    md5: ObjectId

    def finding(self, reason: str) -> str:
        """Return one line that names the file and the reason."""
        return f"{member_paths.shown(self.path)}: {reason}" if self.path else reason


def check_object_id(oid: str) -> ObjectId:
    """Return ``oid`` if it is the name of a DVC object.

    Raises:
        InvalidRequest: it is not the name of a DVC object.
    """
    if not _OBJECT.fullmatch(oid):
        raise InvalidRequest(f"{oid[:50]!a} is not the name of a DVC object")
    return oid


def is_listing(oid: ObjectId) -> bool:
    """Return whether an object is the listing of a folder."""
    return oid.endswith(".dir")


def md5_of(oid: ObjectId) -> str:
    """Return the MD5 that an object's bytes must have."""
    return oid.removesuffix(".dir")


def may_have_size(oid: ObjectId, size: int | None) -> bool:
    """Return whether a size is plausible: an empty file usually means a damaged object."""
    return size != 0 or oid == _EMPTY


def objects_of(md5: ObjectId, members: Iterable[Member]) -> list[ObjectId]:
    """Return the objects of an artifact, each once, and a folder's listing last."""
    return list(dict.fromkeys([*(member.md5 for member in members), md5]))


def read_listing(data: bytes, oid: ObjectId) -> tuple[Member, ...]:
    """Return the files of a ``.dir`` object, sorted by path.

    The listing is not trusted: every path must stay inside the folder, and no two may clash.

    Raises:
        DvcError: the listing breaks a rule.
    """
    try:
        members = [Member(entry["relpath"], entry["md5"]) for entry in json.loads(data)]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise DvcError(f"DVC object {oid} is not the listing of a folder") from None
    if not members:
        raise DvcError(f"DVC object {oid} lists no files")
    for member in members:
        _check_member(member, oid)
    pair = member_paths.clash(member.path for member in members)
    if pair:
        one, other = map(member_paths.shown, pair)
        raise DvcError(
            f"DVC object {oid} lists {one} and {other}, which cannot exist in one folder"
        )
    return tuple(sorted(members, key=lambda member: member.path))


def _check_member(member: Member, oid: ObjectId) -> None:
    path: object = member.path  # JSON can have any type here
    if not isinstance(path, str):
        raise DvcError(f"DVC object {oid} is not the listing of a folder")
    rule = member_paths.path_rule(path)
    if rule is None and not _MEMBER.fullmatch(str(member.md5)):
        rule = "its MD5 is malformed"
    if rule:
        raise DvcError(f"DVC object {oid} lists {path[:200]!a}: {rule}")
