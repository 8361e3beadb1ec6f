"""Train a churn model, log the run to MLflow, and register the model with tags.

    python train.py [--c 0.1] [--features mean error worst]

Nothing here depends on gitreg: `MLFLOW_REGISTRY_URI` gives the registry.
"""

import argparse

import mlflow
import mlflow.sklearn
import sklearn
from mlflow.models import infer_signature
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

MODEL = "churn-predictor"


def main() -> None:
    """Train, evaluate on held-out rows, log and register."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--c", type=float, default=0.1, help="inverse strength of the penalty")
    parser.add_argument("--features", nargs="+", default=["mean"], help="groups of columns")
    options = parser.parse_args()

    # A public data set stands in for customers; "churned" means that the tumour is malignant.
    rows, answers = load_breast_cancer(as_frame=True, return_X_y=True)
    chosen = [name for name in rows.columns if not set(options.features).isdisjoint(name.split())]
    parts = train_test_split(rows[chosen], answers, test_size=0.4, random_state=7, stratify=answers)
    train_rows, test_rows, train_answers, test_answers = parts

    mlflow.set_experiment("churn")
    with mlflow.start_run() as run:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=options.c, max_iter=1000))
        model.fit(train_rows, train_answers)
        scores = model.predict_proba(test_rows)[:, 1]
        mlflow.log_params({"C": options.c, "features": " ".join(options.features)})
        mlflow.log_metrics(
            {
                "roc_auc": float(roc_auc_score(test_answers, scores)),
                "recall": float(recall_score(test_answers, scores > 0.5)),
            }
        )
        mlflow.sklearn.log_model(
            model,
            name="model",
            signature=infer_signature(test_rows, model.predict(test_rows)),
            # Without this, MLflow loads the model in another process to find out.
            pip_requirements=[f"scikit-learn=={sklearn.__version__}"],
        )

    version = mlflow.register_model(
        model_uri=f"runs:/{run.info.run_id}/model",
        name=MODEL,
        tags={"training_dataset": "v2023-Q4", "trained_by": "nightly"},
    )
    print(f"registered {MODEL} version {version.version}")


if __name__ == "__main__":
    main()
