"""Whether two changes do the same, for operations that are repeated or reapplied.

Files are compared by what they say, not by their bytes: another release may have written the same
values with other quotes. Two questions have different answers where a run, not a request, decides
what a file says, as a manifest does of code and environment:

- `is_the_same_file`: would this run write the same file? A reviewer sees the file, so all of it
  counts, apart from the time.
- `is_the_same`: did a commit do what this request asks for? An operation may be repeated under its
  id later, from another checkout or machine, so only what the request decides counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from gitreg.core.model import layout, manifest
from gitreg.core.model.model import ModelVersion
from gitreg.core.state.change import Change, Edit
from gitreg.core.state.history import FileChange
from gitreg.core.state.state import RegistryState
from gitreg.errors import InvalidDocument

# What a file says, by its kind; other files say their bytes.
_READERS: dict[layout.Kind, Callable[[bytes, str], object]] = {
    "manifest": lambda data, path: replace(manifest.read_manifest(data, path), created_at=""),
    "model": lambda data, path: replace(manifest.read_model_document(data, path), created_at=None),
    "annotations": manifest.read_annotations,
    "stages": manifest.read_versions,
    "aliases": manifest.read_alias,
    # Only author and date: the reason is in the commit message.
    "deleted": lambda _data, _path: "deleted",
}

# The kinds of files whose content a run decides: `dvc.yaml`, requirements, a signature.
_OF_A_RUN: frozenset[layout.Kind | None] = frozenset({None, "other", "approval"})


def is_the_same_file(edit: Edit, there: bytes | None) -> bool:
    """Tell whether a file says what an edit would write, apart from the time."""
    return edit.content == there or _said(edit.content, edit.path) == _said(there, edit.path)


def is_the_same(change: Change, after: Callable[[str], bytes | None]) -> bool:
    """Tell whether a commit did what a change would do; ``False`` for a change without edits.

    Args:
        change: what the operation would do.
        after: returns a file's content after the commit, ``None`` for no file.
    """
    return bool(change.edits) and all(
        _requested(edit.content, edit.path) == _requested(after(edit.path), edit.path)
        for edit in change.edits
    )


def _said(data: bytes | None, path: str) -> object:
    """Return what a file says, apart from the time; ``None`` for no file."""
    kind = _kind(path)
    read = None if kind is None else _READERS.get(kind)
    if data is None or read is None:
        return data
    try:
        return read(data, path)
    except InvalidDocument:
        return data  # damaged by hand, so no operation wrote it


def _requested(data: bytes | None, path: str) -> object:
    """Return the part of what a file says that a request decides; ``None`` for no file."""
    if data is not None and _kind(path) in _OF_A_RUN:
        return "there"
    said = _said(data, path)
    if isinstance(said, ModelVersion):
        return said.artifact.sha256, said.metrics, said.params
    return said


def _kind(path: str) -> layout.Kind | None:
    place = layout.locate(path)
    return None if place is None else place.kind


def file_changes(state: RegistryState, change: Change) -> list[FileChange]:
    """Return what a change does to the files of a state."""
    before = state.snapshot.read_many(change.paths)
    return [
        FileChange(edit.path, old, edit.content)
        for edit, old in zip(change.edits, before, strict=True)
    ]


def named_versions(moved: Iterable[FileChange]) -> set[tuple[str, int]]:
    """Return the versions that a change registers, evaluates or newly points to."""
    named: set[tuple[str, int]] = set()
    for change in moved:
        place = layout.locate(change.path)
        if place is None or change.after is None:
            continue
        if place.kind in ("manifest", "evaluation") and place.version is not None:
            named.add((place.model, place.version))
        elif place.kind == "aliases":
            named.add((place.model, manifest.read_alias(change.after, change.path)))
        elif place.kind == "stages":
            before = manifest.read_versions(change.before, change.path)
            after = manifest.read_versions(change.after, change.path)
            named |= {(place.model, version) for version in set(after) - set(before)}
    return named
