"""The JSON Schemas that editors use agree with the readers that decide.

A schema may be laxer than a reader where JSON Schema cannot express a rule; each such rule is
listed here with its reason. It may never be stricter: an editor would mark a good document.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft7Validator

from gitreg.core.documents import yaml
from gitreg.core.model.manifest import read_manifest, write_manifest
from gitreg.core.model.model import ModelVersion
from gitreg.core.policy import DEFAULT, Policy, read_policy, write_policy
from gitreg.errors import InvalidDocument
from tests.core.model import test_manifest as manifests
from tests.core.policy import test_policy as policies
from tests.core.policy import test_policy_refusals as refusals
from tests.support.commands import gitreg

CROSS = "JSON Schema cannot compare a value with a key elsewhere in the document"
ORDER = "JSON Schema cannot compare two values"
UNICODE = "JSON Schema's regular expressions know no classes of Unicode"
BYTES = "JSON Schema cannot decode a key"
NUMBERS = "JSON has one kind of number: 5.0 is an integer to a schema"
LENGTH = "JSON Schema cannot add up lengths, and does not know percent-encoding"

READER_ONLY = {
    "policy": {
        r"is not a stage of this policy$": CROSS,
        r"cannot replace into itself$": CROSS,
        r"would have to hold any number$": CROSS,
        r"cannot be an alias: the policy has a stage of that name$": CROSS,
        r"is neither a role, a signer nor an e-mail$": CROSS,
        r"at_most: it is below at_least": ORDER,
        r"until: it is not after from$": ORDER,
        r"until: expected a time with its zone": "JSON Schema has no calendar: 30 February",
        r"at_most: expected a size such as": ORDER,
        r"at_least: expected a duration such as": ORDER,
        r"cannot be an alias: 1 to 100 letters": UNICODE,
        r"cannot be an alias: it looks like a version$": UNICODE,
        r"as a file name it is longer than": LENGTH,
        r"no spaces, quotes, commas, wildcards or invisible characters": UNICODE,
        r"expected the name of a model, or a glob": UNICODE,
        r"expected a text of one line": UNICODE,
        r"is no path or glob such as": UNICODE,
        r"keys of type|an RSA key of|it says that it is|is cut off": BYTES,
        r"the key says|the line says": BYTES,
        r"holds: expected a number of versions": NUMBERS,
        r"expected an integer, found a number$": NUMBERS,
        r"expected text, found a number$": NUMBERS,
    },
    "manifest": {
        r"expected an integer, found a number$": NUMBERS,
        r"signature: more than 16384 characters$": LENGTH,
    },
}
"""What only the reader refuses: its message, and why a schema cannot."""

READERS: dict[str, Any] = {"policy": read_policy, "manifest": read_manifest}
KEY = refusals.KEY
STAGED = "format: 1\nstages: {a: {}, b: {"


def validator(name: str) -> Draft7Validator:
    text = files("gitreg.core.documents").joinpath(f"schemas/{name}.schema.json").read_text("utf-8")
    schema = json.loads(text)
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


VALIDATORS = {name: validator(name) for name in READERS}


def refusal(name: str, data: bytes) -> str | None:
    """Return the reader's message, ``None`` when it takes the document."""
    try:
        READERS[name](data, "x.yaml")
    except InvalidDocument as error:
        return str(error)
    return None


def agree(name: str, data: bytes) -> str | None:
    """Hold schema and reader against each other; return the rule that only the reader knows."""
    message = refusal(name, data)
    errors = [error.message for error in VALIDATORS[name].iter_errors(yaml.parse(data, "x.yaml"))]
    if message is None:
        assert not errors, (data, errors)
        return None
    if errors:
        return None
    known = [rule for rule in READER_ONLY[name] if re.search(rule, message)]
    assert known, f"the schema takes what the reader refuses: {message}"
    return known[0]


def cases(test: Any) -> list[tuple[Any, ...]]:
    """Return the cases of a parametrised test."""
    (mark,) = [mark for mark in test.pytestmark if mark.name == "parametrize"]
    return list(mark.args[1])


def bad_policies() -> Iterable[bytes]:
    for stages, _ in cases(policies.test_policies_that_make_no_sense):
        yield f"format: 1\nstages: {stages}".encode()
    for data, _ in cases(policies.test_documents_that_are_no_policy):
        yield data
    for text, _, _ in cases(refusals.test_rules_that_make_no_sense):
        yield f"format: 1\n{text}\n".encode()
    for text in MORE_BAD_POLICIES:
        yield f"{text}\n".encode()


MORE_BAD_POLICIES = [
    *(
        STAGED + f"gates: [{{size: {{at_most: {size!r}}}}}]}}}}"
        for size in ("9007199254740992 B", "1", "1 gib", "1.5 GB", "")
    ),
    *(
        STAGED + f"gates: [{{soak: {{in: a, at_least: {text!r}}}}}]}}}}"
        for text in ("9999999999999999d", "24", "1.5h", "1w", "-1h")
    ),
    *(
        f"format: 1\nstages: {{a: {{}}}}\nfreeze: [{{from: '2026-01-01T00:00Z', until: {text!r}}}]"
        for text in ("2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z", "2026-12-20", "tomorrow")
    ),
    *(
        f"format: 1\nstages: {{a: {{}}}}\naliases: {{{name!r}: {{protected: true}}}}"
        for name in (
            "-x",
            "a b",
            "5",
            "v5",
            "V5",
            "Latest",
            "PRODUCTION",
            "x—y",
            "\u0665",
            "ж" * 90,
        )
    ),
    *(
        f"format: 1\nstages: {{a: {{}}}}\nsigners: {{'{name}': ['{KEY}']}}"
        for name in ("-a@b", "a@b c", "a@b,c", "*@b", "x" * 99 + "@b", "a\U000e0001@b")
    ),
    *(
        f"format: 1\nstages: {{a: {{}}}}\nsigners: {{a@b: ['{key}']}}"
        for key in ("ssh-dss AAAAB3NzaC1kc3M=", "ssh-ed25519 AAAA", "ssh-rsa " + KEY[12:], " ")
    ),
    "format: 1\nstages: {a: {}}\nmodels: {'': {}}",
    "format: 1\nstages: {a: {}}\nmodels: {'a\U000e0001': {}}",
    "format: 1\nstages: {v5: {}}",
    "format: 1\nstages: {latest: {}}",
    "format: 1\nstages: {a-: {}}",
    STAGED + "gates: [{annotation: ' x'}]}}",
    STAGED + "gates: [{annotation: 'x\U000e0001'}]}}",
    STAGED + "gates: [{annotation: null}]}}",
    STAGED + "gates: [{code_on: 'x\U000e0001'}]}}",
    STAGED + "gates: null, owners: [ada]}}",
    STAGED + "owners: ['@a b']}}",
    STAGED + "aliases: [x, x]}}",
    STAGED + "holds: 2.0}}",
    STAGED + "approvals: {count: 2.0, by: [x@y]}}}",
    STAGED + "approvals: {by: [x@y]}}}",
    STAGED + "gates: [{size: {at_most: 2.0}}]}}",
    "format: 1\nstages: {archived: {from: [none]}}",
    "format: 1\nstages: {archived: {gates: []}}",
    "format: 1\nstages: {archived: {approvals: {count: 1, by: [x@y]}}}",
    "format: 1\nstages: {a: {}}\nmodels: {x: {stages: {a: 5}}}",
    "format: 1\nstages: {a: {}}\nroles: {leads: ada@example.com}",
]

GOOD_POLICIES = [
    policies.WHOLE,
    write_policy(DEFAULT),
    b"format: 1\nstages: {a: }",
    b"format: 1\nstages: {a: {holds: null, from: null, gates: null, owners: null, crowded: null}}",
    b"format: 1\nstages: {a: {}}\naliases:\nfreeze:\nmodels:\nsigners:\nroles:\nrevoked:\n",
    b"format: 1\nstages: {archived: {gates: null}, a: {}}\nmodels: {x: , y: {stages: {a: }}}",
    "format: 1\nstages: {a: {}}\naliases: {größe-: {protected: true}}".encode(),
    b"format: 1\nstages: {a: {owners: ['@org/sub/team', '@@x', a.b+c@d-e.f]}}\nroles: {x: null}",
    b"format: 1\nstages: {a: {gates: [{size: {at_most: 0}}, {size: {at_most: 5kB}}]}}",
    b"format: 1\nstages: {a: {gates: [{code_on: feature/x}, {annotation: two words}]}}",
    b"format: 1\nstages: {a: {}}\nfreeze: [{from: 2026-01-01 00:00Z, until: '2026-01-01T01:00z'}]",
]


def test_bad_policies() -> None:
    used = {agree("policy", data) for data in bad_policies() if is_yaml(data)}
    # A rule that the schema has learnt is no exception any more.
    assert used - {None} == set(READER_ONLY["policy"])


def is_yaml(data: bytes) -> bool:
    """Tell whether a document is YAML at all: a schema sees values, no anchors and no NaN."""
    try:
        yaml.parse(data, "x.yaml")
    except InvalidDocument:
        return False
    return True


@pytest.mark.parametrize("data", GOOD_POLICIES)
def test_good_policies(data: bytes) -> None:
    assert refusal("policy", data) is None
    agree("policy", data)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(policies.whole_policies())
def test_every_policy_that_gitreg_writes(policy: Policy) -> None:
    assert refusal("policy", write_policy(policy)) is None
    agree("policy", write_policy(policy))


def test_bad_manifests() -> None:
    found = [
        manifests.broken(path, value)
        for path, value, _ in [
            *cases(manifests.test_manifests_that_break_a_rule),
            *MORE_BAD_MANIFESTS,
        ]
    ]
    used = {agree("manifest", data) for data in found}
    assert all(refusal("manifest", data) for data in found)
    assert used - {None} == set(READER_ONLY["manifest"])


MORE_BAD_MANIFESTS: list[tuple[str, object, None]] = [
    ("signature", {"inputs": "x" * 9000, "outputs": "x" * 9000}, None),
    ("signature", {"inputs": ""}, None),
    ("signature", {"inputs": None}, None),
    ("lineage.run", {"id": None}, None),
    ("lineage.data.0.path", ..., None),
    ("lineage.data.0.size", -1, None),
    ("artifact", None, None),
    ("model", ..., None),
    ("environment.requirements", "", None),
    ("environment.requirements_digest", "x" * 64, None),
    ("environment.requirements_digest", 5, None),
]


def good_manifests() -> Iterable[bytes]:
    yield write_manifest(manifests.WHOLE)
    for name in ("metrics", "params", "lineage", "environment", "signature", "lineage.code"):
        yield manifests.broken(name, None)
    yield manifests.broken("lineage.run", {"id": ""})
    yield manifests.broken("lineage", {"data": None, "run": None, "source": None})
    yield manifests.broken("signature", {"inputs": None, "params": "[]"})
    yield manifests.broken("environment.requirements", None)
    yield manifests.broken("environment.requirements_digest", "0f" * 32)
    yield manifests.broken("environment.requirements_digest", None)
    yield manifests.broken("artifact.path", "model.tar.gz")


def test_good_manifests() -> None:
    for data in good_manifests():
        assert refusal("manifest", data) is None
        agree("manifest", data)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(manifests.MANIFESTS)
def test_every_manifest_that_gitreg_writes(version: ModelVersion) -> None:
    agree("manifest", write_manifest(version))


@pytest.mark.parametrize("name", sorted(READERS))
def test_the_command_prints_them(name: str) -> None:
    printed = gitreg("policy", "schema", *(["--manifest"] if name == "manifest" else []))
    assert printed.json == VALIDATORS[name].schema
    assert printed.err == ""
