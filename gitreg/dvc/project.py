"""`DvcProject`: artifacts in DVC's cache and on its default remote."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from gitreg.dvc import digest, member_paths
from gitreg.dvc.audit import Audit, audit, repair
from gitreg.dvc.cache import Cache
from gitreg.dvc.configuration import read_config
from gitreg.dvc.digest import FileDigest, Meter, Progress, TreeDigest
from gitreg.dvc.door import door, load
from gitreg.dvc.foreign import read_foreign_config
from gitreg.dvc.listing import (
    Member,
    ObjectId,
    check_object_id,
    is_listing,
    objects_of,
    read_listing,
)
from gitreg.dvc.remote import REPAIR, Remote, StoredObject
from gitreg.errors import DvcError

_ADD_REMOTE = "configure one: dvc remote add -d NAME URL"


_MADE = (".dvc/.gitignore", ".dvc/config", ".dvcignore")
_IGNORED = "/config.local\n/tmp\n/cache\n"
"""What DVC writes into ``.dvc/.gitignore``."""


def init(root: Path, note: Path | None = None) -> list[str]:
    """Make the Git repository at ``root`` a DVC project; return the new files, relative to it.

    The files are the same as those of ``dvc init``, but nothing is added to Git's index.

    Args:
        root: the root of the repository.
        note: a file that marks an unfinished call; it is written before the first new file. The
            caller removes it after committing the files. While it exists, another call finishes
            the work and returns the same files, even after a kill.

    Raises:
        DvcError: DVC failed.
    """
    with door("cannot set up DVC"):
        is_ours = note is not None and note.exists()
        if (root / ".dvc").exists() and not is_ours:
            return []  # the user's own DVC project, which they commit themselves
        existing = [path for path in _MADE if (root / path).exists()]
        if note is not None and is_ours:
            existing = note.read_text("utf-8").splitlines()
        elif note is not None:
            _write_note(note, existing)
        _make(root, existing)
    return [path for path in _MADE if path not in existing and (root / path).exists()]


def _make(root: Path, existing: Sequence[str]) -> None:
    """Create the missing files of a DVC project, or none on failure."""
    if not (root / ".git").exists():
        raise DvcError(f"cannot set up DVC: {root} is not a git repository")
    is_new = not (root / ".dvc").exists()
    try:
        load()
        import dvc.ignore

        # The files of dvc.repo.init.init. That also stages them in the user's index, and opens the
        # repository, for which DVC needs a name for the user's id.
        (root / ".dvc").mkdir(exist_ok=True)
        (root / ".dvc" / "config").touch()
        if not (root / ".dvc" / ".gitignore").exists():
            (root / ".dvc" / ".gitignore").write_text(_IGNORED, "utf-8")
        dvc.ignore.init(str(root))
    except BaseException:
        if is_new:
            shutil.rmtree(root / ".dvc", ignore_errors=True)
            if ".dvcignore" not in existing:
                with suppress(OSError):
                    (root / ".dvcignore").unlink(missing_ok=True)
        raise


def _write_note(note: Path, existing: Sequence[str]) -> None:
    """Store the list of files that existed before, atomically."""
    fresh = note.with_name(f"{note.name}.new")
    fresh.write_text("".join(f"{path}\n" for path in existing), "utf-8")
    fresh.replace(note)


class DvcProject:
    """A DVC project: its cache and its default remote.

    Creating the object reads nothing; the first call that needs the configuration reads it. An
    *artifact* is named by its object: a file's MD5, or the name of a folder's listing.

    Args:
        root: the folder that contains ``.dvc``.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._given: dict[str, Any] | None = None

    @classmethod
    def from_config(cls, folder: Path, config: bytes, base: Path | None) -> DvcProject:
        """Return a project for a repository without a checkout (bare, or read by URL).

        `gitreg.dvc.foreign` decides which settings of ``config`` are used. The user's own DVC
        configuration is ignored: it stores credentials by the name of a remote, and here a
        stranger chose the name and the URL.

        Args:
            folder: a folder of gitreg; an existing cache in it is used again.
            config: the content of the repository's ``.dvc/config``.
            base: the folder of the repository's tree, for a remote with a relative path.

        Raises:
            DvcError: the configuration does not parse, or has a setting that is not allowed.
        """
        project = cls(folder)
        with door("the repository's .dvc/config"):
            project._given = read_foreign_config(config, base)
        return project

    @cached_property
    def _config(self) -> dict[str, Any]:
        if self._given is not None:
            return self._given
        if not (self.root / ".dvc").is_dir():
            raise DvcError(
                f"{member_paths.shown(str(self.root))} is not a DVC project", hint="gitreg init"
            )
        with door("cannot read DVC's configuration", hint="correct .dvc/config"):
            return read_config(self.root / ".dvc")

    @cached_property
    def _cache(self) -> Cache:
        settings = dict(self._config["cache"])
        folder = settings.pop("dir", None)
        return Cache(Path(folder) if folder else self.root / ".dvc" / "cache", settings)

    @cached_property
    def _remote(self) -> Remote | None:
        name = self.remote_name()
        return None if name is None else Remote(name, self._config)

    def remote_name(self) -> str | None:
        """Return the name of the default remote; ``None`` when none is configured."""
        name: str | None = self._config["core"].get("remote")
        return name or None

    def cache_path(self, oid: ObjectId) -> Path:
        """Return the path of an object in the cache, whether or not it exists."""
        return self._cache.path(oid)

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
        if members is None and self._remote is not None:
            listing = self._remote.listing(md5)
            members = None if listing is None else read_listing(listing, md5)
        return members

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

    def fetch(self, md5: ObjectId, progress: Progress | None = None) -> set[ObjectId]:
        """Fetch the missing objects of an artifact from the default remote into the cache.

        Only a listing is checked here. Files stay writable, which is DVC's mark of unchecked
        bytes; call `vouch` after checking them.

        Returns:
            The fetched objects.

        Raises:
            DvcError: no remote is configured, the remote cannot be reached, an object is missing
                there, or a listing is damaged or breaks a rule.
        """
        absent = self.missing(md5)
        if not absent:
            return set()
        if self._remote is None:
            raise DvcError(
                f"DVC object {absent[0]} is not in the cache, and no DVC remote is configured",
                hint=_ADD_REMOTE,
            )
        fetched = set()
        if is_listing(md5) and absent == [md5]:
            self._fetch_listing(md5, self._remote)
            fetched.add(md5)
            absent = self.missing(md5)
        if absent:
            self._remote.download(absent, self._cache, progress)
        return fetched | set(absent)

    def _fetch_listing(self, md5: ObjectId, remote: Remote) -> None:
        listing = remote.listing(md5)
        if listing is None:
            raise remote.missing_error([md5])
        read_listing(listing, md5)  # a bad listing must not get into the cache
        self._cache.add_bytes(listing, md5)

    # Objects on the remote

    def missing_folder(self) -> Path | None:
        """Return the default remote's folder if it does not exist; ``None`` otherwise."""
        return None if self._remote is None else self._remote.missing_folder

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
        if not absent:
            return True
        return self._remote is not None and len(self._remote.look(absent)) == len(absent)

    def not_on_remote(self, md5s: Iterable[ObjectId]) -> list[ObjectId]:
        """Return the artifacts' objects missing from the default remote; all if there is no remote.

        An object with another size on the remote than in the cache counts as missing.

        Raises:
            DvcError: the remote cannot be reached, or a listing is damaged or breaks a rule.
        """
        objects = self._objects_of_all(md5s)
        return objects if self._remote is None else self._missing_among(objects, self._remote)

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
        seen = remote.look(objects)
        return [oid for oid in objects if oid not in seen or self._differs(oid, seen[oid])]

    def _differs(self, oid: ObjectId, seen: StoredObject) -> bool:
        """Return whether an object has different sizes on the remote and in the cache."""
        return seen.size is not None and self._cache.size(oid) not in (None, seen.size)

    def push(self, md5s: Iterable[ObjectId], progress: Progress | None = None) -> int:
        """Make sure that the default remote has some artifacts; return the number of uploads.

        1. Look up every object on the remote; the presence of a folder's listing proves nothing.
           On a remote that is a folder, read and hash each object, once per process. Elsewhere a
           reported MD5 proves an object (S3, GCS, Azure; `gitreg.dvc.checksums`); an object whose
           reported MD5 or size differs is read and hashed. *Without a reported MD5* (SSH, HTTP, S3
           in several parts) *the size decides*; `audit` reads everything.
        2. Check the absent and damaged objects against their MD5 in the cache before any upload,
           so that no damaged object is uploaded.
        3. Upload members first and listings last, so that every listing on the remote has its
           members. Replace a damaged object, never remove it.
        4. Check every uploaded object again in the same way.

        Raises:
            DvcError: no remote is configured, the remote cannot be reached or written, or an
                object is neither on the remote nor intact in the cache. Then no listing was
                uploaded.
        """
        remote = self._needed_remote()
        absent, damaged = self._unfit(self._objects_of_all(md5s), remote, progress)  # 1
        wanted = sorted({*absent, *damaged}, key=is_listing)

        def check(oid: ObjectId) -> None:
            self._check_before_upload(oid, remote, is_there=oid in damaged)

        digest.each(check, wanted, Meter(None))  # 2
        for listings in (False, True):  # 3
            chosen = [oid for oid in wanted if is_listing(oid) is listings]
            remote.upload(chosen, self._cache, progress)
        left = set().union(*self._unfit(wanted, remote, None))  # 4
        if left:
            raise DvcError(
                f"gitreg uploaded {min(left)} to DVC remote {remote.name}, but the remote does not "
                "have it",
                hint="run the command again; it uploads only missing objects",
            )
        return len(wanted)

    def _needed_remote(self) -> Remote:
        if self._remote is None:
            raise DvcError("no DVC remote is configured", hint=_ADD_REMOTE)
        return self._remote

    def _unfit(
        self, objects: Sequence[ObjectId], remote: Remote, progress: Progress | None
    ) -> tuple[set[ObjectId], set[ObjectId]]:
        """Return the objects that are missing on a remote, and those that are damaged there."""
        seen = remote.look(objects)
        doubtful = [oid for oid in objects if oid in seen and self._is_doubtful(oid, seen, remote)]
        return set(objects) - set(seen), remote.damaged(doubtful, progress)

    def _is_doubtful(
        self, oid: ObjectId, seen: Mapping[ObjectId, StoredObject], remote: Remote
    ) -> bool:
        """Return whether an object on a remote must be read to know that it is intact."""
        if remote.is_proven(oid, seen[oid]):
            return False
        return remote.is_folder or seen[oid].md5 is not None or self._differs(oid, seen[oid])

    def _check_before_upload(self, oid: ObjectId, remote: Remote, *, is_there: bool) -> None:
        """Refuse an object that is missing or damaged in the cache.

        Raises:
            DvcError: the object is missing or damaged in the cache.
        """
        if self._cache.is_intact(oid):
            return
        is_cached = self._cache.holds(oid)
        if is_there:
            where = "damaged in the cache too" if is_cached else "not in the cache"
            raise DvcError(
                f"DVC object {oid} is damaged on remote {remote.name}, and {where}", hint=REPAIR
            )
        if not is_cached:
            raise DvcError(
                f"DVC object {oid} is neither in the cache nor on remote {remote.name}", hint=REPAIR
            )
        raise self._cache.damage(oid)

    def audit(
        self, md5s: Iterable[ObjectId], progress: Progress | None = None
    ) -> dict[ObjectId, Audit]:
        """Return the state of artifacts on the default remote, reading every object from it.

        Nothing is written, neither on the remote nor in the cache.

        Raises:
            DvcError: no remote is configured, or it cannot be reached or read.
        """
        return audit(self._needed_remote(), self._cache, md5s, progress)

    def repair(
        self, audits: Mapping[ObjectId, Audit], progress: Progress | None = None
    ) -> dict[ObjectId, Audit]:
        """Upload the missing and damaged objects that the cache has; return new audits of all.

        Raises:
            DvcError: no remote is configured, or it cannot be reached, read or written.
        """
        wrong = {oid: found for oid, found in audits.items() if found.faults}
        repair(self._needed_remote(), self._cache, wrong.values(), progress)
        return {**audits, **(self.audit(wrong, progress) if wrong else {})}

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
