"""gitreg push goes by the judge of gitreg check; a broken policy stops no rollback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import git
from tests.publishing.both_sides import PRODUCTION, same_everywhere, theirs
from tests.publishing.by_hand import commit_by_hand
from tests.support.clones import check
from tests.support.commands import error, gitreg
from tests.support.signers import make_key, use_ssh, write_policy

POLICY = "registry/policy.yaml"
BROKEN = "format: 1\nstages:\n  production:\n    aprovals: {count: 1, by: [x@example.com]}\n"


@pytest.fixture
def team(shared: Path) -> Path:
    """The shared clone, in which ada's approval lets a version into production."""
    work = shared / "work"
    key = make_key(shared / "keys", "grace")
    write_policy(work, {"grace@example.com": [key.line]}, count=1)
    use_ssh(work, str(key.file))
    gitreg("push", "--repo", str(work))
    return work


def test_what_check_accepts_about_approvals_can_be_pushed(team: Path, shared: Path) -> None:
    where = ("--repo", str(team))
    gitreg("approve", "churn@3", "--to", "production", "--push", *where)
    gitreg("promote", "churn@3", "--to", "production", "--push", *where)
    gitreg("rollback", "churn", "-m", "it drifted", *where)
    gitreg("approve", "churn@1", "--to", "production", *where)
    gitreg("approve", "churn@1", "--to", "production", "--withdraw", *where)
    assert check(team).passed
    assert len(gitreg("push", "--json", *where).json["sent"]) == 3
    same_everywhere(shared)
    assert gitreg("resolve", "churn/production", *where).out.split() == ["churn@2"]


def test_who_approved_is_whose_key_signed(team: Path) -> None:
    where = ("--repo", str(team))
    gitreg("approve", "churn@3", "--to", "production", *where)
    told = "grace@example.com, committed by Ada Lovelace"
    (line,) = [one for one in gitreg("log", "churn@3", *where).out.splitlines() if "approve" in one]
    assert told in line
    assert gitreg("log", "-n1", "--json", *where).json[0]["principal"] == "grace@example.com"
    gitreg("promote", "churn@3", "--to", "production", *where)
    commit = git(team, "rev-parse", "--short=9", "HEAD~1")
    shown = gitreg("show", "churn@3", *where).out
    (row,) = [one for one in shown.splitlines() if one.startswith("approved for production")]
    assert "grace@example.com, verified; 20" in row
    assert f"in {commit}, committed by Ada Lovelace, key SHA256:" in row
    gitreg("rollback", "churn", *where)
    (row,) = [
        one for one in gitreg("show", "churn@3", *where).out.splitlines() if "approved for" in one
    ]
    assert row.startswith("was approved for production  grace@example.com, 20")
    assert "key SHA256:" in row
    assert "; withdrawn 20" in row
    assert row.rstrip().endswith(f"in {git(team, 'rev-parse', '--short=9', 'HEAD')}")
    events = gitreg("show", "churn@3", "--json", *where).json["approval_events"]
    assert [one["action"] for one in events] == ["withdraw", "approve"]
    assert len({one["key"] for one in events}) == 1


def test_what_check_refuses_is_not_pushed(shared: Path) -> None:
    work = shared / "work"
    commit_by_hand(
        work, POLICY, "format: 1\nstages:\n  staging: {}\n  production: {from: [staging]}\n"
    )
    gitreg("push", "--repo", str(work))
    commit_by_hand(work, PRODUCTION, "versions:\n- 3\n")
    (finding,) = [found for found in check(work).findings if found.is_error]
    said = error("push", "--repo", str(work), code=1)
    assert finding.message in said
    assert "nothing was published" in said
    assert f"gitreg check {git(work, 'rev-parse', '--short=9', 'HEAD~1')}.." in said


def test_a_broken_policy_is_not_published(shared: Path) -> None:
    work = shared / "work"
    commit_by_hand(work, POLICY, BROKEN)
    annotate = ["annotate", "churn", "--owner", "growth", "--push"]
    for words in (["push"], annotate):
        said = error(*words, "--repo", str(work), code=1)
        assert f"{POLICY}: line 4: stages.production.aprovals: unknown key" in said
        assert "nothing was published" in said
    commit_by_hand(work, POLICY, "format: 1\nstages: {production: {holds: 1}, archived: {}}\n")
    assert "aprovals" in error("push", "--repo", str(work), code=1)  # a commit of the range has it
    git(work, "reset", "--quiet", "--soft", "HEAD~2")
    git(work, "commit", "--quiet", "-m", "a policy")
    gitreg("push", "--repo", str(work))


def test_a_first_push_reads_the_policy_too(folder: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", "origin.git")
    git(folder, "remote", "add", "origin", str(tmp_path / "origin.git"))
    commit_by_hand(folder, POLICY, BROKEN)
    assert "aprovals" in error("push", "--repo", str(folder), code=1)
    assert git(tmp_path / "origin.git", "for-each-ref") == ""


def test_a_rollback_goes_by_the_last_policy_that_was_valid(shared: Path) -> None:
    work = shared / "work"
    broken_by_hand(shared)
    where = ("--repo", str(work))
    for words in (
        ("promote", "churn@3", "--to", "production"),
        ("promote", "churn@3", "--to", "production", "--push"),
    ):
        assert "line 4: stages.production.aprovals: unknown key" in error(*words, *where)
    valid = git(work, "log", "-1", "--format=%h", "--abbrev=9", "HEAD~1", "--", POLICY)
    said = gitreg("rollback", "churn", "-m", "it drifted", "--push", *where).err
    assert f"{POLICY}: line 4: stages.production.aprovals: unknown key" in said
    assert f"the policy of {valid} is in force" in said
    assert gitreg("resolve", "churn/production", *where).out.split() == ["churn@1"]
    commit_by_hand(work, POLICY, "format: 1\nstages: {production: {holds: 1}, archived: {}}\n")
    gitreg("push", *where)  # the repair
    same_everywhere(shared)


def test_a_rollback_is_redone_while_the_policy_is_broken(shared: Path) -> None:
    broken_by_hand(shared)
    work = shared / "work"
    theirs(shared, lambda registry: registry.annotate("churn", owner="growth", push=True))
    gitreg("rollback", "churn", "--repo", str(work))
    report = gitreg("push", "--json", "--repo", str(work)).json
    assert ([sent["was"] is not None for sent in report["sent"]], report["left"]) == ([True], [])
    assert git(work, "rev-parse", "HEAD") == git(shared / "origin.git", "rev-parse", "main")


def broken_by_hand(shared: Path) -> None:
    """Publish a policy with a mistyped key, as git push does where no hook guards."""
    commit_by_hand(shared / "work", POLICY, BROKEN)
    git(shared / "work", "push", "--quiet")


def test_a_policy_is_tried_before_it_is_committed(stocked: Path, tmp_path: Path) -> None:
    draft = tmp_path / "draft.yaml"
    words = ("policy", "test", "churn@3", "--to", "production", "--repo", str(stocked))
    gitreg(*words)
    draft.write_text("format: 1\nstages:\n  staging: {}\n  production:\n    from: [staging]\n")
    (verdict,) = gitreg(*words, "--policy", str(draft), "--json", code=1).json
    assert (verdict["rule"], verdict["passed"]) == ("from", False)
    draft.write_text(BROKEN)
    assert f"{draft}: line 4: stages.production.aprov" in error(*words, "--policy", str(draft))
    assert "No such file" in error(*words, "--policy", str(tmp_path / "none.yaml"))
