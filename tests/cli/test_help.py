"""What the program says about itself: commands, options, help, version and completion."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from gitreg import __version__
from gitreg.cli import COMMANDS as MODULES
from gitreg.cli import app
from tests.support.commands import gitreg


def _commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(_commands(typer.main.get_command(app)))


def test_each_command_is_in_the_module_that_is_imported_for_it() -> None:
    promised = {(name, module) for module, names in MODULES.items() for name in names}
    found = {
        (path[0], command.callback.__module__.rpartition(".")[2])
        for path, command in COMMANDS.items()
    }
    assert found == promised


def test_the_commands_are_those_that_are_promised() -> None:
    assert {" ".join(path) for path in COMMANDS} == {
        "init",
        "register",
        "evaluate",
        "reproduce",
        "card",
        "dossier",
        "promote",
        "archive",
        "alias set",
        "alias delete",
        "rollback",
        "list",
        "show",
        "log",
        "timeline",
        "explain",
        "search",
        "resolve",
        "compare",
        "bisect",
        "watch",
        "events",
        "pull",
        "verify",
        "annotate",
        "delete",
        "tags sync",
        "create",
        "rename",
        "serve",
        "ui",
        "import mlflow",
        "import gto",
        "export mlflow",
        "doctor",
        "fetch",
        "status",
        "push",
        "approve",
        "policy schema",
        "policy show",
        "policy statement",
        "policy test",
        "ci github",
        "ci gitlab",
        "codeowners",
        "deploy render",
        "check",
        "hook install",
        "hook run",
        "site build",
        "site serve",
    }


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_has_an_example_that_the_command_takes(path: tuple[str, ...]) -> None:
    text = " ".join(gitreg(*path, "--help").out.split())
    example = text.partition("Example: ")[2]
    words = shlex.split(example.partition(" Arguments:")[0].partition(" Options:")[0])
    assert words[: len(path) + 1] == ["gitreg", *path]
    # An option that is not there, or an argument too many or too few, raises.
    COMMANDS[path].make_context(path[-1], words[len(path) + 1 :])


@pytest.mark.parametrize("group", ["", *sorted({path[0] for path in COMMANDS if path[1:]})])
def test_lists_of_commands_have_whole_lines(group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    listed = gitreg(*filter(None, [group]), "--help").out.partition("Commands:")[2]
    assert listed
    assert "..." not in listed


READS = (
    "list",
    "show",
    "log",
    "timeline",
    "dossier",
    "explain",
    "search",
    "resolve",
    "compare",
    "bisect",
    "pull",
    "verify",
    "policy show",
    "policy test",
)
WRITES = (
    "register",
    "promote",
    "archive",
    "alias set",
    "alias delete",
    "rollback",
    "annotate",
    "delete",
    "create",
    "rename",
    "approve",
)


@pytest.mark.parametrize(
    ("commands", "options"),
    [
        (READS, ("--json", "--repo", "--rev", "--at", "--allow-rewind")),
        (
            WRITES,
            ("--message", "-m", "--dry-run", "--push", "--pr", "--op-id", "--json", "--repo"),
        ),
    ],
)
def test_options_that_all_reads_and_all_writes_have(
    commands: tuple[str, ...], options: tuple[str, ...]
) -> None:
    for name in commands:
        known = {opt for param in COMMANDS[tuple(name.split())].params for opt in param.opts}
        assert set(options) <= known, name


def test_version_and_help() -> None:
    assert gitreg("--version").out == f"gitreg {__version__}\n"
    assert "Commands:" in gitreg("--help").out
    for words in ((), ("alias",), ("tags",)):
        ran = gitreg(*words, code=2)
        assert ran.out == ""
        assert "Commands:" in ran.err


def test_help_and_version_in_every_usual_spelling() -> None:
    assert gitreg("-h").out == gitreg("--help").out == gitreg("help").out
    assert gitreg("help", "promote").out == gitreg("promote", "-h").out
    assert gitreg("help", "alias", "set").out == gitreg("alias", "set", "--help").out
    assert gitreg("version").out == gitreg("--version").out
