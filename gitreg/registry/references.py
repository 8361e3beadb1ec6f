"""References as callers give them: text, a value from an earlier answer, or keywords."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from gitreg.core.model.model import ModelVersion, Resolved
from gitreg.core.model.names import Reference, parse_reference
from gitreg.core.state.state import RegistryState
from gitreg.errors import InvalidRequest, NotFound

ReferenceLike: TypeAlias = str | Reference | Resolved | ModelVersion
"""What names a version: text such as ``"churn-predictor@champion"``, or an earlier answer."""


def reference_of(
    given: ReferenceLike | None,
    name: str | None = None,
    version: int | None = None,
    alias: str | None = None,
    stage: str | None = None,
) -> Reference:
    """Return the reference that a caller gave, as one value or as keywords.

    Raises:
        InvalidRequest: both were given, or neither, or the text is malformed.
    """
    keywords = [value for value in (version, alias, stage) if value is not None]
    if given is not None:
        if name is not None or keywords:
            raise InvalidRequest("give a reference, or name with version, alias or stage; not both")
        if isinstance(given, Reference):
            return given
        if isinstance(given, (Resolved, ModelVersion)):
            return Reference(given.model, version=given.version)
        return parse_reference(checked_text(given, "a reference"))
    if name is None or len(keywords) > 1:
        raise InvalidRequest("give a reference, or name with one of version, alias and stage")
    if stage is not None:
        return parse_reference(f"{name}/{stage}")
    if version is not None:
        return parse_reference(f"{name}@{version}")
    return parse_reference(name if alias is None else f"{name}@{alias}")


def number_of(state: RegistryState, wanted: Reference) -> int:
    """Return the number of the version that a reference names.

    Raises:
        NotFound: there is no registry, or no such model, version, alias or stage.
    """
    try:
        return state.resolve(wanted)
    except NotFound:
        # Checked only now: serving processes resolve often, and in a registry that exists.
        existing(state)
        raise


def existing(state: RegistryState) -> RegistryState:
    """Return ``state``.

    Raises:
        NotFound: the repository has no registry.
    """
    if not state.exists():
        raise NotFound("no registry here", hint="gitreg init makes one")
    return state


def checked_text(given: str, what: str) -> str:
    """Return ``given``; callers without a type checker may pass anything.

    Raises:
        InvalidRequest: it is not text.
    """
    if not isinstance(given, str):
        raise InvalidRequest(f"{what} is text, not {type(given).__name__}")
    return given


def listed(given: str | Sequence[str]) -> Sequence[str]:
    """Return a list of one for a text, because a text is a sequence of letters too."""
    return [given] if isinstance(given, str) else given
