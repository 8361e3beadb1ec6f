"""Bisection against brute force: every order of good, bad and untestable versions."""

from __future__ import annotations

from math import ceil, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitreg.core.state.bisection import Bisection, Effort, Verdict, verdict_of

histories = st.integers(1, 40).flatmap(
    lambda count: st.tuples(
        st.integers(0, count),
        st.lists(st.booleans(), min_size=count, max_size=count),
        st.lists(st.booleans(), min_size=count, max_size=count),
    )
)
"""Where the bad ones begin, which cannot be tested, and which of those is known in advance."""


def search(turn: int, skips: list[bool], known: list[bool]) -> tuple[Bisection, list[int]]:
    """Return the end of a bisection, and what it tested in that order."""

    def verdict(place: int) -> Verdict:
        if skips[place]:
            return "skipped"
        return "good" if place < turn else "bad"

    at_once = [skip and told for skip, told in zip(skips, known, strict=True)]
    now = Bisection(tuple("skipped" if skip else None for skip in at_once))
    tested: list[int] = []
    while (place := now.next) is not None:
        assert now.verdicts[place] is None
        tested.append(place)
        now = now.tested(place, verdict(place))
    return now, tested


@given(histories)
def test_it_finds_what_testing_everything_finds(
    history: tuple[int, list[bool], list[bool]],
) -> None:
    turn, skips, known = history
    found, tested = search(turn, skips, known)
    testable = [place for place, skip in enumerate(skips) if not skip]
    good = [place for place in testable if place < turn]
    bad = [place for place in testable if place >= turn]
    if good and bad:
        assert (found.last_good, found.first_bad) == (good[-1], bad[0])
        assert found.hidden == tuple(range(good[-1] + 1, bad[0]))
    elif testable:
        # Nothing to find: the end that is not what it should be shows it.
        shown = (testable[-1], None) if good else (None, testable[0])
        assert (found.last_good, found.first_bad) == shown
        assert found.hidden == ()
    assert len(tested) == len(set(tested))


@given(histories)
def test_it_tests_no_more_than_it_promised(history: tuple[int, list[bool], list[bool]]) -> None:
    turn, skips, _ = history
    _, tested = search(turn, skips, known=[True] * len(skips))
    left = skips.count(False)
    start = Bisection(tuple("skipped" if skip else None for skip in skips))
    promised = start.worst([Effort(1, 1, 1)] * len(skips))
    assert len(tested) <= promised.runs == promised.size == promised.download
    assert promised.runs == (min(left, 2) if left < 3 else 2 + ceil(log2(left - 1)))


@given(histories, st.data())
def test_the_bytes_that_it_promises_are_those_of_the_worst_case(
    history: tuple[int, list[bool], list[bool]], data: st.DataObject
) -> None:
    _, skips, _ = history
    sizes = data.draw(st.lists(st.integers(0, 9), min_size=len(skips), max_size=len(skips)))
    start = Bisection(tuple("skipped" if skip else None for skip in skips))
    runs = [search(turn, skips, known=[True] * len(skips))[1] for turn in range(len(skips) + 1)]
    promised = start.worst([Effort(1, size, 0) for size in sizes])
    assert promised.size == max(sum(sizes[place] for place in tested) for tested in runs)
    assert promised.download == 0


@given(histories, st.integers(0, 10))
def test_it_goes_on_where_it_was_interrupted(
    history: tuple[int, list[bool], list[bool]], done: int
) -> None:
    turn, skips, known = history
    whole, tested = search(turn, skips, known)
    part = Bisection(
        tuple(
            verdict if place in tested[:done] or place not in tested else None
            for place, verdict in enumerate(whole.verdicts)
        )
    )
    assert part.next == (tested[done] if done < len(tested) else None)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        *((0, "good"), (1, "bad"), (124, "bad"), (125, "skipped"), (126, "bad"), (127, "bad")),
        *((128, None), (130, None), (255, None), (-2, None), (-11, None)),
    ],
)
def test_an_exit_status_means_what_it_means_to_git(status: int, verdict: str | None) -> None:
    assert verdict_of(status) == verdict
