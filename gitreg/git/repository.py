"""One Git repository: its folders, its branch and commits, and its identities."""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gitreg.core.text.invisible import has_invisible
from gitreg.errors import GitError, InvalidRequest, NotFound
from gitreg.git import damage, process
from gitreg.git.heads import Head, Unreadable
from gitreg.git.objects import (
    CommitSnapshot,
    GitObject,
    ObjectReader,
    ObjectWriter,
    lost_commit,
)

# Reading needs no signatures, so the module is imported only to write.
if TYPE_CHECKING:
    from gitreg.git.signing import Signing

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""The object name of the empty tree, which every Git repository knows."""

_OID = re.compile(r"[0-9a-f]{40}")
_BRANCH_HEAD = re.compile(r"ref: (refs/heads/.+)\n?")
_IDENT = re.compile(r"(?P<name>.*) <(?P<email>[^<>]*)> (?P<time>\d+) (?P<zone>[+-]\d{4})")
_CRUD = " .,:;<>\"\\'"
"""The characters that Git strips from the ends of names and addresses; it refuses a name that
consists only of them."""


@dataclass(frozen=True)
class Signature:
    """A person and a time: ``time`` in seconds since the epoch, ``zone`` as ``+0100``."""

    name: str
    email: str
    time: int
    zone: str

    def __str__(self) -> str:
        return f"{self.person} {self.time} {self.zone}"

    @property
    def person(self) -> str:
        """``Ada Lovelace <ada@example.com>``."""
        return f"{self.name} <{self.email}>"

    @property
    def utc(self) -> str:
        """The time in the format of manifests, ``2026-11-22T20:25:06Z``."""
        return datetime.fromtimestamp(self.time, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Tip:
    """What is checked out: a branch and its commit.

    Attributes:
        branch: the full name, ``refs/heads/main``; where HEAD is detached, of the branch that the
            next commit is published on.
        commit: its commit, ``None`` before the first; where HEAD is detached, that of HEAD.
        is_detached: whether HEAD is detached.
    """

    branch: str
    commit: str | None
    is_detached: bool = False

    @property
    def reference(self) -> str:
        """The reference that moves to the next commit: the branch, or HEAD itself."""
        return "HEAD" if self.is_detached else self.branch


@dataclass(frozen=True)
class _Places:
    git_dir: Path
    common_dir: Path
    top_level: Path | None  # None in a bare repository
    is_shallow: bool


class GitRepository:
    """The Git repository that contains ``folder``. Creating the object runs no process.

    Args:
        folder: the repository, or a folder in its work tree.
        environment: variables for Git, in addition to those of every call, such as a hook's
            quarantine.
    """

    lacks_files = False
    """Whether files are fetched when they are asked for."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._variables = dict(environment or {})
        self.reader = ObjectReader(folder, self._variables)
        self._last_snapshot: CommitSnapshot | None = None
        self._identities: dict[str, tuple[str, str]] = {}
        self._author: tuple[str, str] | None = None
        self._roots: dict[str, str] = {}
        self.open_past: Callable[[], GitRepository] | None = None
        """Gives the history of a shallow clone; see `with_history`."""

    # Its folders

    @cached_property
    def _places(self) -> _Places:
        paths = ("--absolute-git-dir", "--git-common-dir")
        answer = self._rev_parse(
            "--is-bare-repository",
            "--is-shallow-repository",
            "--show-object-format",
            "--is-inside-work-tree",
            *paths,
        )
        bare, shallow, hash_name, inside, *places = answer.split("\n")
        if len(places) != len(paths):  # a path with a line break in it
            places = [self._rev_parse(path) for path in paths]
        git_dir, common_dir = places
        if hash_name != "sha1":
            raise GitError(f"this repository uses {hash_name} object names; gitreg needs sha1")
        top_level = None
        if bare == "false":
            if inside != "true":
                raise InvalidRequest(f"{self.folder} is inside a .git folder, not a work tree")
            top_level = Path(self._rev_parse("--show-toplevel"))
        return _Places(
            Path(git_dir), (self.folder / common_dir).resolve(), top_level, shallow == "true"
        )

    def _rev_parse(self, *questions: str) -> str:
        """Return Git's answers; paths in them can contain any bytes."""
        return os.fsdecode(self.run("rev-parse", *questions).stdout).removesuffix("\n")

    @property
    def git_dir(self) -> Path:
        """The ``.git`` folder of this work tree."""
        return self._places.git_dir

    @property
    def common_dir(self) -> Path:
        """The ``.git`` folder that all work trees share."""
        return self._places.common_dir

    @property
    def private_dir(self) -> Path:
        """The folder for gitreg's lock and history index, which can be deleted at any time."""
        return self._places.common_dir / "gitreg"

    @property
    def top_level(self) -> Path | None:
        """The root of the work tree; ``None`` in a bare repository."""
        return self._places.top_level

    @property
    def is_shallow(self) -> bool:
        """Whether the clone has only a part of its history."""
        return self._places.is_shallow

    def shallow_commits(self) -> list[str]:
        """Return the commits where the history of a shallow clone is cut off; else none."""
        if not self.is_shallow:
            return []
        return (self.common_dir / "shallow").read_text("ascii").split()

    def refuse_shallow(self) -> None:
        """Refuse an operation that needs the whole history.

        Raises:
            GitError: the clone is shallow.
        """
        if self.is_shallow:
            raise GitError(
                "this clone is shallow, and this needs its whole history",
                hint="git fetch --unshallow",
            )

    def complete_history(self) -> None:
        """Make all of history readable; a light copy fetches it.

        Raises:
            GitError: the clone is shallow, or the remote cannot be reached.
        """
        self.refuse_shallow()

    def with_history(self) -> GitRepository:
        """Return a repository in which all of history is readable: this one, where it is here.

        A shallow clone stays shallow; see `gitreg.git.past`.

        Raises:
            GitError: the clone is shallow, and the remote cannot be reached.
        """
        if self.is_shallow and self.open_past is not None:
            return self.open_past()
        self.complete_history()
        return self

    def bring_branch(self, branch: str) -> None:
        """Fetch a branch that a light copy lacks; do nothing in any other repository."""

    def fetch_some(self, place: str, *options: str, refs: Sequence[str]) -> process.Completed:
        """Fetch from a remote or URL without a reference; the caller looks at the exit status."""
        quiet = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance")
        args = ("fetch", *quiet, *options, "--end-of-options", place, *refs)
        return process.run(self.folder, *args, check=False, interactive=True)

    def bring(self, oids: Sequence[str]) -> None:
        """Fetch files together that a light copy lacks; do nothing in any other repository."""

    def bring_paths(self, places: Sequence[tuple[str, str]]) -> None:
        """Fetch files and folders that a light copy lacks; do nothing in any other repository."""

    def without(self, oids: Sequence[str]) -> list[str]:
        """Return those of some objects that are not here."""
        found = zip(oids, self.reader.get_many(oids), strict=True)
        return [oid for oid, here in found if here is None]

    def run(self, *args: str, stdin: bytes | None = None, check: bool = True) -> process.Completed:
        """Run Git in the repository; see `gitreg.git.process.run`."""
        return process.run(self.folder, *args, stdin=stdin, check=check, extra_env=self._variables)

    def run_at_root(
        self, *args: str, stdin: bytes | None = None, check: bool = True
    ) -> process.Completed:
        """Run Git in the root of the work tree, so that paths are relative to the root."""
        return process.run(
            self.top_level or self.folder,
            *args,
            stdin=stdin,
            check=check,
            extra_env=self._variables,
        )

    @cached_property
    def writer(self) -> ObjectWriter:
        """The writer into the repository's object store."""
        return ObjectWriter(self._places.common_dir / "objects")

    # Its branch and commits

    def tip(self) -> Tip:
        """Return the checked-out branch and its commit.

        Raises:
            GitError: HEAD is detached.
        """
        with suppress(Unreadable):
            return Tip(*self._files.tip())
        branch = self.head_branch()
        if branch is None:
            raise GitError(
                "HEAD is detached: a commit made here would be on no branch",
                hint="git switch BRANCH",
            )
        return Tip(branch, self._commit_of_branch(branch))

    def head_branch(self) -> str | None:
        """Return the full name of the checked-out branch; ``None`` when HEAD is detached."""
        try:
            head = (self.git_dir / "HEAD").read_text("utf-8", "surrogateescape")
        except OSError as error:
            raise GitError(f"{self.git_dir / 'HEAD'}: {error.strerror}") from None
        match = _BRANCH_HEAD.fullmatch(head)
        if match is not None and match[1] != "refs/heads/.invalid":  # a reftable's placeholder
            return match[1]
        return self.run("symbolic-ref", "--quiet", "HEAD", check=False).text or None

    def commit_of(self, name: str) -> str | None:
        """Return the commit of a trusted name (``HEAD``, a full reference), or ``None``."""
        found = self.reader.get(f"{name}^{{commit}}")
        return None if found is None else found.oid

    def head_commit(self) -> str | None:
        """Return the commit of HEAD; ``None`` before the first commit.

        Reading Git's own files takes 30 µs, but finding them takes a process. So files are read
        only when their place is known already; a single `resolve` does not wait for that process.
        """
        if "_places" not in self.__dict__:
            return self._commit_of_branch("HEAD")
        try:
            return self._files.commit()
        except Unreadable:
            return self._commit_of_branch("HEAD")

    def _commit_of_branch(self, name: str) -> str | None:
        """Return the commit of ``HEAD`` or a branch; ``None`` before the first commit.

        Raises:
            Damaged: a power cut left the branch's file empty: it has commits, but Git knows none.
            GitError: the repository does not have the commit.
        """
        found = self.commit_of(name)
        if found is None:
            branch = self.head_branch() if name == "HEAD" else name
            places = [self.common_dir / name for name in (branch, "packed-refs") if name]
            for harm in damage.of_references(self.common_dir):
                if harm.path in places:
                    raise damage.Damaged(harm)
            named = self.run("rev-parse", "--verify", "--quiet", name, check=False).text
            if named:
                raise lost_commit(named)
        return found

    @cached_property
    def _files(self) -> Head:
        return Head(self.git_dir, self.common_dir)

    def parse_revision(self, revision: str) -> str:
        """Return the commit that a user's revision names: a branch, a tag, a hash, ``HEAD~2``.

        Raises:
            NotFound: there is no such commit.
            InvalidRequest: the text cannot be a revision.
        """
        if not revision or revision.startswith("-") or not revision.isprintable():
            raise InvalidRequest(f"{revision!a} is not a revision")
        found = self.run(
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            f"{revision}^{{commit}}",
            check=False,
        )
        if found.returncode != 0 or not _OID.fullmatch(found.text):
            if self.commit_of("HEAD") is None:
                raise NotFound(f"no commit {revision!r}: this repository has no commits yet")
            raise NotFound(f"no commit {revision!r}", hint="git log --oneline --all")
        return found.text

    def tip_at(self, start: str, before: int) -> str | None:
        """Return the first-parent ancestor of ``start`` that was the branch's tip at a given time.

        Args:
            start: a commit.
            before: the time in seconds since the epoch, compared with committer dates.
        """
        found = self.run(
            "rev-list",
            "--first-parent",
            "--max-count=1",
            f"--before=@{max(before, 0)} +0000",
            "--end-of-options",
            start,
        )
        return found.text or None

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Return whether ``ancestor`` is ``descendant`` or one of its ancestors."""
        done = self.run("merge-base", "--is-ancestor", ancestor, descendant, check=False)
        if done.returncode not in (0, 1):
            raise process.failure("merge-base", done)
        return done.returncode == 0

    def root_of(self, commit: str) -> str:
        """Return the first commit of a commit's first-parent line; it identifies the repository.

        Raises:
            GitError: the clone is shallow, and the remote cannot be reached.
        """
        whole = self.with_history()
        known = self._roots.get(commit)
        if known is None:
            # Only a graft can make several roots; the walk ends at the last one.
            listing = whole.run("rev-list", "--first-parent", "--max-parents=0", commit).text
            known = self._roots[commit] = listing.rpartition("\n")[2]
        return known

    def merge_base(self, one: str, other: str) -> str | None:
        """Return the last common ancestor of two commits; ``None`` when there is none."""
        done = self.run("merge-base", one, other, check=False)
        if done.returncode not in (0, 1):
            return None  # one of the commits is gone
        return done.text.split("\n")[0] or None

    def parents_of(self, commit: str) -> list[str]:
        """Return the parents of a commit."""
        return self.run("rev-parse", f"{commit}^@").text.split()

    def changed_paths(self, before: str | None, after: str) -> list[str]:
        """Return the paths whose content, mode or kind differs between two commits.

        When ``before`` is ``None``, every path of ``after`` is returned.
        """
        listing = self.run_at_root(
            "diff-tree",
            "-r",
            "-z",
            "--no-commit-id",
            "--name-only",
            "--no-renames",
            before or EMPTY_TREE,
            after,
        ).stdout
        return [os.fsdecode(path) for path in listing.split(b"\0") if path]

    def message_of(self, commit: str) -> str:
        """Return the message of a commit; undecodable bytes are replaced."""
        found = self.reader.get(commit)
        data = b"" if found is None else found.data
        return data.partition(b"\n\n")[2].decode("utf-8", "replace")

    def subject_of(self, commit: str) -> str:
        """Return the first line of a commit's message."""
        return self.message_of(commit).strip().partition("\n")[0]

    def commits_between(self, start: str | None, end: str) -> list[str]:
        """Return the first-parent commits after ``start`` up to ``end``, the oldest first."""
        since = [f"^{start}"] if start else []
        return self.run("rev-list", "--first-parent", "--reverse", end, *since).text.split()

    def keep_snapshot(
        self, base: str | None, commit: str, changed: Mapping[str, GitObject | None]
    ) -> None:
        """Start the snapshot of a new commit with the cached objects of its parent.

        Args:
            base: the parent.
            commit: the new commit, which differs from its parent at ``changed`` alone.
            changed: the new object at each changed path; see `ObjectWriter.write_tree`.
        """
        last = self._last_snapshot
        if last is not None and last.commit == base and not last.is_full:
            self._last_snapshot = last.after(commit, changed)

    def snapshot(self, commit: str | None) -> CommitSnapshot:
        """Return the files of a commit. The latest snapshot and its cache are kept.

        A server that resolves the champion again and again therefore reads only the branch's
        commit, however large the registry is.
        """
        last = self._last_snapshot
        if last is None or last.commit != commit or last.is_full:
            last = self._last_snapshot = self.another_snapshot(commit)
        return last

    def another_snapshot(self, commit: str | None) -> CommitSnapshot:
        """Return the files of a commit, and keep the latest snapshot."""
        return CommitSnapshot(self.reader, commit)

    @staticmethod
    def blob_name(content: bytes | None) -> str | None:
        """Return the object name of a file's content; ``None`` for an absent file."""
        if content is None:
            return None
        header = b"blob %d\0" % len(content)
        return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()

    def tags(self) -> dict[str, str]:
        """Return all tags, short name to the object that the tag names."""
        listing = self.run("for-each-ref", "--format=%(objectname) %(refname)", "refs/tags/").text
        found = {}
        for line in listing.splitlines():
            oid, _, name = line.partition(" ")
            found[name.removeprefix("refs/tags/")] = oid
        return found

    def is_abandoned(self, tag: str) -> bool:
        """Return whether the commit of a tag (``refs/tags/…``) is on no branch."""
        commit = self.commit_of(tag)
        return commit is not None and not self.is_on_a_branch(commit)

    def is_on_a_branch(self, commit: str) -> bool:
        """Return whether a commit is on a local or remote-tracking branch."""
        branches = ("refs/heads/", "refs/remotes/")
        listing = self.run("for-each-ref", "--count=1", f"--contains={commit}", *branches)
        return bool(listing.text)

    # Its work tree

    def how_to_restore(self, path: str) -> str | None:
        """Return the command that brings a file of HEAD back into the work tree.

        ``None`` when it is there, HEAD has no such file, or there is no work tree.
        """
        top = self.top_level
        if top is None or os.path.lexists(top / path):
            return None
        if self.snapshot(self.head_commit()).read(path) is None:
            return None
        # `S` marks a file that a sparse checkout leaves out.
        listed = self.run_at_root("ls-files", "-t", "-z", "--", path, check=False).text
        folder = posixpath.dirname(path) or path
        if listed[:1] == "S":
            return f"git sparse-checkout add {folder}"
        return f"git restore {folder}" if listed else f"git restore --source=HEAD {folder}"

    # Its identities

    @cached_property
    def signing(self) -> Signing:
        """The signatures of the configured user."""
        from gitreg.git.signing import Signing

        return Signing(self.top_level or self.git_dir)

    @contextmanager
    def authored_by(self, name: str, email: str) -> Iterator[None]:
        """Make somebody else the author of the commits written inside the ``with`` block.

        Raises:
            InvalidRequest: Git cannot store the name or address, or would change the address.
        """
        if (
            has_invisible(name + email)
            or set("<>").intersection(name + email)
            or not name.strip(_CRUD)
            or name != name.strip()
            or not email
            or email != email.strip(_CRUD)
            or " " in email
        ):
            raise InvalidRequest(
                f"Git cannot store the author {name[:100]!a} with address {email[:100]!a}"
            )
        before, self._author = self._author, (name, email)
        try:
            yield
        finally:
            self._author = before

    def signature(self, role: str) -> Signature:
        """Return the current ``AUTHOR`` or ``COMMITTER``, by Git's own rules.

        Inside `authored_by`, the author is the person given there.

        Raises:
            GitError: no identity is configured (Git would invent one from the host's name, and an
                audit trail with invented names is worth nothing), or the date in the environment
                is invalid.
        """
        found = self._configured(role)
        if role == "AUTHOR" and self._author is not None:
            name, email = self._author
            return replace(found, name=name, email=email)
        return found

    def _configured(self, role: str) -> Signature:
        if role not in self._identities or f"GIT_{role}_DATE" in os.environ:
            done = self.run(
                "-c", "user.useConfigOnly=true", "var", f"GIT_{role}_IDENT", check=False
            )
            match = _IDENT.fullmatch(done.text)
            if "invalid date" in done.stderr:
                raise GitError(f"GIT_{role}_DATE: {process.failure('var', done)}")
            if done.returncode != 0 or match is None:
                raise GitError(
                    "no identity: Git does not know your name and e-mail address",
                    hint='git config user.name "Your Name" && git config user.email you@host',
                )
            self._identities[role] = match["name"], match["email"]
            if f"GIT_{role}_DATE" in os.environ:
                return Signature(match["name"], match["email"], int(match["time"]), match["zone"])
        now = int(time.time())
        zone = time.strftime("%z", time.localtime(now))
        return Signature(*self._identities[role], now, zone)

    def author_of(self, commit: str) -> Signature:
        """Return the author of a commit, with the author's time.

        Raises:
            GitError: there is no such commit, or its author line is malformed.
        """
        found = self.reader.get(commit)
        header = b"" if found is None else found.data.partition(b"\n\n")[0]
        line = next((line for line in header.split(b"\n") if line.startswith(b"author ")), b"")
        match = _IDENT.fullmatch(line.decode("utf-8", "replace").removeprefix("author "))
        if match is None:
            raise GitError(f"commit {commit[:9]} has no readable author")
        return Signature(match["name"], match["email"], int(match["time"]), match["zone"])

    def config(self, key: str) -> str | None:
        """Return a configuration value, or ``None``."""
        done = self.run("config", "--get", "--end-of-options", key, check=False)
        return done.text if done.returncode == 0 else None

    def close(self) -> None:
        """End the process that reads objects, and the threads that sync written objects."""
        self.reader.close()
        if "writer" in self.__dict__:
            self.writer.close()
