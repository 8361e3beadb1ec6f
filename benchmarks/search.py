"""Measures `gitreg search` on a warm index: typical filters, and what one more commit costs.

A peer is MLflow on SQLite only where the question can be asked there: it has no versions' metrics.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import population
from benchmarks.harness import Case, Progress, Result, in_process, measure
from benchmarks.scale import Scale
from gitreg import Registry
from gitreg.history import search

FEW = "a few versions of all"
ORDERED = "the ten best of all"
PACKAGES = "which carry a package"
WORDS = "free text"
EVER = "ever in production"
BACK = "at another commit"
TASKS = (FEW, ORDERED, PACKAGES, WORDS, EVER, BACK)

SUBJECT = "gitreg search"
SCALES = (Scale(100, 100), Scale(1000, 100))

REPETITIONS = 5
BUDGET = 30.0


def run(scales: Sequence[Scale], folder: Path, *, progress: Progress) -> list[Result]:
    """Measure searches at each scale; the index is filled before."""
    cases = [case for scale in scales for case in _cases(scale, folder / scale.label, progress)]
    return measure(cases, repetitions=REPETITIONS, budget=BUDGET, progress=progress)


def _cases(scale: Scale, folder: Path, progress: Progress) -> list[Case]:
    progress(f"filling the index of {scale.label} versions")
    registry = Registry(population.bare(scale, folder))
    search(registry, limit=1)
    name = scale.names[-1]
    tips = ["HEAD", "HEAD~1"]

    def back() -> object:
        tips.reverse()
        return search(registry, f"name = '{name}'", limit=1, rev=tips[0])

    calls: dict[str, Callable[[], object]] = {
        FEW: lambda: search(registry, f"metrics.roc_auc > 0.9 AND name = '{name}'"),
        ORDERED: lambda: search(
            registry, "metrics.roc_auc > 0.9", order_by="metrics.f1 DESC, created_at", limit=10
        ),
        PACKAGES: lambda: search(registry, "requires 'dvc<3'"),
        WORDS: lambda: search(registry, "'november' AND stage = 'production'"),
        EVER: lambda: search(registry, "stage = 'production'", limit=100, history=True),
        BACK: back,
    }
    return [
        Case(task, scale.label, SUBJECT, in_process(call, most=20)) for task, call in calls.items()
    ]
