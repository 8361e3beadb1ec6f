"""Servers that targets talk to: one that records requests, and a small part of Kubernetes' API."""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


Answer = tuple[int, Mapping[str, str], bytes]


@dataclass
class Receiver:
    """A server of HTTP.

    Attributes:
        url: its address.
        answer: gives the answer to a request.
        requests: all that came.
    """

    url: str
    answer: Callable[[Request], Answer]
    requests: list[Request] = field(default_factory=list)


@contextmanager
def receiving(answer: Callable[[Request], Answer]) -> Iterator[Receiver]:
    """Give a server that is up."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(self.command, self.path, dict(self.headers), body)
            receiver.requests.append(request)
            code, headers, content = receiver.answer(request)
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = _serve  # noqa: N815  as http.server calls them

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}", answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def trickling(beginning: bytes) -> Iterator[str]:
    """Give the URL of a server that sends the beginning of an answer, then spaces for ever."""
    ended = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65_536)
            self.request.sendall(beginning)
            with contextlib.suppress(OSError):
                while not ended.wait(0.05):
                    self.request.sendall(b" ")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            ended.set()
            server.shutdown()
            thread.join()


_RESOURCE = {
    "name": "deployments",
    "singularName": "deployment",
    "namespaced": True,
    "kind": "Deployment",
    "verbs": ["get", "list", "patch", "watch"],
}


_GROUP = {"groupVersion": "apps/v1", "version": "v1"}
_GROUPS = [{"name": "apps", "versions": [_GROUP], "preferredVersion": _GROUP}]
_LIST = {"kind": "APIResourceList", "apiVersion": "v1"}
_DISCOVERY: dict[str, dict[str, Any]] = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": _GROUPS},
    "/api/v1": {**_LIST, "groupVersion": "v1", "resources": []},
    "/apis/apps/v1": {**_LIST, "groupVersion": "apps/v1", "resources": [_RESOURCE]},
}


@dataclass
class Cluster:
    """As much of Kubernetes' API as `kubectl annotate` and `kubectl rollout` ask for.

    Attributes:
        deployment: the only one.
        is_ready: whether its new pods become ready.
        patches: what was changed, in order.
    """

    is_ready: bool = True
    patches: list[dict[str, Any]] = field(default_factory=list)
    deployment: dict[str, Any] = field(
        default_factory=lambda: {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": "churn-api",
                "namespace": "ml",
                "generation": 1,
                "resourceVersion": "1",
                "uid": "0",
            },
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {"app": "churn"}},
                "template": {
                    "metadata": {"labels": {"app": "churn"}},
                    "spec": {"containers": [{"name": "api", "image": "churn"}]},
                },
            },
            "status": {},
        }
    )

    def __call__(self, request: Request) -> Answer:
        path, _, query = request.path.partition("?")
        found = self._found(request, path, query)
        return (
            404 if found is None else 200,
            {"Content-Type": "application/json"},
            json.dumps(
                found or {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}
            ).encode(),
        )

    def _found(self, request: Request, path: str, query: str) -> dict[str, Any] | None:
        here = "/apis/apps/v1/namespaces/ml/deployments"
        if path == f"{here}/churn-api":
            if request.method == "PATCH":
                self._patch(json.loads(request.body))
            return self.deployment
        if path == here and "watch=" in query:
            return {"type": "MODIFIED", "object": self.deployment}
        if path == here:
            metadata = {"resourceVersion": self.deployment["metadata"]["resourceVersion"]}
            return {
                "kind": "DeploymentList",
                "apiVersion": "apps/v1",
                "metadata": metadata,
                "items": [self.deployment],
            }
        return _DISCOVERY.get(path)

    def _patch(self, patch: dict[str, Any]) -> None:
        self.patches.append(patch)
        _merge(self.deployment, patch)
        metadata = self.deployment["metadata"]
        metadata["resourceVersion"] = str(len(self.patches) + 1)
        metadata["generation"] += "spec" in patch
        updated = int(self.is_ready)
        self.deployment["status"] = {
            "observedGeneration": metadata["generation"],
            "replicas": 1,
            "updatedReplicas": updated,
            "availableReplicas": updated,
            "readyReplicas": updated,
        }


def _merge(into: dict[str, Any], patch: dict[str, Any]) -> None:
    for key, value in patch.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
