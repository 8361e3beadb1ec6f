"""Uploads from a cache to a remote: each object is checked before, and looked up again after."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from gitreg.dvc import digest
from gitreg.dvc.cache import Cache
from gitreg.dvc.digest import Meter, Progress
from gitreg.dvc.listing import ObjectId, is_listing
from gitreg.dvc.remote import REPAIR, Remote, StoredObject
from gitreg.errors import DvcError


def missing_among(objects: Sequence[ObjectId], remote: Remote, cache: Cache) -> list[ObjectId]:
    """Return the objects that a remote does not have, or has with another size than the cache.

    Raises:
        DvcError: the remote cannot be reached.
    """
    seen = remote.look(objects)
    return [oid for oid in objects if oid not in seen or _differs(oid, seen[oid], cache)]


def upload(
    objects: Sequence[ObjectId],
    cache: Cache,
    remote: Remote,
    copy_over: Callable[[Iterable[ObjectId]], set[ObjectId]],
    progress: Progress | None,
) -> int:
    """Make sure that a remote has some objects; return the number of those that it did not have.

    1. Look up every object on the remote; the presence of a folder's listing proves nothing. On a
       remote that is a folder, read and hash each object, once per process. Elsewhere a reported
       MD5 proves an object (S3, GCS, Azure; `gitreg.dvc.checksums`); an object whose reported MD5
       or size differs is read and hashed. *Without a reported MD5* (SSH, HTTP, S3 in several parts)
       *the size decides*; an audit reads everything.
    2. What the store can copy on its side is not uploaded.
    3. Check the absent and damaged objects against their MD5 in the cache before any upload, so
       that no damaged object is uploaded.
    4. Upload members first and listings last, so that every listing on the remote has its members.
       Replace a damaged object, never remove it.
    5. Check every new object again in the same way.

    Args:
        objects: all listings after all members.
        cache: what is uploaded.
        remote: where to.
        copy_over: given the absent objects, has the store copy what it can; returns those.
        progress: called with the bytes done.

    Raises:
        DvcError: the remote cannot be reached or written, or an object is neither on the remote nor
            intact in the cache. Then no listing was uploaded.
    """
    absent, damaged = _unfit(objects, remote, cache, progress)  # 1
    copied = copy_over(absent)  # 2
    wanted = sorted({*absent, *damaged} - copied, key=is_listing)

    def check(oid: ObjectId) -> None:
        _check_before_upload(oid, remote, cache, is_there=oid in damaged)

    digest.each(check, wanted, Meter(None))  # 3
    for listings in (False, True):  # 4
        chosen = [oid for oid in wanted if is_listing(oid) is listings]
        remote.upload(chosen, cache, progress)
    left = set().union(*_unfit([*wanted, *copied], remote, cache, None))  # 5
    if left:
        raise DvcError(
            f"gitreg uploaded {min(left)} to DVC remote {remote.name}, but the remote does not "
            "have it",
            hint="run the command again; it uploads only missing objects",
        )
    return len(wanted) + len(copied)


def _differs(oid: ObjectId, seen: StoredObject, cache: Cache) -> bool:
    """Return whether an object has different sizes on the remote and in the cache."""
    return seen.size is not None and cache.size(oid) not in (None, seen.size)


def _unfit(
    objects: Sequence[ObjectId], remote: Remote, cache: Cache, progress: Progress | None
) -> tuple[set[ObjectId], set[ObjectId]]:
    """Return the objects that are missing on a remote, and those that are damaged there."""
    seen = remote.look(objects)
    doubtful = [oid for oid in objects if oid in seen and _is_doubtful(oid, seen, remote, cache)]
    return set(objects) - set(seen), remote.damaged(doubtful, progress)


def _is_doubtful(
    oid: ObjectId, seen: Mapping[ObjectId, StoredObject], remote: Remote, cache: Cache
) -> bool:
    """Return whether an object on a remote must be read to know that it is intact."""
    if remote.is_proven(oid, seen[oid]):
        return False
    return remote.is_folder or seen[oid].md5 is not None or _differs(oid, seen[oid], cache)


def _check_before_upload(oid: ObjectId, remote: Remote, cache: Cache, *, is_there: bool) -> None:
    """Refuse an object that is missing or damaged in the cache.

    Raises:
        DvcError: the object is missing or damaged in the cache.
    """
    if cache.is_intact(oid):
        return
    is_cached = cache.holds(oid)
    if is_there:
        where = "damaged in the cache too" if is_cached else "not in the cache"
        raise DvcError(
            f"DVC object {oid} is damaged on remote {remote.name}, and {where}", hint=REPAIR
        )
    if not is_cached:
        raise DvcError(
            f"DVC object {oid} is neither in the cache nor on remote {remote.name}", hint=REPAIR
        )
    raise cache.damage(oid)
