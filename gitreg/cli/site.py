"""Commands about the registry as web pages: build them, serve them on this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from gitreg.cli.app import site_app
from gitreg.cli.output import SHORT, complain, opened
from gitreg.cli.parameters import AllowRewindOption, RepoOption
from gitreg.core.text.counts import quantity
from gitreg.errors import InvalidRequest, WorldError

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
    registry: Annotated[
        Optional[list[str]],
        typer.Option(
            "--registry",
            metavar="[NAME=]LOCATION",
            help="A path or a URL; repeat it to build one site of several registries.",
        ),
    ] = None,
    registries: Annotated[
        Optional[Path],
        typer.Option(
            "--registries", metavar="FILE", help="A file that lists them, one in each line."
        ),
    ] = None,
    repo: RepoOption = ".",
    allow_rewind: AllowRewindOption = False,
) -> None:
    """Build web pages of the registry, or of several.

    What is where, timelines, metrics, comparisons, audit, policy and search, for any web server or
    for a browser that opens the folder. Only pages that changed are written. The same commit gives
    the same bytes.

    With --registry or --registries the first page lists what is where in several registries. One
    that cannot be reached keeps the pages of the last build; the exit code is then 3.

    Needs Jinja2 and others: pip install 'gitreg[site]'.

    Example: gitreg site build -o public
    """
    if registry or registries:
        _build_several(registry or [], registries, output, title, repo, allow_rewind=allow_rewind)
        return
    from gitreg.site import build

    with opened(repo, allow_rewind) as one:
        found = build(one, output, title=title)
    typer.echo(_told(found))


def _build_several(
    named: list[str],
    file: Path | None,
    output: Path,
    title: str | None,
    repo: str,
    *,
    allow_rewind: bool,
) -> None:
    """Build one site of several registries; raise `WorldError` if one was not reached."""
    from gitreg.site.catalogue import build_catalogue, read_sources, source_of

    if repo != ".":
        raise InvalidRequest(
            "--repo is for the pages of one registry", hint="name each registry with --registry"
        )
    sources = [*map(source_of, named), *(read_sources(file) if file else ())]
    found = build_catalogue(sources, output, title=title, allow_rewind=allow_rewind)
    typer.echo(
        f"{found.folder}: {quantity(found.models, 'model')} of "
        f"{_registries(len(found.members))}, "
        f"{quantity(found.counts.written, 'page')} written, {found.counts.kept} unchanged"
    )
    if found.missed:
        for name, why in found.missed.items():
            complain(f"{name}: {why}", None)
        raise WorldError(
            f"{len(found.missed)} of {_registries(len(found.members))} could not be reached; "
            "the pages say how old they are",
            hint="when it can be reached again, repeat the command",
        )


@site_app.command("serve")
def site_serve(
    port: Annotated[
        int, typer.Option("--port", metavar="N", help="The port to listen on; 0 for any free one.")
    ] = 8000,
    output: Annotated[
        Optional[Path],
        typer.Option(
            "--output", "-o", metavar="DIR", help="Where the pages go; in .git by default."
        ),
    ] = None,
    title: TitleOption = None,
    repo: RepoOption = ".",
    open_: Annotated[bool, typer.Option("--open", help="Open the pages in a browser.")] = False,
) -> None:
    """Serve web pages of the registry on this machine.

    The pages are built again whenever the branch moves, until you press Ctrl-C.

    Example: gitreg site serve --port 8080
    """
    from gitreg.registry import Registry
    from gitreg.site.serving import Site, default_folder

    if output is None:
        with Registry(repo) as registry:
            registry.models()
            output = default_folder(registry)
    site = Site(repo, output, port, title)

    def tell(found: Built) -> None:
        typer.echo(f"{_told(found)}; listening on {site.url} (Ctrl-C ends it)")
        sys.stdout.flush()

    if open_:
        typer.launch(site.url)
    try:
        site.run(tell, lambda error: complain(str(error), error.hint))
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)


def _registries(count: int) -> str:
    return "1 registry" if count == 1 else f"{count} registries"


def _told(found: Built) -> str:
    counts = found.counts
    return (
        f"{found.folder}: {quantity(found.models, 'model')} at {found.commit[:SHORT]}, "
        f"{quantity(counts.written, 'page')} written, {counts.kept} unchanged"
    )
