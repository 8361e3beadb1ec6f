"""Times contenders in turns: each one does one call, then each one does the next.

On a shared machine, blocks such as A A A B B B measure the other users. The order A B A B disturbs
both contenders equally, so the ratio of the medians is stable.
"""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

#: A sample is a run of calls of about this length. It makes two effects negligible: the clock's
#: resolution, and the processor's cold caches after another contender's turn.
SAMPLE_SECONDS = 0.03

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Sample:
    """One measurement: seconds per call, and the peak memory of a process in bytes."""

    seconds: float
    peak_bytes: int | None = None


Sampler = Callable[[], Sample]


@dataclass(frozen=True)
class Case:
    """One contender at one task; ``why_not`` is the reason when there is no sampler."""

    task: str
    scale: str
    subject: str
    sampler: Sampler | None
    why_not: str = ""


@dataclass
class Result:
    """The samples of a case; without samples, ``note`` is the reason.

    The figure of a result is the median, or the given ``percentile``.
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
        """Return the seconds per call at the percentile; ``None`` without samples."""
        if self.percentile == 50 or not self.samples:
            return self.median
        ordered = sorted(sample.seconds for sample in self.samples)
        return ordered[math.ceil(len(ordered) * self.percentile / 100) - 1]

    @property
    def median(self) -> float | None:
        """Return the median of the seconds per call; ``None`` without samples."""
        if not self.samples:
            return None
        return statistics.median(sample.seconds for sample in self.samples)

    @property
    def peak_bytes(self) -> int | None:
        """Return the highest memory of any sample's process; ``None`` for in-process work."""
        peaks = [s.peak_bytes for s in self.samples if s.peak_bytes is not None]
        return max(peaks, default=None)


def ratio(ours: Result | None, theirs: Result | None) -> float | None:
    """Return the time of ``ours`` divided by that of ``theirs``; ``None`` if one is missing."""
    if ours is None or theirs is None or ours.figure is None or not theirs.figure:
        return None
    return ours.figure / theirs.figure


def in_process(call: Callable[[], object], *, most: int) -> Sampler:
    """Return a sampler that times a call in this process, as the mean of a short run of calls.

    The first sample makes one call, and sets the length of the later runs: at most ``most`` calls,
    so that writes do not enlarge a small registry.
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
    """Measure the cases in turns; return a result for each, in order.

    The first turn is a warm-up and does not count. A case that has used its ``budget`` of seconds
    skips the remaining turns. If the warm-up already used the budget, it counts as the measurement,
    so that a contender with 40 s per call costs 40 s and not an hour.

    A contender that raises is reported as failed, and the others continue.
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
            except Exception as error:  # noqa: BLE001 - a contender can raise anything
                result.failed = True
                result.note = f"FAILED: {type(error).__name__}: {error}"
                result.samples.clear()
                progress(result.note)
                continue
            spent[index] += time.perf_counter() - start
            if turn > 0 or spent[index] >= budget:
                result.samples.append(sample)
    return results
