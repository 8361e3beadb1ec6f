"""An interrupt ends the process, also where a library's threads would keep it alive for ever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """\
import sys, threading
from gitreg import Registry
from gitreg.cli import main
def interrupted(self, *args, **options):
    threading.Thread(target=threading.Event().wait, daemon={daemon}).start()
    raise KeyboardInterrupt
Registry.models = interrupted
sys.argv = ["gitreg", "list"]
main()
"""


@pytest.mark.parametrize("daemon", [True, False])
def test_a_thread_that_is_left_behind_does_not_keep_an_interrupted_process(
    folder: Path, *, daemon: bool
) -> None:
    program = [sys.executable, "-c", PROGRAM.replace("{daemon}", str(daemon))]
    done = subprocess.run(
        program, cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 130
    assert done.stderr == "gitreg: interrupted: nothing is half done, run it again\n"
