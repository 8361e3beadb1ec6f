"""What a client says of references counts for nothing: the server's repository decides.

Pushes are spoken by hand, since Git's own client tells the truth.
"""

from __future__ import annotations

import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from gitreg import Registry, hooks
from gitreg.git.repository import GitRepository
from tests.check.attacks.moves import TO_1, TO_3
from tests.conftest import git
from tests.support.client import Client
from tests.support.receive_pack import speak

NONE = "0" * 40
MAIN = "refs/heads/main"
TAG = "refs/tags/churn#production#3"


@pytest.fixture
def server(base: Path) -> Path:
    return base / "origin.git"


def tag_on(client: Client, name: str, commit: str, message: str = "x") -> str:
    client.git("tag", "--force", "--annotate", "-m", message, name, commit)
    return client.git("rev-parse", f"refs/tags/{name}")


def test_a_tag_named_twice(client: Client, server: Path) -> None:
    """The hook would judge one of the two lines, and receive-pack obeys both."""
    name = "churn@v2.0.0"
    real = git(server, "rev-parse", f"refs/tags/{name}")
    evil = tag_on(client, name, "HEAD")
    lines = [f"{real} {evil} refs/tags/{name}", f"{real} {real} refs/tags/{name}"]
    said = speak(server, client.folder, lines, [evil])
    assert "error: named-twice: refs/tags/churn@v2.0.0" in said
    assert git(server, "rev-parse", f"refs/tags/{name}") == real


def test_a_branch_that_is_said_to_be_elsewhere(client: Client, server: Path) -> None:
    """A registration below the gate comes first; then it is said to be the base already."""
    tip = git(server, "rev-parse", "main")
    bad = client.commit(TO_1)
    head = client.commit({"README.md": "harmless\n"})
    said = speak(server, client.folder, [f"{bad} {head} {MAIN}"], [head])
    assert f"error: stale-claim: {MAIN}: the push says that it is at {bad[:9]}" in said
    said = speak(server, client.folder, [f"{NONE} {head} {MAIN}"], [head])
    assert f"error: stale-claim: {MAIN}: the push says that it is absent" in said
    assert git(server, "rev-parse", "main") == tip


def implied(client: Client) -> tuple[str, str]:
    """Return a promotion and the tag that it implies."""
    head = client.commit(TO_3)
    with Registry(client.folder) as registry:
        made = registry.sync_tags().made
    name = next(name for name in made if name.startswith("churn#production#"))
    return head, f"refs/tags/{name}"


@pytest.mark.parametrize("how", ["stale", "a tag object"])
def test_a_tag_of_a_tip_that_never_comes(client: Client, server: Path, how: str) -> None:
    """Git refuses the branch after the hook, and would take the tag beside it."""
    tip = git(server, "rev-parse", "main")
    head, name = implied(client)
    tag = client.git("rev-parse", name)
    wrapped = tag_on(client, "wrapped", head)
    move = f"{tip} {wrapped} {MAIN}" if how == "a tag object" else f"{head} {head} {MAIN}"
    said = speak(server, client.folder, [move, f"{NONE} {tag} {name}"], [tag, wrapped])
    code = "not-a-commit" if how == "a tag object" else "stale-claim"
    assert f"error: {code}: {MAIN}" in said
    assert name not in git(server, "for-each-ref", "--format=%(refname)").splitlines()
    honest = speak(
        server, client.folder, [f"{tip} {head} {MAIN}", f"{NONE} {tag} {name}"], [tag, head]
    )
    assert f"ok {MAIN}" in honest
    assert f"ok {name}" in honest


def test_a_new_branch_that_is_said_to_be_there(client: Client, server: Path) -> None:
    head = client.commit({"README.md": "harmless\n"})
    name = "refs/heads/feature"
    said = speak(server, client.folder, [f"{head} {head} {name}"], [head])
    assert f"error: stale-claim: {name}" in said
    assert f"ok {name}" in speak(server, client.folder, [f"{NONE} {head} {name}"], [head])


@pytest.mark.parametrize("target", ["main", "not-born"])
def test_a_symbolic_reference(client: Client, server: Path, target: str) -> None:
    named = f"refs/heads/{target}"
    git(server, "symbolic-ref", "refs/heads/trunk", named)
    client.commit(TO_3)
    status, said = client.push("origin", "HEAD:trunk")
    assert status != 0
    assert (
        f"error: symbolic-ref: refs/heads/trunk: it is a symbolic reference to refs/heads/{target}"
        in said
    )
    assert client.push("origin", "HEAD:main")[0] == 0


def test_a_guarded_branch_that_is_symbolic_itself(client: Client, server: Path) -> None:
    """What it names is guarded."""
    git(server, "update-ref", "refs/heads/trunk", "main")
    git(server, "symbolic-ref", MAIN, "refs/heads/trunk")
    client.commit(TO_1)
    assert "error: policy-metric" in client.push("origin", "HEAD:trunk")[1]
    client.git("reset", "--quiet", "--hard", "HEAD~1")
    client.commit(TO_3)
    assert client.push("origin", "HEAD:trunk")[0] == 0


@pytest.mark.parametrize("text", ["", "\n"])
def test_input_that_a_wrapper_ate(
    text: str,
    server: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("GIT_DIR", str(server))
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(text.encode())))
    assert hooks.main("pre-receive") == 1
    assert "error: no-updates: stdin: no reference arrived" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(b"what is this\n")))
    assert hooks.main("pre-receive") == 1
    assert "error: bad-update: what is this" in capsys.readouterr().err


# Tags of models that do not exist yet


def test_a_tag_that_waits_for_its_model(client: Client, server: Path) -> None:
    """It was pushed before there was a hook; when the model is born, it would be in production."""
    tag = tag_on(client, "fresh#production#1", "HEAD")
    git(
        server,
        "fetch",
        "--quiet",
        "--no-tags",
        str(client.folder),
        f"{tag}:refs/tags/fresh#production#1",
    )
    client.commit(client.register("fresh", 1))
    status, said = client.push()
    assert status != 0
    assert "error: tag-not-implied: refs/tags/fresh#production#1" in said
    assert "git push origin ':refs/tags/fresh#production#1'" in said
    assert client.push("origin", ":refs/tags/fresh#production#1")[0] == 0
    assert client.push()[0] == 0


def test_it_may_go_in_the_push_that_brings_the_model(client: Client, server: Path) -> None:
    tag = tag_on(client, "fresh@v1.0.0", "HEAD")
    git(
        server, "fetch", "--quiet", "--no-tags", str(client.folder), f"{tag}:refs/tags/fresh@v1.0.0"
    )
    client.commit(client.register("fresh", 1))
    assert "error: tag-not-implied" in client.push()[1]
    assert client.push("origin", "HEAD:main", ":refs/tags/fresh@v1.0.0")[0] == 0


def test_tags_before_any_branch(client: Client, base: Path) -> None:
    git(base, "init", "--quiet", "--bare", "--initial-branch=main", "new.git")
    hooks.install(GitRepository(base / "new.git"), "pre-receive")
    status, said = client.push("../new.git", "refs/tags/churn@v2.0.0")
    assert status != 0
    assert "error: tag-not-implied: refs/tags/churn@v2.0.0" in said
    assert client.push("../new.git", "main~1:refs/heads/main", "refs/tags/churn@v2.0.0")[0] == 0
