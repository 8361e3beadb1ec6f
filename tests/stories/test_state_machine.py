"""Random operations through `Registry` against a model of the registry in plain Python."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gitreg import Registry
from gitreg.errors import NotFound, Refused
from gitreg.publishing.outcome import Outcome
from tests.conftest import git
from tests.support.extent import extent

MODELS = ("churn", "tokenizer")
STAGES = ("staging", "production", "archived")
ALIASES = ("champion", "challenger")


@dataclass
class Pointers:
    """Where the pointers of one model stand: stage to versions, alias to version."""

    stages: dict[str, frozenset[int]] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)

    def copy(self) -> Pointers:
        return Pointers(dict(self.stages), dict(self.aliases))

    def place(self, version: int, stage: str | None) -> None:
        for name, held in self.stages.items():
            self.stages[name] = held - {version}
        if stage is not None:
            self.stages[stage] = self.stages.get(stage, frozenset()) | {version}

    def stage_of(self, version: int) -> str | None:
        return next((name for name, held in self.stages.items() if version in held), None)

    def named(self) -> dict[str, int | None]:
        """Return each pointer and the version that it names, in the order that tags are made."""
        found: dict[str, int | None] = {
            name: max(self.stages.get(name, ()), default=None)
            for name in ("production", "staging", "archived")
        }
        return found | {alias: self.aliases.get(alias) for alias in sorted(ALIASES)}


@dataclass
class Expected:
    """What a model of the registry should be: written without looking at gitreg's code."""

    pointers: Pointers = field(default_factory=Pointers)
    contents: dict[int, str] = field(default_factory=dict)  # versions that are there
    notes: dict[int, str] = field(default_factory=dict)
    highest: int = 0
    undo: list[tuple[frozenset[int], Pointers, Pointers]] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    standing: dict[str, list[int]] = field(default_factory=dict)  # to GTO: given, not taken back
    moves: int = 0
    events: int = 0

    def move(self, after: Pointers, *, standing: bool = True) -> None:
        """Take over new pointers, with the tags and events that they mean."""
        before, now = self.pointers.named(), after.named()
        for pointer in before:
            version = now[pointer]
            if before[pointer] == version:
                continue
            given = self.standing.setdefault(pointer, [])
            if version is None:
                for _ in given:
                    self.moves += 1
                    self.tags.append(f"#{pointer}!#{self.moves}")
                given.clear()
            else:
                self.moves += 1
                self.tags.append(f"#{pointer}#{self.moves}")
                given[:] = [*(other for other in given if other != version), version]
        self.events += sum(
            self.pointers.stages.get(stage, frozenset()) != after.stages.get(stage, frozenset())
            for stage in STAGES
        ) + sum(self.pointers.aliases.get(a) != after.aliases.get(a) for a in ALIASES)
        held = self.pointers.stages.get("production", frozenset())
        if standing and held != after.stages.get("production", frozenset()):
            self.undo.append((held, self.pointers, after))
        self.pointers = after


class RegistryMachine(RuleBasedStateMachine):
    """One repository, one open `Registry`, and what it should say."""

    base: Path
    finish: Callable[[Path], None]

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(dir=self.base))
        self.folder = self.home / "work"
        Registry.init(self.folder)
        self.registry = Registry(self.folder)
        self.models: dict[str, Expected] = {}
        self.commits = 1

    def teardown(self) -> None:
        self.registry.close()
        if self.models:
            type(self).finish(self.folder)
        shutil.rmtree(self.home)

    def wrote(self, outcome: Outcome, model: str) -> None:
        """Take a commit down; its tags must be those that were expected last."""
        self.commits += outcome.commit is not None
        assert outcome.is_unchanged == (outcome.commit is None)
        expected = self.models[model].tags
        assert [f"{model}{tag}" for tag in expected[len(expected) - len(outcome.tags) :]] == list(
            outcome.tags
        )

    def alive(self) -> list[str]:
        """Return the models that have a version left."""
        return sorted(name for name, found in self.models.items() if found.contents)

    def pick(self, data: st.DataObject) -> tuple[str, Expected, int]:
        model = data.draw(st.sampled_from(self.alive()))
        expected = self.models[model]
        return model, expected, data.draw(st.sampled_from(sorted(expected.contents)))

    # Rules

    @rule(model=st.sampled_from(MODELS), content=st.text("abc", max_size=3), tracked=st.booleans())
    def register(self, *, model: str, content: str, tracked: bool) -> None:
        source = self.folder / "models" / "tiny.bin"
        source.parent.mkdir(exist_ok=True)
        source.write_text(content)
        pointer = source.with_name("tiny.bin.dvc")
        pointer.unlink(missing_ok=True)
        if tracked:
            md5 = hashlib.md5(content.encode()).hexdigest()
            pointer.write_text(
                f"outs:\n- md5: {md5}\n  size: {len(content)}\n  hash: md5\n  path: tiny.bin\n"
            )
        outcome = self.registry.register(model, source, metrics={"auc": len(content) / 10})
        expected = self.models.setdefault(model, Expected())
        expected.highest += 1
        expected.contents[expected.highest] = content
        expected.events += 1
        expected.tags.append(f"@v{expected.highest}.0.0")
        self.wrote(outcome, model)

    @precondition(lambda self: self.alive())
    @rule(
        data=st.data(),
        stage=st.sampled_from((*STAGES, "production", "none")),
        alias=st.sampled_from((*ALIASES, None)),
        keep=st.booleans(),
    )
    def promote(self, *, data: st.DataObject, stage: str, alias: str | None, keep: bool) -> None:
        model, _, version = self.pick(data)
        self.put(model, version, stage, alias, keep=keep)

    def put(
        self, model: str, version: int, stage: str, alias: str | None, *, keep: bool = False
    ) -> None:
        expected = self.models[model]
        after = expected.pointers.copy()
        after.place(version, None if stage == "none" else stage)
        if alias:
            after.aliases[alias] = version
        if stage == "production" and not keep:
            for other in after.stages["production"] - {version}:
                after.place(other, "archived")
        expected.move(after)
        self.wrote(
            self.registry.promote(
                f"{model}@{version}",
                stage=stage,
                alias=alias or (),
                keep_existing=keep,
                force=True,
            ),
            model,
        )

    @initialize()
    def start_with_two_in_production(self) -> None:
        for version in (1, 2):
            self.register(model="churn", content="a" * version, tracked=False)
            self.put("churn", version, "production", "champion")

    @precondition(lambda self: self.alive())
    @rule(data=st.data())
    def archive(self, data: st.DataObject) -> None:
        model, expected, version = self.pick(data)
        after = expected.pointers.copy()
        after.place(version, "archived")
        expected.move(after)
        self.wrote(self.registry.archive(f"{model}@{version}"), model)

    @precondition(lambda self: self.alive())
    @rule(data=st.data(), alias=st.sampled_from(ALIASES))
    def set_alias(self, data: st.DataObject, alias: str) -> None:
        model, expected, version = self.pick(data)
        after = expected.pointers.copy()
        after.aliases[alias] = version
        expected.move(after)
        self.wrote(self.registry.set_alias(f"{model}@{version}", alias), model)

    @rule(model=st.sampled_from(MODELS), alias=st.sampled_from(ALIASES))
    def delete_alias(self, model: str, alias: str) -> None:
        expected = self.models.get(model)
        if expected is None or alias not in expected.pointers.aliases:
            with pytest.raises(NotFound):
                self.registry.delete_alias(model, alias)
            return
        after = expected.pointers.copy()
        del after.aliases[alias]
        expected.move(after)
        self.wrote(self.registry.delete_alias(model, alias), model)

    @precondition(lambda self: self.models)
    @rule(data=st.data())
    def rollback(self, data: st.DataObject) -> None:
        model = data.draw(st.sampled_from(sorted(self.models)))
        expected = self.models[model]
        after, undo = expected.pointers.copy(), list(expected.undo)
        current = after.stages.get("production", frozenset())
        undone = []
        while undo:
            undone.append(undo.pop())
            if undone[-1][0]:
                break
        if not undone or not undone[-1][0] or not undone[-1][0] <= expected.contents.keys():
            with pytest.raises(Refused):
                self.registry.rollback(model)
            return
        target = undone[-1][0]
        for _, then, since in undone:
            for alias in ALIASES:
                was, became = then.aliases.get(alias), since.aliases.get(alias)
                if was == became or after.aliases.get(alias) != became:
                    continue
                if was is None:
                    del after.aliases[alias]
                elif was in expected.contents:
                    after.aliases[alias] = was
        for version in current - target:
            after.place(version, "archived")
        for version in target:
            after.place(version, "production")
        expected.undo = undo
        expected.move(after, standing=False)
        outcome, plan = self.registry.rollback(model)
        self.wrote(outcome, model)
        assert {v.version for v in plan.restored} == target - current
        assert {v.version for v in plan.withdrawn} == current - target

    @precondition(lambda self: self.alive())
    @rule(data=st.data(), text=st.sampled_from(("good", "bad: yes", "", "ü\n- x")))
    def annotate(self, data: st.DataObject, text: str) -> None:
        model, expected, version = self.pick(data)
        outcome = self.registry.annotate(f"{model}@{version}", description=text)
        expected.events += expected.notes.get(version, "") != text
        expected.notes[version] = text
        self.wrote(outcome, model)

    @precondition(lambda self: self.alive())
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        model, expected, version = self.pick(data)
        pointers = expected.pointers
        if pointers.stage_of(version) in ("staging", "production") or version in (
            pointers.aliases.values()
        ):
            with pytest.raises(Refused):
                self.registry.delete(f"{model}@{version}")
            return
        after = pointers.copy()
        after.place(version, None)
        expected.move(after)
        expected.moves += 1
        expected.tags.append(f"@v{version}.0.0!#{expected.moves}")
        expected.events += 1
        del expected.contents[version]
        expected.notes.pop(version, None)
        self.wrote(self.registry.delete(f"{model}@{version}", reason="bad"), model)

    # What holds after each

    @invariant()
    def it_says_what_the_model_says(self) -> None:
        listed = {model.name: model for model in self.registry.models()}
        assert sorted(listed) == sorted(self.models)
        for name, expected in self.models.items():
            stages = {
                s: tuple(sorted(held)) for s, held in expected.pointers.stages.items() if held
            }
            assert listed[name].stages == stages
            assert listed[name].aliases == expected.pointers.aliases
            assert listed[name].latest == max(expected.contents, default=None)
            for stage, held in stages.items():
                assert self.registry.resolve(name=name, stage=stage).version == held[-1]
            for alias, version in expected.pointers.aliases.items():
                assert self.registry.resolve(f"{name}@{alias}").version == version
            versions = self.registry.versions(name)
            assert [v.version for v in versions] == sorted(expected.contents, reverse=True)
            for found in versions:
                assert found.artifact.size == len(expected.contents[found.version])
                assert (found.description or "") == expected.notes.get(found.version, "")
                assert found.stage == expected.pointers.stage_of(found.version)
            assert len(self.registry.log(name)) == expected.events
        wanted = {f"{name}{tag}" for name, found in self.models.items() for tag in found.tags}
        assert set(git(self.folder, "tag").split()) == wanted
        assert git(self.folder, "rev-list", "--count", "HEAD") == str(self.commits)


def check_afterwards(folder: Path) -> None:
    """After a run: Git is sound, and everything derived can be made again, here and elsewhere."""
    assert git(folder, "fsck", "--strict", "--no-dangling") == ""
    assert git(folder, "status", "--porcelain", "--untracked-files=no") == ""
    tags = git(folder, "for-each-ref", "refs/tags")
    with Registry(folder) as registry:
        events = registry.log()
        assert [f for f in registry.doctor() if f.severity != "note"] == []
        assert [findings for _, findings in registry.verify() if findings] == []
    for path in (folder / ".git" / "gitreg").glob("history.sqlite*"):
        path.unlink()
    with Registry(folder) as registry:
        assert registry.log() == events
        assert registry.sync_tags().made == ()
    clone = folder.parent / "clone"
    git(folder.parent, "clone", "--quiet", "--no-tags", "work", "clone")
    with Registry(clone) as registry:
        assert registry.log() == events
        report = registry.sync_tags()
        assert len(report.made) == tags.count("\n") + 1
    assert git(clone, "for-each-ref", "refs/tags") == tags  # the same objects


def test_random_operations(tmp_path: Path) -> None:
    class Machine(RegistryMachine):
        base = tmp_path
        finish = staticmethod(check_afterwards)

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=extent(6, 500),
            stateful_step_count=extent(25, 60),
            deadline=None,
            database=None,
            derandomize=extent(sample=True, whole=False),
            phases=[Phase.generate],  # a step takes 50 ms: shrinking would take minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
