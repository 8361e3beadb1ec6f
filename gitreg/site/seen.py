"""A model's values from what was read: what stands where, and what wants attention. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import quote

from gitreg.core.model import layout
from gitreg.core.model.names import ARCHIVE
from gitreg.core.state.intervals import Interval, Track
from gitreg.site.texts import first_line, initials_first
from gitreg.site.values import ModelSeen, Row, Stand

WANTS = {
    "broken": "Files that do not parse",
    "override": "Policy overridden",
    "reproduction": "Reproduction failed",
    "empty": "Stage is empty",
    "candidate": "Candidate waits",
    "evaluation": "Serves without evaluation",
    "card": "No card",
}
"""Kinds of what wants attention, the most urgent first, and their headings."""


def folder_of(model: str) -> str:
    """Return the folder of a model's pages: that of its files, which every file system can hold."""
    return layout.model_path(model).rpartition("/")[2]


def address_of(model: str) -> str:
    """Return the address of that folder, relative to ``models/``."""
    return quote(folder_of(model))


def row_of(seen: ModelSeen, main: str) -> Row:
    """Return a model as the overview shows it.

    Args:
        seen: the model.
        main: the stage that serves.
    """
    model = seen.model
    summary = seen.card.summary if seen.card else None
    return Row(
        model.name,
        address_of(model.name),
        model.latest or 0,
        len(seen.versions),
        first_line(summary or model.description),
        model.owner or "",
        tuple(stands(seen)),
        tuple(wants(seen, main)),
    )


def stands(seen: ModelSeen) -> Iterator[Stand]:
    """Yield what a model's stages and aliases hold; the archive is left out."""
    for stage, held in sorted(
        seen.model.stages.items(), key=lambda one: layout.stage_order(one[0])
    ):
        if stage != ARCHIVE:
            yield _stand(seen.tracks, "stage", stage, held)
    for alias, number in seen.model.aliases.items():
        yield _stand(seen.tracks, "alias", alias, (number,))


def _stand(tracks: Sequence[Track], kind: str, name: str, held: tuple[int, ...]) -> Stand:
    there = standing(tracks, f"{'stages' if kind == 'stage' else 'aliases'}/{name}", held[-1])
    if there is None:
        return Stand(kind, name, held)
    by = initials_first(there.author or "")
    return Stand(
        kind, name, held, there.since or "", by, there.action or "", there.override is not None
    )


def standing(tracks: Sequence[Track], pointer: str, version: int) -> Interval | None:
    """Return the interval in which a pointer holds a version now."""
    for track in tracks:
        if track.pointer != pointer or track.is_over:
            continue
        for one in reversed(track.intervals):
            if one.version == version and one.end is None:
                return one
    return None


def wants(seen: ModelSeen, main: str) -> Iterator[tuple[str, str]]:
    """Yield what wants attention, each kind with a text."""
    model = seen.model
    yield from (("broken", text) for text in seen.broken)
    for stand in stands(seen):
        if stand.override and stand.kind == "stage":
            text = f"{model.name}@{stand.versions[-1]} entered {stand.name} against the rules"
            yield "override", text
    for version, statements in seen.remade.items():
        if any(one.verdict == "different" for one in statements):
            yield "reproduction", f"{model.name}@{version} was made again and came out different"
    if not seen.versions:
        return
    serving = model.stages.get(main, ())
    if not serving:
        yield "empty", f"{model.name} has nothing in {main}"
    else:
        yield from _candidates(seen, serving[-1])
    by_number = {version.version: version for version in seen.versions}
    for number in serving:
        if number in by_number and not by_number[number].evaluations:
            yield "evaluation", f"{model.name}@{number} serves and was not evaluated"
    if serving and seen.card is None:
        yield "card", f"{model.name} serves and has no CARD.md"


def _candidates(seen: ModelSeen, serving: int) -> Iterator[tuple[str, str]]:
    """Yield the newest version that is neither serving nor retired, and newer than what serves."""
    newer = [
        version.version
        for version in seen.versions
        if version.version > serving and seen.model.stage_of(version.version) != ARCHIVE
    ]
    if newer:
        stage = seen.model.stage_of(newer[-1])
        where = f"is in {stage}" if stage else "is in no stage"
        yield "candidate", f"{seen.model.name}@{newer[-1]} {where}, newer than @{serving}"
