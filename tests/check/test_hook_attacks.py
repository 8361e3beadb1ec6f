"""A server with the pre-receive hook, and plain Git clients that try every way around it.

Each attack is refused with the code of its finding, nothing of it arrives, and an honest twin of it
(the same wish, by the rules) is let through.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from gitreg import Registry, hooks
from gitreg.core.operations.approve import approval_of
from gitreg.core.state.state import RegistryState
from gitreg.git.repository import GitRepository
from tests.conftest import git, isolate

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
        approval = approval_of(state, repository.root_of(head), model, version, "production")
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


@pytest.fixture(scope="module")
def hosted(templates: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The templates with a policy, people's keys, and the hook on the server."""
    base = tmp_path_factory.mktemp("hosted") / "base"
    shutil.copytree(templates, base, symlinks=True)
    keys = base / "keys"
    keys.mkdir()
    for who in PEOPLE:
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", who, "-f", keys / who], check=True
        )
    public = {who: " ".join((keys / f"{who}.pub").read_text().split()[:2]) for who in PEOPLE}
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("hosted-home"))
        work = base / "work"
        (work / "registry/policy.yaml").write_text(POLICY.format(**public))
        git(work, "commit", "--quiet", "-am", "the rules")
        git(work, "push", "--quiet", "origin", "main")
        hooks.install(GitRepository(base / "origin.git"), "pre-receive")
    return base


@pytest.fixture
def base(hosted: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(hosted, tmp_path / "base", symlinks=True))


@pytest.fixture
def client(base: Path) -> Client:
    return Client(base / "work", base / "keys")


Act = Callable[[Client], "tuple[str, ...] | None"]
"""Commits something; returns what to push, ``None`` for the branch."""

TO_3: dict[str, str | None] = {
    PRODUCTION: "versions:\n- 3\n",
    ARCHIVED: "versions:\n- 1\n- 2\n",
}
BACK: dict[str, str | None] = {PRODUCTION: "versions:\n- 2\n", ARCHIVED: "versions:\n- 1\n"}
TO_1: dict[str, str | None] = {PRODUCTION: "versions:\n- 1\n", ARCHIVED: "versions:\n- 2\n"}


def promote(client: Client) -> None:
    client.commit(TO_3)


def promote_below_the_gate(client: Client) -> None:
    client.commit(TO_1)


def change_and_revert(client: Client) -> None:
    client.commit(TO_1)
    client.git("revert", "--no-edit", "HEAD")


def promote_and_revert(client: Client) -> None:
    client.commit(TO_3)
    client.git("revert", "--no-edit", "HEAD")


def side_branch(client: Client, files: dict[str, str | None]) -> None:
    """Let another branch and main go on, each by a commit."""
    client.git("switch", "--quiet", "-c", "side")
    client.commit(files)
    client.git("switch", "--quiet", "main")
    client.commit({"README.md": "code goes on\n"})


def evil_merge(client: Client) -> None:
    side_branch(client, {"notes.md": "harmless\n"})
    client.git("merge", "--quiet", "--no-commit", "side")
    client.commit(TO_1, "Merge branch 'side'")


def honest_merge(client: Client) -> None:
    side_branch(client, TO_3)
    client.git("merge", "--quiet", "--no-edit", "side")


def merge_that_undoes(client: Client) -> None:
    """Take the side's tree for the result, and with it main's registration back."""
    client.git("switch", "--quiet", "-c", "side")
    client.commit({"notes.md": "harmless\n"})
    client.git("switch", "--quiet", "main")
    client.commit(client.register("churn", 4))
    client.git("merge", "--quiet", "--no-commit", "side")
    client.git("read-tree", "-u", "--reset", "side")
    client.commit(None, "Merge branch 'side'")


def merge_of_a_registration(client: Client) -> None:
    client.git("switch", "--quiet", "-c", "side")
    client.commit({"notes.md": "harmless\n"})
    client.git("switch", "--quiet", "main")
    client.commit(client.register("churn", 4))
    client.git("merge", "--quiet", "--no-edit", "side")


def merge_of_what_does_not_go_together(client: Client) -> None:
    side_branch(client, {STAGING: "versions:\n- 3\n"})
    client.commit({ARCHIVED: "versions:\n- 1\n- 3\n"})
    client.git("merge", "--quiet", "--no-edit", "side")


def merge_the_wrong_way_round(client: Client) -> None:
    client.git("switch", "--quiet", "-c", "side", "HEAD~1")
    client.commit({"notes.md": "harmless\n"})
    client.git("merge", "--quiet", "--no-edit", "main")


def rename_a_version(client: Client) -> None:
    client.git("mv", "registry/churn/versions/3", "registry/churn/versions/4")
    client.commit()


def register_the_next(client: Client) -> None:
    client.commit(client.register("churn", 4))


def turn_into_a_symlink(client: Client) -> None:
    client.plumb({PRODUCTION: ("120000", client.blob("../../other"))})


def register_with_a_symlink(client: Client) -> None:
    client.write(client.register("churn", 4))
    client.plumb({MANIFEST.format(4): ("120000", client.blob("../3/manifest.yaml"))})


def submodule(client: Client) -> None:
    client.plumb({"registry/other": ("160000", client.git("rev-parse", "HEAD"))})


def submodule_elsewhere(client: Client) -> None:
    client.plumb({"vendor/lib": ("160000", client.git("rev-parse", "HEAD"))})


LOOSE = "format: 1\nstages:\n  staging: {}\n  production: {holds: 1}\n  archived: {}\n"


def loosen_and_use(client: Client) -> None:
    client.commit({"registry/policy.yaml": LOOSE})
    client.commit(TO_1)


def loosen_then_use(client: Client) -> None:
    client.commit({"registry/policy.yaml": LOOSE})
    assert client.push()[0] == 0
    client.commit(TO_1)


def loosen_and_use_in_one(client: Client) -> None:
    client.commit({"registry/policy.yaml": LOOSE, **TO_1})


def squash_below_the_gate(client: Client) -> None:
    client.git("switch", "--quiet", "-c", "side")
    client.commit({STAGING: "versions:\n- 1\n", ARCHIVED: None})
    client.commit({STAGING: None, **TO_1})
    client.git("switch", "--quiet", "main")
    client.git("merge", "--quiet", "--squash", "side")
    client.commit(None, "Squashed")


def squash_honest(client: Client) -> None:
    client.git("switch", "--quiet", "-c", "side")
    client.commit(client.register("churn", 4))
    client.commit({PRODUCTION: "versions:\n- 4\n", ARCHIVED: "versions:\n- 1\n- 2\n"})
    client.git("switch", "--quiet", "main")
    client.git("merge", "--quiet", "--squash", "side")
    client.commit(None, "Squashed")


GO_LIVE: dict[str, str | None] = {LIVE: "versions:\n- 1\n"}


def forged_author(client: Client) -> None:
    """Mallory writes Ada into the commit, and signs with a key of her own."""
    client.commit(client.approve("grace", 1))
    client.commit_signed("mallory", GO_LIVE, "--author=Ada Lovelace <ada@example.com>")


def signed_and_approved(client: Client) -> None:
    client.commit(client.approve("grace", 1))
    client.commit_signed("ada", GO_LIVE, "--author=Alan <alan@example.com>")


def unsigned(client: Client) -> None:
    client.commit({**client.approve("grace", 1), **GO_LIVE})


def forged_rollback(client: Client) -> None:
    """Say of a version that was never there that it comes back."""
    client.commit(
        client.register("churn", 4, auc="  auc: 0.1") | {MANIFEST.format(4): weak(client)}
    )
    client.commit(
        {PRODUCTION: "versions:\n- 4\n", ARCHIVED: "versions:\n- 1\n- 2\n"},
        "roll back churn\n\nGitreg-Action: rollback\nGitreg-Model: churn\n",
    )


def weak(client: Client) -> str:
    text = str(client.register("churn", 4)[MANIFEST.format(4)])
    return text.replace("auc: 0.9", "auc: 0.1")


def rollback(client: Client) -> None:
    """Bring back what was in production before, below today's gate as it is."""
    client.commit(TO_1, "roll back churn\n\nGitreg-Action: rollback\nGitreg-Model: churn\n")


def forged_override(client: Client) -> None:
    client.commit(TO_1, "promote\n\nGitreg-Override: I may\n")


def own_approval(client: Client) -> None:
    client.commit(client.approve("ada", 1))
    client.commit_signed("ada", GO_LIVE)


def replayed_approval(client: Client) -> None:
    """Use an approval of version 1 against nothing again when version 2 is there."""
    client.commit(client.approve("grace", 1))
    client.commit_signed("ada", GO_LIVE, "--author=Alan <alan@example.com>")
    client.commit(client.register("tokenizer", 2))
    client.commit(client.approve("grace", 2))
    client.commit_signed(
        "ada",
        {LIVE: "versions:\n- 2\n", "registry/tokenizer/stages/archived.yaml": "versions:\n- 1\n"},
        "--author=Alan <alan@example.com>",
    )
    assert client.push()[0] == 0
    client.commit_signed(
        "ada",
        {LIVE: "versions:\n- 1\n", "registry/tokenizer/stages/archived.yaml": "versions:\n- 2\n"},
        "--author=Alan <alan@example.com>",
    )


def approved_again(client: Client) -> None:
    client.commit(client.approve("grace", 1))
    client.commit_signed("ada", GO_LIVE, "--author=Alan <alan@example.com>")
    client.commit(client.register("tokenizer", 2))
    client.commit(client.approve("grace", 2))
    client.commit_signed(
        "ada",
        {LIVE: "versions:\n- 2\n", "registry/tokenizer/stages/archived.yaml": "versions:\n- 1\n"},
        "--author=Alan <alan@example.com>",
    )
    client.commit(client.approve("grace", 1))
    client.commit_signed(
        "ada",
        {LIVE: "versions:\n- 1\n", "registry/tokenizer/stages/archived.yaml": "versions:\n- 2\n"},
        "--author=Alan <alan@example.com>",
    )


def approval_for_another_version(client: Client) -> None:
    client.commit(client.register("tokenizer", 2))
    approval = client.approve("grace", 1)
    client.commit({client.approval_path("grace", 2): next(iter(approval.values()))})
    client.commit_signed("ada", {LIVE: "versions:\n- 2\n"}, "--author=Alan <alan@example.com>")


def approval_of_this_version(client: Client) -> None:
    client.commit(client.register("tokenizer", 2))
    client.commit(client.approve("grace", 2))
    client.commit_signed("ada", {LIVE: "versions:\n- 2\n"}, "--author=Alan <alan@example.com>")


def merge_a_stranger(client: Client, *, is_approved_here: bool) -> None:
    """Merge a repository that began apart, in which words@1 was approved and went live."""
    policy = client.read("registry/policy.yaml")
    section = policy[policy.index("  tokenizer:\n") : policy.index("  gated:\n")]
    strict = policy.replace("  gated:\n", section.replace("tokenizer", "words") + "  gated:\n", 1)
    client.commit({"registry/policy.yaml": strict})
    assert client.push()[0] == 0
    files = client.register("words", 1)
    artifacts = str(files["dvc.yaml"])
    own = artifacts[artifacts.index("  words:") :]
    client.git("switch", "--quiet", "--orphan", "stranger")
    client.commit({"registry/policy.yaml": strict})
    client.commit({**files, "dvc.yaml": f"artifacts:\n{own}"})
    live: dict[str, str | None] = {"registry/words/stages/production.yaml": "versions:\n- 1\n"}
    if not is_approved_here:
        client.commit(client.approve("grace", 1, "words"))
        client.commit_signed("ada", live, "--author=Alan <alan@example.com>")
    client.git("switch", "--quiet", "main")
    options = ("--quiet", "--no-commit", "--allow-unrelated-histories", "--strategy-option=ours")
    client.git("merge", *options, "stranger")
    client.commit({"dvc.yaml": artifacts}, "Merge the stranger")
    if is_approved_here:
        client.commit(client.approve("grace", 1, "words"))
        client.commit_signed("ada", live, "--author=Alan <alan@example.com>")


def approved_in_another_repository(client: Client) -> None:
    merge_a_stranger(client, is_approved_here=False)


def merged_and_approved_here(client: Client) -> None:
    merge_a_stranger(client, is_approved_here=True)


def backdated(client: Client) -> None:
    client.env = {"GIT_COMMITTER_DATE": "2020-01-01T00:00:00Z"}
    client.commit({STAGING: "versions:\n- 3\n"})


GATED_STAGING: dict[str, str | None] = {"registry/gated/stages/staging.yaml": "versions:\n- 1\n"}
GATED_LIVE: dict[str, str | None] = {
    "registry/gated/stages/staging.yaml": None,
    "registry/gated/stages/production.yaml": "versions:\n- 1\n",
}


def stage_long_ago(client: Client) -> None:
    """Say of a version that it has been in staging for 50 minutes; clocks may differ so much."""
    client.commit(client.register("gated", 1))
    client.env = {"GIT_COMMITTER_DATE": f"{int(time.time()) - 3000} +0000"}
    client.commit(GATED_STAGING)
    client.env = {}


def soaked_by_a_forged_date(client: Client) -> None:
    stage_long_ago(client)
    client.commit(GATED_LIVE)


def soaked_on_the_server(client: Client) -> None:
    stage_long_ago(client)
    assert client.push()[0] == 0
    client.commit(GATED_LIVE)


def from_the_future(client: Client) -> None:
    client.env = {"GIT_COMMITTER_DATE": "2099-01-01T00:00:00Z"}
    client.commit({STAGING: "versions:\n- 3\n"})


def stage_now(client: Client) -> None:
    client.commit({STAGING: "versions:\n- 3\n"})


def force_push(client: Client) -> tuple[str, ...]:
    client.git("reset", "--quiet", "--hard", "HEAD~1")
    client.commit({"code.py": "pass\n"})
    return ("--force", "origin", "HEAD:main")


def delete_the_branch(client: Client) -> tuple[str, ...]:
    return ("origin", ":main")


def delete_another_branch(client: Client) -> tuple[str, ...]:
    assert client.push("origin", "HEAD:feature")[0] == 0
    return ("origin", ":feature")


def move_a_tag(client: Client) -> tuple[str, ...]:
    client.git("tag", "-f", "-a", "-m", "moved", "churn@v2.0.0", "HEAD")
    return ("--force", "origin", "refs/tags/churn@v2.0.0")


def delete_a_tag(client: Client) -> tuple[str, ...]:
    return ("origin", ":refs/tags/churn@v2.0.0")


def invent_a_tag(client: Client) -> tuple[str, ...]:
    client.git("tag", "-a", "-m", "x", "churn#production#77", "HEAD")
    return ("origin", "refs/tags/churn#production#77")


def tag_that_only_gto_reads(client: Client, name: str) -> tuple[str, ...]:
    client.git("tag", "-a", "-m", "x", name, "HEAD")
    return ("origin", f"refs/tags/{name}")


def tag_of_another_artifact(client: Client) -> tuple[str, ...]:
    return tag_that_only_gto_reads(client, "report@v1.2.3")


def tag_of_ones_own(client: Client) -> tuple[str, ...]:
    client.git("tag", "-a", "-m", "release", "v1.0", "HEAD")
    assert client.push("origin", "v1.0")[0] == 0
    client.git("tag", "-f", "-a", "-m", "again", "v1.0", "HEAD~1")
    return ("--force", "origin", "v1.0")


def tag_sync(client: Client) -> tuple[str, ...]:
    from gitreg import Registry

    client.commit(TO_3)
    with Registry(client.folder) as registry:
        made = registry.sync_tags().made
    assert made
    return ("--atomic", "origin", "HEAD:main", *(f"refs/tags/{name}" for name in made))


def replace_an_object(client: Client) -> tuple[str, ...]:
    client.git("replace", "HEAD", "HEAD~1")
    return ("origin", "refs/replace/*")


def note_on_an_object(client: Client) -> tuple[str, ...]:
    client.git("notes", "add", "-m", "reviewed", "HEAD")
    return ("origin", "refs/notes/commits")


def newline_in_a_name(client: Client) -> None:
    client.plumb({"registry/churn/stages/a\nb.yaml": ("100644", client.blob("versions:\n- 3\n"))})


def quote_in_a_name(client: Client) -> None:
    client.plumb(
        {'registry/churn/stages/"production".yaml': ("100644", client.blob("versions:\n- 3\n"))}
    )


def encoded_name(client: Client) -> None:
    files = client.register("a%22b", 1)
    files = {path.replace("/a%22b/", "/a%22b/"): text for path, text in files.items()}
    manifest = "registry/a%22b/versions/1/manifest.yaml"
    files[manifest] = str(files[manifest]).replace("model: a%22b", "model: 'a\"b'")
    files["dvc.yaml"] = client.read("dvc.yaml")
    client.commit(files)


def git_entry(client: Client) -> None:
    hook = client.git("hash-object", "-w", "--stdin", stdin=b"#!/bin/sh\n")
    inner = client.git("mktree", stdin=f"100755 blob {hook}\tpost-checkout\n".encode())
    tree = client.tree_with(b".git", inner, b"40000")
    commit = client.git("commit-tree", tree, "-p", "HEAD", "-m", "by hand")
    client.git("update-ref", "refs/heads/main", commit)


def dot_dot_entry(client: Client) -> None:
    inner = client.git("rev-parse", "HEAD:registry")
    tree = client.tree_with(b"..", inner, b"40000")
    commit = client.git("commit-tree", tree, "-p", "HEAD", "-m", "by hand")
    client.git("update-ref", "refs/heads/main", commit)


def put_tree(client: Client, folder: str, change: Callable[[bytes], bytes]) -> None:
    """Commit HEAD with the tree of a folder written anew, byte by byte."""
    data = subprocess.run(
        ["git", "cat-file", "tree", f"HEAD:{folder}"],
        cwd=client.folder,
        capture_output=True,
        check=True,
    ).stdout
    tree = client.git(
        "hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=change(data)
    )
    *above, name = folder.split("/")
    while True:
        place = "/".join(above)
        listing = client.git("ls-tree", f"HEAD:{place}").splitlines()
        entries = [
            f"{entry.split()[0]} tree {tree}\t{name}" if entry.endswith(f"\t{name}") else entry
            for entry in listing
        ]
        tree = client.git("mktree", stdin="".join(f"{e}\n" for e in entries).encode())
        if not above:
            break
        name = above.pop()
    commit = client.git("commit-tree", tree, "-p", "HEAD", "-m", "by hand")
    client.git("update-ref", "refs/heads/main", commit)


def doubled_entry(client: Client) -> None:
    """Put a second production.yaml behind the first: some read the one, some the other."""
    entry = b"100644 production.yaml\0" + bytes.fromhex(client.blob("versions:\n- 3\n"))
    put_tree(client, "registry/churn/stages", lambda data: data + entry)


def hidden_entry(client: Client) -> None:
    """Put a version's file where a lookup does not come any more."""
    entry = b"100644 annotations.yaml\0" + bytes.fromhex(client.blob("owner: me\n"))
    put_tree(client, "registry/churn/versions/2", lambda data: data + entry)


def second_dvc_yaml(client: Client) -> None:
    """Put a second dvc.yaml, of no registered bytes, at the end of the root folder."""
    tree = client.tree_with(b"dvc.yaml", client.blob("artifacts: {}\n"))
    commit = client.git("commit-tree", tree, "-p", "HEAD", "-m", "by hand")
    client.git("update-ref", "refs/heads/main", commit)


def gitignore(client: Client) -> None:
    client.commit({"src/.gitignore": "*.pyc\n", ".gitattributes": "*.md text\n"})


GONE = "deleted_at: '2026-11-22T20:25:06Z'\ndeleted_by: Ada <ada@example.com>\nreason: leaked\n"


def delete_version(client: Client, number: int = 3) -> None:
    folder = f"registry/churn/versions/{number}"
    client.git("rm", "-r", "--quiet", folder)
    entry = client._entry("churn", "  churn:\n    path: registry/churn/versions/2/model\n")
    client.commit({f"{folder}/deleted.yaml": GONE, "dvc.yaml": entry})


def go_live(client: Client) -> None:
    signed_and_approved(client)
    assert client.push()[0] == 0


def without_tokenizer(client: Client) -> dict[str, str | None]:
    client.git("rm", "-r", "--quiet", "registry/tokenizer/versions/1")
    entry = client._entry("tokenizer", "").removesuffix("    type: model\n")
    return {
        LIVE: None,
        "registry/tokenizer/versions/1/deleted.yaml": GONE,
        "dvc.yaml": entry,
    }


def delete_what_is_live(client: Client) -> None:
    """Take a version out of a stage whose moves are signed, by deleting it, unsigned."""
    go_live(client)
    client.commit(without_tokenizer(client))


def delete_what_is_live_signed(client: Client) -> None:
    go_live(client)
    client.commit_signed("ada", without_tokenizer(client))


def drop_a_stage(client: Client) -> None:
    """Have a stage, with a version in it, that the policy has no more."""
    policy = client.read("registry/policy.yaml")
    shadowed = policy.replace(
        "  archived: {holds: any}\n", "  archived: {holds: any}\n  shadow: {}\n"
    )
    client.commit({"registry/policy.yaml": shadowed})
    assert client.push()[0] == 0
    client.commit(client.register("tokenizer", 2))
    client.commit({"registry/tokenizer/stages/shadow.yaml": "versions:\n- 2\n"})
    assert client.push()[0] == 0
    client.commit({"registry/policy.yaml": policy})
    assert client.push()[0] == 0
    go_live(client)


HIDDEN: dict[str, str | None] = {
    LIVE: None,
    "registry/tokenizer/stages/shadow.yaml": "versions:\n- 1\n- 2\n",
}


def hide_in_a_dropped_stage(client: Client) -> None:
    drop_a_stage(client)
    client.commit(HIDDEN)


def archive_signed(client: Client) -> None:
    drop_a_stage(client)
    archived = "registry/tokenizer/stages/archived.yaml"
    client.commit_signed(
        "ada",
        {
            LIVE: None,
            archived: "versions:\n- 1\n- 2\n",
            "registry/tokenizer/stages/shadow.yaml": None,
        },
    )


def reuse_a_number(client: Client) -> None:
    files = client.register("churn", 3)
    saved = {
        path: client.read(path) for path in files if path.startswith("registry/churn/versions/3/")
    }
    delete_version(client)
    entry = client._entry("churn", "  churn:\n    path: registry/churn/versions/3/model\n")
    client.git("rm", "--quiet", "registry/churn/versions/3/deleted.yaml")
    client.commit({**saved, "dvc.yaml": entry})


def delete_and_take_the_next(client: Client) -> None:
    files = client.register("churn", 4)
    delete_version(client)
    files["dvc.yaml"] = client._entry(
        "churn", "  churn:\n    path: registry/churn/versions/4/model\n"
    )
    client.commit(files)


def skip_a_number(client: Client) -> None:
    client.commit(
        client.register("churn", 4)
        and {
            path.replace("/4/", "/5/"): None
            if text is None
            else text.replace("version: 4", "version: 5").replace("versions/4/", "versions/5/")
            for path, text in client.register("churn", 4).items()
        }
    )


def remove_a_version(client: Client) -> None:
    entry = client._entry("churn", "  churn:\n    path: registry/churn/versions/2/model\n")
    client.commit({"registry/churn/versions/3": None, "dvc.yaml": entry})


def edit_a_manifest(client: Client) -> None:
    path = MANIFEST.format(2)
    client.commit({path: client.read(path).replace("auc: 0.8", "auc: 0.99")})


def annotate(client: Client) -> None:
    client.commit({"registry/churn/versions/2/annotations.yaml": "description: looked at\n"})


def repoint_bytes(client: Client) -> None:
    other = client.read("registry/churn/versions/1/model.dvc")
    client.commit({"registry/churn/versions/2/model.dvc": other})


def repoint_dvc_yaml(client: Client) -> None:
    entry = client._entry("churn", "  churn:\n    path: registry/churn/versions/1/model\n")
    client.commit({"dvc.yaml": entry})


def another_artifact(client: Client) -> None:
    client.commit({"dvc.yaml": client.read("dvc.yaml") + "  report:\n    path: report.html\n"})


def add_to_a_version(client: Client) -> None:
    client.commit({"registry/churn/versions/2/requirements.txt": "evil==1\n"})


def commit_the_bytes(client: Client) -> None:
    client.commit({"registry/churn/versions/2/model/model.pkl": "weights"})


def two_stages(client: Client) -> None:
    client.commit({STAGING: "versions:\n- 2\n"})


def two_in_production(client: Client) -> None:
    client.commit({PRODUCTION: "versions:\n- 2\n- 3\n"})


def unknown_stage(client: Client) -> None:
    client.commit({"registry/churn/stages/shadow.yaml": "versions:\n- 3\n"})


def alias_to_nowhere(client: Client) -> None:
    client.commit({"registry/churn/aliases/next.yaml": "version: 9\n"})


def alias_to_a_version(client: Client) -> None:
    client.commit({"registry/churn/aliases/next.yaml": "version: 3\n"})


def alias_like_another(client: Client) -> None:
    client.commit({"registry/churn/aliases/Champion.yaml": "version: 3\n"})


def model_like_another(client: Client) -> None:
    client.commit(client.register("Churn", 1))


CHAMPION = "registry/churn/aliases/champion.yaml"


def delete_a_protected_alias(client: Client) -> None:
    policy = client.read("registry/policy.yaml")
    protecting = policy.replace("protected: false", "protected: true")
    client.commit({"registry/policy.yaml": protecting})
    assert client.push()[0] == 0
    client.commit({CHAMPION: None})


def delete_a_free_alias(client: Client) -> None:
    client.commit({CHAMPION: None})


def look_alike(client: Client, path: str) -> None:
    client.plumb({path: ("100644", client.blob("versions:\n- 1\n"))})


def policy_as_a_folder(client: Client) -> None:
    client.git("rm", "--quiet", "registry/policy.yaml")
    client.commit({"registry/policy.yaml/model.yaml": "description: a model\n"})


def describe_a_model(client: Client) -> None:
    client.commit({"registry/churn/model.yaml": "description: who leaves\n"})


def another_model(client: Client) -> None:
    client.commit(client.register("churn-b", 1))


def garbage_in_a_pointer(client: Client) -> None:
    client.commit({PRODUCTION: "versions: ['2']\n"})


def garbage_in_the_policy(client: Client) -> None:
    client.commit({"registry/policy.yaml": "format: 1\nstages: {production: {hold: 1}}\n"})


def rename_model(client: Client) -> None:
    with Registry(client.folder) as registry:
        registry.rename_model("churn", "leavers")


def rename_and_change(client: Client) -> None:
    rename_model(client)
    path = MANIFEST.format(2).replace("/churn/", "/leavers/")
    client.commit({path: client.read(path).replace("auc: 0.8", "auc: 0.99")}, "by hand", "--amend")


def rename_and_promote(client: Client) -> None:
    rename_model(client)
    client.commit(
        {PRODUCTION.replace("/churn/", "/leavers/"): "versions:\n- 1\n"}, "by hand", "--amend"
    )


def delete_model(client: Client) -> None:
    with Registry(client.folder) as registry:
        registry.delete_model("churn", force=True)


def remove_a_model(client: Client) -> None:
    delete_model(client)
    client.commit({"registry/churn/deleted.yaml": None}, "by hand", "--amend")


def begin_anew(client: Client, auc: str = "0.9") -> None:
    files = client.register("churn", 2)
    manifest = files.pop("registry/churn/versions/2/manifest.yaml")
    made = {path.replace("/2/", "/1/"): text for path, text in files.items() if path != "dvc.yaml"}
    text = str(manifest).replace("version: 2", "version: 1").replace("auc: 0.7", f"auc: {auc}")
    delete_model(client)
    with Registry(client.folder) as registry:
        registry.create_model("churn")
    entry = client._entry("churn", "  churn:\n    path: registry/churn/versions/1/model\n")
    client.commit({**made, "registry/churn/versions/1/manifest.yaml": text, "dvc.yaml": entry})


def borrow_an_earlier_life(client: Client) -> None:
    start = client.git("rev-parse", "HEAD")
    begin_anew(client, "0.1")
    client.commit(
        {PRODUCTION: "versions:\n- 1\n"}, message=f'Revert "x"\n\nThis reverts commit {start}.\n'
    )


def forget_a_deletion(client: Client) -> None:
    delete_model(client)
    client.commit({"registry/churn/deleted.yaml": None})


def revert_a_deletion(client: Client) -> None:
    delete_model(client)
    client.git("revert", "--no-edit", "HEAD")


def say_it_is_deleted(client: Client) -> None:
    client.commit({"registry/churn/deleted.yaml": GONE})


ATTACKS: dict[str, tuple[str, Act, Act]] = {
    "a promotion below the gate": ("policy-metric", promote_below_the_gate, promote),
    "change and revert": ("policy-metric", change_and_revert, promote_and_revert),
    "evil merge": ("policy-metric", evil_merge, honest_merge),
    "merge that undoes": ("removed", merge_that_undoes, merge_of_a_registration),
    "merge of two stages": ("two-stages", merge_of_what_does_not_go_together, honest_merge),
    "merge the wrong way round": ("first-parent", merge_the_wrong_way_round, honest_merge),
    "rename of a version": ("removed", rename_a_version, register_the_next),
    "pointer turned symlink": ("symlink", turn_into_a_symlink, promote),
    "manifest as a symlink": ("symlink", register_with_a_symlink, register_the_next),
    "gitlink": ("gitlink", submodule, submodule_elsewhere),
    "policy loosened and used": ("policy-metric", loosen_and_use, loosen_then_use),
    "policy loosened by the move": ("policy-metric", loosen_and_use_in_one, loosen_then_use),
    "squash": ("policy-metric", squash_below_the_gate, squash_honest),
    "forged author": ("policy-signed", forged_author, signed_and_approved),
    "unsigned": ("policy-signed", unsigned, signed_and_approved),
    "forged trailer: rollback": ("policy-metric", forged_rollback, rollback),
    "forged trailer: override": ("policy-metric", forged_override, promote),
    "one's own approval": ("policy-approvals", own_approval, signed_and_approved),
    "replayed approval": ("policy-approvals", replayed_approval, approved_again),
    "approval for another version": (
        "policy-approvals",
        approval_for_another_version,
        approval_of_this_version,
    ),
    "approval of another repository": (
        "policy-approvals",
        approved_in_another_repository,
        merged_and_approved_here,
    ),
    "backdated": ("wrong-date", backdated, stage_now),
    "from the future": ("wrong-date", from_the_future, stage_now),
    "soaked by a forged date": ("policy-soak", soaked_by_a_forged_date, soaked_on_the_server),
    "force push": ("force-push", force_push, promote),
    "branch deleted": ("branch-deleted", delete_the_branch, delete_another_branch),
    "moved tag": ("tag-moved", move_a_tag, tag_of_ones_own),
    "deleted tag": ("tag-deleted", delete_a_tag, tag_of_ones_own),
    "invented tag": ("tag-not-implied", invent_a_tag, tag_sync),
    **{
        f"tag {name}, of GTO's grammar": (
            "tag-not-implied",
            partial(tag_that_only_gto_reads, name=name),
            tag_of_another_artifact,
        )
        for name in (
            "churn@v2.0.0!",
            "churn@deprecated",
            "churn#production!",
            "churn#production",
            "churn@v9.1.0-rc1",
            "churn#production#01",
            "Churn@v2.0.0",
        )
    },
    "refs/replace": ("replace-ref", replace_an_object, note_on_an_object),
    "newline in a name": ("bad-name", newline_in_a_name, encoded_name),
    "quote in a name": ("stray-file", quote_in_a_name, encoded_name),
    ".git entry": ("bad-name", git_entry, gitignore),
    ".. entry": ("bad-name", dot_dot_entry, gitignore),
    "doubled entry": ("bad-tree", doubled_entry, promote),
    "second dvc.yaml": ("bad-tree", second_dvc_yaml, gitignore),
    "hidden entry": ("bad-tree", hidden_entry, annotate),
    "number reused": ("number-reused", reuse_a_number, delete_and_take_the_next),
    "number skipped": ("number-skipped", skip_a_number, register_the_next),
    "live version deleted": (
        "policy-signed",
        delete_what_is_live,
        delete_what_is_live_signed,
    ),
    "live version hidden": ("policy-signed", hide_in_a_dropped_stage, archive_signed),
    "version removed": ("removed", remove_a_version, delete_version),
    "manifest edited": ("immutable", edit_a_manifest, annotate),
    ".dvc repointed": ("immutable", repoint_bytes, register_the_next),
    "dvc.yaml repointed": ("dvc-yaml", repoint_dvc_yaml, another_artifact),
    "file added to a version": ("immutable", add_to_a_version, annotate),
    "bytes in Git": ("artifact-in-git", commit_the_bytes, annotate),
    "two stages": ("two-stages", two_stages, stage_now),
    "more than it holds": ("too-many", two_in_production, promote),
    "unknown stage": ("unknown-stage", unknown_stage, stage_now),
    "alias to nowhere": ("dangling-pointer", alias_to_nowhere, alias_to_a_version),
    "protected alias deleted": ("policy-alias", delete_a_protected_alias, delete_a_free_alias),
    "alias like another": ("name-collision", alias_like_another, alias_to_a_version),
    "model like another": ("name-collision", model_like_another, another_model),
    **{
        f"{path}, told apart by case": (
            "name-collision",
            partial(look_alike, path=path),
            describe_a_model,
        )
        for path in (
            "Registry/policy.yaml",
            "DVC.yaml",
            "registry/Policy.yaml",
            "registry/churn/STAGES/production.yaml",
            "registry/churn/Model.yaml",
        )
    },
    "policy as a folder": ("stray-file", policy_as_a_folder, describe_a_model),
    "pointer that does not parse": ("bad-pointer", garbage_in_a_pointer, promote),
    "model removed": ("removed", remove_a_model, delete_model),
    "model renamed and changed": ("bad-rename", rename_and_change, rename_model),
    "model renamed and promoted": ("policy-metric", rename_and_promote, rename_model),
    "an earlier life": ("policy-metric", borrow_an_earlier_life, begin_anew),
    "a deletion forgotten": ("immutable", forget_a_deletion, revert_a_deletion),
    "deleted and there": ("half-deleted", say_it_is_deleted, delete_model),
    "policy that does not parse": ("bad-policy", garbage_in_the_policy, loosen_then_use),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused(client: Client, base: Path, name: str) -> None:
    code, attack, _ = ATTACKS[name]
    where = attack(client)
    before = git(base / "origin.git", "for-each-ref")
    status, said = client.push(*(where or ()))
    assert status != 0, said
    assert f"error: {code}: " in said, said
    assert "Traceback" not in said
    assert git(base / "origin.git", "for-each-ref") == before


HONEST = {honest.__name__: honest for _, _, honest in ATTACKS.values()}
"""The twins, of which some are those of several attacks."""


@pytest.mark.parametrize("name", HONEST)
def test_its_honest_twin_passes(client: Client, name: str) -> None:
    where = HONEST[name](client)
    status, said = client.push(*(where or ()))
    assert status == 0, said
    assert "error:" not in said
