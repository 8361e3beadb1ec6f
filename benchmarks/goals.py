"""Judges gitreg's performance goals on the figures of this run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import artifacts, load, mlflow_store, past, peers_gto, peers_mlflow, search, startup
from benchmarks.harness import Result, ratio
from benchmarks.report import dedupe, duration, find, table, times
from benchmarks.scale import PROMOTE, RESOLVE_ALIAS, SCALES

GITREG, BARE = "gitreg", "gitreg bare"
SMALLEST, LARGEST = SCALES[0].label, SCALES[-1].label


@dataclass(frozen=True)
class Verdict:
    """One goal: the measured ratio or seconds, and the limit."""

    goal: str
    measured: float | None
    limit: float
    seconds: bool = False

    def write(self, value: float) -> str:
        """Return a value in the goal's unit."""
        return duration(value) if self.seconds else times(value)

    @property
    def answer(self) -> str:
        """``met``, ``MISSED`` or ``not measured``."""
        if self.measured is None:
            return "not measured"
        return "met" if self.measured <= self.limit else "MISSED"


def judge(results: Sequence[Result]) -> list[Verdict]:
    """Return a verdict on each goal; goals that this run did not measure say so."""

    def get(task: str, scale: str, subject: str = GITREG) -> Result | None:
        return find(results, task, scale, subject)

    def beside(goal: str, task: str, peer: str, limit: float, ours: str = GITREG) -> list[Verdict]:
        """Judge a task against a peer, at each scale where both were measured."""
        verdicts = [
            Verdict(f"{goal}, {scale}", value, limit)
            for scale in dedupe([r.scale for r in results if r.task == task])
            if (value := ratio(get(task, scale, ours), get(task, scale, peer))) is not None
        ]
        return verdicts or [Verdict(goal, None, limit)]

    def growth(goal: str, task: str, limit: float, ours: str = GITREG) -> Verdict:
        value = ratio(get(task, LARGEST, ours), get(task, SMALLEST, ours))
        return Verdict(f"{goal}, {LARGEST} / {SMALLEST}", value, limit)

    return [
        *beside("resolve alias / MLflow SQLite", RESOLVE_ALIAS, peers_mlflow.SQLITE, 1.0),
        # 1.25 means "the same", with some noise between two medians.
        growth("resolve alias", RESOLVE_ALIAS, 1.25),
        # A bare repository shows the cost of commit and tags. In a checkout, Git also rewrites its
        # whole index, which grows with the number of files.
        *beside("promote (bare) / MLflow SQLite", PROMOTE, peers_mlflow.SQLITE, 2.0, BARE),
        growth("promote (bare)", PROMOTE, 2.0, BARE),
        *beside("promote (checkout) / MLflow SQLite", PROMOTE, peers_mlflow.SQLITE, 2.0),
        growth("promote (checkout)", PROMOTE, 2.0),
        *(
            verdict
            for ours in (mlflow_store.CHECKOUT, mlflow_store.BARE)
            for task, limit in ((RESOLVE_ALIAS, 1.0), (PROMOTE, 2.0))
            for verdict in beside(
                f"{ours}: {mlflow_store.NAMES[task]}",
                mlflow_store.NAMES[task],
                peers_mlflow.SQLITE,
                limit,
                ours,
            )
        ),
        *_start_up(results, get),
        *beside("gitreg resolve / gto show", startup.RESOLVE, peers_gto.LABEL, 0.25),
        _artifact("register / dvc add", artifacts.REGISTER, get),
        _artifact("pull / dvc pull", artifacts.PULL, get),
        _memory("register", artifacts.REGISTER, get),
        _memory("pull", artifacts.PULL, get),
        *_load(get),
        *(
            Verdict(
                f"search: {task}, {search.SCALES[-1].label}",
                None
                if (found := get(task, search.SCALES[-1].label, search.SUBJECT)) is None
                else found.figure,
                1.0,
                seconds=True,
            )
            for task in search.TASKS
        ),
        Verdict(
            f"{past.TIMELINE}, {past.LARGEST}",
            None if (found := get(past.TIMELINE, past.LARGEST)) is None else found.figure,
            0.5,
            seconds=True,
        ),
    ]


_Get = Callable[..., Result | None]


def _start_up(results: Sequence[Result], get: _Get) -> list[Verdict]:
    goal = "gitreg resolve / (git --version + import typer)"
    git, typer = (get(startup.FLOOR, "", s) for s in (startup.GIT, startup.TYPER))
    if git is None or typer is None or not git.median or not typer.median:
        return [Verdict(goal, None, 2.0)]
    verdicts = []
    for scale in dedupe([r.scale for r in results if r.task == startup.RESOLVE]):
        ours = get(startup.RESOLVE, scale)
        if ours is not None and ours.median is not None:
            value = ours.median / (git.median + typer.median)
            verdicts.append(Verdict(f"{goal}, {scale}", value, 2.0))
    return verdicts or [Verdict(goal, None, 2.0)]


def _artifact(goal: str, task: str, get: _Get) -> Verdict:
    scale = artifacts.LARGE.label
    value = ratio(get(task, scale), get(task, scale, artifacts.DVC))
    return Verdict(f"{goal}, {scale}", value, 1.3)


def _memory(verb: str, task: str, get: _Get) -> Verdict:
    """Judge whether an artifact of sixteen times the size has the same peak memory."""
    large, small = (get(task, a.label) for a in (artifacts.LARGE, artifacts.SMALL))
    value = None
    if large is not None and small is not None and large.peak_bytes and small.peak_bytes:
        value = large.peak_bytes / small.peak_bytes
    scales = f"{artifacts.LARGE.label} / {artifacts.SMALL.label}"
    return Verdict(f"peak memory of {verb}, {scales}", value, 1.25)


def _load(get: _Get) -> list[Verdict]:
    """Judge the load of concurrent writers: in seconds, on any machine."""
    bounds = [
        (load.SLOWEST, load.ALONE.label, 0.25),
        (load.ALTOGETHER, load.FEW.label, 60.0),
        (load.ALTOGETHER, load.MANY.label, 180.0),
        (load.SLOWEST, load.CALM.label, 5.0),
        (load.SLOWEST, load.TAGGED, 0.5),
    ]
    verdicts = []
    for task, scale, limit in bounds:
        ours = get(task, scale)
        goal = f"push: {scale}: {task}"
        verdicts.append(Verdict(goal, None if ours is None else ours.figure, limit, seconds=True))
    return verdicts


def render(verdicts: Sequence[Verdict]) -> str:
    """Return the goals as a table."""
    return table(
        ["goal", "measured", "at most", ""],
        [
            [
                verdict.goal,
                "-" if verdict.measured is None else verdict.write(verdict.measured),
                verdict.write(verdict.limit),
                verdict.answer,
            ]
            for verdict in verdicts
        ],
    )


def as_json(verdict: Verdict) -> dict[str, Any]:
    """Return one goal as JSON; ``measured`` is null if this run did not measure it."""
    return {
        "goal": verdict.goal,
        "measured": verdict.measured,
        "limit": verdict.limit,
        "unit": "s" if verdict.seconds else "x",
        "answer": verdict.answer,
    }
