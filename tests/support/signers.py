"""Keys of people who sign, made by ssh-keygen, and policies that list them."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitreg.core.documents import yaml
from tests.conftest import git

if TYPE_CHECKING:
    import pytest


@dataclass(frozen=True)
class Key:
    """A key pair in two files."""

    private: Path

    @property
    def file(self) -> Path:
        return self.private.with_name(f"{self.private.name}.pub")

    @property
    def line(self) -> str:
        """``ssh-ed25519 AAAA…``, without the comment."""
        return " ".join(self.file.read_text().split()[:2])

    def sign(self, text: bytes, namespace: str = "gitreg-approval") -> bytes:
        """Sign as ssh-keygen does by itself."""
        done = subprocess.run(
            ["ssh-keygen", "-Y", "sign", "-n", namespace, "-f", str(self.private)],
            input=text,
            capture_output=True,
            check=True,
            timeout=60,
        )
        return done.stdout


def make_key(folder: Path, name: str, *options: str, passphrase: str = "") -> Key:
    """Make a key pair; ed25519 unless the options (``-t rsa -b 1024``) say otherwise."""
    folder.mkdir(exist_ok=True)
    kind = options or ("-t", "ed25519")
    subprocess.run(
        ["ssh-keygen", "-q", *kind, "-N", passphrase, "-C", f"{name} laptop", "-f", folder / name],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return Key(folder / name)


@contextlib.contextmanager
def agent(monkeypatch: pytest.MonkeyPatch, folder: Path, *keys: Key) -> Iterator[None]:
    """Run an ssh-agent that holds keys."""
    socket = folder / "agent"
    process = subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(socket)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        variables = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
        for key in keys:
            subprocess.run(
                ["ssh-add", "-q", str(key.private)],
                env=variables,
                check=True,
                capture_output=True,
                timeout=60,
            )
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        yield
    finally:
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        process.terminate()
        process.wait(timeout=30)
        if process.stdout is not None:
            process.stdout.close()


def use_ssh(folder: Path, key: str, *, commits: bool = False, tags: bool = False) -> None:
    """Configure Git in a repository to sign with an SSH key."""
    git(folder, "config", "gpg.format", "ssh")
    git(folder, "config", "user.signingkey", key)
    git(folder, "config", "commit.gpgsign", str(commits).lower())
    git(folder, "config", "tag.gpgsign", str(tags).lower())


def write_policy(
    folder: Path,
    signers: Mapping[str, list[str]],
    revoked: tuple[str, ...] = (),
    count: int | None = None,
) -> None:
    """Commit a policy that lists signers and asks for approvals of production."""
    production: dict[str, object] = {"holds": 1, "replaced": "archived"}
    if count is not None:
        production["approvals"] = {"count": count, "by": list(signers)}
    document = {
        "format": 1,
        "stages": {
            "staging": {"holds": "any"},
            "production": production,
            "archived": {"holds": "any"},
        },
        "signers": dict(signers),
        "revoked": list(revoked),
    }
    (folder / "registry" / "policy.yaml").write_bytes(yaml.dump(document))  # type: ignore[arg-type]
    git(folder, "-c", "commit.gpgsign=false", "commit", "--quiet", "-am", "policy")
