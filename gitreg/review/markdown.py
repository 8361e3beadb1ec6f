"""Markdown for Git hosts, in which nothing that a registry says is anything but text. Pure.

Every text from outside stands in ``<code>``, where GitHub, GitLab and Gitea look for no mention,
no reference to an issue and no link, with the characters that mean something to Markdown or HTML
written as entities, which never do. A code span of backticks would not hold: in a table a ``|``
ends it, and each host escapes that otherwise.

>>> code("@ada closes #1 | <b>")
'<code>&#64;ada closes &#35;1 &#124; &#60;b&#62;</code>'
>>> code("roc_auc 0.921")
'<code>roc_auc 0.921</code>'
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from gitreg.core.model.names import has_invisible

# Left as they are, so that the source can be read: what stands between digits or letters
# (roc_auc, 0.921, models/churn), and what means nothing inside a line.
_PLAIN = re.compile(r"[\w ,;?%-]|(?<=\d)\.(?=\d)|(?<=\w)/(?=\w)")


def escape(text: str) -> str:
    """Return ``text`` as one line of entities and plain characters.

    What cannot be seen (control and formatting characters, line breaks) is shown as its escape.
    """
    shown = "".join(ascii(char)[1:-1] if has_invisible(char) else char for char in text)
    return "".join(
        char if _is_plain(shown, place) else f"&#{ord(char)};" for place, char in enumerate(shown)
    )


def _is_plain(text: str, place: int) -> bool:
    if text[place] == "_":
        inner = text[max(place - 1, 0) : place] + text[place + 1 : place + 2]
        return len(inner) == 2 and inner.isalnum()
    return _PLAIN.match(text, place) is not None


def code(text: object) -> str:
    """Return a text from outside as code, to stand in a line or in the cell of a table."""
    return f"<code>{escape(str(text))}</code>" if str(text) else ""


def block(text: str) -> str:
    """Return a text of several lines from outside as a block."""
    lines = text.replace("\r\n", "\n").split("\n")
    # GitLab takes a line that starts with a slash for an order to it: there is none left.
    return "<pre>" + "\n".join(map(escape, lines)) + "</pre>"


def link(text: str, url: str | None) -> str:
    """Return Markdown that leads to an address of our own making; without one, the text."""
    return text if url is None else f'<a href="{escape_url(url)}">{text}</a>'


def escape_url(url: str) -> str:
    """Return an address for an attribute of HTML."""
    return url.replace("&", "&amp;").replace('"', "%22").replace("<", "%3C").replace(">", "%3E")


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; its cells are Markdown already, of one line and without a bare ``|``."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
