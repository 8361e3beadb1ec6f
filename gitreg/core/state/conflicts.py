"""Conflicts: what an operation moves has changed since its user decided on it.

A person compares a candidate with an incumbent and promotes it. Before the promotion is published,
somebody else may put another version there, which this person did not decide to replace. A pointer
conflicts when its value changed. In a stage that holds any number of versions only those that move
count: two people who archive different versions do not conflict.

The deletion of a model is decided for the versions that it has then; a rename takes all along.
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
    """Return the first pointer that changed since the operation was decided on, if any.

    Or the first manifest that a model's deletion removes although it is newer than that. The
    archive comes last: it changes because another stage does, and that one explains more.

    Args:
        decided: reads a file as it was then.
        policy: names the stages that hold any number of versions.
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
        return False  # one of them does not parse, and they differ
    rule = policy.of(place.model).stages.get(str(place.name))
    if rule is not None and rule.holds is None:
        return all((version in then) == (version in now) for version in now ^ then_on)
    return then == now


def _alias(data: bytes | None, path: str) -> int | None:
    return None if data is None else manifest.read_alias(data, path)
