"""Commands about MLflow: its web pages over a registry, import and export."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from gitreg.cli.app import app, export_app, import_app
from gitreg.cli.output import drawn_bar, opened, print_json, terminal_width, warn
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
from gitreg.errors import InvalidRequest
from gitreg.registry import Registry

if TYPE_CHECKING:
    from gitreg.mlflow.transfer.report import Report, Tell


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


@contextmanager
def _counting(words: str) -> Iterator[Tell | None]:
    """Give a callback that draws how many are done, or ``None`` outside a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

    from gitreg.render import terminal

    shown = TextColumn("{task.fields[next]}", markup=False)
    with drawn_bar(words, BarColumn(), MofNCompleteColumn(), shown) as update:
        yield lambda done, total, name: update(
            completed=done, total=total, next=terminal.line(name)
        )


def _print_move(report: Report, *, json: bool) -> None:
    """Print the result of a transfer; exit with 1 if something is missing from it."""
    if json:
        print_json(move_json(report))
    else:
        typer.echo(move_text(report, terminal_width()))
    if not report.is_complete:
        raise typer.Exit(1)


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

        with _counting("import") as tell:
            report = import_registry(
                registry,
                ForeignRegistry(uri, tracking_uri),
                models or (),
                ImportOptions(reason, dry_run, push, not no_links, tell),
            )
        warn(registry.warnings)
    _print_move(report, json=json)


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

        with _counting("export") as tell:
            report = export_registry(
                registry,
                ForeignRegistry(uri, tracking_uri, make=not dry_run),
                models or (),
                dry_run=dry_run,
                tell=tell,
            )
    _print_move(report, json=shared.json)


def move_json(report: Report) -> dict[str, Any]:
    """Return the result of an import or an export, for JSON."""
    models = [
        {
            "name": model.name,
            "brought": list(model.brought),
            "present": list(model.present),
            "changed": list(model.changed),
        }
        for model in report.models
    ]
    remarks = [
        {
            "model": remark.model,
            "version": remark.version,
            "left": remark.is_left,
            "text": remark.text,
        }
        for remark in report.remarks
    ]
    return {
        "address": report.address,
        "dry_run": report.dry_run,
        "pushed": report.pushed,
        "complete": report.is_complete,
        "models": models,
        "remarks": remarks,
    }


def move_text(report: Report, width: int) -> str:
    """Return the result of an import or an export: a table, then each remark."""
    from gitreg.render.terminal import line, spans, table

    rows = [
        (model.name, spans(model.brought), spans(model.present), model.changed)
        for model in report.models
    ]
    headers = ("model", "would be copied" if report.dry_run else "copied", "present", "changed")
    lines = [table(headers, rows, width, folds="changed")]
    for remark in report.remarks:
        kind = "incomplete" if remark.is_left else "note"
        lines.append(line(f"{kind}: {remark.subject}: {remark.text}"))
    if report.is_unchanged:
        lines.append("nothing to do" if report.is_complete else "nothing could be done")
    return "\n".join(lines)
