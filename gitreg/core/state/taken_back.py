"""Finds commits that take an operation back without saying so.

After a crash, or with an old index, a person's ``git commit -a`` can hold the old content of a
pointer. Such a commit is about something else, and nobody sees that it moves the pointer back. A
rollback of gitreg's and a ``git revert`` say what they do.

>>> history = TakenBack()
>>> history.read("one", "promote m@3\\n\\nGitreg-Op: a\\n", [("p", b"2", b"3")])
[]
>>> history.read("two", "my own work", [("p", b"3", b"2")])
[Undone(path='p', commit='two', operation='one')]
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from gitreg.core.model import layout
from gitreg.core.state.change import OPERATION, reverted_by, trailers_of

Content: TypeAlias = "bytes | str | None"
"""A file's content, or the name of its blob; ``None`` for an absent file."""


@dataclass(frozen=True)
class Undone:
    """A file that a commit brought back to what it was before an operation."""

    path: str
    commit: str
    operation: str


@dataclass(frozen=True)
class _Written:
    commit: str
    before: Content
    after: Content


class TakenBack:
    """Reads commits in order, and remembers which operation wrote each file last."""

    def __init__(self) -> None:
        self._written: dict[str, _Written] = {}

    def read(
        self, commit: str, message: str, changes: Iterable[tuple[str, Content, Content]]
    ) -> list[Undone]:
        """Return what a commit takes back without saying so.

        Args:
            commit: its name.
            message: its message.
            changes: path, content before and content after.
        """
        trailers = trailers_of(message)
        is_operation = OPERATION in trailers
        says_so = is_operation or "Gitreg-Action" in trailers or reverted_by(message) is not None
        found = []
        for path, before, after in changes:
            last = self._written.pop(path, None)
            if last is not None and not says_so and (last.after, last.before) == (before, after):
                found.append(Undone(path, commit, last.commit))
            if is_operation:
                self._written[path] = _Written(commit, before, after)
        return found


def is_pointer(path: str) -> bool:
    """Return whether a path is the file of a stage or an alias."""
    place = layout.locate(path)
    return place is not None and place.pointer is not None
