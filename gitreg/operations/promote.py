"""Promote: put versions into a stage, and let aliases follow in the same commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gitreg.change import Change
from gitreg.errors import InvalidRequest, Refused
from gitreg.names import ARCHIVE, NO_STAGE, Reference, format_version
from gitreg.operations.gates import Gate, metrics_beside
from gitreg.operations.moves import PointerMoves
from gitreg.state import RegistryState


class GateRefused(Refused):
    """A gate said no.

    Attributes:
        candidates: the versions that failed, as they were asked for, each by its number.
    """

    def __init__(
        self, message: str, candidates: tuple[Reference, ...], *, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.candidates = candidates


@dataclass(frozen=True)
class Promotion:
    """What is asked: these versions into that stage.

    Attributes:
        references: which versions; of several models, or several of one.
        stage: where to; `NO_STAGE` takes them out of their stage.
        aliases: aliases that shall name each version (of its own model).
        keep_existing: leave the versions that the stage holds where they are.
        gates: each candidate must pass all of them against each version that it would replace.
    """

    references: tuple[Reference, ...]
    stage: str
    aliases: tuple[str, ...] = ()
    keep_existing: bool = False
    gates: tuple[Gate, ...] = ()


def promote(state: RegistryState, request: Promotion) -> Change:
    """Return the change that promotes; one without edits when everything is there already.

    Raises:
        NotFound: a reference or the stage is unknown.
        GateRefused: a gate says no; the message has its numbers.
    """
    stage = request.stage.lower()
    if stage != NO_STAGE:
        state.policy.stage(stage)
    candidates = _candidates(state, request.references, request.aliases)
    evidence = _judge(state, candidates, stage, request.gates)

    moves = {model: PointerMoves(state, model) for model in dict.fromkeys(m for m, _ in candidates)}
    trailers: list[tuple[str, str]] = []
    for model, move in moves.items():
        newcomers = [version for name, version in candidates if name == model]
        _refuse_crowd(state, stage, model, newcomers)
        for version in newcomers:
            move.place(version, None if stage == NO_STAGE else stage)
            for alias in request.aliases:
                move.point(alias, version)
        makes_room = stage != NO_STAGE and not request.keep_existing
        replaced = move.make_room(stage, set(newcomers)) if makes_room else []
        # Model by model: trailers have no other way to say whose version was replaced.
        trailers.append(("Gitreg-Model", model))
        trailers += [("Gitreg-Version", str(version)) for version in newcomers]
        trailers.append(("Gitreg-Stage", stage))
        trailers += [("Gitreg-Alias", alias) for alias in request.aliases]
        trailers += [("Gitreg-Replaces", str(version)) for version in replaced]
    edits = tuple(edit for move in moves.values() for edit in move.edits())
    action = "archive" if stage == ARCHIVE else "promote"
    return Change(
        _subject(state, candidates, stage),
        edits,
        evidence=tuple(evidence),
        trailers=(("Gitreg-Action", action), *trailers),
        warnings=(
            *_crowded(state, moves, stage),
            *_emptied(state, moves),
            *_still_served(moves, candidates, stage),
        ),
    )


def _candidates(
    state: RegistryState, references: Sequence[Reference], aliases: Sequence[str]
) -> list[tuple[str, int]]:
    found = [(reference.model, state.resolve(reference)) for reference in references]
    if not found:
        raise InvalidRequest("which version? name at least one, as in churn-predictor@5")
    if len(set(found)) != len(found):
        raise InvalidRequest("the same version is named twice")
    if aliases and len({model for model, _ in found}) != len(found):
        raise InvalidRequest(f"@{aliases[0]} can name one version of a model, several are given")
    return found


def _refuse_crowd(state: RegistryState, stage: str, model: str, newcomers: Sequence[int]) -> None:
    holds = None if stage == NO_STAGE else state.policy.stage(stage).holds
    if holds is not None and len(newcomers) > holds:
        raise InvalidRequest(
            f"{stage} holds {holds} version of {model}; {len(newcomers)} are named"
        )


def _judge(
    state: RegistryState, candidates: Sequence[tuple[str, int]], stage: str, gates: Sequence[Gate]
) -> list[str]:
    """Return the evidence for a promotion of the candidates.

    Raises:
        GateRefused: of those that fail; they hold back the others, too.
    """
    lines: list[str] = []
    failed: dict[tuple[str, int], list[str]] = {}
    for model, number in candidates:
        if stage in (NO_STAGE, ARCHIVE) and not gates:
            continue
        candidate = state.manifest(model, number)
        held = state.stage(model, stage) if stage != NO_STAGE else ()
        incumbents = [state.manifest(model, other) for other in held if other != number]
        verdicts = [gate.judge(candidate, other) for gate in gates for other in incumbents]
        if not incumbents:
            verdicts = [missing for gate in gates if (missing := gate.missing(candidate))]
        if not gates:
            lines += metrics_beside(candidate, incumbents[-1] if incumbents else None)
        elif not incumbents:
            lines.append(f"{candidate.reference}: no version in {stage} to compare with")
        lines += [verdict.line for verdict in verdicts]
        refusals = [verdict.line for verdict in verdicts if not verdict.passed]
        if refusals:
            failed[model, number] = refusals
    if failed:
        raise _refusal(failed, candidates, stage)
    return lines


def _refusal(
    failed: Mapping[tuple[str, int], Sequence[str]],
    candidates: Sequence[tuple[str, int]],
    stage: str,
) -> GateRefused:
    # A metric that is missing is missing beside each incumbent: it is said once.
    reasons = dict.fromkeys(line for lines in failed.values() for line in lines)
    passed = [candidate for candidate in candidates if candidate not in failed]
    verb = "is" if len(failed) == 1 else "are"
    return GateRefused(
        f"{_names(list(failed))} {verb} not promoted to {stage}: {'; '.join(reasons)}",
        tuple(Reference(model, version=number) for model, number in failed),
        hint=f"all or none: promote {_names(passed)} alone" if passed else None,
    )


def _names(candidates: Sequence[tuple[str, int]]) -> str:
    return ", ".join(format_version(*candidate) for candidate in candidates)


def _subject(
    state: RegistryState,
    candidates: Sequence[tuple[str, int]],
    stage: str,
) -> str:
    names = _names(candidates)
    if stage == NO_STAGE:
        left = {state.stage_of(*candidate) for candidate in candidates} - {None}
        subject = f"take {names} out of {', '.join(sorted(filter(None, left))) or 'its stage'}"
    elif stage == ARCHIVE:
        subject = f"archive {names}"
    else:
        subject = f"promote {names} to {stage}"
    return subject


def _crowded(state: RegistryState, moves: Mapping[str, PointerMoves], stage: str) -> list[str]:
    """Return a warning for each model of which the stage then holds more than it should."""
    holds = None if stage == NO_STAGE else state.policy.stage(stage).holds
    crowds = {model: move.holders(stage) for model, move in moves.items()}
    return [
        f"{stage} holds {len(held)} versions of {model}, more than the {holds} of the policy: "
        + _names([(model, version) for version in held])
        for model, held in crowds.items()
        if holds is not None and len(held) > holds
    ]


def _emptied(state: RegistryState, moves: Mapping[str, PointerMoves]) -> list[str]:
    """Warn of a stage with one place that holds nothing any more: somebody may serve by it."""
    return [
        f"{model}/{stage} holds no version any more"
        for model, move in moves.items()
        for stage, rule in state.policy.stages.items()
        if rule.holds is not None and state.stage(model, stage) and not move.holders(stage)
    ]


def _still_served(
    moves: Mapping[str, PointerMoves], candidates: Sequence[tuple[str, int]], stage: str
) -> list[str]:
    if stage not in (NO_STAGE, ARCHIVE):
        return []
    return [
        f"@{alias} still names {format_version(model, version)}, which is served by that alias"
        for model, version in candidates
        for alias in moves[model].aliases_of(version)
    ]


def archive_instead(state: RegistryState, request: Promotion, refusal: Refused) -> Change:
    """Return the change that archives candidates which a gate refused; the refusal is its reason.

    Those that passed stay where they are, and so does one that holds the stage already: it
    serves, and the refusal left it there. Without edits when none is left to archive.

    Raises:
        NotFound: the registry has no stage named `ARCHIVE`.
    """
    failed = refusal.candidates if isinstance(refusal, GateRefused) else ()
    held = request.stage.lower()
    losers = tuple(one for one in failed if state.stage_of(one.model, state.resolve(one)) != held)
    if not losers:
        names = ", ".join(map(str, failed or request.references))
        return Change(f"archive {names}", evidence=(str(refusal),))
    change = promote(state, Promotion(losers, ARCHIVE))
    return replace(change, evidence=(str(refusal),))
