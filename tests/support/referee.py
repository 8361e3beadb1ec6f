"""A second opinion on pushes: docs/reference/rules.md in plain Python, sharing no code with gitreg.

`Referee.refusals` says why the hook has to refuse a push. Numbers in comments are those of the
paragraphs of the rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.support.plain_registry import (
    HOUR,
    Commit,
    Files,
    History,
    Keys,
    Policy,
    Repository,
    policy_of,
)
from tests.support.referee_moves import Moves, Push, Step

# Judging

TOMB = ("deleted.yaml", "manifest.yaml")
"""What never changes in the folder of a deleted version."""


class Referee:
    """Judges pushes to the branch of a repository, as docs/reference/rules.md says."""

    def __init__(self, git_dir: Path) -> None:
        self._repository = Repository(git_dir)
        self._keys = Keys()
        self._mover = Moves(self._repository, self._keys)
        self._arrived: dict[str, int] = {}
        self._histories: dict[str | None, History] = {None: History()}  # of what is published

    def close(self) -> None:
        self._repository.close()
        self._keys.close()

    def accept(self, old: str | None, new: str, now: int) -> None:
        """Follow a push that was accepted at a moment."""
        fresh = self._repository.ancestors(new) - self._repository.ancestors(old)
        self._arrived |= dict.fromkeys(fresh, now)

    def refusals(self, old: str | None, new: str, now: int) -> list[str]:
        """Return why a push of the branch has to be refused; nothing to accept it."""
        repository = self._repository
        if old is not None and old not in repository.ancestors(new):  # 1.2
            return ["branch: it would be rewound"]
        line = self._firsts(new, old)
        if line[-1] != old and old is not None:
            return ["branch: the published line would not be that of first parents"]
        push = Push(
            old,
            repository.ancestors(new) - repository.ancestors(old),
            set(line),
            policy_of(repository.files(old)),
            now,
            self._firsts(old or new, None)[-1],
        )
        return [
            f"{oid[:7]} {why}"
            for oid in self._in_order(push.fresh)
            for why in self._commit(oid, push)
        ]

    def refuses_tag(self, tip: str, name: str, oid: str | None) -> bool:
        """Tell whether a tag cannot be pushed, or with ``None`` deleted: 1.4.

        Only the tags of versions are known here, of models whose name had no other life.
        """
        found = re.fullmatch(r"([a-z]+)@v(\d+)\.0\.0", name)
        life = self._published(tip).life(found[1]) if found else None
        target = life.tagged.get(int(found[2])) if found and life else None
        if found is None or target is None:
            return oid is not None
        if oid is None:
            return True
        committer = re.search(
            r"^committer (.*>)", self._repository.commit(target).raw.decode(), re.MULTILINE
        )
        assert committer is not None
        wanted = (
            re.escape(f"object {target}\ntype commit\ntag {name}\ntagger {committer[1]}")
            + r" \d+ \+0000\n\n"
            + re.escape(f"{found[1]}@{found[2]}\n")
        )
        return re.fullmatch(wanted, self._repository.tag(oid)) is None

    def _firsts(self, oid: str, end: str | None) -> list[str]:
        """Return a commit and its first parents, down to another commit or the first of all."""
        found = [oid]
        while found[-1] != end and (parents := self._repository.commit(found[-1]).parents):
            found.append(parents[0])
        return found

    def _in_order(self, fresh: set[str]) -> list[str]:
        done: list[str] = []
        left = sorted(fresh)
        while left:
            oid = next(
                o for o in left if not any(p in left for p in self._repository.commit(o).parents)
            )
            left.remove(oid)
            done.append(oid)
        return done

    def _history(self, oid: str | None, push: Push) -> History:
        """Return the history up to a commit, along its first parents."""
        if oid is None or oid not in push.fresh:
            return self._published(push.old)  # also for a side that forked earlier
        parent = next(iter(self._repository.commit(oid).parents), None)
        files = self._repository.files
        history = self._history(parent, push)
        return history.after(files(parent), files(oid), oid, push.now)

    def _published(self, oid: str | None) -> History:
        """Return the history of the published branch up to a commit."""
        if oid not in self._histories:
            commit = self._repository.commit(str(oid))
            parent = next(iter(commit.parents), None)
            files, before = self._repository.files, self._published(parent)
            time = self._arrived.get(commit.oid, commit.time)
            made = before.after(files(parent), files(oid), commit.oid, time)
            self._histories[oid] = made
        return self._histories[oid]

    def _commit(self, oid: str, push: Push) -> Iterator[str]:
        repository = self._repository
        commit, after = repository.commit(oid), repository.files(oid)
        parents: tuple[str | None, ...] = commit.parents or (None,)
        states = [repository.files(parent) for parent in parents]
        newest = max(repository.commit(one).time for one in repository.ancestors(oid))
        if not min(newest, push.now) - HOUR <= commit.time <= push.now + HOUR:  # 8.1
            yield "date"
        for parent, state in zip(parents, states, strict=True):
            before = state
            if len(parents) > 1:
                before = state.over(after, self._brought(commit, str(parent)))
            step = Step(commit, before, after, self._history(parent, push), push)
            yield from self._step(step)
        if oid in push.line:  # 2.6
            step = Step(commit, states[0], after, self._history(parents[0], push), push)
            if len(parents) > 1:
                yield from self._changed_by_merge(step)
            yield from self._mover.refusals(step)
        yield from self._faults(after, states, push.policy)

    def _brought(self, commit: Commit, parent: str) -> set[str]:
        """Return the paths that only other parents of a merge changed, and that are as there."""
        files = self._repository.files
        after, mine = files(commit.oid).paths, files(parent).paths
        found: set[str] = set()
        for other in commit.parents:
            theirs = files(other).paths
            found |= {
                path
                for path in {*mine, *after}
                if other != parent
                and mine.get(path) != after.get(path)
                and after.get(path) == theirs.get(path)
                and self._left_alone(parent, other, path)
                and not (path == "registry/policy.yaml" and self._changed(parent, other, path))
            }
        return found

    def _changed(self, mine: str, other: str, path: str) -> bool:
        """Tell whether a commit that only this side has changed a path: 9.2."""
        repository = self._repository
        return any(
            all(
                repository.files(oid).paths.get(path) != repository.files(parent).paths.get(path)
                for parent in repository.commit(oid).parents
            )
            for oid in repository.ancestors(mine) - repository.ancestors(other)
        )

    def _left_alone(self, mine: str, other: str, path: str) -> bool:
        """Tell whether a commit has a path as it was when it and another one parted."""

        def at(oid: str) -> object:
            return self._repository.files(oid).paths.get(path)

        bases = self._repository.bases(mine, other)
        counting = [
            base
            for base in bases
            if not any(
                at(base) != at(one)
                and self._left_alone(base, one, path)
                and not self._left_alone(one, base, path)
                for one in bases
            )
        ]
        return bool(counting) and all(at(base) == at(mine) for base in counting)

    def _step(self, step: Step) -> Iterator[str]:
        yield from self._files(step)
        demand = step.policy.guard.get("signed")
        if demand and "registry/policy.yaml" in step.changed:  # 9
            signer = self._keys.signer(step.commit, step.policy)
            if signer not in step.policy.members(demand["by"]):
                yield f"policy: changed by {signer}"
        for model in step.models:
            yield from self._model(step, model)
        yield from self._artifacts(step)

    def _files(self, step: Step) -> Iterator[str]:
        """Find documents that do not parse."""
        for path in step.changed:
            if path.endswith(".yaml") and path in step.after.paths:
                document = step.after.document(path)
                if document is None:
                    yield f"document: {path}"
                elif "/stages/" in path:
                    held = document.get("versions")
                    if not isinstance(held, list) or held != sorted(set(held)):
                        yield f"document: {path}"

    def _model(self, step: Step, model: str) -> Iterator[str]:
        before, after = step.before, step.after
        if before.is_there(model) and not after.is_there(model):
            yield from self._end(step, model)
            return
        yield from self._versions(step, model)
        tombstone = f"registry/{model}/deleted.yaml"
        was, now = before.paths.get(tombstone), after.paths.get(tombstone)
        if was and was != now and not (before.is_there(model) or after.is_there(model)):
            yield f"tombstone: {model}"

    def _end(self, step: Step, model: str) -> Iterator[str]:
        """Judge that a model is gone: deleted, or renamed."""
        note = step.after.document(f"registry/{model}/deleted.yaml")
        if note is None and step.named_back(model):
            return
        if note is None or step.after.of(model).keys() != {"deleted.yaml"}:
            yield f"removed: {model}"
            return
        new = note.get("renamed_to")
        if new is not None and step.before.is_there(new):
            yield f"removed: {model}"
        elif new is not None and not step.is_rename(model, new):
            yield f"rename: {model} to {new}"

    def _changed_by_merge(self, step: Step) -> Iterator[str]:
        """Judge the versions that the branch had before a merge: 3.1."""
        for model in step.models:
            if step.before.is_there(model) and step.after.is_there(model):
                found = self._versions(step, model)
                yield from (why for why in found if why.startswith("immutable"))

    def _versions(self, step: Step, model: str) -> Iterator[str]:
        """Judge the versions of a model that is there: their files, and their numbers."""
        before, after = step.before, step.after
        start = f"registry/{model}/versions/"
        touched = {path.split("/")[3] for path in step.changed if path.startswith(start)}
        known = before.numbers(model) | before.numbers(model, "deleted.yaml")
        last = max(step.history.life(model).highest, *known, 0)
        for number in sorted(int(name) for name in touched):
            folder = f"{start}{number}/"
            was, now = before.inside(folder), after.inside(folder)
            changed = sorted(name for name in {*was, *now} if was.get(name) != now.get(name))
            if "deleted.yaml" in was or "manifest.yaml" in was:
                yield from self._registered(step, folder, was, now, changed)
            elif {"manifest.yaml", "deleted.yaml"} & set(now):
                skips = number > last + 1 and not step.renamed_from(model)
                if number <= last or skips:  # 3.4
                    yield f"number: {model}@{number} after {last}"
                last = max(last, number)
            if "manifest.yaml" in now:
                if {"manifest.yaml", "model.bin.dvc"} & set(changed):
                    yield from self._manifest(step, model, number)
            elif "deleted.yaml" not in now and any(file in now for file in changed):
                yield f"missing manifest: {model}@{number}"

    def _registered(
        self,
        step: Step,
        folder: str,
        was: Mapping[str, str],
        now: Mapping[str, str],
        changed: Sequence[str],
    ) -> Iterator[str]:
        """Judge the files of a version that was registered, or deleted, before: 3.1 to 3.3."""
        if "deleted.yaml" in was:
            yield from (f"immutable: {folder}{file}" for file in changed if file in TOMB)
            return
        is_deleted = "deleted.yaml" in now and "manifest.yaml" not in now
        for file in changed:
            if file == "annotations.yaml" or file.startswith("approvals/"):
                if "manifest.yaml" in now and self._is_forgotten(step, folder + file, changed):
                    yield f"immutable: {folder}{file}"
            elif not is_deleted or (file in now and file != "deleted.yaml"):
                yield f"immutable: {folder}{file}"

    def _is_forgotten(self, step: Step, path: str, changed: Sequence[str]) -> bool:
        """Tell whether an approval is gone, or a withdrawal taken back: 3.3."""
        was, now = (files.document(path) for files in (step.before, step.after))
        if path.endswith(".off"):
            return was is not None and (now is None or now["withdrawn"] < was["withdrawn"])
        counts = f"{path.removesuffix('.sig')}.off"
        is_counted = any(counts.endswith(f"/{file}") for file in changed)
        is_gone = path.endswith(".sig") and path not in step.after.paths
        is_told = counts in step.after.paths and (is_counted or len(step.commit.parents) > 1)
        return is_gone and not is_told

    def _manifest(self, step: Step, model: str, number: int) -> Iterator[str]:
        folder = f"registry/{model}/versions/{number}"
        manifest = step.after.manifest(model, number)
        pointer = step.after.document(f"{folder}/model.bin.dvc")
        artifact = manifest.get("artifact") or {}
        if (manifest.get("model"), manifest.get("version")) != (model, number):
            yield f"manifest: {folder}"
        if pointer is None or pointer["outs"][0]["size"] != artifact.get("size"):
            yield f"bytes: {folder}"

    def _artifacts(self, step: Step) -> Iterator[str]:
        """Judge the entries of dvc.yaml."""
        was, now = (
            (files.document("dvc.yaml") or {}).get("artifacts") or {}
            for files in (step.before, step.after)
        )
        for model in sorted({*was, *now} | step.before.names() | step.after.names()):
            numbers = step.after.numbers(model)
            if numbers == step.before.numbers(model) and was.get(model) == now.get(model):
                continue
            path = (now.get(model) or {}).get("path")
            newest = max(numbers, default=None)
            if path != (newest and f"registry/{model}/versions/{newest}/model.bin"):
                yield f"dvc.yaml: {model}"

    def _faults(self, after: Files, parents: list[Files], policy: Policy) -> Iterator[str]:
        """Find faults of a state that no parent has."""
        for model in sorted(after.names()):
            if any(parent.of(model) == after.of(model) for parent in parents):
                continue
            known = {fault for parent in parents for fault in self._standing(parent, policy, model)}
            yield from sorted(set(self._standing(after, policy, model)) - known)

    def _standing(self, files: Files, policy: Policy, model: str) -> Iterator[str]:
        stages, there = files.stages(model), files.numbers(model)
        rules = policy.of(model).stages
        for stage, held in stages.items():
            limit = rules.get(stage, {}).get("holds", "any")
            if limit != "any" and len(held) > limit and not rules[stage].get("crowded", True):
                yield f"crowded: {model}/{stage} {held}"
            for number in held:
                if number not in there:
                    yield f"dangling: {model}/{stage} {number}"
                if sum(number in other for other in stages.values()) > 1:
                    yield f"two stages: {model}@{number}"
        for alias, held in files.pointers(model, "aliases").items():
            if held[0] not in there:
                yield f"dangling: {model}@{alias} {held[0]}"
        if "deleted.yaml" in files.of(model) and len(files.of(model)) > 1:
            yield f"half deleted: {model}"
