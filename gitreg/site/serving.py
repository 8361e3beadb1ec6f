"""Serves a site on this machine, and builds it again when the branch moves.

It listens on the loopback interface only and answers only requests to that name: a page from
elsewhere that points a name of its own to 127.0.0.1 gets nothing.
"""

from __future__ import annotations

import errno
import functools
import http.server
import posixpath
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from gitreg.errors import GitregError, WorldError
from gitreg.registry import Registry
from gitreg.site.building import Built, build

LOOPBACK = "127.0.0.1"
_NAMES = frozenset({LOOPBACK, "localhost"})
_CLONE_SECONDS, _URL_SECONDS = 2.0, 60.0
"""How often it looks whether the branch moved: in a folder, and behind a URL."""

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
            self._send(421, "text/plain; charset=utf-8", b"not this host\n", with_body=with_body)
            return
        found = self._file()
        if found is None:
            self._send(404, "text/plain; charset=utf-8", b"no such page\n", with_body=with_body)
            return
        path, data = found
        kind = _TYPES.get(path.suffix, "text/plain; charset=utf-8")
        self._send(200, kind, data, with_body=with_body)

    def _file(self) -> tuple[Path, bytes] | None:
        """Return the file that is asked for, if it is in the folder."""
        asked = unquote(urlsplit(self.path).path, errors="replace")
        if "\0" in asked or ".." in asked.split("/"):
            return None
        inside = posixpath.normpath(asked).lstrip("/")
        path = self._folder / (inside if inside != "." else "")
        if path.is_dir():
            path /= "index.html"
        if not path.resolve().is_relative_to(self._folder.resolve()):
            return None
        with suppress(OSError):
            return path, path.read_bytes()
        return None

    def _send(self, status: int, kind: str, data: bytes, *, with_body: bool) -> None:
        self.send_response(status)
        for name, value in {**_HEADERS, "Content-Type": kind}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if with_body:
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's name
        """Say nothing: the library does not print."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


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
            wait = _URL_SECONDS if "://" in self._location else _CLONE_SECONDS
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
