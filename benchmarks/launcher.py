"""Run processes one after another, and report the time and peak memory of each.

This file runs as a separate script (``python -I -S launcher.py``) and imports nothing of the
package. The reason: the peak memory that Linux reports for a process includes the memory of its
parent at the start, and the benchmark itself uses hundreds of MiB once MLflow is imported. This
launcher uses ten MiB, so the floor is low, and it starts processes as fast as a shell.

Each line on stdin is a request, each line on stdout is an answer, both in JSON.
"""

import json
import os
import sys
import time


def run(argv: list[str], cwd: str, log: str) -> dict[str, float]:
    """Run one program with its output in ``log``; return seconds, peak bytes and exit code.

    ``wait4`` returns the larger of the process's own peak and the peak of its children, so the
    ``git`` processes that a program starts are included.
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
