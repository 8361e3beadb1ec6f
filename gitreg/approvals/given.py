"""Approvals as events: whose key signed each, who committed it, and what became of it.

An event of the history knows the committer alone. The approval's file names the principal, and the
signature in it the key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from gitreg.approvals.signatures import fingerprint_of
from gitreg.core.model import layout
from gitreg.core.state.history import Event
from gitreg.core.text.times import utc
from gitreg.git.repository import GitRepository

_ACTIONS = ("approve", "withdraw")


@dataclass(frozen=True)
class GivenApproval:
    """One approval or withdrawal in history.

    Attributes:
        action: ``approve`` or ``withdraw``; a rollback also withdraws.
        stage: the stage.
        principal: whose approval it is, as its file says.
        key: the fingerprint of the key in its signature; ``None`` if that does not parse.
        time: when it was committed, UTC.
        committer: the author of the commit.
        commit: 40 hex digits.
    """

    action: str
    stage: str
    principal: str
    key: str | None
    time: str
    committer: str
    commit: str


def with_principals(repository: GitRepository, events: Iterable[Event]) -> list[Event]:
    """Return events in which approvals and withdrawals name their principals."""
    paths = _Paths(repository)
    return [
        replace(event, principal=principal)
        if event.action in _ACTIONS and (principal := paths.next_of(event)[0])
        else event
        for event in events
    ]


def given(repository: GitRepository, events: Iterable[Event]) -> Iterator[GivenApproval]:
    """Yield the approvals among events."""
    paths = _Paths(repository)
    for event in events:
        principal, path = paths.next_of(event) if event.action in _ACTIONS else (None, None)
        if principal is None or path is None:
            continue
        holds = event.commit if event.action == "approve" else f"{event.commit}^"
        data = repository.snapshot(repository.commit_of(holds)).read(path)
        yield GivenApproval(
            event.action,
            str(event.stage),
            principal,
            None if data is None else fingerprint_of(data),
            utc(event.time),
            event.author,
            event.commit,
        )


class _Paths:
    """The approval files of commits, each given out once: one event, one file."""

    def __init__(self, repository: GitRepository) -> None:
        self._repository = repository
        self._left: dict[str, list[str]] = {}

    def next_of(self, event: Event) -> tuple[str | None, str | None]:
        """Return the principal and the path of an event's approval."""
        if event.commit not in self._left:
            parent = self._repository.commit_of(f"{event.commit}^")
            self._left[event.commit] = self._repository.changed_paths(parent, event.commit)
        paths = self._left[event.commit]
        for path in paths:
            place = layout.locate(path)
            if place is None or place.kind != "approval":
                continue
            if (place.model, place.version, place.name) == (
                event.model,
                event.version,
                event.stage,
            ):
                paths.remove(path)
                return place.principal, path
        return None, None
