"""Which version stood where, from when to when: the events of a history as intervals. Pure.

Order is ancestry: an interval begins and ends with commits of the branch's first-parent line. Times
are the committers' dates of these commits, which may go backwards; the length of an interval is
then 0, never less.

>>> move = Event("c1", "2026-11-02T06:00:00+00:00", "Ada <a@x>", "churn", "promote", 1,
...     "stages/production", (), (1,), "better", "promote churn@1")
>>> [track] = tracks_of([move], now=1793600000)
>>> track.intervals[0].since, track.intervals[0].until, track.intervals[0].seconds
('2026-11-02T06:00:00Z', None, 800)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby

from gitreg.core.model.layout import stage_order
from gitreg.core.model.names import ARCHIVE
from gitreg.core.state.history import Event
from gitreg.core.text.times import utc

ARCHIVED = f"stages/{ARCHIVE}"
"""The pointer of retired versions: that it is empty is no gap, and it serves nothing."""


@dataclass(frozen=True)
class Interval:
    """A time during which a pointer held a version, or nothing.

    Attributes:
        model: the name that the model had then.
        pointer: ``stages/production`` or ``aliases/champion``.
        version: its number; ``None`` for a gap: the pointer was emptied, and held nothing.
        since: when it began, in UTC; ``None`` where the history of a shallow clone begins later.
        until: when it ended; ``None`` while it lasts.
        seconds: how long it lasted, or has lasted so far; ``None`` without ``since``.
        author: who put the version there, ``Name <email>``; of a gap, who emptied the pointer.
        reason: why; where the policy was overridden, the reason for that.
        action: how, as an event names it: ``promote``, ``rollback``, ``revert``, ``rename`` ….
        commit: in which commit, 40 hex digits.
        ended_by: what ended it, as an event names it: ``promote``, ``archive``, ``alias``,
            ``rollback``, ``revert``, ``delete``, ``rename``, ``move`` or ``remove``.
        ended_commit: in which commit.
        metrics: those of the version; `gitreg.history` adds them.
        override: the reason for overriding the policy; ``None`` where nothing was overridden.
        start: the place in the history of the commit that began it; -1 for an unknown one.
        end: the place of the commit that ended it; ``None`` while it lasts.
    """

    model: str
    pointer: str
    version: int | None
    since: str | None = None
    until: str | None = None
    seconds: int | None = None
    author: str | None = None
    reason: str | None = None
    action: str | None = None
    commit: str | None = None
    ended_by: str | None = None
    ended_commit: str | None = None
    metrics: Mapping[str, int | float] = field(default_factory=dict)
    override: str | None = None
    start: int = -1
    end: int | None = None

    @property
    def is_gap(self) -> bool:
        """Whether the pointer held nothing."""
        return self.version is None

    @property
    def is_return(self) -> bool:
        """Whether a rollback or revert began it."""
        return self.action in ("rollback", "revert")

    @property
    def kind(self) -> str:
        """What a picture colours it by: a gap, an override, a return, else whether it lasts."""
        if self.is_gap:
            return "gap"
        if self.override is not None:
            return "override"
        if self.is_return:
            return "return"
        return "ended" if self.until else "lasts"


@dataclass(frozen=True)
class Track:
    """All intervals of one pointer of one model, under all names that the model had.

    Attributes:
        model: its last name.
        pointer: ``stages/production`` or ``aliases/champion``.
        intervals: in the order in which they began.
        is_over: whether the model is deleted; a later one of its name has tracks of its own.
    """

    model: str
    pointer: str
    intervals: tuple[Interval, ...]
    is_over: bool = False

    @property
    def is_of_stage(self) -> bool:
        """Whether the pointer is a stage."""
        return self.pointer.startswith("stages/")

    def origin(self, interval: Interval) -> Interval:
        """Return the interval in which a version entered, before the renames in between."""
        for one in reversed(self.intervals):
            is_same = (one.version, one.end) == (interval.version, interval.start)
            if is_same and one.model != interval.model:
                return self.origin(one)
        return interval

    def promoted(self, interval: Interval) -> Interval:
        """Return the interval that a rollback or revert brought back, where one began this one.

        That is the last one of the version which no rollback or revert began.
        """
        earlier = [
            one
            for one in self.intervals
            if one.version == interval.version and one.start < interval.start and not one.is_return
        ]
        return self.origin(earlier[-1]) if interval.is_return and earlier else interval

    def before(self, interval: Interval) -> Interval | None:
        """Return the interval of the version that the pointer named before one began.

        Of several, the highest; after a gap, what was there before it.
        """
        earlier = [
            one
            for one in self.intervals
            if one.version is not None and one.start < interval.start and one is not interval
        ]
        there = [one for one in earlier if one.end is None or one.end >= interval.start]
        last = max((one.end or 0 for one in earlier), default=0) if not there else None
        found = there or [one for one in earlier if one.end == last]
        return max(found, key=lambda one: one.version or 0, default=None)


@dataclass(frozen=True)
class Timeline:
    """The intervals of a registry's pointers.

    Attributes:
        tracks: by model and life of its name; stages, then aliases.
        now: what ``so far`` is counted to, in seconds since the epoch.
        since: the first second that was asked for; ``None`` for the beginning.
        until: the last second that was asked for; ``None`` for now.
        is_cut: whether the history is that of a shallow clone, so that earlier intervals and the
            beginnings of some are unknown.
    """

    tracks: tuple[Track, ...]
    now: int
    since: int | None = None
    until: int | None = None
    is_cut: bool = False

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """The intervals of all tracks, track by track."""
        return tuple(one for track in self.tracks for one in track.intervals)


def overlaps(interval: Interval, since: int | None, until: int | None) -> bool:
    """Tell whether an interval has a moment in common with a window.

    Args:
        interval: which; its first second belongs to it, the second in which it ends does not.
        since: the first second of the window; ``None`` for no limit.
        until: the last second of it.
    """
    begin = None if interval.since is None else seconds_of(interval.since)
    end = None if interval.until is None else seconds_of(interval.until)
    if until is not None and begin is not None and begin > until:
        return False
    starts_later = begin is not None and since is not None and begin >= since
    return since is None or end is None or end > since or starts_later


def seconds_of(moment: str) -> int:
    """Return a moment of ISO 8601 in seconds since the epoch."""
    return int(datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp())


Held = Mapping[tuple[str, str], Collection[int]]
"""Model and pointer to the versions that the pointer holds."""


def tracks_of(
    events: Iterable[Event],
    now: int,
    held: Held | None = None,
    models: Collection[str] | None = None,
) -> tuple[Track, ...]:
    """Return the intervals that events make, pointer by pointer.

    A track goes on through renames of its model. A model that is deleted and made anew has tracks
    of its own: its versions are others.

    Args:
        events: the oldest first, those of one commit one after another.
        now: in seconds since the epoch; what lasts is counted until then.
        held: what pointers hold now where the events do not tell, as in a shallow clone.
        models: only the models that ever had one of these names; all by default.
    """
    fold = _Fold()
    for place, (_, several) in enumerate(groupby(events, key=lambda event: event.commit)):
        fold.add(place, list(several))
    for (model, pointer), versions in (held or {}).items():
        fold.add_unknown(model, pointer, versions)
    return tuple(fold.tracks(now, models))


@dataclass(eq=False)
class _Draft:
    """An interval that may still last."""

    model: str
    pointer: str
    version: int | None
    start: int
    began: Event | None
    end: int | None = None
    ended: Event | None = None
    ended_by: str | None = None

    def interval(self, now: int) -> Interval:
        began, ended = self.began, self.ended
        until = now if ended is None else seconds_of(ended.time)
        found = Interval(
            self.model,
            self.pointer,
            self.version,
            until=None if ended is None else utc(ended.time),
            ended_by=self.ended_by,
            ended_commit=None if ended is None else ended.commit,
            end=self.end,
        )
        if began is None:
            return found
        return replace(
            found,
            since=utc(began.time),
            seconds=max(0, until - seconds_of(began.time)),
            author=began.author,
            reason=began.override or began.reason,
            action=began.action,
            commit=began.commit,
            override=began.override,
            start=self.start,
        )


class _Fold:
    """The intervals so far, commit by commit.

    A line is one model in one life, under all its names; its number is its place in ``_names``.
    """

    def __init__(self) -> None:
        self._names: list[list[str]] = []
        self._lines: dict[str, int] = {}
        self._ended: dict[str, tuple[int, list[str]]] = {}
        self._open: dict[tuple[str, str], dict[int | None, _Draft]] = {}
        self._drafts: dict[tuple[int, str], list[_Draft]] = {}

    def add(self, place: int, events: Sequence[Event]) -> None:
        """Add the events of one commit."""
        ends = {event.model: event for event in events if event.ends_the_model}
        names = {old: event.renamed_to for old, event in ends.items() if event.renamed_to}
        for old in [name for name in names if name not in names.values()]:
            self._rename(old, names)
        for event in events:
            if event.action == "revert" and not event.pointer and event.model not in ends:
                self._bring_back(place, event)
        moves = [event for event in events if event.pointer is not None]
        words = _words(events)
        for event in moves:
            self._leave(place, event, words, ends.get(event.model))
        for event in moves:
            self._enter(place, event, may_be_gap=event.model not in ends)
        for model, event in ends.items():
            self._end_model(place, event, [model, *_later_names(model, names)][-1], ends)

    def _rename(self, old: str, names: Mapping[str, str]) -> None:
        """Let a model's line go on under its new name; one commit may rename it twice."""
        line = self._line(old)
        for name in _later_names(old, names):
            self._lines.pop(old, None)
            self._lines[name] = line
            self._names[line].append(name)
            old = name

    def _bring_back(self, place: int, event: Event) -> None:
        """Let the line of a model whose deletion is taken back go on."""
        if event.model not in self._lines and event.model in self._ended:
            self._lines[event.model], gaps = self._ended.pop(event.model)
            for pointer in gaps:
                self._begin(event.model, pointer, None, place, event)

    def _leave(
        self, place: int, event: Event, words: Mapping[_Version, str], end: Event | None
    ) -> None:
        there = self._open.setdefault((event.model, str(event.pointer)), {})
        # A shallow clone does not have the commit in which they came.
        self.add_unknown(event.model, str(event.pointer), event.before)
        word = event.action if end is None else end.action
        after = set(event.after)  # an archive holds many
        for version in [one for one in there if one not in after]:
            is_vague = word in ("move", "alias")
            why = words.get((event.model, version), word) if is_vague else word
            self._end(there.pop(version), place, event, why)

    def _enter(self, place: int, event: Event, *, may_be_gap: bool) -> None:
        there = self._open[event.model, str(event.pointer)]
        came: list[int | None] = [one for one in event.after if one not in there]
        # A model that takes the name of one that goes has not left what that one had.
        had_some = (self._line(event.model), event.pointer) in self._drafts
        if not event.after and may_be_gap and had_some and event.pointer != ARCHIVED:
            came = [None]
        for version in came:
            self._begin(event.model, str(event.pointer), version, place, event)

    def _end_model(self, place: int, event: Event, became: str, ends: Collection[str]) -> None:
        """End the gaps of a model, which no pointer's move ends; those of a renamed one go on."""
        gaps = []
        for (name, pointer), there in list(self._open.items()):
            if name == event.model and None in there:
                self._end(there.pop(None), place, event, event.action)
                gaps.append(pointer)
        for pointer in gaps if became not in ends else ():
            if not self._open.get((became, pointer)):
                self._begin(became, pointer, None, place, event)
        if became in ends and event.model in self._lines:
            self._ended[event.model] = self._lines.pop(event.model), gaps

    def _line(self, model: str) -> int:
        if model not in self._lines:
            self._lines[model] = len(self._names)
            self._names.append([model])
        return self._lines[model]

    def _begin(
        self, model: str, pointer: str, version: int | None, place: int, event: Event | None
    ) -> None:
        draft = _Draft(model, pointer, version, place, event)
        self._drafts.setdefault((self._line(model), pointer), []).append(draft)
        self._open.setdefault((model, pointer), {})[version] = draft

    @staticmethod
    def _end(draft: _Draft, place: int, event: Event, word: str) -> None:
        draft.end, draft.ended, draft.ended_by = place, event, word

    def add_unknown(self, model: str, pointer: str, versions: Iterable[int]) -> None:
        """Add versions that a pointer holds since before the first event."""
        there = self._open.get((model, pointer), {})
        for version in versions:
            if version not in there:
                self._begin(model, pointer, version, -1, None)

    def tracks(self, now: int, models: Collection[str] | None) -> Iterator[Track]:
        """Yield the tracks, those of one model together, an earlier life of a name first."""
        wanted = [
            key for key in self._drafts if models is None or set(models) & {*self._names[key[0]]}
        ]
        for line, pointer in sorted(wanted, key=self._order):
            drafts = sorted(self._drafts[line, pointer], key=lambda draft: draft.start)
            intervals = tuple(draft.interval(now) for draft in drafts)
            is_over = self._lines.get(self._names[line][-1]) != line
            yield Track(self._names[line][-1], pointer, intervals, is_over)

    def _order(self, key: tuple[int, str]) -> tuple[str, int, tuple[bool, object]]:
        line, pointer = key
        kind, _, name = pointer.partition("/")
        return (self._names[line][-1], line, (kind == "aliases", stage_order(name)))


_Version = tuple[str, "int | None"]


def _later_names(model: str, names: Mapping[str, str]) -> list[str]:
    """Return the names that a commit gives to a model, one after another; by hand, in a circle."""
    found: list[str] = []
    while (became := names.get(found[-1] if found else model)) and became not in (model, *found):
        found.append(became)
    return found


def _words(events: Iterable[Event]) -> dict[_Version, str]:
    """Return how versions went whose pointers moved with them: ``delete`` or ``remove``."""
    return {
        (event.model, event.version): event.action
        for event in events
        if event.pointer is None and event.action in ("delete", "remove")
    }
