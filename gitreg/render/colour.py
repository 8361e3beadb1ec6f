"""Colours of stages and verdicts. They are off unless `colours` switches them on.

A word means the same without its colour. Text from a registry is escaped first and painted then.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

RED, GREEN, YELLOW, CYAN, DIM = "31", "32", "33", "36", "2"
"""Styles, as a terminal takes them: of the sixteen colours that every theme defines."""

_STAGES = {"production": GREEN, "staging": YELLOW, "archived": DIM}
_VERDICTS = {
    "passed": GREEN,
    "ok": GREEN,
    "fixed": GREEN,
    "failed": RED,
    "error": RED,
    "wrong": RED,
    "unknown": YELLOW,
    "waiting": YELLOW,
    "warning": YELLOW,
    "foreign": YELLOW,
}

_ON: ContextVar[bool] = ContextVar("colours", default=False)


def switch(*, on: bool) -> None:
    """Switch colours on or off for all text that is made from now on."""
    _ON.set(on)


@contextmanager
def colours(*, on: bool) -> Iterator[None]:
    """Switch colours on or off for a while."""
    before = _ON.set(on)
    try:
        yield
    finally:
        _ON.reset(before)


def paint(text: str, style: str) -> str:
    """Return a text in a style; as it is where colours are off, or the style is empty."""
    return f"\x1b[{style}m{text}\x1b[0m" if style and text and _ON.get() else text


def stage_style(stage: str | None) -> str:
    """Return the style of a stage; one that gitreg does not know gets one, too."""
    return "" if stage is None else _STAGES.get(stage, CYAN)


def paint_verdict(text: str) -> str:
    """Return an escaped line with its first word in the colour of the verdict that it is."""
    end = next((at for at, char in enumerate(text) if char in " :"), len(text))
    return paint(text[:end], _VERDICTS.get(text[:end], "")) + text[end:]
