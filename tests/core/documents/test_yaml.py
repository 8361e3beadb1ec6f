"""YAML: what is written is read back with its types, what is odd is refused with file and line."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gitreg.core.documents import yaml
from gitreg.core.documents.yaml import Value
from gitreg.errors import InvalidDocument, InvalidRequest

TRICKY = st.sampled_from(
    [
        "",
        "~",
        "null",
        "NULL",
        "True",
        "false",
        "yes",
        "no",
        "on",
        "1",
        "-0",
        "+1",
        "0o17",
        "0x1F",
        "1e5",
        "+.5e3",
        ".5",
        "1.",
        "1_0",
        ".inf",
        "-.INF",
        ".nan",
        "2026-11-22",
        "1:30",
        "<<",
        "=",
        "-",
        "---",
        "...",
        "- a",
        "a: b",
        "a #b",
        "#",
        "%x",
        "@a",
        "`",
        "&a",
        "*a",
        "!a",
        "{",
        "[a]",
        " x",
        "x ",
        "\n",
        "a\nb",
        "a\n\n",
        "\r\n",
        "\t",
        "\x00",
        "\x1b[0m",
        "\x7f",
        "\x85",
        "\u2028",
        "\u2029",
        "\ufeff",
        "\uffff",
        "é",
        "日",
        "🙂",
        '"',
        "'",
        "\\",
        "x" * 200,
    ]
)
TEXTS = TRICKY | st.text(max_size=8) | st.lists(TRICKY, max_size=3).map(" ".join)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXTS,
)
VALUES: st.SearchStrategy[Value] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(TEXTS, VALUES, max_size=4)


def typed(value: object) -> object:
    """Return a value in which 1, 1.0 and True, and 0.0 and -0.0, are not equal."""
    if isinstance(value, dict):
        return [(key, typed(item)) for key, item in value.items()]
    if isinstance(value, list):
        return [typed(item) for item in value]
    return (type(value).__name__, repr(value))


@settings(max_examples=150, deadline=None)
@given(DOCUMENTS)
def test_what_is_written_is_read_back(document: dict[str, Value]) -> None:
    assert typed(yaml.parse(yaml.dump(document), "x.yaml")) == typed(document)


@settings(max_examples=60, deadline=None)
@given(DOCUMENTS)
def test_other_readers_understand_what_is_written(document: dict[str, Value]) -> None:
    found = YAML(typ="safe", pure=True).load(io.BytesIO(yaml.dump(document)))
    assert found == document


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 10**9 - 1), min_size=1, max_size=20))
def test_pointers_take_the_short_way_to_the_same(numbers: list[int]) -> None:
    for document in ({"versions": list[Value](numbers)}, {"version": numbers[0]}):
        data = yaml.dump(dict(document))
        assert YAML(typ="safe", pure=True).load(io.BytesIO(data)) == document
        assert yaml.parse(data, "x") == document
        assert yaml.parse(b"# made by hand\n" + data, "x") == document


def test_the_longest_pointer_needs_no_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(yaml, "_build")  # it would take seconds
    document: dict[str, Value] = {"versions": list(range(1, 9501))}
    data = yaml.dump(document)
    assert 60_000 < len(data) <= yaml.SIZE_LIMIT
    assert yaml.parse(data, "x") == document


@pytest.mark.parametrize("items", [[True], [1.5], ["1"], [None], [[1]]])
def test_only_numbers_take_the_short_way(items: list[Value]) -> None:
    assert typed(yaml.parse(yaml.dump({"versions": items}), "x")) == typed({"versions": items})
    assert yaml.parse(yaml.dump({"version": items[0]}), "x") == {"version": items[0]}


def test_the_writer_is_canonical() -> None:
    document: dict[str, Value] = {
        "z": {"b": 1, "a": [1, {"k": None}]},
        "empty": {},
        "none": [],
        "text": "x" * 300 + " " + "y" * 300,
        "when": "2026-11-22T20:25:06Z",
        "lines": "a\nb",
        "number": 0.001,
    }
    assert yaml.dump(document).decode() == (
        "z:\n  b: 1\n  a:\n  - 1\n  - k: null\nempty: {}\nnone: []\n"
        f"text: {'x' * 300} {'y' * 300}\n"
        "when: '2026-11-22T20:25:06Z'\n"
        'lines: "a\\nb"\n'
        "number: 0.001\n"
    )


def test_a_value_that_occurs_twice_is_written_twice() -> None:
    shared: dict[str, Value] = {"lr": 0.1}
    document: dict[str, Value] = {"a": shared, "b": shared}
    assert yaml.parse(yaml.dump(document), "x") == document


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("~", None),
        ("", None),
        ("null", None),
        ("Null", None),
        ("true", True),
        ("FALSE", False),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("nULL", "nULL"),
        ("5", 5),
        ("-5", -5),
        ("+5", 5),
        ("007", 7),
        ("0o17", 15),
        ("0x1f", 31),
        ("9223372036854775808", 2**63),
        ("1_000", "1_000"),
        ("0b1", "0b1"),
        ("1:30", "1:30"),
        ("٣", "٣"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("-1.5E-3", -0.0015),
        ("1e400x", "1e400x"),
        ("nan", "nan"),
        ("inf", "inf"),
        ("2026-11-22", "2026-11-22"),
        ("'5'", "5"),
        ('"true"', "true"),
        ('"\\u00e9"', "é"),
        ("|\n  a\n  b\n", "a\nb\n"),
        ("[1, a]", [1, "a"]),
        ("{b: 2}", {"b": 2}),
        ("{b}", {"b": None}),
        ("# said\n", None),
    ],
)
def test_the_core_schema(text: str, value: Value) -> None:
    found = yaml.parse(f"a: {text}".encode(), "x")
    assert typed(found) == typed({"a": value})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a: &x 1", "m.yaml: line 1: YAML anchors and aliases are not allowed"),
        (b"a: 1\nb: &x {}", "m.yaml: line 2: YAML anchors and aliases are not allowed"),
        (b"a: *x", "m.yaml: line 1: YAML anchors and aliases are not allowed"),
        (b"a: &x [1]\nb: [*x, *x]\n", "anchors and aliases"),
        (b"a: !!python/object/apply:os.system [id]", "m.yaml: line 1: YAML tags are not allowed"),
        (b"a: !!str 5", "YAML tags are not allowed"),
        (b"a: ! 5", "YAML tags are not allowed"),
        (b"!!map {a: 1}", "YAML tags are not allowed"),
        (b"%YAML 1.1\n---\na: 1", "m.yaml: line 2: YAML directives are not allowed"),
        (b"%TAG ! !x\n---\na: 1", "YAML directives are not allowed"),
        (b"a: 1\nb: 2\na: 1", "m.yaml: line 3: duplicate key 'a'"),
        (b"a: {b: 1, b: 1}", "duplicate key 'b'"),
        (b'"\\e[0m": 1\n"\\e[0m": 2', r"duplicate key '\x1b[0m'"),
        (b"a: .nan", "m.yaml: line 1: .nan is not a finite number"),
        (b"a: -.Inf", "-.Inf is not a finite number"),
        (b"a: 1e999", "1e999 is not a finite number"),
        (b"a: -1.0e999", "-1.0e999 is not a finite number"),
        (b"a: 9223372036854775809", "is too large an integer"),
        (b"a: 0xffffffffffffffff", "is too large an integer"),
        (b"a: " + b"9" * 5000, "is too large an integer"),
        (b'a: "\\ud800"', "m.yaml: line 1: not Unicode text"),
        (b"5: 1", "m.yaml: line 1: a key must be text, found an integer"),
        (b"true: 1", "a key must be text, found a boolean"),
        (b": 1", "a key must be text, found nothing"),
        (b"[a]: 1", "a key must be text, found a list"),
        (b"? {a: 1}\n: 1", "a key must be text, found a mapping"),
        (b"", "m.yaml: expected a mapping, found nothing"),
        (b"# nothing\n", "expected a mapping, found nothing"),
        (b"---\n", "expected a mapping, found nothing"),
        (b"- 1\n", "expected a mapping, found a list"),
        (b"1.5", "expected a mapping, found a number"),
        (b"yes", "expected a mapping, found text"),
        (b"a: 1\n---\na: 1\n", "m.yaml: line 2: a second document"),
        (b"a: b: c", "m.yaml: line 1: not YAML: mapping values are not allowed here"),
        (b"a: [1\nb: 2", "not YAML"),
        (b"a: \x00", "m.yaml: not YAML: unacceptable character #x0000"),
        (b"\xff", "m.yaml: not UTF-8 text"),
        (b"a:\n- " + b"- " * 30, "nested deeper than 20 levels"),
    ],
)
def test_what_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        yaml.parse(data, "m.yaml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("m.yaml:")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("opening", [b"[", b"{a: ", b"- ", b"? ", b"a: [", b"\n- ["])
def test_five_thousand_nested_brackets_are_refused_at_the_first_that_is_too_deep(
    opening: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    events = yaml._events

    def counted(text: str, where: str) -> Iterator[object]:
        for event in events(text, where):
            seen.append(event)
            yield event

    monkeypatch.setattr(yaml, "_events", counted)
    with pytest.raises(InvalidDocument, match=r"m\.yaml: .*(nested deeper|not YAML|must be text)"):
        yaml.parse(opening * 5000, "m.yaml")
    assert len(seen) < 4 * yaml.DEPTH_LIMIT


def test_a_large_document_is_refused_before_it_is_read() -> None:
    for data in (
        b"a:\n" + b"- 1\n" * 300_000,
        b"versions:\n" + b"- 1\n" * 300_000,
        b"\xff" * 65537,
    ):
        with pytest.raises(InvalidDocument, match=r"m\.yaml: larger than 64 KiB"):
            yaml.parse(data, "m.yaml")
    assert yaml.parse(b"a: 1\n#" + b"x" * (65536 - 6), "m.yaml") == {"a": 1}


def nested(depth: int) -> Value:
    value: Value = 1
    for _ in range(depth):
        value = [value]
    return value


def test_as_deep_as_can_be_read_can_be_written() -> None:
    deep: dict[str, Value] = {"a": nested(19)}
    assert yaml.parse(yaml.dump(deep), "x") == deep
    with pytest.raises(InvalidRequest, match="'a': nested deeper than 20 levels"):
        yaml.dump({"a": nested(20)})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (math.nan, "'b.c': nan is not a finite number"),
        (-math.inf, "'b.c': -inf is not a finite number"),
        (2**63 + 1, "'b.c': too large an integer"),
        (-(2**64), "'b.c': too large an integer"),
        ("\udcff", "'b.c': not Unicode text"),
        ([1, {"d": math.nan}], "'b.c.d': nan is not a finite number"),
        ({"\ud800": 1}, "'b.c': not Unicode text"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(value: Value, message: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        yaml.dump({"a": 1, "b": {"c": value}})
    assert str(caught.value) == message


def test_a_document_that_is_too_large_is_not_written() -> None:
    for document in ({"a": "x" * 65536}, {"versions": list[Value](range(1, 20_000))}):
        with pytest.raises(
            InvalidRequest, match=r"would have [\d,]+ bytes; 65,536 is the most"
        ) as no:
            yaml.dump(dict(document))
        assert "--data" in (no.value.hint or "")


def test_the_words_for_types() -> None:
    values: list[object] = [None, True, 1, 1.5, "x", [], {}, b"x"]
    assert [yaml.kind(value) for value in values] == [
        "nothing",
        "a boolean",
        "an integer",
        "a number",
        "text",
        "a list",
        "a mapping",
        "bytes",
    ]


# Documents of texts, which may be larger


BIG = {
    "description": "x" * 70_000,
    "tags": {"a: b": 'é"\\\n\t\x85\u2028\ufeff\x7f😀', "none": None, "": "", "é": "null", "w": "1"},
}


def test_a_large_document_of_texts_is_read_line_by_line() -> None:
    data = yaml.dump_texts(BIG)  # type: ignore[arg-type]
    assert yaml.parse(data, "x", yaml.TEXTS_LIMIT) == BIG
    assert yaml._build(data.decode(), "x") == BIG  # it is YAML, and means the same
    with pytest.raises(InvalidDocument, match="larger than 64 KiB"):
        yaml.parse(data, "x")


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(TEXTS, st.none() | TEXTS, max_size=4))
def test_texts_are_read_back_in_both_forms(tags: dict[str, str | None]) -> None:
    for padding in ("", "x" * yaml.SIZE_LIMIT):
        said: dict[str, Any] = (
            {"description": padding, "tags": tags} if tags else {"owner": padding}
        )
        data = yaml.dump_texts(said)
        assert yaml.parse(data, "x", yaml.TEXTS_LIMIT) == said
        assert yaml._build(data.decode(), "x") == said


def test_a_small_document_of_texts_is_as_any_other() -> None:
    assert yaml.dump_texts({"owner": "ada", "tags": {"a": "b"}}) == b"owner: ada\ntags:\n  a: b\n"


def test_a_document_of_too_many_texts_is_not_written() -> None:
    with pytest.raises(InvalidRequest, match="1,048,576 is the most"):
        yaml.dump_texts({"description": "x" * yaml.TEXTS_LIMIT})
    with pytest.raises(InvalidRequest, match="not Unicode text"):
        yaml.dump_texts({"description": "\ud800"})


PADDING = f'owner: "{"x" * yaml.SIZE_LIMIT}"\n'


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("tags: {a: &x b, c: *x}\n", "line 2: a document of more than 64 KiB has each text"),
        ("description: plain\n", "line 2: a document"),
        ('description: "a\n  b"\n', "line 2: a document"),
        ('description: "x" # why\n', "line 2: a document"),
        ('description:"x"\n', "line 2: a document"),
        ("description: 5\n", "line 2: a document"),
        ('description: ["x"]\n', "line 2: a document"),
        ('description: "\\ud83d\\ude00"\n', "line 2: a document"),
        ('[]: "x"\n', "line 2: a document"),
        ('  "a": "b"\n', "line 2: a document"),
        ('tags:\n  deeper:\n    "a": "b"\n', "line 3: a document"),
        ('tags:\n  "a": "b"\ndescription: "x"\n  "c": "d"\n', "line 5: a document"),
        ('owner: "x"\n', "line 2: duplicate key 'owner'"),
        ('tags:\n  "a": "b"\n  a: "c"\n', "line 4: duplicate key 'a'"),
        ("\n", "line 2: a document"),
        ("tags:\n" * 2, "line 3: duplicate key 'tags'"),
    ],
)
def test_a_large_document_of_another_form_is_refused(more: str, message: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        yaml.parse((PADDING + more).encode(), "x", yaml.TEXTS_LIMIT)
    assert message in str(caught.value)
