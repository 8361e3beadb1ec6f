"""What became of a move between a registry here and one of another kind: plain values.

>>> made = Progress("churn")
>>> made.brought.append(1)
>>> made.leave(2, "its artifacts cannot be had")
>>> Report("http://mlflow:5000", (made.done(),)).is_complete
False
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TypeAlias

from gitreg.core.text.suggest import did_you_mean
from gitreg.errors import NotFound

Tell: TypeAlias = "Callable[[int, int, str], None]"
"""Told how many versions are done, of how many, and which one is next."""


@dataclass(frozen=True)
class Remark:
    """One thing that a person should know of a move.

    Attributes:
        model: of which model.
        version: and of which version; ``None`` for the model itself.
        text: what it is, and why.
        is_left: whether something stayed behind that should have come.
    """

    model: str
    version: int | None
    text: str
    is_left: bool

    @property
    def subject(self) -> str:
        """``churn@5``, or the model alone."""
        return self.model if self.version is None else f"{self.model}@{self.version}"


@dataclass(frozen=True)
class ModelMoved:
    """What became of one model.

    Attributes:
        name: its name.
        brought: versions that came now.
        present: versions that had come before.
        changed: what else was changed now: pointers, descriptions and tags.
        remarks: what stayed behind, and what else is to be known.
    """

    name: str
    brought: tuple[int, ...] = ()
    present: tuple[int, ...] = ()
    changed: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True)
class Report:
    """What became of a move.

    Attributes:
        address: of the MLflow registry, without a login.
        models: each model that was looked at, by name.
        dry_run: whether it tells what would be done.
        pushed: whether what came is published.
    """

    address: str
    models: tuple[ModelMoved, ...] = ()
    dry_run: bool = False
    pushed: bool = False

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """All that is to be known: what stayed behind first."""
        found = [remark for model in self.models for remark in model.remarks]
        return tuple(sorted(found, key=lambda remark: not remark.is_left))

    @property
    def is_complete(self) -> bool:
        """Whether nothing stayed behind."""
        return not any(remark.is_left for remark in self.remarks)

    @property
    def is_unchanged(self) -> bool:
        """Whether all was there already."""
        return not any(model.brought or model.changed for model in self.models)


@dataclass
class Progress:
    """What has become of one model so far."""

    name: str
    brought: list[int] = field(default_factory=list)
    present: list[int] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)

    def leave(self, version: int | None, text: str) -> None:
        """Tell that something stays behind."""
        self.remarks.append(Remark(self.name, version, text, is_left=True))

    def note(self, version: int | None, text: str) -> None:
        """Tell what is to be known, though all came."""
        self.remarks.append(Remark(self.name, version, text, is_left=False))

    def done(self) -> ModelMoved:
        """Return what has become of it."""
        return ModelMoved(
            self.name,
            tuple(self.brought),
            tuple(self.present),
            tuple(self.changed),
            tuple(self.remarks),
        )


def chosen(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Return the names that one of the patterns matches; all of them without a pattern.

    >>> chosen(["churn", "tokenizer"], ["ch*"])
    ['churn']

    Raises:
        NotFound: a pattern matches none; the hint names the near misses.
    """
    if not patterns:
        return sorted(names)
    found: set[str] = set()
    for pattern in patterns:
        matching = {name for name in names if name == pattern or fnmatchcase(name, pattern)}
        if not matching:
            near = did_you_mean(pattern.strip("*?"), names)
            raise NotFound(
                f"no model matches {pattern!r}", hint=near or _some(names, "there is none at all")
            )
        found |= matching
    return sorted(found)


def _some(names: Sequence[str], none: str) -> str:
    shown = ", ".join(sorted(names)[:5])
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"there are {shown}{more}" if names else none
