"""Nobody slips past: a random insider pushes at the hook, and a referee of its own judges, too."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from gitreg import Registry
from gitreg.core.operations.judging import GateRefused
from gitreg.core.state.change import Change
from tests.support.extent import extent
from tests.support.insider import (
    EXTRAS,
    METRIC,
    MODELS,
    PEOPLE,
    POLICY,
    SOAK,
    STAGES,
    Answer,
    Insider,
    folder,
    held,
    numbers,
    place,
    put,
    rules,
    version,
    with_artifacts,
)
from tests.support.objects import Written
from tests.support.referee import Referee
from tests.support.signers import make_key

CLOCK = 1_800_000_000
WORDS = (
    "by hand",
    "roll back churn\n\nGitreg-Action: rollback\nGitreg-Model: churn",
    'Revert "promote churn@2 to production"',
    "promote\n\nGitreg-Override: I may",
)
MORE = (False, False, False, True)
"""Whether another commit follows before the push."""

Act = Callable[..., None]


class Dice(random.Random):
    """Chances that do not depend on how Hypothesis spreads its own: few examples try much."""

    def flip(self) -> bool:
        return self.random() < 0.5


def action(*, times: int = 2, **choices: Sequence[object]) -> Callable[[Act], Act]:
    """Mark what an insider does, how often, and from what its arguments are chosen."""

    def mark(act: Act) -> Act:
        ACTS.extend([(act, choices)] * times)
        return act

    return mark


ACTS: list[tuple[Act, dict[str, Sequence[object]]]] = []


class Intruder(RuleBasedStateMachine):
    """Commits of every kind, pushed a few at a time; all judges have to agree."""

    base: Path
    keys: Path
    is_real = False

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(dir=self.base))
        self.insider = Insider(self.home, self.keys, None if self.is_real else CLOCK)
        self.referee = Referee(self.insider.server)
        self.is_forked = False  # until what follows is merged
        self.steps = 0
        self.forged: set[str] = set()  # commits of the branch with forged dates

    def teardown(self) -> None:
        self.insider.close()
        self.referee.close()
        shutil.rmtree(self.home)

    # Pushing

    def push(self, *, more: bool = False) -> bool:
        """Push what there is, unless more is to come; return whether it was accepted."""
        insider = self.insider
        old, new = insider.tip, insider.head
        if more or self.is_forked or new is None or new == old:
            return False
        refusals = self.referee.refusals(old, new, insider.clock)
        answer = insider.push(new) if self.is_real else insider.hook(old, new)
        assert answer.accepts == (not refusals), (answer.why, refusals)
        fresh = insider.objects.ancestors(new) - (insider.objects.ancestors(old) if old else set())
        self.forged = self.forged | (fresh & insider.misdated)
        if not self.forged and not any(why.startswith("branch") for why in refusals):
            self.check(old, new, answer)
        self.forged &= fresh if answer.accepts else set()
        if answer.accepts:
            self.referee.accept(old, new, insider.clock)
            insider.accept(new)
        else:
            insider.head = old
        insider.wait(600)
        return answer.accepts

    def check(self, old: str | None, new: str, answer: Answer) -> None:
        """Hold `gitreg check` against the hook; both go by honest dates here."""
        insider = self.insider
        if old is not None:
            found = insider.check(old, new)
            assert found.accepts == answer.accepts, (found.why, answer.why)
        policies = {insider.objects.files[one].get(POLICY) for one in insider.line(old, new)}
        if len(policies) == 1 and len(insider.known) % 4 == 0:  # it costs more than the rest
            found = insider.check(None, new)
            assert found.accepts == answer.accepts, (found.why, answer.why)

    def how(self, dice: Dice, message: str | None = None) -> Written:
        """Return how a commit is written: mostly honestly."""
        clock = self.insider.clock
        when = clock + dice.choice((0,) * 20 + (-3000, -7200, 7200))
        who = dice.choice(("mallory",) * 3 + ("grace",))
        key = dice.choice((None,) * 3 + ("grace", "mallory"))
        words = dice.choice(WORDS) if message is None else message
        return Written(when, words, f"{who}@example.com", self.keys / key if key else None)

    def versions(self, model: str) -> list[int]:
        return numbers(self.insider.files, model)

    @rule(seed=st.integers(0, 2**32 - 1))
    def act(self, seed: int) -> None:
        self.steps += 1
        dice = Dice(f"{seed} {self.steps}")
        act, choices = dice.choice(ACTS)
        act(self, dice=dice, **{name: dice.choice(among) for name, among in choices.items()})

    # By the rules, as gitreg would

    @initialize()
    def begin(self) -> None:
        insider = self.insider
        insider.commit({"registry/policy.yaml": rules(insider.public, [EXTRAS[0]])})
        for number in (1, 2, 3):
            files = insider.files | version("churn", number, 0.9, f"churn {number}")
            insider.commit(with_artifacts(files))
        insider.commit(with_artifacts(insider.files | version("toy", 1, 0.9, "toy 1")))
        assert self.push()
        for number in (1, 2):
            self.by_the_rules("churn", number)

    def by_the_rules(self, model: str, number: int) -> None:
        """Bring a version into production."""
        insider = self.insider
        reference = f"{model}@{number}"
        insider.by_gitreg(lambda r: r.promote(reference, stage="staging", dry_run=True).change)
        self.push()
        insider.wait(4 * 3600)
        for who in ("grace", "lin"):
            insider.approve(model, number, who)
        self.push()
        insider.by_gitreg(lambda r: r.promote(reference, stage="production", dry_run=True).change)
        self.push()

    @action(times=4, model=MODELS)
    def go_live(self, *, dice: Dice, model: str) -> None:
        if not self.is_forked and (found := self.versions(model)):
            self.by_the_rules(model, dice.choice(found))

    @action(model=MODELS, auc=(0.5, 0.9), more=MORE)
    def register(self, *, dice: Dice, model: str, auc: float, more: bool) -> None:
        files = self.insider.files
        number = max(numbers(files, model), default=0) + dice.choice((1, 1, 1, 2))
        files |= version(model, number, auc, f"{model} {number} {auc} {len(self.insider.known)}")
        self.insider.commit(with_artifacts(files), how=Written(self.insider.clock))
        self.push(more=more)

    @action(model=MODELS, stage=STAGES)
    def promote(self, *, dice: Dice, model: str, stage: str) -> None:
        """Promote; what gitreg refuses, the hook refuses when it is done by hand, and only that."""
        self.push()
        if self.is_forked or not (found := self.versions(model)):
            return
        number = dice.choice(found)
        before = self.insider.head
        error = self.insider.by_gitreg(
            lambda r: r.promote(f"{model}@{number}", stage=stage, dry_run=True).change
        )
        if isinstance(error, GateRefused):
            files = self.insider.files
            place(files, model, number, stage)
            self.insider.commit(files)
            assert not self.push()
        elif self.insider.head != before:
            assert self.push()

    @action(model=MODELS, more=MORE)
    def honestly(self, *, dice: Dice, model: str, more: bool) -> None:
        found = self.versions(model) or [1]
        reference = f"{model}@{dice.choice(found)}"
        stage = dice.choice(STAGES)
        other = dice.choice(MODELS)

        def rolled_back(registry: Registry) -> Change | None:
            return registry.rollback(model, dry_run=True)[0].change

        acts: dict[str, Callable[[Registry], Change | None]] = {
            "archive": lambda r: r.archive(reference, dry_run=True).change,
            "alias": lambda r: r.set_alias(reference, "challenger", dry_run=True).change,
            "delete": lambda r: r.delete(reference, reason="bad", dry_run=True).change,
            "force": lambda r: r.delete(reference, reason="bad", force=True, dry_run=True).change,
            "delete model": lambda r: r.delete_model(model, force=True, dry_run=True).change,
            "rename": lambda r: r.rename_model(model, other, dry_run=True).change,
            "rollback": rolled_back,
            "back to": lambda r: (
                r.rollback(model, to=int(reference.partition("@")[2]), dry_run=True)[0].change
            ),
            "annotate": lambda r: r.annotate(reference, description=stage, dry_run=True).change,
        }
        act = dice.choice((*acts, "rollback", "rename"))
        self.insider.by_gitreg(acts[act])
        self.push(more=more)

    @action(model=MODELS, who=PEOPLE, more=MORE)
    def approve(self, *, dice: Dice, model: str, who: str, more: bool) -> None:
        if found := self.versions(model):
            self.insider.approve(model, dice.choice(found), who)
            self.push(more=more)

    # By hand

    @action(model=MODELS, stage=STAGES, more=MORE)
    def move(self, *, dice: Dice, model: str, stage: str, more: bool) -> None:
        if found := self.versions(model):
            files = self.insider.files
            place(files, model, dice.choice(found), stage)
            self.insider.commit(files, how=self.how(dice))
            self.push(more=more)

    @action(times=2, model=MODELS, stage=STAGES, more=MORE)
    def point(self, *, dice: Dice, model: str, stage: str, more: bool) -> None:
        files = self.insider.files
        put(files, model, stage, dice.sample(range(1, 5), dice.randint(0, 2)))
        self.insider.commit(files, how=self.how(dice))
        self.push(more=more)

    @action(times=1, model=MODELS, number=range(1, 5), more=MORE)
    def alias(self, *, dice: Dice, model: str, number: int, more: bool) -> None:
        files = self.insider.files
        path = f"registry/{model}/aliases/{dice.choice(('champion', 'other'))}.yaml"
        if dice.flip():
            files.pop(path, None)
        else:
            files[path] = f"version: {number}\n".encode()
        self.insider.commit(files, how=self.how(dice))
        self.push(more=more)

    @action(more=MORE)
    def old_file(self, *, dice: Dice, more: bool) -> None:
        """Take a file out of history again, or away, such as an approval."""
        files = self.insider.files
        past = self.insider.objects.files[dice.choice(self.insider.known)]
        paths = sorted(p for p in {*past, *files} if past.get(p) != files.get(p))
        signed = [path for path in paths if "/approvals/" in path]
        if paths:
            path = dice.choice(signed or paths)
            files.pop(path, None)
            files |= {path: past[path]} if path in past else {}
            self.insider.commit(files, how=self.how(dice))
            self.push(more=more)

    @action(model=MODELS, more=MORE)
    def restore(self, *, dice: Dice, model: str, more: bool) -> None:
        """Take a model's folder out of history again."""
        past = self.insider.objects.files[dice.choice(self.insider.known)]
        files = self.insider.files
        kept = {p: d for p, d in files.items() if not p.startswith(f"registry/{model}/")}
        self.insider.commit(with_artifacts(kept | folder(past, model)), how=self.how(dice))
        self.push(more=more)

    @action(more=MORE)
    def revert(self, *, dice: Dice, more: bool) -> None:
        """Revert a commit, as Git would where nothing conflicts."""
        objects = self.insider.objects
        commit = dice.choice(self.insider.known[-6:])
        after = objects.files[commit]
        before = objects.files[objects.parents[commit][0]] if objects.parents[commit] else {}
        files = self.insider.files
        for path in {*before, *after}:
            if before.get(path) != after.get(path):
                files.pop(path, None)
                files |= {path: before[path]} if path in before else {}
        words = f'Revert "something"\n\nThis reverts commit {commit}.'
        self.insider.commit(with_artifacts(files), how=self.how(dice, words))
        self.push(more=more)

    @action(times=4, old=MODELS, new=MODELS, more=MORE)
    def rename(self, *, dice: Dice, old: str, new: str, more: bool) -> None:
        """Rename by hand, with all that the name had, over what the new name may have."""
        files = self.insider.files
        told = dice.flip()
        moved = {
            path.replace(f"registry/{old}/", f"registry/{new}/", 1): content.replace(
                f"model: {old}\n".encode(), f"model: {new}\n".encode()
            )
            for path, content in folder(files, old).items()
            if "/approvals/" not in path and not path.endswith(f"{old}/deleted.yaml")
        }
        kept = {p: d for p, d in files.items() if p.split("/")[1:2] not in ([old], [new])}
        if told:
            kept[f"registry/{old}/deleted.yaml"] = (
                "deleted_at: '2026-11-22T20:25:06Z'\ndeleted_by: Mallory <mallory@example.com>\n"
                f"renamed_to: {new}\n"
            ).encode()
        self.insider.commit(with_artifacts(kept | moved), how=self.how(dice))
        self.push(more=more)

    @action(times=1, model=MODELS, more=MORE)
    def tamper(self, *, dice: Dice, model: str, more: bool) -> None:
        files = self.insider.files
        inside = sorted(p for p in folder(files, model) if "/versions/" in p)
        if inside:
            path = dice.choice(inside)
            if dice.flip():
                del files[path]
            else:
                files[path] = files[path].replace(b"0.5", b"0.9") + b"# edited\n"
            self.insider.commit(files, how=self.how(dice))
            self.push(more=more)

    @action(more=MORE)
    def legislate(self, *, dice: Dice, more: bool) -> None:
        insider = self.insider
        extras = dice.sample(EXTRAS, dice.randint(0, 2))
        frozen = dice.choice((None, None, None, insider.clock))
        text = rules(
            insider.public,
            [extra for n, extra in enumerate(extras) if extra[:9] not in str(extras[:n])],
            gate=dice.choice((METRIC, METRIC, SOAK)),
            frozen=frozen,
            guarded=dice.randint(0, 4) == 0,
        )
        insider.commit(insider.files | {"registry/policy.yaml": text}, how=self.how(dice, "rules"))
        self.push(more=more)

    @action(model=MODELS, number=range(1, 5))
    def tag(self, *, dice: Dice, model: str, number: int) -> None:
        """Push, forge, move or delete the tag of a version, or invent one."""
        self.push()
        insider = self.insider
        if self.is_forked or insider.tip is None or self.is_real:
            return
        line = insider.line(None, insider.tip)
        if any(f"registry/{model}/deleted.yaml" in insider.objects.files[one] for one in line):
            return  # the tags of another life stay where they are
        name = f"{model}@v{number}.0.0"
        content = insider.implied_tags().get(name)
        target = dice.choice(line)
        forged = f"object {target}\ntype commit\ntag {name}\ntagger A <a@b> 0 +0000\n\n{name}\n"
        oids = [
            target,  # a light one
            insider.objects.write("tag", forged.encode()),
            *([] if content is None else [insider.objects.write("tag", content)] * 3),
        ]
        path = f"refs/tags/{dice.choice((name, name, name, f'{model}#staging#900'))}"
        file = insider.server / path
        old = file.read_text().strip() if file.exists() else None
        new = dice.choice((*oids, *([] if old is None else [None])))
        answer = insider.hook(old, new, path)
        refused = self.referee.refuses_tag(insider.tip, path.removeprefix("refs/tags/"), new)
        assert answer.accepts != refused, (answer.why, path, old, new)
        if answer.accepts and new is not None:
            file.parent.mkdir(exist_ok=True)
            file.write_text(f"{new}\n")

    # What an insider would really try

    @action(times=6, model=MODELS)
    def relive(self, *, dice: Dice, model: str) -> None:
        """Bring a version back, with approvals from any time."""
        self.push()
        found = self.versions(model)
        if self.is_forked or not found:
            return
        number, insider = dice.choice(found), self.insider
        files = insider.files
        place(files, model, number, "staging")
        insider.commit(files)
        self.push(more=dice.flip())
        files = insider.files
        start = f"registry/{model}/versions/{number}/approvals/"
        for past in (insider.objects.files[one] for one in reversed(insider.known)):
            old = {p: d for p, d in past.items() if p.startswith(start) and p.endswith(".sig")}
            if len(old) > 0 and dice.flip():
                files |= old
                break
        place(files, model, number, "production")
        insider.commit(files, how=self.how(dice))
        self.push()

    @action(times=6, model=MODELS)
    def take_back(self, *, dice: Dice, model: str) -> None:
        """Give a stage what it held some moves ago, and say that this is a rollback."""
        self.push()
        insider = self.insider
        if self.is_forked or insider.tip is None:
            return
        files = insider.files
        stage = dice.choice(("production", "production", "staging"))
        been: list[list[int]] = []
        for one in insider.line(None, insider.tip):
            there = held(insider.objects.files[one], model, stage)
            been += [there] if there not in (been[-1:] or [[]]) else []
        for number in dice.choice(been or [[]]):
            place(files, model, number, stage)
        words = dice.choice((*WORDS[1:3], WORDS[1], WORDS[0]))
        insider.commit(files, how=self.how(dice, words.replace("churn", model)))
        self.push()

    @action(times=8, model=(*MODELS, "churn"))
    def be_born_again(self, *, dice: Dice, model: str) -> None:
        """Delete or rename a model, and let the name come back as it was once, or nearly so."""
        self.push()
        insider, before = self.insider, self.insider.head
        if self.is_forked or not self.versions(model):
            return
        if dice.flip():
            insider.by_gitreg(lambda r: r.delete_model(model, force=True, dry_run=True).change)
        else:
            other = dice.choice(MODELS)
            insider.by_gitreg(lambda r: r.rename_model(model, other, dry_run=True).change)
        if insider.head == before:
            return
        self.push(more=dice.flip())
        line = insider.line(None, str(insider.head))
        past = insider.objects.files[dice.choice((line[-2], line[-2], *line))]
        files = insider.files
        kept = {p: d for p, d in files.items() if not p.startswith(f"registry/{model}/")}
        words = dice.choice((WORDS[0], WORDS[2]))
        back = folder(past, model)
        if dice.flip() and (there := numbers(back, model)):
            place(back, model, dice.choice(there), "production")
        insider.commit(with_artifacts(kept | back), how=self.how(dice, words))
        self.push(more=dice.flip())

    @action(times=6, model=MODELS, stage=STAGES)
    def bring_from_the_past(self, *, dice: Dice, model: str, stage: str) -> None:
        """Move a version on a branch that began earlier, and merge that."""
        self.push()
        insider = self.insider
        if self.is_forked or insider.tip is None:
            return
        line = insider.line(None, insider.tip)
        insider.head = dice.choice(line[-8:])
        number = dice.choice(self.versions(model) or [1])
        for _ in range(dice.randint(1, 2)):
            files = insider.files
            place(files, model, number, dice.choice((stage, "production")))
            insider.commit(files, how=self.how(dice))
        side, insider.head = insider.head, insider.tip
        files = insider.files
        theirs = insider.objects.files[side]
        pointers = {path for path in (*files, *theirs) if "/stages/" in path or "/aliases/" in path}
        for path in pointers:
            if path.startswith(f"registry/{model}/"):
                files.pop(path, None)
                files |= {path: theirs[path]} if path in theirs else {}
        insider.commit(files, side, how=self.how(dice, "Merge branch 'side'"))
        self.push()

    # Branches

    @action(times=1)
    def fork(self, *, dice: Dice) -> None:
        """Go on from an older commit; a merge may bring what follows."""
        self.push()
        self.insider.head = dice.choice(self.insider.known[-12:])
        self.is_forked = True

    @action(times=1)
    def rewind(self, *, dice: Dice) -> None:
        self.push()
        self.insider.head = dice.choice(self.insider.known[-12:])
        self.push()

    @action(more=MORE)
    def merge(self, *, dice: Dice, more: bool) -> None:
        """Merge some commit; each conflict goes to one of the sides."""
        insider, objects = self.insider, self.insider.objects
        if insider.tip is None:
            return
        other = dice.choice(insider.known[-12:])
        mine = insider.head or insider.tip
        if self.is_forked:  # merge it into what is published
            mine, other = insider.tip, mine
        self.is_forked, insider.head = False, mine
        if other in objects.ancestors(mine):
            return
        common = objects.ancestors(mine) & objects.ancestors(other)
        ancestor = objects.files[max(common, key=insider.known.index)] if common else {}
        ours, theirs = objects.files[mine], objects.files[other]
        evil = dice.choice((False, False, True))
        files = {}
        for path in sorted({*ours, *theirs, *ancestor}):
            base, one, two = (side.get(path) for side in (ancestor, ours, theirs))
            kept = two if one == base else one
            if one != two and (base not in (one, two) or (evil and dice.flip())):
                kept = dice.choice((one, two))
            if kept is not None:
                files[path] = kept
        first, second = (mine, other) if dice.randint(0, 9) else (other, mine)
        insider.commit(
            with_artifacts(files), second, first=first, how=self.how(dice, "Merge branch 'side'")
        )
        self.push(more=more)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    for who in PEOPLE:
        make_key(folder, who)
    return folder


def run(machine: type[Intruder], examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            derandomize=extent(sample=True, whole=False),
            phases=[Phase.generate],  # shrinking would take minutes
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_hook_and_referee_agree(tmp_path: Path, keys: Path) -> None:
    class Machine(Intruder):
        base = tmp_path

    Machine.keys = keys
    run(Machine, extent(6, 2000), extent(22, 50))


def test_hook_and_referee_agree_about_real_pushes(tmp_path: Path, keys: Path) -> None:
    class Machine(Intruder):
        base = tmp_path
        is_real = True

    Machine.keys = keys
    run(Machine, extent(1, 50), extent(6, 30))
