"""Checks of commits that take an operation back without saying so, as after a crash."""

from __future__ import annotations

from collections.abc import Iterator

from gitreg.check.finding import CheckFinding
from gitreg.check.step import Step
from gitreg.core.state.change import OPERATION, trailers_of
from gitreg.core.state.taken_back import TakenBack, is_pointer
from gitreg.git.repository import GitRepository


class Operations:
    """The operations that wrote the pointers before the commit that is judged."""

    def __init__(self, repository: GitRepository) -> None:
        self._repository = repository
        self._history = TakenBack()
        self._asked: set[str] = set()

    def undone(self, step: Step) -> Iterator[CheckFinding]:
        """Yield a warning for each pointer that a commit takes back without saying so.

        Call it for the commits in order, each beside its first parent.
        """
        changes = [change for change in step.registry_changes if is_pointer(change.path)]
        if changes and OPERATION not in trailers_of(step.commit.message):
            for change in changes:
                self._ask(step.parent, change.path)
        self._asked.update(change.path for change in changes)
        found = self._history.read(
            step.commit.oid,
            step.commit.message,
            [(change.path, change.blob_before, change.blob) for change in changes],
        )
        for undone in found:
            yield step.found(
                "taken-back",
                undone.path,
                f"it is again what it was before {undone.operation[:9]} "
                f"({self._repository.subject_of(undone.operation)}), and the message does not say "
                "so: a commit after a crash, or with an old index?",
                severity="warning",
            )

    def _ask(self, parent: str | None, path: str) -> None:
        """Read who wrote a file last, once, before the commits that are judged."""
        if parent is None or path in self._asked:
            return
        last = self._repository.run(
            "rev-list", "--first-parent", "--max-count=1", parent, "--", path
        ).text
        if not last:
            return
        blobs = self._repository.reader.get_many([f"{last}^:{path}", f"{last}:{path}"])
        before, after = (None if blob is None else blob.oid for blob in blobs)
        self._history.read(last, self._repository.message_of(last), [(path, before, after)])
