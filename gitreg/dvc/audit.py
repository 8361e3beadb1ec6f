"""The audit of a remote: every object is read from it once, whatever the cache has.

The cache lends a listing that the remote lacks, so that its members are looked at all the same, and
it is asked whether it could put right what is wrong. An audit writes nothing, here or there.
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
    """An object that is not on a remote as it should be.

    Attributes:
        oid: which.
        path: of the file in the artifact; ``""`` for an artifact that is a file, ``None`` for the
            listing of a folder.
        is_missing: whether it is not there; otherwise its bytes are others.
        in_cache: whether the cache has it, its MD5 checked.
    """

    oid: ObjectId
    path: str | None
    is_missing: bool
    in_cache: bool


@dataclass(frozen=True)
class Audit:
    """What a remote holds of an artifact.

    Attributes:
        faults: what is missing or damaged, members by path behind the listing.
        tree: the digest of what is there; ``None`` when it is not all there and intact.
        problem: why a listing that has its MD5 cannot be believed, or ``None``.
    """

    faults: tuple[Fault, ...] = ()
    tree: TreeDigest | None = None
    problem: str | None = None


@dataclass(frozen=True)
class _Expected:
    """What an artifact consists of, and what is wrong with what says so."""

    members: tuple[Member, ...]
    faults: tuple[Fault, ...] = ()
    problem: str | None = None


def audit(
    remote: Remote, cache: Cache, md5s: Iterable[ObjectId], progress: Progress | None
) -> dict[ObjectId, Audit]:
    """Return what a remote holds of artifacts.

    1. Listings are read first, for they say what else there is.
    2. Then every other object, each once however many artifacts have it, several at a time and in
       constant memory.

    Args:
        remote: which.
        cache: is only read.
        md5s: the artifacts.
        progress: told the bytes read.

    Raises:
        DvcError: the remote cannot be reached or read.
    """
    remote.reach()
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
        lent = cache.members(oid) if fault.in_cache else None
        return _Expected(lent or (), (fault,))
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
            here = cache.is_intact(member.md5)
            faults.append(Fault(member.md5, member.path, file is None, here))
    if faults or expected.problem:
        return Audit(tuple(faults), problem=expected.problem)
    return Audit(tree=digest.tree_digest(intact, is_folder=is_listing(oid)))


def repair(
    remote: Remote, cache: Cache, audits: Iterable[Audit], progress: Progress | None
) -> None:
    """Upload what audits found wrong, where the cache has it: a listing behind all its members.

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
    # A listing whose members are not all there would make DVC believe that they are.
    listings = {
        fault.oid: None
        for audit in found
        if all(fault.in_cache for fault in audit.faults)
        for fault in audit.faults
        if fault.path is None
    }
    remote.upload(list(members), cache, progress)
    remote.upload(list(listings), cache, progress)
