"""Reads every commit of a range and its differences from each parent, for `gitreg check`.

No commit is left out: not a merge, not one with an odd date, not one without registry files.
Renames are never guessed. Three Git processes list plain differences with modes.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TypeAlias

from gitreg.core.state.history import CommitInfo
from gitreg.errors import GitError
from gitreg.git import process
from gitreg.git.objects import NO_OBJECT, GitObject, parse_tree
from gitreg.git.repository import GitRepository

_Bases: TypeAlias = "list[tuple[tuple[str, str], str | None]]"
_Touched: TypeAlias = "dict[tuple[str, str | None], frozenset[str]]"

_PERSON = re.compile(r"(?P<who>.*?<[^<>]*>)(?: (?P<time>-?\d{1,15}) (?P<zone>[-+]\d{1,8}))?.*")
_DIFF = (
    "-r",
    "-z",
    "--raw",
    "--no-renames",
    "--no-abbrev",
    "--no-relative",
    "--ignore-submodules=none",
    "-O/dev/null",
)


@dataclass(frozen=True)
class Difference:
    """A path that differs between a commit and its parent; mode 0 and ``None`` mean absent."""

    path: str
    mode_before: int
    mode: int
    blob_before: str | None
    blob: str | None


@dataclass(frozen=True)
class ReadCommit:
    """A commit, with its differences from each parent.

    Attributes:
        info: the commit's author, committer, time and message.
        parents: all parents; empty for a root.
        differences: for each parent, the differing paths; for a root, from the empty tree.
        brought: only for a merge: for each parent, the paths that another parent changed since the
            merge base, and this parent did not.
        children: how many commits of the range have this commit as a parent.
        onto: the commit of the first-parent line on which this one landed: its own first parent,
            or for a merged commit the first parent of the merge; ``None`` at the start of history.
        on_line: whether it is on that line itself.
    """

    info: CommitInfo
    parents: tuple[str, ...]
    differences: tuple[tuple[Difference, ...], ...]
    brought: tuple[frozenset[str], ...] = ()
    children: int = 0
    onto: str | None = None
    on_line: bool = False


def is_sound_tree(data: bytes) -> bool:
    """Return whether the entries of a tree object are in Git's order, each name once.

    A Git lookup stops where the name should be, so some commands find an entry that is out of
    order, and others do not.
    """
    entries = parse_tree(data)
    keys = [os.fsencode(e.name) + (b"/" if e.is_folder else b"") for e in entries]
    return keys == sorted(keys) and len({e.name for e in entries}) == len(entries)


def read_commit_info(found: GitObject) -> CommitInfo:
    """Return the fields of a commit object, even of a malformed one."""
    header, _, message = found.data.partition(b"\n\n")
    values: dict[str, str] = {}
    parents = []
    for line in header.decode("utf-8", "replace").split("\n"):
        key, _, value = line.partition(" ")
        if key == "parent":
            parents.append(value)
        elif key:
            values.setdefault(key, value)
    people = {role: _PERSON.fullmatch(values.get(role, "")) for role in ("author", "committer")}
    author, committer = people["author"], people["committer"]
    return CommitInfo(
        found.oid,
        parents[0] if parents else None,
        author["who"] if author else values.get("author", ""),
        committer["who"] if committer else values.get("committer", ""),
        int(committer["time"] or 0) if committer else 0,
        (committer["zone"] or "+0000") if committer else "+0000",
        message.decode("utf-8", "replace"),
    )


def read_steps(repository: GitRepository, bases: Sequence[str], head: str) -> Iterator[ReadCommit]:
    """Yield the commits of ``head`` that no commit of ``bases`` has, parents before children.

    A commit that landed on a commit of the first-parent line also comes after that one.

    Args:
        repository: where to read.
        bases: commits; empty for the whole history.
        head: a commit.

    Raises:
        GitError: the boundary of a shallow clone is inside the range, so the changes of its first
            commits are unknown.
    """
    listing = repository.run(
        "rev-list",
        "--parents",
        "--topo-order",
        "--reverse",
        head,
        *(f"^{base}" for base in bases),
        "--",
    )
    commits = [line.split() for line in listing.text.splitlines()]
    _refuse_cut(repository, commits)
    place, line = _places(commits)
    onto = [next(iter(parents), None) for _, *parents in line]
    commits.sort(key=lambda words: place[words[0]])
    # In chunks, so that the history need not fit into memory.
    children = Counter(parent for _, *parents in commits for parent in dict.fromkeys(parents))
    for start in range(0, len(commits), 500):
        for read in _read(repository, commits[start : start + 500], children):
            number = place[read.info.oid]
            on_line = line[number][0] == read.info.oid
            yield replace(read, onto=onto[number], on_line=on_line)


def _places(commits: Sequence[Sequence[str]]) -> tuple[dict[str, int], list[list[str]]]:
    """Return each commit's place on the first-parent line, and that line's commits with parents.

    Args:
        commits: each with its parents, which come before it; the last is the end of the line.
    """
    parents = {oid: others for oid, *others in commits}
    line: list[str] = []
    at: str | None = commits[-1][0] if commits else None
    while at in parents:
        line.append(at)
        at = next(iter(parents[at]), None)
    line.reverse()
    place = {oid: number for number, oid in enumerate(line)}
    for oid, *others in reversed(commits):
        for parent in others:
            if parent in parents:
                # A commit that two merges contain belongs to the first merge.
                place[parent] = min(place.get(parent, place[oid]), place[oid])
    return place, [[oid, *parents[oid]] for oid in line]


def _refuse_cut(repository: GitRepository, commits: Sequence[Sequence[str]]) -> None:
    roots = [words[0] for words in commits if len(words) == 1]
    if not roots:  # a commit at the shallow boundary looks like a root
        return
    for found in repository.reader.get_many(roots):
        if found is not None and b"\nparent " in found.data.partition(b"\n\n")[0]:
            raise GitError(
                f"this clone is shallow: its history starts at {found.oid[:9]}, whose changes are "
                "unknown",
                hint="git fetch --unshallow, or in a workflow check out with fetch-depth: 0",
            )


def _read(
    repository: GitRepository, commits: Sequence[Sequence[str]], children: Mapping[str, int]
) -> Iterator[ReadCommit]:
    bases = {words[0]: _merge_bases(repository, words[1:]) for words in commits if words[2:]}
    touched = _touched(repository, bases.values())
    pairs: list[tuple[str, str | None]] = []
    for oid, *parents in commits:
        pairs += [(oid, parent) for parent in parents] or [(oid, None)]
    differences = dict(zip(pairs, _differences(repository, pairs), strict=True))
    objects = repository.reader.get_many([words[0] for words in commits])
    for (oid, *parents), commit in zip(commits, objects, strict=True):
        if commit is None:
            raise GitError(f"commit {oid[:9]} cannot be read")
        from_each = tuple(differences[oid, parent] for parent in parents or (None,))
        brought = _brought(parents, from_each, bases[oid], touched) if oid in bases else ()
        yield ReadCommit(
            read_commit_info(commit), tuple(parents), from_each, brought, children.get(oid, 0)
        )


def _merge_bases(repository: GitRepository, parents: Sequence[str]) -> _Bases:
    """Return the merge bases of every pair of parents; ``None`` for a pair without one."""
    found: _Bases = []
    for one, other in combinations(dict.fromkeys(parents), 2):
        done = repository.run("merge-base", "--all", one, other, check=False)
        if done.returncode not in (0, 1):
            raise process.failure("merge-base", done)
        found += [((one, other), base) for base in done.text.split() or (None,)]
    return found


def _differences(
    repository: GitRepository, pairs: Sequence[tuple[str, str | None]]
) -> Iterator[tuple[Difference, ...]]:
    """Yield the differences of each pair: a commit, and the commit to use as its parent."""
    done = repository.run(
        "diff-tree",
        "--stdin",
        "--root",
        "--always",
        "-m",
        *_DIFF,
        stdin="".join(f"{' '.join(filter(None, pair))}\n" for pair in pairs).encode("ascii"),
    )
    fields = iter(done.stdout.split(b"\0"))
    current: list[Difference] | None = None
    for head in fields:
        if head.startswith(b":"):
            assert current is not None
            current.append(_difference(head, next(fields)))
            continue
        if current is not None:  # a header ends the previous commit
            yield tuple(current)
        current = []


def differences_between(
    repository: GitRepository, before: str, after: str
) -> tuple[Difference, ...]:
    """Return the paths at which two commits differ."""
    return next(iter(_differences(repository, [(after, before)])))


def _difference(head: bytes, path: bytes) -> Difference:
    mode_before, mode, before, after, _ = head.decode("ascii").lstrip(":").split(" ")
    return Difference(
        os.fsdecode(path),
        int(mode_before, 8),
        int(mode, 8),
        None if before == NO_OBJECT else before,
        None if after == NO_OBJECT else after,
    )


def _touched(repository: GitRepository, bases: Iterable[_Bases]) -> _Touched:
    """Return the paths that each side of a merge changed since a merge base."""
    pairs = list(
        dict.fromkeys((side, base) for found in bases for sides, base in found for side in sides)
    )
    known = [(side, base) for side, base in pairs if base is not None]
    differences = zip(known, _differences(repository, known), strict=True) if known else ()
    touched: _Touched = {
        pair: frozenset(entry.path for entry in found) for pair, found in differences
    }
    for side, base in pairs:
        if base is None:  # unrelated histories: a side added every path that it has
            listing = repository.run(
                "ls-tree", "-r", "-z", "--name-only", "--full-tree", side
            ).stdout
            touched[side, base] = frozenset(map(os.fsdecode, filter(None, listing.split(b"\0"))))
    return touched


def _brought(
    parents: Sequence[str],
    from_each: Sequence[tuple[Difference, ...]],
    bases: _Bases,
    touched: _Touched,
) -> tuple[frozenset[str], ...]:
    """Return, for each parent of a merge, the paths that only other parents changed.

    A merge can also restore one side's old content of a path that the other side changed. The
    result then equals a parent's, but it undoes the other side's work, so such a path is not
    returned.
    """
    differing = [{difference.path for difference in found} for found in from_each]
    brought = []
    for mine, parent in enumerate(parents):
        paths: set[str] = set()
        for (one, other), base in bases:
            if parent in (one, other):
                theirs = parents.index(other if parent == one else one)
                paths |= differing[mine] - differing[theirs] - touched[parent, base]
        brought.append(frozenset(paths))
    return tuple(brought)
