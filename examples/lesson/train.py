"""Make the mess that the quick start cleans up: three pickle files in a folder.

    python train.py [FOLDER]

Each file is a scikit-learn model, trained on the data that `examples/churn` describes. Beside it
lies a JSON file with its metrics. The same libraries give the same bytes.
"""

import json
import pickle
import sys
from pathlib import Path
from typing import Any

from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, recall_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

MODELS: dict[str, tuple[Any, int]] = {
    "model_v1": (LogisticRegression(C=0.01), 10),
    "model_final": (DecisionTreeClassifier(max_depth=3, random_state=7), 30),
    "model_final_2": (LogisticRegression(C=0.1), 30),
}
"""A file's name to its model, and how many measurements the model sees."""


def main(folder: Path) -> None:
    """Train three models and write them into a folder."""
    data = load_breast_cancer()
    rows, held_out, answers, truth = train_test_split(
        data.data, 1 - data.target, test_size=0.4, random_state=7, stratify=data.target
    )
    folder.mkdir(parents=True, exist_ok=True)
    for name, (model, columns) in MODELS.items():
        pipeline = make_pipeline(StandardScaler(), model).fit(rows[:, :columns], answers)
        scores = pipeline.predict_proba(held_out[:, :columns])[:, 1]
        metrics = {
            "roc_auc": roc_auc_score(truth, scores),
            "recall": recall_score(truth, scores >= 0.5),
            "log_loss": log_loss(truth, scores),
        }
        rounded = {key: round(float(value), 4) for key, value in metrics.items()}
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(pipeline, protocol=5))
        (folder / f"{name}.json").write_text(json.dumps(rounded) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "models"))
