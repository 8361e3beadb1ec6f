"""Runs gitreg again and again without importing it again and again.

The program of this module (`main`) is started with the shim preloaded, imports all that a command
may need, and forks a process for each command: importing DVC takes a second, a fork a millisecond.
`Server` is the other end.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HEAVY = (
    "gitreg.cli",
    "gitreg.render.as_text",
    "gitreg.doctor",
    "gitreg.publishing.init",
    "gitreg.artifacts.collect",
    "gitreg.artifacts.verify",
    "dvc.logger",
    "dvc.config",
    "dvc.fs",
    "dvc.ignore",
    "dvc.repo",
    "dvc.data_cloud",
    "dvc_data.hashfile.db.local",
    "dvc_objects.fs.generic",
    "gitdb",
    "ruamel.yaml",
    "sqlite3",
    "concurrent.futures.thread",
    "fsspec.callbacks",
)
_BECOME_REAPER = 36  # PR_SET_CHILD_SUBREAPER: who lost their parent are ours to wait for
_PATIENCE = 100.0


@dataclass(frozen=True)
class Ran:
    """What a command left behind; killed, ``code`` is the signal's number, negative."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Server:
    """Runs commands of gitreg in processes of their own, one at a time."""

    def __init__(self, shim: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.crash.server", str(shim)],
            cwd=Path(__file__).parents[3],
            env={**environment, "LD_PRELOAD": str(shim), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        """End it."""
        self._process.communicate()

    def run(self, argv: list[str], folder: Path, home: Path, control: Path | None = None) -> Ran:
        """Run a command; with a control file, the shim counts and strikes as that says."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {
            "argv": argv,
            "folder": str(folder),
            "home": str(home),
            "control": None if control is None else str(control),
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return Ran(**json.loads(self._process.stdout.readline()))


def main(shim: str) -> None:
    """Answer requests, a line of JSON each, until there are no more."""
    for name in _HEAVY:
        importlib.import_module(name)
    # A thread's locks would be left held in the copy.
    assert len(list(Path("/proc/self/task").iterdir())) == 1
    for line in sys.stdin:
        request = json.loads(line)
        out, err = (os.memfd_create(name) for name in ("out", "err"))
        pid = os.fork()
        if pid == 0:
            os._exit(_supervise(shim, request, out, err))
        _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        if code > _SIGNALS:
            code = _SIGNALS - code
        answer = {"code": code, "out": _read(out), "err": _read(err)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


_SIGNALS = 200
"""How the supervisor says that its process was killed: above all codes of gitreg's."""


def _read(file: int) -> str:
    os.lseek(file, 0, os.SEEK_SET)
    with os.fdopen(file, "rb") as stream:
        return stream.read().decode("utf-8", "replace")


def _supervise(shim: str, request: dict[str, Any], out: int, err: int) -> int:
    """Fork the process that runs a command; wait until nobody that it started is left."""
    ctypes.CDLL(None).prctl(_BECOME_REAPER, 1, 0, 0, 0)
    worker = os.fork()
    if worker == 0:
        os._exit(_work(shim, request, out, err))
    code = 0
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == worker:
            code = os.waitstatus_to_exitcode(status)
            code = _SIGNALS - code if code < 0 else code
        elif pid == 0:
            if time.monotonic() > deadline:
                os.write(err, b"Traceback: it hangs\n")
                for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
                    os.kill(int(child), signal.SIGKILL)
            time.sleep(0.0005)


def _work(shim: str, request: dict[str, Any], out: int, err: int) -> int:
    """Be ``gitreg``."""
    os.chdir(request["folder"])
    os.environ.update(home_variables(Path(request["home"])))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    if request["control"]:
        os.environ["CRASH_CONTROL"] = request["control"]
        assert ctypes.CDLL(shim).crash_arm(os.fsencode(request["control"])) == 0
    sys.argv = ["gitreg", *request["argv"]]
    cli = importlib.import_module("gitreg.cli")
    try:
        cli.main()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001 - what a person would see
        traceback.print_exc()
        code = 1
    else:
        code = 0
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def home_variables(home: Path) -> dict[str, str]:
    """Return the variables that make a folder the home."""
    return {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"),
        "DVC_SITE_CACHE_DIR": str(home / "dvc-site"),
    }


if __name__ == "__main__":
    main(sys.argv[1])
