"""Measures programs as users run them: whole processes, from start to exit."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, final

from benchmarks.harness import Sample

LAUNCHER = Path(__file__).with_name("launcher.py")


class ProgramFailedError(Exception):
    """A measured program did not exit with 0, so its time is meaningless."""


def program(name: str) -> str | None:
    """Return the program installed beside this interpreter; ``None`` if there is none.

    The PATH is ignored: another environment can have another version of DVC.
    """
    return shutil.which(name, path=str(Path(sys.executable).parent))


@final
class Launcher:
    """The helper process that starts the measured programs; ``launcher.py`` gives the reason."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "output-of-the-measured-program"
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(LAUNCHER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "Launcher":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def run(self, argv: Sequence[str], cwd: Path) -> Sample:
        """Run a program to its end; raise with its last output when it fails."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise ProgramFailedError("the launcher has no pipes")
        request = {"argv": list(argv), "cwd": str(cwd), "log": str(self._log)}
        stdin.write(json.dumps(request) + "\n")
        stdin.flush()
        answer: dict[str, Any] = json.loads(stdout.readline())
        if answer["exit"] != 0:
            output = self._log.read_text(errors="replace").strip()
            raise ProgramFailedError(f"{' '.join(argv)}: exit {answer['exit']}: {output[-400:]}")
        return Sample(answer["seconds"], answer["peak_bytes"])
