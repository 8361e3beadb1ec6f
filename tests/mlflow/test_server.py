"""MLflow's own server over a registry: many clients at once, clients without gitreg, its pages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from gitreg import Registry
from gitreg.mlflow.ui import Settings, served
from tests.conftest import git, isolate
from tests.support.commands import gitreg
from tests.support.extent import extent
from tests.support.servers.browser import chromium

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

WORKERS = extent(2, 4)
"""Each imports all of MLflow, which takes it eight seconds of a processor."""
THREADS = 16
EACH = 3
PATIENCE = 60
ROUTE = "/api/2.0/mlflow-artifacts/artifacts"

TRAINED = """
import importlib.metadata, json, os, sys

sys.modules["gitreg"] = None  # as where it is not installed: its import fails,
known = importlib.metadata.entry_points
importlib.metadata.entry_points = lambda **which: [  # and nobody knows of it
    point for point in known(**which) if not point.value.startswith("gitreg")
]

import mlflow
from sklearn.linear_model import LogisticRegression

mlflow.set_tracking_uri(sys.argv[1])
client = mlflow.MlflowClient()
models = [LogisticRegression().fit([[0.0], [1.0]], labels) for labels in ([0, 1], [1, 0])]
for auc, model in enumerate(models):
    with mlflow.start_run() as run:
        mlflow.log_metric("auc", auc / 2)
        logged = mlflow.sklearn.log_model(
            model, name="model", input_example=[[0.5]],
            pip_requirements=["scikit-learn"],  # else a process loads the model to find them out
        )
    mlflow.register_model(logged.model_uri, "Größe 2", tags={"by": "test"})
client.transition_model_version_stage("Größe 2", "1", "Production")
client.set_registered_model_alias("Größe 2", "champion", "2")
print(json.dumps({
    "stage": mlflow.sklearn.load_model("models:/Größe 2/Production").predict([[0.0]]).tolist(),
    "alias": mlflow.sklearn.load_model("models:/Größe 2@champion").predict([[0.0]]).tolist(),
    "version": mlflow.pyfunc.load_model("models:/Größe 2/2").predict([[1.0]]).tolist(),
    "uri": client.get_model_version_download_uri("Größe 2", "2"),
}))
"""


@dataclass(frozen=True)
class Served:
    """A server, and the registry that it serves; ``given`` is what a run logged there."""

    url: str
    repo: Path
    given: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, **fields: object) -> requests.Response:
        asked = {"params" if method == "GET" else "json": fields}
        where = f"{self.url}/api/2.0/mlflow/{path}"
        return requests.request(method, where, timeout=PATIENCE, **asked)  # type: ignore[arg-type]

    def ok(self, method: str, path: str, **fields: object) -> Any:
        done = self.call(method, path, **fields)
        assert done.status_code == 200, done.text
        return done.json()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of several workers: it takes seconds to start, so all tests share it."""
    repo = tmp_path_factory.mktemp("served") / "repo"
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("served-home"))
        Registry.init(repo)
        with served(Settings(str(repo), port=0, workers=WORKERS)) as running:
            server = Served(running.url, repo)
            run = server.ok("POST", "runs/create", experiment_id="0")["run"]["info"]
            server.given["run_id"] = run["run_id"]
            server.given["source"] = f"{run['artifact_uri']}/model"
            path = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
            stored = f"{running.url}{ROUTE}/{path}/model/MLmodel"
            requests.put(stored, data=b"flavors: {}", timeout=PATIENCE).raise_for_status()
            yield server


def test_many_clients_at_once_get_numbers_of_their_own_and_lose_nothing(server: Served) -> None:
    server.ok("POST", "registered-models/create", name="crowd")

    def work(thread: int) -> list[int]:
        made = []
        for turn in range(EACH):
            tags = [{"key": "made", "value": f"{thread}/{turn}"}]
            done = server.ok(
                "POST", "model-versions/create", name="crowd", tags=tags, **server.given
            )
            made.append(int(done["model_version"]["version"]))
            server.ok(
                "POST",
                "registered-models/alias",
                name="crowd",
                alias=f"by-{thread}",
                version=str(made[-1]),
            )
            server.ok("GET", "registered-models/alias", name="crowd", alias=f"by-{thread}")
        return made

    with ThreadPoolExecutor(THREADS) as pool:
        made = list(pool.map(work, range(THREADS)))
    numbers = sorted(number for numbers in made for number in numbers)
    assert numbers == list(range(1, THREADS * EACH + 1))
    with Registry(server.repo) as registry:
        assert dict(registry.model("crowd").aliases) == {
            f"by-{thread}": numbers[-1] for thread, numbers in enumerate(made)
        }
        tags = {version.version: version.tags["made"] for version in registry.versions("crowd")}
        assert tags == {
            number: f"{thread}/{turn}"
            for thread, numbers in enumerate(made)
            for turn, number in enumerate(numbers)
        }
    gitreg("check", "--history", "--repo", str(server.repo))
    assert git(server.repo, "status", "--porcelain") == ""


def test_a_client_without_gitreg_loads_a_trained_model(server: Served, tmp_path: Path) -> None:
    variables = {"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TRAINED, server.url],
        cwd=tmp_path,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == {
        "stage": [0],
        "alias": [1],
        "version": [0],
        "uri": "mlflow-artifacts:/gitreg/Gr~C3~B6~C3~9Fe~202/2",
    }
    with Registry(server.repo) as registry:
        first = registry.show("Größe 2@1")
        assert (first.stage, first.metrics, first.tags) == (
            "production",
            {"auc": 0.0},
            {"by": "test"},
        )
        assert first.artifact.path == "model"
        assert registry.show("Größe 2@2").aliases == ("champion",)


def test_the_server_s_artifacts_are_read_only_where_versions_are(server: Served) -> None:
    server.ok("POST", "registered-models/create", name="fixed")
    server.ok("POST", "model-versions/create", name="fixed", **server.given)
    route = f"{server.url}{ROUTE}"
    held = f"{route}/gitreg/fixed/1/MLmodel"
    assert requests.get(held, timeout=PATIENCE).content == b"flavors: {}"
    assert requests.put(held, data=b"other", timeout=PATIENCE).status_code == 403
    assert requests.delete(held, timeout=PATIENCE).status_code == 403
    assert requests.get(f"{held}.bak", timeout=PATIENCE).status_code == 404
    listed = requests.get(route, params={"path": "gitreg/fixed/1"}, timeout=PATIENCE).json()
    assert listed == {"files": [{"path": "MLmodel", "is_dir": False, "file_size": 11}]}
    shown = requests.get(
        f"{server.url}/model-versions/get-artifact",
        params={"name": "fixed", "version": "1", "path": "MLmodel"},
        timeout=PATIENCE,
    )
    assert shown.content == b"flavors: {}"


def test_errors_have_the_codes_that_clients_expect(server: Served) -> None:
    server.ok("POST", "registered-models/create", name="known")
    for method, path, fields, status, code in (
        ("GET", "registered-models/get", {"name": "nobody"}, 404, "RESOURCE_DOES_NOT_EXIST"),
        ("POST", "registered-models/create", {"name": "known"}, 400, "RESOURCE_ALREADY_EXISTS"),
        ("POST", "registered-models/create", {"name": "a/b"}, 400, "INVALID_PARAMETER_VALUE"),
        ("POST", "registered-models/create", {"name": "a@b"}, 400, "INVALID_PARAMETER_VALUE"),
        (
            "GET",
            "model-versions/get",
            {"name": "known", "version": "9"},
            404,
            "RESOURCE_DOES_NOT_EXIST",
        ),
        (
            "GET",
            "registered-models/alias",
            {"name": "known", "alias": "champion"},
            400,
            "INVALID_PARAMETER_VALUE",
        ),
        (
            "POST",
            "model-versions/create",
            {"name": "known", "source": "/etc"},
            400,
            "INVALID_PARAMETER_VALUE",
        ),
    ):
        done = server.call(method, path, **fields)
        assert (done.status_code, done.json()["error_code"]) == (status, code), done.text


# The pages


# React draws a page anew while one looks at it.
_GONE = (NoSuchElementException, StaleElementReferenceException)


class Pages:
    """A browser in the pages of a server."""

    def __init__(self, browser: Chrome, url: str) -> None:
        self._browser = browser
        self._url = url

    def open(self, path: str, *texts: str) -> None:
        """Go to a page and wait until it shows texts."""
        self._browser.get("about:blank")  # another fragment alone loads nothing
        self._browser.get(f"{self._url}/#{path}")
        self.shows(*texts)

    def shows(self, *texts: str) -> None:
        def all_there(browser: Chrome) -> bool:
            found = browser.find_element(By.TAG_NAME, "body").text
            return all(text in found for text in texts)

        WebDriverWait(self._browser, PATIENCE, ignored_exceptions=_GONE).until(
            all_there, f"not all of {texts}"
        )

    def find(self, selector: str) -> Any:
        """Return the element that a person would click, as soon as they could."""
        return WebDriverWait(self._browser, PATIENCE, ignored_exceptions=_GONE).until(
            lambda browser: next(
                (
                    element
                    for element in browser.find_elements(By.CSS_SELECTOR, selector)
                    if element.is_displayed() and element.is_enabled()
                ),
                None,
            ),
            selector,
        )


def test_the_pages_show_the_registry_and_what_they_change_is_a_commit(
    server: Served, tmp_path: Path
) -> None:
    source = tmp_path / "model.txt"
    source.write_text("weights")
    with Registry(server.repo) as registry:
        for _ in range(2):
            registry.register("shown", source)
        registry.promote("shown@1", stage="production")
        registry.set_alias("shown@2", "champion")
        registry.annotate("shown", tags={"team": "growth"}, description="Predicts churn.")
    with chromium(tmp_path / "profile") as browser:
        pages = Pages(browser, server.url)
        pages.open("/models", "shown", "Version 2", "@ champion", "team: growth")
        pages.open("/models/shown", "shown", "Version 1", "Version 2", "@ champion", "growth")
        pages.shows("Ada Lovelace <ada@example.com>")

        before = git(server.repo, "rev-parse", "HEAD")
        pages.find("[data-testid=editable-table-button-edit]").click()
        value = pages.find("[data-testid=editable-table-edited-input]")
        value.send_keys(Keys.CONTROL, "a")
        value.send_keys("retention")
        pages.find("[data-testid=editable-table-button-save]").click()
        pages.shows("retention")
        pages.find("[data-testid=tags-form-input-name]").send_keys("tier")
        pages.find("[data-testid=tags-form-input-value]").send_keys("1")
        pages.find("[data-testid=add-tag-button]").click()
        pages.shows("tier")

        pages.open("/models/shown/versions/1", "Version 1", "Stage (deprecated)", "Production")
    said = git(server.repo, "log", "--format=%an: %s", f"{before}..HEAD", "--", "registry/")
    assert said.splitlines() == [
        "Ada Lovelace: annotate shown",
        "Ada Lovelace: annotate shown",
    ]
    with Registry(server.repo) as registry:
        assert registry.model("shown").tags == {"team": "retention", "tier": "1"}
