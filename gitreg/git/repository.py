"""One Git repository: where it is, what its branch is at, who commits to it."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gitreg.core.text.invisible import has_invisible
from gitreg.errors import GitError, InvalidRequest, NotFound
from gitreg.git import process
from gitreg.git.heads import Head, Unreadable
from gitreg.git.objects import CommitSnapshot, GitObject, ObjectReader, ObjectWriter

# Who only reads does not sign.
if TYPE_CHECKING:
    from gitreg.git.signing import Signing

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""Git's name for a tree without entries, which it knows without having it."""

_OID = re.compile(r"[0-9a-f]{40}")
_BRANCH_HEAD = re.compile(r"ref: (refs/heads/.+)\n?")
_IDENT = re.compile(r"(?P<name>.*) <(?P<email>[^<>]*)> (?P<time>\d+) (?P<zone>[+-]\d{4})")
_CRUD = " .,:;<>\"\\'"
"""What Git takes away at the ends of names and addresses; a name of nothing else it refuses."""


@dataclass(frozen=True)
class Signature:
    """Who did something and when: ``time`` in seconds since the epoch, ``zone`` as ``+0100``."""

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
        """The moment as manifests write it, ``2026-11-22T20:25:06Z``."""
        return datetime.fromtimestamp(self.time, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Tip:
    """The checked-out branch (``refs/heads/main``) and its commit; none before the first one."""

    branch: str
    commit: str | None


@dataclass(frozen=True)
class _Places:
    git_dir: Path
    common_dir: Path
    top_level: Path | None  # None in a bare repository
    is_shallow: bool


class GitRepository:
    """The repository that holds ``folder``. Nothing is run before something is asked.

    Args:
        folder: the repository, or a folder in its work tree.
        environment: variables for Git besides those that every call has: a hook's quarantine.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._variables = dict(environment or {})
        self.reader = ObjectReader(folder, self._variables)
        self._last_snapshot: CommitSnapshot | None = None
        self._identities: dict[str, tuple[str, str]] = {}
        self._author: tuple[str, str] | None = None
        self._roots: dict[str, str] = {}

    # Where it is

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
            raise GitError(f"this repository names objects by {hash_name}; gitreg needs sha1")
        top_level = None
        if bare == "false":
            if inside != "true":
                raise InvalidRequest(f"{self.folder} is inside a .git folder, not a work tree")
            top_level = Path(self._rev_parse("--show-toplevel"))
        return _Places(
            Path(git_dir), (self.folder / common_dir).resolve(), top_level, shallow == "true"
        )

    def _rev_parse(self, *questions: str) -> str:
        """Return Git's answers, where paths are the file system's: any bytes."""
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
        """Where gitreg keeps what can be thrown away: its lock and its history index."""
        return self._places.common_dir / "gitreg"

    @property
    def top_level(self) -> Path | None:
        """The root of the work tree; ``None`` in a bare repository."""
        return self._places.top_level

    @property
    def is_shallow(self) -> bool:
        """Whether history was cut off when it was cloned."""
        return self._places.is_shallow

    def refuse_shallow(self) -> None:
        """Refuse what needs all of history.

        Raises:
            GitError: the clone is shallow.
        """
        if self.is_shallow:
            raise GitError(
                "this clone is shallow: its history, which numbers the tags, is cut off",
                hint="git fetch --unshallow",
            )

    def run(self, *args: str, stdin: bytes | None = None, check: bool = True) -> process.Completed:
        """Run Git in the repository; see `gitreg.git.process.run`."""
        return process.run(self.folder, *args, stdin=stdin, check=check, extra_env=self._variables)

    def run_at_root(
        self, *args: str, stdin: bytes | None = None, check: bool = True
    ) -> process.Completed:
        """Run Git where paths count from the root; in a subfolder they would be relative to it."""
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

    # What its branch is at

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
        return Tip(branch, self.commit_of(branch))

    def head_branch(self) -> str | None:
        """Return the full name of the checked-out branch; ``None`` when HEAD is detached."""
        try:
            head = (self.git_dir / "HEAD").read_text("utf-8", "surrogateescape")
        except OSError as error:
            raise GitError(f"{self.git_dir / 'HEAD'}: {error.strerror}") from None
        match = _BRANCH_HEAD.fullmatch(head)
        if match is not None and match[1] != "refs/heads/.invalid":  # what a reftable leaves there
            return match[1]
        return self.run("symbolic-ref", "--quiet", "HEAD", check=False).text or None

    def commit_of(self, name: str) -> str | None:
        """Return the commit that a trusted name (``HEAD``, a full ref) stands for, or ``None``."""
        found = self.reader.get(f"{name}^{{commit}}")
        return None if found is None else found.oid

    def head_commit(self) -> str | None:
        """Return the commit that HEAD is at, ``None`` before the first one.

        From the files that Git keeps it in, 30 µs, once it is known where they are; to find that
        out takes a process, and who only resolves a reference does not wait for it.
        """
        if "_places" not in self.__dict__:
            return self.commit_of("HEAD")
        try:
            return self._files.commit()
        except Unreadable:
            return self.commit_of("HEAD")

    @cached_property
    def _files(self) -> Head:
        return Head(self.git_dir, self.common_dir)

    def parse_revision(self, revision: str) -> str:
        """Return the commit that a person's revision (branch, tag, hash, ``HEAD~2``) names.

        Raises:
            NotFound: there is no such commit.
            InvalidRequest: it is no revision at all.
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
                raise NotFound(f"no commit {revision!r}: this repository has none yet")
            raise NotFound(f"no commit {revision!r}", hint="git log shows what there is")
        return found.text

    def tip_at(self, start: str, before: int) -> str | None:
        """Return the first-parent ancestor of ``start`` that was its branch's tip at a time.

        Args:
            start: a commit.
            before: seconds since the epoch, compared with committer dates.
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
        """Tell whether a commit is another one, or among its ancestors."""
        asked = self.run("merge-base", "--is-ancestor", ancestor, descendant, check=False)
        if asked.returncode not in (0, 1):
            raise process.failure("merge-base", asked)
        return asked.returncode == 0

    def root_of(self, commit: str) -> str:
        """Return the first commit of the first parents of a commit: what tells repositories apart.

        Raises:
            GitError: the clone is shallow.
        """
        self.refuse_shallow()
        known = self._roots.get(commit)
        if known is None:
            # Several only where a graft says so; the walk ends at the last of them.
            listing = self.run("rev-list", "--first-parent", "--max-parents=0", commit).text
            known = self._roots[commit] = listing.rpartition("\n")[2]
        return known

    def merge_base(self, one: str, other: str) -> str | None:
        """Return the last commit that two commits have in common, ``None`` when there is none."""
        asked = self.run("merge-base", one, other, check=False)
        if asked.returncode not in (0, 1):
            return None  # one of them is gone
        return asked.text.split("\n")[0] or None

    def parents_of(self, commit: str) -> list[str]:
        """Return the parents of a commit."""
        return self.run("rev-parse", f"{commit}^@").text.split()

    def changed_paths(self, before: str | None, after: str) -> list[str]:
        """Return the paths whose content, mode or kind differs between two commits.

        Before the first commit (``None``) there is nothing: all of ``after`` differs.
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
        """Let the snapshot of a commit begin with what is known of the one before it.

        Args:
            base: the commit before.
            commit: one that differs from it at these paths alone.
            changed: what was written there; see `ObjectWriter.write_tree`.
        """
        last = self._last_snapshot
        if last is not None and last.commit == base and not last.is_full:
            self._last_snapshot = last.after(commit, changed)

    def snapshot(self, commit: str | None) -> CommitSnapshot:
        """Return the files of a commit; the last one asked for is kept with what was read of it.

        So a serving process that asks for the champion again and again reads only where the
        branch is, however large the registry.
        """
        last = self._last_snapshot
        if last is None or last.commit != commit or last.is_full:
            last = self._last_snapshot = CommitSnapshot(self.reader, commit)
        return last

    @staticmethod
    def blob_name(content: bytes | None) -> str | None:
        """Return the name that Git gives to a file's content; none to an absent one."""
        if content is None:
            return None
        header = b"blob %d\0" % len(content)
        return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()

    def tags(self) -> dict[str, str]:
        """Return all tags, short name to the object that the reference names."""
        listing = self.run("for-each-ref", "--format=%(objectname) %(refname)", "refs/tags/").text
        found = {}
        for line in listing.splitlines():
            oid, _, name = line.partition(" ")
            found[name.removeprefix("refs/tags/")] = oid
        return found

    def is_abandoned(self, tag: str) -> bool:
        """Tell whether the commit that a tag (``refs/tags/…``) stands for is on no branch."""
        commit = self.commit_of(tag)
        return commit is not None and not self.is_on_a_branch(commit)

    def is_on_a_branch(self, commit: str) -> bool:
        """Tell whether a commit is on a branch, of this repository or as a remote last had it."""
        branches = ("refs/heads/", "refs/remotes/")
        listing = self.run("for-each-ref", "--count=1", f"--contains={commit}", *branches)
        return bool(listing.text)

    # Who commits to it

    @cached_property
    def signing(self) -> Signing:
        """How whoever commits signs."""
        from gitreg.git.signing import Signing

        return Signing(self.top_level or self.git_dir)

    @contextmanager
    def authored_by(self, name: str, email: str) -> Iterator[None]:
        """Let somebody else be the author of what is written meanwhile.

        Raises:
            InvalidRequest: Git could not hold that name or address, or would alter the address.
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
                f"{name[:100]!a} with address {email[:100]!a} is no author of Git's"
            )
        before, self._author = self._author, (name, email)
        try:
            yield
        finally:
            self._author = before

    def signature(self, role: str) -> Signature:
        """Return who commits now, as ``AUTHOR`` or ``COMMITTER``, the way Git itself finds out.

        While something is written for somebody else (`authored_by`), they are the author.

        Raises:
            GitError: no identity is configured. Git would make one up from the host's name;
                an audit trail with invented names is worth nothing. Or the date that the
                environment gives is none.
        """
        found = self._configured(role)
        if role == "AUTHOR" and self._author is not None:
            name, email = self._author
            return replace(found, name=name, email=email)
        return found

    def _configured(self, role: str) -> Signature:
        if role not in self._identities or f"GIT_{role}_DATE" in os.environ:
            asked = self.run(
                "-c", "user.useConfigOnly=true", "var", f"GIT_{role}_IDENT", check=False
            )
            match = _IDENT.fullmatch(asked.text)
            if "invalid date" in asked.stderr:
                raise GitError(f"GIT_{role}_DATE: {process.failure('var', asked)}")
            if asked.returncode != 0 or match is None:
                raise GitError(
                    "no identity: Git does not know who commits",
                    hint='git config user.name "Your Name" && git config user.email you@host',
                )
            self._identities[role] = match["name"], match["email"]
            return Signature(match["name"], match["email"], int(match["time"]), match["zone"])
        now = int(time.time())
        zone = time.strftime("%z", time.localtime(now))
        return Signature(*self._identities[role], now, zone)

    def author_of(self, commit: str) -> Signature:
        """Return who made a commit, and when.

        Raises:
            GitError: there is no such commit, or it names nobody as Git would.
        """
        found = self.reader.get(commit)
        header = b"" if found is None else found.data.partition(b"\n\n")[0]
        line = next((line for line in header.split(b"\n") if line.startswith(b"author ")), b"")
        match = _IDENT.fullmatch(line.decode("utf-8", "replace").removeprefix("author "))
        if match is None:
            raise GitError(f"commit {commit[:9]} does not say who made it")
        return Signature(match["name"], match["email"], int(match["time"]), match["zone"])

    def config(self, key: str) -> str | None:
        """Return a configuration value, or ``None``."""
        asked = self.run("config", "--get", "--end-of-options", key, check=False)
        return asked.text if asked.returncode == 0 else None

    def close(self) -> None:
        """End the process that reads objects, and the threads that sync what was written."""
        self.reader.close()
        if "writer" in self.__dict__:
            self.writer.close()
