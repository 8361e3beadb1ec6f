"""A sample of the crashes that ``make crash`` tries at every point: see `tests.support.crash`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import isolate
from tests.support.crash import shim
from tests.support.crash.commands import COMMANDS, Command
from tests.support.crash.shim import Mode
from tests.support.crash.trial import Bench, Result, Then

_WHY_NOT = shim.unavailable()
pytestmark = pytest.mark.skipif(_WHY_NOT is not None, reason=str(_WHY_NOT))

# Where most happens: early, in the transfer, at the commit point, while the clone follows.
KILLED = (0.05, 0.4, 0.7, 0.82, 0.93)
KILLED_BRIEFLY = (0.4, 0.85)
IN_FULL = ("register-push", "promote-push")
FAILED = ({Mode.NO_SPACE: (0.75,)}, {Mode.BROKEN: (0.85,)})  # the commands in turn
NET = {Mode.REFUSED: (1.0,), Mode.CUT: (0.5,)}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("crash")
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, folder)
        opened = Bench(folder, shim.build(tmp_path_factory.mktemp("shim")))
        yield opened
        opened.close()


def _sample(command: Command) -> Iterator[tuple[Mode, float]]:
    killed = KILLED if command.name in IN_FULL else KILLED_BRIEFLY
    failed = FAILED[COMMANDS.index(command) % len(FAILED)]
    wanted: dict[Mode, tuple[float, ...]] = {Mode.KILL: killed, **failed, **NET}
    if command.served:
        wanted = dict(NET)
    for mode in command.modes:
        for share in wanted.get(mode, ()):
            yield mode, share


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_next_run_converges(bench: Bench, command: Command) -> None:
    assert bench.knows(command)
    counts: dict[Mode, int] = {}
    for mode, share in _sample(command):
        if mode not in counts:
            counts[mode] = len(bench.points(command, mode))
        verdict = bench.crash(command, mode, max(1, round(share * counts[mode])))
        assert verdict.result is not Result.FAILED, str(verdict)


# Between index and files, before and after the branch moves, and after the remote accepted.
GOES_ON = (
    ("promote", Then.PLAIN_GIT, (0.66, 0.72, 0.85)),
    ("promote", Then.COLLEAGUE, (0.72,)),
    ("promote", Then.POWER_CUT, (0.72, 0.9)),
    ("promote-push", Then.PLAIN_GIT, (0.85,)),
    ("promote-push", Then.POWER_CUT, (0.85,)),
)


@pytest.mark.parametrize(("name", "then", "shares"), GOES_ON)
def test_people_go_on_before_the_next_run(
    bench: Bench, name: str, then: Then, shares: tuple[float, ...]
) -> None:
    command = next(command for command in COMMANDS if command.name == name)
    count = len(bench.points(command, Mode.KILL))
    for share in shares:
        verdict = bench.crash(command, Mode.KILL, round(share * count), then)
        assert verdict.result is not Result.FAILED, str(verdict)


@pytest.mark.parametrize("name", ["promote-push", "tags-sync"])
@pytest.mark.parametrize(("state", "signal"), [("prepared", "TERM"), ("committed", "KILL")])
def test_an_acknowledgement_that_is_lost(bench: Bench, name: str, state: str, signal: str) -> None:
    """Whether the remote's branch moved nobody said: the same run finds out."""
    command = next(command for command in COMMANDS if command.name == name)
    verdict = bench.lose_acknowledgement(command, state, signal)
    assert verdict.result is Result.RECOVERED, str(verdict)


def test_points_are_counted_in_every_process(bench: Bench) -> None:
    """gitreg, the Git that it starts, and the Git on the other side."""
    command = next(command for command in COMMANDS if command.name == "promote-push")
    calls = bench.points(command, Mode.KILL)
    assert {call.split(":")[0] for call in calls} >= {"python", "git"}
    assert sum("/origin.git/./refs/heads/main" in call for call in calls) > 1
    assert len(calls) > 100
