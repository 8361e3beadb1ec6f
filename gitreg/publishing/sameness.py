"""Whether two changes do the same, for operations that are repeated or reapplied."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from gitreg.core.model import layout, manifest
from gitreg.core.model.model import Annotations
from gitreg.core.state.change import (
    Change,
    Edit,
)
from gitreg.core.state.history import FileChange
from gitreg.core.state.state import RegistryState


def is_the_same_file(edit: Edit, there: bytes | None) -> bool:
    """Tell whether a file is what an edit would write; a manifest's ``created_at`` may differ."""
    place = layout.locate(edit.path)
    if place is None or edit.content is None or there is None:
        return edit.content == there
    if place.kind == "deleted":
        return True  # it holds author and date only; the reason is in the commit message
    if place.kind == "model":
        return _said(edit.content, edit.path) == _said(there, edit.path)
    if place.kind != "manifest":
        return edit.content == there
    ours, theirs = (manifest.read_manifest(data, edit.path) for data in (edit.content, there))
    return replace(ours, created_at=theirs.created_at) == theirs


def _said(data: bytes, path: str) -> Annotations:
    """Return a model's annotations without its creation time."""
    return replace(manifest.read_model_document(data, path), created_at=None)


def is_the_same(change: Change, after: Callable[[str], bytes | None]) -> bool:
    """Tell whether a commit did what a change would do.

    Author, dates and the text of a deletion may differ; the bytes of a version may not.
    """
    for edit in change.edits:
        done = after(edit.path)
        place = layout.locate(edit.path)
        if (done is None) != (edit.content is None):
            return False
        if place is None or done is None or edit.content is None:
            continue
        if place.kind in ("deleted", "approval"):  # signatures over the same text differ
            continue
        if place.kind == "manifest":
            here, there = (manifest.read_manifest(data, edit.path) for data in (edit.content, done))
            if any(getattr(here, fact) != getattr(there, fact) for fact in ("metrics", "params")):
                return False
            if here.artifact.sha256 != there.artifact.sha256:
                return False
        elif place.kind == "model":
            if _said(edit.content, edit.path) != _said(done, edit.path):
                return False
        elif place.kind != "other" and done != edit.content:
            return False
    return bool(change.edits)


def file_changes(state: RegistryState, change: Change) -> list[FileChange]:
    """Return what a change does to the files of a state."""
    before = state.snapshot.read_many(change.paths)
    return [
        FileChange(edit.path, old, edit.content)
        for edit, old in zip(change.edits, before, strict=True)
    ]


def named_versions(moved: Iterable[FileChange]) -> set[tuple[str, int]]:
    """Return the versions that a change registers or newly points to."""
    named: set[tuple[str, int]] = set()
    for change in moved:
        place = layout.locate(change.path)
        if place is None or change.after is None:
            continue
        if place.kind == "manifest" and place.version is not None:
            named.add((place.model, place.version))
        elif place.kind == "aliases":
            named.add((place.model, manifest.read_alias(change.after, change.path)))
        elif place.kind == "stages":
            before = manifest.read_versions(change.before, change.path)
            after = manifest.read_versions(change.after, change.path)
            named |= {(place.model, version) for version in set(after) - set(before)}
    return named
