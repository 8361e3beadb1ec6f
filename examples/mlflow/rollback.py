"""The rollback procedure: the version that was in Production before goes back there.

    python rollback.py

The newest version in Archived that is older than the one in Production serves again, as MLflow's
users do it by hand. (`gitreg rollback` asks history instead, which knows what truly served.)
"""

import sys

from mlflow import MlflowClient

MODEL = "churn-predictor"


def main() -> None:
    """Bring the earlier version back, and let the alias follow."""
    client = MlflowClient()
    bad = client.get_latest_versions(MODEL, stages=["Production"])
    if not bad:
        sys.exit("nothing is in Production")
    served = [
        version
        for version in client.search_model_versions(f"name = '{MODEL}'")
        if version.current_stage == "Archived" and int(version.version) < int(bad[0].version)
    ]
    if not served:
        sys.exit("there is no earlier version to go back to")
    good = max(served, key=lambda version: int(version.version))
    client.transition_model_version_stage(
        MODEL, good.version, stage="Production", archive_existing_versions=True
    )
    client.set_registered_model_alias(MODEL, "champion", good.version)
    client.set_model_version_tag(MODEL, bad[0].version, "rolled_back", "true")
    print(f"version {good.version} serves again instead of {bad[0].version}")


if __name__ == "__main__":
    main()
