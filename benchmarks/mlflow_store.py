"""Compares MLflow's calls on its SQLite store and on gitreg's store, which uses Git.

Only the stores differ, so they are compared method by method. The client above them is MLflow's own
in both cases.
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks import peers_mlflow, population
from benchmarks.harness import Case, Progress, Result, in_process, measure
from benchmarks.scale import (
    PROMOTE,
    RESOLVE_ALIAS,
    RESOLVE_STAGE,
    SET_ALIAS,
    Contender,
    Scale,
    absent,
)

#: One model each, because in practice the number of versions grows.
SCALES = (Scale(1, 10), Scale(1, 1000))
#: MLflow's names for the tasks.
NAMES = {
    RESOLVE_ALIAS: "get_model_version_by_alias",
    RESOLVE_STAGE: "get_latest_versions",
    PROMOTE: "transition_model_version_stage",
    SET_ALIAS: "set_registered_model_alias",
}
CHECKOUT, BARE = "gitreg store", "gitreg store, bare"
REPETITIONS = 15
MOST_READS = 1000
MOST_WRITES = 4
#: The budget of one contender for one operation, in seconds.
BUDGET = 15.0


def run(folder: Path, *, progress: Progress) -> list[Result]:
    """Fill the registries, then measure each call, reads before writes."""
    everyone: list[Contender] = []
    for scale in SCALES:
        progress(f"filling MLflow's stores with {scale.label} versions")
        everyone += _contenders(scale, folder / scale.label)
    results: list[Result] = []
    for task in NAMES:
        results += measure(
            [_case(task, contender) for contender in everyone],
            repetitions=REPETITIONS,
            budget=BUDGET,
            progress=progress,
        )
    return results


def _contenders(scale: Scale, folder: Path) -> Sequence[Contender]:
    """Return gitreg's store in a checkout and in a bare repository, and MLflow's."""
    if not peers_mlflow.installed():
        subjects = (CHECKOUT, BARE, peers_mlflow.SQLITE)
        return [absent(subject, scale, peers_mlflow.NOT_INSTALLED) for subject in subjects]
    from gitreg.mlflow.store import GitregStore

    repositories = {
        CHECKOUT: population.checkout(scale, folder),
        BARE: population.bare(scale, folder),
    }
    return [
        *(
            peers_mlflow.of_store(label, scale, GitregStore(f"gitreg://{path}"))
            for label, path in repositories.items()
        ),
        peers_mlflow.in_sqlite(scale, folder / "mlflow-sqlite"),
    ]


def _case(task: str, contender: Contender) -> Case:
    call = contender.calls.get(task)
    if call is None:
        reason = contender.reason(task)
        return Case(NAMES[task], contender.scale.label, contender.label, None, reason)
    targets = contender.scale.targets()
    most = MOST_READS if task in (RESOLVE_ALIAS, RESOLVE_STAGE) else MOST_WRITES
    sampler = in_process(lambda: call(next(targets)), most=most)
    return Case(NAMES[task], contender.scale.label, contender.label, sampler)
