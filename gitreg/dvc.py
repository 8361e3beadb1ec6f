"""The door to DVC: its cache and its remotes, object by object.

DVC's own push, pull and status are not used, for four reasons that were seen: a push skips the
members of a folder whose ``.dir`` object is on the remote already; a corrupt cache object is
uploaded without a word; a fetch of a missing object succeeds; and a check of an object whose file
is writable re-hashes it and *deletes* it when it is damaged, on a remote too. So objects are
looked up one by one with the remote's file system, and moved by DVC's own transfer.

A file's mode in the cache says whether it is vouched for, as DVC has it: 0444 was checked, anything
writable is checked before use. What `DvcProject.fetch` brings stays writable until its bytes were
compared with the manifest's SHA-256.

No lock of DVC is taken: an object appears in the cache by an atomic rename under the name of its
content, so that two writers of the same object write the same bytes, and DVC never sees half of
one. Only ``dvc gc`` removes objects, and it does so by what the work tree names; see
`DvcProject.stage`.
"""

from __future__ import annotations

import filecmp
import json
import os
import re
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from gitreg import digest
from gitreg.digest import FileDigest, Meter, Progress, TreeDigest
from gitreg.errors import DvcError, GitregError, InvalidRequest

if TYPE_CHECKING:
    from dvc_data.hashfile.db import HashFileDB
    from dvc_data.hashfile.db.local import LocalHashFileDB
    from fsspec import Callback

ObjectId: TypeAlias = str
"""The name of an object of DVC's: 32 hex digits, and ``.dir`` behind them for a folder."""

LISTING_LIMIT = 64 * 1024 * 1024
"""The largest ``.dir`` object that is read, in bytes: about half a million files."""

CONFIG_LIMIT = 64 * 1024
"""The largest ``.dvc/config`` that is read from somebody else's repository, in bytes."""

CHECKED = 0o444
"""The mode of a cache object that was checked (``LocalHashFileDB.CACHE_MODE``)."""

TEMPORARY = ".gitreg-"
"""How the names of unfinished files start; a killed run may leave one, `stage` removes old ones."""

_STALE = 24 * 3600
_OBJECT = re.compile(r"[0-9a-f]{32}(?:\.dir)?")
_MEMBER = re.compile(r"[0-9a-f]{32}")
_EMPTY = "d41d8cd98f00b204e9800998ecf8427e"

_ADD_REMOTE = "configure one: dvc remote add -d NAME URL"
_LOOK_AT_REMOTE = "check it with `dvc remote list`, then run the command again"

# What the configuration of somebody else's repository may say of a remote: where it is, how to
# talk to it, and credentials of its own. Everything else is refused, by name, above all
#   bearer_token_command                               runs a command;
#   keyfile, cert_path, key_path, credentialpath,      make us read local files and show a server
#   configpath, kerb_ticket, gdrive_*_file*            what they hold or prove;
#   ask_password, ask_passphrase                       read the terminal.
_SAFE_OPTIONS = frozenset(
    "url jobs checksum_jobs no_traverse verify version_aware worktree "  # every remote
    "type protected shared slow_link_warning "  # a folder
    "region profile endpointurl access_key_id secret_access_key session_token listobjects use_ssl "
    "allow_anonymous_login ssl_verify sse sse_kms_key_id sse_customer_algorithm sse_customer_key "
    "acl grant_read grant_read_acp grant_write_acp grant_full_control cache_regions read_timeout "
    "connect_timeout projectname "  # S3, Google
    "connection_string sas_token account_name account_key tenant_id client_id client_secret "
    "exclude_environment_credential exclude_visual_studio_code_credential "
    "exclude_shared_token_cache_credential exclude_managed_identity_credential timeout "
    "connection_timeout "  # Azure
    "port user password passphrase gss_auth allow_agent max_sessions "  # SSH
    "auth custom_auth_header method token "  # HTTP, WebDAV
    "replication kerberos kerberos_principal proxy_to use_https data_proxy_target "  # HDFS
    "oss_key_id oss_key_secret oss_endpoint".split()
)
# Google Drive is not among them: it opens a browser to ask for permission.
_SAFE_SCHEMES = frozenset(
    ("", "remote", *"s3 gs azure ssh http https webdav webdavs oss hdfs webhdfs".split())
)
_BOOLEANS = frozenset({"true", "false"})
_SECRET = re.compile(r"password|passphrase|secret|token|_key$|_key_id$|customer_key|connection_str")
_SECRET_LENGTH = 4
_CAUSE_LENGTH = 300

_Config: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Member:
    """A file of a folder, as its listing names it."""

    path: str
    md5: ObjectId


@dataclass(frozen=True)
class _Remote:
    """A configured remote: its name, its objects, and what no message may show."""

    name: str
    objects: HashFileDB
    secrets: tuple[str, ...]


def init(root: Path) -> list[str]:
    """Make the Git repository at ``root`` a DVC project; return what was written, relative to it.

    The files are those of ``dvc init``. Unlike it, nothing is added to Git's index.

    Raises:
        DvcError: DVC could not do it.
    """
    if (root / ".dvc").exists():
        return []
    candidates = (".dvc/.gitignore", ".dvc/config", ".dvcignore")
    there = {path for path in candidates if (root / path).exists()}
    with _door("cannot set DVC up"):
        _load()
        import dvc.ignore
        from dvc.config import Config
        from dvc.repo import Repo

        # The steps of dvc.repo.init.init, without its last: that one stages the files in the
        # user's index. Opening the repository writes .dvc/.gitignore.
        (root / ".dvc").mkdir()
        try:
            Config.init(str(root / ".dvc"))
            dvc.ignore.init(str(root))
            Repo(str(root)).close()
        except BaseException:
            shutil.rmtree(root / ".dvc", ignore_errors=True)
            raise
    return [path for path in candidates if path not in there and (root / path).exists()]


def _load() -> None:
    """Import DVC, and give the process its standard streams back.

    DVC starts colorama, which puts a wrapper around them that takes away the colours that a person
    asked for where the output is not a terminal.
    """
    streams = sys.stdout, sys.stderr
    import dvc.logger  # noqa: F401

    sys.stdout, sys.stderr = streams


@contextmanager
def _door(doing: str, secrets: Sequence[str] = (), hint: str | None = None) -> Iterator[None]:
    """Translate whatever DVC and the file systems below it raise into one line of ours."""
    try:
        yield
    except GitregError:
        raise
    except Exception as error:  # fsspec's file systems raise whatever their client libraries do
        hint = _dependency_hint(error) or hint
        raise DvcError(f"{doing}: {_cause(error, secrets)}", hint=hint) from error


def _dependency_hint(error: Exception) -> str | None:
    from dvc_objects.fs.errors import RemoteMissingDepsError

    if isinstance(error, RemoteMissingDepsError):
        return f"pip install 'dvc[{error.protocol}]'"
    return None


def _cause(error: Exception, secrets: Sequence[str]) -> str:
    """Return one line for ``error``, without credentials."""
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    else:
        text = str(error)
    text = " ".join(text.split()) or type(error).__name__
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    text = re.sub(r"(\w://)[^/\s@]+@", r"\1***@", text)
    text = re.sub(r"(\w://[^\s?'\"]*)\?[^\s'\"]*", r"\1?***", text)  # signed URLs
    return text if len(text) <= _CAUSE_LENGTH else text[:_CAUSE_LENGTH] + "…"


def check_object_id(oid: str) -> ObjectId:
    """Return ``oid`` when it is the name of an object.

    Raises:
        InvalidRequest: it is not.
    """
    if not _OBJECT.fullmatch(oid):
        raise InvalidRequest(f"{ascii(oid[:50])} is not the name of a DVC object")
    return oid


def read_listing(data: bytes, oid: ObjectId) -> tuple[Member, ...]:
    """Return the files that a ``.dir`` object names, sorted by path.

    Nothing in it is trusted: each path stays inside the folder, and no two of them meet.

    Raises:
        DvcError: the listing breaks a rule.
    """
    try:
        entries = json.loads(data)
        members = [Member(entry["relpath"], entry["md5"]) for entry in entries]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise DvcError(f"DVC object {oid} is not the listing of a folder") from None
    if not members:
        raise DvcError(f"DVC object {oid} lists no file")
    for member in members:
        _check_member(member, oid)
    pair = digest.clash(member.path for member in members)
    if pair:
        raise DvcError(
            f"DVC object {oid} lists {digest.shown(pair[0])} and {digest.shown(pair[1])}, "
            "which cannot be in one folder"
        )
    return tuple(sorted(members, key=lambda member: member.path))


def _check_member(member: Member, oid: ObjectId) -> None:
    if not isinstance(member.path, str) or not isinstance(member.md5, str):
        raise DvcError(f"DVC object {oid} is not the listing of a folder")
    rule = digest.path_rule(member.path)
    if rule is None and not _MEMBER.fullmatch(member.md5):
        rule = "its MD5 is not one"
    if rule:
        raise DvcError(f"DVC object {oid} lists {ascii(member.path[:200])}: {rule}")


class DvcProject:
    """A DVC project: the cache and the default remote that its configuration names.

    Opening it reads nothing; the configuration is read at the first call that needs it.

    Args:
        root: the folder that holds ``.dvc``.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._given: _Config | None = None
        # A listing is named by its content, so what was read once need not be read again.
        self._listings: dict[ObjectId, tuple[Member, ...]] = {}
        # What this object hashed itself: name to the file's state then, so that a push right
        # after a registration does not hash a gigabyte again.
        self._hashed: dict[ObjectId, tuple[int, ...]] = {}

    @classmethod
    def from_config(cls, folder: Path, config: bytes, base: Path | None) -> DvcProject:
        """Return a project for a repository that has no checkout (bare, or read by URL).

        Only the default remote is taken from ``config``, and of it only what names no local file
        or command. The user's own DVC configuration is left out: there, credentials belong to a
        remote by its name, and here a stranger chose the name and where it leads.

        Args:
            folder: a folder of ours; its cache is used again when it is there.
            config: the repository's ``.dvc/config``.
            base: where the repository's tree lies, for a remote that is a folder inside it.

        Raises:
            DvcError: the configuration does not parse, or says what is not allowed.
        """
        project = cls(folder)
        with _door("the repository's .dvc/config"):
            project._given = _foreign_config(config, base)
        with _door("cannot make a DVC cache"):
            (folder / ".dvc").mkdir(parents=True, exist_ok=True)
        return project

    @cached_property
    def _config(self) -> _Config:
        with _door("cannot read DVC's configuration", hint="look at .dvc/config"):
            if self._given is not None:
                return self._given
            if not (self.root / ".dvc").is_dir():
                raise DvcError(
                    f"{digest.shown(str(self.root))} is not a DVC project", hint="run gitreg init"
                )
            _load()
            from dvc.config import Config

            found: _Config = Config(str(self.root / ".dvc"))
            return found

    @cached_property
    def _cache(self) -> LocalHashFileDB:
        settings = dict(self._config.get("cache", {}))
        folder = settings.pop("dir", None) or str(self.root / ".dvc" / "cache")
        with _door("cannot open DVC's cache"):
            from dvc.fs import LocalFileSystem
            from dvc_data.hashfile.db.local import LocalHashFileDB

            path = os.path.join(os.path.abspath(folder), "files", "md5")
            return LocalHashFileDB(LocalFileSystem(), path, hash_name="md5", **settings)

    @cached_property
    def _remote(self) -> _Remote | None:
        name = self.remote_name()
        if name is None:
            return None
        secrets = _secrets(self._config)
        with _door(f"DVC remote {name}", secrets, _LOOK_AT_REMOTE):
            from dvc.data_cloud import Remote
            from dvc.fs import get_cloud_fs

            file_system, options, path = get_cloud_fs(self._config, name=name)
            if options.get("version_aware") or options.get("worktree"):
                raise DvcError(
                    f"DVC remote {name} is cloud versioned, which holds no objects by their hash",
                    hint="use another remote: dvc remote default NAME",
                )
            remote = Remote(name, path, file_system(**options), **options)
            return _Remote(name, remote.odb, secrets)

    def remote_name(self) -> str | None:
        """Return the name of the default remote, or ``None`` when none is configured."""
        name = self._config.get("core", {}).get("remote")
        return str(name) if name else None

    def _need_remote(self) -> _Remote:
        if self._remote is None:
            raise DvcError("no DVC remote is configured", hint=_ADD_REMOTE)
        return self._remote

    def cache_path(self, oid: ObjectId) -> Path:
        """Return where an object lies in the cache, whether or not it is there."""
        return Path(self._cache.oid_to_path(check_object_id(oid)))

    # Into the cache

    def stage(self, source: Path, progress: Progress | None = None) -> TreeDigest:
        """Put a file or folder into the cache, reading it once; return its digest.

        A folder's listing is written last, so that a listing in the cache has its members.
        Between this and the commit that names them, ``dvc gc -w`` takes the objects for rubbish;
        a push then fails and names what is missing.

        Raises:
            InvalidRequest: `gitreg.digest.list_files` refuses the source.
            DvcError: the cache cannot be written, or holds other bytes under the same MD5.
            WorldError: the source cannot be read, or changed while it was read.
        """

        def add(path: str) -> FileDigest:
            return self._add_file(path, source / path, meter)

        meter = Meter(progress)
        paths = digest.list_files(source)
        self._remove_stale()
        members = digest.each(add, paths, meter)
        tree = digest.tree_digest(members, is_folder=paths != [""])
        if tree.is_folder:
            self._add_bytes(digest.dir_listing(members), tree.md5)
        return tree

    def _add_file(self, path: str, source: Path, meter: Meter) -> FileDigest:
        with self._temporary() as temporary:
            found = digest.copy_and_hash(source, temporary, meter)
            self._keep(temporary, found.md5)
        return FileDigest(path, found.size, found.md5, found.sha256)

    def _add_bytes(self, data: bytes, oid: ObjectId) -> None:
        with self._temporary() as temporary:
            with _door("cannot write to DVC's cache"):
                temporary.write_bytes(data)
            self._keep(temporary, oid)

    @contextmanager
    def _temporary(self) -> Iterator[Path]:
        """Give a path for a new file in the cache's file system; what is left there is removed."""
        # Beside `md5`, not in it: there DVC would list it among the objects.
        folder = Path(self._cache.path).parent
        with _door("cannot write to DVC's cache"):
            self._cache.makedirs(str(folder))
        path = folder / f"{TEMPORARY}{secrets.token_hex(8)}.tmp"
        try:
            yield path
        finally:
            with suppress(OSError):
                path.unlink()

    def _remove_stale(self) -> None:
        """Remove what killed runs left more than a day ago."""
        folder = Path(self._cache.path).parent
        with suppress(OSError):
            for path in folder.glob(f"{TEMPORARY}*.tmp"):
                if path.lstat().st_mtime < time.time() - _STALE:
                    path.unlink()

    def _keep(self, temporary: Path, oid: ObjectId) -> None:
        """Make a checked file the object ``oid``, unless the cache has the same bytes already."""
        path = self.cache_path(oid)
        with _door(f"cannot write {oid} to DVC's cache"):
            if not self._has_same_bytes(path, temporary, oid):
                self._cache.makedirs(str(path.parent))
                temporary.chmod(CHECKED)
                temporary.replace(path)
            self._cache.protect(str(path))
            self._hashed[oid] = _state(path)

    @staticmethod
    def _has_same_bytes(path: Path, temporary: Path, oid: ObjectId) -> bool:
        if not path.is_file():
            return False
        if filecmp.cmp(path, temporary, shallow=False):
            return True
        if digest.file_md5(path) == oid.removesuffix(".dir"):
            # Somebody made two files with one MD5. Replacing the object would change every
            # version that names it.
            raise DvcError(
                f"DVC's cache has other bytes with the same MD5, {oid}: DVC cannot hold both",
                hint=f"compare the file with {path}; one of them was made to collide",
            )
        return False

    # What an artifact consists of

    def members(self, md5: ObjectId) -> tuple[Member, ...]:
        """Return the files of an artifact, whose listing must be in the cache.

        An artifact that is a file has one member, with the path ``""``.

        Raises:
            DvcError: the listing is not there, damaged, or breaks a rule.
        """
        if not check_object_id(md5).endswith(".dir"):
            return (Member("", md5),)
        members = self._cached_members(md5)
        if members is None:
            raise DvcError(f"DVC object {md5} is not in the cache")
        return members

    def objects(self, md5: ObjectId) -> list[ObjectId]:
        """Return what an artifact consists of, each object once and a folder's listing last.

        Raises:
            DvcError: see `members`.
        """
        return _names(md5, self.members(md5))

    def _cached_members(self, oid: ObjectId) -> tuple[Member, ...] | None:
        """Return what a listing in the cache names.

        ``None`` when it is not there, or is damaged and nobody vouched for it.
        """
        path = self.cache_path(oid)
        if not path.is_file():
            return None
        if oid not in self._listings:
            with _door(f"cannot read {oid} in DVC's cache"), path.open("rb") as file:
                data = file.read(LISTING_LIMIT + 1)
                intact = digest.listing_name(data) == oid
                if not intact and not self._is_checked(path):
                    return None
            if not intact:
                raise self._damage(oid)
            self._listings[oid] = read_listing(data, oid)
        return self._listings[oid]

    def _remote_listing(self, oid: ObjectId) -> bytes | None:
        remote = self._need_remote()
        with _door(f"cannot read {oid} from DVC remote {remote.name}", remote.secrets):
            try:
                with remote.objects.fs.open(remote.objects.oid_to_path(oid), "rb") as file:
                    data: bytes = file.read(LISTING_LIMIT + 1)
            except FileNotFoundError:
                return None
        if digest.listing_name(data) != oid:
            raise DvcError(
                f"DVC object {oid} on remote {remote.name} is damaged: its MD5 differs",
                hint="somebody who has the artifact can push it again: dvc push",
            )
        return data

    def _names_anywhere(self, md5: ObjectId) -> list[ObjectId] | None:
        """Return what an artifact consists of, ``None`` when its listing is nowhere."""
        if not check_object_id(md5).endswith(".dir"):
            return [md5]
        members = self._cached_members(md5)
        if members is None and self._remote is not None:
            listing = self._remote_listing(md5)
            members = None if listing is None else read_listing(listing, md5)
        return None if members is None else _names(md5, members)

    # Where the objects are

    def _in_cache(self, oid: ObjectId) -> bool:
        path = self.cache_path(oid)
        return path.is_file() and _may_be(oid, path.stat().st_size)

    def missing(self, md5: ObjectId) -> list[ObjectId]:
        """Return the objects of an artifact that the cache lacks.

        Only the listing is named when that itself is not there.

        Raises:
            DvcError: the listing in the cache is damaged or breaks a rule.
        """
        if _is_listing(check_object_id(md5)) and self._cached_members(md5) is None:
            return [md5]
        return [oid for oid in self.objects(md5) if not self._in_cache(oid)]

    def available(self, md5: ObjectId) -> bool:
        """Tell whether every object of an artifact is in the cache or on the default remote.

        Nothing is transferred, changed or removed, here or there.

        Raises:
            DvcError: the remote cannot be reached, or a listing is damaged or breaks a rule.
        """
        names = self._names_anywhere(md5)
        if names is None:
            return False
        absent = [oid for oid in names if not self._in_cache(oid)]
        return not absent or (self._remote is not None and len(self._sizes(absent)) == len(absent))

    def not_on_remote(self, md5s: Iterable[ObjectId]) -> list[ObjectId]:
        """Return the objects of artifacts that the default remote lacks; all when there is none.

        One that has another size there than in the cache counts as lacking.

        Raises:
            DvcError: the remote cannot be reached, or a listing is damaged or breaks a rule.
        """
        names = self._names_of_all(md5s)
        return names if self._remote is None else self._lacking(names)

    def _names_of_all(self, md5s: Iterable[ObjectId]) -> list[ObjectId]:
        """Return the objects of several artifacts, each once, all listings behind all members."""
        names: dict[ObjectId, None] = {}
        for md5 in md5s:
            names.update(dict.fromkeys(self._names_anywhere(md5) or [md5]))
        return sorted(names, key=_is_listing)

    def _lacking(self, names: Sequence[ObjectId]) -> list[ObjectId]:
        sizes = self._sizes(names)
        return [oid for oid in names if oid not in sizes or self._differs(oid, sizes[oid])]

    def _differs(self, oid: ObjectId, size: int | None) -> bool:
        """Tell whether an object on the remote has another size than the one in the cache."""
        path = self.cache_path(oid)
        return size is not None and path.is_file() and path.stat().st_size != size

    def _sizes(self, names: Sequence[ObjectId]) -> dict[ObjectId, int | None]:
        """Return the objects that the remote has and their sizes, ``None`` where it tells none."""
        remote = self._need_remote()
        objects = remote.objects
        with _door(f"cannot look into DVC remote {remote.name}", remote.secrets, _LOOK_AT_REMOTE):
            objects.fs.fs.invalidate_cache()  # fsspec may remember how a folder was
            paths = [objects.oid_to_path(oid) for oid in names]
            found = objects.fs.info(paths, return_exceptions=True)
        sizes = {}
        for oid, info in zip(names, found, strict=True):
            with _door(f"cannot look for {oid} on DVC remote {remote.name}", remote.secrets):
                if isinstance(info, FileNotFoundError):
                    continue
                if isinstance(info, BaseException):
                    raise info
            size = info.get("size")
            if info["type"] == "file" and _may_be(oid, size):
                sizes[oid] = size
        return sizes

    # From and to the remote

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
        fetched = set()
        if self.missing(md5) and self._remote is None:
            raise DvcError(
                f"DVC object {self.missing(md5)[0]} is not in the cache, and no DVC remote is "
                "configured",
                hint=_ADD_REMOTE,
            )
        if _is_listing(md5) and self._cached_members(md5) is None:
            listing = self._remote_listing(md5)
            if listing is None:
                raise self._not_there([md5])
            read_listing(listing, md5)  # refused before it is in the cache
            self._add_bytes(listing, md5)
            fetched.add(md5)
        absent = self.missing(md5)
        if absent:
            self._download(absent, progress)
        return fetched | set(absent)

    def _download(self, names: Sequence[ObjectId], progress: Progress | None) -> None:
        remote = self._need_remote()
        objects = remote.objects
        try:
            with _door(f"cannot fetch from DVC remote {remote.name}", remote.secrets):
                from dvc_objects.fs import generic

                # Without on_error: DVC would rename the half of a file that arrived into place.
                generic.copy(
                    objects.fs,
                    [objects.oid_to_path(oid) for oid in names],
                    self._cache.fs,
                    [str(self.cache_path(oid)) for oid in names],
                    callback=_callback(progress),
                )
        except DvcError:
            absent = [oid for oid in names if not self._in_cache(oid)]
            there = self._sizes(absent)
            if len(there) == len(absent):
                raise
            raise self._not_there([oid for oid in absent if oid not in there]) from None

    def _not_there(self, names: Sequence[ObjectId]) -> DvcError:
        which = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
        return DvcError(
            f"DVC remote {self.remote_name()} does not have {which}",
            hint="somebody who has the artifact can push it: dvc push",
        )

    def push(self, md5s: Iterable[ObjectId], progress: Progress | None = None) -> int:
        """Upload what the default remote lacks of some artifacts; return how many objects.

        1. Every object is looked up on the remote; that a folder's listing is there proves nothing.
        2. What is lacking is checked against its MD5, so that no damage is uploaded.
        3. Members go first and listings last: a listing on the remote has its members.
        4. Every object uploaded is looked up again, with its size.

        Raises:
            DvcError: no remote is configured, it cannot be reached or written, or an object is
                neither there nor intact in the cache. Then no listing was uploaded.
        """
        self._need_remote()
        names = self._names_of_all(md5s)
        lacking = self._lacking(names)  # 1
        digest.each(self._check_cached, lacking, Meter(None))  # 2
        for listings in (False, True):  # 3
            self._upload([oid for oid in lacking if _is_listing(oid) is listings], progress)
        left = self._lacking(lacking)  # 4
        if left:
            raise DvcError(
                f"DVC remote {self.remote_name()} does not have {left[0]} after it was uploaded",
                hint=_LOOK_AT_REMOTE,
            )
        return len(lacking)

    def _check_cached(self, oid: ObjectId) -> None:
        path = self.cache_path(oid)
        if not path.is_file():
            raise DvcError(
                f"DVC object {oid} is neither in the cache nor on remote {self.remote_name()}",
                hint="push it from where it was made: dvc push",
            )
        if self._hashed.get(oid) == _state(path):
            return
        if digest.file_md5(path) != oid.removesuffix(".dir"):
            raise self._damage(oid)
        self._hashed[oid] = _state(path)

    def _upload(self, names: Sequence[ObjectId], progress: Progress | None) -> None:
        if not names:
            return
        remote = self._need_remote()
        with _door(f"cannot push to DVC remote {remote.name}", remote.secrets, _LOOK_AT_REMOTE):
            # verify=False whatever the remote's configuration says: DVC's check deletes. Ours
            # was made before, and follows.
            remote.objects.add(
                [str(self.cache_path(oid)) for oid in names],
                self._cache.fs,
                list(names),
                callback=_callback(progress),
                check_exists=False,
                verify=False,
            )

    # What is in the cache, checked

    def digest(self, md5: ObjectId, progress: Progress | None = None) -> TreeDigest:
        """Return the digest of an artifact that is in the cache.

        Raises:
            DvcError: an object is not in the cache, or is damaged.
        """

        def hash_one(member: Member) -> FileDigest:
            path = self.cache_path(member.md5)
            found = digest.hash_file(path, meter)
            if found.md5 != member.md5:
                raise self._damage(member.md5)
            return replace(found, path=member.path)

        absent = self.missing(md5)
        if absent:
            raise DvcError(f"DVC object {absent[0]} is not in the cache")
        meter = Meter(progress)
        found = digest.each(hash_one, self.members(md5), meter)
        return digest.tree_digest(found, is_folder=_is_listing(md5))

    def _damage(self, oid: ObjectId) -> DvcError:
        return DvcError(
            f"DVC object {oid} in the cache is damaged: its MD5 differs",
            hint=f"remove {self.cache_path(oid)}, then get the bytes again (dvc fetch, or dvc add)",
        )

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
            return [_finding(member, "missing") for member in members if member.md5 in absent]
        if self._sha256_of(members, progress) == sha256:
            self.vouch(self.objects(md5))
            return []
        damaged = self.damaged(member.md5 for member in members)
        return [_finding(m, "differs") for m in members if m.md5 in damaged] or ["differs"]

    def _sha256_of(self, members: Sequence[Member], progress: Progress | None) -> str:
        def hash_one(member: Member) -> FileDigest:
            sha256, size = digest.file_sha256(self.cache_path(member.md5), meter)
            return FileDigest(member.path, size, member.md5, sha256)

        meter = Meter(progress)
        found = digest.each(hash_one, members, meter)
        return found[0].sha256 if members[0].path == "" else digest.folder_sha256(found)

    def damaged(self, oids: Iterable[ObjectId]) -> set[ObjectId]:
        """Return the objects whose bytes in the cache do not have the MD5 of their name."""
        names = sorted(set(oids))
        found = digest.each(lambda oid: digest.file_md5(self.cache_path(oid)), names, Meter(None))
        return {
            oid for oid, md5 in zip(names, found, strict=True) if md5 != oid.removesuffix(".dir")
        }

    def discard(self, oids: Iterable[ObjectId]) -> set[ObjectId]:
        """Remove damaged objects from the cache where nobody vouched for them; return the others.

        An object that is read-only was checked once, by DVC or by us; what became of it since is
        for its owner to look at.
        """
        left = set()
        for oid in oids:
            path = self.cache_path(oid)
            with _door(f"cannot remove {oid} from DVC's cache"):
                if self._is_checked(path):
                    left.add(oid)
                else:
                    path.unlink()
        return left

    def vouch(self, oids: Iterable[ObjectId]) -> None:
        """Make objects whose bytes were compared read-only, as DVC does with what it checked."""
        for oid in oids:
            self._cache.protect(str(self.cache_path(oid)))

    @staticmethod
    def _is_checked(path: Path) -> bool:
        return stat.S_IMODE(path.stat().st_mode) == CHECKED


def _is_listing(oid: ObjectId) -> bool:
    return oid.endswith(".dir")


def _may_be(oid: ObjectId, size: int | None) -> bool:
    """Tell whether an object may have that size: an empty file is a common way to be damaged."""
    return size != 0 or oid == _EMPTY


def _names(md5: ObjectId, members: Iterable[Member]) -> list[ObjectId]:
    return list(dict.fromkeys([*(member.md5 for member in members), md5]))


def _finding(member: Member, reason: str) -> str:
    return f"{digest.shown(member.path)}: {reason}" if member.path else reason


def _state(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _secrets(config: _Config) -> tuple[str, ...]:
    """Return the values of a configuration that no message may show."""
    return tuple(
        value
        for options in config.get("remote", {}).values()
        for key, value in options.items()
        if _SECRET.search(key) and isinstance(value, str) and len(value) >= _SECRET_LENGTH
    )


def _callback(progress: Progress | None) -> Callback:
    """Return fsspec's way to report progress, for ours."""
    from fsspec.callbacks import Callback

    class OneFile(Callback):  # type: ignore[misc]
        """Reports the bytes of a file; a transfer that tells none is reported at its end."""

        def __init__(self, path: str) -> None:
            super().__init__()
            self.path = path

        def relative_update(self, inc: int = 1) -> None:
            self.value += inc
            meter(inc)

        def absolute_update(self, value: int) -> None:
            self.relative_update(value - self.value)

        def close(self) -> None:
            with suppress(OSError):
                self.relative_update(max(0, os.path.getsize(self.path) - self.value))

    class AllFiles(Callback):  # type: ignore[misc]
        def branched(self, path_1: str, path_2: str, **_kwargs: object) -> Callback:
            return OneFile(path_1 if os.path.isfile(path_1) else path_2)

    meter = Meter(progress)
    return AllFiles()


def _foreign_config(text: bytes, base: Path | None) -> _Config:
    """Return what is taken from the configuration of somebody else's repository."""
    _load()
    from dvc.config import Config

    sections = _parse_config(text)
    core = sections.get("core")
    name = core.get("remote") if isinstance(core, dict) else None
    if not isinstance(name, str):
        return {"core": {}, "remote": {}, "cache": {}}
    name = name.lower()
    taken: dict[str, dict[str, str]] = {}
    following: str | None = name
    while following is not None and following not in taken:  # remote://other/path names another
        options = sections.get(f'remote "{following}"')
        if not isinstance(options, dict) or not isinstance(options.get("url"), str):
            raise DvcError(f".dvc/config names the remote {ascii(following)} but no url of it")
        taken[following] = _safe_options(following, options, base)
        url = urlsplit(taken[following]["url"])
        following = url.netloc.lower() if url.scheme == "remote" else None
    if following is not None:
        raise DvcError(f".dvc/config: the remote {ascii(following)} refers to itself")
    valid: _Config = Config.validate({"core": {"remote": name}, "remote": taken, "cache": {}})
    return valid


def _parse_config(text: bytes) -> Mapping[str, Any]:
    from configobj import ConfigObj, ConfigObjError

    if len(text) > CONFIG_LIMIT:
        raise DvcError(f".dvc/config is larger than {CONFIG_LIMIT // 1024} KiB")
    try:
        # Interpolation is DVC's default, but it can make 64 KiB grow without bound.
        parsed = ConfigObj(text.decode("utf-8").splitlines(), interpolation=False).dict()
    except (UnicodeDecodeError, ConfigObjError, RecursionError) as error:
        raise DvcError(f".dvc/config does not parse: {_cause(error, ())}") from None
    return _lowered(parsed)


def _lowered(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with lower-case keys and section names, as DVC reads them."""
    return {
        key.strip().lower(): _lowered(value) if isinstance(value, dict) else value
        for key, value in mapping.items()
    }


def _safe_options(name: str, options: Mapping[str, Any], base: Path | None) -> dict[str, str]:
    """Return a remote's options after each was found harmless."""
    url: str = options["url"]
    scheme = _scheme(url)
    refused = sorted(set(options) - _SAFE_OPTIONS)
    # Google's client sends the user's own access token to whatever host this names.
    if scheme == "gs" and "endpointurl" in options:
        refused.append("endpointurl")
    # A string there is a file of certificates.
    if str(options.get("ssl_verify", "true")).lower() not in _BOOLEANS:
        refused.append("ssl_verify")
    if refused:
        raise DvcError(
            f".dvc/config: the remote {ascii(name)} sets {ascii(refused[0])}, which could name a "
            "local file or command",
            hint="clone the repository and run gitreg in the clone, if you trust it",
        )
    if scheme not in _SAFE_SCHEMES:
        raise DvcError(
            f".dvc/config: the remote {ascii(name)} has a URL of the kind {ascii(scheme)}",
            hint="clone the repository and run gitreg in the clone, if you trust it",
        )
    return {**options, "url": url if scheme else _local_url(name, url, base)}


def _scheme(url: str) -> str:
    """Return a URL's scheme, empty for a local path."""
    scheme = urlsplit(url).scheme
    return "" if len(scheme) == 1 and os.name == "nt" else scheme


def _local_url(name: str, url: str, base: Path | None) -> str:
    """Return a local remote's folder; a relative one counts from ``.dvc``, as DVC has it."""
    if os.path.isabs(url):
        return url
    if base is None:
        raise DvcError(
            f"the DVC remote {ascii(name)} is the folder {ascii(url)} beside the repository, "
            "which cannot be reached from here",
            hint="clone the repository and run gitreg in the clone",
        )
    return os.path.abspath(base / ".dvc" / url)
