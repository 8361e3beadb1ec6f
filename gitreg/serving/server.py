"""Runs an application until it is ended, on a socket that is bound already."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import FastAPI

GRACE = 30
"""How many seconds requests have to end when the server is told to."""

CONNECTIONS = 1000
"""How many connections there may be at one time; more get 503 at once."""


def serve(app: FastAPI, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; requests that are here are answered before it returns.

    Raises:
        KeyboardInterrupt: it was ended, and the signal's handler raises this.
    """
    import uvicorn

    config = uvicorn.Config(
        app,
        log_config=None,  # the process decides about its logs
        access_log=False,
        lifespan="off",
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=GRACE,
    )
    uvicorn.Server(config).run(sockets=[listener])
