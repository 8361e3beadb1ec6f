"""A real uvicorn with two workers under load, while the reference moves and the world fails."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from gitreg.registry.options import Self
from tests.conftest import git
from tests.serving.made import add, url_of
from tests.support.extent import extent

CLIENTS = 3
WORKERS = 2
POLL = "0.3"
LIMIT = 120.0
MOVES = extent(6, 30)
BROKEN = extent(1, 5)


def ask(port: int, path: str) -> dict[str, Any]:
    """Ask over a new connection, so that the kernel chooses the worker."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200, answer.status
        found: dict[str, Any] = json.loads(answer.read())
        return found
    finally:
        connection.close()


class Load:
    """Clients that ask all the time, and what they got: (start, answer) and errors."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answers: list[tuple[float, dict[str, Any]]] = []
        self.errors: list[Exception] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.02):
            start = time.monotonic()
            try:
                self.answers.append((start, ask(self.port, "/predict")))
            except Exception as error:  # noqa: BLE001  counted
                self.errors.append(error)


class Service:
    """The process, and the registry that it follows."""

    def __init__(self, served: Path) -> None:
        self.served = served
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])

    @contextmanager
    def running(self) -> Iterator[None]:
        environment = os.environ | {
            "REGISTRY": url_of(self.served),
            "COPIES": str(self.served / "copies"),
            "POLL": POLL,
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        }
        command = [sys.executable, "-m", "uvicorn", "tests.serving.live_app:app"]
        options = ["--workers", str(WORKERS), "--port", str(self.port), "--log-level", "warning"]
        with subprocess.Popen([*command, *options], env=environment) as process:
            try:
                yield
            finally:
                process.terminate()
                process.wait(60)

    def move(self, version: int) -> None:
        """Move the alias by hand: gitreg would repair tampered bytes before it publishes."""
        work = self.served / "work"
        (work / "registry/churn/aliases/champion.yaml").write_text(f"version: {version}\n")
        git(work, "commit", "--quiet", "-am", f"champion is {version}")
        git(work, "push", "--quiet")

    def wait_for_all(self, holds: Callable[[dict[str, Any]], bool]) -> set[int]:
        """Wait until the last answer of as many workers as there are fits; return their ids."""
        limit = time.monotonic() + LIMIT
        fits: dict[int, float] = {}
        while len(fits) < WORKERS:
            assert time.monotonic() < limit, fits
            try:
                state = ask(self.port, "/state")
            except OSError:
                time.sleep(0.05)
                continue
            if holds(state):
                fits[state["pid"]] = time.monotonic()
            else:
                fits.pop(state["pid"], None)
            time.sleep(0.01)
        return set(fits)


def moves_of(good: list[int], broken: list[int], dice: random.Random) -> list[int]:
    """Return to which versions the reference moves: each another one than before."""
    moves = [good[number % len(good)] for number in range(MOVES - BROKEN)]
    for version in broken:
        moves.insert(dice.randrange(1, len(moves)), version)
    return moves


def tampered(served: Path) -> int:
    """Publish a version whose bytes are changed on the remote afterwards."""
    version = add(served, "tampered")
    stored = [path for path in (served / "dvc-remote").rglob("*") if path.is_file()]
    (weights,) = [path for path in stored if path.read_bytes() == b"tampered"]
    weights.chmod(0o644)
    weights.write_bytes(b"somebody")
    return version


def test_no_request_fails_while_the_reference_moves(served: Path) -> None:
    broken = [add(served, f"broken {number}") for number in range(BROKEN)]
    bad = {*broken, tampered(served)}
    moves = moves_of([3, 2], broken, random.Random(17))
    moves.insert(2, max(bad))
    service, serving, settled = Service(served), 2, []
    with service.running():
        workers = service.wait_for_all(lambda state: bool(state["version"] == 2))
        with Load(service.port) as load:
            for number, version in enumerate(moves):
                if number == len(moves) // 2:
                    (served / "origin.git").rename(served / "away.git")
                    service.wait_for_all(lambda state: bool(state["away"]))
                    (served / "away.git").rename(served / "origin.git")
                before = time.monotonic()
                service.move(version)
                failed = version if version in bad else None
                serving = serving if failed else version
                wanted = {"version": serving, "failed": failed, "away": False}
                service.wait_for_all(
                    lambda state, wanted=wanted: wanted.items() <= state.items()  # type: ignore[misc]
                )
                settled.append((before, time.monotonic(), serving))
            assert not load.errors
            # The kernel ends the killed worker's connections: at most one for each client.
            os.kill(min(workers), signal.SIGKILL)
            service.wait_for_all(
                lambda state: state["pid"] != min(workers) and state["version"] == serving
            )
        over = time.monotonic()
    assert len(load.errors) <= CLIENTS, load.errors
    assert all(isinstance(error, (OSError, http.client.HTTPException)) for error in load.errors)
    judge(load, [*settled, (over, over, serving)], bad)


def judge(load: Load, settled: list[tuple[float, float, int]], bad: set[int]) -> None:
    """Each answer is by a verified version, and by the named one once the move has arrived."""
    texts = {2: "weights 2", 3: "weights 3"}
    assert {answer["version"] for _, answer in load.answers} == {2, 3}
    assert not bad & {answer["version"] for _, answer in load.answers}
    for _, answer in load.answers:
        assert answer["text"] == texts[answer["version"]]
    checked = 0
    for (_, since, version), (until, _, _) in pairwise(settled):
        within = [answer for start, answer in load.answers if since <= start < until]
        checked += len(within)
        assert all(answer["version"] == version for answer in within)
    assert checked
