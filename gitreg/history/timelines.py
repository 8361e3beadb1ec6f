"""Timelines: which version stood where, from when to when, for how long, and who put it there."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from gitreg.core.model import layout
from gitreg.core.model.manifest import read_manifest
from gitreg.core.state.intervals import Held, Interval, Timeline, Track, overlaps, tracks_of
from gitreg.core.state.state import RegistryState
from gitreg.core.text.suggest import did_you_mean
from gitreg.core.text.times import parse_instant
from gitreg.errors import InvalidDocument, InvalidRequest, NotFound
from gitreg.git.history_index import HistoryIndex
from gitreg.git.repository import GitRepository
from gitreg.registry import Registry
from gitreg.registry.options import ReadOptions

if TYPE_CHECKING:
    from typing_extensions import Unpack  # in typing itself since Python 3.11


def timeline(
    registry: Registry,
    *models: str,
    stage: str | None = None,
    alias: str | None = None,
    since: str | None = None,
    until: str | None = None,
    now: int | None = None,
    **options: Unpack[ReadOptions],
) -> Timeline:
    """Return which versions stood where, from when to when.

    A model's timeline goes on through its renames, under either name, and has the earlier models of
    its name.

    Args:
        registry: which.
        models: names, also of deleted or renamed models, and patterns such as ``churn-*``; all
            models by default.
        stage: only this stage.
        alias: only this alias.
        since: a moment; no intervals that ended by then. See
            `gitreg.core.text.times.parse_instant`; a date alone is the beginning of its day.
        until: a moment; no intervals that began after it. Intervals that overlap the window are
            returned whole.
        now: what lasts is counted until then, in seconds since the epoch; the clock by default.
        **options: ``rev``: which commit's history to read. ``at``: only the intervals of that
            moment, with what became of them since.

    Raises:
        NotFound: there is no such model, stage or alias, and there never was.
        InvalidRequest: a moment is malformed, or options exclude each other.
    """
    if stage is not None and alias is not None:
        raise InvalidRequest("a stage or an alias: a timeline takes one of them")
    at = options.get("at")
    window = _window(since, until, at)
    then = registry.state(**options)
    state = then if at is None else registry.state()
    names = _chosen(state, registry.past(state), models)
    present = int(time.time()) if now is None else now
    pointer = _pointer(stage, alias)
    tracks = tracks_at(registry, state, names, present, pointer)
    if pointer is not None and not tracks:
        _check_pointer(registry, state, stage, alias)
    lasted = None if at is None else _lasting(tracks_at(registry, then, names, present, pointer))

    def is_wanted(one: Interval) -> bool:
        return overlaps(one, *window) and (lasted is None or _identity(one) in lasted)

    found = [
        replace(track, intervals=kept)
        for track in tracks
        if (kept := tuple(filter(is_wanted, track.intervals)))
    ]
    shown = _with_metrics(registry.repository, found, str(state.commit))
    return Timeline(shown, present, *window, registry.repository.is_shallow)


def tracks_at(
    registry: Registry,
    state: RegistryState,
    names: Collection[str] | None,
    now: int,
    pointer: str | None = None,
) -> tuple[Track, ...]:
    """Return the tracks of models as of a state, without metrics.

    Args:
        registry: which.
        state: of it.
        names: names that the models have or had; ``None`` for all models.
        now: in seconds since the epoch.
        pointer: only the tracks of this pointer, ``stages/production``.
    """
    past = registry.past(state)
    wanted = None if names is None else set(names)
    events = past.moves_and_ends(wanted, pointer)
    while wanted is not None:
        others = {name for event in events for name in (event.renamed_from, event.renamed_to)}
        linked = wanted | {name for name in others if name is not None}
        if linked == wanted:
            break
        wanted = linked
        events = past.moves_and_ends(wanted, pointer)
    held = _held(state, wanted, pointer) if registry.repository.is_shallow else {}
    return tracks_of(events, now, held, names)


def _held(state: RegistryState, names: Collection[str] | None, pointer: str | None) -> Held:
    """Return what pointers hold at a commit, which the rest of a cut-off history may not tell."""
    held: dict[tuple[str, str], tuple[int, ...]] = {}
    for name in state.model_names():
        if names is None or name in names:
            model = state.readable_pointers(name, [])
            held |= {(name, f"stages/{stage}"): has for stage, has in model.stages.items()}
            held |= {(name, f"aliases/{alias}"): (one,) for alias, one in model.aliases.items()}
    return {key: has for key, has in held.items() if pointer in (None, key[1])}


def _window(since: str | None, until: str | None, at: str | None) -> tuple[int | None, int | None]:
    if at is not None and (since is not None or until is not None):
        raise InvalidRequest("--at is one moment: leave out --since and --until")
    first = None if since is None else parse_instant(since, first=True)
    last = None if until is None else parse_instant(until)
    if first is not None and last is not None and first > last:
        raise InvalidRequest("--since is later than --until")
    return first, last


def _chosen(
    state: RegistryState, past: HistoryIndex, asked: Sequence[str]
) -> tuple[str, ...] | None:
    """Return the names that are meant; ``None`` for all."""
    if not asked:
        return None
    known = dict.fromkeys((*past.model_names(), *state.model_names()))
    found: list[str] = []
    for text in asked:
        if text in known:
            found.append(text)
        elif any(sign in text for sign in "*?["):
            found += [name for name in known if fnmatchcase(name, text)]
        else:
            found.append(state.check_model(text))
    return tuple(dict.fromkeys(found))


def _pointer(stage: str | None, alias: str | None) -> str | None:
    """Return the pointer that is meant; ``None`` for all."""
    if stage is not None:
        return f"stages/{stage.lower()}"
    return None if alias is None else f"aliases/{alias}"


def _check_pointer(
    registry: Registry, state: RegistryState, stage: str | None, alias: str | None
) -> None:
    """Refuse a pointer that held nothing in the models that were asked about, and never anywhere.

    Raises:
        NotFound: neither the policy nor the history knows it.
    """
    known = {track.pointer for track in tracks_at(registry, state, None, 0)}
    if stage is not None and f"stages/{stage.lower()}" not in known:
        state.policy.stage(stage.lower())
    if alias is not None and f"aliases/{alias}" not in known:
        aliases = [one.partition("/")[2] for one in sorted(known) if one.startswith("aliases/")]
        hint = did_you_mean(alias, aliases) or f"there is {', '.join(aliases) or 'none'}"
        raise NotFound(f"no alias {alias!a}, and there never was", hint=hint)


_Identity = tuple[str, str, "int | None", "str | None"]


def _identity(one: Interval) -> _Identity:
    return one.model, one.pointer, one.version, one.commit


def _lasting(tracks: Iterable[Track]) -> frozenset[_Identity]:
    return frozenset(
        _identity(one) for track in tracks for one in track.intervals if one.end is None
    )


def _with_metrics(
    repository: GitRepository, tracks: Sequence[Track], tip: str
) -> tuple[Track, ...]:
    """Return tracks with the metrics of their versions, whose manifests are read together.

    They are read at the commits that began the intervals: a later model of a name has other
    versions of the same numbers.
    """

    def source(one: Interval) -> str:
        return f"{one.commit or tip}:{layout.manifest_path(one.model, one.version or 0)}"

    every = (one for track in tracks for one in track.intervals if one.version is not None)
    sources = list(dict.fromkeys(map(source, every)))
    read = zip(sources, repository.reader.get_many(sources), strict=True)
    metrics = {place: _metrics(found.data, place) for place, found in read if found is not None}
    return tuple(
        replace(
            track,
            intervals=tuple(
                replace(one, metrics=metrics.get(source(one), {})) for one in track.intervals
            ),
        )
        for track in tracks
    )


def _metrics(data: bytes, place: str) -> Mapping[str, int | float]:
    try:
        return read_manifest(data, place).metrics
    except InvalidDocument:
        return {}  # `gitreg check` reports the file
