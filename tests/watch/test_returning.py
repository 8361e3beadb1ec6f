"""`--rollback-on-failure`: a normal rollback, once, under the policy, and delivered as a move."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import DvcError, InvalidRequest
from gitreg.watch.targets.target import Failed, Notice
from tests.conftest import git
from tests.watch.made import Bench

PROD = "churn/production"


@pytest.fixture
def bench(shared: Path, tmp_path: Path) -> Bench:
    """A watcher by URL, which has delivered what is in service."""
    config = shared / "work" / "registry" / ".dvc" / "config"
    config.write_text(config.read_text().replace("../../..", str(shared)))
    git(shared / "work", "commit", "--quiet", "-am", "where the bytes are, for all")
    git(shared / "work", "push", "--quiet", "origin", "main")
    made = Bench(f"file://{shared}/origin.git", tmp_path / "watch.json")
    assert made.once(PROD)
    assert made.once("churn@champion")
    made.recorder.drain()
    return made


def act(bench: Bench) -> Registry:
    return Registry(bench.location)


def test_a_stage_goes_back_and_the_way_back_is_delivered(bench: Bench) -> None:
    with act(bench) as registry:
        registry.promote("churn@3", stage="production")
    bench.recorder.fails = [Failed("the probe\x1b saw\nversion 2")]
    assert not bench.once(PROD, rolls_back=True)
    assert bench.recorder.drain() == [(PROD, 3, 2), (PROD, 2, 3)]
    with act(bench) as registry:
        assert registry.resolve(PROD).version == 2
        [event, *_] = registry.log(PROD, limit=1)
    assert event.action == "rollback"
    assert event.reason == "gitreg watch: churn@3 failed: the probe  saw version 2"
    assert "rolled back in" in bench.said[-1]
    assert bench.once(PROD, rolls_back=True)
    assert bench.recorder.drain() == []


def test_a_rollback_that_fails_is_not_rolled_back(bench: Bench) -> None:
    with act(bench) as registry:
        registry.promote("churn@3", stage="production")
    bench.recorder.fails = [Failed("no")] * 2
    assert not bench.once(PROD, rolls_back=True)
    assert bench.recorder.drain() == [(PROD, 3, 2), (PROD, 2, 3)]
    assert "the move was a rollback of gitreg watch itself" in bench.said[-1]
    bench.recorder.fails = [Failed("no")]
    assert not bench.once(PROD, rolls_back=True)
    assert bench.recorder.drain() == [(PROD, 2, 3)]
    with act(bench) as registry:
        assert len([one for one in registry.log(PROD) if one.action == "rollback"]) == 1
    assert bench.once(PROD, rolls_back=True)


def test_an_alias_goes_back_alone_or_with_its_stage(bench: Bench) -> None:
    with act(bench) as registry:
        registry.set_alias("churn@3", "champion")
    bench.recorder.fails = [Failed("no")]
    assert not bench.once("churn@champion", rolls_back=True)
    with act(bench) as registry:
        assert registry.resolve("churn@champion").version == 2
        registry.promote("churn@3", stage="production", alias="champion")
    bench.recorder.fails = [Failed("no")]
    assert not bench.once("churn@champion", rolls_back=True)
    with act(bench) as registry:
        assert registry.resolve("churn@champion").version == 2
        assert registry.resolve(PROD).version == 2
        assert registry.log(PROD, limit=1)[0].action == "rollback"


def test_bytes_that_cannot_be_had_are_no_reason_to_go_back(bench: Bench) -> None:
    with act(bench) as registry:
        registry.promote("churn@3", stage="production")
    bench.recorder.fails = [DvcError("the remote is away")] * 3
    assert not bench.once(PROD, rolls_back=True)
    assert bench.recorder.drain() == [(PROD, 3, 2)] * 3
    with act(bench) as registry:
        assert registry.resolve(PROD).version == 3
    assert bench.once(PROD, rolls_back=True)
    assert bench.recorder.drain() == [(PROD, 3, 2)]


def test_somebody_else_was_faster(bench: Bench, shared: Path) -> None:
    with act(bench) as registry:
        registry.promote("churn@3", stage="production")
    tries: list[object] = []

    class Overtaken:
        name = "overtaken"

        def __call__(self, notice: Notice) -> None:
            tries.append(notice)
            if len(tries) == 1:
                with act(bench) as registry:
                    registry.promote("churn@1", stage="production")
                raise Failed("no")

    bench.others = [Overtaken()]
    assert not bench.once(PROD, rolls_back=True)
    assert bench.recorder.drain() == [(PROD, 3, 2), (PROD, 1, 3)]
    assert any("has moved on" in said for said in bench.said)
    assert git(shared / "origin.git", "log", "--format=%s", "-1", "main").startswith("promote")


def test_nothing_to_go_back_to(shared: Path, tmp_path: Path) -> None:
    bench = Bench(f"file://{shared}/origin.git", tmp_path / "watch.json")
    bench.recorder.fails = [Failed("no")]
    assert not bench.once(PROD, rolls_back=True)
    assert "no version was delivered before" in bench.said[-1]
    assert len(bench.recorder.told) == 1


def test_the_policy_may_refuse(bench: Bench, shared: Path) -> None:
    """Champion is protected: it moves with production alone."""
    work = shared / "work"
    policy = work / "registry" / "policy.yaml"
    with act(bench) as registry:
        registry.set_alias("churn@3", "champion")
    git(work, "pull", "--quiet", "--ff-only")
    policy.write_text(policy.read_text() + "aliases:\n  champion: {protected: true}\n")
    git(work, "commit", "--quiet", "-am", "protect the champion")
    git(work, "push", "--quiet", "origin", "main")
    bench.recorder.fails = [Failed("no")]
    assert not bench.once("churn@champion", rolls_back=True)
    assert "not rolled back: " in bench.said[-1]
    with act(bench) as registry:
        assert registry.resolve("churn@champion").version == 3


def test_the_newest_version_cannot_go_back(bench: Bench) -> None:
    with pytest.raises(InvalidRequest, match="always the newest"):
        bench.once("churn@latest", rolls_back=True)
