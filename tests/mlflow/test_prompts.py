"""MLflow's prompt registry on a Git registry, through its own public functions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking.client import MlflowClient

from gitreg import Registry
from gitreg.mlflow.store import GitregStore
from tests.conftest import git, write_model


@pytest.fixture
def client(folder: Path, tmp_path: Path) -> Iterator[MlflowClient]:
    """MLflow as it is set for the whole process, on the registry."""
    tracking = f"sqlite:///{tmp_path / 'tracking.db'}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_REGISTRY_URI", f"gitreg://{folder}")
        patch.setenv("MLFLOW_TRACKING_URI", tracking)
        yield MlflowClient()


def test_prompts_are_registered_found_and_loaded(client: MlflowClient, folder: Path) -> None:
    first = mlflow.genai.register_prompt(
        "greeting", "Hello {{name}}", commit_message="first", tags={"task": "greet"}
    )
    second = mlflow.genai.register_prompt(
        "greeting", [{"role": "user", "content": "Hi {{name}}"}], commit_message="a chat"
    )
    assert (first.version, second.version) == (1, 2)
    mlflow.genai.set_prompt_alias("greeting", "live", 1)
    loaded = mlflow.genai.load_prompt("prompts:/greeting@live")
    assert loaded is not None
    assert loaded.format(name="Ada") == "Hello Ada"
    assert mlflow.genai.load_prompt("greeting", version=2).template == second.template
    assert [prompt.name for prompt in mlflow.genai.search_prompts()] == ["greeting"]
    mlflow.genai.delete_prompt_alias("greeting", "live")
    mlflow.genai.set_prompt_tag("greeting", "owner", "ada")
    assert mlflow.genai.get_prompt_tags("greeting")["owner"] == "ada"
    with Registry(folder) as registry:
        artifact = registry.pull("greeting@1", folder.parent)
        assert (artifact.name, artifact.read_text()) == ("model.prompt", "Hello {{name}}")
        assert registry.show("greeting@1").description == "first"
    assert "register greeting@2" in git(folder, "log", "--format=%s")


def test_prompts_and_models_do_not_mix(client: MlflowClient, folder: Path) -> None:
    mlflow.genai.register_prompt("greeting", "Hello")
    client.create_registered_model("churn")
    client.create_model_version("churn", str(write_model(folder.parent)))
    assert [model.name for model in client.search_registered_models()] == ["churn"]
    assert [mv.name for mv in client.search_model_versions()] == ["churn"]
    with pytest.raises(MlflowException, match="existing model"):
        mlflow.genai.register_prompt("churn", "Hello")
    with pytest.raises(MlflowException) as raised:
        client.create_registered_model("greeting")
    assert raised.value.error_code == "RESOURCE_ALREADY_EXISTS"
    store = GitregStore(f"gitreg://{folder}")
    assert [p.version for p in store.search_prompt_versions("greeting")] == [1]
    client.delete_prompt_version("greeting", "1")
    client.delete_prompt("greeting")
    assert [prompt.name for prompt in mlflow.genai.search_prompts()] == []
    store.close()
