"""What an operation expects: that what it moves still is where it was when it was decided on.

A person compares a candidate with an incumbent and promotes it. Until the promotion is published
somebody else may have put another version there; to replace that one was never decided. A pointer
is as expected when it has the same value, but a stage that holds any number of versions only has
to agree on the versions that move: two people who archive different versions do not conflict.

Who deletes a model has decided on the versions that it had; who renames one takes along whatever
it has by now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gitreg.core.model import layout, manifest
from gitreg.core.model.layout import Place
from gitreg.core.model.names import ARCHIVE
from gitreg.core.policy import Policy
from gitreg.core.state.history import FileChange
from gitreg.errors import InvalidDocument


def first_conflict(
    decided: Callable[[str], bytes | None], policy: Policy, changes: Iterable[FileChange]
) -> Place | None:
    """Return the first pointer that is not as it was when the operation was decided on.

    Or the first manifest that a model's deletion takes away, and that was not there then. The
    archive is looked at last: it changes because another stage does, which is the one to tell.

    Args:
        decided: reads a file as it was then.
        policy: says which stages hold any number.
        changes: what the operation would do to the files as they are now.
    """
    located = [
        (place, change) for change in changes if (place := layout.locate(change.path)) is not None
    ]
    ended = ended_models(change for _, change in located)
    renamed = {name for pair in ended.items() if pair[1] is not None for name in pair}
    for place, change in located:
        goes = place.kind == "manifest" and change.after is None and place.model in ended
        if goes and place.model not in renamed and decided(change.path) is None:
            return place
    pointers = [
        (place, change) for place, change in located if place.pointer and place.model not in renamed
    ]
    for place, change in sorted(pointers, key=lambda found: found[0].name == ARCHIVE):
        known = decided(change.path)
        if known != change.before and not _agree(place, policy, known, change):
            return place
    return None


def ended_models(changes: Iterable[FileChange]) -> dict[str, str | None]:
    """Return the models that an operation deletes or renames, each with its new name, if any."""
    located = ((layout.locate(change.path), change) for change in changes)
    return {
        place.model: manifest.read_tombstone(change.after, change.path).renamed_to
        for place, change in located
        if place is not None and place.kind == "deleted" and place.version is None
        if change.after is not None
    }


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
