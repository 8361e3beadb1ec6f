"""Compares index and work tree with the commit: finds outdated files and the user's own work."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from itertools import islice

from gitreg.core.model import layout
from gitreg.core.state.change import Edit
from gitreg.core.text.counts import quantity
from gitreg.doctor.inspection import Inspection
from gitreg.findings import Finding
from gitreg.git import interrupted, worktree
from gitreg.git.repository import GitRepository

_LOOK_BACK = 50
"""How many commits an index may be behind and still not count as the user's work."""

# The user is in the middle of a Git command that changes the index on purpose.
_UNDER_WAY = (
    "MERGE_HEAD",
    "REVERT_HEAD",
    "CHERRY_PICK_HEAD",
    "rebase-merge",
    "rebase-apply",
    "sequencer",
)


def examine(inspection: Inspection) -> Iterator[Finding]:
    """Yield the registry's files that differ from the commit."""
    repository = inspection.repository
    if repository.top_level is None or inspection.state.commit is None:
        return
    interrupted = _interrupted(repository)
    if interrupted is not None:
        yield Finding("not-followed", "warning", "work tree", interrupted, "gitreg doctor --fix")
        return  # this finding covers the outdated files
    dirty = _dirty(repository)
    outdated = {edit.path for edit in behind(inspection)}
    if outdated:
        paths = sorted(outdated)
        yield Finding(
            "work-tree-behind",
            "warning",
            paths[0],
            f"{quantity(len(paths), 'file')} with the content of an earlier commit: a write was "
            "interrupted, or another program moved the branch; git status shows this as if you "
            "had reverted the change",
            f"git restore --staged --worktree -- {shlex.join(paths)}",
        )
    gone = [path for path, state in dirty.items() if path not in outdated and state == " D"]
    if gone:
        yield Finding(
            "missing-file",
            "warning",
            gone[0],
            "missing in the work tree, but still in Git: "
            f"{quantity(len(gone), 'file')} of the registry: gitreg refuses to write them",
            f"git restore -- {shlex.join(gone)}",
        )
    own = [path for path in dirty if path not in outdated and path not in gone]
    if own:
        yield Finding(
            "uncommitted",
            "note",
            own[0],
            f"your uncommitted changes in {quantity(len(own), 'file')} of the registry: gitreg "
            "refuses to write them until you commit or revert the changes",
            f"git status --short -- {shlex.join(own)}",
        )


def _interrupted(repository: GitRepository) -> str | None:
    """Return the message about a publication that was announced and not finished, if any."""
    if not (repository.git_dir / interrupted.ANNOUNCEMENT).exists():
        return None
    found = interrupted.announced(repository)
    if found is None:
        return "a gitreg was killed just before it published something; nothing is lost"
    checked_out = repository.head_branch() or "HEAD"
    if (checked_out, repository.head_commit()) == (found.branch, found.after):
        return (
            f"a gitreg was killed just after it published {found.after[:9]}: index and files are "
            "not updated yet, so git status shows the change as if you had reverted it"
        )
    return (
        f"a gitreg was killed before the branch had {found.after[:9]}: index and files may have "
        "the change already, and a git commit of yours would contain it; run the same gitreg "
        "command again, or take the change back"
    )


def _dirty(repository: GitRepository) -> dict[str, str]:
    """Return gitreg's paths that differ from the commit, with Git's two status letters."""
    listing = repository.run_at_root(
        "status",
        "--porcelain",
        "-z",
        "--no-renames",
        "--untracked-files=all",
        "--ignore-submodules=none",
        "--",
        *worktree.OURS,
    ).stdout
    found = {os.fsdecode(entry[3:]): entry[:2].decode("ascii") for entry in listing.split(b"\0")}
    return {
        path: letters
        for path, letters in found.items()
        if path and (letters != "??" or _is_document(path))
    }


def _is_document(path: str) -> bool:
    """Return whether gitreg reads or writes a path that Git does not track."""
    place = layout.locate(path)
    return path == layout.POLICY or (place is not None and place.kind != "other")


def behind(inspection: Inspection) -> Sequence[Edit]:
    """Return the edits that are missing in index and files after a crash.

    After a crash, the index has the content of an earlier commit for every file that changed
    since, and each file has that content or the current one. A user who resets the index on
    purpose gets exactly the same state; in any case all the content is in Git.
    """
    repository = inspection.repository
    tip = str(inspection.state.commit)
    if any((repository.git_dir / name).exists() for name in _UNDER_WAY):
        return ()
    staged = repository.run_at_root(
        "diff-index", "--cached", "-z", "--name-only", "--no-renames", tip, "--", *worktree.OURS
    ).stdout
    if not staged:
        return ()
    paths = {os.fsdecode(path) for path in staged.split(b"\0") if path}
    best: Sequence[Edit] = ()
    for commit in islice(_ancestors(repository, tip), _LOOK_BACK):
        changed = set(_ours(repository.changed_paths(commit, tip)))
        if not changed or not changed <= paths:
            continue
        outdated = interrupted.lagging(repository, commit, tip)
        if len(outdated) == len(changed) and len(outdated) > len(best):
            best = outdated
    return best


def _ancestors(repository: GitRepository, tip: str) -> Iterator[str]:
    listing = repository.run_at_root(
        "rev-list", "--first-parent", f"--max-count={_LOOK_BACK + 1}", tip
    ).text
    yield from listing.split()[1:]


def _ours(paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        if path in worktree.OURS or path.startswith(tuple(f"{name}/" for name in worktree.OURS)):
            yield path
