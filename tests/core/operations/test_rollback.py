"""Rollback: what held the stage before holds it again, found by history, aliases included."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gitreg.core.model import layout
from gitreg.core.operations.rollback import Rollback, roll_back
from gitreg.core.policy import Policy, StageRule, write_policy
from gitreg.errors import InvalidRequest, NotFound, Refused
from tests.support.fakes import FakeBranch, branch_with, trailers


@pytest.fixture
def branch() -> FakeBranch:
    """Four versions; 1, 2 and 3 were in production, in this order."""
    branch = branch_with({"auc": 0.7}, {"auc": 0.8}, {"auc": 0.9}, {"auc": 1.0})
    branch.promote("churn@1", "churn@2", "churn@3", to="staging")
    for number in (1, 2, 3):
        branch.promote(f"churn@{number}", aliases=("champion",))
    return branch


def place(branch: FakeBranch) -> dict[str, tuple[int, ...]]:
    return branch.state.stages("churn")


def test_the_version_before_comes_back(branch: FakeBranch) -> None:
    moved = branch.tip
    plan = branch.rollback()
    assert place(branch) == {"production": (2,), "archived": (1, 3)}
    assert branch.names("champion") == 2
    assert [v.reference for v in plan.withdrawn] == ["churn@3"]
    assert [v.reference for v in plan.restored] == ["churn@2"]
    assert plan.change.subject == 'Revert "promote churn@3 to production"'
    assert plan.change.reverts == moved
    assert f"This reverts commit {moved}." in plan.change.message()
    assert plan.change.evidence == ("withdrawn churn@3: auc 0.9", "restored churn@2: auc 0.8")
    assert plan.change.warnings == ()
    assert plan.change.trailers == (
        ("Gitreg-Action", "rollback"),
        ("Gitreg-Model", "churn"),
        ("Gitreg-Version", "2"),
        ("Gitreg-Stage", "production"),
        ("Gitreg-Replaces", "3"),
    )


def test_twice_goes_back_twice_not_forth(branch: FakeBranch) -> None:
    branch.rollback()
    plan = branch.rollback()
    assert place(branch) == {"production": (1,), "archived": (2, 3)}
    assert branch.names("champion") == 1
    assert plan.change.subject == 'Revert "promote churn@2 to production"'
    with pytest.raises(Refused, match="churn: no version was in production before") as caught:
        branch.plan_rollback()
    assert "churn@2 was, and was withdrawn in " in str(caught.value)
    assert caught.value.hint == (
        "gitreg rollback churn --list shows all; --to 2 brings it back, judged as a promotion"
    )


def test_after_a_rollback_a_promotion_starts_anew(branch: FakeBranch) -> None:
    branch.rollback()
    branch.promote("churn@4")
    branch.rollback()
    assert branch.holds("production") == (2,)
    branch.rollback()
    assert branch.holds("production") == (1,)


def test_a_plain_git_revert_counts_as_a_step_back(branch: FakeBranch) -> None:
    reverted = branch.git_revert(branch.tip)
    assert (branch.holds("production"), branch.names("champion")) == ((2,), 2)
    branch.rollback()
    assert branch.holds("production") == (1,)
    branch.git_revert(branch.tip)
    assert branch.holds("production") == (2,)
    branch.rollback()
    assert branch.holds("production") == (1,)
    assert reverted != branch.tip


def test_reverting_the_revert_goes_forth_and_may_be_rolled_back(branch: FakeBranch) -> None:
    branch.git_revert(branch.git_revert(branch.tip))
    assert branch.holds("production") == (3,)
    branch.rollback()
    assert branch.holds("production") == (2,)


@pytest.mark.parametrize(
    "move",
    [
        lambda branch: branch.promote("churn@4"),
        lambda branch: branch.promote("churn@4", aliases=("champion", "best")),
        lambda branch: branch.promote("churn@4", keep_existing=True),
        lambda branch: branch.promote("churn@3", to="staging", force=True),
        lambda branch: branch.promote("churn@3", to="none"),
        lambda branch: branch.promote("churn@1"),
        lambda branch: branch.promote("churn@3", to="archived"),
    ],
)
def test_restage_is_the_exact_inverse(
    branch: FakeBranch, move: Callable[[FakeBranch], object]
) -> None:
    before = dict(branch.snapshot.files)
    move(branch)
    moved, after = branch.tip, branch.snapshot
    assert after.files != before
    plan = branch.rollback(restage=True)
    assert branch.snapshot.files == before
    assert plan.change.reverts == moved
    other = FakeBranch(after.files)
    other.commits = branch.commits[:-1]
    other.git_revert(moved)
    assert other.snapshot.files == branch.snapshot.files


def test_restage_twice(branch: FakeBranch) -> None:
    branch.rollback(restage=True)
    assert place(branch) == {"production": (2,), "staging": (3,), "archived": (1,)}
    branch.rollback(restage=True)
    assert place(branch) == {"production": (1,), "staging": (2, 3)}
    assert branch.names("champion") == 1


def test_to_a_version_goes_back_over_several_moves(branch: FakeBranch) -> None:
    plan = branch.rollback(to=1)
    assert place(branch) == {"production": (1,), "archived": (2, 3)}
    assert branch.names("champion") == 1
    assert plan.change.subject == "roll back production to churn@1"
    assert plan.change.reverts is None
    with pytest.raises(Refused, match="no version was in production before"):
        branch.plan_rollback()


def test_restage_to_a_version_puts_all_back(branch: FakeBranch) -> None:
    branch.rollback(to=1, restage=True)
    assert place(branch) == {"production": (1,), "staging": (2, 3)}


def test_to_what_is_there_changes_nothing(branch: FakeBranch) -> None:
    plan = branch.plan_rollback(to=3)
    assert (plan.change.edits, plan.withdrawn, plan.restored) == ((), (), ())
    assert plan.change.subject == "roll back production to churn@3"


def test_to_a_version_that_never_was_there(branch: FakeBranch) -> None:
    with pytest.raises(Refused, match="churn@4 was never in production") as caught:
        branch.plan_rollback(to=4)
    assert caught.value.hint == "gitreg promote churn@4 --to production"
    with pytest.raises(NotFound, match="no churn@9"):
        branch.plan_rollback(to=9)


def test_to_a_version_that_was_rolled_back(branch: FakeBranch) -> None:
    branch.rollback()
    plan = branch.plan_rollback(to=3)
    assert [v.version for v in plan.restored] == [3]
    with pytest.raises(Refused, match="that was rolled back: --restage cannot undo it") as caught:
        branch.plan_rollback(to=3, restage=True)
    assert "leave --restage out" in (caught.value.hint or "")
    branch.commit(plan.change)
    assert place(branch) == {"production": (3,), "archived": (1, 2)}
    assert branch.names("champion") == 2
    assert plan.change.warnings == ("@champion still names churn@2: another commit moved it",)


def test_a_version_that_was_deleted_cannot_come_back(branch: FakeBranch) -> None:
    branch.delete("churn@2")
    with pytest.raises(Refused, match="churn@2 was in production before, but is deleted") as caught:
        branch.plan_rollback()
    assert caught.value.hint == "name another one with --to"
    with pytest.raises(NotFound, match="churn@2 was deleted"):
        branch.plan_rollback(to=2)
    branch.rollback(to=1)
    assert place(branch) == {"production": (1,), "archived": (3,)}


def test_restage_leaves_the_deleted_out(branch: FakeBranch) -> None:
    branch.delete("churn@2")
    branch.rollback(to=1, restage=True)
    assert place(branch) == {"production": (1,), "staging": (3,)}


def test_nothing_was_there_before() -> None:
    branch = branch_with({})
    with pytest.raises(Refused, match="churn: no version was in production before"):
        branch.plan_rollback()
    branch.promote("churn@1")
    with pytest.raises(Refused, match="churn: no version was in production before"):
        branch.plan_rollback()


def test_what_is_not_there(branch: FakeBranch) -> None:
    with pytest.raises(NotFound, match="no model 'chrun'") as caught:
        branch.plan_rollback("chrun")
    assert caught.value.hint == "did you mean 'churn'?"
    with pytest.raises(NotFound, match="no stage 'prodction'"):
        branch.plan_rollback(stage="prodction")


def test_requests_that_make_no_sense(branch: FakeBranch) -> None:
    with pytest.raises(InvalidRequest, match="name at least one model"):
        roll_back(branch.state, branch, Rollback(()), branch.mover)
    with pytest.raises(InvalidRequest, match="the same model is named twice"):
        branch.plan_rollback("churn", "churn")


# Back and forth


def test_after_to_a_withdrawn_version_it_goes_back_not_forth() -> None:
    branch = branch_with({}, {}, {})
    for number in (1, 2):
        branch.promote(f"churn@{number}")
    branch.rollback()
    branch.promote("churn@3", aliases=("champion",))
    branch.rollback(to=2)
    plan = branch.rollback()
    assert place(branch) == {"production": (1,), "archived": (2, 3)}
    assert branch.names("champion") is None
    # More than the promotion of 3 is taken back: it is no revert of that commit.
    assert (plan.change.subject, plan.change.reverts) == ("roll back production to churn@1", None)
    with pytest.raises(Refused, match="no version was in production before"):
        branch.plan_rollback()


def test_restage_after_to_a_withdrawn_version() -> None:
    branch = branch_with({}, {}, {})
    branch.promote("churn@3", to="staging")
    for number in (1, 2):
        branch.promote(f"churn@{number}")
    branch.rollback()
    branch.promote("churn@3")
    branch.rollback(to=2)
    branch.rollback(restage=True)
    assert place(branch) == {"production": (1,), "archived": (2, 3)}


def test_to_one_of_several_goes_on_from_there() -> None:
    branch = branch_with({}, {}, {})
    branch.promote("churn@1")
    branch.promote("churn@2", keep_existing=True)
    branch.promote("churn@3")
    branch.promote("churn@3", to="archived")
    branch.rollback(to=2)
    assert branch.holds("production") == (2,)
    branch.rollback()
    assert branch.holds("production") == (1,)


def test_a_revert_of_a_revert_is_a_new_move() -> None:
    branch = branch_with({}, {}, {})
    for number in (3, 2, 1, 2):
        branch.promote(f"churn@{number}")
    branch.git_revert(branch.git_revert(branch.tip))
    assert branch.holds("production") == (2,)
    assert [version.version for version in branch.plan_rollback().restored] == [1]
    branch.git_revert(branch.tip)
    assert branch.holds("production") == (1,)
    assert [version.version for version in branch.plan_rollback().restored] == [2]
    branch.rollback()
    branch.rollback()
    assert branch.holds("production") == (3,)


STEPS = st.lists(
    st.sampled_from(["promote", "keep", "empty", "rollback", "restage"]) | st.integers(1, 8),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(STEPS)
@example(["promote", "promote", "rollback", "promote", 2, "rollback"])
@example(["promote", "promote", "rollback", "promote", "keep", 2, "rollback"])
@example(["promote", "empty", "promote", "rollback"])
def test_a_row_of_rollbacks_never_restores_what_it_withdrew(steps: list[str | int]) -> None:
    branch, promoted = FakeBranch(), 0
    withdrawn: set[int] = set()  # since the last promotion
    given_up: set[int] = set()  # by any rollback: withdrawn, or promoted after what came back
    for step in [*steps, *["rollback"] * len(steps)]:
        if step in ("promote", "keep"):
            branch.register()
            promoted += 1
            branch.promote(f"churn@{promoted}", keep_existing=step == "keep")
            withdrawn = set()
        elif step == "empty" and (held := branch.holds("production")):
            branch.promote(*(f"churn@{number}" for number in held), to="none")
            withdrawn = set()
        elif step != "empty" and promoted:
            to = step if isinstance(step, int) else None
            try:
                plan = branch.plan_rollback(to=to, restage=step == "restage")
            except NotFound:
                assert to is not None
                assert to > promoted
                continue
            except Refused:
                # Versions are promoted in the order of their numbers, each of them once.
                before = set(range(1, promoted + 1)) - {*branch.holds("production")}
                assert to is None
                assert before <= given_up, "there was something to go back to"
                continue
            restored = {version.version for version in plan.restored}
            if to is None:
                assert not restored & withdrawn
                assert plan.change.edits, "a rollback always gets somewhere"
            withdrawn |= {version.version for version in plan.withdrawn}
            withdrawn -= restored
            if plan.change.edits:
                branch.commit(plan.change)
                held = branch.holds("production")
                assert to is None or held == (to,)
                given_up |= {version.version for version in plan.withdrawn}
                given_up |= set(range(max(held) + 1, promoted + 1))
                given_up -= {*held}


def test_an_empty_stage_is_filled_again(branch: FakeBranch) -> None:
    branch.promote("churn@3", to="archived")
    assert branch.holds("production") == ()
    plan = branch.rollback()
    assert place(branch) == {"production": (3,), "archived": (1, 2)}
    assert plan.withdrawn == ()


def test_an_empty_time_in_between_is_skipped(branch: FakeBranch) -> None:
    branch.promote("churn@3", to="none")
    branch.promote("churn@4")
    plan = branch.rollback()
    assert branch.holds("production") == (3,)
    assert plan.change.subject == "roll back production to churn@3"
    branch.rollback()
    assert branch.holds("production") == (2,)


def test_several_versions_come_back_together(branch: FakeBranch) -> None:
    branch.promote("churn@4", keep_existing=True)
    branch.promote("churn@1")
    assert place(branch) == {"production": (1,), "archived": (2, 3, 4)}
    branch.rollback()
    assert place(branch) == {"production": (3, 4), "archived": (1, 2)}
    branch.rollback()
    assert place(branch) == {"production": (3,), "archived": (1, 2, 4)}


def test_the_withdrawn_go_where_the_policy_sends_them(branch: FakeBranch) -> None:
    rules = {
        "production": StageRule(1, "retired"),
        "retired": StageRule(),
        "staging": StageRule(),
    }
    branch.write({layout.POLICY: write_policy(Policy(rules))})
    branch.rollback()
    assert branch.holds("retired") == (3,)


def test_without_an_archive_the_withdrawn_have_no_stage() -> None:
    branch = branch_with({}, {})
    rules = {"production": StageRule(1, None)}
    branch.write({layout.POLICY: write_policy(Policy(rules))})
    branch.promote("churn@1")
    branch.promote("churn@2")
    branch.rollback()
    assert place(branch) == {"production": (1,)}


def test_the_withdrawn_of_a_stage_that_says_nothing_are_archived() -> None:
    branch = branch_with({}, {})
    branch.promote("churn@1", to="staging")
    branch.promote("churn@2", to="staging")
    branch.rollback(stage="staging")
    assert place(branch) == {"staging": (1,), "archived": (2,)}


# Aliases


def test_an_alias_that_was_new_goes_away(branch: FakeBranch) -> None:
    branch.promote("churn@4", aliases=("best",))
    plan = branch.rollback()
    assert branch.names("best") is None
    assert branch.names("champion") == 3
    assert plan.change.warnings == ()


def test_an_alias_that_moved_since_stays(branch: FakeBranch) -> None:
    branch.alias("churn@4", "champion")
    plan = branch.rollback()
    assert branch.names("champion") == 4
    assert plan.change.warnings == ("@champion has moved since: it stays where it is",)


def test_an_alias_that_was_deleted_since_stays_away(branch: FakeBranch) -> None:
    branch.unalias("churn", "champion")
    plan = branch.rollback()
    assert branch.names("champion") is None
    assert plan.change.warnings == ("@champion has moved since: it stays where it is",)


def test_an_alias_set_by_another_commit_stays(branch: FakeBranch) -> None:
    branch.alias("churn@3", "best")
    plan = branch.rollback()
    assert (branch.names("best"), branch.names("champion")) == (3, 2)
    assert plan.change.warnings == ("@best still names churn@3: another commit moved it",)


def test_an_alias_never_goes_back_to_a_deleted_version() -> None:
    branch = branch_with({}, {}, {})
    branch.promote("churn@1")
    branch.alias("churn@3", "champion")
    branch.promote("churn@2", aliases=("champion",))
    branch.delete("churn@3")
    plan = branch.rollback()
    assert branch.names("champion") == 2
    assert plan.change.warnings == (
        "@champion named churn@3 before, which is deleted: it stays where it is",
    )


# Several models


@pytest.fixture
def pair() -> FakeBranch:
    """Churn and tokenizer, which went to production together, twice."""
    branch = FakeBranch()
    for model in ("churn", "tokenizer"):
        branch.register(model)
        branch.register(model)
    branch.promote("churn@1", "tokenizer@1")
    branch.promote("churn@2", "tokenizer@2", aliases=("champion",))
    return branch


def test_models_that_moved_together_go_back_together(pair: FakeBranch) -> None:
    moved = pair.tip
    plan = pair.rollback("churn", "tokenizer")
    for model in ("churn", "tokenizer"):
        assert pair.holds("production", model) == (1,)
        assert pair.holds("archived", model) == (2,)
        assert pair.names("champion", model) is None
    assert plan.change.reverts == moved
    assert plan.change.subject == 'Revert "promote churn@2, tokenizer@2 to production"'
    assert plan.change.warnings == ()
    assert trailers(plan.change, "Model") == ["churn", "tokenizer"]
    assert trailers(plan.change, "Replaces") == ["2", "2"]


def test_one_of_them_alone_is_no_whole_revert(pair: FakeBranch) -> None:
    plan = pair.rollback("tokenizer")
    assert pair.holds("production", "tokenizer") == (1,)
    assert pair.holds("production", "churn") == (2,)
    assert plan.change.reverts is None
    assert plan.change.subject == "roll back production to tokenizer@1"
    assert plan.change.warnings == (
        f"churn moved in the same commit {pair.commits[-2][0].oid[:9]}: it stays where it is",
    )


def test_models_that_moved_apart_go_back_in_one_commit() -> None:
    branch = FakeBranch()
    for model in ("a", "b"):
        for number in (1, 2):
            branch.register(model)
            branch.promote(f"{model}@{number}")
    commits = len(branch.commits)
    plan = branch.rollback("a", "b")
    assert len(branch.commits) == commits + 1
    assert (branch.holds("production", "a"), branch.holds("production", "b")) == ((1,), (1,))
    assert plan.change.subject == "roll back production to a@1, b@1"
    assert plan.change.reverts is None


def test_if_one_cannot_go_back_none_does(pair: FakeBranch) -> None:
    pair.register("new")
    pair.promote("new@1")
    with pytest.raises(Refused, match="new: no version was in production before"):
        pair.plan_rollback("churn", "new")


# History of other origins


def test_a_promotion_by_hand_is_rolled_back(branch: FakeBranch) -> None:
    branch.write(
        {
            layout.stage_path("churn", "production"): b"versions: [4]\n",
            layout.alias_path("churn", "champion"): b"version: 4\n",
        },
        "Ship 4",
    )
    plan = branch.rollback()
    assert (branch.holds("production"), branch.names("champion")) == ((3,), 3)
    assert plan.change.subject == 'Revert "Ship 4"'
    assert branch.holds("archived") == (1, 2, 4)


def test_a_squash_is_one_step() -> None:
    branch = branch_with({}, {}, {})
    branch.promote("churn@1", aliases=("champion",))
    start = branch.snapshot
    branch.promote("churn@2", aliases=("champion",))
    branch.promote("churn@3", aliases=("champion",))
    squashed = branch.squashed(start)
    squashed.rollback()
    assert squashed.holds("production") == (1,)
    assert squashed.names("champion") == 1
    assert squashed.holds("archived") == (2, 3)


def test_a_broken_time_in_between_is_skipped(branch: FakeBranch) -> None:
    path = layout.stage_path("churn", "production")
    branch.write({path: b"<<<<<<< HEAD\n"}, "oops")
    branch.write({path: b"versions:\n- 4\n"}, "mend")
    branch.rollback()
    assert branch.holds("production") == (3,)


def test_the_metrics_of_both_are_shown_in_short() -> None:
    metrics = {f"m{number}": number for number in range(30)}
    branch = branch_with(metrics, {})
    branch.promote("churn@1")
    branch.promote("churn@2")
    evidence = branch.plan_rollback().change.evidence
    assert evidence[0] == "withdrawn churn@2"
    assert evidence[1].startswith("restored churn@1: m0 0, m1 1, ")
    assert evidence[1].count(",") == 19


def test_a_stage_that_a_rollback_of_another_empties_is_told() -> None:
    branch = branch_with({"auc": 0.7})
    branch.promote("churn@1", to="staging")
    branch.promote("churn@1")
    plan = branch.rollback(stage="staging")
    assert place(branch) == {"staging": (1,)}
    assert plan.change.warnings == ("churn/production now holds no version",)
