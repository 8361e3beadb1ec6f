"""Policies that are refused, each with its field and a hint."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitreg.core.documents import yaml
from gitreg.core.policy import read_policy, write_policy
from gitreg.errors import InvalidDocument

STAGED = "stages: {a: {}, b: {"


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (STAGED + "gate: []}}", "stages.b.gate: unknown key", "did you mean 'gates'?"),
        (STAGED + "gates: {metric: auc}}}", "stages.b.gates: expected a list, found a mapping", 0),
        (STAGED + "gates: [auc]}}", "stages.b.gates[1]: expected a mapping, found text", 0),
        (STAGED + "gates: [{}]}}", "stages.b.gates[1]: expected one of metric, code, ", 0),
        (
            STAGED + "gates: [{metrc: auc}]}}",
            "stages.b.gates[1].metrc: unknown key",
            "did you mean 'metric'?",
        ),
        (
            STAGED + "gates: [{metric: auc, at_leest: 1}]}}",
            "stages.b.gates[1].at_leest: unknown",
            "did you mean 'at_least' or ",
        ),
        (
            STAGED + "gates: [{code: clean}, {metric: auc, code: clean}]}}",
            "stages.b.gates[2].code: each gate needs its own entry, apart from metric",
            0,
        ),
        (STAGED + "gates: [{code: clean, unknown: perhaps}]}}", "'perhaps' is not fail or warn", 0),
        (STAGED + "gates: [{code: clean, unknown: }]}}", "gates[1].unknown: expected text", 0),
        (
            STAGED + "gates: [{metric: auc, unknown: warn}]}}",
            "gates[1].unknown: the facts of metric are always known",
            0,
        ),
        (STAGED + "gates: [{metric: auc, if_empty: pass}]}}", "if_empty: goes with better_than", 0),
        (
            STAGED + "gates: [{metric: auc, better_than: a, if_empty: fail}]}}",
            "gates[1].if_empty: 'fail' is not last or pass",
            0,
        ),
        (STAGED + "}}\npolicy: {}", "policy: expected signed, approvals or both", 0),
        (STAGED + "}}\npolicy: ", "policy: expected signed, approvals or both", 0),
        (STAGED + "}}\npolicy: {signed: {by: []}}", "policy.signed.by: expected a list", 0),
        (STAGED + "}}\npolicy: {signed: {by: [x]}}", "'x' is neither a role", 0),
        (
            STAGED + "}}\npolicy: {signed: {by: [a@b.c]}, files: [/ci]}",
            "policy.files: '/ci' is no path or glob",
            0,
        ),
        (STAGED + "gates: [{metric: 5}]}}", "gates[1].metric: expected text, found an integer", 0),
        (STAGED + "gates: [{metric: ' '}]}}", "gates[1].metric: expected a text of one line", 0),
        (
            STAGED + "gates: [{metric: auc, at_least: '1'}]}}",
            "gates[1].at_least: expected a number, found text",
            0,
        ),
        (
            STAGED + "gates: [{metric: auc, at_least: true}]}}",
            "gates[1].at_least: expected a number, found a boolean",
            0,
        ),
        (STAGED + "gates: [{metric: auc, at_least: .nan}]}}", "is not a finite number", 0),
        (STAGED + "gates: [{metric: auc, at_most: 1e999}]}}", "is not a finite number", 0),
        (
            STAGED + "gates: [{metric: auc, at_least: }]}}",
            "gates[1].at_least: expected a number, found nothing",
            0,
        ),
        (STAGED + "gates: [{metric: auc, at_least: 2, at_most: 1}]}}", "nothing would pass", 0),
        (STAGED + "gates: [{metric: auc, by: 1}]}}", "gates[1].by: goes with better_than", 0),
        (
            STAGED + "gates: [{metric: auc, better_than: c}]}}",
            "gates[1].better_than: 'c' is not a stage of this policy",
            0,
        ),
        (STAGED + "gates: [{metric: auc, better_than: a, by: -1}]}}", "expected 0 or more", 0),
        (
            STAGED + "gates: [{metric: auc, better_than: a, at_least: 1}]}}",
            "gates[1].at_least: each gate needs its own entry, apart from better_than",
            0,
        ),
        (
            STAGED + "gates: [{metric: auc, better_than: a, lower_is_better: 'no'}]}}",
            "lower_is_better: expected true or false, found text",
            0,
        ),
        (
            STAGED + "gates: [{metric: auc, better_than: null}]}}",
            "gates[1].better_than: expected text, found nothing",
            0,
        ),
        *(
            (STAGED + f"gates: [{{code_on: '{name}'}}]}}}}", "cannot be a branch's name", 0)
            for name in ("main^", "main~3", "main@{1}", "a..b", "-x", "HEAD", "a b", "x.lock", "a/")
        ),
        (STAGED + "gates: [{code: dirty}]}}", "gates[1].code: expected clean", 0),
        (STAGED + "gates: [{code: true}]}}", "gates[1].code: expected text, found a boolean", 0),
        (STAGED + "gates: [{formats: {}}]}}", "formats: expected either allowed or forbidden", 0),
        (STAGED + "gates: [{formats: {allowed: [a], forbidden: [b]}}]}}", "expected either", 0),
        (STAGED + "gates: [{formats: {forbidden: []}}]}}", "at least one", 0),
        (STAGED + "gates: [{formats: {forbidden: ['*.pkl']}}]}}", "'*.pkl' is no file exten", 0),
        (STAGED + "gates: [{size: {at_most: big}}]}}", "size.at_most: expected a size such as", 0),
        (STAGED + "gates: [{size: {at_most: -1}}]}}", "size.at_most: -1 is less than 0", 0),
        (STAGED + "gates: [{size: {at_most: 1.5}}]}}", "expected text, found a number", 0),
        (STAGED + "gates: [{soak: {in: a}}]}}", "soak.at_least: missing", 0),
        (STAGED + "gates: [{soak: {in: a, at_least: 24}}]}}", "expected text, found an integer", 0),
        (STAGED + "gates: [{soak: {in: x, at_least: 1h}}]}}", "soak.in: 'x' is not a stage", 0),
        (
            "stages: {archived: {gates: [{code: clean}]}}",
            "stages.archived.gates: it has no effect: every version may be archived",
            0,
        ),
        (STAGED + "from: []}}", "stages.b.from: name at least one stage", 0),
        (STAGED + "from: [a, a]}}", "stages.b.from: 'a' is listed twice", 0),
        (STAGED + "from: [stging]}}", "stages.b.from: 'stging' is not a stage", 0),
        (STAGED + "from: a}}", "stages.b.from: expected a list, found text", 0),
        (STAGED + "aliases: [a]}}", "stages.b.aliases: 'a' cannot be an alias: the policy has", 0),
        (STAGED + "crowded: 0}}", "stages.b.crowded: expected true or false", 0),
        (STAGED + "approvals: {count: 0, by: [x@y]}}}", "approvals.count: 0 is less than 1", 0),
        (STAGED + "approvals: {count: 101, by: [x@y]}}}", "approvals.count: 100 is the most", 0),
        (STAGED + "approvals: {count: 1, by: []}}}", "approvals.by: expected a list of roles", 0),
        (
            STAGED + "signed: {by: [mangers]}}}\nroles: {managers: []}",
            "signed.by: 'mangers' is neither a role, a signer nor an e-mail",
            "did you mean 'managers'?",
        ),
        (STAGED + "override: [x@y]}}", "override: expected a mapping, found a list", 0),
        (STAGED + "override: {}}}", "override.by: expected a list of roles", 0),
        ("stages: {a: {}}\naliases: {a: {protected: true}}", "aliases.a: 'a' cannot be an al", 0),
        ("stages: {a: {}}\naliases: {x: {}}", "aliases.x.protected: missing", 0),
        ("stages: {a: {}}\naliases: {x: true}", "aliases.x: expected a mapping, found a bool", 0),
        ("stages: {a: {}}\nfreeze: {from: x}", "freeze: expected a list, found a mapping", 0),
        (
            "stages: {a: {}}\nfreeze: [{from: '2026-12-20T00:00:00Z', until: 2026-12-21}]",
            "freeze[1].until: expected a time with its zone",
            0,
        ),
        (
            (
                "stages: {a: {}}\n"
                "freeze: [{from: '2026-12-20T00:00:00Z', until: '2026-12-20T00:00:00Z'}]"
            ),
            "freeze[1].until: it is not after from",
            0,
        ),
        (
            "stages: {a: {}}\nmodels: {'x-*': {stages: {b: {}}}}",
            "models.x-*.stages.b: 'b' is not a stage of this policy",
            0,
        ),
        (
            "stages: {a: {}}\nmodels: {'x-*': {stages: {a: {gate: []}}}}",
            "models.x-*.stages.a.gate: unknown key",
            "did you mean 'gates'?",
        ),
        ("stages: {a: {}}\nmodels: {'x-*': {signers: {}}}", "models.x-*.signers: unknown key", 0),
        (
            "stages: {a: {}, b: {holds: 1, replaced: a}}\nmodels: {m: {stages: {a: {holds: 1}}}}",
            "models.m.stages.b.replaced: 'a' would have to hold any number",
            0,
        ),
        ("stages: {a: {}}\nsigners: {'a b': [x]}", "signers.a b: 'a b' cannot be a signer's", 0),
        ("stages: {a: {}}\nsigners: {ada: ['" + KEY + "']}", "signers.ada: expected an e-mail", 0),
        ("stages: {a: {}}\nsigners: {a@b: []}", "signers.a@b: expected a list of public keys", 0),
        ("stages: {a: {}}\nsigners: {a@b: [ssh-ed25519]}", "is not a public key", "a line such as"),
        ('stages: {a: {}}\nsigners: {a@b: [\'command="x" ' + KEY + "']}", "signers.a@b: ", 0),
        ("stages: {a: {}}\nroles: {leads@x: []}", "a role's name has no @", 0),
        ("stages: {a: {}}\nroles: {leads: [ada]}", "roles.leads: 'ada' is neither a signer nor", 0),
        ("stages: {a: {}}\nrevoked: [MD5:00]", "revoked: 'MD5:00' is not a fingerprint", "SHA256:"),
        ("stages: {a: {}}\nrevoked: {}", "revoked: expected a list, found a mapping", 0),
    ],
)
def test_rules_that_make_no_sense(text: str, message: str, hint: str | int) -> None:
    with pytest.raises(InvalidDocument) as caught:
        read_policy(f"format: 1\n{text}\n".encode(), "registry/policy.yaml")
    assert str(caught.value).startswith("registry/policy.yaml: ")
    assert message in str(caught.value)
    assert not hint or str(hint) in str(caught.value.hint)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"format: 1\nstages: {a: {}}\n" + b"# x\n" * 20_000, "larger than 64 KiB"),
        (b"format: 1\nstages: " + b"[" * 5000 + b"]" * 5000, "nested deeper than 20 levels"),
        (b"format: 1\nstages: {a: &x {}, b: *x}", "anchors and aliases are not allowed"),
        (b"format: 1\nstages: {a: {}, a: {holds: 1}}", "duplicate key 'a'"),
        (b"format: 1\nstages: !!python/object:os.system {}", "YAML tags are not allowed"),
        (b"format: 1\nstages: {a: {}}\n---\nformat: 1", "a second document"),
        (b"\xff", "not UTF-8 text"),
        (b"- format: 1", "expected a mapping, found a list"),
        (b"format: 1\nstages: {a: {}}\nmodels: {1: {}}", "a key must be text, found an integer"),
    ],
)
def test_hostile_documents(data: bytes, message: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        read_policy(data, "registry/policy.yaml")
    assert str(caught.value).startswith("registry/policy.yaml: ")
    assert message in str(caught.value)
    assert len(str(caught.value)) < 300


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "stages",
                    "production",
                    "holds",
                    "gates",
                    "metric",
                    "by",
                    "freeze",
                    "models",
                    "from",
                    "aliases",
                    "signers",
                    "roles",
                    "soak",
                    "in",
                    "a",
                    "approvals",
                    "count",
                    "size",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ["stages", "aliases", "freeze", "models", "signers", "roles", "revoked", "unknown"]
        ),
        JUNK,
    )
)
def test_whatever_the_types_it_is_read_or_refused_with_a_field(document: dict[str, Any]) -> None:
    data = yaml.dump({"format": 1, "stages": {"production": {}}, **document})
    try:
        policy = read_policy(data, "policy.yaml")
    except InvalidDocument as error:
        assert str(error).startswith("policy.yaml: ")  # noqa: PT017  either may happen
    else:
        assert read_policy(write_policy(policy), "policy.yaml") == policy
