"""Aliases: point a name at a version, or remove the name. Stages do not change."""

from __future__ import annotations

from gitreg.core.model.names import Reference, check_alias, format_version
from gitreg.core.operations.moves import PointerMoves
from gitreg.core.state.change import Change
from gitreg.core.state.decision import protected_line
from gitreg.core.state.state import RegistryState
from gitreg.core.text.suggest import did_you_mean
from gitreg.errors import NotFound, Refused


def set_alias(state: RegistryState, reference: Reference, alias: str) -> Change:
    """Return the change that points an alias at a version, without edits if it already does.

    Raises:
        InvalidRequest: the alias is malformed, or differs from another only by case or Unicode
            form.
        NotFound: no such version.
        Refused: the alias is protected: it moves with a stage.
    """
    check_alias(alias, tuple(state.policy.stages))
    version = state.resolve(reference)
    moves = PointerMoves(state, reference.model)
    before = moves.alias(alias)
    if before != version:
        _refuse_protected(state, reference.model, alias, f"promote {reference.model}@{version}")
    moves.point(alias, version)
    replaces = () if before is None else (("Gitreg-Replaces", str(before)),)
    return Change(
        f"set {reference.model}@{alias} to {format_version(reference.model, version)}",
        tuple(moves.edits()),
        trailers=(
            ("Gitreg-Action", "alias"),
            ("Gitreg-Model", reference.model),
            ("Gitreg-Version", str(version)),
            ("Gitreg-Alias", alias),
            *replaces,
        ),
    )


def delete_alias(state: RegistryState, model: str, alias: str) -> Change:
    """Return the change that removes an alias; the version stays.

    Raises:
        NotFound: the model has no such alias; the hint names the near miss.
        Refused: the alias is protected: it moves with a stage.
    """
    state.check_model(model)
    moves = PointerMoves(state, model)
    version = moves.alias(alias)
    if version is None:
        known = state.aliases(model)
        raise NotFound(
            f"{model!r} has no alias {alias!r}",
            hint=did_you_mean(alias, known) or f"it has {', '.join(known) or 'none'}",
        )
    _refuse_protected(state, model, alias, None)
    moves.point(alias, None)
    return Change(
        f"delete {model}@{alias}",
        tuple(moves.edits()),
        trailers=(
            ("Gitreg-Action", "alias"),
            ("Gitreg-Model", model),
            ("Gitreg-Version", str(version)),
            ("Gitreg-Alias", alias),
            ("Gitreg-Replaces", str(version)),
        ),
    )


def _refuse_protected(state: RegistryState, model: str, alias: str, instead: str | None) -> None:
    policy = state.policy.of(model)
    if policy.is_protected(alias):
        stages = policy.stages_naming(alias)
        hint = f"gitreg {instead} --to {stages[0]}" if instead and stages else None
        raise Refused(f"{model}: {protected_line(policy, alias)}", hint=hint)
