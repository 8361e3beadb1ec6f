"""Commands about reproduction: a version made again, and compared."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Optional

import typer

from gitreg.cli.app import app
from gitreg.cli.output import print_json, print_outcome, progress_bar
from gitreg.cli.parameters import (
    ReferenceArgument,
    WriteArguments,
    flag,
    option,
    with_write_options,
)
from gitreg.errors import InvalidRequest
from gitreg.registry import Registry


@app.command()
@with_write_options
def reproduce(
    reference: ReferenceArgument,
    tolerance: Annotated[
        Optional[list[str]],
        option("METRIC=NUMBER", "How far a metric may be off; may repeat. A number alone: any."),
    ] = None,
    environment: Annotated[
        str, option("frozen|current", "The recorded requirements, or this interpreter's.")
    ] = "frozen",
    python: Annotated[Optional[str], option("PATH", "The interpreter to use.")] = None,
    env: Annotated[
        Optional[list[str]], option("NAME", "A variable that the command gets; may repeat.")
    ] = None,
    record: Annotated[bool, flag("--record", "Commit the verdict, signed with Git's key.")] = False,
    *,
    shared: WriteArguments,
) -> None:
    """Make a version again from what is recorded, and compare.

    The recorded command runs on the recorded code, data and environment, in a folder of its own,
    which is removed afterwards. The verdict is identical (the bytes), equivalent (the metrics),
    different, or inconclusive, with what is missing. Exit 0 for the first two, 1 for different, 3
    for inconclusive. --dry-run shows the plan. --record commits the verdict, which a gate can ask
    for.

    Example: gitreg reproduce churn-predictor/production --tolerance roc_auc=0.001
    """
    from gitreg.render import reproduction
    from gitreg.reproduce import plan, statement_on
    from gitreg.reproduce import reproduce as again
    from gitreg.reproduce.verdict import INCONCLUSIVE

    if not record and (shared.push or shared.pr or shared.reason):
        raise InvalidRequest("--push, --pr and -m go with --record: nothing else is committed")
    tolerances = _tolerances(tolerance or [])
    passed = _passed(env or [])
    with progress_bar("pull") as progress, Registry(shared.repo, progress=progress) as registry:
        planned = plan(
            registry,
            reference,
            environment=environment,
            python=None if python is None else Path(python).absolute(),
        )
        if shared.dry_run and shared.json:
            print_json(reproduction.plan_json(planned))
            return
        for told in reproduction.plan_lines(planned):
            _print(told, err=not shared.dry_run)
        if shared.dry_run:
            return
        if record:
            registry.who_and_when()  # a missing identity is reported before the work, not after
        done = again(registry, planned, tolerances=tolerances, passed=passed, say=_say)
        recorded = None
        if record and done.verdict.verdict != INCONCLUSIVE:
            statement = statement_on(done, *registry.who_and_when())
            recorded = registry.record_reproduction(
                planned.version.reference, statement, **shared.options
            )
    if shared.json:
        commit = recorded.commit if recorded else None
        print_json({**reproduction.verdict_json(done), "recorded": commit})
    else:
        for told in reproduction.verdict_lines(done):
            _print(told)
        if recorded is not None:
            print_outcome(recorded, shared)
    raise typer.Exit(done.verdict.exit_code)


def _print(told: str, *, err: bool = False) -> None:
    from gitreg.render.terminal import line

    typer.echo(line(told), err=err)


def _say(told: str) -> None:
    _print(told, err=True)


def _tolerances(given: Sequence[str]) -> dict[str, float]:
    found = {}
    for text in given:
        metric, _, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = -1
        if not 0 <= value < float("inf"):
            raise InvalidRequest(
                f"--tolerance {text[:60]!r}: expected a number of 0 or more",
                hint="for example --tolerance roc_auc=0.001",
            )
        found[metric] = value
    return found


def _passed(names: Sequence[str]) -> dict[str, str]:
    missing = [name for name in names if name not in os.environ]
    if missing:
        raise InvalidRequest(f"--env {missing[0]}: there is no such environment variable")
    return {name: os.environ[name] for name in names}
