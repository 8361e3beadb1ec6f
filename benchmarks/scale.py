"""The work that all contenders do: how many models and versions, and which one is next."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

REGISTER = "register"
PROMOTE = "promote"
SET_ALIAS = "set alias"
RESOLVE_ALIAS = "resolve alias"
RESOLVE_STAGE = "resolve stage"
LIST_MODELS = "list models"
HISTORY = "history of a model"
FIRST_HISTORY = "history, first time"

WRITES = (REGISTER, PROMOTE, SET_ALIAS)
READS = (RESOLVE_ALIAS, RESOLVE_STAGE, LIST_MODELS, HISTORY, FIRST_HISTORY)
#: Reads that are not repeated within a sample, because each starts from scratch.
SINGLE = (FIRST_HISTORY,)

STAGE = "production"
ALIAS = "champion"
TAGS = {"training_dataset": "v2023-Q4", "feature_set": "v2"}

#: Every tenth version went to production in its time, so that a registry of 100,000
#: versions has 11,000 pointer moves in its history.
PROMOTED_EVERY = 10


@dataclass(frozen=True)
class Target:
    """The model that a call is about, and the version that a write moves a pointer to."""

    model: str
    version: int


@dataclass(frozen=True)
class Scale:
    """A registry of ``models`` models with ``versions`` versions each.

    The newest version of each model is in production and is the champion.
    """

    models: int
    versions: int

    @property
    def label(self) -> str:
        return f"{self.models:,}x{self.versions}"

    @property
    def names(self) -> list[str]:
        return [f"model-{number:04d}" for number in range(1, self.models + 1)]

    @property
    def promoted(self) -> list[int]:
        """Return the versions of a model that went to production, the holder last."""
        return list(range(PROMOTED_EVERY, self.versions + 1, PROMOTED_EVERY))

    def targets(self, skip: int = 0) -> Iterator[Target]:
        """Yield targets for ever, of a different model each time, after the first ``skip``.

        A contender that keeps its last answer is not flattered by that, and every write
        has something to change: it names a version that does not hold the pointer, and that
        never was in production, so that no contender meets its rule against coming back.
        """
        never_promoted = [
            version for version in range(1, self.versions + 1) if version % PROMOTED_EVERY != 0
        ]
        targets = (
            Target(name, version)
            for version in itertools.cycle(never_promoted)
            for name in self.names
        )
        return itertools.islice(targets, skip, None)


SCALES = (Scale(10, 10), Scale(100, 100), Scale(1000, 100))

#: The targets that the operations in-process leave to the processes that come after them.
HALF_WAY = 65

Call = Callable[[Target], object]


@dataclass(frozen=True)
class Contender:
    """A registry filled to a scale, and how it does each task.

    A task that is missing from ``calls`` is one that the contender does not offer;
    ``why_not`` gives reasons, a task's own or, under the empty name, one for all.
    """

    label: str
    scale: Scale
    calls: Mapping[str, Call]
    why_not: Mapping[str, str]

    def reason(self, task: str) -> str:
        """Return why ``task`` is not measured here."""
        return self.why_not.get(task) or self.why_not.get("") or "does not offer this"


def absent(label: str, scale: Scale, reason: str) -> Contender:
    """Return a contender that cannot take part, so that the report says so."""
    return Contender(label, scale, {}, {"": reason})
