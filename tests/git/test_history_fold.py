"""Commits that are added together make the index that they make one by one."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitreg.core.model import layout
from gitreg.core.state.history import CommitInfo, FileChange
from gitreg.git.history_database import open_database, transaction
from gitreg.git.history_fold import Fold

TABLES = ("commits", "operations", "events", "lives", "versions", "changes", "counters", "tags")
MODELS = ("churn", "other")
WHO = "deleted_at: '2026-01-01T00:00:00Z'\ndeleted_by: A <a@b>\n"
Files = dict[str, bytes]
Edits = dict[str, bytes | None]
Step = tuple[CommitInfo, list[FileChange]]


class _Story:
    """A random history by hand: registrations, moves, deletions, renames and reverts."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._files: Files = {}
        self._past: list[list[FileChange]] = []

    def steps(self, count: int) -> Iterator[Step]:
        parent = None
        for number in range(1, count + 1):
            message = "by hand\n"
            edits = self._edits(self._random.choice(MODELS))
            if self._past and self._random.random() < 0.15:
                message = 'Revert "x"\n\nThis reverts commit abc.\n'
                edits = {c.path: c.before for c in self._random.choice(self._past[-3:])}
            elif self._random.random() < 0.3:
                message = (
                    f"x\n\nGitreg-Action: promote\nGitreg-Model: churn\nGitreg-Op: {number % 9}"
                )
            changes = self._changes(edits)
            if changes:
                time = 100 + number // self._random.randint(1, 3)
                oid = f"{number:040x}"
                yield CommitInfo(oid, parent, "A <a>", "C <c>", time, "+0100", message), changes
                parent = oid

    def _changes(self, edits: Mapping[str, bytes | None]) -> list[FileChange]:
        changes = [
            FileChange(path, self._files.get(path), new)
            for path, new in edits.items()
            if self._files.get(path) != new
        ]
        for change in changes:
            self._files.pop(change.path, None)
            if change.after is not None:
                self._files[change.path] = change.after
        self._past.append(changes)
        return changes

    def _edits(self, model: str) -> Edits:
        number = self._random.randint(1, 4)
        stage = self._random.choice(["production", "archived"])
        held = sorted({self._random.randint(1, 4) for _ in range(self._random.randint(1, 2))})
        end = layout.model_tombstone_path(model)
        there = [path for path in self._files if path.startswith(f"registry/{model}/")]
        kinds: list[Edits] = [
            {layout.manifest_path(model, number): b"x"},
            {layout.manifest_path(model, n): b"x" for n in (number, number + 1)},
            {layout.manifest_path(model, number): None},
            {layout.stage_path(model, stage): f"versions: {held}\n".encode()},
            {layout.stage_path(model, stage): None},
            {layout.stage_path(model, stage): b"versions: [oh\n"},
            {layout.alias_path(model, "champion"): f"version: {number}\n".encode()},
            {layout.alias_path(model, "no tag"): None},
            {f"registry/{model}/model.yaml": f"description: {number}\n".encode()},
            {**dict.fromkeys(there), end: WHO.encode()},
            {end: None, layout.manifest_path(model, 1): b"x"},
            self._renamed(model, there, end),
        ]
        return self._random.choices(kinds, [6, 2, 1, 6, 1, 1, 2, 1, 1, 1, 1, 1])[0]

    def _renamed(self, model: str, there: list[str], end: str) -> Edits:
        new = next(name for name in MODELS if name != model)
        moved = {
            path.replace(f"/{model}/", f"/{new}/"): self._files[path]
            for path in there
            if path != end
        }
        tombstone = f"{WHO}renamed_to: {new}\n".encode()
        return {**dict.fromkeys(there), **moved, layout.model_tombstone_path(new): None} | {
            end: tombstone
        }


def _rows(steps: list[Step], at_once: int) -> dict[str, list[object]]:
    db = open_database(":memory:")
    with transaction(db):
        for start in range(0, len(steps), at_once):
            fold = Fold(db)
            for commit, changes in steps[start : start + at_once]:
                fold.add(commit, changes)
            fold.write()
    found = {table: sorted(db.execute(f"SELECT * FROM {table}"), key=repr) for table in TABLES}
    db.close()
    return found


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**9), at_once=st.integers(2, 40), rows=st.sampled_from([3, 20_000]))
def test_together_as_one_by_one(seed: int, at_once: int, rows: int) -> None:
    steps = list(_Story(seed).steps(40))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gitreg.git.history_fold._MOST_ROWS", rows)
        assert _rows(steps, at_once) == _rows(steps, 1)
