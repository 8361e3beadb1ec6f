"""What gitreg writes means the same to readers of YAML 1.1, of YAML 1.2, and to gitreg."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
import yaml as pyyaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gitreg.core.documents import yaml
from gitreg.core.documents.yaml import Value
from tests.core.documents.test_yaml import TEXTS, typed

Reader = Callable[[bytes], object]

READERS: dict[str, Reader] = {
    "PyYAML": pyyaml.safe_load,
    "ruamel.yaml": lambda data: YAML(typ="safe", pure=True).load(io.BytesIO(data)),
    "gitreg": lambda data: yaml.parse(data, "x", yaml.TEXTS_LIMIT),
    "gitreg, strict": lambda data: yaml._build(data.decode(), "x"),
}
if pyyaml.__with_libyaml__:
    READERS["libyaml"] = lambda data: pyyaml.load(data, Loader=pyyaml.CSafeLoader)

# Each of these, without quotes, is something else than text to some reader of YAML.
SPELLINGS = """
y Y n N yes Yes YES no No NO on On ON off Off OFF true True TRUE false False FALSE ~ null Null NULL
0 7 -7 +7 007 08 0b11 0b_1 -0b1 017 0o17 0x1F -0x1f 0x_1 1_000 +1_0 1,000 _ 1_ 190:20:30 12:30:00
-1:30 1:59 1:60 190:20:30.15 1e5 1E5 1e-07 1.0e-07 1e+16 1.0e+16 1.e+3 .5 5. -.5 +.5e3 1_0.5 ._5 .
.inf -.inf +.INF .Inf .nan .NaN .NAN inf nan 2026-11-22 2026-1-2 2026-11-22T20:25:06Z
2026-11-22t20:25:06.5+01:00 << = - ? : | > ! & * @ ` % # --- ... {} [] "" ''
"""
WORDS = ["", " ", "2026-11-22 20:25:06", "2026-11-22 20:25:06.1 -1", *SPELLINGS.split()]
LIKE_NUMBERS = st.text("+-.:_0123456789abcefoxnEINTZt ,", max_size=12)
ANY = TEXTS | st.sampled_from(WORDS) | LIKE_NUMBERS
VALUES: st.SearchStrategy[Value] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | ANY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY, inner, max_size=3),
    max_leaves=8,
)


def check(data: bytes, meant: object) -> None:
    for name, read in READERS.items():
        assert typed(read(data)) == typed(meant), (name, data)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(ANY, VALUES, max_size=4))
@example({"lr": 1e-07, "country": "NO", "schedule": "12:30:00", "on": "x", "flags": ["on", "off"]})
def test_every_reader_reads_the_same(document: dict[str, Value]) -> None:
    check(yaml.dump(document), document)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(ANY, st.none() | ANY, min_size=1, max_size=4))
def test_every_reader_reads_the_same_texts(tags: dict[str, str | None]) -> None:
    document: dict[str, Value] = {"description": "", "tags": dict(tags)}
    check(yaml._emit(document), document)
    check(yaml._emit_texts(document), document)  # the form of a large document


def test_every_word_stays_the_text_that_it_is() -> None:
    document: dict[str, Value] = {
        "keys": dict.fromkeys(WORDS, 1),
        "values": list[Value](WORDS),
        "floats": [1e-07, 5e-05, 1e16, -1e-300, 1.5e-10, 0.001, -0.0, 1e15],
    }
    check(yaml.dump(document), document)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1e-07, "1.0e-07"),
        (-1e16, "-1.0e+16"),
        (1.5e-10, "1.5e-10"),
        (0.1, "0.1"),
        ("NO", "'NO'"),
        ("Y", "'Y'"),
        ("12:30:00", "'12:30:00'"),
        ("=", "'='"),
        ("nobody", "nobody"),
        ("3.11.9", "3.11.9"),
        ("linux-x86_64", "linux-x86_64"),
        ("12:30 o'clock", "12:30 o'clock"),
    ],
)
def test_only_what_needs_them_has_quotes(value: Value, written: str) -> None:
    assert yaml.dump({"a": value}).decode() == f"a: {written}\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-07", 1e-07), ("1e+16", 1e16), ("NO", "NO"), ("12:30:00", "12:30:00"), ("yes", "yes")],
)
def test_a_file_of_an_earlier_release_means_what_it_meant(text: str, value: Value) -> None:
    assert typed(yaml.parse(f"on: {text}\n".encode(), "x")) == typed({"on": value})
