"""Aliases that are called like stages, as in MLflow's own examples: `models:/churn@production`."""

from __future__ import annotations

from pathlib import Path

from gitreg import Registry
from gitreg.mlflow.store import GitregStore
from tests.conftest import git, write_model
from tests.support.commands import gitreg


def tags(folder: Path) -> list[str]:
    return git(folder, "tag", "--list", "*#*").split()


def test_an_alias_and_a_stage_of_one_name(folder: Path) -> None:
    store = GitregStore(f"gitreg://{folder}")
    store.create_registered_model("churn")
    for text in ("one", "two"):
        store.create_model_version("churn", str(write_model(folder.parent, text)))
    store.set_registered_model_alias("churn", "production", 1)
    store.set_registered_model_alias("churn", "Staging", 1)
    assert tags(folder) == []
    store.transition_model_version_stage("churn", 2, "Production", archive_existing_versions=True)
    store.set_registered_model_alias("churn", "champion", 2)
    store.set_registered_model_alias("churn", "Staging", 2)

    assert store.get_model_version_by_alias("churn", "production").version == 1
    assert store.get_model_version_by_alias("churn", "Staging").version == 2
    assert [mv.version for mv in store.get_latest_versions("churn", ["Production"])] == [2]
    both = ["churn#champion#2", "churn#production#1"]
    assert tags(folder) == both
    target = "churn#production#1^{commit}", "churn@v2.0.0^{commit}"
    assert len(set(git(folder, "rev-parse", *target).split())) == 1
    store.delete_registered_model_alias("churn", "production")
    assert tags(folder) == both
    store.set_registered_model_alias("churn", "production", 1)
    store.rename_registered_model("churn", "leaver")
    aliases = store.get_registered_model("leaver").aliases
    assert aliases == {"Staging": 2, "champion": 2, "production": 1}
    store.close()

    with Registry(folder) as registry:
        assert registry.resolve("leaver@production").version == 1
        assert registry.resolve("leaver#production").version == 2
    for text, number in (("leaver@production", 1), ("leaver/Production", 2), ("leaver@Staging", 2)):
        assert gitreg("resolve", text, "--repo", str(folder)).out.strip() == f"leaver@{number}"
    assert gitreg("check", "--history", "--repo", str(folder)).code == 0
    before = git(folder, "show-ref", "--tags")
    names = [line.partition("refs/tags/")[2] for line in before.splitlines()]
    git(folder, "tag", "--delete", *names)
    gitreg("tags", "sync", "--repo", str(folder))
    assert git(folder, "show-ref", "--tags") == before
