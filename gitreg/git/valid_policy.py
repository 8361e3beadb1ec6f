"""The policy in force at a commit, also while its ``policy.yaml`` does not parse.

A policy that a person broke must stop neither a rollback nor its own repair: until it parses again,
the last one that did is in force.
"""

from __future__ import annotations

from dataclasses import dataclass

from gitreg.core.model import layout
from gitreg.core.policy import DEFAULT, Policy
from gitreg.core.state.state import RegistryState
from gitreg.errors import GitregError
from gitreg.git.repository import GitRepository


@dataclass(frozen=True)
class PolicyInForce:
    """The rules that apply at a commit.

    Attributes:
        policy: the rules.
        warnings: why they are not those of the commit, one line each; else none.
    """

    policy: Policy
    warnings: tuple[str, ...] = ()


def policy_in_force(repository: GitRepository, state: RegistryState) -> PolicyInForce:
    """Return a state's policy, or, if that does not parse, the last one of its branch that did."""
    try:
        return PolicyInForce(state.policy)
    except GitregError as error:
        broken = f"{error}; until it is repaired, "
    past = repository.with_history()
    listing = past.run("rev-list", "--first-parent", str(state.commit), "--", layout.POLICY).text
    for commit in listing.split():
        try:
            policy = RegistryState(past.snapshot(commit)).policy
        except GitregError:
            continue
        return PolicyInForce(policy, (f"{broken}the policy of {commit[:9]} is in force",))
    return PolicyInForce(DEFAULT, (f"{broken}the default policy is in force",))
