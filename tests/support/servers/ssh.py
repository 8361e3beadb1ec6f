"""OpenSSH's server for the user who runs the tests, and clients that know nobody else.

It serves Git and, by its SFTP, DVC.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.servers.ready import lacking, wait_until

_PORTS_TRIED = 5


@dataclass(frozen=True)
class SshServer:
    """A running server.

    Attributes:
        port: where on 127.0.0.1 it listens.
        home: a home folder for clients: key, known hosts, and a configuration that has only them.
        log: what the server says.
    """

    port: int
    home: Path
    log: Path

    def url(self, path: Path, port: int | None = None) -> str:
        """Return the URL of a path of this machine, perhaps through a proxy's port."""
        return f"ssh://{getpass.getuser()}@127.0.0.1:{port or self.port}{path}"

    @property
    def client(self) -> dict[str, str]:
        """The environment of a client.

        OpenSSH takes the home folder from the user database, the library below DVC from ``HOME``.
        """
        config = self.home / ".ssh" / "config"
        return {"HOME": str(self.home), "GIT_SSH_COMMAND": f"ssh -F '{config}'"}


@contextmanager
def ssh_server(folder: Path) -> Iterator[SshServer]:
    """Run a server whose keys, configuration and log are in ``folder``."""
    # By its whole path, because it starts itself anew for each connection.
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
    program = shutil.which("sshd", path=path)
    if program is None or shutil.which("ssh-keygen") is None:
        lacking("OpenSSH's server is not installed (Debian: apt-get install openssh-server)")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where it locks its helper in
    home = folder / "home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    key = home / ".ssh" / "id_ed25519"
    for made in (folder / "host_key", key):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "a test", "-f", str(made)],
            check=True,
        )
    shutil.copy(key.with_suffix(".pub"), folder / "authorized_keys")
    for _ in range(_PORTS_TRIED):  # another process can take a port that was just found free
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = int(free.getsockname()[1])
        server = SshServer(port, home, folder / "log")
        _configure(server, folder)
        process = subprocess.Popen(
            [program, "-D", "-f", str(folder / "sshd_config"), "-E", str(server.log)],
            env={"PATH": path, "LC_ALL": "C"},
        )
        try:
            wait_until(lambda p=process, s=server: _ended(p) or _answers(s), server.log.read_text)  # type: ignore[misc]
            if not _ended(process):
                yield server
                return
        finally:
            process.terminate()
            process.wait()
        if "Address already in use" not in server.log.read_text():
            break
    pytest.fail(f"sshd ended: {server.log.read_text()}", pytrace=False)


@contextmanager
def ssh_agent(key: Path, place: Path) -> Iterator[dict[str, str]]:
    """Run an agent that holds a key; give the environment of its clients."""
    variables = {"SSH_AUTH_SOCK": str(place)}
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(place)], stdout=subprocess.DEVNULL)
    try:
        wait_until(place.exists, lambda: "nothing")
        subprocess.run(["ssh-add", "-q", str(key)], env={**os.environ, **variables}, check=True)
        yield variables
    finally:
        process.terminate()
        process.wait()


def _configure(server: SshServer, folder: Path) -> None:
    (folder / "sshd_config").write_text(
        f"""\
Port {server.port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
# The folders above a temporary one are not this server's to judge.
StrictModes no
AuthenticationMethods publickey
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PrintMotd no
UseDNS no
# Many connections at once are what the tests of races make.
MaxStartups 100
MaxSessions 100
LogLevel DEBUG1
SetEnv GIT_CONFIG_GLOBAL={os.devnull} GIT_CONFIG_SYSTEM={os.devnull}
Subsystem sftp internal-sftp
"""
    )
    known_hosts = server.home / ".ssh" / "known_hosts"
    # Without a port: proxies in front of the server have others.
    host_key = (folder / "host_key.pub").read_text()
    known_hosts.write_text(f"gitreg-tests {host_key}")
    (server.home / ".ssh" / "config").write_text(
        f"""\
HostKeyAlias gitreg-tests
UserKnownHostsFile {known_hosts}
GlobalKnownHostsFile {os.devnull}
StrictHostKeyChecking yes
IdentityFile {server.home}/.ssh/id_ed25519
IdentitiesOnly yes
BatchMode yes
"""
    )


def _ended(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is not None


def _answers(server: SshServer) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
