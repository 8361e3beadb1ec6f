"""Text from a registry as harmless text, and Markdown as harmless HTML. Pure.

>>> visible("pay\\u202eload")
'pay\\\\u202eload'
>>> web_address("javascript:alert(1)")
''
"""

from __future__ import annotations

import json
import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gitreg.core.text.invisible import has_invisible
from gitreg.core.text.urls import page_without_credentials

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_ESCAPED = re.compile(r"\\(\\|'|x3c)")
"""How `script` writes what a text between single quotes may not have."""

_ESCAPES = re.compile(r"\\[ubfr]")
"""How JSON writes most control characters, which `str.isprintable` does not see any more."""

_STAYS = "\n\t"

_TAGS = (
    *("a", "blockquote", "br", "code", "del", "em", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol"),
    *("p", "pre", "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"),
)
_ATTRIBUTES = {"a": {"href", "title"}}


def visible(text: str) -> str:
    """Return text in which control and direction characters are seen, and do nothing."""
    if text.isprintable() or text.replace("\n", "").isprintable():
        return text
    return "".join(
        char if char in _STAYS or not has_invisible(char) else ascii(char)[1:-1] for char in text
    )


def all_visible(value: Any) -> Any:
    """Return a JSON value in which every text is `visible`."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {all_visible(str(key)): all_visible(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [all_visible(inner) for inner in value]
    return value


def script(name: str, *values: Any) -> str:
    """Return a script that hands values to the function ``gitreg.NAME``.

    The values are JSON in a text in which nothing ends a script, a comment or a line. A page that
    is opened from a folder may load scripts, and no other data. JavaScript itself would take a key
    ``__proto__`` for something else than a key.

    >>> print(script("model", {"a": "</script>"}).strip())
    gitreg.model(...JSON.parse('[{"a":"\\x3c/script>"}]'));
    >>> values_in(script("model", "it's </b> \\\\x3c")) == ["it's </b> \\\\x3c"]
    True
    """
    text = _json(values)
    if not text.isprintable() or _ESCAPES.search(text):
        text = _json(all_visible(values))
    text = text.replace("\\", "\\\\").replace("'", "\\'").replace("<", "\\x3c")
    return f"gitreg.{name}(...JSON.parse('{text}'));\n"


def _json(values: Any) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def values_in(script: str) -> list[Any]:
    """Return the values that a script hands over; the inverse of `script`.

    Raises:
        ValueError: it is not such a script.
    """
    _, _, rest = script.partition("'")
    text = rest.removesuffix("'));\n")
    return list(
        json.loads(_ESCAPED.sub(lambda found: "<" if found[1] == "x3c" else found[1], text))
    )


def web_address(url: str | None) -> str:
    """Return an address of the web without credentials; empty for any other text."""
    if not url or not url.isprintable() or " " in url or not url.isascii():
        return ""
    if not url.startswith(("https://", "http://")):
        return ""
    return page_without_credentials(url)


def first_line(text: str | None, most: int = 100) -> str:
    """Return the first line of a text, shortened."""
    lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
    line = " ".join(lines[0].split()) if lines else ""
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def initials_first(author: str) -> str:
    """Return the name of ``Name <email>``, or its address where it has no name."""
    name = author.partition("<")[0].strip()
    return name or author.strip("<> ")


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    # Without raw HTML and images; an address becomes a link only where its author made one.
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def markdown(text: str) -> str:
    """Return Markdown as HTML without scripts, styles, images and addresses that run something."""
    import nh3

    rendered = _parser().disable("image").render(visible(text))
    for level in range(5, 0, -1):  # the page has an h1 and an h2 of its own
        rendered = rendered.replace(f"<h{level}>", f"<h{level + 1}>")
        rendered = rendered.replace(f"</h{level}>", f"</h{level + 1}>")
    return nh3.clean(
        rendered,
        tags=set(_TAGS),
        attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
        url_schemes={"http", "https", "mailto"},
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
    )


def number(value: float | None) -> str:
    """Return a number for people, six digits of it.

    >>> number(0.1 + 0.2), number(1234567), number(None)
    ('0.3', '1234567', '')
    """
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def size(count: int) -> str:
    """Return a count of bytes for people.

    >>> size(512), size(184312)
    ('512 B', '184.3 kB')
    """
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    raise AssertionError


def sort_key(text: str) -> str:
    """Return a text under which names sort as people expect."""
    return unicodedata.normalize("NFKC", text).casefold()
