"""The rules of a registry: written, read back, and refused when they make no sense."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitreg.errors import InvalidDocument, NotFound
from gitreg.policy import DEFAULT, Policy, StageRule, read_policy, write_policy
from tests.test_names import STAGES


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    open_ended = draw(st.lists(STAGES, min_size=1, max_size=3, unique=True))
    limited = draw(st.lists(STAGES.filter(lambda s: s not in open_ended), max_size=3, unique=True))
    rules = {}
    for name in open_ended + limited:
        targets = [None, *(stage for stage in open_ended if stage != name)]
        holds = draw(st.integers(1, 9)) if name in limited else None
        rules[name] = StageRule(holds, draw(st.sampled_from(targets)))
    return Policy(rules)


@settings(max_examples=30, deadline=None)
@given(policies())
def test_policies_are_read_back(policy: Policy) -> None:
    found = read_policy(write_policy(policy), "policy.yaml")
    assert found == policy
    assert list(found.stages) == list(policy.stages)


def test_the_default() -> None:
    assert write_policy(DEFAULT).decode() == (
        "format: 1\n"
        "stages:\n"
        "  staging:\n    holds: any\n"
        "  production:\n    holds: 1\n    replaced: archived\n"
        "  archived:\n    holds: any\n"
    )
    assert read_policy(None, "policy.yaml") == DEFAULT


def test_what_may_be_left_out() -> None:
    data = b"format: 1\nstages: {a: {}, b: {holds: 2, replaced: none}, c: {holds: 1}}"
    assert read_policy(data, "p") == Policy(
        {"a": StageRule(), "b": StageRule(2, None), "c": StageRule(1, None)}
    )


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ("{}", "stages: a registry needs at least one stage"),
        ("{a: {hold: 1}}", "stages.a.hold: unknown key"),
        ("{A: {}}", "stages.A: a stage's name is written in lower case"),
        ("{none: {}}", "stages.none: 'none' cannot be a stage's name: it is reserved"),
        ("{a b: {}}", "stages.a b: 'a b' cannot be a stage's name"),
        ("{a: 5}", "stages.a: expected a mapping, found an integer"),
        ("{a: {holds: 0}}", "stages.a.holds: expected a number of versions, at least 1, or 'any'"),
        ("{a: {holds: -1}}", "stages.a.holds: expected a number of versions"),
        ("{a: {holds: '1'}}", "stages.a.holds: expected a number of versions"),
        ("{a: {holds: true}}", "stages.a.holds: expected a number of versions"),
        ("{a: {holds: 1.5}}", "stages.a.holds: expected a number of versions"),
        ("{a: {holds: all}}", "stages.a.holds: expected a number of versions"),
        ("{a: {replaced: 5}}", "stages.a.replaced: expected text, found an integer"),
        ("{a: {holds: 1, replaced: b}}", "stages.a.replaced: 'b' is not a stage of this policy"),
        ("{a: {holds: 1, replaced: a}}", "stages.a.replaced: a stage cannot replace into itself"),
        ("{a: {holds: 1, replaced: b}, b: {holds: 1}}",
         "stages.a.replaced: 'b' would have to hold any number"),
    ],
)  # fmt: skip
def test_policies_that_make_no_sense(stages: str, message: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        read_policy(f"format: 1\nstages: {stages}".encode(), "registry/policy.yaml")
    assert f"registry/policy.yaml: {message}" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"format: 2\nstages: {a: {}}", "p: format: expected 1"),
        (b"format: '1'\nstages: {a: {}}", "p: format: expected an integer, found text"),
        (b"stages: {a: {}}", "p: format: missing"),
        (b"format: 1\nstage: {a: {}}", "p: stage: unknown key"),
        (b"format: 1", "p: stages: a registry needs at least one stage"),
        (b"format: 1\nstages: [a]", "p: stages: expected a mapping, found a list"),
    ],
)
def test_documents_that_are_no_policy(data: bytes, message: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        read_policy(data, "p")
    assert str(caught.value) == message


def test_an_unknown_stage_names_the_near_miss() -> None:
    assert DEFAULT.stage("production") == StageRule(1, "archived")
    with pytest.raises(NotFound) as caught:
        DEFAULT.stage("prodction")
    assert str(caught.value) == (
        "no stage 'prodction': this registry has staging, production, archived"
    )
    assert caught.value.hint == "did you mean 'production'?"
    with pytest.raises(NotFound) as caught:
        DEFAULT.stage("xyz")
    assert caught.value.hint is None
