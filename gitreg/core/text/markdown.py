"""Markdown for Git hosts in which text from a registry stays text. Pure.

Every text from outside is in ``<code>``, where GitHub, GitLab and Gitea look for no mentions, issue
references or links. Characters with a meaning in Markdown or HTML are entities, which have none. A
code span of backticks is not safe: in a table a ``|`` ends it, and each host escapes that
differently.

>>> code("@ada closes #1 | <b>")
'<code>&#64;ada closes &#35;1 &#124; &#60;b&#62;</code>'
>>> code("roc_auc 0.921")
'<code>roc_auc 0.921</code>'
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from gitreg.core.text.invisible import escaped

# Characters that stay, to keep the source readable: those between digits or letters (roc_auc,
# 0.921, models/churn), and those without a meaning inside a line.
_PLAIN = re.compile(r"[\w ,;?%-]|(?<=\d)\.(?=\d)|(?<=\w)/(?=\w)")


def escape(text: str) -> str:
    """Return ``text`` as one line of entities and plain characters.

    Invisible characters (control and formatting characters, line breaks) are shown escaped.
    """
    shown = escaped(text)
    return "".join(
        char if _is_plain(shown, place) else f"&#{ord(char)};" for place, char in enumerate(shown)
    )


def _is_plain(text: str, place: int) -> bool:
    if text[place] == "_":
        inner = text[max(place - 1, 0) : place] + text[place + 1 : place + 2]
        return len(inner) == 2 and inner.isalnum()
    return _PLAIN.match(text, place) is not None


def code(text: object) -> str:
    """Return text from outside as code, for a line or a table cell."""
    return f"<code>{escape(str(text))}</code>" if str(text) else ""


def block(text: str) -> str:
    """Return text of several lines from outside as a block."""
    lines = text.replace("\r\n", "\n").split("\n")
    # GitLab runs a line that starts with a slash as a command; the slash is an entity here.
    return "<pre>" + "\n".join(map(escape, lines)) + "</pre>"


def fenced(text: str, language: str = "text") -> str:
    """Return text of several lines from outside as a block to copy from, which it cannot leave."""
    runs = re.findall("`+", text)
    fence = "`" * max(3, *(len(run) + 1 for run in runs), 3)
    shown = escaped(text.replace("\r\n", "\n"), keep="\n\t").rstrip("\n")
    return f"{fence}{language}\n{shown}\n{fence}"


def link(text: str, url: str | None) -> str:
    """Return a link to an address that gitreg built; without an address, the text."""
    return text if url is None else f'<a href="{escape_url(url)}">{text}</a>'


def escape_url(url: str) -> str:
    """Return an address escaped for an HTML attribute."""
    return url.replace("&", "&amp;").replace('"', "%22").replace("<", "%3C").replace(">", "%3E")


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table. Cells are Markdown already: one line each, without a bare ``|``."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
