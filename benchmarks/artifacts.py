"""Measures how long it takes to register and pull one large file, and a folder of many files.

Each sample is a whole process, because users run DVC that way, and because only a process has its
own memory figure. Each sample starts with an empty DVC cache and without DVC's stored hashes;
otherwise the second `dvc add` of the same bytes would measure nothing. The bare copy and the bare
hash show how much of the time is the work itself.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import Case, Progress, Result, Sample, Sampler, measure
from benchmarks.processes import Launcher, program

REGISTER = "register"
PULL = "pull"
GITREG = "gitreg"
DVC = "DVC"
COPY = "bare copy"
HASH = "bare md5 and sha256"

REPETITIONS = 5
BUDGET = 120.0
KIB = 1 << 10
MIB = 1 << 20
MODEL = "large"

#: One pass over every file below the argument: the minimum for a tool that computes both hashes.
HASH_SCRIPT = """
import hashlib, pathlib, sys
root = pathlib.Path(sys.argv[1])
for path in [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.is_file()):
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            md5.update(chunk)
            sha256.update(chunk)
"""


@dataclass(frozen=True)
class Artifact:
    """A file of ``size`` bytes, or a folder of ``files`` such files."""

    size: int
    files: int | None = None

    @property
    def label(self) -> str:
        size = (
            f"{self.size // KIB} KiB"
            if self.size < MIB
            else f"{self.size // MIB} MiB"
            if self.size < KIB * MIB
            else f"{self.size // (KIB * MIB)} GiB"
        )
        return f"{self.files:,} x {size}" if self.files else size

    def create(self, path: Path) -> None:
        """Write the artifact with incompressible content that never repeats."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.files is None:
            _write(path, self.size, seed=0)
            return
        path.mkdir()
        for number in range(self.files):
            # Ten folders, as in real models and data sets.
            part = path / f"part-{number % 10}"
            part.mkdir(exist_ok=True)
            _write(part / f"{number:05d}.bin", self.size, seed=number + 1)


#: The small file shows that memory does not grow with the size.
SMALL = Artifact(64 * MIB)
LARGE = Artifact(KIB * MIB)
FOLDER = Artifact(100 * KIB, files=2000)
QUICK_FOLDER = Artifact(100 * KIB, files=640)


def _write(path: Path, size: int, seed: int) -> None:
    """Write pseudo-random bytes: SHAKE of a seed, repeated with a counter in each MiB."""
    block = hashlib.shake_128(str(seed).encode()).digest(min(size, MIB))
    with path.open("wb") as stream:
        written = 0
        while written < size:
            head = f"{seed}:{written}:".encode()
            stream.write(head + block[: min(len(block), size - written) - len(head)])
            written += len(block)


def run(folder: Path, launcher: Launcher, *, quick: bool, progress: Progress) -> list[Result]:
    """Measure each artifact in its own repositories, and remove these afterwards."""
    results: list[Result] = []
    for artifact in (SMALL, QUICK_FOLDER) if quick else (SMALL, LARGE, FOLDER):
        place = folder / artifact.label.replace(" ", "-").replace(",", "")
        place.mkdir(parents=True)
        progress(f"writing {artifact.label}")
        workshop = _Workshop(place, artifact, launcher)
        for cases in (workshop.registrations, workshop.pulls):
            results += measure(cases(), repetitions=REPETITIONS, budget=BUDGET, progress=progress)
        shutil.rmtree(place)
    return results


class _Workshop:
    """The repositories in which one artifact is registered and pulled."""

    def __init__(self, place: Path, artifact: Artifact, launcher: Launcher) -> None:
        self._place = place
        self._artifact = artifact
        self._launcher = launcher
        self._source = place / "source" / "model"
        artifact.create(self._source)
        self._dvc = program("dvc")
        self._gitreg = program("gitreg")

    def registrations(self) -> list[Case]:
        """Return the cases: `gitreg register`, `dvc add`, the copy and the hash."""
        return [
            self._case(REGISTER, GITREG, self._gitreg, self._register),
            self._case(REGISTER, DVC, self._dvc, self._add),
            self._case(REGISTER, COPY, shutil.which("cp"), self._copy),
            self._case(REGISTER, HASH, sys.executable, self._hash),
        ]

    def pulls(self) -> list[Case]:
        """Return the cases: `gitreg pull`, `dvc pull` from a remote folder, the copy, the hash."""
        return [
            self._case(PULL, GITREG, self._gitreg, self._gitreg_pull),
            self._case(PULL, DVC, self._dvc, self._dvc_pull),
            self._case(PULL, COPY, shutil.which("cp"), self._copy),
            self._case(PULL, HASH, sys.executable, self._hash),
        ]

    def _case(
        self,
        task: str,
        subject: str,
        found: str | None,
        sampler: Callable[[str], Sampler],
    ) -> Case:
        if found is None:
            why_not = f"NOT INSTALLED: {subject}"
            return Case(task, self._artifact.label, subject, None, why_not)
        return Case(task, self._artifact.label, subject, sampler(found))

    def _register(self, gitreg: str) -> Sampler:
        repository = self._repository(GITREG)
        _quietly([gitreg, "init"], repository)
        argv = [gitreg, "register", MODEL, "model"]
        return self._sampler(argv, repository, lambda: _forget(repository))

    def _add(self, dvc: str) -> Sampler:
        repository = self._repository(DVC)
        return self._sampler([dvc, "add", "model"], repository, lambda: _forget(repository))

    def _gitreg_pull(self, gitreg: str) -> Sampler:
        repository = self._place / GITREG
        destination = self._place / "pulled"

        def prepare() -> None:
            _forget(repository)
            _remove(destination)

        self._push(repository)
        argv = [gitreg, "pull", f"{MODEL}@latest", "-o", str(destination)]
        return self._sampler(argv, repository, prepare)

    def _dvc_pull(self, dvc: str) -> Sampler:
        repository = self._place / DVC

        def prepare() -> None:
            _forget(repository)
            _remove(repository / "model")

        self._push(repository)
        argv = [dvc, "pull", "model.dvc"]
        return self._sampler(argv, repository, prepare)

    def _copy(self, cp: str) -> Sampler:
        copy = self._place / "copy"
        argv = [cp, "-r", str(self._source), str(copy)]
        return self._sampler(argv, self._place, lambda: _remove(copy))

    def _hash(self, python: str) -> Sampler:
        argv = [python, "-I", "-c", HASH_SCRIPT, str(self._source)]
        return self._sampler(argv, self._place, lambda: None)

    def _repository(self, name: str) -> Path:
        """Create a repository with the artifact in its work tree and a folder as DVC remote."""
        repository = self._place / name
        repository.mkdir()
        if self._source.is_dir():
            shutil.copytree(self._source, repository / "model")
        else:
            shutil.copyfile(self._source, repository / "model")
        _quietly(["git", "init", "-q", "-b", "main"], repository)
        if self._dvc is not None:
            remote = str(self._place / f"{name}-remote")
            _quietly([self._dvc, "init", "--quiet"], repository)
            _quietly([self._dvc, "remote", "add", "-q", "-d", "shared", remote], repository)
        _quietly(["git", "commit", "-q", "--allow-empty", "-m", "Start"], repository)
        return repository

    def _push(self, repository: Path) -> None:
        """Push the last sample's bytes from the cache to the remote."""
        if self._dvc is not None:
            _quietly([self._dvc, "push", "--quiet"], repository)

    def _sampler(self, argv: Sequence[str], cwd: Path, prepare: Callable[[], None]) -> Sampler:
        def sample() -> Sample:
            prepare()
            # Otherwise this sample would pay for flushing the writes of the previous one.
            os.sync()
            return self._launcher.run(argv, cwd)

        return sample


def _forget(repository: Path) -> None:
    """Empty DVC's cache, and its database of known hashes."""
    _remove(repository / "registry" / ".dvc" / "cache")
    _remove(repository / "registry" / ".dvc" / "tmp")
    _remove(Path(os.environ["DVC_SITE_CACHE_DIR"]))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _quietly(argv: Sequence[str], cwd: Path) -> None:
    subprocess.run(argv, cwd=cwd, check=True, stdout=subprocess.DEVNULL)
