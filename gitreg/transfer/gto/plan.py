"""What to import of GTO's tags: the models, the numbers of their versions, and the moves. Pure.

>>> numbers_of([("v1.0.0", 1), ("v2.0.0", 2)], {}, 0)
{'v1.0.0': 1, 'v2.0.0': 2}
>>> numbers_of([("v0.1.0", 0), ("v0.2.0", 0), ("v1.0.0", 1)], {}, 0)
{'v0.1.0': 1, 'v0.2.0': 2, 'v1.0.0': 3}
>>> numbers_of([("v1.0.0", 1), ("v1.1.0", 1)], {"v1.0.0": 1}, 1)
{'v1.0.0': 1, 'v1.1.0': 2}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from gitreg.transfer.gto.records import Record

_RANKS = ("create", "register")
"""Of several tags of one second these come first; the others follow by their counters."""


_GAP = 100
"""By how much majors may differ: each number between them is marked as left out."""


@dataclass(frozen=True)
class Plan:
    """What GTO's tags say of one artifact.

    Attributes:
        model: the name that it gets here.
        artifact: its name in GTO's tags.
        steps: its registrations and moves, the oldest first.
        counter: the highest counter of its tags.
        deprecated: whether GTO says that the artifact is.
    """

    model: str
    artifact: str
    steps: tuple[Step, ...]
    counter: int
    deprecated: bool

    @property
    def versions(self) -> list[Record]:
        """The registrations, the oldest first."""
        return [step.record for step in self.steps if step.record.tag.action == "register"]


@dataclass(frozen=True)
class Step:
    """A registration or a move.

    Attributes:
        record: the tag.
        version: the tag of the version that it registers or moves; ``None`` if GTO has no version
            at the commit.
        time: when it counts: never before the version was registered.
    """

    record: Record
    version: Record | None
    time: int


def plans_of(records: Iterable[Record]) -> list[Plan]:
    """Return what to import, by the name of the model; artifacts without versions are left out."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.tag.artifact, []).append(record)
    groups = {
        artifact: group
        for artifact, group in groups.items()
        if any(record.tag.action == "register" for record in group)
    }
    names = _model_names({group[0].tag.artifact: group[0] for group in groups.values()})
    plans = [_plan(names[artifact], artifact, group) for artifact, group in groups.items()]
    return sorted(plans, key=lambda plan: plan.model)


def _model_names(artifacts: Mapping[str, Record]) -> dict[str, str]:
    """Return the name of each artifact's model: a folder is named where two artifacts share one."""
    short = {artifact: record.tag.name.replace("/", "-") for artifact, record in artifacts.items()}
    shared = [name for name in short.values() if list(short.values()).count(name) > 1]
    return {
        artifact: f"{artifacts[artifact].tag.folder}-{name}".replace("/", "-").lstrip("-")
        if name in shared and artifact != name
        else name
        for artifact, name in short.items()
    }


def _plan(model: str, artifact: str, group: Sequence[Record]) -> Plan:
    first: dict[str | None, Record] = {}
    for record in sorted(group, key=lambda record: record.time):
        if record.tag.action == "register":
            first.setdefault(record.tag.version, record)
    versions = list(first.values())
    steps = []
    for record in group:
        if record.tag.action == "register" and record not in versions:
            continue  # another tag of the same version, with a counter
        version = _version_of(record, versions)
        if record.tag.action in ("register", "deregister", "assign", "unassign"):
            time = record.time if version is None else max(record.time, version.time)
            steps.append(Step(record, version, time))
    return Plan(
        model,
        artifact,
        tuple(sorted(steps, key=_order)),
        max(record.tag.counter or 0 for record in group),
        any(record.tag.action == "deprecate" for record in group),
    )


def _order(step: Step) -> tuple[object, ...]:
    tag = step.record.tag
    return (step.time, tag.action not in _RANKS, tag.counter or 0, tag.order, tag.text)


def _version_of(record: Record, versions: Sequence[Record]) -> Record | None:
    """Return the version that a tag is about: GTO finds that of a stage's tag by its commit."""
    tag = record.tag
    if tag.action in ("register", "deregister"):
        return next((v for v in versions if v.tag.version == tag.version), None)
    here = [version for version in versions if version.commit == record.commit]
    before = [version for version in here if version.time <= record.time]
    return max(before or here, key=lambda version: version.tag.order, default=None)


def numbers_of(
    versions: Sequence[tuple[str, int]], known: Mapping[str, int], highest: int
) -> dict[str, int]:
    """Return the number of each version.

    It is the major version where no two versions share one and they ascend; else they are counted.

    Args:
        versions: the tags and major versions, the oldest first.
        known: the numbers of those that were imported before.
        highest: the highest number that a version of the model has here.
    """
    majors = [major for _, major in versions]
    fresh = [major for tag, major in versions if tag not in known]
    by_major = (
        all(0 < after - before <= _GAP for before, after in pairwise([0, *majors]))
        and all(known.get(tag, major) == major for tag, major in versions)
        and all(major > highest for major in fresh)
    )
    numbers = dict(known)
    for tag, major in versions:
        if tag not in numbers:
            highest = major if by_major else highest + 1
            numbers[tag] = highest
    return {tag: numbers[tag] for tag, _ in versions}


@dataclass
class Stages:
    """Which versions GTO has in which stage, while its tags are followed one by one.

    To GTO a stage holds every version that was assigned and not unassigned; the last one counts.

    Attributes:
        held: stage to the tags of the versions that were assigned to it, the last one last.
        newest: a version's tag to the stage that it was assigned to last.
    """

    held: dict[str, list[str]] = field(default_factory=dict)
    newest: dict[str, str] = field(default_factory=dict)

    def follow(self, step: Step) -> str | None:
        """Follow a move; return the version that the stage has afterwards, ``None`` for none."""
        tag, version = step.record.tag, step.version
        name = "" if version is None else version.tag.text
        for stage, held in self.held.items():
            if name in held and (tag.action == "deregister" or stage == tag.stage):
                held.remove(name)
        if tag.stage is None:
            return None
        if tag.action == "assign" and name:
            self.held.setdefault(tag.stage, []).append(name)
            self.newest[name] = tag.stage
        return self.last(tag.stage)

    def last(self, stage: str) -> str | None:
        """Return the version that GTO shows for a stage."""
        held = self.held.get(stage, [])
        return held[-1] if held else None
