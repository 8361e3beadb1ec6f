"""What an operation expects: that what it moves still is where it was when it was decided on.

A person compares a candidate with an incumbent and promotes it. Until the promotion is published
somebody else may have put another version there; to replace that one was never decided. A pointer
is as expected when it has the same value, but a stage that holds any number of versions only has
to agree on the versions that move: two people who archive different versions do not conflict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gitreg import layout, manifest
from gitreg.errors import InvalidDocument
from gitreg.history import FileChange
from gitreg.layout import Place
from gitreg.names import ARCHIVE
from gitreg.policy import Policy


def first_surprise(
    decided: Callable[[str], bytes | None], policy: Policy, changes: Iterable[FileChange]
) -> Place | None:
    """Return the first pointer that is not as it was when the operation was decided on.

    The archive is looked at last: it changes because another stage does, which is the one to tell.

    Args:
        decided: reads a file as it was then.
        policy: says which stages hold any number.
        changes: what the operation would do to the files as they are now.
    """
    located = ((layout.locate(change.path), change) for change in changes)
    pointers = [(place, change) for place, change in located if place and place.pointer]
    for place, change in sorted(pointers, key=lambda found: found[0].name == ARCHIVE):
        known = decided(change.path)
        if known != change.before and not _agree(place, policy, known, change):
            return place
    return None


def _agree(place: Place, policy: Policy, known: bytes | None, change: FileChange) -> bool:
    try:
        if place.kind == "aliases":
            return _alias(known, change.path) == _alias(change.before, change.path)
        then, now, then_on = (
            set(manifest.read_versions(data, change.path))
            for data in (known, change.before, change.after)
        )
    except InvalidDocument:
        return False  # known differs from what is there now, and cannot be read
    rule = policy.of(place.model).stages.get(str(place.name))
    if rule is not None and rule.holds is None:
        return all((version in then) == (version in now) for version in now ^ then_on)
    return then == now


def _alias(data: bytes | None, path: str) -> int | None:
    return None if data is None else manifest.read_alias(data, path)
