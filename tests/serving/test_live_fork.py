"""A live model that was started before a fork follows on in the child, as under gunicorn."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.serving.made import url_of

PROGRAM = """
import os, sys, time
from pathlib import Path
from tests.serving.made import Loader
from gitreg.serving.live import LiveModel

def version():
    with live.use() as current:
        return current.version.version

live = LiveModel("churn@champion", sys.argv[1], load=Loader(), poll=0.1, folder=Path(sys.argv[2]))
live.start()
with live.use():               # a request of the parent is no request of the child
    live._turn.acquire()       # and a step of the parent none of the child's
    child = os.fork()
if child == 0:
    limit = time.monotonic() + 60
    while version() != 3 and time.monotonic() < limit:
        time.sleep(0.02)
    os._exit(version())
live._turn.release()
print(version(), flush=True)
_, status = os.waitpid(child, 0)
print(os.waitstatus_to_exitcode(status), flush=True)
"""


def test_a_child_of_a_fork_follows_on(served: Path, tmp_path: Path) -> None:
    from tests.serving.made import move

    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, url_of(served), str(tmp_path / "c")]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": str(root)}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "2\n"
        move(served, 3)
        assert process.stdout.readline() == "3\n"
        assert process.wait(60) == 0
