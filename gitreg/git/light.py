"""A light copy of a remote repository: one commit and its folders; files are fetched on demand.

Git calls this a partial clone: it fetches a missing object when a command reads it. That suits one
or two pointers. For more, each file would cost its own connection, so this module first fetches
several files together.

A copy that was made for a write has not even the folders: a registry with 100,000 versions has as
many. Those on the way to what is read are fetched level by level.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from gitreg.core.model import layout
from gitreg.core.text.urls import hide_credentials
from gitreg.errors import GitError, InvalidRequest
from gitreg.git import process
from gitreg.git.objects import CommitSnapshot, GitObject, ObjectReader, parse_tree
from gitreg.git.present import Present
from gitreg.git.repository import GitRepository

REMOTE = "gitreg"
"""The name of the copy's remote; `remote_environment` supplies its URL."""

FOLDERS = "--filter=blob:none"
"""Fetches commits with all their folders, without files."""

NEXT_LEVEL = "--filter=tree:1"
"""Fetches commits with their root folder alone, or folders with what is directly in them."""

NO_HAVES = ("-c", "fetch.negotiationAlgorithm=noop")
"""Makes the remote send what belongs to objects that are here already: it may be missing."""

QUIET = ("--quiet", "--no-tags", "--no-write-fetch-head")
"""What every fetch into a copy has."""
_TREE = re.compile(rb"tree ([0-9a-f]{40})\n")
_SUBMODULE = 0o160000
_REFUSED = re.compile(r"filter '[^']*' not supported|filter allows max depth|filter-spec")
_NOT_FETCHED = re.compile(r"could not fetch ([0-9a-f]{40}) from promisor remote")


SSH_PATIENCE = 30
"""How long to wait for an ssh server to answer, in seconds; a server that falls silent later is
given up after twice that time."""

_KEEPALIVES = 4
_NOT_SSH = re.compile(r"(?:file|git|https?)://")
_LOGIN = re.compile(
    r"(?P<scheme>https?://)(?P<user>[^/?#:@]*)(?P<colon>:?)(?P<password>[^/?#@]*)@"
    r"(?P<host>(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?)(?P<rest>(?:/[^@]*)?)"
)
_VARIABLE = "GITREG_REMOTE_PASSWORD"
# Git runs this in a shell. The list of processes shows the variable's name, not its value.
_PASSWORD_HELPER = (
    f"""!f() {{ if test "$1" = get; then printf 'password=%s\\n' "${_VARIABLE}"; fi; }}; f"""
)


def remote_environment(git_dir: Path, url: str) -> Mapping[str, str]:
    """Return the environment variables that give Git in ``git_dir`` its remote.

    The URL can contain a password. This way it never reaches a file. The password of an http(s)
    URL also stays out of the list of processes, where Git's helper programs have the URL among
    their arguments: Git gets the login from a credential helper. (A login with an unencoded '@'
    or '/' stays in the URL.) And a Git that runs without these variables cannot fetch objects on
    its own.
    """
    bare, login, secrets = _without_login(url)
    options = [
        (f"remote.{REMOTE}.url", bare),
        ("gc.auto", "0"),  # it would keep running in the background after our lock is released
        ("maintenance.auto", "false"),
        ("fetch.unpackLimit", "1"),  # packs can be counted and merged into one
        *login,
    ]
    numbered = list(enumerate(options))
    return {
        "GIT_DIR": str(git_dir),  # else, in a damaged copy, Git uses a repository above it
        "GIT_CONFIG_COUNT": str(len(options)),
        **{f"GIT_CONFIG_KEY_{number}": key for number, (key, _) in numbered},
        **{f"GIT_CONFIG_VALUE_{number}": value for number, (_, value) in numbered},
        **secrets,
        **_ssh_environment(git_dir, url),
    }


def _without_login(url: str) -> tuple[str, list[tuple[str, str]], dict[str, str]]:
    """Return an http(s) URL without its login, and the options and variables that supply it.

    A header would be unsafe: Git sends it along on a redirect. It sends a login to its host only.

    >>> _without_login("https://ada@host/r.git")[0]
    'https://host/r.git'
    """
    found = _LOGIN.fullmatch(url)
    if found is None:
        return url, [], {}
    user, password = unquote(found["user"]), unquote(found["password"])
    if not f"{user}{password}".isprintable() or not user:
        return url, [], {}  # Git itself refuses line breaks, with a clear message
    bare = found["scheme"] + found["host"] + found["rest"]
    scope = f"credential.{found['scheme']}{found['host']}"
    # The longest insteadOf rule wins: the user's rules are not meant for a URL with a login.
    options = [(f"url.{bare}.insteadOf", bare), (f"{scope}.username", user)]
    if not found["colon"]:
        return bare, options, {}  # the user's credential helpers know the password
    # The empty value makes Git ignore the user's helpers, which it would call first.
    options += [(f"{scope}.helper", ""), (f"{scope}.helper", _PASSWORD_HELPER)]
    return bare, options, {_VARIABLE: password}


def _ssh_environment(git_dir: Path, url: str) -> Mapping[str, str]:
    """Return the variables that make ssh give up on a silent server.

    A user who configures the ssh command keeps it.
    """
    variables = ("GIT_SSH_COMMAND", "GIT_SSH", "GIT_SSH_VARIANT")
    is_chosen = any(os.environ.get(name) for name in variables)
    if is_chosen or _NOT_SSH.match(url) or not git_dir.is_dir():
        return {}
    configured = process.run(
        git_dir,
        "config",
        "--get",
        "core.sshCommand",
        check=False,
        extra_env={"GIT_DIR": str(git_dir)},
    )
    if configured.text:
        return {}
    interval = max(1, SSH_PATIENCE // 2)
    return {
        "GIT_SSH_COMMAND": f"ssh -o ConnectTimeout={SSH_PATIENCE} "
        f"-o ServerAliveInterval={interval} -o ServerAliveCountMax={_KEEPALIVES}"
    }


class LightRepository(GitRepository):
    """The light copy in ``git_dir`` of the repository at ``url``, for reading a few files."""

    lacks_files = True

    def __init__(self, git_dir: Path, url: str) -> None:
        super().__init__(git_dir)
        self._url = url
        self._environment = remote_environment(git_dir, url)
        self.reader = self._reader_with(self._environment)

    def _reader_with(self, environment: Mapping[str, str]) -> ObjectReader:
        return _LightReader(self.folder, self._url, environment)

    @cached_property
    def lacks_folders(self) -> bool:
        """Whether the copy was made without the folders of its commit."""
        with suppress(OSError):
            return b"partialclonefilter = tree" in (self.folder / "config").read_bytes()
        return False

    @cached_property
    def _present(self) -> Present:
        return Present(self.folder / "objects")

    def snapshot(self, commit: str | None) -> CommitSnapshot:
        """Return the files of a commit; see `GitRepository.snapshot`."""
        last = self._last_snapshot
        if last is None or last.commit != commit or last.is_full:
            last = self._last_snapshot = self.another_snapshot(commit)
        return last

    def another_snapshot(self, commit: str | None) -> CommitSnapshot:
        """Return the files of a commit, and keep the latest snapshot."""
        return _LightSnapshot(self, commit)

    def without(self, oids: Sequence[str]) -> list[str]:
        """Return those of some objects that are not here; nothing is fetched."""
        return self._present.without(oids)

    def bring(self, oids: Sequence[str]) -> None:
        """Fetch blobs, or folders with all folders in them, in one request.

        What is here already is skipped.

        Raises:
            GitError: something is missing here, and the remote cannot be reached.
        """
        missing = self._present.without(oids)
        if not missing:
            return
        fetched = self._fetch_with_folders(*NO_HAVES, refs=missing)
        if fetched.returncode != 0:
            raise out_of_reach(self._url, f"{len(missing)} files are", fetched)

    def bring_paths(self, places: Sequence[tuple[str, str]]) -> None:
        """Fetch files and folders of commits, with the folders above them, level by level.

        Args:
            places: pairs of a commit and a path.

        Raises:
            GitError: something is missing here, and the remote cannot be reached.
        """
        if not self.lacks_folders:
            return
        commits = list(dict.fromkeys(commit for commit, _ in places))
        found = zip(commits, self.reader.get_many(commits), strict=True)
        roots = {commit: self._root(data.data) for commit, data in found if data}
        level = {(commit, ""): root for commit, root in roots.items() if root is not None}
        wanted = Wanted(places)
        self._bring_level(level.values())
        while level:
            folders = [place for place in level if wanted.below(*place)]
            trees = self.reader.get_many([level[place] for place in folders])
            level, beside = wanted.next_level(zip(folders, trees, strict=True))
            if self._present.without(level.values()):
                self._bring_level([*level.values(), *beside])

    @staticmethod
    def _root(commit: bytes) -> str | None:
        """Return the root folder of a commit."""
        found = _TREE.match(commit)
        return None if found is None else found[1].decode()

    def _bring_level(self, oids: Iterable[str]) -> None:
        missing = self._present.without(oids)
        if not missing:
            return
        fetched = self._fetch_level(*NO_HAVES, "fetch", *QUIET, refs=missing)
        if fetched.returncode != 0:
            raise out_of_reach(self._url, f"{len(missing)} objects are", fetched)

    def _fetch_with_folders(
        self, *settings: str, refs: Sequence[str], options: Sequence[str] = ()
    ) -> process.Completed:
        args = (*settings, "fetch", *QUIET, FOLDERS, *options, "--stdin", REMOTE)
        return self._fetch(*args, refs=refs)

    def _fetch_level(self, *args: str, refs: Sequence[str]) -> process.Completed:
        fetched = self._fetch(*args, NEXT_LEVEL, "--stdin", REMOTE, refs=refs)
        if fetched.returncode != 0 and names_filter(fetched.stderr):
            return self._fetch(*args, FOLDERS, "--stdin", REMOTE, refs=refs)
        return fetched

    def complete_history(self) -> None:
        """Fetch all commits and their folders, without files.

        Raises:
            GitError: the remote cannot be reached.
        """
        if not self.is_shallow:
            return
        cut = self.shallow_commits()
        fetched = self._fetch_with_folders(refs=["HEAD"], options=("--unshallow",))
        if fetched.returncode != 0:
            raise out_of_reach(self._url, "the history is", fetched)
        del self._places
        if self.lacks_folders:  # the remote takes the folders of these commits to be here
            roots = [self._root(found.data) for found in self.reader.get_many(cut) if found]
            self._bring_below([root for root in roots if root is not None])

    def _bring_below(self, folders: Sequence[str]) -> None:
        """Fetch what is missing of the folders in some folders, at any depth."""
        missing: dict[str, None] = {}
        seen: set[str] = set()
        while folders:
            seen.update(folders)
            missing |= dict.fromkeys(self._present.without(folders))
            trees = self.reader.get_many([oid for oid in folders if oid not in missing])
            inside = [entry for tree in trees if tree for entry in parse_tree(tree.data)]
            below = dict.fromkeys(entry.oid for entry in inside if entry.is_folder)
            folders = [oid for oid in below if oid not in seen]
        self.bring(list(missing))

    def bring_branch(self, branch: str) -> None:
        """Fetch a branch of the remote, if it has it, and all commits before it.

        Raises:
            GitError: the remote cannot be reached.
        """
        self.complete_history()
        name = f"refs/heads/{branch}"
        fetched = self._fetch("fetch", *QUIET, FOLDERS, "--stdin", REMOTE, refs=[f"+{name}:{name}"])
        if fetched.returncode != 0 and "couldn't find remote ref" not in fetched.stderr:
            raise out_of_reach(self._url, f"the branch {branch} is", fetched)

    def fetch_some(self, place: str, *options: str, refs: Sequence[str]) -> process.Completed:  # noqa: ARG002
        """Fetch from the remote of the copy, without files and without most folders."""
        # To tell what is new, the remote would read every folder of the last commit.
        return self._fetch_level(*NO_HAVES, "fetch", *QUIET, *options, refs=refs)

    def _fetch(self, *args: str, refs: Sequence[str]) -> process.Completed:
        return process.run(
            self.folder,
            *args,
            stdin="".join(f"{ref}\n" for ref in refs).encode(),
            check=False,
            extra_env=self._environment,
            interactive=True,
        )


def names_filter(words: str) -> bool:
    """Tell whether a remote refused a filter; one that knows none ignores it.

    >>> names_filter("remote error: filter 'tree' not supported")
    True
    >>> names_filter("tree filter allows max depth 0, but got 1")
    True
    """
    return bool(_REFUSED.search(words))


class Wanted:
    """Which files and folders of commits are wanted; see `LightRepository.bring_paths`."""

    def __init__(self, places: Iterable[tuple[str, str]]) -> None:
        self._names: dict[tuple[str, str], set[str]] = {}
        for commit, path in places:
            folder = ""
            for name in filter(None, path.split("/")):
                self._names.setdefault((commit, folder), set()).add(name)
                folder = f"{folder}/{name}" if folder else name

    def below(self, commit: str, folder: str) -> set[str]:
        """Return the names that are wanted in a folder."""
        return self._names.get((commit, folder), set())

    def next_level(
        self, folders: Iterable[tuple[tuple[str, str], GitObject | None]]
    ) -> tuple[dict[tuple[str, str], str], list[str]]:
        """Return what is wanted in folders, place to object name, and what else is worth a fetch.

        What is beside it in a model's folders is small, and a write asks for it next.
        """
        level: dict[tuple[str, str], str] = {}
        beside: list[str] = []
        for (commit, folder), tree in folders:
            if tree is None or tree.kind != "tree":
                continue
            is_of_model = folder.startswith(f"{layout.ROOT}/") and not folder.endswith("/versions")
            names = self.below(commit, folder)
            for entry in parse_tree(tree.data):
                if entry.name in names:
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    level[commit, path] = entry.oid
                elif is_of_model and entry.mode != _SUBMODULE:
                    beside.append(entry.oid)
        return level, beside


class _LightReader(ObjectReader):
    """Reads the objects of the copy; Git fetches the others."""

    def __init__(self, folder: Path, url: str, environment: Mapping[str, str]) -> None:
        super().__init__(folder, environment)
        self._url = url

    def _failure(self, completed: process.Completed) -> GitError | InvalidRequest:
        missing = _NOT_FETCHED.search(completed.stderr)
        if missing is None:
            return super()._failure(completed)
        return out_of_reach(self._url, f"object {missing[1]} is", completed)


class _LightSnapshot(CommitSnapshot):
    def __init__(
        self,
        repository: LightRepository,
        commit: str | None,
        known: dict[str, GitObject | None] | None = None,
    ) -> None:
        super().__init__(repository.reader, commit, known)
        self._repository = repository

    def _another(self, commit: str, known: dict[str, GitObject | None]) -> CommitSnapshot:
        return _LightSnapshot(self._repository, commit, known)

    def _objects(self, paths: Sequence[str]) -> Sequence[GitObject | None]:
        unknown = [path for path in dict.fromkeys(paths) if path not in self._known]
        if self._commit is not None and unknown and self._repository.lacks_folders:
            self._repository.bring_paths([(self._commit, path) for path in unknown])
        elif self._commit is not None and len(unknown) > 1:
            oids = list(dict.fromkeys(self._blobs(unknown)))
            if len(oids) > 1:
                self._repository.bring(oids)
        return super()._objects(paths)

    def _blobs(self, paths: Sequence[str]) -> Iterator[str]:
        """Yield the object names of the files among ``paths``, read from the folders above them."""
        # With a slash at its end the path names no file, and Git fetches none for it.
        split = [path.rpartition("/") for path in paths if "\n" not in path]
        parents = list(dict.fromkeys(parent + slash for parent, slash, _ in split))
        folders = dict(zip(parents, super()._objects(parents), strict=True))
        for parent, slash, name in split:
            folder = folders[parent + slash]
            if folder is not None and folder.kind == "tree":
                for entry in parse_tree(folder.data):
                    if entry.name == name and not entry.is_folder:
                        yield entry.oid


def out_of_reach(url: str, what: str, completed: process.Completed) -> GitError:
    """Return the error for objects missing from a copy whose remote does not answer."""
    return GitError(
        f"{what} not in the copy, and {hide_credentials(url)} cannot be reached: "
        f"{cause(process.failure('fetch', completed))}"
    )


def cause(error: Exception) -> str:
    """Return Git's message without the name of the Git command."""
    return re.sub(r"^git [a-z-]+: ", "", str(error))
