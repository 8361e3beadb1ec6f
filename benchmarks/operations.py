"""Measures the registry's operations in-process and warm, for all contenders at all scales.

For each operation, all contenders at all scales take turns. So gitreg can be compared with a peer,
and gitreg with 100,000 versions can be compared with gitreg with 100.
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks import gitreg_ops, peers_gto, peers_mlflow
from benchmarks.harness import Case, Progress, Result, in_process, measure
from benchmarks.scale import READS, SINGLE, WRITES, Contender, Scale, absent

REPETITIONS = 15
#: The largest number of calls in one sample. It is small for writes: fifteen samples of four add
#: six versions to each model of the smallest registry.
MOST_READS = 1000
MOST_WRITES = 4
#: The budget of one contender for one operation, in seconds.
BUDGET = 15.0
#: The largest number of versions for MLflow's file store.
MOST_FILES = 10_000


def contenders(scale: Scale, folder: Path, *, quick: bool) -> list[Contender]:
    """Return all contenders, filled to ``scale``, gitreg first."""
    gto_reason = peers_gto.too_slow(scale, quick=quick)
    many = scale.models * scale.versions > MOST_FILES
    return [
        *gitreg_ops.contenders(scale, folder / "gitreg"),
        peers_mlflow.in_sqlite(scale, folder / "mlflow-sqlite"),
        peers_mlflow.in_sqlite_by_client(scale, folder / "mlflow-client"),
        absent(peers_mlflow.FILES, scale, "left out: about 400,000 small files")
        if many
        else peers_mlflow.in_files(scale, folder / "mlflow-files"),
        absent(peers_gto.LABEL, scale, gto_reason)
        if gto_reason
        else peers_gto.contender(scale, folder / "gto"),
    ]


def run(scales: Sequence[Scale], folder: Path, *, quick: bool, progress: Progress) -> list[Result]:
    """Fill all registries, then measure each operation, reads before writes."""
    everyone: list[Contender] = []
    for scale in scales:
        progress(f"filling the registries with {scale.label} versions")
        everyone += contenders(scale, folder / scale.label, quick=quick)
    results: list[Result] = []
    for task in (*READS, *WRITES):
        results += measure(
            [_case(task, contender) for contender in everyone],
            repetitions=REPETITIONS,
            budget=BUDGET,
            progress=progress,
        )
    return results


def _case(task: str, contender: Contender) -> Case:
    call = contender.calls.get(task)
    if call is None:
        reason = contender.reason(task)
        return Case(task, contender.scale.label, contender.label, None, reason)
    targets = contender.scale.targets()
    most = 1 if task in SINGLE else MOST_READS if task in READS else MOST_WRITES
    sampler = in_process(lambda: call(next(targets)), most=most)
    return Case(task, contender.scale.label, contender.label, sampler)
