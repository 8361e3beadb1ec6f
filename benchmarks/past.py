"""Measures questions to the history: timelines and explanations, in-process and warm.

A model whose every version was in production once, one after the other, has an interval a version.
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks import population, scale
from benchmarks.harness import Case, Progress, Result, in_process, measure
from benchmarks.scale import STAGE, Scale
from gitreg import Registry
from gitreg.history import explain, timeline
from gitreg.render.timeline import timeline_json, timeline_text
from gitreg.render.timeline_svg import timeline_svg

TIMELINE, AS_TEXT, AS_SVG = "timeline", "timeline, as text", "timeline, as SVG"
EXPLAIN = "explain a stage"
GITREG = "gitreg"

#: Models and versions; each version is promoted, so that a model has as many intervals.
SIZES = (Scale(1, 100), Scale(1, 1000))

LARGEST = f"{SIZES[-1].versions:,} intervals"

REPETITIONS = 10
BUDGET = 10.0
_NOW = 1_800_000_000


def run(folder: Path, *, progress: Progress) -> list[Result]:
    """Measure each question at each size."""
    cases: list[Case] = []
    for size in SIZES:
        progress(f"filling a registry with {size.versions:,} versions that were in production")
        cases += _cases(size, _registry(size, folder))
    return measure(cases, repetitions=REPETITIONS, budget=BUDGET, progress=progress)


def _registry(size: Scale, folder: Path) -> Registry:
    every, scale.PROMOTED_EVERY = scale.PROMOTED_EVERY, 1
    try:
        return Registry(population.checkout(size, folder / size.label))
    finally:
        scale.PROMOTED_EVERY = every


def _cases(size: Scale, registry: Registry) -> Sequence[Case]:
    name = size.names[0]
    found = timeline(registry, name, stage=STAGE, now=_NOW)
    assert len(found.intervals) == size.versions
    label = f"{size.versions:,} intervals"
    calls = {
        TIMELINE: lambda: timeline_json(timeline(registry, name, stage=STAGE, now=_NOW)),
        AS_TEXT: lambda: timeline_text(found, 120),
        AS_SVG: lambda: timeline_svg(found),
        EXPLAIN: lambda: explain(registry, f"{name}/{STAGE}", now=_NOW),
    }
    return [Case(task, label, GITREG, in_process(call, most=20)) for task, call in calls.items()]
