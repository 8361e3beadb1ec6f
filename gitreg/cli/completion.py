"""Shell completion for bash, zsh and fish: what a Tab offers, and the scripts that ask for it.

The scripts run ``gitreg`` with ``_GITREG_COMPLETE`` set to the shell's name and the words before
the cursor in other variables. gitreg prints one offer a line. A word such as ``loan@champion`` is
one word for zsh and fish; bash cuts it at the characters of ``COMP_WORDBREAKS`` and replaces the
last part alone, so it gets the offers without what stands before that part.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import typer

from gitreg.errors import InvalidRequest

VARIABLE = "_GITREG_COMPLETE"

SCRIPTS = {
    "bash": r"""_gitreg_completion() {
    local IFS=$'\n'
    COMPREPLY=( $(_GITREG_COMPLETE=bash _GITREG_BREAKS="$COMP_WORDBREAKS" \
        _GITREG_LINE="${COMP_LINE:0:COMP_POINT}" gitreg 2>/dev/null) )
}
complete -o default -F _gitreg_completion gitreg""",
    "zsh": r"""#compdef gitreg
_gitreg_completion() {
    local -a found
    found=("${(@f)$(_GITREG_COMPLETE=zsh \
        _GITREG_WORDS="${(F)${(@Q)words[1,CURRENT-1]}}" _GITREG_WORD="${(Q)PREFIX}" \
        gitreg 2>/dev/null)}")
    if [[ -n "${found[*]}" ]]; then compadd -- "${found[@]}"; else _files; fi
}
compdef _gitreg_completion gitreg""",
    "fish": r"""function _gitreg_completion
    set -lx _GITREG_COMPLETE fish
    set -lx _GITREG_WORDS (string join \n -- (commandline -opc) | string collect)
    set -lx _GITREG_WORD (commandline -ct | string unescape; or commandline -ct)
    set -l found (gitreg 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete --command gitreg --no-files --arguments '(_gitreg_completion)'""",
}
"""What each shell runs; ``gitreg --show-completion`` prints it."""


@dataclass(frozen=True)
class Typed:
    """A command line up to the cursor.

    Attributes:
        words: before the one at the cursor, without quotes; the first is the program.
        last: the word at the cursor, without quotes.
        quote: the quote that is open there, else empty.
        kept: how many characters of ``last`` bash leaves alone.
    """

    words: tuple[str, ...]
    last: str
    quote: str = ""
    kept: int = 0


def typed_in_bash(text: str, breaks: str) -> Typed:
    """Return a command line as bash reads it.

    >>> typed_in_bash("gitreg show 'a b' loan@ch", "@:=")
    Typed(words=('gitreg', 'show', 'a b'), last='loan@ch', quote='', kept=5)
    """
    words: list[str] = []
    last, quote, kept, begun, escaped = "", "", 0, False, False
    for char in text:
        literal = quote and char != quote and (char != "\\" or quote == "'")
        if escaped or literal:
            last, escaped = last + char, False
        elif char == "\\":
            escaped = begun = True
        elif char in "'\"":
            quote, begun = "" if quote else char, True
        elif char in " \t\n":
            if last or begun:
                words.append(last)
            last, kept, begun = "", 0, False
        else:
            last += char
            kept = len(last) if char in breaks else kept
    return Typed(tuple(words), last, quote, 0 if quote else kept)


def offers(words: Sequence[str], last: str) -> list[str]:
    """Return whole words that start as ``last`` does, in the order that a person wants them.

    Args:
        words: before the one at the cursor; the first is the program.
        last: the word at the cursor.
    """
    from gitreg.cli import app

    command = typer.main.get_command(app)
    # The package is Click in old releases of Typer, and Typer's copy of it in new ones.
    package = typer.BadParameter.__mro__[1].__module__.rpartition(".")[0]
    complete = import_module(f"{package}.shell_completion").ShellComplete.get_completions
    asked = SimpleNamespace(cli=command, ctx_args={"obj": words}, prog_name="gitreg")
    option = re.match("--[a-z-]+=", last)
    found = (item.value for item in complete(asked, list(words[1:]), last))
    return [(option[0] if option else "") + value for value in dict.fromkeys(found)]


def answer(variables: Mapping[str, str]) -> list[str]:
    """Return the lines that a script of `SCRIPTS` reads."""
    if variables.get(VARIABLE) != "bash":
        words = variables.get("_GITREG_WORDS", "").split("\n")
        return offers(words, variables.get("_GITREG_WORD", ""))
    typed = typed_in_bash(variables.get("_GITREG_LINE", ""), variables.get("_GITREG_BREAKS", ""))
    found = [word[typed.kept :] for word in offers(typed.words, typed.last)]
    return found if typed.quote else [_escaped(word) for word in found]


def _escaped(word: str) -> str:
    """Return a word for bash's command line; letters of other scripts stay readable."""
    return re.sub(r"""[\s"'\\$`&|;<>()*?\[\]{}!#~]""", r"\\\g<0>", word)


def main() -> None:
    """Print what completes the command line; nothing where anything is wrong."""
    with suppress(Exception):  # an error message would stand in the user's command line
        for word in answer(os.environ):
            typer.echo(word)


# The scripts


def show(_context: typer.Context, wanted: bool) -> None:
    """Print the script of the user's shell, and end."""
    if wanted:
        typer.echo(SCRIPTS[_shell()])
        raise typer.Exit


def install(_context: typer.Context, wanted: bool) -> None:
    """Put the script where the user's shell finds it, and end."""
    if wanted:
        shell = _shell()
        path = _installed(shell, Path.home())
        typer.echo(f"{shell} completes gitreg, in new shells: {path}")
        raise typer.Exit


def _shell() -> str:
    """Return the shell that runs gitreg.

    Raises:
        InvalidRequest: it is none of `SCRIPTS`.
    """
    name = Path(os.environ.get("SHELL", "")).name
    with suppress(Exception):  # it raises errors of its own where no parent is a shell
        name = str(import_module("shellingham").detect_shell()[0])
    if name not in SCRIPTS:
        raise InvalidRequest(
            f"the shell {name!a} gets no completion", hint=f"run it in {', '.join(SCRIPTS)}"
        )
    return name


def _installed(shell: str, home: Path) -> Path:
    """Write a shell's script, and let the shell read it; return where it is."""
    place, file, lines = {
        "bash": (home / ".bash_completions/gitreg.sh", ".bashrc", "source '{}'"),
        "zsh": (
            home / ".zfunc/_gitreg",
            ".zshrc",
            "fpath+=~/.zfunc; autoload -Uz compinit; compinit",
        ),
        "fish": (home / ".config/fish/completions/gitreg.fish", "", ""),
    }[shell]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"{SCRIPTS[shell]}\n")
    line = lines.format(place)
    known = (home / file).read_text() if file and (home / file).is_file() else ""
    if file and line not in known:
        (home / file).write_text(f"{known}\n{line}\n")
    return place
