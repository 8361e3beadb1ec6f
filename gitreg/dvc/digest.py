r"""Digests of files and folders: SHA-256 for integrity, MD5 because DVC names objects by it.

The digest of a folder is the SHA-256 of the lines ``<sha256 of file>  <relative path>``, sorted by
the UTF-8 bytes of the path, so that standard tools can check it::

    find . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum

(unless the folder has a file named ``-``, which `sha256sum` takes for its standard input).

>>> folder_sha256([FileDigest("b", 0, "", "22"), FileDigest("a", 0, "", "11")])
'416ccbb108242872963558d2b2800ec8cc6d6c2b62ec0ce35f6a0ae486adbfaa'
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, NoReturn, Protocol, TypeVar

from gitreg.dvc.ignoring import Kept, kept_in
from gitreg.dvc.links import Links
from gitreg.dvc.member_paths import _FOREIGN, clash, path_rule, shown
from gitreg.errors import InvalidRequest, WorldError

CHUNK = 1024 * 1024
"""How much of a file is in memory at a time, in bytes (twice that while two threads work)."""

WORKERS = min(8, (os.cpu_count() or 1) + 2)
"""How many files are read at the same time: hashing releases the interpreter's lock."""


# Windows needs O_BINARY, or line ends change. POSIX needs O_NOFOLLOW: a file can become a symbolic
# link after it was listed.
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Progress(Protocol):
    """A callback for progress; it is never called from two threads at once."""

    def __call__(self, done: int, /) -> object:
        """Receive the number of bytes done since the last call."""


class Stream(Protocol):
    """A readable binary file, as far as this module uses it."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; empty at the end."""


class Hash(Protocol):
    """A `hashlib` object, as far as this module uses it."""

    def update(self, data: memoryview, /) -> None:
        """Add the next bytes."""

    def hexdigest(self) -> str:
        """Return the digest of all bytes so far."""


@dataclass(frozen=True)
class FileDigest:
    """The digest of one file; ``path`` is relative to the artifact, in POSIX form.

    The path is empty when the artifact itself is the file. The size is in bytes.
    """

    path: str
    size: int
    md5: str
    sha256: str

    def at(self, path: str) -> FileDigest:
        """Return the same file under another path."""
        return replace(self, path=path)


@dataclass(frozen=True)
class TreeDigest:
    """The digest of an artifact: a file or a folder.

    Attributes:
        sha256: the SHA-256 of the file, or `folder_sha256` of the folder.
        md5: the name of the DVC object; ends in ``.dir`` for a folder.
        size: the size of all files together, in bytes.
        files: the number of files.
        members: the files, sorted by path.
        is_folder: whether it is a folder.
    """

    sha256: str
    md5: str
    size: int
    files: int
    members: tuple[FileDigest, ...]
    is_folder: bool


class Meter:
    """A `Progress` that threads can share; after `stop` it raises and so ends them."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._stopped = False

    def __call__(self, done: int, /) -> None:
        """Report ``done`` more bytes."""
        if self._stopped:
            raise InterruptedError("stopped")
        if self._progress is not None:
            with self._lock:
                self._progress(done)

    def stop(self) -> None:
        """Make every later call raise, which ends a thread in the middle of a large file."""
        self._stopped = True


def list_files(source: Path, *, as_source: bool = False) -> list[str]:
    """Return the files of a folder, relative and sorted; ``[""]`` when ``source`` is a file.

    See `places_of`.
    """
    return list(places_of(source, as_source=as_source))


def places_of(source: Path, *, as_source: bool = False) -> dict[str, Path]:
    """Return the files of a folder and where each is; ``""`` when ``source`` is a file.

    They are sorted by their paths relative to the folder. Empty folders are left out, as in Git
    and DVC.

    Args:
        source: the file or folder.
        as_source: whether it is to be registered: what `.dvcignore` names is left out, as `dvc
            add` does, and links that end inside the repository are followed (`Links`).

    Raises:
        InvalidRequest: ``source`` does not exist or contains no file, or something in it cannot be
            registered: a symbolic link, a device, a name that breaks `path_rule`, two names that
            clash.
        WorldError: a folder cannot be read.
    """
    with translated(source):
        if not os.path.lexists(source):
            raise InvalidRequest(f"{shown(str(source))} does not exist")
        if not source.is_dir():
            return {"": source.resolve() if as_source else source}
        if as_source:
            places = dict(sorted(_walk(source, kept_in(source), Links(source))))
        else:
            places = dict(sorted(_walk(source, None, None)))
    if not places:
        raise InvalidRequest(
            f"{shown(str(source))} contains no files, so there is nothing to register"
        )
    pair = clash(places)
    if pair:
        raise InvalidRequest(
            f"{shown(pair[0])} and {shown(pair[1])} in {shown(str(source))} are the same name on "
            "systems that ignore case or Unicode form",
            hint="rename one of them",
        )
    return places


def _walk(source: Path, kept: Kept | None, links: Links | None) -> Iterator[tuple[str, Path]]:
    """Yield the path of each file, and where it is."""
    folders: list[tuple[str, Path, tuple[Path, ...]]] = [("", source, ())]
    while folders:
        folder, place, followed = folders.pop()
        with os.scandir(place) as scanned:
            entries = list(scanned)
        if kept is not None:
            entries = _left(kept, os.path.abspath(source / folder), entries)  # noqa: PTH100
        for entry in entries:
            path = folder + entry.name
            found, around = place / entry.name, followed
            if links is not None and entry.is_symlink() and path_rule(path) is None:
                found = _followed(source, path, found, links)
                around = (*followed, found)
            else:
                _check_entry(source, path, entry)
            if not found.is_dir():
                yield path, found
            elif found in followed or (
                around != followed and place.resolve().is_relative_to(found)
            ):
                _refuse(source, path, "it is a symbolic link to a folder around it")
            else:
                folders.append((path + "/", found, around))


def _is_around(folder: Path, place: Path, followed: tuple[Path, ...]) -> bool:
    """Tell whether a link from ``place`` to ``folder`` would be followed without end."""
    return folder in followed or place.resolve().is_relative_to(folder)


def _followed(source: Path, path: str, link: Path, links: Links) -> Path:
    try:
        found = links.target(link)
    except OSError:
        _refuse(source, path, "it is a symbolic link, and nothing is there")
    if found is None:
        _refuse(source, path, "it is a symbolic link that leaves the repository")
    if not found.is_dir() and not found.is_file():
        _refuse(source, path, "it is neither a file nor a folder")
    return found


def _refuse(source: Path, path: str, rule: str) -> NoReturn:
    raise InvalidRequest(
        f"{shown(path)} in {shown(str(source))} cannot be registered: {rule}",
        hint="replace it with a copy of its target",
    )


def _left(kept: Kept, folder: str, entries: list[os.DirEntry[str]]) -> list[os.DirEntry[str]]:
    """Return the entries of a folder that `.dvcignore` leaves in it."""
    # What DVC never tracks is refused, not left out: it may be there by mistake.
    own = [entry for entry in entries if entry.name.lower() not in _FOREIGN]
    folders = [entry.name for entry in own if entry.is_dir()]
    files = [entry.name for entry in own if not entry.is_dir()]
    left = {name for names in kept(folder, folders, files) for name in names}
    return [entry for entry in entries if entry not in own or entry.name in left]


def _check_entry(source: Path, path: str, entry: os.DirEntry[str]) -> None:
    rule = path_rule(path)
    hint = "rename it, or leave it out"
    if rule is None and entry.is_symlink():
        rule, hint = "it is a symbolic link", "replace it with a copy of its target"
    elif rule is None and not (entry.is_dir() or entry.is_file()):
        rule, hint = "it is neither a file nor a folder", "leave it out"
    if rule:
        raise InvalidRequest(
            f"{shown(path)} in {shown(str(source))} cannot be registered: {rule}", hint=hint
        )


def hash_tree(
    source: Path, progress: Progress | None = None, *, as_source: bool = False
) -> TreeDigest:
    """Return the digest of a file or folder, reading each file once and in constant memory.

    Args:
        source: the file or folder.
        progress: called with the bytes done.
        as_source: whether it is to be registered; see `places_of`.

    Raises:
        InvalidRequest: see `places_of`.
        WorldError: a file cannot be read, or changed while it was read.
    """

    def digest(path: str) -> FileDigest:
        return hash_file(places[path], meter).at(path)

    meter = Meter(progress)
    places = places_of(source, as_source=as_source)
    return tree_digest(each(digest, list(places), meter), is_folder=list(places) != [""])


def hash_whole(source: Path, progress: Progress | None = None) -> tuple[str, int, int]:
    """Return only SHA-256, size in bytes and number of files: half the work of `hash_tree`.

    Raises:
        InvalidRequest: see `list_files`.
        WorldError: a file cannot be read, or changed while it was read.
    """

    def hash_one(path: str) -> FileDigest:
        sha256, size = file_sha256(source / path, meter)
        return FileDigest(path, size, "", sha256)

    meter = Meter(progress)
    paths = list_files(source)
    found = each(hash_one, paths, meter)
    whole = found[0].sha256 if paths == [""] else folder_sha256(found)
    return whole, sum(file.size for file in found), len(found)


def tree_digest(members: Sequence[FileDigest], *, is_folder: bool) -> TreeDigest:
    """Return the digest of the artifact that consists of ``members``."""
    if is_folder:
        sha256, md5 = folder_sha256(members), listing_name(dir_listing(members))
    else:
        sha256, md5 = members[0].sha256, members[0].md5
    size = sum(member.size for member in members)
    return TreeDigest(sha256, md5, size, len(members), tuple(members), is_folder)


def folder_sha256(members: Iterable[FileDigest]) -> str:
    """Return the SHA-256 of a folder: the hash of ``sha256sum``'s lines, sorted by path."""
    whole = hashlib.sha256()
    for member in sorted(members, key=lambda member: member.path.encode()):
        whole.update(f"{member.sha256}  {member.path}\n".encode())
    return whole.hexdigest()


def dir_listing(members: Iterable[FileDigest]) -> bytes:
    """Return DVC's ``.dir`` object, byte for byte (``Tree.as_bytes`` in dvc-data)."""
    entries = [{"md5": member.md5, "relpath": member.path} for member in members]
    return json.dumps(sorted(entries, key=lambda entry: entry["relpath"])).encode()


def listing_name(listing: bytes) -> str:
    """Return the name of a ``.dir`` object."""
    return hashlib.md5(listing, usedforsecurity=False).hexdigest() + ".dir"


def copy_and_hash(source: Path, destination: Path, progress: Progress | None) -> FileDigest:
    """Copy a file into a new one and return its digest, reading it once.

    The caller removes ``destination`` when this raises.

    Raises:
        WorldError: a file cannot be read or written, or changed while it was read.
    """
    with translated(destination), destination.open("xb", buffering=0) as sink:
        return _digest(source, sink, progress)


def copy_and_sha256(source: Path, destination: Path, progress: Progress | None) -> tuple[str, int]:
    """Copy a file into a new one and return its SHA-256 and size, reading it once.

    Raises:
        WorldError: a file cannot be read or written, or changed while it was read.
    """
    sha256 = hashlib.sha256()
    with translated(destination), destination.open("xb", buffering=0) as sink:
        return _hexdigest(sha256, _read_through(source, [sha256], sink, progress))


def copy_and_md5(source: Path, destination: Path, progress: Progress | None) -> str:
    """Copy a file into a new one and return its MD5, reading it once.

    Raises:
        WorldError: a file cannot be read or written, or changed while it was read.
    """
    md5 = hashlib.md5(usedforsecurity=False)
    with translated(destination), destination.open("xb", buffering=0) as sink:
        return _hexdigest(md5, _read_through(source, [md5], sink, progress))[0]


def hash_stream(stream: Stream, progress: Progress) -> FileDigest:
    """Return the digest of a stream, read to its end in constant memory.

    Raises:
        OSError: or any other exception of the stream's ``read``.
    """
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    size = _drain(stream, [md5, sha256], progress)
    return FileDigest("", size, md5.hexdigest(), sha256.hexdigest())


def stream_md5(stream: Stream, progress: Progress) -> str:
    """Return only the MD5 of a stream: half the work of `hash_stream`.

    Raises:
        OSError: or any other exception of the stream's ``read``.
    """
    md5 = hashlib.md5(usedforsecurity=False)
    _drain(stream, [md5], progress)
    return md5.hexdigest()


def _drain(stream: Stream, hashes: Sequence[Hash], progress: Progress) -> int:
    size = 0
    while data := stream.read(CHUNK):
        for hash_ in hashes:
            hash_.update(memoryview(data))
        size += len(data)
        progress(len(data))
    return size


def hash_file(source: Path, progress: Progress | None) -> FileDigest:
    """Return the digest of a file.

    Raises:
        WorldError: the file cannot be read, or changed while it was read.
    """
    return _digest(source, None, progress)


def file_sha256(source: Path, progress: Progress | None) -> tuple[str, int]:
    """Return the SHA-256 and the size of a file.

    Raises:
        WorldError: the file cannot be read, or changed while it was read.
    """
    sha256 = hashlib.sha256()
    return _hexdigest(sha256, _read_through(source, [sha256], None, progress))


def file_md5(source: Path, progress: Progress | None = None) -> str:
    """Return the MD5 of a file.

    Raises:
        WorldError: the file cannot be read, or changed while it was read.
    """
    md5 = hashlib.md5(usedforsecurity=False)
    return _hexdigest(md5, _read_through(source, [md5], None, progress))[0]


def _hexdigest(hash_: Hash, size: int) -> tuple[str, int]:
    return hash_.hexdigest(), size


def _digest(source: Path, sink: BinaryIO | None, progress: Progress | None) -> FileDigest:
    # MD5 is first and so gets its own thread: it is slower than SHA on processors with SHA support.
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    size = _read_through(source, [md5, sha256], sink, progress)
    return FileDigest("", size, md5.hexdigest(), sha256.hexdigest())


@contextmanager
def translated(path: Path, doing: str = "") -> Iterator[None]:
    """Translate the operating system's errors about ``path``.

    Args:
        path: the file or folder that the ``with`` block works on.
        doing: what begins the message, such as ``"cannot deliver: "``.

    Raises:
        WorldError: the block raised an `OSError`.
    """
    try:
        yield
    except OSError as error:
        where = shown(str(error.filename or path))
        raise WorldError(f"{doing}{where}: {error.strerror or error}") from error


def _read_through(
    source: Path, hashes: Sequence[Hash], sink: BinaryIO | None, progress: Progress | None
) -> int:
    """Read a file once, into each hash and into ``sink``; return its size."""
    with translated(source), os.fdopen(os.open(source, _READ | _NO_FOLLOW), "rb", 0) as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise InvalidRequest(f"{shown(str(source))} is neither a file nor a folder")
        pump = _pump if before.st_size <= CHUNK else _pump_overlapped
        size = pump(file, hashes, sink, progress or _silent, before.st_size)
        after = os.fstat(file.fileno())
    if (size, before.st_size, before.st_mtime_ns) != (
        after.st_size,
        after.st_size,
        after.st_mtime_ns,
    ):
        raise WorldError(
            f"{shown(str(source))} changed while gitreg was reading it",
            hint="run the command again when no other program writes to the file",
        )
    return size


def _silent(_done: int, /) -> None:
    """Report nothing."""


def _write_all(sink: BinaryIO, data: memoryview) -> None:
    with translated(Path(sink.name)):  # on a full disk, name the destination, not the source
        while data:  # an unbuffered file can write less than it is given
            data = data[sink.write(data) :]


def _pump(
    file: BinaryIO, hashes: Sequence[Hash], sink: BinaryIO | None, progress: Progress, expected: int
) -> int:
    """Read a file to its end, or until it has more bytes than expected."""
    size = 0
    buffer = memoryview(bytearray(min(CHUNK, expected + 1)))
    while size <= expected and (count := file.readinto(buffer)):  # type: ignore[attr-defined]
        data = buffer[:count]
        for hash_ in hashes:
            hash_.update(data)
        if sink is not None:
            _write_all(sink, data)
        size += count
        progress(count)
    return size


def _pump_overlapped(
    file: BinaryIO, hashes: Sequence[Hash], sink: BinaryIO | None, progress: Progress, expected: int
) -> int:
    """Do the same as `_pump`, but update the first hash in a separate thread.

    While that thread hashes a buffer, this one hashes and writes the same buffer and reads the
    next.
    """
    first, *others = hashes
    size = turn = 0
    buffers = [memoryview(bytearray(CHUNK)), memoryview(bytearray(CHUNK))]
    pending: Future[None] | None = None
    with ThreadPoolExecutor(1) as thread:
        while size <= expected and (count := file.readinto(buffers[turn])):  # type: ignore[attr-defined]
            data = buffers[turn][:count]
            if pending is not None:
                pending.result()
            pending = thread.submit(first.update, data)
            for hash_ in others:
                hash_.update(data)
            if sink is not None:
                _write_all(sink, data)
            turn = 1 - turn
            size += count
            progress(count)
    return size


def each(work: Callable[[_Item], _Result], items: Sequence[_Item], meter: Meter) -> list[_Result]:
    """Return ``work(item)`` for each item, in order, running several at the same time.

    The first error or an interrupt stops the other threads: their next call of ``meter`` raises.
    """
    if len(items) == 1:
        return [work(items[0])]
    # Each task is a slice, so that a million small files are not a million tasks.
    step = max(1, min(64, len(items) // (4 * WORKERS)))
    slices = [items[start : start + step] for start in range(0, len(items), step)]
    pool = ThreadPoolExecutor(WORKERS)
    try:
        done = pool.map(lambda part: [work(item) for item in part], slices)
        return [result for part in done for result in part]
    except BaseException:
        meter.stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
