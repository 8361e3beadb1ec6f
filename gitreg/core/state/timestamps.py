"""When models and versions were created and last changed, in milliseconds. Pure.

The same changes count as in MLflow. A model changes when one of its versions is registered, deleted
or moved between stages, when it is renamed, and when its description changes. A version changes
when it is registered, moved or renamed, and when its own description changes. Tags and aliases do
not count.

>>> moment_of(60, None), moment_of(60, (60, 60_000)), moment_of(61, (60, 60_001))
(60000, 60001, 61000)
>>> [moment_of(time, None, ["1970-01-01T00:00:59.250Z"]) for time in (58, 60, 999)]
[58000, 59250, 999000]
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from gitreg.core.model import layout
from gitreg.core.state.history import Event, FileChange
from gitreg.core.text.times import milliseconds

Subject: TypeAlias = "tuple[str, int | None]"
"""A version of a model; without a number the model itself."""

# The line that starts the description, and those that it goes on: indented, or empty.
_DESCRIPTION = re.compile(
    rb"^(?:description|'description'|\"description\")\s*:[^\n]*(?:\n(?:[ \t][^\n]*)?(?=\n|\Z))*",
    re.MULTILINE,
)

_SOON = 120
"""How long a call may wait for others before its commit is made, in seconds."""

_COUNTED = ("register", "remove", "rewrite", "create", "delete", "revert")


@dataclass(frozen=True)
class Timestamps:
    """When a model and its versions were created and last changed: milliseconds since the epoch.

    Of two changes in the same second the later one has the later time.

    Attributes:
        created: when the model was created; 0 where history does not reach back so far.
        updated: when it last changed.
        registered: when each version was registered, deleted ones too.
        versions: when each version last changed.
    """

    created: int = 0
    updated: int = 0
    registered: Mapping[int, int] = field(default_factory=dict)
    versions: Mapping[int, int] = field(default_factory=dict)

    def then(self, changes: Sequence[tuple[int, int, int]]) -> Timestamps:
        """Return the timestamps after more changes.

        Args:
            changes: version (0 for the model), when it was created, and when it last changed.
        """
        if not changes:
            return self
        first, last = dict(self.registered), dict(self.versions)
        if self.created:
            first[0], last[0] = self.created, self.updated
        for version, created, updated in changes:  # clocks may go backwards
            first[version] = min(created, first.get(version, created))
            last[version] = max(updated, last.get(version, updated))
        return Timestamps(first.pop(0, 0), last.pop(0, 0), first, last)


def moment_of(time: int, last: tuple[int, int] | None, claims: Sequence[str] = ()) -> int:
    """Return the moment of a commit.

    Args:
        time: its committer's date, in seconds.
        last: date and moment of the commit of the registry before it.
        claims: the times that its message gives; one counts if the commit was made right after it.
    """
    moment = time * 1000
    if claims and time - _SOON <= (claimed := milliseconds(claims[0])) // 1000 <= time:
        moment = claimed
    if last is not None and last[0] <= time:
        moment = max(moment, last[1] + 1)
    return moment


def changed_in(events: Iterable[Event], changes: Iterable[FileChange]) -> set[Subject]:
    """Return what a commit changed, as far as it counts; renames are counted elsewhere.

    Args:
        events: of the commit.
        changes: what it did to files; the contents of annotations are looked at.
    """
    found = _described(changes)
    ended, renamed, born = set(), set(), set()
    for event in events:
        if event.ends_the_model:
            ended.add(event.model)
        if event.renamed_from is not None:
            renamed.add(event.model)
        elif event.is_birth:
            born.add((event.model, event.version))
        if event.pointer is not None:
            if event.pointer.startswith("stages/") and event.action != "rename":
                found.update((event.model, number) for number in _moved(event))
                found.add((event.model, None))
        elif event.action in _COUNTED:
            found.update({(event.model, event.version), (event.model, None)})
    return {
        (model, version)
        for model, version in found
        if model not in ended and (model not in renamed or (model, version) in born)
    }


def _moved(event: Event) -> set[int]:
    return set(event.before) ^ set(event.after)


def _described(changes: Iterable[FileChange]) -> set[Subject]:
    """Return the models and versions whose description a commit changed."""
    return {
        (place.model, place.version)
        for change in changes
        if (place := layout.locate(change.path)) is not None
        and place.kind in ("annotations", "model")
        and _description(change.before) != _description(change.after)
    }


def _description(document: bytes | None) -> bytes | None:
    """Return the description in a document, as it is written there."""
    found = _DESCRIPTION.search(document or b"")
    return found and found[0].rstrip()
