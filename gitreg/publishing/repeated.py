"""An operation that is run again under its id: whether what it did still holds."""

from __future__ import annotations

from gitreg.core.state.taken_back import TakenBack, is_pointer
from gitreg.errors import Refused
from gitreg.git.log import read_commits
from gitreg.git.repository import GitRepository


def refuse_if_taken_back(repository: GitRepository, operation: str, done: str, tip: str) -> None:
    """Refuse to call an operation done that a later commit took back without saying so.

    Args:
        repository: where the commits are.
        operation: its id.
        done: the commit that it made.
        tip: the end of the branch.

    Raises:
        Refused: a pointer that it moved is again what it was before.
    """
    repository = repository.with_history()
    parent = next(iter(repository.parents_of(done)), None)
    paths = [path for path in repository.changed_paths(parent, done) if is_pointer(path)]
    if not paths or done == tip:
        return
    now, then = (repository.snapshot(commit).read_many(paths) for commit in (tip, done))
    if list(now) == list(then):
        return
    history = TakenBack()
    for commit, changes in read_commits(repository, parent, tip):
        moved = [(change.path, change.before, change.after) for change in changes]
        wanted = [change for change in moved if change[0] in paths]
        for undone in history.read(commit.oid, commit.message, wanted):
            if undone.operation == done:
                raise Refused(
                    f"{operation} was done in {done[:9]}, and {undone.commit[:9]} "
                    f"({repository.subject_of(undone.commit)}) took {undone.path} back without "
                    "saying so",
                    hint="to do it again, run it without --op-id, or under a new id",
                )
