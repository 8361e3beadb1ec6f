"""The long runs whole: ``python -m tests.support.soak --help``.

``make test`` tries a sample of what is random or large (`tests.support.extent`). Here everything
is tried: many writers and processes, all pairs of a Git host and a DVC remote, long random
histories, and the examples of Hypothesis by the hundred, each round with other random numbers.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.extent import IS_WHOLE

ROOT = Path(__file__).resolve().parents[2]
MORE = 20
"""How many times as many examples Hypothesis tries."""

LONG = (
    "tests/stories/test_state_machine.py",
    "tests/stories/test_referee.py",
    "tests/stories/test_races.py",
    "tests/stories/test_remotes_contract.py",
    "tests/stories/test_mlflow_examples.py",
    "tests/mlflow/test_differential.py",
    "tests/mlflow/test_server.py",
    "tests/mlflow/test_store.py",
    "tests/core",
    "tests/dvc/test_digest.py",
    "tests/doctor/test_forms.py",
    "tests/git/test_objects.py",
    "tests/serving/test_live_growth.py",
    "tests/serving/test_live_workers.py",
    "tests/watch/test_kills.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let Hypothesis try more examples, also where a test says how many."""
    if not IS_WHOLE:
        return
    for item in items:
        test = getattr(item, "obj", None)
        # Where @settings leaves them; a second @settings on the same test is refused.
        found: settings | None = getattr(test, "_hypothesis_internal_use_settings", None)
        if test is not None and hasattr(test, "hypothesis"):
            few = found or settings()
            test._hypothesis_internal_use_settings = settings(
                few, max_examples=few.max_examples * MORE, deadline=None, database=None
            )


def _round(seed: int, jobs: int, paths: Sequence[str]) -> int:
    """Run all of it once."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.support.soak"]
    done = subprocess.run(
        [*command, f"--numprocesses={jobs}", f"--hypothesis-seed={seed}", *paths],
        cwd=ROOT,
        env={**os.environ, "TESTS_WHOLE": "1"},
        check=False,
    )
    return done.returncode


def main() -> int:
    """Run rounds until the time is over; return the exit code of the first that fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.soak", description=__doc__)
    parser.add_argument(
        "--minutes", type=float, default=180, help="no round starts after so many (180)"
    )
    parser.add_argument("--seed", type=int, help="of the first round; by chance otherwise")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    parser.add_argument("paths", nargs="*", default=LONG, help="other tests than the long ones")
    options = parser.parse_args()
    seed = random.randrange(2**31) if options.seed is None else options.seed
    start = time.monotonic()
    rounds = 0
    while rounds == 0 or time.monotonic() - start < 60 * options.minutes:
        print(f"round {rounds + 1}: --seed {seed}", flush=True)
        code = _round(seed, options.jobs, options.paths)
        if code:
            return code
        rounds, seed = rounds + 1, seed + 1
    print(f"{rounds} rounds, none failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
