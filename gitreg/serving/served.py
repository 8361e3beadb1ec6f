"""What serves now: a model in memory, and which version it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True)
class ServedVersion:
    """A version that serves.

    Attributes:
        model: the model's name.
        version: its number.
        commit: of the registry, where the reference named this version.
        sha256: of the artifact, 64 hex digits.
        since: since when it serves here, in UTC, ``2026-11-22T20:25:06Z``.
        reference: what is followed, ``churn-predictor@champion``.
    """

    model: str
    version: int
    commit: str
    sha256: str
    since: str
    reference: str


@dataclass(frozen=True)
class Current(Generic[_T]):
    """A model for the length of a request."""

    model: _T
    version: ServedVersion
