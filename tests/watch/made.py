"""What the tests of watchers share: a target that records, and a watcher that never sleeps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gitreg.core.model.names import parse_reference
from gitreg.errors import GitregError
from gitreg.watch.delivery import Delivery
from gitreg.watch.memory import opened
from gitreg.watch.targets.target import Notice, Target
from gitreg.watch.watcher import Watcher, Watching


@dataclass
class Recorder:
    """A target that records what it is told; it fails as often as it is asked to.

    Attributes:
        fails: how it fails next, in order; ``None`` for a success.
        told: every try: reference, version, previous.
        taken: those that it took, with the move.
    """

    name: str = "recorder"
    fails: list[GitregError | None] = field(default_factory=list)
    told: list[tuple[str, int | None, int | None]] = field(default_factory=list)
    taken: list[Notice] = field(default_factory=list)

    def __call__(self, notice: Notice) -> None:
        move = notice.move
        self.told.append((move.reference, move.version, move.previous))
        failure = self.fails.pop(0) if self.fails else None
        if failure is not None:
            raise failure
        self.taken.append(notice)

    def drain(self) -> list[tuple[str, int | None, int | None]]:
        """Return what it was told since the last call."""
        told, self.told = self.told, []
        return told


@dataclass
class Bench:
    """A watcher of a registry, made anew for each call, as a process that starts again."""

    location: str
    state: Path
    recorder: Recorder = field(default_factory=Recorder)
    others: list[Target] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    pull: Path | None = None

    @contextmanager
    def watcher(self, *references: str, **options: object) -> Iterator[Watcher]:
        """Give a watcher of references."""
        wanted = tuple(map(parse_reference, references or ("churn/production",)))
        what = Watching(self.location, wanted, **options)  # type: ignore[arg-type]
        targets = [self.recorder, *self.others]
        delivery = Delivery(targets, self.pull, len(wanted) > 1, 5.0, self.said.append)
        with opened(self.state) as memory:
            yield Watcher(what, memory, delivery, self.said.append, self.slept.append)

    def once(self, *references: str, **options: object) -> bool:
        """Look once, as `gitreg watch --once` does."""
        with self.watcher(*references, **options) as watcher:
            return watcher.once()
