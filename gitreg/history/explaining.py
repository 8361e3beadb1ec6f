"""Explanations: what served, since when, by whom, why, under which rules, and made from what."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitreg.approvals.stored import StoredApproval, stored_approvals
from gitreg.core.documents.yaml import Value
from gitreg.core.model import layout
from gitreg.core.model.model import ModelVersion
from gitreg.core.model.names import Reference
from gitreg.core.policy import Policy
from gitreg.core.state.compare import Comparison, compare, packages
from gitreg.core.state.intervals import ARCHIVED, Interval, Track, seconds_of
from gitreg.core.state.state import RegistryState
from gitreg.core.text.times import parse_instant
from gitreg.errors import InvalidDocument, NotFound
from gitreg.git.code import code_files
from gitreg.history.timelines import tracks_at
from gitreg.registry import Registry
from gitreg.registry.references import ReferenceLike, reference_of

if TYPE_CHECKING:
    from typing_extensions import Unpack  # in typing itself since Python 3.11

    from gitreg.registry.options import ReadOptions


@dataclass(frozen=True)
class PolicyThen:
    """The rules that a move was judged by: those of the commit before it.

    Attributes:
        commit: the commit that changed the policy last before the move; ``None`` where the
            registry had no policy file, or the history is cut off.
        read_at: the commit that the policy was read at.
        stage: the stage that the version entered.
        policy: the rules for the model.
    """

    commit: str | None
    read_at: str
    stage: str
    policy: Policy

    @property
    def document(self) -> dict[str, Value]:
        """The rules of the stage as JSON has them, with the defaults."""
        from gitreg.core.policy import policy_document

        stages = policy_document(self.policy, with_defaults=True)["stages"]
        assert isinstance(stages, dict)
        return {
            "commit": self.commit,
            "read_at": self.read_at,
            "stage": self.stage,
            "rules": stages.get(self.stage),
        }


@dataclass(frozen=True)
class Explanation:
    """What a reference named, and everything that history knows about why.

    Attributes:
        version: what served, with its manifest, pointers and annotations.
        packages: the frozen environment: names, and versions or sources.
        intervals: all times that the version stood somewhere, under all names of its model.
        place: where: the pointer that the reference names. For a version, the stage that it was in
            last; ``None`` if it was in none.
        served: when it was there, from its entry under the name of then; renames do not end it.
        promoted: the interval in which it came to its stage by a promotion: the same, unless a
            rollback or a revert brought it back.
        stage: the stage whose rules and approvals are told: the place, or for an alias, the stage
            that the version was in at the same time.
        before: what served there before.
        changed: what differs from that; ``None`` without it, or where its manifest is not here.
        approvals: the approvals of the promotion, verified under its policy.
        policy: the rules that it was judged by.
    """

    version: ModelVersion
    packages: Mapping[str, str]
    intervals: tuple[Interval, ...]
    place: str | None = None
    served: Interval | None = None
    promoted: Interval | None = None
    stage: str | None = None
    before: Interval | None = None
    changed: Comparison | None = None
    approvals: tuple[StoredApproval, ...] = ()
    policy: PolicyThen | None = None


def explain(
    registry: Registry,
    reference: ReferenceLike,
    *,
    now: int | None = None,
    **options: Unpack[ReadOptions],
) -> Explanation:
    """Return what a reference names, or named, and why.

    Args:
        registry: which.
        reference: a stage (``churn-predictor/production``), an alias or a version.
        now: what lasts is counted until then, in seconds since the epoch; by default until ``at``,
            or by the clock.
        **options: ``at`` or ``rev``, see `ReadOptions`; without them, what serves now.

    Raises:
        NotFound: no such model, version, alias or stage, or nothing is there; the hint names the
            command that shows what was there.
        GitError: there are approvals, and ``ssh-keygen`` is not installed.
    """
    wanted = reference_of(reference)
    version = _version(registry, wanted, options)
    state = registry.state(rev=version.read_from)
    at = options.get("at")
    if now is None:
        now = int(time.time()) if at is None else parse_instant(at)
    every_track = tracks_at(registry, state, (version.model,), now)
    tracks = [one for one in every_track if one.model == version.model and not one.is_over]
    frozen = state.requirements(version.model, version.version)
    every = _stood(tracks, version)
    found = Explanation(version, packages(frozen), tuple(one for _, one in every))
    if wanted.version is None and not wanted.latest:
        pointer = f"aliases/{wanted.alias}" if wanted.alias else f"stages/{wanted.stage}"
        there = [(track, one) for track, one in every if track.pointer == pointer]
    else:
        there = _in_stages(every)
    if not there:
        return found
    track, standing = _last(there)
    served = replace(_whole(track.origin(standing), standing, now), metrics=version.metrics)
    found = replace(found, place=track.pointer, served=served)
    found = _with_changes(registry, found, track.before(served), frozen)
    stages = [(track, standing)] if track.is_of_stage else _in_stages(every, standing)
    return _with_rules(registry, found, *_last(stages)) if stages else found


def _whole(first: Interval, last: Interval, now: int) -> Interval:
    """Return the time from one interval to a later one, through the renames in between."""
    if first.since is None:
        return replace(last, since=None, seconds=None)
    end = now if last.until is None else seconds_of(last.until)
    return replace(
        first,
        until=last.until,
        seconds=max(0, end - seconds_of(first.since)),
        ended_by=last.ended_by,
        ended_commit=last.ended_commit,
        end=last.end,
    )


_Stood = tuple[Track, Interval]


def _stood(tracks: Iterable[Track], version: ModelVersion) -> list[_Stood]:
    return [
        (track, replace(one, metrics=version.metrics))
        for track in tracks
        for one in track.intervals
        if one.version == version.version
    ]


def _in_stages(every: Iterable[_Stood], during: Interval | None = None) -> list[_Stood]:
    """Return the intervals in stages but the archive, of the time of another interval if given."""
    return [
        (track, one)
        for track, one in every
        if track.is_of_stage and track.pointer != ARCHIVED
        if during is None or (one.end is None or one.end > during.start)
        if during is None or (during.end is None or one.start < during.end)
    ]


def _last(stood: Sequence[_Stood]) -> _Stood:
    """Return the interval that lasts, or the one that ended last."""
    return max(stood, key=lambda pair: (pair[1].end is None, pair[1].end or 0, pair[1].start))


def _with_rules(
    registry: Registry, found: Explanation, track: Track, standing: Interval
) -> Explanation:
    """Return the explanation with the policy and the approvals of the move into a stage."""
    promoted = track.promoted(track.origin(standing))
    promoted = replace(promoted, metrics=found.version.metrics)
    found = replace(found, promoted=promoted, stage=track.pointer.partition("/")[2])
    if promoted.commit is None or promoted.version is None or found.stage is None:
        return found
    then = registry.state(rev=promoted.commit)
    policy = _policy(registry, promoted, found.stage)
    try:
        moved = then.version(promoted.model, promoted.version)
    except (InvalidDocument, NotFound):
        return replace(found, policy=policy)  # by hand; `gitreg check` reports it
    approvals = stored_approvals(
        then if policy is None else then.ruled_by(policy.policy),
        registry.past(then),
        lambda: registry.repository.root_of(str(promoted.commit)),
        moved,
    )
    told = tuple(approval for approval in approvals if approval.stage == found.stage)
    return replace(found, policy=policy, approvals=told)


def _policy(registry: Registry, promoted: Interval, stage: str) -> PolicyThen | None:
    """Return the rules that a move was judged by; ``None`` where they do not parse."""
    repository = registry.repository
    base = repository.commit_of(f"{promoted.commit}^") or str(promoted.commit)
    try:
        policy = registry.state(rev=base).policy.of(promoted.model)
    except InvalidDocument:
        return None
    last = repository.run_at_root(
        "rev-list", "--first-parent", "--max-count=1", base, "--", layout.POLICY
    ).text
    is_known = last and last not in repository.shallow_commits()
    return PolicyThen(last if is_known else None, base, stage, policy)


def _with_changes(
    registry: Registry, found: Explanation, before: Interval | None, frozen: Sequence[str]
) -> Explanation:
    """Return the explanation with what served before, which may be deleted or renamed since."""
    if before is None or before.version is None:
        return found
    version = found.version
    then = RegistryState(registry.repository.snapshot(before.commit or version.read_from))
    try:
        other = then.manifest(before.model, before.version)
    except (InvalidDocument, NotFound):
        return replace(found, before=before)
    found = replace(found, before=replace(before, metrics=other.metrics))
    if before.version == version.version:
        return found  # it came back after a gap
    changed = compare(other, version, then.requirements(other.model, other.version), frozen)
    files = code_files(registry.repository, other, version)
    return replace(found, changed=replace(changed, code_files=files))


def _version(registry: Registry, wanted: Reference, options: ReadOptions) -> ModelVersion:
    try:
        return registry.show(wanted, **options)
    except NotFound as error:
        if wanted.stage is None or error.hint is not None:
            raise
        hint = f"gitreg timeline {wanted.model} --stage {wanted.stage} shows what was there"
        raise NotFound(str(error), hint=hint) from None
