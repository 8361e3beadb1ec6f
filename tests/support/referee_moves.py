"""How the referee judges moves of pointers: sections 4 to 7 of docs/reference/rules.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from tests.support.plain_registry import (
    HOUR,
    NONE,
    Commit,
    Files,
    Held,
    History,
    Keys,
    Move,
    Policy,
    Repository,
    moves_between,
)

TAKES_BACK = ('Revert "', "This reverts commit ", "roll back ", "Gitreg-Action: rollback")


@dataclass(frozen=True)
class Push:
    """What is the same for all commits of a push: section 2.

    Attributes:
        old: the old tip.
        fresh: the commits that are judged.
        line: the new tip and its first parents, down to the old tip.
        policy: the rules.
        now: the moment.
        root: the first commit of the branch.
    """

    old: str | None
    fresh: set[str]
    line: set[str]
    policy: Policy
    now: int
    root: str


@dataclass(frozen=True)
class Step:
    """A commit beside one of its parents, and what it is judged by."""

    commit: Commit
    before: Files
    after: Files
    history: History
    push: Push
    maker: Commit | None = None

    @property
    def made_by(self) -> Commit:
        """The commit whose author, message and signature count."""
        return self.maker or self.commit

    @property
    def policy(self) -> Policy:
        return self.push.policy

    @property
    def moment(self) -> int:
        return self.push.now

    @property
    def changed(self) -> set[str]:
        one, two = self.before.paths, self.after.paths
        return {path for path in {*one, *two} if one.get(path) != two.get(path)}

    def is_restored(self, model: str) -> bool:
        """Tell whether a model is back as it was before the latest end of its name: 4.3."""
        return self.history.is_restored(model, self.before, self.after)

    @property
    def models(self) -> list[str]:
        names = self.before.names() | self.after.names()
        return sorted(name for name in names if self.before.of(name) != self.after.of(name))

    def named_back(self, model: str) -> str | None:
        """Return the name that a model has again after a step, where that takes a rename back."""
        for old in self.models:
            note = self.before.document(f"registry/{old}/deleted.yaml") or {}
            if note.get("renamed_to") == model and self.is_restored(old):
                return old if self.is_rename(model, old) else None
        return None

    def back_from(self, model: str) -> str | None:
        """Return the other name of a model, where a step takes a rename back."""
        note = self.before.document(f"registry/{model}/deleted.yaml") or {}
        new = note.get("renamed_to")
        return new if new is not None and self.named_back(new) == model else None

    def is_rename(self, old: str, new: str) -> bool:
        may_differ = ("stages/", "aliases/", "model.yaml")
        one, two = (
            {
                path: self._without_name(files.read(f"registry/{name}/{path}") or b"", name)
                for path in files.of(name)
                if not path.startswith(may_differ)
                and not path.endswith(("annotations.yaml", ".sig"))
                and path != "deleted.yaml"
            }
            for files, name in ((self.before, old), (self.after, new))
        )
        return one == two and self.after.is_there(new)

    @staticmethod
    def _without_name(data: bytes, name: str) -> bytes:
        return data.replace(f"\nmodel: {name}\n".encode(), b"\nmodel: NAME\n", 1)

    def renamed_from(self, model: str) -> str | None:
        """Return the old name of a model that a step gives its name."""
        for old in self.models:
            note = self.after.document(f"registry/{old}/deleted.yaml") or {}
            is_named = note.get("renamed_to") == model and self.before.is_there(old)
            if is_named and not self.before.is_there(model) and self.is_rename(old, model):
                return old
        return None


class Moves:
    """Judges what commits of the line move."""

    def __init__(self, repository: Repository, keys: Keys) -> None:
        self._repository = repository
        self._keys = keys

    def refusals(self, step: Step) -> Iterator[str]:
        for model in step.models:
            rules = step.policy.of(model)
            was, now = step.before.stages(model), step.after.stages(model)
            aliases = [files.pointers(model, "aliases") for files in (step.before, step.after)]
            old = step.renamed_from(model)
            is_known = model in step.history.pointed
            if old is not None and (is_known or not rules.same(step.policy.of(old))):
                old = None
            old = old or step.back_from(model)
            if old is not None:
                was = step.before.stages(old)
                aliases[0] = step.before.pointers(old, "aliases")
            for move in moves_between(was, now):
                wrong = [*self._move(step, model, rules, move, was, now)]
                if wrong and self._may_override(step, rules, move, step.commit):
                    continue
                maker = self._maker(step, model, move) if wrong else None
                if maker is not None:
                    made = replace(step, maker=maker)
                    wrong = [*self._move(made, model, rules, move, was, now)]
                    if self._may_override(step, rules, move, maker):
                        continue
                for why in wrong:
                    yield f"move {model}@{move.version} to {move.stage}: {why}"
            yield from self._aliases(rules, was, now, aliases[0], aliases[1])

    def _maker(self, step: Step, model: str, move: Move) -> Commit | None:
        """Return the commit of a merged side that made a move of a merge."""
        repository = self._repository
        branch, *sides = (*step.commit.parents, "")[:-1] or ("",)
        stage = move.stage if move.stage != NONE else move.came_from
        life = step.history.life(model)
        since = {one for one in (life.last.get(stage), life.began) if one is not None}
        held = step.before.stages(model).get(stage)
        for side in sides:
            made = []
            oid: str | None = side
            while oid is not None and oid not in repository.ancestors(branch):
                commit = repository.commit(oid)
                parent = next(iter(commit.parents), None)
                was, now = (repository.files(one).stages(model) for one in (parent, oid))
                if was.get(stage) != now.get(stage):
                    made.append((commit, was, now))
                oid = parent
            if len(made) == 1:
                commit, was, now = made[0]
                if not since <= repository.ancestors(commit.oid):
                    continue
                if was.get(stage) == held and move in moves_between(was, now):
                    return commit
        return None

    def _move(
        self,
        step: Step,
        model: str,
        rules: Policy,
        move: Move,
        was: Mapping[str, Held],
        now: Mapping[str, Held],
    ) -> Iterator[str]:
        touched = [stage for stage in (move.stage, move.came_from) if stage in rules.stages]
        if any(rules.stages[stage].get("signed") for stage in touched):
            signer = self._keys.signer(step.made_by, step.policy)
            for stage in touched:
                demand = rules.stages[stage].get("signed")
                if demand and signer not in rules.members(demand["by"]):
                    yield f"signed by {signer}"
        before = was.get(move.stage, ())
        is_way_out = self._is_way_out(rules, move)
        is_back = step.is_restored(model) and not step.back_from(model)
        if is_back or step.named_back(model):
            return
        stage = move.came_from if is_way_out else move.stage
        returns = step.history.life(model).was_held(stage, now.get(stage, ()))
        said = step.commit.message + step.made_by.message
        if returns and any(words in said for words in TAKES_BACK):
            return
        if self._is_frozen(step, rules, touched):
            yield "frozen"
        if not is_way_out:
            yield from self._entry(step, model, rules, move, before)

    @staticmethod
    def _is_frozen(step: Step, rules: Policy, stages: Sequence[str]) -> bool:
        """Tell whether stages are frozen when the push arrives, or at the commit's own date."""
        return any(rules.is_frozen(stages, when) for when in (step.moment, step.commit.time))

    def _may_override(self, step: Step, rules: Policy, move: Move, commit: Commit) -> bool:
        """Tell whether a commit overrides what a move is refused for: 5.9."""
        if not re.search(r"^Gitreg-Override: \S", commit.message, re.MULTILINE):
            return False
        touched = [stage for stage in (move.stage, move.came_from) if stage in rules.stages]
        signer = self._keys.signer(commit, step.policy)
        is_signed = any(rules.stages[stage].get("signed") for stage in touched)
        who = signer if signer or is_signed else commit.email
        asked = touched[-1:] if self._is_way_out(rules, move) else touched[:1]
        for stage in touched[1:]:
            demand = rules.stages[stage].get("signed")
            is_refused = demand and signer not in rules.members(demand["by"])
            if is_refused or self._is_frozen(step, rules, [stage]):
                asked.append(stage)
        may = (rules.stages[stage].get("override") or {"by": []} for stage in asked)
        return bool(asked) and all(who in rules.members(one["by"]) for one in may)

    @staticmethod
    def _is_way_out(rules: Policy, move: Move) -> bool:
        leaves = rules.stages.get(move.came_from, {})
        return move.stage in (NONE, "archived") or leaves.get("replaced") == move.stage

    def _entry(
        self, step: Step, model: str, rules: Policy, move: Move, before: Held
    ) -> Iterator[str]:
        rule = rules.stages.get(move.stage)
        manifest = step.after.manifest(model, move.version)
        if rule is None or not manifest:
            return  # the faults of the state say so
        if rule.get("from") is not None and move.came_from not in rule["from"]:
            yield f"from {move.came_from}"
        for gate in rule.get("gates") or ():
            if "metric" in gate:
                value = (manifest.get("metrics") or {}).get(gate["metric"])
                if value is None or value < gate.get("at_least", value):
                    yield f"metric {value}"
            elif "soak" in gate:
                wanted = int(gate["soak"]["at_least"].removesuffix("h")) * HOUR
                stage = gate["soak"]["in"]
                since = step.history.life(model).entered.get((move.version, stage))
                held = step.before.stages(model).get(stage, ())
                if move.version not in held or since is None or step.moment - since < wanted:
                    yield f"soak since {since}"
        if rule.get("approvals"):
            people = self._approvers(step, model, move, before, manifest, rules)
            if len(people) < rule["approvals"]["count"]:
                yield f"approved by {sorted(people)}"

    def _approvers(
        self,
        step: Step,
        model: str,
        move: Move,
        before: Held,
        manifest: Mapping[str, Any],
        rules: Policy,
    ) -> set[str]:
        folder = f"registry/{model}/versions/{move.version}"
        text = self._approval(step, model, move, before)
        found = set()
        involved = {
            self._keys.signer(step.made_by, step.policy) or step.made_by.email,
            step.made_by.email,
            manifest["created_by"].partition("<")[2].rstrip(">"),
        }
        for who in rules.members(rules.stages[move.stage]["approvals"]["by"]) - involved:
            path = f"{folder}/approvals/{move.stage}.{who}"
            signature = step.after.read(f"{path}.sig")
            taken = step.after.document(f"{path}.off")
            mine = text + (f"withdrawn: {taken['withdrawn']}\n" if taken else "")
            if signature and self._keys.verify(
                mine.encode(), signature, "gitreg-approval", who, step.policy
            ):
                found.add(who)
        return found

    @staticmethod
    def _approval(step: Step, model: str, move: Move, before: Held) -> str:
        """Return the text that an approval of a move signs: 7.2."""
        folder = f"registry/{model}/versions/{move.version}"
        manifest, pointer = (
            sha256(step.after.read(f"{folder}/{file}") or b"").hexdigest()
            for file in ("manifest.yaml", "model.bin.dvc")
        )
        life = step.history.life(model)
        return (
            f"gitreg-approval 2\nrepository: {step.push.root}\nmodel: {model}\n"
            f"life: {life.began or 'first'}\nversion: {move.version}\n"
            f"manifest: {manifest}\ndvc: {pointer}\nstage: {move.stage}\n"
            f"replaces: {', '.join(str(n) for n in before if n != move.version) or 'none'}\n"
            f"moved: {life.last.get(move.stage, 'never')}\n"
        )

    @staticmethod
    def _aliases(
        rules: Policy,
        was: Mapping[str, Held],
        now: Mapping[str, Held],
        before: Mapping[str, Held],
        after: Mapping[str, Held],
    ) -> Iterator[str]:
        entered: dict[str, set[int]] = {}
        for move in moves_between(was, now):
            if move.stage != NONE:
                entered.setdefault(move.stage, set()).add(move.version)
        for stage, numbers in entered.items():
            for alias in rules.stages.get(stage, {}).get("aliases") or ():
                if not set(after.get(alias, ())) & numbers:
                    yield f"alias {alias} does not move along"
        for alias in {*before, *after}:
            if before.get(alias) == after.get(alias) or not rules.protected(alias):
                continue
            stages = [s for s, rule in rules.stages.items() if alias in (rule.get("aliases") or ())]
            target = after.get(alias)
            if target is None:
                is_right = bool(stages) and not any(now.get(stage) for stage in stages)
            else:
                is_right = any(
                    target[0] in entered.get(stage, ()) or now.get(stage) == target
                    for stage in stages
                )
            if not is_right:
                yield f"alias {alias} is protected"
