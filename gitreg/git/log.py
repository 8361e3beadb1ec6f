"""Reads commits along the first parents, with each commit's changes to the registry's files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from gitreg.core.model import layout
from gitreg.core.state.change import OPERATION
from gitreg.core.state.history import CommitInfo, FileChange
from gitreg.git.commit_info import read_commit_info
from gitreg.git.objects import NO_OBJECT
from gitreg.git.repository import GitRepository

_FORMAT = "%H%x00%P%x00"
"""Which commits, and their parents; a NUL ends each. The rest is read from the objects."""
# The user's `git log` settings must not change the result. Command-line options override the other
# settings; these two have no option.
_DEFAULT_LOG = ("-c", "log.showRoot=true", "-c", "log.follow=false")
_CHUNK = 500


class RawChange(NamedTuple):
    """A path whose blob a commit changed: the blobs' names, ``None`` for an absent file."""

    path: str
    before: str | None
    after: str | None


def first_parents_reach(repository: GitRepository, start: str, end: str) -> bool:
    """Return whether ``start`` is ``end`` or one of its first-parent ancestors."""
    if start == end:
        return True
    listing = repository.run(
        "rev-list", "--first-parent", "--parents", end, f"^{start}", check=False
    )
    if listing.returncode != 0 or not listing.text:
        return False  # `start` is gone, or it is ahead of `end`
    parents = listing.text.rpartition("\n")[2].split()[1:]
    return bool(parents) and parents[0] == start


def read_commits(
    repository: GitRepository,
    start: str | Sequence[str] | None,
    end: str,
    folder: str = layout.ROOT,
) -> Iterator[tuple[CommitInfo, list[FileChange]]]:
    """Yield the commits after ``start`` up to ``end`` that changed a folder, oldest first.

    Each comes with the changes that make up events.

    A merge is compared with its first parent, so everything that it merges is one event. If a
    single commit of the other side made all these changes, as in a merged pull request, author and
    message come from that commit: the person who pressed the button did not make the decision and
    does not give the reason. The boundary commits of a shallow clone are left out, because their
    changes are unknown.

    Args:
        repository: where they are.
        start: the commit, or commits, whose history is left out.
        end: the last commit.
        folder: the only folder whose changes are told.
    """
    since = [start] if isinstance(start, str) else start or ()
    found = _log(repository, since, end, folder)
    if repository.lacks_files:  # one request, not one for each chunk
        repository.bring([oid for _, raw in found for oid in _read_of(_located(raw))])
    commits = iter(found)
    while chunk := list(islice(commits, _CHUNK)):
        yield from zip(
            (commit for commit, _ in chunk),
            _with_contents(repository, [raw for _, raw in chunk]),
            strict=True,
        )


def read_paths(repository: GitRepository, end: str) -> list[tuple[CommitInfo, list[RawChange]]]:
    """Return the commits up to ``end`` as `read_commits` does, with paths and blobs alone."""
    return _log(repository, (), end)


def _log(
    repository: GitRepository, since: Sequence[str], end: str, folder: str = layout.ROOT
) -> list[tuple[CommitInfo, list[RawChange]]]:
    first_parents = ("--first-parent", "--diff-merges=first-parent")
    listing = _list(repository, folder, end, *(f"^{start}" for start in since), *first_parents)
    cut = set(repository.shallow_commits())
    commits = _parse(repository, listing)
    commits.reverse()
    return [
        (_credit_merged(repository, commit, parents, changes), changes)
        for commit, parents, changes in commits
        if commit.oid not in cut
    ]


def _list(repository: GitRepository, folder: str, *revisions: str) -> bytes:
    """Return `git log`'s output for the commits that changed a folder, newest first."""
    return repository.run_at_root(
        *_DEFAULT_LOG,
        "log",
        "--raw",
        "-r",
        "-z",
        "-O/dev/null",
        "--ignore-submodules=none",
        "--no-renames",
        "--no-relative",
        "--no-abbrev",
        "--no-color",
        "--no-notes",
        "--no-decorate",
        f"--format=tformat:{_FORMAT}",
        *revisions,
        "--",
        folder,
    ).stdout


def _parse(
    repository: GitRepository, listing: bytes
) -> list[tuple[CommitInfo, list[str], list[RawChange]]]:
    """Return commits with their parents and changes, in the order of the listing."""
    fields = iter(listing.split(b"\0"))
    found: list[tuple[str, list[str], list[RawChange]]] = []
    for field in fields:
        text = field.lstrip(b"\n").decode("ascii")
        if text.startswith(":"):
            _, _, before, after, _ = text.split(" ")
            raw = RawChange(
                os.fsdecode(next(fields)),
                None if before == NO_OBJECT else before,
                None if after == NO_OBJECT else after,
            )
            found[-1][2].append(raw)
        elif text:
            found.append((text, next(fields).decode("ascii").split(), []))
    objects = repository.reader.get_many([oid for oid, _, _ in found])
    return [
        (_with_parent(read_commit_info(commit), next(iter(parents), None)), parents, changes)
        for (_, parents, changes), commit in zip(found, objects, strict=True)
        if commit is not None
    ]


def _with_parent(commit: CommitInfo, parent: str | None) -> CommitInfo:
    """Return a commit with the first parent that Git sees: none where a clone is cut off."""
    return commit if commit.parent == parent else replace(commit, parent=parent)


def _credit_merged(
    repository: GitRepository, commit: CommitInfo, parents: list[str], changes: list[RawChange]
) -> CommitInfo:
    """Return a merge with author and message of the single commit that made all its changes.

    Approvals added to the branch do not count: they change no model. A merge edited by hand, or
    with several operations, keeps its own author and message.
    """
    if len(parents) != 2 or OPERATION in commit.trailers:
        return commit
    merged = _event_changes(changes)
    if not merged:
        return commit
    side = _list(repository, layout.ROOT, f"{parents[0]}..{parents[1]}", "--no-merges")
    sources = [
        source
        for source, _, changed in _parse(repository, side)
        if OPERATION in source.trailers and _event_changes(changed) == merged
    ]
    if len(sources) != 1:
        return commit
    return replace(commit, author=sources[0].author, message=sources[0].message)


def _event_changes(changes: list[RawChange]) -> set[RawChange]:
    """Return the changes that make up events."""
    return {raw for _, raw in _located(changes)}


def _is_tombstone(place: layout.Place) -> bool:
    """Return whether a place is a model's tombstone, which names the model's new name."""
    return place.kind == "deleted" and place.version is None


def _with_contents(
    repository: GitRepository, commits: list[list[RawChange]]
) -> Iterator[list[FileChange]]:
    """Yield the changes that make up events, of each commit; only the files needed are read."""
    located = [_located(commit) for commit in commits]
    wanted = dict.fromkeys((oid for commit in located for oid in _read_of(commit)), b"")
    oids = list(wanted)
    for oid, found in zip(oids, repository.reader.get_many(oids), strict=True):
        # The commit of a submodule is not in this repository, and it is no pointer.
        wanted[oid] = found.data if found is not None and found.kind == "blob" else b""
    for commit in located:
        # Commit by commit, so that a thousand texts of a mebibyte are not kept in memory.
        texts = _texts(repository, commit)
        known = {**wanted, **texts} if texts else wanted
        yield [
            FileChange(
                raw.path,
                None if raw.before is None else known.get(raw.before, b""),
                None if raw.after is None else known.get(raw.after, b""),
            )
            for _, raw in commit
        ]


_Located = tuple[layout.Place, RawChange]


def _read_of(commit: list[_Located]) -> Iterator[str]:
    """Yield the blobs of a commit that are read together with those of other commits."""
    for place, raw in commit:
        if place.pointer is not None or _is_tombstone(place):
            yield from (oid for oid in (raw.before, raw.after) if oid)
        elif place.kind == "manifest" and raw.before is None and raw.after is not None:
            yield raw.after  # it may name a tag that the version has already


def _located(commit: list[RawChange]) -> list[_Located]:
    """Return the changes that make up events, with what they are about."""
    places = ((layout.locate(raw.path), raw) for raw in commit if raw.path.endswith(layout.TOLD))
    return [(place, raw) for place, raw in places if place is not None and place.kind != "other"]


def _texts(repository: GitRepository, commit: list[_Located]) -> dict[str, bytes]:
    """Return the annotations of models and versions before and after a commit, by blob.

    Annotations that arrive in the same commit as their version are skipped: they change nothing,
    and there are many.
    """
    texts = [one for one in commit if one[0].kind in ("annotations", "model")]
    if not texts:
        return {}
    registered = {
        (place.model, place.version)
        for place, raw in commit
        if place.kind == "manifest" and raw.before is None
    }
    oids = [
        oid
        for place, raw in texts
        if (place.model, place.version) not in registered
        for oid in (raw.before, raw.after)
        if oid is not None
    ]
    repository.bring(oids)
    found = repository.reader.get_many(oids) if oids else []
    return {oid: blob.data for oid, blob in zip(oids, found, strict=True) if blob is not None}
