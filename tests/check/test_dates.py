"""A date is a claim: what a commit says of its time moves neither a soak nor another's commit."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from gitreg.check.arrivals import Arrivals
from gitreg.git.commit_info import read_commit_info
from gitreg.git.log import read_commits
from gitreg.git.objects import GitObject
from gitreg.git.repository import GitRepository
from tests.check.attacks.moves import GATED_LIVE, GATED_STAGING, stage_long_ago
from tests.conftest import git
from tests.support.client import Client
from tests.support.clones import check

MINUTE = 60


@pytest.fixture
def server(base: Path) -> Path:
    return base / "origin.git"


def dated(client: Client, minutes: int, files: dict[str, str | None]) -> str:
    """Commit with a date so many minutes from now."""
    client.env = {"GIT_COMMITTER_DATE": f"{int(time.time()) + minutes * MINUTE} +0000"}
    commit = client.commit(files)
    client.env = {}
    return commit


def log_of(server: Path) -> Path:
    return server / "gitreg" / "arrivals"


def test_a_chain_of_dates_each_a_little_before_its_parent(client: Client) -> None:
    """None of the commits but the last touches the registry."""
    for hours in range(1, 26):
        dated(client, -50 * hours, {"README.md": f"{hours}\n"})
    status, said = client.push()
    assert status != 0
    assert said.count("error: wrong-date") > 10
    client.git("reset", "--quiet", "--hard", "HEAD~25")
    for hours in range(25):
        dated(client, -50, {"README.md": f"{hours}\n"})
    assert client.push()[0] == 0


def test_a_chain_over_several_pushes(client: Client, server: Path) -> None:
    """The newest date up to the branch is remembered; without the log it is looked for."""
    for minutes in (-30, -58):
        dated(client, minutes, {"README.md": f"{minutes}\n"})
        assert client.push()[0] == 0
    log_of(server).unlink()
    dated(client, -100, {"README.md": "more\n"})
    assert "error: wrong-date" in client.push()[1]
    dated(client, 0, {"README.md": "now\n"})
    assert "error: wrong-date" in client.push()[1]  # it is still in between
    client.git("reset", "--quiet", "--hard", "HEAD~2")
    dated(client, 0, {"README.md": "now\n"})
    assert client.push()[0] == 0


def test_a_date_in_the_future_blocks_nobody(client: Client, server: Path) -> None:
    dated(client, 24 * 60, {"README.md": "tomorrow\n"})
    assert "ahead of this server's clock" in client.push()[1]
    client.git("reset", "--quiet", "--hard", "HEAD~1")
    dated(client, 50, {"README.md": "a clock may be wrong by so much\n"})
    assert client.push()[0] == 0
    dated(client, -30, {"README.md": "and another one by so much\n"})
    assert client.push()[0] == 0
    # Before there was a hook, anything could be pushed.
    dated(client, 24 * 60 * 365, {"README.md": "next year\n"})
    git(server, "fetch", "--quiet", str(client.folder), "HEAD:main")
    log_of(server).unlink()
    dated(client, 0, {"README.md": "today\n"})
    assert client.push()[0] == 0
    assert check(client.folder, "HEAD~4").findings == ()


COMMITTERS = {
    "two committers": (b"committer A <a@x> 1700000000 +0000\ncommitter A <a@x> 1 +0000\n", False),
    "none": (b"", False),
    "a negative date": (b"committer A <a@x> -1 +0000\n", False),
    "no date": (b"committer A <a@x>\n", False),
    "a second one behind others": (
        b"committer A <a@x> 1700000000 +0000\nencoding UTF-8\ncommitter A <a@x> 1 +0000\n",
        False,
    ),
    "a date of many digits": (b"committer A <a@x> 99999999999999999999 +0000\n", False),
    "as Git writes it": (b"committer A <a@x> 1700000000 +0100\n", True),
}


@pytest.mark.parametrize("name", COMMITTERS)
def test_every_reader_reads_the_same_committer(client: Client, server: Path, name: str) -> None:
    lines, is_sound = COMMITTERS[name]
    client.commit({"registry/churn/model.yaml": "description: changed\n"})
    tree, parent = client.git("rev-parse", "HEAD^{tree}"), client.git("rev-parse", "HEAD~1")
    text = f"tree {tree}\nparent {parent}\nauthor A <a@x> 1700000000 +0000\n".encode() + lines
    content = text + b"\nby hand\n"
    commit = client.git(
        "hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=content
    )
    client.git("update-ref", "refs/heads/main", commit)
    repository = GitRepository(client.folder)
    [(by_log, _)] = read_commits(repository, parent, commit)
    assert by_log == read_commit_info(GitObject(commit, "commit", content))
    repository.close()
    status, said = client.push()
    assert status != 0  # the dates are of 2023
    assert ("error: bad-commit" in said) is not is_sound


def test_a_soak_goes_by_when_the_server_saw_the_commit(client: Client, server: Path) -> None:
    stage_long_ago(client)
    assert client.push()[0] == 0
    client.commit(GATED_LIVE)
    status, said = client.push()
    assert status != 0
    assert re.search(r"error: policy-soak: .* in staging, not yet 30m", said)
    # The server saw it an hour ago.
    log = log_of(server)
    earlier = re.sub(r"(?m)^(\w+) (\d+)", lambda m: f"{m[1]} {int(m[2]) - 3600}", log.read_text())
    log.write_text(earlier)
    assert client.push()[0] == 0


def test_without_the_log_the_date_counts(client: Client, server: Path) -> None:
    stage_long_ago(client)
    assert client.push()[0] == 0
    log = log_of(server)
    log.write_bytes(b"\xff torn in the mid")
    client.commit(GATED_LIVE)
    assert client.push()[0] == 0
    assert log.read_bytes().startswith(b"\xff torn in the mid\n")
    arrived = Arrivals(GitRepository(server)).arrived(client.git("rev-parse", "HEAD"))
    assert arrived is not None
    assert abs(arrived - time.time()) < 60


def test_only_what_is_accepted_arrives(client: Client, server: Path) -> None:
    before = log_of(server).read_bytes() if log_of(server).exists() else b""
    client.commit(client.register("gated", 1))
    client.commit({**GATED_STAGING, "registry/gated/aliases/next.yaml": "version: 9\n"})
    assert "error: dangling-pointer" in client.push()[1]
    assert (log_of(server).read_bytes() if log_of(server).exists() else b"") == before
