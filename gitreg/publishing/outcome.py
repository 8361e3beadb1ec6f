"""What a publication gives back: outcomes, drafts of reviews, and the error of a lost race."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from gitreg.core.model.names import Reference
from gitreg.core.state.change import (
    Change,
)
from gitreg.core.state.state import RegistryState
from gitreg.errors import (
    LostRace,
)


class Overtaken(LostRace):
    """Somebody else moved what the operation moves; to run it again is for a person to decide."""


@dataclass(frozen=True)
class Review:
    """Where an operation is put under review.

    Attributes:
        branch: the branch that has it, without ``refs/heads/``.
        base: the branch that it shall go into.
        title: of the pull request, one line.
        body: of the pull request, Markdown.
        url: the pull request, or where a person opens it; ``None`` where nothing is known.
        state: ``opened`` or ``updated`` by gitreg, else ``by hand``.
    """

    branch: str
    base: str
    title: str
    body: str
    url: str | None = None
    state: Literal["opened", "updated", "by hand"] = "by hand"


@dataclass(frozen=True)
class Outcome:
    """What became of an operation.

    Attributes:
        change: what it does.
        commit: the commit that does it; ``None`` when nothing was written.
        tags: names of the tags that go with it.
        pushed: whether the remote has it.
        warnings: what the person should know.
        operation: its id; ``None`` when nothing was to be written.
        repeated: whether it was done before, under the same id.
        review: where it waits for a review; ``None`` for what takes effect at once.
    """

    change: Change
    commit: str | None = None
    tags: tuple[str, ...] = ()
    pushed: bool = False
    warnings: tuple[str, ...] = ()
    operation: str | None = None
    repeated: bool = False
    review: Review | None = None

    @property
    def versions(self) -> tuple[Reference, ...]:
        """The versions that it is about, such as the one that was registered."""
        return self._named_by("Gitreg-Version")

    @property
    def replaced(self) -> tuple[Reference, ...]:
        """The versions that had to make room, or that an alias named before."""
        return self._named_by("Gitreg-Replaces")

    def _named_by(self, trailer: str) -> tuple[Reference, ...]:
        model = ""
        found = []
        for key, value in self.change.trailers:
            if key == "Gitreg-Model":
                model = value
            elif key == trailer:
                found.append(Reference(model, version=int(value)))
        return tuple(found)

    @property
    def is_unchanged(self) -> bool:
        """Whether everything was already as asked, so that there was nothing to commit."""
        return not self.change.edits


class Draft(Protocol):
    """What is decided of a change before it is put under review."""

    def branch(self, change: Change, base: str) -> str:
        """Return the name, without ``refs/heads/``, of the branch that holds it alone."""

    def push_options(self, change: Change, base: str) -> Sequence[str]:
        """Return what the Git host is asked when the branch is pushed."""


@dataclass(frozen=True)
class ReviewBranch:
    """A change on a branch of its own, on top of what is published.

    Attributes:
        outcome: what it does; without edits when all of it is published.
        before: the registry as it is published.
        base: the branch that it shall go into, without ``refs/heads/``.
        branch: the branch that has it.
        remote_words: what the remote said to the push; empty when nothing had to be pushed.
    """

    outcome: Outcome
    before: RegistryState
    base: str
    branch: str = ""
    remote_words: str = ""
