"""Timing in turns: every contender does one call, then every contender the next.

Two blocks of A A A and B B B on a shared machine measure the neighbours; A B A B lets
them disturb both alike, so that the ratio of the medians stays.
"""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

#: A sample is a run of calls about this long. The clock's resolution vanishes in it, and so
#: does the first call after somebody else's turn, which finds the processor's caches cold.
SAMPLE_SECONDS = 0.03

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Sample:
    """One measurement: seconds a call, and the peak memory of a process in bytes."""

    seconds: float
    peak_bytes: int | None = None


Sampler = Callable[[], Sample]


@dataclass(frozen=True)
class Case:
    """One contender at one task. Without a sampler it cannot take part, and says why."""

    task: str
    scale: str
    subject: str
    sampler: Sampler | None
    why_not: str = ""


@dataclass
class Result:
    """What a case measured. Without samples, ``note`` is the reason.

    Its figure is the median, or where ``percentile`` says so what most calls stay under.
    """

    task: str
    scale: str
    subject: str
    note: str = ""
    failed: bool = False
    samples: list[Sample] = field(default_factory=list)
    percentile: int = 50

    @property
    def figure(self) -> float | None:
        """Return the seconds a call that this result is about, or None without samples."""
        if self.percentile == 50 or not self.samples:
            return self.median
        ordered = sorted(sample.seconds for sample in self.samples)
        return ordered[math.ceil(len(ordered) * self.percentile / 100) - 1]

    @property
    def median(self) -> float | None:
        """Return the median of the seconds a call, or None when nothing was measured."""
        if not self.samples:
            return None
        return statistics.median(sample.seconds for sample in self.samples)

    @property
    def peak_bytes(self) -> int | None:
        """Return the highest memory of any sample's process, or None for work in-process."""
        peaks = [s.peak_bytes for s in self.samples if s.peak_bytes is not None]
        return max(peaks, default=None)


def ratio(ours: Result | None, theirs: Result | None) -> float | None:
    """Return how many times as long as ``theirs`` ``ours`` took, if both were measured."""
    if ours is None or theirs is None or ours.figure is None or not theirs.figure:
        return None
    return ours.figure / theirs.figure


def in_process(call: Callable[[], object], *, most: int) -> Sampler:
    """Time a call in this process: each sample is the mean of a short run of calls.

    The first sample makes one call, and sets the length of the runs after it: at most
    ``most`` calls, so that writes do not let a small registry grow into a larger one.
    """
    calls = 0

    def sample() -> Sample:
        nonlocal calls
        start = time.perf_counter()
        for _ in range(max(calls, 1)):
            call()
        seconds = (time.perf_counter() - start) / max(calls, 1)
        if calls == 0:
            calls = min(max(math.ceil(SAMPLE_SECONDS / seconds), 1), most)
        return Sample(seconds)

    return sample


def measure(
    cases: Sequence[Case],
    *,
    repetitions: int,
    budget: float,
    progress: Progress = lambda _: None,
) -> list[Result]:
    """Measure the cases in turns and give a result for each, in their order.

    The first turn warms up and is thrown away. A case that has used up its ``budget`` of
    seconds drops out of the turns that follow; if the first turn did that, then it is the
    measurement, so that a contender which takes 40 s a call costs 40 s and not an hour.

    A contender that raises is reported as failed, and the others go on.
    """
    results = [Result(c.task, c.scale, c.subject, note=c.why_not) for c in cases]
    spent = [0.0 for _ in cases]
    for turn in range(repetitions + 1):
        for index, (case, result) in enumerate(zip(cases, results, strict=True)):
            if case.sampler is None or result.failed or spent[index] >= budget:
                continue
            if turn == 0:
                progress(" ".join(filter(None, (case.task, case.scale, case.subject))))
            start = time.perf_counter()
            try:
                sample = case.sampler()
            except Exception as error:  # noqa: BLE001 - whatever a contender raises
                result.failed = True
                result.note = f"FAILED: {type(error).__name__}: {error}"
                result.samples.clear()
                progress(result.note)
                continue
            spent[index] += time.perf_counter() - start
            if turn > 0 or spent[index] >= budget:
                result.samples.append(sample)
    return results
