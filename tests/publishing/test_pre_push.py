"""A push runs the user's pre-push hook and honours their settings, as `git push` does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gitreg import Registry
from tests.conftest import git, write_model
from tests.git.test_remote import local, published, pushed_by_hand
from tests.publishing.both_sides import register_theirs, same_everywhere
from tests.publishing.by_hand import commit_by_hand
from tests.support.commands import error, gitreg


def hook(folder: Path, script: str, at: str = ".git/hooks") -> Path:
    """Install a pre-push hook that logs each run; return the log."""
    log = folder.parent / "hook.log"
    path = folder / at / "pre-push"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\necho "run $1 $2" >> "{log}"\ncat >> "{log}"\n{script}\n')
    path.chmod(0o755)
    return log


def runs(log: Path) -> int:
    return sum(line.startswith("run ") for line in log.read_text().splitlines())


# The hook


def test_the_hook_gets_what_git_gives_it_once(shared: Path) -> None:
    work = shared / "work"
    commit_by_hand(work, "code.py", "pass\n")
    log = hook(work, "git ls-files -- ':(top)code.py' ':!registry' >> \"$(dirname $0)/seen\"")
    before = git(shared / "origin.git", "rev-parse", "main")
    with Registry(work) as registry:
        outcome = registry.promote("churn@3", stage="production", push=True)
    first, *refs = log.read_text().splitlines()
    assert first == f"run origin {git(work, 'remote', 'get-url', 'origin')}"
    assert f"{outcome.commit} {outcome.commit} refs/heads/main {before}" in refs
    assert {line.split()[2] for line in refs} == {
        "refs/heads/main",
        *(f"refs/tags/{tag}" for tag in outcome.tags),
    }
    assert (work / ".git" / "hooks" / "seen").read_text() == "code.py\n"
    same_everywhere(shared)


@pytest.mark.parametrize(
    "line",
    [
        ("promote", "churn@3", "--to", "production", "--push"),
        ("push",),
        ("tags", "sync", "--push"),
    ],
)
@pytest.mark.parametrize("words", ["AWS key in code.py", "stale info, fetch first", "fatal: no"])
def test_a_hook_that_refuses(shared: Path, line: tuple[str, ...], words: str) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        registry.set_alias("churn@3", "mine")
    if line[0] == "tags":
        git(shared / "origin.git", "tag", "-d", "churn@v3.0.0")
    log = hook(work, f'echo "to stdout"; echo "{words}" >&2; exit 1')
    before = local(work), published(shared)
    said = error(*line, "--repo", str(work), code=3)
    assert "the pre-push hook refused: " in said
    assert words in said
    assert "to stdout" in said
    assert "nothing was published" in said
    assert "failed to push some refs" not in said
    assert (local(work), published(shared)) == before
    assert runs(log) == 1
    hook(work, "exit 0")
    gitreg(*line, "--repo", str(work))
    gitreg("push", "--repo", str(work))
    same_everywhere(shared)


def test_a_hook_that_refuses_what_is_redone(shared: Path) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        registry.register("churn", write_model(work, "mine"))
    register_theirs(shared)
    hook(work, "echo no; exit 1")
    before = local(work), published(shared)
    assert "the pre-push hook refused: no" in error("push", "--repo", str(work), code=3)
    assert (local(work), published(shared)) == before
    hook(work, "exit 0")
    gitreg("push", "--repo", str(work))
    same_everywhere(shared)


def test_a_hook_that_reads_the_registry(shared: Path) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        registry.set_alias("churn@3", "mine")
    pushed_by_hand(shared, "theirs.py", "pass\n")
    log = hook(work, f"{sys.executable} -m gitreg log churn >> ../read || exit 1")
    gitreg("push", "--repo", str(work))
    assert runs(log) == 1
    assert "mine" in (shared / "read").read_text()
    same_everywhere(shared)


def test_a_hook_of_the_configuration(shared: Path) -> None:
    work = shared / "work"
    git(work, "config", "core.hooksPath", "tools")
    hook(work, "echo scanned; exit 1", at="tools")
    said = error("alias", "set", "churn@3", "x", "--push", "--repo", str(work), code=3)
    assert "the pre-push hook refused: scanned" in said


def test_a_silent_hook(shared: Path) -> None:
    hook(shared / "work", "exit 1")
    said = error("alias", "set", "churn@3", "x", "--push", "--repo", str(shared / "work"), code=3)
    assert "it gave no reason" in said


def test_a_refusal_of_the_remote_is_not_the_hook_s(shared: Path) -> None:
    work, there = shared / "work", shared / "origin.git" / "hooks" / "pre-receive"
    log = hook(work, "echo fine")
    there.parent.mkdir(exist_ok=True)
    there.write_text("#!/bin/sh\necho closed today; exit 1\n")
    there.chmod(0o755)
    said = gitreg("alias", "set", "churn@3", "x", "--push", "--repo", str(work), code=1).err
    assert said.startswith("remote: closed today\n")
    assert "pre-push" not in said
    assert runs(log) == 1


def test_a_hook_that_somebody_overtakes(shared: Path) -> None:
    """Each attempt pushes another commit, which the hook has to see."""
    work, once = shared / "work", shared / "once"
    with Registry(shared / "work"):
        log = hook(
            work,
            f"[ -e {once} ] && exit 0\ntouch {once}\ncd {shared / 'origin.git'}\nunset GIT_DIR\n"
            "export GIT_AUTHOR_NAME=G GIT_COMMITTER_NAME=G\n"
            "export GIT_AUTHOR_EMAIL=g@h GIT_COMMITTER_EMAIL=g@h\n"
            "new=$(git commit-tree main^{tree} -p main -m theirs)\n"
            "git update-ref refs/heads/main $new",
        )
    gitreg("alias", "set", "churn@3", "x", "--push", "--repo", str(work))
    assert runs(log) == 2
    same_everywhere(shared)


def test_a_push_by_url_has_no_hooks(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = shared / "work"
    config = work / "registry" / ".dvc" / "config"
    config.write_text(config.read_text().replace("../../../dvc-remote", str(shared / "dvc-remote")))
    git(work, "commit", "--quiet", "-am", "an absolute path, so that it can be reached by URL")
    git(work, "push", "--quiet")
    settings = tmp_path / "gitconfig"
    user = "[user]\n\tname = Ada\n\temail = ada@example.com\n"
    settings.write_text(f"[core]\n\thooksPath = {tmp_path / 'tools'}\n{user}")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    log = hook(tmp_path, "exit 1", at="tools")
    gitreg("alias", "set", "churn@3", "x", "--push", "--repo", f"file://{shared / 'origin.git'}")
    assert not log.exists()


# Where pushes go


@pytest.mark.parametrize("key", ["remote.pushDefault", "branch.main.pushRemote"])
def test_a_remote_of_its_own_for_pushes(shared: Path, key: str) -> None:
    work, fork = shared / "work", shared / "fork.git"
    git(shared, "clone", "--quiet", "--bare", "origin.git", "fork.git")
    git(work, "remote", "add", "fork", str(fork))
    git(work, "config", key, "fork")
    before = published(shared)
    with Registry(work) as registry:
        outcome = registry.promote("churn@3", stage="production", push=True)
        assert registry.fetch().upstream == "fork/main"
    assert git(fork, "rev-parse", "main") == outcome.commit
    assert set(outcome.tags) <= set(git(fork, "tag").split())
    assert published(shared) == before


def test_the_branch_s_push_remote_wins(shared: Path) -> None:
    work = shared / "work"
    git(work, "config", "remote.pushDefault", "nowhere")
    git(work, "config", "branch.main.pushRemote", "origin")
    gitreg("alias", "set", "churn@3", "x", "--push", "--repo", str(work))
    same_everywhere(shared)


def test_tags_of_the_user_stay_here(shared: Path) -> None:
    work = shared / "work"
    commit_by_hand(work, "code.py", "pass\n")
    git(work, "tag", "-a", "private", "-m", "mine")
    gitreg("alias", "set", "churn@3", "x", "--push", "--repo", str(work))
    assert "private" not in git(shared / "origin.git", "tag").split()


# Submodules


@pytest.fixture
def nested(shared: Path) -> Path:
    """The clone, with a submodule that has an unpublished commit which the clone names."""
    git(shared, "init", "--quiet", "--bare", "--initial-branch=main", "sub.git")
    work = shared / "work"
    git(shared, "clone", "--quiet", "sub.git", "first")
    for name, value in (("user.name", "S"), ("user.email", "s@example.com")):
        git(shared / "first", "config", name, value)
    git(shared / "first", "commit", "--quiet", "--allow-empty", "-m", "one")
    git(shared / "first", "push", "--quiet", "origin", "HEAD:main")
    git(
        work,
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        "-b",
        "main",
        str(shared / "sub.git"),
        "sub",
    )
    for name, value in (("user.name", "S"), ("user.email", "s@example.com")):
        git(work / "sub", "config", name, value)
    git(work / "sub", "commit", "--quiet", "--allow-empty", "-m", "two")
    git(work, "add", "sub", ".gitmodules")
    git(work, "commit", "--quiet", "-m", "a submodule")
    return work


def test_submodules_are_checked(shared: Path, nested: Path) -> None:
    git(nested, "config", "push.recurseSubmodules", "check")
    before = published(shared)
    said = error("push", "--repo", str(nested), code=3)
    assert "submodules have commits that none of their remotes has" in said
    assert "nothing was published" in said
    assert published(shared) == before
    git(nested / "sub", "push", "--quiet", "origin", "main")
    gitreg("push", "--repo", str(nested))
    assert git(shared / "origin.git", "rev-parse", "main") == git(nested, "rev-parse", "main")


@pytest.mark.parametrize("upstream", [True, False])
def test_submodules_are_pushed_on_demand(shared: Path, nested: Path, upstream: bool) -> None:
    git(nested, "config", "push.recurseSubmodules", "on-demand")
    if not upstream:
        git(nested, "branch", "--unset-upstream")
    log = hook(nested, "exit 0")
    gitreg("alias", "set", "churn@3", "x", "--push", "--repo", str(nested))
    assert git(shared / "sub.git", "rev-parse", "main") == git(nested / "sub", "rev-parse", "HEAD")
    assert git(shared / "origin.git", "rev-parse", "main") == git(nested, "rev-parse", "main")
    assert runs(log) == 1


def test_submodules_alone_are_not_what_gitreg_publishes(shared: Path, nested: Path) -> None:
    git(nested, "config", "push.recurseSubmodules", "only")
    before = published(shared)
    assert "push.recurseSubmodules is only" in error("push", "--repo", str(nested), code=3)
    assert published(shared) == before


def test_without_a_setting_submodules_are_left_alone(shared: Path, nested: Path) -> None:
    before = git(shared / "sub.git", "rev-parse", "main")
    gitreg("push", "--repo", str(nested))
    assert git(shared / "sub.git", "rev-parse", "main") == before
