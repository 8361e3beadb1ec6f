"""Approvals of a change of the policy, and of the files that decide whether it holds.

Such an approval is a file ``registry/.approvals/policy.PRINCIPAL.sig`` in the commit that makes the
change. It signs what each file was and becomes, so that it counts for no other change: a policy
that was replaced since does not come back by it.

>>> print(statement("4b" * 20, [ChangedFile("a b", 0, None, 0o100644, b"")]).decode(), end="")
gitreg policy change 1
repository 4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b
0 - 100644 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 "a b"
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from gitreg.approvals.signatures import APPROVAL, Unverified, verify
from gitreg.approvals.stored import signers_of
from gitreg.core.model import layout
from gitreg.core.policy import Policy
from gitreg.core.state.state import Snapshot
from gitreg.errors import InvalidRequest


@dataclass(frozen=True)
class ChangedFile:
    """A file before and after a change; mode 0 and ``None`` mean absent."""

    path: str
    mode_before: int
    before: bytes | None
    mode: int
    after: bytes | None


def statement(repository_id: str, files: Iterable[ChangedFile]) -> bytes:
    """Return what an approval of a change signs.

    Args:
        repository_id: the first commit of the branch; see `GitRepository.root_of`.
        files: what the change does to the files that are guarded.
    """
    lines = [
        f"{file.mode_before:o} {_digest(file.before)} {file.mode:o} {_digest(file.after)} "
        f"{json.dumps(file.path)}"
        for file in sorted(files, key=lambda file: file.path)
    ]
    return "\n".join(["gitreg policy change 1", f"repository {repository_id}", *lines, ""]).encode()


def _digest(content: bytes | None) -> str:
    return "-" if content is None else hashlib.sha256(content).hexdigest()


def change_approvers(after: Snapshot, policy: Policy, text: bytes) -> tuple[str, ...]:
    """Return the principals whose approval in the tree signs a text, sorted.

    At most one file a principal is read, so that many files cost no more than there are signers.

    Args:
        after: the files after the change.
        policy: the policy before it, whose signers count.
        text: from `statement`.

    Raises:
        GitError: ``ssh-keygen`` cannot be run.
    """
    signers = signers_of(policy)
    found = set()
    for principal in policy.signers:
        try:
            signature = after.read(layout.change_approval_path(principal))
            if signature and verify(text, signature, APPROVAL, signers) == principal:
                found.add(principal)
        except (Unverified, InvalidRequest):
            continue
    return tuple(sorted(found))
