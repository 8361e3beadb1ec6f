"""The rules of a registry: written, read back, and refused when they make no sense."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitreg.core.model.card import KEYS
from gitreg.core.policy import (
    DEFAULT,
    Approvals,
    Freeze,
    Guard,
    ModelRules,
    Policy,
    StagePart,
    StageRule,
    policy_document,
    read_policy,
    write_policy,
)
from gitreg.core.policy.gates import (
    CAN_BE_UNKNOWN,
    Annotated,
    ArtifactOnRemote,
    CodeClean,
    CodeOn,
    DataHashed,
    EnvironmentPresent,
    Formats,
    Gate,
    Lenient,
    MetricBetter,
    MetricLimit,
    Size,
    Soak,
)
from gitreg.core.policy.records import CardSays
from gitreg.core.policy.rules import GUARDED
from gitreg.errors import InvalidDocument, NotFound
from tests.core.model.test_names import STAGES


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
        (
            "{a: {holds: 1, replaced: b}, b: {holds: 1}}",
            "stages.a.replaced: 'b' would have to hold any number",
        ),
    ],
)
def test_policies_that_make_no_sense(stages: str, message: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        read_policy(f"format: 1\nstages: {stages}".encode(), "registry/policy.yaml")
    assert f"registry/policy.yaml: {message}" in re.sub(r" line \d+:", "", str(caught.value))


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
    assert re.sub(r" line \d+:", "", str(caught.value)) == message


@pytest.mark.parametrize(
    ("stages", "line"),
    [
        ("  b: {}\n  a:\n    holds: 1\n    gate: 5", 6),
        ("  b: {holds: 2}\n  a: {holds: 1, replaced: none,\n    holds: 0}", None),
        ("  a:\n    gates:\n    - metric: auc\n      above: 0.5\n    - metric: 5", 7),
    ],
)
def test_an_error_names_the_line(stages: str, line: int | None) -> None:
    with pytest.raises(InvalidDocument) as caught:
        read_policy(f"format: 1\nstages:\n{stages}\n".encode(), "p")
    assert line is None or f"p: line {line}: " in str(caught.value)


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


# The rules beside the stages


WHOLE = b"""
format: 1
stages:
  staging: {holds: any}
  production:
    holds: 1
    replaced: archived
    crowded: false
    from: [staging, none]
    aliases: [champion]
    gates:
    - {metric: roc_auc, at_least: 0.9, at_most: 1}
    - {metric: log_loss, at_most: 0.3}
    - {metric: roc_auc, better_than: production, by: 0.005}
    - {metric: log_loss, better_than: production, lower_is_better: true}
    - {metric: recall}
    - {metric: recall, better_than: staging, if_empty: pass, unknown: warn}
    - {code: clean}
    - {code_on: main, unknown: fail}
    - {data: hashed}
    - {environment: present}
    - {artifact: on_remote, unknown: warn}
    - {formats: {forbidden: [pkl, .JOBLIB]}}
    - {formats: {allowed: [onnx]}}
    - {size: {at_most: 2 GiB}}
    - {soak: {in: staging, at_least: 24h}}
    - {annotation: model_card}
    approvals: {count: 2, by: [managers, lin@example.com]}
    signed: {by: [managers]}
    override: {by: [leads]}
  archived: {}
aliases:
  champion: {protected: true}
  best: {protected: false}
freeze:
- {from: '2026-12-20T00:00:00Z', until: 2027-01-02T01:00+01:00, stages: [production], reason: Xmas}
- {from: '2027-06-01T00:00:00Z', until: '2027-06-02T00:00:00Z'}
models:
  'churn-*':
    stages:
      production: {gates: [{metric: f1}], approvals: null}
    aliases: {best: {protected: true}}
  churn-eu:
    stages: {production: {holds: 2, replaced: none}}
    freeze: []
signers:
  ada@example.com:
  - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ada's laptop
roles: {managers: [ada@example.com, grace@example.com], leads: [], spare: [ada@example.com]}
policy: {signed: {by: [leads]}, approvals: {count: 1, by: [managers]}, files: [.github, 'ci/*.yml']}
revoked: ['SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=']
"""


def whole() -> Policy:
    return read_policy(WHOLE, "p")


def test_a_whole_policy() -> None:
    policy = whole()
    rule = policy.stage("production")
    assert (rule.holds, rule.replaced, rule.crowded) == (1, "archived", False)
    assert (rule.sources, rule.aliases) == (("staging", "none"), ("champion",))
    assert rule.approvals == Approvals(2, ("managers", "lin@example.com"))
    assert (rule.signed, rule.override) == (("managers",), ("leads",))
    assert [str(gate) for gate in rule.gates] == [
        "roc_auc is at least 0.9 and at most 1",
        "log_loss is at most 0.3",
        "roc_auc is higher than that of production by 0.005 or more",
        "log_loss is lower than that of production",
        "recall is present",
        "recall is higher than that of staging, where that is known",
        "the code's commit is known, without uncommitted changes or untracked code",
        "the code's commit is on the branch main",
        "data dependencies are known, each with its hash",
        "the environment is frozen beside the version",
        "the artifact is on the DVC remote, where that is known",
        "no file is one of pkl, joblib",
        "every file is one of onnx",
        "the artifact has at most 2 GiB",
        "it has been in staging for 1d",
        "the annotation model_card is present",
    ]
    assert (policy.is_protected("champion"), policy.is_protected("best")) == (True, False)
    assert policy.freeze[0] == Freeze(1797724800, 1798848000, ("production",), "Xmas")
    assert policy.freeze[1].stages is None
    assert policy.members(("managers", "lin@example.com", "spare")) == (
        "ada@example.com",
        "grace@example.com",
        "lin@example.com",
    )
    assert policy.guard == Guard(("leads",), Approvals(1, ("managers",)), (".github", "ci/*.yml"))
    assert policy.revoked == ("SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",)


@pytest.mark.parametrize(
    ("path", "covered"),
    [
        ("registry/policy.yaml", True),
        ("registry/.dvc/config", True),
        ("registry/.dvc/config.local", True),
        (".dvc/config", True),
        (".dvc", True),
        ("CODEOWNERS", True),
        (".github/CODEOWNERS", True),
        (".GitHub/workflows/check.yml", True),
        (".github", True),
        (".gitlab-ci.yml", True),
        ("Jenkinsfile", True),
        ("README.md", False),
        ("src/.github/workflows/check.yml", False),
        ("registry/churn/stages/production.yaml", False),
        ("dvc.yaml", False),
    ],
)
def test_what_a_guard_covers(path: str, covered: bool) -> None:
    assert Guard(("leads",)).covers(path) is covered


def test_what_a_guard_covers_can_be_said() -> None:
    guard = Guard(("leads",), files=("ci/*.yml",))
    assert guard.covers("ci/deep/check.yml")
    assert guard.covers("registry/policy.yaml")
    assert not guard.covers(".github/workflows/check.yml")


def test_a_whole_policy_is_written_and_read_back() -> None:
    written = write_policy(whole())
    assert read_policy(written, "p") == whole()
    assert write_policy(read_policy(written, "p")) == written


def test_keys_given_for_a_model_replace_the_general_ones() -> None:
    policy = whole()
    assert policy.of("tokenizer") == replace(policy, models={})
    churn = policy.of("churn-us").stage("production")
    general = policy.stage("production")
    assert churn == replace(general, gates=(MetricLimit("f1"),), approvals=None)
    assert policy.of("churn-us").is_protected("best")
    assert policy.of("churn-us").freeze == policy.freeze
    # The name itself comes last, whatever the order in the file.
    both = policy.of("churn-eu").stage("production")
    assert both == replace(churn, holds=2, replaced=None)
    assert policy.of("churn-eu").freeze == ()
    assert policy.of("Churn-us") == replace(policy, models={})
    assert policy.of("churn-us").of("churn-us") == policy.of("churn-us")


def test_everything_is_shown_with_its_default() -> None:
    shown = policy_document(whole().of("churn-eu"), with_defaults=True)
    assert "models" not in shown
    stages: Any = shown["stages"]
    assert stages["production"]["gates"] == [{"metric": "f1"}]
    assert stages["staging"] == {
        "holds": "any",
        "replaced": "none",
        "crowded": True,
        "from": "any",
        "aliases": [],
        "gates": [],
        "approvals": None,
        "signed": None,
        "override": None,
        "owners": [],
        "renders": [],
    }
    assert shown["freeze"] == []


NUMBERS = st.integers(-(10**6), 10**6) | st.floats(-1e9, 1e9)


NATURAL = st.integers(0, 9)


WORDS = st.text("abcdefghij_", min_size=1, max_size=8)


EMAILS = st.builds("{}@example.com".format, WORDS)


MEASURED_IN = st.sampled_from(
    [
        (st.none(), st.none()),
        (st.just("holdout-2026q4"), st.none()),
        (st.just("fairness"), st.sampled_from(["*", "age < 25"])),
    ]
)


@st.composite
def gates(draw: st.DrawFn, stages: list[str]) -> Gate:
    stage, word = st.sampled_from(stages), WORDS
    low, high = sorted((draw(NUMBERS), draw(NUMBERS)))
    gate: Gate = draw(
        st.one_of(
            st.builds(
                MetricLimit,
                word,
                st.sampled_from([None, low]),
                st.sampled_from([None, high]),
                *draw(MEASURED_IN),
            ),
            st.builds(
                MetricBetter,
                word,
                stage,
                st.floats(0, 9) | st.integers(0, 9),
                st.booleans(),
                st.sampled_from(["last", "pass"]),
                *draw(MEASURED_IN),
            ),
            st.builds(
                MetricBetter,
                word,
                stage,
                st.floats(0, 9),
                evaluation=st.just("holdout"),
                confidence=st.floats(0.5, 0.999),
            ),
            st.sampled_from([CodeClean(), DataHashed(), EnvironmentPresent(), ArtifactOnRemote()]),
            st.builds(CodeOn, word),
            st.builds(Formats, st.just(None), st.lists(word, min_size=1, unique=True).map(tuple)),
            st.builds(Formats, st.lists(word, min_size=1, unique=True).map(tuple)),
            st.builds(Size, st.integers(0, 2**52)),
            st.builds(Soak, stage, st.integers(0, 10**9)),
            st.builds(Annotated, word),
            st.builds(
                CardSays, st.lists(st.sampled_from(KEYS), min_size=1, unique=True).map(tuple)
            ),
        )
    )
    is_lenient = isinstance(gate, CAN_BE_UNKNOWN) and draw(st.booleans())
    return Lenient(gate) if is_lenient and isinstance(gate, CAN_BE_UNKNOWN) else gate


@st.composite
def whole_policies(draw: st.DrawFn) -> Policy:
    base = draw(policies())
    names = list(base.stages)
    roles = draw(st.dictionaries(WORDS, st.lists(EMAILS, max_size=3, unique=True).map(tuple)))
    by = st.lists(
        st.sampled_from(sorted(roles)) | EMAILS if roles else EMAILS,
        min_size=1,
        max_size=3,
        unique=True,
    ).map(tuple)
    some = st.lists(st.sampled_from(names), min_size=1, unique=True).map(tuple)
    aliases = WORDS.filter(lambda word: word not in names).map("a-{}".format)
    rules = {
        name: replace(
            rule,
            crowded=draw(st.booleans()),
            sources=draw(st.none() | some),
            aliases=draw(st.lists(aliases, max_size=2, unique=True).map(tuple)),
            gates=tuple(draw(st.lists(gates(names), max_size=4))),
            approvals=draw(st.none() | st.builds(Approvals, st.integers(1, 9), by)),
            signed=draw(st.none() | by),
            override=draw(st.none() | by),
        )
        for name, rule in base.stages.items()
    }
    moments = st.integers(0, 4 * 10**9)
    windows = st.builds(
        lambda start, length, *rest: Freeze(start, start + length, *rest),
        moments,
        st.integers(1, 10**8),
        st.none() | some,
        st.none() | WORDS,
    )
    freeze = st.lists(windows, max_size=2).map(tuple)
    parts = st.builds(
        lambda name, given: (name, StagePart(_only(rules[name], given), given)),
        st.sampled_from(names),
        st.lists(
            st.sampled_from(
                ["crowded", "sources", "aliases", "gates", "approvals", "signed", "override"]
            ),
            unique=True,
        ).map(_in_order),
    )
    models = st.builds(
        ModelRules,
        st.lists(parts, max_size=2).map(dict),
        st.none() | st.dictionaries(aliases, st.booleans(), max_size=2),
        st.none() | freeze,
    )
    approvals = st.builds(Approvals, st.integers(1, 9), by)
    guards = st.builds(Guard, by, st.none() | approvals, st.just(GUARDED) | st.just(("ci",)))
    return Policy(
        rules,
        draw(st.dictionaries(aliases, st.booleans(), max_size=2)),
        draw(freeze),
        draw(st.dictionaries(WORDS | st.just("churn-*"), models, max_size=2)),
        {},
        roles,
        lenient=draw(st.booleans()),
        guard=draw(st.none() | guards),
    )


def _only(rule: StageRule, given: tuple[str, ...]) -> StageRule:
    return replace(StageRule(), **{name: getattr(rule, name) for name in given})


def _in_order(names: list[str]) -> tuple[str, ...]:
    order = [field.name for field in fields(StageRule)]
    return tuple(sorted(names, key=order.index))


@settings(max_examples=25, deadline=None)
@given(whole_policies())
def test_whole_policies_are_read_back(policy: Policy) -> None:
    data = write_policy(policy)
    assert read_policy(data, "policy.yaml") == policy
    assert write_policy(read_policy(data, "policy.yaml")) == data
    for model in ("churn-eu", *policy.models):
        effective = policy.of(model)
        assert read_policy(write_policy(effective), "policy.yaml") == effective
