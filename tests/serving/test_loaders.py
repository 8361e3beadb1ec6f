"""Loaders, with real files of each format."""

from __future__ import annotations

import os
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from gitreg.core.model.model import Artifact, ModelVersion
from gitreg.core.policy import Policy
from gitreg.core.policy.gates import Formats, Gate, Lenient
from gitreg.core.policy.rules import StageRule
from gitreg.errors import GitregError, InvalidDocument, InvalidRequest, NotFound, Refused
from gitreg.serving.loaders import (
    Loader,
    allowed_by,
    inside,
    joblib_file,
    mlflow_flavour,
    mlflow_pyfunc,
    onnx_file,
    pickle_file,
    safetensors_file,
    under,
)
from tests.support.models import mlflow_model, onnx_model


class Marks:
    """Its pickle creates a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("make", [joblib_file, pickle_file])
def test_a_pickle_runs_nothing_without_trust(artifact: Path, make: Any) -> None:
    mark = artifact.parent / "mark"
    (artifact / "model.pkl").write_bytes(pickle.dumps(Marks(mark)))
    with pytest.raises(Refused, match=r"model\.pkl: to load it is to run code") as refused:
        make()(artifact)
    assert f"{make.__name__}(trust=True)" in str(refused.value.hint)
    assert "formats: {allowed: [" in str(refused.value.hint)
    assert not mark.exists()
    make(trust=True)(artifact)
    assert mark.exists()


def test_joblib_and_pickle_give_the_model(artifact: Path) -> None:
    import joblib

    joblib.dump({"weights": [1.0, 2.0]}, artifact / "model.joblib")
    (artifact / "model.pkl").write_bytes(pickle.dumps([3]))
    assert joblib_file("model.joblib", trust=True)(artifact) == {"weights": [1.0, 2.0]}
    assert joblib_file("churn.joblib", trust=True)(artifact / "model.joblib") == {
        "weights": [1.0, 2.0]
    }
    assert pickle_file(trust=True)(artifact) == [3]
    with pytest.raises(NotFound, match=r"found several: model\.joblib, model\.pkl") as several:
        joblib_file(trust=True)(artifact)
    assert several.value.hint == "joblib_file('PATH')"


def test_safetensors_and_onnx_need_no_trust(artifact: Path) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    save_file({"w": np.ones((2, 2), np.float32)}, artifact / "deep.safetensors")
    assert safetensors_file()(artifact)["w"].tolist() == [[1, 1], [1, 1]]
    onnx_model(artifact / "m.onnx")
    session = onnx_file("m.onnx")(artifact)
    (answer,) = session.run(None, {"X": np.ones((3, 2), np.float32)})
    assert answer.tolist() == [[1, 2], [3, 4], [5, 6]]


def test_mlflow_folders_need_trust(tmp_path: Path) -> None:
    import pandas as pd

    folder = mlflow_model(tmp_path / "model")
    for loader in (mlflow_pyfunc(), mlflow_flavour("sklearn")):
        with pytest.raises(Refused, match="model: to load it is to run code") as refused:
            loader(folder)
        assert "policy" not in str(refused.value.hint), "it cannot allow a folder's code"
    rows = pd.DataFrame({"age": [0.0, 3.0]})
    assert list(mlflow_pyfunc(trust=True)(folder).predict(rows)) == [0, 1]
    assert list(mlflow_flavour("sklearn", trust=True)(folder).predict(rows)) == [0, 1]


@pytest.mark.parametrize("path", ["../model.onnx", "/etc/passwd", "", "a/../../b", "a\\b", "a\0b"])
def test_a_path_stays_in_the_artifact(path: str) -> None:
    with pytest.raises(InvalidRequest, match="is not a path inside an artifact"):
        onnx_file(path)


def test_no_link_leads_out_of_the_artifact(artifact: Path) -> None:
    outside = artifact.parent / "secret.onnx"
    outside.write_text("secret")
    (artifact / "model.onnx").symlink_to(outside)
    for loader in (onnx_file(), onnx_file("model.onnx")):
        with pytest.raises(InvalidRequest, match=r"model\.onnx leads out of the artifact"):
            loader(artifact)
    (artifact / "folder").symlink_to(artifact.parent)
    with pytest.raises(InvalidRequest, match="leads out"):
        inside(artifact, "folder/secret.onnx")
    (artifact / "loop").symlink_to("loop")
    with pytest.raises(NotFound, match="has no file loop"):
        inside(artifact, "loop")


def test_what_is_not_there_or_does_not_load_is_said(artifact: Path) -> None:
    cases: list[tuple[Loader[Any], Path, type[GitregError], str]] = [
        (onnx_file(), artifact, NotFound, "expected one file of the format onnx .* found none"),
        (onnx_file("a.onnx"), artifact, NotFound, r"the artifact has no file a\.onnx"),
        (onnx_file(), artifact.parent / "model.pkl", NotFound, r"is the file model\.pkl, not a fi"),
        (onnx_file("m.onnx"), artifact.parent / "model.pkl", NotFound, r"not m\.onnx"),
    ]
    for loader, place, kind, message in cases:
        with pytest.raises(kind, match=message):
            loader(place)
    (artifact / "sub").mkdir()
    with pytest.raises(NotFound, match="sub is not a file"):
        inside(artifact, "sub")
    for name, loader in (
        ("b.onnx", onnx_file()),
        ("b.pkl", pickle_file(trust=True)),
        ("b.safetensors", safetensors_file()),
    ):
        (artifact / name).write_bytes(b"nonsense")
        with pytest.raises(InvalidDocument, match=f"{name} does not load: [A-Za-z]+: "):
            loader(artifact)
    (artifact / "b.pkl").write_bytes(b"cno_such_package\nThing\n.")
    with pytest.raises(InvalidRequest, match=r"b\.pkl needs the package no_such_package"):
        pickle_file(trust=True)(artifact)


def test_a_missing_package_is_named(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(__file__, artifact / "m.onnx")
    shutil.copy(__file__, artifact / "m.safetensors")
    for package, loader, install in (
        ("onnxruntime", onnx_file(), "pip install onnxruntime"),
        ("safetensors", safetensors_file(), "pip install safetensors"),
        ("mlflow", mlflow_pyfunc(trust=True), "pip install 'gitreg[mlflow]'"),
    ):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(InvalidRequest, match=f"needs {package}, which is not") as missing:
            loader(artifact)
        assert missing.value.hint == install


def _policy(*gates: Gate) -> Policy:
    return Policy({"staging": StageRule(), "production": StageRule(gates=gates)})


@pytest.mark.parametrize(
    ("gates", "stage", "may"),
    [
        ((Formats(allowed=("pkl", "json")),), "production", True),
        ((Lenient(Formats(allowed=("pkl",))),), "production", True),
        ((Formats(allowed=("pkl",)),), "staging", False),
        ((Formats(allowed=("pkl",)),), None, False),
        ((Formats(allowed=("pkl",)),), "unknown", False),
        ((Formats(allowed=("onnx",)),), "production", False),
        ((Formats(forbidden=("onnx",)),), "production", False),
        ((Formats(allowed=("pkl",)), Formats(forbidden=("pkl",))), "production", False),
        ((), "production", False),
    ],
)
def test_a_policy_allows_a_format_by_name(
    artifact: Path, gates: tuple[Gate, ...], stage: str | None, *, may: bool
) -> None:
    (artifact / "model.pkl").write_bytes(pickle.dumps(1))
    version = ModelVersion("m", 1, "", "", Artifact("model", 1, 1, ""), stage=stage)
    loader = under(pickle_file(), allowed_by(_policy(*gates), version))
    if may:
        assert loader(artifact) == 1
    else:
        with pytest.raises(Refused):
            loader(artifact)


def test_a_policy_allows_no_mlflow_folder_and_changes_no_plain_function(artifact: Path) -> None:
    version = ModelVersion("m", 1, "", "", Artifact("model", 1, 1, ""), stage="production")
    allowed = allowed_by(_policy(Formats(allowed=("pkl", "bin"))), version)
    with pytest.raises(Refused):
        under(mlflow_pyfunc(), allowed)(artifact.with_name("model.pkl"))
    (artifact / "x.bin").write_bytes(pickle.dumps(1))
    with pytest.raises(Refused):  # a pickle under the name of what the policy allows
        under(pickle_file("x.bin"), allowed)(artifact)
    assert under(str, allowed) is str


@pytest.mark.parametrize("name", ["../sklearn", "sklearn.x", "", "Sklearn"])
def test_a_flavour_is_a_name(name: str) -> None:
    with pytest.raises(InvalidRequest, match="is not a flavour of MLflow"):
        mlflow_flavour(name)
    with pytest.raises(InvalidRequest, match="is not a framework of safetensors"):
        safetensors_file(framework=name)
