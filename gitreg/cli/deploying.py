"""Commands about deployments: the files that say what a stage holds."""

from __future__ import annotations

from typing import Annotated

import typer

from gitreg.cli.app import deploy_app
from gitreg.cli.output import print_outcome
from gitreg.cli.parameters import WriteArguments, flag, with_write_options
from gitreg.registry import Registry


@deploy_app.command("render")
@with_write_options
def render(
    check: Annotated[
        bool, flag("--check", "Write nothing, and exit with 1 if a file is not as it should be.")
    ] = False,
    *,
    shared: WriteArguments,
) -> None:
    """Write the files of the policy's `renders` anew, in one commit.

    Every move writes them already, in its own commit. This is for a policy that begins or ceases to
    render a file, and for a file that somebody edited.

    Example: gitreg deploy render --check
    """
    options = shared.options
    if check:
        options["dry_run"] = True
    with Registry(shared.repo) as registry:
        outcome = registry.render(**options)
    if shared.json or not check:
        print_outcome(outcome, shared)
    else:
        for path in outcome.change.paths:
            typer.echo(f"{path}: not what its stage says")
        typer.echo(
            "gitreg deploy render writes them anew"
            if outcome.change.paths
            else "every rendered file says what its stage holds"
        )
    if check and outcome.change.paths:
        raise typer.Exit(1)
