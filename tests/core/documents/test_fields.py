"""Typed reading: each error names the file, the field and the rule."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from gitreg.core.documents.fields import Fields
from gitreg.core.documents.yaml import Value
from gitreg.errors import InvalidDocument


def message_of(call: Callable[[], object]) -> str:
    with pytest.raises(InvalidDocument) as caught:
        call()
    return str(caught.value)


def fields(**mapping: Value) -> Fields:
    return Fields(mapping, "x.yaml")


def test_right_values_come_through() -> None:
    found = fields(text="a", yes=True, n=5, none=None, items=[1], map={"k": "v"}, m={"auc": 1})
    assert found.text("text") == "a"
    assert found.boolean("yes") is True
    assert found.integer("n") == 5
    assert found.items("items") == [1]
    assert found.mapping("map") == {"k": "v"}
    assert found.texts("map") == {"k": "v"}
    assert found.numbers("m") == {"auc": 1}
    assert found.optional_integer("n") == 5
    assert found.is_text("text", "a")
    assert not found.is_text("text", "b")


@pytest.mark.parametrize("name", ["none", "absent"])
def test_what_may_be_absent(name: str) -> None:
    found = fields(none=None)
    assert not found.has(name)
    assert found.optional_text(name) is None
    assert found.optional_integer(name) is None
    assert found.items(name) == []
    assert found.mapping(name) == {}
    assert found.texts(name) == {}
    assert found.version_list(name) == ()


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (5, "an integer"),
        (True, "a boolean"),
        (1.5, "a number"),
        (None, "nothing"),
        ([], "a list"),
        ({}, "a mapping"),
    ],
)
def test_where_text_belongs(value: Value, kind: str) -> None:
    expected = f"x.yaml: a: expected text, found {kind}"
    assert message_of(lambda: fields(a=value).text("a")) == expected


@pytest.mark.parametrize(
    ("value", "kind"), [("5", "text"), (True, "a boolean"), (5.0, "a number"), (None, "nothing")]
)
def test_where_an_integer_belongs(value: Value, kind: str) -> None:
    expected = f"x.yaml: a: expected an integer, found {kind}"
    assert message_of(lambda: fields(a=value).integer("a")) == expected


def test_other_rules() -> None:
    assert message_of(lambda: fields().text("a")) == "x.yaml: a: missing"
    assert message_of(lambda: fields(a=0).integer("a", 1)) == "x.yaml: a: 0 is less than 1"
    assert message_of(lambda: fields(a=-1).integer("a")) == "x.yaml: a: -1 is less than 0"
    assert "expected true or false, found an integer" in message_of(
        lambda: fields(a=1).boolean("a")
    )
    assert "expected a list, found text" in message_of(lambda: fields(a="x").items("a"))
    assert "expected a mapping, found a list" in message_of(lambda: fields(a=[]).mapping("a"))


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("0.9", "m.auc: expected a number, found text"),
        (True, "m.auc: expected a number, found a boolean"),
        (None, "m.auc: expected a number, found nothing"),
        (math.nan, "m.auc: not a finite number"),
        (math.inf, "m.auc: not a finite number"),
    ],
)
def test_where_a_number_belongs(value: Value, rule: str) -> None:
    found = fields(m={"loss": 1, "auc": value})
    assert message_of(lambda: found.numbers("m")) == f"x.yaml: {rule}"


def test_texts_name_their_key() -> None:
    message = message_of(lambda: fields(tags={"a": "x", "b": 5}).texts("tags"))
    assert message == "x.yaml: tags.b: expected text, found an integer"


def test_an_inner_mapping_names_the_whole_way() -> None:
    inner = fields(a={"b": {"c": 1}}).fields("a").fields("b")
    assert message_of(lambda: inner.text("c")) == "x.yaml: a.b.c: expected text, found an integer"


def test_unknown_keys_name_the_near_miss() -> None:
    found = fields(a={"comit": "x"}).fields("a")
    with pytest.raises(InvalidDocument) as caught:
        found.only(("commit", "dirty"))
    assert str(caught.value) == "x.yaml: a.comit: unknown key"
    assert caught.value.hint == "did you mean 'commit'?"
    assert found.only(("comit",)) is found


def test_version_lists() -> None:
    assert fields(v=[1, 2, 10]).version_list("v") == (1, 2, 10)
    for items in ([2, 1], [1, 1]):
        message = message_of(lambda items=items: fields(v=items).version_list("v"))  # type: ignore[misc]
        assert message == "x.yaml: v: the numbers must ascend, without duplicates"
    wrong: list[tuple[Value, str]] = [
        ("1", "text '1'"),
        (True, "a boolean True"),
        (0, "an integer 0"),
        (None, "nothing None"),
        (1.0, "a number 1.0"),
        ([1], "a list [1]"),
    ]
    for item, found in wrong:
        message = message_of(lambda item=item: fields(v=[item]).version_list("v"))  # type: ignore[misc]
        assert message == f"x.yaml: v: expected version numbers, found {found}"
