"""The verdicts of a policy on moves: `decide` on one version, `moves_between` two states, aliases.

`gitreg promote`, `gitreg policy test`, a push that repeats operations and `gitreg check` all judge
by these functions: none refuses what another one accepts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from gitreg.core.model.model import ModelVersion
from gitreg.core.model.names import ARCHIVE, NO_STAGE, format_version
from gitreg.core.policy import verdict as codes
from gitreg.core.policy.rules import Policy, StageRule
from gitreg.core.policy.transitions import Approved, From, Holds, MayOverride, NotFrozen, SignedBy
from gitreg.core.policy.verdict import Case, Facts, Rule, Verdict
from gitreg.core.state.standing import Values, is_return
from gitreg.core.state.state import RegistryState

Moves = Callable[[str, str], Iterable[Values]]
"""Returns all earlier moves of a model's stage, oldest first, by history."""


@dataclass(frozen=True)
class Move:
    """A version that enters a stage, or leaves its stage for none.

    Attributes:
        model: whose.
        version: which.
        stage: where to; ``None`` for no stage.
        came_from: the stage that it leaves, or ``None``.
        replaces: the versions that leave ``stage`` in the same change, ascending.
    """

    model: str
    version: int
    stage: str | None
    came_from: str | None
    replaces: tuple[int, ...]


def moves_between(before: RegistryState, after: RegistryState, model: str) -> list[Move]:
    """Return the moves between stages that lead from one state of a model to another.

    A version that somebody puts into several stages by hand enters each of them.
    """
    old, new = before.stages(model), after.stages(model)
    if old == new:
        return []
    moves = []
    differing = {
        number
        for stage in {*old, *new}
        for number in set(old.get(stage, ())) ^ set(new.get(stage, ()))
    }
    for version in sorted(differing):  # of an archive of a thousand, these are one or two
        was = [stage for stage, held in old.items() if version in held]
        is_in = [stage for stage, held in new.items() if version in held]
        left = [stage for stage in was if stage not in is_in]
        came_from = next(iter(left or was), None)
        entered: list[str | None] = [stage for stage in is_in if stage not in was]
        for stage in entered or ([None] if left else []):
            gone = set(old.get(stage or "", ())) - set(new.get(stage or "", ()))
            moves.append(Move(model, version, stage, came_from, tuple(sorted(gone))))
    return moves


class Held(Mapping[str, tuple[ModelVersion, ...]]):
    """The versions that each stage of a model holds, read when a rule needs them."""

    def __init__(self, state: RegistryState, model: str) -> None:
        self._state = state
        self._pointers = state.pointers(model)

    def __getitem__(self, stage: str) -> tuple[ModelVersion, ...]:
        return tuple(
            self._state.version_of(self._pointers, number)
            for number in self._pointers.stages[stage]
            if self._state.has_version(self._pointers.name, number)
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._pointers.stages)

    def __len__(self) -> int:
        return len(self._pointers.stages)


def case_of(
    state: RegistryState, move: Move, author: str, facts: Facts, *, returns: bool = False
) -> Case:
    """Return the case of a move away from a state.

    Args:
        state: the registry before the move.
        move: one of `moves_between`.
        author: ``Name <email>`` of who makes it.
        facts: answers the questions of rules.
        returns: whether it takes back an earlier move; see `Case`.

    Raises:
        NotFound: the version does not exist.
    """
    return Case(
        state.version(move.model, move.version),
        move.stage or NO_STAGE,
        move.came_from,
        Held(state, move.model),
        move.replaces,
        author,
        facts,
        returns,
        lambda: state.card(move.model),
    )


def decide(policy: Policy, case: Case) -> tuple[Verdict, ...]:
    """Return the verdicts of all rules on a move, also of those that passed; none where none apply.

    1. A version that enters a stage must obey the stage's transitions and gates, and be approved.
    2. A version on its way out (into the archive, into no stage, or where the policy puts replaced
       versions) needs none of these: a bad version must be able to leave. 3. Neither does one that
       returns: a rollback is possible in any emergency, even in a freeze. 4. Otherwise neither the
       stage that it enters nor the one that it leaves may be frozen. 5. The move is signed, where
       either stage demands it.

    Args:
        policy: of the whole registry, as it is before the move.
        case: the move.

    Raises:
        NotFound: the policy has no such stage.
    """
    move = Move(
        case.candidate.model, case.candidate.version, case.stage, case.came_from, case.replaces
    )
    return tuple(rule.judge(case) for rule in rules_for(policy, move, returns=case.returns))


def rules_for(policy: Policy, move: Move, *, returns: bool = False) -> list[Rule]:
    """Return the rules that apply to a move; see `decide`. No version is read for this."""
    rules = policy.of(move.model)
    stage = move.stage or NO_STAGE
    touched = _touched(rules, stage, move.came_from)
    found: list[Rule] = []
    if not returns:
        if not is_way_out(rules, stage, move.came_from):
            found += _entry(rules, rules.stage(stage), stage)
        windows = tuple(
            window
            for window in rules.freeze
            if window.stages is None or set(window.stages) & set(touched)
        )
        if windows:
            found.append(NotFrozen(touched, windows))
    for name in touched:
        signed = rules.stages[name].signed
        if signed is not None:
            found.append(SignedBy(name, rules.members(signed), signed))
    return found


def _touched(policy: Policy, stage: str, came_from: str | None) -> tuple[str, ...]:
    """Return the stages that a move changes: the one it enters, then the one it leaves."""
    ends = dict.fromkeys((stage, came_from or NO_STAGE))
    return tuple(name for name in ends if name in policy.stages)


def is_way_out(policy: Policy, stage: str, came_from: str | None) -> bool:
    """Tell whether a move only takes a version out of service, which needs no gates."""
    if stage in (NO_STAGE, ARCHIVE):
        return True
    leaves = None if came_from is None else policy.stages.get(came_from)
    return leaves is not None and leaves.replaced == stage


def may_return(policy: Policy, move: Move, after: RegistryState, moves: Moves) -> bool:
    """Tell whether a move can be part of one that takes back an earlier one.

    A message that says so is not enough: by history, the stage holds again what it held just before
    a move that still stands, and a version that makes room goes where the policy puts it. For a
    version on its way out, that is the stage that it leaves.
    """
    entered = move.stage or NO_STAGE
    leaves = is_way_out(policy.of(move.model), entered, move.came_from)
    stage = move.came_from if leaves and move.came_from else entered
    return is_return(moves(move.model, stage), after.stage(move.model, stage))


def _entry(policy: Policy, rule: StageRule, stage: str) -> Iterator[Rule]:
    if rule.sources is not None:
        yield From(stage, rule.sources)
    if rule.holds is not None and not rule.crowded:
        yield Holds(stage, rule.holds)
    yield from rule.gates
    if rule.approvals is not None:
        by = rule.approvals.by
        yield Approved(rule.approvals.count, policy.members(by), by)


def may_override(policy: Policy, case: Case) -> Verdict:
    """Return the verdict on an override: whether its author may override refused rules.

    The stage that the version enters names who may; for a version that only leaves, the stage that
    it leaves. A stage that refuses to be left, because it is frozen or a signature is missing, also
    has to allow it: a right to override staging takes nothing out of production. Where either stage
    demands signatures, the override must be signed, because an author's e-mail is free text.
    """
    rules = policy.of(case.candidate.model)
    touched = _touched(rules, case.stage, case.came_from)
    if is_way_out(rules, case.stage, case.came_from):
        asked = touched[-1:]
    else:
        asked = tuple(
            stage
            for stage in touched
            if stage == case.stage or _refuses_to_be_left(rules, stage, case)
        )
    needs_signature = any(rules.stages[stage].signed is not None for stage in touched)
    verdicts = []
    for stage in asked or (case.stage,):
        by = (rules.stages[stage].override if asked else None) or ()
        verdicts.append(MayOverride(stage, rules.members(by), by, needs_signature).judge(case))
    return next((verdict for verdict in verdicts if not verdict.passed), verdicts[0])


def _refuses_to_be_left(rules: Policy, stage: str, case: Case) -> bool:
    signed = rules.stages[stage].signed
    wants: list[Rule] = [NotFrozen((stage,), rules.freeze)]
    wants += [] if signed is None else [SignedBy(stage, rules.members(signed), signed)]
    return not all(rule.judge(case).passed for rule in wants)


def judge_aliases(
    policy: Policy, before: RegistryState, after: RegistryState, model: str
) -> tuple[Verdict, ...]:
    """Return what is wrong with the aliases of a model after a change, under the policy before.

    1. An alias that a stage's rule names moves to a version that enters the stage. 2. A protected
    alias changes only with such a move. It may also be repaired, to name the only version of such a
    stage, and be deleted when no such stage holds a version. A protected alias that no stage's rule
    names never moves. These refusals cannot be overridden.
    """
    rules = policy.of(model)
    old, new = before.aliases(model), after.aliases(model)
    entered: dict[str, list[int]] = {}
    for move in moves_between(before, after, model):
        if move.stage is not None:
            entered.setdefault(move.stage, []).append(move.version)
    found = []
    for stage, versions in entered.items():
        for alias in rules.stages[stage].aliases if stage in rules.stages else ():
            if new.get(alias) not in versions:
                names = " or ".join(format_version(model, version) for version in versions)
                line = f"@{alias} moves with {stage}, and has to name {names}"
                found.append(Verdict(codes.ALIAS, passed=False, line=line))
    for alias in sorted({*old, *new}):
        if old.get(alias) == new.get(alias) or not rules.is_protected(alias):
            continue
        stages = rules.stages_naming(alias)
        held = {stage: after.stage(model, stage) for stage in stages}
        target = new.get(alias)
        if target is None:
            is_right = bool(held) and not any(held.values())
        else:
            is_right = any(
                target in entered.get(stage, ()) or held[stage] == (target,) for stage in stages
            )
        if not is_right:
            found.append(Verdict(codes.ALIAS, passed=False, line=protected_line(rules, alias)))
    return tuple(found)


def protected_line(policy: Policy, alias: str) -> str:
    """Return the line that says how a protected alias moves."""
    stages = " or ".join(policy.stages_naming(alias))
    how = f"it moves together with {stages}" if stages else "no stage's rule names it"
    return f"@{alias} is protected: {how}"
