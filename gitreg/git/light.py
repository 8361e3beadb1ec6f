"""A light copy of a remote repository: one commit and its folders; a file comes when it is read.

Git calls it a partial clone, and what is not here but promised is had from the remote by whoever
asks for it. That is right for a pointer or two. Of more, each file would be a connection of its
own, so that several files are had together first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

from gitreg.core.text.urls import hide_credentials
from gitreg.errors import GitError, InvalidRequest
from gitreg.git import process
from gitreg.git.objects import CommitSnapshot, GitObject, ObjectReader, parse_tree
from gitreg.git.repository import GitRepository

REMOTE = "gitreg"
"""What the copy calls its remote; `remote_environment` says where that is."""

_NOT_HAD = re.compile(r"could not fetch ([0-9a-f]{40}) from promisor remote")


SSH_PATIENCE = 30
"""How long an ssh server may take for its first words, and half of how long it may say nothing
after it has let us in; in seconds."""

_SIGNS_OF_LIFE = 4
_NOT_SSH = re.compile(r"(?:file|git|https?)://")
_LOGIN = re.compile(
    r"(?P<scheme>https?://)(?P<user>[^/?#:@]*)(?P<colon>:?)(?P<password>[^/?#@]*)@"
    r"(?P<host>(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?)(?P<rest>(?:/[^@]*)?)"
)
_VARIABLE = "GITREG_REMOTE_PASSWORD"
# Git runs it in a shell. In the list of processes stands the variable's name, not its value.
_TELL_PASSWORD = (
    f"""!f() {{ if test "$1" = get; then printf 'password=%s\\n' "${_VARIABLE}"; fi; }}; f"""
)


def remote_environment(git_dir: Path, url: str) -> Mapping[str, str]:
    """Return the variables with which Git, run in a copy, knows its remote.

    The URL may hold a password. Here it gets into no file; nor, where it is one of http or https,
    into the list of processes, in which the programs that Git starts have the URL among their
    arguments: Git asks for the login when it is wanted. (A login in which an '@' or '/' is not
    encoded stays in the URL.) And a Git that is not given the URL cannot go and have objects
    behind our back.
    """
    bare, login, secrets = _without_login(url)
    options = [
        (f"remote.{REMOTE}.url", bare),
        ("gc.auto", "0"),  # it would go on in the background when our lock is free again
        ("maintenance.auto", "false"),
        ("fetch.unpackLimit", "1"),  # packs can be counted, and put into one
        *login,
    ]
    numbered = list(enumerate(options))
    return {
        "GIT_DIR": str(git_dir),  # of a damaged copy Git would take a repository above it
        "GIT_CONFIG_COUNT": str(len(options)),
        **{f"GIT_CONFIG_KEY_{number}": key for number, (key, _) in numbered},
        **{f"GIT_CONFIG_VALUE_{number}": value for number, (_, value) in numbered},
        **secrets,
        **_ssh_environment(git_dir, url),
    }


def _without_login(url: str) -> tuple[str, list[tuple[str, str]], dict[str, str]]:
    """Return an http(s) URL without its login, and the options and variables that tell that.

    Not a header: Git sends one to wherever it is redirected, and a login to its host alone.

    >>> _without_login("https://ada@host/r.git")[0]
    'https://host/r.git'
    """
    found = _LOGIN.fullmatch(url)
    if found is None:
        return url, [], {}
    user, password = unquote(found["user"]), unquote(found["password"])
    if not f"{user}{password}".isprintable() or not user:
        return url, [], {}  # Git itself refuses line breaks, by a message that says so
    bare = found["scheme"] + found["host"] + found["rest"]
    scope = f"credential.{found['scheme']}{found['host']}"
    # The longest of such rules wins: those of the user are not for a URL with a login.
    options = [(f"url.{bare}.insteadOf", bare), (f"{scope}.username", user)]
    if not found["colon"]:
        return bare, options, {}  # the user's helpers know the password
    # The empty one makes Git forget those of the user, which would be asked first.
    options += [(f"{scope}.helper", ""), (f"{scope}.helper", _TELL_PASSWORD)]
    return bare, options, {_VARIABLE: password}


def _ssh_environment(git_dir: Path, url: str) -> Mapping[str, str]:
    """Return how ssh is to be called so that a server that says nothing is given up.

    Whoever says himself how to call it is not contradicted.
    """
    told = any(os.environ.get(name) for name in ("GIT_SSH_COMMAND", "GIT_SSH", "GIT_SSH_VARIANT"))
    if told or _NOT_SSH.match(url) or not git_dir.is_dir():
        return {}
    asked = process.run(
        git_dir,
        "config",
        "--get",
        "core.sshCommand",
        check=False,
        extra_env={"GIT_DIR": str(git_dir)},
    )
    if asked.text:
        return {}
    interval = max(1, SSH_PATIENCE // 2)
    return {
        "GIT_SSH_COMMAND": f"ssh -o ConnectTimeout={SSH_PATIENCE} "
        f"-o ServerAliveInterval={interval} -o ServerAliveCountMax={_SIGNS_OF_LIFE}"
    }


class LightRepository(GitRepository):
    """The light copy in ``git_dir`` of the repository at ``url``: for reading a few files."""

    def __init__(self, git_dir: Path, url: str) -> None:
        super().__init__(git_dir)
        self._url = url
        self._environment = remote_environment(git_dir, url)
        self.reader = _LightReader(git_dir, url, self._environment)

    def snapshot(self, commit: str | None) -> CommitSnapshot:
        """Return the files of a commit; see `GitRepository.snapshot`."""
        last = self._last_snapshot
        if last is None or last.commit != commit or last.is_full:
            last = self._last_snapshot = _LightSnapshot(self, commit)
        return last

    def bring(self, oids: Sequence[str]) -> None:
        """Have blobs from the remote, all of them at once; what is here already is not asked for.

        Raises:
            GitError: they are not here, and the remote cannot be reached.
        """
        fetched = process.run(
            self.folder,
            "-c",
            "fetch.negotiationAlgorithm=noop",
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--filter=blob:none",
            REMOTE,
            *oids,
            check=False,
            extra_env=self._environment,
            interactive=True,
        )
        if fetched.returncode != 0:
            raise out_of_reach(self._url, f"{len(oids)} files are", fetched)


class _LightReader(ObjectReader):
    """Reads what the copy has, and lets Git have the rest."""

    def __init__(self, folder: Path, url: str, environment: Mapping[str, str]) -> None:
        super().__init__(folder, environment)
        self._url = url

    def _failure(self, completed: process.Completed) -> GitError | InvalidRequest:
        lacking = _NOT_HAD.search(completed.stderr)
        if lacking is None:
            return super()._failure(completed)
        return out_of_reach(self._url, f"object {lacking[1]} is", completed)


class _LightSnapshot(CommitSnapshot):
    def __init__(self, repository: LightRepository, commit: str | None) -> None:
        super().__init__(repository.reader, commit)
        self._repository = repository

    def _objects(self, paths: Sequence[str]) -> Sequence[GitObject | None]:
        unknown = [path for path in dict.fromkeys(paths) if path not in self._known]
        if self._commit is not None and len(unknown) > 1:
            oids = list(dict.fromkeys(self._blobs(unknown)))
            if len(oids) > 1:
                self._repository.bring(oids)
        return super()._objects(paths)

    def _blobs(self, paths: Sequence[str]) -> Iterator[str]:
        """Yield the names of the files among ``paths``, which the folders above them know."""
        # With its slash no file answers to the name of a folder, and none is fetched for it.
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
    """Return the error for objects that a copy lacks while its remote does not answer."""
    return GitError(
        f"{what} not in the copy, and {hide_credentials(url)} cannot be reached: "
        f"{cause(process.failure('fetch', completed))}"
    )


def cause(error: Exception) -> str:
    """Return what Git said, without which command of Git's said it."""
    return re.sub(r"^git [a-z-]+: ", "", str(error))
