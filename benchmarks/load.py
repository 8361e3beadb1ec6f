"""Measures pushes of many writers on one registry, and checks that no operation is lost.

Writers are long-running processes that use the Python API, each in its own clone; `startup`
measures their start. The peer does plain ``git commit && git push`` from as many clones, and
``git pull --rebase`` after a lost race. That is the minimum cost of storing anything in Git, so
the ratio is meaningful even on a noisy machine.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import population
from benchmarks.harness import Progress, Result, Sample
from benchmarks.scale import STAGE, Scale
from benchmarks.writers import ALIAS, MODEL, VERSIONS
from gitreg import Registry
from tests.support.invariants import problems

OURS, PEER = "gitreg", "git"
LABELS = {OURS: "gitreg", PEER: "git commit && git push"}

OPERATION = "one operation"
SLOWEST = "one operation, p95"
ALTOGETHER = "all of them"
TAGGED = "10,000 event tags"
TAGS = Scale(100, 100)
PATIENCE = 1800


@dataclass(frozen=True)
class Load:
    """The number of writers, the operations of each, and the pause between two in seconds."""

    writers: int
    operations: int
    pause: float = 0.0

    @property
    def label(self) -> str:
        writers = "1 writer" if self.writers == 1 else f"{self.writers} writers"
        pause = f", {self.pause:g} s apart" if self.pause else ""
        return f"{writers} x {self.operations}{pause}"


ALONE = Load(1, 50)
FEW = Load(4, 50)
MANY = Load(8, 50)
CALM = Load(8, 20, pause=1.0)
LOADS = (ALONE, FEW, MANY, CALM)
QUICK = (Load(1, 20), Load(4, 10))


def run(folder: Path, registries: Path, *, quick: bool, progress: Progress) -> list[Result]:
    """Measure each load, first gitreg, then the peer, and check the result."""
    template = folder / "template"
    _fill(template)
    results: list[Result] = []
    for load in QUICK if quick else LOADS:
        for how in (OURS, PEER):
            progress(f"{load.label}: {LABELS[how]}")
            place = folder / f"{how}-{load.label.replace(' ', '-')}"
            shutil.copytree(template, place, symlinks=True)
            results += _measure(load, how, place)
            shutil.rmtree(place)
    if not quick:
        progress(f"{TAGGED}: gitreg")
        results += _beside_many_tags(folder / "tags", registries / TAGS.label / "gitreg")
    return results


def _fill(base: Path) -> None:
    """Create a published registry of one model with a DVC remote, using only relative paths.

    Relative paths make it possible to copy the registry, so that every load starts with the same.
    """
    work = base / "work"
    Registry.init(work)
    _share_bytes(work)
    _git(base, "init", "--quiet", "--bare", "--initial-branch=main", "origin.git")
    _git(work, "remote", "add", "origin", "../origin.git")
    source = work / "model.pkl"
    with Registry(work) as registry:
        for number in range(1, VERSIONS + 1):
            source.write_text(f"weights {number}")
            registry.register(MODEL, source)
        registry.set_alias(f"{MODEL}@1", ALIAS, push=True)


def _share_bytes(work: Path) -> None:
    (work.parent / "dvc-remote").mkdir()
    (work / "registry" / ".dvc" / "config").write_text(
        "[core]\n    remote = store\n['remote \"store\"']\n    url = ../../../dvc-remote\n"
    )
    _git(work, "commit", "--quiet", "-m", "share the bytes", "--", "registry/.dvc/config")


def _measure(load: Load, how: str, place: Path) -> list[Result]:
    """Run the writers and return their times; a lost operation is a failure."""
    seconds, done = _at_once(load, how, place)
    samples = [Sample(took) for _, took, _ in done]
    label = LABELS[how]
    results = [
        Result(OPERATION, load.label, label, samples=samples),
        Result(SLOWEST, load.label, label, samples=samples, percentile=95),
        Result(ALTOGETHER, load.label, label, samples=[Sample(seconds)]),
    ]
    acknowledged = [name for name, _, _ in done]
    wrong = list(_wrong(load, how, place, acknowledged))
    if wrong:
        for result in results:
            result.failed, result.note = True, f"FAILED: {'; '.join(wrong[:3])}"
            result.samples = []
    return results


def _wrong(load: Load, how: str, place: Path, acknowledged: Sequence[str]) -> Iterator[str]:
    if len(set(acknowledged)) != load.writers * load.operations:
        yield f"{len(set(acknowledged))} operations were acknowledged"
    if how == OURS:
        yield from problems(place / "origin.git", acknowledged)
        return
    subjects = _git(place / "origin.git", "log", "--format=%s", "main").split("\n")
    yield from (f"{name} is lost or doubled" for name in acknowledged if subjects.count(name) != 1)


def _at_once(load: Load, how: str, place: Path) -> tuple[float, list[tuple[str, float, int]]]:
    """Run the writers; return the total seconds, and id, seconds and tries of each operation."""
    running = []
    for number in range(1, load.writers + 1):
        name = f"writer-{number}"
        _git(place, "clone", "--quiet", "origin.git", name)
        running.append(
            subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "benchmarks.writers",
                    str(place / name),
                    name,
                    str(load.operations),
                    str(load.pause),
                    how,
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
    for process in running:
        if process.stdout is None or process.stdout.readline() != "ready\n":
            raise ChildProcessError("a writer did not start")
    start = time.perf_counter()
    for process in running:
        if process.stdin is not None:
            process.stdin.write("go\n")
            process.stdin.flush()
    outputs = [process.communicate(timeout=PATIENCE)[0] for process in running]
    seconds = time.perf_counter() - start
    return seconds, [tuple(json.loads(line)) for out in outputs for line in out.splitlines()]


def _beside_many_tags(folder: Path, registries: Path) -> list[Result]:
    """Measure promotions in a published registry of 10,000 versions with their tags."""
    folder.mkdir()
    work = folder / "work"
    _git(folder, "clone", "--quiet", str(population.checkout(TAGS, registries)), "work")
    cache = work / "registry" / ".dvc" / "cache"
    shutil.copytree(registries / "checkout" / "registry" / ".dvc" / "cache", cache)
    _share_bytes(work)
    shutil.copytree(cache, folder / "dvc-remote", dirs_exist_ok=True)
    _git(folder, "clone", "--quiet", "--bare", "work", "origin.git")
    _git(work, "remote", "set-url", "origin", "../origin.git")
    targets = TAGS.targets()
    samples = []
    with Registry(work) as registry:
        for turn in range(31):
            target = next(targets)
            begin = time.perf_counter()
            registry.promote(f"{target.model}@{target.version}", stage=STAGE, push=True)
            if turn:  # the first turn builds the history index
                samples.append(Sample(time.perf_counter() - begin))
    shutil.rmtree(folder)
    return [
        Result(OPERATION, TAGGED, LABELS[OURS], samples=samples),
        Result(SLOWEST, TAGGED, LABELS[OURS], samples=samples, percentile=95),
    ]


def _git(folder: Path, *args: str) -> str:
    done = subprocess.run(["git", *args], cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout
