"""What ``gitreg doctor --fix`` puts right: what is derived, announced or nobody's, and no more.

Never Git's own locks, the user's edits, tags of others or what was set aside; nothing is pushed
and no pointer moves.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

from gitreg.doctor import leftovers
from gitreg.doctor import worktree as files
from gitreg.doctor.patient import Patient
from gitreg.findings import Finding
from gitreg.git import worktree
from gitreg.publishing.tags import compare_tags, sync_tags, tagged_tip


def _fixed(subject: str, message: str) -> Finding:
    return Finding("fixed", "note", subject, message)


def _index(patient: Patient) -> Iterator[Finding]:
    if patient.history.is_damaged():
        patient.history.throw_away()
        place = patient.repository.private_dir / "history.sqlite"
        yield _fixed(str(place), "the damaged history index was removed; it is made anew")


def _work_tree(patient: Patient) -> Iterator[Finding]:
    """Let index and files follow what is published already."""
    repository = patient.repository
    if (
        repository.top_level is None
        or repository.head_branch() is None
        or (repository.git_dir / "index.lock").exists()  # reported; it has to go first
    ):
        return
    with patient.clone.exclusive():
        waiting = repository.git_dir / worktree.ANNOUNCEMENT
        was_waiting = waiting.exists()
        worktree.finish(repository)
        if was_waiting and not waiting.exists():
            yield _fixed("work tree", "followed the publication that was cut off")
        late = files.behind(patient)
        if late:
            warnings = worktree.catch_up(repository, late)
            if not warnings:
                for edit in late:
                    yield _fixed(edit.path, "index and file brought to what the commit has")


def _tags(patient: Patient) -> Iterator[Finding]:
    """Make missing tags, and put those right that stand for commits which are on no branch."""
    repository, state = patient.repository, patient.state
    if repository.is_shallow or repository.head_branch() is None or not state.exists():
        return
    tip = tagged_tip(repository, patient.clone)
    if tip is None:
        return
    report = compare_tags(repository, patient.history, tip)
    if report.made or report.abandoned:
        report = sync_tags(repository, patient.history, patient.clone)
    for name in report.made:
        yield _fixed(name, "made the tag, as history implies")
    for name in report.abandoned:
        yield _fixed(name, "the tag stood for a commit that is on no branch: put right")


def _unfinished(patient: Patient) -> Iterator[Finding]:
    """Remove unfinished files of ours that nobody can be writing any more."""
    with patient.clone.exclusive():
        for path in list(leftovers.unfinished_files(patient)):
            if not leftovers.is_abandoned(patient, path):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
            yield _fixed(str(path), "removed what a gitreg that was killed had not finished")


ALL: dict[str, Callable[[Patient], Iterator[Finding]]] = {
    "index": _index,
    "work tree": _work_tree,
    "tags": _tags,
    "unfinished files": _unfinished,
}
"""What is done, in this order, by what is said when it cannot be."""
