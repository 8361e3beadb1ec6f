"""The command groups, and the one place that turns errors into messages and exit codes."""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Annotated, Any, Optional

import typer
from typer.core import TyperGroup

from gitreg import __version__
from gitreg.cli import coloured, completion
from gitreg.cli.output import (
    begin_command,
    complain,
    complain_verbatim,
    print_json_error,
)
from gitreg.errors import GitregError, ServerRefused

BROKEN_PIPE, INTERRUPTED = 141, 130
"""The exit codes that a shell reports for a process ended by SIGPIPE or SIGINT, as for Git."""


# This class has moved between releases of Typer; its subclass for bad parameters has not.
UsageError: Any = typer.BadParameter.__mro__[1]


@contextmanager
def _errors_in_one_place(given: Sequence[str]) -> Iterator[None]:
    """Turn every error into one or two lines on stderr and an exit code."""
    try:
        yield
        sys.stdout.flush()  # a full disk is reported here, not by Python at exit
    except ServerRefused as error:
        for said in error.lines:
            complain_verbatim("remote", said)
        complain(error.summary, error.hint)
        _print_json(given, error)
        raise typer.Exit(error.exit_code) from None
    except GitregError as error:
        complain(str(error), error.hint)
        _print_json(given, error)
        raise typer.Exit(error.exit_code) from None
    except UsageError as error:
        message, hint = _usage(error, given)
        complain(message, hint)
        print_json_error(given, {"error": message, "hint": hint, "exit_code": 2})
        raise typer.Exit(2) from None
    except BrokenPipeError:
        # The reader (`| head`) has seen enough. Python would fail to flush at exit.
        _give_up_stdout()
        raise typer.Exit(BROKEN_PIPE) from None
    except KeyboardInterrupt as interruption:
        complain("interrupted: nothing is half done, run it again", str(interruption) or None)
        raise typer.Exit(INTERRUPTED) from None
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        complain(f"{place}{error.strerror or error}", None)
        try:
            _print_json(given, error)
            sys.stdout.flush()
        except OSError:
            _give_up_stdout()
        raise typer.Exit(3) from None
    except (MemoryError, RecursionError) as error:
        complain(f"{type(error).__name__}: {error}", None)
        _print_json(given, error)
        raise typer.Exit(3) from None


def _print_json(given: Sequence[str], error: Exception) -> None:
    from gitreg.render import as_json

    print_json_error(given, as_json.error_json(error))


def _usage(error: Any, given: Sequence[str]) -> tuple[str, str]:
    """Return what is wrong with a command line, and what was probably meant."""
    from gitreg.cli.meant import meant_arguments, meant_option

    command = error.ctx.command_path if error.ctx else "gitreg"
    message = error.format_message().rstrip(".")
    hint = getattr(error, "meant", None)
    option = getattr(error, "option_name", None)
    if option is not None and error.ctx is not None:
        known = {name for one in error.ctx.command.params for name in one.opts}
        hint = meant_option(option, known, given)
        message = message.partition(" (Possible")[0].partition(" Did you mean")[0]
    elif message.startswith("Got unexpected extra argument"):
        place = len(command.split()) - 1
        hint = meant_arguments(command, [one for one in given[place:] if one[:1] != "-"])
    return message, hint or f"{command} --help shows how"


def _give_up_stdout() -> None:
    """Discard unwritten output: Python would try to write it again at exit, and fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class ErrorsInOnePlace(TyperGroup):
    """A command group that reports errors as gitreg does; without arguments it prints its help."""

    _given: Sequence[str] = ()

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Parse the options in front of the command."""
        begin_command()
        self._given = list(args[1] if args[1:] else kwargs.get("args", ()))
        with _errors_in_one_place(self._given):
            return super().make_context(*args, **kwargs)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments; without any, print the help and exit."""
        if not args and not ctx.resilient_parsing:
            typer.echo(ctx.get_help(), err=True)
            raise typer.Exit(2)
        if ctx.parent is None and args[:1] == ["help"]:
            args = [*args[1:], "--help"]
        elif ctx.parent is None and args == ["version"]:
            args = ["--version"]
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is named; an unknown one gets a hint of what was meant."""
        if args and self.get_command(ctx, args[0]) is None:
            from gitreg.cli.meant import meant_command

            error = UsageError(f"No such command {args[0]!a}", ctx)
            group = "" if ctx.parent is None else str(ctx.info_name)
            error.meant = meant_command(args, self.list_commands(ctx), group)
            raise error
        found = super().resolve_command(ctx, args)
        _take_color(ctx, found[1])
        return found

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with _errors_in_one_place(self._given):
            return super().invoke(ctx)


def _take_color(context: Any, command: Any) -> None:
    """Let a command take ``--color`` as well: users of Git write it behind the command."""
    if all(parameter.name != "color" for parameter in command.params):
        color = next(one for one in context.find_root().command.params if one.name == "color")
        behind = copy(color)
        behind.hidden = True
        command.params.append(behind)


def _group(words: str) -> typer.Typer:
    return typer.Typer(
        add_completion=False,  # of its own: see `gitreg.cli.completion`
        cls=ErrorsInOnePlace,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        help=words,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


app = _group("A machine-learning model registry that is nothing but a Git repository.")


alias_app = _group("Set and delete aliases.")


tags_app = _group("Tags, derived from history.")


ci_app = _group("Files that let a Git host run gitreg.")


deploy_app = _group("Files that say what is in production, for what deploys it.")


policy_app = _group("The rules for promotions.")


hook_app = _group("Git hooks, for a server or a clone.")


import_app = _group("Import another registry into this one.")


export_app = _group("Export this registry to another one.")


site_app = _group("The registry as web pages.")


app.add_typer(alias_app, name="alias")


app.add_typer(tags_app, name="tags")


app.add_typer(ci_app, name="ci")


app.add_typer(deploy_app, name="deploy")


app.add_typer(policy_app, name="policy")


app.add_typer(hook_app, name="hook")


app.add_typer(import_app, name="import")


app.add_typer(export_app, name="export")


app.add_typer(site_app, name="site")


def main() -> None:
    """Run the command line."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the shell, `>&-`
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
        elif isinstance(stream, io.TextIOWrapper):
            # Characters that the terminal cannot show become escapes instead of a traceback.
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="gitreg")
    except SystemExit as ending:
        if ending.code == INTERRUPTED:
            _end_without_threads()
        raise


def _end_without_threads() -> None:
    """End the process, if an interrupt left threads behind that Python would wait for.

    An interrupt may fall between the start of a pool's thread and the note by which Python ends it
    at exit (`concurrent.futures.thread`). MLflow's pools are of that kind: such a process would
    wait for ever.
    """
    left = [one for one in threading.enumerate() if one is not threading.main_thread()]
    if any(not one.daemon for one in left):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(INTERRUPTED)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gitreg {__version__}")
        raise typer.Exit


def _choose_color(context: typer.Context, when: Optional[coloured.When]) -> None:
    if when is not None or context.parent is None:
        coloured.choose(context, when or "auto")


@app.callback()
def _options(
    color: Annotated[
        Optional[coloured.When],
        typer.Option(
            "--color",
            callback=_choose_color,
            expose_value=False,
            help="Colour stages and verdicts; auto does where a terminal shows them.",
        ),
    ] = None,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version."),
    ] = False,
    install_completion: Annotated[
        bool,
        typer.Option(
            "--install-completion",
            callback=completion.install,
            help="Let this shell (bash, zsh or fish) complete gitreg.",
        ),
    ] = False,
    show_completion: Annotated[
        bool,
        typer.Option(
            "--show-completion", callback=completion.show, help="Print the script that does it."
        ),
    ] = False,
) -> None:
    pass
