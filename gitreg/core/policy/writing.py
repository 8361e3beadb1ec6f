"""``policy.yaml``, written in one form, which `gitreg.core.policy.document` reads back."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gitreg.core.documents import yaml
from gitreg.core.documents.yaml import Value
from gitreg.core.model.names import NO_STAGE
from gitreg.core.policy import gates
from gitreg.core.policy.document import FAIL, FORMAT, STAGE_KEYS, WARN
from gitreg.core.policy.measures import format_duration, format_moment, format_size
from gitreg.core.policy.records import CardSays, Reproduced
from gitreg.core.policy.rules import (
    GUARDED,
    Approvals,
    Freeze,
    Guard,
    ModelRules,
    Policy,
    StageRule,
)


def write_policy(policy: Policy) -> bytes:
    """Return ``policy.yaml``."""
    return yaml.dump(policy_document(policy))


def policy_document(policy: Policy, *, with_defaults: bool = False) -> dict[str, Value]:
    """Return a policy as the values that its file holds.

    Args:
        policy: which.
        with_defaults: write defaults, too, which a file leaves out.
    """
    document: dict[str, Value] = {"format": FORMAT}
    if policy.lenient or with_defaults:
        document["unknown"] = WARN if policy.lenient else FAIL
    document["stages"] = {
        name: _stage_document(
            rule, _keys_to_write(rule), all_keys=with_defaults, lenient=policy.lenient
        )
        for name, rule in policy.stages.items()
    }
    parts: dict[str, Value] = {
        "aliases": {name: {"protected": value} for name, value in policy.protected.items()},
        "freeze": [_freeze_document(window) for window in policy.freeze],
        "models": {
            name: _model_document(rules, lenient=policy.lenient)
            for name, rules in policy.models.items()
        },
        "policy": None if policy.guard is None else _guard_document(policy.guard),
        "signers": {name: list(keys) for name, keys in policy.signers.items()},
        "roles": {name: list(members) for name, members in policy.roles.items()},
        "revoked": list(policy.revoked),
    }
    document.update((key, value) for key, value in parts.items() if value or with_defaults)
    if not policy.models:
        document.pop("models", None)  # the rules of one model include them already
    return document


def _guard_document(guard: Guard) -> dict[str, Value]:
    document: dict[str, Value] = {}
    if guard.signed is not None:
        document["signed"] = {"by": list(guard.signed)}
    if guard.approvals is not None:
        document["approvals"] = _approvals_document(guard.approvals)
    if guard.files != GUARDED:
        document["files"] = list(guard.files)
    return document


def _approvals_document(approvals: Approvals) -> dict[str, Value]:
    return {"count": approvals.count, "by": list(approvals.by)}


def _keys_to_write(rule: StageRule) -> list[str]:
    default = StageRule()
    keys = ["holds"]
    if rule.holds is not None or rule.replaced is not None:
        keys.append("replaced")
    return keys + [
        key
        for key, name in STAGE_KEYS.items()
        if key not in ("holds", "replaced") and getattr(rule, name) != getattr(default, name)
    ]


def _stage_document(
    rule: StageRule, keys: Collection[str], *, lenient: bool, all_keys: bool = False
) -> dict[str, Value]:
    def by(names: Sequence[str] | None) -> Value:
        return None if names is None else {"by": list(names)}

    approvals: Value = None
    if rule.approvals is not None:
        approvals = _approvals_document(rule.approvals)
    values: dict[str, Value] = {
        "holds": "any" if rule.holds is None else rule.holds,
        "replaced": rule.replaced or NO_STAGE,
        "crowded": rule.crowded,
        "from": "any" if rule.sources is None else list(rule.sources),
        "aliases": list(rule.aliases),
        "gates": [gate_document(gate, lenient=lenient) for gate in rule.gates],
        "approvals": approvals,
        "signed": by(rule.signed),
        "override": by(rule.override),
        "owners": list(rule.owners),
        "renders": [{"to": render.to, "as": render.form} for render in rule.renders],
    }
    return {key: values[key] for key in STAGE_KEYS if all_keys or key in keys}


def gate_document(gate: gates.Gate, *, lenient: bool = False) -> dict[str, Value]:
    """Return a gate as its entry in the file.

    Args:
        gate: which.
        lenient: whether the policy's ``unknown`` is ``warn`` already.
    """
    if isinstance(gate, gates.Lenient):
        return {**_gate(gate.gate), **({} if lenient else {"unknown": WARN})}
    is_other = lenient and isinstance(gate, gates.CAN_BE_UNKNOWN)
    return {**_gate(gate), **({"unknown": FAIL} if is_other else {})}


def _gate(gate: gates.Gate) -> dict[str, Value]:
    found: dict[str, Value] = {}
    match gate:
        case gates.MetricLimit() | gates.MetricBetter():
            return _metric(gate)
        case gates.CodeClean():
            found["code"] = "clean"
        case gates.CodeOn(branch):
            found["code_on"] = branch
        case gates.DataHashed():
            found["data"] = "hashed"
        case gates.EnvironmentPresent():
            found["environment"] = "present"
        case gates.ArtifactOnRemote():
            found["artifact"] = "on_remote"
        case gates.Formats(allowed, forbidden):
            which = "forbidden" if allowed is None else "allowed"
            found["formats"] = {which: list((forbidden if allowed is None else allowed) or ())}
        case gates.Size(at_most):
            found["size"] = {"at_most": format_size(at_most)}
        case gates.Soak(stage, at_least):
            found["soak"] = {"in": stage, "at_least": format_duration(at_least)}
        case Reproduced() | CardSays():
            return _record(gate)
        case gates.Annotated(name):
            found["annotation"] = name
    return found


def _record(gate: Reproduced | CardSays) -> dict[str, Value]:
    if isinstance(gate, CardSays):
        return {"card": list(gate.keys)}
    return {"reproduced": {"by": gate.by, "verdict": gate.verdict}}


def _metric(gate: gates.MetricLimit | gates.MetricBetter) -> dict[str, Value]:
    values: dict[str, Value]
    if isinstance(gate, gates.MetricLimit):
        values = {"at_least": gate.at_least, "at_most": gate.at_most}
    else:
        margin = gate.by or None
        better_by: dict[str, Value] | None = None
        if gate.confidence:
            better_by = {} if margin is None else {"margin": margin}
            better_by["confidence"] = gate.confidence
        values = {
            "better_than": gate.than,
            "by": margin if better_by is None else None,
            "better_by": better_by,
            "lower_is_better": gate.lower_is_better or None,
            "if_empty": gate.if_empty if gate.if_empty != gates.LAST else None,
        }
    values = {"metric": gate.metric, **values, "evaluation": gate.evaluation, "slice": gate.slice}
    return {key: value for key, value in values.items() if value is not None}


def _freeze_document(window: Freeze) -> dict[str, Value]:
    document: dict[str, Value] = {
        "from": format_moment(window.start),
        "until": format_moment(window.end),
    }
    if window.stages is not None:
        document["stages"] = list(window.stages)
    if window.reason is not None:
        document["reason"] = window.reason
    return document


def _model_document(rules: ModelRules, *, lenient: bool) -> dict[str, Value]:
    document: dict[str, Value] = {}
    if rules.stages:
        keys = {name: key for key, name in STAGE_KEYS.items()}
        document["stages"] = {
            name: _stage_document(part.rule, [keys[given] for given in part.given], lenient=lenient)
            for name, part in rules.stages.items()
        }
    if rules.protected is not None:
        document["aliases"] = {
            name: {"protected": value} for name, value in rules.protected.items()
        }
    if rules.freeze is not None:
        document["freeze"] = [_freeze_document(window) for window in rules.freeze]
    return document
