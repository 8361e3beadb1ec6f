"""Promote and archive: stages behave as the policy says, gates judge, aliases follow."""

from __future__ import annotations

import pytest

from gitreg.core.model import layout
from gitreg.core.model.names import Reference
from gitreg.core.operations.judging import GateRefused
from gitreg.core.operations.promote import archive_instead, promote
from gitreg.core.policy import Policy, StageRule, write_policy
from gitreg.core.policy.gates import MetricLimit
from gitreg.errors import InvalidRequest, NotFound, Refused
from tests.support.fakes import FakeBranch, branch_with, promotion, trailers


@pytest.fixture
def branch() -> FakeBranch:
    return branch_with(*({"auc": auc, "latency": 9 - auc} for auc in (0.7, 0.8, 0.9, 0.8)))


def test_staging_holds_many(branch: FakeBranch) -> None:
    for number in (3, 1, 2):
        branch.promote(f"churn@{number}", to="staging")
    assert branch.holds("staging") == (1, 2, 3)
    path = layout.stage_path("churn", "staging")
    assert branch.snapshot.files[path] == b"versions:\n- 1\n- 2\n- 3\n"


def test_production_archives_the_incumbent(branch: FakeBranch) -> None:
    first = branch.promote("churn@1")
    assert trailers(first, "Replaces") == []
    second = branch.promote("churn@2")
    assert (branch.holds("production"), branch.holds("archived")) == ((2,), (1,))
    assert trailers(second, "Replaces") == ["1"]
    assert second.subject == "promote churn@2 to production"
    assert trailers(second, "Action") == ["promote"]
    assert trailers(second, "Stage") == ["production"]
    assert "auc 0.8, was 0.7 (churn@1)" in second.evidence


def test_keep_existing_keeps(branch: FakeBranch) -> None:
    branch.promote("churn@1")
    change = branch.promote("churn@2", keep_existing=True)
    assert (branch.holds("production"), branch.holds("archived")) == ((1, 2), ())
    assert trailers(change, "Replaces") == []
    branch.promote("churn@3")
    assert (branch.holds("production"), branch.holds("archived")) == ((3,), (1, 2))


def test_all_that_a_stage_holds_can_be_sent_where_one_says(branch: FakeBranch) -> None:
    branch.promote("churn@1", "churn@2", to="staging")
    change = branch.promote("churn@3", to="Staging", replaced_to="Archived")
    assert (branch.holds("staging"), branch.holds("archived")) == ((3,), (1, 2))
    assert trailers(change, "Replaces") == ["1", "2"]
    branch.promote("churn@2", to="staging", replaced_to="None")
    assert (branch.holds("staging"), branch.holds("archived")) == ((2,), (1,))
    branch.promote("churn@2", "churn@3", to="staging")
    branch.promote("churn@3", to="staging", replaced_to="archived")  # it is there already
    assert (branch.holds("staging"), branch.holds("archived")) == ((3,), (1, 2))


def test_where_what_is_replaced_goes_is_judged(branch: FakeBranch) -> None:
    rule = StageRule(gates=(MetricLimit("f1"),))
    stages = {"production": StageRule(1), "canary": rule}
    branch.write({layout.POLICY: write_policy(Policy(stages))})
    branch.promote("churn@1")
    with pytest.raises(GateRefused, match=r"churn@1: .*f1"):
        branch.promote("churn@2", replaced_to="canary")
    branch.promote("churn@2", replaced_to="none")
    assert (branch.holds("production"), branch.holds("canary")) == ((2,), ())


def test_an_older_version_may_take_over(branch: FakeBranch) -> None:
    branch.promote("churn@3")
    branch.promote("churn@1")
    assert (branch.holds("production"), branch.holds("archived")) == ((1,), (3,))


def test_a_version_leaves_its_old_stage(branch: FakeBranch) -> None:
    branch.promote("churn@1", "churn@2", to="staging")
    change = branch.promote("churn@1")
    assert (branch.holds("staging"), branch.holds("production")) == ((2,), (1,))
    assert len(change.edits) == 2
    change = branch.promote("churn@1", to="staging", force=True)
    assert change.paths == (
        layout.stage_path("churn", "production"),
        layout.stage_path("churn", "staging"),
    )
    assert change.edits[0].content is None  # a stage that is empty has no file


def test_stages_in_any_case(branch: FakeBranch) -> None:
    assert branch.promote("churn@1", to="Production").subject == "promote churn@1 to production"
    assert branch.holds("production") == (1,)


def test_no_stage(branch: FakeBranch) -> None:
    branch.promote("churn@1", "churn@2", to="staging")
    change = branch.promote("churn@1", to="None")
    assert change.subject == "take churn@1 out of staging"
    assert branch.holds("staging") == (2,)
    assert branch.state.stage_of("churn", 1) is None
    nothing = promote(branch.state, promotion("churn@1", to="none"), branch.mover)
    assert (nothing.edits, nothing.subject) == ((), "take churn@1 out of its stage")


def test_archive(branch: FakeBranch) -> None:
    branch.promote("churn@1", aliases=("champion",))
    change = branch.promote("churn@1", to="archived")
    assert (branch.holds("production"), branch.holds("archived")) == ((), (1,))
    assert (change.subject, trailers(change, "Action")) == ("archive churn@1", ["archive"])
    assert change.evidence == ()
    assert change.warnings == (
        "churn/production now holds no version",
        "@champion still names churn@1 and serves it",
    )
    assert change.message().count("champion") == 0


def test_what_is_so_changes_nothing(branch: FakeBranch) -> None:
    branch.promote("churn@1", aliases=("champion",))
    request = promotion("churn@1", aliases=("champion",))
    assert promote(branch.state, request, branch.mover).edits == ()
    better = promote(branch.state, promotion("churn@1", if_better=("auc",)), branch.mover)
    assert better.edits == ()
    assert [(one.reference, one.stage) for one in better.judgements] == [("churn@1", "production")]


def test_aliases_follow_in_the_same_commit(branch: FakeBranch) -> None:
    branch.promote("churn@1", aliases=("champion",))
    change = branch.promote("churn@2", aliases=("champion", "best"))
    assert (branch.names("champion"), branch.names("best")) == (2, 2)
    assert change.subject == "promote churn@2 to production"
    assert trailers(change, "Alias") == ["champion", "best"]
    assert len(branch.commits) == 4 + 2
    for alias in ("latest", "v3", "-x", "Champion"):
        with pytest.raises(InvalidRequest):
            promote(branch.state, promotion("churn@3", aliases=(alias,)), branch.mover)


def test_several_models_move_in_one_commit(branch: FakeBranch) -> None:
    for _ in range(2):
        branch.register("tokenizer")
    branch.promote("churn@1", "tokenizer@1")
    commits = len(branch.commits)
    change = branch.promote("churn@2", "tokenizer@2", aliases=("champion",))
    assert len(branch.commits) == commits + 1
    for model in ("churn", "tokenizer"):
        assert branch.holds("production", model) == (2,)
        assert branch.holds("archived", model) == (1,)
        assert branch.names("champion", model) == 2
    assert change.subject == "promote churn@2, tokenizer@2 to production"
    assert trailers(change, "Model") == ["churn", "tokenizer"]
    assert trailers(change, "Replaces") == ["1", "1"]


@pytest.mark.parametrize(
    ("references", "options", "message"),
    [
        ((), {}, "name at least one version"),
        (("churn@1", "churn@1"), {"to": "staging"}, "the same version is named twice"),
        (("churn@1", "churn@first"), {"to": "staging"}, "the same version is named twice"),
        (("churn@1", "churn@2"), {}, "production holds at most 1 version of churn; 2 are named"),
        (
            ("churn@1", "churn@2"),
            {"keep_existing": True},
            "production holds at most 1 version of churn",
        ),
        (("churn@1",), {"keep_existing": True, "replaced_to": "archived"}, "kept or replaced"),
        (
            ("churn@1",),
            {"replaced_to": "production"},
            "versions in 'production' cannot be replaced into 'production'",
        ),
        (
            ("churn@1",),
            {"to": "none", "replaced_to": "archived"},
            "versions in 'none' cannot be replaced into 'archived'",
        ),
        (("churn@1",), {"replaced_to": "attic"}, "no stage 'attic'"),
        (
            ("churn@1", "churn@2"),
            {"to": "staging", "aliases": ("x",)},
            "@x can name only one version of a model; several are given",
        ),
    ],
)
def test_requests_that_make_no_sense(
    branch: FakeBranch, references: tuple[str, ...], options: dict[str, object], message: str
) -> None:
    branch.alias("churn@1", "first")
    with pytest.raises(InvalidRequest) as caught:
        promote(branch.state, promotion(*references, **options), branch.mover)  # type: ignore[arg-type]
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("reference", "to", "message", "hint"),
    [
        ("churn@9", "production", "no churn@9", None),
        ("chrun@1", "production", "no model 'chrun'", "did you mean 'churn'?"),
        ("churn@1", "prodction", "no stage 'prodction'", "did you mean 'production'?"),
        ("churn@1", "../x", "no stage '../x'", None),
        ("churn@nobody", "production", "'churn' has no alias 'nobody'", "it has none"),
        ("churn", "production", "'churn' is a model: which version", "churn@latest"),
    ],
)
def test_what_is_not_there(
    branch: FakeBranch, reference: str, to: str, message: str, hint: str | None
) -> None:
    with pytest.raises(NotFound) as caught:
        promote(branch.state, promotion(reference, to=to), branch.mover)
    assert message in str(caught.value)
    assert hint is None or hint in (caught.value.hint or "")


def test_another_policy(branch: FakeBranch) -> None:
    policy = Policy(
        {"canary": StageRule(2, "retired"), "live": StageRule(1, None), "retired": StageRule()}
    )
    branch.write({layout.POLICY: write_policy(policy)})
    branch.promote("churn@1", "churn@2", to="canary")
    branch.promote("churn@3", to="canary")
    assert (branch.holds("canary"), branch.holds("retired")) == ((2, 3), (1,))
    branch.promote("churn@3", to="live")
    branch.promote("churn@2", to="live")
    assert (branch.holds("live"), branch.holds("retired")) == ((2,), (1,))
    assert branch.state.stage_of("churn", 3) is None
    with pytest.raises(NotFound, match="no stage 'archived'"):
        promote(branch.state, promotion("churn@2", to="archived"), branch.mover)


# Gates of the command line; test_gates.py has what each of them says


def test_a_better_candidate_is_promoted(branch: FakeBranch) -> None:
    branch.promote("churn@1")
    change = branch.promote("churn@2", if_better=("auc",), if_lower=("latency",))
    assert branch.holds("production") == (2,)
    assert change.evidence == ("auc 0.8 > 0.7 (churn@1)", "latency 8.2 < 8.3 (churn@1)")


@pytest.mark.parametrize(
    ("candidate", "higher", "lower", "reason"),
    [
        ("churn@1", ("auc",), (), "auc 0.7 is not > 0.8 (churn@2)"),
        ("churn@4", ("auc",), (), "auc 0.8 is not > 0.8 (churn@2)"),
        (
            "churn@1",
            ("auc",),
            ("latency",),
            "auc 0.7 is not > 0.8 (churn@2); latency 8.3 is not < 8.2",
        ),
        ("churn@3", ("auc",), ("cost",), "cost is missing from churn@3"),
        ("churn@5", ("auc",), (), "auc is missing from churn@5"),
    ],
)
def test_a_candidate_that_is_not_better_is_refused(
    branch: FakeBranch,
    candidate: str,
    higher: tuple[str, ...],
    lower: tuple[str, ...],
    reason: str,
) -> None:
    branch.register()
    branch.promote("churn@2")
    request = promotion(candidate, if_better=higher, if_lower=lower)
    with pytest.raises(GateRefused) as caught:
        promote(branch.state, request, branch.mover)
    assert str(caught.value).startswith(f"{candidate} is not promoted to production: {reason}")
    assert caught.value.exit_code == 1


def test_an_incumbent_without_the_metric_refuses() -> None:
    branch = branch_with({}, {"auc": 0.9})
    branch.promote("churn@1")
    with pytest.raises(Refused, match="auc is missing from churn@1"):
        promote(branch.state, promotion("churn@2", if_better=("auc",)), branch.mover)


def test_without_an_incumbent_a_gate_passes(branch: FakeBranch) -> None:
    change = branch.promote("churn@4", if_better=("auc",))
    assert branch.holds("production") == (4,)
    assert change.evidence == ("auc 0.8: no other version in production to compare with",)


@pytest.mark.parametrize("metrics", [{}, {"AUC": 0.9}])
def test_without_an_incumbent_the_metric_must_be_there_all_the_same(
    metrics: dict[str, float],
) -> None:
    branch = branch_with({"auc": 0.5}, metrics)
    with pytest.raises(GateRefused, match=r"production: auc is missing from churn@2$"):
        promote(branch.state, promotion("churn@2", if_better=("auc",)), branch.mover)


def test_every_incumbent_must_be_beaten(branch: FakeBranch) -> None:
    branch.promote("churn@1")
    branch.promote("churn@3", keep_existing=True)
    with pytest.raises(Refused, match=r"auc 0\.8 is not > 0\.9 \(churn@3\)$"):
        promote(branch.state, promotion("churn@2", if_better=("auc",)), branch.mover)


def test_one_model_that_fails_holds_back_all(branch: FakeBranch) -> None:
    branch.register("tokenizer", auc=0.5)
    branch.register("tokenizer", auc=0.4)
    branch.promote("churn@1", "tokenizer@1")
    with pytest.raises(Refused, match=r"^tokenizer@2 is not promoted .*\(tokenizer@1\)$") as caught:
        promote(branch.state, promotion("churn@2", "tokenizer@2", if_better=("auc",)), branch.mover)
    assert caught.value.hint == "all or none: promote churn@2 alone"
    branch.promote("churn@2")
    with pytest.raises(GateRefused, match=r"^churn@1, tokenizer@2 are not promoted to production"):
        promote(branch.state, promotion("churn@1", "tokenizer@2", if_better=("auc",)), branch.mover)


def test_the_refused_are_archived_instead(branch: FakeBranch) -> None:
    branch.promote("churn@2", aliases=("champion",))
    branch.promote("churn@1", to="staging")
    request = promotion("churn@1", if_better=("auc",), aliases=("champion",))
    with pytest.raises(GateRefused) as caught:
        promote(branch.state, request, branch.mover)
    change = archive_instead(branch.state, request, caught.value, branch.mover)
    branch.commit(change)
    assert change.subject == "archive churn@1"
    assert change.evidence == (str(caught.value),)
    assert (branch.holds("production"), branch.holds("archived")) == ((2,), (1,))
    assert branch.names("champion") == 2


def test_only_the_failed_are_archived_instead(branch: FakeBranch) -> None:
    branch.register("tokenizer", auc=0.5)
    branch.register("tokenizer", auc=0.4)
    branch.promote("churn@1", "tokenizer@1")
    branch.promote("churn@2", "tokenizer@2", to="staging")
    request = promotion("churn@2", "tokenizer@latest", if_better=("auc",), aliases=("champion",))
    with pytest.raises(GateRefused) as caught:
        promote(branch.state, request, branch.mover)
    assert caught.value.losers == (Reference("tokenizer", version=2),)
    branch.register("tokenizer", auc=0.9)  # another one is the latest by the time of the archive
    change = archive_instead(branch.state, request, caught.value, branch.mover)
    branch.commit(change)
    assert change.subject == "archive tokenizer@2"
    assert branch.state.stages("churn") == {"production": (1,), "staging": (2,)}
    assert branch.state.stages("tokenizer") == {"production": (1,), "archived": (2,)}


def test_what_holds_the_stage_is_never_archived_instead(branch: FakeBranch) -> None:
    branch.promote("churn@1")
    branch.promote("churn@2", keep_existing=True)
    request = promotion("churn@1", if_better=("auc",), to="Production")
    with pytest.raises(GateRefused) as caught:
        promote(branch.state, request, branch.mover)
    change = archive_instead(branch.state, request, caught.value, branch.mover)
    assert (change.subject, change.edits) == ("archive churn@1", ())


def test_a_metric_that_is_missing_is_said_once(branch: FakeBranch) -> None:
    branch.register()
    branch.promote("churn@1")
    branch.promote("churn@2", keep_existing=True)
    with pytest.raises(GateRefused, match=r"production: auc is missing from churn@5$"):
        promote(branch.state, promotion("churn@5", if_better=("auc",)), branch.mover)


def test_a_stage_that_holds_more_than_the_policy_says_is_a_warning(branch: FakeBranch) -> None:
    assert branch.promote("churn@1", keep_existing=True).warnings == ()
    change = branch.promote("churn@2", keep_existing=True)
    assert change.warnings == (
        "production holds 2 versions of churn, more than the 1 of the policy: churn@1, churn@2",
    )
    assert branch.promote("churn@3").warnings == ()


def test_the_trailers_of_each_model_are_together(branch: FakeBranch) -> None:
    for _ in range(2):
        branch.register("tokenizer")
    branch.promote("churn@1", "tokenizer@1")
    change = branch.promote("churn@2", "tokenizer@2", aliases=("champion",))
    assert [f"{key[7:]} {value}" for key, value in change.trailers] == [
        *("Action promote", "Model churn", "Version 2", "Stage production"),
        *("Alias champion", "Replaces 1", "Model tokenizer", "Version 2", "Stage production"),
        *("Alias champion", "Replaces 1"),
    ]
    change = branch.promote("churn@3", "tokenizer@1", "churn@4", to="staging")
    assert [f"{key[7:]} {value}" for key, value in change.trailers] == [
        *("Action promote", "Model churn", "Version 3", "Version 4", "Stage staging"),
        *("Model tokenizer", "Version 1", "Stage staging"),
    ]


def test_the_evidence_is_kept_short() -> None:
    metrics = {f"m{number}": number for number in range(30)}
    branch = branch_with(metrics, metrics)
    branch.promote("churn@1")
    change = branch.promote("churn@2")
    assert len(change.evidence) == 20
    assert change.evidence[3] == "m3 3, was 3 (churn@1)"


def test_a_version_leaves_an_earlier_stage_empty_on_its_way_forth() -> None:
    branch = branch_with({}, {})
    policy = Policy({"canary": StageRule(1), "live": StageRule(1), "shadow": StageRule()})
    branch.write({layout.POLICY: write_policy(policy)})
    branch.promote("churn@1", to="canary")
    branch.promote("churn@1", to="live")
    with pytest.raises(Refused, match="leaves live empty"):
        branch.promote("churn@1", to="canary")
    assert branch.promote("churn@2", to="live").warnings == ()


def test_a_promotion_elsewhere_leaves_no_stage_empty_by_accident() -> None:
    branch = branch_with({}, {})
    branch.promote("churn@1", aliases=("champion",))
    with pytest.raises(Refused) as refused:
        branch.promote("churn@1", to="staging")
    assert str(refused.value) == (
        "churn@1 is what churn/production holds: in staging, it leaves production empty, "
        "and @champion still names churn@1"
    )
    change = branch.promote("churn@1", to="staging", force=True)
    assert change.warnings == (
        "churn/production now holds no version",
        "@champion still names churn@1 and serves it",
    )
    assert branch.promote("churn@2", to="staging").warnings == ()
