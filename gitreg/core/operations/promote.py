"""Promote: put versions into a stage and move aliases along, in the same commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gitreg.core.model.names import ARCHIVE, NO_STAGE, Reference, format_version
from gitreg.core.operations.approve import all_taken_away
from gitreg.core.operations.judging import (
    Demand,
    GateRefused,
    Mover,
    Ruling,
    check_override,
    names_of,
    refusal,
    rule_on,
)
from gitreg.core.operations.moves import PointerMoves
from gitreg.core.policy.gates import MetricBetter
from gitreg.core.policy.measured import parse_measure
from gitreg.core.policy.verdict import HOLDS, METRIC
from gitreg.core.state.change import OVERRIDE, Change, Edit
from gitreg.core.state.compare import metrics_beside
from gitreg.core.state.state import RegistryState
from gitreg.errors import InvalidRequest, Refused


@dataclass(frozen=True)
class Promotion:
    """The request to promote versions to a stage.

    Attributes:
        references: which versions; of several models, or several of one.
        stage: where to; `NO_STAGE` takes them out of their stage.
        aliases: aliases to point at each version, in its own model, besides those of the policy.
        keep_existing: leave the versions that are in the stage there.
        if_better: metrics that must be higher than those of each version in the stage; one of an
            evaluation as ``EVALUATION:METRIC``.
        if_lower: metrics that must be lower.
        override: the reason to override a refusal; ``None`` for no override.
        replaced_to: the stage, or `NO_STAGE`, that all other versions in the stage go to. By
            default only as many leave as must make room, and the policy says where they go.
        force: move a version out of a stage even if that leaves the stage empty.
    """

    references: tuple[Reference, ...]
    stage: str
    aliases: tuple[str, ...] = ()
    keep_existing: bool = False
    if_better: tuple[str, ...] = ()
    if_lower: tuple[str, ...] = ()
    override: str | None = None
    replaced_to: str | None = None
    force: bool = False

    @property
    def gates(self) -> tuple[MetricBetter, ...]:
        """The gates for each candidate, besides those of the policy."""
        stage = self.stage.lower()
        return (
            *(_gate(text, stage) for text in self.if_better),
            *(replace(_gate(text, stage), lower_is_better=True) for text in self.if_lower),
        )


def _gate(text: str, stage: str) -> MetricBetter:
    """Return the gate that ``roc_auc`` or ``holdout:roc_auc`` on the command line means."""
    measure = parse_measure(text)
    return MetricBetter(measure.metric, stage, evaluation=measure.evaluation)


def promote(state: RegistryState, request: Promotion, mover: Mover) -> Change:
    """Return the change that promotes; it has no edits when nothing moves.

    Raises:
        NotFound: a reference or a stage is unknown.
        InvalidRequest: the request contradicts itself or names no version.
        GateRefused: the policy or a gate refuses; the message has the numbers.
        Refused: a protected alias would move without its stage; or, without force, a stage that
            clients may serve from would be left empty.
    """
    stage = request.stage.lower()
    if stage != NO_STAGE:
        state.policy.stage(stage)
    replaced_to = _replaced_to(state, request, stage)
    override = check_override(request.override)
    candidates = _candidates(state, request.references, request.aliases)
    moves = {model: PointerMoves(state, model) for model in dict.fromkeys(m for m, _ in candidates)}
    trailers: list[tuple[str, str]] = []
    for model, move in moves.items():
        newcomers = [version for name, version in candidates if name == model]
        _refuse_crowd(state, stage, model, newcomers)
        for version in newcomers:
            move.place(version, None if stage == NO_STAGE else stage)
        aliases = _aliases(state, stage, model, request.aliases)
        for alias in aliases:
            move.point(alias, max(newcomers))  # of several, the one that the stage resolves to
        replaced: list[int] = []
        if replaced_to is not None:
            replaced = move.clear(stage, set(newcomers), replaced_to)
        elif stage != NO_STAGE and not request.keep_existing:
            replaced = move.make_room(stage, set(newcomers))
        # Model by model: only the order of trailers says which model's version was replaced.
        trailers.append(("Gitreg-Model", model))
        trailers += [("Gitreg-Version", str(version)) for version in newcomers]
        trailers.append(("Gitreg-Stage", stage))
        trailers += [("Gitreg-Alias", alias) for alias in aliases]
        trailers += [("Gitreg-Replaces", str(version)) for version in replaced]
    if stage not in (NO_STAGE, ARCHIVE) and not request.force:
        _refuse_to_empty(state, moves, candidates, stage)
    change = Change(
        _subject(state, candidates, stage),
        (
            *(edit for move in moves.values() for edit in move.edits()),
            *_spent(state, candidates, stage),
        ),
        trailers=(("Gitreg-Action", "archive" if stage == ARCHIVE else "promote"), *trailers),
        warnings=(
            *_crowded(state, moves, stage),
            *(warning for move in moves.values() for warning in move.emptied_warnings()),
            *_still_served(moves, candidates, stage),
        ),
    )
    demand = Demand(tuple(candidates), request.gates, override)
    ruling = rule_on(state, change.edits, mover, demand)
    change = replace(
        change,
        evidence=(*_compared(state, candidates, stage, ruling), *ruling.evidence),
        judgements=ruling.judgements,
    )
    if ruling.overridden:
        change = change.with_trailer(OVERRIDE, str(override))
    elif override is not None and not ruling.refused:
        unneeded = "the override was not needed: every rule passed"
        change = replace(change, warnings=(*change.warnings, unneeded))
    if ruling.refused:
        refused = refusal(ruling, candidates, stage, change)
        if request.keep_existing and ruling.refuses(HOLDS):
            refused.hint = f"do not keep the existing versions: let what {stage} holds make room"
        raise refused
    return change


def _replaced_to(state: RegistryState, request: Promotion, stage: str) -> str | None:
    """Return where all other versions of the stage go, if the request names a place."""
    if request.replaced_to is None:
        return None
    if request.keep_existing:
        raise InvalidRequest("the versions in a stage are either kept or replaced: choose one")
    target = request.replaced_to.lower()
    if target != NO_STAGE:
        state.policy.stage(target)
    if stage in (target, NO_STAGE):
        raise InvalidRequest(f"versions in {stage!r} cannot be replaced into {target!r}")
    return target


def _spent(
    state: RegistryState, candidates: Sequence[tuple[str, int]], stage: str
) -> Iterator[Edit]:
    """Yield the edits that withdraw the approvals of versions that are taken out of their stages.

    Otherwise a version that was found bad could return by the approval of its first promotion.
    """
    for model, version in candidates:
        left = state.stage_of(model, version)
        if stage in (NO_STAGE, ARCHIVE) and left not in (None, stage):
            yield from all_taken_away(state, model, version, str(left))


def _aliases(state: RegistryState, stage: str, model: str, asked: Sequence[str]) -> tuple[str, ...]:
    """Return the aliases that move along: those of the stage's rule, and those requested."""
    rule = state.policy.of(model).stages.get(stage)
    return tuple(dict.fromkeys([*(rule.aliases if rule else ()), *asked]))


def _compared(
    state: RegistryState, candidates: Sequence[tuple[str, int]], stage: str, ruling: Ruling
) -> list[str]:
    """Return the candidates' metrics beside the incumbents', where no rule compares them."""
    judged = {
        (judgement.model, judgement.version)
        for judgement in ruling.judgements
        if any(verdict.rule == METRIC for verdict in judgement.verdicts)
    }
    lines: list[str] = []
    for model, number in candidates:
        if stage in (NO_STAGE, ARCHIVE) or (model, number) in judged:
            continue
        held = [other for other in state.stage(model, stage) if other != number]
        incumbent = state.manifest(model, held[-1]) if held else None
        lines += metrics_beside(state.manifest(model, number), incumbent)
    return lines


def _candidates(
    state: RegistryState, references: Sequence[Reference], aliases: Sequence[str]
) -> list[tuple[str, int]]:
    found = [(reference.model, state.resolve(reference)) for reference in references]
    if not found:
        raise InvalidRequest("name at least one version, as in churn-predictor@5")
    if len(set(found)) != len(found):
        raise InvalidRequest("the same version is named twice")
    if aliases and len({model for model, _ in found}) != len(found):
        raise InvalidRequest(
            f"@{aliases[0]} can name only one version of a model; several are given"
        )
    return found


def _refuse_crowd(state: RegistryState, stage: str, model: str, newcomers: Sequence[int]) -> None:
    holds = None if stage == NO_STAGE else state.policy.of(model).stage(stage).holds
    if holds is not None and len(newcomers) > holds:
        raise InvalidRequest(
            f"{stage} holds at most {holds} version of {model}; {len(newcomers)} are named"
        )


def _subject(
    state: RegistryState,
    candidates: Sequence[tuple[str, int]],
    stage: str,
) -> str:
    names = names_of(candidates)
    if stage == NO_STAGE:
        left = {state.stage_of(*candidate) for candidate in candidates} - {None}
        subject = f"take {names} out of {', '.join(sorted(filter(None, left))) or 'its stage'}"
    elif stage == ARCHIVE:
        subject = f"archive {names}"
    else:
        subject = f"promote {names} to {stage}"
    return subject


def _crowded(state: RegistryState, moves: Mapping[str, PointerMoves], stage: str) -> list[str]:
    """Return a warning for each model that then has too many versions in the stage."""
    warnings = []
    for model, move in moves.items():
        holds = None if stage == NO_STAGE else state.policy.of(model).stage(stage).holds
        held = move.holders(stage)
        if holds is not None and len(held) > holds:
            warnings.append(
                f"{stage} holds {len(held)} versions of {model}, more than the {holds} of the "
                f"policy: {names_of((model, version) for version in held)}"
            )
    return warnings


def _refuse_to_empty(
    state: RegistryState,
    moves: Mapping[str, PointerMoves],
    candidates: Sequence[tuple[str, int]],
    stage: str,
) -> None:
    """Refuse to take the only version out of a stage as a side effect of moving it back.

    A version on its way forth, as the policy lists the stages, leaves canary for production.

    Raises:
        Refused: production, or another later stage, would be left empty.
    """
    for model, move in moves.items():
        order = list(state.policy.of(model).stages)
        for left in move.emptied():
            if left != "production" and order.index(left) < order.index(stage):
                continue
            name = names_of(one for one in candidates if one[0] == model)
            served = "".join(
                f", and @{alias} still names {format_version(model, version)}"
                for one, version in candidates
                if one == model
                for alias in move.aliases_of(version)
            )
            raise Refused(
                f"{name} is what {model}/{left} holds: in {stage}, it leaves {left} empty{served}",
                hint=f"promote another version to {left} first, or confirm with --force",
            )


def _still_served(
    moves: Mapping[str, PointerMoves], candidates: Sequence[tuple[str, int]], stage: str
) -> list[str]:
    return [
        f"@{alias} still names {format_version(model, version)} and serves it"
        for model, version in candidates
        if stage in (NO_STAGE, ARCHIVE) or moves[model].emptied()
        for alias in moves[model].aliases_of(version)
    ]


def archive_instead(
    state: RegistryState, request: Promotion, refused: GateRefused, mover: Mover
) -> Change:
    """Return the change that archives the candidates that a metric refused, with the reason.

    Those that passed stay where they are. So does one that is already in the stage: it serves,
    and the refusal left it there. The change has no edits when none is left to archive.

    Raises:
        NotFound: the registry has no stage named `ARCHIVE`.
        GateRefused: the stage that they are in is frozen.
    """
    failed = refused.losers
    held = request.stage.lower()
    losers = tuple(one for one in failed if state.stage_of(one.model, state.resolve(one)) != held)
    if not losers:
        names = ", ".join(map(str, failed or request.references))
        return Change(f"archive {names}", evidence=(str(refused),))
    change = promote(state, Promotion(losers, ARCHIVE), mover)
    return replace(change, evidence=(str(refused), *change.evidence))
