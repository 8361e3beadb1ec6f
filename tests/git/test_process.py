"""Git is run with a cleaned environment, fixed options, and errors that say why."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg.errors import GitError, InvalidRequest
from gitreg.git import process
from gitreg.git.objects import ObjectReader
from tests.conftest import git

DROPPED = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_NAMESPACE",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CONFIG",
    "GIT_CONFIG_KEY_0",  # without a count; test_given_settings.py has those with one
    "GIT_CONFIG_VALUE_0",
    "GIT_CONFIG_PARAMETERS",
    "GIT_REPLACE_REF_BASE",
    "GIT_EXTERNAL_DIFF",
    "GIT_PAGER",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_GRAFT_FILE",
    "GIT_GLOB_PATHSPECS",
)
KEPT = (
    "GIT_AUTHOR_NAME",
    "GIT_COMMITTER_DATE",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_ASKPASS",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_HTTP_USER_AGENT",
    "GIT_SSL_NO_VERIFY",
    "GIT_TRACE2_EVENT",
    "GIT_TERMINAL_PROMPT",
)


def test_the_environment_is_cleaned(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*DROPPED, *KEPT, "UNRELATED"):
        monkeypatch.setenv(name, "told")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "ext")
    monkeypatch.setenv("GIT_NO_REPLACE_OBJECTS", "0")
    found = process.environment()
    assert [name for name in DROPPED if name in found] == []
    assert [name for name in (*KEPT, "UNRELATED") if found.get(name) != "told"] == []
    assert found["LC_ALL"] == "C"
    assert "ext" not in found["GIT_ALLOW_PROTOCOL"].split(":")
    assert found["GIT_NO_REPLACE_OBJECTS"] == "1"


def test_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GIT_TERMINAL_PROMPT", raising=False)
    assert process.environment()["GIT_TERMINAL_PROMPT"] == "0"


def test_ext_and_fd_are_refused_by_git_itself(tmp_path: Path) -> None:
    for url in ("ext::sh -c touch% owned", "fd::17"):
        done = process.run(tmp_path, "ls-remote", "--end-of-options", url, check=False)
        assert done.returncode != 0
        assert "not allowed" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_repository_s_configuration_runs_nothing(stocked: Path) -> None:
    trap = stocked / "trap"
    trap.write_text("#!/bin/sh\ntouch sprung\nexit 1\n")
    trap.chmod(0o755)
    git(stocked, "config", "core.fsmonitor", str(trap))
    git(stocked, "status")
    assert (stocked / "sprung").exists()  # the trap works
    (stocked / "sprung").unlink()
    assert process.run(stocked, "status", "--porcelain").text == "?? trap"
    assert not (stocked / "sprung").exists()


def test_standard_input_and_output(stocked: Path) -> None:
    done = process.run(stocked, "hash-object", "--stdin", stdin=b"")
    assert done.text == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert process.run(stocked, "var", "GIT_EDITOR", extra_env={"GIT_EDITOR": "ed"}).text == "ed"


def test_failures_say_why(stocked: Path, tmp_path: Path) -> None:
    with pytest.raises(GitError, match="git rev-parse: Needed a single revision"):
        process.run(stocked, "rev-parse", "--verify", "nothing")
    assert process.run(stocked, "rev-parse", "--verify", "nothing", check=False).returncode == 128
    with pytest.raises(InvalidRequest, match="not a Git repository") as nowhere:
        process.run(tmp_path, "status")
    assert nowhere.value.hint is not None
    with pytest.raises(InvalidRequest, match="no such folder"):
        process.run(tmp_path / "nowhere", "status")


def test_what_git_says_is_chosen() -> None:
    def told(stderr: str) -> str:
        return str(process.failure("push", process.Completed(1, b"", stderr)))

    assert told("warning: x\nfatal: the reason\nhint: y") == "git push: the reason"
    assert told("") == "git push: no message"
    assert told("something odd") == "git push: something odd"
    owner = process.failure(
        "status",
        process.Completed(
            1,
            b"",
            "fatal: detected dubious ownership in repository at '/srv/r'\n"
            "To add an exception for this directory, call:\n\n"
            "\tgit config --global --add safe.directory /srv/r\n",
        ),
    )
    assert owner.hint == "git config --global --add safe.directory /srv/r"


def test_a_git_that_is_not_installed(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(GitError, match="git cannot be run") as missing:
        process.run(stocked, "status")
    assert "install" in str(missing.value.hint)
    with pytest.raises(GitError, match="git cannot be run"):
        ObjectReader(stocked).get("HEAD")


def test_credentials_are_hidden(stocked: Path) -> None:
    url = "https://ada:s3cret@localhost:1/x.git"
    done = process.run(stocked, "fetch", url, check=False)
    assert done.returncode != 0
    assert "localhost" in done.stderr
    assert "s3cret" not in done.stderr


def test_ssh_s_own_words_are_told() -> None:
    ending = "fatal: Could not read from remote repository.\n\nPlease make sure you have ...\n"
    refused = "ssh: connect to host localhost port 1: Connection refused"
    for stderr, told in (
        (f"Warning: added\n{refused}\r\n{ending}", refused),
        (ending, "Could not read from remote repository."),
    ):
        failed = process.failure("push", process.Completed(128, b"", stderr))
        assert str(failed) == f"git push: {told}"


def test_an_error_names_the_subcommand_behind_options(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    with pytest.raises(GitError, match=r"^git rev-parse: "):
        process.run(tmp_path, "-c", "gc.auto=0", "-c", "a.b=c", "rev-parse", "--verify", "nothing")
