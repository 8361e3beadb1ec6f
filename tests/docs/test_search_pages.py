"""The filters that the pages about search show are filters, and the reference has every field."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from gitreg.core.text import filter_fields
from gitreg.core.text.filter import FilterError, parse, parse_order

DOCS = Path(__file__).resolve().parents[2] / "docs"
GUIDE = (DOCS / "guides" / "history.md").read_text()
REFERENCE = (DOCS / "reference" / "search.md").read_text()


def test_every_filter_that_is_shown_is_one() -> None:
    given = [line for page in (GUIDE, REFERENCE) for line in page.splitlines()]
    lines = [
        shlex.split(line) for line in given if line.startswith(("gitreg search", "gitreg list"))
    ]
    assert len(lines) > 5
    for words in lines:
        parse(words[words.index("--where") + 1] if "--where" in words else words[2])
        if "--order-by" in words:
            parse_order(words[words.index("--order-by") + 1])
    asked = re.findall(r"^\| [^|]+\? \| `([^`]+)`", GUIDE, re.MULTILINE)
    assert len(asked) > 5
    for text in asked:
        parse(text)


def test_the_reference_has_every_field() -> None:
    fields = {*filter_fields._PLAIN, *(f"{name}.NAME" for name in filter_fields._KEYED)}
    shown = set(re.findall(r"`([\w.]+)(?:…)?`", REFERENCE))
    assert fields <= shown


def test_the_message_that_is_shown_is_the_message() -> None:
    block = re.search(r"```text\n(  metrics.*?)```", GUIDE, re.DOTALL)
    assert block is not None
    line, caret, said, hint = block[1].splitlines()
    with pytest.raises(FilterError) as caught:
        parse(line.strip())
    assert said == f"gitreg: {caught.value}"
    assert hint == f"  {caught.value.hint}"
    assert caret.index("^") == 2 + caught.value.place
