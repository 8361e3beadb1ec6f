"""Turns an operation into a published commit: one place for lock, race, tags and push."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from gitreg import layout, manifest
from gitreg.change import Change, check_reason
from gitreg.errors import GitError, LostRace, NotFound
from gitreg.git import publish, remote, worktree
from gitreg.git.repository import GitRepository, Tip
from gitreg.history import CommitInfo, FileChange, Tag
from gitreg.ledger import History
from gitreg.names import Reference
from gitreg.state import RegistryState

Operation = Callable[[RegistryState], Change]
"""A function from the state at a tip to the change that is asked for."""

SendBytes = Callable[[RegistryState, Iterable[tuple[str, int]]], None]
"""Puts the bytes of versions on the DVC remote, or raises."""

_ATTEMPTS = 5


@dataclass(frozen=True)
class Outcome:
    """What became of an operation.

    Attributes:
        change: what it does.
        commit: the commit that does it; ``None`` when nothing was written.
        tags: names of the tags that go with it.
        pushed: whether the remote has it.
        warnings: what the person should know.
    """

    change: Change
    commit: str | None = None
    tags: tuple[str, ...] = ()
    pushed: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def versions(self) -> tuple[Reference, ...]:
        """The versions that it is about, such as the one that was registered."""
        return self._named_by("Gitreg-Version")

    @property
    def replaced(self) -> tuple[Reference, ...]:
        """The versions that had to make room, or that an alias named before."""
        return self._named_by("Gitreg-Replaces")

    def _named_by(self, trailer: str) -> tuple[Reference, ...]:
        model = ""
        found = []
        for key, value in self.change.trailers:
            if key == "Gitreg-Model":
                model = value
            elif key == trailer:
                found.append(Reference(model, version=int(value)))
        return tuple(found)

    @property
    def is_unchanged(self) -> bool:
        """Whether everything was already as asked, so that there was nothing to commit."""
        return not self.change.edits


class Publisher:
    """Publishes operations on the checked-out branch of one repository."""

    def __init__(self, repository: GitRepository, history: History, send_bytes: SendBytes) -> None:
        self._repository = repository
        self._history = history
        self._send_bytes = send_bytes

    def plan(self, operation: Operation, reason: str | None) -> Outcome:
        """Return what an operation would do, without writing anything but the history index."""
        base, state = self._tip()
        change = replace(operation(state), reason=check_reason(reason))
        tags: list[Tag] = []
        if change.edits and base.commit:
            moved = _file_changes(state, change)
            # Its own hash is not known before it is written; tags only need a place for it.
            unborn = CommitInfo("0" * 40, base.commit, "", "", 0, "+0000", change.message())
            tags = self._history.plan_tags(unborn, moved)
        return Outcome(change, tags=tuple(tag.name for tag in tags), warnings=change.warnings)

    def apply(self, operation: Operation, reason: str | None, *, push: bool = False) -> Outcome:
        """Run an operation on the tip and publish its change.

        When somebody else moves the branch meanwhile it runs again on the new tip; when that
        moved a pointer which the operation moves too, it fails and names the winner.

        Raises:
            LostRace: so, or the branch kept moving.
            GitregError: whatever the operation raises; nothing was written.
        """
        reason = check_reason(reason)
        trailer = ("Gitreg-Op", secrets.token_hex(8))
        expected: dict[str, bytes | None] = {}
        with publish.exclusive(self._repository.private_dir):
            worktree.finish(self._repository)
            for _attempt in range(_ATTEMPTS):
                base, state = self._tip()
                change = replace(operation(state), reason=reason)
                if not change.edits:
                    if push:  # it may have been done here, and not have been published
                        self._push(base, state, str(base.commit), (), {})
                    return Outcome(change, pushed=push, warnings=change.warnings)
                moved = _file_changes(state, change)
                self._check_expected(expected, moved)
                try:
                    return self._publish(
                        base, state, change.with_trailer(*trailer), moved, push=push
                    )
                except LostRace:
                    if push:
                        raise
        raise LostRace("the branch keeps moving", hint="nothing was written, run it again")

    def _tip(self) -> tuple[Tip, RegistryState]:
        base = self._repository.tip()
        self._repository.refuse_shallow()
        state = RegistryState(self._repository.snapshot(base.commit))
        if base.commit is None or not state.exists():
            raise NotFound("no registry on this branch", hint="gitreg init makes one")
        self._history.advance(base.commit, exact=True)
        return base, state

    def _check_expected(
        self, expected: dict[str, bytes | None], moved: Sequence[FileChange]
    ) -> None:
        for change in moved:
            place = layout.locate(change.path)
            if place is None or place.pointer is None:
                continue
            if expected.setdefault(change.path, change.before) != change.before:
                winner = self._history.events(place.model, place.pointer, limit=1)[0]
                raise LostRace(
                    f"{place.model} {place.pointer} was moved meanwhile by {winner.author}"
                    f" in {winner.commit[:9]}",
                    hint="nothing was written; look at it, and run yours again",
                )

    def _publish(
        self,
        base: Tip,
        state: RegistryState,
        change: Change,
        moved: Sequence[FileChange],
        *,
        push: bool,
    ) -> Outcome:
        worktree.refuse_dirty(self._repository, {file.path: file.before for file in moved})
        prepared = publish.prepare(self._repository, base, change)
        planned = self._history.plan_tags(prepared.commit, moved)
        tags = publish.write_tags(self._repository, planned)
        if push:
            self._push(base, state, prepared.commit.oid, moved, tags)
        try:
            warnings = publish.publish(self._repository, prepared, tags)
        except GitError as error:
            if not push:
                raise
            warnings = (f"published, but this clone could not follow ({error}): git pull --rebase",)
        else:
            self._history.append(prepared.commit, moved)
        return Outcome(
            change, prepared.commit.oid, tuple(tags), push, (*change.warnings, *warnings)
        )

    def _push(
        self,
        base: Tip,
        state: RegistryState,
        commit: str,
        moved: Sequence[FileChange],
        tags: dict[str, str],
    ) -> None:
        """Publish on the remote first: bytes, then branch and tags in one atomic push."""
        upstream = remote.upstream_of(self._repository, base)
        published = remote.fetch_tip(self._repository, upstream)
        assert base.commit is not None
        if published is not None and not self._repository.is_ancestor(published, base.commit):
            raise remote.behind(upstream, "has commits that are not here")
        unpublished = self._history.versions_since(published)
        new = state_after(state, moved)
        named = [
            (place.model, place.version)
            for change in moved
            if change.after is not None
            and (place := layout.locate(change.path)) is not None
            and place.kind == "manifest"
            and place.version is not None
        ]
        pointed = [pair for change in moved for pair in _gained(change)]
        present = {pair for pair in (*unpublished, *named, *pointed) if new.has_version(*pair)}
        self._send_bytes(new, sorted(present))
        earlier = publish.write_tags(self._repository, self._history.tags(since=published))
        remote.push(self._repository, upstream, commit, published, {**earlier, **tags})


def _file_changes(state: RegistryState, change: Change) -> list[FileChange]:
    before = state.snapshot.read_many(change.paths)
    return [
        FileChange(edit.path, old, edit.content)
        for edit, old in zip(change.edits, before, strict=True)
    ]


def _gained(change: FileChange) -> list[tuple[str, int]]:
    """Return the versions that a pointer names since a change."""
    place = layout.locate(change.path)
    if place is None or place.pointer is None or change.after is None:
        return []
    if place.kind == "aliases":
        return [(place.model, manifest.read_alias(change.after, change.path))]
    before = manifest.read_versions(change.before, change.path)
    after = manifest.read_versions(change.after, change.path)
    return [(place.model, version) for version in after if version not in before]


def state_after(state: RegistryState, changes: Sequence[FileChange]) -> RegistryState:
    """Return the state that a change leads to, before any commit holds it."""
    return RegistryState(_Overlaid(state, changes))


class _Overlaid:
    """A snapshot with a change laid over it; only files are, which is all that is asked for."""

    def __init__(self, state: RegistryState, changes: Sequence[FileChange]) -> None:
        self._below = state.snapshot
        self._files = {change.path: change.after for change in changes}

    @property
    def commit(self) -> str | None:
        return self._below.commit

    def read(self, path: str) -> bytes | None:
        return self._files[path] if path in self._files else self._below.read(path)

    def list(self, path: str) -> Sequence[str]:
        return self._below.list(path)

    def read_many(self, paths: Sequence[str]) -> Sequence[bytes | None]:
        return [self.read(path) for path in paths]

    def list_many(self, paths: Sequence[str]) -> Sequence[Sequence[str]]:
        return [self.list(path) for path in paths]
