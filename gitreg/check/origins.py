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
from gitreg.git.commit_info import read_commit_info
from gitreg.git.repository import GitRepository

States = Callable[["str | None"], RegistryState]
"""Returns the registry at a commit."""


class Makers:
    """Finds the commits of merged sides that made moves; each stage of a side is looked at once.

    Args:
        repository: where the commits are.
        states: gives the registry at a commit.
    """

    def __init__(self, repository: GitRepository, states: States) -> None:
        self._repository = repository
        self._states = states
        self._found: dict[tuple[str, str, str], CommitInfo | None] = {}

    def maker_of(
        self, parents: Sequence[str], move: Move, since: Sequence[str]
    ) -> CommitInfo | None:
        """Return the commit of a merged side that made a move, if it still counts.

        Args:
            parents: of the merge; the first is the branch.
            move: what the merge moves on the branch.
            since: commits of the branch that the side has to know: the last move of the stage, and
                what began the life of the model's name.
        """
        branch, *sides = parents
        stage = move.stage or move.came_from
        if stage is None:
            return None
        path = layout.stage_path(move.model, stage)
        for side in sides:
            key = branch, side, path
            if key not in self._found:
                self._found[key] = self.look(*key, since)
            commit = self._found[key]
            if commit is not None and self._made(commit, branch, move, stage):
                return commit
        return None

    def _made(self, commit: CommitInfo, branch: str, move: Move, stage: str) -> bool:
        """Tell whether a commit made a move, from where the branch is."""
        before, after = self._states(commit.parent), self._states(commit.oid)
        try:
            held, held_here = (
                state.stage(move.model, stage) for state in (before, self._states(branch))
            )
            return held == held_here and move in moves_between(before, after, move.model)
        except InvalidDocument:
            return False  # a pointer that does not parse shows no move

    def look(self, branch: str, side: str, path: str, since: Sequence[str]) -> CommitInfo | None:
        """Return the only commit of a side that changed a file, if it knows some commits."""
        listing = self._repository.run_at_root(
            "rev-list", "--first-parent", "--max-count=2", side, f"^{branch}", "--", path
        ).text.split()
        found = self._repository.reader.get(listing[0]) if len(listing) == 1 else None
        if found is None or not all(
            self._repository.is_ancestor(known, found.oid) for known in since
        ):
            return None
        commit = read_commit_info(found)
        return None if commit.parent is None else commit
