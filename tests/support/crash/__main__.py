"""Crashes commands at all their points: ``python -m tests.support.crash --help``."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import isolate
from tests.support.crash import shim
from tests.support.crash.commands import COMMANDS, Command
from tests.support.crash.shim import Mode
from tests.support.crash.trial import Bench, Result, Then, Verdict


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.support.crash", description=__doc__)
    parser.add_argument(
        "--command", action="append", choices=[command.name for command in COMMANDS]
    )
    parser.add_argument("--mode", action="append", choices=[mode.word for mode in Mode])
    parser.add_argument("--then", action="append", choices=[then.word for then in Then])
    parser.add_argument("--point", type=int, action="append", help="only this one; may repeat")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="only each Kth point")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--trace", action="store_true", help="print the points, try none")
    return parser.parse_args()


class _Benches:
    """A bench for each thread."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._own = threading.local()
        self._lock = threading.Lock()
        self._count = 0
        self._shim = shim.build(folder)

    def mine(self) -> Bench:
        if not hasattr(self._own, "bench"):
            with self._lock:
                self._count += 1
                folder = self._folder / f"bench-{self._count}"
                folder.mkdir()
                self._own.bench = Bench(folder, self._shim)
                self._stack.callback(self._own.bench.close)
        bench: Bench = self._own.bench
        return bench


def _line(
    command: Command, mode: Mode, then: Then, verdicts: Sequence[Verdict], seconds: float
) -> str:
    counts = Counter(verdict.result for verdict in verdicts)
    reached = len(verdicts) - counts[Result.MISSED]
    return (
        f"{command.name:22} {mode.word:16} {then.word:10} {reached:5} tried"
        f" {counts[Result.RECOVERED]:5} recovered at once,"
        f" {counts[Result.UNLOCKED]:3} after a lock that was named,"
        f" {counts[Result.NAMED]:3} damaged and named,"
        f" {counts[Result.FAILED]:4} failed {seconds:6.0f} s"
    )


def _plan(options: argparse.Namespace) -> Iterator[tuple[Command, Mode, Then]]:
    for command in COMMANDS:
        for mode in command.modes:
            for then in Then:
                if (
                    command.allows(mode, then.word)
                    and (not options.command or command.name in options.command)
                    and (not options.mode or mode.word in options.mode)
                    and (not options.then or then.word in options.then)
                ):
                    yield command, mode, then


def _try_all(options: argparse.Namespace, folder: Path) -> list[Verdict]:
    found: list[Verdict] = []
    with ExitStack() as stack, ThreadPoolExecutor(options.jobs) as pool:
        benches = _Benches(folder, stack)
        here = benches.mine()
        for command, mode, then in _plan(options):
            if not here.knows(command):
                print(f"{command.name:22} this gitreg has no such command")
                continue
            points = here.points(command, mode)
            if options.trace:
                for number, call in enumerate(points, start=1):
                    print(f"{command.name} {mode.word} {number:4} {call}")
                continue
            chosen = options.point or range(1, len(points) + 1, options.every)
            start = time.monotonic()
            verdicts = list(
                pool.map(
                    lambda moment, command=command, mode=mode, then=then: benches.mine().crash(
                        command, mode, moment, then
                    ),
                    chosen,
                )
            )
            found += verdicts
            print(_line(command, mode, then, verdicts, time.monotonic() - start), flush=True)
            for verdict in verdicts:
                if verdict.result is Result.FAILED:
                    print(verdict, flush=True)
        if not options.trace and not options.mode and not options.then:
            found += _losses(options, here)
    return found


def _losses(options: argparse.Namespace, bench: Bench) -> Iterator[Verdict]:
    for command in COMMANDS:
        chosen = not options.command or command.name in options.command
        if command.pushes and chosen and bench.knows(command):
            # Behind Git's daemon a receive-pack survives TERM, and says itself what became of it.
            states = [("prepared", "TERM")] if not command.served else []
            for state, signal in (*states, ("committed", "KILL")):
                verdict = bench.lose_acknowledgement(command, state, signal)
                print(verdict, flush=True)
                yield verdict


def main() -> int:
    """Try what is asked for; return 1 when any point did not recover."""
    options = _options()
    why = shim.unavailable()
    if why:
        print(why)
        return 1
    # In memory: an experiment is copied some thousand times.
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
    try:
        with pytest.MonkeyPatch.context() as patch:
            isolate(patch, folder)
            found = _try_all(options, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    counts = Counter(verdict.result for verdict in found)
    reached = len(found) - counts[Result.MISSED]
    print(f"{reached} points tried, {counts[Result.RECOVERED]} recovered at once,")
    print(f"{counts[Result.UNLOCKED]} after a lock of Git's was removed that gitreg named,")
    print(f"{counts[Result.NAMED]} damaged and named, {counts[Result.FAILED]} failed")
    return 1 if counts[Result.FAILED] else 0


if __name__ == "__main__":
    sys.exit(main())
