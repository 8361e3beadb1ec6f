"""Text for a terminal: escaping, tables, sizes and ranges of numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple

from gitreg.core.text.invisible import has_invisible
from gitreg.render.colour import paint

SHORT = 9
"""How many digits of a commit are shown to people."""


NARROWEST = 40
"""The smallest width of a table: below it, the terminal's own folding reads better."""


GAP = 2
"""The blanks between columns."""

SHOWN_METRICS = 4
"""How many metrics of a version a table shows."""

NARROW = 24
"""How wide a column of reasons is at least; a narrower one stands below the row."""

INDENT = 4
"""How far text below a row is indented."""

LONGEST_WORD = 64
"""How long a word is kept whole: a SHA-256."""

# Printable ASCII is visible; only other characters need a look-up.
_SUSPECT = re.compile(r"[^\x20-\x7e]")

_WORD = re.compile(r"(\s*)(\S+)")

_NOTHING: list[tuple[str, Piece]] = []


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


class Piece(NamedTuple):
    """A part of a cell that stays in one line, such as ``roc_auc 0.812``, in a style."""

    text: str
    style: str = ""


Cell = Sequence[Piece]
"""A cell of pieces, two blanks between them; other values are text, folded between words."""


def table(
    headers: Sequence[str], rows: Iterable[Sequence[object]], width: int, folds: str = ""
) -> str:
    """Return aligned columns, folded to ``width`` cells, but at least `NARROWEST`.

    Text is folded between words: where the words of a row do not fit, the row is longer. The column
    ``folds`` is folded first; where it would get less than `NARROW` cells, its text stands below
    the row.
    """
    width = max(width, NARROWEST)
    # Only the first cell must stay on one line: further lines of the others are indented.
    lines = [
        [_pieces(first, line), *(_pieces(one, visible) for one in others)]
        for first, *others in rows
    ]
    titles = [_pieces(title, line) for title in headers]
    place = headers.index(folds) if folds in headers else None
    widths = _widths([titles, *lines], width, place)
    below: list[list[_Line]] = [[] for _ in (titles, *lines)]
    if place is not None and widths[place] < min(NARROW, _wanted(lines, place)):
        below = [[[]], *(one[place] for one in lines)]
        titles, *lines = [[*one[:place], *one[place + 1 :]] for one in (titles, *lines)]
        widths = _widths([titles, *lines], width, None)
    printed: list[str] = []
    for row, more in zip((titles, *lines), below, strict=True):
        cells = [_folded(one, space) for one, space in zip(row, widths, strict=True)]
        printed += _row(cells, widths)
        texts = (_painted(one) for one in _folded(more, width - INDENT))
        printed += [" " * INDENT + text for text in texts if text not in ("", "-")]
    return "\n".join(printed)


def prose(text: str, width: int) -> str:
    """Return an escaped line folded between words; further lines are indented."""
    if len(text) <= width:
        return text
    folded = _folded(_pieces(text, line), max(width, NARROWEST) - INDENT)
    return ("\n" + " " * INDENT).join(map(_painted, folded))


_Word = tuple[str, Piece]
_Line = list[_Word]
"""The pieces of a line of a cell, each with the blanks before it."""


def _pieces(value: object, escaped: Callable[[str], str]) -> list[_Line]:
    """Return the lines of a cell; what is not pieces yet is cut into words."""
    if isinstance(value, Piece):
        value = (value,)
    if isinstance(value, Sequence) and value and all(isinstance(one, Piece) for one in value):
        blanks = ("", *("  " for _ in value[1:]))
        return [[(b, Piece(line(t), s)) for b, (t, s) in zip(blanks, value, strict=True)]]
    text = escaped(cell(value)).split("\n")
    return [[(blank, Piece(word)) for blank, word in _WORD.findall(part)] for part in text]


def _row(cells: Sequence[Sequence[_Line]], widths: Sequence[int]) -> Iterator[str]:
    """Yield the lines of a row of folded cells."""
    for parts in zip_longest(*cells, fillvalue=_NOTHING):
        found = ""
        for part, width in zip(parts, widths, strict=True):
            found += _painted(part) + " " * (width + GAP - _length(part))
        yield found.rstrip()


def _painted(words: _Line) -> str:
    return "".join(blank + paint(*piece) for blank, piece in words)


def _length(words: Iterable[_Word]) -> int:
    from rich.cells import cell_len

    return sum(cell_len(blank) + cell_len(piece.text) for blank, piece in words)


def _folded(lines: Iterable[_Line], width: int) -> list[_Line]:
    """Return the lines of a cell, folded; a piece is cut if it is longer than a word should be."""
    found: list[_Line] = []
    for words in lines:
        found.append([])
        left = width
        for blank, piece in words:
            size = _length([(blank, piece)])
            if size > left and found[-1]:
                found.append([])
                left = width
            for part in _cut(piece, width):
                word = (blank if found[-1] else "", part)
                if _length([word]) > left and found[-1]:
                    found.append([])
                    left, word = width, ("", part)
                found[-1].append(word)
                left -= _length([word])
    return found


def _cut(piece: Piece, width: int) -> Iterable[Piece]:
    """Return a piece in parts that fit, if it need not stay whole."""
    from rich.cells import chop_cells

    if _length([("", piece)]) <= max(width, _whole(piece)):
        return (piece,)
    return (piece._replace(text=part) for part in chop_cells(piece.text, width))


def _whole(piece: Piece) -> int:
    """Return how much of a piece stays in one line; scripts without blanks break anywhere."""
    length = _length([("", piece)])
    return min(
        LONGEST_WORD, length if piece.text.isascii() or " " in piece.text else min(8, length)
    )


def _wanted(rows: Sequence[Sequence[Sequence[_Line]]], column: int) -> int:
    """Return how wide a column is if nothing is folded."""
    return max((_length(words) for row in rows for words in row[column]), default=0)


def _widths(rows: Sequence[Sequence[Sequence[_Line]]], width: int, first: int | None) -> list[int]:
    """Return the widths of columns that fit, if their words do.

    Args:
        rows: all cells, headers too.
        width: of the table.
        first: the column that is folded first.
    """
    columns = range(len(rows[0]))
    whole = [_wanted(rows, column) for column in columns]
    wanted = [*whole]
    words = [
        max((_whole(piece) for row in rows for part in row[column] for _, piece in part), default=0)
        for column in columns
    ]
    # A long word at the end of a row needs no room in the others: nothing stands behind it.
    words[-1] = min(words[-1], max(NARROWEST // 3, width - sum(words[:-1]) - GAP * len(words)))
    excess = sum(wanted) + GAP * (len(wanted) - 1) - width
    if first is not None:
        taken = max(0, min(excess, wanted[first] - max(words[first], NARROWEST // 3)))
        wanted[first] -= taken
        excess -= taken
    while excess > 0:
        place = max(columns, key=lambda one: wanted[one] - words[one])
        if wanted[place] <= words[place]:
            break  # the words are what does not fit
        wanted[place] -= 1
        excess -= 1
    return _used(rows, wanted, whole, width)


def _used(
    rows: Sequence[Sequence[Sequence[_Line]]], given: list[int], whole: list[int], width: int
) -> list[int]:
    """Return the widths that folded columns use; what they leave makes others whole again."""
    if given == whole:
        return given
    used = [
        max((_length(words) for row in rows for words in _folded(row[column], space)), default=0)
        for column, space in enumerate(given)
    ]
    used[-1] = given[-1]  # nothing stands behind it
    spare = width - sum(used) - GAP * (len(used) - 1)
    for column in sorted(range(len(used)), key=lambda one: whole[one] - used[one]):
        if whole[column] - used[column] <= spare:
            spare -= whole[column] - used[column]
            used[column] = whole[column]
    return used


def figure(value: float) -> str:
    """Return a number with as many digits as people compare by; JSON has all.

    >>> figure(0.9213333333333), figure(12), figure(1234567)
    ('0.921333', '12', '1234567')
    """
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def metric_texts(metrics: Mapping[str, float]) -> list[str]:
    """Return metrics as people read them.

    >>> metric_texts({"roc_auc": 0.9213333333, "n": 12})
    ['roc_auc 0.921333', 'n 12']
    """
    return [f"{name} {figure(value)}" for name, value in metrics.items()]


def metrics_cell(metrics: Mapping[str, float]) -> Cell:
    """Return a version's first metrics for a table."""
    return [Piece(text) for text in metric_texts(metrics)[:SHOWN_METRICS]] or [Piece("-")]


def person(author: str | None) -> str:
    """Return the name of a person for a table, without the address.

    >>> person("Ada Lovelace <ada@example.com>"), person(None)
    ('Ada Lovelace', '-')
    """
    return (author or "-").partition(" <")[0]


def when(instant: str) -> str:
    """Return an instant for a table: date and time may stand below each other.

    >>> when("2026-11-22T20:25:06Z")
    '2026-11-22 20:25:06Z'
    """
    return instant.replace("T", " ")


def beside(a: object, b: object) -> tuple[str, str]:
    """Return two values as a table compares them; numbers with as many digits as differ.

    >>> beside(0.81234561, 0.81234567), beside(0.25, None), beside(0.1 + 0.2, 0.3)
    (('0.8123456', '0.8123457'), ('0.25', '-'), ('0.30000000000000004', '0.3'))
    """
    if isinstance(a, float) and isinstance(b, float) and a != b:
        pairs = ((f"{a:.{n}g}", f"{b:.{n}g}") for n in range(6, 16))
        return next((pair for pair in pairs if pair[0] != pair[1]), (repr(a), repr(b)))
    return cell(a), cell(b)


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
        return figure(value)
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
