"""What a process that was killed leaves behind: locks, unfinished files, a damaged index."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path

from gitreg.core.model import layout
from gitreg.core.model.model import ModelVersion
from gitreg.core.model.names import format_version
from gitreg.core.text.times import ago
from gitreg.doctor.inspection import Inspection, age
from gitreg.dvc.cache import TEMPORARY
from gitreg.errors import DvcError
from gitreg.findings import Finding
from gitreg.git.worktree import ANNOUNCEMENT

ABANDONED = 3600.0
"""After how many seconds without a change an unfinished file is rubbish, if no process has it."""

ABANDONED_UNSEEN = 24 * 3600.0
"""The same, where nobody can tell which files processes have open."""

_ASIDE = "-replaced"
_REFERENCES = ("HEAD.lock", "packed-refs.lock")
_TOLD = 20
"""How many of a kind are told of by name."""


def index(inspection: Inspection) -> Iterator[Finding]:
    """Say whether gitreg's index of history is damaged. It is derived: nothing is lost with it."""
    if inspection.history.is_damaged():
        yield Finding(
            "bad-index",
            "warning",
            str(inspection.repository.private_dir / "history.sqlite"),
            "the history index is damaged; it is made anew from the commits",
            "gitreg doctor --fix",
        )


# Locks


def locks(inspection: Inspection) -> Iterator[Finding]:
    """Say which locks of Git and DVC are there, since when, and who holds them."""
    for lock in islice(_git_locks(inspection), _TOLD):
        if lock.name == "index.lock":
            code = "index-lock"
        else:
            is_reference = "refs" in lock.parts or lock.name in _REFERENCES
            code = "reference-lock" if is_reference else "git-lock"
        yield _lock(inspection, code, lock, "Git")
    top = inspection.repository.top_level
    if top is not None:
        yield from _dvc_locks(top / ".dvc" / "tmp")
    rubbish = list(_git_rubbish(inspection))
    if rubbish:
        yield Finding(
            "git-rubbish",
            "note",
            str(rubbish[0]),
            f"{len(rubbish)} unfinished object(s) of a Git that was killed take space; git gc "
            "removes those that are two weeks old",
            "git gc --quiet",
        )


def _git_locks(inspection: Inspection) -> Iterator[Path]:
    """Yield the locks of Git, each of which stops writers for as long as it is there."""
    for folder in sorted({inspection.repository.git_dir, inspection.repository.common_dir}):
        yield from sorted(folder.glob("*.lock"))
        yield from sorted((folder / "refs").rglob("*.lock"))
        yield from sorted((folder / "objects" / "info").rglob("*.lock"))


def _git_rubbish(inspection: Inspection) -> Iterator[Path]:
    objects = inspection.repository.common_dir / "objects"
    yield from chain(objects.glob("[0-9a-f][0-9a-f]/tmp_obj_*"), objects.glob("pack/tmp_*"))


def _lock(inspection: Inspection, code: str, lock: Path, whose: str) -> Finding:
    process = inspection.holder(lock)
    when = ago(age(lock))
    if process is not None:
        return Finding(
            code,
            "warning",
            str(lock),
            f"process {process} holds it since {when}: wait until that has ended",
            f"ps -fp {process}",
        )
    known = "" if inspection.open_files is None else " and no process of yours has it open"
    return Finding(
        code,
        "warning",
        str(lock),
        f"written {when}{known}: a {whose} process is between two steps, or was killed and left "
        "this, which stops the next one; if none is running, remove it",
        f"rm {shlex.quote(str(lock))}",
    )


def _dvc_locks(folder: Path) -> Iterator[Finding]:
    """Say what a DVC that was killed left.

    Its ``lock`` and ``rwlock.lock`` always stay there and are held by the kernel, so that they say
    nothing. ``rwlock`` lists processes: DVC drops those that have ended, but stops at a list that
    it cannot read.
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
            f"DVC was killed while it wrote this, and cannot read it again ({error}): its commands "
            "fail until it is removed; gitreg does not need it",
            f"rm {shlex.quote(str(path))}",
        )
        return
    for process, command in islice(processes.items(), _TOLD):
        if _is_running(process):
            yield from _held_by(process, path)
        else:
            yield Finding(
                "dvc-lock",
                "note",
                str(path),
                f"process {process} ({command}) was killed and is still listed; the next DVC "
                "command that needs it takes it out itself",
                f"rm {shlex.quote(str(path))}",
            )


def _held_by(process: int, path: Path) -> Iterator[Finding]:
    """Say that DVC waits for a process which is not DVC: the number was given away again."""
    try:
        words = Path("/proc", str(process), "cmdline").read_bytes()
    except OSError:
        return  # nobody can tell: it is taken for what DVC takes it for
    if b"dvc" not in words:
        yield Finding(
            "dvc-lock",
            "warning",
            str(path),
            f"a DVC that was killed was process {process}, which is another program now: DVC waits "
            "for that one to end",
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
        return True  # somebody else's
    return True


# Unfinished files


def unfinished(inspection: Inspection) -> Iterator[Finding]:
    """Say which files gitreg did not bring to their end, and what was set aside meanwhile."""
    rubbish = list(unfinished_files(inspection))
    abandoned = [path for path in rubbish if is_abandoned(inspection, path)]
    if abandoned:
        yield Finding(
            "unfinished",
            "warning",
            str(abandoned[0]),
            f"{len(abandoned)} unfinished file(s) of a gitreg that was killed take space, since "
            f"{ago(age(abandoned[0]))}",
            "gitreg doctor --fix",
        )
    for path in islice((path for path in rubbish if path not in abandoned), _TOLD):
        process = inspection.holder(path)
        who = f"process {process}" if process else "a gitreg"
        yield Finding(
            "unfinished",
            "note",
            str(path),
            f"{who} is writing it, or was killed; last written {ago(age(path))}; an hour later "
            "gitreg doctor --fix takes it for rubbish",
            f"ps -fp {process}" if process else f"rm -r {shlex.quote(str(path))}",
        )
    for version in inspection.versions:
        for aside in _children(inspection, version, f"{TEMPORARY}*{_ASIDE}"):
            yield _set_aside(inspection, version, aside)


def _set_aside(inspection: Inspection, version: ModelVersion, aside: Path) -> Finding:
    """Say where the only copy of something may be; what to do with it is a person's to decide."""
    place = inspection.artifacts.own_place(version)
    if place.exists():
        target = _free(place.parents[4] / f"{place.parents[2].name}-{version.version}-kept")
        then = f"{place.name} is there, so it is not needed unless you changed it: to keep it"
    else:
        target = place
        then = f"{place.name} is not there, so this may be all there is: to have it back"
    return Finding(
        "set-aside",
        "warning",
        str(aside),
        f"gitreg pull {format_version(version.model, version.version)} was killed while it "
        f"replaced this; {then}, move it",
        f"mv {shlex.quote(str(aside))} {shlex.quote(str(target))}",
    )


def _free(path: Path) -> Path:
    return next(
        other
        for number in range(1, 10_000)
        if not os.path.lexists(other := path if number == 1 else Path(f"{path}-{number}"))
    )


def unfinished_files(inspection: Inspection) -> Iterator[Path]:
    """Yield what gitreg writes before it gives it a name, without what was set aside."""
    repository = inspection.repository
    # gitdb writes an object beside the folders of objects, under a name that git gc does not know.
    yield from sorted((repository.common_dir / "objects").glob("obj????????"))
    yield from repository.git_dir.glob(f"{ANNOUNCEMENT}.new")
    with suppress(DvcError):  # reported where the bytes are looked for
        yield from inspection.artifacts.project(inspection.state.snapshot).unfinished()
    top = repository.top_level
    if top is None:
        return
    # As gitreg names them beside their targets.
    for name in (layout.DVC_YAML, ".dvcignore", ".dvc/config", ".dvc/.gitignore"):
        target = top / name
        temporary = target.with_name(f".{target.name}.gitreg")
        if temporary.is_file() and not temporary.is_symlink():
            yield temporary
    yield from _below(top / layout.ROOT)


def _below(registry: Path) -> Iterator[Path]:
    """Yield the unfinished files of the registry's own folders, never through a link."""
    for place, folders, files in os.walk(registry):
        for name in sorted(folders):
            if name.startswith(TEMPORARY) and not name.endswith(_ASIDE):
                yield Path(place, name)
        names = files if _is_ours(Path(place).relative_to(registry)) else ()
        for name in sorted(names):
            if name.startswith(".") and name.endswith(".gitreg"):
                yield Path(place, name)
        # The bytes of a model are not looked through: they are another's, and may be many.
        folders[:] = [name for name in folders if _is_ours(Path(place, name).relative_to(registry))]


def _is_ours(path: Path) -> bool:
    """Tell whether a folder below the registry holds files that gitreg writes itself."""
    parts = path.parts
    if len(parts) <= 2:
        return not any(part.startswith(TEMPORARY) for part in parts)
    return parts[1] == "versions" and (
        len(parts) == 3 or (len(parts) == 4 and parts[3] == "approvals")
    )


def _children(inspection: Inspection, version: ModelVersion, pattern: str) -> list[Path]:
    return sorted(inspection.artifacts.own_place(version).parent.glob(pattern))


def is_abandoned(inspection: Inspection, path: Path) -> bool:
    """Tell whether nobody can be writing an unfinished file any more."""
    patience = ABANDONED_UNSEEN if inspection.open_files is None else ABANDONED
    return age(path) >= patience and inspection.holder(path) is None
