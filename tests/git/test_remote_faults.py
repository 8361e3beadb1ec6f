"""Remotes that are down, slow, wrong, refusing, or gone in the middle; and what nobody may read."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.git import copies
from tests.conftest import git, write_model
from tests.git.test_remote import local, tags_of
from tests.support.commands import error, gitreg
from tests.support.places import Place, Store, enter, folder_store, place_of, point_dvc_to
from tests.support.servers.git_http import PASSWORD, USER, Fault, GitHttpServer
from tests.support.servers.proxy import closed_port, slow_line
from tests.support.servers.s3 import S3Server
from tests.support.servers.ssh import SshServer, ssh_agent

LOGIN = f"{USER}:{PASSWORD}"
PUSH = ("alias", "set", "churn@3", "champion", "--push", "--repo")
READ = ("resolve", "churn@champion", "--repo")


def published(place: Place) -> str:
    return git(place.host, "for-each-ref")


def refused(place: Place, url: str) -> tuple[str, str]:
    """Read by a URL and push to it, which both fail; return what they say.

    Neither shows the password, and the push moves nothing.
    """
    git(place.work, "remote", "set-url", "origin", url)
    here, there = local(place.work), published(place)
    said = error(*READ, url, code=3), error(*PUSH, str(place.work), code=3)
    assert (local(place.work), published(place)) == (here, there)
    for text in said:
        assert PASSWORD not in text
        assert USER + "@" not in text
    return said


@pytest.fixture
def at_path(request: pytest.FixtureRequest) -> Place:
    """A registry on a Git host that is a folder."""
    place = place_of(request, "path", "folder")
    place.fill()
    return place


@pytest.fixture
def at_http(request: pytest.FixtureRequest) -> Place:
    """A registry on a Git host that speaks HTTP."""
    place = place_of(request, "http", "folder")
    place.fill()
    return place


@pytest.fixture
def at_ssh(request: pytest.FixtureRequest) -> Place:
    """A registry on a Git host that speaks SSH."""
    place = place_of(request, "ssh", "folder")
    place.fill()
    return place


@pytest.fixture(params=["path", "ssh", "http"])
def anywhere(request: pytest.FixtureRequest) -> Place:
    """A registry on a Git host of each kind."""
    place = place_of(request, request.param, "folder")
    place.fill()
    return place


# Git hosts that do not answer as they should


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (Fault.FORBIDDEN, "returned error: 403"),
        (Fault.BROKEN, "returned error: 500"),
        (Fault.GARBAGE, "HTTP/0.9"),
        (Fault.NOT_GIT, "is this a git repository?"),
        (Fault.HANG_UP, "Empty reply"),
        (Fault.CUT_OFF, "remaining"),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
def test_a_host_that_answers_wrongly(
    at_http: Place, git_http: GitHttpServer, fault: Fault, cause: str
) -> None:
    for said in refused(at_http, git_http.url(at_http.host, fault=fault, login=LOGIN)):
        assert cause in said


def test_a_host_that_does_not_let_us_in(at_http: Place, git_http: GitHttpServer) -> None:
    for said in refused(at_http, git_http.url(at_http.host, login=f"{USER}:not-{PASSWORD}")):
        assert "Authentication failed" in said
    for said in refused(at_http, git_http.url(at_http.host / "elsewhere", login=LOGIN)):
        assert "not found" in said


def test_a_host_that_we_may_only_read(at_http: Place) -> None:
    git(at_http.host, "config", "http.receivepack", "false")
    here, there = local(at_http.work), published(at_http)
    assert "403" in error(*PUSH, str(at_http.work), code=3)
    assert (local(at_http.work), published(at_http)) == (here, there)


def test_a_host_that_is_down(at_http: Place, git_http: GitHttpServer) -> None:
    port = closed_port()
    for said in refused(at_http, git_http.url(at_http.host, port=port, login=LOGIN)):
        assert f"127.0.0.1 port {port}" in said


def test_an_ssh_host_that_is_down(at_ssh: Place, sshd: SshServer) -> None:
    for said in refused(at_ssh, sshd.url(at_ssh.host, closed_port())):
        assert "Connection refused" in said
    for said in refused(at_ssh, sshd.url(at_ssh.host / "elsewhere")):
        assert "does not appear to be a git repository" in said


@pytest.mark.parametrize(
    ("option", "cause"),
    [
        (f"UserKnownHostsFile={os.devnull}", "Host key verification failed"),
        ("PubkeyAuthentication=no", "Permission denied (publickey)"),
    ],
    ids=["unknown-host", "without-a-key"],
)
def test_an_ssh_host_that_is_not_ours(
    at_ssh: Place, sshd: SshServer, monkeypatch: pytest.MonkeyPatch, option: str, cause: str
) -> None:
    monkeypatch.setenv("GIT_SSH_COMMAND", f"{sshd.client['GIT_SSH_COMMAND']} -o {option}")
    for said in refused(at_ssh, at_ssh.url):
        assert cause in said


def test_a_hook_that_says_no(anywhere: Place) -> None:
    lines = ("a: first finding", "  its remedy", "b: second finding", "c: third: finding")
    echoes = "".join(f"echo '{line}' >&2\n" for line in lines)
    anywhere.hook("pre-receive", f"{echoes}exit 1\n")
    here, there = local(anywhere.work), published(anywhere)
    said = gitreg(*PUSH, str(anywhere.work), code=1).err.splitlines()
    assert said[: len(lines)] == [f"remote: {line}" for line in lines]
    assert said[len(lines)].endswith("refused the push: pre-receive hook declined")
    assert said[len(lines) + 1 :] == ["  nothing was published"]
    assert (local(anywhere.work), published(anywhere)) == (here, there)


@pytest.mark.parametrize("kind", ["ssh", "http"])
def test_a_line_that_is_slow(request: pytest.FixtureRequest, kind: str) -> None:
    place = place_of(request, kind, "folder")
    place.fill()
    server: SshServer | GitHttpServer = request.getfixturevalue(
        "sshd" if kind == "ssh" else "git_http"
    )
    with slow_line(server.port, 0.3) as port:
        url = server.url(place.host, port=port)
        git(place.work, "remote", "set-url", "origin", url)
        gitreg(*PUSH, str(place.work))
        assert gitreg(*READ, url).out == "churn@3\n"
    assert git(place.host, "rev-parse", "main") == git(place.work, "rev-parse", "HEAD")


def test_a_push_of_many_bytes(at_http: Place, git_http: GitHttpServer) -> None:
    """Git sends them in chunks."""
    work = at_http.work
    (work / "data.bin").write_bytes(os.urandom(200_000))
    git(work, "add", "data.bin")
    git(work, "commit", "--quiet", "-m", "data")
    git(work, "config", "http.postBuffer", "65536")
    git_http.seen.clear()
    gitreg(*PUSH, str(work))
    assert "chunked" in git_http.seen
    assert gitreg(*READ, at_http.url).out == "churn@3\n"


def test_a_host_with_many_branches(at_http: Place, git_http: GitHttpServer) -> None:
    """Git compresses what it asks for, when that is much."""
    gitreg("list", "--repo", at_http.url)  # which takes a complete copy
    for number in range(25):
        git(at_http.work, "commit", "--quiet", "--allow-empty", "-m", f"code {number}")
        git(at_http.work, "branch", f"branch-{number}")
    git(at_http.work, "push", "--quiet", str(at_http.host), "refs/heads/branch-*")
    git_http.seen.clear()
    gitreg("list", "--repo", at_http.url)  # which takes a complete copy
    assert "gzip" in git_http.seen
    (copy,) = copies.cache_folder().glob("*/repository.git")
    assert git(copy, "rev-parse", "branch-24") == git(at_http.work, "rev-parse", "HEAD")


# A connection that ends in the middle of a push

_ONCE = "mkdir once 2>/dev/null || exit 0\nkill -9 $PPID\n"


def _killed_before(place: Place) -> None:
    place.hook("pre-receive", f"cat >/dev/null\n{_ONCE}")


def _killed_after(place: Place) -> None:
    place.hook(
        "reference-transaction",
        f'[ "$1" = committed ] || exit 0\ngrep -q " refs/heads/main$" || exit 0\n{_ONCE}',
    )


def _published_once(place: Place, before: int) -> None:
    assert int(git(place.host, "rev-list", "--count", "main")) == before + 1
    assert git(place.host, "rev-parse", "main") == git(place.work, "rev-parse", "HEAD")
    assert tags_of(place.host) == tags_of(place.work)
    assert git(place.work, "status", "--porcelain") == ""
    with Registry(place.host) as registry:
        assert registry.resolve("churn@champion").version == 3
        assert registry.doctor() == []


@pytest.mark.parametrize("kill", [_killed_before, _killed_after])
def test_a_host_that_dies_in_a_push(anywhere: Place, kill: Callable[[Place], None]) -> None:
    """Before it has moved the references, or after, when nobody acknowledges that they moved."""
    before = int(git(anywhere.host, "rev-list", "--count", "main"))
    kill(anywhere)
    ran = gitreg(*PUSH, str(anywhere.work), code=None)
    assert (anywhere.host / "once").exists()
    assert (ran.code, ran.err) == (0, "")
    _published_once(anywhere, before)


@pytest.mark.parametrize(
    "fault",
    [
        Fault.HANG_UP,  # where libcurl tries again by itself, as it does with the next
        Fault.LOST_ANSWER,  # and finds the branch moved, by itself
    ],
    ids=lambda fault: fault.name,
)
def test_a_host_that_hangs_up_in_a_push(
    at_http: Place, git_http: GitHttpServer, fault: Fault
) -> None:
    before = int(git(at_http.host, "rev-list", "--count", "main"))
    git_http.pushes.append(fault)
    ran = gitreg(*PUSH, str(at_http.work), code=None)
    assert git_http.pushes == []
    assert (ran.code, ran.err) == (0, "")
    _published_once(at_http, before)


# Credentials


@pytest.mark.parametrize("command", [["resolve", "churn@1"], ["list"]])
def test_a_login_in_a_url_is_in_no_list_of_processes(
    at_http: Place,
    git_http: GitHttpServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
) -> None:
    """Git says what it starts: that is what ``ps`` shows to everybody."""
    trace = tmp_path / "trace"
    monkeypatch.setenv("GIT_TRACE", str(trace))
    # A helper of the user's is not asked for what the URL says, nor a rule for his own URLs.
    helper = tmp_path / "asked"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    (tmp_path / "gitconfig").write_text(
        f'[credential]\n\thelper = "!touch {helper}; cat >/dev/null; :"\n'
        '[url "http://127.0.0.1:1/"]\n\tinsteadOf = http://127.0.0.1:\n'
    )
    url = git_http.url(at_http.host, login=LOGIN)
    assert gitreg(*command, "--repo", url).code == 0
    started = trace.read_text()
    assert f"gitreg {url.replace(f'{LOGIN}@', '')}" in started
    assert PASSWORD not in started
    assert f"{USER}:" not in started
    assert not helper.exists()


def test_a_password_in_a_url_goes_nowhere(
    at_http: Place, git_http: GitHttpServer, tmp_path: Path
) -> None:
    """It works, and stands in no object, no file of the copy, and no line that is printed."""
    work, url = at_http.work, git_http.url(at_http.host, login=LOGIN)
    git(work, "remote", "set-url", "origin", url)
    source = write_model(work, "weights 4")
    said = [gitreg("register", "churn", str(source), "--push", "--repo", str(work))]
    said += [gitreg("show", "churn@4", *as_json, "--repo", url) for as_json in ((), ("--json",))]
    said += [gitreg("pull", "churn@4", "--repo", url, "--output", str(tmp_path / "out"))]
    assert "127.0.0.1" in said[2].json["lineage"]["code"]["repository"]
    assert PASSWORD not in "".join(f"{ran.out}{ran.err}" for ran in said)
    (copy,) = copies.cache_folder().glob("*/repository.git")
    for repository in (at_http.host, copy):
        done = subprocess.run(
            ["git", "cat-file", "--batch-all-objects", "--batch"],
            cwd=repository,
            capture_output=True,
            check=True,
        )
        assert b"lineage:" in done.stdout
        assert PASSWORD.encode() not in done.stdout
    files = [path for path in copies.cache_folder().parent.rglob("*") if path.is_file()]
    assert files != []
    assert [path for path in files if PASSWORD.encode() in path.read_bytes()] == []


def test_an_ssh_agent_is_not_lent_to_a_dvc_remote(
    request: pytest.FixtureRequest, sshd: SshServer, tmp_path: Path
) -> None:
    """The key that it holds opens the door, and nobody behind the door may use it."""
    place = place_of(request, "path", "ssh")
    place.fill()
    with ssh_agent(sshd.home / ".ssh" / "id_ed25519", tmp_path / "agent") as variables:
        enter(request, {"HOME": str(tmp_path), **variables})
        log = sshd.log.stat().st_size
        gitreg("pull", "churn@2", "--repo", str(place.host), "--output", str(tmp_path / "out"))
    said = sshd.log.read_bytes()[log:].decode()
    assert "Accepted publickey" in said
    assert "auth-agent-req" not in said


# DVC remotes that do not answer as they should


def _s3_down(s3: S3Server) -> str:
    return f"url = {s3.url('x')}\n    endpointurl = http://127.0.0.1:{closed_port()}"


def _s3_without_bucket(s3: S3Server) -> str:
    return f"url = s3://another-bucket/x\n    endpointurl = {s3.endpoint}"


def _sftp_down(sshd: SshServer) -> str:
    return f"url = {sshd.url(Path('/x'), closed_port())}"


def _sftp_without_folder(sshd: SshServer) -> str:
    return f"url = {sshd.url(Path('/proc/no/such/folder'))}"


@pytest.mark.parametrize(
    ("kind", "store", "cause"),
    [
        ("s3", _s3_down, "Could not connect to the endpoint"),
        ("s3", _s3_without_bucket, "The specified bucket does not exist"),
        ("sshd", _sftp_down, "Connect call failed"),
        ("sshd", _sftp_without_folder, "No such file or directory"),
    ],
    ids=["s3-down", "s3-without-bucket", "sftp-down", "sftp-without-folder"],
)
def test_a_store_that_cannot_be_had(
    request: pytest.FixtureRequest,
    at_path: Place,
    kind: str,
    store: Callable[[S3Server | SshServer], str],
    cause: str,
) -> None:
    server: S3Server | SshServer = request.getfixturevalue(kind)
    enter(request, server.client)
    assert cause in _without_bytes(at_path, store(server))


def test_an_sftp_server_without_a_key(
    request: pytest.FixtureRequest, at_path: Place, sshd: SshServer
) -> None:
    store = folder_store(at_path.base / "store", sshd.url(at_path.base / "store"))
    assert "Permission denied for user" in _without_bytes(at_path, store.config)


def _without_bytes(place: Place, config: str) -> str:
    """Register with a DVC remote that does not take the bytes; return what is said."""
    secret = "store-secret-0815"
    point_dvc_to(place.work, Store(config, dict, lambda _name, _content: None))
    if "s3:" in config:
        (place.work / "registry" / ".dvc" / "config.local").write_text(
            f"['remote \"store\"']\n    access_key_id = KEY-ID\n    secret_access_key = {secret}\n"
        )
    source = write_model(place.work, "weights 4")
    here, there = local(place.work), published(place)
    said = error("register", "churn", str(source), "--push", "--repo", str(place.work), code=3)
    assert (local(place.work), published(place)) == (here, there)
    assert secret not in said
    return said
