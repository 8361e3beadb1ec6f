"""What a write says that others do not have yet: unpublished, or on a branch of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import git, write_model
from tests.git.test_remote import colleague
from tests.support.commands import error, gitreg


@pytest.mark.parametrize(
    ("words", "consequence"),
    [
        ("promote churn@3 --to production", "for everybody else churn@2 is still in production"),
        ("promote churn@3 --to staging", "for everybody else churn/staging is still empty"),
        ("rollback churn", "for everybody else churn@2 is still in production, @champion is still"),
        ("alias set churn@3 champion", "for everybody else @champion is still churn@2"),
        ("alias set churn@3 old", "for everybody else churn@old does not exist yet"),
        ("archive churn@3", "nobody else has this change"),
        ("annotate churn --owner growth", "nobody else has this change"),
        ("register churn models/churn", "nobody else has churn@4"),
    ],
)
def test_a_write_that_is_not_shared_ends_with_its_consequence(
    work: Path, words: str, consequence: str
) -> None:
    write_model(work, "new weights")
    ran = gitreg(*words.split())
    last = ran.err.splitlines()[-1]
    assert last.startswith(f"not shared yet: {consequence}")
    assert last.endswith("Publish: gitreg push")
    gitreg("push")


def test_what_is_pushed_or_has_no_remote_says_nothing(work: Path, folder: Path) -> None:
    ran = gitreg("alias", "set", "churn@3", "old", "--push", "--json")
    assert (ran.err, ran.json["unshared"], ran.json["branch"]) == ("", None, None)
    write_model(folder)
    ran = gitreg("register", "churn", str(folder / "models/churn"), "--repo", str(folder))
    assert "not shared" not in ran.err


def test_a_branch_is_named_and_gives_no_number_that_the_default_branch_gave(
    shared: Path, work: Path
) -> None:
    git(work, "remote", "set-head", "origin", "main")
    git(work, "switch", "--quiet", "-c", "feature")
    git(work, "push", "--quiet", "-u", "origin", "feature")
    write_model(work, "on a branch")
    ran = gitreg("register", "churn", "models/churn", "--push")
    assert "pushed to feature] register churn@4" in ran.out
    assert ran.err.splitlines()[-1] == (
        "on the branch feature: no other branch has it until it is merged"
    )
    other = colleague(shared)
    write_model(other, "on main")
    for _ in range(2):
        gitreg("register", "churn", str(other / "models/churn"), "--push", "--repo", str(other))
    for push in (("--push",), ()):
        said = error("register", "churn", "models/churn", *push, code=1)
        assert "main has churn@5, and this branch has versions up to 4" in said
        assert "merge main into this branch" in said


def test_a_proposal_waits_for_its_approvals(work: Path) -> None:
    policy = (
        "format: 1\nstages:\n  production:\n    holds: 1\n"
        "    approvals: {count: 1, by: [x@example.com]}\n  archived: {}\n"
        "signers: {x@example.com: [ssh-ed25519 "
        "AAAAC3NzaC1lZDI1NTE5AAAAIJ0XtFNgSBYJBdRsxtXLgW0CGzdHFpqFfFTrUJoXhBVL]}\n"
    )
    (work / "registry/policy.yaml").write_text(policy)
    git(work, "commit", "--quiet", "-am", "policy")
    gitreg("push")
    ran = gitreg("promote", "churn@3", "--to", "production", "--pr")
    assert "waiting  approvals: 0 of 1 approvals by x@example.com" in ran.err
    assert "failed" not in ran.err
