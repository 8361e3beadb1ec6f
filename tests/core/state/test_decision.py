"""The decision over a move: which rules are asked, when they are not, and what aliases may do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gitreg.core.model import layout, manifest
from gitreg.core.model.names import parse_reference
from gitreg.core.operations.alias import delete_alias, set_alias
from gitreg.core.operations.judging import GateRefused
from gitreg.core.operations.promote import promote
from gitreg.core.policy import (
    DEFAULT,
    Approvals,
    Case,
    Freeze,
    Policy,
    StageRule,
    Verdict,
    policy_document,
    write_policy,
)
from gitreg.core.policy.gates import ArtifactOnRemote, CodeClean, MetricBetter, MetricLimit, Soak
from gitreg.core.state.change import Change, trailers_of
from gitreg.core.state.decision import Move, decide, judge_aliases, moves_between
from gitreg.errors import NotFound, Refused
from tests.support.fakes import FakeBranch, FakeFacts, branch_with, promotion, trailers

FROZEN = (Freeze(0, 10**9, ("production",), "Christmas"),)


def ruled(branch: FakeBranch, policy: Policy | None = None, **production: object) -> FakeBranch:
    """Return the branch under a policy whose production has these keys beside the default's."""
    stages = dict((policy or DEFAULT).stages)
    stages["production"] = replace(stages["production"], **production)  # type: ignore[arg-type]
    branch.write({layout.POLICY: write_policy(replace(policy or DEFAULT, stages=stages))})
    return branch


@pytest.fixture
def branch() -> FakeBranch:
    return branch_with(*({"auc": auc} for auc in (0.7, 0.8, 0.9)))


def refused(branch: FakeBranch, *references: str, **options: object) -> GateRefused:
    with pytest.raises(GateRefused) as caught:
        promote(branch.state, promotion(*references, **options), branch.mover)  # type: ignore[arg-type]
    assert caught.value.exit_code == 1
    return caught.value


def words(change: Change) -> list[tuple[str, str]]:
    return [(v.rule, v.word) for judgement in change.judgements for v in judgement.verdicts]


# What is asked


def test_a_policy_without_rules_asks_nothing(branch: FakeBranch) -> None:
    change = branch.promote("churn@1")
    assert (change.judgements, branch.facts.asked) == ((), [])
    assert change.evidence == ("auc 0.7",)


def test_every_rule_is_judged_and_the_commit_says_so(branch: FakeBranch) -> None:
    ruled(branch, sources=("staging",), gates=(MetricLimit("auc", at_least=0.75), CodeClean()))
    refusal = refused(branch, "churn@1")
    assert str(refusal) == (
        "churn@1 is not promoted to production: it comes from no stage, and only staging leads to "
        "production; auc 0.7 is not at least 0.75; the code's commit is not known"
    )
    assert [v.rule for v in refusal.judgements[0].verdicts] == ["from", "metric", "code"]
    ruled(branch, sources=("staging",), gates=(MetricLimit("auc", at_least=0.75),))
    branch.promote("churn@2", to="staging")
    change = branch.promote("churn@2")
    assert change.evidence == ("from: it comes from staging", "auc 0.8 is at least 0.75")
    assert words(change) == [("from", "passed"), ("metric", "passed")]
    assert "\n  from: it comes from staging\n  auc 0.8 is at least 0.75\n" in change.message()


def test_facts_are_asked_only_by_rules_that_need_them(branch: FakeBranch) -> None:
    ruled(branch, gates=(MetricLimit("auc"), ArtifactOnRemote()))
    branch.facts.on_remote = True
    branch.promote("churn@1")
    assert branch.facts.asked == ["is_on_remote"]


def test_what_cannot_be_known_is_a_refusal(branch: FakeBranch) -> None:
    ruled(branch, gates=(ArtifactOnRemote(),))
    refusal = refused(branch, "churn@1")
    assert refusal.judgements[0].verdicts[0].word == "unknown"
    assert "cannot be asked" in str(refusal)


def test_all_models_have_their_own_rules(branch: FakeBranch) -> None:
    branch.register("tokenizer")
    data = write_policy(DEFAULT) + (
        b"models:\n  'tok*': {stages: {production: {gates: [{metric: f1}]}}}\n"
    )
    branch.write({layout.POLICY: data})
    branch.promote("churn@1")
    refusal = refused(branch, "tokenizer@1", "churn@2")
    assert str(refusal).startswith("tokenizer@1 is not promoted to production: f1 is missing")
    assert refusal.hint == "all or none: promote churn@2 alone"


def test_a_model_may_hold_more_than_others() -> None:
    branch = branch_with({}, {}, {})
    data = write_policy(DEFAULT) + b"models: {churn: {stages: {production: {holds: 2}}}}\n"
    branch.write({layout.POLICY: data})
    for number in (1, 2, 3):
        branch.promote(f"churn@{number}")
    assert (branch.holds("production"), branch.holds("archived")) == ((2, 3), (1,))


def test_better_than_the_incumbent_by_the_policy(branch: FakeBranch) -> None:
    ruled(branch, gates=(MetricBetter("auc", "production", by=0.1),))
    branch.promote("churn@2")
    assert "0.9 > 0.8 by 0.1" in branch.promote("churn@3").evidence[0]
    assert "auc 0.7 is not > 0.9" in str(refused(branch, "churn@1"))


def test_a_crowd_is_a_warning_unless_the_policy_says_never(branch: FakeBranch) -> None:
    branch.promote("churn@1")
    assert branch.promote("churn@2", keep_existing=True).warnings
    ruled(branch, crowded=False)
    said = refused(branch, "churn@3", keep_existing=True)
    assert str(said).endswith("production would hold 3 of at most 1")
    assert said.hint == "do not keep the existing versions: let what production holds make room"
    assert words(branch.promote("churn@3")) == [("holds", "passed")]


def test_soak_by_the_clock_of_the_move(branch: FakeBranch) -> None:
    ruled(branch, gates=(Soak("staging", 3600),))
    branch.promote("churn@1", to="staging")
    branch.facts = FakeFacts(now=3599, since={("churn", 1, "staging"): 0})
    assert "59m 59s in staging, not yet 1h" in str(refused(branch, "churn@1"))
    branch.facts.now = 3600
    branch.promote("churn@1")


# The way out


def test_what_is_bad_can_leave(branch: FakeBranch) -> None:
    ruled(branch, gates=(MetricLimit("f1"),), approvals=Approvals(1, ("x@y",)))
    assert refused(branch, "churn@1").judgements[0].failed
    branch.write({layout.stage_path("churn", "production"): manifest.write_versions((1,))})
    assert branch.promote("churn@1", to="archived").judgements == ()
    branch.write({layout.stage_path("churn", "production"): manifest.write_versions((2,))})
    assert branch.promote("churn@2", to="none").judgements == ()


def test_the_policys_own_way_out_needs_no_gates() -> None:
    branch = branch_with({}, {})
    policy = Policy(
        {"live": StageRule(1, "retired"), "retired": StageRule(gates=(MetricLimit("f1"),))}
    )
    branch.write({layout.POLICY: write_policy(policy)})
    branch.promote("churn@1", to="live")
    branch.promote("churn@2", to="live")
    assert branch.holds("retired", "churn") == (1,)
    branch.promote("churn@2", to="retired")
    branch.promote("churn@1", "churn@2", to="none")
    assert "f1 is missing" in str(refused(branch, "churn@1", to="retired"))


# Freezes


def test_a_frozen_stage_neither_takes_nor_gives(branch: FakeBranch) -> None:
    branch.promote("churn@1")
    ruled(branch, replace(DEFAULT, freeze=FROZEN))
    said = "production is frozen until 2001-09-09T01:46:40Z: Christmas"
    assert str(refused(branch, "churn@2")) == f"churn@2 is not promoted to production: {said}"
    assert str(refused(branch, "churn@1", to="archived")) == f"churn@1 is not archived: {said}"
    assert "not taken out of its stage" in str(refused(branch, "churn@1", to="none"))
    assert "frozen" in str(refused(branch, "churn@1", to="staging", force=True))
    assert words(branch.promote("churn@2", to="staging")) == []
    branch.facts.now = 10**9
    assert branch.promote("churn@2").evidence[-1] == (
        "freeze: production and staging are not frozen at 2001-09-09T01:46:40Z"
    )


def test_who_makes_room_is_judged_too(branch: FakeBranch) -> None:
    """The archive is frozen, and a promotion would put the incumbent into it."""
    branch.promote("churn@1")
    frozen = replace(DEFAULT, freeze=(Freeze(0, 10**9, ("archived",)),))
    branch.write({layout.POLICY: write_policy(frozen)})
    refusal = refused(branch, "churn@2")
    assert str(refusal) == (
        "churn@2 is not promoted to production: churn@1: archived is frozen until "
        "2001-09-09T01:46:40Z"
    )


# Overrides


def test_an_override_is_recorded_with_what_it_overrode(branch: FakeBranch) -> None:
    ruled(branch, gates=(MetricLimit("f1"), MetricLimit("auc")), override=("ada@example.com",))
    change = branch.promote("churn@1", override="the audit\nis today")
    assert change.evidence == (
        "overridden: f1 is missing from churn@1",
        "auc 0.7 is present",
        "override: ada@example.com may override",
    )
    assert trailers_of(change.message())["Gitreg-Override"] == ("the audit is today",)
    events = branch.moves_of("churn", "stages/production")
    assert [event.override for event in events] == ["the audit is today"]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({}, "nobody may override refusals of production, not ada@example.com"),
        ({"override": ("grace@example.com",)}, "only grace@example.com may override"),
        ({"override": ("ada@example.com",), "signed": ("ada@example.com",)}, "has not signed"),
    ],
)
def test_an_override_needs_leave(branch: FakeBranch, rule: dict[str, Any], said: str) -> None:
    ruled(branch, gates=(MetricLimit("f1"),), **rule)
    refusal = refused(branch, "churn@1", override="please")
    assert said in str(refusal)
    assert "f1 is missing" in str(refusal)


@pytest.mark.parametrize(
    ("rules", "production", "signer"),
    [
        ({"freeze": FROZEN}, {}, None),
        ({}, {"signed": ("lead@example.com",)}, "ada@example.com"),
    ],
)
def test_who_may_override_staging_takes_nothing_out_of_production(
    branch: FakeBranch, rules: dict[str, Any], production: dict[str, Any], signer: str | None
) -> None:
    branch.promote("churn@1")
    stages = {**DEFAULT.stages, "staging": StageRule(override=("ada@example.com",))}
    theirs = ("lead@example.com",)
    ruled(branch, replace(DEFAULT, stages=stages, **rules), override=theirs, **production)
    branch.facts.signed_by = signer
    said = "only lead@example.com may override refusals of production, not ada@example.com"
    assert said in str(refused(branch, "churn@1", to="staging", override="it suits me", force=True))
    both = ("ada@example.com", "lead@example.com")
    ruled(branch, branch.state.policy, override=both)
    branch.promote("churn@1", to="staging", override="it suits us", force=True)


def test_an_override_under_review_waits_for_nothing(branch: FakeBranch) -> None:
    ruled(branch, approvals=Approvals(1, ("bob@example.com",)), override=("ada@example.com",))
    mover = replace(branch.mover, awaited=frozenset({"approvals"}))
    change = promote(branch.state, promotion("churn@1"), mover)
    assert "awaited: approvals: 0 of 1 approvals by bob@example.com" in change.evidence
    change = promote(branch.state, promotion("churn@1", override="no time"), mover)
    assert "overridden: approvals: 0 of 1 approvals by bob@example.com" in change.evidence
    assert trailers_of(change.message())["Gitreg-Override"] == ("no time",)
    assert change.warnings == ()


def test_an_override_that_nothing_needs(branch: FakeBranch) -> None:
    change = branch.promote("churn@1", override="just in case")
    assert "Override" not in change.message()
    assert change.warnings == ("the override was not needed: every rule passed",)


@pytest.mark.parametrize("reason", ["", "  \n", "a\x1b[31m"])
def test_an_override_says_why(branch: FakeBranch, reason: str) -> None:
    with pytest.raises(Exception, match=r"needs a reason|control") as caught:
        branch.promote("churn@1", override=reason)
    assert getattr(caught.value, "exit_code", None) == 2


def test_a_reason_forges_no_trailer(branch: FakeBranch) -> None:
    ruled(branch, gates=(MetricLimit("f1"),), override=("ada@example.com",))
    change = branch.promote("churn@1", override="x\n\nGitreg-Op: 1234")
    assert trailers_of(change.message())["Gitreg-Override"] == ("x Gitreg-Op: 1234",)
    assert "Gitreg-Op" not in trailers_of(change.message())


# Aliases


PROTECTED = replace(DEFAULT, protected={"champion": True})


def test_the_aliases_of_a_stage_move_along(branch: FakeBranch) -> None:
    ruled(branch, aliases=("champion",))
    change = branch.promote("churn@1", aliases=("best",))
    assert (branch.names("champion"), branch.names("best")) == (1, 1)
    assert trailers(change, "Alias") == ["champion", "best"]
    branch.promote("churn@2")
    assert branch.names("champion") == 2
    branch.rollback()
    assert branch.names("champion") == 1


def test_a_protected_alias_moves_only_with_its_stage(branch: FakeBranch) -> None:
    ruled(branch, PROTECTED, aliases=("champion",))
    branch.promote("churn@1")
    line = "churn: @champion is protected: it moves together with production"
    attempts: list[Callable[[], Change]] = [
        lambda: set_alias(branch.state, parse_reference("churn@2"), "champion"),
        lambda: delete_alias(branch.state, "churn", "champion"),
        lambda: branch.promote("churn@2", to="staging", aliases=("champion",)),
    ]
    for attempt in attempts:
        with pytest.raises(Refused) as caught:
            attempt()
        assert str(caught.value) == line
        assert caught.value.exit_code == 1
    assert set_alias(branch.state, parse_reference("churn@1"), "champion").edits == ()
    branch.promote("churn@2")
    assert branch.names("champion") == 2


def test_a_protected_alias_that_no_stage_names_never_moves(branch: FakeBranch) -> None:
    branch.write({layout.POLICY: write_policy(PROTECTED)})
    with pytest.raises(Refused, match="no stage's rule names it"):
        branch.promote("churn@1", aliases=("champion",))


def test_a_rule_that_is_newer_than_the_stage_is_made_good_by_promote(branch: FakeBranch) -> None:
    branch.promote("churn@1")
    ruled(branch, PROTECTED, aliases=("champion",))
    assert branch.names("champion") is None
    branch.promote("churn@1")
    assert (branch.names("champion"), branch.holds("production")) == (1, (1,))


def by_hand(branch: FakeBranch, alias: int | None, **stages: tuple[int, ...]) -> list[Verdict]:
    """Return what is wrong with aliases when a person writes these pointers."""
    files = {
        layout.stage_path("churn", name): manifest.write_versions(held)
        for name, held in stages.items()
    }
    files[layout.alias_path("churn", "champion")] = (alias and manifest.write_alias(alias)) or None
    before = branch.state
    return list(judge_aliases(before.policy, before, before.after(files), "churn"))


@pytest.mark.parametrize(
    ("alias", "stages", "passes"),
    [
        (2, {"production": (2,)}, True),
        (1, {"production": (2,)}, False),  # left behind
        (3, {"production": (2,)}, False),
        (None, {"production": (2,)}, False),
        (2, {}, False),
        (None, {}, False),
        (None, {"production": ()}, True),  # the revert of the first promotion
        (1, {"production": ()}, True),  # it stays: whoever serves it goes on serving
        (2, {"production": (1, 2)}, True),
        (1, {"production": (1, 2)}, False),
        (2, {"staging": (2,)}, False),
    ],
)
def test_aliases_of_changes_by_hand(
    branch: FakeBranch, alias: int | None, stages: dict[str, tuple[int, ...]], passes: bool
) -> None:
    ruled(branch, PROTECTED, aliases=("champion",))
    branch.promote("churn@1")
    wrong = by_hand(branch, alias, **stages)
    assert (wrong == []) is passes
    assert {verdict.rule for verdict in wrong} <= {"alias"}


# Rollback


def test_a_rollback_needs_no_gates_and_heeds_no_freeze(branch: FakeBranch) -> None:
    branch.promote("churn@1")
    branch.promote("churn@2")
    ruled(
        branch,
        replace(DEFAULT, freeze=FROZEN),
        gates=(MetricLimit("f1"), MetricBetter("auc", "production")),
        sources=("staging",),
        approvals=Approvals(2, ("x@y",)),
        crowded=False,
    )
    plan = branch.rollback()
    assert (branch.holds("production"), plan.change.judgements) == ((1,), ())
    assert branch.facts.asked == []


def test_a_rollback_is_signed_where_that_is_demanded(branch: FakeBranch) -> None:
    branch.promote("churn@1")
    branch.promote("churn@2")
    ruled(branch, signed=("ada@example.com",))
    with pytest.raises(GateRefused, match="not signed by a known key"):
        branch.plan_rollback()
    branch.facts.signed_by = "ada@example.com"
    assert branch.rollback().change.evidence[-1] == "signed: signed by ada@example.com"


def test_a_rollback_leaves_a_protected_alias_that_is_not_its_stages(branch: FakeBranch) -> None:
    branch.promote("churn@1", to="staging", aliases=("champion",))
    branch.promote("churn@2", to="staging", aliases=("champion",))
    branch.write({layout.POLICY: write_policy(PROTECTED)})
    plan = branch.rollback(stage="staging")
    assert "@champion is protected: it stays where it is" in plan.change.warnings
    assert branch.names("champion") == 2


# The functions themselves


def moved(**stages: tuple[int, ...]) -> Callable[[FakeBranch], list[Move]]:
    files = {
        layout.stage_path("churn", name): manifest.write_versions(held)
        for name, held in stages.items()
    }
    return lambda branch: moves_between(branch.state, branch.state.after(files), "churn")


@pytest.mark.parametrize(
    ("change", "moves"),
    [
        (moved(), []),
        (moved(production=(1,)), []),
        (
            moved(production=(2,), archived=(1,)),
            [
                Move("churn", 1, "archived", "production", ()),
                Move("churn", 2, "production", None, (1,)),
            ],
        ),
        (moved(production=(1, 2)), [Move("churn", 2, "production", None, ())]),
        (moved(production=()), [Move("churn", 1, None, "production", ())]),
        (moved(staging=(1,)), [Move("churn", 1, "staging", "production", ())]),  # in both now
        (moved(production=(), staging=(1,)), [Move("churn", 1, "staging", "production", ())]),
    ],
)
def test_moves(
    branch: FakeBranch, change: Callable[[FakeBranch], list[Move]], moves: list[Move]
) -> None:
    branch.promote("churn@1")
    assert change(branch) == moves


def test_a_stage_that_the_policy_has_not(branch: FakeBranch) -> None:
    candidate = branch.state.version("churn", 1)
    with pytest.raises(NotFound, match="no stage 'live'"):
        decide(DEFAULT, Case(candidate, "live", None, {}, (), "", FakeFacts()))


def test_the_document_of_the_default_is_what_init_writes() -> None:
    assert policy_document(DEFAULT)["stages"] == {
        "staging": {"holds": "any"},
        "production": {"holds": 1, "replaced": "archived"},
        "archived": {"holds": "any"},
    }
