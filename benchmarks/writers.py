"""A writer that publishes again and again; a process of its own, run by ``load.py``.

``python -m benchmarks.writers CLONE NAME COUNT PAUSE HOW``: prints a line once it is ready, waits
for one, and then prints one for each operation that was acknowledged: its id, how long it took
and how often it was tried. ``HOW`` is ``gitreg``, or ``git`` for the peer: a plain commit of a
file of one's own, and a push.
"""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from gitreg import Registry
from gitreg.errors import LostRace
from gitreg.publishing.outcome import Overtaken

MODEL = "churn"
ALIAS = "champion"
VERSIONS = 5

Operation = Callable[[str], int]
"""Does one operation under an id, and returns how often it was tried."""


def with_gitreg(registry: Registry) -> Operation:
    """Move one alias: whoever lost the race for it decides again, and still wants to."""
    version = random.randrange(VERSIONS)

    def operation(name: str) -> int:
        nonlocal version
        tries = 0
        while True:
            tries += 1
            version = version % VERSIONS + 1
            try:
                done = registry.set_alias(f"{MODEL}@{version}", ALIAS, push=True, op_id=name)
            except Overtaken:
                continue
            if done.commit is not None:  # somebody else has set the very same: take the next
                return tries

    return operation


def with_git(folder: Path, name: str) -> Operation:
    """Commit a line of a file that nobody else writes, and push it."""
    file = folder / f"{name}.txt"

    def run(*args: str) -> bool:
        done = subprocess.run(
            ["git", *args],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        return done.returncode == 0

    def operation(text: str) -> int:
        with file.open("a", encoding="utf-8") as stream:
            stream.write(f"{text}\n")
        if not (run("add", file.name) and run("commit", "--quiet", "-m", text)):
            raise LostRace(f"git commit failed in {folder.name}")
        tries = 1
        while not run("push", "--quiet"):
            tries += 1
            run("pull", "--quiet", "--rebase")  # a push fails again when this has
        return tries

    return operation


def main() -> None:
    """Run as the module's docstring says."""
    folder, name, count, pause, how = sys.argv[1:]
    with Registry(folder) as registry:
        operation = with_gitreg(registry) if how == "gitreg" else with_git(Path(folder), name)
        print("ready", flush=True)
        sys.stdin.readline()
        for number in range(int(count)):
            begin = time.perf_counter()
            tries = operation(f"{name}-{number:04d}")
            seconds = time.perf_counter() - begin
            print(json.dumps([f"{name}-{number:04d}", seconds, tries]), flush=True)
            time.sleep(float(pause))


if __name__ == "__main__":
    main()
