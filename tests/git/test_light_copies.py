"""Reading by URL: how little is fetched, and what is remembered."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gitreg import Registry
from gitreg.cli import app
from gitreg.errors import GitError, NotFound
from gitreg.git import copies, last_seen
from tests.conftest import git
from tests.git.light_copies import (
    champion,
    commit,
    copy_of,
    read_all,
    read_tip,
    rewind,
    unreachable,
)


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
    files = [path for path in copies.copies_folder(url).rglob("*") if path.is_file()]
    assert {copy_of(url) / "HEAD", copy_of(url, "repository.git") / "HEAD"} <= set(files)
    assert [path for path in files if url.encode() in path.read_bytes()] == []


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
    config = work / "registry" / ".dvc" / "config"
    config.write_text(
        config.read_text().replace("../../../dvc-remote", str(work.parent / "dvc-remote"))
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
