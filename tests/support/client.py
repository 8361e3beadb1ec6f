"""A clone that is worked in with plain Git, its people's keys, and the policy of its registry."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gitreg.approvals.stored import entries_of
from gitreg.core.operations.approve import approval_of
from gitreg.core.state.state import RegistryState
from gitreg.git.history_index import HistoryIndex
from gitreg.git.repository import GitRepository

PEOPLE = ("ada", "grace", "mallory")


PRODUCTION = "registry/churn/stages/production.yaml"


STAGING = "registry/churn/stages/staging.yaml"


ARCHIVED = "registry/churn/stages/archived.yaml"


MANIFEST = "registry/churn/versions/{}/manifest.yaml"


LIVE = "registry/tokenizer/stages/production.yaml"


POLICY = """\
format: 1
stages:
  staging: {{holds: any}}
  production:
    holds: 1
    crowded: false
    replaced: archived
    gates:
    - {{metric: auc, at_least: 0.75}}
  archived: {{holds: any}}
aliases:
  champion: {{protected: false}}
models:
  tokenizer:
    stages:
      production:
        gates: []
        approvals: {{count: 1, by: [managers]}}
        signed: {{by: [managers]}}
  gated:
    stages:
      production:
        gates:
        - {{soak: {{in: staging, at_least: 30m}}}}
signers:
  ada@example.com: ['{ada}']
  grace@example.com: ['{grace}']
  mallory@example.com: ['{mallory}']
roles:
  managers: [ada@example.com, grace@example.com]
"""


@dataclass
class Client:
    """A clone that is worked in with plain Git."""

    folder: Path
    keys: Path
    env: dict[str, str] = field(default_factory=dict)

    def git(self, *args: str, stdin: bytes | None = None) -> str:
        done = subprocess.run(
            ["git", *args],
            cwd=self.folder,
            env={**os.environ, **self.env},
            input=stdin,
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().rstrip("\n")

    def read(self, path: str) -> str:
        return (self.folder / path).read_text()

    def write(self, files: dict[str, str | None]) -> Client:
        for path, text in files.items():
            place = self.folder / path
            if text is None:
                self.git("rm", "-r", "--quiet", "--", path)
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
            self.git("add", "--force", "--", path)
        return self

    def commit(
        self, files: dict[str, str | None] | None = None, message: str = "by hand", *args: str
    ) -> str:
        self.write(files or {})
        self.git("commit", "--quiet", "--allow-empty", "-m", message, *args)
        return self.git("rev-parse", "HEAD")

    def signing(self, who: str) -> list[str]:
        """Return the options that let a commit be signed by somebody."""
        return ["-c", "gpg.format=ssh", "-c", f"user.signingKey={self.keys / who}"]

    def commit_signed(self, who: str, files: dict[str, str | None], *args: str) -> None:
        self.write(files)
        author = ("-c", f"user.email={who}@example.com", *self.signing(who))
        self.git(*author, "commit", "--quiet", "-S", "-m", "by hand", *args)

    def plumb(self, entries: dict[str, tuple[str, str]], message: str = "by hand") -> str:
        """Commit index entries that `git add` would not make: path to mode and object."""
        for path, (mode, oid) in entries.items():
            self.git("update-index", "--add", "--cacheinfo", f"{mode},{oid},{path}")
        tree = self.git("write-tree")
        commit = self.git("commit-tree", tree, "-p", "HEAD", "-m", message)
        self.git("reset", "--quiet", "--soft", commit)
        return commit

    def blob(self, text: str) -> str:
        return self.git("hash-object", "-w", "--stdin", stdin=text.encode())

    def tree_with(self, name: bytes, oid: str, mode: bytes = b"100644") -> str:
        """Return HEAD's tree with an entry that no Git command would put there."""
        data = subprocess.run(
            ["git", "cat-file", "tree", "HEAD^{tree}"],
            cwd=self.folder,
            capture_output=True,
            check=True,
        ).stdout
        entry = mode + b" " + name + b"\0" + bytes.fromhex(oid)
        return self.git(
            "hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=entry + data
        )

    def approve(self, who: str, version: int, model: str = "tokenizer") -> dict[str, str | None]:
        """Return the approval of a move into production, as a file to be written."""
        repository = GitRepository(self.folder)
        head = str(repository.commit_of("HEAD"))
        state = RegistryState(repository.snapshot(head))
        history = HistoryIndex(repository)
        history.advance(head)
        entry = entries_of(history)(model, "production")
        approval = approval_of(state, repository.root_of(head), model, version, "production", entry)
        history.close()
        repository.close()
        return {self.approval_path(who, version, model): self.sign(who, approval.text)}

    def sign(self, who: str, text: bytes) -> str:
        done = subprocess.run(
            ["ssh-keygen", "-q", "-Y", "sign", "-n", "gitreg-approval", "-f", self.keys / who],
            input=text,
            capture_output=True,
            check=True,
        )
        return done.stdout.decode()

    @staticmethod
    def approval_path(who: str, version: int, model: str = "tokenizer") -> str:
        from gitreg.core.model import layout

        return layout.approval_path(model, version, "production", f"{who}@example.com")

    def push(self, *args: str) -> tuple[int, str]:
        done = subprocess.run(
            ["git", "push", *(args or ("origin", "HEAD:main"))],
            cwd=self.folder,
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.returncode, done.stderr

    def register(self, model: str, number: int, **changes: str) -> dict[str, str | None]:
        """Return the files of a new version, made after those of an older one."""
        old, new = (f"registry/{model}/versions/{n}" for n in (number - 1, number))
        source = self.folder / (
            old if (self.folder / old).exists() else "registry/churn/versions/3"
        )
        files: dict[str, str | None] = {}
        for place in source.glob("*"):
            if place.is_file() and place.name != "annotations.yaml":
                files[f"{new}/{place.name}"] = place.read_text()
        text = str(files[f"{new}/manifest.yaml"])
        known = "\n".join(
            f"model: {model}"
            if entry.startswith("model:")
            else f"version: {number}"
            if entry.startswith("version:")
            else changes.get(entry.split(":")[0], entry)
            for entry in text.splitlines()
        )
        files[f"{new}/manifest.yaml"] = f"{known}\n"
        artifact = next(
            name.removesuffix(".dvc").rpartition("/")[2] for name in files if name.endswith(".dvc")
        )
        section = f"  {model}:\n    path: registry/{model}/versions/{number}/{artifact}\n"
        files["dvc.yaml"] = self._entry(model, section)
        return files

    def _entry(self, model: str, section: str) -> str:
        lines = self.read("dvc.yaml").splitlines(keepends=True)
        start = next((n for n, entry in enumerate(lines) if entry == f"  {model}:\n"), None)
        if start is not None:
            del lines[start : start + 3]
        return "".join(lines) + section + "    type: model\n"


Act = Callable[[Client], "tuple[str, ...] | None"]


"""Commits something; returns what to push, ``None`` for the branch."""
