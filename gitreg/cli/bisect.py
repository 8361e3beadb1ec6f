"""The command that finds the first bad version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from gitreg.cli.app import app
from gitreg.cli.output import opened, print_json, terminal_width
from gitreg.cli.parameters import (
    ReadArguments,
    argument,
    check_model_argument,
    complete_model,
    complete_reference,
    complete_stage,
    flag,
    with_read_options,
)
from gitreg.core.model.names import format_version
from gitreg.errors import InvalidRequest, Refused

if TYPE_CHECKING:
    from gitreg.history.bisect import BisectOutcome, BisectPlan
    from gitreg.registry import Registry


def _version(name: str, words: str) -> typer.models.OptionInfo:
    found: typer.models.OptionInfo = typer.Option(
        name, metavar="REF", help=words, autocompletion=complete_reference
    )
    return found


@app.command()
@with_read_options
def bisect(
    model: Annotated[str, argument("MODEL", "The model.", complete_model)],
    command: Annotated[
        Optional[list[str]],
        argument("-- CMD...", "Tests a version; {model} is its path. No shell is used."),
    ] = None,
    good: Annotated[
        Optional[str],
        _version("--good", "A version that is good, 3 or NAME@3; by default the first."),
    ] = None,
    bad: Annotated[
        Optional[str], _version("--bad", "A version that is bad; by default the last.")
    ] = None,
    production: Annotated[
        bool, flag("--production", "Only what was in production, in order of time.")
    ] = False,
    stage: Annotated[
        Optional[str],
        typer.Option(
            "--stage",
            metavar="STAGE",
            help="The same for another stage.",
            autocompletion=complete_stage,
        ),
    ] = None,
    skip: Annotated[
        Optional[list[str]], _version("--skip", "A version not to test; may repeat.")
    ] = None,
    dry_run: Annotated[
        bool, flag("--dry-run", "Show what would be pulled and run, and do nothing.")
    ] = False,
    reset: Annotated[
        bool, flag("--reset", "Forget the verdicts of an interrupted search.")
    ] = False,
    *,
    shared: ReadArguments,
) -> None:
    """Find the first bad version by testing as few as possible.

    Each version is pulled, verified and tested by CMD. Its exit status is read as by git bisect
    run: 0 is good, 125 skips the version, 1 to 127 are bad, more ends the search. CMD also gets
    GITREG_PATH, GITREG_MODEL, GITREG_VERSION, GITREG_REFERENCE and GITREG_SHA256, and prints on
    stderr.

    Interrupted, the same command goes on where it was. Exits 1 if the first bad version is not
    found, or hidden by versions that cannot be tested.

    Example: gitreg bisect churn-predictor --production -- python check.py {model}
    """
    from gitreg.history.bisect import plan_bisect

    check_model_argument(model, "gitreg bisect {model}; --good and --bad name versions")
    if production and (stage or "production").lower() != "production":
        raise InvalidRequest("--production and --stage name two stages: give one of them")
    if not command and not (reset or dry_run):
        raise InvalidRequest(
            "no command that tests a version",
            hint=f"gitreg bisect {model} -- python check.py {{model}}",
        )
    with opened(shared.repo, shared.allow_rewind) as registry:
        plan = plan_bisect(
            registry,
            model,
            good=good,
            bad=bad,
            stage="production" if production else stage,
            skip=skip or (),
            **shared.options,
        )
        if dry_run:
            _print_plan(registry, plan, command or [], shared, reset=reset)
            return
        found = _search(registry, plan, command or [], reset=reset)
    if found is not None:
        _print_outcome(found, shared)


def _print_plan(
    registry: Registry, plan: BisectPlan, command: list[str], shared: ReadArguments, *, reset: bool
) -> None:
    """Print what a search would do."""
    from gitreg.history.bisect_memory import recall
    from gitreg.render import bisection as text

    known = {} if reset else recall(registry, plan, command).verdicts
    if shared.json:
        print_json(text.plan_json(plan, known))
    else:
        typer.echo(text.plan_text(plan, known))
        typer.echo(f"\n{text.candidates_text(plan, known, terminal_width())}")


def _search(
    registry: Registry, plan: BisectPlan, command: list[str], *, reset: bool
) -> BisectOutcome | None:
    """Return what a search found; nothing where no command is given."""
    from gitreg.history.bisect import bisect as search
    from gitreg.history.bisect_command import CommandTest
    from gitreg.history.bisect_memory import remembering
    from gitreg.render import bisection as text

    test = CommandTest(command) if command else None
    with remembering(registry, plan, command) as memory:
        if reset:
            memory.forget()
        if test is None:
            typer.echo("the verdicts of an interrupted search are forgotten", err=True)
            return None
        if memory.is_anew and not reset:
            typer.echo("another search was interrupted here; this one begins anew", err=True)
        typer.echo(text.plan_text(plan, memory.verdicts), err=True)
        return search(
            registry,
            plan,
            test,
            memory=memory,
            follow=lambda step: typer.echo(text.step_text(step), err=True),
        )


def _print_outcome(found: BisectOutcome, shared: ReadArguments) -> None:
    from gitreg.render import bisection as text

    if shared.json:
        print_json(text.outcome_json(found))
    else:
        typer.echo(text.outcome_text(found, terminal_width()))
    if found.hidden:
        names = ", ".join(format_version(found.model, number) for number in found.hidden)
        raise Refused(f"the first bad version is hidden: {names} could not be tested")
