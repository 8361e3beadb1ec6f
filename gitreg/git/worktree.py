"""Moves index and work tree beside the branch, without touching the user's own work.

Index and files move first, and the branch last. So at no moment does the branch have a publication
that index and files do not have: a `git commit` of the user's then would take it back. What a
killed writer leaves is `gitreg.git.interrupted`'s.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from gitreg.core.model import layout
from gitreg.core.state.change import Edit
from gitreg.errors import GitError, Refused
from gitreg.git import damage, locks, process
from gitreg.git.index import possibly_dirty
from gitreg.git.objects import NO_OBJECT, CommitSnapshot
from gitreg.git.repository import EMPTY_TREE, GitRepository
from gitreg.git.sharing import share

OURS = (layout.ROOT, layout.DVC_YAML, ".dvc", ".dvcignore")
"""The paths that gitreg writes; only `init` writes the last two."""

SCRATCH = "gitreg-scratch"
"""The folder in the work tree's ``.git`` with the files that are about to be renamed into place."""

_PATIENCE = 1.0
"""How long to wait for a locked index, in seconds: an editor's ``git status`` takes the lock for a
few milliseconds, again and again."""

_ATTEMPTS = 20
"""How often an update of the index starts again because another Git process changed the index."""

_SIGN = b"gitreg\n"
"""The content of an ``index.lock`` of gitreg's own."""


def refuse_dirty(repository: GitRepository, paths: Mapping[str, bytes | None]) -> None:
    """Refuse a write that would overwrite the user's uncommitted work.

    Args:
        repository: the repository with the work tree and index; a bare one has neither.
        paths: each path to write, and the tip's content there.

    Raises:
        Refused: a path is staged, changed, untracked or ignored in the work tree, or a file or
            link is in the place of its folder.
        GitError: another process holds the index.
    """
    top = repository.top_level
    if top is None:
        return
    refuse_locked_index(repository)
    refuse_damaged_index(repository)
    for path in paths:
        _refuse_obstacle(top, path)
    dirty = []
    unsure = possibly_dirty(repository, top, paths)
    if unsure:
        status = repository.run_at_root(
            "status", "--porcelain", "-z", "--no-renames", "--untracked-files=no", "--", *unsure
        )
        dirty = [os.fsdecode(entry[3:]) for entry in status.stdout.split(b"\0") if entry]
    # `git status` above skips untracked and ignored files, because finding them takes a walk of
    # the tree, and it skips files marked with `--skip-worktree`.
    dirty += [path for path, before in paths.items() if _is_changed(top / path, before)]
    if dirty:
        raise Refused(
            f"{dirty[0]} has uncommitted changes that this would overwrite",
            hint="commit them, or revert them with git restore; nothing was written",
        )


def refuse_locked_index(repository: GitRepository) -> None:
    """Refuse to go on while Git's ``index.lock`` exists, after a short wait.

    Raises:
        GitError: another process holds the index, or was killed and left that file.
    """
    lock = repository.git_dir / "index.lock"
    until = time.monotonic() + _PATIENCE
    while lock.exists():
        if time.monotonic() >= until:
            raise locks.failure(lock)
        time.sleep(0.01)


def refuse_damaged_index(repository: GitRepository) -> None:
    """Refuse to go on with an index that a power cut left empty.

    Raises:
        Damaged: the index is an empty file.
    """
    for harm in damage.of_index(repository.git_dir):
        raise damage.Damaged(harm)


def _refuse_obstacle(top: Path, path: str) -> None:
    """Refuse a path through a file, or through a link, which can lead out of the repository."""
    for place in list((top / path).parents)[: path.count("/")]:
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            raise Refused(
                f"{place.relative_to(top)} is in the way: a folder belongs there",
                hint="move it away; nothing was written",
            )


def _is_changed(file: Path, before: bytes | None) -> bool:
    if file.is_symlink():
        return os.fsencode(file.readlink()) != before
    if not file.exists():
        return False  # `git status` reports a deleted file, unless the checkout is sparse
    if before is None or file.is_dir():
        return True
    # Git may be configured to write CRLF.
    return file.read_bytes().replace(b"\r\n", b"\n") != before.replace(b"\r\n", b"\n")


def refuse_to_move(repository: GitRepository, before: str | None, after: str) -> None:
    """Refuse to move index and work tree between two commits when the user's work is in the way.

    Raises:
        Refused: a path that differs between the two is staged, changed, untracked or ignored.
        GitError: another process holds the index.
    """
    if repository.top_level is None:
        return
    refuse_locked_index(repository)
    refuse_damaged_index(repository)
    untracked = _untracked_in_the_way(repository, repository.top_level, before, after)
    if untracked is not None:
        raise Refused(
            f"the work tree cannot be updated: {untracked} exists and is not in Git",
            hint="move it away, then run the command again",
        )
    # A file that was touched but not changed is no work; a refresh makes Git notice.
    repository.run_at_root("update-index", "-q", "--refresh", check=False)
    done = _read_trees(repository, before, after, "-n")
    if done.returncode != 0:
        raise Refused(
            f"the work tree cannot be updated: {_obstacle(done.stderr)}",
            hint="commit that, or revert it with git restore, then run the command again",
        )


def move(repository: GitRepository, before: str | None, after: str) -> None:
    """Move index and work tree from one commit to another, all or nothing.

    Call `refuse_to_move` first.

    Raises:
        GitError: Git refused.
    """
    if repository.top_level is None:
        return
    done = _read_trees(repository, before, after)
    if done.returncode != 0:
        lock = locks.named_in(done.stderr)
        if lock is not None:
            raise locks.failure(repository.git_dir / lock)
        raise GitError(f"the work tree cannot be updated: {_obstacle(done.stderr)}")


def is_ours(path: str) -> bool:
    """Return whether gitreg writes a path; such a file has no filter and no special mode."""
    return path in OURS or path.startswith(tuple(f"{place}/" for place in OURS))


def _untracked_in_the_way(
    repository: GitRepository, top: Path, before: str | None, after: str
) -> str | None:
    """Return an untracked file of the user at a path where the commit adds a file, if any.

    Git overwrites ignored files, but in a DVC repository they are the data.
    """
    listing = repository.run(
        "diff-tree", "-r", "-z", "--name-status", "--no-renames", before or EMPTY_TREE, after
    ).stdout.split(b"\0")
    changes = list(zip(listing[::2], map(os.fsdecode, listing[1::2]), strict=False))
    gone = {path for status, path in changes if status == b"D"}
    new = repository.snapshot(after)
    for path in (path for status, path in changes if status == b"A"):
        place = top / path
        for folder in reversed(place.relative_to(top).parents[:-1]):
            if not (top / folder).is_dir() and os.path.lexists(top / folder):
                if folder.as_posix() not in gone:
                    return folder.as_posix()
                break
        else:
            if place.is_dir() and not place.is_symlink():
                below = (Path(at, name) for at, _, names in os.walk(place) for name in names)
                others = (file.relative_to(top).as_posix() for file in below)
                untracked = next((name for name in others if name not in gone), None)
                if untracked is not None:
                    return untracked
            elif os.path.lexists(place) and file_at(place) != read_at(new, path):
                return path
    return None


def read_at(snapshot: CommitSnapshot, path: str) -> bytes | None:
    """Return a file of a commit; ``None`` for a file that is too large to compare."""
    try:
        return snapshot.read(path)
    except GitError:
        return None


def file_at(path: Path) -> bytes | None:
    """Return the content of a plain file; ``None`` when there is none, or a link."""
    try:
        return None if path.is_symlink() else path.read_bytes()
    except OSError:
        return None


def _read_trees(
    repository: GitRepository, before: str | None, after: str, *options: str
) -> process.Completed:
    """Move index and work tree from one commit to another with Git, all or nothing."""
    old = before or repository.writer.write("tree", b"")
    return repository.run_at_root(
        "read-tree", *options, "-m", "-u", "--no-recurse-submodules", old, after, check=False
    )


def _obstacle(stderr: str) -> str:
    """Return the first reason why Git refuses, in plain words."""
    first = next((line for line in stderr.splitlines() if line.startswith("error: ")), stderr)
    entry = re.search(r"Entry '(.*)' (?:not uptodate|would be overwritten|overlaps)", first)
    untracked = re.search(r"Untracked working tree file '(.*)' would be", first)
    if entry:
        return f"{entry[1]} has uncommitted changes"
    if untracked:
        return f"{untracked[1]} exists and is not in Git"
    return first.removeprefix("error: ").strip() or "git read-tree failed"


def write(repository: GitRepository, edits: Sequence[Edit]) -> None:
    """Put edits into index and files, in a few renames while Git's lock on the index is held.

    All content is written before the first rename. The caller holds the lock of the clone.

    Raises:
        GitError: another process holds the index, or the disk refuses; see
            `gitreg.git.interrupted.finish` for what may be left.
    """
    top = repository.top_level
    if top is None or not edits:
        return
    try:
        with _scratch(repository) as scratch:
            fresh = _written(scratch, edits)
            for _ in range(_ATTEMPTS):
                stamp = _stamp(repository.git_dir / "index")
                index = _new_index(repository, top, scratch, edits)
                # Before the renames: else a power cut can leave empty files under these names.
                repository.writer.sync_later([index, *fresh.values()])
                repository.writer.sync()
                with _locked(repository):
                    if _stamp(repository.git_dir / "index") != stamp:
                        continue  # the user has just staged something
                    for edit in edits:
                        _place(top, edit.path, fresh.get(edit.path))
                    index.replace(repository.git_dir / "index")
                break
            else:
                raise GitError("other Git processes keep changing the index; nothing was written")
    except OSError as error:
        place = Path(os.fsdecode(error.filename2 or error.filename or repository.git_dir))
        shown = place.relative_to(top) if place.is_relative_to(top) else place
        raise GitError(f"the work tree cannot be updated: {shown}: {error.strerror}") from None


def is_own_lock(lock: Path) -> bool:
    """Return whether an ``index.lock`` is gitreg's own: the next writer removes it."""
    try:
        return lock.read_bytes() == _SIGN
    except OSError:
        return False


def remove_own_lock(repository: GitRepository) -> None:
    """Remove an ``index.lock`` that a killed `write` left; the caller holds the clone's lock."""
    lock = repository.git_dir / "index.lock"
    if is_own_lock(lock):
        with suppress(OSError):
            lock.unlink()


@contextmanager
def _locked(repository: GitRepository) -> Iterator[None]:
    """Hold Git's lock on the index.

    Raises:
        GitError: another process holds it.
    """
    lock = repository.git_dir / "index.lock"
    fresh = repository.git_dir / SCRATCH / "lock"
    fresh.write_bytes(_SIGN)
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            _create(fresh, lock)
            break
        except FileExistsError:
            if time.monotonic() >= until:
                raise locks.failure(lock) from None
            time.sleep(0.01)
    try:
        yield
    finally:
        lock.unlink()


def _create(fresh: Path, lock: Path) -> None:
    """Create the lock with its content at once: the next gitreg must know its own."""
    try:
        os.link(fresh, lock)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        with lock.open("xb") as file:
            file.write(_SIGN)


@contextmanager
def _scratch(repository: GitRepository) -> Iterator[Path]:
    """Yield an empty folder in ``.git``; what a killed writer left in it is removed."""
    scratch = repository.git_dir / SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    share(repository.common_dir, scratch)  # of a group, the next writer may be somebody else
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _written(scratch: Path, edits: Sequence[Edit]) -> dict[str, Path]:
    """Write the new files into the scratch folder; return path to file."""
    fresh = {}
    for number, edit in enumerate(edits):
        if edit.content is not None:
            file = fresh[edit.path] = scratch / str(number)
            file.write_bytes(edit.content)
    return fresh


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _new_index(repository: GitRepository, top: Path, scratch: Path, edits: Sequence[Edit]) -> Path:
    """Return a copy of the index with the edits in it.

    The blobs are given by name. Reading them from the files would apply the user's filters, and
    `git reset` with paths takes four times as long in a large index.
    """
    index = scratch / "index"
    with suppress(FileNotFoundError):
        shutil.copyfile(repository.git_dir / "index", index)
    done = process.run(
        top,
        "update-index",
        "-z",
        "--index-info",
        stdin=b"".join(_index_line(edit) for edit in edits),
        check=False,
        extra_env={"GIT_INDEX_FILE": str(index)},
    )
    if done.returncode != 0:
        raise process.failure("update-index", done)
    return index


def _index_line(edit: Edit) -> bytes:
    """Return the line that puts an edit into an index; mode 0 removes the path."""
    oid = GitRepository.blob_name(edit.content)
    mode, name = ("0", NO_OBJECT) if oid is None else ("100644", oid)
    return f"{mode} {name}\t".encode() + os.fsencode(edit.path) + b"\0"


def _place(top: Path, path: str, fresh: Path | None) -> None:
    """Rename a new file into place, or remove the file where there is no new one."""
    target = top / path
    if fresh is None:
        target.unlink(missing_ok=True)
        for folder in list(target.parents)[: path.count("/")]:
            try:
                folder.rmdir()
            except OSError:
                return  # not empty: other files are there
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        fresh.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _place_from_afar(fresh, target)


def _place_from_afar(fresh: Path, target: Path) -> None:
    """Do the same when ``.git`` is in another file system, by a folder that Git ignores."""
    beside = target.parent / f".gitreg-{secrets.token_hex(8)}"
    try:
        beside.mkdir()
        (beside / ".gitignore").write_text("*\n")
        shutil.copyfile(fresh, beside / target.name)
        (beside / target.name).replace(target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
