"""Text for a terminal: escaping, tables, sizes and ranges of numbers."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Sequence

from gitreg.core.text.invisible import has_invisible

SHORT = 9
"""How many digits of a commit are shown to people."""


NARROWEST = 40
"""The smallest width of a table: below it, the terminal's own folding reads better."""


GAP = 2
"""The blanks between columns."""

LONGEST_WORD = 64
"""How long a word is kept whole: a SHA-256."""

# Printable ASCII is visible; only other characters need a look-up.
_SUSPECT = re.compile(r"[^\x20-\x7e]")


def visible(text: str) -> str:
    """Return ``text`` with control and formatting characters as escapes; line breaks stay."""
    return "\n".join(map(line, text.split("\n")))


def line(text: str) -> str:
    """Return ``text`` as one line, control and formatting characters and line breaks escaped."""
    return escape_invisible(text, ascii)


def escape_invisible(text: str, quote: Callable[[str], str]) -> str:
    """Return ``text`` with each invisible character as ``quote`` writes it between its quotes.

    Such characters move the cursor, hide text or forge lines; see `has_invisible`.
    """

    def escape(found: re.Match[str]) -> str:
        return quote(found[0])[1:-1] if has_invisible(found[0]) else found[0]

    return _SUSPECT.sub(escape, text)


def table(
    headers: Sequence[str], rows: Iterable[Sequence[object]], width: int, folds: str = ""
) -> str:
    """Return aligned columns, folded to ``width`` cells, but at least `NARROWEST`.

    Text is folded between words: where the words of a row do not fit, the row is longer. The column
    ``folds`` is folded first.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, show_edge=False, padding=(0, GAP, 0, 0))
    # Only the first cell must stay on one line: further lines of the others are indented.
    lines = [
        [line(cell(first)), *(visible(cell(value)) for value in others)] for first, *others in rows
    ]
    titles = list(map(line, headers))
    first = headers.index(folds) if folds in headers else None
    widths = _widths([titles, *lines], max(width, NARROWEST), first)
    for title, cells in zip(titles, widths, strict=True):
        grid.add_column(Text(title), overflow="fold", width=cells)
    for row in lines:
        grid.add_row(*map(Text, row))
    console = Console(
        file=io.StringIO(),
        width=max(width, NARROWEST, sum(widths) + GAP * len(widths)),
        color_system=None,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
    )
    with console.capture() as captured:
        console.print(grid)
    return "\n".join(row.rstrip() for row in captured.get().split("\n")).rstrip("\n")


def _widths(rows: Sequence[Sequence[str]], width: int, first: int | None) -> list[int]:
    """Return the widths of columns that fit, if their words do.

    Args:
        rows: all cells, headers too.
        width: of the table.
        first: the column that is folded first.
    """
    from rich.cells import cell_len

    columns = list(zip(*rows, strict=True))
    wanted = [max(cell_len(part) for text in one for part in text.split("\n")) for one in columns]
    words = [max(map(_longest_word, one)) for one in columns]
    excess = sum(wanted) + GAP * (len(wanted) - 1) - width
    if first is not None:
        taken = max(0, min(excess, wanted[first] - max(words[first], NARROWEST // 3)))
        wanted[first] -= taken
        excess -= taken
    while excess > 0:
        place = max(range(len(wanted)), key=lambda one: wanted[one] - words[one])
        if wanted[place] <= words[place]:
            break  # the words are what does not fit
        wanted[place] -= 1
        excess -= 1
    return wanted


def _longest_word(text: str) -> int:
    """Return the width of the longest word; scripts without blanks break anywhere."""
    from rich.cells import cell_len

    lengths = (cell_len(w) if w.isascii() else min(cell_len(w), 8) for w in text.split())
    return min(LONGEST_WORD, max(lengths, default=0))


def figure(value: float) -> str:
    """Return a number with as many digits as people compare by; JSON has all.

    >>> figure(0.9213333333333), figure(12), figure(1234567)
    ('0.921333', '12', '1234567')
    """
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def few(numbers: Sequence[int], most: int = 3) -> str:
    """Return the highest numbers of a list, and how many more there are.

    >>> few((1, 2)), few(range(1, 26))
    ('1, 2', '23, 24, 25 +22')
    """
    shown = ", ".join(map(str, numbers[-most:])) or "-"
    return shown if len(numbers) <= most else f"{shown} +{len(numbers) - most}"


def cell(value: object) -> str:
    """Return a value as a table shows it."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "-"
    return str(value)


def size(count: float) -> str:
    """Return a size in bytes with a readable unit.

    >>> size(512), size(184312)
    ('512 B', '180.0 KiB')
    """
    if count < 1024:
        return f"{count:.0f} B"
    units = iter(("KiB", "MiB", "GiB"))
    unit = ""
    while count >= 1024 and (larger := next(units, None)):
        count, unit = count / 1024, larger
    return f"{count:.1f} {unit}"


def spans(numbers: Iterable[int]) -> str:
    """Return ascending numbers, consecutive ones as a range.

    >>> spans((1, 2, 3, 7)), spans(())
    ('1-3, 7', '-')
    """
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][-1] + 1:
            found[-1] = [found[-1][0], number]
        else:
            found.append([number])
    return ", ".join("-".join(map(str, span)) for span in found) or "-"


def pointed_at(text: str, place: int, width: int = 72) -> str:
    """Return the part of a text around a character, and below it a caret.

    >>> print(pointed_at("stage = production", 8))
      stage = production
              ^
    """
    from rich.cells import cell_len

    first = max(0, place - width * 2 // 3)
    dots = "…" if first else ""
    before, after = dots + line(text[first:place]), line(text[place : first + width])
    return f"  {before}{after}\n  {' ' * cell_len(before)}^"
