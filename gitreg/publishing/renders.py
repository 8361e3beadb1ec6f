"""Rendered files, with what only the repository knows: registering commits, and strays."""

from __future__ import annotations

from gitreg.core.model import layout
from gitreg.core.operations import Operation
from gitreg.core.operations.renders import Registered, render_all, rendered
from gitreg.core.state.change import Change
from gitreg.core.state.state import RegistryState
from gitreg.git.history_index import HistoryIndex
from gitreg.git.rendered import rendered_files
from gitreg.git.repository import GitRepository
from gitreg.git.valid_policy import policy_in_force


def registered_in(repository: GitRepository, history: HistoryIndex) -> Registered:
    """Return a function that gives the commit which registered a version under its name."""

    def registered(model: str, version: int) -> str | None:
        commit = history.registering_commit(model, version)
        if commit is None:
            return None
        # A model that was renamed had another name then: nobody finds this one there.
        then = repository.with_history().snapshot(commit)
        return commit if then.read(layout.manifest_path(model, version)) is not None else None

    return registered


def with_renders(
    operation: Operation, repository: GitRepository, history: HistoryIndex
) -> Operation:
    """Return an operation whose change also writes the rendered files of the pointers it moves.

    They follow the last policy that parses, because a rollback does.
    """
    registered = registered_in(repository, history)

    def wrapped(state: RegistryState) -> Change:
        change = operation(state)
        if not any(map(layout.is_stage, change.paths)):
            return change  # most writes need no policy
        return rendered(_ruled(repository, state), change, registered)

    return wrapped


def rendering(repository: GitRepository, history: HistoryIndex) -> Operation:
    """Return the operation that makes all rendered files true, and removes those of no rule."""
    registered = registered_in(repository, history)
    return lambda state: render_all(
        state, registered, rendered_files(repository, str(state.commit))
    )


def _ruled(repository: GitRepository, state: RegistryState) -> RegistryState:
    return state.ruled_by(policy_in_force(repository, state).policy)
