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

    If the other columns fit, only the column ``folds`` is folded.
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    # Only the first cell must stay on one line: further lines of the others are indented.
    lines = [
        [line(cell(first)), *(visible(cell(value)) for value in others)] for first, *others in rows
    ]
    widths = [max(map(cell_len, column)) + 2 for column in zip(headers, *lines, strict=True)]
    rest = sum(cells for header, cells in zip(headers, widths, strict=True) if header != folds)
    has_room = folds in headers and rest + NARROWEST // 3 <= width
    for header in headers:
        title = Text(line(header))
        grid.add_column(title, overflow="fold", no_wrap=has_room and header != folds)
    for cells in lines:
        grid.add_row(*map(Text, cells))
    console = Console(
        file=io.StringIO(),
        width=max(width, NARROWEST),
        color_system=None,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
    )
    with console.capture() as captured:
        console.print(grid)
    return "\n".join(row.rstrip() for row in captured.get().split("\n")).rstrip("\n")


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
