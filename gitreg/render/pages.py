"""Pages for people: a model, what a stage holds, where a clone stands. No I/O; text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gitreg.core.model.names import format_version
from gitreg.core.text.counts import quantity
from gitreg.core.text.times import ago, utc
from gitreg.render.as_text import page_of, versions_text
from gitreg.render.colour import stage_style
from gitreg.render.events import events_text, rollback_command
from gitreg.render.terminal import SHORT, Piece, line, person, prose, table, when

if TYPE_CHECKING:
    from gitreg.core.model.model import Model, ModelVersion
    from gitreg.core.operations.rollback import Tenure
    from gitreg.core.state.history import Event
    from gitreg.publishing.status import CloneStatus, Held

SHOWN = 5
"""How many moves and versions a page shows."""


def held_text(held: Held, before: Tenure | None, width: int, repo: str = ".") -> str:
    """Return what somebody on call needs first: since when, by whom, why, and the way back.

    Args:
        held: what the stage holds.
        before: what it held before.
        width: in columns.
        repo: the ``--repo`` of the command that asks.
    """
    names = ", ".join(format_version(held.model, version) for version in held.versions)
    lines = [prose(line(f"{names} in {held.stage}{_since(held)}"), width)]
    if before is not None:
        name = format_version(held.model, before.version)
        began = "" if before.began is None else f" from {utc(before.began)}"
        gone = "" if before.stands else f", withdrawn in {before.ended_in[:SHORT]}"
        told = f"before it: {name},{began} until {utc(before.ended)}{gone}"
        lines.append(prose(line(told), width))
        back = rollback_command(held.model, held.stage, repo)
        way = (
            f"to go back: {back} -m REASON --push"
            if before.is_previous
            else f"a rollback has nothing to go back to; what was there: {back} --list"
        )
        lines.append(line(way))  # a command in two lines cannot be copied
    return "\n".join(lines)


def _since(held: Held) -> str:
    if held.since is None:
        return ""
    why = f", because: {held.reason}" if held.reason else ""
    return f" since {utc(held.since)}, by {person(held.by)} in {str(held.commit)[:SHORT]}{why}"


def model_page(
    model: Model, versions: Sequence[ModelVersion], events: Sequence[Event], width: int
) -> str:
    """Return a model's page: what it is, what serves, its last moves, its latest versions."""
    stages = [
        (
            stage,
            Piece(", ".join(format_version(model.name, one) for one in held), stage_style(stage)),
        )
        for stage, held in model.stages.items()
        if stage != "archived"
    ]
    archived = len(model.stages.get("archived", ()))
    rows: list[tuple[str, object]] = [
        ("model", model.name),
        ("description", model.description or None),
        ("owner", model.owner or None),
        *((f"tag {key}", value) for key, value in model.tags.items()),
        *stages,
        *((f"@{alias}", format_version(model.name, one)) for alias, one in model.aliases.items()),
        *([("archived", quantity(archived, "version"))] if archived else []),
    ]
    parts = [page_of(rows, width)]
    if events:
        parts.append("last moves\n" + events_text(events, width, SHOWN))
    if versions:
        shown = "latest versions" + (
            "" if len(versions) <= SHOWN else f", {SHOWN} of {len(versions)}"
        )
        parts.append(f"{shown}\n" + versions_text(versions[:SHOWN], width))
    return "\n\n".join(parts)


def status_text(status: CloneStatus, width: int) -> str:
    """Return where a clone stands."""
    place = f"on {status.branch}" if status.branch is not None else "HEAD is detached"
    lines = [line(f"{place} at {str(status.commit)[:SHORT]}")]
    if status.upstream is None and status.branch is None:
        lines.append("which remote branch has this commit is not known here")
    elif status.upstream is None:
        lines.append("no remote: nothing here is shared")
    else:
        known = status.known[:SHORT] if status.known else "not there yet"
        age = "" if status.age is None else f", read {ago(status.age)}"
        lines.append(line(f"{status.upstream}: {known}{age}"))
    if status.unpublished:
        how = "gitreg push" if status.branch is not None else "git switch -c BRANCH"
        lines.append(f"not published: {quantity(len(status.unpublished), 'commit')}: {how}")
        lines += [line(f"    {one.commit[:SHORT]}  {one.subject}") for one in status.unpublished]
    if status.behind:
        lines.append(f"published and not here: {quantity(status.behind, 'commit')}: gitreg fetch")
    if status.brought:
        lines.append(f"the last fetch brought {quantity(len(status.brought), 'commit')}:")
        lines += [
            line(f"    {one.commit[:SHORT]}  {one.subject}") for one in status.brought[:SHOWN]
        ]
        lines += ["    …"] if len(status.brought) > SHOWN else []
    if status.reviews:
        lines.append("waiting for review:")
        lines += [line(f"    {name}") for name in status.reviews]
    rows = [
        (
            Piece(", ".join(format_version(held.model, version) for version in held.versions)),
            Piece(held.stage, stage_style(held.stage)),
            "-" if held.since is None else when(utc(held.since)),
            person(held.by),
            (held.reason or "-").partition("\n")[0],
        )
        for held in status.held
    ]
    if rows:
        lines += ["", table(("VERSION", "STAGE", "SINCE", "BY", "WHY"), rows, width, folds="WHY")]
    return "\n".join(lines)
