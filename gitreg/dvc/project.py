"""`DvcProject`: artifacts in DVC's cache and on its default remote."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from gitreg.dvc import digest
from gitreg.dvc.audit import Audit, audit, repair
from gitreg.dvc.cache import Cache
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


def init(root: Path, note: Path | None = None) -> list[str]:
    """Make the Git repository at ``root`` a DVC project; return what was written, relative to it.

    The files are those of ``dvc init``. Unlike it, nothing is added to Git's index.

    Args:
        root: the repository's.
        note: a file that is there from before the first of them is written. The caller removes it
            when they are committed; as long as it is there, what was begun is finished and
            returned again, whoever was killed in between.

    Raises:
        DvcError: DVC could not do it.
    """
    with door("cannot set DVC up"):
        is_ours = note is not None and note.exists()
        if (root / ".dvc").exists() and not is_ours:
            return []  # somebody's own, and theirs to commit
        theirs = [path for path in _MADE if (root / path).exists()]
        if note is not None and is_ours:
            theirs = note.read_text("utf-8").splitlines()
        elif note is not None:
            _write_note(note, theirs)
        _make(root, theirs)
    return [path for path in _MADE if path not in theirs and (root / path).exists()]


def _make(root: Path, theirs: Sequence[str]) -> None:
    """Make what is missing of a DVC project, or leave nothing of it."""
    is_new = not (root / ".dvc").exists()
    try:
        load()
        import dvc.ignore
        from dvc.config import Config
        from dvc.repo import Repo

        # The steps of dvc.repo.init.init, without its last: that one stages the files in the
        # user's index. Opening the repository writes .dvc/.gitignore.
        (root / ".dvc").mkdir(exist_ok=True)
        if not (root / ".dvc" / "config").exists():  # DVC would empty it
            Config.init(str(root / ".dvc"))
        dvc.ignore.init(str(root))
        Repo(str(root)).close()
    except BaseException:
        if is_new:
            shutil.rmtree(root / ".dvc", ignore_errors=True)
            if ".dvcignore" not in theirs:
                with suppress(OSError):
                    (root / ".dvcignore").unlink(missing_ok=True)
        raise


def _write_note(note: Path, theirs: Sequence[str]) -> None:
    """Write down what was there before, all or nothing."""
    fresh = note.with_name(f"{note.name}.new")
    fresh.write_text("".join(f"{path}\n" for path in theirs), "utf-8")
    fresh.replace(note)


class DvcProject:
    """A DVC project: the cache and the default remote that its configuration names.

    Opening it reads nothing; the configuration is read at the first call that needs it. An
    *artifact* is named by its object: a file's MD5, or the name of a folder's listing.

    Args:
        root: the folder that holds ``.dvc``.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._given: dict[str, Any] | None = None

    @classmethod
    def from_config(cls, folder: Path, config: bytes, base: Path | None) -> DvcProject:
        """Return a project for a repository that has no checkout (bare, or read by URL).

        `gitreg.dvc.foreign` says what is taken from ``config``. The user's own DVC configuration
        is left out: there, credentials belong to a remote by its name, and here a stranger chose
        the name and where it leads.

        Args:
            folder: a folder of ours; its cache is used again when it is there.
            config: the repository's ``.dvc/config``.
            base: where the repository's tree lies, for a remote that is a folder beside it.

        Raises:
            DvcError: the configuration does not parse, or says what is not allowed.
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
                f"{digest.shown(str(self.root))} is not a DVC project", hint="run gitreg init"
            )
        with door("cannot read DVC's configuration", hint="look at .dvc/config"):
            load()
            from dvc.config import Config

            found: dict[str, Any] = Config(str(self.root / ".dvc"))
            return found

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
        """Return the name of the default remote, or ``None`` when none is configured."""
        name: str | None = self._config["core"].get("remote")
        return name or None

    def cache_path(self, oid: ObjectId) -> Path:
        """Return where an object lies in the cache, whether or not it is there."""
        return self._cache.path(oid)

    # What an artifact consists of

    def members(self, md5: ObjectId) -> tuple[Member, ...]:
        """Return the files of an artifact, whose listing must be in the cache.

        An artifact that is a file has one member, with the path ``""``.

        Raises:
            DvcError: the listing is not there, damaged, or breaks a rule.
        """
        if not is_listing(check_object_id(md5)):
            return (Member("", md5),)
        members = self._cache.members(md5)
        if members is None:
            raise DvcError(f"DVC object {md5} is not in the cache")
        return members

    def objects(self, md5: ObjectId) -> list[ObjectId]:
        """Return what an artifact consists of, each object once and a folder's listing last.

        Raises:
            DvcError: see `members`.
        """
        return objects_of(md5, self.members(md5))

    def missing(self, md5: ObjectId) -> list[ObjectId]:
        """Return the objects of an artifact that the cache lacks.

        Only the listing is named when that itself is not there.

        Raises:
            DvcError: the listing in the cache is damaged or breaks a rule.
        """
        if is_listing(check_object_id(md5)) and self._cache.members(md5) is None:
            return [md5]
        return [oid for oid in self.objects(md5) if not self._cache.holds(oid)]

    def _objects_anywhere(self, md5: ObjectId) -> list[ObjectId] | None:
        """Return what an artifact consists of, ``None`` when its listing is nowhere.

        A listing that is only on the remote is read there and not brought into the cache.
        """
        members = self.members_anywhere(md5)
        return None if members is None else objects_of(md5, members)

    def members_anywhere(self, md5: ObjectId) -> tuple[Member, ...] | None:
        """Return the files of an artifact, ``None`` when its listing is nowhere; see `members`.

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
        """Put a file or folder into the cache, reading it once; return its digest.

        A folder's listing is written last, so that a listing in the cache has its members.
        Between this and the commit that names them, ``dvc gc -w`` takes the objects for rubbish;
        a push then fails and names what is missing.

        Raises:
            InvalidRequest: `gitreg.dvc.digest.list_files` refuses the source.
            DvcError: the cache cannot be written, or holds other bytes under the same MD5.
            WorldError: the source cannot be read, or changed while it was read.
        """

        def add(path: str) -> FileDigest:
            return self._cache.add_file(source / path, meter).at(path)

        meter = Meter(progress)
        paths = digest.list_files(source)
        self._cache.remove_stale()
        members = digest.each(add, paths, meter)
        tree = digest.tree_digest(members, is_folder=paths != [""])
        if tree.is_folder:
            self._cache.add_bytes(digest.dir_listing(members), tree.md5)
        return tree

    def fetch(self, md5: ObjectId, progress: Progress | None = None) -> set[ObjectId]:
        """Bring the objects of an artifact that the cache lacks from the default remote.

        Only a listing is checked here. Files are left writable in the cache, DVC's mark of what
        nobody vouched for, until `vouch` is told that their bytes are right.

        Returns:
            what was fetched.

        Raises:
            DvcError: no remote is configured, it cannot be reached or lacks an object, or a
                listing is damaged or breaks a rule.
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
            raise remote.lack([md5])
        read_listing(listing, md5)  # refused before it is in the cache
        self._cache.add_bytes(listing, md5)

    # What is on the remote

    def missing_folder(self) -> Path | None:
        """Return the folder that the default remote is, when it is one and is not there."""
        return None if self._remote is None else self._remote.missing_folder

    def available(self, md5: ObjectId) -> bool:
        """Tell whether every object of an artifact is in the cache or on the default remote.

        Nothing is transferred, changed or removed, here or there.

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
        """Return the objects of artifacts that the default remote lacks; all when there is none.

        One that has another size there than in the cache counts as lacking.

        Raises:
            DvcError: the remote cannot be reached, or a listing is damaged or breaks a rule.
        """
        objects = self._objects_of_all(md5s)
        return objects if self._remote is None else self._lacking(objects, self._remote)

    def lacking(self, md5s: Iterable[ObjectId]) -> dict[ObjectId, list[ObjectId]]:
        """Return for each of several artifacts what the default remote lacks of it.

        The remote is asked once for all that is known here, and once more for the files of folders
        whose listing only the remote has. Of a listing that is nowhere, or that the remote has
        damaged, the listing alone is named.

        Raises:
            DvcError: no remote is configured, it cannot be reached, or a listing in the cache is
                damaged or breaks a rule.
        """
        remote = self._needed_remote()
        parts: dict[ObjectId, list[ObjectId]] = {}
        for md5 in md5s:
            known = not is_listing(check_object_id(md5)) or self._cache.members(md5) is not None
            parts[md5] = self.objects(md5) if known else [md5]
        absent = set(self._lacking(sorted({o for some in parts.values() for o in some}), remote))
        there = [md5 for md5, some in parts.items() if some == [md5] and md5 not in absent]
        for md5 in filter(is_listing, there):
            try:
                listing = remote.listing(md5)
                parts[md5] = objects_of(md5, read_listing(listing or b"", md5))
            except DvcError:
                absent.add(md5)
        late = {oid for md5 in there for oid in parts[md5]} - set(there)
        absent |= set(self._lacking(sorted(late), remote)) if late else set()
        return {md5: [oid for oid in some if oid in absent] for md5, some in parts.items()}

    def unfinished(self) -> list[Path]:
        """Return the unfinished files that runs of gitreg have in the cache, or left there."""
        return self._cache.unfinished()

    def _objects_of_all(self, md5s: Iterable[ObjectId]) -> list[ObjectId]:
        """Return the objects of several artifacts, each once, all listings behind all members."""
        objects: dict[ObjectId, None] = {}
        for md5 in md5s:
            objects.update(dict.fromkeys(self._objects_anywhere(md5) or [md5]))
        return sorted(objects, key=is_listing)

    def _lacking(self, objects: Sequence[ObjectId], remote: Remote) -> list[ObjectId]:
        seen = remote.look(objects)
        return [oid for oid in objects if oid not in seen or self._differs(oid, seen[oid])]

    def _differs(self, oid: ObjectId, seen: StoredObject) -> bool:
        """Tell whether an object on the remote has another size than the one in the cache."""
        return seen.size is not None and self._cache.size(oid) not in (None, seen.size)

    def push(self, md5s: Iterable[ObjectId], progress: Progress | None = None) -> int:
        """Make sure that the default remote has some artifacts; return how many objects it lacked.

        1. Every object is looked up on the remote; that a folder's listing is there proves nothing.
           On a remote that is a folder each is read and hashed, once a process. Elsewhere an MD5
           that the store tells proves it (S3, GCS, Azure; `gitreg.dvc.checksums`); one whose told
           MD5 is another, or whose size is not that in the cache, is read and hashed. *Where none
           is told* (SSH, HTTP, S3 in several parts) *the size decides*: `audit` reads everything.
        2. What is absent or damaged is checked against its MD5 in the cache before anything is
           uploaded, so that no damage is.
        3. Members go first and listings last: a listing on the remote has its members. What is
           damaged there is replaced by the upload, never removed.
        4. Every object uploaded is looked at again in the same way.

        Raises:
            DvcError: no remote is configured, it cannot be reached or written, or an object is
                neither there nor intact in the cache. Then no listing was uploaded.
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
                f"DVC remote {remote.name} does not have {min(left)} although it was uploaded",
                hint="run the command again; what is there already is not uploaded again",
            )
        return len(wanted)

    def _needed_remote(self) -> Remote:
        if self._remote is None:
            raise DvcError("no DVC remote is configured", hint=_ADD_REMOTE)
        return self._remote

    def _unfit(
        self, objects: Sequence[ObjectId], remote: Remote, progress: Progress | None
    ) -> tuple[set[ObjectId], set[ObjectId]]:
        """Return the objects that a remote lacks, and those that are damaged there."""
        seen = remote.look(objects)
        doubtful = [oid for oid in objects if oid in seen and self._is_doubtful(oid, seen, remote)]
        return set(objects) - set(seen), remote.damaged(doubtful, progress)

    def _is_doubtful(
        self, oid: ObjectId, seen: Mapping[ObjectId, StoredObject], remote: Remote
    ) -> bool:
        """Tell whether an object on a remote has to be read to know that it is good."""
        if remote.is_proven(oid, seen[oid]):
            return False
        return remote.is_folder or seen[oid].md5 is not None or self._differs(oid, seen[oid])

    def _check_before_upload(self, oid: ObjectId, remote: Remote, *, is_there: bool) -> None:
        """Refuse an object that is not in the cache, or is damaged there.

        Raises:
            DvcError: so.
        """
        if self._cache.is_intact(oid):
            return
        here = self._cache.holds(oid)
        if is_there:
            where = "damaged in the cache too" if here else "not in the cache"
            raise DvcError(
                f"DVC object {oid} is damaged on remote {remote.name}, and {where}", hint=REPAIR
            )
        if not here:
            raise DvcError(
                f"DVC object {oid} is neither in the cache nor on remote {remote.name}", hint=REPAIR
            )
        raise self._cache.damage(oid)

    def audit(
        self, md5s: Iterable[ObjectId], progress: Progress | None = None
    ) -> dict[ObjectId, Audit]:
        """Return what the default remote holds of artifacts, every object of them read from it.

        Nothing is written, neither there nor in the cache.

        Raises:
            DvcError: no remote is configured, or it cannot be reached or read.
        """
        return audit(self._needed_remote(), self._cache, md5s, progress)

    def repair(
        self, audits: Mapping[ObjectId, Audit], progress: Progress | None = None
    ) -> dict[ObjectId, Audit]:
        """Upload what audits found wrong, where the cache has it; return new audits of all.

        Raises:
            DvcError: no remote is configured, or it cannot be reached, read or written.
        """
        wrong = {oid: found for oid, found in audits.items() if found.faults}
        repair(self._needed_remote(), self._cache, wrong.values(), progress)
        return {**audits, **(self.audit(wrong, progress) if wrong else {})}

    # What is in the cache, checked

    def digest(self, md5: ObjectId, progress: Progress | None = None) -> TreeDigest:
        """Return the digest of an artifact that is in the cache.

        Raises:
            DvcError: an object is not in the cache, or is damaged.
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
        """Return what differs in the cache from an artifact's digest, nothing when all is well.

        Args:
            sha256: the digest that the manifest holds.
            md5: the artifact's object.
            progress: told the bytes read.

        Returns:
            lines such as ``weights.bin: missing``, ``weights.bin: differs``, and ``differs`` for
            an artifact that is a file, or when the whole differs although each file has its MD5.

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
        """Remove damaged objects from the cache where nobody vouched for them; return the others.

        An object that is read-only was checked once, by DVC or by us; what became of it since is
        for its owner to look at.
        """
        return self._cache.discard(oids)

    def vouch(self, oids: Iterable[ObjectId]) -> None:
        """Make objects read-only whose bytes were compared, as DVC does with what it checked."""
        self._cache.vouch(oids)
