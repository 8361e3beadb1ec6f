"""Small real models of the formats that can be served."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path


def onnx_model(path: Path) -> Path:
    """Write an ONNX model: X, three rows of two, times the numbers one to six; its answer is Y."""
    from onnxruntime.datasets import get_example

    path.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copyfile(get_example("mul_1.onnx"), path))


def mlflow_model(folder: Path, threshold: float = 1.5) -> Path:
    """Write an MLflow folder of a classifier of scikit-learn: 1 above the threshold, else 0.

    It has one column, ``age``, and a signature that says so.
    """
    import mlflow
    import numpy as np
    import pandas as pd
    from mlflow.models import infer_signature
    from sklearn.tree import DecisionTreeClassifier

    frame = pd.DataFrame({"age": [threshold - 0.5, threshold + 0.5]})
    model = DecisionTreeClassifier().fit(frame, np.array([0, 1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.sklearn.save_model(
            model,
            str(folder),
            signature=infer_signature(frame, model.predict(frame)),
            serialization_format="cloudpickle",
            pip_requirements=["scikit-learn"],
        )
    return folder
