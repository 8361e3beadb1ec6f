"""Colours: where a terminal or the user wants them, and never in JSON or over hostile text."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from gitreg.cli.coloured import When, is_coloured
from gitreg.render import terminal
from gitreg.render.colour import GREEN, colours
from tests.conftest import git
from tests.support.commands import gitreg

ESCAPE = re.compile(r"\x1b\[\d+m")


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("when", "variables", "in_terminal", "in_pipe"),
    [
        ("auto", "", True, False),
        ("auto", "NO_COLOR=1", False, False),
        ("auto", "NO_COLOR=", True, False),
        ("auto", "TERM=dumb", False, False),
        ("auto", "CLICOLOR=0", False, False),
        ("auto", "FORCE_COLOR=1", True, True),
        ("auto", "FORCE_COLOR=0", True, False),
        ("auto", "CLICOLOR_FORCE=1 TERM=dumb", True, True),
        ("auto", "CLICOLOR_FORCE=1 NO_COLOR=1", False, False),
        ("always", "NO_COLOR=1", True, True),
        ("never", "FORCE_COLOR=1", False, False),
    ],
)
def test_who_decides(when: str, variables: str, *, in_terminal: bool, in_pipe: bool) -> None:
    known = dict(one.split("=") for one in variables.split())
    for is_terminal, wanted in ((True, in_terminal), (False, in_pipe)):
        assert is_coloured(cast("When", when), known, is_terminal=is_terminal) is wanted


READS = (
    "list",
    "list churn",
    "log",
    "show churn",
    "show churn/production",
    "status",
    "verify churn",
)


def test_colours_change_no_word(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for line in READS:
        plain = gitreg(*line.split()).out
        assert "\x1b" not in plain
        for words in (f"--color always {line}", f"{line} --color=always"):
            found = gitreg(*words.split()).out
            assert ESCAPE.search(found), words
            assert ESCAPE.sub("", found) == plain
        assert "\x1b" not in gitreg(*line.split()).out  # nothing is left of the last command
    assert "\x1b" not in gitreg("list", "--color", "always", "--json").out
    assert "\x1b" not in gitreg("--color", "always", "list", "--color", "never").out
    monkeypatch.setenv("CLICOLOR_FORCE", "1")
    assert "\x1b[32mproduction" in gitreg("list").out
    refused = gitreg("promote", "churn@1", "--to", "production", "--if-better", "auc", code=1)
    assert refused.err.startswith("\x1b[31mfailed\x1b[0m  ")
    assert "'sometimes' is not one of" in gitreg("list", "--color", "sometimes", code=2).err


def test_hostile_text_stays_escaped(work: Path) -> None:
    path = work / "registry/churn/versions/1/annotations.yaml"
    path.write_text('description: "\\e[31mred\\e[0m"\n')
    git(work, "add", ".")
    git(work, "commit", "--quiet", "--no-verify", "-m", "by hand \x1b[31mred")
    for line in (*READS, "show churn@1"):
        found = gitreg(*line.split(), "--color", "always").out
        assert "\x1b" not in ESCAPE.sub("", found)
        assert "\x1b[31mred" not in found


def test_a_coloured_table_has_the_same_columns() -> None:
    rows = [
        ("a", [terminal.Piece("production: 3", GREEN), terminal.Piece("staging: 4")], "b " * 40)
    ]
    for width in (40, 80):
        plain = terminal.table(("A", "STAGES", "WHY"), rows, width)
        with colours(on=True):
            painted = terminal.table(("A", "STAGES", "WHY"), rows, width)
        assert painted.count("\x1b[32mproduction: 3\x1b[0m") == 1
        assert ESCAPE.sub("", painted) == plain


def test_a_terminal_is_coloured_and_a_pipe_is_not(reading: Path) -> None:
    main, child = pty.openpty()
    run = [sys.executable, "-m", "gitreg", "list"]
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    subprocess.run(run, env=env, stdout=child, check=True, timeout=60)
    assert "\x1b[32mproduction" in os.read(main, 65536).decode()
    assert (
        "\x1b" not in subprocess.run(run, env=env, capture_output=True, check=True).stdout.decode()
    )
    os.close(main)
    os.close(child)
