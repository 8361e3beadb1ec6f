"""A watcher that is killed at any step: every move is delivered, in order, one at most twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from gitreg import Registry
from tests.conftest import isolate
from tests.support.crash import shim
from tests.support.crash.server import Server
from tests.support.crash.shim import NEVER, Mode
from tests.support.extent import extent

_WHY_NOT = shim.unavailable()
pytestmark = pytest.mark.skipif(_WHY_NOT is not None, reason=str(_WHY_NOT))

MOVES = extent(3, 50)

_TELL = 'echo "$GITREG_PREVIOUS>$GITREG_VERSION" >> told'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("home"))
        made = Server(shim.build(tmp_path_factory.mktemp("shim")), os.environ)
        yield made
        made.close()


def test_a_kill_at_any_step_loses_no_move(server: Server, stocked: Path, tmp_path: Path) -> None:
    expected = [">2"]
    with Registry(stocked) as registry:
        for number in range(MOVES - 1):
            registry.promote(f"churn@{3 - 2 * (number % 2)}", stage="production")
            expected.append(f"{expected[-1][-1]}>{3 - 2 * (number % 2)}")
        before = "HEAD~" + str(MOVES)
        registry.log()
    argv = ["watch", "churn/production", "--repo", str(stocked), "--once", "--each"]
    argv += ["--from", before, "--state", "state.json", "--", "sh", "-c", _TELL]
    expected[0] = "1>2"

    def run(moment: int) -> tuple[list[str], list[str]]:
        """Kill it at a step, and let it go on; return what it told, and its steps."""
        place = tmp_path / f"at-{moment}"
        place.mkdir()
        control = tmp_path / "control"
        with shim.controlled(control, place, Mode.KILL, moment) as told:
            ran = server.run(argv, place, tmp_path / "home", control)
            assert told.is_hit == (moment != NEVER), ran
            steps = [told.call(number) for number in range(1, told.count + 1)]
        assert (ran.code == 0) == (moment == NEVER), ran
        if ran.code:
            ran = server.run(argv, place, tmp_path / "home")
            assert ran.code == 0, ran
        return (place / "told").read_text().split(), steps

    told, steps = run(NEVER)
    assert told == expected
    tells = [number for number, step in enumerate(steps, start=1) if step.endswith("write /told")]
    assert len(tells) == MOVES
    every = range(1, len(steps) + 1)
    # From one command to the next one is every kind of step.
    chosen = extent(range(tells[0], tells[1] + 1), every)
    repeated = 0
    for moment in chosen:
        told, _ = run(moment)
        assert [one for one, _ in groupby(told)] == expected, (moment, steps[moment - 1], told)
        assert len(told) <= len(expected) + 1
        repeated += len(told) > len(expected)
    assert repeated  # some kill was between a delivery and its note
