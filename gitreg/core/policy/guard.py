"""The verdicts on a change of the policy itself, and of what decides whether it holds.

A policy that everybody may loosen first holds nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gitreg.core.model.keys import email_of
from gitreg.core.model.names import fold
from gitreg.core.policy import verdict as codes
from gitreg.core.policy.rules import Policy
from gitreg.core.policy.verdict import Verdict


@dataclass(frozen=True)
class GuardedChange:
    """A change of files that the policy's guard covers.

    Attributes:
        author: ``Name <email>`` of the commit.
        signer: the principal whose key signed it.
        approvers: the principals whose approval of this very change verifies.
    """

    author: str
    signer: str | None
    approvers: Sequence[str] = ()


def judge_change(policy: Policy, change: GuardedChange) -> tuple[Verdict, ...]:
    """Return the verdicts of the policy before a change on that change; none without a guard."""
    guard = policy.guard
    found: list[Verdict] = []
    if guard is None:
        return ()
    if guard.signed is not None:
        passed = change.signer is not None and change.signer in policy.members(guard.signed)
        who = f"signed by {change.signer}" if change.signer else "not signed by a known key"
        line = f"{who}, and changes of it are signed by {', '.join(guard.signed)}"
        found.append(Verdict(codes.SIGNED, passed, line))
    if guard.approvals is not None:
        own = {fold(email_of(change.author)), fold(change.signer or "")}
        members = policy.members(guard.approvals.by)
        counted = [who for who in change.approvers if who in members and fold(who) not in own]
        passed = len(counted) >= guard.approvals.count
        line = f"{len(counted)} of {guard.approvals.count} approvals of this change by "
        found.append(Verdict(codes.APPROVALS, passed, line + ", ".join(guard.approvals.by)))
    return tuple(found)
