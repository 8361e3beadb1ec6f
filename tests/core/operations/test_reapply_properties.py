"""Whatever two sides do, what is done again leaves a valid registry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from gitreg.core.model.names import parse_reference
from gitreg.core.operations.annotate import Annotation, annotate
from gitreg.core.state.state import RegistryState
from gitreg.errors import InvalidRequest, NotFound, Refused
from tests.core.operations.rebase import Rebase, base, fork
from tests.support.fakes import FakeBranch

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
        except (InvalidRequest, NotFound, Refused):
            continue
        except AssertionError as error:
            if not str(error).startswith("nothing changes"):
                raise


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


@settings(max_examples=120, deadline=None)
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


@settings(max_examples=60, deadline=None)
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
