"""Commands about the registry as web pages: build them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from gitreg.cli.app import site_app
from gitreg.cli.output import SHORT, opened
from gitreg.cli.parameters import AllowRewindOption, RepoOption
from gitreg.core.text.counts import quantity

if TYPE_CHECKING:
    from gitreg.site.building import Built

TitleOption = Annotated[
    Optional[str],
    typer.Option(
        "--title",
        metavar="TEXT",
        help="The site's title; by default the repository's name on its Git host.",
    ),
]


@site_app.command("build")
def site_build(
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="DIR", help="An empty folder, or one that was built before."
        ),
    ] = Path("public"),
    title: TitleOption = None,
    repo: RepoOption = ".",
    allow_rewind: AllowRewindOption = False,
) -> None:
    """Build web pages of the registry.

    What is where, timelines, metrics, comparisons, audit, policy and search, for any web server or
    for a browser that opens the folder. Only pages that changed are written. The same commit gives
    the same bytes.

    Needs Jinja2 and others: pip install 'gitreg[site]'.

    Example: gitreg site build -o public
    """
    from gitreg.site import build

    with opened(repo, allow_rewind) as registry:
        found = build(registry, output, title=title)
    typer.echo(_told(found))


def _told(found: Built) -> str:
    counts = found.counts
    return (
        f"{found.folder}: {quantity(found.models, 'model')} at {found.commit[:SHORT]}, "
        f"{quantity(counts.written, 'page')} written, {counts.kept} unchanged"
    )
