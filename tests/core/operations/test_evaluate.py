"""Evaluations are added to versions, never changed, and go along when operations are done again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitreg.core.model.evaluation import write_evaluation
from gitreg.core.model.model import DataDependency, Evaluation
from gitreg.core.model.names import parse_reference
from gitreg.core.operations.evaluate import Evaluated, evaluate
from gitreg.core.operations.judging import GateRefused
from gitreg.core.operations.reapply import done_again
from gitreg.core.operations.recorded import Recorded
from gitreg.core.state.history import events_of
from gitreg.errors import InvalidDocument, InvalidRequest, NotFound, Refused
from tests.support.fakes import ADA, CREATED, MD5, SHA256, FakeBranch, branch_with, trailers

PATH = "registry/churn/versions/{}/evaluations/{}.yaml"


def measured(auc: float, md5: str | None = MD5, name: str = "holdout") -> Evaluation:
    data = DataDependency("data/holdout.csv", md5, 9)
    return Evaluation(name, SHA256, CREATED, ADA, data, {"auc": auc})


def add(branch: FakeBranch, **measurements: Evaluation) -> str:
    """Commit evaluations of versions: ``v1=…``."""
    request = [
        Evaluated(parse_reference(f"churn@{version}"), evaluation)
        for version, evaluation in measurements.items()
    ]
    return branch.commit(evaluate(branch.state, request))


def test_several_versions_are_evaluated_in_one_commit() -> None:
    branch = branch_with({"auc": 0.7}, {"auc": 0.8})
    add(branch, v1=measured(0.71), v2=measured(0.75))
    info, changes = branch.commits[-1]
    assert info.message.startswith("evaluate churn@1, churn@2: holdout\n")
    assert "churn@2: auc 0.75 on data/holdout.csv (d4d4d4d4d)" in info.message
    assert branch.state.version("churn", 2).evaluations == {"holdout": measured(0.75)}
    found = events_of(info, changes)
    assert [(event.action, event.version) for event in found] == [("evaluate", 1), ("evaluate", 2)]


def test_the_same_again_changes_nothing_and_another_one_is_refused() -> None:
    branch = branch_with({})
    add(branch, v1=measured(0.7))
    request = Evaluated(parse_reference("churn@1"), measured(0.7))
    assert evaluate(branch.state, [request]).edits == ()
    with pytest.raises(Refused, match="churn@1 has an evaluation holdout already"):
        evaluate(branch.state, [replace(request, evaluation=measured(0.8))])


def test_other_bytes_and_unknown_versions_are_refused() -> None:
    branch = branch_with({})
    other = replace(measured(0.7), sha256="00" * 32)
    with pytest.raises(InvalidRequest, match="other bytes were measured"):
        evaluate(branch.state, [Evaluated(parse_reference("churn@1"), other)])
    with pytest.raises(NotFound):
        evaluate(branch.state, [Evaluated(parse_reference("churn@2"), measured(0.7))])


def test_a_file_of_other_bytes_makes_the_version_unreadable() -> None:
    branch = branch_with({})
    foreign = write_evaluation(replace(measured(0.7), sha256="00" * 32))
    branch.write({PATH.format(1, "holdout"): foreign})
    with pytest.raises(InvalidDocument, match="other bytes"):
        branch.state.version("churn", 1)


def test_it_is_done_again_under_the_new_number() -> None:
    branch = branch_with({}, {})
    before = branch.snapshot
    oid = add(branch, v2=measured(0.75))
    info, changes = branch.commits[-1]
    recorded = Recorded(oid, info.message, tuple(changes))
    assert recorded.is_operation
    upstream = branch_with({}, {}, {})
    change, _ = done_again(
        upstream.state, recorded, {("churn", 2): 3}, lambda _: 3, lambda *_: True
    )
    assert change.paths == (PATH.format(3, "holdout"),)
    assert change.subject == "evaluate churn@3: holdout"
    assert trailers(change, "Version") == ["3"]
    assert before.files.keys() < branch.snapshot.files.keys()


def test_one_that_was_changed_by_hand_is_no_operation() -> None:
    branch = branch_with({})
    add(branch, v1=measured(0.7))
    oid = branch.write({PATH.format(1, "holdout"): write_evaluation(measured(0.99))})
    info, changes = branch.commits[-1]
    assert not Recorded(oid, info.message, tuple(changes)).is_operation
    assert [event.action for event in events_of(info, changes)] == ["rewrite"]


def test_numbers_of_other_data_are_not_compared() -> None:
    branch = branch_with({"auc": 0.9}, {"auc": 0.1})
    branch.promote("churn@1")
    add(branch, v1=measured(0.7, "91" * 16), v2=measured(0.9))
    with pytest.raises(GateRefused) as raised:
        branch.promote("churn@2", if_better=("holdout:auc",))
    [failed] = raised.value.judgements[0].failed
    assert failed.line == (
        "holdout was measured on different data: churn@2 on data/holdout.csv (d4d4d4d4d) and "
        "churn@1 on data/holdout.csv (919191919)"
    )
    add(branch, v1=measured(0.7, name="q4"), v2=measured(0.9, name="q4"))
    branch.promote("churn@2", if_better=("q4:auc",))
    assert branch.holds("production") == (2,)


def test_an_evaluation_that_a_version_does_not_have_is_named() -> None:
    branch = branch_with({"auc": 0.9}, {"auc": 0.95})
    branch.promote("churn@1")
    add(branch, v2=measured(0.9))
    with pytest.raises(GateRefused, match="churn@1 has no evaluation holdout"):
        branch.promote("churn@2", if_better=("holdout:auc",))
