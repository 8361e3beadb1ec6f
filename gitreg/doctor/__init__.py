"""Doctor: finds what is wrong with a registry and this clone of it, and names the fix.

Each module examines one thing and yields findings. It changes nothing but what can be thrown away:
the history index, and objects that no reference names. Only `fixes` repairs, and only on request.

==============  =======================================================
`inspection`    `Inspection`: what is examined
`damage`        files of Git's that a power cut left empty
`clone`         the clone and its remote branch
`worktree`      index and work tree beside the commit
`tags`          tags beside what history implies
`contents`      files that do not parse or contradict each other
`past`          contradictions between history and today's files
`renders`       rendered files beside the pointers that they follow
`stored_bytes`  bytes that the cache or the remote does not have
`delivered`     models that were pulled into their version's own folder
`leftovers`     what a killed process left behind
`forms`         reads many documents of the same form fast
`fixes`         what ``gitreg doctor --fix`` repairs
==============  =======================================================
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain

from gitreg.doctor import (
    clone,
    contents,
    damage,
    delivered,
    fixes,
    leftovers,
    past,
    renders,
    stored_bytes,
    tags,
)
from gitreg.doctor import worktree as files
from gitreg.doctor.inspection import Inspection
from gitreg.errors import GitregError
from gitreg.findings import Finding
from gitreg.git import publish
from gitreg.git.damage import Damaged

__all__ = ["Inspection", "damaged", "examine", "mend"]

_ORDER = {"error": 0, "warning": 1, "note": 2}

# A hostile repository or a failing disk can raise these anywhere. One of them must not hide the
# other findings.
_UNEXPECTED = (OSError, ValueError, RecursionError, sqlite3.Error)

_Examination = Callable[[], Iterator[Finding]]


def examine(inspection: Inspection) -> list[Finding]:
    """Return all findings, errors first.

    This reads from the Git remote and the DVC remote; a remote that does not answer is a finding.
    """
    repository, state = inspection.repository, inspection.state
    # First of all, because the next reader of a damaged index rebuilds it.
    found = [*_guarded("index", lambda: leftovers.index(inspection))]
    remote_state = clone.RemoteState()

    def compare() -> Iterator[Finding]:
        nonlocal remote_state
        findings, remote_state = clone.against_remote(inspection)
        yield from findings

    examinations: dict[str, _Examination] = {
        "locks": lambda: leftovers.locks(inspection),  # before damage: they stop its remedies
        "Git's files": lambda: damage.examine(repository, inspection.clone),
        "clone": lambda: clone.examine(inspection),
        "registry": lambda: contents.examine(inspection),
    }
    if publish.is_busy(repository.private_dir):
        found.append(
            Finding(
                "writer-at-work",
                "note",
                "git",
                "another gitreg is writing here; its unfinished files were not examined",
            )
        )
    else:
        examinations["work tree"] = lambda: files.examine(inspection)
        examinations["unfinished files"] = lambda: leftovers.unfinished(inspection)
    if state.commit is not None and state.exists():
        examinations |= {
            "kinds of files": lambda: contents.not_files(repository, str(state.commit)),
            "remote": compare,
            "history": lambda: past.examine(inspection),
            "tags": lambda: chain(
                tags.in_clone(inspection), tags.on_remote(inspection, remote_state)
            ),
            "rendered files": lambda: renders.examine(inspection),
            "bytes": lambda: stored_bytes.examine(inspection, remote_state),
            "delivered models": lambda: delivered.examine(inspection),
        }
    for what, examination in examinations.items():
        found += _guarded(what, examination)
    return sorted(found, key=lambda finding: _ORDER[finding.severity])


def damaged(inspection: Inspection) -> list[Finding]:
    """Return the damaged files of Git's, of a repository whose commit cannot be read.

    Locks are before them, because they stop the remedies.
    """
    try:
        found = list(damage.examine(inspection.repository, inspection.clone))
    except Damaged as error:  # Git does not even know the repository
        return [damage.finding(error.damage)]
    return [*leftovers.locks(inspection), *found] if found else []


def _guarded(what: str, examination: _Examination, code: str = "not-examined") -> Iterator[Finding]:
    """Yield the findings of an examination; if it fails, the failure is a finding, too."""
    try:
        yield from examination()
    except GitregError as error:
        yield Finding(code, "error", what, str(error), error.hint)
    except _UNEXPECTED as error:
        why = str(error).partition("\n")[0] or type(error).__name__
        yield Finding(code, "error", what, f"this could not be completed: {why}")


def mend(inspection: Inspection) -> list[Finding]:
    """Make the safe repairs of `gitreg.doctor.fixes`; return a note ``fixed`` for each of them.

    A repair that fails is an error with the code ``not-fixed``.
    """
    done: list[Finding] = []
    for what, fix in fixes.ALL.items():
        done += _guarded(what, partial(fix, inspection), "not-fixed")
    return done
