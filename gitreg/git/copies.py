"""Copies of repositories that are read by URL: bare, in the user's cache, brought up to date."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shlex
import shutil
from pathlib import Path

from gitreg.errors import GitError, InvalidRequest, WorldError
from gitreg.git import process
from gitreg.git.publish import exclusive
from gitreg.git.repository import GitRepository

_URL = re.compile(r"(?P<scheme>file|git|https?|ssh)://(?P<rest>[^-].*)", re.DOTALL)
_SCP_LIKE = re.compile(r"(?:[\w.-]+@)?(?P<host>[\w.][\w.-]*):(?!//)(?P<path>[^-:].*)", re.DOTALL)
_INCOMING = "refs/gitreg/incoming"


def is_url(text: str) -> bool:
    """Tell whether ``text`` is the URL of a repository rather than a path.

    >>> [is_url(t) for t in ("https://host/r.git", "git@host:r.git", "./r", "ext::sh -c id")]
    [True, True, False, False]
    """
    if not _URL.fullmatch(text) and not _SCP_LIKE.fullmatch(text):
        return False
    return not os.path.exists(text)  # noqa: PTH110  of a name too long, Path.exists raises


def check_url(url: str) -> str:
    """Return ``url`` when it can name nothing but a repository.

    Raises:
        InvalidRequest: another protocol (``ext::`` runs commands), or a part that Git or ssh
            would take for an option.
    """
    if not is_url(url) or not url.isprintable():
        raise InvalidRequest(
            f"{process.hide_credentials(url)[:200]!a} is neither a folder nor a repository's URL",
            hint="give a path, https://…, ssh://… or git@host:path",
        )
    host = re.match(r"[a-z]+://(?:[^/]*@)?([^/:]*)", url)
    if host and host[1].startswith("-"):
        raise InvalidRequest("a host name may not start with '-'")
    return url


def cache_folder() -> Path:
    """Return where gitreg keeps copies of remote repositories: ``$XDG_CACHE_HOME/gitreg``."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "gitreg"


def cached_clone(url: str) -> GitRepository:
    """Return a bare copy of the repository at ``url``, brought up to date.

    The default branch over there may only go forward: whoever read it yesterday would otherwise
    be shown another past today, and never know.

    Raises:
        InvalidRequest: ``url`` is no repository's URL.
        GitError: it cannot be reached, has no default branch, or this went back or sideways; then
            the copy stays as it was.
        WorldError: the cache folder cannot be written.
    """
    check_url(url)
    name = hashlib.sha256(url.encode("utf-8", "surrogateescape")).hexdigest()[:24]
    folder = cache_folder() / name
    _make_writable(folder)
    with exclusive(folder):
        git_dir = folder / "repository.git"
        if not _is_repository(git_dir):
            shutil.rmtree(git_dir, ignore_errors=True)  # all of it can be had again
            process.run(folder, "init", "--bare", "--quiet", "--template=", str(git_dir))
        _update(git_dir, url)
    return GitRepository(git_dir)


def _make_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise WorldError(
            f"the cache folder {cache_folder()} cannot be written: {error.strerror}",
            hint="XDG_CACHE_HOME=FOLDER names another place, FOLDER/gitreg",
        ) from None


def _is_repository(git_dir: Path) -> bool:
    """Tell whether Git takes the folder itself for a repository, not one above it."""
    if not git_dir.is_dir():
        return False
    asked = process.run(
        git_dir, "rev-parse", "--git-dir", check=False, extra_env={"GIT_DIR": str(git_dir)}
    )
    return asked.returncode == 0


def _update(git_dir: Path, url: str) -> None:
    """Bring a copy up to date: its default branch when it went forward, then all the rest."""
    branch, tip = _default_branch(git_dir, url)
    known = _commit(git_dir, "HEAD")
    if tip != known:
        _fetch(git_dir, url, f"+{branch}:{_INCOMING}")
        tip = str(_commit(git_dir, _INCOMING))
        _refuse_another_past(git_dir, url, known, tip)
    # Not the default branch, which may have moved again since it was looked at.
    _fetch(git_dir, url, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", f"^{branch}")
    process.run(git_dir, "update-ref", branch, tip)
    process.run(git_dir, "symbolic-ref", "HEAD", branch)


def _default_branch(git_dir: Path, url: str) -> tuple[str, str]:
    """Return the full name of a remote's default branch, and its commit."""
    asked = process.run(
        git_dir, "ls-remote", "--symref", "--end-of-options", url, "HEAD",
        check=False, interactive=True,
    )  # fmt: skip
    shown = process.hide_credentials(url)
    if asked.returncode != 0:
        raise GitError(f"{shown}: {process.failure('ls-remote', asked)}")
    head = re.match(r"ref: (refs/heads/\S+)\tHEAD\n([0-9a-f]{40})\tHEAD", asked.text)
    if head is None:
        raise GitError(f"{shown}: it has no default branch")
    return head[1], head[2]


def _commit(git_dir: Path, name: str) -> str | None:
    """Return the commit that a reference of a copy names, ``None`` when there is none."""
    found = process.run(
        git_dir, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", check=False
    )
    return found.text or None


def _refuse_another_past(git_dir: Path, url: str, known: str | None, tip: str) -> None:
    """Refuse a tip that what was there before does not lead to."""
    if known is None:
        return
    with contextlib.closing(GitRepository(git_dir)) as copy:
        if copy.is_ancestor(known, tip):
            return
    raise GitError(
        f"{process.hide_credentials(url)}: its history was rewritten: it was at {known}, and is at "
        f"{tip}, which does not follow it",
        hint=f"if that is right: rm -r {shlex.quote(str(git_dir.parent))}",
    )


def _fetch(git_dir: Path, url: str, *refspecs: str) -> None:
    process.run(
        git_dir, "fetch", "--quiet", "--force", "--prune", "--no-tags", "--no-write-fetch-head",
        "--end-of-options", url, *refspecs, interactive=True,
    )  # fmt: skip
