"""Commands that ask the past: timelines and explanations."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from gitreg.cli.app import app
from gitreg.cli.output import opened, page, print_json, terminal_width, warn
from gitreg.cli.parameters import (
    REFERENCE,
    ReadArguments,
    argument,
    complete_model,
    complete_reference,
    complete_stage,
    option,
    with_read_options,
)
from gitreg.errors import InvalidRequest

if TYPE_CHECKING:
    from gitreg.core.state.intervals import Timeline
    from gitreg.registry import ReadOptions


@app.command()
@with_read_options
def timeline(
    models: Annotated[
        Optional[list[str]],
        argument("MODEL...", "Models or patterns: 'churn-*'; all by default.", complete_model),
    ] = None,
    stage: Annotated[
        Optional[str],
        typer.Option(
            "--stage", metavar="STAGE", help="Only this stage.", autocompletion=complete_stage
        ),
    ] = None,
    alias: Annotated[Optional[str], option("ALIAS", "Only this alias.")] = None,
    since: Annotated[
        Optional[str], option("TIME", "Leave out what ended before; see --at.")
    ] = None,
    until: Annotated[Optional[str], option("TIME", "Leave out what began later.")] = None,
    svg: Annotated[
        Optional[Path],
        typer.Option("--svg", metavar="FILE", help="Write a picture, as SVG; - is stdout."),
    ] = None,
    *,
    shared: ReadArguments,
) -> None:
    """Show which versions stood where, from when to when.

    How long, who put them there and why, what ended it, and when there was nothing. With --at, what
    stood where at that moment.

    Example: gitreg timeline churn-predictor --stage production --since 2026-11-01
    """
    from gitreg.history.timelines import timeline as timeline_of
    from gitreg.render import timeline as text

    for model in models or ():
        _check_model(model)
    is_piped = str(svg) == "-"
    if is_piped and shared.json:
        raise InvalidRequest("--svg - and --json both write to stdout", hint="--svg FILE")
    with opened(shared.repo, shared.allow_rewind) as registry:
        found = timeline_of(
            registry,
            *(models or ()),
            stage=stage,
            alias=alias,
            since=since,
            until=until,
            **shared.options,
        )
    if found.is_cut:
        _warn_shallow()
    if is_piped:
        from gitreg.render.timeline_svg import timeline_svg

        typer.echo(timeline_svg(found), nl=False)
        return
    if svg is not None:
        _write_picture(svg, found)
    if shared.json:
        print_json(text.timeline_json(found))
    elif svg is not None:
        typer.echo(str(svg))
    elif not found.intervals:
        typer.echo("nothing stood there", err=True)
    elif shared.at is not None:
        page(text.moment_text(found, terminal_width()))
    else:
        page(text.timeline_text(found, terminal_width(), ascii_only=not _has_unicode()))


def _check_model(text: str) -> None:
    """Refuse a reference to a pointer or version, and say how its timeline is asked for."""
    from gitreg.core.model.names import parse_reference

    wanted = None if set("*?[") & set(text) else parse_reference(text)
    if wanted is None or wanted.is_model:
        return
    chosen = [("--stage", wanted.stage), ("--alias", wanted.alias)]
    rest = "".join(f" {name} {value}" for name, value in chosen if value)
    raise InvalidRequest(
        f"{wanted} is not a model's name",
        hint=f"gitreg timeline {wanted.model}{rest}",
    )


def _write_picture(path: Path, found: Timeline) -> None:
    from gitreg.render.timeline_svg import timeline_svg

    path.write_text(timeline_svg(found), encoding="utf-8", newline="\n")


def _has_unicode() -> bool:
    return (sys.stdout.encoding or "ascii").lower().replace("-", "").startswith("utf")


@app.command()
@with_read_options
def explain(
    reference: Annotated[Optional[str], argument("[REF]", REFERENCE, complete_reference)] = None,
    prediction: Annotated[
        Optional[str], option("ID", "Explain what answered this request; with --log.")
    ] = None,
    log: Annotated[
        Optional[Path],
        typer.Option("--log", metavar="FILE", help="The record of gitreg serve --log."),
    ] = None,
    *,
    shared: ReadArguments,
) -> None:
    """Explain what serves, or served, and why it does.

    Since when, by whom, why, approved by which keys, under which rules; from which code, data,
    params and environment it was made; what differs from what served before. With --at, of that
    moment. With --prediction and --log, of what answered a request.

    Example: gitreg explain churn-predictor/production --at 2026-11-02T06:00
    """
    from gitreg.history import explain as explained
    from gitreg.render import explanation

    reference, options = _asked(reference, prediction, log, shared)
    with opened(shared.repo, shared.allow_rewind) as registry:
        found = explained(registry, reference, **options)
        if registry.is_shallow:
            _warn_shallow()
    if shared.json:
        print_json(explanation.explanation_json(found))
    else:
        page(explanation.explanation_text(found, terminal_width()))


def _asked(
    reference: Optional[str], prediction: Optional[str], log: Optional[Path], shared: ReadArguments
) -> tuple[str, ReadOptions]:
    """Return what is to be explained, and of which moment."""
    if (prediction is None) != (log is None):
        raise InvalidRequest("--prediction and --log belong together")
    if (prediction is None) == (reference is None):
        raise InvalidRequest("give REF, or --prediction ID --log FILE")
    if prediction is None or log is None:
        assert reference is not None
        return reference, shared.options
    if not shared.is_current:
        raise InvalidRequest("the record names the commit: leave out --at and --rev")
    from gitreg.serving.predictions import find_prediction

    found = find_prediction(log, prediction)
    return found.reference, {"rev": found.commit}


def _warn_shallow() -> None:
    warn(("this clone is shallow: what was before is not known: git fetch --unshallow",))
