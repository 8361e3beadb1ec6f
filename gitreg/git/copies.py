"""Copies of repositories that are read by URL: bare, in the user's cache, kept up to date.

There are two kinds. A light copy has one commit and its folders, which is enough to resolve a
reference. A complete copy has every branch and tag with their history, and answers everything once
it exists. Both only move forward from the commit that was seen last; otherwise a rewritten branch
would show a reader of yesterday another past today, without notice.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from gitreg.core.text.urls import hide_credentials, host_name, is_repository
from gitreg.errors import GitError, InvalidRequest, WorldError
from gitreg.git import process
from gitreg.git.last_seen import LastSeen, recall, remember
from gitreg.git.light import (
    FOLDERS,
    NEXT_LEVEL,
    REMOTE,
    LightRepository,
    cause,
    names_filter,
    remote_environment,
)
from gitreg.git.publish import exclusive, open_lock, take_lock
from gitreg.git.repository import GitRepository

_INCOMING = "refs/gitreg/incoming"
_OID = re.compile(r"[0-9a-f]{40}")
_ANOTHER_PLACE = "XDG_CACHE_HOME=FOLDER names another place, FOLDER/gitreg"
_NO_DEPTH = "does not support shallow"
_OWN_BRANCH = "refs/heads/gitreg/tip"  # a remote's own would have to be called gitreg/tip
_Step: TypeAlias = "Callable[[], str]"

READER_PATIENCE = 5.0
"""Seconds that a reader waits for a copy's lock before it answers from the copy as it is."""

_MANY_PACKS = 50
"""The number of packs, one for each fetch, at which they are merged; Git's own default."""


def is_url(text: str) -> bool:
    """Tell whether ``text`` is the URL of a repository rather than a path.

    >>> [is_url(t) for t in ("https://host/r.git", "git@host:r.git", "./r", "ext::sh -c id")]
    [True, True, False, False]
    """
    return is_repository(text) and not os.path.exists(text)  # noqa: PTH110  of a name too long, Path.exists raises


def check_url(url: str) -> str:
    """Return ``url`` if it can name nothing but a repository.

    Raises:
        InvalidRequest: it has another protocol (``ext::`` runs commands), or a part that Git or ssh
            would read as an option.
    """
    if not is_url(url) or not url.isprintable():
        raise InvalidRequest(
            f"{hide_credentials(url)[:200]!a} is neither a folder nor a repository's URL",
            hint="give a path, https://…, ssh://… or git@host:path",
        )
    if host_name(url).startswith("-"):
        raise InvalidRequest("a host name may not start with '-'")
    return url


def cache_folder() -> Path:
    """Return the folder for copies of remote repositories: ``$XDG_CACHE_HOME/gitreg``.

    A process without HOME whose user id has no name, as in a container, gets a folder in the
    temporary one.

    Raises:
        WorldError: that folder belongs to somebody else.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if base.is_absolute():
        return base / "gitreg"
    try:
        return Path.home() / ".cache" / "gitreg"
    except RuntimeError:
        return _temporary_home() / "gitreg"


def _temporary_home() -> Path:
    """Return the user's folder in the temporary one, where everybody can make folders."""
    folder = Path(tempfile.gettempdir()) / f"gitreg-{os.geteuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise WorldError(f"{folder}: {error.strerror}", hint=_ANOTHER_PLACE) from None
    mine = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    if not mine or found.st_mode & 0o022:
        raise WorldError(
            f"there is no home folder, and somebody else can write to {folder}",
            hint=_ANOTHER_PLACE,
        )
    return folder


@dataclass(frozen=True)
class Copy:
    """A repository that is read by URL, as of its last update.

    Attributes:
        repository: the copy.
        url: its origin, credentials included.
        commit: the tip of its default branch, 40 hex digits.
        branch: the full name of that branch on the remote; ``None`` when only a light copy exists.
        stale: a warning that the copy is out of date, ``None`` when it is up to date.
    """

    repository: GitRepository
    url: str
    commit: str
    branch: str | None
    stale: str | None


def open_copy(
    url: str, *, light: bool = False, to_write: bool = False, allow_rewind: bool = False
) -> Copy:
    """Return a copy of the repository at ``url``, brought up to date.

    Args:
        url: see `check_url`.
        light: whether the files of the tip are enough: then only the default branch is updated, and
            a light copy serves where there is no complete one.
        to_write: whether a new light copy is made without folders. A write asks for several files
            anyhow, and has them level by level with fewer bytes.
        allow_rewind: accept the branch even if it was rewritten, and remember its new tip.

    Raises:
        InvalidRequest: ``url`` is no repository's URL.
        GitError: the remote cannot be reached and there is no copy, it has no default branch, or
            that branch was rewritten; then the copy stays as it was.
        WorldError: the cache folder cannot be written, or another process held the copy's lock for
            too long and there is no earlier copy.
    """
    check_url(url)
    folder, shown = copies_folder(url), hide_credentials(url)
    _make_writable(folder)
    with contextlib.ExitStack() as stack:
        if not stack.enter_context(_held(folder, READER_PATIENCE)):
            # A writer uploads under it, which may take hours. Who accepts a rewind wants to see it.
            if not allow_rewind:
                copies = _Copies(folder, url)
                old = copies.old(
                    f"another gitreg process is using the copy of {shown}", light=light
                )
                if old is not None:
                    return old
            stack.enter_context(exclusive(folder))
        copies = _Copies(folder, url, to_write=to_write, allow_rewind=allow_rewind)
        try:
            return copies.glance() if light else copies.complete()
        except _UnreachableError as unreachable:
            old = copies.old(f"cannot reach {shown} ({cause(unreachable)})", light=light)
            if old is None:
                message = f"{shown}: {unreachable}"
                raise GitError(message, hint=unreachable.hint) from None
            return old


def default_branch(copy: Copy) -> str:
    """Return the full name of a remote's default branch now; a light copy has another name for it.

    Raises:
        GitError: the remote cannot be reached, or has no default branch.
    """
    copies = _Copies(copies_folder(copy.url), copy.url)
    try:
        return copies.default_branch(copy.repository.folder)[0]
    except _UnreachableError as unreachable:
        raise GitError(f"{hide_credentials(copy.url)}: {unreachable}") from None


@contextlib.contextmanager
def _held(folder: Path, patience: float) -> Iterator[bool]:
    """Hold the lock of `exclusive` if it becomes free in time; yield whether it did."""
    try:
        handle = open_lock(folder / "lock")
    except OSError as error:
        raise WorldError(f"{folder / 'lock'}: {error.strerror}") from None
    try:
        yield take_lock(handle, patience, "a copy")
    finally:
        os.close(handle)


def place_name(place: str) -> str:
    """Return the name of a folder that stands for a place, a URL or a path: 24 hex digits."""
    return hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:24]


def copies_folder(place: str) -> Path:
    """Return the folder of gitreg's copies of the repository at a URL or path."""
    return cache_folder() / place_name(place)


class _UnreachableError(GitError):
    """Communication with the remote failed."""


class _NotProvenError(Exception):
    """A light copy's short history does not prove that the branch moved forward."""


class _DamagedError(Exception):
    """A copy is damaged; it can be fetched again."""


class _Copies:
    """Both copies of one repository, and its last seen state; the caller holds their lock."""

    def __init__(
        self, folder: Path, url: str, *, to_write: bool = False, allow_rewind: bool = False
    ) -> None:
        self._folder = folder
        self._url = url
        self._shown = hide_credentials(url)
        self._to_write = to_write
        self._allow_rewind = allow_rewind
        self._whole = folder / "repository.git"
        self._light = folder / "light.git"
        self._seen = recall(folder)

    # What a caller gets

    def glance(self) -> Copy:
        """Return a copy whose default branch is up to date: the complete one if it exists."""
        if self._tip(self._whole) is not None:
            return self._healed(self._whole, self._advance_complete, self._make_complete)
        try:
            return self._healed(self._light, self._advance_light, self._make_light)
        except _NotProvenError:
            return self.complete()  # it has the history that proves it
        except _UnreachableError as error:
            if _NO_DEPTH not in str(error):
                raise
            return self.complete()  # a web server with plain files offers nothing less

    def complete(self) -> Copy:
        """Return the complete copy with all its branches and tags up to date."""
        return self._healed(self._whole, self._update_complete, self._make_complete)

    def old(self, why: str, *, light: bool) -> Copy | None:
        """Return a copy as it is, with a warning about its age, if there is one that can answer.

        Args:
            why: why it is not updated.
            light: see `open_copy`.
        """
        for git_dir in (self._whole, self._light) if light else (self._whole,):
            tip = self._tip(git_dir)
            if tip is None:
                continue
            with contextlib.suppress(_DamagedError):
                then = "unknown age" if self._seen is None else self._age(self._seen)
                stale = f"{why}: answering from a copy of {then}, at {tip[:12]}"
                return self._copy(git_dir, tip, stale)
        return None

    @staticmethod
    def _age(seen: LastSeen) -> str:
        from gitreg.core.text.times import ago  # only an answer from a stale copy needs it

        return ago(time.time() - seen.reached)

    # Each kind: created, and updated

    def _make_light(self) -> str:
        """Fetch one commit and its folders: one connection, independent of the history's length."""
        wanted = NEXT_LEVEL if self._to_write else FOLDERS
        try:
            self._fetch_tip(wanted)
        except _UnreachableError as error:
            if wanted == FOLDERS or not names_filter(str(error)):
                raise
            self._fetch_tip(FOLDERS)
        tip = str(self._tip(self._light))
        if self._seen and tip != self._seen.commit and not self._allow_rewind:
            _remove(self._light)  # its history is cut off, and cannot show that it follows
            raise _NotProvenError
        return tip

    def _fetch_tip(self, wanted: str) -> None:
        self._init(self._light)
        self._fetch(self._light, "--depth=1", wanted, refspecs=(f"+HEAD:{_OWN_BRANCH}",))

    def _advance_light(self) -> str:
        """Fetch the new commits down to the old tip, which a fetch of depth one would leave out."""
        return self._advance(self._light, FOLDERS)

    def _make_complete(self) -> str:
        self._init(self._whole)
        return self._update_complete()

    def _advance_complete(self) -> str:
        return self._advance(self._whole)

    def _advance(self, git_dir: Path, *options: str) -> str:
        """Update the branch that HEAD of a copy names: one connection."""
        known = self._tip(git_dir)
        self._fetch(git_dir, *options, refspecs=(f"+HEAD:{_INCOMING}",))
        tip = self._incoming(git_dir)
        self._check_follows(git_dir, known, tip)
        if tip != known:
            self._git(git_dir, "update-ref", "HEAD", tip)
        return tip

    def _update_complete(self) -> str:
        """Update the default branch, then all other branches and tags."""
        branch, tip = self.default_branch(self._whole)
        known = self._tip(self._whole)
        if tip != known:
            self._fetch(self._whole, refspecs=(f"+{branch}:{_INCOMING}",))
            tip = self._incoming(self._whole)
        self._check_follows(self._whole, known, tip)
        # Not the default branch, which may have moved again since.
        rest = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", f"^{branch}")
        self._fetch(self._whole, "--prune", refspecs=rest)
        self._git(self._whole, "update-ref", branch, tip)
        self._git(self._whole, "symbolic-ref", "HEAD", branch)
        self._branch = branch
        return tip

    # Their parts

    _branch: str | None = None

    def _healed(self, git_dir: Path, advance: _Step, make: _Step) -> Copy:
        """Return a copy, updated, or created again if it is missing or damaged."""
        known = self._tip(git_dir)
        if known is not None:
            _remove_locks(git_dir)
            try:
                return self._accept(git_dir, advance())
            except _DamagedError:
                pass
            except _UnreachableError:
                # If the copy is damaged, the error says nothing about the remote.
                if _is_repository(git_dir) and _has(git_dir, known):
                    raise
        try:
            return self._accept(git_dir, make())
        except _DamagedError:
            raise GitError(
                f"{self._shown}: the remote sent an incomplete repository", hint="run it again"
            ) from None

    def _accept(self, git_dir: Path, tip: str) -> Copy:
        """Remember a checked tip, and return its copy."""
        copy = self._copy(git_dir, tip, None)
        self._seen = LastSeen(tip, copy.branch, time.time())
        remember(self._folder, self._seen)
        self._tidy(git_dir)
        return copy

    def _copy(self, git_dir: Path, tip: str, stale: str | None) -> Copy:
        light = git_dir == self._light
        repository = LightRepository(git_dir, self._url) if light else GitRepository(git_dir)
        if repository.commit_of(tip) != tip:
            repository.close()
            raise _DamagedError
        branch = self._branch or (self._seen.branch if self._seen else None)
        return Copy(repository, self._url, tip, branch, stale)

    def _check_follows(self, git_dir: Path, known: str | None, tip: str) -> None:
        """Refuse a tip that is no descendant of the commit seen last."""
        past = self._seen.commit if self._seen else known or self._tip(self._light)
        if self._allow_rewind or past is None or past == tip or _leads_to(git_dir, past, tip):
            return
        if git_dir == self._light and not _has(git_dir, past):
            raise _NotProvenError
        raise GitError(
            f"{self._shown}: its history was rewritten: it was at {past}, and is at {tip}, which "
            "does not descend from it",
            hint="--allow-rewind, when that is right (in Python: allow_rewind=True)",
        )

    def _init(self, git_dir: Path) -> None:
        _remove(git_dir)
        branch = _OWN_BRANCH.removeprefix("refs/heads/")
        process.run(
            self._folder,
            "-c",
            "init.defaultRefFormat=files",
            "init",
            "--bare",
            "--quiet",
            "--template=",
            f"--initial-branch={branch}",
            str(git_dir),
        )

    def default_branch(self, git_dir: Path) -> tuple[str, str]:
        """Return the full name of the remote's default branch, and its commit."""
        asked = self._ask(git_dir, "ls-remote", "--symref", REMOTE, "HEAD")
        head = re.match(r"ref: (refs/heads/\S+)\tHEAD\n([0-9a-f]{40})\tHEAD", asked.text)
        if head is None:
            raise self._no_branch()
        return head[1], head[2]

    def _no_branch(self) -> GitError:
        return GitError(f"{self._shown}: it has no default branch; is it empty?")

    def _fetch(self, git_dir: Path, *options: str, refspecs: tuple[str, ...]) -> None:
        self._ask(
            git_dir,
            "fetch",
            "--quiet",
            "--force",
            "--no-tags",
            "--no-write-fetch-head",
            *options,
            REMOTE,
            *refspecs,
        )

    def _ask(self, git_dir: Path, *args: str) -> process.Completed:
        """Run what talks to the remote."""
        asked = process.run(
            git_dir,
            *args,
            check=False,
            extra_env=remote_environment(git_dir, self._url),
            interactive=True,
        )
        if "couldn't find remote ref HEAD" in asked.stderr:
            raise self._no_branch()
        if asked.returncode != 0:
            failure = process.failure(args[0], asked)
            raise _UnreachableError(str(failure), hint=failure.hint)
        return asked

    @staticmethod
    def _git(git_dir: Path, *args: str) -> process.Completed:
        return process.run(git_dir, *args, extra_env={"GIT_DIR": str(git_dir)})

    def _tip(self, git_dir: Path) -> str | None:
        """Return the commit that HEAD of a copy names; ``None`` when there is no copy."""
        return _commit(git_dir, "HEAD")

    def _incoming(self, git_dir: Path) -> str:
        found = _commit(git_dir, _INCOMING)
        if found is None:
            raise _DamagedError
        return found

    def _tidy(self, git_dir: Path) -> None:
        """Put many packs into one; each fetch that brings something leaves another."""
        packs = git_dir / "objects" / "pack"
        if sum(1 for _ in packs.glob("*.pack")) > _MANY_PACKS:
            # It did what was asked of it before: when this fails, the next one tries again.
            process.run(
                git_dir,
                "repack",
                "-a",
                "-d",
                "-q",
                check=False,
                extra_env={"GIT_DIR": str(git_dir)},
            )


def _make_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise WorldError(
            f"the cache folder {cache_folder()} cannot be written: {error.strerror}",
            hint=_ANOTHER_PLACE,
        ) from None


def _is_repository(git_dir: Path) -> bool:
    """Tell whether Git takes the folder itself for a repository, not one above it."""
    if not git_dir.is_dir():
        return False
    asked = process.run(
        git_dir, "rev-parse", "--git-dir", check=False, extra_env={"GIT_DIR": str(git_dir)}
    )
    return asked.returncode == 0


def _commit(git_dir: Path, name: str) -> str | None:
    """Return what a reference of a copy names, ``None`` when there is none.

    Read as a file: Git keeps it so until many are packed, and a process costs more.
    """
    try:
        text = (git_dir / name).read_text("utf-8", "replace").rstrip("\n")
        if text.startswith("ref: refs/"):
            return _commit(git_dir, text.removeprefix("ref: "))
    except OSError:
        text = ""
    if _OID.fullmatch(text):
        return text
    if not _is_repository(git_dir):
        return None
    found = process.run(
        git_dir,
        "rev-parse",
        "--verify",
        "--quiet",
        name,
        check=False,
        extra_env={"GIT_DIR": str(git_dir)},
    )
    return found.text or None


def _leads_to(git_dir: Path, past: str, tip: str) -> bool:
    """Tell whether a commit is another one's ancestor; one that is not here is not."""
    asked = process.run(
        git_dir,
        "merge-base",
        "--is-ancestor",
        past,
        tip,
        check=False,
        extra_env={"GIT_DIR": str(git_dir)},
    )
    return asked.returncode == 0


def _has(git_dir: Path, commit: str) -> bool:
    asked = process.run(
        git_dir,
        "rev-parse",
        "--verify",
        "--quiet",
        f"{commit}^{{commit}}",
        check=False,
        extra_env={"GIT_DIR": str(git_dir)},
    )
    return asked.returncode == 0


def _remove(git_dir: Path) -> None:
    """Remove a copy, and whatever else lies in its place."""
    if git_dir.is_dir() and not git_dir.is_symlink():
        shutil.rmtree(git_dir, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):  # if it stays, Git says what is wrong with it
            git_dir.unlink(missing_ok=True)


def _remove_locks(git_dir: Path) -> None:
    """Remove what a Git that was killed left behind: the copy is ours, and we hold its lock."""
    for lock in (*git_dir.glob("*.lock"), *(git_dir / "refs").rglob("*.lock")):
        lock.unlink(missing_ok=True)
