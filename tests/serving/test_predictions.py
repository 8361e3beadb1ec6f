"""The record of who predicted."""

from __future__ import annotations

import json
import multiprocessing
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gitreg.errors import InvalidRequest, NotFound
from gitreg.serving.background import Background
from gitreg.serving.predictions import Prediction, PredictionLog, find_prediction, request_id

ONE = Prediction(
    "id-1",
    "2026-11-22T20:25:06.123Z",
    "churn",
    5,
    "4b" * 20,
    "9f" * 32,
    "churn@champion",
    shadow=False,
    seconds=0.01,
)


@pytest.mark.parametrize("good", ["1", "a" * 128, "7c9e6679-7425-40de", "Root=1-67891233-abc:x/+"])
def test_a_sane_id_is_kept(good: str) -> None:
    assert request_id(good) == good


@pytest.mark.parametrize("bad", [None, "", "a" * 129, "a b", "a\nb", "é", "<x>", '"', "-a"])
def test_another_one_is_replaced(bad: str | None) -> None:
    made = request_id(bad)
    assert made not in {bad, request_id(bad)}
    assert len(made) == 32


def test_a_line_for_each_prediction(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    with PredictionLog(path) as log:
        log.record(ONE)
        log.record(replace(ONE, request_id="id-2", shadow=True, error="ValueError"))
    first, second = map(json.loads, path.read_text().splitlines())
    assert first == {
        "request_id": "id-1",
        "time": "2026-11-22T20:25:06.123Z",
        "model": "churn",
        "version": 5,
        "commit": "4b" * 20,
        "sha256": "9f" * 32,
        "reference": "churn@champion",
        "shadow": False,
        "seconds": 0.01,
    }
    assert (second["shadow"], second["error"]) == (True, "ValueError")


def test_an_answer_that_is_no_json_leaves_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with PredictionLog(path) as log:
        for answer in ([1, 2], {3}, float("nan")):
            log.record(replace(ONE, answer=answer))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line.get("answer") for line in lines] == [[1, 2], None, None]


def test_a_rotated_file_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = PredictionLog(path)
    log.record(ONE)
    log.close()
    path.rename(tmp_path / "log.1")
    log.record(replace(ONE, request_id="id-2"))
    log.close()
    assert find_prediction(tmp_path / "log.1", "id-1") == ONE
    assert find_prediction(path, "id-2").request_id == "id-2"


def test_neither_a_broken_callback_nor_a_full_disk_fails_a_request(tmp_path: Path) -> None:
    def broken(_: Prediction) -> None:
        raise SystemExit

    folder = tmp_path / "folder"
    folder.mkdir()
    log, on_disk = PredictionLog(broken), PredictionLog(folder / "log")
    (folder / "log").unlink()
    folder.rmdir()
    for one in (log, on_disk):
        one.record(ONE)
        one.record(ONE)
        one.close()
        assert one.lost == 2


def test_what_does_not_fit_is_dropped_and_never_waited_for() -> None:
    gate, begun = threading.Event(), threading.Event()
    taken: list[int] = []

    def slow(number: int) -> None:
        begun.set()
        assert gate.wait(60)
        taken.append(number)

    background = Background(slow, "test", waiting=2)
    assert background.offer(0)
    assert begun.wait(60)
    assert [background.offer(number) for number in (1, 2, 3, 4)] == [True, True, False, False]
    gate.set()
    background.close()
    assert (taken, background.dropped, background.failed) == ([0, 1, 2], 2, 0)
    assert background.offer(5), "it starts again"
    background.close()
    assert taken[-1] == 5


def test_the_end_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitreg.serving.background.PATIENCE", 0.01)
    gate = threading.Event()
    for waiting in (1, 5):
        background = Background[int](lambda _: gate.wait(60), "test", waiting=waiting)
        while background.offer(1):
            pass
        background.close()
        assert background.dropped == 1
    gate.set()


def _record_many(log: PredictionLog, worker: int) -> None:
    for number in range(200):
        log.record(replace(ONE, request_id=f"w{worker}-{number}", reference="x" * 500))
    log.close()


def test_forked_workers_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = PredictionLog(path)
    log.record(ONE)  # the thread of this process is not in a child
    fork: Any = multiprocessing.get_context("fork")
    workers = [fork.Process(target=_record_many, args=(log, n)) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    log.close()
    ids = [json.loads(line)["request_id"] for line in path.read_text().splitlines()]
    assert len(ids) == len(set(ids)) == 601


def test_a_prediction_is_found_by_its_id(tmp_path: Path) -> None:
    path = tmp_path / "log"
    shadow = replace(ONE, version=6, shadow=True)
    with PredictionLog(path) as log:
        for one in (replace(ONE, version=4), shadow, ONE, replace(ONE, request_id="id-10")):
            log.record(one)
    with path.open("ab") as file:
        file.write(b'{"request_id": "id-1"}\nnull\n\xff id-1\n{"request_id": "id-1", "tim')
    assert find_prediction(path, "id-1") == ONE
    assert find_prediction(path, "id-1", shadow=True) == shadow
    with pytest.raises(NotFound, match="no prediction with the request id id-3"):
        find_prediction(path, "id-3")
    for bad in (tmp_path / "none", tmp_path):
        with pytest.raises(InvalidRequest, match=str(bad)):
            find_prediction(bad, "id-1")


def test_a_log_that_cannot_be_opened_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="No such file or directory"):
        PredictionLog(tmp_path / "no" / "log")
