"""The README's session is run as it is written: every command, every line that it prints.

After a change of what gitreg prints, ``python -m tests.test_readme`` writes the session anew.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from gitreg.cli import app
from tests.conftest import isolate

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
_SESSION = re.compile(r"```console\n(.*?)```", re.DOTALL)
_MARK = "----8<----"


def commands(text: str) -> list[tuple[str, str]]:
    """Return the commands of all sessions with what they print."""
    found: list[tuple[str, str]] = []
    for block in _SESSION.findall(text):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], ""))
            elif found[-1][0].endswith("\\"):
                found[-1] = (f"{found[-1][0]}\n{line}", "")
            else:
                found[-1] = (found[-1][0], f"{found[-1][1]}{line}\n")
    return found


def play(given: list[str], folder: Path) -> list[str]:
    """Run commands in one shell, beside a checkout named ``gitreg``; return what each prints."""
    (folder / "gitreg").symlink_to(ROOT)
    script = "".join(f"{command}\necho '{_MARK}'$?\n" for command in given)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash"],
        input=script,
        cwd=folder,
        env={**os.environ, "PATH": path, "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        timeout=300,
    )
    return re.split(rf"{_MARK}\d+\n", done.stdout)[:-1]


def steady(text: str) -> str:
    """Return output without what differs from run to run: hashes, dates, numbers, padding."""
    text = re.sub(r"\b[0-9a-f]{7,64}\b", "HASH", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]?\d\d:\d\d(:\d\d)?Z?", "DATE", text)
    text = re.sub(r"python \d[\w.]*, [\w-]+", "python VERSION, PLATFORM", text)
    text = re.sub(r"[-+]?\d+\.\d+", "NUMBER", text)
    text = re.sub(r"/\S*/churn/", "/…/churn/", text)
    return re.sub(r" +", " ", text)


def test_the_session_of_the_readme(tmp_path: Path) -> None:
    session = commands(README.read_text())
    assert len(session) > 10
    printed = play([command for command, _ in session], tmp_path)
    for (command, expected), actual in zip(session, printed, strict=True):
        assert (command, steady(actual)) == (command, steady(expected))


def test_the_list_of_commands_is_complete() -> None:
    listed = re.search(r"^The commands are `([^`]+)`", README.read_text(), re.MULTILINE)
    assert listed is not None
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    assert sorted(listed[1].split()) == sorted(group.commands)


def test_a_command_that_prints_something_else_is_noticed(tmp_path: Path) -> None:
    assert play(["echo one", "false"], tmp_path) == ["one\n", ""]
    assert steady("one 4f2c1a9d 0.93\n") == "one HASH NUMBER\n" != steady("two\n")


def _write_anew(folder: Path) -> None:
    text = README.read_text()
    session = [command for command, _ in commands(text)]
    printed = iter(play(session, folder))

    def block(match: re.Match[str]) -> str:
        lines = []
        for command, _ in commands(match.group()):
            output = re.sub(rf"{re.escape(str(folder))}", "/home/ada", next(printed))
            lines.append(f"$ {command}\n{output}")
        return f"```console\n{''.join(lines)}```"

    README.write_text(_SESSION.sub(block, text))


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as temporary, pytest.MonkeyPatch.context() as patch:
        isolate(patch, Path(temporary) / "home")
        _write_anew(Path(temporary))
