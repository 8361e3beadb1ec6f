"""Tensors of the Open Inference Protocol, and MLflow's JSON without MLflow."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitreg.errors import InvalidRequest
from gitreg.serving.plain import UnsupportedMedia, jsonable, parse
from gitreg.serving.tensors import DATATYPES, decode, encode


def _tensor(**different: Any) -> dict[str, Any]:
    return {"name": "x", "shape": [2, 2], "datatype": "INT32", "data": [1, 2, 3, 4], **different}


def _nested(value: object, depth: int) -> list[object]:
    found = [value]
    for _ in range(depth):
        found = [found]
    return found


@pytest.mark.parametrize("datatype", sorted(set(DATATYPES) - {"BYTES", "BOOL"}))
def test_numbers_of_every_type(datatype: str) -> None:
    found = decode(_tensor(datatype=datatype))
    assert found.dtype.name == DATATYPES[datatype]
    assert found.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("tensor", "values"),
    [
        (_tensor(data=[[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (_tensor(datatype="BOOL", data=[True, False, False, True]), [[True, False], [False, True]]),
        (_tensor(datatype="BYTES", data=["a", "b", "", "é"]), [["a", "b"], ["", "é"]]),
        (_tensor(datatype="FP64", data=[1, 2.5, -3, 1e300]), [[1, 2.5], [-3, 1e300]]),
        (_tensor(datatype="UINT64", shape=[1], data=[2**64 - 1]), [2**64 - 1]),
        (_tensor(shape=[], data=[7]), 7),
        (_tensor(shape=[0, 3], data=[]), []),
    ],
)
def test_what_fits_is_taken(tensor: dict[str, Any], values: Any) -> None:
    assert decode(tensor).tolist() == values


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        ([], "an input is an object"),
        (_tensor(name=None), "has no name"),
        (_tensor(name=""), "has no name"),
        (_tensor(datatype="FLOAT"), "'FLOAT' is not one of BOOL, UINT8"),
        (_tensor(datatype=["INT32"]), "is not one of"),
        (_tensor(shape=None), "shape is not a list"),
        (_tensor(shape=[2, -2]), "shape is not a list"),
        (_tensor(shape=[2.0, 2]), "shape is not a list"),
        (_tensor(shape=[True, 4]), "shape is not a list"),
        (_tensor(shape=[1] * 33), "shape is not a list"),
        (_tensor(shape=[2**62, 2**62]), r"has the shape \[4\], not"),
        (_tensor(data=None), "has no data"),
        (_tensor(data="abcd"), "has no data"),
        (_tensor(data=[1, 2, 3]), r"has the shape \[3\], not \[2, 2\]"),
        (_tensor(data=[[1, 2, 3, 4]]), r"has the shape \[1, 4\], not"),
        (_tensor(data=[[1, 2], [3]]), "data is not INT32"),
        (_tensor(data=[1, 2, 3, 4.5]), "data is not INT32"),
        (_tensor(data=[1, 2, 3, 2**31]), "data is not INT32"),
        (_tensor(data=[1, 2, 3, 2**70]), "data is not INT32"),
        (_tensor(data=[1, 2, 3, None]), "data is not INT32"),
        (_tensor(data=["1", "2", "3", "4"]), "data is not INT32"),
        (_tensor(datatype="UINT8", data=[1, 2, 3, -1]), "data is not UINT8"),
        (_tensor(datatype="BOOL"), "data is not BOOL"),
        (_tensor(datatype="FP16", data=[1, 2, 3, 1e5]), "data is not FP16"),
        (_tensor(datatype="BYTES", data=["a", "b", "c", 4]), "data is not BYTES"),
        (_tensor(datatype="BYTES", data=[["a", "b"], ["c"]]), "data is not BYTES"),
        (_tensor(datatype="BYTES", data=_nested("a", 60), shape=[1]), "data is not BYTES"),
        (_tensor(data=[], shape=[0, 10**30]), "no array has this shape"),
        (_tensor(data=[], shape=[0, 2**62, 2**62]), "no array has this shape"),
    ],
)
def test_what_does_not_fit_is_refused(tensor: Any, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        decode(tensor)


SHAPES = st.lists(st.integers(0, 3), max_size=3)


@given(st.sampled_from(["int8", "uint64", "float32", "float64", "bool"]), SHAPES, st.randoms())
def test_what_is_encoded_is_decoded(dtype: str, shape: list[int], random: Any) -> None:
    array = np.array([random.randint(0, 1) for _ in range(int(np.prod(shape)))], dtype)
    array = array.reshape(shape)
    again = decode(json.loads(json.dumps(encode("y", array))))
    assert again.dtype == array.dtype
    assert again.tolist() == array.tolist()


def test_an_answer_without_words_in_json() -> None:
    assert encode("y", np.array([1.0, np.nan, np.inf]))["data"] == [1.0, None, None]
    assert encode("y", np.array([b"a", "b", 3], object))["data"] == ["a", "b", "3"]
    assert encode("y", np.array(["a"]))["datatype"] == "BYTES"
    assert jsonable({"a": np.float64("nan"), "b": (np.int64(1),), 2: [float("inf")]}) == {
        "a": None,
        "b": [1],
        "2": [None],
    }


@pytest.mark.parametrize(
    ("body", "values", "columns"),
    [
        ({"instances": [[1], [2]]}, [[1], [2]], None),
        ({"inputs": {"a": [1]}}, {"a": [1]}, None),
        ({"dataframe_split": {"columns": ["a"], "data": [[1]], "index": [0]}}, [[1]], ("a",)),
        ({"dataframe_records": [{"a": 1, "b": 2}, {"b": 4, "a": 3}]}, [[1, 2], [3, 4]], ("a", "b")),
    ],
)
def test_forms_of_mlflows_protocol(body: Any, values: Any, columns: Any) -> None:
    found = parse(json.dumps(body).encode(), "Application/JSON; charset=UTF-8")
    assert (found.values, found.columns) == (values, columns)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is not JSON"),
        (b"\xff", "the body is not JSON"),
        (b"[" * 100_000, "the body is not JSON"),
        (b'{"inputs": NaN}', "NaN is not JSON"),
        (b'{"inputs": [1e999]}', "1e999 is not JSON"),
        (b'{"inputs": 1, "inputs": 2}', "a key is there twice"),
        (b"[]", "exactly one of"),
        (b"{}", "exactly one of"),
        (b'{"inputs": 1, "instances": 1}', "exactly one of"),
        (b'{"dataframe_split": []}', "dataframe_split is an object"),
        (b'{"dataframe_split": {"columns": [1], "data": []}}', "dataframe_split is an object"),
        (b'{"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}}', "not every row has 1"),
        (b'{"dataframe_records": []}', "a list of objects"),
        (b'{"dataframe_records": [{"a": 1}, {"b": 1}]}', "the same names"),
    ],
)
def test_what_is_no_such_form_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        parse(body, "application/json")


@pytest.mark.parametrize("kind", ["", "text/csv", "application/json; charset=latin-1"])
def test_other_types_are_not_read(kind: str) -> None:
    with pytest.raises(UnsupportedMedia, match="takes application/json"):
        parse(b"{}", kind)
