"""Registry text in Markdown stays text, whatever it is: read back by a Markdown parser."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt  # comes with rich

from gitreg.core.text.markdown import block, code, link, table
from gitreg.render.terminal import line as shown

PARSER = MarkdownIt("commonmark", {"html": True}).enable("table")
NASTY = [
    "@ada",
    "#123",
    "team/churn#1",
    "a|b",
    "a\\|b",
    "`",
    "``x` |",
    "<b>",
    "</code>@ada",
    "&lt;",
    "**x**",
    "[x](http://evil.example)",
    "![x](y)",
    "www.evil.example",
    "https://evil.example",
    "ada@example.com",
    "~~x~~",
    "$x$",
    ":tada:",
    "/close",
    "- x",
    "1. x",
    "# x",
    "\u202e",
    "a\nb",
    "\x1b[31m",
    "a  ",
    "!7",
    "<!-- -->",
    "</pre>",
    "\r\n/close",
    "&#64;ada",
]


def texts(markdown: str, *more: str) -> list[str]:
    """Render Markdown; return what stands in its code, after a look at which tags there are."""
    rendered = PARSER.render(markdown)
    assert set(re.findall(r"<(/?\w+)", rendered)) <= {
        f"{end}{tag}"
        for end in ("", "/")
        for tag in ("p", "code", "pre", "table", "thead", "tbody", "tr", "th", "td", *more)
    }
    return [html.unescape(text) for text in re.findall(r"<code>(.*?)</code>", rendered)]


@pytest.mark.parametrize("text", NASTY)
def test_what_means_something_to_a_host_means_nothing(text: str) -> None:
    written = code(text)
    inner = written.removeprefix("<code>").removesuffix("</code>")
    assert not set(re.sub(r"&#\d+;", "", inner)) & set("@#!|`<>*[]()~$:\\\n\"'")
    assert texts(written) == [shown(text)]


@given(st.lists(st.text(min_size=1), min_size=2, max_size=4))
@example(NASTY)
def test_a_table_gives_its_cells_back(cells: list[str]) -> None:
    markdown = table(["a"] * len(cells), [[code(cell) for cell in cells]])
    assert markdown.count("\n") == 2
    found = texts(markdown)
    # Space at the ends of a cell is the parser's to drop.
    assert [text.strip() for text in found] == [shown(cell).strip() for cell in cells]


@given(st.text())
def test_a_block_gives_its_lines_back(text: str) -> None:
    written = block(text)
    assert not re.search(r"^/", written, re.MULTILINE)
    rendered = PARSER.render(f"before\n\n{written}\n\nafter")
    assert rendered.startswith("<p>before</p>\n<pre>")
    assert rendered.endswith("</pre>\n<p>after</p>\n")
    lines = rendered[len("<p>before</p>\n<pre>") : -len("</pre>\n<p>after</p>\n")].split("\n")
    assert [html.unescape(line) for line in lines] == [
        shown(line) for line in text.replace("\r\n", "\n").split("\n")
    ]


def test_links_lead_where_they_say() -> None:
    assert link("x", None) == "x"
    assert link("x", 'https://a/?b=1&c="<') == '<a href="https://a/?b=1&amp;c=%22%3C">x</a>'
