"""What an insider tries with plain Git and push rights, and the honest twin of each attempt.

A case begins with a published registry and its rules; then somebody commits. `check` of the range,
`check --history` and the server's hook have to say the same of it. The evidence is what the branch
itself held before: never a message, another life of a name, or a parent that the branch did not
have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gitreg import Registry
from gitreg.check.origins import Makers
from gitreg.core.operations.judging import GateRefused
from gitreg.core.state.history import CommitInfo
from tests.check.attacks.insider import (
    TO_3,
    another_life_on_a_branch,
    approve,
    approved_after_it_was_opened,
    approved_twice,
    approved_when_overtaken,
    back_beside_its_new_name,
    begin_anew,
    branch_off,
    delete_twice,
    merge,
    merge_of_a_revert_of_a_rollback,
    merged_after_a_withdrawal,
    merged_after_it_left_staging,
    merged_by_its_approver,
    merged_over_a_newer_incumbent,
    merged_over_the_same_incumbent,
    merged_rollback,
    merged_while_it_is_staged,
    promoted_and_reverted,
    publish,
    pull_request,
    rename_and_take_it_back,
    rename_taken_back_with_what_was_archived,
    rename_to_a_name_that_was_taken_back,
    rename_to_a_new_name,
    renamed,
    restore,
    revert_of_a_rollback,
    revert_of_the_end,
    revert_of_the_end_with_another_version,
    revert_of_the_first_end,
    revert_of_the_latest_end,
    rollback,
    said_to_be_a_rollback,
    signed_merged,
    signed_merged_late,
    swap,
    tokenizer_is_live,
    used_twice,
    used_when_overtaken,
)
from tests.check.test_contract import (
    ALL_YEAR,
    APPROVALS,
    GRACE,
    PRODUCTION,
    SIGNED,
    Case,
    begin,
    gate,
    keys,
    place,
)
from tests.conftest import git
from tests.support.contract import Place, Verdicts

__all__ = ["keys", "place"]

NO_APPROVAL: Verdicts = {"approvals": "failed"}

Act = Callable[[Place], None]


def checked(folder: Path, base: str) -> tuple[bool, Verdicts]:
    with Registry(folder) as registry:
        report = registry.check(f"{base}..HEAD")
    assert report.passed == (not report.findings)
    return report.passed, {
        finding.code.removeprefix("policy-"): "failed" for finding in report.findings
    }


def said(place: Place, base: str) -> Verdicts:
    """Return what is wrong with the commits since a base; all judges agree on it."""
    passed, found = checked(place.work, base)
    assert place.hook() == (passed, found)
    own = place.git("rev-list", f"{base}..HEAD").splitlines()
    with Registry(place.work) as registry:
        report = registry.check(history=True)
    codes = {finding.code for finding in report.findings if finding.commit in own}
    assert codes == {f"policy-{rule}" for rule in found}
    return found


@dataclass(frozen=True)
class Attempt:
    """What an insider tries, and the honest twin of it.

    Attributes:
        rules: under which it is tried.
        attack: what is committed.
        failed: what all judges have to say of it.
        honest: what is committed instead.
    """

    rules: Case
    attack: Act
    failed: Verdicts
    honest: Act


APPROVED = Case(APPROVALS)
GATED = Case(gate("metric: auc, at_least: 0.75"))
OUT_OF_REACH = Case(gate("metric: auc, at_least: 0.95"))
BETTER = Case(gate("metric: auc, better_than: production"))
FROZEN = Case(SIGNED, beside=f"freeze: [{ALL_YEAR[:-1]}, stages: [production]}}]\n")
TWO_LIVE = Case(APPROVALS, prepare=tokenizer_is_live)
METRIC: Verdicts = {"metric": "failed"}

ATTEMPTS: dict[str, Attempt] = {
    "a revert that brings back something else": Attempt(
        GATED, revert_of_the_end_with_another_version, METRIC, revert_of_the_end
    ),
    "a revert of an older deletion": Attempt(
        APPROVED, revert_of_the_first_end, NO_APPROVAL, revert_of_the_latest_end
    ),
    "an approval of an earlier life": Attempt(
        APPROVED,
        lambda place: begin_anew(place, again=False),
        NO_APPROVAL,
        lambda place: begin_anew(place, again=True),
    ),
    "two names swapped": Attempt(TWO_LIVE, swap, NO_APPROVAL, rename_to_a_new_name),
    "a name whose rename was taken back": Attempt(
        TWO_LIVE, rename_to_a_name_that_was_taken_back, NO_APPROVAL, rename_and_take_it_back
    ),
    "a rename taken back with what was archived": Attempt(
        APPROVED, rename_taken_back_with_what_was_archived, NO_APPROVAL, rename_and_take_it_back
    ),
    "back beside its new name": Attempt(
        APPROVED, back_beside_its_new_name, NO_APPROVAL, rename_and_take_it_back
    ),
    "renamed away": Attempt(
        FROZEN,
        lambda place: renamed(place, "churn", "leavers", by_force=True),
        {"freeze": "failed", "signed": "failed"},
        lambda place: renamed(place, "tokenizer", "words"),
    ),
    "a branch from before a withdrawal": Attempt(
        APPROVED, merged_after_a_withdrawal, NO_APPROVAL, merged_by_its_approver
    ),
    "a branch from before a newer incumbent": Attempt(
        BETTER, merged_over_a_newer_incumbent, METRIC, merged_over_the_same_incumbent
    ),
    "a branch from before it left staging": Attempt(
        Case(("from: [staging]",)),
        merged_after_it_left_staging,
        {"from": "failed"},
        merged_while_it_is_staged,
    ),
    "a signed branch that was left behind": Attempt(
        Case(SIGNED), signed_merged_late, {"signed": "failed"}, signed_merged
    ),
    "a revert of a rollback": Attempt(OUT_OF_REACH, revert_of_a_rollback, METRIC, rollback),
    "a merged revert of a rollback": Attempt(
        OUT_OF_REACH, merge_of_a_revert_of_a_rollback, METRIC, merged_rollback
    ),
    "said to be a rollback": Attempt(OUT_OF_REACH, said_to_be_a_rollback, METRIC, rollback),
    "an approval used twice": Attempt(APPROVED, used_twice, NO_APPROVAL, approved_twice),
    "an approval from before another version": Attempt(
        APPROVED, used_when_overtaken, NO_APPROVAL, approved_when_overtaken
    ),
    "approved after the request was opened": Attempt(
        APPROVED, lambda place: place.commit(TO_3), NO_APPROVAL, approved_after_it_was_opened
    ),
}


def tried(place: Place, rules: Case, act: Act) -> Verdicts:
    """Return what is wrong with the last push of an attempt."""
    begin(place, rules)
    act(place)
    return said(place, git(place.server, "rev-parse", "main"))


@pytest.mark.parametrize("name", ATTEMPTS)
def test_an_attempt_is_refused(place: Place, name: str) -> None:
    attempt = ATTEMPTS[name]
    assert tried(place, attempt.rules, attempt.attack) == attempt.failed


@pytest.mark.parametrize("name", ATTEMPTS)
def test_its_honest_twin_passes(place: Place, name: str) -> None:
    attempt = ATTEMPTS[name]
    assert tried(place, attempt.rules, attempt.honest) == {}


def test_a_model_that_is_back_has_its_past_and_one_that_begins_anew_has_none(place: Place) -> None:
    begin(place, APPROVED)
    first, latest = delete_twice(place)
    restore(place, latest)
    with Registry(place.work) as registry:
        assert [event.after for event in registry.log("churn/production")][:1] == [(2,)]
        registry.rollback("churn")
        assert registry.resolve("churn/production").version == 1
    place.git("reset", "--quiet", "--hard", latest)
    restore(place, first)
    with Registry(place.work) as registry:
        (event,) = [event for event in registry.log("churn") if event.version is None][:1]
        assert (event.action, event.commit) == ("create", place.git("rev-parse", "HEAD"))
        assert "no version was in production before" in refusal(registry)


def refusal(registry: Registry) -> str:
    with pytest.raises(Exception, match="churn") as refused:
        registry.rollback("churn")
    return str(refused.value)


def test_a_merge_brings_no_other_bytes_under_a_number(place: Place) -> None:
    base = begin(place, APPROVED)
    another_life_on_a_branch(place)
    found, _ = checked(place.work, base)
    assert not found
    with Registry(place.work) as registry:
        report = registry.check("HEAD~1..HEAD")
    assert {finding.code for finding in report.findings if finding.commit == report.head} == {
        "immutable",
        "removed",
    }
    assert not place.hook()[0]


def test_a_spent_approval_is_told_of(place: Place) -> None:
    begin(place, APPROVED)
    promoted_and_reverted(place)
    with Registry(place.work) as registry, pytest.raises(GateRefused) as refused:
        registry.promote("churn@3", stage="production")
    assert f"the approval by {GRACE} was for an earlier entry; approve again" in str(refused.value)
    approve(place, "churn@3")
    with Registry(place.work) as registry:
        registry.promote("churn@3", stage="production")
        registry.rollback("churn")
        with pytest.raises(GateRefused) as refused:
            registry.promote("churn@3", stage="production")
    assert f"the approval by {GRACE} was withdrawn; approve again" in str(refused.value)


def test_a_branch_that_its_base_was_merged_into_is_judged_as_merged(place: Place) -> None:
    """A check of the request is the last one on a host: the merge only moves the branch."""
    begin(place, APPROVED)
    pull_request(place)
    place.git("switch", "--quiet", "side")
    place.git("merge", "--quiet", "--no-edit", "main")
    assert checked(place.work, "main") == (True, {})
    place.git("switch", "--quiet", "main")
    with Registry(place.work) as registry:
        registry.withdraw_approval("churn@3", stage="production")
    place.git("switch", "--quiet", "side")
    place.git("merge", "--quiet", "--no-edit", "main")
    assert checked(place.work, "main") == (False, NO_APPROVAL)
    place.git("switch", "--quiet", "main")
    approve(place, "churn@3")
    place.git("switch", "--quiet", "side")
    place.git("merge", "--quiet", "--no-edit", "main")
    assert checked(place.work, "main") == (True, {})
    place.push("main")
    merge(place)
    assert said(place, git(place.server, "rev-parse", "main")) == {}


def test_what_a_base_brings_into_a_branch_is_judged_no_more(place: Place) -> None:
    """Two moves of the base are one step for the branch, and no approval could be for that."""
    begin(place, Case(gate("metric: auc, better_than: production")))
    branch_off(place)
    place.commit({"notes.md": "work\n"})
    place.git("switch", "--quiet", "main")
    place.commit(TO_3)
    with Registry(place.work) as registry:
        registry.rollback("churn", to=2)
        registry.rollback("churn", to=1)
    place.git("switch", "--quiet", "side")
    place.git("merge", "--quiet", "--no-edit", "main")
    assert checked(place.work, "main") == (True, {})


def test_check_costs_one_look_at_a_side_where_a_merge_alone_does_not_pass(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(place, APPROVED)
    pull_request(place)
    merge(place)
    asked: list[str] = []
    real = Makers.look

    def counted(makers: Makers, *args: Any) -> CommitInfo | None:
        asked.append(str(args[2]))
        return real(makers, *args)

    monkeypatch.setattr(Makers, "look", counted)
    assert checked(place.work, "HEAD~1") == (True, {})
    assert asked == []  # the merge passes by itself
    place.git("commit", "--quiet", "--amend", "--no-edit", f"--author=Grace <{GRACE}>")
    assert checked(place.work, "HEAD~1") == (True, {})
    assert asked == [PRODUCTION]


def test_an_approval_in_the_earlier_form_counts_once(place: Place) -> None:
    begin(place, APPROVED)
    approve(place, "churn@3")
    signed = f"registry/churn/versions/3/approvals/production.{GRACE}.sig"
    with Registry(place.work) as registry:
        text = registry.preview_approval("churn@3", stage="production").approval.earlier
    assert text.startswith(b"gitreg-approval 1\n")
    signature = place.keys[GRACE].sign(text).decode()
    place.git("reset", "--quiet", "--hard", "HEAD~1")
    place.commit({signed: signature})
    place.commit(TO_3)
    assert said(place, git(place.server, "rev-parse", "main")) == {}
    place.git("revert", "--no-edit", "HEAD")
    publish(place)
    place.commit(TO_3)
    assert said(place, git(place.server, "rev-parse", "main")) == NO_APPROVAL


def test_an_approval_is_not_taken_out_to_come_back(place: Place) -> None:
    """Its signature stays in history, and would be good for the same entry again."""
    base = begin(place, APPROVED)
    approve(place, "churn@3")
    place.commit({f"registry/churn/versions/3/approvals/production.{GRACE}.sig": None})
    assert checked(place.work, base) == (False, {"immutable": "failed"})
    assert not place.hook()[0]
    place.git("reset", "--quiet", "--hard", "HEAD~1")
    with Registry(place.work) as registry:
        registry.withdraw_approval("churn@3", stage="production")
    assert said(place, base) == {}
