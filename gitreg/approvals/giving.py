"""Makes approvals: what would be approved, whether one's key counts for it, the signature.

An approver signs what they have seen: `preview` says what that is, and the operation that
`approving` gives is refused when it is something else by then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gitreg.approvals.signatures import APPROVAL, parse_signature
from gitreg.approvals.stored import is_same_person, signers_of, why_not
from gitreg.core.model.keys import PublicKey
from gitreg.core.model.model import ModelVersion
from gitreg.core.model.names import Reference, check_stage_name, format_version
from gitreg.core.operations.approve import Approval, Approve, approval_of, approve, withdraw
from gitreg.core.state.change import Change
from gitreg.core.state.state import RegistryState
from gitreg.errors import GitError, NotFound, Refused
from gitreg.git.repository import GitRepository


@dataclass(frozen=True)
class ApprovalPreview:
    """What would be approved.

    Attributes:
        approval: what is signed.
        candidate: the version that is to move.
        incumbents: the versions that the stage holds, ascending.
    """

    approval: Approval
    candidate: ModelVersion
    incumbents: tuple[ModelVersion, ...]


def preview(
    repository: GitRepository, state: RegistryState, wanted: Reference, stage: str
) -> ApprovalPreview:
    """Return what an approval of a version for a stage would be for.

    Raises:
        NotFound: no such version or stage.
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
    approval = approval_of(state, root, wanted.model, version, stage)
    incumbents = tuple(state.version(wanted.model, other) for other in approval.replaces)
    return ApprovalPreview(approval, candidate, incumbents)


def approving(
    repository: GitRepository,
    state: RegistryState,
    seen: ApprovalPreview,
    key: str | None = None,
) -> Callable[[RegistryState], Change]:
    """Return the operation that keeps the user's approval; the signature is made here.

    Args:
        repository: whose Git configuration names the key.
        state: whose policy says which keys count.
        seen: what `preview` gave.
        key: in place of ``user.signingkey``: a file, or a public key that an agent has.

    Raises:
        Refused: the key is none of the policy's signers', is revoked, or is that of who
            registered the version: it would not count.
        GitError: there is no key, or it cannot sign.
    """
    wanted = seen.approval
    signers = signers_of(state.policy)
    signature: list[bytes] = []

    def sign() -> bytes:
        if not signature:
            signature.append(repository.signing.sign_text(wanted.text, APPROVAL, key))
        return signature[0]

    public = repository.signing.public_key(key) or parse_signature(sign()).key
    principal = _principal(state, public)
    if is_same_person(principal, seen.candidate.created_by):
        raise Refused(
            f"{principal} registered {wanted.reference}: their own approval does not count",
            hint="somebody else has to approve it",
        )

    def holds(data: bytes) -> bool:
        return why_not(data, wanted, principal, signers) is None

    def operation(now: RegistryState) -> Change:
        return approve(now, Approve(wanted, principal, sign, holds, _idle(now, wanted, principal)))

    # Before any lock is taken: a passphrase or a touch takes its time.
    if operation(state).edits and not holds(sign()):
        raise GitError("the signature that was made does not verify", hint="which program made it?")
    return operation


def _idle(state: RegistryState, wanted: Approval, principal: str) -> tuple[str, ...]:
    """Return warnings of an approval that nobody asks for."""
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
    """Return the operation that takes the user's approval back.

    Raises:
        NotFound: no such version, or the file of the public key is not there.
        Refused: the key is nobody's.
        GitError: no key is configured.
    """
    stage = check_stage_name(stage)
    version = state.resolve(wanted)
    public = repository.signing.public_key(key)
    if public is None:
        raise NotFound(
            "whose approval? there is no public key beside the one that is configured",
            hint=f"gitreg show {format_version(wanted.model, version)} lists them; git rm the file",
        )
    principal = _principal(state, public)
    return lambda now: withdraw(now, wanted.model, version, stage, principal)


def _principal(state: RegistryState, key: PublicKey) -> str:
    signers = signers_of(state.policy)
    principal = signers.principal_of(key)
    if principal is None:
        raise Refused(
            f"{signers.why_not(key)}: it does not count",
            hint="the signers are in registry/policy.yaml; gitreg fetch brings the published one",
        )
    return principal
