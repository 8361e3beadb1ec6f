"""`DvcProject`: artifacts in DVC's cache and on its default remote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from gitreg.dvc import digest, member_paths
from gitreg.dvc.audit import Audit, audit, repair
from gitreg.dvc.cache import Cache
from gitreg.dvc.configuration import Levels, read_levels
from gitreg.dvc.digest import FileDigest, Meter, Progress, TreeDigest
from gitreg.dvc.door import door
from gitreg.dvc.foreign import read_foreign_config
from gitreg.dvc.listing import (
    Member,
    ObjectId,
    check_object_id,
    is_listing,
    objects_of,
    read_listing,
)
from gitreg.dvc.registry_config import FOLDER, effective_config
from gitreg.dvc.remote import AbsentObjectsError, Remote
from gitreg.dvc.upload import missing_among, upload
from gitreg.errors import DvcError


class DvcProject:
    """A DVC project: its cache and its default remote.

    The registry's project lies inside the user's. Objects that only the project around it has, in
    its cache or on its default remote, are found there: those of versions that were registered
    before the registry had a project of its own, and those that DVC has hashed already.

    Creating the object reads nothing; the first call that needs the configuration reads it. An
    *artifact* is named by its object: a file's MD5, or the name of a folder's listing.

    Args:
        root: the folder that contains ``.dvc``.
        around: the project around it, if it has one.
    """

    def __init__(self, root: Path, around: DvcProject | None = None) -> None:
        self.root = root.absolute()
        self.around = around
        self._given: dict[str, Any] | None = None

    @classmethod
    def from_config(
        cls, folder: Path, config: bytes, base: Path | None, around: DvcProject | None = None
    ) -> DvcProject:
        """Return a project for a repository without a checkout (bare, or read by URL).

        `gitreg.dvc.foreign` decides which settings of ``config`` are used. The user's own DVC
        configuration is ignored: it stores credentials by the name of a remote, and here a
        stranger chose the name and the URL.

        Args:
            folder: a folder of gitreg; an existing cache in it is used again.
            config: the content of the project's ``.dvc/config``.
            base: the folder that contains ``.dvc``, for a remote with a relative path.
            around: the project around it, if it has one.

        Raises:
            DvcError: the configuration does not parse, or has a setting that is not allowed.
        """
        project = cls(folder, around)
        with door("the repository's .dvc/config"):
            project._given = read_foreign_config(config, base)
        return project

    @cached_property
    def _levels(self) -> Levels:
        if self._given is not None:
            return Levels(self._given, self._given, {"core": {}, "remote": {}})
        if not (self.root / ".dvc").is_dir():
            raise DvcError(
                f"{member_paths.shown(str(self.root))} is not a DVC project", hint="gitreg init"
            )
        config = "registry/.dvc/config" if self.around else ".dvc/config"
        with door("cannot read DVC's configuration", hint=f"correct {config}"):
            return read_levels(self.root / ".dvc")

    @cached_property
    def _config(self) -> dict[str, Any]:
        own = self._levels
        if self.around is None:
            return own.merged
        around = self.around._levels  # noqa: SLF001  the same class
        return effective_config(own.merged, own.repo, own.local, around.merged, around.local)

    @cached_property
    def _cache(self) -> Cache:
        settings = dict(self._levels.merged["cache"])
        folder = settings.pop("dir", None)
        beside = None if self.around is None else self.around._cache  # noqa: SLF001
        return Cache(Path(folder) if folder else self.root / ".dvc" / "cache", settings, beside)

    @cached_property
    def _remote(self) -> Remote | None:
        name = self.remote_name()
        return None if name is None else Remote(name, self._config)

    @cached_property
    def _remote_around(self) -> Remote | None:
        """The default remote of the project around, unless it is the same place."""
        remote = None if self.around is None else self.around._remote  # noqa: SLF001
        same = remote is not None and self._remote is not None and remote.is_at(self._remote)
        return None if same else remote

    def remote_name(self) -> str | None:
        """Return the name of the default remote; ``None`` when none is configured."""
        name: str | None = self._config["core"].get("remote")
        return name or None

    @property
    def names_its_remote(self) -> bool:
        """Whether the default remote is its own choice, not the one of the project around."""
        return self.around is None or self.around.remote_name() is None

    def cache_path(self, oid: ObjectId) -> Path:
        """Return the path of an object in the cache, whether or not it exists."""
        return self._cache.path(oid)

    @property
    def add_remote(self) -> str:
        """What a person does to give the project a remote."""
        alone = self.around is None and self.root.name == FOLDER
        where, config = (
            (f"--cd {FOLDER} ", f"{FOLDER}/.dvc/config") if alone else ("", ".dvc/config")
        )
        return f"dvc {where}remote add -d NAME URL, and commit {config}"

    # Members and objects of an artifact

    def members(self, md5: ObjectId) -> tuple[Member, ...]:
        """Return the files of an artifact; a folder's listing must be in the cache.

        An artifact that is a file has one member, with the path ``""``.

        Raises:
            DvcError: the listing is missing, is damaged, or breaks a rule.
        """
        if not is_listing(check_object_id(md5)):
            return (Member("", md5),)
        members = self._cache.members(md5)
        if members is None:
            raise DvcError(f"DVC object {md5} is not in the cache")
        return members

    def objects(self, md5: ObjectId) -> list[ObjectId]:
        """Return the objects of an artifact, each once, and a folder's listing last.

        Raises:
            DvcError: see `members`.
        """
        return objects_of(md5, self.members(md5))

    def missing(self, md5: ObjectId) -> list[ObjectId]:
        """Return the objects of an artifact that are missing from the cache.

        When the listing itself is missing, only the listing is returned.

        Raises:
            DvcError: the listing in the cache is damaged or breaks a rule.
        """
        if is_listing(check_object_id(md5)) and self._cache.members(md5) is None:
            return [md5]
        return [oid for oid in self.objects(md5) if not self._cache.holds(oid)]

    def owns(self, md5: ObjectId) -> bool:
        """Return whether its own cache has every object of an artifact.

        Raises:
            DvcError: the listing in the cache is damaged or breaks a rule.
        """
        return not self.missing(md5) and all(map(self._cache.owns, self.objects(md5)))

    def _objects_anywhere(self, md5: ObjectId) -> list[ObjectId] | None:
        """Return the objects of an artifact; ``None`` when its listing is nowhere.

        A listing that only the remote has is read there and not copied into the cache.
        """
        members = self.members_anywhere(md5)
        return None if members is None else objects_of(md5, members)

    def members_anywhere(self, md5: ObjectId) -> tuple[Member, ...] | None:
        """Return the files of an artifact; ``None`` when its listing is nowhere; see `members`.

        Raises:
            DvcError: the remote cannot be reached, or the listing is damaged or breaks a rule.
        """
        if not is_listing(check_object_id(md5)):
            return (Member("", md5),)
        members = self._cache.members(md5)
        for remote in self._remotes() if members is None else ():
            listing = remote.listing(md5)
            if listing is not None:
                return read_listing(listing, md5)
        return members

    def sizes(self, oids: Iterable[ObjectId], most: int) -> dict[ObjectId, int]:
        """Return the sizes of objects in bytes, as far as cache and remotes tell; none is read.

        Args:
            oids: which.
            most: how many are looked up on a remote, each with a request.

        Raises:
            DvcError: a remote cannot be reached.
        """
        asked = list(dict.fromkeys(oids))
        found = {oid: size for oid in asked if (size := self._cache.size(oid)) is not None}
        for remote in self._remotes():
            absent = [oid for oid in asked if oid not in found][:most]
            for oid, stored in (remote.look(absent) if absent else {}).items():
                if stored.size is not None:
                    found[oid] = stored.size
        return found

    def _remotes(self) -> Iterator[Remote]:
        """Yield the remotes that may have objects: its own, and that of the project around."""
        if self._remote is not None:
            yield self._remote
        if self._remote_around is not None:
            yield self._remote_around

    # Into the cache

    def stage(self, source: Path, progress: Progress | None = None) -> TreeDigest:
        """Copy a file or folder into the cache, reading it once; return its digest.

        A folder's listing is written last, so that the cache has the members of every listing.
        Until a commit names the objects, ``dvc gc -w`` removes them as garbage; a push then fails
        and names the missing objects.

        Raises:
            InvalidRequest: `gitreg.dvc.digest.list_files` refuses the source.
            DvcError: the cache cannot be written, or has different bytes with the same MD5.
            WorldError: the source cannot be read, or changed while it was read.
        """

        def add(path: str) -> FileDigest:
            return self._cache.add_file(places[path], meter).at(path)

        meter = Meter(progress)
        places = digest.places_of(source, as_source=True)
        self._cache.remove_stale()
        members = digest.each(add, list(places), meter)
        tree = digest.tree_digest(members, is_folder=list(places) != [""])
        if tree.is_folder:
            self._cache.add_bytes(digest.dir_listing(members), tree.md5)
        return tree

    def take_over(self, md5: ObjectId, origin: DvcProject) -> None:
        """Link an artifact's objects from another project's cache into this one, or copy them.

        An object that is read-only there was checked by DVC, and is not read. What is in neither
        cache is left out. The listing comes last.

        Raises:
            DvcError: this cache cannot be written, or the listing is damaged or breaks a rule.
        """
        for oid in origin.objects(md5) if md5 not in origin.missing(md5) else ():
            self._cache.adopt(oid, origin._cache)

    def fetch(self, md5: ObjectId, progress: Progress | None = None) -> set[ObjectId]:
        """Bring the objects of an artifact that the cache does not have into it.

        They come from the cache of the project around, if it has them, else from the default
        remote, else from the default remote of the project around.

        Only a listing is checked here. Files stay writable, which is DVC's mark of unchecked
        bytes; call `vouch` after checking them.

        Returns:
            The fetched objects.

        Raises:
            DvcError: no remote is configured, the remote cannot be reached, an object is missing
                there, or a listing is damaged or breaks a rule.
        """
        fetched: set[ObjectId] = set()
        if is_listing(check_object_id(md5)) and not self._has_listing(md5):
            self._fetch_listing(md5)
            fetched.add(md5)
        absent = [oid for oid in self.objects(md5) if not self._has(oid)]
        if absent:
            self._download(absent, progress)
        return fetched | set(absent)

    def _has(self, oid: ObjectId) -> bool:
        """Return whether the cache has an object, after a look into the one of the project around.

        Raises:
            DvcError: the cache cannot be written.
        """
        if self._cache.owns(oid):
            return True
        around = None if self.around is None else self.around._cache  # noqa: SLF001
        return around is not None and self._cache.adopt(oid, around)

    def _has_listing(self, md5: ObjectId) -> bool:
        return self._has(md5) and self._cache.members(md5) is not None

    def _fetch_listing(self, md5: ObjectId) -> None:
        remotes = list(self._remotes())
        if not remotes:
            raise self._without_remote(md5)
        for remote in remotes:
            listing = remote.listing(md5)
            if listing is not None:
                read_listing(listing, md5)  # a bad listing must not get into the cache
                self._cache.add_bytes(listing, md5)
                return
        raise remotes[0].missing_error([md5])

    def _download(self, absent: Sequence[ObjectId], progress: Progress | None) -> None:
        remotes = list(self._remotes())
        if not remotes:
            raise self._without_remote(absent[0])
        first: AbsentObjectsError | None = None
        for remote in remotes:
            try:
                remote.download(absent, self._cache, progress)
            except AbsentObjectsError as error:
                first = first or error
                absent = [oid for oid in absent if not self._cache.owns(oid)]
            else:
                return
        assert first is not None
        raise first

    def _without_remote(self, oid: ObjectId) -> DvcError:
        return DvcError(
            f"DVC object {oid} is not in the cache, and no DVC remote is configured",
            hint=self.add_remote,
        )

    # Objects on the remote

    def missing_folder(self) -> Path | None:
        """Return the default remote's folder if it does not exist; ``None`` otherwise.

        Inside the folder of the remote of the project around, which exists, it is only new.
        """
        folder = None if self._remote is None else self._remote.missing_folder
        is_new = folder is not None and self._remote_around is not None and folder.parent.is_dir()
        return None if is_new else folder

    def available(self, md5: ObjectId) -> bool:
        """Return whether every object of an artifact is in the cache or on the default remote.

        Nothing is transferred, changed or removed.

        Raises:
            DvcError: the remote cannot be reached, or a listing is damaged or breaks a rule.
        """
        objects = self._objects_anywhere(md5)
        if objects is None:
            return False
        absent = [oid for oid in objects if not self._cache.holds(oid)]
        for remote in self._remotes():
            present = remote.look(absent) if absent else {}
            absent = [oid for oid in absent if oid not in present]
        return not absent

    def not_on_remote(self, md5s: Iterable[ObjectId]) -> list[ObjectId]:
        """Return the artifacts' objects that no remote has; all if there is no remote.

        An object with another size on the remote than in the cache counts as missing. The remote of
        the project around counts too.

        Raises:
            DvcError: the remote cannot be reached, or a listing is damaged or breaks a rule.
        """
        objects = self._objects_of_all(md5s)
        for remote in self._remotes():
            objects = self._missing_among(objects, remote) if objects else []
        return objects

    def only_around(self, oids: Iterable[ObjectId]) -> set[ObjectId]:
        """Return those of some objects that the remote of the project around has.

        There, ``dvc gc --cloud`` in that project removes them.

        Raises:
            DvcError: that remote cannot be reached.
        """
        wanted = sorted(set(oids))
        remote = self._remote_around if wanted else None
        return set() if remote is None else set(wanted) - set(self._missing_among(wanted, remote))

    def missing_by_artifact(self, md5s: Iterable[ObjectId]) -> dict[ObjectId, list[ObjectId]]:
        """Return, for each artifact, its objects that are missing on the default remote.

        One request looks up all objects known here. A second one looks up the files of folders
        whose listing only the remote has. When a listing is nowhere, or is damaged on the remote,
        only the listing is returned.

        Raises:
            DvcError: no remote is configured, it cannot be reached, or a listing in the cache is
                damaged or breaks a rule.
        """
        remote = self._needed_remote()
        parts: dict[ObjectId, list[ObjectId]] = {}
        for md5 in md5s:
            known = not is_listing(check_object_id(md5)) or self._cache.members(md5) is not None
            parts[md5] = self.objects(md5) if known else [md5]
        absent = set(
            self._missing_among(sorted({o for some in parts.values() for o in some}), remote)
        )
        remote_only = [md5 for md5, some in parts.items() if some == [md5] and md5 not in absent]
        for md5 in filter(is_listing, remote_only):
            try:
                listing = remote.listing(md5)
                parts[md5] = objects_of(md5, read_listing(listing or b"", md5))
            except DvcError:
                absent.add(md5)
        new = {oid for md5 in remote_only for oid in parts[md5]} - set(remote_only)
        absent |= set(self._missing_among(sorted(new), remote)) if new else set()
        return {md5: [oid for oid in some if oid in absent] for md5, some in parts.items()}

    def unfinished(self) -> list[Path]:
        """Return the cache's unfinished files, from running or killed gitreg processes."""
        return self._cache.unfinished()

    def _objects_of_all(self, md5s: Iterable[ObjectId]) -> list[ObjectId]:
        """Return the objects of several artifacts, each once; all listings after all members."""
        objects: dict[ObjectId, None] = {}
        for md5 in md5s:
            objects.update(dict.fromkeys(self._objects_anywhere(md5) or [md5]))
        return sorted(objects, key=is_listing)

    def _missing_among(self, objects: Sequence[ObjectId], remote: Remote) -> list[ObjectId]:
        return missing_among(objects, remote, self._cache)

    def push(self, md5s: Iterable[ObjectId], progress: Progress | None = None) -> int:
        """Make sure that the default remote has some artifacts; return the number of new objects.

        See `gitreg.dvc.upload` for how. What the remote of the project around has, and the store
        can copy, is not uploaded.

        Raises:
            DvcError: no remote is configured, the remote cannot be reached or written, or an
                object is neither on the remote nor intact in the cache. Then no listing was
                uploaded.
        """
        remote = self._needed_remote()

        def copy_over(absent: Iterable[ObjectId]) -> set[ObjectId]:
            return self._copy_over(absent, remote, progress)

        return upload(self._objects_of_all(md5s), self._cache, remote, copy_over, progress)

    def _copy_over(
        self, absent: Iterable[ObjectId], remote: Remote, progress: Progress | None
    ) -> set[ObjectId]:
        """Copy objects from the remote of the project around; return those that are there now.

        Where the store cannot copy, what the cache does not have is brought into it, to upload it.
        """
        there = sorted(self.only_around(absent), key=is_listing)
        if self._remote_around is None or not there:
            return set()
        copied = remote.copy_from(self._remote_around, there)
        absent = [oid for oid in there if oid not in copied and not self._has(oid)]
        if absent:
            self._remote_around.download(absent, self._cache, progress)
        return copied

    def _needed_remote(self) -> Remote:
        if self._remote is None:
            raise DvcError("no DVC remote is configured", hint=self.add_remote)
        return self._remote

    def audit(
        self, md5s: Iterable[ObjectId], progress: Progress | None = None
    ) -> dict[ObjectId, Audit]:
        """Return the state of artifacts on the default remote, reading every object from it.

        Nothing is written, neither on the remote nor in the cache.

        Raises:
            DvcError: no remote is configured, or it cannot be reached or read.
        """
        remote = self._needed_remote()
        if remote.missing_folder is None or self.missing_folder() is not None:
            remote.reach()  # a folder that is only new has nothing yet: a repair fills it
        return audit(remote, self._cache, md5s, progress)

    def repair(
        self, audits: Mapping[ObjectId, Audit], progress: Progress | None = None
    ) -> dict[ObjectId, Audit]:
        """Upload the missing and damaged objects that the cache has; return new audits of all.

        Raises:
            DvcError: no remote is configured, or it cannot be reached, read or written.
        """
        remote = self._needed_remote()
        wrong = {oid: found for oid, found in audits.items() if found.faults}
        absent = self._missing_among(self._objects_of_all(wrong), remote) if wrong else []
        copied = self._copy_over(absent, remote, progress)
        repair(remote, self._cache, (self._left(a, copied) for a in wrong.values()), progress)
        return {**audits, **(self.audit(wrong, progress) if wrong else {})}

    def _left(self, audit: Audit, copied: set[ObjectId]) -> Audit:
        """Return an audit without the objects that were copied; others may be in the cache now."""
        faults = (
            replace(fault, in_cache=self._cache.is_intact(fault.oid))
            for fault in audit.faults
            if fault.oid not in copied
        )
        return replace(audit, faults=tuple(faults))

    # Checks of the cache

    def digest(self, md5: ObjectId, progress: Progress | None = None) -> TreeDigest:
        """Return the digest of an artifact in the cache.

        Raises:
            DvcError: an object is missing from the cache or damaged.
        """
        absent = self.missing(md5)
        if absent:
            raise DvcError(f"DVC object {absent[0]} is not in the cache")
        meter = Meter(progress)
        found = digest.each(
            lambda member: self._cache.hash_member(member, meter), self.members(md5), meter
        )
        return digest.tree_digest(found, is_folder=is_listing(md5))

    def verify_cached(
        self, sha256: str, md5: ObjectId, progress: Progress | None = None
    ) -> list[str]:
        """Return how an artifact in the cache differs from its digest; empty when it is intact.

        Args:
            sha256: the digest in the manifest.
            md5: the artifact's object.
            progress: called with the number of bytes read.

        Returns:
            Lines such as ``weights.bin: missing`` and ``weights.bin: differs``; or ``differs`` for
            an artifact that is a file, or when the digest differs although each file has its MD5.

        Raises:
            DvcError: the listing in the cache is damaged or breaks a rule.
        """
        absent = set(self.missing(md5))
        if md5 in absent:
            return ["missing"]
        members = self.members(md5)
        if absent:
            return [member.finding("missing") for member in members if member.md5 in absent]
        if self._sha256_of(members, progress) == sha256:
            self.vouch(self.objects(md5))
            return []
        damaged = self.damaged(member.md5 for member in members)
        return [m.finding("differs") for m in members if m.md5 in damaged] or ["differs"]

    def _sha256_of(self, members: Sequence[Member], progress: Progress | None) -> str:
        def hash_one(member: Member) -> FileDigest:
            sha256, size = digest.file_sha256(self.cache_path(member.md5), meter)
            return FileDigest(member.path, size, member.md5, sha256)

        meter = Meter(progress)
        found = digest.each(hash_one, members, meter)
        return found[0].sha256 if members[0].path == "" else digest.folder_sha256(found)

    def damaged(self, oids: Iterable[ObjectId]) -> set[ObjectId]:
        """Return the objects whose bytes in the cache do not have the MD5 of their name."""
        return self._cache.damaged(oids)

    def discard(self, oids: Iterable[ObjectId]) -> set[ObjectId]:
        """Remove damaged objects that are still writable from the cache; return the others.

        A read-only object was checked once, by DVC or gitreg; the user must look at why it
        changed since.
        """
        return self._cache.discard(oids)

    def vouch(self, oids: Iterable[ObjectId]) -> None:
        """Mark objects as checked: make them read-only, by DVC's convention."""
        self._cache.vouch(oids)
