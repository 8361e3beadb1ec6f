"""Intervals: histories of every kind against a fold that knows only the files of each commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitreg.core.model.manifest import Tombstone, write_tombstone
from gitreg.core.operations.create import Creation, create_model
from gitreg.core.operations.delete_model import delete_model
from gitreg.core.operations.rename import rename_model
from gitreg.core.state.history import CommitInfo, Event, FileChange, events_of
from gitreg.core.state.intervals import Interval, Track, overlaps, tracks_of
from tests.support.fakes import ADA, CREATED, FakeBranch, branch_with
from tests.support.plain_intervals import Plain, Snapshot, plain_fold, second

Commits = list[tuple[CommitInfo, list[FileChange]]]
NOW = 2_000_000
PRODUCTION = "registry/churn/stages/production.yaml"


def events(branch: FakeBranch) -> list[Event]:
    return [event for found in branch._events().values() for event in found]


def tracks(branch: FakeBranch, *models: str) -> dict[tuple[str, str], Track]:
    found = tracks_of(events(branch), NOW, models=models or None)
    return {(track.model, track.pointer): track for track in found}


def story(track: Track) -> list[tuple[int | None, str | None, str | None]]:
    return [(one.version, one.action, one.ended_by) for one in track.intervals]


def snapshots(commits: Commits) -> Iterator[Snapshot]:
    files: dict[str, bytes] = {}
    for info, changes in commits:
        for change in changes:
            files.pop(change.path, None)
            if change.after is not None:
                files[change.path] = change.after
        yield info.oid, info.time, dict(files)


def as_plain(one: Interval) -> Plain:
    assert one.since is not None
    until = None if one.until is None else second(one.until)
    since = second(one.since)
    assert one.seconds == max(0, (NOW if until is None else until) - since)
    return Plain(
        one.model,
        one.pointer,
        one.version or 0,
        str(one.commit),
        one.ended_commit,
        since,
        until,
    )


# Random histories

MODELS = ("churn", "fraud")
POINTERS = ("stages/production", "stages/archived", "aliases/champion")
MESSAGES = (
    "by hand",
    "Merge branch 'side'",
    'Revert "promote churn@1 to production"\n\nThis reverts commit abcdef1.',
    "roll back\n\nGitreg-Action: rollback\nGitreg-Model: churn",
    "promote\n\nGitreg-Action: promote\nGitreg-Model: churn\nGitreg-Model: fraud",
)
Pointed = dict[tuple[str, str], set[int]]


def files_of(pointed: Pointed, ended: Mapping[str, str | None]) -> dict[str, bytes]:
    """Return pointer files, and the tombstones of models, each with the new name if any."""
    files = {}
    for (model, pointer), numbers in pointed.items():
        lines = "".join(f"- {number}\n" for number in sorted(numbers))
        text = (
            f"versions:\n{lines}" if pointer != "aliases/champion" else f"version: {min(numbers)}\n"
        )
        files[f"registry/{model}/{pointer}.yaml"] = text.encode()
    for model, became in ended.items():
        note = Tombstone(CREATED, ADA, None, renamed_to=became)
        files[f"registry/{model}/deleted.yaml"] = write_tombstone(note)
    return files


@st.composite
def histories(draw: st.DrawFn) -> Commits:
    """Draw a history: pointers move, together or alone; models end, are renamed, come again."""
    before: dict[str, bytes] = {}
    pointed: Pointed = {}
    ended: dict[str, str | None] = {}
    commits = []
    time = 1_000_000
    for number in range(draw(st.integers(1, 12))):
        for _ in range(draw(st.integers(1, 3))):
            model = draw(st.sampled_from(MODELS))
            other = MODELS[model == MODELS[0]]
            kind = draw(st.sampled_from(("move", "move", "move", "delete", "rename")))
            if kind == "move":
                key = model, draw(st.sampled_from(POINTERS))
                pointed[key] = draw(st.sets(st.integers(1, 4), max_size=3))
                ended.pop(model, None)
            else:
                moved = {key: held for key, held in pointed.items() if key[0] == model}
                kept = {key: held for key, held in pointed.items() if key[0] != model}
                if kind == "rename":
                    kept = {(other, pointer): held for (_, pointer), held in moved.items()}
                    ended.pop(other, None)
                pointed, ended[model] = kept, other if kind == "rename" else None
            pointed = {key: held for key, held in pointed.items() if held}
        after = files_of(pointed, ended)
        time += draw(st.integers(-100, 300))
        message = draw(st.sampled_from(MESSAGES))
        info = CommitInfo(f"{number:040x}", None, ADA, ADA, time, "+0100", message)
        paths = [path for path in {*before, *after} if before.get(path) != after.get(path)]
        changes = [FileChange(path, before.get(path), after.get(path)) for path in sorted(paths)]
        if changes:
            commits.append((info, changes))
        before = after
    return commits


@settings(max_examples=60, deadline=None)
@given(histories())
def test_intervals_are_those_of_a_plain_fold(
    commits: Commits,
) -> None:
    found = tracks_of([event for commit in commits for event in events_of(*commit)], NOW)
    every = [one for track in found for one in track.intervals]
    versions = [as_plain(one) for one in every if one.version is not None]
    assert len(set(versions)) == len(versions)
    assert set(versions) == plain_fold(snapshots(commits))
    for track in found:
        assert [one.start for one in track.intervals] == sorted(
            one.start for one in track.intervals
        )
        check_gaps(track)


def check_gaps(track: Track) -> None:
    """A gap begins where the last version went and ends where one comes; nothing overlaps it."""
    for gap in track.intervals:
        if not gap.is_gap:
            continue
        assert track.pointer != "stages/archived"
        others = [one for one in track.intervals if one is not gap]
        assert any(one.end == gap.start for one in others)
        end = gap.end if gap.end is not None else 10**9
        for one in others:
            last = one.end if one.end is not None else 10**9
            assert last <= gap.start or one.start >= end


# What the parts say


def rename(branch: FakeBranch, old: str, new: str) -> object:
    note = Tombstone(CREATED, ADA, None, renamed_to=new)
    return branch.commit(rename_model(branch.state, old, note, branch.mover))


def test_a_promotion_a_rollback_and_a_gap() -> None:
    branch = branch_with({"auc": 0.1}, {"auc": 0.2})
    branch.promote("churn@1", aliases=("champion",))
    branch.promote("churn@2", aliases=("champion",))
    branch.rollback("churn")
    branch.promote("churn@1", to="none")
    found = tracks(branch)
    assert story(found["churn", "stages/production"]) == [
        (1, "promote", "promote"),
        (2, "promote", "rollback"),
        (1, "rollback", "promote"),
        (None, "promote", None),
    ]
    assert [one.is_return for one in found["churn", "stages/production"].intervals] == [
        False,
        False,
        True,
        False,
    ]
    archive = found["churn", "stages/archived"]
    assert [(one.version, one.until is None) for one in archive.intervals] == [
        (1, False),
        (2, True),
    ]
    assert list(found) == [
        ("churn", "stages/production"),
        ("churn", "stages/archived"),
        ("churn", "aliases/champion"),
    ]


def test_several_versions_in_one_stage() -> None:
    branch = branch_with({}, {}, {})
    for number in (1, 2, 3):
        branch.promote(f"churn@{number}", to="staging", keep_existing=True)
    branch.promote("churn@2")
    track = tracks(branch)["churn", "stages/staging"]
    assert story(track) == [(1, "promote", None), (2, "promote", "promote"), (3, "promote", None)]
    assert track.before(track.intervals[2]) == track.intervals[1]
    assert track.before(track.intervals[0]) is None


def test_what_was_there_before_a_gap() -> None:
    branch = branch_with({}, {})
    branch.promote("churn@2")
    branch.promote("churn@2", to="none")
    branch.promote("churn@1")
    track = tracks(branch)["churn", "stages/production"]
    assert [one.version for one in track.intervals] == [2, None, 1]
    assert track.before(track.intervals[2]) == track.intervals[0]


def test_a_rename_goes_on_under_the_new_name() -> None:
    branch = branch_with({}, {})
    branch.promote("churn@1", aliases=("champion",))
    branch.promote("churn@1", to="none")
    branch.promote("churn@2", to="staging")
    rename(branch, "churn", "leavers")
    branch.commit(create_model(branch.state, Creation("churn", CREATED)))
    branch.register("churn")
    branch.promote("churn@1")
    for asked in ("leavers",), ("churn", "leavers"):
        found = tracks(branch, *asked)
        assert story(found["leavers", "stages/staging"]) == [
            (2, "promote", "rename"),
            (2, "rename", None),
        ]
        assert story(found["leavers", "stages/production"]) == [
            (1, "promote", "promote"),
            (None, "promote", "rename"),
            (None, "rename", None),
        ]
        staging = found["leavers", "stages/staging"]
        assert [one.model for one in staging.intervals] == ["churn", "leavers"]
        assert staging.origin(staging.intervals[1]) == staging.intervals[0]
    own = ("churn", "stages/production")  # of the later model of the name
    assert {*tracks(branch, "churn")} == {*tracks(branch, "leavers"), own}


def test_names_that_go_round_in_a_circle() -> None:
    """A tombstone can be written by hand, and names what its author likes."""
    named = {"a": "b", "b": "c", "c": "b", "x": "y", "y": "x"}
    move = FileChange("registry/a/stages/production.yaml", None, b"versions:\n- 1\n")
    changes = [
        FileChange(
            f"registry/{old}/deleted.yaml",
            None,
            write_tombstone(Tombstone(CREATED, ADA, None, renamed_to=new)),
        )
        for old, new in named.items()
    ]
    commits = [CommitInfo(oid * 40, None, ADA, ADA, 0, "+0000", "by hand") for oid in ("1", "2")]
    found = [*events_of(commits[0], [move]), *events_of(commits[1], changes)]
    [track] = tracks_of(found, NOW)
    assert story(track) == [(1, "promote", None)]


def test_a_second_life_has_tracks_of_its_own() -> None:
    branch = branch_with({}, {})
    branch.promote("churn@1")
    branch.promote("churn@1", to="none")
    branch.commit(delete_model(branch.state, "churn", Tombstone(CREATED, ADA), branch.mover))
    branch.commit(create_model(branch.state, Creation("churn", CREATED)))
    branch.register("churn")
    branch.promote("churn@1")
    first, second = tracks_of(events(branch), NOW, models=["churn"])
    assert story(first) == [(1, "promote", "promote"), (None, "promote", "delete")]
    assert story(second) == [(1, "promote", None)]
    assert (first.model, first.pointer) == (second.model, second.pointer)


def test_how_intervals_end() -> None:
    branch = branch_with({}, {}, {})
    branch.promote("churn@1", to="staging")
    path = "registry/churn/versions/1"
    branch.write(  # by hand, as a squash of several commands
        {
            "registry/churn/stages/staging.yaml": None,
            **{file: None for file in branch.snapshot.files if file.startswith(path)},
            f"{path}/deleted.yaml": b"deleted_at: '2026-11-22T20:25:06Z'\ndeleted_by: Ada <a@x>\n",
        }
    )
    reverted = branch.promote("churn@2", to="staging")
    assert reverted.edits
    branch.git_revert(branch.tip)
    assert story(tracks(branch)["churn", "stages/staging"]) == [
        (1, "promote", "delete"),
        (None, "move", "promote"),
        (2, "promote", "revert"),
        (None, "revert", None),
    ]


def test_an_override_is_its_reason() -> None:
    branch = branch_with({})
    branch.promote("churn@1")
    found = [replace(event, override="the feed broke") for event in events(branch)]
    [track] = tracks_of(found, NOW)
    assert (track.intervals[0].reason, track.intervals[0].override) == ("the feed broke",) * 2


def test_dates_that_go_backwards() -> None:
    branch = branch_with({}, {})
    branch.promote("churn@1")
    branch.clock -= 10_000
    branch.promote("churn@2")
    first, second = tracks(branch)["churn", "stages/production"].intervals
    assert first.since is not None
    assert first.until is not None
    assert first.until < first.since
    assert (first.seconds, first.end) == (0, second.start)


def test_a_history_that_is_cut_off() -> None:
    """A shallow clone: what stood at its first commit, and what no commit of it moved."""
    branch = branch_with({}, {})
    branch.promote("churn@1", aliases=("champion",))
    branch.promote("churn@2")
    last = [event for event in events(branch) if event.commit == branch.tip]
    now = {("churn", "stages/production"): (2,), ("churn", "aliases/champion"): (1,)}
    found = {track.pointer: track for track in tracks_of(last, NOW, now)}
    unknown, known = found["stages/production"].intervals
    assert (unknown.version, unknown.since, unknown.seconds, unknown.ended_by) == (
        1,
        None,
        None,
        "promote",
    )
    assert (known.version, known.action) == (2, "promote")
    assert found["stages/production"].before(known) == unknown
    [alias] = found["aliases/champion"].intervals
    assert (alias.version, alias.since, alias.commit, alias.until) == (1, None, None, None)


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        (None, None, True),
        (100, 100, True),
        (199, None, True),
        (200, None, False),  # it ended then
        (None, 99, False),
        (None, 100, True),
        (150, 160, True),
    ],
)
def test_what_overlaps_a_window(since: int | None, until: int | None, found: bool) -> None:
    one = Interval("m", "p", 1, "1970-01-01T00:01:40Z", "1970-01-01T00:03:20Z")
    assert overlaps(one, since, until) is found


def test_windows_and_what_has_no_length_or_no_limits() -> None:
    moment = Interval("m", "p", 1, "1970-01-01T00:01:40Z", "1970-01-01T00:01:40Z")
    assert overlaps(moment, 100, 100)
    assert not overlaps(moment, 101, None)
    assert overlaps(Interval("m", "p", 1), 5, 6)
    assert overlaps(Interval("m", "p", 1, "1970-01-01T00:01:40Z"), 10**9, None)
    assert not overlaps(Interval("m", "p", 1, None, "1970-01-01T00:01:40Z"), 100, None)


def test_the_plain_fold_reads_only_files() -> None:
    branch = branch_with({})
    branch.promote("churn@1")
    info, _ = branch.commits[-1]
    gone = FileChange(PRODUCTION, branch.snapshot.read(PRODUCTION), None)
    branch.commits.append((replace(info, oid="f" * 40), [gone]))
    assert {one.ended_commit for one in plain_fold(snapshots(branch.commits))} == {"f" * 40}
