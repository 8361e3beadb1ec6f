"""Commands about reproduction: a version made again, and compared."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

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

if TYPE_CHECKING:
    from gitreg.reproduce import Plan, Reproduction


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
    which is removed afterwards. The verdict
    is identical (the bytes), equivalent (the metrics), different, or inconclusive, with what is
    missing. Exit 0 for the first two, 1 for different, 3 for inconclusive. --dry-run shows the
    plan. --record commits the verdict, which a gate can ask for.

    Example: gitreg reproduce churn-predictor/production --tolerance roc_auc=0.001
    """
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
        if shared.dry_run:
            _print_plan(planned, json=shared.json)
            return
        for told in _plan_lines(planned):
            _say(told)
        done = again(registry, planned, tolerances=tolerances, passed=passed, say=_say)
        recorded = None
        if record and done.verdict.verdict != INCONCLUSIVE:
            statement = statement_on(done, *registry.who_and_when())
            recorded = registry.record_reproduction(
                planned.version.reference, statement, **shared.options
            )
    if shared.json:
        commit = recorded.commit if recorded else None
        print_json({**_as_json(done), "recorded": commit})
    else:
        for told in _lines(done):
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


def _plan_lines(planned: Plan) -> Iterator[str]:
    version = planned.version
    yield f"version      {version.reference}"
    yield f"code         {planned.commit[:9] or '-'}"
    for item in planned.data:
        yield f"data         {item.path} ({(item.md5 or 'hash unknown')[:9]})"
    yield f"environment  {planned.environment}, {planned.python or 'no interpreter'}"
    yield f"runs         {planned.command or '-'}"
    yield f"makes        {planned.source or '-'}"
    for words in planned.missing:
        yield f"missing      {words}"


def _print_plan(planned: Plan, *, json: bool) -> None:
    if not json:
        for told in _plan_lines(planned):
            _print(told)
        return
    print_json(
        {
            "model": planned.version.model,
            "version": planned.version.version,
            "commit": planned.commit or None,
            "data": [{"path": item.path, "md5": item.md5} for item in planned.data],
            "environment": planned.environment,
            "python": None if planned.python is None else str(planned.python),
            "command": planned.command or None,
            "source": planned.source or None,
            "missing": list(planned.missing),
        }
    )


def _lines(done: Reproduction) -> Iterator[str]:
    verdict = done.verdict
    yield f"{done.plan.version.reference}: {verdict.verdict}"
    for path, same in verdict.bytes.items():
        word = {True: "identical", False: "different", None: "on one side only"}[same]
        yield f"bytes   {path or done.plan.source}: {word}"
    for name, metric in verdict.metrics.items():
        found = "not measured" if metric.found is None else f"{metric.found:.6g}"
        within = "within" if metric.is_within else "not within"
        yield f"metric  {name}: {found}, was {metric.recorded:.6g} ({within} {metric.tolerance:g})"
    for words in verdict.missing:
        yield f"missing {words}"
    if done.log is not None:
        yield f"log     {done.log}"


def _as_json(done: Reproduction) -> dict[str, Any]:
    verdict = done.verdict
    files = [
        {"path": path or done.plan.source, "identical": same}
        for path, same in verdict.bytes.items()
    ]
    return {
        "model": done.plan.version.model,
        "version": done.plan.version.version,
        "verdict": verdict.verdict,
        "bytes": {"identical": bool(files) and all(verdict.bytes.values()), "files": files},
        "metrics": {
            name: {
                "recorded": metric.recorded,
                "found": metric.found,
                "tolerance": metric.tolerance,
                "within": metric.is_within,
            }
            for name, metric in verdict.metrics.items()
        },
        "missing": list(verdict.missing),
        "log": None if done.log is None else str(done.log),
    }
