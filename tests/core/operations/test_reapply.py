"""An operation done again on another tip: the same where it holds, else refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitreg.core.model import layout
from gitreg.core.model.names import parse_reference
from gitreg.core.operations.annotate import Annotation, annotate
from gitreg.core.operations.promote import promote
from gitreg.core.operations.reapply import Numbers, is_told_in_full, reapply
from gitreg.core.operations.recorded import Recorded
from gitreg.core.operations.register import register
from gitreg.core.policy import Policy, StageRule, write_policy
from gitreg.core.state.change import Change, Edit, parse_message
from gitreg.core.state.history import FileChange, was_among
from gitreg.core.state.state import RegistryState
from gitreg.errors import GitregError, InvalidDocument, InvalidRequest, NotFound, Refused
from tests.support.fakes import FakeBranch, branch_with, promotion, registration, trailers


def fork(branch: FakeBranch) -> FakeBranch:
    """Return a branch of somebody else that starts where ``branch`` is."""
    other = FakeBranch(branch.snapshot.files)
    other.commits = list(branch.commits)
    other.tags = list(branch.tags)
    other._tagged = dict(branch._tagged)
    other._moves = dict(branch._moves)
    return other


def recorded(branch: FakeBranch, number: int = -1) -> Recorded:
    info, changes = branch.commits[number]
    return Recorded(info.oid, info.message, tuple(changes))


def again(
    onto: FakeBranch,
    done: Recorded,
    numbers: Numbers,
    above: Callable[[str], int],
) -> tuple[Change, dict[tuple[str, int], int]]:
    """Do an operation again, as Ada; whatever was approved is approved there, too."""

    def was_in(model: str, version: int, stage: str) -> bool:
        return was_among(onto.moves_of(model, f"stages/{stage}"), version)

    return reapply(onto.state, done, numbers, above, lambda *_: True, onto.mover, was_in)


class Rebase:
    """The unpublished commits of one branch, done again on another, as `gitreg push` does."""

    def __init__(self, onto: FakeBranch) -> None:
        self.onto = onto
        self.numbers: dict[tuple[str, int], int | None] = {}
        self.left: list[str] = []

    def highest(self, model: str) -> int:
        return max(self.onto.state.numbers(model), default=0)

    def one(self, done: Recorded) -> str | None:
        """Do one again; return its new subject, ``None`` when nothing is left to do."""
        change, new = again(self.onto, done, self.numbers, self.highest)
        self.numbers |= new
        if change.edits:
            self.onto.commit(change)
        return change.subject if change.edits else None

    def all(self, branch: FakeBranch, start: int) -> None:
        for number in range(start, len(branch.commits)):
            done = recorded(branch, number)
            try:
                self.one(done)
            except GitregError as error:
                self.left.append(str(error))
                self.numbers |= dict.fromkeys(done.registered)


def base() -> FakeBranch:
    """Return churn@1 (archived), churn@2 (production, champion), churn@3 (staging), fraud@1."""
    branch = branch_with({"auc": 0.7}, {"auc": 0.8}, {"auc": 0.9})
    branch.register("fraud")
    branch.promote("churn@1")
    branch.promote("churn@2", aliases=("champion",))
    branch.promote("churn@3", to="staging")
    return branch


# Registrations


def test_a_registration_takes_the_next_free_number() -> None:
    ours = base()
    theirs = fork(ours)
    theirs.register(auc=0.5)
    ours.register(auc=0.95)
    ours.promote("churn@4", aliases=("best",))
    done = Rebase(theirs)
    assert done.one(recorded(ours, -2)) == "register churn@5"
    assert done.one(recorded(ours, -1)) == "promote churn@5 to production"
    assert done.numbers == {("churn", 4): 5}
    assert theirs.holds("production") == (5,)
    assert theirs.names("best") == 5
    assert theirs.state.manifest("churn", 5).metrics == {"auc": 0.95}
    assert theirs.state.manifest("churn", 4).metrics == {"auc": 0.5}
    assert theirs.snapshot.read("dvc.yaml") is not None
    assert b"versions/5/model.pkl" in (theirs.snapshot.read("dvc.yaml") or b"")


def test_everything_that_was_said_of_a_version_goes_along() -> None:
    ours = base()
    theirs = fork(ours)
    theirs.register()
    request = registration("churn", {"auc": 0.99})
    request = replace(
        request,
        requirements=b"numpy==2\n",
        description="the fourth",
        tags={"team": "growth"},
        params={"lr": 0.1},
    )
    ours.commit(register(ours.state, request))
    Rebase(theirs).one(recorded(ours))
    found = theirs.state.version("churn", 5)
    assert (found.description, found.tags, found.params) == (
        "the fourth",
        {"team": "growth"},
        {"lr": 0.1},
    )
    assert theirs.state.requirements("churn", 5) == ["numpy==2"]
    assert (found.created_at, found.created_by) == (request.created_at, request.created_by)


def test_a_number_of_the_past_is_not_taken() -> None:
    """History knows of a registration that was taken back."""
    ours = base()
    theirs = fork(ours)
    ours.register()
    change, new = again(theirs, recorded(ours), {}, lambda _: 7)
    assert change.subject == "register churn@8"
    assert new == {("churn", 4): 8}


def test_several_births_in_one_commit_keep_their_order() -> None:
    """Sorted by path, version 10 comes before 9."""
    ours = branch_with(*({"auc": number / 10} for number in range(8)))
    theirs = fork(ours)
    start = ours.snapshot
    ours.register(auc=0.91)
    ours.register(auc=0.92)
    squashed = ours.squashed(start, "two at once")
    Rebase(theirs).one(recorded(squashed))
    assert theirs.state.manifest("churn", 9).metrics == {"auc": 0.91}
    assert theirs.state.manifest("churn", 10).metrics == {"auc": 0.92}
    assert theirs.snapshot.files == ours.snapshot.files


def test_a_name_that_differs_by_case_alone_is_refused() -> None:
    ours = base()
    theirs = fork(ours)
    theirs.register("Tokens")
    ours.register("tokens")
    with pytest.raises(InvalidRequest, match="only by case"):
        Rebase(theirs).one(recorded(ours))


def test_subject_evidence_and_trailers_are_renamed_together() -> None:
    ours = branch_with({"auc": 0.5})
    theirs = fork(ours)
    for auc in (0.1, 0.2):
        theirs.register(auc=auc)
    ours.register(auc=0.6)
    ours.register(auc=0.7)
    ours.promote("churn@2")
    ours.promote("churn@3")
    done = Rebase(theirs)
    for number in range(-4, 0):
        done.one(recorded(ours, number))
    message = theirs.commits[-1][0].message
    assert message.startswith("promote churn@5 to production\n")
    assert "  auc 0.7, was 0.6 (churn@4)\n" in message
    assert "Gitreg-Version: 5\n" in message
    assert "Gitreg-Replaces: 4\n" in message


def test_a_model_whose_name_ends_like_another_is_not_renamed() -> None:
    ours = branch_with({}, model="churn")
    ours.register("my churn")
    theirs = fork(ours)
    theirs.register("churn")
    ours.register("churn")
    ours.register("my churn")
    ours.promote("my churn@2")
    done = Rebase(theirs)
    for number in (-3, -2):
        done.one(recorded(ours, number))
    assert done.one(recorded(ours)) == "promote my churn@2 to production"


def test_both_models_in_one_subject() -> None:
    ours = branch_with({}, model="churn")
    ours.register("my churn")
    theirs = fork(ours)
    theirs.register("churn")
    ours.register("churn")
    ours.promote("churn@2", "my churn@1", to="staging")
    done = Rebase(theirs)
    done.one(recorded(ours, -2))
    assert done.one(recorded(ours)) == "promote churn@3, my churn@1 to staging"
    assert trailers_of(theirs) == ["3", "1"]


def trailers_of(branch: FakeBranch) -> list[str]:
    return trailers(parse_message(branch.commits[-1][0].message), "Version")


def test_a_version_of_a_commit_that_is_left_is_not_mistaken_for_theirs() -> None:
    ours = base()
    theirs = fork(ours)
    theirs.register(auc=0.1)
    ours.register(auc=0.99)
    ours.promote("churn@4")
    with pytest.raises(Refused, match="churn@4 is of a commit that is left"):
        again(theirs, recorded(ours), {("churn", 4): None}, lambda _: 4)


# Pointers


def test_a_pointer_that_others_moved_is_refused() -> None:
    ours = base()
    theirs = fork(ours)
    theirs.promote("churn@1")
    ours.promote("churn@3")
    with pytest.raises(Refused, match="churn stages/production has been moved"):
        Rebase(theirs).one(recorded(ours))


def test_others_may_move_other_pointers_and_fill_stages_without_bounds() -> None:
    ours = base()
    ours.register()
    theirs = fork(ours)
    theirs.promote("churn@4", to="staging")
    theirs.alias("churn@1", "shadow")
    ours.promote("churn@1", to="staging")
    assert Rebase(theirs).one(recorded(ours)) == "promote churn@1 to staging"
    assert theirs.holds("staging") == (1, 3, 4)
    assert theirs.holds("archived") == ()


@pytest.mark.parametrize(
    ("ours_to", "theirs_to", "told"),
    [
        ("none", "archived", "put into archived"),
        ("production", "none", "taken out of its stage"),
        ("archived", "none", "taken out of its stage"),
    ],
)
def test_a_version_that_others_put_elsewhere(ours_to: str, theirs_to: str, told: str) -> None:
    """Staging holds any number: its file agrees, and where the version went must be asked."""
    ours = base()
    theirs = fork(ours)
    theirs.promote("churn@3", to=theirs_to)
    ours.promote("churn@3", to=ours_to)
    before = theirs.snapshot
    with pytest.raises(Refused, match=told):
        Rebase(theirs).one(recorded(ours))
    assert theirs.snapshot is before


@pytest.mark.parametrize("to", ["production", "archived", "none"])
def test_the_very_same_is_nothing_to_do(to: str) -> None:
    ours = base()
    theirs = fork(ours)
    for branch in (ours, theirs):
        branch.promote("churn@3", to=to)
    assert Rebase(theirs).one(recorded(ours)) is None


def test_what_goes_beyond_the_very_same_is_done() -> None:
    ours = base()
    theirs = fork(ours)
    theirs.promote("churn@3")
    ours.promote("churn@3", aliases=("best",))
    Rebase(theirs).one(recorded(ours))
    assert (theirs.holds("production"), theirs.names("best")) == ((3,), 3)


def test_aliases() -> None:
    ours = base()
    theirs = fork(ours)
    theirs.alias("churn@1", "champion")
    ours.alias("churn@3", "champion")
    with pytest.raises(Refused, match="aliases/champion has been moved"):
        Rebase(theirs).one(recorded(ours))
    ours.alias("churn@3", "fresh")
    Rebase(theirs).one(recorded(ours))
    assert theirs.names("fresh") == 3
    ours.unalias("churn", "fresh")
    Rebase(theirs).one(recorded(ours))
    assert theirs.names("fresh") is None


def test_a_version_that_others_deleted() -> None:
    ours = base()
    theirs = fork(ours)
    theirs.delete("churn@1", "leaked")
    ours.alias("churn@1", "old")
    with pytest.raises(NotFound, match="was deleted by Ada Lovelace"):
        Rebase(theirs).one(recorded(ours))


def test_a_stage_that_the_policy_has_no_more() -> None:
    ours = base()
    theirs = fork(ours)
    theirs.write({layout.POLICY: write_policy(Policy({"production": StageRule(1)}))})
    ours.promote("churn@2", to="staging")
    with pytest.raises(NotFound, match="no stage 'staging'"):
        Rebase(theirs).one(recorded(ours))


# Annotations and deletions


def test_annotations() -> None:
    ours = base()
    theirs = fork(ours)
    theirs.register()
    ours.register()
    for name in ("churn@4", "churn"):
        request = Annotation(parse_reference(name), f"about {name}", None, {}, ())
        ours.commit(annotate(ours.state, request))
    done = Rebase(theirs)
    for number in (-3, -2, -1):
        done.one(recorded(ours, number))
    assert theirs.state.annotations("churn", 5).description == "about churn@4"
    assert theirs.state.annotations("churn", 4).description is None
    assert theirs.state.model_annotations("churn").description == "about churn"
    assert done.one(recorded(ours)) is None  # the very same
    other = Annotation(parse_reference("churn"), "something else", None, {}, ())
    theirs.commit(annotate(theirs.state, other))
    with pytest.raises(Refused, match=r"model\.yaml has been changed by somebody else"):
        done.one(recorded(ours))


def test_deletions() -> None:
    ours = base()
    theirs = fork(ours)
    ours.delete("churn@1", "leaked")
    Rebase(theirs).one(recorded(ours))
    assert theirs.state.versions("churn") == [2, 3]
    assert theirs.snapshot.files == ours.snapshot.files
    again = base()
    again.alias("churn@1", "still-used")
    with pytest.raises(Refused, match="named by @still-used"):
        Rebase(again).one(recorded(ours))


# Commits by hand


def test_a_commit_by_hand_of_pointers_is_an_operation() -> None:
    ours = base()
    theirs = fork(ours)
    files = {
        layout.stage_path("churn", "production"): b"versions: [3]\n",
        layout.stage_path("churn", "staging"): None,
    }
    ours.write(files, "hand over\n\nWe agreed.")
    done = recorded(ours)
    assert done.is_operation
    assert Rebase(theirs).one(done) == "hand over"
    assert theirs.holds("production") == (3,)
    assert theirs.commits[-1][0].message == "hand over\n\nWe agreed.\n"


V4 = "registry/churn/versions/4"


@pytest.mark.parametrize(
    "files",
    [
        {"train.py": b"pass\n"},
        {layout.POLICY: b"format: 1\n"},
        {layout.stage_path("churn", "staging"): None, "train.py": b"pass\n"},
        {"registry/churn/versions/2/requirements.txt": b"x\n"},
        {"registry/churn/versions/2/manifest.yaml": b"x: 1\n"},
        {"registry/churn/versions/2/manifest.yaml": None},
        {"registry/churn/notes.txt": b"x"},
        {"dvc.yaml": b"stages: {}\n"},
        {f"{V4}/manifest.yaml": b"x", f"{V4}/NOTES.md": b"mine"},
        {f"{V4}/manifest.yaml": b"x", f"{V4}/deleted.yaml": b"x"},
        {"registry/churn/versions/2/deleted.yaml": b"x", f"{V4}/approvals/a.sig": b"x"},
    ],
    ids=lambda files: "+".join(path.rpartition("/")[2] for path in files),
)
def test_what_is_no_operation(files: dict[str, bytes | None]) -> None:
    branch = base()
    branch.write(files)
    assert not recorded(branch).is_operation


def test_a_registration_with_more_in_dvc_yaml_is_not_told_in_full() -> None:
    """A squash of a registration and of the user's own stage in ``dvc.yaml``."""
    ours = base()
    start, parent = ours.snapshot, ours.state
    ours.register()
    plain = ours.squashed(start, "squash")
    assert is_told_in_full(parent, recorded(plain))
    ours.write({"dvc.yaml": (ours.snapshot.read("dvc.yaml") or b"") + b"stages: {}\n"})
    more = ours.squashed(start, "squash")
    assert recorded(more).is_operation
    assert not is_told_in_full(parent, recorded(more))
    ours.promote("churn@3")
    assert is_told_in_full(parent, recorded(ours))  # does not touch it


def test_a_revert_says_what_it_reverts() -> None:
    ours = base()
    theirs = fork(ours)
    ours.promote("churn@3")
    ours.git_revert(ours.tip)
    done = Rebase(theirs)
    done.one(recorded(ours, -2))
    change, _ = again(theirs, recorded(ours), done.numbers, done.highest)
    assert change.reverts == ours.commits[-2][0].oid
    assert change.subject == 'Revert "promote churn@3 to production"'
    assert f"This reverts commit {change.reverts}." in change.message()
    theirs.commit(change)
    assert theirs.holds("production") == (2,)


def test_reason_and_operation_id_go_along() -> None:
    ours = base()
    theirs = fork(ours)
    theirs.register()
    change = promote(ours.state, promotion("churn@3"), ours.mover)
    told = replace(change, reason="Better.\n\nMuch better.").with_trailer("Gitreg-Op", "abc-1")
    ours.commit(told)
    Rebase(theirs).one(recorded(ours))
    assert theirs.commits[-1][0].message == told.message()


# Hostile content


HOSTILE = [
    b"",
    b"\xff\xfe",
    b"versions: {",
    b"version: &a 1",
    b"versions: [1, 1]\n",
    b"versions: [-1]\n",
    b"versions: [99999999999999999999]\n",
    b"version: true\n",
    b"version: .nan\n",
    b"a: 1\na: 2\n",
    b"[" * 5000,
    b"x: " + b"y" * 70000,
    b"!!python/object:os.system x\n",
    b"versions: [" + b"1," * 3000 + b"]\n",
    b"version: 1e999\n",
    b"\0",
    b"? [a]\n: b\n",
]


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize(
    "path",
    [
        layout.stage_path("churn", "production"),
        layout.alias_path("churn", "champion"),
        f"{V4}/manifest.yaml",
        "registry/churn/model.yaml",
        "registry/churn/versions/2/annotations.yaml",
        "registry/churn/versions/1/deleted.yaml",
    ],
    ids=lambda path: path.rpartition("/")[2],
)
def test_hostile_content_is_one_clear_error(path: str, content: bytes) -> None:
    branch = base()
    theirs = fork(branch)
    done = Recorded("0" * 40, "by hand", (FileChange(path, branch.snapshot.read(path), content),))
    if done.is_operation:
        with pytest.raises(GitregError):
            Rebase(theirs).one(done)
    is_told_in_full(branch.state, done)


@pytest.mark.parametrize("number", ["²", "٣", "0", "-1", "9" * 5000, "1_0", " 4", ""])
def test_hostile_trailers_are_words(number: str) -> None:
    branch = base()
    theirs = fork(branch)
    message = f"x\n\nGitreg-Model: churn\nGitreg-Version: {number}\nGitreg-Replaces: {number}\n"
    branch.by_hand(message, [Edit(layout.alias_path("churn", "a"), b"version: 1\n")])
    assert Rebase(theirs).one(recorded(branch)) == "x"


@pytest.mark.parametrize("message", ["", "\n", "churn@4\n\n\n\n", "a\nb\n\nc", "\N{BOM}x"])
def test_any_message(message: str) -> None:
    branch = base()
    theirs = fork(branch)
    branch.by_hand(message, [Edit(layout.alias_path("churn", "a"), b"version: 1\n")])
    Rebase(theirs).one(recorded(branch))
    assert theirs.names("a") == 1


def test_a_broken_document_beside_a_registration() -> None:
    branch = base()
    theirs = fork(branch)
    branch.register()
    good = recorded(branch)
    for place, spoiled in good.places:
        files = [
            FileChange(f.path, f.before, b"{" if f is spoiled else f.after) for f in good.files
        ]
        broken = Recorded(good.commit, good.message, tuple(files))
        if broken.is_operation and place.kind != "other":
            with pytest.raises(InvalidDocument):
                Rebase(theirs).one(broken)


# Properties

MODELS = ("churn", "fraud")
STAGES = ("staging", "production", "archived", "none")
STEP = st.one_of(
    st.tuples(st.just("register"), st.sampled_from(MODELS), st.just(0), st.just("")),
    st.tuples(
        st.just("promote"), st.sampled_from(MODELS), st.integers(1, 6), st.sampled_from(STAGES)
    ),
    st.tuples(
        st.just("alias"),
        st.sampled_from(MODELS),
        st.integers(1, 6),
        st.sampled_from(("champion", "best")),
    ),
    st.tuples(
        st.just("unalias"),
        st.sampled_from(MODELS),
        st.just(0),
        st.sampled_from(("champion", "best")),
    ),
    st.tuples(st.just("delete"), st.sampled_from(MODELS), st.integers(1, 6), st.just("")),
    st.tuples(
        st.just("annotate"),
        st.sampled_from(MODELS),
        st.integers(0, 6),
        st.sampled_from(("good", "bad")),
    ),
)
Step = tuple[str, str, int, str]


def run(branch: FakeBranch, steps: Sequence[Step]) -> None:
    """Do the steps that are possible and change something."""
    for kind, model, number, word in steps:
        try:
            if kind == "register":
                branch.register(model, auc=number / 10)
            elif kind == "promote":
                branch.promote(f"{model}@{number}", to=word)
            elif kind == "alias":
                branch.alias(f"{model}@{number}", word)
            elif kind == "unalias":
                branch.unalias(model, word)
            elif kind == "delete":
                branch.delete(f"{model}@{number}")
            else:
                name = f"{model}@{number}" if number else model
                request = Annotation(parse_reference(name), word, None, {}, ())
                branch.commit(annotate(branch.state, request))
        except (GitregError, AssertionError):
            continue


def check_valid(state: RegistryState) -> None:
    for model in state.model_names():
        there = set(state.versions(model))
        held = Counter(v for versions in state.stages(model).values() for v in versions)
        assert set(held) <= there
        assert all(count == 1 for count in held.values())
        assert set(state.aliases(model).values()) <= there
        assert len(state.stage(model, "production")) <= 1
        for number in there:
            assert state.version(model, number).version == number


@settings(max_examples=200, deadline=None)
@given(st.lists(STEP, max_size=6), st.lists(STEP, max_size=6))
def test_whatever_both_sides_did_the_registry_is_valid(
    local: list[Step], remote: list[Step]
) -> None:
    ours = base()
    theirs = fork(ours)
    start = len(ours.commits)
    run(ours, local)
    run(theirs, remote)
    published = {
        (model, number)
        for model in theirs.state.model_names()
        for number in theirs.state.numbers(model)
    }
    before = {pair: theirs.state.has_version(*pair) for pair in published}
    done = Rebase(theirs)
    done.all(ours, start)
    check_valid(theirs.state)
    new = [(model, number) for (model, _), number in done.numbers.items() if number]
    assert len(set(new)) == len(new)
    assert not {pair for pair, there in before.items() if there} & set(new)
    for model in theirs.state.model_names():
        numbers = theirs.state.numbers(model)
        assert numbers == list(range(1, len(numbers) + 1))


@settings(max_examples=100, deadline=None)
@given(st.lists(STEP, max_size=10))
def test_on_an_unmoved_base_the_same_tree_comes_out(local: list[Step]) -> None:
    ours = base()
    theirs = fork(ours)
    start = len(ours.commits)
    run(ours, local)
    done = Rebase(theirs)
    done.all(ours, start)
    assert done.left == []
    assert theirs.snapshot.files == ours.snapshot.files
    assert [info.message for info, _ in theirs.commits] == [
        info.message for info, _ in ours.commits
    ]
