"""Commands about a clone and its remotes: fetch, push, tags, and the doctor."""

from __future__ import annotations

from typing import Annotated

import typer

from gitreg.cli.app import app, tags_app
from gitreg.cli.output import opened, print_json, progress_bar, terminal_width, warn
from gitreg.cli.parameters import (
    CloneArguments,
    RepositoryArguments,
    flag,
    with_clone_options,
    with_repository_options,
)
from gitreg.core.text.counts import quantity
from gitreg.errors import Refused
from gitreg.registry import Registry


@app.command()
@with_clone_options
def fetch(
    allow_rewind: Annotated[
        bool, flag("--allow-rewind", "Accept a remote branch that went backwards, and follow it.")
    ] = False,
    *,
    shared: CloneArguments,
) -> None:
    """Update this clone to what is published.

    Branch, work tree and tags are updated; files that you have staged or changed stay as they are.

    Example: gitreg fetch
    """
    from gitreg.render import as_json, as_text

    with Registry(shared.repo) as registry:
        report = registry.fetch(allow_rewind=allow_rewind)
    warn(report.warnings)
    if shared.json:
        print_json(as_json.fetch_json(report))
    else:
        typer.echo(as_text.fetch_text(report, terminal_width()))


@app.command()
@with_clone_options
def status(
    *,
    shared: CloneArguments,
) -> None:
    """Show where this clone stands, without asking the remote.

    What is not published, what is in service and since when, and which branches wait for review.

    Example: gitreg status
    """
    from gitreg.render import as_json, pages

    with Registry(shared.repo) as registry:
        found = registry.status()
    if shared.json:
        print_json(as_json.status_json(found))
    else:
        typer.echo(pages.status_text(found, terminal_width()))


@app.command()
@with_clone_options
def push(
    dry_run: Annotated[
        bool, flag("--dry-run", "Show what would be published, and do nothing.")
    ] = False,
    *,
    shared: CloneArguments,
) -> None:
    """Publish what you did without --push.

    Pushes bytes first, then branch and tags. If the remote has moved, gitreg repeats your
    operations on top of it, one by one. Exits 1 if one no longer applies; that one is not pushed.

    Example: gitreg push
    """
    from gitreg.render import as_json, as_text, terminal

    with progress_bar("push") as progress, Registry(shared.repo, progress=progress) as registry:
        report = registry.push(dry_run=dry_run)
    warn(report.warnings)
    if shared.json:
        print_json(as_json.push_json(report))
    else:
        typer.echo(as_text.push_text(report, dry_run=dry_run))
    if report.own:
        typer.echo(as_text.own_commits_text(report), err=True)
    if report.left:
        take_back = (
            f"git reset --keep {str(report.commit)[: terminal.SHORT]} && gitreg tags sync"
            if not report.own
            else "the command above, which keeps your own commits"
        )
        raise Refused(
            f"not pushed, because no longer applicable: {quantity(len(report.left), 'operation')}",
            hint=f"they stay on this branch; to undo them: {take_back}",
        )


@tags_app.command("sync")
@with_clone_options
def tags_sync(
    dry_run: Annotated[bool, flag("--dry-run", "Show the tags, and do nothing.")] = False,
    push: Annotated[bool, flag("--push", "Publish the tags too.")] = False,
    force: Annotated[bool, flag("--force", "Replace tags that disagree with history.")] = False,
    *,
    shared: CloneArguments,
) -> None:
    """Make the tags that follow from history.

    GTO and DVC read the registry through these tags.

    Example: gitreg tags sync --push
    """
    from gitreg.render import as_json, as_text

    with Registry(shared.repo) as registry:
        report = registry.sync_tags(dry_run=dry_run, push=push, force=force)
    if shared.json:
        print_json(as_json.tags_json(report))
    else:
        typer.echo(as_text.tags_text(report, dry_run=dry_run))
    if report.wrong:
        raise Refused(
            f"{len(report.wrong)} tags disagree with history",
            hint="gitreg tags sync --force replaces them",
        )


@app.command()
@with_repository_options
def doctor(
    fix: Annotated[bool, flag("--fix", "Repair what is safe, then examine.")] = False,
    *,
    shared: RepositoryArguments,
) -> None:
    """Examine the registry, this clone and its remotes.

    Shows what is wrong, and how to repair it; exits 1 when there is an error. It checks that bytes
    exist, not what they contain: for that, gitreg verify reads the cache, and gitreg verify
    --remote the DVC remote.

    --fix repairs what a crash left: tags that are missing or name commits on no branch, files that
    are behind a published commit, gitreg's unfinished files, a damaged history index. It never
    touches Git's locks, your edits or other people's tags, and it pushes nothing.

    Example: gitreg doctor --fix
    """
    from gitreg.render import as_json, as_text

    with opened(shared.repo, shared.allow_rewind) as registry:
        findings = registry.doctor(fix=fix)
    if shared.json:
        print_json([as_json.finding_json(finding) for finding in findings])
    else:
        typer.echo(as_text.findings_text(findings) or "nothing is wrong")
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)
