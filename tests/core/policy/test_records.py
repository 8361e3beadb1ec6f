"""Gates on evaluations, reproductions and cards: the number, the data, the person, the words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitreg.core.model.card import Card
from gitreg.core.model.model import DataDependency, Evaluation, ModelVersion, Slice
from gitreg.core.policy import read_policy
from gitreg.core.policy.gates import MetricBetter, MetricLimit
from gitreg.core.policy.records import ANY, CardSays, Reproduced
from gitreg.core.policy.verdict import Sure, Verdict
from gitreg.errors import InvalidDocument
from tests.core.policy.test_gates import GRACE, case, version
from tests.support.fakes import ADA, CREATED, MD5, SHA256, FakeFacts


def evaluated(number: int, auc: float, md5: str | None = MD5, **slices: float) -> ModelVersion:
    parts = tuple(Slice(where, {"recall": recall}, 9) for where, recall in slices.items())
    data = DataDependency("h.csv", md5)
    found = Evaluation("q4", SHA256, CREATED, ADA, data, {"auc": auc}, slices=parts)
    return replace(version(number), evaluations={"q4": found})


def better(
    new: ModelVersion, old: ModelVersion, facts: FakeFacts | None = None, **options: object
) -> Verdict:
    options = {"metric": "auc", "than": "production", "evaluation": "q4", **options}
    rule = MetricBetter(**options)  # type: ignore[arg-type]  # a gate's own keywords
    return rule.judge(case(new, held={"production": (old,)}, facts=facts))


def test_an_evaluation_is_compared_on_the_same_data() -> None:
    assert better(evaluated(2, 0.9), evaluated(1, 0.8)).line == "q4:auc 0.9 > 0.8 (m@1)"
    other = better(evaluated(2, 0.9), evaluated(1, 0.1, "91" * 16))
    assert not other.passed
    assert "different data: m@2 on h.csv (d4d4d4d4d) and m@1 on h.csv (919191919)" in other.line


def test_data_without_a_hash_is_not_compared() -> None:
    found = better(evaluated(2, 0.9, None), evaluated(1, 0.1, None))
    assert (found.passed, found.line) == (False, "q4 of m@2 does not name its data by a hash")


def test_every_slice_has_to_be_good_enough() -> None:
    rule = MetricLimit("recall", at_least=0.8, evaluation="q4", slice="*")
    good, bad = evaluated(2, 0.9, young=0.9, old=0.8), evaluated(2, 0.9, young=0.9, old=0.7)
    assert rule.judge(case(good)).passed
    found = rule.judge(case(bad))
    assert (found.passed, found.line) == (False, "q4:recall where old 0.7 is not at least 0.8")
    assert rule.judge(case(evaluated(2, 0.9))).line == "q4 of m@2 has no slices"


def test_no_slice_of_the_incumbent_may_be_left_out() -> None:
    new, old = evaluated(2, 0.9, young=0.9), evaluated(1, 0.9, young=0.8, old=0.8)
    found = better(new, old, metric="recall", slice="*")
    assert (found.passed, found.line) == (False, "q4:recall where old is missing from m@2")


@pytest.mark.parametrize(
    ("sure", "passed", "known"),
    [
        (Sure(0.01, 0.03, 0.95, "DeLong", 900), True, True),
        (Sure(-0.01, 0.03, 0.95, "DeLong", 900), False, True),
        ("q4 of m@1 has no predictions", False, False),
        (None, False, False),
    ],
)
def test_a_difference_has_to_be_sure(sure: Sure | str | None, *, passed: bool, known: bool) -> None:
    facts = FakeFacts(sure=sure)
    found = better(evaluated(2, 0.9), evaluated(1, 0.8), facts, confidence=0.95)
    assert (found.passed, found.known) == (passed, known)


def test_a_lower_metric_is_surely_lower_by_the_upper_end() -> None:
    facts = FakeFacts(sure=Sure(-0.2, -0.1, 0.95, "bootstrap", 900))
    new, old = evaluated(2, 0.7), evaluated(1, 0.85)
    options = {"lower_is_better": True, "confidence": 0.95}
    assert better(new, old, facts, **options).passed
    assert not better(new, old, facts, **options, by=0.11).passed


def test_only_somebody_elses_reproduction_counts() -> None:
    own = FakeFacts(reproduced=[("Grace@example.com", "identical")])
    assert version().created_by == GRACE
    assert not Reproduced("equivalent").judge(case(facts=own)).passed
    assert Reproduced("equivalent", ANY).judge(case(facts=own)).passed
    ada = FakeFacts(reproduced=[("ada@example.com", "equivalent")])
    assert Reproduced("equivalent").judge(case(facts=ada)).line == "equivalent by ada@example.com"
    assert not Reproduced("identical").judge(case(facts=ada)).passed
    nobody = Reproduced("identical").judge(case())
    assert nobody.line.endswith("signed by somebody else: gitreg reproduce m@2 --record")


def test_a_card_has_to_say_what_is_asked() -> None:
    rule = CardSays(("license", "limitations"))
    assert rule.judge(case()).line == "m has no card: gitreg card m --init"
    card = Card({"license": "mit"}, {"limitations": "one country"})
    assert rule.judge(replace(case(), card=lambda: card)).passed
    silent = replace(case(), card=lambda: Card({"license": " "}))
    assert rule.judge(silent).line == "the card of m says nothing of license, limitations"


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ("{metric: a, slice: x}", "slice: goes with evaluation"),
        ("{metric: a, evaluation: Q 4, at_least: 1}", "cannot be an evaluation's name"),
        ("{metric: a, better_than: production, by: 1, better_by: {margin: 1}}", "by: it is the"),
        ("{metric: a, better_than: production, better_by: {}}", "better_by: expected margin"),
        (
            "{metric: a, better_than: production, better_by: {confidence: 0.9}}",
            "confidence: goes with an evaluation",
        ),
        (
            "{metric: a, evaluation: q, better_than: production, better_by: {confidence: 1}}",
            "confidence: expected a number from 0.5",
        ),
        ("{metric: a, better_by: {margin: 1}}", "better_by: goes with better_than"),
        ("{reproduced: {by: other}}", "reproduced: goes with signers"),
        ("{card: []}", "card: expected a list"),
        ("{card: [limitation]}", "'limitation' is not a part of a card"),
    ],
)
def test_a_gate_that_says_nothing_clear_is_refused(gate: str, said: str) -> None:
    text = f"format: 1\nstages:\n  production: {{gates: [{gate}]}}\n"
    with pytest.raises(InvalidDocument) as raised:
        read_policy(text.encode(), "policy.yaml")
    assert said in str(raised.value)
