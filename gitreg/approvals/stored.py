"""Approvals in the tree: which of them verify, and whose they are.

An approval is a file under ``approvals/`` of its version, named after stage and principal. The name
is only a claim. The approval counts when that principal signed, with a key that the policy lists,
the text that `core.operations.approve` builds from the state and the history before the move. At
most one file a principal is read, so that many files cost no more than there are signers.

An approval in the earlier form does not say which entry it is for. It counts only where no approval
of this version for this stage was there before the stage moved last: so it cannot have been used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from gitreg.approvals.signatures import (
    APPROVAL,
    OfAnotherText,
    Unverified,
    fingerprint_of,
    verify,
)
from gitreg.core.model import layout
from gitreg.core.model.keys import Signers
from gitreg.core.model.layout import Place
from gitreg.core.model.model import ModelVersion
from gitreg.core.model.names import fold
from gitreg.core.operations.approve import Approval, Entries, Entry, approval_of
from gitreg.core.policy import Policy
from gitreg.core.policy.transitions import email_of
from gitreg.core.state.history import Event, entry_of
from gitreg.core.state.state import RegistryState, Snapshot
from gitreg.errors import GitError, InvalidDocument, InvalidRequest

if TYPE_CHECKING:
    from gitreg.git.history_lives import NameLives

_SPENT = "it was for an earlier entry, or another move: approve again"
_UNCOUNTED = "the file that counts its withdrawals does not parse"


@dataclass(frozen=True)
class StoredApproval:
    """An approval in the tree, and whether it verifies.

    Attributes:
        stage: the stage that it is for.
        principal: who approves, as the file name claims.
        verified: whether that principal signed exactly this move.
        reason: why it does not verify; ``None`` when it does.
        key: the fingerprint of the key in its signature; ``None`` if that does not parse.
    """

    stage: str
    principal: str
    verified: bool
    reason: str | None = None
    key: str | None = None


def signers_of(policy: Policy) -> Signers:
    """Return the keys that count under a policy, and their principals."""
    return Signers.of(policy.signers, policy.revoked)


@dataclass(frozen=True)
class Approvers:
    """Who approved a move, each principal once, sorted.

    Attributes:
        given: those whose approval counts.
        spent: those whose approval does not count any more, and why.
    """

    given: tuple[str, ...] = ()
    spent: Mapping[str, str] = field(default_factory=dict)


def approvers(
    snapshot_after: Snapshot,
    policy: Policy,
    wanted: Approval,
    is_unused: Callable[[], bool],
) -> Approvers:
    """Return who approves a version's move into a stage.

    The people who move or registered the version are included; the rule excludes them.

    Args:
        snapshot_after: the files after the move; approvals may be part of the move.
        policy: the policy before the move.
        wanted: what they have to approve.
        is_unused: tells whether no earlier move can have used an approval of this version.

    Raises:
        GitError: ``ssh-keygen`` cannot be run.
    """
    signers = signers_of(policy)
    # A principal is one person, in upper or lower case.
    found: dict[str, str] = {}
    spent: dict[str, tuple[str, str]] = {}
    folder = layout.approvals_path(wanted.model, wanted.version)
    there = {f"{folder}/{file}" for file in snapshot_after.list(folder)}
    for principal in _principals(signers):
        path = _path(wanted, principal)
        if path not in there:
            if path and layout.withdrawal_path(path) in there:
                spent.setdefault(fold(principal), (principal, "was withdrawn"))
            continue
        data = snapshot_after.read(path)
        mine = _by(wanted, principal, snapshot_after)
        if data is None or mine is None:
            continue
        reason = why_not(data, mine, principal, signers, is_unused)
        if reason is None:
            found.setdefault(fold(principal), principal)
        elif reason == _SPENT:
            spent.setdefault(fold(principal), (principal, "was for an earlier entry"))
    late = dict(sorted(one for key, one in spent.items() if key not in found))
    return Approvers(tuple(sorted(found.values())), late)


def why_not(
    data: bytes,
    wanted: Approval,
    principal: str,
    signers: Signers,
    is_unused: Callable[[], bool],
) -> str | None:
    """Return why a file is not a valid approval by a principal; ``None`` when it is one.

    Args:
        data: the file.
        wanted: what it has to approve.
        principal: by whom.
        signers: the keys that count.
        is_unused: tells whether no earlier move can have used it, so that its earlier form counts.

    Raises:
        GitError: ``ssh-keygen`` cannot be run.
    """
    try:
        signer = _signer(data, wanted, signers, is_unused)
    except OfAnotherText:
        return _SPENT
    except Unverified as error:
        return str(error)
    return None if signer == principal else f"it is signed by {signer}"


def _signer(data: bytes, wanted: Approval, signers: Signers, is_unused: Callable[[], bool]) -> str:
    try:
        return verify(wanted.text, data, APPROVAL, signers)
    except OfAnotherText as error:
        signer = verify(wanted.earlier, data, APPROVAL, signers)
        if not is_unused():
            raise error from None
        return signer


class History(Protocol):
    """What is needed from the history up to a state."""

    def moves_of(self, model: str, pointer: str) -> Sequence[Event]:
        """Return the moves of a pointer, newest first."""

    @property
    def names(self) -> NameLives:
        """The lives of models' names."""


def entries_of(history: History) -> Entries:
    """Return what tells the next entry into a stage, by a history."""

    def entry(model: str, stage: str) -> Entry:
        moves = history.moves_of(model, f"stages/{stage}")
        return Entry(moves[0].commit if moves else None, history.names.life_of(model))

    return entry


def _brought_in(wanted: Approval, history: History) -> Approval:
    """Return the approval of the move by which a version came into its stage."""
    moves = list(history.moves_of(wanted.model, f"stages/{wanted.stage}"))
    event = entry_of(moves, wanted.version)
    if event is None:
        return wanted
    earlier = moves[moves.index(event) + 1 :]
    entry = replace(wanted.entry, moved=earlier[0].commit if earlier else None)
    return replace(wanted, replaces=event.before, entry=entry)


def stored_approvals(
    state: RegistryState,
    history: History,
    repository_id: Callable[[], str],
    version: ModelVersion,
) -> list[StoredApproval]:
    """Return the approvals of a version, by stage and principal.

    They are verified under the policy of ``state``, for a move from ``state``; for a version that
    is in the stage already, for the move that brought it there.

    Args:
        state: the registry.
        history: up to the state.
        repository_id: returns the first commit of the branch; called only when needed.
        version: the version.

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
            why, key = str(error), fingerprint_of(data)
            found.append(StoredApproval(stage, principal, verified=False, reason=why, key=key))
            continue
        entry = entries_of(history)(version.model, stage)
        wanted = approval_of(state, root, version.model, version.version, stage, entry)
        is_there = version.stage == stage
        if is_there:
            wanted = _brought_in(wanted, history)
        if is_same_person(principal, version.created_by):
            reason: str | None = (
                "the approval of the person who registered a version does not count"
            )
        else:
            mine = _by(wanted, principal, state.snapshot)
            unused = partial(_is_unused, history, wanted, is_there=is_there)
            reason = why_not(data, mine, principal, signers, unused) if mine else _UNCOUNTED
        found.append(StoredApproval(stage, principal, reason is None, reason, fingerprint_of(data)))
    return found


def _is_unused(history: History, wanted: Approval, *, is_there: bool = False) -> bool:
    """Tell whether no earlier move can have used an approval of a version for a stage."""
    model, version, stage = wanted.model, wanted.version, wanted.stage
    return is_there or not history.names.was_approved(model, version, stage)


def holds(
    state: RegistryState, history: History, repository_id: str, place: Place, data: bytes
) -> bool:
    """Tell whether an approval file verifies in a state; see `reapply`.

    Args:
        state: the registry, in which the stage is as the history says.
        history: of the published branch.
        repository_id: the first commit of the branch.
        place: of the file.
        data: its content.
    """
    assert place.version is not None
    principal, stage = str(place.principal), str(place.name)
    entry = entries_of(history)(place.model, stage)
    wanted = approval_of(state, repository_id, place.model, place.version, stage, entry)
    mine = _by(wanted, principal, state.snapshot)
    unused = partial(_is_unused, history, wanted)
    signers = signers_of(state.policy)
    return mine is not None and why_not(data, mine, principal, signers, unused) is None


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
