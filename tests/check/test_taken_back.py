"""A commit that takes an operation back without saying so: check, doctor and the same command."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.core.state.taken_back import TakenBack
from gitreg.errors import Refused
from gitreg.findings import Finding
from gitreg.publishing.outcome import Outcome
from tests.conftest import git
from tests.support.clones import check, commit

PRODUCTION = "registry/churn/stages/production.yaml"
OPERATION = "promote m@3\n\nGitreg-Op: a\n"


def promote(registry: Registry, *, push: bool = False) -> Outcome:
    return registry.promote("churn@3", stage="production", op_id="job-1", push=push)


def take_back(folder: Path, message: str = "my own work") -> str:
    """Commit with an old index, as after a crash of a release that moved the branch first."""
    (folder / "code.py").write_text("mine\n")
    git(folder, "add", "code.py")
    git(folder, "restore", "--source=HEAD~1", "--staged", "--worktree", "registry/churn/stages")
    git(folder, "commit", "--quiet", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def told(folder: Path) -> list[tuple[str, str]]:
    """Return what check and doctor say about it, subject and severity."""
    found: list[Finding] = [
        *check(folder, "HEAD~1..HEAD").findings,
        *check(folder, history=True).findings,
    ]
    with Registry(folder) as registry:
        found += registry.doctor()
    return [(f.subject, f.severity) for f in found if f.code == "taken-back"]


@pytest.mark.parametrize("push", [False, True])
def test_everybody_notices(stocked: Path, push: bool) -> None:
    with Registry(stocked) as registry:
        done = promote(registry, push=push)
        mine = take_back(stocked)
        if push:
            git(stocked, "push", "--quiet", "origin", "main")
        paths = [f"registry/churn/stages/{name}.yaml" for name in ("archived", "production")]
        assert told(stocked) == [(path, "warning") for path in paths] * 3
        with pytest.raises(Refused) as refused:
            promote(registry, push=push)
        assert str(refused.value).startswith(
            f"job-1 was done in {str(done.commit)[:9]}, and {mine[:9]} (my own work) took registry/"
        )
        again = registry.promote("churn@3", stage="production", op_id="job-2", push=push)
        assert again.commit is not None
        # What has been moved since holds: no news any more.
        assert [f for f in registry.doctor() if f.code == "taken-back"] == []


@pytest.mark.parametrize(
    "message",
    ["Revert it\n\nThis reverts commit {}.", "roll back\n\nGitreg-Action: rollback"],
)
def test_who_says_so_takes_nothing_back_silently(stocked: Path, message: str) -> None:
    with Registry(stocked) as registry:
        done = promote(registry)
        take_back(stocked, message.format(done.commit))
        assert promote(registry).repeated
    assert told(stocked) == []


def test_a_rollback_and_a_move_by_hand_are_no_such_thing(stocked: Path) -> None:
    with Registry(stocked) as registry:
        promote(registry)
        registry.rollback("churn")
        assert promote(registry).repeated
    commit(stocked, {PRODUCTION: "versions:\n- 1\n", "registry/churn/stages/archived.yaml": None})
    assert told(stocked) == []


def test_only_the_last_operation_on_a_file_can_be_taken_back() -> None:
    history = TakenBack()
    assert history.read("1", OPERATION, [("p", "a", "b")]) == []
    assert history.read("2", "by hand", [("p", "b", "c")]) == []
    assert history.read("3", "by hand", [("p", "c", "a")]) == []
    assert history.read("4", OPERATION, [("p", "a", "b"), ("new", None, "x")]) == []
    found = history.read("5", "by hand", [("p", "b", "a"), ("new", "x", None), ("q", "b", "a")])
    assert [(one.path, one.commit, one.operation) for one in found] == [
        ("p", "5", "4"),
        ("new", "5", "4"),
    ]
    assert history.read("6", "again", [("p", "a", "b")]) == []
