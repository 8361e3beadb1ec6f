"""The command that searches versions by what is known about them."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from gitreg.cli.app import app
from gitreg.cli.output import (
    opened,
    page,
    pointing_at_mistakes,
    print_json,
    terminal_width,
    warn,
)
from gitreg.cli.parameters import ReadArguments, argument, flag, option, with_read_options
from gitreg.errors import GitregError, InvalidDocument

SHOWN = 1000
"""The most rows of a table; JSON has all versions."""


@app.command()
@with_read_options
def search(
    wanted: Annotated[
        Optional[str], argument("FILTER", "Which versions: \"metrics.auc > 0.9 AND tags.x = 'y'\".")
    ] = None,
    order_by: Annotated[
        Optional[str], option("FIELDS", "In which order: 'metrics.roc_auc DESC, created_at'.")
    ] = None,
    limit: Annotated[
        Optional[int],
        typer.Option("-n", "--limit", min=1, metavar="N", help="Show at most N versions."),
    ] = None,
    history: Annotated[
        bool, flag("--history", "Search all versions that ever were, where they ever stood.")
    ] = False,
    *,
    shared: ReadArguments,
) -> None:
    """Search the versions of all models.

    Fields: metrics.NAME, params.NAME, tags.NAME, name, version, stage, alias, created_at,
    created_by, code.commit, data.md5, environment.python, size and more, compared with =, !=, <,
    <=, >, >=, LIKE, ILIKE, IN and IS NULL, joined by AND, OR and NOT; requires 'numpy<2' finds
    packages, and words in quotes are searched in descriptions, tags and reasons.

    Example: gitreg search "metrics.roc_auc > 0.9 AND stage = 'production'"
    """
    from gitreg.history import search as find
    from gitreg.render import as_json, as_text

    broken: list[GitregError] = []
    most = limit or (None if shared.json else SHOWN + 1)
    with pointing_at_mistakes(), opened(shared.repo, shared.allow_rewind) as registry:
        found = find(
            registry,
            wanted,
            order_by=order_by,
            limit=most,
            history=history,
            broken=broken,
            **shared.options,
        )
        tip = str(registry.state(**shared.options).commit)
        if wanted and not found:
            from gitreg.history.searching import unknown_names

            warn(unknown_names(registry, wanted, **shared.options))
    if shared.json:
        print_json([as_json.version_json(version) for version in found])
    elif found:
        page(as_text.versions_text(found[: limit or SHOWN], terminal_width(), tip=tip))
        if found[limit or SHOWN :]:
            warn((f"more than {SHOWN:,} versions match: --json prints all",))
    elif not broken:
        typer.echo("nothing matches", err=True)
    if broken:
        raise InvalidDocument(
            "; ".join(map(str, broken)),
            hint="what does not parse is left out above; gitreg log shows who changed it",
        )
