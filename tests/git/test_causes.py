"""A failure that a retry does not help against is named, and nobody is sent to try again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gitreg import Registry
from gitreg.errors import GitError
from gitreg.git import causes, remote
from tests.conftest import git
from tests.git.test_remote import local, published
from tests.support.commands import error, gitreg


def test_a_server_that_cannot_push_atomically(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = shared / "work"
    git(shared / "origin.git", "config", "receive.advertiseAtomic", "false")
    with Registry(work) as registry:
        registry.set_alias("churn@3", "mine")
    pushes: list[tuple[object, ...]] = []
    real = remote.push

    def counted(*args: Any, **options: Any) -> str:
        pushes.append(args)
        return real(*args, **options)

    monkeypatch.setattr(remote, "push", counted)
    before = local(work), published(shared)
    for line in (("push",), ("promote", "churn@3", "--to", "production", "--push")):
        said = error(*line, "--repo", str(work), code=3)
        assert "it cannot move branch and tags together (git push --atomic)" in said
        assert "nothing was published; gitreg publishes only where the server can" in said
        assert "again" not in said
    assert len(pushes) == 2
    assert (local(work), published(shared)) == before


@pytest.mark.parametrize(
    ("url", "cause", "hint"),
    [
        ("codecommit::eu-west-1://models", "codecommit is one", "git remote set-url"),
        ("ext::cat %S", "ext is one", "git remote set-url"),
        (
            "/nowhere/at.git",
            "does not appear to be a git repository",
            "check its URL: git remote -v",
        ),
    ],
)
def test_a_remote_that_cannot_be_used(shared: Path, url: str, cause: str, hint: str) -> None:
    work = shared / "work"
    git(work, "config", "remote.origin.url", url)
    git(work, "config", "protocol.allow", "always")
    for line in (("push",), ("fetch",), ("alias", "set", "churn@3", "x", "--push")):
        said = error(*line, "--repo", str(work), code=3)
        assert cause in said
        assert hint in said
        assert "again" not in said
    assert cause in gitreg("doctor", "--repo", str(work), code=None).out


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("fatal: Unable to find remote helper for 'https'", "no helper for https URLs"),
        ("git: 'remote-s3' is not a git command. See 'git --help'.", "no helper for s3 URLs"),
        ("fatal: helper s3 does not support --atomic", "cannot move branch and tags together"),
        (
            "fatal: the receiving end does not support --signed push",
            "does not support git push --signed",
        ),
        (
            "fatal: unable to access 'https://h/a.git/': The requested URL returned error: 403",
            "",
        ),
        (
            "ERROR: Permission to a.git denied to c\nfatal: Could not read from remote repository.",
            "access is denied (Permission to a.git denied to c)",
        ),
    ],
)
def test_what_git_says_before_it_sends_anything(words: str, cause: str) -> None:
    found = causes.before_sending(words)
    assert found is not None
    assert cause in found.text
    assert causes.when_reading(words) == found


@pytest.mark.parametrize(
    "words",
    [
        "fatal: the remote end hung up unexpectedly",
        "ssh: connect to host h port 22: timed out\nfatal: Could not read from remote repository.",
        "fatal: unable to access 'https://h/': The requested URL returned error: 502",
        "fatal: unable to access 'https://h/': Could not resolve host: h",
        "remote: fatal: transport 'x' not allowed",
    ],
)
def test_what_may_pass_has_no_cause(words: str) -> None:
    assert causes.before_sending(words) is None
    assert causes.when_reading(words) is None


@pytest.mark.parametrize(
    "words",
    [
        "fatal: Authentication failed for 'https://h/'",
        "fatal: could not read Username for 'https://h': terminal prompts disabled",
        "git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.",
    ],
)
def test_access_is_an_answer_only_when_nothing_was_sent(words: str) -> None:
    found = causes.when_reading(words)
    assert found is not None
    assert "access" in found.hint
    assert causes.before_sending(words) is None


def test_the_error_of_a_fetch_has_the_cause(shared: Path) -> None:
    work = shared / "work"
    git(work, "config", "remote.origin.url", "codecommit::eu-west-1://models")
    with Registry(work) as registry, pytest.raises(GitError, match="uses no remote helpers"):
        registry.fetch()
