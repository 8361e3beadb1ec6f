"""What commands print with: answers to stdout, everything else to stderr."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import typer

from gitreg.cli.coloured import on_stderr
from gitreg.errors import Refused
from gitreg.registry import Registry

# Rendering is imported when a command prints: `gitreg resolve` prints one line.
if TYPE_CHECKING:
    from rich.progress import ProgressColumn

    from gitreg.cli.parameters import ReadArguments, WriteArguments
    from gitreg.core.policy import Judgement
    from gitreg.dvc.digest import Progress
    from gitreg.publishing.outcome import Outcome


SHORT = 9
"""How many digits of a commit are shown."""

PIPE_WIDTH = 4096
"""The width of a table outside a terminal: a script's `grep` wants whole lines."""


def complain(message: str, hint: str | None) -> None:
    """Print what is wrong, and what to do next, on stderr."""
    from gitreg.render import as_text

    typer.echo(as_text.errors_text(message, hint), err=True)


def complain_verbatim(who: str, said: str) -> None:
    """Print a line that another program printed, on stderr."""
    from gitreg.render import terminal

    typer.echo(f"{who}: {terminal.line(said)}".rstrip(), err=True)


def warn(warnings: tuple[str, ...]) -> None:
    """Print warnings on stderr."""
    from gitreg.render import terminal

    for warning in warnings:
        typer.echo(f"warning: {terminal.line(warning)}", err=True)


@contextmanager
def opened(
    repo: str, allow_rewind: bool, progress: Progress | None = None, *, streams: bool = False
) -> Iterator[Registry]:
    """Open a registry to read from, and print its warnings before the command's answer.

    A command prints its answer after this block. One that ``streams`` prints inside it, so its
    warnings are printed first.
    """
    with Registry(repo, progress=progress, allow_rewind=allow_rewind) as registry:
        try:
            if streams:
                registry.state()
                warn(registry.warnings)
            yield registry
            if registry.moment is not None:
                typer.echo(registry.moment, err=True)
        finally:
            if registry.warnings and not streams:  # printing imports more
                warn(registry.warnings)


RECENT = 60
"""For how many seconds an answer is not called old."""


def say_age(registry: Registry, commit: str | None, shared: ReadArguments) -> None:
    """Print on stderr how old an answer is, where the remote may know more by now.

    Args:
        registry: that was read; by URL it is as new as the remote.
        commit: that was read.
        shared: the options of the command; with ``--rev`` or ``--at`` it asked for an old state.
    """
    age = registry.age if shared.is_current and not shared.json else None
    if commit is not None and age is not None and age >= RECENT:
        from gitreg.core.text.times import ago

        typer.echo(f"read from {commit[:SHORT]}, fetched {ago(age)}", err=True)


def terminal_width() -> int:
    """Return the width of a table in columns."""
    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        return shutil.get_terminal_size().columns
    return PIPE_WIDTH


def page(text: str) -> None:
    """Print an answer; one that is longer than the terminal through a pager, as Git does.

    GIT_PAGER or PAGER names the pager, else it is ``less``; ``cat`` or an empty text is none.
    """
    rows = shutil.get_terminal_size().lines
    pager = os.environ.get("GIT_PAGER", os.environ.get("PAGER", "less"))
    if not sys.stdout.isatty() or text.count("\n") + 2 < rows or pager in ("", "cat"):
        typer.echo(text)
        return
    command = shlex.split(pager)
    if shutil.which(command[0]) is None:
        typer.echo(text)
        return
    variables = {"LESS": "FRX", **os.environ}
    encoded = f"{text}\n".encode(sys.stdout.encoding or "utf-8", "backslashreplace")
    subprocess.run(command, input=encoded, env=variables, check=False)


def print_json_error(given: Sequence[str], answer: dict[str, object]) -> None:
    """Print an error as JSON too, if the command line asks for JSON and has printed none."""
    own = given[: given.index("--")] if "--" in given else given  # the rest is another command's
    if "--json" in own and not _JSON_PRINTED:
        print_json(answer)


_JSON_PRINTED: list[bool] = []
"""Whether the command has printed its JSON; one document is all that a script reads."""


def begin_command() -> None:
    """Forget what an earlier command of this process printed."""
    _JSON_PRINTED.clear()


def print_json(value: object) -> None:
    """Print a value as JSON."""
    from gitreg.render import as_json

    _JSON_PRINTED.append(True)
    typer.echo(as_json.to_json(value, ascii_only=_is_ascii_only()))


def print_json_line(value: object) -> None:
    """Print a value as JSON in one line, of several."""
    from gitreg.render import as_json

    _JSON_PRINTED.append(True)
    typer.echo(as_json.to_json_line(value, ascii_only=_is_ascii_only()))


def _is_ascii_only() -> bool:
    """Tell whether stdout needs JSON's escapes; others would not be JSON."""
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    return not encoding.startswith("utf")


def print_outcome(outcome: Outcome, shared: WriteArguments, **more: object) -> None:
    """Print the outcome of a write, after its verdicts and warnings.

    Args:
        outcome: of the write.
        shared: the command's options.
        **more: what its JSON has besides.
    """
    from gitreg.render import as_json, as_text

    warn(outcome.warnings)
    if shared.json:
        print_json({**as_json.outcome_json(outcome), **more})
    else:
        show_verdicts(outcome.change.judgements, waiting=shared.pr)
        typer.echo(as_text.outcome_text(outcome, dry_run=shared.dry_run))
    for consequence in as_text.consequences(outcome):
        typer.echo(consequence, err=True)


def show_verdicts(judgements: tuple[Judgement, ...], *, waiting: bool = False) -> None:
    """Print the policy's verdicts on stderr; of a proposal, approvals that it waits for."""
    from gitreg.render import as_text

    if judgements:
        with on_stderr():
            typer.echo(as_text.verdicts_text(judgements, waiting=waiting), err=True)


@contextmanager
def showing_refusals(*, json: bool) -> Iterator[None]:
    """Print all verdicts of a refusal, passed ones too, before the error sums them up.

    As JSON they are in the error.
    """
    try:
        yield
    except Refused as refused:
        if not json:
            show_verdicts(getattr(refused, "judgements", ()))
        raise


@contextmanager
def pointing_at_mistakes() -> Iterator[None]:
    """Print the part of a filter where a mistake is, before the error says what is wrong."""
    from gitreg.core.text.filter import FilterError

    try:
        yield
    except FilterError as error:
        from gitreg.render.terminal import pointed_at

        typer.echo(pointed_at(error.text, error.place), err=True)
        raise


@contextmanager
def drawn_bar(words: str, *columns: ProgressColumn) -> Iterator[Callable[..., None]]:
    """Draw a bar on stderr; give what updates it, see `rich.progress.Progress.update`."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    first = (SpinnerColumn(), TextColumn(words))
    with Progress(*first, *columns, console=Console(stderr=True), transient=True) as bar:
        yield partial(bar.update, bar.add_task(words, total=None, next=""))


@contextmanager
def progress_bar(words: str) -> Iterator[Progress | None]:
    """Give a callback that draws a progress bar, or ``None`` outside a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import DownloadColumn, TransferSpeedColumn

    with drawn_bar(words, DownloadColumn(), TransferSpeedColumn()) as update:
        yield lambda done: update(advance=done)
