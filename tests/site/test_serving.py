"""Pages that are served on this machine: whom they answer, and when they are built again."""

from __future__ import annotations

import http.client
import queue
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typing_extensions import Self

from gitreg import GitregError, Registry
from gitreg.site.building import Built
from gitreg.site.serving import Site
from tests.conftest import git
from tests.support.commands import error

LONG = 120


class Served:
    """A site that runs in a thread, and what it says."""

    def __init__(self, clone: Path, folder: Path) -> None:
        self.site = Site(str(clone), folder, 0)
        self.said: queue.Queue[Built | GitregError] = queue.Queue()
        self._thread = threading.Thread(
            target=lambda: self.site.run(self.said.put, self.said.put), daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        assert isinstance(self.next(), Built)
        return self

    def __exit__(self, *error: object) -> None:
        self.site.close()
        self._thread.join(LONG)

    def next(self) -> Built | GitregError:
        return self.said.get(timeout=LONG)

    def get(self, path: str, host: str | None = None, verb: str = "GET") -> tuple[int, str]:
        port = int(self.site.url.rpartition(":")[2].rstrip("/"))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONG)
        try:
            connection.putrequest(verb, path, skip_host=host is not None)
            if host:
                connection.putheader("Host", host)
            connection.endheaders()
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def hang_up(self) -> None:
        """Ask for much and go away, and wait until the server noticed."""
        noticed = threading.Event()
        server = self.site._server
        close = server.shutdown_request
        server.shutdown_request = lambda request: (close(request), noticed.set())  # type: ignore[method-assign,assignment,func-returns-value]
        with socket.create_connection(server.server_address[:2]) as gone:  # type: ignore[arg-type]
            asks = b"GET /assets/site.css HTTP/1.1\r\nHost: localhost\r\n\r\n"
            gone.sendall(asks * 500)
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert noticed.wait(LONG)
        del server.shutdown_request


@pytest.fixture
def served(clone: Path, tmp_path: Path) -> Iterator[Served]:
    with Served(clone, tmp_path / "site") as running:
        yield running


def test_it_answers_only_to_its_own_name_with_its_own_files(served: Served) -> None:
    status, page = served.get("/")
    assert (status, "What is where" in page) == (200, True)
    assert served.get("/models/Fraud%2520net/")[0] == 200
    assert served.get("/policy.html?x=1", "localhost:80")[0] == 200
    assert served.get("/", verb="HEAD") == (200, "")
    for host in ("evil.example", "127.0.0.1.evil.example:80", ""):
        assert served.get("/", host)[0] in (400, 421)
    for path in (
        "/../clone/.git/config",
        "/%2e%2e/clone/.git/config",
        "//etc/passwd",
        "/no",
        "/%00",
    ):
        assert served.get(path)[0] == 404
    assert served.get("/", verb="POST")[0] == 501


def test_odd_requests_get_an_answer_and_no_traceback(
    served: Served, capfd: pytest.CaptureFixture[str]
) -> None:
    for path in (f"/{'a' * 300}", "http://[", "/index.html/x", "/%ff"):
        assert served.get(path, "localhost")[0] == 404
    assert served.get("/models/tokenizer") == (301, "")  # links in the page are relative
    assert served.get("/models/tokenizer/")[0] == 200
    served.hang_up()
    assert served.get("/")[0] == 200
    assert capfd.readouterr().err == ""


def test_it_builds_again_when_the_branch_moves(served: Served, clone: Path) -> None:
    with Registry(clone) as registry:
        registry.promote("tokenizer@1", stage="staging")
        commit = registry.commit
    again = served.next()
    assert isinstance(again, Built)
    assert (again.commit, again.counts.models) == (commit, 1)
    assert "staging" in served.get("/models/tokenizer/index.html")[1]
    git(clone, "commit", "--quiet", "--allow-empty", "-m", "no event")
    assert isinstance(served.next(), Built)


def test_a_port_in_use_is_said(clone: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        where = ("--repo", str(clone), "--port", str(taken.getsockname()[1]))
        assert "is in use" in error("site", "serve", *where, code=3)


def test_it_ends_with_control_c(clone: Path) -> None:
    command = (sys.executable, "-m", "gitreg", "site", "serve", "--port", "0", "--repo", str(clone))
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert "listening on http://127.0.0.1:" in running.stdout.readline()
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=LONG)
    assert (running.returncode, said) == (0, "stopped\n")
    assert git(clone, "status", "--porcelain", "--", ".git") == ""
