"""Approvals in the tree: which of them verify, and whose they are.

An approval is a file under ``approvals/`` of its version, named after stage and principal. The name
is only a claim. The approval counts when that principal signed, with a key that the policy lists,
the text that `core.operations.approve` builds from the state before the move. At most one file a
principal is read, so that many files cost no more than there are signers.
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
from gitreg.errors import GitError, InvalidDocument, InvalidRequest

_UNCOUNTED = "the file that counts its withdrawals does not parse"


@dataclass(frozen=True)
class StoredApproval:
    """An approval in the tree, and whether it verifies.

    Attributes:
        stage: the stage that it is for.
        principal: who approves, as the file name claims.
        verified: whether that principal signed exactly this move.
        reason: why it does not verify; ``None`` when it does.
    """

    stage: str
    principal: str
    verified: bool
    reason: str | None = None


def signers_of(policy: Policy) -> Signers:
    """Return the keys that count under a policy, and their principals."""
    return Signers.of(policy.signers, policy.revoked)


def approvers(
    snapshot_after: Snapshot,
    policy: Policy,
    repository_id: str,
    version: ModelVersion,
    stage: str,
    replaces: tuple[int, ...],
) -> tuple[str, ...]:
    """Return who approves a version's move into a stage, each principal once, sorted.

    The people who move or registered the version are included; the rule excludes them.

    Args:
        snapshot_after: the files after the move; approvals may be part of the move.
        policy: the policy before the move.
        repository_id: the first commit of the branch; see `GitRepository.root_of`.
        version: the version that moves.
        stage: the target stage.
        replaces: the versions that the stage held before, ascending.

    Raises:
        GitError: ``ssh-keygen`` cannot be run.
    """
    manifest = snapshot_after.read(layout.manifest_path(version.model, version.version))
    if manifest is None:
        return ()
    wanted = Approval.over(manifest, repository_id, version.model, version.version, stage, replaces)
    signers = signers_of(policy)
    # A principal is one person, in upper or lower case.
    found: dict[str, str] = {}
    folder = layout.approvals_path(version.model, version.version)
    there = {f"{folder}/{file}" for file in snapshot_after.list(folder)}
    for principal in _principals(signers):
        path = _path(wanted, principal)
        if path not in there:
            continue
        data = snapshot_after.read(path)
        mine = _by(wanted, principal, snapshot_after)
        if data is not None and mine and why_not(data, mine, principal, signers) is None:
            found.setdefault(fold(principal), principal)
    return tuple(sorted(found.values()))


def why_not(data: bytes, wanted: Approval, principal: str, signers: Signers) -> str | None:
    """Return why a file is not a valid approval by a principal; ``None`` when it is one.

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

    They are verified under the policy of ``state``, for a move from ``state``; for a version that
    is in the stage already, for the move that brought it there.

    Args:
        state: the registry.
        repository_id: returns the first commit of the branch; called only when needed.
        version: the version.
        replaced: returns what a stage held before the version came into it.

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
            reason: str | None = (
                "the approval of the person who registered a version does not count"
            )
        else:
            mine = _by(wanted, principal, state.snapshot)
            reason = why_not(data, mine, principal, signers) if mine else _UNCOUNTED
        found.append(StoredApproval(stage, principal, reason is None, reason))
    return found


def holds(state: RegistryState, repository_id: str, place: Place, data: bytes) -> bool:
    """Tell whether an approval file verifies in a state; see `reapply`."""
    assert place.version is not None
    principal = str(place.principal)
    wanted = approval_of(state, repository_id, place.model, place.version, str(place.name))
    mine = _by(wanted, principal, state.snapshot)
    return mine is not None and why_not(data, mine, principal, signers_of(state.policy)) is None


def _by(wanted: Approval, principal: str, snapshot: Snapshot) -> Approval | None:
    """Return the approval as a principal has to sign it; ``None`` where that cannot be known."""
    try:
        return wanted.by(principal, snapshot)
    except InvalidDocument:
        return None  # the check of documents reports the file


def is_same_person(principal: str, who: str) -> bool:
    """Tell whether a principal has the e-mail address that a commit or manifest names.

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
        return ""  # too long for a file name, so there is no file
