"""Index and work tree beside the commit: what has not followed it, and what is the user's work."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from itertools import islice

from gitreg.core.model import layout
from gitreg.core.state.change import Edit
from gitreg.doctor.inspection import Inspection
from gitreg.findings import Finding
from gitreg.git import worktree
from gitreg.git.repository import GitRepository, Tip

_LOOK_BACK = 50
"""How many commits an index may lag behind and still be told from the user's work."""

# A person is in the middle of something that moves the index on purpose.
_UNDER_WAY = (
    "MERGE_HEAD",
    "REVERT_HEAD",
    "CHERRY_PICK_HEAD",
    "rebase-merge",
    "rebase-apply",
    "sequencer",
)


def examine(inspection: Inspection) -> Iterator[Finding]:
    """Say what of the registry's files is not as the commit has it."""
    repository = inspection.repository
    if repository.top_level is None or inspection.state.commit is None:
        return
    waiting = _announced(repository)
    if waiting is not None:
        yield Finding("not-followed", "warning", "work tree", waiting, "gitreg doctor --fix")
        return  # what lags is told by this
    dirty = _dirty(repository)
    late = {edit.path for edit in behind(inspection)}
    if late:
        paths = sorted(late)
        yield Finding(
            "work-tree-behind",
            "warning",
            paths[0],
            f"{len(paths)} file(s) are as an earlier commit has them: a write was cut off, or the "
            "branch was moved from elsewhere; git status shows it as if you had taken it back",
            f"git restore --staged --worktree -- {shlex.join(paths)}",
        )
    gone = [path for path, state in dirty.items() if path not in late and state == " D"]
    if gone:
        yield Finding(
            "missing-file",
            "warning",
            gone[0],
            f"{len(gone)} file(s) of the registry are not in the work tree, though you did not "
            "take them out of Git: gitreg refuses to write them",
            f"git restore -- {shlex.join(gone)}",
        )
    own = [path for path in dirty if path not in late and path not in gone]
    if own:
        yield Finding(
            "uncommitted",
            "note",
            own[0],
            f"{len(own)} file(s) of the registry have uncommitted changes of yours: gitreg refuses "
            "to write them until you commit them or take them back",
            f"git status --short -- {shlex.join(own)}",
        )


def _announced(repository: GitRepository) -> str | None:
    """Return what is to be said of a publication that was announced and not followed."""
    if not (repository.git_dir / worktree.ANNOUNCEMENT).exists():
        return None
    found = worktree.announced(repository)
    if found is None:
        return "a gitreg was killed right before it published something: nothing is lost"
    if repository.head_branch() != found.branch or repository.tip() != Tip(
        found.branch, found.after
    ):
        return "a gitreg was killed before it published what it had announced: nothing is lost"
    return (
        f"a gitreg was killed right after it published {found.after[:9]}: index and files have not "
        "followed it, so that git status shows it as if you had taken it back"
    )


def _dirty(repository: GitRepository) -> dict[str, str]:
    """Return the paths of ours that differ from the commit, with Git's two letters for each."""
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
    """Tell whether gitreg would read, or want to write, a path that Git does not track."""
    place = layout.locate(path)
    return path == layout.POLICY or (place is not None and place.kind != "other")


def behind(inspection: Inspection) -> Sequence[Edit]:
    """Return the edits that index and files have not followed, as they are after a crash.

    There the index is exactly as an earlier commit has it, for all files that changed since, and
    the files are as that commit or the present one has them. Of an index that a person has put
    back to the very same state it cannot be told apart; all of it is in Git in any case.
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
        late = worktree.lagging(repository, commit, tip)
        if len(late) == len(changed) and len(late) > len(best):
            best = late
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
