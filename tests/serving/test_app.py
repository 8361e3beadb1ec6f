"""`gitreg serve`'s application under a real uvicorn: protocols, limits, and what is not said."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import requests
import yaml

from gitreg.serving.app import Limits, application
from gitreg.serving.scorers import Scorer, scorer
from gitreg.serving.traffic import Traffic
from tests.serving.fakes import FakeLive
from tests.support.servers.asgi import serving

SCHEMAS = yaml.safe_load(Path(__file__).with_name("open_inference_rest.yaml").read_text())


class Model:
    """Ten times what it is given; -1 makes it fail, with a secret of this machine."""

    gate: threading.Event | None = None
    busy = threading.Semaphore(0)

    def predict(self, rows: Any) -> Any:
        if self.gate is not None:
            self.busy.release()
            assert self.gate.wait(60)
        if rows.min() < 0:
            raise FileNotFoundError("/home/ada/secret.json")
        return rows * 10


class Twice(Model):
    def predict(self, rows: Any) -> Any:
        return rows * 20


def check(kind: str, document: Any) -> Any:
    """Check a document against the protocol's own schema."""
    jsonschema.validate(document, {"$ref": f"#/components/schemas/{kind}", **SCHEMAS})
    return document


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    lives = {
        "@champion": FakeLive("churn é@champion", 5, scorer(Model())),
        "@challenger": FakeLive("churn é@challenger", 6, scorer(Twice())),
    }
    shares = {"@champion": 1.0, "@challenger": 0.0}
    limits = Limits(body=10_000, key="X-Customer")
    traffic: Traffic[Scorer] = Traffic(shares, lives)
    with traffic, serving(application(traffic, "churn", limits)) as found:
        yield found


def _tensor(**different: Any) -> dict[str, Any]:
    given = {"name": "rows", "shape": [2, 2], "datatype": "FP64", "data": [1, 2, 3, 4]}
    return {**given, **different}


def _infer(url: str, body: Any, path: str = "/v2/models/churn/infer", **headers: str) -> Any:
    return requests.post(f"{url}{path}", json=body, headers=headers, timeout=60)


def test_mlflows_protocol(url: str) -> None:
    for path in ("/ping", "/health"):
        assert requests.get(f"{url}{path}", timeout=60).status_code == 200
    found = requests.post(f"{url}/invocations", json={"instances": [[1, 2]]}, timeout=60)
    assert found.json() == {"predictions": [[10, 20]]}
    assert found.headers["Gitreg-Version"] == "churn@5"
    assert found.headers["Content-Type"] == "application/json"


def test_the_open_inference_protocol_by_its_schema(url: str) -> None:
    def get(path: str) -> Any:
        found = requests.get(f"{url}{path}", timeout=60)
        assert found.status_code == 200, found.text
        return found.json()

    for path in ("/v2", "/v2/"):
        assert check("metadata_server_response", get(path))["name"] == "gitreg"
    assert get("/v2/health/live") == {"live": True}
    assert get("/v2/health/ready") == {"live": True, "ready": True}
    for path in ("/v2/models/churn", "/v2/models/churn/versions/5"):
        about = check("metadata_model_response", get(path))
        assert (about["name"], about["versions"], about["platform"]) == (
            "churn",
            ["5", "6"],
            "python",
        )
        assert get(f"{path}/ready") == {"name": "churn", "ready": True}

    body = check("inference_request", {"id": "42", "inputs": [_tensor()]})
    found = _infer(url, body)
    assert check("inference_response", found.json()) == {
        "model_name": "churn",
        "model_version": "5",
        "id": "42",
        "outputs": [
            {"name": "predictions", "shape": [2, 2], "datatype": "FP64", "data": [10, 20, 30, 40]}
        ],
    }
    assert found.headers["Gitreg-Version"] == "churn@5"
    chosen = _infer(url, {"inputs": [_tensor()], "outputs": [{"name": "predictions"}]})
    assert len(chosen.json()["outputs"]) == 1


def test_a_version_in_the_path_is_the_one_that_answers(url: str) -> None:
    found = _infer(url, {"inputs": [_tensor()]}, "/v2/models/churn/versions/6/infer")
    assert (found.json()["model_version"], found.headers["Gitreg-Version"]) == ("6", "churn@6")
    assert found.json()["outputs"][0]["data"] == [20, 40, 60, 80]
    for path in ("/versions/7/infer", "/versions/x/infer"):
        missing = _infer(url, {"inputs": [_tensor()]}, f"/v2/models/churn{path}")
        assert missing.status_code == 404
        check("inference_error_response", missing.json())
    for path in ("/v2/models/churn/versions/7", "/v2/models/other", "/v2/models/other/ready"):
        assert requests.get(f"{url}{path}", timeout=60).status_code == 404
    gone = requests.get(f"{url}/v2/models/churn/versions/7/ready", timeout=60)
    assert (gone.status_code, gone.json()) == (404, {"name": "churn", "ready": False})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "expected a JSON object"),
        ({}, "inputs is a list of tensors"),
        ({"inputs": []}, "inputs is a list of tensors"),
        ({"inputs": [_tensor(), _tensor()]}, "two inputs have the same name"),
        ({"inputs": [_tensor(shape=[3])]}, "has the shape [4], not [3]"),
        ({"inputs": [_tensor()], "id": 42}, "id is a text"),
        ({"inputs": [_tensor()], "outputs": ["predictions"]}, "outputs is a list of objects"),
        (
            {"inputs": [_tensor()], "outputs": [{"name": "y"}]},
            "no output 'y': there is predictions",
        ),
    ],
)
def test_errors_as_the_protocol_says(url: str, body: Any, message: str) -> None:
    found = _infer(url, body)
    assert found.status_code == 400
    assert message in check("inference_error_response", found.json())["error"]


def test_errors_of_mlflows_protocol(url: str) -> None:
    def post(**how: Any) -> tuple[int, str]:
        found = requests.post(f"{url}/invocations", timeout=60, **how)
        return found.status_code, found.json()["error_code"]

    assert post(data=b"x", headers={"Content-Type": "application/json"}) == (400, "BAD_REQUEST")
    assert post(data=b"a,b", headers={"Content-Type": "text/csv"}) == (415, "BAD_REQUEST")
    assert post(data=b"") == (415, "BAD_REQUEST")
    assert requests.get(f"{url}/invocations", timeout=60).status_code == 405
    assert requests.get(f"{url}/nothing", timeout=60).json()["error_code"] == "ENDPOINT_NOT_FOUND"
    binary = _infer(url, {}, **{"Inference-Header-Content-Length": "2"})
    assert (binary.status_code, "binary" in binary.json()["error"]) == (400, True)


def test_what_a_model_raises_stays_on_the_server(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "gitreg.serving"):
        found = _infer(url, {"inputs": [_tensor(data=[-1, 2, 3, 4])]}, **{"X-Request-ID": "id-7"})
        other = requests.post(f"{url}/invocations", json={"instances": [[-1]]}, timeout=60)
    assert found.status_code == other.status_code == 500
    assert found.json() == {"error": "the model failed; the server's log has request id-7"}
    assert other.json()["error_code"] == "INTERNAL_ERROR"
    assert "secret" not in found.text + other.text
    assert "id-7" in caplog.text
    assert "secret.json" in caplog.text


def test_every_answer_has_the_requests_id(url: str) -> None:
    def asked(path: str, **headers: str) -> str:
        return str(
            requests.get(f"{url}{path}", headers=headers, timeout=60).headers["X-Request-ID"]
        )

    assert asked("/ping", **{"X-Request-ID": "order-7"}) == "order-7"
    assert len(asked("/nothing", **{"X-Request-ID": "<script>"})) == 32
    assert asked("/ping") != asked("/ping")
    found = _infer(url, {"inputs": [_tensor()]}, **{"X-Request-ID": "order-7"})
    assert found.json()["id"] == "order-7"


def test_there_are_no_pages_for_developers(url: str) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert requests.get(f"{url}{path}", timeout=60).status_code == 404


def test_a_body_is_bounded(url: str) -> None:
    large = b" " * 10_001
    for path in ("/invocations", "/v2/models/churn/infer"):
        found = requests.post(f"{url}{path}", data=large, timeout=60)
        assert found.status_code == 413, found.text
        in_parts = requests.post(
            f"{url}{path}", data=iter([large[:9000], large[:9000]]), timeout=60
        )
        assert in_parts.status_code == 413, in_parts.text
    # One that only claims to be large is answered before anything of it has come.
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(
            b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_what_is_served_is_told(url: str) -> None:
    about = requests.get(f"{url}/version", timeout=60).json()
    assert (about["model"], about["version"], about["commit"]) == ("churn", 5, "4b" * 20)
    assert set(about["references"]) == {"@champion", "@challenger"}
    assert about["references"]["@challenger"]["version"] == 6
    assert requests.get(f"{url}/health/live", timeout=60).json() == {"status": "live"}
    assert requests.get(f"{url}/health/ready", timeout=60).json() == {"status": "ready"}
    metrics = requests.get(f"{url}/metrics", timeout=60).text
    assert 'gitreg_requests_total{outcome="elsewhere",reference="@champion"} 0.0' in metrics


def test_at_most_so_many_requests_at_a_time() -> None:
    model = Model()
    model.gate = threading.Event()
    traffic: Traffic[Scorer] = Traffic({"@a": 1}, {"@a": FakeLive("churn@a", 1, scorer(model))})
    limits = Limits(concurrency=2)
    statuses: list[int] = []
    with traffic, serving(application(traffic, "churn", limits)) as url:
        body = {"inputs": [_tensor()]}
        threads = [
            threading.Thread(target=lambda: statuses.append(_infer(url, body).status_code))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for _ in threads:
            assert Model.busy.acquire(timeout=60)
        found = _infer(url, body)
        assert (found.status_code, found.headers["Retry-After"]) == (503, "1")
        assert requests.get(f"{url}/ping", timeout=60).status_code == 200, "it is well"
        model.gate.set()
        for thread in threads:
            thread.join(60)
        assert statuses == [200, 200]
        assert _infer(url, body).status_code == 200


def test_before_a_model_is_there_the_server_is_not_ready() -> None:
    traffic: Traffic[Scorer] = Traffic({"@a": 1}, {"@a": FakeLive("churn@a", 1)})
    with serving(application(traffic, "churn")) as url:
        for path in ("/ping", "/health/ready", "/v2/health/ready", "/version"):
            assert requests.get(f"{url}{path}", timeout=60).status_code == 503, path
        body = {"inputs": [_tensor()]}
        assert _infer(url, body).status_code == 503
        for path in ("/health/live", "/v2/health/live"):
            assert requests.get(f"{url}{path}", timeout=60).status_code == 200, path


def test_a_name_beyond_ascii_fits_into_a_header() -> None:
    live = FakeLive("churn@a", 1, scorer(np.asarray))
    object.__setattr__(live.version, "model", "Abwanderung für\nä")
    traffic: Traffic[Scorer] = Traffic({"@a": 1}, {"@a": live})
    with traffic, serving(application(traffic, "Abwanderung für\nä")) as url:
        found = requests.post(
            f"{url}/invocations",
            data=json.dumps({"inputs": [1]}),
            headers={"Content-Type": "application/json"},
            timeout=60,
        )
        assert found.headers["Gitreg-Version"] == "Abwanderung f%C3%BCr%0A%C3%A4@1"
