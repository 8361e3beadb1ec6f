"""Audits a remote: reads every object from it once, even objects that the cache has.

If the remote has no intact listing of a folder, the cache's listing is used, so that the members
are still checked. The audit also checks whether the cache could repair each fault. It writes
nothing, neither in the cache nor on the remote.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gitreg.dvc import digest
from gitreg.dvc.cache import Cache
from gitreg.dvc.digest import FileDigest, Meter, Progress, TreeDigest
from gitreg.dvc.listing import Member, ObjectId, is_listing, md5_of, read_listing
from gitreg.dvc.remote import Remote
from gitreg.errors import DvcError


@dataclass(frozen=True)
class Fault:
    """An object that is missing or damaged on a remote.

    Attributes:
        oid: the object.
        path: the file's path in the artifact; ``""`` for an artifact that is a file, ``None`` for
            the listing of a folder.
        is_missing: whether the object is missing; otherwise it is damaged.
        in_cache: whether the cache has an intact copy.
    """

    oid: ObjectId
    path: str | None
    is_missing: bool
    in_cache: bool


@dataclass(frozen=True)
class Audit:
    """The state of an artifact on a remote.

    Attributes:
        faults: the missing or damaged objects: the listing first, then members by path.
        tree: the digest of the artifact; ``None`` when something is missing or damaged.
        problem: why a listing with the right MD5 is invalid, or ``None``.
    """

    faults: tuple[Fault, ...] = ()
    tree: TreeDigest | None = None
    problem: str | None = None


@dataclass(frozen=True)
class _Expected:
    """The members of an artifact, and the faults of its listing."""

    members: tuple[Member, ...]
    faults: tuple[Fault, ...] = ()
    problem: str | None = None


def audit(
    remote: Remote, cache: Cache, md5s: Iterable[ObjectId], progress: Progress | None
) -> dict[ObjectId, Audit]:
    """Return the state of artifacts on a remote.

    1. Read the listings, which name the other objects.
    2. Read every other object: once, even if several artifacts share it, several objects at a
       time, and in constant memory.

    Args:
        remote: the remote to audit, which has been reached.
        cache: the cache, which is only read.
        md5s: the artifacts.
        progress: called with the number of bytes read.

    Raises:
        DvcError: the remote cannot be reached or read.
    """
    meter = Meter(progress)
    artifacts = list(dict.fromkeys(md5s))
    expected = dict(
        zip(
            artifacts,
            digest.each(lambda oid: _expect(remote, cache, oid), artifacts, meter),  # 1
            strict=True,
        )
    )
    files = list(dict.fromkeys(m.md5 for plan in expected.values() for m in plan.members))
    read = digest.each(lambda oid: remote.read(oid, meter), files, meter)  # 2
    found = dict(zip(files, read, strict=True))
    return {oid: _judge(oid, plan, found, cache) for oid, plan in expected.items()}


def _expect(remote: Remote, cache: Cache, oid: ObjectId) -> _Expected:
    if not is_listing(oid):
        return _Expected((Member("", oid),))
    data = remote.content(oid)
    if data is None or digest.listing_name(data) != oid:
        fault = Fault(oid, None, data is None, cache.is_intact(oid))
        from_cache = cache.members(oid) if fault.in_cache else None
        return _Expected(from_cache or (), (fault,))
    try:
        return _Expected(read_listing(data, oid))
    except DvcError as error:
        return _Expected((), problem=str(error))


def _judge(
    oid: ObjectId, expected: _Expected, found: Mapping[ObjectId, FileDigest | None], cache: Cache
) -> Audit:
    faults = list(expected.faults)
    intact = []
    for member in expected.members:
        file = found[member.md5]
        if file is not None and file.md5 == md5_of(member.md5):
            intact.append(file.at(member.path))
        else:
            in_cache = cache.is_intact(member.md5)
            faults.append(Fault(member.md5, member.path, file is None, in_cache))
    if faults or expected.problem:
        return Audit(tuple(faults), problem=expected.problem)
    return Audit(tree=digest.tree_digest(intact, is_folder=is_listing(oid)))


def repair(
    remote: Remote, cache: Cache, audits: Iterable[Audit], progress: Progress | None
) -> None:
    """Upload the missing and damaged objects that the cache has; a listing after its members.

    Raises:
        DvcError: the remote cannot be written.
    """
    found = [audit for audit in audits if audit.faults]
    members = {
        fault.oid: None
        for audit in found
        for fault in audit.faults
        if fault.in_cache and fault.path is not None
    }
    # DVC takes a listing on the remote as proof that all its members are there.
    listings = {
        fault.oid: None
        for audit in found
        if all(fault.in_cache for fault in audit.faults)
        for fault in audit.faults
        if fault.path is None
    }
    remote.upload(list(members), cache, progress)
    remote.upload(list(listings), cache, progress)
