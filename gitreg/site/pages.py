"""Renders values with the templates in the folder ``pages/``: HTML in which every text is escaped.

Whatever a template prints is escaped by Jinja2 and `visible`; only what `texts.markdown` returns
is markup. A name that a template misspells is an error.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitreg.core.state.history import Event
from gitreg.core.state.intervals import ARCHIVED
from gitreg.core.state.state import RegistryState
from gitreg.core.text.times import utc
from gitreg.errors import InvalidDocument
from gitreg.site import rules, seen
from gitreg.site.chart import BAR, HEAD, LEFT, WIDTH, chart_of, length_of
from gitreg.site.reading import policy_of
from gitreg.site.records import PART, served
from gitreg.site.texts import initials_first, markdown, number, script, size, visible, web_address
from gitreg.site.values import Member, ModelSeen, PolicyChange, Row, Setting

if TYPE_CHECKING:
    from jinja2 import Environment, Template

FIRST_ROWS = 200
"""How many rows of a table are in its page; the rest comes in scripts of `NEXT_ROWS` rows each."""

NEXT_ROWS = 1_000
_WEEK_SHOWN = 60
_EACH_WANT = 12
_COLUMNS = 5
"""How many metrics the table of versions shows."""

ACTIONS = {
    "register": "registered",
    "promote": "promoted",
    "archive": "archived",
    "alias": "moved",
    "rollback": "rolled back",
    "revert": "reverted",
    "annotate": "annotated",
    "evaluate": "evaluated",
    "reproduce": "reproduced",
    "approve": "approved",
    "withdraw": "withdrew the approval of",
    "create": "created",
    "rename": "renamed",
    "delete": "deleted",
    "move": "moved by hand",
    "remove": "removed",
    "rewrite": "rewrote",
}
"""What is said of an action after the name of who did it."""


class Pages:
    """The pages of a site."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._environment = _environment(setting)
        self._templates: dict[str, Template] = {}

    def _render(self, template: str, **values: Any) -> str:
        if template not in self._templates:
            self._templates[template] = self._environment.get_template(template)
        return self._templates[template].render(**values)

    def model(self, model: ModelSeen, row: Row) -> dict[str, str]:
        """Return the pages of a model, by their names in its folder."""
        tracks = [track for track in model.tracks if track.intervals]
        last = max([utc(event.time) for event in model.events], default="1970-01-01T00:00:00Z")
        columns = list(dict.fromkeys(name for one in model.versions for name in one.metrics))
        same = {
            "path": "../../",
            "row": row,
            "seen": model,
            "parts": sorted({one.version // PART for one in model.versions}),
        }
        rows, files = self._long(
            "versions.html",
            model.versions[::-1],
            path="../../",
            row=row,
            columns=columns[:_COLUMNS],
            served=served(model.tracks, self._setting.main),
        )
        index = self._render(
            "model.html",
            **same,
            tracks=tracks,
            chart=chart_of(tracks, last),
            rows=rows,
            more=len(files),
            columns=columns[:_COLUMNS],
            card=markdown(model.card.body) if model.card else "",
            front=_front(model),
            wants=[(seen.WANTS[kind], text) for kind, text in row.wants],
        )
        return {
            "index.html": index,
            "version.html": self._render("version.html", **same),
            "compare.html": self._render("compare.html", **same),
            **files,
        }

    def _long(
        self, template: str, items: Sequence[Any], **values: Any
    ) -> tuple[str, dict[str, str]]:
        """Return the first rows of a table, and scripts with the rest of them."""
        first = self._render(template, items=items[:FIRST_ROWS], **values)
        files: dict[str, str] = {}
        for start in range(FIRST_ROWS, len(items), NEXT_ROWS):
            rows = self._render(template, items=items[start : start + NEXT_ROWS], **values)
            files[f"rows-{len(files)}.js"] = script("rows", len(files), rows)
        return first, files

    def overview(
        self, rows: Sequence[Row], week: Sequence[Event], commit: str, now: int, *, is_cut: bool
    ) -> dict[str, str]:
        """Return the overview and the scripts with the rest of its rows."""
        first, files = self._long("models.html", rows, path="")
        page = self._render(
            "overview.html",
            path="",
            rows=first,
            more=len(files),
            count=len(rows),
            versions=sum(row.count for row in rows),
            week=list(self._week(rows, week)),
            rest=max(0, len(week) - _WEEK_SHOWN),
            is_cut=is_cut,
            wants=list(_wants(rows)),
            commit=commit,
            now=utc(now),
        )
        return {"index.html": page, **files}

    def catalogue(self, members: Sequence[Member], rows: Sequence[Row], now: str) -> dict[str, str]:
        """Return the page of several registries and the scripts with the rest of its rows."""
        first, files = self._long("models.html", rows, path="")
        page = self._render(
            "catalogue.html",
            path="",
            members=members,
            missed=[one for one in members if not one.is_read],
            rows=first,
            more=len(files),
            count=len(rows),
            versions=sum(row.count for row in rows),
            wants=list(_wants(rows)),
            now=now,
        )
        return {"index.html": page, **files}

    @staticmethod
    def _week(rows: Sequence[Row], week: Sequence[Event]) -> Iterator[dict[str, Any]]:
        folders = {row.name: row.folder for row in rows}
        # What a move replaced went to the archive along with it.
        told = [one for one in week if one.pointer != ARCHIVED or one.action == "archive"]
        for event in told[:_WEEK_SHOWN]:
            yield {
                "day": utc(event.time)[:10],
                "who": initials_first(event.author),
                "did": ACTIONS.get(event.action, event.action),
                "model": event.model,
                "folder": folders.get(event.model, ""),
                "version": event.version,
                "where": _where(event),
                "why": event.override or event.reason or "",
                "action": event.action,
                "override": event.override is not None,
                "commit": event.commit,
            }

    def policy(self, state: RegistryState, history: Sequence[PolicyChange]) -> str:
        """Return the page of the rules."""
        broken = ""
        try:
            _ = state.policy
        except InvalidDocument as error:
            broken = str(error)
        return self._render(
            "policy.html",
            path="",
            broken=broken,
            sections=rules.sections(policy_of(state)),
            changes=rules.changes(history),
        )

    def audit(self, parts: int) -> str:
        """Return the page of all events, which are in so many files."""
        return self._render("audit.html", path="", parts=parts, actions=sorted(ACTIONS))

    def search(self, parts: int) -> str:
        """Return the page that searches an index of so many files."""
        return self._render("search.html", path="", parts=parts)


def _where(event: Event) -> str:
    if event.pointer is None:
        return f"for {event.stage}" if event.stage else ""
    kind, _, name = event.pointer.partition("/")
    shown = name if kind == "stages" else f"@{name}"
    return f"to {shown}" if event.after else f"out of {shown}"


def _wants(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Yield what wants attention, kind by kind, a few models of each."""
    for kind, title in seen.WANTS.items():
        found = [(row, text) for row in rows for one, text in row.wants if one == kind]
        if found:
            yield {
                "kind": kind,
                "title": title,
                "count": len(found),
                "some": found[:_EACH_WANT],
                "rest": max(0, len(found) - _EACH_WANT),
            }


def _front(model: ModelSeen) -> list[tuple[str, str]]:
    if model.card is None:
        return []
    said = [(key, model.card.says(key)) for key in model.card.front]
    return [(key, text) for key, text in said if text]


def _environment(setting: Setting) -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    def shown(value: Any) -> Any:
        return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=shown,
        auto_reload=False,
    )
    made.filters.update(
        number=number,
        size=size,
        tojson_text=_quoted,
        shell=shlex.quote,
        person=initials_first,
        web=web_address,
        moment=_moment,
    )
    made.globals.update(
        site=setting,
        chart_width=WIDTH,
        chart_left=LEFT,
        chart_bar=BAR,
        chart_head=HEAD,
        length_of=length_of,
        markup=Markup,
    )
    return made


def _moment(text: str) -> str:
    """Return a moment of ISO 8601 for people, to the minute."""
    return text[:16].replace("T", " ") if len(text) > 16 and text[10:11] == "T" else text


def _quoted(text: str) -> str:
    """Return a text as Python and JSON write it."""
    return json.dumps(text, ensure_ascii=False)
