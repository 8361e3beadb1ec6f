"""The run that made an MLflow model folder, read from its `MLmodel` file."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg.artifacts.mlmodel import mlflow_run
from gitreg.core.model.model import Run
from gitreg.errors import InvalidDocument
from tests.artifacts.dvc_files import write

RUN = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"


def model(folder: Path, text: str) -> Path:
    return write(folder, {"MLmodel": text})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"run_id: {RUN}\nflavors: {{sklearn: {{pickled_model: model.pkl}}}}\n", Run(RUN)),
        ("run_id: 12345678901234567890123456789e12\n", Run("12345678901234567890123456789e12")),
        ("run_id: 01234567890123456789012345678901\n", Run("01234567890123456789012345678901")),
        (f"utc_time_created: '2026-11-22 20:25:06.1'\nrun_id: '{RUN}'\n", Run(RUN)),
        ("run_id: null\n", None),
        ("run_id:\n", None),
        ("flavors: {}\n", None),
    ],
)
def test_the_run_of_an_mlflow_model(tmp_path: Path, text: str, expected: Run | None) -> None:
    assert mlflow_run(model(tmp_path, text)) == expected


def test_what_is_no_mlflow_model(tmp_path: Path) -> None:
    assert mlflow_run(tmp_path) is None
    assert mlflow_run(write(tmp_path, {"model.pkl": "x"}) / "model.pkl") is None
    (tmp_path / "folder" / "MLmodel").mkdir(parents=True)
    assert mlflow_run(tmp_path / "folder") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("run_id: [", r"MLmodel: line 1: not YAML: "),
        ("run_id: [a]", "MLmodel: not YAML: run_id: expected text"),
        ("- run_id", "MLmodel: not YAML: expected a mapping"),
        ("", "MLmodel: not YAML: expected a mapping"),
        ("run_id: ../../x", r"MLmodel: run_id: '../../x' is not the id of a run"),
        ("run_id: ''", "MLmodel: run_id: '' is not the id of a run"),
        ("a: " + "[" * 1000, "MLmodel: nested too deep"),
        ("a: " + "x" * 1024 * 1024, "MLmodel: larger than 1,024 KiB"),
    ],
)
def test_a_broken_mlflow_model(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidDocument, match=said):
        mlflow_run(model(tmp_path, text))
