"""The sessions of README and docs run as they are written: every command, every line printed.

The pages of one story share a folder: a page goes on where the page before it ends. After a change
of what gitreg prints, ``python -m tests.stories.test_readme`` rewrites the sessions.
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
from gitreg.core.policy import read_policy
from tests.conftest import isolate

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
GUIDES = DOCS / "guides"
RECIPES = DOCS / "recipes"
STORIES = (
    (README,),
    (DOCS / "quickstart.md", RECIPES / "lesson.md", RECIPES / "on-call.md"),
    (
        *(GUIDES / "pipeline.md", GUIDES / "many-writers.md", GUIDES / "review.md"),
        RECIPES / "audit.md",
    ),
    (RECIPES / "sklearn.md", RECIPES / "dvc-data.md"),
    (GUIDES / "debugging.md",),
    (GUIDES / "deploy.md",),
    (GUIDES / "watch.md",),
)
_SESSION = re.compile(r"```console\n(.*?)```", re.DOTALL)
_MARK = "----8<----"


def commands(text: str) -> list[tuple[str, str]]:
    """Return the commands of all sessions with what they print."""
    found: list[tuple[str, str]] = []
    for block in _SESSION.findall(text):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], ""))
            elif _is_open(found[-1][0]):
                found[-1] = (f"{found[-1][0]}\n{line}", "")
            else:
                found[-1] = (found[-1][0], f"{found[-1][1]}{line}\n")
    return found


def _is_open(command: str) -> bool:
    """Tell whether a command goes on in the next line: after a backslash, or in a here-document."""
    return command.endswith("\\") or ("<<EOF" in command and not command.endswith("\nEOF"))


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
        timeout=600,
    )
    return re.split(rf"{_MARK}\d+\n", done.stdout)[:-1]


def steady(text: str) -> str:
    """Return output without what differs from run to run: hashes, dates, numbers, padding."""
    text = re.sub(r"SHA256:[\w+/]{43}", "FINGERPRINT", text)
    text = re.sub(r"\b[0-9a-f]{7,64}\b", "HASH", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]?\d\d:\d\d(:\d\d)?", "DATE", text)
    text = re.sub(r"python \d[\w.]*, [\w-]+", "python VERSION, PLATFORM", text)
    text = re.sub(r"[-+]?\d+\.\d+", "NUMBER", text)
    text = re.sub(r"/\S*/(churn|served)(/|\.git)", r"/…/\1\2", text)
    return re.sub(r" +", " ", text)


@pytest.mark.parametrize("story", STORIES, ids=lambda pages: pages[0].stem)
def test_the_sessions_print_what_is_shown(story: tuple[Path, ...], tmp_path: Path) -> None:
    session = [entry for page in story for entry in commands(page.read_text())]
    assert len(session) > 5
    printed = play([command for command, _ in session], tmp_path)
    for (command, expected), actual in zip(session, printed, strict=True):
        assert (command, steady(actual)) == (command, steady(expected))


def test_no_session_is_left_out() -> None:
    told = {page for story in STORIES for page in story}
    pages = [README, *DOCS.rglob("*.md")]
    assert {page for page in pages if _SESSION.search(page.read_text())} == told
    # An indented fence, in a list say, would not be found.
    assert not [
        page for page in pages if re.search("^ +```console", page.read_text(), re.MULTILINE)
    ]


def test_a_policy_that_is_shown_is_one() -> None:
    shown = {
        page: re.findall(
            r"```yaml\n((?:# .*\n)*format: 1\nstages.*?)```", page.read_text(), re.DOTALL
        )
        for page in DOCS.rglob("*.md")
    }
    assert shown[DOCS / "reference" / "policy.md"]
    for page, texts in shown.items():
        for text in texts:
            assert read_policy(text.encode(), page.name).stages["production"].gates


def test_the_list_of_commands_is_complete() -> None:
    listed = re.search(r"^The commands are `([^`]+)`", README.read_text(), re.MULTILINE)
    assert listed is not None
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    assert sorted(listed[1].split()) == sorted(group.commands)


def test_the_readme_is_read_in_five_minutes() -> None:
    assert len(README.read_text().splitlines()) <= 200


def test_a_command_that_prints_something_else_is_noticed(tmp_path: Path) -> None:
    assert play(["echo one", "false"], tmp_path) == ["one\n", ""]
    two = "```console\n$ cat <<EOF\n$(echo one)\nEOF\none\n$ false\n```"
    assert commands(two) == [("cat <<EOF\n$(echo one)\nEOF", "one\n"), ("false", "")]
    assert steady("one 4f2c1a9d 0.93\n") == "one HASH NUMBER\n" != steady("two\n")


def _write_anew(story: tuple[Path, ...], folder: Path) -> None:
    folder.mkdir()
    texts = {page: page.read_text() for page in story}
    session = [entry for text in texts.values() for entry in commands(text)]
    outputs = play([command for command, _ in session], folder)
    if [steady(output) for output in outputs] == [steady(expected) for _, expected in session]:
        return  # other hashes and dates alone are no reason for a diff
    printed = iter(outputs)

    def block(match: re.Match[str]) -> str:
        lines = []
        for command, _ in commands(match.group()):
            output = re.sub(rf"{re.escape(str(folder))}", "/home/ada", next(printed))
            lines.append(f"$ {command}\n{output}")
        return f"```console\n{''.join(lines)}```"

    for page, text in texts.items():
        page.write_text(_SESSION.sub(block, text))


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as temporary, pytest.MonkeyPatch.context() as patch:
        isolate(patch, Path(temporary) / "home")
        for number, pages in enumerate(STORIES):
            if not sys.argv[1:] or pages[0].stem in sys.argv[1:]:
                _write_anew(pages, Path(temporary) / str(number))
