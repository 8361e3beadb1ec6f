"""The application of `gitreg serve`: MLflow's and the Open Inference Protocol over live models.

=====================================  ======================================================
``POST /invocations``                  MLflow's protocol, with ``GET /ping`` and ``/health``
``GET /v2``, ``/v2/health/…``          the Open Inference Protocol (`open_inference`)
``/v2/models/NAME[/versions/N]…``      its metadata, ``/ready`` and ``POST …/infer``
``GET /version``, ``/health/…``        which version each reference serves, and what failed
``GET /metrics``                       for Prometheus
=====================================  ======================================================

Each answer names the version that gave it (``Gitreg-Version``) and the request (``X-Request-ID``).
What a model raises goes to the log with that id; the caller sees only the id.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException

from gitreg.errors import InvalidRequest, NotFound
from gitreg.serving.health import version_document
from gitreg.serving.plain import UnsupportedMedia
from gitreg.serving.predictions import request_id
from gitreg.serving.scorers import Scorer
from gitreg.serving.status import ModelUnavailable
from gitreg.serving.traffic import Answer, TargetStatus, Traffic

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOG = logging.getLogger("gitreg.serving")

_BODY_SECONDS = 60.0
"""How long a request's body may take to arrive."""


@dataclass(frozen=True)
class Limits:
    """What a server takes.

    Attributes:
        body: the largest body, in bytes.
        concurrency: how many requests may be answered or wait to be, at one time.
        key: the header whose value decides to which reference a request goes; ``None`` for none.
    """

    body: int = 16 * 1024 * 1024
    concurrency: int = 64
    key: str | None = None


class Problem(Exception):
    """A request that gets no answer: a status and a message for the caller."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Desk:
    """Takes requests within limits, lets models answer in threads, and turns failures into words.

    Args:
        traffic: which model answers.
        limits: see `Limits`.
    """

    def __init__(self, traffic: Traffic[Scorer], limits: Limits) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self.traffic = traffic
        self._limits = limits
        self._busy = 0
        threads = min(limits.concurrency, (os.cpu_count() or 1) + 4)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="gitreg-answer")

    async def body(self, request: Request) -> bytes:
        """Return a request's body.

        Raises:
            Problem: it is too large, or takes too long.
        """
        length = request.headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._limits.body:
            raise self._too_large()
        try:
            return await asyncio.wait_for(self._read(request), _BODY_SECONDS)
        except (TimeoutError, asyncio.TimeoutError):
            raise Problem(408, "the body did not arrive in time") from None

    async def _read(self, request: Request) -> bytes:
        found = bytearray()
        async for part in request.stream():
            found += part
            if len(found) > self._limits.body:
                raise self._too_large()
        return bytes(found)

    def _too_large(self) -> Problem:
        return Problem(413, f"the body is larger than {self._limits.body:,} bytes")

    async def answer(
        self, request: Request, call: Callable[[Scorer], Any], *, version: int | None = None
    ) -> Answer[Any]:
        """Return what a model answers.

        Raises:
            Problem: the request is not what the model takes, the model failed, or too many
                requests are here already.
        """
        if self._busy >= self._limits.concurrency:
            raise Problem(503, "too many requests at one time")
        asked = request.state.request_id
        key = request.headers.get(self._limits.key) if self._limits.key else None

        def ask() -> Answer[Any]:
            return self.traffic.answer(
                lambda current: call(current.model), key=key, version=version, request=asked
            )

        self._busy += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        except UnsupportedMedia as error:
            raise Problem(415, str(error)) from None
        except ModelUnavailable as error:
            raise Problem(503, str(error)) from None
        except NotFound as error:
            raise Problem(404, str(error)) from None
        except InvalidRequest as error:
            raise Problem(400, str(error)) from None
        except Exception as error:
            LOG.exception("request %s: the model failed", asked)
            raise Problem(500, f"the model failed; the server's log has request {asked}") from error
        finally:
            self._busy -= 1


def application(traffic: Traffic[Scorer], model: str, limits: Limits | None = None) -> FastAPI:
    """Return the ASGI application over live models that somebody else starts and stops.

    Args:
        traffic: the live models.
        model: the model's name.
        limits: see `Limits`.
    """
    from gitreg.serving import open_inference

    desk = Desk(traffic, limits or Limits())
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(_Identified)
    app.exception_handler(Problem)(_problem)
    app.exception_handler(HTTPException)(_http_problem)
    app.exception_handler(NotFound)(_not_found)
    app.exception_handler(ModelUnavailable)(_unavailable)
    app.exception_handler(Exception)(_bug)
    _add_scoring(app, desk)
    _add_state(app, desk)
    open_inference.add_routes(app, desk, model)
    return app


class _Identified:
    """Gives each request an id, and its answer too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = request_id(Headers(scope=scope).get("x-request-id"))
        scope.setdefault("state", {})["request_id"] = asked

        async def identified(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-ID"] = asked
            await send(message)

        await self._app(scope, receive, identified)


def json_response(
    content: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response with JSON."""
    text = content if isinstance(content, str) else json.dumps(content)
    return Response(text, status, headers, media_type="application/json")


def answered(answer: Answer[Any], content: Any) -> Response:
    """Return an answer with the version that gave it; a name beyond ASCII is percent-encoded."""
    served = answer.version
    name = quote(f"{served.model}@{served.version}", safe="@ ()+,;=!$&'*")
    return json_response(content, headers={"Gitreg-Version": name})


_CODES = {400: "BAD_REQUEST", 404: "ENDPOINT_NOT_FOUND", 500: "INTERNAL_ERROR"}


def _as_error(request: Request, status: int, message: str) -> Response:
    """Return an error in the words of the protocol that was spoken."""
    headers = {"Retry-After": "1"} if status == 503 else None
    path = request.url.path
    if path == "/v2" or path.startswith("/v2/"):
        return json_response({"error": message}, status, headers)
    code = _CODES.get(status, "BAD_REQUEST" if status < 500 else "TEMPORARILY_UNAVAILABLE")
    return json_response({"error_code": code, "message": message}, status, headers)


async def _problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return _as_error(request, problem.status, str(problem))


async def _not_found(request: Request, problem: Exception) -> Response:
    return _as_error(request, 404, str(problem))


async def _unavailable(request: Request, problem: Exception) -> Response:
    return _as_error(request, 503, str(problem))


async def _http_problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    return _as_error(request, problem.status_code, problem.detail)


async def _bug(request: Request, _error: Exception) -> Response:
    asked = request.state.request_id
    LOG.error("request %s failed", asked)  # the server itself logs what was raised
    return _as_error(request, 500, f"this failed; the server's log has request {asked}")


def _add_scoring(app: FastAPI, desk: Desk) -> None:
    @app.post("/invocations")
    async def invocations(request: Request) -> Response:
        body = await desk.body(request)
        kind = request.headers.get("content-type", "")
        answer = await desk.answer(request, lambda model: model.invoke(body, kind))
        return answered(answer, answer.value.text)

    @app.get("/ping")
    @app.get("/health")
    async def ping() -> Response:
        return json_response("\n", 200 if desk.traffic.is_serving else 503)


def _add_state(app: FastAPI, desk: Desk) -> None:
    @app.get("/version")
    async def version() -> Response:
        found = desk.traffic.status()
        main = next(iter(found.values())).live
        references = {name: _told(status) for name, status in found.items()}
        status = 200 if desk.traffic.is_serving else 503
        return json_response({**version_document(main), "references": references}, status)

    @app.get("/health/live")
    async def live() -> Response:
        return json_response({"status": "live"})

    @app.get("/health/ready")
    async def ready() -> Response:
        is_ready = desk.traffic.is_serving
        return json_response(
            {"status": "ready" if is_ready else "unavailable"}, 200 if is_ready else 503
        )

    @app.get("/metrics")
    def metrics() -> Response:
        own = CollectorRegistry()
        own.register(Counts(desk.traffic.status()))
        text = generate_latest(REGISTRY) + generate_latest(own)
        return Response(text, media_type=CONTENT_TYPE_LATEST)


def _told(status: TargetStatus) -> dict[str, Any]:
    counts = ("share", "served_by", "problem", "answered", "failed", "elsewhere", "dropped")
    about = version_document(status.live)
    return {
        **{name: getattr(status, name) for name in counts},
        "shadow": status.is_shadow,
        "version": about["version"],
        "refused": about["failed"],
    }


class Counts(Collector):
    """What came to each reference, for Prometheus."""

    def __init__(self, found: Mapping[str, TargetStatus]) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        words = "Requests by reference and what became of them."
        family = CounterMetricFamily("gitreg_requests", words, labels=("reference", "outcome"))
        for name, status in self._found.items():
            for outcome in ("answered", "failed", "elsewhere", "dropped"):
                family.add_metric((name, outcome), getattr(status, outcome))
        yield family
