"""Judges a commit: each of its steps by every check, and where its pointers stand then.

A step is judged alone. What a state forbids (two stages, too many) is found where it begins: in a
commit that has it and none of whose parents has it, so that a merge of two honest sides which do
not go together is found, and what was wrong before is not told again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from gitreg.check import dvc_yaml, lives, paths, pointers, versions
from gitreg.check.finding import CheckFinding
from gitreg.check.moves import World, late_moves, moves
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
    versions.numbers,
    versions.manifests,
    pointers.documents,
    dvc_yaml.entries,
)
"""What every step is judged by, besides its moves."""


def judge_step(
    step: Step, *, only_registry: bool = False, world: World | None = None
) -> list[CheckFinding]:
    """Return what is wrong with what a commit did to one of its parents.

    Args:
        step: the commit beside the parent.
        only_registry: whether a commit that touches the registry may touch nothing else.
        world: what judging moves by the policy needs; ``None`` leaves them.
    """
    found = [finding for check in CHECKS for finding in check(step)]
    if only_registry:
        found += paths.smuggled(step)
    if world is not None:
        found += moves(step, world)
    return found


def judge_late(step: Step, world: World) -> list[CheckFinding]:
    """Return what a freeze says of all that a merge brings onto a branch.

    Args:
        step: the merge beside its first parent, with all of their differences.
        world: what judging moves needs.
    """
    return list(late_moves(step, world))


def new_faults(
    commit: str,
    after: RegistryState,
    parents: Sequence[RegistryState],
    policy: Policy,
    models: Iterable[str],
) -> list[CheckFinding]:
    """Return what no state may be and this one is, while none of its parents was.

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
    """Tell whether a stage that holds too many holds fewer than it did."""
    if fault.code != "too-many":
        return False
    stage = layout.locate(fault.subject)
    assert stage is not None
    held = set(pointers.lenient_pointers(after, model).stages.get(str(stage.name), ()))
    return any(
        held < set(pointers.lenient_pointers(state, model).stages.get(str(stage.name), ()))
        for state in parents
    )
