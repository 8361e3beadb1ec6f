"""What ``gitreg doctor --fix`` puts right: what is derived, announced or nobody's, and no more.

Never Git's own locks, the user's edits, tags of others or what was set aside; nothing is pushed
and no pointer moves.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

from gitreg.doctor import leftovers
from gitreg.doctor import worktree as files
from gitreg.doctor.inspection import Inspection
from gitreg.findings import Finding
from gitreg.git import worktree
from gitreg.publishing.tags import compare_tags, sync_tags, tagged_tip


def _fixed(subject: str, message: str) -> Finding:
    return Finding("fixed", "note", subject, message)


def _index(inspection: Inspection) -> Iterator[Finding]:
    if inspection.history.is_damaged():
        inspection.history.throw_away()
        place = inspection.repository.private_dir / "history.sqlite"
        yield _fixed(str(place), "the damaged history index was removed; it is made anew")


def _work_tree(inspection: Inspection) -> Iterator[Finding]:
    """Let index and files follow what is published already."""
    repository = inspection.repository
    if (
        repository.top_level is None
        or repository.head_branch() is None
        or (repository.git_dir / "index.lock").exists()  # reported; it has to go first
    ):
        return
    with inspection.clone.exclusive():
        waiting = repository.git_dir / worktree.ANNOUNCEMENT
        was_waiting = waiting.exists()
        worktree.finish(repository)
        if was_waiting and not waiting.exists():
            yield _fixed("work tree", "followed the publication that was cut off")
        late = files.behind(inspection)
        if late:
            warnings = worktree.catch_up(repository, late)
            if not warnings:
                for edit in late:
                    yield _fixed(edit.path, "index and file brought to what the commit has")


def _tags(inspection: Inspection) -> Iterator[Finding]:
    """Make missing tags, and put those right that stand for commits which are on no branch."""
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
        yield _fixed(name, "made the tag, as history implies")
    for name in report.abandoned:
        yield _fixed(name, "the tag stood for a commit that is on no branch: put right")


def _unfinished(inspection: Inspection) -> Iterator[Finding]:
    """Remove unfinished files of ours that nobody can be writing any more."""
    with inspection.clone.exclusive():
        for path in list(leftovers.unfinished_files(inspection)):
            if not leftovers.is_abandoned(inspection, path):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
            yield _fixed(str(path), "removed what a gitreg that was killed had not finished")


ALL: dict[str, Callable[[Inspection], Iterator[Finding]]] = {
    "index": _index,
    "work tree": _work_tree,
    "tags": _tags,
    "unfinished files": _unfinished,
}
"""What is done, in this order, by what is said when it cannot be."""
