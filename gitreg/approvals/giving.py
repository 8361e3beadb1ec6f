"""Gives and withdraws approvals: the preview, the check of the key, the signature.

An approver signs what they saw: `preview` shows it, and the operation that `approving` returns is
refused when the registry has changed since.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gitreg.approvals.signatures import APPROVAL, parse_signature
from gitreg.approvals.stored import entries_of, is_same_person, signers_of, why_not
from gitreg.core.model.keys import PublicKey
from gitreg.core.model.model import ModelVersion
from gitreg.core.model.names import Reference, check_stage_name
from gitreg.core.operations.approve import Approval, Approve, approval_of, approve, withdraw
from gitreg.core.state.change import Change
from gitreg.core.state.state import RegistryState
from gitreg.errors import GitError, NotFound, Refused
from gitreg.git.history_index import HistoryIndex
from gitreg.git.repository import GitRepository


@dataclass(frozen=True)
class ApprovalPreview:
    """What would be approved.

    Attributes:
        approval: the text to sign.
        candidate: the version that would move.
        incumbents: the versions that the stage holds, ascending.
    """

    approval: Approval
    candidate: ModelVersion
    incumbents: tuple[ModelVersion, ...]


def preview(
    repository: GitRepository,
    state: RegistryState,
    history: HistoryIndex,
    wanted: Reference,
    stage: str,
) -> ApprovalPreview:
    """Return what an approval of a version for a stage would approve.

    Args:
        repository: the repository.
        state: the registry.
        history: the index; it is advanced to the state.
        wanted: the version.
        stage: where to.

    Raises:
        NotFound: the version or stage does not exist.
        Refused: the version is in the stage already.
        GitError: the clone is shallow.
    """
    stage = check_stage_name(stage)
    state.policy.stage(stage)
    version = state.resolve(wanted)
    candidate = state.version(wanted.model, version)
    if version in state.stage(wanted.model, stage):
        raise Refused(f"{candidate.reference} is in {stage} already: there is nothing to approve")
    root = repository.root_of(str(state.commit))
    history.advance(str(state.commit))
    entry = entries_of(history)(wanted.model, stage)
    approval = approval_of(state, root, wanted.model, version, stage, entry)
    incumbents = tuple(state.version(wanted.model, other) for other in approval.replaces)
    return ApprovalPreview(approval, candidate, incumbents)


def approving(
    repository: GitRepository,
    state: RegistryState,
    history: HistoryIndex,
    seen: ApprovalPreview,
    key: str | None = None,
) -> Callable[[RegistryState], Change]:
    """Return the operation that stores the user's approval; the user signs before it runs.

    Args:
        repository: whose Git configuration names the key.
        state: whose policy says which keys count.
        history: the index; it is advanced to the state now, and later to that of the operation.
        seen: what `preview` returned.
        key: replaces ``user.signingkey``: a file, or a public key that an agent holds.

    Raises:
        Refused: the approval would not count: the key belongs to none of the policy's signers,
            is revoked, or belongs to the person who registered the version.
        GitError: no key is configured, or it cannot sign.
    """
    signers = signers_of(state.policy)
    wanted = seen.approval
    signed: dict[bytes, bytes] = {}

    def sign() -> bytes:
        if wanted.text not in signed:
            signed[wanted.text] = repository.signing.sign_text(wanted.text, APPROVAL, key)
        return signed[wanted.text]

    public = repository.signing.public_key(key) or parse_signature(sign()).key
    principal = _principal(state, public)
    wanted = wanted.by(principal, state.snapshot)
    if is_same_person(principal, seen.candidate.created_by):
        raise Refused(
            f"{principal} registered {wanted.reference}: their own approval does not count",
            hint="somebody else must approve it",
        )

    def holds(data: bytes) -> bool:
        return why_not(data, wanted, principal, signers, lambda: False) is None

    def operation(now: RegistryState) -> Change:
        idle = _idle(now, wanted, principal)
        entries = entries_of(history)
        return approve(now, Approve(wanted, principal, sign, holds, entries, idle))

    history.advance(str(state.commit))
    # Sign before taking a lock: the user may have to enter a passphrase or touch a key.
    if operation(state).edits and not holds(sign()):
        raise GitError("the new signature does not verify", hint="git config gpg.ssh.program")
    return operation


def _idle(state: RegistryState, wanted: Approval, principal: str) -> tuple[str, ...]:
    """Return warnings for an approval that the policy does not ask for."""
    rules = state.policy.of(wanted.model)
    asked = rules.stage(wanted.stage).approvals
    if asked is None:
        return (f"the policy asks for no approvals of {wanted.model} for {wanted.stage}",)
    if principal in rules.members(asked.by):
        return ()
    return (f"{principal} is none of those who may approve: {', '.join(asked.by)}",)


def withdrawing(
    repository: GitRepository,
    state: RegistryState,
    wanted: Reference,
    stage: str,
    key: str | None = None,
) -> Callable[[RegistryState], Change]:
    """Return the operation that withdraws the user's approval.

    Raises:
        NotFound: the version or the public key file does not exist.
        Refused: the key belongs to none of the policy's signers.
        GitError: no key is configured.
    """
    stage = check_stage_name(stage)
    version = state.resolve(wanted)
    public = repository.signing.public_key(key)
    if public is None:
        raise NotFound(
            "the configured signing key has no public key file, so its owner is unknown",
            hint="gitreg approve … --withdraw --key FILE, with the public key in FILE.pub",
        )
    principal = _principal(state, public)
    return lambda now: withdraw(now, wanted.model, version, stage, principal)


def _principal(state: RegistryState, key: PublicKey) -> str:
    signers = signers_of(state.policy)
    principal = signers.principal_of(key)
    if principal is None:
        raise Refused(
            f"{signers.why_not(key)}: it does not count",
            hint="registry/policy.yaml lists the signers; gitreg fetch gets the published one",
        )
    return principal
