"""Where a registry of the tests is published: a Git host and a DVC remote, each of some kind."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import gitreg
from tests.conftest import git
from tests.support.servers.git_http import GitHttpServer
from tests.support.servers.s3 import S3Server
from tests.support.servers.ssh import SshServer

if TYPE_CHECKING:
    import pytest

PATIENCE = 180
"""After how many seconds a process of gitreg is thought to hang."""


@dataclass(frozen=True)
class Store:
    """A DVC remote, and a way to look at it that is not DVC's.

    Attributes:
        config: what `.dvc/config` says of it.
        read: gives all files that it has, by name.
        write: puts a file there.
    """

    config: str
    read: Callable[[], dict[str, bytes]]
    write: Callable[[str, bytes], object]

    def objects(self) -> set[str]:
        """Return the objects that it has, after a look at their bytes."""
        found = {}
        for name, content in self.read().items():
            assert name.startswith("files/md5/")
            found["".join(name.split("/")[2:])] = content
        for oid, content in found.items():
            assert hashlib.md5(content).hexdigest() == oid.removesuffix(".dir")
        return set(found)


def folder_store(folder: Path, url: str | None = None) -> Store:
    """Return a remote that is a folder, perhaps one that is reached by ``url``."""

    def read() -> dict[str, bytes]:
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }

    def write(name: str, content: bytes) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)

    return Store(f"url = {url or folder}", read, write)


def s3_store(server: S3Server, prefix: str) -> Store:
    """Return a remote in the bucket of a server."""
    return Store(
        f"url = {server.url(prefix)}\n    endpointurl = {server.endpoint}",
        lambda: server.read(prefix),
        lambda name, content: server.write(f"{prefix}/{name}", content),
    )


@dataclass(frozen=True)
class Place:
    """A published registry.

    Attributes:
        base: a folder of the test's own, a copy of ``templates``.
        host: the bare repository.
        url: what clones and consumers call it.
        store: the DVC remote.
    """

    base: Path
    host: Path
    url: str
    store: Store

    @property
    def work(self) -> Path:
        """The clone of whoever started the registry."""
        return self.base / "work"

    def clone(self, name: str) -> Path:
        """Make another clone, without the way over the wire."""
        git(self.base, "clone", "--quiet", str(self.host), name)
        git(self.base / name, "remote", "set-url", "origin", self.url)
        return self.base / name

    def fill(self) -> None:
        """Publish what the templates have, by plain means."""
        source = self.base / "dvc-remote"
        for path in source.rglob("*"):
            if path.is_file():
                self.store.write(path.relative_to(source).as_posix(), path.read_bytes())
        git(self.work, "push", "--quiet", str(self.host), "main")
        git(self.work, "push", "--quiet", str(self.host), "--tags")

    def hook(self, name: str, script: str) -> None:
        """Let the host run a script of the shell."""
        path = self.host / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}")
        path.chmod(0o755)


def place_of(request: pytest.FixtureRequest, git_kind: str, dvc_kind: str) -> Place:
    """Return a place where nothing is published yet; its clone knows where everything goes."""
    shared: Path = request.getfixturevalue("shared")
    work, host = shared / "work", shared / "host.git"
    store = _store(request, dvc_kind, shared)
    url = _git_url(request, git_kind, host)
    _bare(host)
    point_dvc_to(work, store)
    git(work, "remote", "set-url", "origin", url)
    git(work, "update-ref", "-d", "refs/remotes/origin/main")
    return Place(shared, host, url, store)


def point_dvc_to(work: Path, store: Store) -> None:
    """Let a clone's committed configuration name a DVC remote."""
    (work / "registry" / ".dvc" / "config").write_text(
        f"[core]\n    remote = store\n['remote \"store\"']\n    {store.config}\n"
    )
    git(work, "commit", "--quiet", "-m", "where the bytes are", "registry/.dvc/config")


def _store(request: pytest.FixtureRequest, kind: str, shared: Path) -> Store:
    if kind == "s3":
        bucket: S3Server = request.getfixturevalue("s3")
        enter(request, bucket.client)
        return s3_store(bucket, shared.parent.name)
    folder = shared / "store"
    return folder_store(folder, _ssh(request).url(folder) if kind == "ssh" else None)


def _git_url(request: pytest.FixtureRequest, kind: str, host: Path) -> str:
    if kind == "ssh":
        return _ssh(request).url(host)
    if kind == "http":
        server: GitHttpServer = request.getfixturevalue("git_http")
        return server.url(host)
    return str(host)


def _ssh(request: pytest.FixtureRequest) -> SshServer:
    server: SshServer = request.getfixturevalue("sshd")
    enter(request, server.client)
    return server


def enter(request: pytest.FixtureRequest, variables: Mapping[str, str]) -> None:
    """Make this process, and those that it starts, the client of a server."""
    patch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    for name, value in variables.items():
        patch.setenv(name, value)


def _bare(path: Path) -> None:
    git(path.parent, "init", "--quiet", "--bare", "--initial-branch=main", str(path))
    git(path, "config", "http.receivepack", "true")  # without asking who it is


@dataclass(frozen=True)
class Process:
    """A command that runs on its own."""

    popen: subprocess.Popen[str]

    def end(self) -> tuple[int, str, str]:
        """Wait for its end; return exit code, output and errors."""
        out, err = self.popen.communicate(timeout=PATIENCE)
        assert "Traceback" not in err
        return self.popen.returncode, out, err


def start(folder: Path, *args: str, author: str = "Ada Lovelace") -> Process:
    """Start gitreg as a process, the one that these tests import."""
    return Process(
        subprocess.Popen(
            [sys.executable, "-m", "gitreg", *args],
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": str(Path(str(gitreg.__file__)).parent.parent),
                "GIT_AUTHOR_NAME": author,
                "GIT_COMMITTER_NAME": author,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    )


def together(place: Place, commands: Sequence[tuple[str, ...]]) -> list[tuple[int, str, str]]:
    """Run commands at once, each in a clone and as a person of its own, who push at one moment.

    The host lets no push through before every command has sent its first: what wins is chance, and
    that there is a race is not.
    """
    place.hook(
        "pre-receive",
        f"""\
cat >/dev/null
: > "arrived.$$"
for _ in $(seq 2000); do
    set -- arrived.*
    [ $# -ge {len(commands)} ] && exit 0
    sleep 0.05
done
echo the others did not come
exit 1
""",
    )
    clones = [place.clone(f"clone-{number}") for number in range(len(commands))]
    started = [
        start(clone, *command, author=f"Writer {number}")
        for number, (clone, command) in enumerate(zip(clones, commands, strict=True))
    ]
    return [process.end() for process in started]
