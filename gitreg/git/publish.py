"""Publishes a `Change`: writes objects, then moves branch and tags in one compare-and-swap."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitreg.core.model import layout
from gitreg.core.model.gto_tags import parse_gto_tag
from gitreg.core.state.change import Change
from gitreg.core.state.history import CommitInfo
from gitreg.core.state.tags import Tag
from gitreg.errors import GitError, GitregError, LostRace, WorldError
from gitreg.git import damage, interrupted, locks, worktree
from gitreg.git.objects import NO_OBJECT, GitObject
from gitreg.git.repository import GitRepository, Signature, Tip
from gitreg.git.sharing import share
from gitreg.git.signing import split_signature

LOCK_PATIENCE = 60.0
"""How long a writer waits for another writer, in seconds."""

_TAKEN = (
    "tag {} already exists for another commit, perhaps on another branch: GTO and DVC may give "
    "wrong answers until you run: gitreg tags sync --force"
)
_LOST = ("incorrect old value", "but expected", "reference already exists")


@dataclass(frozen=True)
class Prepared:
    """A written commit that no reference names yet.

    Attributes:
        base: the tip that the change was computed from.
        commit: the new commit.
        change: the change that the commit makes.
        objects: the new object at each changed path, and at the folders above it.
    """

    base: Tip
    commit: CommitInfo
    change: Change
    objects: Mapping[str, GitObject | None]


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the registry's lock; the kernel releases it when the process ends, even when killed.

    Raises:
        WorldError: the folder cannot be written, or another writer holds the lock too long.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = open_lock(folder / "lock")
    except OSError as error:
        raise WorldError(f"{folder}: {error.strerror}: this repository cannot be written") from None
    share(folder.parent, folder, folder / "lock")
    try:
        if not take_lock(handle, LOCK_PATIENCE, "the registry"):
            raise WorldError("another gitreg is writing to this repository")
        yield
    finally:
        os.close(handle)


def open_lock(path: Path) -> int:
    """Return a handle of a lock file; it is made if it does not exist.

    Raises:
        OSError: it cannot be made or opened.
    """
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except PermissionError:
        # Somebody else made it, such as root in a container. A lock needs no writing.
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def is_busy(folder: Path) -> bool:
    """Return whether another gitreg holds the registry's lock; never creates the lock file."""
    try:
        handle = os.open(folder / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False  # there was no writer yet, or the folder is not writable
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in (errno.EAGAIN, errno.EACCES)
    else:
        return False
    finally:
        os.close(handle)


def take_lock(handle: int, patience: float, what: str) -> bool:
    """Lock an open file; return whether its lock became free in time.

    Args:
        handle: the file's descriptor; closing it releases the lock.
        patience: how long to wait for another process, in seconds.
        what: what the lock protects, for the error's message.

    Raises:
        WorldError: the file system cannot lock it.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise WorldError(f"cannot lock {what}: {error.strerror}") from None
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        else:
            return True


def prepare(
    repository: GitRepository, base: Tip, change: Change, author: Signature | None = None
) -> Prepared:
    """Write a change's blobs, trees and commit; no reference names them yet.

    The committer signs the commit if the user's Git configuration says so.

    Args:
        repository: where to write.
        base: the tip that becomes the commit's parent.
        change: the change to make.
        author: the original author and time; by default the committer, now.

    Raises:
        GitError: no identity is configured, the commit cannot be signed, or the object store
            cannot be written.
    """
    author = author or repository.signature("AUTHOR")
    committer = repository.signature("COMMITTER")
    writer = repository.writer
    before = repository.snapshot(base.commit)
    objects = writer.write_tree(before, {edit.path: edit.content for edit in change.edits})
    root = objects[""]
    assert root is not None
    parent = f"parent {base.commit}\n" if base.commit else ""
    message = change.message()
    content = (
        f"tree {root.oid}\n{parent}author {author}\ncommitter {committer}\n\n{message}".encode()
    )
    if repository.signing.signs_commits:
        content = repository.signing.sign_commit(content, committer.person)
    oid = writer.write("commit", content)
    commit = CommitInfo(
        oid, base.commit, author.person, committer.person, committer.time, committer.zone, message
    )
    return Prepared(base, commit, change, objects)


def tag_object_name(content: bytes) -> str:
    """Return the object name, 40 hex digits, of a tag object with this content."""
    return hashlib.sha1(b"tag %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def present_tags(repository: GitRepository, tags: Sequence[Tag]) -> dict[str, str]:
    """Return the tags that exist here exactly as history implies them, name to object.

    Only the content of a tag counts, not its signature: a clone that derives unsigned tags also
    accepts the tags of a clone that has `tag.gpgsign` set.
    """
    found = repository.reader.get_many([f"refs/tags/{tag.name}" for tag in tags])
    return {
        tag.name: present.oid
        for tag, present in zip(tags, found, strict=True)
        if present is not None and is_tag(present, tag)
    }


def is_tag(found: GitObject, tag: Tag) -> bool:
    """Return whether an object is the tag that history implies, signed or not."""
    return found.kind == "tag" and split_signature(found.data)[0] == tag.content


def is_another_tools(repository: GitRepository, name: str) -> bool:
    """Return whether a tag for a model is another tool's, such as GTO's.

    gitreg's own tags are on commits that have versions of the model in the registry.
    """
    parsed = parse_gto_tag(name)
    commit = repository.commit_of(f"refs/tags/{name}")
    if parsed is None or commit is None:
        return False
    return not repository.snapshot(commit).list(layout.versions_path(parsed.artifact))


def write_tags(
    repository: GitRepository, tags: Sequence[Tag], *, sign: bool = False
) -> dict[str, str]:
    """Write tag objects that no reference names yet; return tag name to object.

    A tag that exists keeps its object and its signature.

    Args:
        repository: where to write.
        tags: the tags that history implies.
        sign: whether the user made the tags, and signs them if their Git configuration says so.

    Raises:
        GitError: a tag cannot be signed, or the object store cannot be written.
    """
    objects = present_tags(repository, tags)
    missing = [tag for tag in tags if tag.name not in objects]
    signing = repository.signing if sign and missing and repository.signing.signs_tags else None
    tagger = repository.signature("COMMITTER").person if signing else ""
    for tag in missing:
        content = signing.sign_tag(tag.content, tagger) if signing else tag.content
        objects[tag.name] = repository.writer.write("tag", content)
    return {tag.name: objects[tag.name] for tag in tags}


def publish(repository: GitRepository, prepared: Prepared, tags: dict[str, str]) -> tuple[str, ...]:
    """Update index and work tree, then move branch and tags in one reference transaction.

    A tag that exists stays as it is, with a warning when history implies another one: only the
    branch is the truth, and another branch may use the name.

    Args:
        repository: the repository whose branch moves.
        prepared: the commit to publish.
        tags: short name to object.

    Returns:
        Warnings for the user, one line each.

    Raises:
        LostRace: the branch moved after it was read; nothing was published.
        GitError: Git refused; nothing was published.
    """
    fresh, taken = _free_and_taken(repository, tags)
    with _following(repository, prepared.base, prepared.commit.oid) as follows:
        if follows:
            worktree.write(repository, prepared.change.edits)
        move_references(
            repository,
            {prepared.base.reference: (prepared.commit.oid, prepared.base.commit)},
            fresh,
            prepared.change.subject,
        )
    repository.keep_snapshot(prepared.base.commit, prepared.commit.oid, prepared.objects)
    return (*_stays(repository, follows), *(_TAKEN.format(name) for name in taken))


@contextlib.contextmanager
def _following(repository: GitRepository, base: Tip, commit: str) -> Iterator[bool]:
    """Announce a publication; yield whether index and work tree follow the branch.

    When the ``with`` block fails, they are brought back to where the branch is.
    """
    if repository.top_level is None or (repository.head_branch() or "HEAD") != base.reference:
        yield False
        return
    interrupted.announce(repository, base, commit)
    try:
        yield True
    except Exception:
        with contextlib.suppress(GitregError):  # else the next writer tries it
            interrupted.finish(repository)
        raise
    interrupted.forget(repository)


def _stays(repository: GitRepository, follows: bool) -> tuple[str, ...]:  # noqa: FBT001
    if follows or repository.top_level is None:
        return ()
    return ("another branch was checked out in the meantime: the work tree stays as it is",)


def switch(
    repository: GitRepository,
    base: Tip,
    commit: str,
    tags: dict[str, str],
    stale: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """Move index and work tree to a published commit, and then the branch.

    Call `gitreg.git.worktree.refuse_to_move` first.

    Args:
        repository: the repository whose branch moves.
        base: the branch and its current commit.
        commit: the commit that it moves to.
        tags: tags to create where the name is free, short name to object.
        stale: tags of commits that the branch drops, name to object; they are deleted.

    Returns and raises the same as `publish`.
    """
    fresh, taken = _free_and_taken(repository, tags)
    # A stale tag that somebody has since moved to another object is theirs and stays.
    kept, theirs = _free_and_taken(repository, dict(stale or {}))
    gone = {n: oid for n, oid in (stale or {}).items() if n not in kept and n not in theirs}
    lines = _updates({base.reference: (commit, base.commit)})
    lines += [f"create refs/tags/{name}\0{oid}" for name, oid in fresh.items()]
    for name, oid in gone.items():
        if name in tags:
            lines.append(f"update refs/tags/{name}\0{tags[name]}\0{oid}")
        else:
            lines.append(f"delete refs/tags/{name}\0{oid}")
    with _following(repository, base, commit) as follows:
        if follows:
            worktree.move(repository, base.commit, commit)
        _transaction(repository, lines, "follow the published branch", {base.reference: commit})
    return (
        *_stays(repository, follows),
        *(_TAKEN.format(name) for name in taken if name not in gone),
    )


def _free_and_taken(
    repository: GitRepository, tags: dict[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Return the tags whose names are free, and the names taken by another object."""
    found = repository.reader.get_many([f"refs/tags/{name}" for name in tags])
    present = dict(zip(tags, found, strict=True))
    fresh = {name: oid for name, oid in tags.items() if present[name] is None}
    taken = [name for name, old in present.items() if old is not None and old.oid != tags[name]]
    return fresh, taken


def set_tags(repository: GitRepository, tags: Mapping[str, str | None]) -> None:
    """Set tags to their objects, or delete them (``None``), all or nothing; old values are lost."""
    lines = [
        f"update refs/tags/{name}\0{oid}\0" if oid else f"delete refs/tags/{name}\0"
        for name, oid in tags.items()
    ]
    if lines:
        _transaction(repository, lines, "tags sync")


def make_missing_tags(repository: GitRepository, tags: Sequence[Tag]) -> None:
    """Create each of the tags whose name is free."""
    names = [f"refs/tags/{tag.name}" for tag in tags]
    found = repository.reader.get_many(names)
    missing = [tag for tag, present in zip(tags, found, strict=True) if present is None]
    if missing:
        set_tags(repository, write_tags(repository, missing))


def move_references(
    repository: GitRepository,
    branches: dict[str, tuple[str, str | None]],
    tags: dict[str, str],
    why: str,
) -> None:
    """Move branches from their expected commits, and create tags, all or nothing.

    Args:
        repository: the repository that owns the references.
        branches: full name, or ``HEAD`` where it is detached, to (new commit, expected commit);
            expect ``None`` to create a branch.
        tags: short name to object.
        why: the line for the reflog.

    Raises:
        LostRace: a reference is not at its expected commit.
        GitError: Git refused.
    """
    lines = _updates(branches)
    lines += [f"create refs/tags/{name}\0{oid}" for name, oid in tags.items()]
    _transaction(repository, lines, why, {name: new for name, (new, _) in branches.items()})


def _updates(branches: Mapping[str, tuple[str, str | None]]) -> list[str]:
    """Return the lines that move branches; see `move_references`."""
    lines = []
    for name, (new, old) in branches.items():
        if name == "HEAD":
            lines.append("option no-deref")  # else a branch that was just checked out would move
        lines.append(f"update {name}\0{new}\0{old or NO_OBJECT}")
    return lines


def _transaction(
    repository: GitRepository,
    lines: Sequence[str],
    why: str,
    branches: Mapping[str, str] | None = None,
) -> None:
    """Change references, all or nothing; ``branches`` maps each moved branch to its new commit."""
    repository.writer.sync()
    script = "\0".join(["start", *lines, "prepare", "commit", ""])
    done = repository.run(
        "update-ref",
        "-m",
        f"gitreg: {why}",
        "--stdin",
        "-z",
        stdin=script.encode("utf-8", "surrogateescape"),
        check=False,
    )
    if done.returncode == 0:
        return
    cause = done.stderr.strip().removeprefix("fatal: ")
    for name, commit in (branches or {}).items():
        # Git checks everything before it changes anything, but it can still stop after the first
        # reference: the disk is too full for the reflog, or the process is killed.
        if repository.commit_of(name) == commit:
            raise GitError(
                f"written as {commit[:9]}, but Git did not finish: {cause}",
                hint="run the command again to finish",
            )
    lock = locks.named_in(cause)
    if lock is not None:
        raise locks.failure(repository.git_dir / lock, "nothing was written")
    for harm in damage.of_references(repository.common_dir):
        raise damage.Damaged(harm)
    if any(words in cause for words in _LOST):
        raise LostRace(
            f"the branch moved while this ran: {cause}",
            hint="nothing was written; run the command again",
        )
    raise GitError(f"git update-ref: {cause}", hint="nothing was written")
