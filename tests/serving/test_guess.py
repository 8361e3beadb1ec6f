"""What is loaded when nobody says how."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg.errors import InvalidRequest, Refused
from gitreg.serving.guess import Scoring, chosen
from tests.support.models import mlflow_model, onnx_model


@pytest.mark.parametrize(
    ("files", "loader"),
    [
        (["model.onnx", "README.md"], "onnx_file('model.onnx')"),
        (["deep/model.joblib"], "joblib_file('deep/model.joblib')"),
        (["model.pkl"], "joblib_file('model.pkl')"),
        (["MLmodel", "model.pkl", "other.pkl"], "mlflow_pyfunc()"),
    ],
)
def test_what_is_in_the_folder_decides(tmp_path: Path, files: list[str], loader: str) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert repr(chosen(tmp_path)) == loader


def test_of_a_file_its_extension_decides(tmp_path: Path) -> None:
    assert repr(chosen(tmp_path / "model.onnx")) == "onnx_file()"
    assert repr(chosen(tmp_path / "model.joblib", trust=True)) == "joblib_file(trust=True)"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "or one file of onnx, joblib, pkl, pickle, safetensors, found none"),
        (["a.onnx", "b.onnx"], r"found several: a\.onnx, b\.onnx"),
        (["a.onnx", "b.pkl"], "found several"),
        (["w.safetensors"], r"w\.safetensors has tensors, and no code that predicts"),
    ],
)
def test_else_a_function_is_needed(tmp_path: Path, files: list[str], message: str) -> None:
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(InvalidRequest, match=message) as refused:
        chosen(tmp_path)
    assert "--load module:function" in str(refused.value.hint)


def test_what_was_chosen_is_said_and_answers(tmp_path: Path) -> None:
    told: list[str] = []
    found = Scoring(tell=told.append)(onnx_model(tmp_path / "model.onnx"))
    assert (found.platform, told) == ("onnx_onnxruntime", ["loaded by onnx_file()"])
    folder = mlflow_model(tmp_path / "model")
    with pytest.raises(Refused, match="to load it is to run code"):
        Scoring(tell=told.append)(folder)
    trusted = Scoring(trust=True, tell=told.append).under(lambda _: False)
    assert trusted(folder).platform == "mlflow_pyfunc"
    assert Scoring(lambda path: lambda _: path.name)(folder).platform == "python"
