"""History as tables: what happened, and what a rollback may go back to. No I/O; text is escaped."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from gitreg.core.model.names import ARCHIVE
from gitreg.core.text.times import utc
from gitreg.render.colour import stage_style
from gitreg.render.terminal import SHORT, Piece, cell, metrics_cell, person, table, when

if TYPE_CHECKING:
    from gitreg.core.model.model import ModelVersion
    from gitreg.core.operations.rollback import Tenure
    from gitreg.core.state.history import Event
    from gitreg.watch.events import RegistryEvent

FEW = 3
"""How many versions of a pointer are shown; of more, those that came and left."""


def events_text(events: Sequence[Event], width: int, limit: int | None = None) -> str:
    """Return history as a table: when, who, what, from, to, why, commit; one row an event.

    A promotion moves several pointers in one commit. It is one row: the archive is left out, and
    the aliases that moved along stand beside the stage.
    """
    rows = [
        (
            when(utc(event.time)),
            _who_did(event),
            event.action + (" (override)" if event.override else ""),
            Piece(event.model + (f"@{event.version}" if event.version is not None else "")),
            [_pointer(one) for one in (event, *along) if one.pointer or one.stage] or "-",
            _from_to(event),
            (event.reason or event.override or "-").partition("\n")[0],
            event.commit[:SHORT],
        )
        for event, along in _told_together(events)[:limit]
    ]
    headers = ("WHEN", "WHO", "WHAT", "VERSION", "POINTER", "FROM → TO", "WHY", "COMMIT")
    return table(headers, rows, width, folds="WHY")


def stream_text(events: Sequence[RegistryEvent], width: int) -> str:
    """Return events as a table, a row each, in their order."""
    rows = [
        (
            when(event.time),
            event.id[:SHORT] + event.id[40:],
            event.action,
            Piece(event.model + (f"@{event.version}" if event.version is not None else "")),
            (event.pointer or event.stage or "-").replace("aliases/", "@").replace("stages/", ""),
            f"{cell(event.before)} → {cell(event.after)}" if event.pointer else "-",
            person(event.actor),
            (event.reason or "-").partition("\n")[0],
        )
        for event in events
    ]
    headers = ("WHEN", "ID", "WHAT", "VERSION", "POINTER", "FROM → TO", "WHO", "WHY")
    return table(headers, rows, width, folds="WHY")


def _told_together(events: Sequence[Event]) -> list[tuple[Event, list[Event]]]:
    """Return the events that get a row, each with the aliases that moved along with it."""
    found: list[tuple[Event, list[Event]]] = []
    for _, several in groupby(events, key=lambda event: (event.commit, event.model)):
        group = list(several)
        stages = [one for one in group if (one.pointer or "").startswith("stages/")]
        served = [one for one in stages if one.pointer != f"stages/{ARCHIVE}"]
        moved = served or stages
        if not moved or any(one.action == "rename" for one in group):
            found += [(one, []) for one in group]
            continue
        aliases = [one for one in group if (one.pointer or "").startswith("aliases/")]
        main = next((one for one in moved if set(one.after) - set(one.before)), moved[0])
        rest = [one for one in served if one is not main and one.version != main.version]
        others = [one for one in group if one.pointer is None and one.action != "withdraw"]
        found += [(main, aliases), *((one, []) for one in (*rest, *others))]
    return found


def _pointer(event: Event) -> Piece:
    """Return what moved: a stage or an alias."""
    name = (event.pointer or event.stage or "").replace("aliases/", "@").replace("stages/", "")
    return Piece(name, "" if name.startswith("@") else stage_style(name))


def _who_did(event: Event) -> str:
    """Return who did it: of an approval whose key signed it, and who committed that."""
    committer = person(event.author)
    return f"{event.principal}, committed by {committer}" if event.principal else committer


def _from_to(event: Event) -> str:
    """Return what moved, or the names of a renamed model."""
    if event.pointer:
        if max(len(event.before), len(event.after)) <= FEW:
            return f"{cell(event.before)} → {cell(event.after)}"
        came = [f"+{one}" for one in sorted(set(event.after) - set(event.before))]
        left = [f"-{one}" for one in sorted(set(event.before) - set(event.after))]
        return " ".join((*came[:FEW], *left[:FEW]))
    if event.renamed_from or event.renamed_to:
        return f"{event.renamed_from or event.model} → {event.renamed_to or event.model}"
    return "-"


def rollback_command(model: str, stage: str, repo: str = ".") -> str:
    """Return the command that rolls a stage back, as the reader would type it here.

    >>> rollback_command("churn", "staging", "git@example.com:team/churn.git")
    'gitreg rollback churn --stage staging --repo git@example.com:team/churn.git'
    """
    words = ["gitreg", "rollback", model]
    words += [] if stage == "production" else ["--stage", stage]
    words += [] if repo == "." else ["--repo", repo]
    return shlex.join(words)


def tenures_text(
    model: str,
    stage: str,
    found: Sequence[tuple[Tenure, ModelVersion | None]],
    width: int,
    *,
    is_here: bool = True,
) -> str:
    """Return what a rollback may go back to.

    Args:
        model: the model.
        stage: its stage.
        found: what was in the stage, the last one first, each with the version if it still exists.
        width: of the table.
        is_here: whether the command that goes back needs no ``--repo``; a row has no room for one.
    """
    rows = []
    for tenure, version in found:
        if version is None:
            how = "deleted"
        elif tenure.is_previous and is_here:
            how = rollback_command(model, stage)
        else:
            how = f"--to {tenure.version}"
            how += "" if tenure.stands else ", judged as a promotion: it was withdrawn"
        began = "?" if tenure.began is None else utc(tenure.began)
        rows.append(
            (
                Piece(f"{model}@{tenure.version}"),
                f"{when(began)} to {when(utc(tenure.ended))}",
                metrics_cell(version.metrics) if version else "-",
                how,
            )
        )
    return table(("VERSION", f"IN {stage.upper()}", "METRICS", "GO BACK"), rows, width)
