"""Reads Git objects through one open `cat-file --batch`, and writes them as loose objects.

Reading costs about 50 µs an object, so a registry answers at the speed of its pointer files.
Writing uses GitPython's object database. An operation changes a handful of blobs and the trees
above them, and the cost of rewriting only those does not grow with the registry. An index would
grow: with 200,000 files, one entry takes a quarter of a second.
"""

from __future__ import annotations

import hashlib
import os
import select
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gitreg.core.text.urls import hide_credentials
from gitreg.errors import GitError, InvalidRequest
from gitreg.git import damage, process
from gitreg.git.sharing import share

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

NO_OBJECT = "0" * 40
"""What Git writes for an object that is not there, as in an update that makes a reference."""

READ_LIMIT = 16 * 1024 * 1024
"""The largest object that is read into memory, in bytes; a registry's files are far smaller."""

_AHEAD = 4096
"""Bytes of requests written before their answers are read.

They must fit into the pipe; otherwise both sides block, each writing to the other. The kernel
guarantees one page.
"""

_REMEMBERED = 10_000
"""How many files and folders of one commit are cached between calls: at most about 20 MB."""

_FOLDER_MODE = 0o040000
_FILE_MODE = 0o100644


@dataclass(frozen=True)
class GitObject:
    """A Git object: 40 hex digits, its kind (``blob``, ``tree``, ``commit``, ``tag``), its data."""

    oid: str
    kind: str
    data: bytes

    @cached_property
    def names(self) -> Sequence[str]:
        """The names in a tree; empty for another kind of object."""
        return [entry.name for entry in parse_tree(self.data)] if self.kind == "tree" else []


class ObjectReader:
    """Reads objects of the repository at ``folder``; safe to share between threads.

    Args:
        folder: where Git runs.
        environment: variables for Git, in addition to those of every call.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._environment = environment or {}
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0  # the process that started it; after a fork only the parent may use it

    def get(self, spec: str) -> GitObject | None:
        """Return the object that ``spec`` names (``HEAD:registry``); ``None`` if there is none."""
        return self.get_many([spec])[0]

    def get_many(self, specs: Sequence[str]) -> list[GitObject | None]:
        """Return the objects that the specs name, in the order of the specs."""
        if any("\n" in spec for spec in specs):
            raise InvalidRequest("a name in a repository cannot contain a line break")
        with self._lock:
            try:
                return [found for batch in _batches(specs) for found in self._exchange(batch)]
            except BaseException:
                # An interruption between request and answer would shift all later answers.
                self._stop()
                raise

    def _exchange(self, requests: Sequence[bytes]) -> list[GitObject | None]:
        running = self._running()
        assert running.stdin is not None
        try:
            running.stdin.write(b"".join(requests))
            running.stdin.flush()
        except BrokenPipeError:
            raise self._death(running) from None
        found = [self._answer(running) for _ in requests]
        if None in found:
            self._refuse_damage(running)
        return found

    def _refuse_damage(self, running: subprocess.Popen[bytes]) -> None:
        """Refuse to take an object that cannot be read for one that is not there.

        Git answers the same for both, and names the damaged file on standard error before.

        Raises:
            Damaged: Git named a damaged object.
        """
        assert running.stderr is not None
        if select.select([running.stderr], [], [], 0)[0]:
            said = os.read(running.stderr.fileno(), 65_536).decode("utf-8", "replace")
            harm = damage.in_output(said, self._folder)
            if harm is not None:
                raise damage.Damaged(harm)

    def _answer(self, running: subprocess.Popen[bytes]) -> GitObject | None:
        assert running.stdout is not None
        header = running.stdout.readline()
        if not header:
            raise self._death(running)
        words = header.rstrip(b"\n").rsplit(b" ", 2)
        if len(words) != 3 or not words[2].isdigit():
            return None  # "<spec> missing", "<spec> ambiguous"
        size = int(words[2])
        if size > READ_LIMIT:
            raise GitError(
                f"object {words[0].decode()} has {size:,} bytes; "
                f"gitreg reads at most {READ_LIMIT:,}"
            )
        data = running.stdout.read(size + 1)[:-1]
        return GitObject(words[0].decode(), words[1].decode(), data)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and (
            self._owner != os.getpid() or self._process.poll() is not None
        ):
            self._stop()
        if self._process is None:
            self._owner = os.getpid()
            try:
                self._process = subprocess.Popen(
                    process.command(self._folder, "cat-file", "--batch"),
                    cwd=self._folder,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env=process.environment(self._environment),
                    start_new_session=True,
                )
            except OSError as error:
                raise process.no_git(self._folder, error) from None
        return self._process

    def _death(self, running: subprocess.Popen[bytes]) -> GitError | InvalidRequest:
        assert running.stderr is not None
        message = hide_credentials(running.stderr.read().decode("utf-8", "replace"))
        return self._failure(process.Completed(running.wait(), b"", message))

    def _failure(self, completed: process.Completed) -> GitError | InvalidRequest:
        return process.failure("cat-file", completed, self._folder)

    def _stop(self) -> None:
        running, self._process = self._process, None
        if running is not None and self._owner == os.getpid():
            running.kill()
            running.wait()
            for pipe in (running.stdin, running.stdout, running.stderr):
                if pipe is not None:
                    try:
                        pipe.close()
                    except BrokenPipeError:
                        continue  # unsent requests of a discarded reader

    def close(self) -> None:
        """End the process; the next read starts another."""
        with self._lock:
            self._stop()

    def __del__(self) -> None:
        # No caller closes the registry of `Registry(".").pull(…)`.
        self._stop()


def _batches(specs: Sequence[str]) -> Iterator[list[bytes]]:
    """Yield the requests for objects in batches that fit into the pipe."""
    batch: list[bytes] = []
    size = 0
    for spec in specs:
        request = os.fsencode(spec) + b"\n"
        if batch and size + len(request) > _AHEAD:
            yield batch
            batch, size = [], 0
        batch.append(request)
        size += len(request)
    if batch:
        yield batch


class TreeEntry(NamedTuple):
    """One name in a Git tree; a tuple for speed: checks read large folders at every commit."""

    mode: int
    name: str
    oid: str

    @property
    def is_folder(self) -> bool:
        """Whether it is a tree."""
        return self.mode == _FOLDER_MODE


def parse_tree(data: bytes) -> list[TreeEntry]:
    """Return the entries of a tree object (20-byte object names)."""
    entries = []
    position = 0
    while position < len(data):
        space = data.index(b" ", position)
        end = data.index(b"\0", space)
        entries.append(
            TreeEntry(
                int(data[position:space], 8),
                os.fsdecode(data[space + 1 : end]),
                data[end + 1 : end + 21].hex(),
            )
        )
        position = end + 21
    return entries


def lost_commit(commit: str) -> GitError:
    """Return the error about a commit that a reference names and the repository does not have."""
    return GitError(
        f"the commit {commit[:9]} is not in the repository any more", hint="gitreg doctor"
    )


class CommitSnapshot:
    """The files of one commit: the `gitreg.core.state.state.Snapshot` for Git."""

    def __init__(
        self,
        reader: ObjectReader,
        commit: str | None,
        known: dict[str, GitObject | None] | None = None,
    ) -> None:
        self._reader = reader
        self._commit = commit
        # A commit never changes, so each object is read once. One operation needs the same pointers
        # in several places.
        self._known = {} if known is None else known

    @property
    def commit(self) -> str | None:
        """The commit, 40 hex digits; ``None`` before the first commit."""
        return self._commit

    @property
    def is_full(self) -> bool:
        """Whether the cache is too large to be kept."""
        return len(self._known) > _REMEMBERED

    def after(self, commit: str, changed: Mapping[str, GitObject | None]) -> CommitSnapshot:
        """Return the snapshot of a commit that was just written, with this snapshot's cache.

        Args:
            commit: a commit that differs from this one at ``changed`` alone.
            changed: the new object at each changed path; see `ObjectWriter.write_tree`.
        """
        return self._another(commit, {**self._known, **changed})

    def _another(self, commit: str, known: dict[str, GitObject | None]) -> CommitSnapshot:
        return CommitSnapshot(self._reader, commit, known)

    def read(self, path: str) -> bytes | None:
        """Return a file's content; ``None`` when there is no such file."""
        return self.read_many([path])[0]

    def list(self, path: str) -> Sequence[str]:
        """Return the names in a folder; empty when there is no such folder."""
        return self.list_many([path])[0]

    def read_many(self, paths: Sequence[str]) -> Sequence[bytes | None]:
        """Return the contents of several files."""
        return [
            found.data if found is not None and found.kind == "blob" else None
            for found in self._objects(paths)
        ]

    def list_many(self, paths: Sequence[str]) -> Sequence[Sequence[str]]:
        """Return the names in several folders."""
        return [[] if found is None else found.names for found in self._objects(paths)]

    def object(self, path: str) -> GitObject | None:
        """Return the file or folder at a path; the root is at ""."""
        return self._objects([path])[0]

    def identity(self, path: str) -> str | None:
        """Return Git's object name of a file or folder; equal names mean equal content."""
        found = self.object(path)
        return None if found is None else found.oid

    def identities(self, path: str) -> dict[str, str]:
        """Return the names in a folder, each with Git's object name of its content."""
        found = self.object(path)
        if found is None or found.kind != "tree":
            return {}
        return {entry.name: entry.oid for entry in parse_tree(found.data)}

    def _objects(self, paths: Sequence[str]) -> Sequence[GitObject | None]:
        if self._commit is None:
            return [None] * len(paths)
        # `cat-file` cannot look up a path with a line break, and gitreg never writes one.
        self._known.update((path, None) for path in paths if "\n" in path)
        unknown = [path for path in paths if path not in self._known]
        if unknown:
            found = self._reader.get_many([f"{self._commit}:{path}" for path in unknown])
            self._known.update(zip(unknown, found, strict=True))
            # Nothing found so far: a commit that is lost would look like one without a registry.
            if not any(self._known.values()) and self._reader.get(self._commit) is None:
                raise lost_commit(self._commit)
        return [self._known[path] for path in paths]


class ObjectWriter:
    """Writes loose objects into ``objects`` (``.git/objects``); no reference names them yet.

    They survive a power cut after `sync`; call it before a reference names one of them.
    """

    def __init__(self, objects: Path) -> None:
        # GitPython depends on gitdb; only writing needs it, and it is slow to import.
        from gitdb import LooseObjectDB

        self._objects = objects
        self._store = LooseObjectDB(str(objects))
        self._unsynced: list[Path] = []
        self._pool: ThreadPoolExecutor | None = None
        self._owner = 0

    def close(self) -> None:
        """End the threads that sync; the next sync starts new ones."""
        if self._pool is not None and self._owner == os.getpid():
            self._pool.shutdown()
        self._pool = None

    def write(self, kind: str, data: bytes) -> str:
        """Store an object and return its name, 40 hex digits.

        Raises:
            GitError: the object store cannot be written (disk full, read-only).
        """
        from gitdb import IStream

        header = f"{kind} {len(data)}\0".encode()
        oid = hashlib.sha1(header + data, usedforsecurity=False).hexdigest()
        path = Path(self._store.db_path(self._store.object_path(oid)))
        if _is_whole(path):
            # Somebody else may have written it: gitdb would change its mode, which fails.
            with suppress(OSError):
                os.utime(path)  # it is in use again: git gc removes what is old and has no name
        else:
            try:
                self._store.store(IStream(kind.encode(), len(data), BytesIO(data)))
            except OSError as error:
                raise _unwritable(error) from None
            share(self._objects.parent, path.parent, path)
        self._unsynced.append(path)
        return oid

    def sync_later(self, paths: Sequence[Path]) -> None:
        """Let the next `sync` sync these files, too."""
        self._unsynced += paths

    def sync(self) -> None:
        """Make the written objects survive a power cut.

        All objects are synced in parallel, because a file system commits waiting syncs together.

        Raises:
            GitError: an object cannot be synced.
        """
        paths, self._unsynced = self._unsynced, []
        if not paths:
            return
        if self._pool is None or self._owner != os.getpid():
            from concurrent.futures import ThreadPoolExecutor

            # Kept for the next sync. Threads do not survive a fork, hence the owner.
            self._pool, self._owner = ThreadPoolExecutor(max_workers=8), os.getpid()
        try:
            list(self._pool.map(_sync, paths))
        except OSError as error:
            raise _unwritable(error) from None

    def write_tree(
        self, base: CommitSnapshot, edits: Mapping[str, bytes | None]
    ) -> dict[str, GitObject | None]:
        """Write the trees of a commit with ``edits`` applied.

        Only the trees on the edited paths are read and written.

        Returns:
            The new object at each edited path and at the folders above it; the root tree is at "".
        """
        written: dict[str, GitObject | None] = {}
        nested: dict[str, object] = {}
        for path, content in edits.items():
            *folders, name = path.split("/")
            level = nested
            for folder in folders:
                level = level.setdefault(folder, {})  # type: ignore[assignment]
            level[name] = content
        if self._rewrite(base, "", nested, written) is None:
            written[""] = self._write("tree", b"")
        return written

    def _rewrite(
        self,
        base: CommitSnapshot,
        path: str,
        edits: Mapping[str, object],
        written: dict[str, GitObject | None],
    ) -> GitObject | None:
        found = base.object(path)
        entries: dict[str, TreeEntry] = {}
        if found is not None and found.kind == "tree":
            entries = {entry.name: entry for entry in parse_tree(found.data)}
        for name, edit in edits.items():
            place = f"{path}/{name}" if path else name
            if isinstance(edit, dict):
                new, mode = self._rewrite(base, place, edit, written), _FOLDER_MODE
            else:
                new = self._write("blob", edit) if isinstance(edit, bytes) else None
                mode = _FILE_MODE
                written[place] = new
            if new is None:
                entries.pop(name, None)
            else:
                entries[name] = TreeEntry(mode, name, new.oid)
        tree = self._write("tree", _format_tree(entries.values())) if entries else None
        written[path] = tree
        return tree

    def _write(self, kind: str, data: bytes) -> GitObject:
        return GitObject(self.write(kind, data), kind, data)


def _is_whole(path: Path) -> bool:
    """Return whether an object exists; one that a power cut left empty is removed."""
    try:
        if path.stat().st_size:
            return True
        path.unlink()
    except OSError:
        return False
    return False


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _unwritable(error: OSError) -> GitError:
    hint = None
    if isinstance(error, PermissionError):
        hint = "somebody else wrote there; for a group: git config core.sharedRepository group"
    return GitError(f"cannot write to the Git object store: {error.strerror or error}", hint=hint)


def _format_tree(entries: Iterable[TreeEntry]) -> bytes:
    # Git sorts a folder as if its name ended in a slash.
    ordered = sorted(
        entries, key=lambda entry: os.fsencode(entry.name) + (b"/" if entry.is_folder else b"")
    )
    return b"".join(
        b"%o %s\0%s" % (entry.mode, os.fsencode(entry.name), bytes.fromhex(entry.oid))
        for entry in ordered
    )
