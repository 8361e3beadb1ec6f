"""A shallow clone whose operations need history: it is fetched beside the clone, which stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.core.operations.judging import GateRefused
from gitreg.errors import GitError
from gitreg.git.history_index import HistoryIndex
from gitreg.git.repository import GitRepository
from tests.conftest import git

SERVERS = {
    "sends what is asked for": [("uploadpack.allowFilter", "true")],
    "knows no filter": [("uploadpack.allowFilter", "false")],
    "sends only what references name": [
        ("uploadpack.allowFilter", "true"),
        ("protocol.version", "0"),
    ],
}
SOAK = """\
format: 1
stages:
  staging: {}
  production:
    gates:
    - {soak: {in: staging, at_least: HOURS}}
"""


def _cloned(shared: Path, server: str = "sends what is asked for") -> Path:
    """Return a shallow clone of a registry, with a history behind it."""
    origin = shared / "origin.git"
    for number in range(20):
        git(shared / "work", "commit", "--quiet", "--allow-empty", "-m", f"work {number}")
    git(shared / "work", "push", "--quiet")
    git(shared, "clone", "--quiet", "--depth=1", f"file://{origin}", "shallow")
    for key, value in SERVERS[server]:
        git(shared / "shallow" if key.startswith("protocol") else origin, "config", key, value)
    return shared / "shallow"


def _cut(clone: Path) -> str:
    return (clone / ".git/shallow").read_text()


def _is_in_order(folder: Path) -> bool:
    git(folder, "fsck", "--connectivity-only")
    with Registry(folder) as registry:
        found = registry.sync_tags(dry_run=True)
    return not (found.made or found.wrong or found.foreign or found.abandoned)


@pytest.mark.parametrize("server", SERVERS)
def test_a_rollback_fetches_the_history_beside_the_clone(shared: Path, server: str) -> None:
    shallow = _cloned(shared, server)
    settings = (shallow / ".git/config").read_bytes()
    with Registry(shallow) as registry:
        outcome, _ = registry.rollback("churn", push=True)
    assert [str(version) for version in outcome.versions] == ["churn@1"]
    assert (shallow / ".git/config").read_bytes() == settings
    assert len(_cut(shallow).split()) < 10
    assert len(git(shallow, "rev-list", "HEAD").split()) == 2
    git(shallow, "fsck", "--connectivity-only")
    past = shallow / ".git/gitreg/past.git"
    count = int(git(shared / "origin.git", "rev-list", "--count", "main"))
    assert len(git(past, "rev-list", "--all").split()) == count - 1
    git(shared, "clone", "--quiet", f"file://{shared / 'origin.git'}", "judge")
    assert _is_in_order(shared / "judge")
    with Registry(shallow) as registry:
        outcome, _ = registry.rollback("churn", to=2, push=True)
        assert outcome.pushed


@pytest.mark.parametrize(("hours", "passes"), [("9h", True), ("20h", False)])
def test_a_soak_rule_knows_since_when(
    shared: Path, hours: str, passes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = shared / "work"
    (work / "registry/policy.yaml").write_text(SOAK.replace("HOURS", hours))
    git(work, "commit", "--quiet", "-am", "Soak")
    with Registry(work) as registry:
        registry.promote("churn@3", stage="staging", push=True)
    entered = int(git(work, "log", "-1", "--format=%ct"))
    shallow = _cloned(shared)
    monkeypatch.setenv("GIT_COMMITTER_DATE", f"@{entered + 36_000} +0000")
    with Registry(shallow) as registry:
        if passes:
            assert registry.promote("churn@3", stage="production", push=True).pushed
        else:
            with pytest.raises(GateRefused, match="10h in staging, not yet"):
                registry.promote("churn@3", stage="production", push=True)


def test_an_operation_that_was_done_is_found(shared: Path) -> None:
    with Registry(shared / "work") as registry:
        done = registry.promote("churn@3", stage="staging", push=True, op_id="job-1")
        registry.set_alias("churn@1", "shadow", push=True)
    with Registry(_cloned(shared)) as registry:
        again = registry.promote("churn@3", stage="staging", push=True, op_id="job-1")
        assert (again.repeated, again.commit) == (True, done.commit)


def test_tags_that_prove_nothing_are_not_believed(shared: Path) -> None:
    origin = shared / "origin.git"
    git(origin, "tag", "-d", "churn#archived#3")
    with Registry(_cloned(shared)) as registry:
        made = registry.promote("churn@3", stage="production", push=True).tags
    git(shared / "shallow", "fsck", "--connectivity-only")
    index = HistoryIndex(GitRepository(origin))
    tip = git(origin, "rev-parse", "main")
    index.advance(tip)
    assert set(made) == {tag.name for tag in index.tags_of_commit(tip)}


def test_the_history_is_fetched_once_and_only_where_it_is_asked_for(shared: Path) -> None:
    shallow = _cloned(shared)
    past = shallow / ".git/gitreg/past.git"
    with Registry(shallow) as registry:
        registry.promote("churn@3", stage="production", push=True)
    assert not past.exists()
    with Registry(shallow) as registry:
        registry.rollback("churn", push=True)
    packs = sorted((past / "objects/pack").glob("*.pack"))
    with Registry(shallow) as registry:
        registry.rollback("churn", push=True)
    assert set(packs) < set((past / "objects/pack").glob("*.pack"))
    (past / "HEAD").write_text("")
    (past / "config").unlink()
    with Registry(shallow) as registry:
        assert registry.rollback("churn", to=3, push=True)[0].pushed


def test_without_a_remote_the_clone_is_named(shared: Path) -> None:
    shallow = _cloned(shared)
    (shared / "origin.git").rename(shared / "away.git")
    with Registry(shallow) as registry, pytest.raises(GitError, match="cannot be reached"):
        registry.rollback("churn")
    git(shallow, "remote", "remove", "origin")
    with Registry(shallow) as registry, pytest.raises(GitError, match="no Git remote"):
        registry.rollback("churn")


def test_a_detached_head_rolls_back_too(shared: Path) -> None:
    shallow = _cloned(shared)
    git(shallow, "checkout", "--quiet", "--detach")
    with Registry(shallow) as registry:
        outcome, _ = registry.rollback("churn", push=True)
    assert git(shared / "origin.git", "rev-parse", "main") == outcome.commit
    assert git(shallow, "rev-parse", "HEAD") == outcome.commit


def test_what_a_rollback_may_go_back_to_is_told_from_the_whole_history(shared: Path) -> None:
    with Registry(shared / "work") as registry:
        told = registry.tenures("churn")
    assert [one.version for one in told] == [1]
    shallow = _cloned(shared)
    with Registry(shallow) as registry:
        assert registry.tenures("churn") == told
    assert len(_cut(shallow).split()) == 1
    (shared / "origin.git").rename(shared / "away.git")
    with Registry(shallow) as registry, pytest.raises(GitError):
        registry.tenures("churn")
