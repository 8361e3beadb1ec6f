"""Commands that follow the registry: a command or a target for each move, and events."""

from __future__ import annotations

import functools
import inspect
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from typer.core import TyperCommand

from gitreg.cli.app import app
from gitreg.cli.output import opened, page, print_json_line, terminal_width
from gitreg.cli.parameters import (
    AllowRewindOption,
    RepoOption,
    RepositoryArguments,
    argument,
    complete_reference,
    flag,
    option,
    with_repository_options,
)
from gitreg.errors import Refused
from gitreg.watch.targets import KINDS, Setting

_COMMAND = "gitreg.command"


class _WithCommand(TyperCommand):
    """A command line that ends in another one, behind ``--``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what is in front of ``--``, and keep the rest for the command."""
        place = args.index("--") if "--" in args else len(args)
        ctx.meta[_COMMAND] = args[place + 1 :]
        return super().parse_args(ctx, args[:place])

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the parts of the usage line."""
        return [*super().collect_usage_pieces(ctx), "[-- CMD...]"]


def _with_targets(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of all targets to a command, which gets their values as ``given``."""
    settings = [one for kind in KINDS for one in (kind.option, *kind.more)]
    own = inspect.signature(command, eval_str=True)
    parameters = [p for p in own.parameters.values() if p.name != "given"]
    place = next(n for n, p in enumerate(parameters) if p.kind is inspect.Parameter.KEYWORD_ONLY)
    parameters[place:place] = [_parameter(one) for one in settings]

    @functools.wraps(command)
    def run(**values: Any) -> None:
        given = {one.name: values.pop(one.name) for one in settings}
        command(**values, given=given)

    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    return run


def _parameter(setting: Setting) -> inspect.Parameter:
    words = [*([setting.short] if setting.short else []), setting.option]
    asked: Any = Optional[str]
    if " " in setting.metavar:
        asked = Optional[tuple[str, str]]
    return inspect.Parameter(
        setting.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[
            asked, typer.Option(*words, metavar=setting.metavar, help=setting.words)
        ],
    )


_LONGEST = 1_000_000.0
"""Seconds of an option: more than anybody waits, and what every clock can count."""


def _bounded(seconds: float) -> float:
    if not seconds <= _LONGEST:  # nor is one that is no number
        raise typer.BadParameter(f"{seconds} is more than {_LONGEST:.0f} seconds, or no number")
    return seconds


@app.command(cls=_WithCommand)
@_with_targets
def watch(
    ctx: typer.Context,
    references: Annotated[
        list[str],
        argument("REF...", "NAME/production, NAME@champion or NAME@latest.", complete_reference),
    ],
    *,
    given: dict[str, Any],
    once: Annotated[bool, flag("--once", "Deliver what has moved so far, and exit.")] = False,
    each: Annotated[
        bool, flag("--each", "Deliver every move, not one step to the newest version.")
    ] = False,
    pull: Annotated[
        Optional[Path], option("DIR", "Pull the version to DIR/model before, verified.")
    ] = None,
    start: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="WHEN",
            help="Where to begin the first time: current (what is in service), now (the next "
            "move), start (with --each, the first move) or a commit.",
        ),
    ] = "current",
    state: Annotated[
        Optional[Path], option("FILE", "Where to remember what was delivered.")
    ] = None,
    poll: Annotated[
        float,
        typer.Option(
            "--poll", metavar="SECONDS", min=0.1, callback=_bounded, help="Between two looks."
        ),
    ] = 30.0,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout",
            metavar="SECONDS",
            min=1,
            callback=_bounded,
            help="For the rollout, and for the probe.",
        ),
    ] = 300.0,
    tries: Annotated[
        Optional[int],
        typer.Option(
            "--tries",
            metavar="N",
            min=1,
            help="Give up after N failures; 3 with --once, 1 with --rollback-on-failure.",
        ),
    ] = None,
    rollback_on_failure: Annotated[
        bool, flag("--rollback-on-failure", "Then move the reference back, by a commit.")
    ] = False,
    repo: RepoOption = ".",
    allow_rewind: AllowRewindOption = False,
) -> None:
    """Run a command, or tell others, when a reference moves.

    CMD runs without a shell and gets GITREG_MODEL, GITREG_VERSION (empty if the reference names
    none any more), GITREG_PREVIOUS, GITREG_COMMIT, GITREG_SHA256, GITREG_AUTHOR, GITREG_REASON,
    GITREG_ACTION, GITREG_REFERENCE, GITREG_EVENT (an id) and, with --pull, GITREG_PATH.

    Each move is delivered at least once, in order, also after a crash or a pause. A failure is
    tried again, later and later; what follows waits. With --once, exits 1 if a delivery failed.
    A URL is followed as it is published; a folder as it is: nothing fetches into it.

    Example: gitreg watch churn-predictor/production --repo https://example.com/churn.git
    --pull /srv/churn -- systemctl reload churn-api
    """
    from gitreg.render.terminal import line
    from gitreg.watch.delivery import Delivery
    from gitreg.watch.memory import opened as memory_of
    from gitreg.watch.moves import watched
    from gitreg.watch.targets import targets_of
    from gitreg.watch.watcher import Watcher, Watching, default_memory

    def say(words: str) -> None:
        typer.echo(f"gitreg watch: {line(words)}", err=True)

    command: Sequence[str] = ctx.meta[_COMMAND]
    wanted = tuple(dict.fromkeys(map(watched, references)))
    targets = targets_of(tuple(command), given)
    what = Watching(repo, wanted, each, start, tries, poll, allow_rewind, rollback_on_failure)
    purpose = [*command, *(f"{name}={value}" for name, value in given.items() if value)]
    place = state or default_memory(repo, wanted, purpose)
    with _ending_on_sigterm(), memory_of(place) as memory:
        delivery = Delivery(targets, pull, len(wanted) > 1, timeout, say)
        watcher = Watcher(what, memory, delivery, say)
        if not once:
            watcher.run()
        elif not watcher.once():
            raise Refused(
                "a move was not delivered",
                hint="run it again when that is repaired: it goes on with this move",
            )


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end the process as an interrupt does: with the command that is running."""

    def end(number: int, _: object) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@app.command()
@with_repository_options
def events(
    references: Annotated[
        Optional[list[str]],
        argument(
            "REF...", "Models, stages, aliases or versions; all by default.", complete_reference
        ),
    ] = None,
    since: Annotated[
        Optional[str], option("COMMIT", "Nothing up to this commit, or this event's id.")
    ] = None,
    *,
    shared: RepositoryArguments,
) -> None:
    """Print what happened after a commit, for programs.

    The oldest first; with --json, one event a line: registrations, promotions, aliases, rollbacks,
    archivals, annotations, approvals, deletions and renames, each with an id that never changes.
    The id of the last line is --since of the next call. Exits 2 if the history was rewritten and
    has that commit no longer.

    For people: gitreg log shows the newest first, filtered by time and author.

    Example: gitreg events churn-predictor --since HEAD~5 --json
    """
    from dataclasses import asdict

    from gitreg.render.events import stream_text
    from gitreg.watch.events import events as events_of

    with opened(shared.repo, shared.allow_rewind) as registry:
        told = events_of(registry, *(references or ()), since=since)
    if shared.json:
        for event in told.events:
            print_json_line(asdict(event))
    elif told.events:
        page(stream_text(told.events, terminal_width()))
    else:
        typer.echo("no events", err=True)
    if not shared.json:
        typer.echo(f"next: gitreg events --since {told.cursor}", err=True)
