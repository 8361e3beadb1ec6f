"""Measures what a job waits for that starts cold: a URL, or a clone that was just made.

Beside it stand the clones that such a job makes anyway, and a plain push of one commit: no write to
this remote can be faster.
"""

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import population
from benchmarks.harness import Case, Progress, Result, Sample, measure
from benchmarks.processes import Launcher, program
from benchmarks.scale import STAGE, Scale

WRITE = "first write, published"
ROLLBACK = "first rollback, published"
INDEX = "index of all history"
CLONE = "clone"
PUSH = "push"
BY_URL, SHALLOW, FULL = "gitreg --repo URL", "gitreg in clone --depth 1", "gitreg in clone"
GIT_FULL, GIT_SHALLOW, GIT_PUSH = "git clone", "git clone --depth 1", "git push of a commit"

REPETITIONS = 5
BUDGET = 60.0

_CONFIG = '[core]\n    remote = store\n[\'remote "store"\']\n    url = "{}"\n'


def run(
    scales: Sequence[Scale], folder: Path, launcher: Launcher, *, progress: Progress
) -> list[Result]:
    """Measure a cold job at each scale."""
    cases: list[Case] = []
    for scale in scales:
        progress(f"filling a remote with {scale.label} versions")
        cases += _cases(scale, folder / scale.label, launcher)
    return measure(cases, repetitions=REPETITIONS, budget=BUDGET, progress=progress)


def _cases(scale: Scale, folder: Path, launcher: Launcher) -> list[Case]:
    gitreg = program("gitreg")
    if gitreg is None:
        return [Case(WRITE, scale.label, BY_URL, None, "NOT INSTALLED: gitreg")]
    url = f"file://{_remote(scale, folder)}"
    git = shutil.which("git") or "git"
    clone = [git, "clone", "--quiet", url, "clone"]
    shallow = [git, "clone", "--quiet", "--depth", "1", url, "clone"]
    job = folder / "job"
    targets = scale.targets()

    def promote(*options: str) -> Callable[[], Sequence[str]]:
        def argv() -> Sequence[str]:
            target = next(targets)
            version = f"{target.model}@{target.version}"
            return [gitreg, "promote", version, "--to", STAGE, *options]

        return argv

    def rollback(*options: str) -> Callable[[], Sequence[str]]:
        return lambda: [gitreg, "rollback", next(targets).model, *options]

    def timed(prepare: Callable[[], object], argv: Callable[[], Sequence[str]], cwd: Path) -> Case:
        def sample() -> Sample:
            shutil.rmtree(job, ignore_errors=True)
            job.mkdir()
            shutil.rmtree(Path.home() / ".cache" / "gitreg", ignore_errors=True)
            prepare()
            return launcher.run(argv(), cwd)

        return Case("", scale.label, "", sample)

    def cloned(argv: Sequence[str]) -> Callable[[], object]:
        return lambda: subprocess.run(argv, cwd=job, check=True)

    def nothing() -> None:
        """Start with an empty folder."""

    there = job / "clone"
    push = [git, "push", "--quiet"]
    rows = [
        (WRITE, BY_URL, timed(nothing, promote("--repo", url), job)),
        (WRITE, SHALLOW, timed(cloned(shallow), promote("--push"), there)),
        (WRITE, FULL, timed(cloned(clone), promote("--push"), there)),
        (ROLLBACK, BY_URL, timed(nothing, rollback("--repo", url), job)),
        (ROLLBACK, SHALLOW, timed(cloned(shallow), rollback("--push"), there)),
        (INDEX, FULL, timed(cloned(clone), lambda: [gitreg, "log", "-n", "1"], there)),
        (CLONE, GIT_SHALLOW, timed(nothing, lambda: shallow, job)),
        (CLONE, GIT_FULL, timed(nothing, lambda: clone, job)),
        (PUSH, GIT_PUSH, timed(_commits(cloned(shallow), there), lambda: push, there)),
    ]
    return [Case(task, case.scale, subject, case.sampler) for task, subject, case in rows]


def _commits(clone: Callable[[], object], there: Path) -> Callable[[], object]:
    """Return what makes a clone with one commit to push."""

    def prepare() -> None:
        clone()
        _git(there, "commit", "--quiet", "--allow-empty", "-m", "Nothing")

    return prepare


def _remote(scale: Scale, folder: Path) -> Path:
    """Return a bare repository of this scale, with a DVC remote that has its bytes."""
    remote = folder / "remote.git"
    if remote.exists():
        return remote
    origin = population.checkout(scale, folder)
    store = folder / "store"
    cache = origin / ".dvc" / "cache" / "files"
    for place in (store, store / "registry"):
        shutil.copytree(cache, place / "files")
    _git(folder, "clone", "--quiet", "--bare", str(origin), str(remote))
    _git(remote, "config", "uploadpack.allowFilter", "true")  # as Git hosts have it
    _git(folder, "clone", "--quiet", "--depth", "1", f"file://{remote}", "setup")
    for config in (folder / "setup" / name / ".dvc" / "config" for name in ("", "registry")):
        if config.parent.is_dir():
            config.write_text(_CONFIG.format(store))
    _git(folder / "setup", "commit", "--quiet", "--all", "-m", "Configure the store")
    _git(folder / "setup", "push", "--quiet")
    return remote


def _git(folder: Path, *args: str) -> None:
    subprocess.run(["git", "-C", str(folder), *args], check=True)
