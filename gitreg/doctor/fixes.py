"""The repairs of ``gitreg doctor --fix``: derived data, unfinished publications, abandoned files.

It never touches Git's own locks, the user's edits, foreign tags or files that were set aside. It
pushes nothing and moves no pointer.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

from gitreg.doctor import leftovers
from gitreg.doctor import worktree as files
from gitreg.doctor.inspection import Inspection
from gitreg.findings import Finding
from gitreg.git import interrupted, worktree
from gitreg.publishing.tags import compare_tags, sync_tags, tagged_tip


def _fixed(subject: str, message: str) -> Finding:
    return Finding("fixed", "note", subject, message)


def _index(inspection: Inspection) -> Iterator[Finding]:
    if inspection.history.is_damaged():
        inspection.history.throw_away()
        place = inspection.repository.private_dir / "history.sqlite"
        yield _fixed(str(place), "removed the damaged history index; the next read rebuilds it")


def _work_tree(inspection: Inspection) -> Iterator[Finding]:
    """Update index and files to the commit that is published already."""
    repository = inspection.repository
    if repository.top_level is None:
        return
    lock = repository.git_dir / "index.lock"
    if lock.exists() and not worktree.is_own_lock(lock):
        return  # reported; it must go first
    with inspection.clone.exclusive():
        announcement = repository.git_dir / interrupted.ANNOUNCEMENT
        was_announced = announcement.exists()
        interrupted.finish(repository)
        if was_announced and not announcement.exists():
            yield _fixed(
                "work tree",
                "brought to the commit of HEAD, after a publication that was interrupted",
            )
        outdated = files.behind(inspection)
        if outdated:
            worktree.write(repository, outdated)
            for edit in outdated:
                yield _fixed(edit.path, "updated index and file to the commit")


def _tags(inspection: Inspection) -> Iterator[Finding]:
    """Create missing tags, and repair tags of commits that are on no branch."""
    repository, state = inspection.repository, inspection.state
    if repository.is_shallow or repository.head_branch() is None or not state.exists():
        return
    tip = tagged_tip(repository, inspection.clone)
    if tip is None:
        return
    report = compare_tags(repository, inspection.history, tip)
    if report.made or report.abandoned:
        report = sync_tags(repository, inspection.history, inspection.clone)
    for name in report.made:
        yield _fixed(name, "created the tag that history implies")
    for name in report.abandoned:
        yield _fixed(name, "repaired the tag, which named a commit that is on no branch")


def _unfinished(inspection: Inspection) -> Iterator[Finding]:
    """Remove gitreg's unfinished files that no process can still be writing."""
    with inspection.clone.exclusive():
        for path in list(leftovers.unfinished_files(inspection)):
            if not leftovers.is_abandoned(inspection, path):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
            yield _fixed(str(path), "removed the unfinished file of a gitreg that was killed")


ALL: dict[str, Callable[[Inspection], Iterator[Finding]]] = {
    "index": _index,
    "work tree": _work_tree,
    "tags": _tags,
    "unfinished files": _unfinished,
}
"""The repairs in their order, each under the subject of its finding when it fails."""
