"""Text of a registry in a script: each character that is not seen is shown, in values and keys."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from gitreg.site.texts import all_visible, script, values_in, visible


@pytest.mark.parametrize("wrap", [lambda it: it, lambda it: {it: [it]}, lambda it: [{"a": it}]])
def test_every_character_is_as_visible_in_a_script_as_in_a_page(wrap: Any) -> None:
    for code in [*range(0x3000), 0xD800, 0xFEFF, 0xE0001, 0x1F600, sys.maxunicode]:
        text = f"a{chr(code)}b"
        assert values_in(script("x", wrap(text))) == [all_visible(wrap(text))]


@pytest.mark.parametrize("text", [r"\u202e", r"C:\new\bin\tab", "\\\u202e", "line\nline\t."])
def test_what_looks_like_an_escape_stays_text(text: str) -> None:
    assert values_in(script("x", text)) == [visible(text)]
