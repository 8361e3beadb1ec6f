"""An operation done again on another tip: the same where it holds, else refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitreg.core.model import layout
from gitreg.core.model.names import parse_reference
from gitreg.core.operations.annotate import Annotation, annotate
from gitreg.core.operations.register import register
from gitreg.core.policy import Policy, StageRule, write_policy
from gitreg.core.state.change import parse_message
from gitreg.errors import InvalidRequest, NotFound, Refused
from tests.core.operations.rebase import Rebase, again, base, fork, recorded
from tests.support.fakes import FakeBranch, branch_with, registration, trailers

# Registrations


def test_a_registration_takes_the_next_free_number() -> None:
    ours = base()
    theirs = fork(ours)
    theirs.register(auc=0.5)
    ours.register(auc=0.95)
    ours.promote("churn@4", aliases=("best",))
    done = Rebase(theirs)
    assert done.one(recorded(ours, -2)) == "register churn@5"
    assert done.one(recorded(ours, -1)) == "promote churn@5 to production"
    assert done.numbers == {("churn", 4): 5}
    assert theirs.holds("production") == (5,)
    assert theirs.names("best") == 5
    assert theirs.state.manifest("churn", 5).metrics == {"auc": 0.95}
    assert theirs.state.manifest("churn", 4).metrics == {"auc": 0.5}
    assert theirs.snapshot.read("dvc.yaml") is not None
    assert b"versions/5/model.pkl" in (theirs.snapshot.read("dvc.yaml") or b"")


def test_everything_that_was_said_of_a_version_goes_along() -> None:
    ours = base()
    theirs = fork(ours)
    theirs.register()
    request = registration("churn", {"auc": 0.99})
    request = replace(
        request,
        requirements=b"numpy==2\n",
        description="the fourth",
        tags={"team": "growth"},
        params={"lr": 0.1},
    )
    ours.commit(register(ours.state, request))
    Rebase(theirs).one(recorded(ours))
    found = theirs.state.version("churn", 5)
    assert (found.description, found.tags, found.params) == (
        "the fourth",
        {"team": "growth"},
        {"lr": 0.1},
    )
    assert theirs.state.requirements("churn", 5) == ["numpy==2"]
    assert (found.created_at, found.created_by) == (request.created_at, request.created_by)


def test_a_number_of_the_past_is_not_taken() -> None:
    """History knows of a registration that was taken back."""
    ours = base()
    theirs = fork(ours)
    ours.register()
    change, new = again(theirs, recorded(ours), {}, lambda _: 7)
    assert change.subject == "register churn@8"
    assert new == {("churn", 4): 8}


def test_several_births_in_one_commit_keep_their_order() -> None:
    """Sorted by path, version 10 comes before 9."""
    ours = branch_with(*({"auc": number / 10} for number in range(8)))
    theirs = fork(ours)
    start = ours.snapshot
    ours.register(auc=0.91)
    ours.register(auc=0.92)
    squashed = ours.squashed(start, "two at once")
    Rebase(theirs).one(recorded(squashed))
    assert theirs.state.manifest("churn", 9).metrics == {"auc": 0.91}
    assert theirs.state.manifest("churn", 10).metrics == {"auc": 0.92}
    assert theirs.snapshot.files == ours.snapshot.files


def test_a_name_that_differs_by_case_alone_is_refused() -> None:
    ours = base()
    theirs = fork(ours)
    theirs.register("Tokens")
    ours.register("tokens")
    with pytest.raises(InvalidRequest, match="only by case"):
        Rebase(theirs).one(recorded(ours))


def test_subject_evidence_and_trailers_are_renamed_together() -> None:
    ours = branch_with({"auc": 0.5})
    theirs = fork(ours)
    for auc in (0.1, 0.2):
        theirs.register(auc=auc)
    ours.register(auc=0.6)
    ours.register(auc=0.7)
    ours.promote("churn@2")
    ours.promote("churn@3")
    done = Rebase(theirs)
    for number in range(-4, 0):
        done.one(recorded(ours, number))
    message = theirs.commits[-1][0].message
    assert message.startswith("promote churn@5 to production\n")
    assert "  auc 0.7, was 0.6 (churn@4)\n" in message
    assert "Gitreg-Version: 5\n" in message
    assert "Gitreg-Replaces: 4\n" in message


def test_a_model_whose_name_ends_like_another_is_not_renamed() -> None:
    ours = branch_with({}, model="churn")
    ours.register("my churn")
    theirs = fork(ours)
    theirs.register("churn")
    ours.register("churn")
    ours.register("my churn")
    ours.promote("my churn@2")
    done = Rebase(theirs)
    for number in (-3, -2):
        done.one(recorded(ours, number))
    assert done.one(recorded(ours)) == "promote my churn@2 to production"


def test_both_models_in_one_subject() -> None:
    ours = branch_with({}, model="churn")
    ours.register("my churn")
    theirs = fork(ours)
    theirs.register("churn")
    ours.register("churn")
    ours.promote("churn@2", "my churn@1", to="staging")
    done = Rebase(theirs)
    done.one(recorded(ours, -2))
    assert done.one(recorded(ours)) == "promote churn@3, my churn@1 to staging"
    assert trailers_of(theirs) == ["3", "1"]


def trailers_of(branch: FakeBranch) -> list[str]:
    return trailers(parse_message(branch.commits[-1][0].message), "Version")


def test_a_version_of_a_commit_that_is_left_is_not_mistaken_for_theirs() -> None:
    ours = base()
    theirs = fork(ours)
    theirs.register(auc=0.1)
    ours.register(auc=0.99)
    ours.promote("churn@4")
    with pytest.raises(Refused, match="churn@4 belongs to a commit that was not pushed"):
        again(theirs, recorded(ours), {("churn", 4): None}, lambda _: 4)


# Pointers


def test_a_pointer_that_others_moved_is_refused() -> None:
    ours = base()
    theirs = fork(ours)
    theirs.promote("churn@1")
    ours.promote("churn@3")
    with pytest.raises(Refused, match="churn stages/production has been moved"):
        Rebase(theirs).one(recorded(ours))


def test_others_may_move_other_pointers_and_fill_stages_without_bounds() -> None:
    ours = base()
    ours.register()
    theirs = fork(ours)
    theirs.promote("churn@4", to="staging")
    theirs.alias("churn@1", "shadow")
    ours.promote("churn@1", to="staging")
    assert Rebase(theirs).one(recorded(ours)) == "promote churn@1 to staging"
    assert theirs.holds("staging") == (1, 3, 4)
    assert theirs.holds("archived") == ()


@pytest.mark.parametrize(
    ("ours_to", "theirs_to", "told"),
    [
        ("none", "archived", "put into archived"),
        ("production", "none", "taken out of its stage"),
        ("archived", "none", "taken out of its stage"),
    ],
)
def test_a_version_that_others_put_elsewhere(ours_to: str, theirs_to: str, told: str) -> None:
    """Staging holds any number: its file agrees, and where the version went must be asked."""
    ours = base()
    theirs = fork(ours)
    theirs.promote("churn@3", to=theirs_to)
    ours.promote("churn@3", to=ours_to)
    before = theirs.snapshot
    with pytest.raises(Refused, match=told):
        Rebase(theirs).one(recorded(ours))
    assert theirs.snapshot is before


@pytest.mark.parametrize("to", ["production", "archived", "none"])
def test_the_very_same_is_nothing_to_do(to: str) -> None:
    ours = base()
    theirs = fork(ours)
    for branch in (ours, theirs):
        branch.promote("churn@3", to=to)
    assert Rebase(theirs).one(recorded(ours)) is None


def test_what_goes_beyond_the_very_same_is_done() -> None:
    ours = base()
    theirs = fork(ours)
    theirs.promote("churn@3")
    ours.promote("churn@3", aliases=("best",))
    Rebase(theirs).one(recorded(ours))
    assert (theirs.holds("production"), theirs.names("best")) == ((3,), 3)


def test_aliases() -> None:
    ours = base()
    theirs = fork(ours)
    theirs.alias("churn@1", "champion")
    ours.alias("churn@3", "champion")
    with pytest.raises(Refused, match="aliases/champion has been moved"):
        Rebase(theirs).one(recorded(ours))
    ours.alias("churn@3", "fresh")
    Rebase(theirs).one(recorded(ours))
    assert theirs.names("fresh") == 3
    ours.unalias("churn", "fresh")
    Rebase(theirs).one(recorded(ours))
    assert theirs.names("fresh") is None


def test_a_version_that_others_deleted() -> None:
    ours = base()
    theirs = fork(ours)
    theirs.delete("churn@1", "leaked")
    ours.alias("churn@1", "old")
    with pytest.raises(NotFound, match="was deleted by Ada Lovelace"):
        Rebase(theirs).one(recorded(ours))


def test_a_stage_that_the_policy_has_no_more() -> None:
    ours = base()
    theirs = fork(ours)
    theirs.write({layout.POLICY: write_policy(Policy({"production": StageRule(1)}))})
    ours.promote("churn@2", to="staging", force=True)
    with pytest.raises(NotFound, match="no stage 'staging'"):
        Rebase(theirs).one(recorded(ours))


# Annotations and deletions


def test_annotations() -> None:
    ours = base()
    theirs = fork(ours)
    theirs.register()
    ours.register()
    for name in ("churn@4", "churn"):
        request = Annotation(parse_reference(name), f"about {name}", None, {}, ())
        ours.commit(annotate(ours.state, request))
    done = Rebase(theirs)
    for number in (-3, -2, -1):
        done.one(recorded(ours, number))
    assert theirs.state.annotations("churn", 5).description == "about churn@4"
    assert theirs.state.annotations("churn", 4).description is None
    assert theirs.state.model_annotations("churn").description == "about churn"
    assert done.one(recorded(ours)) is None  # the very same
    other = Annotation(parse_reference("churn"), "something else", None, {}, ())
    theirs.commit(annotate(theirs.state, other))
    with pytest.raises(Refused, match=r"model\.yaml has been changed by somebody else"):
        done.one(recorded(ours))


def test_deletions() -> None:
    ours = base()
    theirs = fork(ours)
    ours.delete("churn@1", "leaked")
    Rebase(theirs).one(recorded(ours))
    assert theirs.state.versions("churn") == [2, 3]
    assert theirs.snapshot.files == ours.snapshot.files
    again = base()
    again.alias("churn@1", "still-used")
    with pytest.raises(Refused, match="named by @still-used"):
        Rebase(again).one(recorded(ours))
