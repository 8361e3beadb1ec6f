"""What a model's tags tell of its history: enough to number the next one without reading commits.

Counters are in the tags' names. But a tag proves nothing: one may be missing, because a pull
request was merged and nobody ran `gitreg tags sync`, and anybody who can push can make or move one.
So the tags count only when they tell a story without a gap that ends where the files are now.
Otherwise the caller reads the history itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gitreg.core.model.names import RegistryTag, name_in_tags, parse_tag
from gitreg.core.state.history import Event, named_by
from gitreg.core.state.state import RegistryState
from gitreg.errors import InvalidDocument


@dataclass(frozen=True)
class FoundTag:
    """A tag that exists.

    Attributes:
        name: its short name.
        target: the commit that it names, 40 hex digits; ``None`` when it is no annotated tag of a
            commit.
        time: of its tagger, in seconds since the epoch; ``None`` where only its name was read.
    """

    name: str
    target: str | None
    time: int | None = None


@dataclass(frozen=True)
class Ledger:
    """The tags of one model, when they agree with its files: a `gitreg.core.state.tags.TagHistory`.

    Attributes:
        model: the model.
        names: the names of all its tags.
        targets: the commit of each version that has a tag.
        stack: the versions that each pointer has by its tags, the oldest first.
        story: the tags with a counter, in its order, each with the version that it is about.
        highest: the highest number that a version of the model ever had; 0 for none.
        last: the time of the last tag, in seconds since the epoch; 0 without tags.
    """

    model: str
    names: frozenset[str]
    targets: Mapping[int, str]
    stack: Mapping[str, Sequence[int]]
    story: Sequence[tuple[RegistryTag, int]]
    highest: int
    last: int

    def registered(self, model: str, version: int) -> str | None:  # noqa: ARG002
        """Return the commit that the tag of a version is on, if it has one."""
        return self.targets.get(version)

    def tag_name(self, model: str, version: int) -> str:
        """Return the name of a version's tag."""
        return str(RegistryTag(model, version=version))

    def is_taken(self, name: str) -> bool:
        """Tell whether there is a tag of that name."""
        return name in self.names

    def moves(self, model: str) -> tuple[int, int]:  # noqa: ARG002
        """Return how many tags with a counter there are, and the time of the last tag."""
        return len(self.story), self.last

    def standing(self, model: str, pointer: str) -> Sequence[int]:  # noqa: ARG002
        """Return the versions that a pointer has by its tags, the oldest first."""
        return self.stack.get(pointer, ())

    def ends_with(self, events: Sequence[Event]) -> bool:
        """Tell whether the last tags are those of a model's last events, oldest first.

        Two merged moves that nobody tagged, there and back, leave the files as the tags say.
        """
        left = list(self.story)
        for event in reversed(events):
            if event.model == self.model and not self._take(left, event):
                return False
        return True

    def _take(self, left: list[tuple[RegistryTag, int]], event: Event) -> bool:
        """Take an event's tags from the end of those that are left; tell whether they are there."""
        if event.pointer is None:
            if event.is_birth:
                return event.version in self.targets
            ends = event.action in ("delete", "remove") or event.renamed_to is not None
            if not ends or event.version not in self.targets:
                return True
            return bool(left) and left.pop()[0].version == event.version
        pointer = name_in_tags(event.pointer)
        before, after = named_by(event.before), named_by(event.after)
        if before == after or pointer is None:
            return True
        if after in self.targets:
            tag, version = left.pop() if left else (None, 0)
            return tag == RegistryTag(self.model, None, pointer, len(left) + 1) and version == after
        count = len(left)
        while left and left[-1][0] == RegistryTag(self.model, None, pointer, len(left), True):
            left.pop()
        return len(left) < count or before not in self.targets


@dataclass(frozen=True)
class Ledgers:
    """The ledgers of several models; each answers for its own."""

    of: Mapping[str, Ledger]

    def cover(self, events: Sequence[Event]) -> bool:
        """Tell whether each version that events are about has a tag, or is registered by them.

        A version can lack a tag since a rename or a squash, or because somebody removed it.
        """
        born = {(event.model, event.version) for event in events if event.is_birth}
        named = {
            (event.model, version)
            for event in events
            if event.model in self.of
            for version in (*event.before[-1:], *event.after[-1:], event.version)
            if version is not None
        }
        return all(version in self.of[model].targets for model, version in named - born)

    def registered(self, model: str, version: int) -> str | None:
        """Return the commit that the tag of a version is on, if it has one."""
        return self.of[model].registered(model, version)

    def tag_name(self, model: str, version: int) -> str:
        """Return the name of a version's tag."""
        return self.of[model].tag_name(model, version)

    def is_taken(self, name: str) -> bool:
        """Tell whether there is a tag of that name."""
        return any(ledger.is_taken(name) for ledger in self.of.values())

    def moves(self, model: str) -> tuple[int, int]:
        """Return how many tags with a counter a model has, and the time of its last tag."""
        return self.of[model].moves(model)

    def standing(self, model: str, pointer: str) -> Sequence[int]:
        """Return the versions that a pointer has by its tags, the oldest first."""
        return self.of[model].standing(model, pointer)


def last_tags(model: str, tags: Iterable[FoundTag]) -> list[str]:
    """Return the names of the tags of which one is a model's last: that gives the time.

    >>> tags = [FoundTag("m@v1.0.0", "a"), FoundTag("m@v2.0.0", "b"), FoundTag("m#prod#1", "a")]
    >>> last_tags("m", tags)
    ['m@v2.0.0', 'm#prod#1']
    """
    story = _Story.of(model, tags)
    if story is None:
        return []
    newest = [RegistryTag(model, version=max(story.versions))] if story.versions else []
    return [str(tag) for tag in (*newest, *(tag for tag, _ in story.moves[-1:]))]


def ledger_of(model: str, tags: Collection[FoundTag], state: RegistryState) -> Ledger | None:
    """Return what a model's tags tell, ``None`` where they cannot be the whole story.

    Args:
        model: a model whose name can be tagged.
        tags: all tags that begin with its name; those of the grammar of other tools are ignored.
        state: the registry that the tags should lead to.
    """
    story = _Story.of(model, tags)
    try:
        if story is None or not story.is_of(state):
            return None
    except InvalidDocument:
        return None  # a pointer that does not parse holds what history says
    numbers = state.numbers(model)
    return Ledger(
        model,
        frozenset(tag.name for tag in tags),
        story.versions,
        story.stack,
        story.moves,
        max(numbers, default=0),
        max((tag.time or 0 for tag in tags), default=0),
    )


@dataclass(frozen=True)
class _Story:
    """Tags in their order.

    Attributes:
        model: whose.
        versions: each version that has a tag, and the commit that it names.
        moves: the tags with a counter, in its order, each with the version that it is about.
        stack: what they leave to each pointer.
        cancelled: the versions whose tags they cancel.
    """

    model: str
    versions: Mapping[int, str]
    moves: Sequence[tuple[RegistryTag, int]]
    stack: Mapping[str, Sequence[int]]
    cancelled: frozenset[int]

    @classmethod
    def of(cls, model: str, tags: Iterable[FoundTag]) -> _Story | None:
        """Return the story of a model's tags, ``None`` when there is a gap or a contradiction."""
        versions: dict[int, str] = {}
        counted: dict[int, tuple[RegistryTag, str]] = {}
        times: dict[tuple[bool, int], int] = {}
        for found in tags:
            tag = parse_tag(found.name)
            if tag is None or tag.model != model or str(tag) != found.name:
                continue
            if found.target is None or tag.counter in counted:
                return None
            if tag.counter is not None:
                counted[tag.counter] = tag, found.target
            elif tag.version is not None and not tag.cancelled:
                versions[tag.version] = found.target
            else:
                return None
            if found.time is not None:
                times[tag.counter is None, tag.counter or tag.version or 0] = found.time
        if not (_is_rising(times, of_versions=True) and _is_rising(times, of_versions=False)):
            return None
        by_target = {target: version for version, target in versions.items()}
        if len(by_target) != len(versions) or max(counted, default=0) != len(counted):
            return None
        moves = [(tag, by_target.get(target, 0)) for _, (tag, target) in sorted(counted.items())]
        played = _played(moves)
        return None if played is None else cls(model, versions, moves, *played)

    def is_of(self, state: RegistryState) -> bool:
        """Tell whether the story ends at a state."""
        numbers, live = set(state.numbers(self.model)), set(state.versions(self.model))
        tagged = set(self.versions)
        return (
            state.tombstone(self.model) is None
            and tagged - self.cancelled <= live
            and self.cancelled <= numbers - live
            and (not numbers or max(numbers) in tagged)
            and self._has_pointers(state)
        )

    def _has_pointers(self, state: RegistryState) -> bool:
        held = [(f"stages/{name}", named_by(v)) for name, v in state.stages(self.model).items()]
        held += [(f"aliases/{name}", v) for name, v in state.aliases(self.model).items()]
        tagged = [(name, version) for path, version in held if (name := name_in_tags(path))]
        names = dict(tagged)
        if len(names) != len(tagged):
            return False  # a stage and an alias of one name share their tags
        # A version can lack a tag since a rename or a squash, or because somebody removed it.
        return set(names.values()) <= set(self.versions) and all(
            list(self.stack.get(name, ())[-1:]) == ([names[name]] if name in names else [])
            for name in {*names, *self.stack}
        )


def _is_rising(times: Mapping[tuple[bool, int], int], *, of_versions: bool) -> bool:
    """Tell whether tags are as old as their numbers say."""
    found = [time for (is_version, _), time in sorted(times.items()) if is_version is of_versions]
    return all(one < other for one, other in pairwise(found))


def _played(
    moves: Sequence[tuple[RegistryTag, int]],
) -> tuple[dict[str, list[int]], frozenset[int]] | None:
    """Return what the moves leave to each pointer, and the versions that they cancel."""
    stack: dict[str, list[int]] = {}
    cancelled: set[int] = set()
    for tag, version in moves:
        if tag.pointer is None:
            if tag.version != version or not tag.cancelled or version in cancelled:
                return None
            cancelled.add(version)
            continue
        held = stack.setdefault(tag.pointer, [])
        if version == 0 or (version not in held if tag.cancelled else held[-1:] == [version]):
            return None
        if version in held:
            held.remove(version)
        if not tag.cancelled:
            held.append(version)
    return stack, frozenset(cancelled)
