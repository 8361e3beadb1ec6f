"""Hermetic tests on real Git and real DVC: no configuration of this machine, dates that advance."""

from __future__ import annotations

import gc
import itertools
import os
import re
import shutil
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from gitreg import Registry
from tests.support.servers.git_http import GitHttpServer, git_http_server
from tests.support.servers.s3 import S3Server, s3_server
from tests.support.servers.ssh import SshServer, ssh_server

MEMORY = Path("/dev/shm")
ENOUGH = 4 << 30
"""Bytes that must be free in memory before the tests write there."""

_FAILED = pytest.StashKey[bool]()
_numbers = itertools.count()


def pytest_configure() -> None:
    """Put temporary files into memory where that is possible.

    The tests write and delete a million small files. On a disk that takes minutes.
    """
    if not MEMORY.is_dir() or not os.access(MEMORY, os.W_OK):
        return
    found = os.statvfs(MEMORY)
    may_run_hooks = not found.f_flag & os.ST_NOEXEC
    if may_run_hooks and found.f_bavail * found.f_frsize >= ENOUGH:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_collection_finish() -> None:
    """Let the garbage collector run less often.

    What DVC and MLflow import stays. Looking through it again took a tenth of the tests' time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Record failures: `tmp_path` keeps the files of a failed test."""
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
    return report


@pytest.fixture(scope="session")
def _places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which every test gets its folders."""
    return tmp_path_factory.mktemp("tests")


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, _places: Path) -> Iterator[Path]:
    """An empty folder, removed after the test unless the test fails.

    pytest's own fixture lists all folders to find a free name, and gives a name again once it is
    free. Here no name comes twice in a process: caches of DVC and MLflow have paths as keys.
    """
    name = re.sub(r"\W", "_", request.node.name)[:30]
    path = _places / f"{name}{next(_numbers)}"
    path.mkdir()
    yield path
    if not request.node.stash.get(_FAILED, False):
        shutil.rmtree(path, ignore_errors=True)


def isolate(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Give the process an environment that holds nothing of this machine."""
    for name in list(os.environ):
        if name.startswith(("GIT_", "DVC_", "XDG_", "GITREG_", "MLFLOW_", "AWS_", "SSH_")):
            monkeypatch.delenv(name)
    monkeypatch.delenv("COLUMNS", raising=False)
    for name, value in {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"),
        "DVC_SITE_CACHE_DIR": str(home / "dvc-site"),
        "DVC_NO_ANALYTICS": "1",
        **HERMETIC_GIT,
    }.items():
        monkeypatch.setenv(name, value)


HERMETIC_GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "Ada Lovelace",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada Lovelace",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
    "NO_COLOR": "1",
    "TZ": "UTC",
}


@pytest.fixture(autouse=True)
def hermetic(_places: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Take the machine's configuration away; fail when something writes to the home folder."""
    home = _places / f"home{next(_numbers)}"
    home.mkdir()
    isolate(monkeypatch, home)
    yield home
    strangers = {entry.name for entry in home.iterdir()} - {"cache", "config", "data", "dvc-site"}
    assert not strangers, f"something wrote to the home folder: {strangers}"
    shutil.rmtree(home, ignore_errors=True)


def git(folder: Path, *args: str, check: bool = True) -> str:
    """Run Git as a user would and return what it prints."""
    done = subprocess.run(
        ["git", *args], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert not check or done.returncode == 0, done.stderr
    return done.stdout.rstrip("\n")


@pytest.fixture(scope="session")
def _empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty registry, made once a process and copied for each test."""
    base = tmp_path_factory.mktemp("empty")
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("empty-home"))
        Registry.init(base / "registry-repo")
    _slim(base / "registry-repo" / ".git")
    return base / "registry-repo"


def _slim(repository: Path) -> None:
    """Remove Git's sample hooks: every copy would have them."""
    for sample in (repository / "hooks").glob("*.sample"):
        sample.unlink()


@pytest.fixture
def folder(_empty: Path, tmp_path: Path) -> Path:
    """An empty registry in a fresh repository, in the branch ``main``."""
    return Path(shutil.copytree(_empty, tmp_path / "registry-repo", symlinks=True))


@pytest.fixture
def registry(folder: Path) -> Iterator[Registry]:
    """The registry in `folder`."""
    with Registry(folder) as opened:
        yield opened


def dvc_project(folder: Path, config: str = "") -> None:
    """Make a folder a DVC project, with the files that ``dvc init`` makes."""
    (folder / ".dvc").mkdir(exist_ok=True)
    (folder / ".dvc" / "config").write_text(config)
    (folder / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")


def write_model(folder: Path, text: str = "weights", name: str = "models/churn") -> Path:
    """Write a model folder of two small files, ignored by Git as a real one would be."""
    path = folder / name
    path.mkdir(parents=True, exist_ok=True)
    (path / "model.pkl").write_text(text)
    (path / "features.json").write_text('["age"]')
    return path


# Repositories that are made once a process and copied for each test: a registration imports DVC.


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``work`` (a clone), ``origin.git`` (bare) and ``dvc-remote``.

    ``work`` has churn@1 (archived), churn@2 (production, champion), churn@3 and tokenizer@1, all
    published. Every path in its configuration is relative, so that it can be copied.
    """
    base = tmp_path_factory.mktemp("templates")
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("templates-home"))
        work = base / "work"
        Registry.init(work)
        (base / "dvc-remote").mkdir()
        (work / "registry" / ".dvc" / "config").write_text(
            "[core]\n    remote = store\n[cache]\n    dir = cache\n"
            "['remote \"store\"']\n    url = ../../../dvc-remote\n"
        )
        (work / ".gitignore").write_text("/models/\n")
        git(work, "add", "registry/.dvc/config", ".gitignore")
        git(work, "commit", "--quiet", "-m", "share the bytes")
        git(base, "init", "--quiet", "--bare", "--initial-branch=main", "origin.git")
        git(work, "remote", "add", "origin", "../origin.git")
        with Registry(work) as opened:
            for number, auc in enumerate((0.7, 0.8, 0.9), start=1):
                source = write_model(work, f"weights {number}")
                opened.register("churn", source, metrics={"auc": auc})
            opened.register("tokenizer", write_model(work, "words", "models/tokenizer"))
            opened.promote("churn@1", stage="production")
            opened.promote("churn@2", stage="production", alias="champion", push=True)
        git(work, "branch", "--quiet", "--set-upstream-to=origin/main")
        for repository in (work / ".git", base / "origin.git"):
            git(repository, "repack", "-a", "-d", "--quiet")
            _slim(repository)
    return base


@pytest.fixture
def shared(templates: Path, tmp_path: Path) -> Path:
    """A copy of `templates`, which has just been fetched: no answer from it is called old."""
    copy = Path(shutil.copytree(templates, tmp_path / "shared", symlinks=True))
    (copy / "work" / ".git" / "gitreg" / "fetched").touch()
    return copy


@pytest.fixture
def stocked(shared: Path) -> Path:
    """A copy of the clone in `templates`, beside its remotes."""
    return shared / "work"


# Servers that are started once a process, by the first test that needs them.


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    """OpenSSH's server, for Git and for DVC."""
    with ssh_server(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture(scope="session")
def git_http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHttpServer]:
    """Git over HTTP, for every repository in a temporary folder of the tests."""
    with git_http_server(tmp_path_factory.getbasetemp()) as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """S3 with a bucket."""
    with s3_server() as server:
        yield server
