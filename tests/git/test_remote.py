"""With --push the remote comes first; and reading from a second clone or a URL."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.dvc.remote import Remote as DvcRemote
from gitreg.errors import DvcError, GitError, GitregError, LostRace, NotFound, ServerRefused
from gitreg.git import remote
from gitreg.git.repository import GitRepository, Tip
from gitreg.publishing import retry
from tests.conftest import git, write_model
from tests.publishing.by_hand import commit_by_hand


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
    (shared / "work" / "registry" / ".dvc" / "config").write_text("")
    git(shared / "work", "commit", "--quiet", "-am", "no remote")


def _no_bytes(shared: Path) -> None:
    shutil.rmtree(shared / "work" / "registry" / ".dvc" / "cache")
    shutil.rmtree(shared / "dvc-remote")
    (shared / "dvc-remote").mkdir()


REFUSALS: list[tuple[Callable[[Path], None], type[GitregError], str]] = [
    (_veto, ServerRefused, "hook declined\n=====\nnot on a Friday\nask ada\nor grace$"),
    (_lock_over_there, GitError, r"refs/heads/main\.lock is in the way: last written"),
    (_veto_of_one_tag, ServerRefused, "hook declined|atomic"),
    (_rewritten, GitError, "went backwards"),
    (_gone, GitError, "cannot read the remote"),
    (_no_remote, GitError, "no Git remote"),
    (_tag_taken, GitError, "a different tag"),
    (_store_is_no_folder, DvcError, "store"),
    (_no_store, DvcError, "no DVC remote"),
    (_no_bytes, DvcError, "neither in the cache nor on remote"),
]


@pytest.mark.parametrize(
    ("spoil", "error", "message"), REFUSALS, ids=[spoil.__name__ for spoil, _, _ in REFUSALS]
)
def test_nothing_moves_when_publishing_is_refused(
    shared: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Path], None],
    error: type[GitregError],
    message: str,
) -> None:
    monkeypatch.setattr(retry, "LOCK_BUDGET", 0.0)
    spoil(shared)
    there = published(shared) if (shared / "origin.git").exists() else None
    here = local(shared / "work")
    with Registry(shared / "work") as registry:
        with pytest.raises(error, match=message) as refused:
            registry.promote("churn@3", stage="production", push=True)
        assert registry.resolve("churn/production").version == 2
    assert refused.value.exit_code == (1 if error is ServerRefused else 3)
    assert refused.value.hint is not None
    assert local(shared / "work") == here
    if there is not None:
        assert published(shared) == there


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], times: int = 1) -> None:
    """Let something happen between the fetch of the published branch and the push."""
    fetch_tip, left = remote.fetch_tip, [act] * times

    def overtaken(*args: object) -> str | None:
        tip = fetch_tip(*args)  # type: ignore[arg-type]
        if left:
            left.pop()()
        return tip

    monkeypatch.setattr(remote, "fetch_tip", overtaken)


def colleague(shared: Path) -> Path:
    """Return a clone of somebody else's."""
    folder = shared / "colleague"
    if not folder.exists():
        git(shared, "clone", "--quiet", "origin.git", "colleague")
        git(folder, "config", "user.name", "Grace Hopper")
        git(folder, "config", "user.email", "grace@example.com")
    git(folder, "pull", "--quiet", "--ff-only")
    return folder


def pushed_by_hand(shared: Path, path: str, text: str) -> str:
    """Publish a file as a colleague would, in an editor."""
    folder = colleague(shared)
    commit = commit_by_hand(folder, path, text)
    git(folder, "push", "--quiet")
    return commit


def test_a_remote_that_moves_between_fetch_and_push(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = shared / "work"
    git(work, "branch", "--unset-upstream")  # as after a first --push
    meanwhile(monkeypatch, lambda: _moved(shared))
    with Registry(work) as registry:
        outcome = registry.promote("churn@3", stage="production", push=True)
    assert outcome.pushed
    assert git(shared / "origin.git", "log", "--format=%s", "-2", "main").split("\n") == [
        "promote churn@3 to production",
        "by hand",
    ]
    assert git(work, "rev-parse", "HEAD") == outcome.commit
    assert (work / "code.py").read_text() == "pass\n"
    assert git(work, "status", "--porcelain") == ""
    assert tags_of(shared / "origin.git") == tags_of(work)


def test_a_clone_that_is_behind_follows(shared: Path) -> None:
    """Nobody has to pull first: the operation is done on what is published."""
    work = shared / "work"
    (work / "notes.txt").write_text("mine\n")
    (work / ".gitignore").write_text("/models/\n/scratch/\n")
    git(work, "add", "notes.txt")
    with Registry(colleague(shared)) as registry:
        number = registry.register("churn", write_model(shared, "weights 4"), push=True)
    with Registry(work) as registry:
        outcome = registry.promote("churn@4", stage="production", push=True)
        assert registry.resolve("churn/production").version == 4
    assert git(work, "log", "--format=%H", "-2").split("\n") == [outcome.commit, number.commit]
    assert git(work, "status", "--porcelain") == " M .gitignore\nA  notes.txt"
    assert tags_of(shared / "origin.git") == tags_of(work)


def test_registering_takes_the_next_free_number(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = shared / "work"
    uploads: list[object] = []
    upload = DvcRemote.upload

    def counted(self: DvcRemote, oids: Sequence[str], *args: object) -> None:
        uploads.extend(oids)
        upload(self, oids, *args)  # type: ignore[arg-type]

    def register_theirs() -> None:
        with Registry(colleague(shared)) as theirs:
            theirs.register("churn", write_model(shared, "theirs", "models/theirs"), push=True)

    meanwhile(monkeypatch, register_theirs)
    source = write_model(work, "weights 4")
    with Registry(work) as registry:
        monkeypatch.setattr(DvcRemote, "upload", counted)
        outcome = registry.register("churn", source, push=True)
        assert str(outcome.versions[0]) == "churn@5"
        assert (registry.pull("churn@5") / "model.pkl").read_text() == "weights 4"
        assert (registry.pull("churn@4") / "model.pkl").read_text() == "theirs"
    assert len(uploads) == len(set(uploads))  # nothing was sent twice
    assert git(work, "status", "--porcelain") == ""


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_pointer_that_somebody_else_has_moved(
    shared: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """It was decided by comparing with another incumbent: whoever asks is told of the winner."""
    work, won = shared / "work", []
    pointer = "registry/churn/stages/production.yaml"

    def win() -> None:
        won.append(pushed_by_hand(shared, pointer, "versions:\n- 1\n"))

    if when == "before":
        win()
    else:
        meanwhile(monkeypatch, win)
    here = local(work)
    with Registry(work) as registry:
        with pytest.raises(LostRace, match="Grace Hopper") as lost:
            registry.promote("churn@3", stage="production", push=True)
        assert lost.value.exit_code == 3
        assert won[0][:9] in str(lost.value)
        assert "nothing was published" in str(lost.value)
        assert local(work) == here
        assert git(shared / "origin.git", "rev-parse", "main") == won[0]
        # Who was told and asks again has decided on it.
        assert registry.promote("churn@3", stage="production", push=True).pushed


def test_other_pointers_may_have_moved(shared: Path) -> None:
    pushed_by_hand(shared, "registry/churn/stages/staging.yaml", "versions:\n- 3\n")
    pushed_by_hand(shared, "registry/churn/aliases/shadow.yaml", "version: 3\n")
    with Registry(shared / "work") as registry:
        registry.archive("churn@2", push=True)  # archived holds any number; production is ours
        assert registry.model("churn").stages == {"staging": (3,), "archived": (1, 2)}


def test_the_rule_that_was_published_meanwhile_judges(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = (shared / "work/registry/policy.yaml").read_text()
    without = policy.replace("  staging:\n    holds: any\n", "")
    meanwhile(monkeypatch, lambda: pushed_by_hand(shared, "registry/policy.yaml", without))
    with Registry(shared / "work") as registry, pytest.raises(NotFound, match="no stage 'staging'"):
        registry.promote("churn@3", stage="staging", push=True)


def test_a_remote_that_keeps_moving_is_given_up(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "RETRY_BUDGET", 1.0)
    texts = iter(range(10**6))
    meanwhile(
        monkeypatch, lambda: pushed_by_hand(shared, "code.py", f"{next(texts)}\n"), times=10**6
    )
    here = local(shared / "work")
    with Registry(shared / "work") as registry, pytest.raises(LostRace, match="keeps moving"):
        registry.promote("churn@3", stage="production", push=True)
    assert local(shared / "work") == here


def test_commits_of_ones_own_stay_when_the_remote_moved(shared: Path) -> None:
    work = shared / "work"
    mine = commit_by_hand(work, "train.py", "pass\n")
    theirs = pushed_by_hand(shared, "code.py", "pass\n")
    with Registry(work) as registry:
        outcome = registry.promote("churn@3", stage="production", push=True)
    assert any("commits of its own" in warning for warning in outcome.warnings)
    assert git(work, "rev-parse", "HEAD") == mine
    log = git(shared / "origin.git", "log", "--format=%H", "-2", "main").split("\n")
    assert log == [outcome.commit, theirs]


def test_a_clone_that_cannot_follow_is_a_warning(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remote has accepted by then: an error would say that nothing was published."""
    push = remote.push

    def then_commit(*args: object, **options: object) -> str:
        said = push(*args, **options)  # type: ignore[arg-type]
        commit_by_hand(shared / "work", "code.py", "pass\n")
        return said

    monkeypatch.setattr(remote, "push", then_commit)
    with Registry(shared / "work") as registry:
        outcome = registry.promote("churn@3", stage="production", push=True)
    assert outcome.pushed
    assert git(shared / "origin.git", "rev-parse", "main") == outcome.commit
    assert any("gitreg fetch" in warning for warning in outcome.warnings)


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
    with (
        Registry(work) as registry,
        pytest.raises(GitError, match="would put all commits of main there"),
    ):
        registry.promote("churn@3", stage="production", push=True)
    git(work, "config", "push.default", "upstream")  # as `git push` wants it said, too
    with Registry(work) as registry:
        outcome = registry.promote("churn@3", stage="production", push=True)
    assert git(shared / "other.git", "rev-parse", "refs/heads/release") == outcome.commit
    assert published(shared) == before


def test_without_upstream_it_is_origin_or_the_only_remote(shared: Path) -> None:
    work = shared / "work"
    git(work, "branch", "--unset-upstream")
    repository = GitRepository(work)
    tip = Tip("refs/heads/main", None)
    upstream = remote.upstream_of(repository, tip)
    assert (upstream.remote, upstream.branch) == ("origin", "refs/heads/main")
    git(work, "remote", "rename", "origin", "host")
    assert remote.upstream_of(repository, tip).remote == "host"
    assert remote.upstream_of(repository, tip).seen == upstream.seen  # the same place
    git(work, "remote", "add", "second", "../second.git")
    with pytest.raises(GitError, match="several remotes"):
        remote.upstream_of(repository, tip)


def test_nothing_to_push_is_no_push(stocked: Path) -> None:
    git(stocked, "remote", "set-url", "origin", "../nowhere.git")
    remote.push(
        GitRepository(stocked), remote.Upstream("origin", "refs/heads/main"), None, None, {}
    )
