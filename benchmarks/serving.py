"""Measures how soon a promotion is served, and what a swap costs the requests meanwhile.

A real uvicorn with one worker, which follows a registry by ``file://``. Its clock and ours are the
machine's monotonic one. The time from `git push` to the first answer by the new version is split:
the wait for the next look, the question whether the branch moved, download and verification, the
loader, and all else, which is gitreg's overhead.
"""

import http.client
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.harness import Progress, Result, Sample
from gitreg import Registry

TASK = "git push of a promotion to the first answer"
REQUESTS = "a request, p99"
POLL = 1.0
SIZE = 64 << 20
SWAPS = 10
LIMIT = 60.0

_CONFIG = '[core]\n    remote = store\n[\'remote "store"\']\n    url = "{}"\n'
_PARTS = ("wait for the poll", "question (git ls-remote)", "pull and verify", "load", "overhead")


def run(folder: Path, *, progress: Progress) -> list[Result]:
    """Measure swaps among three versions of 64 MiB, so that each is downloaded anew."""
    progress("serving: filling a registry")
    work = _registry(folder)
    label = f"{SIZE >> 20} MiB, poll {POLL:.0f} s"
    rows = {name: Result(TASK, label, name) for name in ("all", *_PARTS)}
    quiet = Result(REQUESTS, label, "without a swap", percentile=99)
    busy = Result(REQUESTS, label, "during a swap", percentile=99)
    with _service(folder) as service:
        progress("serving: requests without a swap")
        until = time.monotonic() + 10
        while time.monotonic() < until:
            quiet.samples.append(Sample(service.predict()[1]))
        progress("serving: swaps")
        for swap in range(SWAPS):
            _swap(work, (swap + 1) % 3 + 1, service, rows, busy)
            time.sleep(random.random() * POLL)
    return [*rows.values(), quiet, busy]


class _Client:
    """One connection that is kept."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def get(self, path: str) -> dict[str, Any]:
        try:
            self._connection.request("GET", path)
            found: dict[str, Any] = json.loads(self._connection.getresponse().read())
        except OSError:
            self._connection.close()
            raise
        return found

    def predict(self) -> tuple[int, float]:
        """Return the version that answered, and the seconds that it took."""
        time.sleep(0.001)
        start = time.perf_counter()
        version = int(self.get("/predict")["version"])
        return version, time.perf_counter() - start


def _swap(
    work: Path, version: int, service: _Client, rows: dict[str, Result], busy: Result
) -> None:
    pointer = work / "registry/model/aliases/champion.yaml"
    pointer.write_text(f"version: {version}\n")
    _git(work, "commit", "--quiet", "--all", "-m", f"champion is {version}")
    _git(work, "push", "--quiet")
    pushed = time.monotonic()
    answered = 0
    while answered != version:
        answered, seconds = service.predict()
        busy.samples.append(Sample(seconds))
        assert time.monotonic() < pushed + LIMIT
    whole = time.monotonic() - pushed
    parts = service.get("/parts")
    known = [max(0.0, parts["noticed"] - pushed), parts["asked"], parts["pull"], parts["load"]]
    rows["all"].samples.append(Sample(whole))
    for name, seconds in zip(_PARTS, [*known, max(0.0, whole - sum(known))], strict=True):
        rows[name].samples.append(Sample(seconds))


def _registry(folder: Path) -> Path:
    """Return a clone with three versions, published; the alias names the first."""
    work = folder / "work"
    Registry.init(work)
    (work / "registry/.dvc/config").write_text(_CONFIG.format(folder / "store"))
    (folder / "store").mkdir()
    (work / ".gitignore").write_text("/weights\n")
    _git(work, "add", "--all")
    _git(work, "commit", "--quiet", "-m", "Configure the store")
    _git(folder, "init", "--quiet", "--bare", "--initial-branch=main", "origin.git")
    _git(folder / "origin.git", "config", "uploadpack.allowFilter", "true")
    _git(work, "remote", "add", "origin", str(folder / "origin.git"))
    with Registry(work) as registry:
        for _ in range(3):
            (work / "weights").write_bytes(random.randbytes(SIZE))
            registry.register("model", work / "weights")
        registry.set_alias("model@1", "champion", push=True)
    _git(work, "branch", "--quiet", "--set-upstream-to=origin/main")
    return work


@contextmanager
def _service(folder: Path) -> Iterator[_Client]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    environment = os.environ | {
        "REGISTRY": f"file://{folder / 'origin.git'}",
        "COPIES": str(folder / "copies"),
        "POLL": str(POLL),
        "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
    }
    command = [sys.executable, "-m", "uvicorn", "benchmarks.serving_app:app"]
    options = ["--port", str(port), "--log-level", "warning", "--no-access-log"]
    with subprocess.Popen([*command, *options], env=environment) as process:
        try:
            client = _Client(port)
            until = time.monotonic() + LIMIT
            while True:
                try:
                    client.predict()
                    break
                except OSError:
                    if time.monotonic() > until or process.poll() is not None:
                        raise
                    time.sleep(0.1)
            yield client
        finally:
            process.terminate()
            process.wait(60)


def _git(folder: Path, *args: str) -> None:
    subprocess.run(["git", "-C", str(folder), *args], check=True)
