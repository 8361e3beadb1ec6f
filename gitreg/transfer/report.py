"""The result of a transfer between a registry of gitreg and another one, as plain values.

>>> made = Progress("churn")
>>> made.brought.append(1)
>>> made.leave(2, "its artifacts could not be downloaded")
>>> Report("http://mlflow:5000", (made.done(),)).is_complete
False
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TypeAlias

from gitreg.core.text.suggest import did_you_mean
from gitreg.errors import GitregError, NotFound, WorldError

Tell: TypeAlias = "Callable[[int, int, str], None]"
"""Called with the versions done, the versions in all, and the name of the next one."""


@dataclass(frozen=True)
class Remark:
    """One remark about a transfer.

    Attributes:
        model: the name of the model.
        version: the number of the version; ``None`` for the model itself.
        text: what happened, and why.
        is_left: whether something was not transferred that should have been.
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
    """The result of a transfer for one model.

    Attributes:
        name: the model's name.
        brought: versions transferred now.
        present: versions transferred before.
        changed: what else changed now: pointers, descriptions and tags.
        remarks: what was not transferred, and other remarks.
    """

    name: str
    brought: tuple[int, ...] = ()
    present: tuple[int, ...] = ()
    changed: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True)
class Report:
    """The result of a transfer.

    Attributes:
        address: the other registry, without credentials.
        models: the models that were considered, by name.
        dry_run: whether nothing was written.
        pushed: whether the imported versions are published.
    """

    address: str
    models: tuple[ModelMoved, ...] = ()
    dry_run: bool = False
    pushed: bool = False

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """All remarks, what was not transferred first."""
        found = [remark for model in self.models for remark in model.remarks]
        return tuple(sorted(found, key=lambda remark: not remark.is_left))

    @property
    def is_complete(self) -> bool:
        """Whether everything was transferred."""
        return not any(remark.is_left for remark in self.remarks)

    @property
    def is_unchanged(self) -> bool:
        """Whether everything was there already."""
        return not any(model.brought or model.changed for model in self.models)


@dataclass
class Progress:
    """The result for one model so far."""

    name: str
    brought: list[int] = field(default_factory=list)
    present: list[int] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)

    def leave(self, version: int | None, text: str) -> None:
        """Remark that something is not transferred."""
        self.remarks.append(Remark(self.name, version, text, is_left=True))

    def note(self, version: int | None, text: str) -> None:
        """Remark something else."""
        self.remarks.append(Remark(self.name, version, text, is_left=False))

    def done(self) -> ModelMoved:
        """Return the result."""
        return ModelMoved(
            self.name,
            tuple(self.brought),
            tuple(self.present),
            tuple(self.changed),
            tuple(self.remarks),
        )


def chosen(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Return the names that match a pattern; all names without patterns.

    >>> chosen(["churn", "tokenizer"], ["ch*"])
    ['churn']

    Raises:
        NotFound: a pattern matches no name; the hint has near misses.
    """
    if not patterns:
        return sorted(names)
    found: set[str] = set()
    for pattern in patterns:
        matching = {name for name in names if name == pattern or fnmatchcase(name, pattern)}
        if not matching:
            near = did_you_mean(pattern.strip("*?"), names)
            raise NotFound(
                f"no model matches {pattern!r}", hint=near or _some(names, "there are no models")
            )
        found |= matching
    return sorted(found)


def _some(names: Sequence[str], none: str) -> str:
    shown = ", ".join(sorted(names)[:5])
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"there are {shown}{more}" if names else none


def one_line(error: Exception) -> str:
    """Return an error and its hint in one line."""
    hint = error.hint if isinstance(error, GitregError) else None
    return " ".join(f"{error} ({hint})".split()) if hint else " ".join(str(error).split())


@contextmanager
def going_on_later() -> Iterator[None]:
    """Add to the error of an interrupted import that the next one continues from there."""
    again = "run it again: it continues with what is not imported yet"
    try:
        yield
    except WorldError as error:
        if error.hint is None or "--op-id" in error.hint:  # an import has ids of its own
            error.hint = again
        raise
    except KeyboardInterrupt:
        raise KeyboardInterrupt(again) from None
