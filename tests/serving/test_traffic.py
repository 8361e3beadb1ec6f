"""Requests to several live models: shares, what cannot serve, the shadow, the record."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from gitreg.errors import NotFound
from gitreg.serving.predictions import Prediction, PredictionLog
from gitreg.serving.traffic import Traffic
from tests.serving.fakes import FakeLive

SHARES = {"@champion": 0.9, "@challenger": 0.1}
ON_CHALLENGER = "customer 15"


def _lives(**models: Any) -> dict[str, FakeLive]:
    given = {"champion": "five", "challenger": "six", **models}
    return {
        f"@{name}": FakeLive(f"churn@{name}", 5 + number, model)
        for number, (name, model) in enumerate(given.items())
    }


def _model(current: Any) -> Any:
    return current.model


def test_a_key_stays_with_its_version() -> None:
    with Traffic(SHARES, _lives()) as traffic:
        for _ in range(3):
            answer = traffic.answer(_model, key=ON_CHALLENGER, request="id-1")
            assert (answer.value, answer.version.version) == ("six", 6)
            assert answer.request_id == "id-1"
        counts = Counter(traffic.answer(_model, key=n).value for n in range(1000))
        with traffic.use(ON_CHALLENGER) as current:
            assert current.model == "six"
        with traffic.use_main() as current:
            assert current.model == "five"
        status = traffic.status()
    assert 60 < counts["six"] < 140
    assert status["@champion"].answered == counts["five"]
    assert status["@challenger"].answered == counts["six"] + 3


def test_the_router_may_make_the_key_of_a_request() -> None:
    with Traffic(SHARES, _lives(), key=lambda request: request["customer"]) as traffic:
        assert traffic.answer(_model, key={"customer": ON_CHALLENGER}).value == "six"
        assert traffic.answer(_model, key={"customer": "customer 14"}).value == "five"


def test_a_version_may_be_named() -> None:
    with Traffic(SHARES, _lives()) as traffic:
        assert traffic.answer(_model, key="customer 14", version=6).value == "six"
        with pytest.raises(NotFound, match="version 7 is not served now"):
            traffic.answer(_model, version=7)


def test_the_champion_serves_for_what_cannot_and_it_is_tried_again() -> None:
    lives = _lives(challenger=None)
    with Traffic(SHARES, lives, again=0.01) as traffic:
        assert traffic.answer(_model, key=ON_CHALLENGER).value == "five"
        told = traffic.status()["@challenger"]
        assert (told.served_by, told.problem) == ("@champion", "NotFound")
        assert told.elsewhere == 1
        assert [one.version for one in traffic.served()] == [5]
        lives["@challenger"].model = "six"
        _until(lambda: len(traffic.served()) == 2)
        assert traffic.answer(_model, key=ON_CHALLENGER).value == "six"
        assert traffic.status()["@challenger"].problem is None
    assert [one.started for one in lives.values()] == [0, 0]


def test_an_alias_that_is_deleted_gives_its_share_back() -> None:
    lives = _lives()
    with Traffic(SHARES, lives) as traffic:
        lives["@challenger"].is_gone = lives["@champion"].is_gone = True
        answer = traffic.answer(_model, key=ON_CHALLENGER)
        assert answer.value == "five", "the champion serves on, as a live model does"
        assert traffic.status()["@challenger"].served_by == "@champion"
        lives["@challenger"].is_gone = False
        assert traffic.answer(_model, key=ON_CHALLENGER).value == "six"


def test_without_a_champion_nothing_starts() -> None:
    lives = _lives(champion=None)
    traffic = Traffic(SHARES, lives)
    with pytest.raises(NotFound, match="no alias churn@champion"):
        traffic.start()
    assert not traffic.is_serving
    assert [one.started for one in lives.values()] == [0, 0]


def _until(holds: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(6000):
        if holds():
            return
        waiting.wait(0.01)
    raise AssertionError("it never came")


class Log:
    def __init__(self) -> None:
        self.lines: list[Prediction] = []
        self.log = PredictionLog(self.lines.append, answers=True)


def test_a_shadow_answers_for_the_record_alone() -> None:
    kept = Log()
    lives = _lives(candidate="seven")
    traffic = Traffic(SHARES, lives, shadow="@candidate", predictions=kept.log)
    with traffic:
        assert traffic.answer(_model, key="customer 14", request="id-1").value == "five"
        assert traffic.answer(_model, key=ON_CHALLENGER, request="id-2").value == "six"
    found = {(one.request_id, one.version, one.shadow, one.answer) for one in kept.lines}
    assert found == {
        ("id-1", 5, False, "five"),
        ("id-1", 7, True, "seven"),
        ("id-2", 6, False, "six"),
        ("id-2", 7, True, "seven"),
    }
    shadow = next(one for one in kept.lines if one.shadow)
    assert (shadow.reference, shadow.model, shadow.commit) == (
        "churn@candidate",
        "churn",
        "4b" * 20,
    )


def test_a_shadow_that_fails_reaches_no_caller() -> None:
    kept = Log()

    def fails_on_seven(current: Any) -> Any:
        if current.model == "seven":
            raise SystemExit
        return current.model

    lives = _lives(candidate="seven")
    with Traffic({"@champion": 1}, lives, shadow="@candidate", predictions=kept.log) as traffic:
        for _ in range(3):
            assert traffic.answer(fails_on_seven).value == "five"
        _until(lambda: traffic.status()["@candidate"].failed == 3)
    assert [one.error for one in kept.lines if one.shadow] == ["SystemExit"] * 3


def test_a_slow_shadow_is_never_waited_for() -> None:
    """All are answered while the shadow has not finished the first one."""
    gate, begun = threading.Event(), threading.Event()

    def slow_on_seven(current: Any) -> Any:
        if current.model == "seven":
            begun.set()
            assert gate.wait(60)
        return current.model

    lives = _lives(candidate="seven")
    with Traffic({"@champion": 1}, lives, shadow="@candidate", waiting=2) as traffic:
        assert traffic.answer(slow_on_seven).value == "five"
        assert begun.wait(60)
        for _ in range(10):
            assert traffic.answer(slow_on_seven).value == "five"
        told = traffic.status()["@candidate"]
        assert (told.answered, told.dropped, told.served_by) == (0, 8, "@candidate")
        gate.set()
        _until(lambda: traffic.status()["@candidate"].answered == 3)


def test_a_shadow_that_is_not_there_is_no_problem() -> None:
    with Traffic({"@champion": 1}, _lives(candidate=None), shadow="@candidate") as traffic:
        assert traffic.answer(_model).value == "five"
        told = traffic.status()["@candidate"]
        assert (told.served_by, told.elsewhere, told.is_shadow) == (None, 1, True)


def test_a_reference_shadows_the_others_only() -> None:
    kept = Log()
    with Traffic(SHARES, _lives(), shadow="@challenger", predictions=kept.log) as traffic:
        traffic.answer(_model, key=ON_CHALLENGER)
    assert [one.shadow for one in kept.lines] == [False]


def test_what_a_model_raises_is_the_callers_and_is_recorded() -> None:
    kept = Log()
    with Traffic({"@champion": 1}, _lives(), predictions=kept.log) as traffic:
        with pytest.raises(ZeroDivisionError):
            traffic.answer(lambda _: 1 / 0)
        assert traffic.status()["@champion"].failed == 1
    assert [(one.error, one.answer) for one in kept.lines] == [("ZeroDivisionError", None)]


def test_answers_may_be_awaited() -> None:
    kept = Log()

    async def ask(current: Any) -> Any:
        await asyncio.sleep(0)
        return current.model

    async def main() -> None:
        traffic = Traffic(
            SHARES, _lives(candidate="seven"), shadow="@candidate", predictions=kept.log
        )
        async with traffic.lifespan():
            answers = await asyncio.gather(*(traffic.answer_async(ask, key=n) for n in range(40)))
            assert {answer.value for answer in answers} == {"five", "six"}

    asyncio.run(main())
    assert Counter(one.shadow for one in kept.lines) == {False: 40, True: 40}
    assert {one.answer for one in kept.lines if one.shadow} == {"seven"}


def test_many_threads_at_once() -> None:
    lives = _lives()
    with Traffic(SHARES, lives) as traffic:
        threads = [
            threading.Thread(target=lambda: [traffic.answer(_model, key=n) for n in range(200)])
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        status = traffic.status()
    assert sum(one.answered for one in status.values()) == 1600
