"""Checks of moves: the policy's verdicts on each version whose stage changes in a step.

A commit's message proves nothing: a rollback counts when history shows that the stage held the
version just before the move that is taken back, an override when the policy allows it to its
author. What a merge brings is judged as if it were moved by the merge, by all rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Protocol

from gitreg.check.finding import CheckFinding, line_of
from gitreg.check.lives import Lives
from gitreg.check.step import Step
from gitreg.core.model import layout
from gitreg.core.model.model import ModelVersion
from gitreg.core.model.names import NO_STAGE, format_version
from gitreg.core.policy import Case, Facts, Verdict
from gitreg.core.state.change import OVERRIDE, trailers_of
from gitreg.core.state.decision import (
    Held,
    Move,
    decide,
    judge_aliases,
    may_override,
    may_return,
    moves_between,
)
from gitreg.core.state.history import CommitInfo
from gitreg.core.state.standing import Values
from gitreg.core.state.state import RegistryState
from gitreg.errors import GitregError, InvalidDocument, NotFound
from gitreg.findings import Severity

_LENIENT = "check where that is known, or let the policy say `unknown: warn` for this rule"
_TAKES_BACK = ('Revert "', "\nThis reverts commit ", "roll back ")


class World(Protocol):
    """What else is needed to judge moves."""

    def facts(self, step: Step) -> Facts:
        """Return the facts by which a move of this step is judged."""

    def moves(self, model: str, stage: str) -> Iterable[Values]:
        """Return the moves of a model's stage before the commit that is judged, oldest first."""

    def had_pointers(self, model: str) -> bool:
        """Tell whether a pointer ever moved under a name before the commit that is judged."""

    def maker(self, move: Move) -> CommitInfo | None:
        """Return the commit that made a move which a merge brings; see `gitreg.check.origins`."""


def moves(step: Step, world: World) -> Iterator[CheckFinding]:
    """Find moves that the policy refuses, and those that it cannot judge here.

    Args:
        step: a commit beside its first parent; of a merge, with all that it brings.
        world: what is needed to judge moves.
    """
    lives = Lives(step)
    for model in filter(partial(_moved, step), step.models):
        judged = lives.beside(model, world.had_pointers)
        try:
            found = moves_between(judged.before, judged.after, model)
        except InvalidDocument as error:
            yield _unjudged(step, model, error)
            continue
        facts = world.facts(judged)
        for move in found:
            yield from _move(judged, move, facts, world)
        for verdict in judge_aliases(judged.policy, judged.before, judged.after, model):
            yield _finding(judged, verdict, layout.model_path(model), None, "policy")


def _moved(step: Step, model: str) -> bool:
    """Tell whether a pointer of a model changed."""
    places = (layout.locate(change.path) for change in step.registry_changes)
    return any(place is not None and place.model == model and place.pointer for place in places)


def _unjudged(step: Step, model: str, error: GitregError) -> CheckFinding:
    return step.found(
        "unknown-moves",
        layout.model_path(model),
        f"the moves are unknown, because a pointer does not parse: {error}",
        severity="warning",
    )


def _move(step: Step, move: Move, facts: Facts, world: World) -> Iterator[CheckFinding]:
    verdicts = _verdicts(step, move, facts, world)
    if all(verdict.passed and verdict.known for verdict in verdicts):
        return
    overridden = _may_override(step, move, facts)
    maker = world.maker(move) if step.is_merge else None
    if maker is not None and not overridden:
        made = replace(step, maker=maker)
        facts = world.facts(made)
        verdicts = _verdicts(made, move, facts, world)
        overridden = _may_override(made, move, facts)
    yield from _findings(step, move, verdicts, "overridden" if overridden else "policy")


def _may_override(step: Step, move: Move, facts: Facts) -> bool:
    """Tell whether a move overrides the policy, and its author may."""
    if not trailers_of(step.made_by.message).get(OVERRIDE):
        return False
    case = _case(step, move, facts)
    return case is not None and may_override(step.policy, case).passed


def _findings(
    step: Step, move: Move, verdicts: list[Verdict], prefix: str
) -> Iterator[CheckFinding]:
    for verdict in verdicts:
        if verdict.passed and verdict.known:
            continue
        stage = move.stage or move.came_from or NO_STAGE
        path = layout.stage_path(move.model, stage)
        data = step.after.snapshot.read(path)
        line = line_of(data, f"- {move.version}") if move.stage else None
        where = f"{format_version(move.model, move.version)} to {move.stage or NO_STAGE}"
        yield _finding(step, verdict, path, line, prefix, f"{where}: ")


def _finding(
    step: Step, verdict: Verdict, path: str, line: int | None, prefix: str, where: str = ""
) -> CheckFinding:
    severity: Severity = "error" if prefix == "policy" and not verdict.passed else "warning"
    is_unknown = not verdict.known and (verdict.passed or prefix == "policy")
    return step.found(
        f"{'unknown' if is_unknown else prefix}-{verdict.rule}",
        path,
        f"{where}{verdict.line}",
        line=line,
        severity=severity,
        remedy=_LENIENT if is_unknown and not verdict.passed else None,
    )


def _verdicts(step: Step, move: Move, facts: Facts, world: World) -> list[Verdict]:
    """Return the verdicts on a move, judged as a rollback if message and history show one."""
    case = _case(step, move, facts)
    if case is None:
        return []
    try:
        verdicts = list(decide(step.policy, case))
        if not all(verdict.passed for verdict in verdicts) and _returns(step, move, world):
            verdicts = list(decide(step.policy, _case(step, move, facts, returns=True) or case))
    except NotFound:
        # The check of pointers reports a stage that the policy does not have. The stage that is
        # left still has its rules.
        return list(decide(step.policy, replace(case, stage=NO_STAGE)))
    return verdicts


def _case(step: Step, move: Move, facts: Facts, *, returns: bool = False) -> Case | None:
    """Return the case of a move; ``None`` where the version does not exist, which is reported, too.

    The version is read after the step: a squash registers and promotes in one commit. A version
    that leaves its stage may be deleted in the same step, and is read before it then.
    """
    candidate = _version(step.after, move)
    if candidate is None and move.stage is None:
        candidate = _version(step.before, move)
    if candidate is None:
        return None
    return Case(
        candidate,
        move.stage or NO_STAGE,
        move.came_from,
        Held(step.before, move.model),
        move.replaces,
        step.made_by.author,
        facts,
        returns,
    )


def _version(state: RegistryState, move: Move) -> ModelVersion | None:
    try:
        return state.version(move.model, move.version)
    except GitregError:
        return None  # the checks of versions report it


def _returns(step: Step, move: Move, world: World) -> bool:
    if move.model in Lives(step).returning:
        return True
    claims = any(_claims_to_return(commit.message) for commit in (step.commit, step.made_by))
    return claims and may_return(step.policy, move, step.after, world.moves)


def _claims_to_return(message: str) -> bool:
    """Tell whether a message says that its commit takes something back."""
    claimed = "rollback" in trailers_of(message).get("Gitreg-Action", ())
    return claimed or any(words in message for words in _TAKES_BACK)
