"""examples/serving: what Kubernetes, Compose, Argo CD and KServe make of its files."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from fastapi.testclient import TestClient

from gitreg import Registry
from tests.conftest import git
from tests.support.clones import commit
from tests.support.servers.ready import lacking

EXAMPLE = Path(__file__).parents[2] / "examples" / "serving"
POLICY = """\
format: 1
stages:
  production:
    holds: 1
    replaced: archived
    renders:
    - {to: 'deploy/rendered/{model}/{stage}/model.env', as: env}
    - {to: 'deploy/rendered/{model}/{stage}/values.yaml', as: values}
    - {to: 'deploy/rendered/{model}/{stage}/kustomization.yaml', as: kustomize}
  archived: {}
"""
RENDERED = "deploy/rendered/churn-predictor/production"


def output(*command: str, folder: Path) -> str:
    """Return what a program prints; a test is skipped where it is not installed."""
    if shutil.which(command[0]) is None:
        lacking(f"{command[0]} is not installed")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def work(stocked: Path) -> Path:
    """A registry with the example as its folder ``deploy``, and a version in production."""
    shutil.copytree(EXAMPLE, stocked / "deploy")
    git(stocked, "add", "deploy")
    commit(stocked, {"registry/policy.yaml": POLICY}, "deploy")
    with Registry(stocked) as registry:
        registry.rename_model("churn", "churn-predictor")
    return stocked


def built(work: Path) -> dict[str, Any]:
    """Return what Kustomize builds, kind to object; each is valid for Kubernetes."""
    if '"gitVersion": "v1.20.' in output("kubectl", "version", "--client", "-ojson", folder=work):
        # Debian 12's: folders have a list of their own there.
        overlay = work / "deploy/kubernetes/production/kustomization.yaml"
        overlay.write_text(overlay.read_text().replace("resources:", "bases:"))
    text = output("kubectl", "kustomize", "deploy/kubernetes/production", folder=work)
    found = [entry for entry in yaml.safe_load_all(text) if entry]
    for entry in found:
        kubernetes_validate.validate(entry, "1.30", strict=True)
    kinds = [entry["kind"] for entry in found]
    assert sorted(kinds) == ["ConfigMap", "ConfigMap", "Deployment", "Service"]
    maps = {
        re.sub("-[a-z0-9]{10}$", "", entry["metadata"]["name"]): entry
        for entry in found
        if entry["kind"] == "ConfigMap"
    }
    return {entry["kind"]: entry for entry in found} | maps


def test_a_promotion_is_a_rollout(work: Path) -> None:
    before = built(work)
    assert before["gitreg-model"]["data"]["GITREG_URI"] == "models:/churn-predictor/2"
    with Registry(work) as registry:
        registry.promote("churn-predictor@3", stage="production")
    after = built(work)
    assert after["gitreg-model"]["data"]["GITREG_VERSION"] == "3"
    templates = [one["Deployment"]["spec"]["template"]["spec"] for one in (before, after)]
    for found, template in zip((before, after), templates, strict=True):
        name = found["gitreg-model"]["metadata"]["name"]
        pods = [*template["initContainers"], *template["containers"]]
        assert [name in str(pod["envFrom"]) for pod in pods] == [True, True]
    assert templates[0] != templates[1]
    git(work, "revert", "--no-edit", "HEAD")
    assert built(work)["Deployment"] == before["Deployment"]


def test_the_pods_are_confined(work: Path) -> None:
    template = built(work)["Deployment"]["spec"]["template"]["spec"]
    assert template["securityContext"]["runAsNonRoot"]
    assert not template["automountServiceAccountToken"]
    assert [volume["name"] for volume in template["volumes"]] == ["models"]
    for pod in (*template["initContainers"], *template["containers"]):
        context = pod["securityContext"]
        assert context["readOnlyRootFilesystem"]
        assert not context["allowPrivilegeEscalation"]
        assert [mount["mountPath"] for mount in pod["volumeMounts"]] == ["/models"]
    [service] = template["containers"]
    assert service["readinessProbe"]["httpGet"]["path"] == "/health/ready"


def test_compose_takes_the_rendered_file(work: Path) -> None:
    folder = work / "deploy"
    given = ("--env-file", "rendered/churn-predictor/production/model.env")
    for options, uri in ((given, "models:/churn-predictor/2"), ((), "churn-predictor/production")):
        text = output("docker-compose", *options, "config", folder=folder)
        service = yaml.safe_load(text)["services"]["churn"]
        assert service["environment"]["GITREG_URI"] == uri
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert len(service["volumes"]) == 1


def test_argo_cd_reads_what_is_rendered(work: Path) -> None:
    applications = yaml.safe_load((EXAMPLE / "argocd/applicationset.yaml").read_text())
    spec = applications["spec"]
    [generator] = spec["generators"]
    [files] = generator["git"]["files"]
    [found] = work.glob(files["path"])
    values = yaml.safe_load(found.read_text())

    def filled(text: str) -> str:
        """Return a Go template of plain fields, filled in; an unknown field raises."""
        return re.sub(
            r"\{\{\.(\w+)\.(\w+)\}\}", lambda match: str(values[match[1]][match[2]]), text
        )

    template = spec["template"]
    assert filled(template["metadata"]["name"]) == "churn-predictor-production"
    assert (work / filled(template["spec"]["source"]["path"]) / "kustomization.yaml").is_file()
    namespace = filled(template["spec"]["destination"]["namespace"])
    assert namespace == built(work)["Deployment"]["metadata"]["namespace"]
    assert spec["goTemplateOptions"] == ["missingkey=error"]
    with Registry(work) as registry:
        registry.archive("churn-predictor@2")
    assert list(work.glob(files["path"])) == []


def test_what_kserve_gets_is_of_its_kind() -> None:
    storage = yaml.safe_load((EXAMPLE / "kserve/storage-container.yaml").read_text())
    assert (storage["apiVersion"], storage["kind"]) == (
        "serving.kserve.io/v1alpha1",
        "ClusterStorageContainer",
    )
    spec = storage["spec"]
    assert set(spec) == {"container", "supportedUriFormats", "workloadType"}
    assert spec["container"]["name"] == "storage-initializer"  # or KServe starts its own beside it
    pod = {"containers": [spec["container"]]}
    kubernetes_validate.validate(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": pod},
        "1.30",
        strict=True,
    )
    [uris] = spec["supportedUriFormats"]
    service = yaml.safe_load((EXAMPLE / "kserve/inference-service.yaml").read_text())
    uri = service["spec"]["predictor"]["model"]["storageUri"]
    assert uri.startswith(uris["prefix"])


@pytest.fixture(name="initialise")
def _initialise(shared: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """A function that runs the entry point of KServe's image, as KServe does."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        variables.setdefault("GITREG_REPOSITORY", f"file://{shared / 'work'}")
        return subprocess.run(
            [sys.executable, EXAMPLE / "kserve/entrypoint.py", *arguments],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_kserve_gets_verified_files(initialise: Any, shared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mnt" / "models"
    done = initialise("gitreg://churn/production", str(folder))
    assert (done.returncode, done.stdout) == (0, f"churn@2 is in {folder}\n"), done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["features.json", "model.pkl"]
    assert (folder / "model.pkl").read_text() == "weights 2"
    done = initialise("gitreg://churn@1", str(tmp_path / "one"))
    assert (tmp_path / "one/model.pkl").read_text() == "weights 1", done.stderr


@pytest.mark.parametrize(
    ("uri", "code", "said"),
    [
        ("gitreg://nobody/production", 2, "no model 'nobody'"),
        ("gitreg://churn/staging", 2, "staging"),
        ("s3://bucket/model", 2, "expected gitreg://MODEL/STAGE"),
        ("gitreg://", 2, "expected gitreg://MODEL/STAGE"),
        ("gitreg://churn/../../etc", 2, ""),
    ],
)
def test_kserve_is_told_why_there_is_no_model(
    initialise: Any, tmp_path: Path, uri: str, code: int, said: str
) -> None:
    folder = tmp_path / "models"
    done = initialise(uri, str(folder))
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not folder.exists() or list(folder.iterdir()) == []


def test_kserve_is_told_what_is_not_set(initialise: Any, tmp_path: Path) -> None:
    done = initialise("gitreg://churn/production", str(tmp_path), GITREG_REPOSITORY="")
    assert (done.returncode, done.stderr) == (
        2,
        "GITREG_REPOSITORY is not set: it is the registry's URL\n",
    )
    assert initialise("gitreg://churn/production").returncode == 2


def trained(folder: Path, columns: list[str]) -> Path:
    """Write a model as the pipeline of ``examples/churn`` does."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit([[0.0] * len(columns), [1.0] * len(columns)], [0, 1])
    folder.mkdir(exist_ok=True)
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    (folder / "features.json").write_text(json.dumps({"features": columns, "threshold": 0.5}))
    return folder


def test_the_service_follows_production(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Registry(folder) as registry:
        for columns in (["radius"], ["radius", "texture"]):
            registry.register("churn-predictor", trained(tmp_path / "model", columns))
        (tmp_path / "model/model.pkl").write_text("no pickle")
        registry.register("churn-predictor", tmp_path / "model")
        registry.promote("churn-predictor@1", stage="production")
    monkeypatch.setenv("GITREG_REPOSITORY", str(folder))
    monkeypatch.setenv("POLL", "3600")  # this test says when it looks
    found = importlib.util.spec_from_file_location("served_app", EXAMPLE / "app.py")
    assert found is not None
    assert found.loader is not None
    service = importlib.util.module_from_spec(found)
    monkeypatch.setitem(sys.modules, "served_app", service)
    found.loader.exec_module(service)
    with TestClient(service.app) as client:

        def answer(**row: float) -> Any:
            return client.post("/predict", json={"rows": [row]}).json()

        first = answer(radius=1.0, unknown=7.0)
        assert (first["version"], first["predictions"]) == ("churn-predictor@1", [True])
        for number in (2, 3):
            with Registry(folder) as registry:
                registry.promote(f"churn-predictor@{number}", stage="production")
            service.live.refresh()
            assert answer(radius=0.0, texture=0.0)["version"] == "churn-predictor@2"
        assert answer(radius=1.0)["detail"] == "a row lacks the column 'texture'"
        assert client.get("/version").json()["failed"]["version"] == 3
        assert client.get("/health/ready").status_code == 200
        with Registry(folder) as registry:
            registry.rollback("churn-predictor", to=1)
        service.live.refresh()
        assert answer(radius=0.0)["predictions"] == [False]
        assert client.get("/version").json()["failed"] is None
        assert client.post("/predict", json={"rows": []}).status_code == 422
        assert client.post("/predict", json={"rows": [{"radius": "x"}]}).status_code == 422


def test_the_image_has_no_root_and_one_volume() -> None:
    lines = (EXAMPLE / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("USER")] == ["USER 10001"]
    assert [line for line in lines if line.startswith("VOLUME")] == ["VOLUME /models"]
    assert "HOME=/models TMPDIR=/models" in "".join(lines)
    entry = (EXAMPLE / "kserve/Dockerfile").read_text()
    assert "USER 10001" in entry
