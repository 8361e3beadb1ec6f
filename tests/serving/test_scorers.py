"""Models of every kind behind one face, with MLflow's own answers beside them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from gitreg.errors import InvalidRequest
from gitreg.serving.loaders import mlflow_pyfunc, onnx_file
from gitreg.serving.plain import UnsupportedMedia
from gitreg.serving.scorers import ObjectScorer, Scorer, scorer
from tests.support.models import mlflow_model, onnx_model

JSON = "application/json"


@pytest.fixture(scope="module")
def pyfunc(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = mlflow_model(tmp_path_factory.mktemp("mlflow") / "model")
    return mlflow_pyfunc(trust=True)(folder)


@pytest.fixture(scope="module")
def onnx(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    return scorer(onnx_file()(onnx_model(tmp_path_factory.mktemp("onnx") / "model.onnx")))


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas and scikit-learn, in MLflow
        yield


def _invoke(one: Scorer, body: Any) -> Any:
    return json.loads(one.invoke(json.dumps(body).encode(), JSON).text)["predictions"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"dataframe_split": {"columns": ["age"], "data": [[0], [3]]}}', JSON),
        (b'{"dataframe_records": [{"age": 0.5}, {"age": 9.5}]}', JSON),
        (b'{"inputs": {"age": [0.5, 2.5]}}', "application/json; charset=utf-8"),
        (b'{"instances": [{"age": 0.5}]}', JSON),
        (b"age\n0.5\n2.5\n", "text/csv"),
    ],
)
def test_mlflow_answers_as_its_own_server_does(pyfunc: Any, body: bytes, kind: str) -> None:
    from mlflow.pyfunc import scoring_server

    theirs = scoring_server.invocations(body, kind, pyfunc, pyfunc.metadata.get_input_schema())
    assert theirs.status == 200
    assert scorer(pyfunc).invoke(body, kind).text == theirs.response


@pytest.mark.parametrize(
    ("body", "kind", "error", "message"),
    [
        (b"{}", JSON, InvalidRequest, "exactly one of the input fields"),
        (b"nonsense", JSON, InvalidRequest, "valid JSON"),
        (b'{"inputs": {"size": [1]}}', JSON, InvalidRequest, "missing inputs"),
        (b"<xml/>", "text/xml", UnsupportedMedia, "only supports the following content types"),
        (b"{}", "application/json; charset=latin-1", UnsupportedMedia, "only supports UTF-8"),
    ],
)
def test_mlflows_refusals_without_its_traceback(
    pyfunc: Any, body: bytes, kind: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as refused:
        scorer(pyfunc).invoke(body, kind)
    assert "Traceback" not in str(refused.value)
    assert "site-packages" not in str(refused.value)


def test_what_an_mlflow_model_raises_is_its_failure(pyfunc: Any) -> None:
    class Broken:
        metadata = pyfunc.metadata

        def predict(self, data: Any, params: Any = None) -> Any:
            raise ZeroDivisionError

    Broken.__module__ = "mlflow.pyfunc"
    with pytest.raises(ZeroDivisionError):
        scorer(Broken()).invoke(b'{"inputs": {"age": [1]}}', JSON)
    with pytest.raises(ZeroDivisionError):
        scorer(Broken()).infer({"age": np.array([1.0])})


def test_tensors_become_the_columns_of_an_mlflow_model(pyfunc: Any) -> None:
    one = scorer(pyfunc)
    assert [spec.as_json() for spec in one.inputs] == [
        {"name": "age", "datatype": "FP64", "shape": [-1]}
    ]
    for tensors in (
        {"age": np.array([0.0, 3.0])},
        {"age": np.array([[0.0], [3.0]])},
        {"rows": np.array([[0.0], [3.0]])},
    ):
        (found,) = one.infer(tensors).values()
        assert found.tolist() == [0, 1]
    with pytest.raises(InvalidRequest, match="missing inputs"):
        one.infer({"size": np.array([0.0])})


def test_an_onnx_model_answers_both_protocols(onnx: Scorer) -> None:
    rows = [[1, 1], [1, 1], [1, 1]]
    assert [spec.as_json() for spec in [*onnx.inputs, *onnx.outputs]] == [
        {"name": "X", "datatype": "FP32", "shape": [3, 2]},
        {"name": "Y", "datatype": "FP32", "shape": [3, 2]},
    ]
    assert onnx.infer({"X": np.ones((3, 2), np.float32)})["Y"].tolist() == [[1, 2], [3, 4], [5, 6]]
    for body in ({"inputs": rows}, {"instances": rows}, {"inputs": {"X": rows}}):
        assert _invoke(onnx, body) == [[1, 2], [3, 4], [5, 6]]
    split = {"dataframe_split": {"columns": ["a", "b"], "data": rows}}
    assert _invoke(onnx, split) == [[1, 2], [3, 4], [5, 6]]


def test_what_an_onnx_model_does_not_take(onnx: Scorer) -> None:
    for tensors, message in (
        ({"Z": np.ones(1)}, "no input 'Z': expected X"),
        ({"X": np.ones((3, 2))}, "input X: expected FP32, not FP64"),
        ({"X": np.ones((2, 2), np.float32)}, r"expected the shape \[3, 2\], not \[2, 2\]"),
        ({}, "missing inputs: X"),
    ):
        with pytest.raises(InvalidRequest, match=message):
            onnx.infer(tensors)
    for body in ({"inputs": [["a"]]}, {"inputs": [[1], [1, 2]]}):
        with pytest.raises(InvalidRequest, match="input X: not numbers of one shape"):
            _invoke(onnx, body)


def test_a_model_of_scikit_learn_gets_what_it_was_trained_on() -> None:
    import pandas as pd
    from sklearn.tree import DecisionTreeClassifier

    frame = pd.DataFrame({"age": [1.0, 2.0], "size": [1.0, 2.0]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of columns without names, and names without columns
        for model in (
            DecisionTreeClassifier().fit(frame, ["no", "yes"]),
            DecisionTreeClassifier().fit(frame.to_numpy(), ["no", "yes"]),
        ):
            one = scorer(model)
            assert one.inputs[0].shape == (-1, 2)
            assert _invoke(one, {"instances": [[1, 1], [9, 9]]}) == ["no", "yes"]
            (found,) = one.infer({"rows": np.array([[1.0, 1.0]])}).values()
            assert found.tolist() == ["no"]
    named = scorer(DecisionTreeClassifier().fit(frame, [0, 1]))
    split = {"dataframe_split": {"columns": ["age", "size"], "data": [[9, 9]]}}
    assert _invoke(named, split) == [1]
    columns = {"age": np.array([1.0, 9.0]), "size": np.array([[1.0], [9.0]])}
    assert named.infer(columns)["predictions"].tolist() == [0, 1]
    with pytest.raises(InvalidRequest, match="not have equally many rows"):
        named.infer({"age": np.array([1.0]), "size": np.array(1.0)})


def test_a_function_is_a_model_and_tensors_alone_are_none() -> None:
    import pandas as pd

    assert _invoke(scorer(lambda rows: rows * 2), {"instances": [[1, 2]]}) == [[2, 4]]
    assert _invoke(scorer(lambda by: {"n": by["a"].sum()}), {"inputs": {"a": [1, 2]}}) == {"n": 3}
    table = ObjectScorer(lambda rows: pd.DataFrame({"p": rows[:, 0]}))
    assert _invoke(table, {"inputs": [[1], [2]]}) == [{"p": 1}, {"p": 2}]
    assert table.infer({"x": np.array([[5]])})["p"].tolist() == [5]
    both = ObjectScorer(lambda rows: {"a": rows, "b": [1]})
    assert set(both.infer({"x": np.array([[5]])})) == {"a", "b"}
    with pytest.raises(InvalidRequest, match="a dict cannot predict") as refused:
        scorer({"w": np.ones(1)})
    assert "--load module:function" in str(refused.value.hint)
    with pytest.raises(InvalidRequest, match="not all of one length"):
        _invoke(table, {"inputs": [[1], [1, 2]]})
