"""Reads commits along the first parents, with what each did to the files of the registry."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from gitreg.core.model import layout
from gitreg.core.state.change import OPERATION, trailers_of
from gitreg.core.state.history import CommitInfo, FileChange
from gitreg.git.objects import NO_OBJECT
from gitreg.git.repository import GitRepository

_FORMAT = "%H%x00%P%x00%an <%ae>%x00%cn <%ce>%x00%ct%x00%cd%x00%B%x00"
"""The fields of a commit; a NUL ends each."""
# What a person likes to see of `git log` must not change what happened: the options of the call
# overrule the rest of the configuration, and these have none.
_AS_CONFIGURED_NOWHERE = ("-c", "log.showRoot=true", "-c", "log.follow=false")
_CHUNK = 500


@dataclass(frozen=True)
class RawChange:
    """A path whose blob a commit changed: names of the blobs, ``None`` for absent."""

    path: str
    before: str | None
    after: str | None


def first_parents_reach(repository: GitRepository, start: str, end: str) -> bool:
    """Tell whether ``start`` is among the first-parent ancestors of ``end``, or the same."""
    if start == end:
        return True
    listing = repository.run(
        "rev-list", "--first-parent", "--parents", end, f"^{start}", check=False
    )
    if listing.returncode != 0 or not listing.text:
        return False  # the commit is gone, or it is ahead
    parents = listing.text.rpartition("\n")[2].split()[1:]
    return bool(parents) and parents[0] == start


def read_commits(
    repository: GitRepository, start: str | None, end: str
) -> Iterator[tuple[CommitInfo, list[FileChange]]]:
    """Yield the commits after ``start`` up to ``end`` that touched the registry, oldest first.

    A merge is compared with its first parent: what it brought in is one event. Where that is just
    what one commit of the other side did, as with a pull request that is merged, author and
    message are of that commit: who pressed the button did not decide it, and does not say why.
    The commits at which a shallow clone was cut off are left out, because what they did cannot be
    seen.
    """
    commits = iter(_log(repository, start, end))
    while chunk := list(islice(commits, _CHUNK)):
        yield from zip(
            (commit for commit, _ in chunk),
            _with_contents(repository, [raw for _, raw in chunk]),
            strict=True,
        )


def read_paths(repository: GitRepository, end: str) -> list[tuple[CommitInfo, list[RawChange]]]:
    """Return the commits up to ``end`` as `read_commits` does, with paths and blobs alone."""
    return _log(repository, None, end)


def _log(
    repository: GitRepository, start: str | None, end: str
) -> list[tuple[CommitInfo, list[RawChange]]]:
    first_parents = ("--first-parent", "--diff-merges=first-parent")
    listing = _list(repository, end, *([f"^{start}"] if start else []), *first_parents)
    cut = _shallow_boundary(repository)
    commits = _parse(listing)
    commits.reverse()
    return [
        (_as_told(repository, commit, parents, changes), changes)
        for commit, parents, changes in commits
        if commit.oid not in cut
    ]


def _list(repository: GitRepository, *revisions: str) -> bytes:
    """Return what Git says of the commits that touched the registry, newest first."""
    return repository.run_at_root(
        *_AS_CONFIGURED_NOWHERE,
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
        "--encoding=UTF-8",
        "--date=raw",
        "--no-mailmap",
        "--no-notes",
        "--no-decorate",
        f"--format=tformat:{_FORMAT}",
        *revisions,
        "--",
        layout.ROOT,
    ).stdout


def _parse(listing: bytes) -> list[tuple[CommitInfo, list[str], list[RawChange]]]:
    """Return commits with their parents and changes, in the order in which they are listed."""
    fields = iter(listing.split(b"\0"))
    commits: list[tuple[CommitInfo, list[str], list[RawChange]]] = []
    for field in fields:
        text = field.lstrip(b"\n")
        if text.startswith(b":"):
            _, _, before, after, _ = text.decode("ascii").split(" ")
            raw = RawChange(
                os.fsdecode(next(fields)),
                None if before == NO_OBJECT else before,
                None if after == NO_OBJECT else after,
            )
            commits[-1][2].append(raw)
        elif text:
            commits.append((*_commit(text, fields), []))
    return commits


def _commit(oid: bytes, fields: Iterator[bytes]) -> tuple[CommitInfo, list[str]]:
    names, author, committer, time, date, message = (
        next(fields).decode("utf-8", "replace") for _ in range(6)
    )
    parents = names.split()
    commit = CommitInfo(
        oid.decode("ascii"),
        parents[0] if parents else None,
        author,
        committer,
        int(time),
        date.split()[1],
        message,
    )
    return commit, parents


def _as_told(
    repository: GitRepository, commit: CommitInfo, parents: list[str], changes: list[RawChange]
) -> CommitInfo:
    """Return a merge with author and message of the one commit that did all that it brings in.

    Approvals that were added to the branch are nothing that happened to a model. A merge that was
    changed by hand, or that brings in several operations, speaks for itself.
    """
    brought = _told_of(changes)
    if len(parents) != 2 or not brought or OPERATION in trailers_of(commit.message):
        return commit
    side = _list(repository, f"{parents[0]}..{parents[1]}", "--no-merges")
    tellers = [
        told
        for told, _, changed in _parse(side)
        if OPERATION in trailers_of(told.message) and _told_of(changed) == brought
    ]
    if len(tellers) != 1:
        return commit
    return replace(commit, author=tellers[0].author, message=tellers[0].message)


def _told_of(changes: list[RawChange]) -> set[RawChange]:
    """Return the changes that events are made of."""
    places = ((change, layout.locate(change.path)) for change in changes)
    return {change for change, place in places if place is not None and place.kind != "other"}


def _is_tombstone(place: layout.Place) -> bool:
    """Tell whether a place is what stays of a model: it says what that is called now."""
    return place.kind == "deleted" and place.version is None


def _shallow_boundary(repository: GitRepository) -> set[str]:
    if not repository.is_shallow:
        return set()
    return set((repository.common_dir / "shallow").read_text("ascii").split())


def _with_contents(
    repository: GitRepository, commits: list[list[RawChange]]
) -> Iterator[list[FileChange]]:
    """Yield the changes of each commit; of files only those are read that history is told from."""
    wanted: dict[str, bytes] = {}
    for raw in (change for commit in commits for change in commit):
        place = layout.locate(raw.path)
        if place is not None and (place.pointer is not None or _is_tombstone(place)):
            wanted.update((oid, b"") for oid in (raw.before, raw.after) if oid)
    oids = list(wanted)
    for oid, found in zip(oids, repository.reader.get_many(oids), strict=True):
        # A gitlink's commit is not here; it holds nothing that a pointer could.
        wanted[oid] = found.data if found is not None and found.kind == "blob" else b""
    for commit in commits:
        # Commit by commit: a thousand texts of a mebibyte are not kept.
        known = wanted | _texts(repository, commit)
        yield [
            FileChange(
                raw.path,
                None if raw.before is None else known.get(raw.before, b""),
                None if raw.after is None else known.get(raw.after, b""),
            )
            for raw in commit
        ]


def _texts(repository: GitRepository, commit: list[RawChange]) -> dict[str, bytes]:
    """Return what people said of a model or a version, before and after a commit, by blob.

    What came together with the version is no change of it, and there are many of these.
    """
    places = [(raw, layout.locate(raw.path)) for raw in commit]
    born = {
        (place.model, place.version)
        for raw, place in places
        if place is not None and place.kind == "manifest" and raw.before is None
    }
    oids = [
        oid
        for raw, place in places
        if place is not None and place.kind in ("annotations", "model")
        if (place.model, place.version) not in born
        for oid in (raw.before, raw.after)
        if oid is not None
    ]
    found = repository.reader.get_many(oids) if oids else []
    return {oid: blob.data for oid, blob in zip(oids, found, strict=True) if blob is not None}
