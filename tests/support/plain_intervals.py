"""Intervals by a fold that knows only the files of each commit: what the timeline is held against.

It shares no code with gitreg: numbers are read from pointer files by a regular expression.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from tests.conftest import git


@dataclass(frozen=True)
class Plain:
    """One version in one pointer file, from commit to commit; times are seconds."""

    model: str
    pointer: str
    version: int
    commit: str
    ended_commit: str | None
    since: int
    until: int | None


Snapshot = tuple[str, int, Mapping[str, bytes]]
"""A commit, its committer's date, and files."""


def held(files: Mapping[str, bytes]) -> dict[tuple[str, str], set[int]]:
    """Return what the pointer files hold."""
    found: dict[tuple[str, str], set[int]] = {}
    for path, content in files.items():
        match = re.fullmatch(r"registry/([^/]+)/((?:stages|aliases)/.+)\.yaml", path)
        if match:
            found[match[1], match[2]] = {int(number) for number in re.findall(rb"\d+", content)}
    return found


def plain_fold(snapshots: Iterable[Snapshot]) -> set[Plain]:
    """Return the intervals of versions, of snapshots from the oldest to the newest."""
    began: dict[tuple[str, str, int], tuple[str, int]] = {}
    done = set()
    before: dict[tuple[str, str], set[int]] = {}
    for oid, time, files in snapshots:
        after = held(files)
        for key in {*before, *after}:
            for number in before.get(key, set()) - after.get(key, set()):
                since = began.pop((*key, number))
                done.add(Plain(*key, number, since[0], oid, since[1], time))
            for number in after.get(key, set()) - before.get(key, set()):
                began[(*key, number)] = oid, time
        before = after
    return done | {Plain(*key, oid, None, time, None) for key, (oid, time) in began.items()}


def first_parents(folder: Path) -> list[Snapshot]:
    """Return the first-parent line of a repository, with the files of its registry."""
    found: list[Snapshot] = []
    for entry in git(folder, "log", "--first-parent", "--reverse", "--format=%H %ct").splitlines():
        oid, time = entry.split()
        paths = git(folder, "ls-tree", "-r", "--name-only", oid, "registry").splitlines()
        pointers = [path for path in paths if "/stages/" in path or "/aliases/" in path]
        files = {path: git(folder, "show", f"{oid}:{path}").encode() for path in pointers}
        found.append((oid, int(time), files))
    return found


def second(text: str) -> int:
    """Return a time of gitreg's JSON in seconds since the epoch."""
    moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    return int(moment.timestamp())
