"""Whether text is coloured: ``--color``, the variables that users know, and the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any, Literal, TextIO, TypeAlias

from gitreg.render import colour

When: TypeAlias = Literal["auto", "always", "never"]

_WHEN: ContextVar[When] = ContextVar("when", default="auto")


def is_coloured(when: When, variables: Mapping[str, str], *, is_terminal: bool) -> bool:
    """Tell whether text is coloured.

    The option decides, else NO_COLOR (https://no-color.org), else CLICOLOR_FORCE or FORCE_COLOR,
    else whether a terminal reads the text.

    >>> is_coloured("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, is_terminal=True)
    False
    >>> is_coloured("auto", {"CLICOLOR_FORCE": "1"}, is_terminal=False)
    True
    """
    if when != "auto":
        return when == "always"
    if variables.get("NO_COLOR"):
        return False
    if any(variables.get(name, "0") not in ("", "0") for name in ("CLICOLOR_FORCE", "FORCE_COLOR")):
        return True
    is_plain = variables.get("TERM") == "dumb" or variables.get("CLICOLOR") == "0"
    return is_terminal and not is_plain


def choose(context: Any, when: When) -> None:
    """Switch colours on or off for what a command prints.

    Args:
        context: the command's. Where nothing is coloured, it keeps escapes away from every stream.
        when: as the user wants it.
    """
    _WHEN.set(when)
    context.find_root().call_on_close(lambda: colour.switch(on=False))
    colour.switch(on=_is_coloured(sys.stdout))
    context.color = _is_coloured(sys.stdout) or _is_coloured(sys.stderr)


def on_stderr() -> AbstractContextManager[None]:
    """Decide by stderr, not by stdout, for a while."""
    return colour.colours(on=_is_coloured(sys.stderr))


def _is_coloured(stream: TextIO) -> bool:
    return is_coloured(_WHEN.get(), os.environ, is_terminal=stream.isatty())
