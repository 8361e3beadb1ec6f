"""The tags that a history implies, in GTO's grammar."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gitreg.core.model.gto_tags import GtoTag, parse_gto_tag
from gitreg.core.model.names import RegistryTag, format_version, is_taggable, name_in_tags
from gitreg.core.state.change import ADOPTED, COUNTER
from gitreg.core.state.history import CommitInfo, Event, named_by

_COUNTER = re.compile("[0-9]{1,9}")
_SQUASHED = 1000
"""Above this are gitreg's counters where a squashed import lost GTO's highest one."""

_VERSION = re.compile(r"v([0-9]{1,9})\.[0-9]+\.[0-9]+.*", re.DOTALL)


class TagHistory(Protocol):
    """What tags need to know of the history before a commit."""

    def registered(self, model: str, version: int) -> str | None:
        """Return the commit that the tag of a version is on, if it has one."""

    def tag_name(self, model: str, version: int) -> str:
        """Return the name of a version's tag: gitreg's own, or GTO's that it had before."""

    def is_taken(self, name: str) -> bool:
        """Tell whether there is a tag of that name, even one of a deleted model."""

    def moves(self, model: str) -> tuple[int, int]:
        """Return the highest counter of a model's tags, and the time of its last tag."""

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


def tags_of(
    commit: CommitInfo,
    events: Sequence[Event],
    ledger: TagHistory,
    adopted: Mapping[tuple[str, int], tuple[str, str]] | None = None,
) -> list[Tag]:
    """Return the tags that one commit's events imply, in the order of their counters.

    Only names that fit GTO's grammar are tagged. When one commit registers several versions of a
    model (a squash), only the highest is tagged: ``dvc.yaml`` at that commit names its bytes alone.
    A stage that holds several versions is tagged when the highest one changes. To GTO a pointer
    names every version until a tag cancels that. So when a pointer names no version, or one without
    a tag, all versions that it has by its tags are cancelled.

    What has a tag of GTO's already gets none: see `draft_of`.
    """
    return draft_of(commit, events, ledger, adopted).tags


def draft_of(
    commit: CommitInfo,
    events: Sequence[Event],
    ledger: TagHistory,
    adopted: Mapping[tuple[str, int], tuple[str, str]] | None = None,
) -> Draft:
    """Return the tags that one commit implies, and those of GTO's that it adopts.

    Args:
        commit: the commit.
        events: its events.
        ledger: the history before it.
        adopted: the versions that it registers and that have a tag of GTO's; see
            `gitreg.core.state.history.adopted_in`.
    """
    draft = Draft(commit, events, ledger, adopted or {})
    for event in events:
        if is_taggable(event.model):
            draft.add(event)
    return draft


class Draft:
    """The tags of one commit while they are made.

    Attributes:
        tags: the tags that the commit implies.
        adopted: tags of GTO's for the same events. They are not made, moved or compared.
        above: the highest counter that tags of others had, according to the commit; else 0.
    """

    def __init__(
        self,
        commit: CommitInfo,
        events: Sequence[Event],
        ledger: TagHistory,
        adopted: Mapping[tuple[str, int], tuple[str, str]],
    ) -> None:
        self.tags: list[Tag] = []
        self.adopted: list[Tag] = []
        self._commit = commit
        self._ledger = ledger
        self._counters: dict[str, tuple[int, int]] = {}
        self._newest = {event.model: event.version for event in events if event.is_birth}
        self._versions = adopted
        trailers = commit.trailers
        self.above = max(
            (int(n) for n in trailers.get(COUNTER, ()) if _COUNTER.fullmatch(n)),
            default=_SQUASHED if adopted else 0,
        )
        parsed = [parse_gto_tag(name) for name in trailers.get(ADOPTED, ())]
        self._moves = {tag.artifact: tag for tag in parsed if tag is not None and not tag.order}
        self._moves |= {t.artifact: t for t in parsed if t is not None and t.action == "deregister"}

    def counter_of(self, model: str) -> tuple[int, int]:
        """Return the highest counter of a model's tags after this commit, and the last time."""
        counter, last = self._counters.get(model) or self._ledger.moves(model)
        return max(counter, self.above), last

    def add(self, event: Event) -> None:
        """Add the tags of one event."""
        if event.pointer is not None:
            self._move(event, name_in_tags(event.pointer))
        elif event.version is None:
            return
        elif event.action in ("delete", "remove"):
            self._make(event.model, event.version, "{} was deleted", cancelled=True)
        elif event.renamed_to is not None:
            self._make(event.model, event.version, "{} has another name now", cancelled=True)
        elif event.is_birth and (event.model, event.version) in self._versions:
            name, commit = self._versions[event.model, event.version]
            self._adopt(name, event.model, event.version, commit)
        elif event.is_birth and self._newest[event.model] == event.version:
            self._birth(event.model, event.version)

    def _adopt(self, name: str, model: str, version: int, target: str) -> None:
        parsed = parse_gto_tag(name)
        counter, last = self.counter_of(model)
        given = (parsed.counter or 0) if parsed else 0
        time = max(self._commit.time, last + 1)
        self._counters[model] = (max(counter, given), time)
        self.adopted.append(self._tag(name, model, version, target, time, ""))

    def _birth(self, model: str, version: int) -> None:
        # A version that a revert restores keeps its tag. A tag of an earlier model of this name is
        # never moved: then the version has no tag.
        name = str(RegistryTag(model, version=version))
        known = self._ledger.registered(model, version) is not None
        if not known and not self._ledger.is_taken(name):
            self._append(name, model, version, self._commit.oid, format_version(model, version))

    def _move(self, event: Event, pointer: str | None) -> None:
        model, version = event.model, named_by(event.after)
        if model in self._moves:
            self._adopt_move(self._moves[model], event)
            return
        if version == named_by(event.before) or pointer is None:
            return
        if version is not None and self._target(model, version) is not None:
            self._make(model, version, f"{pointer} names {{}}", pointer=pointer)
            return
        for past in self._ledger.standing(model, pointer):
            words = f"{pointer} no longer names {{}}"
            self._make(model, past, words, pointer=pointer, cancelled=True)

    def _adopt_move(self, tag: GtoTag, event: Event) -> None:
        """Adopt the tag of a move; what moves along with it, as into the archive, has none."""
        if event.version is None or any(made.name == tag.text for made in self.adopted):
            return
        target = self._target(event.model, event.version)
        if target is not None:
            self._adopt(tag.text, event.model, event.version, target)

    def _target(self, model: str, version: int) -> str | None:
        """Return the commit that a version's tag is on; ``None`` if the version has no tag."""
        if (model, version) in self._versions:
            return self._versions[model, version][1]
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
        counter = self.counter_of(model)[0] + 1
        head = f"{model}#{pointer}" if pointer else self._name(model, version)
        name = f"{head}{'!' if cancelled else ''}#{counter}"
        text = words.format(format_version(model, version))
        self._append(name, model, version, target, text, counter)

    def _name(self, model: str, version: int) -> str:
        adopted = self._versions.get((model, version))
        return adopted[0] if adopted else self._ledger.tag_name(model, version)

    def _append(
        self, name: str, model: str, version: int, target: str, message: str, given: int = 0
    ) -> None:
        counter, last = self.counter_of(model)
        time = max(self._commit.time, last + 1)
        self._counters[model] = (max(counter, given), time)
        self.tags.append(self._tag(name, model, version, target, time, message))

    def _tag(
        self, name: str, model: str, version: int, target: str, time: int, message: str
    ) -> Tag:
        commit = self._commit
        return Tag(name, model, version, target, commit.committer, time, commit.zone, message)
