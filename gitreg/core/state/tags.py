"""The tags that a history implies, in GTO's grammar."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gitreg.core.model.names import RegistryTag, format_version, is_taggable
from gitreg.core.state.history import CommitInfo, Event, named_by

_VERSION = re.compile(r"v([0-9]{1,9})\.[0-9]+\.[0-9]+.*", re.DOTALL)


class TagHistory(Protocol):
    """What tags need to know of the history before a commit."""

    def registered(self, model: str, version: int) -> str | None:
        """Return the commit that the tag of a version is on, if it has one."""

    def is_taken(self, name: str) -> bool:
        """Tell whether there is a tag of that name, even one of a deleted model."""

    def moves(self, model: str) -> tuple[int, int]:
        """Return how many tags with a counter a model has, and the time of its last tag."""

    def standing(self, model: str, pointer: str) -> Sequence[int]:
        """Return the versions that a pointer has by its tags, the oldest first."""


def major_of(name: str, model: str) -> int | None:
    """Return the major version that a tag gives a model, such as one of GTO; else ``None``.

    >>> major_of("churn@v3.1.2", "churn"), major_of("churn#prod#1", "churn")
    (3, None)
    """
    found = _VERSION.fullmatch(name.removeprefix(f"{model}@")) if name.startswith(model) else None
    return None if found is None else int(found[1])


@dataclass(frozen=True)
class Tag:
    """A tag that history implies.

    Attributes:
        name: in GTO's grammar.
        model: whose.
        version: which one it names.
        target: the commit that registered the version, or that gave its model its name; 40 hex
            digits.
        tagger: ``Name <email>``, the committer of the commit that made the move.
        time: seconds since the epoch: the commit's, but later than the model's previous tag,
            because to GTO and DVC the latest of a stage's tags holds.
        zone: of the tagger, ``+0100``.
        message: one line.
    """

    name: str
    model: str
    version: int
    target: str
    tagger: str
    time: int
    zone: str
    message: str

    @property
    def content(self) -> bytes:
        """The bytes of the tag object: the same facts give the same object on any clone."""
        return (
            f"object {self.target}\ntype commit\ntag {self.name}\n"
            f"tagger {self.tagger} {self.time} {self.zone}\n\n{self.message}\n"
        ).encode()


def tags_of(commit: CommitInfo, events: Sequence[Event], ledger: TagHistory) -> list[Tag]:
    """Return the tags that one commit's events imply, in the order of their counters.

    Only names that fit GTO's grammar are tagged. When one commit registers several versions of a
    model (a squash), only the highest is tagged: ``dvc.yaml`` at that commit names its bytes alone.
    A stage that holds several versions is tagged when the highest one changes. To GTO a pointer
    names every version until a tag cancels that. So when a pointer names no version, or one without
    a tag, all versions that it has by its tags are cancelled.
    """
    draft = _Draft(commit, events, ledger)
    for event in events:
        if is_taggable(event.model):
            draft.add(event)
    return draft.tags


class _Draft:
    """The tags of one commit while they are made."""

    def __init__(self, commit: CommitInfo, events: Sequence[Event], ledger: TagHistory) -> None:
        self.tags: list[Tag] = []
        self._commit = commit
        self._ledger = ledger
        self._counters: dict[str, tuple[int, int]] = {}
        self._newest = {event.model: event.version for event in events if event.is_birth}

    def add(self, event: Event) -> None:
        """Add the tags of one event."""
        if event.pointer is not None:
            self._move(event, event.pointer.partition("/")[2])
        elif event.version is None:
            return
        elif event.action in ("delete", "remove"):
            self._make(event.model, event.version, "{} was deleted", cancelled=True)
        elif event.renamed_to is not None:
            self._make(event.model, event.version, "{} has another name now", cancelled=True)
        elif event.is_birth and self._newest[event.model] == event.version:
            self._birth(event.model, event.version)

    def _birth(self, model: str, version: int) -> None:
        # A version that a revert restores keeps its tag. A tag of an earlier model of this name is
        # never moved: then the version has no tag.
        tag = RegistryTag(model, version=version)
        known = self._ledger.registered(model, version) is not None
        if not known and not self._ledger.is_taken(str(tag)):
            self._append(tag, version, self._commit.oid, format_version(model, version))

    def _move(self, event: Event, pointer: str) -> None:
        model, version = event.model, named_by(event.after)
        if version == named_by(event.before) or not is_taggable(pointer):
            return
        if version is not None and self._target(model, version) is not None:
            self._make(model, version, f"{pointer} names {{}}", pointer=pointer)
            return
        for past in self._ledger.standing(model, pointer):
            words = f"{pointer} no longer names {{}}"
            self._make(model, past, words, pointer=pointer, cancelled=True)

    def _target(self, model: str, version: int) -> str | None:
        """Return the commit that a version's tag is on; ``None`` if the version has no tag."""
        known = self._ledger.registered(model, version)
        tag = str(RegistryTag(model, version=version))
        if known is None and any(made.name == tag for made in self.tags):
            return self._commit.oid
        return known

    def _make(
        self,
        model: str,
        version: int,
        words: str,
        *,
        pointer: str | None = None,
        cancelled: bool = False,
    ) -> None:
        target = self._target(model, version)
        if target is None:
            return
        counter = self._counter(model)[0] + 1
        number = version if pointer is None else None
        tag = RegistryTag(model, number, pointer, counter, cancelled)
        self._append(tag, version, target, words.format(format_version(model, version)))

    def _counter(self, model: str) -> tuple[int, int]:
        return self._counters.get(model) or self._ledger.moves(model)

    def _append(self, tag: RegistryTag, version: int, target: str, message: str) -> None:
        counter, last = self._counter(tag.model)
        time = max(self._commit.time, last + 1)
        self._counters[tag.model] = (tag.counter or counter, time)
        self.tags.append(
            Tag(
                str(tag),
                tag.model,
                version,
                target,
                self._commit.committer,
                time,
                self._commit.zone,
                message,
            )
        )
