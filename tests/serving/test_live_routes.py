"""What a live model answers over HTTP, and that it tells nothing of its machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gitreg.serving import webhook
from gitreg.serving.health import unavailable
from gitreg.serving.live import LiveModel
from gitreg.serving.status import ModelUnavailable
from tests.serving.made import Model, add, live_model, move, url_of, wait_until


def app_of(*lives: LiveModel[Model]) -> FastAPI:
    app = FastAPI()
    app.add_exception_handler(ModelUnavailable, unavailable)
    for live in lives:
        app.include_router(live.router)
    return app


def test_ready_version_and_metrics(served: Path) -> None:
    live, stopped = live_model(served), live_model(served)
    client = TestClient(app_of(live, stopped))
    assert client.get("/health/live").status_code == 200
    assert client.get("/health/ready").status_code == 503, "not started"
    assert client.get("/version").status_code == 503
    with live:
        broken = add(served, "broken")
        assert client.get("/health/ready").json() == {"status": "ready"}
        good = client.get("/version").json()
        assert (good["model"], good["version"], good["failed"]) == ("churn", 2, None)
        assert {"commit", "sha256", "since", "reference"} <= set(good)
        move(served, broken)
        live.refresh()
        (served / "origin.git").rename(served / "away.git")
        live.refresh()
        assert client.get("/health/ready").status_code == 200, "the old one serves"
        answers = [client.get(path) for path in ("/version", "/metrics", "/health/ready")]
        told = answers[0].json()
        assert told["version"] == 2
        assert told["failed"]["version"] == broken
        assert told["failed"]["why"] == "it does not load (ValueError)"
        assert told["away_since"] is not None
        labels = '{model="churn",name="",reference="churn@champion"}'
        assert f"gitreg_version{labels} 2.0" in answers[1].text
        assert f"gitreg_failed_version{labels} {float(broken)}" in answers[1].text
        assert f"gitreg_refusals_total{labels} 1.0" in answers[1].text
        for answer in answers:
            for secret in (str(served), url_of(served), "origin.git", "/cache/"):
                assert secret not in answer.text
    (served / "away.git").rename(served / "origin.git")


def test_several_live_models_have_routes_of_their_own(served: Path) -> None:
    champion = live_model(served, name="champion")
    first = live_model(served, name="first", reference="churn@1")
    with champion, first:
        client = TestClient(app_of(champion, first))
        assert client.get("/champion/version").json()["version"] == 2
        assert client.get("/first/version").json()["version"] == 1
        for name in ("champion", "first"):  # one registry of metrics has both
            text = client.get(f"/{name}/metrics").text
            assert text.count("gitreg_version{") >= 2
            assert 'name="first",reference="churn@1"} 1.0' in text


def test_a_webhook_only_wakes(served: Path) -> None:
    secret = "s3cret"
    woken, sleeping = (
        live_model(served, webhook_secret=secret),
        live_model(served, webhook_secret=secret, name="another-process"),
    )
    with woken, sleeping:
        client = TestClient(app_of(woken))
        move(served, 3)
        body = b'{"model": "tokenizer", "version": 1}'
        assert client.post("/webhook", content=body).status_code == 401
        wrong = {"X-Gitlab-Token": "another"}
        assert client.post("/webhook", content=body, headers=wrong).status_code == 401
        good = {"X-Gitlab-Token": secret}
        large = b"x" * (webhook.LIMIT + 1)
        assert client.post("/webhook", content=large, headers=good).status_code == 413
        serving = woken.status().serving
        assert serving is not None
        assert serving.version == 2
        assert client.post("/webhook", content=body, headers=good).status_code == 202
        for live in (woken, sleeping):

            def has_followed(live: LiveModel[Model] = live) -> bool:
                serving = live.status().serving
                return serving is not None and (serving.model, serving.version) == ("churn", 3)

            wait_until(has_followed)
    assert TestClient(app_of(live_model(served))).post("/webhook").status_code == 404


def test_answers_503_while_nothing_serves(served: Path) -> None:
    live = live_model(served)
    app = app_of(live)

    @app.get("/predict")
    def predict() -> str:
        with live.use() as current:
            return current.model.predict()

    answer = TestClient(app).get("/predict")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert str(served) not in answer.text


@pytest.mark.parametrize("name", ["a/b", "../x", "", "Größe"])
def test_a_name_is_one_part_of_a_path(served: Path, name: str) -> None:
    from gitreg.errors import InvalidRequest

    with pytest.raises(InvalidRequest, match="name"):
        live_model(served, name=name)
