"""A download is a process of its own, which tells its errors and never stays behind."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gitreg import DvcError, NotFound, Registry
from gitreg.errors import WorldError
from gitreg.serving import fetching
from gitreg.serving.fetching import Order, fetch
from tests.conftest import git
from tests.serving.made import live_model, move, url_of
from tests.support.processes import is_alive, wait_for


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The processes of downloads, as they are started."""
    found: list[subprocess.Popen[bytes]] = []

    class Noted(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, command: Any, *args: Any, **options: Any) -> None:
            super().__init__(command, *args, **options)
            if fetching._PROGRAM in command:
                found.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    return found


@pytest.fixture
def silent() -> Iterator[tuple[str, socket.socket]]:
    """The URL of a DVC remote that takes connections and never answers, with a login."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        yield f"http://user:secret@127.0.0.1:{server.getsockname()[1]}/store", server


def order(shared: Path, tmp_path: Path, **other: Any) -> Order:
    with Registry(shared / "work") as registry:
        commit = str(registry.commit)
    place, cache = str(tmp_path / "place"), str(tmp_path / "cache")
    wanted = {"location": url_of(shared), "model": "churn", "version": 2, "commit": commit}
    return Order(**{**wanted, "destination": place, "cache": cache, **other})


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[int]:
    handle = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
    yield handle
    os.close(handle)


def handles() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def keep_bytes_at(shared: Path, url: str) -> None:
    config = shared / "work" / "registry" / ".dvc" / "config"
    config.write_text(f"[core]\n    remote = store\n['remote \"store\"']\n    url = {url}\n")
    git(shared / "work", "commit", "--quiet", "-am", "another store")
    git(shared / "work", "push", "--quiet")


def test_one_process_for_a_download_and_none_for_a_look(
    served: Path, tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    folder = tmp_path / "copies"
    with live_model(served, folder=folder) as live, live_model(served, folder=folder):
        assert len(started) == 1, "the second one verifies the copy of the first"
        for _ in range(3):
            live._step()
        assert len(started) == 1
        move(served, 3)
        live.refresh()
        move(served, 2)
        live.refresh()
        assert len(started) == 2, "the copy of version 2 is there still"
    assert [process.returncode for process in started] == [0, 0]
    assert url_of(served) not in str(started[0].args)
    assert (
        "dvc"
        not in subprocess.check_output(
            [sys.executable, "-c", "import sys, gitreg.serving.live; print(*sys.modules)"],
            text=True,
        ).split()
    )


def test_a_damaged_copy_is_downloaded_anew(
    served: Path, tmp_path: Path, started: list[subprocess.Popen[bytes]]
) -> None:
    with live_model(served, folder=tmp_path / "copies"):
        pass
    (file,) = (tmp_path / "copies").glob("versions/*/2-*/model/model.pkl")
    file.chmod(0o644)
    file.write_text("changed")
    with live_model(served, folder=tmp_path / "copies") as live, live.use() as current:
        assert current.model.predict() == "weights 2"
    assert len(started) == 2


def test_an_error_comes_back_as_it_was(served: Path, tmp_path: Path, lock: int) -> None:
    with pytest.raises(NotFound, match="no churn@9") as missing:
        fetch(order(served, tmp_path, version=9), lock, lambda: False)
    assert missing.value.exit_code == 2
    for stored in (served / "dvc-remote").rglob("*"):
        if stored.is_file() and stored.read_bytes() == b"weights 2":
            stored.chmod(0o644)
            stored.write_bytes(b"weights X")
    with pytest.raises(DvcError) as tampered:
        fetch(order(served, tmp_path), lock, lambda: False)
    assert tampered.value.exit_code == 3
    assert not list((tmp_path / "place").rglob("*.pkl"))


@pytest.mark.parametrize(
    ("program", "words"),
    [("/bin/false", "ended with status 1"), ("/nowhere/python", "cannot be started: /nowhere")],
)
def test_a_process_that_does_not_work_is_told(
    tmp_path: Path, lock: int, monkeypatch: pytest.MonkeyPatch, program: str, words: str
) -> None:
    monkeypatch.setattr(fetching, "get_executable", lambda: program)
    with pytest.raises(WorldError, match=words):
        fetch(Order("url", "churn", 1, "0" * 40, str(tmp_path), ""), lock, lambda: False)


def test_a_stop_ends_a_download(
    served: Path, silent: tuple[str, socket.socket], started: list[subprocess.Popen[bytes]]
) -> None:
    url, server = silent
    with live_model(served) as live:
        move(served, 3)
        keep_bytes_at(served, url)
        opened = handles()
        step = threading.Thread(target=live._step)
        step.start()
        asking, _ = server.accept()
        process = started[-1]
        assert process.poll() is None, "it waits for the bytes"
        told = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert b"secret" not in told
        assert os.getpriority(os.PRIO_PROCESS, process.pid) > os.getpriority(os.PRIO_PROCESS, 0)
        live.stop()
        step.join(60)
        asking.close()
    assert process.returncode is not None, "no zombie"
    assert live.status().failed is None
    assert handles() <= opened


def test_a_stop_ends_the_first_start_too(served: Path, silent: tuple[str, socket.socket]) -> None:
    url, server = silent
    keep_bytes_at(served, url)
    live, raised = live_model(served), []

    def start() -> None:
        try:
            live.start()
        except WorldError as error:
            raised.append(str(error))

    starting = threading.Thread(target=start)
    starting.start()
    with server.accept()[0]:
        live.stop()
        starting.join(60)
    assert raised == ["the download was stopped"]


def test_a_deadline_ends_a_download(
    served: Path,
    tmp_path: Path,
    lock: int,
    silent: tuple[str, socket.socket],
    started: list[subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep_bytes_at(served, silent[0])
    monkeypatch.setattr(fetching, "DEADLINE", 1.0)
    with pytest.raises(WorldError, match="did not end within"):
        fetch(order(served, tmp_path), lock, lambda: False)
    assert started[0].returncode is not None


PROGRAM = """
import json, os, sys
from gitreg.serving.fetching import Order, fetch
fetch(Order(**json.loads(sys.argv[1])), os.open(sys.argv[2], os.O_CREAT | os.O_RDWR), lambda: False)
"""


def test_it_ends_with_a_parent_that_was_killed(
    served: Path, tmp_path: Path, silent: tuple[str, socket.socket]
) -> None:
    url, server = silent
    keep_bytes_at(served, url)
    wanted = json.dumps(vars(order(served, tmp_path)))
    command = [sys.executable, "-c", PROGRAM, wanted, str(tmp_path / "lock")]
    with subprocess.Popen(command) as parent, server.accept()[0]:
        listed = ["ps", "-o", "pid=", "--ppid", str(parent.pid)]
        (child,) = map(int, subprocess.check_output(listed, text=True).split())
        parent.kill()
        wait_for(lambda: not is_alive(child))
