"""The tags of a push, judged by the history that the guarded branch has after it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence

from gitreg.check.claims import Update, read_references
from gitreg.check.finding import CheckFinding
from gitreg.check.tags import TagUpdate, is_ours, judge_born, judge_in_the_way, judge_tags
from gitreg.core.model import layout
from gitreg.core.model.dvc_yaml import is_others
from gitreg.core.model.names import fold, model_of_tag
from gitreg.core.state.state import RegistryState
from gitreg.core.state.tags import Tag
from gitreg.errors import InvalidDocument
from gitreg.git.history_index import HistoryIndex
from gitreg.git.objects import GitObject
from gitreg.git.repository import GitRepository
from gitreg.git.sizes import headers

_TAGS = "refs/tags/"
_MOST_BYTES = 64 * 1024
"""The largest tag that can be one of gitreg's."""


class PushedTags:
    """The tags that a push changes, and those that wait for a model that it brings.

    Args:
        repository: the server's.
        history: opens its index.
        old_tip: the guarded branch before the push; ``None`` where there is none.
        tip: the branch after it, likewise.
    """

    def __init__(
        self,
        repository: GitRepository,
        history: Callable[[], HistoryIndex],
        old_tip: str | None,
        tip: str | None,
    ) -> None:
        self._repository = repository
        self._history = history
        self._old_tip = old_tip
        self._tip = tip

    def judge(self, updates: Sequence[Update]) -> Iterator[CheckFinding]:
        """Yield the findings on tags."""
        pushed = {
            update.name.removeprefix(_TAGS): update
            for update in updates
            if update.name.startswith(_TAGS)
        }
        yield from judge_in_the_way(name for name, update in pushed.items() if update.new)
        named = {name: update for name, update in pushed.items() if is_ours(name)}
        born = self._born()
        waiting = self._waiting(born) if born else {}
        if not named and not waiting:
            return
        implied, adopted = self._implied()
        others = self._others(named)
        ends = [oid for update in named.values() for oid in (update.old, update.new) if oid]
        objects = self._objects([*ends, *waiting.values()])
        changes = [
            TagUpdate(
                name,
                objects.get(update.old or ""),
                None if update.new is None else objects.get(update.new) or _missing(update.new),
            )
            for name, update in named.items()
        ]
        yield from judge_tags(changes, implied, others, adopted)
        for name in [name for name in waiting if name in pushed]:
            del waiting[name]  # judged above as it is after the push
        present = {name: objects.get(oid) for name, oid in waiting.items()}
        yield from judge_born(present, implied, adopted, self._versions(waiting))

    def _objects(self, oids: Sequence[str]) -> dict[str, GitObject]:
        """Return objects by name; of one that is too large to be a tag of ours, only the kind."""
        measured = headers(self._repository, oids)
        small = [oid for oid, header in measured.items() if header.size <= _MOST_BYTES]
        found = dict(zip(small, self._repository.reader.get_many(small), strict=True))
        return {
            oid: found.get(oid) or GitObject(oid, header.kind, b"")
            for oid, header in measured.items()
        }

    def _others(self, names: dict[str, Update]) -> set[str]:
        """Return the artifacts of ``dvc.yaml`` with these names that are the user's own."""
        if self._tip is None:
            return set()
        snapshot = self._repository.snapshot(self._tip)
        content = snapshot.read(layout.DVC_YAML) or b""
        # Not every file system keeps two names that only case tells apart.
        taken = {fold(model) for model in RegistryState(snapshot).model_names()}
        found = set()
        for model in {str(model_of_tag(name)) for name in names}:
            with contextlib.suppress(InvalidDocument):
                if fold(model) not in taken and is_others(content, model):
                    found.add(model)
        return found

    def _born(self) -> set[str]:
        """Return the models that the push brings, or brings back, in their folded form."""
        if self._tip == self._old_tip:
            return set()
        sides = [
            self._repository.snapshot(tip) if tip is not None else None
            for tip in (self._old_tip, self._tip)
        ]
        before, after = ({} if one is None else one.identities(layout.ROOT) for one in sides)
        changed = (name for name in after if after[name] != before.get(name))
        models = list(filter(None, map(layout.model_of_folder, changed)))
        old, new = (RegistryState(one) if one is not None else None for one in sides)
        return {
            fold(model)
            for model in models
            if new is not None and new.has_model(model) and not (old and old.has_model(model))
        }

    def _waiting(self, born: set[str]) -> dict[str, str]:
        """Return the tags that the repository has of these models: name to object."""
        listing = self._repository.run("for-each-ref", "--format=%(refname)", "--", _TAGS).text
        names = [
            full
            for full in listing.split("\n")
            if (model := model_of_tag(full.removeprefix(_TAGS))) is not None and fold(model) in born
        ]
        found = read_references(self._repository, names)
        return {name.removeprefix(_TAGS): there.oid for name, there in found.items()}

    def _versions(self, names: Iterable[str]) -> set[tuple[str, int]]:
        """Return the versions at the tip of the models that tags are about."""
        state = RegistryState(self._repository.snapshot(self._tip))
        return {
            (model, number)
            for model in {str(model_of_tag(name)) for name in names}
            for number in state.numbers(model)
        }

    def _implied(self) -> tuple[list[Tag], dict[str, str]]:
        """Return the tags that the history up to the tip implies, and GTO's that it adopted.

        The tip is not accepted yet.
        """
        history = self._history()
        try:
            if self._old_tip is not None:
                history.advance(self._old_tip)
            return ([], {}) if self._tip is None else _tried(history, self._tip)
        finally:
            history.close()


def _missing(oid: str) -> GitObject:
    return GitObject(oid, "missing", b"")


def _tried(history: HistoryIndex, tip: str) -> tuple[list[Tag], dict[str, str]]:
    """Return the tags up to a tip, and roll the index back: another hook may still refuse it."""
    implied: list[Tag] = []
    adopted: dict[str, str] = {}
    with contextlib.suppress(_OnlyTried), history.tentative():
        history.advance(tip)
        implied += history.tags()
        adopted |= history.adopted_tags()
        raise _OnlyTried
    return implied, adopted


class _OnlyTried(Exception):
    """Rolls the index back."""
