"""Move a version to Staging, compare it with Production, and promote or archive it.

    python promote.py VERSION [--metric roc_auc]

A CI job runs this after training. If the version in Production is at least as good, the script
archives the candidate and exits with 1.
"""

import argparse
import sys

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

MODEL = "churn-predictor"


def score_of(client: MlflowClient, version: ModelVersion, metric: str) -> float:
    """Return a metric of the run that produced a version."""
    assert version.run_id is not None
    return float(client.get_run(version.run_id).data.metrics[metric])


def main() -> None:
    """Promote the version if it is better than the one in Production."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("version", help="the registered version")
    parser.add_argument("--metric", default="roc_auc", help="the deciding metric; higher is better")
    options = parser.parse_args()

    client = MlflowClient()
    candidate = client.transition_model_version_stage(MODEL, options.version, stage="Staging")
    score = score_of(client, candidate, options.metric)

    serving = client.get_latest_versions(MODEL, stages=["Production"])
    if serving:
        incumbent = score_of(client, serving[0], options.metric)
        print(f"{options.metric}: {score:.4f}, version {serving[0].version} has {incumbent:.4f}")
        if score <= incumbent:
            client.transition_model_version_stage(MODEL, options.version, stage="Archived")
            sys.exit(f"version {options.version} is not better: archived")

    client.transition_model_version_stage(
        MODEL, options.version, stage="Production", archive_existing_versions=True
    )
    client.set_registered_model_alias(MODEL, "champion", options.version)
    print(f"version {options.version} is in Production, and @champion")


if __name__ == "__main__":
    main()
