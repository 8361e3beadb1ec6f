"""Measures whole processes: how long a user waits after pressing return.

Nearly all of that time is start-up: importing modules and opening the repository. No program of
this kind can be faster than the floors: ``git --version``, and an interpreter that imports Typer.
"""

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import peers_gto, peers_mlflow, population
from benchmarks.harness import Case, Progress, Result, Sampler, measure
from benchmarks.processes import Launcher, program
from benchmarks.scale import ALIAS, HALF_WAY, STAGE, Scale

RESOLVE = "resolve (process)"
PROMOTE = "promote (process)"
FLOOR = "floor (process)"
GITREG = "gitreg"
GIT = "git --version"
PYTHON = "python -c pass"
TYPER = "python -c 'import typer'"

REPETITIONS = 20
BUDGET = 15.0

#: MLflow's command line cannot resolve or promote, so users write a script like this one.
MLFLOW_SCRIPT = """
import sys
from mlflow import MlflowClient
client = MlflowClient(registry_uri=sys.argv[1])
if len(sys.argv) == 4:
    client.get_model_version_by_alias(sys.argv[2], sys.argv[3])
else:
    client.transition_model_version_stage(
        sys.argv[2], sys.argv[3], sys.argv[4], archive_existing_versions=True
    )
"""


def run(
    scales: Sequence[Scale],
    folder: Path,
    launcher: Launcher,
    *,
    quick: bool,
    progress: Progress,
) -> list[Result]:
    """Measure the processes at each scale, all in the same turns."""
    cases = _floors(folder, launcher)
    for scale in scales:
        progress(f"filling the registries with {scale.label} versions")
        place = folder / scale.label
        cases += _gitreg(scale, place / "gitreg", launcher)
        cases += _gto(scale, place / "gto", launcher, quick=quick)
        cases += _mlflow(scale, place / "mlflow-sqlite", launcher)
    return measure(cases, repetitions=REPETITIONS, budget=BUDGET, progress=progress)


def _floors(folder: Path, launcher: Launcher) -> list[Case]:
    folder.mkdir(parents=True, exist_ok=True)
    git = shutil.which("git") or "git"
    commands = {
        GIT: [git, "--version"],
        PYTHON: [sys.executable, "-c", "pass"],
        TYPER: [sys.executable, "-c", "import typer"],
    }
    return [
        Case(FLOOR, "", subject, _fixed(launcher, argv, folder))
        for subject, argv in commands.items()
    ]


def _gitreg(scale: Scale, folder: Path, launcher: Launcher) -> list[Case]:
    gitreg = program("gitreg")
    if gitreg is None:
        return _absent(GITREG, scale, "NOT INSTALLED: gitreg")
    repository = population.checkout(scale, folder)
    targets = scale.targets(skip=HALF_WAY)
    resolve = [gitreg, "resolve", f"{scale.names[0]}@{ALIAS}"]
    promote = ([gitreg, "promote", f"{t.model}@{t.version}", "--to", STAGE] for t in targets)
    return [
        Case(RESOLVE, scale.label, GITREG, _fixed(launcher, resolve, repository)),
        Case(PROMOTE, scale.label, GITREG, _changing(launcher, promote, repository)),
    ]


def _gto(scale: Scale, folder: Path, launcher: Launcher, *, quick: bool) -> list[Case]:
    gto = program("gto")
    if gto is None:
        return _absent(peers_gto.LABEL, scale, peers_gto.NOT_INSTALLED)
    reason = peers_gto.too_slow(scale, quick=quick)
    if reason:
        return _absent(peers_gto.LABEL, scale, reason)
    repository = peers_gto.repository(scale, folder)
    targets = scale.targets(skip=HALF_WAY)
    show = [gto, "show", f"{scale.names[0]}#{STAGE}"]
    assign = (
        [gto, "assign", t.model, "--version", f"v{t.version}.0.0", "--stage", STAGE]
        for t in targets
    )
    return [
        Case(RESOLVE, scale.label, peers_gto.LABEL, _fixed(launcher, show, repository)),
        Case(PROMOTE, scale.label, peers_gto.LABEL, _changing(launcher, assign, repository)),
    ]


def _mlflow(scale: Scale, folder: Path, launcher: Launcher) -> list[Case]:
    label = peers_mlflow.SQLITE
    if not peers_mlflow.installed():
        return _absent(label, scale, peers_mlflow.NOT_INSTALLED)
    uri = peers_mlflow.sqlite(scale, folder)
    script = [sys.executable, "-c", MLFLOW_SCRIPT, uri]
    resolve = [*script, scale.names[0], ALIAS]
    promote = (
        [*script, t.model, str(t.version), STAGE.capitalize()] for t in scale.targets(skip=HALF_WAY)
    )
    return [
        Case(RESOLVE, scale.label, label, _fixed(launcher, resolve, folder)),
        Case(PROMOTE, scale.label, label, _changing(launcher, promote, folder)),
    ]


def _absent(subject: str, scale: Scale, reason: str) -> list[Case]:
    return [Case(task, scale.label, subject, None, reason) for task in (RESOLVE, PROMOTE)]


def _fixed(launcher: Launcher, argv: Sequence[str], cwd: Path) -> Sampler:
    return lambda: launcher.run(argv, cwd)


def _changing(launcher: Launcher, argvs: Iterator[Sequence[str]], cwd: Path) -> Sampler:
    return lambda: launcher.run(next(argvs), cwd)
