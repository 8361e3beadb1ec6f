"""Serves a site on this machine, and builds it again when the branch moves.

It listens on the loopback interface only and answers only requests to that name: a page from
elsewhere that points a name of its own to 127.0.0.1 gets nothing.
"""

from __future__ import annotations

import errno
import functools
import http.server
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from gitreg.errors import GitregError, WorldError
from gitreg.registry import Registry
from gitreg.site.building import Built, build

LOOPBACK = "127.0.0.1"
_NAMES = frozenset({LOOPBACK, "localhost"})
_CLONE_SECONDS, _URL_SECONDS = 2.0, 60.0
"""How often it looks whether the branch moved: in a folder, and behind a URL."""

_TEXT = "text/plain; charset=utf-8"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the files of one folder."""

    protocol_version = "HTTP/1.1"

    def __init__(self, folder: Path, *rest: Any) -> None:
        self._folder = folder
        super().__init__(*rest)

    def do_GET(self) -> None:
        """Send a file."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Send what `do_GET` would send, without the file."""
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        host = (self.headers.get("Host") or "").rpartition(":")[0] or self.headers.get("Host")
        if host not in _NAMES:
            self._send(421, b"not this host\n", with_body=with_body)
            return
        try:
            path = self._asked()
            if path is not None and path.is_dir() and not urlsplit(self.path).path.endswith("/"):
                self._send(301, b"", with_body=with_body, location=f"{quote(path.name)}/")
                return
            data = _page(path).read_bytes() if path is not None else None
        except (OSError, ValueError, RuntimeError):  # a name that no file has; a loop of links
            path = data = None
        if path is None or data is None:
            self._send(404, b"no such page\n", with_body=with_body)
        else:
            self._send(200, data, with_body=with_body, kind=_TYPES.get(_page(path).suffix, _TEXT))

    def _asked(self) -> Path | None:
        """Return the place that is asked for, if it is in the folder."""
        asked = unquote(urlsplit(self.path).path, errors="replace")
        if ".." in asked.split("/"):
            return None
        path = self._folder / asked.lstrip("/")
        return path if _page(path).resolve().is_relative_to(self._folder.resolve()) else None

    def _send(
        self, status: int, data: bytes, *, with_body: bool, kind: str = _TEXT, location: str = ""
    ) -> None:
        self.send_response(status)
        for name, value in {**_HEADERS, "Content-Type": kind, "Location": location}.items():
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if with_body:
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's name
        """Say nothing: the library does not print."""


def _page(path: Path) -> Path:
    return path / "index.html" if path.is_dir() else path


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that went away before it had the whole answer."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Site:
    """A site that is served.

    Args:
        location: the registry.
        folder: where the pages go.
        port: 0 for any free one.
        title: see `gitreg.site.build`.

    Raises:
        WorldError: the port is in use.
    """

    def __init__(self, location: str, folder: Path, port: int, title: str | None = None) -> None:
        self._location = location
        self._folder = folder
        self._title = title
        self._is_remote = False
        handler = functools.partial(_Handler, folder)
        try:
            self._server = _Server((LOOPBACK, port), handler)
        except (OSError, OverflowError) as error:
            number = error.errno if isinstance(error, OSError) else None
            taken = number == errno.EADDRINUSE
            why = "is in use" if taken else f"cannot be listened on: {error}"
            raise WorldError(f"port {port} {why}", hint="--port 0 takes any free one") from None
        self._stop = threading.Event()

    @property
    def url(self) -> str:
        """The address of the first page."""
        return f"http://{LOOPBACK}:{self._server.server_address[1]}/"

    def build(self) -> Built:
        """Build the pages of the registry as it is now."""
        with Registry(self._location) as registry:
            self._is_remote = registry.url is not None
            return build(registry, self._folder, title=self._title)

    def run(
        self,
        tell: Callable[[Built], object],
        complain: Callable[[GitregError], object],
    ) -> None:
        """Serve until `close` or an interruption, and build again when the branch moves.

        Args:
            tell: is called after each build.
            complain: is called when a build fails; the pages stay as they were.
        """
        server = threading.Thread(target=self._server.serve_forever, daemon=True)
        try:
            built = self.build()
            server.start()
            tell(built)
            wait = _URL_SECONDS if self._is_remote else _CLONE_SECONDS
            failed = None
            while not self._stop.wait(wait):
                with suppress(GitregError), Registry(self._location) as registry:
                    if registry.commit in (built.commit, failed):
                        continue
                    failed = registry.commit
                try:
                    built = self.build()
                except GitregError as error:
                    complain(error)
                else:
                    failed = None
                    tell(built)
        finally:
            if server.is_alive():
                self._server.shutdown()
            self._server.server_close()

    def close(self) -> None:
        """Let `run` return."""
        self._stop.set()


def default_folder(registry: Registry) -> Path:
    """Return where served pages are kept: in the clone's own folder, which Git does not see."""
    return registry.private_dir / "site"
