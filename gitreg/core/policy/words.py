"""Rules in words, for people. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from gitreg.core.policy.rules import Policy, StageRule
from gitreg.core.text.counts import quantity


def stage_rows(policy: Policy, rule: StageRule) -> list[tuple[str, str]]:
    """Return the rules of a stage, each under its name."""
    held = "any number" if rule.holds is None else str(rule.holds)
    rows: list[tuple[str, str]] = [("holds", held)]
    if rule.holds is not None:
        rows.append(("replaced", f"goes to {rule.replaced or 'no stage'}"))
        rows.append(("crowded", "--keep-existing may" if rule.crowded else "never"))
    sources = ("no stage" if source == "none" else source for source in rule.sources or ())
    rows.append(("from", ", ".join(sources) if rule.sources else "any stage"))
    rows += [("alias", f"@{alias} moves along") for alias in rule.aliases]
    rows += [("gate", str(gate)) for gate in rule.gates] or [("gates", "none")]
    approvals = rule.approvals
    wanted = f"{approvals.count} by {_who(policy, approvals.by)}" if approvals else "none"
    rows.append(("approvals", wanted))
    rows.append(("signed", f"by {_who(policy, rule.signed)}" if rule.signed else "not needed"))
    rows.append(("override", _who(policy, rule.override) if rule.override else "nobody"))
    rows += [("owners", ", ".join(rule.owners))] if rule.owners else []
    rows += [("renders", f"{one.to} as {one.form}") for one in rule.renders]
    return rows


def other_rows(policy: Policy) -> list[tuple[str, str]]:
    """Return the rules that are of no stage: aliases, people, freezes."""
    rows = [
        (f"@{alias}", "protected" if is_protected else "free")
        for alias, is_protected in policy.protected.items()
    ]
    rows += [(f"role {role}", ", ".join(who) or "nobody") for role, who in policy.roles.items()]
    rows += [(f"signer {who}", quantity(len(keys), "key")) for who, keys in policy.signers.items()]
    rows += [("revoked", fingerprint) for fingerprint in policy.revoked]
    rows += [("freeze", window.text) for window in policy.freeze]
    rows += [("differs for", pattern) for pattern in policy.models]
    return rows


def _who(policy: Policy, by: Iterable[str]) -> str:
    """Return roles with their members, and principals."""
    return ", ".join(
        f"{name} ({', '.join(policy.roles[name]) or 'nobody'})" if name in policy.roles else name
        for name in by
    )
