"""A watcher that is killed at any step: every move is delivered, in order, one at most twice."""

from __future__ import annotations

import os
import shutil
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

MOVES = 50
EVERY = 61
"""At each how manieth step it is killed."""

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
    count = 0
    moment = 0
    repeated = 0
    while moment <= count:
        place = tmp_path / "place"
        place.mkdir()
        at = moment or NEVER
        with shim.controlled(tmp_path / "control", place, Mode.KILL, at) as control:
            ran = server.run(argv, place, tmp_path / "home", tmp_path / "control")
            assert control.is_hit == (moment > 0), ran
            count = count or control.count
        if moment:
            assert ran.code != 0
            ran = server.run(argv, place, tmp_path / "home")
        assert ran.code == 0, ran
        told = (place / "told").read_text().split()
        assert [one for one, _ in groupby(told)] == expected, (moment, told)
        assert len(told) <= len(expected) + 1
        repeated += len(told) > len(expected)
        shutil.rmtree(place)
        moment += 1 if moment == 0 else EVERY
    assert count > 8 * MOVES
    assert repeated  # some kill was between a delivery and its note
