"""A dossier as one HTML file: no script, nothing from elsewhere, to read, to print, to keep. Pure.

Text from the registry is escaped, and shown as text: the card's Markdown is not made HTML.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.resources import files

from gitreg.core.text.invisible import escaped
from gitreg.dossier.collect import Dossier
from gitreg.dossier.document import (
    Block,
    Command,
    Section,
    Source,
    Table,
    sections,
    title_of,
)
from gitreg.dossier.words import Mark, Words

_CSP = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_HASH = re.compile(r"[0-9a-f]{32,64}(\.dir)?|SHA256:\S+")
_CODE = re.compile("`([^`]+)`")
_LINK = re.compile(r"\[([^]]+)\]\((#[a-z]+)\)")


def as_html(found: Dossier) -> str:
    """Return a dossier as an HTML document."""
    title, every = _text(title_of(found)), sections(found)
    contents = "".join(f'<li><a href="#{one.key}">{_text(one.title)}</a></li>' for one in every)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_CSP}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{title}</title>\n<style>\n{_style()}</style>\n</head>\n<body>\n"
        f'<header><h1>{title}</h1><p>As of {_text(found.committed)}, commit <code class="hash">'
        f"{_text(found.commit)}</code></p></header>\n"
        f'<nav aria-label="Contents"><ol>{contents}</ol></nav>\n<main>\n'
        f"{''.join(map(_section, every))}</main>\n</body>\n</html>\n"
    )


@lru_cache(maxsize=1)
def _style() -> str:
    return files("gitreg.dossier").joinpath("resources", "dossier.css").read_text("utf-8")


def _section(section: Section) -> str:
    blocks = "".join(map(_block, section.blocks))
    return f'<section id="{section.key}"><h2>{_text(section.title)}</h2>\n{blocks}</section>\n'


def _block(block: Block) -> str:
    if isinstance(block, Words):
        return f"<p>{_words(block)}</p>\n"
    if isinstance(block, Table):
        return _table(block.headers, block.rows)
    if isinstance(block, Source):
        return f"<pre>{_text(block.text, keep=_LINES)}</pre>\n"
    assert isinstance(block, Command)
    shell = _text(block.shell, keep=_LINES)
    return (
        f'<div class="verify"><p>{_text(block.what)}</p>'
        f'<pre class="command"><code>{shell}</code></pre></div>\n'
    )


_LINES = "\n\t"

_LONG = 24
"""From how many characters without a space on a cell may break inside a word."""


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in headers)
    head = f"<thead><tr>{head}</tr></thead>" if headers else ""
    kind = "rows" if headers else "facts"
    body = "".join(f"<tr>{_row(row, facts=not headers)}</tr>\n" for row in rows)
    return f'<div class="table"><table class="{kind}">{head}<tbody>\n{body}</tbody></table></div>\n'


def _row(row: Sequence[str], *, facts: bool) -> str:
    if not facts:
        return "".join(f"<td>{_cell(cell)}</td>" for cell in row)
    name, *values = row
    cells = "".join(f"<td>{_cell(one)}</td>" for one in values)
    return f'<th scope="row">{_cell(name)}</th>{cells}'


_TONES = {"verified": "good", "here": "good", "partly": "fair", "elsewhere": "plain"}


def _cell(text: str) -> str:
    if isinstance(text, Mark):
        return f'<span class="mark {_TONES.get(text, "bad")}">{_text(text)}</span>'
    if isinstance(text, Words):
        return _words(text)
    if _HASH.fullmatch(text):
        return f'<code class="hash">{_text(text)}</code>'
    if len(text) > _LONG and " " not in text:
        return f'<span class="long">{_text(text)}</span>'
    return _text(text, keep="\n")


def _words(text: Words) -> str:
    """Return this code's own words; backticks mark code, and links lead to sections."""
    return _LINK.sub(r'<a href="\2">\1</a>', _CODE.sub(r"<code>\1</code>", _text(text)))


def _text(text: str, keep: str = "") -> str:
    return html.escape(escaped(text.replace("\r\n", "\n"), keep))
