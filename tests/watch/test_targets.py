"""Targets, each at what it talks to: real HTTP, kubectl itself, Apprise itself."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from standardwebhooks import Webhook as Verifier

from gitreg.errors import InvalidRequest
from gitreg.watch.moves import Move
from gitreg.watch.targets import KINDS, targets_of
from gitreg.watch.targets.asking import answer_to
from gitreg.watch.targets.compose import Compose
from gitreg.watch.targets.http import Webhook
from gitreg.watch.targets.kubernetes import Kubernetes
from gitreg.watch.targets.notify import Notify
from gitreg.watch.targets.probe import Probe
from gitreg.watch.targets.target import Failed, Notice
from tests.support.commands import error, gitreg
from tests.support.servers.ready import lacking
from tests.watch.servers import Answer, Cluster, Request, receiving, trickling

SECRET = "whsec_" + base64.b64encode(b"a secret of some length").decode()
MOVE = Move(
    "churn/production",
    "churn",
    3,
    2,
    "promote",
    "c" * 40,
    "2026-11-22T20:25:06Z",
    "Ada Lovelace <ada@example.com>",
    "better <b>recall</b>\n$(id)",
    "f" * 64,
)


def notice(move: Move = MOVE, said: list[str] | None = None, timeout: float = 5) -> Notice:
    heard: list[str] = [] if said is None else said
    return Notice(move, None, "urn:gitreg:churn", timeout, heard.append)


def plain(code: int, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
    return code, headers or {}, body


# Webhooks


def test_a_webhook_is_one_of_standard_webhooks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITREG_WEBHOOK_SECRET", SECRET)
    with receiving(lambda _: plain(204)) as receiver:
        Webhook(f"{receiver.url}/moves?x=1")(notice())
    [request] = receiver.requests
    headers = {name.lower(): value for name, value in request.headers.items()}
    event = Verifier(SECRET).verify(request.body, headers)
    assert request.path == "/moves?x=1"
    assert headers["content-type"].startswith("application/cloudevents+json")
    assert headers["webhook-id"] == event["id"] == MOVE.id
    assert {key: event[key] for key in ("specversion", "type", "source", "subject", "time")} == {
        "specversion": "1.0",
        "type": "gitreg.pointer.moved",
        "source": "urn:gitreg:churn",
        "subject": "churn/production",
        "time": "2026-11-22T20:25:06Z",
    }
    assert event["data"]["version"] == 3
    assert event["data"]["reason"] == MOVE.reason


def test_old_and_new_secrets_both_sign(tmp_path: Path) -> None:
    new = base64.b64encode(b"another secret").decode()
    (tmp_path / "secret").write_text(f"{SECRET}\n{new}\n")
    with receiving(lambda _: plain(200)) as receiver:
        Webhook(receiver.url, secret_file=str(tmp_path / "secret"))(notice())
    [request] = receiver.requests
    headers = {name.lower(): value for name, value in request.headers.items()}
    for secret in (SECRET, new):
        assert Verifier(secret).verify(request.body, headers)


@pytest.mark.parametrize(
    ("code", "is_final", "wait"),
    [
        *((code, False, 0) for code in (408, 500, 502, 503, 599)),
        (429, False, 7),
        *((code, True, 0) for code in (301, 302, 307, 400, 401, 403, 404, 410, 422)),
    ],
)
def test_what_is_tried_again(
    code: int, is_final: bool, wait: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITREG_WEBHOOK_SECRET", SECRET)
    headers = {"Retry-After": "7"} if wait else {"Location": "/elsewhere", "Retry-After": "soon"}
    with receiving(lambda _: plain(code, headers)) as receiver:
        with pytest.raises(Failed, match=str(code)) as caught:
            Webhook(receiver.url)(notice())
        assert [one.path for one in receiver.requests] == ["/"]  # no redirect is followed
    assert (caught.value.is_final, caught.value.wait) == (is_final, wait)
    with pytest.raises(Failed) as caught:
        Webhook(receiver.url)(notice())  # nobody listens any more
    assert not caught.value.is_final


def test_the_event_of_a_retry_has_the_same_id(stocked: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    codes = [500, 204]
    with receiving(lambda _: plain(codes.pop(0))) as receiver:
        watch = ["watch", "churn/production", "--repo", str(stocked), "--once"]
        watch += ["--http", f"{receiver.url}/?token=hidden"]
        watch += ["--secret-file", str(tmp_path / "secret")]
        gitreg(*watch)
        codes.append(403)
        ran = gitreg(watch[0], "churn@champion", *watch[2:], code=1)
    first, second, third = (json.loads(one.body)["id"] for one in receiver.requests)
    assert first == second != third
    assert "hidden" not in ran.err
    assert "refused the event (403)" in ran.err


def test_secrets_and_addresses_that_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "http://127.0.0.1:9"
    with pytest.raises(InvalidRequest, match="GITREG_WEBHOOK_SECRET"):
        Webhook(url)
    monkeypatch.setenv("HOOK", "not base64!")
    with pytest.raises(InvalidRequest, match="malformed") as caught:
        Webhook(url, secret_env="HOOK")
    assert "not base64" not in str(caught.value)
    with pytest.raises(InvalidRequest, match="No such file"):
        Webhook(url, secret_file=str(tmp_path / "none"))
    with pytest.raises(InvalidRequest, match="name one of them"):
        Webhook(url, "HOOK", str(tmp_path))
    for wrong in (
        "file:///etc/passwd",
        "ftp://host/",
        "http://",
        "http://h:x/",
        "http://h/ x",
        "http://h/\u00fc",
    ):
        with pytest.raises(InvalidRequest, match="no URL of HTTP"):
            Probe(wrong)


# Probes


def test_a_probe_waits_for_the_version() -> None:
    told = [
        plain(200, body=b"[" * 60_000),
        plain(200, body=b'{"version": true}'),
        plain(200, body=b'{"version": 3, "more": "' + b"x" * 1_000_000 + b'"}'),
        plain(503),
        plain(200, body=b"<html>"),
        plain(200, body=b"[]"),
        plain(200, body=b'{"model": "churn", "version": 2}'),
        plain(200, body=b'{"model": "churn", "version": 3, "sha256": "0"}'),
        plain(200, body=json.dumps({"version": 3, "sha256": "f" * 64}).encode()),
    ]
    said: list[str] = []
    with receiving(lambda _: told.pop(0)) as receiver:
        Probe(f"{receiver.url}/api/?key=x")(notice(said=said, timeout=60))
    assert {one.path for one in receiver.requests} == {"/api/version?key=x"}
    assert len(receiver.requests) == 9
    assert said[0].startswith("churn@3 serves after ")


def test_a_probe_ends_when_the_service_refused_the_version() -> None:
    """As a live model tells it: the old version serves on."""
    earlier = {"version": 3, "since": "2026-11-22T20:25:05Z", "why": "before the move"}
    other = {"version": 4, "since": "2026-11-23T00:00:00Z", "why": "another version"}
    now = {"version": 3, "since": "2026-11-22T20:25:07Z", "why": "it does not load (ValueError)"}
    told = [
        plain(200, body=json.dumps({"version": 2, "failed": failed}).encode())
        for failed in (None, "odd", earlier, other, now)
    ]
    with receiving(lambda _: told.pop(0)) as receiver:
        with pytest.raises(Failed, match=r"refused churn@3: it does not load \(ValueError\)"):
            Probe(receiver.url)(notice(timeout=60))
        assert len(receiver.requests) == 5


def test_a_probe_understands_a_live_model() -> None:
    from gitreg.serving.health import version_document
    from gitreg.serving.served import ServedVersion
    from gitreg.serving.status import Failure, LiveStatus

    old = ServedVersion("churn", 2, "b" * 40, "e" * 64, "2026-11-01T00:00:00Z", MOVE.reference)
    new = replace(old, version=3, sha256="f" * 64, since="2026-11-22T20:25:09Z")
    failed = Failure(3, "2026-11-22T20:25:08Z", "load", "ValueError", "/srv/x is damaged")
    status = LiveStatus("", "churn", MOVE.reference, old, None, None, None)
    told = [status, replace(status, serving=new), status, replace(status, failed=failed)]

    def answer(_: Request) -> Answer:
        return plain(200, body=json.dumps(version_document(told.pop(0))).encode())

    with receiving(answer) as receiver:
        Probe(receiver.url)(notice(timeout=60))
        with pytest.raises(Failed, match=r"refused churn@3: it does not load \(ValueError\)"):
            Probe(receiver.url)(notice(timeout=60))
    assert told == []


def test_a_probe_gives_up() -> None:
    with receiving(lambda _: plain(200, body=b'{"version": 2}')) as receiver:
        with pytest.raises(Failed, match="it tells version 2 after 1 s, not churn@3"):
            Probe(f"{receiver.url}/version")(notice(timeout=1))
        asked = len(receiver.requests)
        Probe(receiver.url)(notice(replace(MOVE, version=None, sha256=None)))
        assert len(receiver.requests) == asked > 1


# People


_OF_APPRISE = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")


@_OF_APPRISE
def test_people_get_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = [200, 500]
    with receiving(lambda _: plain(codes.pop(0))) as receiver:
        monkeypatch.setenv("CHAT", receiver.url.replace("http", "json", 1))
        Notify("env:CHAT")(notice())
        with pytest.raises(Failed):
            Notify("env:CHAT")(notice())
    message = json.loads(receiver.requests[0].body)
    assert message["title"] == "churn/production: churn@3"
    assert "promote by Ada Lovelace <ada@example.com> (before: churn@2)" in message["message"]
    assert "better <b>recall</b>\n$(id)" in message["message"]
    for wrong in ("nonsense", "env:NOT_SET", ""):
        with pytest.raises(InvalidRequest, match="Apprise does not know"):
            Notify(wrong)


# Kubernetes


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if shutil.which("kubectl") is None:
        lacking("kubectl")
    path = tmp_path / "kubeconfig"
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.setenv("KUBECACHEDIR", str(tmp_path / "cache"))
    return path


def _reach(path: Path, url: str) -> None:
    cluster = {"name": "c", "cluster": {"server": url}}
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [cluster],
                "contexts": [context],
                "users": [{"name": "u", "user": {}}],
                "current-context": "c",
            }
        )
    )


def test_kubectl_annotates_restarts_and_waits(kubeconfig: Path) -> None:
    """No cluster is here: a small API server of the tests answers kubectl itself."""
    cluster = Cluster()
    with receiving(cluster) as api:
        _reach(kubeconfig, api.url)
        target = Kubernetes("deployment/churn-api", "ml")
        target(notice())
        count = len(cluster.patches)
        target(notice(replace(MOVE, version=None, sha256=None)))
        assert len(cluster.patches) == count == 2
        annotated, restarted = cluster.patches
        assert annotated["metadata"]["annotations"] == {
            "kubernetes.io/change-cause": "gitreg: churn/production is churn@3",
            "gitreg/model": "churn",
            "gitreg/version": "3",
            "gitreg/commit": "c" * 40,
            "gitreg/sha256": "f" * 64,
            "gitreg/reference": "churn/production",
        }
        template = restarted["spec"]["template"]["metadata"]["annotations"]
        assert set(template) == {"kubectl.kubernetes.io/restartedAt"}
        cluster.is_ready = False
        with pytest.raises(Failed, match="kubectl ended with status 1"):
            target(notice(timeout=1))
    with pytest.raises(Failed, match="kubectl"):
        target(notice())  # the cluster is away


def test_workloads_that_are_none() -> None:
    for wrong in ("churn-api", "pod/x", "--all", "deployment/-x", "deployment/X", "deployment/a b"):
        with pytest.raises(InvalidRequest, match="no workload"):
            Kubernetes(wrong)
    with pytest.raises(InvalidRequest, match="no namespace"):
        Kubernetes("deployment/x", "--all")


# Compose: no daemon is here, so a program in docker's place records how it is called.


def test_compose_creates_a_service_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    fake = programs / "docker"
    fake.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" "$GITREG_VERSION" >> {tmp_path}/called\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    file = tmp_path / "compose.yaml"
    with pytest.raises(InvalidRequest, match="no such file"):
        Compose(str(file), "api")
    file.write_text(
        "services:\n  api:\n    image: churn\n    environment:\n      V: ${GITREG_VERSION}\n"
    )
    with pytest.raises(InvalidRequest, match="no service's name"):
        Compose(str(file), "--all")
    Compose(str(file), "api")(notice())
    Compose(str(file), "api")(notice(replace(MOVE, version=None)))
    called = (tmp_path / "called").read_text().split()
    words = ["compose", "--file", str(file), "up", "--detach", "--force-recreate", "api"]
    assert called == [*words, "3"]
    fake.write_text("#!/bin/sh\nexit 7\n")
    with pytest.raises(Failed, match="docker ended with status 7"):
        Compose(str(file), "api")(notice())


def test_compose_itself_reads_the_version(tmp_path: Path) -> None:
    if shutil.which("docker-compose") is None:
        lacking("docker-compose")
    file = tmp_path / "compose.yaml"
    file.write_text(
        "version: '3'\nservices:\n  api:\n    image: churn\n    environment:\n"
        "      V: ${GITREG_VERSION}\n"
    )
    done = subprocess.run(
        ["docker-compose", "--file", str(file), "config"],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path), **notice().variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "V: '3'" in done.stdout


# All together


@_OF_APPRISE
def test_targets_are_told_in_the_order_of_the_table(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    given = {
        "notify": "json://127.0.0.1",
        "probe": "http://127.0.0.1/",
        "http": "http://127.0.0.1/",
        "secret_file": str(tmp_path / "secret"),
        "kubernetes": None,
    }
    names = [one.name for one in targets_of(("true",), given)]
    assert names == ["command", "http", "probe", "notify"]
    assert len({kind.option.name for kind in KINDS}) == len(KINDS)
    assert "--secret-env belongs to --http" in error(
        "watch", "churn@x", "--secret-env", "X", "--", "true"
    )


def test_a_request_is_never_shown_with_its_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITREG_WEBHOOK_SECRET", SECRET)

    def refuse(_: Request) -> Answer:
        return plain(400)

    with receiving(refuse) as receiver:
        for target in (Webhook, Probe):
            with pytest.raises(Failed) as caught:
                target(f"{receiver.url}/?token=s3cret")(notice(timeout=0.1))
            assert "s3cret" not in str(caught.value)
    for kind in (Webhook, Probe):
        with pytest.raises(InvalidRequest, match="no user and no password") as refused:
            kind("http://ada:s3cret@example.com/")
        assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("part", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_an_answer_that_never_ends_is_left(part: bytes) -> None:
    with trickling(part) as url:
        request, opener = urllib.request.Request(url), urllib.request.build_opener()
        with pytest.raises(TimeoutError, match="no whole answer"):
            answer_to(request, opener, 0.3, 10_000)
