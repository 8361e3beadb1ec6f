"""Where a repository is, what its branch is at, and who commits to it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import GitError, InvalidRequest, NotFound
from gitreg.git.log import read_commits
from gitreg.git.repository import GitRepository, Tip
from tests.conftest import git


@pytest.fixture
def repository(stocked: Path) -> Iterator[GitRepository]:
    opened = GitRepository(stocked)
    yield opened
    opened.close()


def test_where_it_is(shared: Path) -> None:
    work = shared / "work"
    git(work, "worktree", "add", "--quiet", "-b", "side", "../linked")
    (work / "src").mkdir()
    places = {}
    for name in ("work", "work/src", "linked", "origin.git"):
        found = GitRepository(shared / name)
        assert not found.is_shallow
        places[name] = found.git_dir, found.common_dir, found.top_level
    dot_git = work / ".git"
    assert places == {
        "work": (dot_git, dot_git, work),
        "work/src": (dot_git, dot_git, work),
        "linked": (dot_git / "worktrees" / "linked", dot_git, shared / "linked"),
        "origin.git": (shared / "origin.git", shared / "origin.git", None),
    }


@pytest.mark.parametrize("name", [b"a\nb", b"end\n", b"\xff\xe9", "Modelle für alle".encode()])
def test_any_folder_name(shared: Path, name: bytes) -> None:
    place = shared / os.fsdecode(name)
    (shared / "work").rename(place)
    found = GitRepository(place)
    assert (found.git_dir, found.common_dir) == (place / ".git", place / ".git")
    assert found.top_level == place
    with Registry(place) as registry:
        assert registry.resolve("churn@champion").version == 2
        assert registry.log("churn@champion")[0].after == (2,)


def test_inside_of_dot_git_is_no_place(stocked: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"inside a \.git folder"):
        _ = GitRepository(stocked / ".git" / "refs").top_level


def test_the_tip(stocked: Path, repository: GitRepository) -> None:
    oid = git(stocked, "rev-parse", "HEAD")
    assert repository.tip() == Tip("refs/heads/main", oid)
    git(stocked, "switch", "--quiet", "--orphan", "new/branch")
    assert repository.tip() == Tip("refs/heads/new/branch", None)
    git(stocked, "switch", "--quiet", "--detach", oid)
    assert repository.head_branch() is None
    with pytest.raises(GitError, match="detached"):
        repository.tip()
    (stocked / ".git" / "HEAD").unlink()
    with pytest.raises(GitError, match="HEAD"):
        repository.tip()


def test_a_tip_in_packed_references(stocked: Path, repository: GitRepository) -> None:
    oid = git(stocked, "rev-parse", "HEAD")
    before = repository.tags()
    git(stocked, "pack-refs", "--all")
    git(stocked, "gc", "--quiet")
    assert repository.tip() == Tip("refs/heads/main", oid)
    assert repository.tags() == before
    assert len(before) == 8


@pytest.mark.parametrize("revision", ["HEAD", "main", "HEAD~1", "churn@v1.0.0", "origin/main", "@"])
def test_a_revision(stocked: Path, repository: GitRepository, revision: str) -> None:
    expected = git(stocked, "rev-parse", f"{revision}^{{commit}}")
    assert repository.parse_revision(revision) == expected


@pytest.mark.parametrize("revision", ["", "-h", "--output=x", "--all", "a\nb", "a\0b", "\x1b[31m"])
def test_what_is_no_revision(repository: GitRepository, revision: str) -> None:
    with pytest.raises(InvalidRequest, match="not a revision"):
        repository.parse_revision(revision)


@pytest.mark.parametrize(
    "revision", ["nothing", "HEAD~99", "f" * 40, "HEAD^{tree}", "a..b", "^main"]
)
def test_a_revision_that_is_not_there(repository: GitRepository, revision: str) -> None:
    with pytest.raises(NotFound, match="no commit"):
        repository.parse_revision(revision)


def test_ancestors(stocked: Path, repository: GitRepository) -> None:
    head, first = (git(stocked, "rev-parse", name) for name in ("HEAD", "HEAD~1"))
    assert repository.is_ancestor(first, head)
    assert repository.is_ancestor(head, head)
    assert not repository.is_ancestor(head, first)
    with pytest.raises(GitError):
        repository.is_ancestor("f" * 40, head)


def test_the_tip_at_a_time(stocked: Path, repository: GitRepository) -> None:
    head = git(stocked, "rev-parse", "HEAD")
    assert repository.tip_at(head, 2**33) == head
    for early in (0, -1, 31536000):  # Git takes a small number for something else
        assert repository.tip_at(head, early) is None


def test_who_commits(
    repository: GitRepository, stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_COMMITTER_NAME", "Grace Hopper")
    monkeypatch.setenv("GIT_COMMITTER_EMAIL", "grace@example.com")
    first = repository.signature("COMMITTER")
    assert first.person == "Grace Hopper <grace@example.com>"
    assert str(first) == f"{first.person} {first.time} +0000"
    assert repository.signature("AUTHOR").name == "Ada Lovelace"
    again = repository.signature("COMMITTER")  # remembered, but for the time
    assert (again.person, again.zone) == (first.person, "+0000")
    assert 0 <= again.time - first.time < 600
    written = datetime.fromtimestamp(again.time, timezone.utc)
    assert again.utc == f"{written:%Y-%m-%dT%H:%M:%SZ}"
    monkeypatch.setenv("GIT_COMMITTER_DATE", "1234567890 -0330")
    dated = repository.signature("COMMITTER")
    assert (dated.time, dated.zone, dated.utc) == (1234567890, "-0330", "2009-02-13T23:31:30Z")


def test_why_there_is_no_identity(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_COMMITTER_DATE", "garbage")
    with pytest.raises(GitError, match=r"GIT_COMMITTER_DATE: .*invalid date format: garbage"):
        GitRepository(stocked).signature("COMMITTER")
    monkeypatch.delenv("GIT_COMMITTER_DATE")
    for key in ("NAME", "EMAIL"):
        monkeypatch.delenv(f"GIT_COMMITTER_{key}")
    with pytest.raises(GitError, match="no identity"):
        GitRepository(stocked).signature("COMMITTER")


def test_names_that_break_a_commit_are_cleaned_by_git(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line break or bracket in a name would forge a header; Git takes them out."""
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Ada\nLove<lace>")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "<ada>@example.com\n")
    repository = GitRepository(stocked)
    assert repository.signature("AUTHOR").person == "AdaLovelace <ada@example.com>"


def test_configuration(stocked: Path, repository: GitRepository) -> None:
    git(stocked, "config", "some.key", "value with spaces")
    assert repository.config("some.key") == "value with spaces"
    assert repository.config("no.such") is None


def test_blob_names_are_git_s(stocked: Path, repository: GitRepository) -> None:
    policy = stocked / "registry" / "policy.yaml"
    assert repository.blob_name(policy.read_bytes()) == git(stocked, "hash-object", str(policy))
    assert repository.blob_name(None) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("log.diffMerges", "combined"),
        ("log.diffMerges", "off"),
        ("log.diffMerges", "remerge"),
        ("log.follow", "true"),
        ("log.showRoot", "false"),
        ("log.showSignature", "true"),
        ("diff.orderFile", "/no/such/file"),
        ("diff.ignoreSubmodules", "all"),
        ("diff.renames", "copies"),
        ("diff.relative", "true"),
        ("color.ui", "always"),
        ("format.pretty", "oneline"),
    ],
)
def test_a_person_s_taste_does_not_change_history(stocked: Path, key: str, value: str) -> None:
    def read() -> list[object]:
        with contextlib.closing(GitRepository(stocked)) as opened:
            return list(read_commits(opened, None, git(stocked, "rev-parse", "HEAD")))

    (stocked / "registry" / "churn" / "stages" / "staging.yaml").write_text("versions:\n- 3\n")
    git(stocked, "switch", "--quiet", "-c", "side")
    git(stocked, "add", "registry")
    submodule = f"160000,{git(stocked, 'rev-parse', 'HEAD')},registry/churn/sub"
    git(stocked, "update-index", "--add", "--cacheinfo", submodule)
    git(stocked, "commit", "--quiet", "-m", "by hand")
    git(stocked, "switch", "--quiet", "main")
    git(stocked, "merge", "--quiet", "--no-ff", "-m", "merge", "side")
    before = read()
    git(stocked, "config", key, value)
    assert read() == before
    assert len(before) == 9
