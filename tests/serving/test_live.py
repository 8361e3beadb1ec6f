"""A live model follows its reference, and what fails changes nothing."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from gitreg import NotFound, Registry
from gitreg.errors import GitregError, InvalidRequest
from gitreg.serving.live import CannotServe, LiveModel
from gitreg.serving.status import ModelUnavailable
from tests.conftest import git
from tests.serving.made import Loader, Model, add, live_model, move, url_of, wait_until


def number(live: LiveModel[Model]) -> int:
    with live.use() as current:
        return current.version.version


def test_follows_its_reference_and_frees_the_old_model(served: Path) -> None:
    load, told = Loader(), []
    live = live_model(served, load)
    with live:
        live.subscribe(lambda version: told.append(version.version))
        with live.use() as current:
            assert current.model.predict() == "weights 2"
            old = weakref.ref(current.model)
            move(served, 3)
            status = live.refresh()
            assert old() is current.model, "the request that uses it keeps it"
        del current
        gc.collect()
        assert old() is None, "freed when its last request left"
        with live.use() as now:
            assert (now.model.predict(), now.version.version) == ("weights 3", 3)
            with Registry(served / "work") as registry:
                assert now.version.sha256 == registry.sha256("churn@3")
                assert now.version.commit == registry.commit
        del now
        live.refresh()
        assert len(load.paths) == 2, "what serves is not loaded again"
        assert status.failed is None
        assert told == [3]
    with pytest.raises(ModelUnavailable):
        live.use().__enter__()


def test_a_version_that_fails_changes_nothing_and_is_not_tried_again(served: Path) -> None:
    load, checked = Loader(), []

    def check(model: Model) -> bool:
        checked.append(model.text)
        return model.text != "unfit"

    broken, unfit = add(served, "broken /secret/path"), add(served, "unfit")
    with live_model(served, load, check=check) as live:
        for version, step, kind in ((broken, "load", "ValueError"), (unfit, "check", "ValueError")):
            move(served, version)
            first = live.refresh()
            assert first.serving is not None
            assert first.serving.version == 2
            assert first.failed is not None
            assert (first.failed.version, first.failed.step) == (version, step)
            assert "/secret" not in first.failed.why
            assert kind in first.failed.why
            tried = len(load.paths)
            add(served, f"beside {version}")  # the branch moves, the pointer does not
            live._step()
            live._step()
            assert len(load.paths) == tried
            again = live.refresh()
            assert len(load.paths) == tried + 1, "tried again on demand"
            assert again.failed is not None
            assert again.failed.since == first.failed.since
        move(served, 2)
        assert live.refresh().failed is None
        move(served, broken)
        assert live.refresh().failures == 5
        move(served, 3)
        live._step()
        assert number(live) == 3
        assert live.status().failed is None


def test_tampered_bytes_never_serve(served: Path) -> None:
    with live_model(served) as live:
        move(served, 3)
        stored = [path for path in (served / "dvc-remote").rglob("*") if path.is_file()]
        (weights,) = [path for path in stored if path.read_bytes() == b"weights 3"]
        weights.chmod(0o644)
        weights.write_bytes(b"weights X")
        status = live.refresh()
        assert status.failed is not None
        assert status.failed.step == "fetch"
        assert number(live) == 2


@pytest.mark.parametrize("gone", ["alias", "model", "renamed"])
def test_serves_on_when_the_reference_names_nothing_any_more(served: Path, gone: str) -> None:
    with live_model(served) as live:
        with Registry(served / "work") as registry:
            if gone == "alias":
                registry.delete_alias("churn", "champion", push=True)
            elif gone == "renamed":
                registry.rename_model("churn", "loss", push=True)
            else:
                registry.delete_model("churn", reason="gone", force=True, push=True)
        status = live.refresh()
        assert status.failed is not None
        assert (status.failed.version, status.failed.step) == (None, "reference")
        assert number(live) == 2


def test_a_stage_is_followed_too_and_serves_on_when_it_is_empty(served: Path) -> None:
    with live_model(served, reference="churn/production") as live:
        with Registry(served / "work") as registry:
            registry.archive("churn@2", reason="old", push=True)
        status = live.refresh()
        assert status.failed is not None
        assert number(live) == 2
    with live_model(served, reference="churn/archived") as archived:
        assert number(archived) == 2, "of an archived stage, the highest number"


def test_the_first_start_fails_loudly(served: Path) -> None:
    with pytest.raises(NotFound, match="champio"):
        live_model(served, reference="churn@champio").start()
    move(served, add(served, "broken"))
    live = live_model(served)
    with pytest.raises(CannotServe, match="does not load"):
        live.start()
    for wrong in ({"poll": 0}, {"keep": 0}, {"swap": "maybe"}, {"webhook_secret": ""}):
        with pytest.raises(InvalidRequest):
            live_model(served, **wrong)
    with pytest.raises(InvalidRequest):
        live_model(served, reference="churn")


def test_a_later_start_serves_what_served_last(served: Path) -> None:
    """A worker that is started anew while production is broken, or the remote is away."""
    with live_model(served):
        pass
    move(served, add(served, "broken"))
    with live_model(served) as live:
        assert number(live) == 2
        failed = live.status().failed
        assert failed is not None
        assert failed.step == "load"
    away = served / "away.git"
    (served / "origin.git").rename(away)
    load = Loader()
    with live_model(served, load) as live:
        status = live.status()
        assert number(live) == 2
        assert status.away_since is not None
        assert status.checked_at is not None
        kept = load.paths[0]
        away.rename(served / "origin.git")
        move(served, 3)
        assert live.refresh().away_since is None
        assert number(live) == 3
    (served / "origin.git").rename(away)
    file = next(kept.parent.parent.glob("3-*/model")) / "model.pkl"
    file.write_text("changed")
    with pytest.raises(GitregError, match="was changed"):
        live_model(served).start()


def test_frees_first_where_two_do_not_fit(served: Path) -> None:
    alive: weakref.WeakSet[Model] = weakref.WeakSet()
    most = []

    def load(path: Path) -> Model:
        made = Loader()(path)
        alive.add(made)
        most.append(len(alive))
        return made

    with live_model(served, load, swap="free-first") as live:
        move(served, 3)
        entered, leave = threading.Event(), threading.Event()

        def request() -> None:
            with live.use():
                entered.set()
                leave.wait(60)

        user = threading.Thread(target=request)
        user.start()
        entered.wait(60)
        swap = threading.Thread(target=live.refresh)
        swap.start()
        wait_until(lambda: live.status().serving is None)
        with pytest.raises(ModelUnavailable):
            live.use().__enter__()
        leave.set()
        user.join()
        swap.join()
        assert number(live) == 3
        move(served, add(served, "broken"))
        status = live.refresh()
        assert number(live) == 3, "loaded again"
        assert status.failed is not None
        assert max(most) == 1


def test_the_disk_keeps_the_last_versions_and_those_in_use(served: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    old = live_model(served, folder=folder, reference="churn@1", keep=1)
    with old, live_model(served, folder=folder, keep=1) as live:
        for version in (3, add(served, "four"), add(served, "five")):
            move(served, version)
            live.refresh()
            assert number(live) == version
        there = (path for path in folder.glob("versions/*/*") if path.is_dir())
        kept = sorted(path.name.split("-")[0] for path in there)
        assert kept == ["1", "4", "5"], "4 was in use while 5 came"
    assert not list(folder.glob("**/.gitreg*")), "nothing of a download is left"


def test_two_processes_share_one_copy(served: Path, tmp_path: Path) -> None:
    one, two = Loader(), Loader()
    with (
        live_model(served, one, folder=tmp_path / "copies"),
        live_model(served, two, folder=tmp_path / "copies"),
    ):
        assert one.paths == two.paths


def test_follows_by_itself_a_folder_too(served: Path) -> None:
    for location in (url_of(served), str(served / "work")):
        live = LiveModel("churn@champion", location, load=Loader(), poll=0.05)
        with live:
            before = number(live)
            after = 3 if before == 2 else 2
            move(served, after)
            wait_until(lambda live=live, after=after: number(live) == after)  # type: ignore[misc]
            git(served / "work", "status")


def test_a_look_at_an_unmoved_registry_opens_nothing(
    served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Any] = []
    with live_model(served) as live:
        read = live._pointer.read

        def counted() -> Any:
            opened.append(1)
            return read()

        monkeypatch.setattr(live._pointer, "read", counted)
        for _ in range(3):
            live._step()
        assert not opened
        move(served, 3)
        live._step()
        assert len(opened) == 1


def test_by_url_only_a_few_files_are_fetched(served: Path, hermetic: Path) -> None:
    with live_model(served) as live:
        move(served, 3)
        live.refresh()
        assert number(live) == 3
    assert list((hermetic / "cache").glob("gitreg/*/light.git"))
    assert not list((hermetic / "cache").glob("gitreg/*/repository.git"))


def test_the_room_names_what_is_public() -> None:
    from gitreg import serving

    assert [getattr(serving, name).__name__ for name in serving.__all__] == serving.__all__
    with pytest.raises(AttributeError, match="no attribute"):
        _ = serving.Nothing


def test_lifespan_and_its_end(served: Path) -> None:
    live = live_model(served)

    async def serve() -> int:
        async with live.lifespan(None):
            return number(live)

    assert asyncio.run(serve()) == 2
    assert live.status().serving is None


def test_the_record_of_what_served_is_strict(served: Path, tmp_path: Path) -> None:
    with live_model(served, folder=tmp_path / "copies"):
        pass
    (record,) = (tmp_path / "copies" / "served").iterdir()
    good = json.loads(record.read_bytes())
    (served / "origin.git").rename(served / "away.git")
    bad = [json.dumps(good | wrong) for wrong in ({"file": "../x"}, {"sha256": ""}, {"more": 1})]
    for text in ("", "[]", "{}", *bad):
        record.write_text(text)
        with pytest.raises(GitregError, match=r"origin\.git"):
            live_model(served, folder=tmp_path / "copies").start()


class Panic(BaseException):
    """What a library in Rust raises: no `Exception`."""


@pytest.mark.parametrize("swap", ["beside", "free-first"])
def test_whatever_a_model_raises_the_old_one_serves(served: Path, swap: str) -> None:
    def check(model: Model) -> None:
        if model.text == "panics":
            raise Panic("a lock is poisoned")

    panics = add(served, "panics")
    with live_model(served, check=check, swap=swap) as live:
        move(served, panics)
        failed = live.refresh().failed
        assert failed is not None
        assert (failed.version, failed.step) == (panics, "check")
        assert number(live) == 2


def test_an_artifact_may_have_any_name(served: Path, tmp_path: Path) -> None:
    work = served / "work"
    folder = work / "held"
    folder.mkdir()
    (folder / "model.pkl").write_text("a model")
    with Registry(work) as registry:
        registry.register("churn", folder, push=True)
    latest = {"reference": "churn@latest", "folder": tmp_path / "copies"}
    for _ in range(2):
        with live_model(served, **latest) as live, live.use() as current:
            assert current.model.text == "a model"
