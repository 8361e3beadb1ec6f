"""The events that concern a reference: a model, one of its stages or aliases, or a version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gitreg.core.model.names import Reference
from gitreg.core.state.history import Event
from gitreg.core.state.state import RegistryState
from gitreg.core.text.times import parse_instant
from gitreg.errors import InvalidRequest
from gitreg.git.history_index import HistoryIndex


def events_about(
    history: HistoryIndex, state: RegistryState, wanted: Reference | None, limit: int | None
) -> list[Event]:
    """Return events, newest first.

    Args:
        history: the index, advanced to the state's commit.
        state: knows which models and versions there are.
        wanted: whose events; ``None`` for all models.
        limit: the most events to return; ``None`` for all.

    Raises:
        NotFound: there is no such model, version, stage or alias, and there never was.
        InvalidRequest: the limit is negative.
    """
    if limit is not None and limit < 0:
        raise InvalidRequest(f"limit: {limit} is less than 0")
    most = -1 if limit is None else limit
    if wanted is None:
        return history.events(limit=most)
    if wanted.is_model and state.tombstone(wanted.model) is not None:
        return history.events(wanted.model, limit=most)  # a deleted or renamed one has a past, too
    model = state.check_model(wanted.model)
    if wanted.is_model:
        return history.events(model, limit=most)
    if wanted.alias is not None or wanted.stage is not None:
        pointer = f"aliases/{wanted.alias}" if wanted.alias else f"stages/{wanted.stage}"
        found = history.events(model, pointer, limit=most)
        if not found:
            state.resolve(wanted)  # raises if the name is wrong
        return found
    number = wanted.version
    if number is None or number not in state.numbers(model):  # a deleted one has a past, too
        number = state.resolve(wanted)
    return [event for event in history.events(model) if concerns(event, number)][:limit]


@dataclass(frozen=True)
class EventFilter:
    """Which events a person asks for.

    Attributes:
        since: seconds since the epoch; no earlier ones.
        until: no later ones.
        author: a part of who did it, in lower case.
    """

    since: int | None = None
    until: int | None = None
    author: str | None = None

    @classmethod
    def of(cls, since: str | None, until: str | None, author: str | None) -> EventFilter | None:
        """Return the filter that a person typed; ``None`` for none.

        Raises:
            InvalidRequest: a moment is malformed.
        """
        if since is None and until is None and author is None:
            return None
        return cls(
            None if since is None else parse_instant(since, first=True),
            None if until is None else parse_instant(until),
            None if author is None else author.casefold(),
        )

    def takes(self, event: Event) -> bool:
        """Tell whether an event is asked for."""
        moment = datetime.fromisoformat(event.time).timestamp()
        return (
            (self.since is None or moment >= self.since)
            and (self.until is None or moment <= self.until)
            and (self.author is None or self.author in event.author.casefold())
        )


def concerns(event: Event, version: int) -> bool:
    """Tell whether a version is the subject of an event, or entered or left its pointer."""
    if event.version == version:
        return True
    return (version in event.before) != (version in event.after)
