"""Metrics and params: from files, and from `key=value` on a command line."""

from __future__ import annotations

import json
import string
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gitreg.artifacts.metrics_and_params import (
    parse_assignment,
    parse_metric,
    parse_metrics,
    parse_param,
    parse_values,
    read_metrics,
    read_params,
)
from gitreg.core.documents import yaml
from gitreg.core.documents.yaml import Value
from gitreg.errors import GitregError, InvalidDocument, InvalidRequest, NotFound, WorldError

NAMES = st.text(string.ascii_letters + string.digits + "_-/äß漢 ", min_size=1).filter(
    lambda name: name == name.strip()
)
NUMBERS = st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
# Not U+0085: ruamel.yaml writes it as it is into quotes, and reads it there as a line break.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x85"))
SCALARS = st.none() | st.booleans() | NUMBERS | TEXT
# Above these YAML's escapes and JSON's differ: JSON writes a pair of surrogates.
PLANE_0 = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]))
TREES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@given(st.dictionaries(NAMES, TREES, max_size=4))
def test_json_gives_back_what_was_written(document: dict[str, Value]) -> None:
    assert parse_values(json.dumps(document).encode(), "p.json") == document


@given(st.dictionaries(NAMES, TREES, max_size=4))
def test_yaml_gives_back_what_the_registry_writes(document: dict[str, Value]) -> None:
    read = parse_values(yaml.dump(document), "p.yaml") if document else {}
    assert read == document


@given(st.dictionaries(NAMES, NUMBERS, max_size=4))
def test_metrics_round_trip_through_json(metrics: dict[str, int | float]) -> None:
    read = parse_metrics(json.dumps(metrics).encode(), "m.json")
    assert read == metrics
    assert [type(value) for value in read.values()] == [type(v) for v in metrics.values()]


@given(NAMES, NUMBERS)
def test_metric_assignment_round_trip(name: str, number: float) -> None:
    assert parse_metric(f"{name}={number!r}") == (name, number)


@given(NAMES, st.none() | st.booleans() | NUMBERS | PLANE_0 | st.lists(NUMBERS, max_size=3))
def test_param_assignment_round_trip_through_json(name: str, value: Value) -> None:
    assert parse_param(f"{name}={json.dumps(value)}") == (name, value)


@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
@pytest.mark.parametrize("name", ["x.json", "x.yaml", "x.toml"])
def test_any_bytes_give_values_or_one_error(name: str, data: bytes) -> None:
    said = name
    try:
        yaml.dump({"params": parse_values(data, name)})
    except GitregError as error:
        said = str(error)
    assert name in said


ASSIGNMENTS = st.text() | st.builds("{}={}".format, NAMES, st.text() | NUMBERS)


@given(ASSIGNMENTS)
@example("a=1")
@example("a=[1]\nb: 2")
@pytest.mark.parametrize(
    ("parse", "option"), [(parse_param, "--param"), (parse_metric, "--metric")]
)
def test_any_assignment_gives_a_value_or_one_error(
    parse: Callable[[str], tuple[str, Value]], option: str, text: str
) -> None:
    try:
        name, value = parse(text)
    except InvalidRequest as error:
        assert str(error).startswith(option)  # noqa: PT017  most texts are no assignment
    else:
        assert text.startswith(f"{name}=")
        assert yaml.parse(yaml.dump({name: value}), "m.yaml") == {name: value}


def test_metrics_are_flattened(tmp_path: Path) -> None:
    nested = '{"train": {"auc": 0.9, "by": {"a": 1}}, "epochs": 3, "empty": {}}'
    expected = {"train.auc": 0.9, "train.by.a": 1, "epochs": 3}
    assert read_metrics(write(tmp_path, "m.json", nested)) == expected
    assert read_metrics(write(tmp_path, "m.YML", nested)) == expected
    toml = "epochs = 3\n[train]\nauc = 0.9\nby.a = 1\n"
    assert read_metrics(write(tmp_path, "m.toml", toml)) == expected


def test_params_keep_their_structure(tmp_path: Path) -> None:
    text = "model:\n  layers: [64, 8]\n  name: wide\n  dropout: null\nearly: true\n"
    assert read_params(write(tmp_path, "params.yaml", text)) == {
        "model": {"layers": [64, 8], "name": "wide", "dropout": None},
        "early": True,
    }


def test_a_byte_order_mark_is_taken(tmp_path: Path) -> None:
    assert read_metrics(write(tmp_path, "m.json", b'\xef\xbb\xbf{"a": 1}')) == {"a": 1}


def test_dates_of_toml_become_text() -> None:
    text = b"day = 2026-11-22\nat = 2026-11-22T20:25:06Z\nhour = 20:25:06\n"
    assert parse_values(text, "p.toml") == {
        "day": "2026-11-22",
        "at": "2026-11-22T20:25:06+00:00",
        "hour": "20:25:06",
    }


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("m.json", '{"a": {"b": "0.9"}}', "m.json: a.b: expected a number, found text"),
        ("m.json", '{"a": true}', "m.json: a: expected a number, found a boolean"),
        ("m.json", '{"a": null}', "m.json: a: expected a number, found nothing"),
        ("m.json", '{"a": [1, 2]}', "m.json: a: expected a number, found a list"),
        ("m.json", '{"a": NaN}', "m.json: NaN is not a finite number"),
        ("m.json", '{"a": -Infinity}', "m.json: -Infinity is not a finite number"),
        ("m.json", '{"a": {"b": 1e999}}', "m.json: a.b: not a finite number"),
        ("m.json", '{"a": 9223372036854775809}', "m.json: a: too large an integer"),
        ("m.json", f'{{"a": {"9" * 5000}}}', "is too large an integer"),
        ("m.json", '{"a": 1, "a": 2}', "m.json: duplicate key 'a'"),
        ("m.json", '{"t.a": 1, "t": {"a": 2}}', "m.json: t.a: two metrics have this name"),
        ("m.json", '{"a": 1,\n"b"}', "m.json: line 2: not JSON:"),
        ("m.json", "[1]", "m.json: expected a mapping, found a list"),
        ("m.json", "", "m.json: line 1: not JSON:"),
        ("m.json", b'{"a\xff": 1}', "m.json: not UTF-8 text"),
        ("m.json", '{"": 1}', "the key '' is empty or has an invisible character"),
        ("m.json", '{"a\\u202e": 1}', r"the key 'a\u202e' is empty or has an invisible"),
        ("m.json", '{"a": "\\ud800"}', "m.json: a: not Unicode text"),
        ("m.json", '{"a": %s}' % ("[" * 100_00 + "]" * 100_00), "nested"),
        ("m.json", '{"a":' * 20 + "1" + "}" * 20, "nested deeper than 15 levels"),
        ("m.json", '{"a": [%s0]}' % ("0," * 40_000), "larger than 64 KiB"),
        ("m.yaml", "a: .nan", "m.yaml: line 1: .nan is not a finite number"),
        ("m.yaml", "a: 1\nb: *x", "m.yaml: line 2: YAML anchors and aliases are not allowed"),
        ("m.yaml", "a: 1\na: 2", "m.yaml: line 2: duplicate key 'a'"),
        ("m.yaml", "1: 2", "m.yaml: line 1: a key must be text, found an integer"),
        ("m.yaml", "", "m.yaml: expected a mapping, found nothing"),
        ("m.toml", "a = inf", "m.toml: a: not a finite number"),
        ("m.toml", "a = 2026-11-22", "m.toml: a: expected a number, found text"),
        ("m.toml", "a = ", "m.toml: not TOML:"),
        ("m.toml", "a = " + "9" * 5000, "m.toml: not TOML:"),
        ("m.toml", "a = " + "[" * 10_000, "nested too deep"),
    ],
)
def test_bad_metrics_say_file_field_and_rule(
    tmp_path: Path, name: str, text: str | bytes, said: str
) -> None:
    with pytest.raises(InvalidDocument) as caught:
        read_metrics(write(tmp_path, name, text))
    assert said in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_format_that_is_not_known_names_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"cannot read metrics from \.csv") as caught:
        read_metrics(write(tmp_path, "m.csv", "a,b"))
    assert caught.value.hint == "one of .json, .yaml, .yml, .toml"
    with pytest.raises(InvalidRequest, match="a file without extension"):
        read_params(tmp_path / "params")


def test_a_missing_file_names_the_near_miss(tmp_path: Path) -> None:
    write(tmp_path, "metrics.json", "{}")
    with pytest.raises(NotFound, match="no such metrics file") as caught:
        read_metrics(tmp_path / "metric.json")
    assert caught.value.hint == f"did you mean '{tmp_path}/metrics.json'?"
    with pytest.raises(NotFound) as caught:
        read_metrics(tmp_path / "metrics.json" / "metric.json")
    assert caught.value.hint is None


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(InvalidRequest, match="a folder, expected a metrics file"):
        read_metrics(tmp_path / "folder.json")
    with pytest.raises(WorldError, match="cannot be read: File name too long"):
        read_metrics(tmp_path / ("x" * 300 + ".json"))


def test_toml_on_a_python_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tomllib", None)
    monkeypatch.setitem(sys.modules, "tomli", None)
    with pytest.raises(InvalidRequest, match="this Python cannot read TOML") as caught:
        parse_values(b"a = 1", "p.toml")
    assert caught.value.hint is not None
    assert "tomli" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lr=0.01", 0.01),
        ("lr=1e-5", 1e-5),
        ("n=-3", -3),
        ("n=+3", 3),
        ("flag=true", True),
        ("none=null", None),
        ("none=~", None),
        ("none=", None),
        ("text=gini", "gini"),
        ("text=a b", "a b"),
        ("text=a: b", "a: b"),
        ("text=a=b", "a=b"),
        ("text=*.csv", "*.csv"),
        ("text=-", "-"),
        ("text=---", "---"),
        ("text=...", "..."),
        ("text=# no comment", "# no comment"),
        ("text=https://example.com/x#y", "https://example.com/x#y"),
        ("text=two\nlines: 1", "two\nlines: 1"),
        ("text='5'", "5"),
        ('text="5"', "5"),
        ("list=[64, 8]", [64, 8]),
        ("map={a: 1}", {"a": 1}),
    ],
)
def test_param_values(text: str, expected: Value) -> None:
    value = parse_param(text)[1]
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a=.nan", "--param a: line 1: .nan is not a finite number"),
        ("a=1e999", "is not a finite number"),
        ("a=" + "9" * 30, "is too large an integer"),
        ("a=[1", "not YAML"),
        ("a=[1]\nb: 2", "--param a: expected one value"),
        ("a=[*x]", "YAML anchors and aliases are not allowed"),
        ('a=["\\ud800"]', "not Unicode text"),
        ("a=" + "[" * 16 + "]" * 16, "nested deeper than 15 levels"),
        ("a=\ud800", "not UTF-8 text"),
    ],
)
def test_bad_param_values(text: str, said: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_param(text)
    assert said in str(caught.value)


@pytest.mark.parametrize("text", ["a=b", "a=", "a=true", "a='1'", "a=[1]", "a=.inf", "a=1_000"])
def test_a_metric_is_a_finite_number(text: str) -> None:
    with pytest.raises(InvalidRequest, match="--metric a: "):
        parse_metric(text)


def test_metric_values() -> None:
    assert parse_metric("roc_auc=0.921") == ("roc_auc", 0.921)
    assert parse_metric("n=0x10") == ("n", 16)


def test_assignments() -> None:
    assert parse_assignment("dataset=v=3", "--tag") == ("dataset", "v=3")
    assert parse_assignment("empty=", "--tag") == ("empty", "")


@pytest.mark.parametrize("text", ["x", "", "=x", " a=1", "a =1", "a\n=1", "a\u202e=1", "a\x00=1"])
def test_bad_assignments(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^--tag '") as caught:
        parse_assignment(text, "--tag")
    assert str(caught.value).isprintable()
    assert caught.value.hint == "as in --tag name=value"
