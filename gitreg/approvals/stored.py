"""Approvals in the tree: which of them verify, and whose they are.

An approval is a file under ``approvals/`` of its version, named after stage and principal. Its name
only claims; it counts when its signature is one of that principal, by the keys that the policy
lists, over the text that `core.operations.approve` puts together from the state before the move.
At most one file a principal is looked at, so that no number of files costs more than there are
signers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from gitreg.approvals.signatures import APPROVAL, Unverified, verify
from gitreg.core.model import layout
from gitreg.core.model.keys import Signers
from gitreg.core.model.layout import Place
from gitreg.core.model.model import ModelVersion
from gitreg.core.model.names import fold
from gitreg.core.operations.approve import Approval, approval_of
from gitreg.core.policy import Policy
from gitreg.core.policy.transitions import email_of
from gitreg.core.state.state import RegistryState, Snapshot
from gitreg.errors import GitError, InvalidRequest


@dataclass(frozen=True)
class StoredApproval:
    """An approval that is in the tree, and whether it verifies.

    Attributes:
        stage: what for.
        principal: whose it is, as its name claims.
        verified: whether it is theirs, and for this.
        reason: why it does not verify; ``None`` where it does.
    """

    stage: str
    principal: str
    verified: bool
    reason: str | None = None


def signers_of(policy: Policy) -> Signers:
    """Return the keys that count under a policy, and whose they are."""
    return Signers.of(policy.signers, policy.revoked)


def approvers(
    snapshot_after: Snapshot,
    policy: Policy,
    repository_id: str,
    version: ModelVersion,
    stage: str,
    replaces: tuple[int, ...],
) -> tuple[str, ...]:
    """Return who approves that a version moves into a stage, each once, sorted.

    Who moves or registered it is among them: that one's own does not count is for the rule to say.

    Args:
        snapshot_after: the files after the move, where approvals may come along with it.
        policy: that of the state before it.
        repository_id: the first commit of the branch; see `GitRepository.root_of`.
        version: which one moves.
        stage: where to.
        replaces: the versions that the stage holds before, ascending.

    Raises:
        GitError: ``ssh-keygen`` cannot be run.
    """
    manifest = snapshot_after.read(layout.manifest_path(version.model, version.version))
    if manifest is None:
        return ()
    wanted = Approval.over(manifest, repository_id, version.model, version.version, stage, replaces)
    signers = signers_of(policy)
    # A key is one principal's, and a principal one person: whatever the case of its letters.
    found: dict[str, str] = {}
    folder = layout.approvals_path(version.model, version.version)
    there = {f"{folder}/{file}" for file in snapshot_after.list(folder)}
    for principal in _principals(signers):
        path = _path(wanted, principal)
        if path not in there:
            continue
        data = snapshot_after.read(path)
        if data is not None and why_not(data, wanted, principal, signers) is None:
            found.setdefault(fold(principal), principal)
    return tuple(sorted(found.values()))


def why_not(data: bytes, wanted: Approval, principal: str, signers: Signers) -> str | None:
    """Return why a file is no approval by a principal; ``None`` when it is one.

    Raises:
        GitError: ``ssh-keygen`` cannot be run.
    """
    try:
        signer = verify(wanted.text, data, APPROVAL, signers)
    except Unverified as error:
        return str(error)
    return None if signer == principal else f"it is signed by {signer}"


def stored_approvals(
    state: RegistryState,
    repository_id: Callable[[], str],
    version: ModelVersion,
    replaced: Callable[[str], tuple[int, ...]],
) -> list[StoredApproval]:
    """Return the approvals of a version, by stage and principal.

    They are verified by the policy as it is here, for a move from here; of a version that is in
    the stage already, for the move that brought it there.

    Args:
        state: where they are.
        repository_id: gives the first commit of the branch; asked when there are any.
        version: which one.
        replaced: gives what a stage held before the version came into it, if it is there.

    Raises:
        GitError: ``ssh-keygen`` cannot be run.
    """
    found = []
    signers = signers_of(state.policy)
    folder = layout.approvals_path(version.model, version.version)
    for file in sorted(state.snapshot.list(folder)):
        named = layout.approval_name(file)
        data = state.snapshot.read(f"{folder}/{file}")
        if named is None or data is None:
            continue
        stage, principal = named
        try:
            root = repository_id()
        except GitError as error:
            found.append(StoredApproval(stage, principal, verified=False, reason=str(error)))
            continue
        wanted = approval_of(state, root, version.model, version.version, stage)
        if version.stage == stage:
            wanted = replace(wanted, replaces=replaced(stage))
        if is_same_person(principal, version.created_by):
            reason: str | None = "who registered a version does not count"
        else:
            reason = why_not(data, wanted, principal, signers)
        found.append(StoredApproval(stage, principal, reason is None, reason))
    return found


def holds(state: RegistryState, repository_id: str, place: Place, data: bytes) -> bool:
    """Tell whether an approval's file verifies in a state; see `reapply`."""
    assert place.version is not None
    wanted = approval_of(state, repository_id, place.model, place.version, str(place.name))
    return why_not(data, wanted, str(place.principal), signers_of(state.policy)) is None


def is_same_person(principal: str, who: str) -> bool:
    """Tell whether a principal is who a commit or a manifest names, by the e-mail address.

    >>> is_same_person("ada@example.com", "Ada Lovelace <Ada@Example.com>")
    True
    """
    return fold(principal) == fold(email_of(who))


def _principals(signers: Signers) -> Iterable[str]:
    return dict.fromkeys(name for names in signers.principals.values() for name in names)


def _path(wanted: Approval, principal: str) -> str:
    try:
        return layout.approval_path(wanted.model, wanted.version, wanted.stage, principal)
    except InvalidRequest:
        return ""  # a name too long for a file: no file has it
