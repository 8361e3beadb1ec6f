"""Run processes one after another and report each one's time and peak memory.

This file is run as a script of its own (``python -I -S launcher.py``) and imports nothing
of the package. The reason is how Linux counts: the peak memory that it reports for a
process includes what its parent held when it was started, and the benchmark itself, with
MLflow imported, holds hundreds of MiB. A launcher of ten MiB keeps that floor low, and
starts processes as fast as a shell does.

One request a line on stdin, one answer a line on stdout, both JSON.
"""

import json
import os
import sys
import time


def run(argv: list[str], cwd: str, log: str) -> dict[str, float]:
    """Run one program with its output in ``log``; seconds, peak memory in bytes, exit code.

    ``wait4`` gives the larger of the process's own peak and that of the children it waited
    for, so the ``git`` that a program runs is counted as well.
    """
    os.chdir(cwd)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, flags, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    start = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=actions)
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - start
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "seconds": seconds,
        "peak_bytes": usage.ru_maxrss * unit,
        "exit": os.waitstatus_to_exitcode(status),
    }


def main() -> None:
    """Answer requests until stdin ends."""
    for line in sys.stdin:
        request = json.loads(line)
        answer = run(request["argv"], request["cwd"], request["log"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
