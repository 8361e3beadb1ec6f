"""A writer that publishes again and again, as a separate process; ``load.py`` runs it.

``python -m benchmarks.writers CLONE NAME COUNT PAUSE HOW`` prints a line when it is ready, waits
for a line, and then prints a line for each acknowledged operation: its id, its seconds and its
number of tries. ``HOW`` is ``gitreg``, or ``git`` for the peer: a plain commit of the writer's own
file, and a push.
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
"""Does one operation under an id, and returns the number of tries."""


def with_gitreg(registry: Registry) -> Operation:
    """Return an operation that moves one alias; after a lost race it retries."""
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
            if done.commit is not None:  # else somebody set the same version: take the next one
                return tries

    return operation


def with_git(folder: Path, name: str) -> Operation:
    """Return an operation that commits a line of the writer's own file, and pushes it."""
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
            run("pull", "--quiet", "--rebase")  # if this fails, the next push fails, too
        return tries

    return operation


def main() -> None:
    """Run the writer as described above."""
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
