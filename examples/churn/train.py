"""Train on `data/train.csv`, evaluate on `data/test.csv`: the second stage of the pipeline.

It writes the model as a folder, `models/churn`, with `model.pkl` and `features.json`, which lists
the expected columns. The same data, parameters and libraries give the same bytes.
"""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ruamel.yaml import YAML
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, precision_score, recall_score, roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

THRESHOLD = 0.5

Values = NDArray[np.float64]


def read(path: Path) -> tuple[list[str], Values, Values]:
    """Return the columns, rows and answers of a CSV file from `prepare.py`."""
    with path.open() as file:
        columns = file.readline().strip().split(",")
        values = np.loadtxt(file, delimiter=",")
    return columns[:-1], values[:, :-1], values[:, -1]


def choose(columns: list[str], groups: list[str]) -> list[str]:
    """Return the columns of these groups; `worst radius` is in the group `worst`."""
    return [column for column in columns if not set(groups).isdisjoint(column.split())]


def evaluate(answers: Values, scores: Values) -> dict[str, float]:
    """Return the metrics, rounded so that they are the same on every platform."""
    predicted = scores >= THRESHOLD
    metrics = {
        "roc_auc": roc_auc_score(answers, scores),
        "recall": recall_score(answers, predicted),
        "precision": precision_score(answers, predicted, zero_division=0.0),
        "log_loss": log_loss(answers, scores),
    }
    return {name: round(float(value), 4) for name, value in metrics.items()}


def save(model: Pipeline, features: list[str], folder: Path) -> None:
    """Write the files that `predict.py` needs."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.pkl").write_bytes(pickle.dumps(model, protocol=5))
    description = {"features": features, "threshold": THRESHOLD}
    (folder / "features.json").write_text(json.dumps(description, indent=2) + "\n")


def main() -> None:
    """Run the stage, in the working folder."""
    params: dict[str, Any] = YAML(typ="safe").load(Path("params.yaml"))["train"]
    columns, rows, answers = read(Path("data/train.csv"))
    features = choose(columns, params["features"])
    chosen = [columns.index(feature) for feature in features]

    model = make_pipeline(StandardScaler(), LogisticRegression(C=params["C"], max_iter=1000))
    model.fit(rows[:, chosen], answers)

    _, test_rows, test_answers = read(Path("data/test.csv"))
    metrics = evaluate(test_answers, model.predict_proba(test_rows[:, chosen])[:, 1])
    save(model, features, Path("models/churn"))
    Path("metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    print(f"{len(features)} features:", ", ".join(f"{k} {v}" for k, v in metrics.items()))


if __name__ == "__main__":
    main()
