"""The routes of a live model: whether it serves, which version, what failed; metrics; a webhook.

No answer has a path, a URL or an error's own words: they may tell about this machine.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from starlette.concurrency import run_in_threadpool

from gitreg.serving import metrics, webhook
from gitreg.serving.status import LiveStatus, ModelUnavailable

if TYPE_CHECKING:
    from gitreg.serving.live import LiveModel


def version_document(status: LiveStatus) -> dict[str, Any]:
    """Return what ``/version`` answers."""
    serving, failed = status.serving, status.failed
    return {
        "model": status.model if serving is None else serving.model,
        "version": None if serving is None else serving.version,
        "commit": None if serving is None else serving.commit,
        "sha256": None if serving is None else serving.sha256,
        "since": None if serving is None else serving.since,
        "reference": status.reference,
        "failed": None
        if failed is None
        else {"version": failed.version, "since": failed.since, "why": failed.why},
        "checked_at": status.checked_at,
        "away_since": status.away_since,
    }


def routes(live: LiveModel[Any]) -> APIRouter:
    """Return the routes of a live model; with a name, below it."""
    metrics.show(live)
    router = APIRouter(prefix=f"/{live.name}" if live.name else "")

    @router.get("/health/live")
    async def is_live() -> dict[str, str]:
        return {"status": "live"}

    @router.get("/health/ready")
    async def is_ready() -> JSONResponse:
        ready = live.status().serving is not None
        return JSONResponse({"status": "ready" if ready else "unavailable"}, 200 if ready else 503)

    @router.get("/version")
    async def version() -> JSONResponse:
        status = live.status()
        return JSONResponse(version_document(status), 503 if status.serving is None else 200)

    @router.get("/metrics")
    def all_metrics() -> Response:
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    secret = live.webhook_secret
    if secret is not None:

        @router.post("/webhook")
        async def woken(request: Request) -> JSONResponse:
            body = await _bounded(request)
            if body is None:
                return JSONResponse({"status": "too large"}, 413)
            if not webhook.is_signed(secret, request.headers, body, time.time()):
                return JSONResponse({"status": "not signed"}, 401)
            await run_in_threadpool(live.wake)
            return JSONResponse({"status": "woken"}, 202)

    return router


async def unavailable(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001
    """Answer 503: ``app.add_exception_handler(ModelUnavailable, unavailable)``."""
    assert isinstance(error, ModelUnavailable)
    return JSONResponse({"status": "unavailable"}, 503, headers={"Retry-After": "1"})


async def _bounded(request: Request) -> bytes | None:
    """Return the body of a request; ``None`` when it is larger than any webhook's."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > webhook.LIMIT:
            return None
    return bytes(body)
