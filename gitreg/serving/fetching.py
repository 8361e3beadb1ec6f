"""Downloads and verifies a version in a process of its own, so that requests do not wait for it.

DVC computes in Python: in the process that answers requests it would take the interpreter's lock
from them. The order goes to the process by its stdin, since a URL may have a login. Its answer, the
path or an error, comes back by its stdout.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing.spawn import get_executable
from pathlib import Path
from typing import Any

from gitreg import errors
from gitreg.artifacts.commands import ending
from gitreg.errors import GitregError, WorldError

DEADLINE = 6 * 3600.0
"""Seconds that a download may take: a remote that went silent must not hold it for ever."""

_LOOK = 0.1
"""Seconds between two looks whether the live model was stopped."""

_GRACE = 2.0
"""Seconds that a download has to clean up before it is killed."""

_NICE = 5
"""How far its priority is below that of the requests; on a full machine it still gets on."""

# The module search path is ours, whatever put it together. The current folder is not added to it.
_PROGRAM = """\
import sys
sys.path[:] = sys.argv[1:]
from gitreg.serving.fetching import main
main()
"""


@dataclass(frozen=True)
class Order:
    """What to download.

    Attributes:
        location: of the registry.
        model: the model's name.
        version: its number.
        commit: of the registry that names it.
        destination: the folder for the artifact.
        cache: see `Registry.pull`.
    """

    location: str
    model: str
    version: int
    commit: str
    destination: str
    cache: str


def fetch(order: Order, lock: int, is_stopped: Callable[[], bool]) -> Path:
    """Return the path of a version's verified artifact.

    Args:
        order: which version, and where to.
        lock: a handle of the lock under which it is done. The process has it too: if ours is killed
            nobody else gets the lock before the process has ended as well.
        is_stopped: whether nobody waits for it any more; then the process is ended.

    Raises:
        GitregError: what `Registry.pull` raised there; or the process did not finish.
    """
    program = os.fsdecode(get_executable() or sys.executable)
    try:
        process = subprocess.Popen(
            [program, "-c", _PROGRAM, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(lock,),
        )
    except OSError as error:
        raise WorldError(
            f"a process for the download cannot be started: {program}: {error.strerror}",
            hint="multiprocessing.set_executable names the Python to use",
        ) from None
    with process:
        try:
            said = _said(process, {**asdict(order), "parent": os.getpid()}, is_stopped)
        except BaseException:
            _end(process)
            raise
    return _read(said, process.returncode)


def _said(
    process: subprocess.Popen[bytes], order: dict[str, Any], is_stopped: Callable[[], bool]
) -> bytes:
    until = time.monotonic() + DEADLINE
    line: bytes | None = json.dumps(order).encode() + b"\n"
    while True:
        try:
            return process.communicate(line, timeout=_LOOK)[0]
        except subprocess.TimeoutExpired:
            line = None  # it is on its way
        if is_stopped():
            raise WorldError("the download was stopped")
        if time.monotonic() > until:
            raise WorldError(f"the download did not end within {DEADLINE / 3600:.0f} hours")


def _read(said: bytes, status: int) -> Path:
    try:
        answer = json.loads(said)
    except ValueError:
        raise WorldError(f"the process of the download {ending(status)}") from None
    if "path" in answer:
        return Path(answer["path"])
    raise getattr(errors, answer["kind"])(answer["message"], hint=answer["hint"])


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()


# In the process


def main() -> None:
    """Read an order from stdin, carry it out, and write the answer to stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for our parent, which ends us
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what is half done is removed
    with os.fdopen(os.dup(1), "w") as stdout:
        with suppress(OSError):
            os.dup2(2, 1)  # what anything else prints is no answer
        os.nice(_NICE)
        order = json.loads(sys.stdin.readline())
        threading.Thread(target=_watch, args=(order.pop("parent"),), daemon=True).start()
        json.dump(_answer(Order(**order)), stdout)


def _watch(parent: int) -> None:
    """End this process when its parent was killed."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _answer(order: Order) -> dict[str, str | None]:
    from gitreg.core.model.names import Reference
    from gitreg.registry import Registry

    try:
        with Registry(order.location) as registry:
            _ = registry.commit  # by URL, opens the copy of the tip: that commit is there already
            path = registry.pull(
                Reference(order.model, version=order.version),
                Path(order.destination),
                replace_existing=True,
                cache=Path(order.cache),
                rev=order.commit,
            )
    except GitregError as error:
        known = (
            kind.__name__ for kind in type(error).__mro__ if kind.__module__ == errors.__name__
        )
        return {"kind": next(known), "message": str(error), "hint": error.hint}
    except Exception as error:  # noqa: BLE001  told in words where the model is served
        words = f"the download failed: {type(error).__name__}: {error}"
        return {"kind": "WorldError", "message": words, "hint": None}
    return {"path": str(path)}
