"""Results of a publication: outcomes, review branches, and the error of a lost race."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from gitreg.core.model.names import Reference
from gitreg.core.state.change import Change
from gitreg.core.state.state import RegistryState
from gitreg.errors import LostRace, UnknownOutcome, WorldError


class Overtaken(LostRace):
    """Somebody else moved the same pointer; only a person can decide to run it again."""


@dataclass(frozen=True)
class Review:
    """Where an operation waits for review.

    Attributes:
        branch: the branch that holds it, without ``refs/heads/``.
        base: the branch to merge it into.
        title: title of the pull request, one line.
        body: body of the pull request, Markdown.
        url: the pull request, or the page that opens one; ``None`` when neither is known.
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
    """The result of an operation.

    Attributes:
        change: the change that it makes.
        commit: the commit; ``None`` when nothing was written.
        tags: names of the tags that the commit implies.
        pushed: whether the remote has the commit.
        warnings: warnings for the user, one line each.
        operation: the id of the operation; ``None`` when there was nothing to write.
        repeated: whether it was done before under the same id.
        review: where it waits for review; ``None`` when it took effect at once.
        branch: the branch that has the commit, where it is not the remote's default branch.
        unshared: what everybody else still sees, while the commit is not published; ``None`` when
            it is, or when there is nowhere to publish.
    """

    change: Change
    commit: str | None = None
    tags: tuple[str, ...] = ()
    pushed: bool = False
    warnings: tuple[str, ...] = ()
    operation: str | None = None
    repeated: bool = False
    review: Review | None = None
    branch: str | None = None
    unshared: str | None = None

    @property
    def versions(self) -> tuple[Reference, ...]:
        """The versions that the operation names, such as the registered one."""
        return self._named_by("Gitreg-Version")

    @property
    def replaced(self) -> tuple[Reference, ...]:
        """The versions that left a stage to make room, or that an alias named before."""
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
        """Whether everything was already as requested, with nothing to commit."""
        return not self.change.edits


class Draft(Protocol):
    """How a change goes under review: its branch, and what the host is asked to do."""

    def branch(self, change: Change, base: str) -> str:
        """Return the name of the review branch, without ``refs/heads/``."""

    def push_options(self, change: Change, base: str) -> Sequence[str]:
        """Return the push options for the Git host."""


@dataclass(frozen=True)
class ReviewBranch:
    """A change on its own branch, on top of the published one.

    Attributes:
        outcome: what the change does; it has no edits when all of it is published already.
        before: the registry as published.
        base: the branch to merge it into, without ``refs/heads/``.
        branch: the branch that holds it.
        remote_words: what the remote printed on the push; empty when nothing was pushed.
    """

    outcome: Outcome
    before: RegistryState
    base: str
    branch: str = ""
    remote_words: str = ""


_STATES_REACHED = ("nothing was", "published as", "written as")
"""Phrases by which an error says what was done before it was raised."""


def with_state_reached(error: WorldError, *, published: bool) -> WorldError:
    """Add to an error's hint that nothing was done, unless the error says what was done."""
    said = f"{error} {error.hint}"
    if not isinstance(error, UnknownOutcome) and not any(w in said for w in _STATES_REACHED):
        nothing = f"nothing was {'published' if published else 'written'}"
        error.hint = f"{nothing}; {error.hint}" if error.hint else nothing
    return error
