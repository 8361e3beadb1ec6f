"""The quick reader reads nothing in another way than the strict one."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gitreg.core.documents import quick_yaml, yaml
from gitreg.core.model import manifest
from gitreg.core.model.model import Annotations
from gitreg.errors import InvalidDocument
from tests.core.documents.test_yaml import DOCUMENTS, TEXTS, TRICKY, typed
from tests.core.model.test_manifest import WHOLE


def quick(text: str) -> dict[str, yaml.Value] | None:
    return quick_yaml.read(text, yaml._quick_plain)


def agree(text: str) -> None:
    """Check that a text, if the quick reader takes it, is the same to the strict one."""
    found = quick(text)
    if found is not None:
        assert typed(found) == typed(yaml._build(text, "x"))


@settings(max_examples=200, deadline=None)
@given(DOCUMENTS)
def test_what_is_written_is_read_the_same(document: dict[str, yaml.Value]) -> None:
    agree(yaml.dump(document).decode())


PARTS = st.sampled_from(
    [
        "a",
        "b",
        "key",
        "null",
        "1",
        "-1",
        ".5",
        "- ",
        "-",
        ": ",
        ":",
        " :",
        "  ",
        " ",
        "\n",
        "\n  ",
        "\n- ",
        "'",
        "''",
        '"',
        "#",
        " #",
        "&a",
        "*a",
        "!!str",
        "|",
        ">",
        "{",
        "}",
        "[",
        "]",
        ",",
        "?",
        "? ",
        "---",
        "...",
        "%",
        "@",
        "<<",
        "=",
        "~",
        "0x1f",
        "1e3",
        ".inf",
        "é",
        "\u2028",
        "\t",
        "\r",
        "http://x:5",
        "a: b\n",
        "c:\n",
        "  d: e\n",
        "- f\n",
        "- g: h\n",
        "  i: 'j'\n",
    ]
)


@settings(max_examples=1500, deadline=None)
@given(st.lists(PARTS, max_size=14).map("".join))
@example("a: b\n  c: d\n")
@example("a:\n- b\n  c: d\n")
@example("a:\nb: c\n")
@example("a: b\n c\n")
@example("a: 'b'c\n")
@example("a:\n  b:\n  - c\n  d: e\n")
@example("a: b : c\n")
@example("a: b:\n")
@example("- a\n")
def test_no_text_is_read_in_another_way(text: str) -> None:
    agree(text)
    agree(f"{text}\n")


@settings(max_examples=400, deadline=None)
@given(TEXTS | TRICKY, TEXTS | TRICKY)
def test_no_value_is_read_in_another_way(key: str, value: str) -> None:
    for text in (
        f"{key}: {value}\n",
        f"a:\n- {value}\n- {key}: {value}\n",
        f"'{key}': '{value}'\n",
    ):
        agree(text)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_damaged_manifest_is_read_in_another_way(data: st.DataObject) -> None:
    text = manifest.write_manifest(WHOLE).decode()
    place = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 3))
    agree(text[:place] + data.draw(PARTS) + text[place + length :])


def test_manifests_and_what_people_say_are_read_quickly() -> None:
    for data in (
        manifest.write_manifest(WHOLE),
        manifest.write_annotations(Annotations("the first", tags={"team": "growth", "a b": "c"})),
        manifest.write_dvc_pointer(WHOLE.artifact),
    ):
        assert data is not None
        assert quick(data.decode()) is not None


@pytest.mark.parametrize("depth", [9, 10, 11, 19])
def test_what_is_deep_is_for_the_strict_reader(depth: int) -> None:
    text = "".join(f"{'  ' * level}a:\n" for level in range(depth)) + "  " * depth + "a: b\n"
    assert (quick(text) is None) == (depth > 9)
    agree(text)
    listed = "a:\n- b:\n" + "".join(f"{'  ' * level}- b:\n" for level in range(1, depth))
    agree(f"{listed}{'  ' * depth}- c\n")


def test_an_error_is_told_by_the_strict_reader() -> None:
    with pytest.raises(InvalidDocument, match=r"x: line 2: .* is too large an integer"):
        yaml.parse(b"a: b\nc: 99999999999999999999\n", "x")
