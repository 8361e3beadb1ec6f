"""`GIT_CONFIG_COUNT`: settings that reach a remote or say whom to trust are kept, commands not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import GitError, InvalidRequest
from gitreg.git import process
from tests.conftest import git, write_model

Give = Callable[..., None]

KEPT = {
    "url.https://mirror/.insteadOf": "https://host/",
    "url.ssh://git@host/.pushInsteadOf": "https://host/",
    "http.extraHeader": "Authorization: Bearer t0ken",
    "http.https://git.example.com/.EXTRAHEADER": "Authorization: Bearer t0ken",
    "HTTP.proxy": "http://proxy:3128",
    "http.sslCAInfo": "/etc/ca.pem",
    "credential.helper": "store --file=/run/secrets/git",
    "credential.https://host.username": "ci",
    "remote.origin.url": "https://host/r.git",
    "remote.origin.pushUrl": "https://host/r.git",
    "safe.directory": "*",
    "safe.bareRepository": "explicit",
    "user.name": "Robot",
    "user.email": "robot@example.com",
    "lfs.https://host/r.git/info/lfs.access": "basic",
}
HOSTILE = (
    "core.fsmonitor",
    "core.sshCommand",
    "core.gitProxy",
    "core.askPass",
    "core.pager",
    "core.editor",
    "core.hooksPath",
    "core.alternateRefsCommand",
    "core.worktree",
    "credential.helper",
    "credential.https://host.helper",
    "alias.status",
    "filter.lfs.clean",
    "filter.x.process",
    "diff.external",
    "diff.x.textconv",
    "merge.x.driver",
    "gpg.program",
    "gpg.ssh.program",
    "gpg.ssh.defaultKeyCommand",
    "remote.origin.uploadpack",
    "remote.origin.receivepack",
    "remote.origin.vcs",
    "uploadpack.packObjectsHook",
    "pager.log",
    "trailer.x.command",
    "include.path",
    "includeIf.gitdir:/.path",
    "protocol.ext.allow",
    "http.saveCookies",
    "submodule.x.update",
)


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> Give:
    """Put settings into the environment, as CI does."""

    def put(*settings: tuple[str, str]) -> None:
        monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(settings)))
        for number, (key, value) in enumerate(settings):
            monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
            monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)

    return put


def settings_of(found: dict[str, str]) -> list[tuple[str, str]]:
    """Return the settings that an environment gives to Git."""
    count = int(found.get("GIT_CONFIG_COUNT", "0"))
    numbered = sum(name.startswith(("GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_")) for name in found)
    assert numbered == 2 * count
    return [
        (found[f"GIT_CONFIG_KEY_{number}"], found[f"GIT_CONFIG_VALUE_{number}"])
        for number in range(count)
    ]


def test_transport_and_trust_are_kept_in_order(give: Give) -> None:
    mixed = [pair for kept, bad in zip(KEPT.items(), HOSTILE) for pair in (kept, (bad, "!id"))]  # noqa: B905  as many as there are
    give(*mixed)
    assert settings_of(process.environment()) == list(KEPT.items())


@pytest.mark.parametrize("key", HOSTILE)
def test_what_runs_a_command_is_left_out(give: Give, key: str) -> None:
    for spelled in (key, key.upper()):
        give((spelled, "!touch owned"))
        assert settings_of(process.environment()) == []


@pytest.mark.parametrize(
    ("helper", "is_kept"),
    [
        ("", True),  # drops the helpers of files
        ("cache --timeout=300", True),
        ("store --file ~/.git-credentials", True),
        ("!f() { echo password=x; }; f", False),
        ("/usr/bin/helper", False),
        ("./helper", False),
        ("-x", False),
        ("store; touch owned", False),
        ("store $(touch owned)", False),
        ("store `touch owned`", False),
        ("store\ntouch owned", False),
        ("store & touch owned", False),
        ("store > owned", False),
    ],
)
def test_a_helper_is_a_program_of_git(give: Give, helper: str, is_kept: bool) -> None:
    give(("credential.helper", helper))
    assert bool(settings_of(process.environment())) == is_kept


def test_gitreg_s_own_settings_come_last(give: Give) -> None:
    give(("remote.x.url", "theirs"), ("core.pager", "less"))
    own = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "gc.auto", "GIT_CONFIG_VALUE_0": "0"}
    assert settings_of(process.environment(own)) == [("remote.x.url", "theirs"), ("gc.auto", "0")]


def test_a_remote_is_reached_as_git_reaches_it(stocked: Path, give: Give) -> None:
    origin = stocked.parent / "origin.git"
    git(stocked, "remote", "set-url", "origin", "https://git.corp.invalid/churn.git")
    give((f"url.file://{origin}.insteadOf", "https://git.corp.invalid/churn.git"))
    with Registry(stocked) as registry:
        outcome = registry.promote("churn@3", stage="production", push=True)
    assert git(origin, "rev-parse", "main") == outcome.commit
    with Registry("https://git.corp.invalid/churn.git") as registry:
        assert registry.resolve("churn/production").version == 3
        assert registry.log("churn/production")[0].after == (3,)


def test_a_trusted_directory_is_trusted(stocked: Path, give: Give) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a repository to somebody else")
    for path in (stocked, stocked / ".git"):
        os.chown(path, 12345, 12345)
    with pytest.raises(GitError, match="does not trust"), Registry(stocked) as registry:
        registry.models()
    give(("safe.directory", str(stocked)))
    with Registry(stocked) as registry:
        assert registry.resolve("churn@champion").version == 2


def test_no_setting_runs_a_command_in_a_whole_session(stocked: Path, give: Give) -> None:
    sprung = stocked.parent / "sprung"
    trap = stocked.parent / "trap"
    trap.write_text(f"#!/bin/sh\ntouch '{sprung}'\nexit 1\n")
    trap.chmod(0o755)
    hooks = stocked.parent / "hooks"
    hooks.mkdir()
    for hook in ("reference-transaction", "pre-push", "pre-commit", "post-checkout"):
        (hooks / hook).symlink_to(trap)
    included = stocked.parent / "included"
    included.write_text(f"[core]\n\tfsmonitor = {trap}\n\thooksPath = {hooks}\n")
    special = {"core.hooksPath": str(hooks), "include.path": str(included), "core.worktree": "/"}
    traps = [(key, special.get(key, str(trap))) for key in HOSTILE if "protocol" not in key]
    origin = stocked.parent / "origin.git"
    give(*traps, (f"url.ext::{trap} .insteadOf", "https://trap.invalid/"))
    with Registry(stocked) as registry:
        registry.register("churn", write_model(stocked, "weights 4"))
        registry.promote("churn@4", stage="production", push=True)
    with Registry(f"file://{origin}") as registry:
        assert registry.resolve("churn/production").version == 4
    for url in ("https://trap.invalid/r.git", "ssh://127.0.0.1:1/r.git"):
        with pytest.raises(GitError), Registry(url) as registry:
            registry.models()
    assert not sprung.exists()
    for key in ("core.fsmonitor", "core.hooksPath", "include.path"):
        give((key, special.get(key, str(trap))))
        git(stocked, "status")
        git(stocked, "update-ref", "refs/heads/x", "HEAD", check=False)
        assert sprung.exists(), key  # the traps work
        sprung.unlink()


def test_a_login_that_is_left_out_is_named(stocked: Path, give: Give) -> None:
    give(("gc.auto", "0"), ("credential.helper", "!f() { echo password=s3cret; }; f"))
    said = "fatal: could not read Username for 'https://host': terminal prompts disabled"
    failed = str(process.failure("fetch", process.Completed(128, b"", said)))
    assert "GIT_CONFIG_KEY_1 (credential.helper), which runs a command" in failed
    assert "s3cret" not in failed
    other = process.failure("fetch", process.Completed(128, b"", "fatal: no such branch"))
    assert str(other) == "git fetch: no such branch"


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"GIT_CONFIG_COUNT": "many"}, "GIT_CONFIG_COUNT is 'many', not a number"),
        ({"GIT_CONFIG_COUNT": "-1"}, "GIT_CONFIG_COUNT is '-1', not a number"),
        ({"GIT_CONFIG_COUNT": "1"}, "GIT_CONFIG_COUNT is 1, but GIT_CONFIG_KEY_0 is not set"),
        (
            {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "a.b"},
            "GIT_CONFIG_COUNT is 1, but GIT_CONFIG_VALUE_0 is not set",
        ),
    ],
)
def test_variables_that_do_not_fit_are_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidRequest, match=message):
        process.environment()
