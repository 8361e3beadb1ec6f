"""What a Tab offers: in gitreg, and in real shells."""

from __future__ import annotations

import os
import pty
import select
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from gitreg.cli import completion
from gitreg.cli.completion import SCRIPTS, Typed, answer, offers, typed_in_bash
from tests.conftest import write_model
from tests.support.commands import error, gitreg

REFERENCES = (
    "churn churn@latest churn@champion churn/production churn/archived "
    "churn@3 churn:3 churn@2 churn:2 churn@1 churn:1"
)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("prom", "promote"),
        ("alias s", "set"),
        ("show ", "churn tokenizer"),
        ("show chu", REFERENCES),
        ("show churn@", "churn@latest churn@champion churn@3 churn@2 churn@1"),
        ("compare churn@1 churn/", "churn/production churn/archived"),
        ("show churn:", "churn:3 churn:2 churn:1"),
        ("rollback ", "churn tokenizer"),
        ("rollback churn --to ", "3 2 1"),
        ("rollback churn --stage a", "archived"),
        ("register t", "tokenizer"),
        ("promote churn@3 --to pro", "production"),
        ("promote churn@3 --to=pro", "--to=production"),
        ("promote churn@3 --to x", ""),
        ("promote churn@3 --to production --if-better ", "auc"),
        ("promote tokenizer@1 --if-lower ", ""),
        ("promote --if-better ", "auc"),
        ("promote churn@3 --to staging --alias ", "champion"),
        ("alias set churn@3 c", "champion"),
        ("list churn --metric ", "auc"),
        ("list --sort a", "auc"),
        ("--color ", "auto always never"),
        ("log --color=al", "--color=always"),
        ("log --unt", "--until"),
    ],
)
def test_what_is_offered(reading: Path, line: str, found: str) -> None:
    words = ["gitreg", *line.split(" ")]
    assert offers(words[:-1], words[-1]) == found.split()


def test_a_registry_elsewhere_and_none_at_all(
    reading: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert offers(["gitreg", "rollback", "--repo", str(reading)], "") == ["churn", "tokenizer"]
    for line in ("rollback ", "promote m@1 --to ", "list x --metric ", "no-such "):
        ran = subprocess.run(
            [sys.executable, "-m", "gitreg"],
            env={**os.environ, "_GITREG_COMPLETE": "bash", "_GITREG_LINE": f"gitreg {line}"},
            capture_output=True,
            check=True,
            timeout=60,
        )
        assert (ran.stdout, ran.stderr) == (b"", b"")


@pytest.mark.parametrize(
    ("line", "typed"),
    [
        ("gitreg show loan@ch", Typed(("gitreg", "show"), "loan@ch", "", 5)),
        ("gitreg show ", Typed(("gitreg", "show"), "")),
        ('gitreg show "a b@c', Typed(("gitreg", "show"), "a b@c", '"')),
        ("gitreg show a\\ b@c", Typed(("gitreg", "show"), "a b@c", "", 4)),
        ("gitreg promote 'a b@1' --to=p", Typed(("gitreg", "promote", "a b@1"), "--to=p", "", 5)),
    ],
)
def test_a_line_as_bash_reads_it(line: str, typed: Typed) -> None:
    assert typed_in_bash(line, "@:=") == typed


def test_bash_replaces_what_stands_behind_the_sign(reading: Path) -> None:
    def found(text: str) -> list[str]:
        known = {"_GITREG_COMPLETE": "bash", "_GITREG_LINE": f"gitreg {text}"}
        return answer({**known, "_GITREG_BREAKS": " \t\n\"'><=;|&(:@"})

    assert found("show churn@c") == ["champion"]
    assert found("show 'churn@c") == ["churn@champion"]
    assert found("promote churn@3 --to=pro") == ["production"]


# Real shells

NAME = "Größe modèle"


@pytest.fixture
def tools(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry with a name that needs quotes; the path has gitreg."""
    write_model(work, "größe")
    gitreg("register", NAME, "models/churn")
    gitreg("alias", "set", f"{NAME}@1", "best")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for name, value in {"PATH": path, "LC_ALL": "C.UTF-8", "TERM": "dumb", "PS1": "$ "}.items():
        monkeypatch.setenv(name, value)
    for shell, script in SCRIPTS.items():
        (tmp_path / f"gitreg.{shell}").write_text(script)
    return tmp_path


def shell_named(name: str) -> str:
    return shutil.which(name) or pytest.skip(f"{name} is not installed")


@contextmanager
def terminal(*argv: str) -> Iterator[int]:
    """Run a program in a terminal of its own; give the other end."""
    main, child = pty.openpty()
    with subprocess.Popen(
        argv, stdin=child, stdout=child, stderr=child, start_new_session=True
    ) as run:
        try:
            yield main
        finally:
            run.kill()
            os.close(main)
            os.close(child)


def read_until(end: int, text: str) -> str:
    """Read what a terminal shows until it shows a text."""
    seen = b""
    until = time.monotonic() + 30
    while text not in seen.decode(errors="replace") and time.monotonic() < until:
        if select.select([end], [], [], 0.2)[0]:
            with suppress(OSError):
                seen += os.read(end, 65536)
    assert text in seen.decode(errors="replace"), seen
    return seen.decode(errors="replace")


TYPED = {
    "gitreg show churn@cham": "champion ",
    "gitreg show churn/prod": "uction ",
    "gitreg promote churn@3 --to=prod": "uction ",
    "gitreg promote churn@3 --if-better ": "auc ",
    "gitreg show Gr": "\\ modèle",
    'gitreg show "Größe modèle@b': "best",
    "gitreg register x models/tok": "enizer",
}


@pytest.mark.parametrize(
    ("shell", "options", "start"),
    [
        ("bash", "--norc --noprofile -i", "source {}; bind 'set bell-style none'"),
        ("zsh", "-f -i", "autoload -Uz compinit; compinit -u -D; source {}"),
    ],
)
def test_in_a_real_shell(tools: Path, shell: str, options: str, start: str) -> None:
    with terminal(shell_named(shell), *options.split()) as keyboard:
        script = shlex.quote(str(tools / f"gitreg.{shell}"))
        os.write(keyboard, f"{start.format(script)}; echo READY$((1))\n".encode())
        read_until(keyboard, "READY1")
        for typed, completed in TYPED.items():
            os.write(keyboard, f"{typed}\t".encode())
            read_until(keyboard, completed)
            os.write(keyboard, b"\x15")  # the line is forgotten


def test_in_fish(tools: Path) -> None:
    lines = [f"complete -C {shlex.quote(typed)}" for typed in TYPED]
    script = "\n".join([f"source {shlex.quote(str(tools / 'gitreg.fish'))}", *lines])
    run = [shell_named("fish"), "--no-config", "-c", script]
    shown = subprocess.run(run, capture_output=True, text=True, check=True, timeout=60).stdout
    for word in ("churn@champion", "churn/production", "--to=production", "auc", f"{NAME}@best"):
        assert word in shown.splitlines()
    assert "models/tokenizer/" in shown.splitlines()


# The scripts


def test_the_script_of_the_shell_that_asks() -> None:
    """The shell is found among the parents: the command after it keeps bash from being replaced."""
    command = f"{shlex.quote(sys.executable)} -m gitreg --show-completion; exit $?"
    shown = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert shown.stdout == f"{SCRIPTS['bash']}\n"


@pytest.mark.parametrize(("shell", "read"), [("bash", ".bashrc"), ("zsh", ".zshrc"), ("fish", "")])
def test_the_script_is_installed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: str, read: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(completion, "_shell", lambda: shell)
    for _ in range(2):
        place = Path(gitreg("--install-completion").out.rpartition(": ")[2].strip())
        assert place.read_text() == f"{SCRIPTS[shell]}\n"
    if read:
        assert len((tmp_path / read).read_text().strip().splitlines()) == 1


def test_a_shell_that_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shellingham", None)
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert "'tcsh' gets no completion" in error("--show-completion")
    monkeypatch.setenv("SHELL", "/bin/zsh")
    assert gitreg("--show-completion").out == f"{SCRIPTS['zsh']}\n"
