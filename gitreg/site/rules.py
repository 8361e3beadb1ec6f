"""The policy in words, stage by stage, and how it changed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gitreg.core.policy import Policy
from gitreg.core.policy.words import other_rows, stage_rows
from gitreg.site.values import PolicyChange

_SAID = {
    "holds": "It holds",
    "replaced": "A replaced version",
    "crowded": "It may hold more",
    "from": "A version comes from",
    "alias": "Alias",
    "gate": "A version needs",
    "gates": "A version needs",
    "approvals": "Approvals",
    "signed": "The commit is signed",
    "override": "These may override a refusal",
    "owners": "Reviewed by",
    "renders": "A promotion writes",
}
"""What a person reads in place of the policy's own keys."""


@dataclass(frozen=True)
class Change:
    """A change of the policy, and the lines that it took away and added."""

    about: PolicyChange
    removed: tuple[str, ...]
    added: tuple[str, ...]


def sections(policy: Policy) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the rules by stage; those of no stage under an empty name."""
    found = [(stage, stage_rows(policy, rule)) for stage, rule in policy.stages.items()]
    for pattern in policy.models:
        effective = policy.of(pattern)
        for stage, rule in effective.stages.items():
            rows = stage_rows(effective, rule)
            if stage not in policy.stages or rows != stage_rows(policy, policy.stages[stage]):
                found.append((f"{stage}, for {pattern}", rows))
    found.append(("", other_rows(policy)))
    return [(name, [(_SAID.get(key, key), value) for key, value in rows]) for name, rows in found]


def changes(history: Sequence[PolicyChange]) -> list[Change]:
    """Return what each change took away and added, newest first."""
    found = []
    for place, one in enumerate(history):
        before = history[place + 1].policy if place + 1 < len(history) else None
        old, new = _lines(before), _lines(one.policy)
        removed = tuple(line for line in old if line not in new)
        added = tuple(line for line in new if line not in old)
        found.append(Change(one, removed, added))
    return found


def _lines(policy: Policy | None) -> dict[str, None]:
    if policy is None:
        return {}
    return dict.fromkeys(
        f"{name}: {key}: {value}" if name else f"{key}: {value}"
        for name, rows in sections(policy)
        for key, value in rows
    )
