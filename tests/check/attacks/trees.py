"""References, tags, names and trees: what attackers push, and its honest twins."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from gitreg import Registry
from tests.check.attacks.moves import TO_3
from tests.support.client import Client


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


REPORT = "  report:\n    path: reports/latest.html\n    type: dataset\n"


def tag_of_another_artifact(client: Client) -> tuple[str, ...]:
    """Tag an artifact that ``dvc.yaml`` has, and that is no model of the registry."""
    client.commit({"dvc.yaml": client.read("dvc.yaml") + REPORT})
    assert client.push()[0] == 0
    return tag_that_only_gto_reads(client, "report@v1.2.3")


def tag_of_ones_own(client: Client) -> tuple[str, ...]:
    client.git("tag", "-a", "-m", "release", "v1.0", "HEAD")
    assert client.push("origin", "v1.0")[0] == 0
    client.git("tag", "-f", "-a", "-m", "again", "v1.0", "HEAD~1")
    return ("--force", "origin", "v1.0")


def tag_sync(client: Client) -> tuple[str, ...]:

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
