"""Watchers: every move at least once, in order, whatever comes in between."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import GitError, InvalidDocument, InvalidRequest, NotFound, Refused, WorldError
from gitreg.watch.memory import opened
from gitreg.watch.moves import watched
from gitreg.watch.targets.target import Failed
from tests.conftest import git, write_model
from tests.watch.made import Bench, Recorder

PROD = "churn/production"


@pytest.fixture
def bench(stocked: Path, tmp_path: Path) -> Bench:
    return Bench(str(stocked), tmp_path / "state" / "watch.json")


def promote(bench: Bench, *versions: int) -> None:
    with Registry(bench.location) as registry:
        for version in versions:
            registry.promote(f"churn@{version}", stage="production", reason=f"to {version}")


def test_what_is_in_service_comes_first_then_each_move_once(bench: Bench) -> None:
    assert bench.once()
    assert bench.recorder.drain() == [(PROD, 2, None)]
    assert bench.once()
    assert bench.recorder.drain() == []
    promote(bench, 3)
    assert bench.once()
    assert bench.recorder.drain() == [(PROD, 3, 2)]
    move = bench.recorder.taken[-1].move
    with Registry(bench.location) as registry:
        assert (move.commit, move.sha256) == (registry.commit, registry.sha256("churn@3"))
    assert (move.reason, move.action) == ("to 3", "promote")
    assert move.author == "Ada Lovelace <ada@example.com>"


def test_a_pause_is_one_step_or_each_move(bench: Bench, tmp_path: Path) -> None:
    each = Bench(bench.location, tmp_path / "each.json")
    assert bench.once()
    assert each.once(each=True)
    promote(bench, 3, 1, 3)
    assert bench.once()
    assert each.once(each=True)
    assert bench.recorder.drain() == [(PROD, 2, None), (PROD, 3, 2)]
    assert each.recorder.drain() == [(PROD, 2, None), (PROD, 3, 2), (PROD, 1, 3), (PROD, 3, 1)]
    promote(bench, 1, 3)
    assert bench.once()
    assert bench.recorder.drain() == []  # it is where it was
    assert each.once(each=True)
    assert each.recorder.drain() == [(PROD, 1, 3), (PROD, 3, 1)]


def test_where_it_begins(bench: Bench, tmp_path: Path) -> None:
    begun = git(Path(bench.location), "rev-parse", "HEAD")
    promote(bench, 3, 1)
    begins: tuple[tuple[dict[str, object], list[tuple[str, int, int | None]]], ...] = (
        ({"start": "now"}, []),
        ({"start": begun}, [(PROD, 1, 2)]),
        ({"start": begun, "each": True}, [(PROD, 3, 2), (PROD, 1, 3)]),
        (
            {"start": "start", "each": True},
            [(PROD, 1, None), (PROD, 2, 1), (PROD, 3, 2), (PROD, 1, 3)],
        ),
    )
    for number, (options, told) in enumerate(begins):
        one = Bench(bench.location, tmp_path / f"{number}.json")
        assert one.once(**options)
        assert one.once(**options)
        assert one.recorder.drain() == told
    one = Bench(bench.location, tmp_path / "now.json")
    assert one.once(start="now")
    promote(bench, 2)
    assert one.once(start="now")
    assert one.recorder.drain() == [(PROD, 2, 1)]
    with pytest.raises(NotFound, match="history was rewritten"):
        Bench(bench.location, tmp_path / "x.json").once(start="f" * 40)


def test_the_newest_version(bench: Bench) -> None:
    assert bench.once("churn@latest", each=True)
    with Registry(bench.location) as registry:
        registry.register("churn", write_model(Path(bench.location), "four"))
        registry.register("churn", write_model(Path(bench.location), "five"))
        registry.delete("churn@5")
        registry.annotate("churn@4", description="no move")
    assert bench.once("churn@latest", each=True)
    told = [(version, previous) for _, version, previous in bench.recorder.drain()]
    assert told == [(3, None), (4, 3), (5, 4), (4, 5)]
    assert [one.move.action for one in bench.recorder.taken][1:] == ["register"] * 2 + ["delete"]


def test_a_failure_is_tried_again_and_what_follows_waits(bench: Bench) -> None:
    assert bench.once(each=True)
    promote(bench, 3, 1)
    bench.recorder.fails = [Failed("no"), Failed("no", wait=77), None]
    bench.recorder.drain()
    assert bench.once(each=True, tries=3)
    assert bench.recorder.drain() == [(PROD, 3, 2)] * 3 + [(PROD, 1, 3)]
    assert 0.8 <= bench.slept[0] <= 1.2
    assert bench.slept[1] == 77
    assert len(bench.said) == 2
    assert "churn/production: churn@3 was not delivered (try 1): no; again in" in bench.said[0]


def test_when_it_gives_up_the_move_comes_first_next_time(bench: Bench) -> None:
    bench.recorder.fails = [Failed("no")] * 3
    assert not bench.once()
    assert len(bench.slept) == 2
    assert bench.once()
    assert bench.recorder.drain() == [(PROD, 2, None)] * 4
    assert len({one.move.id for one in bench.recorder.taken}) == 1


def test_each_move_since_the_first_look_although_the_first_delivery_fails(bench: Bench) -> None:
    bench.recorder.fails = [Failed("no")]
    names = (PROD, "churn@champion")
    assert not bench.once(*names, each=True, tries=1)
    promote(bench, 3, 1)
    with Registry(bench.location) as registry:
        registry.set_alias("churn@3", "champion")
    assert bench.once(*names, each=True)
    told = bench.recorder.drain()[1:]
    assert [one[1:] for one in told if one[0] == PROD] == [(2, None), (3, 2), (1, 3)]
    assert [one[1:] for one in told if one[0] != PROD] == [(2, None), (3, 2)]


def test_a_retry_goes_to_the_newest_version(bench: Bench) -> None:
    assert bench.once()
    promote(bench, 3)
    bench.recorder.fails = [Failed("no")]
    assert not bench.once(tries=1)
    promote(bench, 1)
    assert bench.once()
    assert bench.recorder.drain()[1:] == [(PROD, 3, 2), (PROD, 1, 2)]


def test_the_way_back_from_a_version_that_failed_is_a_move(bench: Bench) -> None:
    assert bench.once()
    promote(bench, 3)
    bench.recorder.fails = [Failed("no")]
    assert not bench.once(tries=1)
    with Registry(bench.location) as registry:
        registry.rollback("churn")
    assert bench.once()
    assert bench.once()
    assert bench.recorder.drain()[1:] == [(PROD, 3, 2), (PROD, 2, 3)]


def test_the_way_back_is_tried_again_until_it_is_taken(bench: Bench) -> None:
    assert bench.once()
    promote(bench, 3)
    bench.recorder.fails = [Failed("no")]
    assert not bench.once(tries=1)
    promote(bench, 2)
    bench.recorder.fails = [Failed("no")]
    assert not bench.once(tries=1)
    assert bench.once()
    assert bench.once()
    assert bench.recorder.drain()[1:] == [(PROD, 3, 2), (PROD, 2, 3), (PROD, 2, 3)]


@pytest.mark.parametrize("each", [False, True])
def test_a_branch_that_is_put_back_under_a_delivery_is_a_move(bench: Bench, each: bool) -> None:
    assert bench.once(each=each)
    promote(bench, 3)
    bench.recorder.fails = [Failed("no")]
    assert not bench.once(each=each, tries=1)
    git(Path(bench.location), "reset", "--quiet", "--hard", "HEAD~1")
    bench.recorder.fails = [Failed("no")]
    assert not bench.once(each=each, tries=1, allow_rewind=True)
    assert bench.once(each=each, allow_rewind=True)
    assert bench.once(each=each)
    assert bench.recorder.drain()[1:] == [(PROD, 3, 2), (PROD, 2, 3), (PROD, 2, 3)]
    first, back = bench.recorder.taken
    assert first.move.commit == back.move.commit
    assert first.move.id != back.move.id  # a receiver that knows the first one takes this, too


def test_a_final_refusal_is_not_tried_again(bench: Bench) -> None:
    bench.recorder.fails = [Failed("403", is_final=True)] * 2
    assert not bench.once()
    with bench.watcher() as watcher, pytest.raises(Refused, match="403"):
        watcher.run()
    assert (bench.slept, len(bench.recorder.told)) == ([], 2)
    assert bench.once()


def test_what_took_a_move_is_not_told_again(bench: Bench) -> None:
    second, third = Recorder("second", [Failed("no")]), Recorder("third")
    bench.others = [second, third]
    assert not bench.once(tries=1)
    assert bench.once()
    counts = [len(one.told) for one in (bench.recorder, second, third)]
    assert counts == [1, 2, 1]


def test_several_references_in_the_order_of_their_commits(bench: Bench) -> None:
    names = ("churn@champion", "tokenizer/production", PROD)
    with Registry(bench.location) as registry:
        registry.promote("tokenizer@1", stage="production")
        registry.set_alias("churn@1", "champion")
        registry.promote("churn@3", stage="production")
    assert bench.once(*names)
    assert [one[0] for one in bench.recorder.drain()] == [names[1], names[0], names[2]]
    with Registry(bench.location) as registry:
        registry.promote("churn@1", stage="production")
        registry.set_alias("churn@3", "champion")
    assert bench.once(*names)
    assert [one[0] for one in bench.recorder.drain()] == [names[2], names[0]]


def test_a_reference_that_names_nothing_any_more(bench: Bench) -> None:
    assert bench.once("churn@champion", "tokenizer@latest")
    bench.recorder.drain()
    with Registry(bench.location) as registry:
        registry.delete_alias("churn", "champion")
        registry.rename_model("tokenizer", "words")
    assert bench.once("churn@champion", "tokenizer@latest")
    assert bench.recorder.drain() == [("churn@champion", None, 2), ("tokenizer@latest", None, 1)]
    renamed = bench.recorder.taken[-1].move
    assert (renamed.action, renamed.renamed_to, renamed.sha256) == ("rename", "words", None)
    assert bench.recorder.taken[-1].variables["GITREG_VERSION"] == ""
    with Registry(bench.location) as registry:
        registry.set_alias("churn@2", "champion")
    assert bench.once("churn@champion", "tokenizer@latest")
    assert bench.recorder.drain() == [("churn@champion", 2, None)]


def test_a_model_that_is_deleted_and_made_again_has_other_bytes(bench: Bench) -> None:
    with Registry(bench.location) as registry:
        registry.set_alias("tokenizer@1", "live")
    assert bench.once("tokenizer@live")
    with Registry(bench.location) as registry:
        registry.delete_model("tokenizer", force=True)
        registry.create_model("tokenizer")
        registry.register("tokenizer", write_model(Path(bench.location), "other"))
        registry.set_alias("tokenizer@1", "live")
    assert bench.once("tokenizer@live")
    assert bench.recorder.drain() == [("tokenizer@live", 1, None), ("tokenizer@live", 1, 1)]
    digests = {one.move.sha256 for one in bench.recorder.taken}
    assert len(digests) == 2


def test_an_empty_stage_waits_and_a_name_that_never_was_is_refused(bench: Bench) -> None:
    assert bench.once("churn/staging")
    with Registry(bench.location) as registry:
        registry.promote("churn@3", stage="staging")
    assert bench.once("churn/staging")
    assert bench.recorder.drain() == [("churn/staging", 3, None)]
    for wrong, hint in {
        "chrun/production": "churn",
        "churn/prod": "production",
        "churn@champoin": "champion",
    }.items():
        with pytest.raises(NotFound) as caught:
            bench.once(wrong)
        assert hint in f"{caught.value} {caught.value.hint}"
    for text in ("churn", "churn@2", "churn/none", "churn/archived"):
        with pytest.raises(InvalidRequest):
            watched(text)


def test_a_rewritten_history_is_refused_unless_accepted(bench: Bench) -> None:
    clone = Path(bench.location)
    promote(bench, 3)
    assert bench.once(each=True)
    git(clone, "reset", "--quiet", "--hard", "HEAD~1")
    with Registry(clone) as registry:
        registry.promote("churn@1", stage="production")
    with pytest.raises(GitError, match="the history was rewritten") as caught:
        bench.once(each=True)
    assert "--allow-rewind" in str(caught.value.hint)
    assert bench.once(each=True, allow_rewind=True)
    promote(bench, 2)
    assert bench.once(each=True)
    assert bench.recorder.drain() == [(PROD, 3, None), (PROD, 1, 3), (PROD, 2, 1)]


def test_a_branch_that_was_merged_the_other_way_round_is_no_rewriting(bench: Bench) -> None:
    """The commit that was delivered becomes the second parent of a merge."""
    clone = Path(bench.location)
    base = git(clone, "rev-parse", "HEAD")
    promote(bench, 3)
    assert bench.once()
    git(clone, "switch", "--quiet", "-c", "side", base)
    git(clone, "commit", "--quiet", "--allow-empty", "-m", "other work")
    git(clone, "merge", "--quiet", "--no-ff", "--no-edit", "main")
    assert bench.once()
    promote(bench, 1)
    assert bench.once()
    assert bench.recorder.drain() == [(PROD, 3, None), (PROD, 1, 3)]


def test_two_watchers_of_one_file_refuse_each_other(bench: Bench) -> None:
    with opened(bench.state), pytest.raises(WorldError, match="another gitreg watch"):
        bench.once()
    assert bench.once()


def test_a_damaged_file_is_named_and_kept(bench: Bench) -> None:
    assert bench.once()
    entry = '{"at": %s, "delivered": null, "under_way": null, "done": []}'
    of_one = ('{"at": 1}', entry % 5, entry % '"HEAD"')
    texts = [f'{{"format": 1, "references": {{"{PROD}": {one}}}}}' for one in of_one]
    for text in ("", "{", "[]", "[" * 100_000, '{"format": 2}', *texts):
        bench.state.write_text(text)
        with pytest.raises(InvalidDocument) as caught:
            bench.once()
        assert f"mv {bench.state}" in str(caught.value.hint)
        assert bench.state.read_text() == text


def test_other_references_in_the_file_stay(bench: Bench) -> None:
    assert bench.once(PROD)
    assert bench.once("churn@champion")
    assert set(json.loads(bench.state.read_text())["references"]) == {PROD, "churn@champion"}
    assert bench.once(PROD, "churn@champion")
    assert len(bench.recorder.told) == 2


def test_the_version_is_pulled_before(bench: Bench, tmp_path: Path) -> None:
    bench.pull = tmp_path / "served"
    assert bench.once()
    promote(bench, 3)
    assert bench.once()
    path = bench.recorder.taken[-1].path
    assert path == tmp_path / "served" / "model"
    assert bench.recorder.taken[-1].variables["GITREG_PATH"] == str(path)
    assert (path / "model.pkl").read_text() == "weights 3"
    bench.pull = tmp_path / "several"
    assert bench.once("churn@champion", "churn@latest")
    paths = {one.path for one in bench.recorder.taken[-2:]}
    folders = {tmp_path / "several" / "churn" / name / "model" for name in ("champion", "latest")}
    assert paths == folders


def test_a_version_that_cannot_be_pulled_is_not_delivered(bench: Bench, tmp_path: Path) -> None:
    bench.pull = tmp_path / "served"
    store = Path(bench.location).parent / "dvc-remote"
    cache = Path(bench.location) / "registry" / ".dvc" / "cache"
    for place in (store, cache):
        place.rename(place.with_name("away"))
    assert not bench.once(tries=1)
    assert bench.recorder.told == []
    for place in (store, cache):
        place.with_name("away").rename(place)
    assert bench.once()
    assert bench.recorder.drain() == [(PROD, 2, None)]


class _EnoughError(Exception):
    """Ends a watcher that runs for ever."""


def test_a_remote_that_goes_away_is_said_once_and_when_it_is_back(
    bench: Bench, tmp_path: Path
) -> None:
    origin = Path(bench.location).parent / "origin.git"
    bench.location = f"file://{origin}"
    away = origin.with_name("away.git")
    steps = []

    def sleep(seconds: float) -> None:
        steps.append(seconds)
        if len(steps) == 1:
            origin.rename(away)
        elif len(steps) == 4:
            away.rename(origin)
            with Registry(origin.parent / "work") as registry:
                registry.promote("churn@3", stage="production", push=True)
        elif len(steps) == 5:
            raise _EnoughError

    with bench.watcher(poll=10.0) as watcher:
        watcher._sleep = sleep
        with pytest.raises(_EnoughError):
            watcher.run()
    assert bench.recorder.drain() == [(PROD, 2, None), (PROD, 3, 2)]
    assert len(bench.said) == 2
    assert "cannot reach" in bench.said[0]
    assert "read again after" in bench.said[1]
    assert steps[1] < steps[2] < steps[3]
    origin.rename(away)
    with pytest.raises(GitError, match="cannot reach"):
        bench.once()


def test_a_file_that_does_not_parse_moves_nothing(bench: Bench) -> None:
    assert bench.once()
    clone = Path(bench.location)
    pointer = clone / "registry" / "churn" / "stages" / "production.yaml"
    good = pointer.read_text()
    for text in ("versions: {", good):
        pointer.write_text(text)
        git(clone, "commit", "--quiet", "-am", "by hand")
        assert bench.once()
    assert bench.recorder.drain() == [(PROD, 2, None)]


def test_a_merged_pull_request_is_one_move_by_its_author(bench: Bench) -> None:
    clone = Path(bench.location)
    names = ("churn@champion", PROD, "churn@latest")
    assert bench.once(*names, each=True)
    bench.recorder.drain()
    git(clone, "switch", "--quiet", "-c", "proposal")
    with Registry(clone) as registry:
        registry.promote("churn@3", stage="production", alias="champion", reason="reviewed")
    git(clone, "switch", "--quiet", "main")
    git(clone, "commit", "--quiet", "--allow-empty", "-m", "meanwhile")
    merge = ["merge", "--quiet", "--no-ff", "-m", "Merge pull request #1", "proposal"]
    git(clone, "-c", "user.name=Button", *merge)
    assert bench.once(*names, each=True)
    assert bench.recorder.drain() == [("churn@champion", 3, 2), (PROD, 3, 2)]
    move = bench.recorder.taken[-1].move
    assert (move.commit, move.reason) == (git(clone, "rev-parse", "HEAD"), "reviewed")


def test_a_shallow_clone_and_a_detached_head_as_in_ci(bench: Bench, tmp_path: Path) -> None:
    origin = f"file://{Path(bench.location).parent}/origin.git"
    git(tmp_path, "clone", "--quiet", "--depth=1", origin, "ci")
    git(tmp_path / "ci", "checkout", "--quiet", "--detach")
    job = Bench(str(tmp_path / "ci"), tmp_path / "ci.json")
    assert job.once(PROD, "churn@latest", each=True)
    assert sorted(job.recorder.drain()) == [(PROD, 2, None), ("churn@latest", 3, None)]
    move = next(one.move for one in job.recorder.taken if one.move.reference == PROD)
    assert (move.action, len(str(move.sha256))) == ("promote", 64)
    with Registry(bench.location) as registry:
        registry.promote("churn@3", stage="production", push=True)
        registry.promote("churn@1", stage="production", push=True)
    git(tmp_path / "ci", "fetch", "--quiet", "--depth=1", "origin", "main")
    git(tmp_path / "ci", "checkout", "--quiet", "--detach", "FETCH_HEAD")
    assert job.once(PROD, "churn@latest", each=True)
    assert job.recorder.drain() == [(PROD, 3, 2), (PROD, 1, 3)]
