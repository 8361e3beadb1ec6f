"""Reading by URL from a consumer's side: how little is fetched, what is remembered, offline."""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gitreg import Registry
from gitreg.cli import app
from gitreg.errors import GitError, NotFound
from gitreg.git import copies, last_seen, light
from tests.conftest import git

GITREG = [sys.executable, "-m", "gitreg"]


@pytest.fixture
def origin(shared: Path) -> Path:
    """The bare repository of `shared`, which sends what it is asked for as hosts do."""
    path = shared / "origin.git"
    git(path, "config", "uploadpack.allowFilter", "true")
    git(path, "config", "uploadpack.allowAnySHA1InWant", "true")
    return path


@pytest.fixture
def url(origin: Path) -> str:
    return f"file://{origin}"


def commit(origin: Path, *references: str) -> None:
    """Let the champion be each of the versions in turn, a commit each, and publish that."""
    with Registry(origin.parent / "work") as registry:
        for reference in references:
            registry.set_alias(reference, "champion", push=True)


def rewind(origin: Path, to: str = "main~1") -> str:
    """Move the branch of a remote; return where it was."""
    old = git(origin, "rev-parse", "main")
    git(origin, "update-ref", "refs/heads/main", git(origin, "rev-parse", to))
    return old


def champion(url: str) -> int:
    with Registry(url) as registry:
        return registry.resolve("churn@champion").version


def read_tip(url: str) -> str | None:
    with Registry(url) as registry:
        return registry.resolve("churn@1").read_from


def read_all(url: str) -> str | None:
    with Registry(url) as registry:
        return registry.state().commit


def copy_of(url: str, name: str = "light.git") -> Path:
    return copies.copies_folder(url) / name


@contextmanager
def unreachable(origin: Path) -> Iterator[None]:
    gone = origin.rename(origin.with_name("gone.git"))
    try:
        yield
    finally:
        gone.rename(origin)


def held(git_dir: Path) -> dict[str, list[str]]:
    """Return the objects that a copy has, by kind; asking does not bring any."""
    found: dict[str, list[str]] = {"commit": [], "tree": [], "blob": [], "tag": []}
    listing = git(git_dir, "cat-file", "--batch-all-objects", "--batch-check")
    for line in listing.splitlines():
        oid, kind, _ = line.split()
        found[kind].append(oid)
    return found


class Traced:
    """What Git did meanwhile: the processes that gitreg started, and the remote's, each a trip."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def _starts(self) -> Iterator[tuple[str, list[str]]]:
        for line in self._log.read_text().splitlines():
            event = json.loads(line)
            if event["event"] == "start":
                yield event["sid"], event["argv"]

    @property
    def commands(self) -> list[str]:
        words = ("init", "fetch", "cat-file", "ls-remote", "update-ref", "merge-base", "rev-parse")
        return [
            next((word for word in words if word in argv), argv[-1])
            for sid, argv in self._starts()
            if "/" not in sid
        ]

    @property
    def trips(self) -> int:
        return sum("upload-pack" in " ".join(argv[:2]) for _, argv in self._starts())


@pytest.fixture
def traced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[], object]], Traced]:
    def trace(action: Callable[[], object]) -> Traced:
        log = tmp_path / "trace"
        log.unlink(missing_ok=True)
        with monkeypatch.context() as patch:
            patch.setenv("GIT_TRACE2_EVENT", str(log))
            action()
        return Traced(log)

    return trace


Trace = Callable[[Callable[[], object]], Traced]


# How little is fetched


def test_a_cold_resolve_has_one_commit_and_the_pointer(origin: Path, url: str) -> None:
    assert champion(url) == 2
    has = held(copy_of(url))
    assert has["commit"] == [git(origin, "rev-parse", "main")]
    assert has["blob"] == [git(origin, "rev-parse", "main:registry/churn/aliases/champion.yaml")]
    assert has["tag"] == []
    assert not copy_of(url, "repository.git").exists()


def test_a_number_needs_no_file_at_all(url: str) -> None:
    with Registry(url) as registry:
        assert registry.resolve("churn@3").version == 3
        assert registry.resolve("churn@latest").version == 3
    assert held(copy_of(url))["blob"] == []


def test_the_copy_holds_no_url(url: str) -> None:
    """It may have a password in it."""
    champion(url)
    read_all(url)
    for path in copies.copies_folder(url).rglob("*"):
        assert path.is_dir() or url.encode() not in path.read_bytes()


def test_processes_and_trips(origin: Path, url: str, traced: Trace) -> None:
    cold = traced(lambda: champion(url))
    assert (cold.commands, cold.trips) == (["init", "fetch", "cat-file"], 2)
    warm = traced(lambda: champion(url))
    assert (warm.commands, warm.trips) == (["fetch", "cat-file"], 1)
    commit(origin, "churn@3")
    moved = traced(lambda: champion(url))
    assert moved.commands == ["fetch", "merge-base", "update-ref", "cat-file"]
    assert moved.trips == 2
    read_all(url)
    complete = traced(lambda: champion(url))
    assert (complete.commands, complete.trips) == (["fetch", "cat-file"], 1)


def test_a_branch_that_goes_forward_stays_small(origin: Path, url: str) -> None:
    assert champion(url) == 2
    commit(origin, "churn@3", "churn@1", "churn@3", "churn@1")
    assert champion(url) == 1
    has = held(copy_of(url))
    assert len(has["commit"]) == 5
    assert len(has["blob"]) == 2
    assert last_seen.recall(copies.copies_folder(url)) is not None


def test_many_updates_leave_few_packs(
    origin: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "_MANY_PACKS", 3)
    for number in (3, 1, 3, 1):
        commit(origin, f"churn@{number}")
        assert champion(url) == number
        assert len(list((copy_of(url) / "objects" / "pack").glob("*.pack"))) <= 4
    with unreachable(origin):
        assert champion(url) == 1


def test_a_server_that_knows_no_filter(shared: Path) -> None:
    url = f"file://{shared / 'origin.git'}"
    assert champion(url) == 2
    has = held(copy_of(url))
    assert len(has["commit"]) == 1
    assert len(has["blob"]) > 1
    commit(shared / "origin.git", "churn@3", "churn@1")
    assert champion(url) == 1


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        pass


def test_plain_files_behind_a_web_server(origin: Path) -> None:
    """Of these Git can have whole histories only."""
    git(origin, "update-server-info")
    handler = functools.partial(Quiet, directory=str(origin.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/origin.git"
        assert [champion(url), champion(url)] == [2, 2]
        server.shutdown()
    assert copy_of(url, "repository.git").exists()
    with Registry(url) as registry:
        assert registry.resolve("churn@champion").version == 2
        assert "Connection refused" in registry.warnings[0] or "connect" in registry.warnings[0]


def test_many_files_are_had_at_once(origin: Path, url: str, traced: Trace) -> None:
    with Registry(origin.parent / "work") as registry:
        for name in ("blue", "green", "red", "amber"):
            registry.set_alias("churn@1", name)
        registry.set_alias("churn@1", "grey", push=True)

    def misspell() -> None:
        with Registry(url) as registry, pytest.raises(NotFound) as refused:
            registry.resolve("churn@gren")
        assert "green" in str(refused.value.hint)

    assert traced(misspell).trips <= 3
    assert traced(misspell).trips <= 2
    with unreachable(origin):
        misspell()


def test_a_name_with_a_line_break_is_no_file(url: str) -> None:
    copy = copies.open_copy(url, light=True)
    snapshot = copy.repository.snapshot(copy.commit)
    assert snapshot.read_many(["a\nb", "nope/deep", "registry"]) == [None, None, None]
    copy.repository.close()


# Pull


def test_a_cold_pull_has_one_copy(url: str, tmp_path: Path, traced: Trace) -> None:
    out = tmp_path / "out"
    line = ["pull", "churn@champion", "-o", str(out), "--repo", url, "--json"]
    results = []
    cold = traced(lambda: results.append(CliRunner().invoke(app, line)))
    (done,) = results
    # The store of `shared` is beside the clones, where a bare copy does not look for it.
    assert done.exit_code == 3
    assert "remote" in done.stderr
    assert cold.commands.count("init") == 1
    assert not copy_of(url, "repository.git").exists()


def test_a_cold_pull_from_an_absolute_store(
    origin: Path, url: str, tmp_path: Path, traced: Trace
) -> None:
    work = origin.parent / "work"
    config = work / ".dvc" / "config"
    config.write_text(
        config.read_text().replace("../../dvc-remote", str(work.parent / "dvc-remote"))
    )
    git(work, "commit", "--quiet", "-am", "absolute")
    git(work, "push", "--quiet")
    line = ["pull", "churn@champion", "-o", str(tmp_path / "out"), "--repo", url, "--json"]
    results = []
    cold = traced(lambda: results.append(CliRunner().invoke(app, line)))
    (done,) = results
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (Path(answer["path"]) / "model.pkl").read_text() == "weights 2"
    with Registry(work) as registry:
        assert answer["sha256"] == registry.show("churn@2").artifact.sha256
    # The commit, the pointer, what the version is put together from, where the bytes are.
    assert cold.trips == 4
    assert not copy_of(url, "repository.git").exists()
    read_all(url)
    place = {path.name for path in copies.cache_folder().iterdir()}
    shutil.rmtree(tmp_path / "out")
    assert CliRunner().invoke(app, line).exit_code == 0
    assert {path.name for path in copies.cache_folder().iterdir()} == place  # one DVC cache


# What was seen last


@pytest.mark.parametrize("first", ["light", "complete"])
@pytest.mark.parametrize("then", ["light", "complete"])
@pytest.mark.parametrize("how", ["back", "sideways"])
def test_a_branch_with_another_past_is_refused(
    origin: Path, url: str, first: str, then: str, how: str
) -> None:
    read: dict[str, Callable[[str], object]] = {"light": read_tip, "complete": read_all}
    read[first](url)
    to = "main~1"
    if how == "sideways":
        to = git(origin, "commit-tree", "-p", "main~1", "-m", "another", "main^{tree}")
    old = rewind(origin, to)
    new = git(origin, "rev-parse", "main")
    for _ in range(2):
        with pytest.raises(GitError, match=f"{old}.*{new}") as refused:
            read[then](url)
        assert refused.value.exit_code == 3
        assert "--allow-rewind" in str(refused.value.hint)
    git(origin, "update-ref", "refs/heads/main", old)
    read[then](url)  # it came back
    rewind(origin, new)
    with Registry(url, allow_rewind=True) as registry:
        assert registry.resolve("churn@1").read_from == new
        assert registry.state().commit == new
    assert read_tip(url) == read_all(url) == new
    git(origin, "update-ref", "refs/heads/main", git(origin, "rev-parse", "main~2"))
    with pytest.raises(GitError, match="rewritten"):
        read[then](url)


def test_a_renamed_branch_without_another_past(origin: Path, url: str) -> None:
    champion(url)
    git(origin, "branch", "-m", "main", "trunk")
    assert champion(url) == 2
    assert copies.open_copy(url).branch == "refs/heads/trunk"
    assert champion(url) == 2


def test_the_memory_outlives_the_copies(origin: Path, url: str) -> None:
    champion(url)
    shutil.rmtree(copy_of(url))
    assert champion(url) == 2
    shutil.rmtree(copy_of(url))
    commit(origin, "churn@3")
    assert champion(url) == 3  # told from the whole history, which takes a complete copy
    assert copy_of(url, "repository.git").exists()
    shutil.rmtree(copy_of(url, "repository.git"))
    rewind(origin)
    with pytest.raises(GitError, match="rewritten"):
        champion(url)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"commit": "main", "branch": null, "reached": 0}']
)
def test_a_memory_that_does_not_parse(origin: Path, url: str, text: str) -> None:
    """The copy still says where it was."""
    champion(url)
    (copies.copies_folder(url) / "seen.json").write_text(text)
    with unreachable(origin), Registry(url) as registry:
        assert registry.resolve("churn@champion").version == 2
        assert "a copy of unknown age" in registry.warnings[0]
    rewind(origin)
    for read in (champion, read_all):
        with pytest.raises(GitError, match="rewritten"):
            read(url)


def test_a_branch_that_is_gone_is_not_offline(origin: Path, url: str) -> None:
    champion(url)
    git(origin, "update-ref", "-d", "refs/heads/main")
    with pytest.raises(GitError, match="no default branch"):
        champion(url)


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
