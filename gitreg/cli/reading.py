"""Commands that read: models and versions, their history and their bytes."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated, Optional

import typer

from gitreg.cli.app import app
from gitreg.cli.output import opened, print_json, progress_bar, terminal_width, warn
from gitreg.cli.parameters import (
    ReadArguments,
    ReferenceArgument,
    argument,
    check_model_argument,
    complete_model,
    complete_reference,
    flag,
    with_read_options,
)
from gitreg.errors import GitError, GitregError, InvalidDocument, Refused


@app.command("list")
@with_read_options
def list_(
    name: Annotated[Optional[str], argument("NAME", "The model.", complete_model)] = None,
    *,
    shared: ReadArguments,
) -> None:
    """List the models, or the versions of one, newest first.

    Example: gitreg list churn-predictor
    """
    from gitreg.render import as_json, as_text, terminal

    if name is not None:
        check_model_argument(name, "gitreg list {model}, or gitreg show {reference}")
    with opened(shared.repo, shared.allow_rewind) as registry:
        broken: list[GitregError] = []
        models = registry.models(broken, **shared.options) if name is None else []
        versions = [] if name is None else registry.versions(name, broken, **shared.options)
    if shared.json:
        entries = [as_json.model_json(model) for model in models]
        print_json(entries + [as_json.version_json(version) for version in versions])
    elif models:
        typer.echo(as_text.models_text(models, terminal_width()))
    elif versions:
        typer.echo(as_text.versions_text(versions, terminal_width()))
    elif not broken:
        none = "no models yet" if name is None else f"no versions of {terminal.line(name)} are left"
        typer.echo(f"{none}: gitreg register {terminal.line(name or 'NAME')} PATH", err=True)
    if broken:
        raise InvalidDocument(
            "; ".join(map(str, broken)),
            hint="what does not parse is left out above; gitreg log shows who changed it",
        )


@app.command()
@with_read_options
def show(
    reference: ReferenceArgument,
    *,
    shared: ReadArguments,
) -> None:
    """Show everything known about a version.

    Example: gitreg show churn-predictor@champion
    """
    from gitreg.render import as_json, as_text

    with opened(shared.repo, shared.allow_rewind) as registry:
        version = registry.show(reference, **shared.options)
        approvals = registry.approvals(reference, rev=version.read_from)
        given = registry.given_approvals(reference, rev=version.read_from)
    if shared.json:
        answer = as_json.version_json(version)
        print_json(answer | as_json.approvals_json(approvals, given))
    else:
        typer.echo(as_text.version_text(version, terminal_width(), approvals, given))


@app.command()
@with_read_options
def log(
    reference: Annotated[
        Optional[str],
        argument("REF", "A model, one of its stages or aliases, or a version.", complete_reference),
    ] = None,
    limit: Annotated[
        Optional[int],
        typer.Option("-n", "--limit", min=1, metavar="N", help="Show at most N events."),
    ] = None,
    *,
    shared: ReadArguments,
) -> None:
    """Show events, newest first.

    When, who, what, from which version to which, why, and in which commit.

    Example: gitreg log churn-predictor/production
    """
    from gitreg.render import as_json, as_text

    with opened(shared.repo, shared.allow_rewind) as registry:
        events = registry.log(reference, limit=limit, **shared.options)
        if registry.is_shallow and not events:
            raise GitError(
                "no events: this clone is shallow and has no older history",
                hint="git fetch --unshallow",
            )
        if registry.is_shallow:
            warn(("this clone is shallow and has no older history: git fetch --unshallow",))
    if shared.json:
        print_json([as_json.event_json(event) for event in events])
    elif events:
        typer.echo(as_text.events_text(events, terminal_width()))
    else:
        typer.echo("no events", err=True)


@app.command()
@with_read_options
def resolve(
    reference: ReferenceArgument,
    *,
    shared: ReadArguments,
) -> None:
    """Print which version a reference names.

    Example: gitreg resolve models:/churn-predictor/Production
    """
    with opened(shared.repo, shared.allow_rewind) as registry:
        resolved = registry.resolve(reference, **shared.options)
    if shared.json:
        from gitreg.render import as_json

        print_json(as_json.resolved_json(resolved))
    else:
        typer.echo(str(resolved))


@app.command()
@with_read_options
def compare(
    a: ReferenceArgument,
    b: ReferenceArgument,
    *,
    shared: ReadArguments,
) -> None:
    """Show how two versions differ.

    Metrics, params, data, code and environment; DIFFERENCE is the second minus the first.

    Example: gitreg compare churn-predictor@2 churn-predictor/production
    """
    from gitreg.render import as_json, as_text

    with opened(shared.repo, shared.allow_rewind) as registry:
        comparison = registry.compare(a, b, **shared.options)
    if shared.json:
        print_json(as_json.comparison_json(comparison))
    else:
        typer.echo(as_text.comparison_text(comparison, terminal_width()))


@app.command()
@with_read_options
def pull(
    reference: ReferenceArgument,
    output: Annotated[
        Optional[str],
        typer.Option("-o", "--output", metavar="DIR", help="The folder to put the artifact into."),
    ] = None,
    force: Annotated[
        bool, flag("--force", "Replace a different file or folder of that name in DIR.")
    ] = False,
    *,
    shared: ReadArguments,
) -> None:
    """Download a version's files, verify them, and print their path.

    The files appear at that path only after they match the manifest's SHA-256.

    Example: gitreg pull churn-predictor@champion -o /srv/model
    """
    from gitreg.render import as_json, terminal

    with (
        progress_bar("pull") as progress,
        opened(shared.repo, shared.allow_rewind, progress) as registry,
    ):
        resolved = registry.resolve(reference, **shared.options)
        path = registry.pull(resolved, output, replace_existing=force, rev=resolved.read_from)
        sha256 = registry.sha256(resolved, rev=resolved.read_from)
    typer.echo(f"{resolved}, read from {resolved.read_from[: terminal.SHORT]}", err=True)
    if shared.json:
        answer = as_json.resolved_json(resolved)
        print_json(answer | {"path": str(path), "sha256": sha256})
    else:
        typer.echo(str(path))


@app.command()
@with_read_options
def verify(
    references: Annotated[
        Optional[list[str]],
        argument("REF...", "Versions or models; all by default.", complete_reference),
    ] = None,
    remote: Annotated[
        bool, flag("--remote", "Read every byte from the DVC remote instead of the cache.")
    ] = False,
    repair: Annotated[
        bool, flag("--repair", "Replace damaged or missing bytes there from a good cache.")
    ] = False,
    *,
    shared: ReadArguments,
) -> None:
    """Compare artifacts with their manifests.

    Hashes their bytes again; exits 1 when one differs or is missing. With --remote it reads what
    others would pull, and writes nothing without --repair.

    Example: gitreg verify --remote churn-predictor@champion
    """
    from gitreg.render import as_json, as_text, terminal

    findings = []
    count = bad = 0
    with ExitStack() as stack:
        bar = stack.enter_context(progress_bar("verify")) if remote else None
        registry = stack.enter_context(
            opened(shared.repo, shared.allow_rewind, bar, streams=not remote)
        )
        verified = registry.verify(
            *(references or ()), remote=remote, repair=repair, **shared.options
        )
        if remote:  # read to the end: the bar owns the terminal while it is drawn
            verified = iter(list(verified))
            stack.close()
        for version, found in verified:
            count += 1
            bad += any(finding.severity == "error" for finding in found)
            findings += found
            if not shared.json:
                typer.echo(
                    as_text.findings_text(found) or f"{terminal.line(version.reference)}: ok"
                )
    if shared.json:
        print_json([as_json.finding_json(finding) for finding in findings])
    if not count:
        typer.echo("no versions to verify", err=True)
    if bad:
        where = " on the DVC remote" if remote else ""
        raise Refused(f"{bad} of {count} versions do not match their manifests{where}")
