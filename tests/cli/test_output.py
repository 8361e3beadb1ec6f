"""What reaches a terminal, a pipe or a closed stream: escapes, tables, progress, failures."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.cli import main
from tests.conftest import git, write_model
from tests.support.commands import error, gitreg

# Text that somebody else wrote

HOSTILE = "\x1b[31mred\u202e\u2028\u200b"


def test_hostile_text_is_shown_as_escapes(work: Path) -> None:
    path = work / "registry/churn/versions/1/annotations.yaml"
    path.write_text(f'description: "{HOSTILE!a}"\n'.replace("'", "").replace("\\x1b", "\\e"))
    git(work, "-c", "user.name=x", "add", ".")
    git(work, "commit", "--quiet", "--no-verify", "-m", f"by hand {HOSTILE}")
    shown = gitreg("show", "churn@1")
    assert "\\x1b[31mred\\u202e\\u2028\\u200b" in shown.out
    for line in ("show churn@1", "log", "list churn", "show churn@1 --json", "log --json"):
        out = gitreg(*line.split()).out
        assert not set(HOSTILE) - set("[31mred") & set(out), line
    assert gitreg("show", "churn@1", "--json").json["description"] == HOSTILE


def test_a_hostile_argument_is_shown_as_escapes(reading: Path) -> None:
    for words in (("resolve", HOSTILE), (HOSTILE,), ("list", "--rev", HOSTILE), ("log", HOSTILE)):
        said = error(*words)
        assert not set(HOSTILE) - set("[31mred") & set(said), words


def test_trailers_in_a_reason_have_no_effect(work: Path) -> None:
    head = git(work, "rev-parse", "HEAD")
    reason = f"why\n\nThis reverts commit {head}.\n\nGitreg-Action: rollback\nGitreg-Model: x"
    gitreg("promote", "churn@3", "--to", "production", "-m", reason)
    newest = gitreg("log", "churn/production", "--json").json[0]
    assert (newest["action"], newest["after"]) == ("promote", [3])
    assert newest["reason"].startswith("why")
    gitreg("rollback", "churn")  # goes back one step: the reason was no rollback
    assert gitreg("resolve", "churn/production").out == "churn@2\n"
    assert "invisible" in error("archive", "churn@3", "-m", HOSTILE)


def test_names_with_spaces_and_unicode(work: Path) -> None:
    name = "Größe modèle 模型"
    write_model(work, "größe")
    gitreg("register", name, "models/churn", "--push")
    gitreg("promote", f"{name}@1", "--to", "production", "--alias", "チャンピオン")
    for text in (f"{name}@チャンピオン", f"{name}/production", f"models:/{name}/1"):
        assert gitreg("resolve", text).out == f"{name}@1\n"
    assert gitreg("list", name, "--json").json[0]["model"] == name
    assert name in gitreg("list").out
    assert f"did you mean '{name}'?" in error("resolve", "Große modele 模型@1")
    gitreg("verify", f"{name}@1")


# Tables


def test_a_pipe_gets_whole_lines(work: Path) -> None:
    long = "x" * 900
    gitreg("annotate", "churn", "--description", long)
    assert gitreg("list").out.splitlines()[1].endswith(long)


@pytest.mark.parametrize("columns", ["1", "20", "40", "80"])
def test_a_narrow_terminal_gets_everything(
    work: Path, columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gitreg("annotate", "churn", "--description", "word " * 30)
    monkeypatch.setenv("COLUMNS", columns)
    for line in ("list", "list churn", "show churn@1", "log", "compare churn@1 churn@2"):
        out = gitreg(*line.split()).out
        # Below 80 columns the terminal folds a line that has more words than fit.
        assert max(map(len, out.splitlines())) <= 80
    assert gitreg("list").out.count("word") == 30


# Failures that are not the user's mistake


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted: nothing is half done, run it again"),
        (OSError(28, "No space left on device"), 3, "No space left on device"),
        (OSError(13, "Permission denied", "/x"), 3, "/x: Permission denied"),
        (MemoryError(), 3, "MemoryError: "),
    ],
)
def test_the_world_fails(
    reading: Path, raised: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_more: object) -> None:
        raise raised

    monkeypatch.setattr(Registry, "resolve", fail)
    assert error("resolve", "churn@1", code=code) == f"gitreg: {said}\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("line", ["pull churn@1", "register churn models/churn"])
def test_a_terminal_sees_progress(
    work: Path, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_model(work, "much")
    shutil.rmtree(work / "registry" / ".dvc" / "cache")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "argv", ["gitreg", *line.split()])
    with pytest.raises(SystemExit, match="0"):
        main()
    assert line.partition(" ")[0] in terminal.getvalue()
    assert capsys.readouterr().out.count("\n") == 1


def test_an_output_that_is_closed_or_narrow(reading: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["gitreg", "list", "größe"])
    for stream in (None, io.TextIOWrapper(io.BytesIO(), "iso8859-5")):
        monkeypatch.setattr(sys, "stderr", stream)
        with pytest.raises(SystemExit, match="2"):
            main()
    assert isinstance(stream, io.TextIOWrapper)
    stream.seek(0)
    assert "no model 'gr\\xf6\\xdfe'" in stream.read()
