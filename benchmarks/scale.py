"""Defines the work of all contenders: the models and versions, and the order of the targets."""

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
#: Reads that run only once in a sample, because each starts from scratch.
SINGLE = (FIRST_HISTORY,)

STAGE = "production"
ALIAS = "champion"
TAGS = {"training_dataset": "v2023-Q4", "feature_set": "v2"}

#: Every tenth version was in production once, so a registry of 100,000 versions has 11,000 pointer
#: moves in its history.
PROMOTED_EVERY = 10


@dataclass(frozen=True)
class Target:
    """The model of a call, and the version that a write moves a pointer to."""

    model: str
    version: int


@dataclass(frozen=True)
class Scale:
    """The size of a registry: ``models`` models with ``versions`` versions each.

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
        """Return the versions of a model that were in production, the current one last."""
        return list(range(PROMOTED_EVERY, self.versions + 1, PROMOTED_EVERY))

    def targets(self, skip: int = 0) -> Iterator[Target]:
        """Yield targets forever, each of another model, after skipping the first ``skip``.

        So a contender gains nothing by caching its last answer. Every write changes something: its
        version does not have the pointer, and was never in production, so no contender refuses it
        by a rule against returning versions.
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

#: How many targets the in-process operations use; the process benchmarks start after them.
HALF_WAY = 65

Call = Callable[[Target], object]


@dataclass(frozen=True)
class Contender:
    """A registry filled to a scale, with a call for each task.

    The contender does not offer a task that is missing from ``calls``. ``why_not`` has the reason
    for a task, or, under the empty name, for all tasks.
    """

    label: str
    scale: Scale
    calls: Mapping[str, Call]
    why_not: Mapping[str, str]

    def reason(self, task: str) -> str:
        """Return why ``task`` is not measured here."""
        return self.why_not.get(task) or self.why_not.get("") or "does not offer this"


def absent(label: str, scale: Scale, reason: str) -> Contender:
    """Return a contender that cannot take part; the report shows the reason."""
    return Contender(label, scale, {}, {"": reason})
