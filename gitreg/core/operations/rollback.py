"""Roll back: the version that a stage held before returns to it; history says which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from gitreg.core.model.model import ModelVersion
from gitreg.core.model.names import format_version
from gitreg.core.operations.approve import all_taken_away
from gitreg.core.operations.judging import Demand, Mover, judged, takes_back
from gitreg.core.operations.moves import PointerMoves
from gitreg.core.state.change import Change, Edit
from gitreg.core.state.history import Event, named_by
from gitreg.core.state.standing import Values, stack_of
from gitreg.core.state.state import RegistryState
from gitreg.core.text.times import utc
from gitreg.errors import InvalidRequest, Refused


class Past(Protocol):
    """What a rollback needs from the history."""

    def moves_of(self, model: str, pointer: str) -> list[Event]:
        """Return the moves of a pointer under the model's current name, newest first."""

    def events_of_commit(self, commit: str, model: str) -> list[Event]:
        """Return what a commit did to a model."""

    def models_of_commit(self, commit: str) -> list[str]:
        """Return the models whose pointers a commit moved."""


@dataclass(frozen=True)
class Rollback:
    """The request to roll back.

    Attributes:
        models: which models go back.
        stage: the stage that goes back.
        to: the version to go back to; ``None`` for the one before.
        restage: put the withdrawn version back where it was, as ``git revert`` would, instead of
            into the archive.
    """

    models: tuple[str, ...]
    stage: str = "production"
    to: int | None = None
    restage: bool = False


@dataclass(frozen=True)
class RollbackPlan:
    """What a rollback would do: its change, and the versions that it moves."""

    change: Change
    withdrawn: tuple[ModelVersion, ...]
    restored: tuple[ModelVersion, ...]


@dataclass(frozen=True)
class _Step:
    """The rollback of one model: its edits, and the moves that it undoes, newest first."""

    model: str
    edits: tuple[Edit, ...]
    undone: tuple[Event, ...]
    target: tuple[int, ...]
    withdrawn: tuple[int, ...]
    restored: tuple[int, ...]
    warnings: tuple[str, ...]


def roll_back(state: RegistryState, past: Past, request: Rollback, mover: Mover) -> RollbackPlan:
    """Return the plan of a rollback; its change has no edits when ``to`` is already in the stage.

    A rollback must be possible in any emergency, and what it restores has passed the gates once:
    of the policy only the demand for a signature applies, and aliases go where the stage's rule
    sends them. What was withdrawn itself is promoted again, and judged so, if ``to`` names it.
    Approvals of a version that is withdrawn are removed.

    Raises:
        InvalidRequest: no model is named, or one twice.
        NotFound: no such model, stage or version.
        Refused: the stage held nothing before, or ``to`` was never in the stage.
        GateRefused: the policy demands a signature of somebody else, or refuses what was withdrawn.
    """
    if not request.models:
        raise InvalidRequest("name at least one model, as in churn-predictor")
    if len(set(request.models)) != len(request.models):
        raise InvalidRequest("the same model is named twice")
    state.policy.stage(request.stage)
    steps = [_step(state, past, request, model) for model in request.models]
    withdrawn = [state.version(step.model, v) for step in steps for v in step.withdrawn]
    restored = [state.version(step.model, v) for step in steps for v in step.restored]
    reverted = _one_commit(past, request, steps)
    trailers = [("Gitreg-Action", "rollback")]
    for step in steps:
        trailers.append(("Gitreg-Model", step.model))
        trailers += [("Gitreg-Version", str(version)) for version in step.restored]
        trailers.append(("Gitreg-Stage", request.stage))
        trailers += [("Gitreg-Replaces", str(version)) for version in step.withdrawn]
    change = Change(
        f'Revert "{reverted.subject}"' if reverted else _subject(request, steps),
        tuple(edit for step in steps for edit in step.edits),
        evidence=(
            *(_metrics_line("withdrawn", version) for version in withdrawn),
            *(_metrics_line("restored", version) for version in restored),
        ),
        reverts=reverted.commit if reverted else None,
        trailers=tuple(trailers),
        warnings=tuple(warning for step in steps for warning in step.warnings),
    )
    named = tuple((version.model, version.version) for version in restored)
    returns = takes_back(state, change.edits, lambda *stage: _values(past, *stage))
    change = judged(state, change, mover, Demand(named, returns=returns), request.stage)
    return RollbackPlan(change, tuple(withdrawn), tuple(restored))


def _values(past: Past, model: str, stage: str) -> Iterator[Values]:
    """Yield what the moves of a stage led from and to, oldest first."""
    for event in reversed(past.moves_of(model, f"stages/{stage}")):
        yield event.before, event.after


def _step(state: RegistryState, past: Past, request: Rollback, model: str) -> _Step:
    state.check_model(model)
    moves = PointerMoves(state, model)
    current = moves.holders(request.stage)
    events = past.moves_of(model, f"stages/{request.stage}")
    if request.to is None:
        undone = _back_to_something(events, current, request.stage, model)
        target = undone[-1].before
    else:
        target = (state.check_version(model, request.to),)
        if target == current:
            return _Step(model, (), (), target, (), (), ())
        undone = _back_to(stack_of(reversed(events)), events, request, model)
    for version in target:
        if not state.has_version(model, version):
            raise Refused(
                f"{format_version(model, version)} was in {request.stage} before, but is deleted",
                hint="name another one with --to",
            )
    withdrawn = tuple(version for version in current if version not in target)
    stayed = _undo(state, moves, past, undone, request, withdrawn)
    for version in target:
        moves.place(version, request.stage)
    for alias in state.policy.of(model).stage(request.stage).aliases:
        moves.point(alias, max(target))
        stayed.pop(alias, None)
    for version in withdrawn:
        for alias in moves.aliases_of(version):
            name = format_version(model, version)
            stayed.setdefault(alias, f"@{alias} still names {name}: another commit moved it")
    warnings = [
        *moves.emptied_warnings(),
        *stayed.values(),
        *(
            f"{other} moved in the same commit {event.commit[:9]}: it stays where it is"
            for event in undone
            for other in past.models_of_commit(event.commit)
            if other not in request.models
        ),
    ]
    restored = tuple(version for version in target if version not in current)
    edits = (*moves.edits(), *_unapproved(state, model, request.stage, withdrawn, undone, target))
    return _Step(model, edits, tuple(undone), target, withdrawn, restored, tuple(warnings))


def _unapproved(
    state: RegistryState,
    model: str,
    stage: str,
    withdrawn: Sequence[int],
    undone: Sequence[Event],
    target: Sequence[int],
) -> Iterator[Edit]:
    """Yield the edits that withdraw the approvals of the versions whose moves are taken back.

    Otherwise they would hold again: the stage holds what it held when they were signed.
    """
    entered = {version for event in undone for version in event.after}
    for version in sorted({*withdrawn, *entered} - set(target)):
        if state.has_version(model, version):
            yield from all_taken_away(state, model, version, stage)


def _back_to_something(
    events: Sequence[Event], current: tuple[int, ...], stage: str, model: str
) -> list[Event]:
    """Return the moves to undo, newest first, until the stage holds other versions."""
    undone: list[Event] = []
    for event in reversed(stack_of(reversed(events))):
        undone.append(event)
        if event.before and event.before != current:
            return undone
    withdrawn = [one for one in tenures(events, current) if not one.stands]
    if withdrawn:
        last = withdrawn[0]
        name = format_version(model, last.version)
        raise Refused(
            f"{model}: no version was in {stage} before that still may go back; {name} was, and "
            f"was withdrawn in {last.ended_in[:9]} at {utc(last.ended)}",
            hint=f"gitreg rollback {model} --list shows all; --to {last.version} brings it back, "
            "judged as a promotion",
        )
    was = next((event.renamed_from for event in undone if event.renamed_from), None)
    since = "" if was is None else f" since it was called {was}"
    raise Refused(
        f"{model}: no version was in {stage} before{since}",
        hint=f"gitreg log {model}/{stage} shows its history; --to N goes back to version N of it"
        if was is None
        else f"gitreg log {was} shows what was; gitreg promote brings it back",
    )


@dataclass(frozen=True)
class Tenure:
    """The last time that a version was in a stage, which is over.

    Attributes:
        version: which.
        began: when it entered, ISO 8601; ``None`` where history does not say.
        ended: when it left.
        ended_in: the commit in which it left.
        stands: whether a rollback may go back to it; otherwise it was withdrawn, and its return
            is judged as a promotion.
        is_previous: whether a rollback without a version goes back to it.
    """

    version: int
    began: str | None
    ended: str
    ended_in: str
    stands: bool
    is_previous: bool


def tenures(events: Sequence[Event], current: tuple[int, ...]) -> list[Tenure]:
    """Return the versions that a stage held and does not hold now, the last one first.

    Args:
        events: all moves of the stage, newest first.
        current: what it holds now.
    """
    standing = [event for event in reversed(stack_of(reversed(events))) if event.before]
    back = next((event.before for event in standing if event.before != current), ())
    reachable = {version for event in standing for version in event.before}
    found: dict[int, Tenure] = {}
    for place, event in enumerate(events):
        for version in sorted(set(event.before) - set(event.after), reverse=True):
            if version in found or version in current:
                continue
            entry = next((e for e in events[place + 1 :] if version in _came(e)), None)
            found[version] = Tenure(
                version,
                None if entry is None else entry.time,
                event.time,
                event.commit,
                version in reachable,
                version in back,
            )
    return list(found.values())


def _came(event: Event) -> set[int]:
    return set(event.after) - set(event.before)


def _back_to(
    stack: Sequence[Event], events: Sequence[Event], request: Rollback, model: str
) -> list[Event]:
    """Return the moves to undo, newest first, until the stage holds the requested version."""
    undone: list[Event] = []
    for event in reversed(stack):
        undone.append(event)
        if request.to in event.before:
            return undone
    name = format_version(model, request.to or 0)
    if not any(request.to in event.after for event in events):
        raise Refused(
            f"{name} was never in {request.stage}: this is not a rollback",
            hint=f"gitreg promote {name} --to {request.stage}",
        )
    if request.restage:
        raise Refused(
            f"{name} was in {request.stage}, but that was rolled back: --restage cannot undo it",
            hint="leave --restage out: the withdrawn version is then archived",
        )
    return []


def _undo(
    state: RegistryState,
    moves: PointerMoves,
    past: Past,
    undone: Sequence[Event],
    request: Rollback,
    withdrawn: Sequence[int],
) -> dict[str, str]:
    """Undo what the commits of the moves did to aliases and, with ``restage``, to stages.

    Returns:
        the aliases that could not be restored, and why.
    """
    stayed: dict[str, str] = {}
    for commit in dict.fromkeys(event.commit for event in undone):
        happened = past.events_of_commit(commit, moves.model)
        for event in happened:
            if event.pointer and event.pointer.startswith("aliases/"):
                _undo_alias(state, moves, event, stayed)
        # Of a move that a rollback amended, only its start is known: the version that it leads to
        # now came out of the archive, and goes back there.
        if request.restage and any(event in undone for event in happened):
            _undo_stages(state, moves, happened)
    for version in withdrawn:
        if not request.restage or moves.stage_of(version) == request.stage:
            moves.withdraw(version, request.stage)
    return stayed


def _undo_alias(
    state: RegistryState, moves: PointerMoves, event: Event, stayed: dict[str, str]
) -> None:
    alias = (event.pointer or "").partition("/")[2]
    before = named_by(event.before)
    if state.policy.of(moves.model).is_protected(alias):
        # Only the rule of a stage moves it.
        stayed[alias] = f"@{alias} is protected: it stays where it is"
    elif moves.alias(alias) != named_by(event.after):
        stayed[alias] = f"@{alias} has moved since: it stays where it is"
    elif before is not None and not state.has_version(moves.model, before):
        gone = format_version(moves.model, before)
        stayed[alias] = f"@{alias} named {gone} before, which is deleted: it stays where it is"
    else:
        moves.point(alias, before)


def _undo_stages(state: RegistryState, moves: PointerMoves, happened: Sequence[Event]) -> None:
    """Put back what one commit moved between stages, as ``git revert`` would."""
    of_stages = [
        (stage, event)
        for event in happened
        for kind, _, stage in [(event.pointer or "").partition("/")]
        if kind == "stages"
    ]
    for _, event in of_stages:
        for version in set(event.after) - set(event.before):
            moves.place(version, None)
    for stage, event in of_stages:
        for version in set(event.before) - set(event.after):
            # A version that was deleted since cannot go back.
            moves.place(version, stage if state.has_version(moves.model, version) else None)


def _one_commit(past: Past, request: Rollback, steps: Sequence[_Step]) -> Event | None:
    """Return an event of the commit that is undone, if it is a single one and undone whole."""
    undone = [event for step in steps for event in step.undone]
    commits = {event.commit for event in undone}
    if len(commits) != 1 or set(past.models_of_commit(undone[0].commit)) != set(request.models):
        return None
    # A commit that a rollback amended since is not undone whole.
    is_whole = all(event in past.events_of_commit(event.commit, event.model) for event in undone)
    return undone[0] if is_whole else None


def _subject(request: Rollback, steps: Sequence[_Step]) -> str:
    back = ", ".join(
        " and ".join(
            format_version(step.model, version) for version in step.restored or step.target
        )
        for step in steps
    )
    return f"roll back {request.stage} to {back}"


def _metrics_line(word: str, version: ModelVersion) -> str:
    metrics = ", ".join(f"{name} {value:g}" for name, value in list(version.metrics.items())[:20])
    return f"{word} {version.reference}" + (f": {metrics}" if metrics else "")
