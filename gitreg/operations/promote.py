"""Promote: put versions into a stage, and let aliases follow in the same commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gitreg.change import Change
from gitreg.errors import InvalidRequest, Refused
from gitreg.names import NO_STAGE, Reference, format_version
from gitreg.operations.gates import Gate, metrics_beside
from gitreg.operations.moves import PointerMoves
from gitreg.state import RegistryState

ARCHIVE = "archived"


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
        Refused: a gate says no; the message has its numbers.
    """
    stage = request.stage.lower()
    if stage != NO_STAGE:
        state.policy.stage(stage)
    candidates = _candidates(state, request.references, request.aliases)
    evidence = _judge(state, candidates, stage, request.gates)

    moves = {model: PointerMoves(state, model) for model in dict.fromkeys(m for m, _ in candidates)}
    replaced: list[str] = []
    trailers: list[tuple[str, str]] = []
    for model, version in candidates:
        moves[model].place(version, None if stage == NO_STAGE else stage)
        for alias in request.aliases:
            moves[model].point(alias, version)
        trailers += [("Gitreg-Model", model), ("Gitreg-Version", str(version))]
        trailers += [("Gitreg-Stage", stage)]
        trailers += [("Gitreg-Alias", alias) for alias in request.aliases]
    for model, move in moves.items():
        newcomers = {version for name, version in candidates if name == model}
        _refuse_crowd(state, stage, model, newcomers)
        if stage == NO_STAGE or request.keep_existing:
            continue
        for version in move.make_room(stage, newcomers):
            replaced.append(format_version(model, version))
            trailers.append(("Gitreg-Replaces", str(version)))
    edits = tuple(edit for move in moves.values() for edit in move.edits())
    action = "archive" if stage == ARCHIVE else "promote"
    return Change(
        _subject(state, candidates, stage),
        edits,
        evidence=tuple(evidence),
        trailers=(("Gitreg-Action", action), *trailers),
        warnings=tuple(_warnings(moves, candidates, stage)),
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


def _refuse_crowd(state: RegistryState, stage: str, model: str, newcomers: set[int]) -> None:
    holds = None if stage == NO_STAGE else state.policy.stage(stage).holds
    if holds is not None and len(newcomers) > holds:
        raise InvalidRequest(
            f"{stage} holds {holds} version of {model}; {len(newcomers)} are named"
        )


def _judge(
    state: RegistryState, candidates: Sequence[tuple[str, int]], stage: str, gates: Sequence[Gate]
) -> list[str]:
    lines: list[str] = []
    refusals: list[str] = []
    for model, number in candidates:
        if stage in (NO_STAGE, ARCHIVE) and not gates:
            continue
        candidate = state.manifest(model, number)
        held = state.stage(model, stage) if stage != NO_STAGE else ()
        incumbents = [state.manifest(model, other) for other in held if other != number]
        verdicts = [gate.judge(candidate, other) for gate in gates for other in incumbents]
        if not gates:
            lines += metrics_beside(candidate, incumbents[-1] if incumbents else None)
        elif not incumbents:
            lines.append(f"{candidate.reference}: no version in {stage} to compare with")
        lines += [verdict.line for verdict in verdicts]
        refusals += [verdict.line for verdict in verdicts if not verdict.passed]
    if refusals:
        names = ", ".join(format_version(*candidate) for candidate in candidates)
        raise Refused(f"{names} is not promoted to {stage}: {'; '.join(refusals)}")
    return lines


def _subject(
    state: RegistryState,
    candidates: Sequence[tuple[str, int]],
    stage: str,
) -> str:
    names = ", ".join(format_version(*candidate) for candidate in candidates)
    if stage == NO_STAGE:
        left = {state.stage_of(*candidate) for candidate in candidates} - {None}
        subject = f"take {names} out of {', '.join(sorted(filter(None, left))) or 'its stage'}"
    elif stage == ARCHIVE:
        subject = f"archive {names}"
    else:
        subject = f"promote {names} to {stage}"
    return subject


def _warnings(
    moves: dict[str, PointerMoves], candidates: Sequence[tuple[str, int]], stage: str
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

    Raises:
        NotFound: the registry has no stage named `ARCHIVE`.
    """
    change = promote(state, replace(request, stage=ARCHIVE, aliases=(), gates=()))
    return replace(change, evidence=(str(refusal),))
