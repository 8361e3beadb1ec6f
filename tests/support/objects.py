"""Writes blobs, trees and commits into a repository without starting Git for each."""

from __future__ import annotations

import hashlib
import subprocess
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Files = Mapping[str, bytes]
"""A tree of plain files: path to content."""


@dataclass(frozen=True)
class Written:
    """How a commit is written.

    Attributes:
        when: the committer's and author's date, in seconds since the epoch.
        message: the message.
        who: the e-mail address of author and committer.
        key: the private key that signs it, or ``None``.
    """

    when: int
    message: str = "by hand"
    who: str = "mallory@example.com"
    key: Path | None = None


class Objects:
    """Writes loose objects, and remembers the files of the commits that it wrote."""

    def __init__(self, git_dir: Path) -> None:
        self._folder = git_dir / "objects"
        self.files: dict[str, dict[str, bytes]] = {}
        self.parents: dict[str, tuple[str, ...]] = {}

    def write(self, kind: str, data: bytes) -> str:
        """Write an object as Git stores it, and return its name."""
        stored = f"{kind} {len(data)}\0".encode() + data
        oid = hashlib.sha1(stored).hexdigest()
        path = self._folder / oid[:2] / oid[2:]
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(zlib.compress(stored, 1))
        return oid

    def tree(self, files: Files) -> str:
        """Write a tree of plain files."""
        entries: dict[str, tuple[bytes, str]] = {}
        folders: dict[str, dict[str, bytes]] = {}
        for path, data in files.items():
            name, slash, rest = path.partition("/")
            if slash:
                folders.setdefault(name, {})[rest] = data
            else:
                entries[name] = b"100644", self.write("blob", data)
        for name, inner in folders.items():
            entries[f"{name}/"] = b"40000", self.tree(inner)
        return self.write(
            "tree",
            b"".join(
                mode + b" " + name.removesuffix("/").encode() + b"\0" + bytes.fromhex(oid)
                for name, (mode, oid) in sorted(entries.items())
            ),
        )

    def commit(self, files: Files, parents: Sequence[str], how: Written) -> str:
        """Write a commit, signed if a key is given."""
        person = f"Somebody <{how.who}> {how.when} +0000"
        head = "".join(
            (
                f"tree {self.tree(files)}\n",
                *(f"parent {parent}\n" for parent in parents),
                f"author {person}\ncommitter {person}\n",
            )
        )
        text = f"{head}\n{how.message}\n".encode()
        if how.key is not None:
            signature = signed(text, how.key, "git").decode().rstrip("\n").replace("\n", "\n ")
            text = f"{head}gpgsig {signature}\n\n{how.message}\n".encode()
        oid = self.write("commit", text)
        self.files[oid] = dict(files)
        self.parents[oid] = tuple(parents)
        return oid

    def ancestors(self, commit: str) -> set[str]:
        """Return a commit and all commits before it."""
        found: set[str] = set()
        left = [commit]
        while left:
            oid = left.pop()
            if oid not in found:
                found.add(oid)
                left += self.parents[oid]
        return found


def signed(text: bytes, key: Path, namespace: str) -> bytes:
    """Return the SSH signature of a text."""
    done = subprocess.run(
        ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", key],
        input=text,
        capture_output=True,
        check=True,
        timeout=60,
    )
    return done.stdout
