"""What a published registry must be after whatever happened to it: one judge for all tests.

Read with plain Git as far as it goes, so that gitreg's index and its bugs are no witnesses in
their own case. Used by the tests of races and crashes, and by the benchmark under load; it needs
no pytest.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

from gitreg import Registry

_POINTER = re.compile(r"registry/([^/]+)/((?:stages|aliases)/[^/]+)\.yaml")
_MANIFEST = re.compile(r"registry/([^/]+)/versions/(\d+)/manifest\.yaml")
_VERSION_FILE = re.compile(r"registry/([^/]+)/versions/(\d+)/([^/]+)")
_ABSENT = "0" * 40


@dataclass(frozen=True)
class Written:
    """A path that a commit changed: blob before and after, ``None`` for absent."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Commit:
    """A commit of the branch, as plain Git tells it."""

    oid: str
    parents: tuple[str, ...]
    message: str
    written: tuple[Written, ...] = field(repr=False)

    @property
    def is_merge(self) -> bool:
        return len(self.parents) > 1

    @property
    def trailers(self) -> list[tuple[str, str]]:
        last = self.message.rstrip().split("\n\n")[-1]
        pairs = (line.partition(": ") for line in last.splitlines())
        return [(key.removeprefix("Gitreg-"), value) for key, _, value in pairs if "Gitreg-" in key]

    @property
    def operations(self) -> list[str]:
        return [value for key, value in self.trailers if key == "Op"]


def check_registry(
    origin: Path,
    acknowledged: Iterable[str],
    *,
    branch: str = "main",
    store: Path | None = None,
    linear: bool = True,
) -> None:
    """Fail with all that is wrong with a published registry.

    Args:
        origin: the bare repository that is published on.
        acknowledged: ids of the operations that were told to be done.
        branch: the branch that is published.
        store: the folder that is the DVC remote, ``dvc-remote`` beside ``origin`` by default.
        linear: whether the branch must have no merges.
    """
    wrong = list(problems(origin, acknowledged, branch=branch, store=store, linear=linear))
    assert not wrong, "\n".join(wrong)


def problems(
    origin: Path,
    acknowledged: Iterable[str],
    *,
    branch: str = "main",
    store: Path | None = None,
    linear: bool = True,
) -> Iterator[str]:
    """Yield all that is wrong, a line each; see `check_registry`."""
    commits = read_branch(origin, branch)
    if linear:
        yield from (f"{c.oid[:9]} has {len(c.parents)} parents" for c in commits if c.is_merge)
    yield from _operations(commits, acknowledged)
    blobs = _blobs(origin, commits)
    yield from _numbers(commits)
    yield from _immutable(commits)
    yield from _pointers(commits, blobs)
    yield from _bytes(commits, blobs, store or origin.parent / "dvc-remote")
    yield from _soundness(origin)
    yield from _seen_by_a_clone(origin, branch, commits, blobs)


# Reading


def git(folder: Path, *args: str, stdin: bytes | None = None) -> bytes:
    """Run plain Git, without any of gitreg's options."""
    done = subprocess.run(
        ["git", *args], cwd=folder, input=stdin, capture_output=True, check=False, timeout=600
    )
    assert done.returncode == 0, f"git {args[0]}: {done.stderr.decode(errors='replace')}"
    return done.stdout


def read_branch(origin: Path, branch: str) -> list[Commit]:
    """Return the branch's commits, oldest first, each with what it changed from its parent."""
    listing = git(
        origin,
        "log",
        "--first-parent",
        "--diff-merges=first-parent",
        "--reverse",
        "--root",
        "--raw",
        "-r",
        "-z",
        "--no-renames",
        "--no-abbrev",
        "--format=%x01%H %P%x00%B%x00",
        f"refs/heads/{branch}",
    ).decode("utf-8", "replace")
    commits = []
    for record in listing.split("\x01")[1:]:
        names, message, *fields = record.split("\0")
        oid, *parents = names.split()
        raw = [text.strip("\n") for text in fields]
        written = [
            Written(path, *(None if blob == _ABSENT else blob for blob in head.split()[2:4]))
            for head, path in pairwise(raw)
            if head.startswith(":")
        ]
        commits.append(Commit(oid, tuple(parents), message, tuple(written)))
    return commits


def _blobs(origin: Path, commits: list[Commit]) -> dict[str, bytes]:
    """Return the contents of pointers and of ``.dvc`` files that the branch ever had."""
    wanted = {
        blob
        for commit in commits
        for file in commit.written
        if _POINTER.fullmatch(file.path) or file.path.endswith(".dvc")
        for blob in (file.before, file.after)
        if blob
    }
    names = sorted(wanted)
    out = git(origin, "cat-file", "--batch", stdin="".join(f"{n}\n" for n in names).encode())
    found: dict[str, bytes] = {}
    position = 0
    for name in names:
        end = out.index(b"\n", position)
        size = int(out[position:end].split()[2])
        found[name] = out[end + 1 : end + 1 + size]
        position = end + size + 2
    return found


def _values(blobs: Mapping[str, bytes], blob: str | None) -> frozenset[int]:
    """Return the versions that a pointer file names, by the digits in it alone."""
    return frozenset(
        map(int, re.findall(rb"(?:^- |^version: )(\d+)$", blobs[blob], re.MULTILINE))
        if blob
        else ()
    )


# Judging


def _operations(commits: list[Commit], acknowledged: Iterable[str]) -> Iterator[str]:
    times = Counter(name for commit in commits for name in commit.operations)
    for name in acknowledged:
        if times[name] == 0:
            yield f"operation {name} was acknowledged and is lost"
    yield from (
        f"operation {name} is there {count} times" for name, count in times.items() if count > 1
    )


def _numbers(commits: list[Commit]) -> Iterator[str]:
    """Say which numbers were given twice, or not in their order."""
    last: Counter[str] = Counter()
    for commit in commits:
        born = sorted(
            (unquote(found[1]), int(found[2]))
            for file in commit.written
            if file.before is None and (found := _MANIFEST.fullmatch(file.path))
        )
        for model, number in born:
            if number != last[model] + 1:
                yield f"{commit.oid[:9]} registers {model}@{number} after {model}@{last[model]}"
            last[model] = number


def _immutable(commits: list[Commit]) -> Iterator[str]:
    """Say which files of a version were changed, or removed without a note that it is deleted."""
    for commit in commits:
        noted = {file.path for file in commit.written if file.after}
        for file in commit.written:
            found = _VERSION_FILE.fullmatch(file.path)
            if not found or file.before is None or found[3] == "annotations.yaml":
                continue
            tombstone = f"registry/{found[1]}/versions/{found[2]}/deleted.yaml"
            if file.after is not None or tombstone not in noted:
                yield f"{commit.oid[:9]} changes {file.path}"


def _pointers(commits: list[Commit], blobs: Mapping[str, bytes]) -> Iterator[str]:
    """Fold the pointers, and hold what each operation says against what its parent had."""
    standing: dict[tuple[str, str], frozenset[int]] = {}
    there: set[tuple[str, int]] = set()
    for commit in commits:
        moved: dict[tuple[str, str], tuple[frozenset[int], frozenset[int]]] = {}
        for file in commit.written:
            if version := _MANIFEST.fullmatch(file.path):
                key = unquote(version[1]), int(version[2])
                (there.add if file.after else there.discard)(key)
            if found := _POINTER.fullmatch(file.path):
                pointer = unquote(found[1]), unquote(found[2])
                before, after = (_values(blobs, blob) for blob in (file.before, file.after))
                if before != standing.get(pointer, frozenset()):
                    yield f"{commit.oid[:9]} moves {pointer} from what its parent has not"
                moved[pointer] = before, after
                standing[pointer] = after
        yield from _claims(commit, standing, moved)
        for model, name in moved:
            for number in standing[model, name]:
                if (model, number) not in there:
                    yield f"{commit.oid[:9]} lets {model} {name} name {number}, not there"
        held = Counter(
            (model, number)
            for (model, pointer), numbers in standing.items()
            if pointer.startswith("stages/")
            for number in numbers
        )
        for (model, number), count in held.items():
            if count > 1:
                yield f"{commit.oid[:9]} puts {model}@{number} into {count} stages"


def _claims(
    commit: Commit,
    standing: Mapping[tuple[str, str], frozenset[int]],
    moved: Mapping[tuple[str, str], tuple[frozenset[int], frozenset[int]]],
) -> Iterator[str]:
    """Say where an operation replaced something else than it says: an update that was lost."""
    action = dict(commit.trailers).get("Action")
    if action not in ("promote", "archive", "rollback", "alias"):
        return
    for told in _by_model(commit.trailers):
        model, named, replaced = told["Model"][0], told["Version"], told["Replaces"]
        if action == "alias":
            pointer = model, f"aliases/{told['Alias'][0]}"
        elif told["Stage"] and told["Stage"][0] != "none":
            pointer = model, f"stages/{told['Stage'][0]}"
        else:
            continue
        now = standing.get(pointer, frozenset())
        before, after = moved.get(pointer, (now, now))
        gone = frozenset(map(int, replaced))
        if before - after != gone:
            yield f"{commit.oid[:9]} says it replaces {sorted(gone)}, its parent has {before}"
        wanted = frozenset(map(int, named)) - (gone if action == "alias" else frozenset())
        if not wanted <= after:
            yield f"{commit.oid[:9]} says {pointer} names {sorted(wanted)}, it has {after}"


def _by_model(trailers: list[tuple[str, str]]) -> list[dict[str, list[str]]]:
    found: list[dict[str, list[str]]] = []
    for key, value in trailers:
        if key == "Model":
            found.append({name: [] for name in ("Version", "Stage", "Alias", "Replaces")})
            found[-1]["Model"] = [value]
        elif found and key in found[-1]:
            found[-1][key].append(value)
    return found


def _bytes(commits: list[Commit], blobs: Mapping[str, bytes], store: Path) -> Iterator[str]:
    """Say which object of a version is not on the DVC remote, or is something else there."""
    present: dict[str, str] = {}
    for commit in commits:
        for file in commit.written:
            if _VERSION_FILE.fullmatch(file.path) and file.path.endswith(".dvc"):
                if file.after:
                    present[file.path] = file.after
                else:
                    present.pop(file.path, None)
    for path, blob in present.items():
        named = re.search(rb"md5: ([0-9a-f]{32}(?:\.dir)?)$", blobs[blob], re.MULTILINE)
        if named is None:
            yield f"{path} names no object"
            continue
        wanted = [named[1].decode()]
        while wanted:
            name = wanted.pop()
            place = store / "files" / "md5" / name[:2] / name[2:]
            data = place.read_bytes() if place.is_file() else None
            if data is None:
                yield f"{path}: {name} is not on the DVC remote"
            elif hashlib.md5(data).hexdigest() != name[:32]:
                yield f"{path}: {name} is damaged on the DVC remote"
            elif name.endswith(".dir"):
                wanted += re.findall(r'"md5": "([0-9a-f]{32})"', data.decode())


def _soundness(origin: Path) -> Iterator[str]:
    done = subprocess.run(
        ["git", "fsck", "--strict", "--no-dangling", "--no-progress"],
        cwd=origin,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if done.returncode or done.stdout or done.stderr:
        yield f"git fsck: {done.stdout}{done.stderr}".rstrip()


def _seen_by_a_clone(
    origin: Path, branch: str, commits: list[Commit], blobs: Mapping[str, bytes]
) -> Iterator[str]:
    """Let gitreg itself look, from a clone that is beside the DVC remote as all of them are."""
    clone = Path(tempfile.mkdtemp(prefix="judge-", dir=origin.parent))
    try:
        git(origin.parent, "clone", "--quiet", "--branch", branch, str(origin), str(clone))
        git(clone, "config", "user.name", "Judge")
        git(clone, "config", "user.email", "judge@example.com")
        with Registry(clone) as registry:
            tags = registry.sync_tags(dry_run=True)
            for kind in ("made", "wrong", "foreign", "abandoned"):
                names = getattr(tags, kind)
                if names:
                    yield f"tags sync: {kind}: {', '.join(names)}"
            for finding in registry.doctor():
                if finding.severity == "error":
                    yield f"doctor: {finding.subject}: {finding.message}"
            told = [
                (e.commit, e.model, e.pointer, _sorted(e.before), _sorted(e.after))
                for e in reversed(registry.log())
                if e.pointer
            ]
        read = [
            (commit.oid, unquote(found[1]), unquote(found[2]), *map(_sorted, both))
            for commit in commits
            for file in commit.written
            if (found := _POINTER.fullmatch(file.path))
            and (both := [_values(blobs, b) for b in (file.before, file.after)])
            and both[0] != both[1]
        ]
        if sorted(told) != sorted(read):
            yield "gitreg log tells other moves of pointers than Git"
    finally:
        shutil.rmtree(clone)


def _sorted(value: object) -> list[int]:
    if value is None:
        return []
    return sorted(value if isinstance(value, (tuple, frozenset)) else [value])
