"""Who made a move that a merge brings: the commit on the merged side, if it still counts.

Whoever presses a merge button neither decides nor signs. So a move that a merge brings may count as
made by the commit of the merged side: by its author, its message and its signature. It counts only
where it made this very move, alone, and where nothing has moved the stage on the branch since the
side began. A signed commit of a branch that was left behind moves nothing later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gitreg.core.model import layout
from gitreg.core.state.decision import Move, moves_between
from gitreg.core.state.history import CommitInfo
from gitreg.core.state.state import RegistryState
from gitreg.errors import InvalidDocument
from gitreg.git.repository import GitRepository
from gitreg.git.steps import read_commit_info

States = Callable[["str | None"], RegistryState]
"""Returns the registry at a commit."""


def maker_of(
    repository: GitRepository,
    states: States,
    parents: Sequence[str],
    move: Move,
    since: Sequence[str],
) -> CommitInfo | None:
    """Return the commit of a merged side that made a move, if it still counts.

    Args:
        repository: where the commits are.
        states: gives the registry at a commit.
        parents: of the merge; the first is the branch.
        move: what the merge moves on the branch.
        since: commits of the branch that the side has to know: the last move of the stage, and what
            began the life of the model's name.
    """
    branch, *sides = parents
    stage = move.stage or move.came_from
    if stage is None:
        return None
    for side in sides:
        commit = _only_move(repository, branch, side, layout.stage_path(move.model, stage))
        if commit is None or commit.parent is None:
            continue
        if not all(repository.is_ancestor(known, commit.oid) for known in since):
            continue
        before, after = states(commit.parent), states(commit.oid)
        try:
            is_same = before.stage(move.model, stage) == states(branch).stage(move.model, stage)
            if is_same and move in moves_between(before, after, move.model):
                return commit
        except InvalidDocument:
            continue  # a pointer that does not parse shows no move
    return None


def _only_move(repository: GitRepository, branch: str, side: str, path: str) -> CommitInfo | None:
    """Return the only commit on a side's line of first parents that changed a file."""
    listing = repository.run_at_root(
        "rev-list", "--first-parent", "--max-count=2", side, f"^{branch}", "--", path
    ).text.split()
    found = repository.reader.get(listing[0]) if len(listing) == 1 else None
    return None if found is None else read_commit_info(found)
