"""Judges a commit: each of its steps by every check, and the state that it leads to.

A step is judged alone. A fault of a state (two stages, too many versions) is reported in the commit
that has it while none of its parents does. So a merge of two sound sides that contradict each other
is found, and an old fault is not reported again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from gitreg.check import added, dvc_yaml, lives, paths, pointers, versions
from gitreg.check.finding import CheckFinding
from gitreg.check.moves import World, moves
from gitreg.check.step import Step
from gitreg.core.model import layout
from gitreg.core.policy import Policy
from gitreg.core.state.state import RegistryState

Check = Callable[[Step], Iterator[CheckFinding]]

CHECKS: tuple[Check, ...] = (
    paths.names,
    paths.twins,
    paths.kinds,
    paths.strays,
    lives.models,
    versions.immutable,
    versions.withdrawals,
    versions.numbers,
    versions.manifests,
    added.additions,
    pointers.documents,
    dvc_yaml.entries,
)
"""The checks of every step, besides those of moves."""


def judge_step(
    step: Step, *, only_registry: bool = False, world: World | None = None
) -> list[CheckFinding]:
    """Return the findings on a commit beside one of its parents.

    Args:
        step: the commit beside the parent.
        only_registry: whether a commit that touches the registry may touch nothing else.
        world: what is needed to judge moves by the policy; ``None`` skips them.
    """
    found = [finding for check in CHECKS for finding in check(step)]
    if only_registry:
        found += paths.smuggled(step)
    if world is not None:
        found += moves(step, world)
    return found


def judge_moves(step: Step, world: World) -> list[CheckFinding]:
    """Return the findings on the moves of a step.

    A merge could bring other bytes under a number that a pointer names already, if its side deletes
    the model and begins it anew: that would move no pointer.

    Args:
        step: a commit beside its first parent, with all of their differences.
        world: what is needed to judge moves.
    """
    changed = list(versions.immutable(step)) if step.is_merge else []
    return [*changed, *moves(step, world)]


def new_faults(
    commit: str,
    after: RegistryState,
    parents: Sequence[RegistryState],
    policy: Policy,
    models: Iterable[str],
) -> list[CheckFinding]:
    """Return the faults of a state that none of its parents has.

    Args:
        commit: the commit of the state ``after``.
        after: the state.
        parents: those before it.
        policy: the rules in force.
        models: the models that differ from every parent.
    """
    found: list[CheckFinding] = []
    for model in models:
        known = {
            _key(fault) for state in parents for fault in pointers.standing(state, policy, model)
        }
        found += [
            fault
            for fault in pointers.standing(after, policy, model)
            if _key(fault) not in known and not _is_getting_better(fault, after, parents, model)
        ]
    folders = after.snapshot.list(layout.ROOT)
    if all(set(folders) - set(state.snapshot.list(layout.ROOT)) for state in parents):
        known = {_key(fault) for state in parents for fault in pointers.collisions(state)}
        found += [fault for fault in pointers.collisions(after) if _key(fault) not in known]
    return [replace(fault, commit=commit) for fault in found]


def _key(fault: CheckFinding) -> tuple[str, str, str]:
    return fault.code, fault.subject, fault.message


def _is_getting_better(
    fault: CheckFinding, after: RegistryState, parents: Sequence[RegistryState], model: str
) -> bool:
    """Tell whether a stage still holds too many versions, but fewer than before."""
    if fault.code != "too-many":
        return False
    stage = layout.locate(fault.subject)
    assert stage is not None
    held = set(after.readable_pointers(model, []).stages.get(str(stage.name), ()))
    return any(
        held < set(state.readable_pointers(model, []).stages.get(str(stage.name), ()))
        for state in parents
    )
