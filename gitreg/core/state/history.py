"""Commits as events. Pure: Git is read elsewhere.

Events are changes of files, commit by commit along the first parents: so a commit made by hand, a
squash or a merge gives events like any other. Trailers add only the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import cached_property, lru_cache

from gitreg.core.model import layout, manifest
from gitreg.core.model.gto_tags import parse_gto_tag
from gitreg.core.model.names import ARCHIVE
from gitreg.core.state.change import OVERRIDE, reason_of, reverted_by, trailers_of
from gitreg.errors import InvalidDocument

# Git stores any number as a date and any digits as a zone; dates outside calendars are clamped.
_ZONE = re.compile(r"[-+](?P<hours>[01][0-9]|2[0-3])(?P<minutes>[0-5][0-9])")
_EARLIEST, _LATEST = -62135510400, 253402214400
"""The second day of year 1 and the last but one of year 9999: every zone stays inside."""

_COMMIT = re.compile("[0-9a-f]{40}")
_REVERT_SUBJECTS = ('Revert "', 'Reapply "')
_REVERT_OF = re.compile(r'(?:(Revert)|Reapply) "')


@dataclass(frozen=True)
class CommitInfo:
    """What history needs to know about a commit.

    Attributes:
        oid: 40 hex digits.
        parent: its first parent, or ``None``.
        author: ``Name <email>``.
        committer: ``Name <email>``.
        time: the committer's date, in seconds since the epoch.
        zone: of the committer, ``+0100``.
        message: the whole message.
    """

    oid: str
    parent: str | None
    author: str
    committer: str
    time: int
    zone: str
    message: str

    @cached_property
    def trailers(self) -> Mapping[str, tuple[str, ...]]:
        """Gitreg's trailers in the message."""
        return trailers_of(self.message)

    @cached_property
    def when(self) -> str:
        """The committer's date in ISO 8601; in UTC where Git has a zone that does not exist."""
        moment = min(max(self.time, _EARLIEST), _LATEST)
        return datetime.fromtimestamp(moment, _zone(self.zone)).isoformat()


@lru_cache(maxsize=64)
def _zone(text: str) -> timezone:
    """Return the zone that ``+0100`` means; UTC where there is no such zone."""
    match = _ZONE.fullmatch(text)
    minutes = int(match["hours"]) * 60 + int(match["minutes"]) if match else 0
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


@dataclass(frozen=True)
class FileChange:
    """What a commit did to one file: its content before and after; ``None`` for absent."""

    path: str
    before: bytes | None
    after: bytes | None


@dataclass(frozen=True)
class Event:
    """One change of a model in one commit.

    Attributes:
        commit: where it happened, 40 hex digits.
        time: the committer's date, ISO 8601.
        author: ``Name <email>``.
        model: the model.
        action: ``register``, ``promote``, ``archive``, ``alias``, ``rollback``, ``annotate``,
            ``approve``, ``withdraw`` (of an approval), ``create`` (of a model), ``rename`` (in the
            events of both names, for the model and all that moves along), ``delete``, ``revert``,
            and, in a commit made by hand, ``move`` (out of a stage),
            ``remove`` (a manifest: a registration was reverted) or ``rewrite`` (one was
            changed, which gitreg never does).
        version: the version that it is about; ``None`` for the whole model.
        pointer: ``stages/production`` or ``aliases/champion``; ``None`` where none moved.
        before: the versions that the pointer held, ascending: for an alias, at most one. Empty
            where no pointer moved.
        after: those that it holds afterwards.
        reason: the reason in the commit's message.
        subject: the first line of the commit's message.
        reverts: the commit that the message claims to revert, maybe abbreviated; ``None`` where it
            names none, or several.
        stage: the stage of an approval; ``None`` in all other events. The signature says who
            approved (`gitreg.approvals.stored`); the author only committed it.
        override: the reason for overriding the policy; ``None`` where nothing was overridden.
        renamed_from: the model's old name, in the events of a rename under the new name.
        renamed_to: the new name, in the events of a rename under the old name, and where a rename
            is reverted.
        principal: whose approval was given or withdrawn; `gitreg.approvals.given` adds it.
    """

    commit: str
    time: str
    author: str
    model: str
    action: str
    version: int | None
    pointer: str | None
    before: tuple[int, ...]
    after: tuple[int, ...]
    reason: str | None
    subject: str
    reverts: str | None = None
    stage: str | None = None
    override: str | None = None
    renamed_from: str | None = None
    renamed_to: str | None = None
    principal: str | None = None

    @property
    def ends_the_model(self) -> bool:
        """Whether it deletes or renames the model: a later model of the name starts at number 1."""
        of_all = self.version is None and self.pointer is None
        return of_all and (self.action == "delete" or self.renamed_to is not None)

    @property
    def is_birth(self) -> bool:
        """Whether it registers a version, or gives one its new name."""
        is_version = self.version is not None and self.pointer is None
        return is_version and (self.action == "register" or self.renamed_from is not None)

    @property
    def is_taking_back(self) -> bool:
        """Whether it takes back an earlier event."""
        return self.action in ("rollback", "revert")

    def reverts_commit(self, commit: str) -> bool:
        """Whether its message claims to revert ``commit``."""
        return self.reverts is not None and commit.startswith(self.reverts)


def named_by(held: tuple[int, ...]) -> int | None:
    """Return the version that a pointer names: of several, the highest.

    >>> named_by((6, 7)), named_by(())
    (7, None)
    """
    return held[-1] if held else None


def adopted_in(changes: Iterable[FileChange]) -> dict[tuple[str, int], tuple[str, str]]:
    """Return the versions that a commit registers and that have a tag of GTO's already.

    An import records it in the manifest. Such a version gets no tag of gitreg's own, and GTO's is
    never moved.

    Returns:
        Model and version to the tag's name and the commit that the tag is on.
    """
    found = {}
    for change in changes:
        if change.before is not None or b"\n  tag: " not in (change.after or b""):
            continue
        place = layout.locate(change.path)
        if place is None or place.kind != "manifest" or place.version is None:
            continue
        try:
            lineage = manifest.read_manifest(change.after or b"", change.path).lineage
        except InvalidDocument:
            continue
        tag = parse_gto_tag(lineage.tag or "")
        commit = lineage.code.commit if lineage.code else ""
        # After a rename the tag is that of the old name.
        is_its_own = tag is not None and tag.action == "register" and tag.artifact == place.model
        if is_its_own and lineage.tag and _COMMIT.fullmatch(commit):
            found[place.model, place.version] = (lineage.tag, commit)
    return found


Held = Callable[[str, str], tuple[int, ...]]
"""Returns what a model's pointer holds by its moves so far."""


Restored = Callable[[str], bool]
"""Tells whether a model whose name had ended is back, byte for byte, as before its latest end."""


def events_of(
    commit: CommitInfo,
    changes: Iterable[FileChange],
    held: Held = lambda *_: (),
    restored: Restored = lambda _: False,
) -> list[Event]:
    """Return the events of a commit, model by model: registrations first, then pointers.

    A pointer file that does not parse is no event: nothing moved. The commit that repairs it moves
    the pointer from what it ``held`` before it broke. Only the files tell whether a commit takes
    back the end of a model: a message that says so proves nothing.
    """
    told = _Told.of(commit, changes, restored)
    found = [e for place, change in told.changes for e in _event(told, place, change, held)]
    if told.renamed or told.back:
        found += [told.event(name, "rename", None) for name in told.renamed.values()]
        found += [told.event(name, "revert", None) for name in told.named_back]
    return sorted(found, key=_order) if len(found) > 1 else found


@dataclass(frozen=True)
class _Told:
    """A commit's files and trailers, and the models that it ends.

    Attributes:
        commit: the commit.
        changes: its files that belong to a model.
        trailers: gitreg's, of its message.
        ended: the models that got a tombstone.
        renamed: those of them that were renamed, old name to new name.
        moved: the versions whose manifests went.
        back: the models that are there again as before their latest end.
    """

    commit: CommitInfo
    changes: tuple[tuple[layout.Place, FileChange], ...]
    trailers: Mapping[str, tuple[str, ...]]
    ended: frozenset[str]
    renamed: Mapping[str, str]
    moved: frozenset[tuple[str, int | None]]
    back: frozenset[str]

    @cached_property
    def named_back(self) -> Mapping[str, str]:
        """The reverted renames: the name that went, to the name that is back."""
        return {
            new: place.model
            for place, change in self.changes
            if place.model in self.back and _is_tombstone(place)
            if (new := _new_name(change.before, change.path)) is not None
        }

    @classmethod
    def of(cls, commit: CommitInfo, changes: Iterable[FileChange], restored: Restored) -> _Told:
        located = ((layout.locate(change.path), change) for change in changes)
        found = tuple(
            (place, change) for place, change in located if place and place.kind != "other"
        )
        ended = {
            place.model: _new_name(change.after, change.path)
            for place, change in found
            if _is_tombstone(place) and change.before is None
        }
        if not ended and all(change.after is not None for _, change in found):
            return cls(commit, found, commit.trailers, frozenset(), {}, frozenset(), frozenset())
        came = {place.model for place, change in found if change.before is None}
        went = {place.model for place, change in found if change.after is None} - set(ended)
        return cls(
            commit,
            found,
            commit.trailers,
            frozenset(ended),
            {old: new for old, new in ended.items() if new in came and new != old},
            frozenset(
                (place.model, place.version)
                for place, change in found
                if place.kind == "manifest" and change.after is None
            ),
            frozenset(
                place.model
                for place, change in found
                if _is_tombstone(place) and change.after is None
                # A model that lives on under another name is not back beside it.
                if (new := _new_name(change.before, change.path)) is None or new in went
                if restored(place.model)
            ),
        )

    @property
    def claimed(self) -> str:
        return self.trailers.get("Gitreg-Action", ("",))[0]

    @property
    def is_revert(self) -> bool:
        message = self.commit.message
        return message.startswith(_REVERT_SUBJECTS) or "\nThis reverts commit " in message

    def old_name(self, model: str) -> str | None:
        """Return a model's name before this commit, where the commit renames it."""
        return next((old for old, new in self.renamed.items() if new == model), None)

    def event(
        self,
        model: str,
        action: str,
        version: int | None,
        pointer: str | None = None,
        values: tuple[tuple[int, ...], tuple[int, ...]] = ((), ()),
        *,
        stage: str | None = None,
        override: str | None = None,
    ) -> Event:
        message = self.commit.message
        moves_along = action == "rename"
        goes_to = self.renamed if moves_along else {}
        if version is None and self.back and not moves_along:
            goes_to = self.named_back
        return Event(
            self.commit.oid,
            self.commit.when,
            self.commit.author,
            model,
            action,
            version,
            pointer,
            *values,
            reason_of(message),
            message.partition("\n")[0],
            reverted_by(message),
            stage,
            override,
            self.old_name(model) if moves_along else None,
            None if pointer and not moves_along else goes_to.get(model),
        )


def _is_tombstone(place: layout.Place) -> bool:
    """Tell whether a place is the tombstone of a model, not of one version."""
    return place.kind == "deleted" and place.version is None


def _new_name(tombstone: bytes | None, path: str) -> str | None:
    """Return the new name in a tombstone, if its model was renamed."""
    try:
        return manifest.read_tombstone(tombstone or b"", path).renamed_to
    except InvalidDocument:
        return None


def _event(told: _Told, place: layout.Place, change: FileChange, held: Held) -> Iterator[Event]:
    """Yield the event of one file, if its change is one."""
    if place.pointer is None:
        action = _file_action(told, place, change)
        if action is not None:
            stage = place.name if place.kind == "approval" else None
            yield told.event(place.model, action, place.version, stage=stage)
        return
    before, after = (held_in(place, data) for data in (change.before, change.after))
    if before is None:
        before = held(place.model, place.pointer)
    if after is not None and before != after:
        overrides = told.trailers.get(OVERRIDE, ()) if place.kind == "stages" else ()
        yield told.event(
            place.model,
            _pointer_action(told, place, before, after),
            _subject(before, after),
            place.pointer,
            (before, after),
            override=overrides[0] if overrides else None,
        )


def _order(event: Event) -> tuple[str, int, bool, bool, str, int]:
    """Registrations, then stages (the archive last), aliases, annotations, deletions.

    The counters of tags follow this order: it may never change.
    """
    pointer = event.pointer or ""
    ranks = {"register": 0, "create": 0, "annotate": 3, "approve": 3, "withdraw": 3, "delete": 4}
    ranks["rename"] = 4 if event.renamed_to is not None else 0
    rank = ranks.get(event.action, 1) if not pointer else 1
    return (
        event.model,
        rank,
        pointer.startswith("aliases/"),
        pointer == f"stages/{ARCHIVE}",
        pointer,
        event.version or 0,
    )


def held_in(place: layout.Place, data: bytes | None) -> tuple[int, ...] | None:
    """Return what a pointer file holds; ``None`` if it does not parse, as `check` reports."""
    try:
        if place.kind == "stages":
            return manifest.read_versions(data, place.model)
        return () if data is None else (manifest.read_alias(data, place.model),)
    except InvalidDocument:
        return None


def _subject(before: tuple[int, ...], after: tuple[int, ...]) -> int:
    """Return the version that a move is about: the highest that came, else that left."""
    return max(set(after) - set(before) or set(before) - set(after))


def _pointer_action(
    told: _Told, place: layout.Place, before: tuple[int, ...], after: tuple[int, ...]
) -> str:
    if place.model in told.renamed or told.old_name(place.model) is not None:
        return "rename"
    if place.model in told.trailers.get("Gitreg-Model", ()) and told.claimed in (
        "promote",
        "archive",
        "alias",
        "rollback",
    ):
        return told.claimed
    if told.is_revert:
        return "revert"
    if place.kind == "aliases":
        return "alias"
    if not set(after) - set(before):
        return "move"
    return "archive" if place.name == ARCHIVE else "promote"


def _file_action(told: _Told, place: layout.Place, change: FileChange) -> str | None:
    """Return the action on a file that is no pointer; ``None`` where it is no event."""
    if place.kind == "manifest":
        return _manifest_action(told, place, change)
    if _is_tombstone(place):
        return _tombstone_action(told, place, change)
    if place.model in told.ended or told.old_name(place.model) is not None:
        return None  # part of the model's deletion or rename, which has its own event
    if place.kind == "deleted":
        # Beside a registration it marks a skipped number: there was no version.
        return "delete" if change.before is None and told.claimed != "register" else None
    return _word_action(told, place, change)


def _word_action(told: _Told, place: layout.Place, change: FileChange) -> str | None:
    """Return the action on an annotation, approval or description."""
    goes_along = place.kind == "annotations" or (place.kind == "approval" and change.after is None)
    if goes_along and told.claimed in ("register", "delete"):
        return None  # written or removed with its version, which has its own event
    if place.kind == "withdrawal":
        return None  # beside the removed approval, whose event tells it
    if place.kind == "approval":
        return "withdraw" if change.after is None else "approve"
    if place.kind == "model" and change.before is None and _creates(told, place.model):
        return None if _begins_anew(told, place.model) else "create"
    return "annotate"


def _manifest_action(told: _Told, place: layout.Place, change: FileChange) -> str | None:
    if change.before is None:
        moved = (told.old_name(place.model) or "", place.version) in told.moved
        return "rename" if moved else "register"
    if change.after is not None:
        return "rewrite"
    if place.model in told.ended:
        return "rename" if place.model in told.renamed else "delete"
    return None if told.claimed == "delete" else "remove"


def _tombstone_action(told: _Told, place: layout.Place, change: FileChange) -> str | None:
    if change.before is None:
        return "rename" if place.model in told.renamed else "delete"
    if change.after is not None or told.old_name(place.model) is not None:
        return None
    return "revert" if place.model in told.back else "create"


def _creates(told: _Told, model: str) -> bool:
    """Tell whether a commit claims to create a model; else it describes an existing one."""
    return told.claimed == "create" and model in told.trailers.get("Gitreg-Model", ())


def _begins_anew(told: _Told, model: str) -> bool:
    """Tell whether a model's tombstone was removed, which is the event of its creation."""
    return any(place.model == model and _is_tombstone(place) for place, _ in told.changes)


# Earlier values of a pointer: the stack that a rollback goes down


Values = tuple[tuple[int, ...], tuple[int, ...]]
"""What a pointer held before a move, and after it."""


def is_return(moves: Iterable[Values], held: tuple[int, ...]) -> bool:
    """Tell whether a stage that holds ``held`` would be back where it was before a standing move.

    Only the values count: a message proves nothing. A move to a value that a standing move started
    from takes that move and all later ones back. So what was withdrawn does not return this way,
    whoever withdrew it and however: by a rollback, a merge of one, or by hand.

    >>> first, second = ((), (1,)), ((1,), (2,))
    >>> is_return([first, second], (1,)), is_return([first, second, ((2,), (1,))], (2,))
    (True, False)
    >>> archived = [first, second, ((2,), ())]
    >>> is_return(archived, (2,)), is_return([*archived, ((), (3,))], (2,))
    (True, False)

    Args:
        moves: all earlier moves of the stage, oldest first.
        held: what it would hold, ascending.
    """
    standing: list[Values] = []
    for before, after in moves:
        # An archived version leaves nothing in its stage: only of the first move is that a return.
        back = [n for n, move in enumerate(standing) if move[0] == after]
        back = back if after else [n for n in back if n == len(standing) - 1]
        if back:
            del standing[back[-1] :]
        else:
            standing.append((before, after))
    if not held:
        return bool(standing) and not standing[-1][0]
    # What was only taken out, with nothing in its place, returns as the next move or not at all.
    replacing = [(before, after) for before, after in standing[:-1] if set(after) - set(before)]
    return any(set(held) <= set(before) for before, _ in (*replacing, *standing[-1:]))


def entry_of(events: Iterable[Event], version: int) -> Event | None:
    """Return the event by which a version last entered a stage; ``None`` where none did.

    Args:
        events: the moves of the stage, newest first.
        version: which one.
    """
    return next(
        (event for event in events if version in event.after and version not in event.before),
        None,
    )


def stack_of(events: Iterable[Event]) -> list[Event]:
    """Return the moves of one pointer that still stand, oldest first.

    A rollback or a revert is not a new move: it takes back a move and all later ones. So a second
    rollback goes back one more step, not forth. A revert of a rollback or revert is a new move.

    An event may lead to a value from which no move on the stack started, as a rollback to a version
    that an earlier rollback withdrew. It amends the last move, which then leads to this value.

    Args:
        events: all moves of one pointer, oldest first.
    """
    stack: list[Event] = []
    taking_back: list[str] = []
    for event in events:
        if not event.is_taking_back or _is_forth(event, taking_back):
            stack.append(event)
        else:
            taking_back.append(event.commit)
            _take_back(stack, event)
    return stack


def _is_forth(event: Event, taking_back: Sequence[str]) -> bool:
    """Tell whether an event reverts a rollback or revert, as a reapplication does."""
    if event.action != "revert":
        return False
    if any(map(event.reverts_commit, taking_back)):
        return True
    # After a rebase the commit has another name; then the subject decides. Git writes
    # `Reapply "x"` for the older `Revert "Revert "x""`, gitreg `roll back …` over several moves.
    subject, turns = event.subject, 0
    while match := _REVERT_OF.match(subject):
        turns += 1 if match[1] else 2
        subject = subject[match.end() :]
    turns += bool(turns) and subject.startswith("roll back ")
    return turns > 0 and turns % 2 == 0


def _take_back(stack: list[Event], event: Event) -> None:
    """Remove the moves that an event takes back from a stack."""
    by_name = [n for n, move in enumerate(stack) if event.reverts_commit(move.commit)]
    led_away = by_name or [n for n, move in enumerate(stack) if _restores(event, move)]
    if led_away:
        place = led_away[-1]
        is_whole = stack[place].before == event.after
        # A revert with a conflict solved by hand leads elsewhere: its move is amended below.
        del stack[place if _restores(event, stack[place]) else place + 1 :]
        if is_whole:
            return
    withdrawn = set(event.before) - set(event.after)
    while stack and (stack[-1].before == event.after or withdrawn & set(stack[-1].before)):
        stack.pop()  # a withdrawn version must not come back as an earlier value
    if stack:
        stack[-1] = replace(stack[-1], after=event.after)


def _restores(event: Event, move: Event) -> bool:
    """Tell whether an event restores the value before a move, or, as a rollback, a part of it."""
    if move.before == event.after:
        return True
    return event.action == "rollback" and bool(event.after) and set(event.after) <= set(move.before)
