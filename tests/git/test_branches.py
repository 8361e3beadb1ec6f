"""Whether a commit is on a branch, by the evidence that each kind of repository has."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg.git.branches import is_on_branch
from gitreg.git.repository import GitRepository
from tests.conftest import git


@pytest.fixture
def commits(tmp_path: Path) -> tuple[str, str]:
    """A server with the branches ``main`` (two commits) and ``prod`` (one), and its commits."""
    git(tmp_path, "init", "--quiet", "--initial-branch=main", "seed")
    seed = tmp_path / "seed"
    for subject in ("one", "two"):
        git(seed, "commit", "--quiet", "--allow-empty", "-m", subject)
    git(seed, "branch", "prod", "HEAD~1")
    git(tmp_path, "clone", "--quiet", "--bare", "seed", "server.git")
    return git(seed, "rev-parse", "HEAD~1"), git(seed, "rev-parse", "HEAD")


def answers(folder: Path, commits: tuple[str, str], branch: str = "prod") -> list[bool | None]:
    repository = GitRepository(folder)
    try:
        return [is_on_branch(repository, commit, branch) for commit in commits]
    finally:
        repository.close()


FIRST, BOTH, UNKNOWN = [True, False], [True, True], [None, None]


def clone(tmp_path: Path, *options: str) -> Path:
    git(tmp_path, "clone", "--quiet", *options, "server.git", "clone")
    return tmp_path / "clone"


def test_a_clone_goes_by_its_remote(tmp_path: Path, commits: tuple[str, str]) -> None:
    work = clone(tmp_path)
    assert answers(work, commits) == FIRST
    git(work, "branch", "prod", commits[1])  # has more than the remote: nobody else has that
    git(work, "branch", "mine", commits[1])
    assert answers(work, commits) == FIRST
    assert answers(work, commits, "mine") == UNKNOWN
    git(work, "checkout", "--quiet", "--detach")
    assert answers(work, commits) == FIRST
    assert answers(work, commits, "main") == BOTH
    assert answers(work, commits, "a\nb") == UNKNOWN
    assert answers(work, ("4b" * 20, "4b" * 20)) == UNKNOWN


def test_a_clone_without_a_remote_goes_by_itself(tmp_path: Path, commits: tuple[str, str]) -> None:
    work = tmp_path / "seed"
    assert answers(work, commits) == FIRST
    assert answers(work, commits, "main") == BOTH
    assert answers(work, commits, "nowhere") == UNKNOWN


def test_a_server_goes_by_itself(tmp_path: Path, commits: tuple[str, str]) -> None:
    server = tmp_path / "server.git"
    assert git(server, "remote") == "origin"  # `git clone --bare` leaves one, without branches
    assert answers(server, commits) == FIRST
    work = clone(tmp_path)
    git(work, "branch", "prod", commits[1])
    repository = GitRepository(work)
    assert is_on_branch(repository, commits[1], "prod", is_server=True) is True
    assert is_on_branch(repository, commits[1], "prod") is False
    repository.close()


def test_several_remotes(tmp_path: Path, commits: tuple[str, str]) -> None:
    """The one that is published to counts; where none is chosen, they have to agree."""
    work = clone(tmp_path, "--origin", "team")
    git(work, "remote", "add", "fork", "../server.git")
    git(work, "fetch", "--quiet", "fork")
    git(work, "update-ref", "refs/remotes/fork/prod", commits[1])
    assert answers(work, commits) == FIRST  # main follows team/main
    git(work, "switch", "--quiet", "--create", "topic", "--no-track")
    assert answers(work, commits) == [True, None]
    git(work, "config", "branch.topic.remote", "fork")
    assert answers(work, commits) == BOTH
    git(work, "config", "branch.topic.remote", ".")
    assert answers(work, commits) == [True, None]
    git(work, "remote", "rename", "team", "origin")
    assert answers(work, commits) == FIRST


def test_the_only_remote(tmp_path: Path, commits: tuple[str, str]) -> None:
    work = clone(tmp_path, "--origin", "team")
    git(work, "switch", "--quiet", "--detach")
    assert answers(work, commits) == FIRST


def test_a_detached_checkout_answers_as_the_branch_does(
    tmp_path: Path, commits: tuple[str, str]
) -> None:
    """A check before a push and CI's after it give one verdict."""
    folder = clone(tmp_path)
    git(tmp_path, "clone", "--quiet", "--bare", "server.git", "fork.git")
    git(tmp_path / "fork.git", "branch", "--force", "prod", "main")
    git(folder, "remote", "add", "fork", str(tmp_path / "fork.git"))
    git(folder, "fetch", "--quiet", "fork")
    git(folder, "branch", "--quiet", "--set-upstream-to=fork/main", "main")
    assert answers(folder, commits) == BOTH
    git(folder, "checkout", "--quiet", "--detach")
    assert answers(folder, commits) == BOTH


def test_a_remote_that_is_configured_by_its_url(tmp_path: Path, commits: tuple[str, str]) -> None:
    folder = clone(tmp_path)
    git(folder, "config", "branch.main.remote", str(tmp_path / "server.git"))
    assert answers(folder, commits) == FIRST  # the URL is origin's
    git(folder, "config", "branch.main.remote", str(tmp_path / "another.git"))
    assert answers(folder, commits) == UNKNOWN  # what that one has is not known here
