"""The commit, the repository's address and the packages that surround a training run."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from gitreg.artifacts.environment import CHANGED_LIMIT, code_commit, environment
from gitreg.errors import GitError, InvalidRequest


@pytest.fixture(autouse=True)
def _hermetic(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "ada@example.com")
        monkeypatch.setenv(f"GIT_{name}_DATE", "2026-11-22T20:25:06Z")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    monkeypatch.delenv("GIT_DIR", raising=False)


def git(folder: Path, *args: str) -> str:
    done = subprocess.run(["git", *args], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "train.py").write_text("print('train')\n")
    git(folder, "add", "train.py")
    git(folder, "commit", "-qm", "train")
    return folder


# --- The commit ---------------------------------------------------------------------------------


def test_the_commit_of_a_clean_tree(repository: Path) -> None:
    found = code_commit(repository)
    assert found is not None
    assert found.commit == git(repository, "rev-parse", "HEAD")
    assert (found.dirty, found.repository) == (False, None)


def test_a_tree_is_dirty_when_a_tracked_file_differs(repository: Path) -> None:
    (repository / "untracked.py").write_text("")
    inner = repository / "models" / "churn"
    inner.mkdir(parents=True)
    found = code_commit(inner)
    assert found is not None
    assert not found.dirty
    (repository / "train.py").write_text("changed\n")
    index = (repository / ".git" / "index").read_bytes()
    found = code_commit(inner)
    assert found is not None
    assert found.dirty
    assert (repository / ".git" / "index").read_bytes() == index
    assert found.changed == ("train.py",)
    git(repository, "mv", "train.py", "größe 2.py")
    found = code_commit(repository)
    assert found is not None
    assert (found.dirty, found.changed) == (True, ("größe 2.py",))
    for number in range(CHANGED_LIMIT + 2):
        (repository / f"{number:02}.py").write_text("")
    git(repository, "add", ".")
    found = code_commit(inner)
    assert found is not None
    assert found.changed == tuple(f"{number:02}.py" for number in range(CHANGED_LIMIT))


@pytest.mark.parametrize("mark", ["assume-unchanged", "skip-worktree"])
def test_a_change_that_status_is_told_to_pass_over_is_dirty(repository: Path, mark: str) -> None:
    (repository / "line\nbreak.py").write_text("")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "more")
    git(repository, "update-index", f"--{mark}", "train.py")
    found = [code_commit(repository)]
    (repository / "train.py").write_text("changed\n")
    found.append(code_commit(repository))
    assert git(repository, "status", "--porcelain") == ""
    (repository / "train.py").unlink()  # as a sparse checkout has it
    found.append(code_commit(repository))
    git(repository, "update-index", f"--{mark}", "line\nbreak.py")
    found.append(code_commit(repository))
    assert [code and code.dirty for code in found] == [False, True, False, True]


def test_a_detached_head_and_a_linked_work_tree(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    assert code_commit(tmp_path / "linked") == code_commit(repository)


def test_no_commit_where_there_is_none(tmp_path: Path, repository: Path) -> None:
    assert code_commit(tmp_path) is None
    git(tmp_path, "init", "-q", "unborn")
    assert code_commit(tmp_path / "unborn") is None
    git(tmp_path, "clone", "-q", "--bare", str(repository), "bare")
    assert code_commit(tmp_path / "bare") is None


def test_the_address_is_that_of_origin_or_of_the_only_remote(repository: Path) -> None:
    def address() -> str | None:
        found = code_commit(repository)
        assert found is not None
        return found.repository

    git(repository, "remote", "add", "up.stream", "https://ada:s3cret@example.com/up.git")
    assert address() == "https://example.com/up.git"
    git(repository, "remote", "add", "fork", "git@example.com:fork.git")
    assert address() is None
    git(repository, "remote", "add", "origin", "git@example.com:team/churn.git")
    git(repository, "remote", "set-url", "--add", "origin", "git@example.com:mirror.git")
    assert address() == "git@example.com:team/churn.git"


def test_tokens_of_a_url_rewrite_are_not_picked_up(repository: Path) -> None:
    git(repository, "remote", "add", "origin", "https://example.com/x.git")
    git(repository, "config", "url.https://s3cret@host.example/.insteadOf", "https://example.com/")
    found = code_commit(repository)
    assert found is not None
    assert found.repository == "https://example.com/x.git"


def test_programs_named_in_the_configuration_do_not_run(repository: Path, tmp_path: Path) -> None:
    git(repository, "config", "core.fsmonitor", f"touch {tmp_path / 'ran'}; false")
    assert code_commit(repository) is not None
    assert not (tmp_path / "ran").exists()


def test_a_broken_repository_is_an_error(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="no such folder"):
        code_commit(tmp_path / "nowhere")
    (repository / ".git" / "index").write_bytes(b"junk")
    with pytest.raises(GitError, match="git status"):
        code_commit(repository)


# --- The packages -------------------------------------------------------------------------------


def install(folder: Path, name: str, version: str | None = "1.0", origin: object = None) -> None:
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = [f"Name: {name}"] + ([f"Version: {version}"] if version else [])
    (info / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *lines, ""]))
    if origin is not None:
        text = origin if isinstance(origin, str) else json.dumps(origin)
        (info / "direct_url.json").write_text(text)


def frozen(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> list[str]:
    monkeypatch.setattr(sys, "path", [str(folder) for folder in folders])
    return environment()[1].decode().splitlines()


def test_the_environment_is_that_of_the_interpreter() -> None:
    found, requirements = environment()
    assert found.python == ".".join(map(str, sys.version_info[:3]))
    assert found.platform is not None
    assert found.platform.startswith(f"{sys.platform}-")
    assert found.requirements == "requirements.txt"
    assert f"pytest=={metadata.version('pytest')}" in requirements.decode().splitlines()


@pytest.mark.parametrize("finder", ["importlib.metadata", "importlib_metadata"])
def test_packages_are_sorted_normalised_and_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, finder: str
) -> None:
    """Whoever answers: the backport, where MLflow has imported it, does so in its own words."""
    pytest.importorskip(finder)
    install(tmp_path / "a", "Zope.Interface", "7.0")
    install(tmp_path / "a", "attrs", "26.1")
    install(tmp_path / "b", "zope_interface", "6.0")
    install(tmp_path / "b", "broken", version=None)
    (tmp_path / "b" / "~ip-1.0.dist-info").mkdir()
    lines = frozen(monkeypatch, tmp_path / "a", tmp_path / "b")
    assert lines == ["attrs==26.1", "zope-interface==7.0"]


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (None, "x==1.0"),
        (
            {
                "url": "https://ada:s3cret@example.com/x.git",
                "vcs_info": {"vcs": "git", "commit_id": "4b652c8", "requested_revision": "main"},
            },
            "x @ git+https://example.com/x.git@4b652c8",
        ),
        (
            {
                "url": "ssh://git@example.com/x.git",
                "vcs_info": {"vcs": "git", "commit_id": "4b652c8"},
                "subdirectory": "python",
            },
            "x @ git+ssh://git@example.com/x.git@4b652c8#subdirectory=python",
        ),
        (
            {"url": "file:///home/ada/x", "vcs_info": {"vcs": "git", "commit_id": "4b652c8"}},
            "x==1.0  # local",
        ),
        ({"url": "file:///home/ada/x", "dir_info": {"editable": True}}, "x==1.0  # local"),
        (
            {"url": "https://t@example.com/x.whl?sig=s", "archive_info": {}},
            "x @ https://example.com/x.whl",
        ),
        ({"vcs_info": {}}, "x==1.0"),
        ({"url": 5}, "x==1.0"),
        ([], "x==1.0"),
        ("{", "x==1.0"),
    ],
)
def test_where_a_package_came_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, origin: object, expected: str
) -> None:
    install(tmp_path, "x", "1.0", origin)
    assert frozen(monkeypatch, tmp_path) == [expected]


def test_a_large_environment_is_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for number in range(800):
        install(tmp_path, f"package-{number:03}-{'x' * 90}")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    requirements = environment()[1]
    assert len(requirements) > 64 * 1024
    assert requirements.count(b"\n") == 800
