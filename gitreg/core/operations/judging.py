"""Judging: the verdicts of the tip's policy on a change, before it is committed.

Every move between stages that a change makes is judged, also of versions that only make room: what
`gitreg check` would refuse later is refused here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from gitreg.core.model import layout
from gitreg.core.model.names import ARCHIVE, NO_STAGE, Reference, format_version
from gitreg.core.policy.gates import MetricBetter
from gitreg.core.policy.verdict import METRIC, Case, Facts, Judgement
from gitreg.core.state.change import Change, Edit, check_reason
from gitreg.core.state.decision import (
    Move,
    Moves,
    case_of,
    decide,
    judge_aliases,
    may_override,
    may_return,
    moves_between,
    rules_for,
)
from gitreg.core.state.state import RegistryState
from gitreg.errors import InvalidRequest, Refused

Version = tuple[str, int]
"""A model and a number."""


@dataclass(frozen=True)
class Mover:
    """Who makes a change, and the facts by which it is judged.

    Attributes:
        author: ``Name <email>``.
        facts: answers the questions of rules.
        awaited: kinds of rules that may fail for now: a change that is only proposed is not refused
            for what its review is to bring.
    """

    author: str
    facts: Facts
    awaited: frozenset[str] = frozenset()


class GateRefused(Refused):
    """The policy, or a gate of the command line, refused a change.

    Attributes:
        judgements: all verdicts, also on the versions that passed.
        change: the change that was refused.
    """

    def __init__(
        self,
        message: str,
        judgements: tuple[Judgement, ...],
        change: Change | None = None,
        *,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.judgements = judgements
        self.change = change

    @property
    def losers(self) -> tuple[Reference, ...]:
        """The versions that failed on a metric, each by its number."""
        return tuple(
            Reference(judgement.model, version=judgement.version)
            for judgement in self.judgements
            if any(verdict.rule == METRIC for verdict in judgement.failed)
        )


@dataclass(frozen=True)
class Demand:
    """What a command demands of a change, besides the policy.

    Attributes:
        named: the versions that the command names; others only make room.
        gates: gates of the command line that each of these must pass as well.
        override: the reason to override the policy's refusals; ``None`` to obey them.
        returns: whether earlier moves are taken back; see `gitreg.core.policy.verdict.Case`.
    """

    named: tuple[Version, ...] = ()
    gates: tuple[MetricBetter, ...] = ()
    override: str | None = None
    returns: bool = False


@dataclass(frozen=True)
class Ruling:
    """The result of judging a change.

    Attributes:
        judgements: all verdicts, version by version.
        overridden: whether some verdicts failed and were overridden.
        awaited: kinds of rules that may fail for now; see `Mover`.
    """

    judgements: tuple[Judgement, ...]
    overridden: bool = False
    awaited: frozenset[str] = frozenset()

    @property
    def refused(self) -> tuple[Judgement, ...]:
        """The versions that may not move."""
        failed = tuple(one for one in self.judgements if _fails(one, self.awaited))
        return () if self.overridden else failed

    def refuses(self, rule: str) -> bool:
        """Tell whether a kind of rule is among those that refuse."""
        return any(verdict.rule == rule for one in self.refused for verdict in one.failed)

    @property
    def evidence(self) -> tuple[str, ...]:
        """The verdicts as lines for the commit's message."""
        several = len(self.judgements) > 1
        return tuple(
            (f"{judgement.reference}: " if several and not _names_itself(judgement, line) else "")
            + line
            for judgement in self.judgements
            for line in _lines(judgement, self.awaited)
        )


def _fails(judgement: Judgement, awaited: frozenset[str]) -> bool:
    return any(verdict.rule not in awaited for verdict in judgement.failed)


def _lines(judgement: Judgement, awaited: frozenset[str]) -> Iterable[str]:
    for verdict in judgement.verdicts:
        line = verdict.line if verdict.rule == METRIC else f"{verdict.rule}: {verdict.line}"
        if not verdict.passed and verdict.rule in awaited:
            line = f"awaited: {line}"
        elif not verdict.passed:
            line = f"overridden: {line}" if verdict.known else f"overridden, not known: {line}"
        yield line


def _names_itself(judgement: Judgement, line: str) -> bool:
    return judgement.reference in line.replace(":", " ").split()


def check_override(reason: str | None) -> str | None:
    """Return the reason for an override, in one line.

    Raises:
        InvalidRequest: it is empty, or has control characters.
    """
    if reason is None:
        return None
    checked = check_reason(reason)
    if checked is None:
        raise InvalidRequest("--override needs a reason", hint='--override "why this once"')
    return " ".join(checked.split())


def rule_on(state: RegistryState, edits: Sequence[Edit], mover: Mover, demand: Demand) -> Ruling:
    """Return the verdicts of a state's policy on the moves that edits would make.

    Args:
        state: the registry before them.
        edits: of pointers.
        mover: who makes them.
        demand: what the command demands besides the policy.

    Raises:
        NotFound: a version or a stage does not exist.
        Refused: a protected alias would move without its stage; nobody may override that.
    """
    after = state.after({edit.path: edit.content for edit in edits})
    moved = (layout.locate(edit.path) for edit in edits)
    models = dict.fromkeys(
        [*(model for model, _ in demand.named), *(p.model for p in moved if p and p.pointer)]
    )
    cases: dict[Version, Case] = {}
    found: dict[Version, Judgement] = {}
    for model in models:
        for move in _named_first(moves_between(state, after, model), demand.named):
            key = model, move.version
            gates = demand.gates if key in demand.named else ()
            if not gates and not rules_for(state.policy, move, returns=demand.returns):
                continue  # most registries: the version need not be read
            case = case_of(state, move, mover.author, mover.facts, returns=demand.returns)
            verdicts = decide(state.policy, case)
            if key in demand.named:
                verdicts += tuple(gate.judge(case) for gate in demand.gates)
            else:
                # For a version that only makes room, only refusals count.
                said = {verdict.line for other in found.values() for verdict in other.verdicts}
                verdicts = tuple(v for v in verdicts if not v.passed and v.line not in said)
            if verdicts:
                before = found[key].verdicts if key in found else ()
                stage = move.stage or NO_STAGE
                found[key] = Judgement(model, move.version, stage, before + verdicts)
                cases.setdefault(key, case)
        for version in (number for name, number in demand.named if name == model):
            if demand.gates and (model, version) not in found:
                case, judgement = _stays(state, (model, version), mover, demand)
                cases[model, version], found[model, version] = case, judgement
        wrong = judge_aliases(state.policy, state, after, model)
        if wrong:
            raise Refused("; ".join(f"{model}: {verdict.line}" for verdict in wrong))
    ruling = _overridden(state, cases, found, demand)
    # An overridden rule is not awaited.
    return ruling if ruling.overridden else replace(ruling, awaited=mover.awaited)


def takes_back(state: RegistryState, edits: Sequence[Edit], moves: Moves) -> bool:
    """Tell whether all moves that edits would make can be part of taking back earlier ones."""
    after = state.after({edit.path: edit.content for edit in edits})
    places = (layout.locate(edit.path) for edit in edits)
    return all(
        may_return(state.policy, move, after, moves)
        for model in dict.fromkeys(place.model for place in places if place and place.pointer)
        for move in moves_between(state, after, model)
    )


def _named_first(moves: Iterable[Move], named: Collection[Version]) -> list[Move]:
    return sorted(moves, key=lambda move: (move.model, move.version) not in named)


def _stays(
    state: RegistryState, version: Version, mover: Mover, demand: Demand
) -> tuple[Case, Judgement]:
    """Judge a version that is in the stage already, by the gates of the command line alone."""
    stage = state.stage_of(*version)
    move = Move(*version, stage, stage, ())
    case = case_of(state, move, mover.author, mover.facts)
    verdicts = tuple(gate.judge(case) for gate in demand.gates)
    return case, Judgement(*version, stage or NO_STAGE, verdicts)


def _overridden(
    state: RegistryState,
    cases: dict[Version, Case],
    found: dict[Version, Judgement],
    demand: Demand,
) -> Ruling:
    failed = [key for key, judgement in found.items() if not judgement.passed]
    if demand.override is None or not failed:
        return Ruling(tuple(found.values()))
    allowed = True
    for key in failed:
        verdict = may_override(state.policy, cases[key])
        found[key] = replace(found[key], verdicts=(*found[key].verdicts, verdict))
        allowed &= verdict.passed
    return Ruling(tuple(found.values()), overridden=allowed)


def refusal(ruling: Ruling, named: Sequence[Version], stage: str, change: Change) -> GateRefused:
    """Return the error for a ruling that refuses, with all reasons."""
    failed = {(judgement.model, judgement.version) for judgement in ruling.refused}
    brought = {model for model, number in failed if (model, number) not in named}
    held_back = [one for one in named if one in failed or one[0] in brought] or sorted(failed)
    # A reason that applies to several versions is given once.
    reasons = dict.fromkeys(
        ("" if (judgement.model, judgement.version) in held_back else f"{judgement.reference}: ")
        + verdict.line
        for judgement in ruling.refused
        for verdict in judgement.failed
    )
    passed = [version for version in named if version not in held_back]
    verb = "is" if len(held_back) == 1 else "are"
    what = {ARCHIVE: "archived", NO_STAGE: "taken out of its stage"}.get(
        stage, f"promoted to {stage}"
    )
    return GateRefused(
        f"{names_of(held_back)} {verb} not {what}: {'; '.join(reasons)}",
        ruling.judgements,
        change,
        hint=f"all or none: promote {names_of(passed)} alone" if passed else None,
    )


def names_of(versions: Iterable[Version]) -> str:
    """Return ``churn@5, tokenizer@2``."""
    return ", ".join(format_version(*version) for version in versions)


def judged(
    state: RegistryState,
    change: Change,
    mover: Mover,
    demand: Demand,
    stage: str,
    edits: Sequence[Edit] | None = None,
) -> Change:
    """Return a change with the policy's verdicts on its moves as evidence.

    Args:
        state: the registry before it.
        change: what is judged.
        mover: who makes it.
        demand: what is asked beside the policy.
        stage: where the versions go, for the message of a refusal.
        edits: the pointers that are judged; by default those of the change.

    Raises:
        GateRefused: the policy refuses it.
    """
    ruling = rule_on(state, change.edits if edits is None else edits, mover, demand)
    kept = [line for line in change.evidence if line not in ruling.evidence]
    change = replace(change, evidence=(*kept, *ruling.evidence), judgements=ruling.judgements)
    if ruling.refused:
        raise refusal(ruling, demand.named, stage, change)
    return change
