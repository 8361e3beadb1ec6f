"""Examines what a killed process leaves behind: locks, unfinished files, a damaged index."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path

from gitreg.core.model import layout
from gitreg.core.model.model import ModelVersion
from gitreg.core.model.names import format_version
from gitreg.core.text.counts import quantity
from gitreg.core.text.times import ago
from gitreg.doctor.inspection import Inspection, age
from gitreg.dvc.cache import TEMPORARY
from gitreg.errors import DvcError
from gitreg.findings import Finding
from gitreg.git import locks as git_locks
from gitreg.git import scratch
from gitreg.git.interrupted import ANNOUNCEMENT
from gitreg.git.worktree import is_own_lock

ABANDONED = 3600.0
"""After how many seconds without a write an unfinished file counts as abandoned, provided that no
process has it open."""

ABANDONED_UNSEEN = 24 * 3600.0
"""The same in seconds, where the system does not list open files."""

_ASIDE = "-replaced"
_REFERENCES = ("HEAD.lock", "packed-refs.lock")
_BRIEFLY = 0.2
"""How long a Git at work holds a lock, in seconds."""

_LISTED = 20
"""How many findings of one kind are listed one by one."""


def index(inspection: Inspection) -> Iterator[Finding]:
    """Yield a finding if the history index is damaged; it is derived data, so nothing is lost."""
    if inspection.history.is_damaged():
        yield Finding(
            "bad-index",
            "warning",
            str(inspection.repository.private_dir / "history.sqlite"),
            "the history index is damaged; gitreg can rebuild it from the commits",
            "gitreg doctor --fix",
        )


# Locks


def locks(inspection: Inspection) -> Iterator[Finding]:
    """Yield the locks of Git and DVC, with their age and holder."""
    folders = {inspection.repository.git_dir, inspection.repository.common_dir}
    remote = inspection.clone.folder_of_remote()
    for folder in (*sorted(folders), *([remote] if remote is not None else [])):
        for lock in islice(_git_locks(folder), _LISTED):
            yield from _lock(inspection, _code_of(lock), lock)
    top = inspection.repository.top_level
    if top is not None:
        for project in (top, top / layout.ROOT):
            yield from _dvc_locks(project / ".dvc" / "tmp")
    rubbish = list(_git_rubbish(inspection))
    if rubbish:
        yield Finding(
            "git-rubbish",
            "note",
            str(rubbish[0]),
            "unfinished work of a killed Git process takes up space "
            f"({quantity(len(rubbish), 'object')}); git gc "
            "removes those older than two weeks",
            "git gc --quiet",
        )


def _git_locks(folder: Path) -> Iterator[Path]:
    """Yield the lock files in a Git folder; each blocks writers as long as it exists."""
    for lock in sorted(folder.glob("*.lock")):
        if not is_own_lock(lock):
            yield lock
    yield from sorted((folder / "refs").rglob("*.lock"))
    yield from sorted((folder / "objects" / "info").rglob("*.lock"))


def _code_of(lock: Path) -> str:
    if lock.name == "index.lock":
        return "index-lock"
    return "reference-lock" if "refs" in lock.parts or lock.name in _REFERENCES else "git-lock"


def _git_rubbish(inspection: Inspection) -> Iterator[Path]:
    objects = inspection.repository.common_dir / "objects"
    yield from chain(objects.glob("[0-9a-f][0-9a-f]/tmp_obj_*"), objects.glob("pack/tmp_*"))


def _lock(inspection: Inspection, code: str, path: Path) -> Iterator[Finding]:
    lock = git_locks.look_at(path, inspection.open_files)
    if lock is not None and lock.age < _BRIEFLY:
        time.sleep(_BRIEFLY)  # a push of somebody else's, whose processes nobody can see
        lock = git_locks.look_at(path, inspection.open_files)
    if lock is None:
        return  # its process just ended
    if lock.process is not None:
        yield Finding(
            code,
            "warning",
            str(path),
            f"{lock.text}: wait until that process ends",
            lock.remedy,
        )
        return
    yield Finding(
        code,
        "error",
        str(path),
        f"{lock.text}: a Git process was killed and left this file, which stops every Git "
        "command that takes this lock; if no such process is running, remove it",
        lock.remedy,
    )


def _dvc_locks(folder: Path) -> Iterator[Finding]:
    """Yield the leftovers of a killed DVC process.

    DVC's ``lock`` and ``rwlock.lock`` always exist and are locked in the kernel, so the files
    themselves mean nothing. ``rwlock`` lists processes: DVC drops the ones that ended, but fails
    on a list that it cannot read.
    """
    path = folder / "rwlock"
    try:
        data = json.loads(path.read_bytes())
        entries = [*data.get("write", {}).values(), *chain(*data.get("read", {}).values())]
        processes = {int(entry["pid"]): str(entry["cmd"]) for entry in entries}
    except FileNotFoundError:
        return
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        yield Finding(
            "dvc-lock",
            "warning",
            str(path),
            f"DVC was killed while it wrote this file, and cannot read it now ({error}): DVC "
            "commands fail until you remove it; gitreg does not need it",
            f"rm {shlex.quote(str(path))}",
        )
        return
    for process, command in islice(processes.items(), _LISTED):
        if _is_running(process):
            yield from _held_by(process, path)
        else:
            yield Finding(
                "dvc-lock",
                "note",
                str(path),
                f"process {process} ({command}) was killed and is still listed; the next DVC "
                "command that needs this lock removes the entry itself",
                f"rm {shlex.quote(str(path))}",
            )


def _held_by(process: int, path: Path) -> Iterator[Finding]:
    """Yield a finding if DVC waits for another program that has its old process number."""
    try:
        words = Path("/proc", str(process), "cmdline").read_bytes()
    except OSError:
        return  # unknown: assume, like DVC, that it is DVC
    if b"dvc" not in words:
        yield Finding(
            "dvc-lock",
            "warning",
            str(path),
            f"a killed DVC process had the number {process}, which another program has now: DVC "
            "waits for that program to end",
            f"rm {shlex.quote(str(path))}",
        )


def _is_running(process: int) -> bool:
    if process <= 0:
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # another user's process
    return True


# Unfinished files


def unfinished(inspection: Inspection) -> Iterator[Finding]:
    """Yield gitreg's unfinished files, and the models that a killed pull set aside."""
    paths = list(unfinished_files(inspection))
    abandoned = [path for path in paths if is_abandoned(inspection, path)]
    if abandoned:
        yield Finding(
            "unfinished",
            "warning",
            str(abandoned[0]),
            "unfinished work of a gitreg that was killed takes up space "
            f"({quantity(len(abandoned), 'file')}); the first was last written "
            f"{ago(age(abandoned[0]))}",
            "gitreg doctor --fix",
        )
    for path in islice((path for path in paths if path not in abandoned), _LISTED):
        process = inspection.holder(path)
        writer = f"process {process}" if process else "a gitreg"
        yield Finding(
            "unfinished",
            "note",
            str(path),
            f"{writer} is writing it, or was killed; last written {ago(age(path))}; an hour after "
            "the last write, gitreg doctor --fix removes it",
            f"ps -fp {process}" if process else f"rm -r {shlex.quote(str(path))}",
        )
    for version in inspection.versions:
        for aside in _children(inspection, version, f"{TEMPORARY}*{_ASIDE}"):
            # Earlier releases renamed the model itself to this name.
            inner = aside / inspection.artifacts.own_place(version).name
            if inner.exists() or not scratch.is_hidden(aside):
                place = inner if scratch.is_hidden(aside) else aside
                yield _set_aside(inspection, version, place)


def _set_aside(inspection: Inspection, version: ModelVersion, aside: Path) -> Finding:
    """Return a finding about a file that may be the only copy; the user decides what to do."""
    place = inspection.artifacts.own_place(version)
    if place.exists():
        target = _free(place.parents[4] / f"{place.parents[2].name}-{version.version}-kept")
        advice = f"{place.name} exists, so you need this only if you changed it; to keep it"
    else:
        target = place
        advice = f"{place.name} is missing, so this may be the only copy; to restore it"
    return Finding(
        "set-aside",
        "warning",
        str(aside),
        f"gitreg pull {format_version(version.model, version.version)} was killed while it "
        f"replaced this; {advice}, move it",
        f"mv {shlex.quote(str(aside))} {shlex.quote(str(target))}",
    )


def _free(path: Path) -> Path:
    return next(
        other
        for number in range(1, 10_000)
        if not os.path.lexists(other := path if number == 1 else Path(f"{path}-{number}"))
    )


def unfinished_files(inspection: Inspection) -> Iterator[Path]:
    """Yield gitreg's temporary files, without the ones that were set aside."""
    repository = inspection.repository
    # gitdb writes new objects beside the object folders, under a name that git gc does not know.
    yield from sorted((repository.common_dir / "objects").glob("obj????????"))
    yield from repository.git_dir.glob(f"{ANNOUNCEMENT}.new")
    yield from sorted((repository.private_dir / "bisect").glob(f"{TEMPORARY}*"))
    with suppress(DvcError):  # reported by the examination of the bytes
        yield from inspection.artifacts.project(inspection.state.snapshot).unfinished()
    top = repository.top_level
    if top is None:
        return
    # gitreg writes a temporary file beside its target.
    temporary = top / f".{layout.DVC_YAML}.gitreg"
    if temporary.is_file() and not temporary.is_symlink():
        yield temporary
    yield from _below(top / layout.ROOT)


def _below(registry: Path) -> Iterator[Path]:
    """Yield the unfinished files in the registry's own folders; links are not followed."""
    for place, folders, files in os.walk(registry):
        for name in sorted(folders):
            if name.startswith(TEMPORARY) and not name.endswith(_ASIDE):
                yield Path(place, name)
        names = files if _is_ours(Path(place).relative_to(registry)) else ()
        for name in sorted(names):
            if name.startswith(".") and name.endswith(".gitreg"):
                yield Path(place, name)
        # A model's own files are skipped: gitreg does not write them, and there can be many.
        folders[:] = [name for name in folders if _is_ours(Path(place, name).relative_to(registry))]


def _is_ours(path: Path) -> bool:
    """Return whether gitreg itself writes files into a folder below the registry."""
    parts = path.parts
    if len(parts) <= 2:
        return not any(part.startswith(TEMPORARY) for part in parts)
    return parts[1] == "versions" and (
        len(parts) == 3 or (len(parts) == 4 and parts[3] == "approvals")
    )


def _children(inspection: Inspection, version: ModelVersion, pattern: str) -> list[Path]:
    return sorted(inspection.artifacts.own_place(version).parent.glob(pattern))


def is_abandoned(inspection: Inspection, path: Path) -> bool:
    """Return whether no process can still be writing an unfinished file."""
    if path.is_dir() and scratch.is_hidden(path):
        return scratch.is_nobodys(path)
    patience = ABANDONED_UNSEEN if inspection.open_files is None else ABANDONED
    return age(path) >= patience and inspection.holder(path) is None
