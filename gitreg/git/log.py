"""Reads commits along the first parents, with what each did to the files of the registry."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from gitreg import layout
from gitreg.git.repository import GitRepository
from gitreg.history import CommitInfo, FileChange

_FORMAT = "%H%x00%P%x00%an <%ae>%x00%cn <%ce>%x00%ct%x00%cd%x00%B%x00"
"""The fields of a commit; a NUL ends each."""
# What a person likes to see of `git log` must not change what happened: the options of the call
# overrule the rest of the configuration, and these have none.
_AS_CONFIGURED_NOWHERE = ("-c", "log.showRoot=true", "-c", "log.follow=false")
_ABSENT = "0" * 40
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

    A merge is compared with its first parent: what it brought in is one event. The commits at
    which a shallow clone was cut off are left out, because what they did cannot be seen.
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
    listing = repository.run_at_root(
        *_AS_CONFIGURED_NOWHERE, "log", "--first-parent", "--diff-merges=first-parent", "--raw",
        "-r", "-z", "-O/dev/null", "--ignore-submodules=none", "--no-renames", "--no-relative",
        "--no-abbrev", "--no-color", "--encoding=UTF-8", "--date=raw", "--no-mailmap",
        "--no-notes", "--no-decorate", f"--format=tformat:{_FORMAT}",
        end, *([f"^{start}"] if start else []), "--", layout.ROOT,
    )  # fmt: skip
    cut = _shallow_boundary(repository)
    fields = iter(listing.stdout.split(b"\0"))
    commits: list[tuple[CommitInfo, list[RawChange]]] = []
    for field in fields:
        text = field.lstrip(b"\n")
        if text.startswith(b":"):
            _, _, before, after, _ = text.decode("ascii").split(" ")
            raw = RawChange(
                os.fsdecode(next(fields)),
                None if before == _ABSENT else before,
                None if after == _ABSENT else after,
            )
            commits[-1][1].append(raw)
        elif text:
            commits.append((_commit(text, fields), []))
    commits.reverse()
    return [entry for entry in commits if entry[0].oid not in cut]


def _commit(oid: bytes, fields: Iterator[bytes]) -> CommitInfo:
    parents, author, committer, time, date, message = (
        next(fields).decode("utf-8", "replace") for _ in range(6)
    )
    return CommitInfo(
        oid.decode("ascii"),
        parents.split()[0] if parents else None,
        author,
        committer,
        int(time),
        date.split()[1],
        message,
    )


def _shallow_boundary(repository: GitRepository) -> set[str]:
    if not repository.is_shallow:
        return set()
    return set((repository.common_dir / "shallow").read_text("ascii").split())


def _with_contents(
    repository: GitRepository, commits: list[list[RawChange]]
) -> Iterator[list[FileChange]]:
    """Yield the changes of each commit; only pointer files are read, the others are just named."""
    wanted: dict[str, bytes] = {}
    for raw in (change for commit in commits for change in commit):
        place = layout.locate(raw.path)
        if place is not None and place.pointer is not None:
            wanted.update((oid, b"") for oid in (raw.before, raw.after) if oid)
    oids = list(wanted)
    for oid, found in zip(oids, repository.reader.get_many(oids), strict=True):
        # A gitlink's commit is not here; it holds nothing that a pointer could.
        wanted[oid] = found.data if found is not None and found.kind == "blob" else b""
    for commit in commits:
        yield [
            FileChange(
                raw.path,
                None if raw.before is None else wanted.get(raw.before, b""),
                None if raw.after is None else wanted.get(raw.after, b""),
            )
            for raw in commit
        ]
