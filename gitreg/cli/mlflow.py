"""Commands about MLflow: its web pages over a registry, import and export."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Optional

import typer

from gitreg.cli.app import app, export_app, import_app
from gitreg.cli.output import opened, warn
from gitreg.cli.parameters import (
    DryRunOption,
    JsonOption,
    PushOption,
    ReasonOption,
    RepoOption,
    RepositoryArguments,
    flag,
    with_repository_options,
)
from gitreg.cli.transfers import counting, print_move
from gitreg.errors import InvalidRequest
from gitreg.registry import Registry


@app.command()
def ui(
    repo: RepoOption = ".",
    host: Annotated[
        str, typer.Option("--host", metavar="HOST", help="The interface to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="N", help="The port to listen on; 0 for any free one.")
    ] = 5000,
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", help="The number of server processes.")
    ] = 4,
    backend_store_uri: Annotated[
        Optional[str],
        typer.Option(
            "--backend-store-uri",
            metavar="URI",
            help="Where MLflow keeps runs; a database in your data folder by default.",
        ),
    ] = None,
    push: Annotated[bool, flag("--push", "Publish every change at once.")] = False,
    no_authentication: Annotated[
        bool,
        flag("--no-authentication", "Let everybody who can reach the host change the registry."),
    ] = False,
    open_: Annotated[bool, flag("--open", "Open the pages in a browser.")] = False,
) -> None:
    """Serve MLflow's web pages and REST API.

    The pages show the registry, until you press Ctrl-C. A change made in the pages, or by an
    MLflow client, becomes a commit with your Git identity. The server has no login, so it listens
    only on this machine, unless you give --no-authentication.

    For pages that show history, rules and who did what, and that any web server can publish, see
    gitreg site build.

    Needs MLflow: pip install 'gitreg[mlflow]'.

    Example: gitreg ui --open
    """
    from gitreg.mlflow.ui import Settings, run

    def tell(url: str) -> None:
        typer.echo(f"listening on {url} (Ctrl-C ends it)")
        sys.stdout.flush()
        if open_:
            typer.launch(url)

    run(Settings(repo, host, port, workers, backend_store_uri, push, no_authentication), tell)


UriOption = Annotated[
    str,
    typer.Option(
        "--uri", metavar="URI", help="The MLflow registry: http://mlflow:5000, sqlite:////srv/m.db."
    ),
]


TrackingUriOption = Annotated[
    Optional[str],
    typer.Option(
        "--tracking-uri", metavar="URI", help="Its tracking server, if it is a different one."
    ),
]


ModelsOption = Annotated[
    Optional[list[str]],
    typer.Option("--models", metavar="GLOB", help="Only these models; may repeat."),
]


@contextmanager
def _with_mlflow() -> Iterator[None]:
    """Import MLflow for one command and keep it quiet; if it is missing, say how to install it."""
    import logging
    from importlib import import_module
    from importlib.util import find_spec

    # One bar for the whole transfer replaces one for each file.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # MLflow's seven retries would take minutes; a later run continues where this one stopped.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    if find_spec("mlflow") is None:
        raise InvalidRequest("this needs MLflow: pip install 'gitreg[mlflow]'")
    import_module("gitreg.mlflow.transfer.foreign")  # MLflow sets its loggers when it is imported
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    yield


@import_app.command("mlflow")
def import_mlflow(
    uri: UriOption,
    tracking_uri: TrackingUriOption = None,
    models: ModelsOption = None,
    no_links: Annotated[
        bool,
        flag(
            "--no-links",
            "Skip versions whose artifacts cannot be downloaded, instead of linking to them.",
        ),
    ] = False,
    reason: ReasonOption = None,
    dry_run: DryRunOption = False,
    push: PushOption = False,
    json: JsonOption = False,
    repo: RepoOption = ".",
) -> None:
    """Import an MLflow registry.

    Imports models, prompts, versions, stages, aliases, tags and artifacts. Each version becomes
    one commit, with its original number and date. A second run continues where the first stopped,
    and imports what is new. Exits 1 when something could not be imported.

    Example: gitreg import mlflow --uri http://mlflow.internal:5000
    """
    with _with_mlflow(), Registry(repo) as registry:
        from gitreg.mlflow.transfer.foreign import ForeignRegistry
        from gitreg.mlflow.transfer.importing import ImportOptions, import_registry

        with counting("import") as tell:
            report = import_registry(
                registry,
                ForeignRegistry(uri, tracking_uri),
                models or (),
                ImportOptions(reason, dry_run, push, not no_links, tell),
            )
        warn(registry.warnings)
    print_move(report, json=json)


@export_app.command("mlflow")
@with_repository_options
def export_mlflow(
    uri: UriOption,
    tracking_uri: TrackingUriOption = None,
    models: ModelsOption = None,
    dry_run: Annotated[
        bool, flag("--dry-run", "Show what would be exported, and do nothing.")
    ] = False,
    *,
    shared: RepositoryArguments,
) -> None:
    """Export this registry to MLflow.

    Versions keep their numbers. Artifacts, metrics and params go into runs of an experiment that
    is named after the repository. A second run continues where the first stopped. Exits 1 when
    something could not be exported.

    Example: gitreg export mlflow --uri http://mlflow.internal:5000
    """
    with _with_mlflow(), opened(shared.repo, shared.allow_rewind) as registry:
        from gitreg.mlflow.transfer.exporting import export_registry
        from gitreg.mlflow.transfer.foreign import ForeignRegistry

        with counting("export") as tell:
            report = export_registry(
                registry,
                ForeignRegistry(uri, tracking_uri, make=not dry_run),
                models or (),
                dry_run=dry_run,
                tell=tell,
            )
    print_move(report, json=shared.json)
