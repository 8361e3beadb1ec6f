"""Reading by URL when something fails: offline, damaged copies, kills, logins."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gitreg import Registry
from gitreg.cli import app
from gitreg.errors import GitError
from gitreg.git import copies, light
from tests.git.light_copies import (
    champion,
    commit,
    copy_of,
    read_all,
    read_tip,
    rewind,
    unreachable,
)

GITREG = [sys.executable, "-m", "gitreg"]


# Offline


@pytest.mark.parametrize("kind", ["light", "complete"])
def test_offline_a_copy_answers(origin: Path, url: str, kind: str) -> None:
    if kind == "complete":
        read_all(url)
    champion(url)
    folder = copies.copies_folder(url)
    told = json.loads((folder / "seen.json").read_text())
    told["reached"] = time.time() - 3 * 3600 - 60
    (folder / "seen.json").write_text(json.dumps(told))
    line = ["resolve", "churn@champion", "--json", "--repo", url]
    with unreachable(origin):
        done = CliRunner().invoke(app, line)
        assert done.exit_code == 0
        assert json.loads(done.stdout)["version"] == 2
        (warning,) = done.stderr.splitlines()
        assert warning.startswith(f"warning: cannot reach {url} ('{origin}' does not appear to be")
        assert warning.endswith(
            f"): answering from a copy of 3 hours ago, at {told['commit'][:12]}"
        )
        missing = CliRunner().invoke(app, ["resolve", "nope@1", "--repo", url])
        assert missing.exit_code == 2
        assert "answering from a copy" in missing.stderr
        listed = CliRunner().invoke(app, ["list", "--json", "--repo", url])
        assert listed.exit_code == (0 if kind == "complete" else 3)
    done = CliRunner().invoke(app, line)
    assert (done.exit_code, done.stderr) == (0, "")


def test_offline_a_file_that_was_never_had(origin: Path, url: str) -> None:
    champion(url)
    with unreachable(origin), Registry(url) as registry:
        for reference in ("churn/production", "churn@nope"):
            with pytest.raises(GitError, match="not in the copy, and file://") as lacking:
                registry.resolve(reference)
            assert str(lacking.value).endswith("does not appear to be a git repository")
            assert "\n" not in str(lacking.value)
        assert registry.resolve("churn@champion").version == 2


def test_offline_a_stream_of_answers_comes_after_the_warning(origin: Path, url: str) -> None:
    read_all(url)
    with unreachable(origin):
        done = CliRunner().invoke(app, ["verify", "churn@2", "--repo", url])
    assert done.output.startswith("warning: cannot reach")
    assert done.stderr.count("cannot reach file://") == 1


def test_offline_without_a_copy(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["resolve", "a@1", "--repo", f"file://{tmp_path}/nowhere.git"])
    assert (done.exit_code, done.stdout) == (3, "")
    assert len(done.stderr.splitlines()) <= 2


def test_a_registry_keeps_answering(origin: Path, url: str) -> None:
    with Registry(url) as registry:
        assert registry.resolve("churn@champion").version == 2
        assert registry.warnings == ()
        with unreachable(origin):
            assert registry.resolve("churn@champion").version == 2
        assert registry.warnings == ()


# Damage and crashes


@pytest.mark.parametrize("kind", ["light.git", "repository.git"])
@pytest.mark.parametrize("damage", ["packs", "tip", "config"])
def test_a_damaged_copy_is_made_anew(url: str, kind: str, damage: str) -> None:
    read: Callable[[str], object] = champion if kind == "light.git" else read_all
    read(url)
    git_dir = copy_of(url, kind)
    if damage == "packs":
        for path in (git_dir / "objects").rglob("*"):
            if path.is_file():
                path.unlink()
    elif damage == "tip":
        for path in (git_dir / "refs").rglob("*"):
            if path.is_file():
                path.write_text("0" * 40 + "\n")
    else:
        (git_dir / "config").write_text("[")
    read(url)
    assert champion(url) == 2


@pytest.mark.parametrize("kind", ["light.git", "repository.git"])
@pytest.mark.parametrize("what", ["file", "link", "link to a folder"])
def test_a_file_in_the_place_of_a_copy_is_removed(
    url: str, tmp_path: Path, kind: str, what: str
) -> None:
    read_all(url)
    champion(url)
    git_dir = copy_of(url, kind)
    if git_dir.exists():
        shutil.rmtree(git_dir)
    kept = tmp_path / "kept"
    if what == "file":
        git_dir.write_text("damage\n")
    elif what == "link":
        git_dir.symlink_to(tmp_path / "nothing")
    else:
        kept.mkdir()
        git_dir.symlink_to(kept)
    if kind == "light.git":
        shutil.rmtree(copy_of(url, "repository.git"))
    assert champion(url) == 2
    assert read_all(url)
    assert champion(url) == 2
    if kept.exists():
        assert list(kept.iterdir()) == []


@pytest.mark.parametrize("kind", ["light.git", "repository.git"])
def test_locks_of_the_dead_are_removed(origin: Path, url: str, kind: str) -> None:
    read: Callable[[str], object] = champion if kind == "light.git" else read_all
    read(url)
    commit(origin, "churn@3")
    names = ["HEAD", "config", "shallow", "packed-refs", "refs/gitreg/incoming", "refs/heads/main"]
    if kind == "light.git":
        names[-1] = "refs/heads/gitreg/tip"
    for name in names:
        lock = copy_of(url, kind) / f"{name}.lock"
        lock.parent.mkdir(exist_ok=True)
        lock.touch()
    read(url)
    assert champion(url) == 3


@pytest.mark.parametrize("command", ["resolve churn@champion", "list"])
@pytest.mark.parametrize("state", ["cold", "warm"])
@pytest.mark.parametrize("sent", [0, 40, 400])
def test_a_kill_in_the_middle_of_a_fetch(
    origin: Path, url: str, tmp_path: Path, command: str, state: str, sent: int
) -> None:
    if state == "warm":
        champion(url)
        read_all(url)
        commit(origin, "churn@3")
    started = tmp_path / "started"
    hook = tmp_path / "hook"
    hook.write_text(f'#!/bin/sh\n"$@" | head -c {sent}\ntouch "{started}"\nexec sleep 60\n')
    hook.chmod(0o755)
    (tmp_path / "gitconfig").write_text(f'[uploadpack]\n\tpackObjectsHook = "{hook}"\n')
    process = subprocess.Popen(
        [*GITREG, *command.split(), "--repo", url],
        env={**os.environ, "GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig")},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while not started.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = subprocess.run(
        [*GITREG, *command.split(), "--repo", url], capture_output=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert champion(url) == (3 if state == "warm" else 2)


def test_two_at_once_wait_for_each_other(url: str) -> None:
    lines = ["resolve churn@champion", "list", "resolve churn@2", "list churn"]
    running = [
        subprocess.Popen(
            [*GITREG, *line.split(), "--repo", url], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for line in lines
    ]
    for process in running:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, b"")
        assert out


# The command line


@pytest.mark.parametrize(
    "line",
    [
        "list",
        "show churn@2",
        "log",
        "resolve churn@2",
        "compare churn@1 churn@2",
        "verify nope",
        "pull churn@2",
        "doctor",
    ],
)
def test_every_read_takes_allow_rewind(origin: Path, url: str, line: str) -> None:
    old = read_tip(url)
    rewind(origin)
    refused = CliRunner().invoke(app, [*line.split(), "--repo", url])
    assert refused.exit_code == 3
    message, hint = refused.stderr.splitlines()
    assert "its history was rewritten" in message
    assert "--allow-rewind" in hint
    allowed = CliRunner().invoke(app, [*line.split(), "--repo", url, "--allow-rewind"])
    assert "rewritten" not in allowed.stderr
    assert read_tip(url) != old


# Logins and ssh


@pytest.mark.parametrize(
    ("url", "bare", "user", "password"),
    [
        ("https://ada:p%40s%3as@host/r.git", "https://host/r.git", "ada", "p@s:s"),
        ("https://ada:@host:8443/r.git", "https://host:8443/r.git", "ada", ""),
        ("http://ada@[::1]:80/r.git", "http://[::1]:80/r.git", "ada", None),
        ("https://host/r.git", "https://host/r.git", None, None),
        ("https://:secret@host/r.git", "https://:secret@host/r.git", None, None),
        ("https://a:b%0aquit=1@host/r.git", "https://a:b%0aquit=1@host/r.git", None, None),
        ("https://a:b@c@host/r.git", "https://a:b@c@host/r.git", None, None),
        ("ssh://ada@host/r.git", "ssh://ada@host/r.git", None, None),
    ],
)
def test_what_git_is_told_of_a_login(
    tmp_path: Path, url: str, bare: str, user: str | None, password: str | None
) -> None:
    told = light.remote_environment(tmp_path, url)
    count = int(told["GIT_CONFIG_COUNT"])
    options = [(told[f"GIT_CONFIG_KEY_{n}"], told[f"GIT_CONFIG_VALUE_{n}"]) for n in range(count)]
    assert dict(options)["remote.gitreg.url"] == bare
    assert [value for key, value in options if key.endswith(".username")] == [user] * bool(user)
    assert told.get("GITREG_REMOTE_PASSWORD") == password
    if url != bare:
        told_git = {**os.environ, **told}
        asked = subprocess.run(
            ["git", "ls-remote", "--get-url", "gitreg"],
            cwd=tmp_path,
            env=told_git,
            capture_output=True,
            text=True,
            check=True,
        )
        assert asked.stdout.strip() == bare
    if password is not None:
        filled = subprocess.run(
            ["git", "credential", "fill"],
            input=f"url={bare}\n\n",
            cwd=tmp_path,
            env=told_git,
            capture_output=True,
            text=True,
            check=True,
        )
        assert f"username={user}\npassword={password}\n" in filled.stdout


def test_how_ssh_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_SSH_COMMAND", "GIT_SSH", "GIT_SSH_VARIANT"):
        monkeypatch.delenv(name, raising=False)

    def command(url: str) -> str | None:
        return light.remote_environment(tmp_path, url).get("GIT_SSH_COMMAND")

    wanted = "ssh -o ConnectTimeout=30 -o ServerAliveInterval=15 -o ServerAliveCountMax=4"
    for url in ("ssh://git@host/r.git", "git@host:r.git", "host:r.git"):
        assert command(url) == wanted
    for url in ("https://host/r.git", "file:///r.git", "git://host/r.git"):
        assert command(url) is None
    for name in ("GIT_SSH_COMMAND", "GIT_SSH"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "my-ssh")
            assert command("git@host:r.git") is None
    (tmp_path / "gitconfig").write_text("[core]\n\tsshCommand = my-ssh\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    assert command("git@host:r.git") is None


@pytest.mark.skipif(shutil.which("ssh") is None, reason="OpenSSH is not installed")
def test_an_ssh_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_SSH_COMMAND", "GIT_SSH", "GIT_SSH_VARIANT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(light, "SSH_PATIENCE", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ssh://127.0.0.1:{silent.getsockname()[1]}/r.git"
        with pytest.raises(GitError, match=r"timed out"):
            copies.open_copy(url)
