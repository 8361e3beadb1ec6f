"""Git's own ``http-backend`` behind a small HTTP server that can be told to misbehave."""

from __future__ import annotations

import base64
import http.server
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.support.servers.ready import lacking

USER, PASSWORD = "ada", "s3cret-of-ada"


class Fault(Enum):
    """What the server does instead of answering as it should."""

    FORBIDDEN = "403"
    BROKEN = "500"
    GARBAGE = "garbage"  # no HTTP at all
    NOT_GIT = "a page"  # as a captive portal or a wrong address answers
    HANG_UP = "hang up"  # closes without a word, and has done nothing
    CUT_OFF = "cut off"  # closes in the middle of its answer
    LOST_ANSWER = "lost answer"  # does what was asked, and closes without a word


class GitHttpServer:
    """A running server.

    Repositories are served at their path below ``root``: to anybody, below ``/locked`` to
    `USER` alone, and below ``/fault/NAME`` never as they should be.

    Attributes:
        pushes: faults for the next pushes, one each, when the pack arrives.
        seen: how the bodies of requests came, ``chunked`` and ``gzip``.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.pushes: list[Fault] = []
        self.seen: set[str] = set()
        self.port = 0

    def url(
        self,
        path: Path,
        *,
        port: int | None = None,
        fault: Fault | None = None,
        login: str | None = None,
    ) -> str:
        """Return the URL of a repository.

        Args:
            path: where it lies.
            port: of a proxy.
            fault: what goes wrong with every request.
            login: ``user:password``, the right one of which is wanted, unless there is a fault.
        """
        place = path.relative_to(self.root)
        ahead = f"fault/{fault.name}/" if fault else "locked/" if login else ""
        user = f"{login}@" if login else ""
        return f"http://{user}127.0.0.1:{port or self.port}/{ahead}{place}"


@contextmanager
def git_http_server(root: Path) -> Iterator[GitHttpServer]:
    """Serve the repositories below ``root``."""
    exec_path = subprocess.run(
        ["git", "--exec-path"], capture_output=True, text=True, check=True
    ).stdout.strip()
    backend = Path(exec_path) / "git-http-backend"
    if not backend.exists():
        lacking("Git was installed without its http-backend")
    state = GitHttpServer(root)

    class Handler(_Handler):
        program = str(backend)
        git = state

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.port = server.server_port  # it listens from here on
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # which has chunked bodies
    program: str
    git: GitHttpServer

    def log_message(self, *_: object) -> None:
        """Stay quiet."""

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self._body())

    def _body(self) -> bytes:
        if self.headers.get("Content-Encoding") == "gzip":
            self.git.seen.add("gzip")  # the backend unpacks it
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.git.seen.add("chunked")
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers, which Git has none of
            pass
        return b"".join(chunks)

    def _answer(self, body: bytes) -> None:
        path = urlsplit(self.path).path
        ahead = re.match(r"/(?:fault/(?P<fault>\w+)|(?P<locked>locked))(?=/)", path)
        user = None
        fault = None
        if ahead:
            path = path[ahead.end() :]
            fault = Fault[ahead["fault"]] if ahead["fault"] else None
            if ahead["locked"]:
                user = USER
                wanted = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
                if self.headers.get("Authorization") != f"Basic {wanted}":
                    self._send(401, [("WWW-Authenticate", 'Basic realm="models"')], b"who are you?")
                    return
        # Git asks first whether it may, with a body of four bytes that moves nothing.
        if path.endswith("/git-receive-pack") and len(body) > 4 and self.git.pushes:
            fault = self.git.pushes.pop(0)
        if fault is None:
            self._send(*self._run(path, body, user))
        else:
            self._misbehave(fault, path, body, user)

    def _misbehave(self, fault: Fault, path: str, body: bytes, user: str | None) -> None:
        self.close_connection = True
        if fault in (Fault.FORBIDDEN, Fault.BROKEN):
            self._send(int(fault.value), [], b"no")
        elif fault is Fault.NOT_GIT:
            self._send(200, [("Content-Type", "text/html")], b"<html>\nPlease log in\n</html>\n")
        elif fault is Fault.GARBAGE:
            self.wfile.write(b"\x00\xff this is no HTTP \r\n\r\n" * 3)
        elif fault is Fault.LOST_ANSWER:
            self._run(path, body, user)
        elif fault is Fault.CUT_OFF:
            status, headers, answer = self._run(path, body, user)
            self._send(status, headers, answer, len(answer) // 2)

    def _run(
        self, path: str, body: bytes, user: str | None
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Let Git answer, as CGI has it."""
        git = {name: value for name, value in os.environ.items() if name in ("PATH", "TMPDIR")}
        done = subprocess.run(
            [self.program],
            input=body,
            env={
                **git,
                "LC_ALL": "C",
                "GIT_CONFIG_GLOBAL": os.devnull,
                "GIT_CONFIG_SYSTEM": os.devnull,
                "GIT_PROJECT_ROOT": str(self.git.root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "REQUEST_METHOD": self.command,
                "PATH_INFO": unquote(path),
                "QUERY_STRING": urlsplit(self.path).query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "REMOTE_ADDR": "127.0.0.1",
                **({"REMOTE_USER": user} if user else {}),
            },
            capture_output=True,
            check=False,
        )
        head, _, answer = done.stdout.partition(b"\r\n\r\n")
        headers = [
            (name, value.strip())
            for name, _, value in (line.partition(":") for line in head.decode().splitlines())
        ]
        status = [int(value.split()[0]) for name, value in headers if name == "Status"]
        kept = [pair for pair in headers if pair[0] != "Status"]
        return (status or [200])[0], kept, answer

    def _send(
        self, status: int, headers: list[tuple[str, str]], body: bytes, cut: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(body[:cut])
