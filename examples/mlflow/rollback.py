"""Roll back: move the version that was in Production before back to Production.

    python rollback.py

The script picks the newest archived version that is older than the one in Production, as MLflow's
users do by hand. (`gitreg rollback` reads history instead, which knows what was in Production.)
"""

import sys

from mlflow import MlflowClient

MODEL = "churn-predictor"


def main() -> None:
    """Move the earlier version back to Production, and point the alias at it."""
    client = MlflowClient()
    bad = client.get_latest_versions(MODEL, stages=["Production"])
    if not bad:
        sys.exit("nothing is in Production")
    earlier = [
        version
        for version in client.search_model_versions(f"name = '{MODEL}'")
        if version.current_stage == "Archived" and int(version.version) < int(bad[0].version)
    ]
    if not earlier:
        sys.exit("there is no earlier version to go back to")
    good = max(earlier, key=lambda version: int(version.version))
    client.transition_model_version_stage(
        MODEL, good.version, stage="Production", archive_existing_versions=True
    )
    client.set_registered_model_alias(MODEL, "champion", good.version)
    client.set_model_version_tag(MODEL, bad[0].version, "rolled_back", "true")
    print(f"version {good.version} serves again instead of {bad[0].version}")


if __name__ == "__main__":
    main()
