"""Reads every commit of a range and its differences from each parent, for `gitreg check`.

No commit is left out: not a merge, not one with an odd date, not one without registry files.
Renames are never guessed. Three Git processes list plain differences with modes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TypeAlias

from gitreg.core.model import layout
from gitreg.core.state.history import CommitInfo
from gitreg.errors import GitError, InvalidRequest
from gitreg.git.commit_info import fault_of_commit, read_commit_info
from gitreg.git.criss_cross import CrissCross, merge_bases
from gitreg.git.objects import NO_OBJECT, parse_tree
from gitreg.git.repository import GitRepository
from gitreg.git.sizes import headers

_Bases: TypeAlias = "list[tuple[tuple[str, str], str | None]]"
_Touched: TypeAlias = "dict[tuple[str, str | None], frozenset[str]]"

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


MOST_PARENTS = 16
"""The most parents of a merge that changes the registry: each pair of sides is compared."""

MOST_BYTES = 2 * 1024 * 1024
"""The largest file of the registry, or commit object, that a check reads."""

_AT_ONCE = 500


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
        fault: why programs read the commit object differently, or ``None``.
        large: the files of the registry that are larger than `MOST_BYTES`: they are not to be read.
        on_line: whether it is on that line itself.
    """

    info: CommitInfo
    parents: tuple[str, ...]
    differences: tuple[tuple[Difference, ...], ...]
    brought: tuple[frozenset[str], ...] = ()
    children: int = 0
    onto: str | None = None
    fault: str | None = None
    large: tuple[str, ...] = ()
    on_line: bool = False


def is_sound_tree(data: bytes) -> bool:
    """Return whether the entries of a tree object are in Git's order, each name once.

    A Git lookup stops where the name should be, so some commands find an entry that is out of
    order, and others do not.
    """
    entries = parse_tree(data)
    keys = [os.fsencode(e.name) + (b"/" if e.is_folder else b"") for e in entries]
    return keys == sorted(keys) and len({e.name for e in entries}) == len(entries)


def read_steps(
    repository: GitRepository, bases: Sequence[str], head: str, *, most: int | None = None
) -> Iterator[ReadCommit]:
    """Yield the commits of ``head`` that no commit of ``bases`` has, parents before children.

    A commit that landed on a commit of the first-parent line also comes after that one.

    Args:
        repository: where to read.
        bases: commits; empty for the whole history.
        head: a commit.
        most: the most commits that are read.

    Raises:
        InvalidRequest: there are more.
        GitError: the boundary of a shallow clone is inside the range, so the changes of its first
            commits are unknown.
    """
    listing = repository.run(
        "rev-list",
        "--parents",
        "--topo-order",
        "--reverse",
        *(() if most is None else (f"--max-count={most + 1}",)),
        head,
        *(f"^{base}" for base in bases),
        "--",
    )
    commits = [line.split() for line in listing.text.splitlines()]
    if most is not None and len(commits) > most:
        raise InvalidRequest(
            f"more than {most} commits up to {head[:9]}",
            hint="push them in parts, or on the server: git config gitreg.mostCommits",
        )
    _refuse_cut(repository, commits)
    place, line = _places(commits)
    onto = [next(iter(parents), None) for _, *parents in line]
    commits.sort(key=lambda words: place[words[0]])
    # In chunks, so that the history need not fit into memory.
    children = Counter(parent for _, *parents in commits for parent in dict.fromkeys(parents))
    for start in range(0, len(commits), _AT_ONCE):
        for read in _read(repository, commits[start : start + _AT_ONCE], children):
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
    pairs: list[tuple[str, str | None]] = []
    for oid, *parents in commits:
        pairs += [(oid, parent) for parent in parents] or [(oid, None)]
    differences = dict(zip(pairs, _differences(repository, pairs), strict=True))
    known = headers(repository, _to_measure(commits, differences.values()))
    bases = {
        oid: _merge_bases(repository, parents, [differences[oid, parent] for parent in parents])
        for oid, *parents in commits
        if 1 < len(parents) <= MOST_PARENTS
    }
    touched = _touched(repository, bases.values())
    criss_cross = CrissCross(repository)
    for oid, *_ in commits:
        if oid in known and known[oid].size > MOST_BYTES:
            raise InvalidRequest(f"commit {oid[:9]} is larger than {MOST_BYTES} bytes")
    objects = repository.reader.get_many([words[0] for words in commits])
    for (oid, *parents), commit in zip(commits, objects, strict=True):
        if commit is None:
            raise GitError(f"commit {oid[:9]} cannot be read")
        from_each = tuple(differences[oid, parent] for parent in parents or (None,))
        brought = (
            _brought(parents, from_each, bases[oid], touched, criss_cross) if oid in bases else ()
        )
        yield ReadCommit(
            read_commit_info(commit),
            tuple(parents),
            from_each,
            brought,
            children.get(oid, 0),
            fault=fault_of_commit(commit.data),
            large=tuple(
                entry.path
                for entry in dict.fromkeys(entry for found in from_each for entry in found)
                if entry.blob in known and known[entry.blob].size > MOST_BYTES
            ),
        )


def _to_measure(
    commits: Sequence[Sequence[str]], differences: Iterable[Sequence[Difference]]
) -> Iterator[str]:
    """Yield the commits, and the files of the registry that they bring."""
    yield from (words[0] for words in commits)
    for entry in (entry for found in differences for entry in found):
        if entry.blob is not None and (
            entry.path.startswith(f"{layout.ROOT}/") or entry.path == layout.DVC_YAML
        ):
            yield entry.blob


def _merge_bases(
    repository: GitRepository,
    parents: Sequence[str],
    differences: Sequence[Sequence[Difference]],
) -> _Bases:
    """Return the merge bases of pairs of parents; ``None`` for a pair without one.

    A pair matters only where the merge differs from one of the two and not from the other: so a
    merge of many sides, of which one did something, asks once for each side.
    """
    found: _Bases = []
    differing = {
        parent: {entry.path for entry in entries}
        for parent, entries in zip(parents, differences, strict=True)
    }
    for one, other in combinations(dict.fromkeys(parents), 2):
        if differing[one] == differing[other]:
            continue
        found += [((one, other), base) for base in merge_bases(repository, one, other) or (None,)]
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
    criss_cross: CrissCross,
) -> tuple[frozenset[str], ...]:
    """Return, for each parent of a merge, the paths that only other parents changed.

    A merge can also restore one side's old content of a path that the other side changed. The
    result then equals a parent's, but it undoes the other side's work, so such a path is not
    returned.
    """
    differing = [{difference.path for difference in found} for found in from_each]
    brought = []
    for mine, parent in enumerate(parents):
        since: dict[str, list[frozenset[str]]] = {}
        for (one, other), base in bases:
            if parent in (one, other):
                them = other if parent == one else one
                since.setdefault(them, []).append(touched[parent, base])
        paths: set[str] = set()
        for them, each in since.items():
            theirs = differing[mine] - differing[parents.index(them)]
            paths |= theirs.difference(*each)
            # Of several bases some may be from before a change that the others have.
            unclear = theirs.intersection(frozenset().union(*each)).difference(
                frozenset.intersection(*each)
            )
            paths |= {path for path in unclear if criss_cross.left_alone(parent, them, path)}
        brought.append(frozenset(paths))
    return tuple(brought)
