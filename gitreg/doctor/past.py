"""Compares the files of today with history, and finds operations that history has twice."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from gitreg.core.model import layout
from gitreg.core.model.manifest import read_tombstone
from gitreg.core.model.names import format_version
from gitreg.core.state.change import OPERATION, trailers_of
from gitreg.core.state.taken_back import TakenBack, Undone, is_pointer
from gitreg.doctor.inspection import Inspection
from gitreg.errors import InvalidDocument
from gitreg.findings import Finding
from gitreg.git.log import RawChange, read_paths
from gitreg.git.repository import GitRepository

_Written = dict[str, tuple[str, str]]
"""Path to the commit that wrote it first, and the blob that this commit wrote."""


def examine(inspection: Inspection) -> Iterator[Finding]:
    """Yield differences between the registry and its own history.

    This takes two Git processes for a registry of any size. Blobs are compared by name, so no file
    is read.
    """
    repository, commit = inspection.repository, str(inspection.state.commit)
    if repository.is_shallow:
        return
    written: _Written = {}
    operations: dict[str, list[str]] = defaultdict(list)
    known = TakenBack()
    undone: dict[str, Undone] = {}
    for info, changes in read_paths(repository, commit):
        for name in dict.fromkeys(trailers_of(info.message).get(OPERATION, ())):
            operations[name].append(info.oid)
        moved = [(c.path, c.before, c.after) for c in changes if is_pointer(c.path)]
        for path, *_ in moved:
            undone.pop(path, None)
        undone |= {one.path: one for one in known.read(info.oid, info.message, moved)}
        for model in _ended_models(repository, changes):
            folder = f"{layout.model_path(model)}/"
            written = {
                path: first for path, first in written.items() if not path.startswith(folder)
            }
        for change in changes:
            if change.after is not None and _is_immutable(change.path):
                written.setdefault(change.path, (info.oid, change.after))
    yield from _done_twice(operations)
    yield from _taken_back(repository, undone)
    yield from _changed(inspection, written, _blobs(repository, commit))


def _ended_models(repository: GitRepository, changes: Iterable[RawChange]) -> Iterator[str]:
    """Yield the models that a commit deleted, renamed, or renamed back."""
    for change in changes:
        place = layout.locate(change.path)
        if place is None or place.kind != "deleted" or place.version is not None:
            continue
        if change.after is not None:
            yield place.model
            continue
        found = repository.reader.get(str(change.before))
        with contextlib.suppress(InvalidDocument):
            note = read_tombstone(b"" if found is None else found.data, change.path)
            if note.renamed_to is not None:
                yield note.renamed_to


def _is_immutable(path: str) -> bool:
    """Return whether a path belongs to the immutable files of a version."""
    place = layout.locate(path)
    if place is None:
        return False
    if place.kind == "manifest":
        return True
    name = PurePosixPath(path).name
    is_registered = name == layout.REQUIREMENTS or name.endswith(".dvc")
    return place.version is not None and place.kind == "other" and is_registered


def _done_twice(operations: Mapping[str, list[str]]) -> Iterator[Finding]:
    for name, commits in operations.items():
        if len(commits) > 1:
            short = [commit[:9] for commit in commits]
            yield Finding(
                "done-twice",
                "warning",
                name,
                f"{len(commits)} commits contain this operation, so it ran more than once: "
                f"{', '.join(short)}",
                f"git --no-pager show {' '.join(short)}",
            )


def _taken_back(repository: GitRepository, undone: Mapping[str, Undone]) -> Iterator[Finding]:
    for path, one in undone.items():
        yield Finding(
            "taken-back",
            "warning",
            path,
            f"{one.commit[:9]} ({repository.subject_of(one.commit)}) brought it back to what it "
            f"was before {one.operation[:9]} ({repository.subject_of(one.operation)}), and does "
            "not say so: a commit after a crash, or with an old index?",
            f"git --no-pager show {one.commit[:12]} -- {shlex.quote(path)}",
        )


def _blobs(repository: GitRepository, commit: str) -> dict[str, str]:
    listing = repository.run_at_root(
        "ls-tree", "-r", "-z", "--full-tree", commit, "--", f"{layout.ROOT}/"
    ).stdout
    entries = (entry.partition(b"\t") for entry in listing.split(b"\0") if entry)
    return {os.fsdecode(path): fields.split()[2].decode("ascii") for fields, _, path in entries}


def _changed(
    inspection: Inspection, written: _Written, now: Mapping[str, str]
) -> Iterator[Finding]:
    first: dict[tuple[str, int], str] = {}
    broken: dict[tuple[str, int], list[str]] = defaultdict(list)
    for path, (commit, blob) in written.items():
        place = layout.locate(path)
        assert place is not None
        assert place.version is not None
        pair = place.model, place.version
        first.setdefault(pair, commit)
        if now.get(path) != blob and layout.tombstone_path(*pair) not in now:
            broken[pair].append(path)
    for (model, version), paths in sorted(broken.items()):
        name = format_version(model, version)
        gone = not any(path.startswith(layout.version_path(model, version) + "/") for path in now)
        if gone:
            message = (
                f"it was registered in {first[model, version][:9]} and is gone, but was never "
                "deleted with gitreg"
            )
        else:
            files = ", ".join(PurePosixPath(path).name for path in paths)
            message = f"a version must never change, but since its registration {files} did"
        yield Finding(
            "version-gone" if gone else "version-changed",
            "error",
            name,
            message,
            _restore(name, paths, written),
        )
    for model in inspection.models:
        yield from _gaps(model, inspection.state.numbers(model), first)


def _restore(name: str, paths: list[str], written: _Written) -> str:
    """Return the command that restores and commits files as they were registered."""
    by_commit: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        by_commit[written[path][0]].append(path)
    steps = [
        f"git checkout {commit[:12]} -- {shlex.join(some)}" for commit, some in by_commit.items()
    ]
    reason = shlex.quote(f"restore {name} as it was registered")
    return " && ".join([*steps, f"git commit -m {reason} -- {shlex.join(paths)}"])


def _gaps(
    model: str, numbers: list[int], registered: Mapping[tuple[str, int], str]
) -> Iterator[Finding]:
    if not numbers or numbers[-1] == len(numbers):
        return
    present = set(numbers)
    last, skipped = 0, []
    # A hostile folder can have any number, so the code handles ranges, not single numbers.
    for number in sorted({*present, *(v for m, v in registered if m == model)}):
        if number > last + 1:
            skipped.append((last + 1, number - 1))
        last = number
    for start, end in skipped:
        span = str(start) if start == end else f"{start} to {end}"
        yield Finding(
            "number-gap",
            "warning",
            format_version(model, start),
            f"no commit of this branch registered {model} {span}, but later numbers exist",
            f"git --no-pager log --oneline -- {shlex.quote(layout.versions_path(model))}",
        )
