"""With --push the remote comes first; and reading from a second clone or a URL."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import DvcError, GitError, GitregError, LostRace
from gitreg.git import remote
from gitreg.git.repository import GitRepository, Tip

from .conftest import git, write_model
from .test_publish import commit_by_hand


def local(folder: Path) -> tuple[str, str, str]:
    """Return what a refused push must leave alone: branch, tags, index and work tree."""
    return (
        git(folder, "for-each-ref", "refs/heads", "refs/tags"),
        git(folder, "status", "--porcelain"),
        git(folder, "ls-files", "--stage"),
    )


def published(shared: Path) -> str:
    return git(shared / "origin.git", "for-each-ref")


def stored(shared: Path) -> set[str]:
    """Return the objects on the DVC remote."""
    base = shared / "dvc-remote" / "files" / "md5"
    return {"".join(path.relative_to(base).parts) for path in base.rglob("*") if path.is_file()}


def tags_of(folder: Path) -> set[str]:
    return set(
        git(folder, "for-each-ref", "--format=%(objectname) %(refname)", "refs/tags").split("\n")
    )


# Publishing


def test_what_was_pushed_is_on_both_remotes(shared: Path) -> None:
    work, origin = shared / "work", shared / "origin.git"
    with Registry(work) as registry:
        outcome = registry.register("churn", write_model(work, "weights 4"), push=True)
        md5 = registry.show("churn@4").artifact.md5
    assert outcome.pushed
    assert outcome.tags == ("churn@v4.0.0",)
    assert md5 in stored(shared)
    assert git(origin, "rev-parse", "main") == outcome.commit == git(work, "rev-parse", "HEAD")
    assert git(work, "rev-parse", "origin/main") == outcome.commit
    assert tags_of(origin) == tags_of(work)
    assert git(origin, "cat-file", "-t", "churn@v4.0.0") == "tag"
    assert git(work, "status", "--porcelain") == ""


def test_bytes_go_before_names(shared: Path) -> None:
    """When the Git host is asked to move the branch, the DVC remote has the artifact."""
    work, hook = shared / "work", shared / "origin.git" / "hooks" / "pre-receive"
    before = stored(shared)
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\nfind "$(pwd)/../dvc-remote" -type f > ../seen\ncat >> ../seen\n')
    hook.chmod(0o755)
    with Registry(work) as registry:
        outcome = registry.register("churn", write_model(work, "weights 4"), push=True)
        md5 = str(registry.show("churn@4").artifact.md5)
    assert md5 not in before
    seen = (shared / "seen").read_text()
    assert f"{md5[:2]}/{md5[2:]}" in seen
    asked = [line.split() for line in seen.splitlines() if " refs/" in line]
    assert sorted(ref for _, _, ref in asked) == ["refs/heads/main", "refs/tags/churn@v4.0.0"]
    assert outcome.commit in {new for _, new, _ in asked}


def test_earlier_commits_take_their_tags_and_bytes_along(shared: Path) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        registry.register("churn", write_model(work, "weights 4"))
        registry.register("other", write_model(work, "weights 5"))
        registry.promote("churn@4", stage="production")
        registry.set_alias("churn@4", "challenger")
        md5s = {registry.show(name).artifact.md5 for name in ("churn@4", "other@1")}
        assert not md5s & stored(shared)
        registry.annotate("churn", owner="Ada", push=True)
    assert md5s <= stored(shared)
    assert tags_of(shared / "origin.git") == tags_of(work)
    assert git(shared / "origin.git", "rev-parse", "main") == git(work, "rev-parse", "main")


def test_what_was_done_without_push_is_pushed_by_doing_it_again(shared: Path) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        done = registry.promote("churn@3", stage="production")
        assert git(shared / "origin.git", "rev-parse", "main") != done.commit
        again = registry.promote("churn@3", stage="production", push=True)
    assert again.is_unchanged
    assert again.pushed
    assert git(shared / "origin.git", "rev-parse", "main") == done.commit
    assert tags_of(shared / "origin.git") == tags_of(work)


def test_an_empty_remote_gets_everything(shared: Path) -> None:
    work = shared / "work"
    git(shared, "init", "--quiet", "--bare", "-b", "main", "empty.git")
    git(work, "remote", "set-url", "origin", "../empty.git")
    shutil.rmtree(shared / "dvc-remote")
    with Registry(work) as registry:
        outcome = registry.promote("churn@3", stage="production", push=True)
        md5s = {registry.show(f"churn@{number}").artifact.md5 for number in (1, 2, 3)}
    assert git(shared / "empty.git", "rev-parse", "main") == outcome.commit
    assert tags_of(shared / "empty.git") == tags_of(work)
    assert md5s <= stored(shared)


def test_a_dry_run_publishes_nothing(shared: Path) -> None:
    before, here = published(shared), local(shared / "work")
    with Registry(shared / "work") as registry:
        outcome = registry.promote("churn@3", stage="production", push=True, dry_run=True)
    assert not outcome.pushed
    assert outcome.tags
    assert (published(shared), local(shared / "work")) == (before, here)


# Refused: nothing local has moved


def _veto(shared: Path) -> None:
    hook = shared / "origin.git" / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        "#!/bin/sh\necho ===== >&2\necho not on a Friday >&2\necho ask ada >&2\n"
        "echo or grace >&2\nexit 1\n"
    )
    hook.chmod(0o755)


def _veto_of_one_tag(shared: Path) -> None:
    hook = shared / "origin.git" / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ncase "$1" in refs/tags/*) exit 1;; esac\n')
    hook.chmod(0o755)


def _lock_over_there(shared: Path) -> None:
    (shared / "origin.git" / "refs" / "heads" / "main.lock").touch()


def _moved(shared: Path) -> None:
    git(shared, "clone", "--quiet", "origin.git", "colleague")
    commit_by_hand(shared / "colleague", "code.py", "pass\n")
    git(shared / "colleague", "push", "--quiet")


def _rewritten(shared: Path) -> None:
    git(shared, "clone", "--quiet", "origin.git", "colleague")
    git(shared / "colleague", "reset", "--quiet", "--hard", "HEAD~1")
    commit_by_hand(shared / "colleague", "code.py", "pass\n")
    git(shared / "colleague", "push", "--quiet", "--force")


def _gone(shared: Path) -> None:
    shutil.rmtree(shared / "origin.git")


def _no_remote(shared: Path) -> None:
    git(shared / "work", "remote", "remove", "origin")


def _tag_taken(shared: Path) -> None:
    git(shared / "origin.git", "tag", "churn#production#9", "main")
    for number in range(1, 9):
        git(shared / "origin.git", "tag", f"churn#production#{number}", "main", check=False)


def _store_is_no_folder(shared: Path) -> None:
    shutil.rmtree(shared / "dvc-remote")
    (shared / "dvc-remote").write_text("not a folder")


def _no_store(shared: Path) -> None:
    (shared / "work" / ".dvc" / "config").write_text("")
    git(shared / "work", "commit", "--quiet", "-am", "no remote")


def _no_bytes(shared: Path) -> None:
    shutil.rmtree(shared / "work" / ".dvc" / "cache")
    shutil.rmtree(shared / "dvc-remote")


REFUSALS: list[tuple[Callable[[Path], None], type[GitregError], str]] = [
    (_veto, GitError, "pre-receive hook declined: not on a Friday: ask ada$"),
    (_lock_over_there, GitError, "Unable to create"),
    (_veto_of_one_tag, GitError, "hook declined|atomic"),
    (_moved, LostRace, "has commits that are not here"),
    (_rewritten, LostRace, "has commits that are not here"),
    (_gone, GitError, "cannot be read"),
    (_no_remote, GitError, "no Git remote"),
    (_tag_taken, GitError, "another tag"),
    (_store_is_no_folder, DvcError, "store"),
    (_no_store, DvcError, "no DVC remote"),
    (_no_bytes, DvcError, "neither in the cache nor on remote"),
]


@pytest.mark.parametrize(
    ("spoil", "error", "message"), REFUSALS, ids=[spoil.__name__ for spoil, _, _ in REFUSALS]
)
def test_nothing_moves_when_publishing_is_refused(
    shared: Path, spoil: Callable[[Path], None], error: type[GitregError], message: str
) -> None:
    spoil(shared)
    there = published(shared) if (shared / "origin.git").exists() else None
    here = local(shared / "work")
    with Registry(shared / "work") as registry:
        with pytest.raises(error, match=message) as refused:
            registry.promote("churn@3", stage="production", push=True)
        assert registry.resolve("churn/production").version == 2
    assert refused.value.exit_code == 3
    assert refused.value.hint is not None
    assert local(shared / "work") == here
    if there is not None:
        assert published(shared) == there


def test_a_remote_that_moves_between_fetch_and_push(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch_tip = remote.fetch_tip

    def overtaken(*args: object) -> str | None:
        tip = fetch_tip(*args)  # type: ignore[arg-type]
        _moved(shared)
        return tip

    git(shared / "work", "branch", "--unset-upstream")  # as after a first --push
    here = local(shared / "work")
    with monkeypatch.context() as patch, Registry(shared / "work") as registry:
        patch.setattr(remote, "fetch_tip", overtaken)
        with pytest.raises(LostRace, match="somebody else") as lost:
            registry.promote("churn@3", stage="production", push=True)
    assert local(shared / "work") == here
    command = re.search(r"git (pull --ff-only [^,]*),", str(lost.value.hint))
    assert command is not None
    git(shared / "work", *command[1].split())
    with Registry(shared / "work") as registry:
        assert registry.promote("churn@3", stage="production", push=True).pushed


def test_a_clone_that_cannot_follow_is_a_warning(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remote has accepted by then: an error would say that nothing was published."""
    push = remote.push

    def then_commit(*args: object) -> None:
        push(*args)  # type: ignore[arg-type]
        commit_by_hand(shared / "work", "code.py", "pass\n")

    monkeypatch.setattr(remote, "push", then_commit)
    with Registry(shared / "work") as registry:
        outcome = registry.promote("churn@3", stage="production", push=True)
    assert outcome.pushed
    assert git(shared / "origin.git", "rev-parse", "main") == outcome.commit
    assert any("git pull" in warning for warning in outcome.warnings)


def test_an_unknown_push_failure_is_told_without_credentials(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(shared / "work", "remote", "set-url", "origin", "https://ada:s3cret@localhost:1/x.git")
    with Registry(shared / "work") as registry, pytest.raises(GitError) as failed:
        registry.promote("churn@3", stage="production", push=True)
    assert "s3cret" not in f"{failed.value} {failed.value.hint}"
    assert "localhost" in str(failed.value)


# Where to


def test_the_configured_upstream_is_where_it_goes(shared: Path) -> None:
    work = shared / "work"
    git(shared, "init", "--quiet", "--bare", "other.git")
    git(work, "remote", "add", "other", "../other.git")
    git(work, "config", "branch.main.remote", "other")
    git(work, "config", "branch.main.merge", "refs/heads/release")
    before = published(shared)
    with Registry(work) as registry:
        outcome = registry.promote("churn@3", stage="production", push=True)
    assert git(shared / "other.git", "rev-parse", "refs/heads/release") == outcome.commit
    assert published(shared) == before


def test_without_upstream_it_is_origin_or_the_only_remote(shared: Path) -> None:
    work = shared / "work"
    git(work, "branch", "--unset-upstream")
    repository = GitRepository(work)
    tip = Tip("refs/heads/main", None)
    assert remote.upstream_of(repository, tip) == remote.Upstream("origin", "refs/heads/main")
    git(work, "remote", "rename", "origin", "host")
    upstream = remote.upstream_of(repository, tip)
    assert upstream.tracking == "refs/remotes/host/main"
    git(work, "remote", "add", "second", "../second.git")
    with pytest.raises(GitError, match="several remotes"):
        remote.upstream_of(repository, tip)


def test_nothing_to_push_is_no_push(stocked: Path) -> None:
    git(stocked, "remote", "set-url", "origin", "../nowhere.git")
    remote.push(
        GitRepository(stocked), remote.Upstream("origin", "refs/heads/main"), None, None, {}
    )
