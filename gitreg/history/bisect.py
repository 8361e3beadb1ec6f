"""Which version was the first bad one: tests of as few versions as possible.

    from gitreg import Registry
    from gitreg.history.bisect import bisect, plan_bisect

    with Registry(".") as registry:
        plan = plan_bisect(registry, "churn-predictor", stage="production")
        found = bisect(registry, plan, lambda path, version: "good" if is_fine(path) else "bad")
        print(found.first_bad)

Which version is tested next is decided in `gitreg.core.state.bisection`; how a command tests one is
in `gitreg.history.bisect_command`, and what an interrupted search has learned in
`gitreg.history.bisect_memory`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from gitreg.core.model.model import Model, ModelVersion
from gitreg.core.model.names import (
    Reference,
    check_stage_name,
    format_version,
    parse_reference,
    parse_version_number,
)
from gitreg.core.state.bisection import Bisection, Effort, Verdict
from gitreg.errors import DvcError, GitError, InvalidDocument, InvalidRequest, NotFound, Refused
from gitreg.registry import Registry
from gitreg.registry.references import existing

if TYPE_CHECKING:
    from typing_extensions import Unpack  # in typing itself since Python 3.11

    from gitreg.core.state.compare import Comparison
    from gitreg.core.state.history import Event
    from gitreg.core.state.state import RegistryState
    from gitreg.history.bisect_memory import Memory
    from gitreg.registry.options import ReadOptions


@dataclass(frozen=True)
class Candidate:
    """A version between the good and the bad end.

    Attributes:
        number: of the version.
        version: the version; ``None`` for one that is deleted, which cannot be tested.
        is_cached: whether it needs no download.
        since: when it entered the stage, ISO 8601; ``None`` in a search over all versions.
        left_out: why it is not tested, known before; ``None`` for one that may be tested.
    """

    number: int
    version: ModelVersion | None
    is_cached: bool = False
    since: str | None = None
    left_out: str | None = None


@dataclass(frozen=True)
class BisectPlan:
    """Which versions a search goes over.

    Attributes:
        model: their model.
        stage: the stage that they were in, one after the other; ``None`` for all versions.
        commit: the commit that the registry was read at.
        candidates: in order, from the good end to the bad end.
        is_good_given: whether the good end was named, so that it must be one that can be tested.
        is_bad_given: whether the bad end was named.
    """

    model: str
    stage: str | None
    commit: str
    candidates: tuple[Candidate, ...]
    is_good_given: bool = False
    is_bad_given: bool = False

    def start(self, known: Mapping[int, Verdict]) -> Bisection:
        """Return the search, with the verdicts that are known from before, by version."""
        return Bisection(
            tuple(
                "skipped" if one.left_out is not None else known.get(one.number)
                for one in self.candidates
            )
        )

    def effort(self, known: Mapping[int, Verdict]) -> Effort:
        """Return the most that the tests cost which are not known, if none skips its version."""
        return self.start(known).worst([_cost(one) for one in self.candidates])

    def name(self, place: int) -> str:
        """Return the reference of a candidate, by its place."""
        return format_version(self.model, self.candidates[place].number)


@dataclass(frozen=True)
class Step:
    """What a search does or has found out, for somebody who follows it.

    Attributes:
        version: ``churn-predictor@5``.
        kind: ``test`` before it is pulled and tested; else the verdict.
        reason: why it was skipped; ``None`` if the test said so.
        size: of the version, in bytes.
    """

    version: str
    kind: Literal["test"] | Verdict
    reason: str | None = None
    size: int = 0


@dataclass(frozen=True)
class Skipped:
    """A version that was not tested, or whose test gave no verdict, and why."""

    version: int
    reason: str


@dataclass(frozen=True)
class BisectOutcome:
    """What a search has found.

    Attributes:
        model: the model.
        stage: the stage whose past was searched; ``None`` for all versions.
        first_bad: the first version known to be bad.
        last_good: the last version known to be good before it.
        hidden: the versions between these two, which could not be tested: any of them may be the
            first bad one. Empty if that one is found.
        verdicts: of the versions that were tested, ascending.
        skipped: the versions that were not, and why.
        comparison: how ``first_bad`` differs from ``last_good``.
    """

    model: str
    stage: str | None
    first_bad: ModelVersion
    last_good: ModelVersion
    hidden: tuple[int, ...]
    verdicts: Mapping[int, Verdict]
    skipped: tuple[Skipped, ...]
    comparison: Comparison


Test: TypeAlias = Callable[[Path, ModelVersion], Verdict]
"""Tests a version whose artifact is at a path. The path is temporary."""


BY_TEST, SKIPPED = "the test cannot tell", "left out by --skip"
"""Why a version has no verdict."""


def plan_bisect(
    registry: Registry,
    model: str,
    *,
    good: str | None = None,
    bad: str | None = None,
    stage: str | None = None,
    skip: Sequence[str] = (),
    **options: Unpack[ReadOptions],
) -> BisectPlan:
    """Return which versions a search goes over, from a good one to a bad one.

    Args:
        registry: where they are.
        model: their model.
        good: a version that is good, as a number or a reference; by default the first one.
        bad: a version that is bad; by default the last one.
        stage: search what was in this stage, in the order in which it first entered; by default all
            versions, by number.
        skip: versions that are not tested.
        **options: see `ReadOptions`.

    Raises:
        NotFound: there is no registry, model, version or stage of that name, or a version was never
            in the stage.
        InvalidRequest: there are fewer than two versions between the ends.
        GitError: the clone is shallow, and its history does not tell what was in the stage.
    """
    state = existing(registry.state(**options))
    model = state.check_model(model)
    stage = None if stage is None else check_stage_name(stage)
    order = (
        dict.fromkeys(state.numbers(model))
        if stage is None
        else _entries(registry, state, model, stage)
    )
    first = None if good is None else _number(registry, model, good, options)
    last = None if bad is None else _number(registry, model, bad, options)
    between = _between(model, stage, list(order), first, last)
    skipped = {_number(registry, model, text, options) for text in skip}
    state.read_ahead([model])
    pointers = state.pointers(model)
    candidates = [
        Candidate(one, None, since=order[one], left_out=SKIPPED if one in skipped else None)
        for one in between
    ]
    return BisectPlan(
        model,
        stage,
        str(state.commit),
        tuple(_candidate(registry, state, pointers, one) for one in candidates),
        first is not None,
        last is not None,
    )


def _entries(
    registry: Registry, state: RegistryState, model: str, stage: str
) -> dict[int, str | None]:
    """Return the versions that were in a stage, in the order in which they first entered."""
    if registry.is_shallow:
        raise GitError(
            f"this clone is shallow: its history does not tell what was in {stage}",
            hint="git fetch --unshallow",
        )
    found: dict[int, str | None] = {}
    for event in _moves(registry, state, model, stage):
        for version in sorted(set(event.after) - set(event.before)):
            found.setdefault(version, event.time)
    if not found:
        state.policy.of(model).stage(stage)  # its error names the near misses
        raise NotFound(
            f"no version of {model} was ever in {stage}", hint=f"gitreg log {model} shows its past"
        )
    return found


def _moves(registry: Registry, state: RegistryState, model: str, stage: str) -> list[Event]:
    """Return the moves of a stage, oldest first, also from when the model had another name."""
    past = registry.past(state)
    moves, events = past.moves_of(model, f"stages/{stage}")[::-1], past.events(model)
    for event in events:
        if event.ends_the_model:
            break
        if event.renamed_from is not None:
            before = registry.state(rev=f"{event.commit}^")
            return _moves(registry, before, event.renamed_from, stage) + moves
    return moves


def _number(registry: Registry, model: str, text: str, options: ReadOptions) -> int:
    """Return the version that an option names: ``5``, ``v5`` or any reference to the model."""
    number = parse_version_number(text)
    wanted = parse_reference(text) if number is None else Reference(model, version=number)
    if wanted.model != model:
        raise InvalidRequest(f"{wanted} is not a version of {model}")
    return registry.resolve(wanted, **options).version


def _between(
    model: str, stage: str | None, order: Sequence[int], first: int | None, last: int | None
) -> Sequence[int]:
    """Return the versions from the good end to the bad end."""
    if not order:
        raise NotFound(f"{model} has no versions yet", hint=f"gitreg register {model} PATH")
    for end in (first, last):
        if end is not None and end not in order:
            raise NotFound(
                f"{format_version(model, end)} was never in {stage}",
                hint=f"gitreg log {model}/{stage} shows which versions were",
            )
    start = 0 if first is None else order.index(first)
    end = len(order) - 1 if last is None else order.index(last)
    if start > end:
        raise InvalidRequest(
            f"{format_version(model, order[start])}, the good one, came after "
            f"{format_version(model, order[end])}, the bad one"
        )
    if len(order) == 1:
        where = "" if stage is None else f" in {stage}"
        only = format_version(model, order[0])
        raise InvalidRequest(f"{only} is the only version{where}: there is nothing to search")
    if start == end:
        raise InvalidRequest(
            f"there is nothing between a good and a bad version: "
            f"{format_version(model, order[start])} is both"
        )
    return order[start : end + 1]


def _candidate(
    registry: Registry, state: RegistryState, pointers: Model, found: Candidate
) -> Candidate:
    """Return a candidate with its version, or with the reason why it cannot be tested."""
    if not state.has_version(pointers.name, found.number):
        return replace(found, left_out="deleted")
    try:
        version = state.version_of(pointers, found.number)
    except InvalidDocument as error:
        return replace(found, left_out=str(error))
    is_cached = registry.artifacts.is_cached(state.snapshot, version)
    return replace(found, version=version, is_cached=is_cached)


def _cost(candidate: Candidate) -> Effort:
    if candidate.version is None:
        return Effort()
    size = candidate.version.artifact.size
    return Effort(1, size, 0 if candidate.is_cached else size)


def bisect(
    registry: Registry,
    plan: BisectPlan,
    test: Test,
    *,
    memory: Memory | None = None,
    follow: Callable[[Step], None] = lambda _: None,
) -> BisectOutcome:
    """Return the first bad version of a plan, and the last good one before it.

    1. Both ends are tested: the good one must be good, and the bad one bad.
    2. Each version is pulled into a temporary folder, verified, tested, and removed. One whose
       bytes are nowhere is skipped.
    3. Each verdict is kept in ``memory`` before the next test, so that an interrupted search goes
       on there.

    Args:
        registry: where the versions are.
        plan: of `plan_bisect`.
        test: returns ``good``, ``bad`` or ``skipped``. What it raises ends the search.
        memory: the verdicts from before; by default none, and none are kept.
        follow: called before and after each test.

    Raises:
        Refused: an end is not what it should be, so that there is nothing to find.
        DvcError: a version could not be pulled.
    """
    try:
        found = _searched(registry, plan, test, memory, follow)
    except Refused:
        if memory is not None:
            memory.forget()
        raise
    if memory is not None:
        memory.forget()  # a search that is over is not one to go on with
    return found


def _searched(
    registry: Registry,
    plan: BisectPlan,
    test: Test,
    memory: Memory | None,
    follow: Callable[[Step], None],
) -> BisectOutcome:
    search = plan.start({} if memory is None else memory.verdicts)
    reasons = {one.number: one.left_out for one in plan.candidates if one.left_out is not None}
    _refuse_skipped_end(plan, search, reasons)
    while (place := search.next) is not None:
        candidate = plan.candidates[place]
        follow(Step(plan.name(place), "test", size=_cost(candidate).size))
        verdict, reason = _tried(registry, plan, candidate, test)
        if reason is not None:
            reasons[candidate.number] = reason
        elif memory is not None:
            memory.keep(candidate.number, verdict)
        follow(Step(plan.name(place), verdict, reason))
        search = search.tested(place, verdict)
        _refuse_skipped_end(plan, search, reasons)
    _refuse_wrong_end(plan, search)
    return _outcome(registry, plan, search, reasons)


def _tried(
    registry: Registry, plan: BisectPlan, candidate: Candidate, test: Test
) -> tuple[Verdict, str | None]:
    """Return the verdict on a version, and the reason if it is skipped without a test."""
    from gitreg.git import scratch

    version = candidate.version
    assert version is not None
    folder = registry.private_dir / "bisect"
    folder.mkdir(parents=True, exist_ok=True)
    with scratch.beside(folder) as place:
        try:
            path = registry.pull(version, place, rev=plan.commit)
        except DvcError as error:
            gone = _is_gone(registry, plan, version)
            if gone:
                return "skipped", "its bytes are neither in the DVC cache nor on the remote"
            hint = error.hint
            if gone is False:  # what is wrong is this version alone
                hint = "; or ".join(filter(None, (hint, f"leave it out: --skip {version.version}")))
            raise DvcError(f"{version.reference}: {error}", hint=hint) from error
        return test(path, version), None


def _is_gone(registry: Registry, plan: BisectPlan, version: ModelVersion) -> bool | None:
    """Tell whether a version's bytes are nowhere; ``None`` if the remote cannot be reached."""
    try:
        return registry.artifacts.is_gone(registry.state(rev=plan.commit).snapshot, version)
    except DvcError:
        return None


def _refuse_skipped_end(plan: BisectPlan, search: Bisection, reasons: Mapping[int, str]) -> None:
    """Refuse to take another version for an end that the caller named."""
    for place, given, option in (
        (0, plan.is_good_given, "--good"),
        (-1, plan.is_bad_given, "--bad"),
    ):
        candidate = plan.candidates[place]
        if given and search.verdicts[place] == "skipped":
            raise Refused(
                f"{format_version(plan.model, candidate.number)} cannot be tested: "
                f"{reasons.get(candidate.number, BY_TEST)}",
                hint=f"name another version with {option}",
            )


def _refuse_wrong_end(plan: BisectPlan, search: Bisection) -> None:
    """Refuse a search whose ends are alike: nothing turned bad between them."""
    if not search.ends:
        raise Refused(f"no version of {plan.model} between the ends can be tested")
    first, last = (plan.name(place) for place in search.ends)
    if first == last:
        raise Refused(f"only {first} can be tested: there is nothing to find")
    if search.last_good is None:
        raise Refused(
            f"{first}, the good end, is bad already",
            hint="name an earlier one that is good with --good, or check the command itself",
        )
    if search.first_bad is None:
        raise Refused(
            f"{last}, the bad end, is good: no version turned bad",
            hint="name one that is bad with --bad, or check the command itself",
        )


def _outcome(
    registry: Registry, plan: BisectPlan, search: Bisection, reasons: Mapping[int, str]
) -> BisectOutcome:
    numbers = [one.number for one in plan.candidates]
    good, bad = search.last_good, search.first_bad
    assert good is not None
    assert bad is not None
    compared = registry.compare(plan.name(good), plan.name(bad), rev=plan.commit)
    return BisectOutcome(
        plan.model,
        plan.stage,
        compared.b,
        compared.a,
        tuple(numbers[place] for place in search.hidden),
        {
            number: verdict
            for number, verdict in sorted(zip(numbers, search.verdicts, strict=True))
            if verdict in ("good", "bad")
        },
        tuple(_skipped(plan, search, reasons)),
        compared,
    )


def _skipped(plan: BisectPlan, search: Bisection, reasons: Mapping[int, str]) -> Iterator[Skipped]:
    for candidate, verdict in zip(plan.candidates, search.verdicts, strict=True):
        if verdict == "skipped":
            yield Skipped(candidate.number, reasons.get(candidate.number, BY_TEST))
