"""History is what the files did: commits of any origin become events, and events become tags."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from gitreg.core.model import layout
from gitreg.core.model.manifest import Tombstone, write_tombstone
from gitreg.core.model.names import Reference, parse_tag
from gitreg.core.operations.annotate import Annotation, annotate
from gitreg.core.operations.rename import rename_model
from gitreg.core.state.history import CommitInfo, Event, FileChange, events_of, named_by
from gitreg.core.state.standing import stack_of
from gitreg.core.state.tags import Tag
from tests.support.fakes import ADA, CREATED, DictSnapshot, FakeBranch, branch_with

PRODUCTION = layout.stage_path("churn", "production")
STAGING = layout.stage_path("churn", "staging")
ARCHIVED = layout.stage_path("churn", "archived")
CHAMPION = layout.alias_path("churn", "champion")


def told(branch: FakeBranch) -> list[tuple[str, int | None, str | None, object, object]]:
    """Return what the last commit did to any model."""
    info, changes = branch.commits[-1]
    return [(e.action, e.version, e.pointer, e.before, e.after) for e in events_of(info, changes)]


def names_of(tags: list[Tag]) -> list[str]:
    return [tag.name for tag in tags]


@pytest.fixture
def branch() -> FakeBranch:
    return branch_with({}, {}, {})


# Events


def test_gitregs_own_commits() -> None:
    branch = FakeBranch()
    branch.register()
    assert told(branch) == [("register", 1, None, (), ())]
    branch.register()
    branch.promote("churn@1")
    assert told(branch) == [("promote", 1, "stages/production", (), (1,))]
    branch.promote("churn@2", aliases=("champion",))
    assert told(branch) == [
        ("promote", 2, "stages/production", (1,), (2,)),
        ("promote", 1, "stages/archived", (), (1,)),
        ("promote", 2, "aliases/champion", (), (2,)),
    ]
    branch.rollback()
    assert told(branch) == [
        ("rollback", 1, "stages/production", (2,), (1,)),
        ("rollback", 2, "stages/archived", (1,), (2,)),
        ("rollback", 2, "aliases/champion", (2,), ()),
    ]
    branch.alias("churn@1", "best")
    assert told(branch) == [("alias", 1, "aliases/best", (), (1,))]
    branch.unalias("churn", "best")
    assert told(branch) == [("alias", 1, "aliases/best", (1,), ())]
    branch.commit(annotate(branch.state, Annotation(Reference("churn", 1), description="d")))
    assert told(branch) == [("annotate", 1, None, (), ())]
    branch.commit(annotate(branch.state, Annotation(Reference("churn"), owner="o")))
    assert told(branch) == [("annotate", None, None, (), ())]
    branch.delete("churn@2")
    assert told(branch) == [
        ("move", 2, "stages/archived", (2,), ()),
        ("delete", 2, None, (), ()),
    ]


def test_annotations_that_come_and_go_with_their_version_are_no_event(branch: FakeBranch) -> None:
    branch.commit(annotate(branch.state, Annotation(Reference("churn", 3), description="d")))
    branch.delete("churn@3")
    assert told(branch) == [("delete", 3, None, (), ())]


def test_an_event_tells_who_when_and_why(branch: FakeBranch) -> None:
    oid = branch.by_hand("Ship it\n\nThe board wants it.\n", [])
    info, _ = branch.commits[-1]
    event = events_of(info, [FileChange(PRODUCTION, None, b"versions: [1]")])[0]
    assert (event.commit, event.author, event.model) == (oid, ADA, "churn")
    assert (event.subject, event.reason) == ("Ship it", "The board wants it.")
    assert event.time == "1970-01-12T14:50:40+01:00"


@pytest.mark.parametrize(
    ("path", "good", "broken"),
    [
        (PRODUCTION, b"versions: [1]\n", b"<<<<<<< HEAD\n"),
        (CHAMPION, b"version: 1\n", b"\xff\n"),
    ],
)
def test_a_pointer_that_does_not_parse_is_no_event(
    branch: FakeBranch, path: str, good: bytes, broken: bytes
) -> None:
    branch.write({path: good})
    branch.write({path: broken})
    assert told(branch) == []
    info, _ = branch.commits[-1]
    repaired = [FileChange(path, broken, good.replace(b"1", b"2"))]
    (event,) = events_of(info, repaired, lambda *_: (1,))
    assert (event.before, event.after) == ((1,), (2,))
    assert events_of(info, [FileChange(path, broken, good)], lambda *_: (1,)) == []


@pytest.mark.parametrize(
    ("before", "after", "event"),
    [
        (None, b"versions: [1]\n", ("promote", 1, (), (1,))),
        (b"versions: [1]\n", b"versions: [2]\n", ("promote", 2, (1,), (2,))),
        (b"versions: [1]\n", b"versions: [1, 2, 3]\n", ("promote", 3, (1,), (1, 2, 3))),
        (b"versions: [1, 2]\n", b"versions: [1]\n", ("move", 2, (1, 2), (1,))),
        (b"versions: [1, 2]\n", None, ("move", 2, (1, 2), ())),
        (b"versions: [2, 1]\n", b"versions: [1]\n", ("promote", 1, (), (1,))),
    ],
)
def test_stages_moved_by_hand(
    branch: FakeBranch, before: bytes | None, after: bytes | None, event: tuple[object, ...]
) -> None:
    if before is not None:
        branch.write({PRODUCTION: before})
    branch.write({PRODUCTION: after})
    action, version, *moved = event
    assert told(branch) == [(action, version, "stages/production", *moved)]


@pytest.mark.parametrize(
    ("before", "after", "event"),
    [
        (None, b"version: 1\n", (1, (), (1,))),
        (b"version: 1\n", b"version: 2\n", (2, (1,), (2,))),
        (b"version: 2\n", None, (2, (2,), ())),
        (b"version: yes\n", b"version: 1\n", (1, (), (1,))),
    ],
)
def test_aliases_moved_by_hand(
    branch: FakeBranch, before: bytes | None, after: bytes | None, event: tuple[object, ...]
) -> None:
    if before is not None:
        branch.write({CHAMPION: before})
    branch.write({CHAMPION: after})
    version, *moved = event
    assert told(branch) == [("alias", version, "aliases/champion", *moved)]


def test_an_archive_by_hand(branch: FakeBranch) -> None:
    branch.write({PRODUCTION: b"versions: [1]\n"})
    branch.write({PRODUCTION: None, ARCHIVED: b"versions: [1]\n"})
    assert told(branch) == [
        ("move", 1, "stages/production", (1,), ()),
        ("archive", 1, "stages/archived", (), (1,)),
    ]


def test_another_spelling_of_the_same_is_no_event(branch: FakeBranch) -> None:
    branch.write({PRODUCTION: b"versions: [1]\n", CHAMPION: b"version: 1\n"})
    branch.write({PRODUCTION: b"versions:\n- 1\n", CHAMPION: b"# best\nversion: 0x1\n"})
    assert told(branch) == []
    branch.write({PRODUCTION: b"broken", CHAMPION: b"broken"})
    branch.write({PRODUCTION: b"still broken", CHAMPION: b"still broken"})
    assert told(branch) == []


def test_files_that_tell_nothing(branch: FakeBranch) -> None:
    branch.write(
        {
            "registry/policy.yaml": b"",
            "registry/churn/notes.md": b"",
            "registry/churn/versions/1/requirements.txt": b"",
            "src/train.py": b"",
        }
    )
    assert told(branch) == []


def test_a_manifest_that_changes_is_a_rewrite(branch: FakeBranch) -> None:
    path = layout.manifest_path("churn", 2)
    branch.write({path: b"tampered"})
    assert told(branch) == [("rewrite", 2, None, (), ())]
    branch.write({path: None})
    assert told(branch) == [("remove", 2, None, (), ())]
    branch.write({layout.tombstone_path("churn", 2): b"deleted_at: a"})
    assert told(branch) == [("delete", 2, None, (), ())]
    branch.write({layout.tombstone_path("churn", 2): b"deleted_at: b"})
    assert told(branch) == []


def test_a_trailer_is_believed_of_its_models_alone(branch: FakeBranch) -> None:
    message = "x\n\nGitreg-Action: rollback\nGitreg-Model: churn\n"
    branch.register("other")
    other = layout.stage_path("other", "staging")
    branch.write({PRODUCTION: b"versions: [1]", other: b"versions: [1]"}, message)
    assert [event[0] for event in told(branch)] == ["rollback", "promote"]
    branch.write({CHAMPION: b"version: 1"}, message.replace("rollback", "conquer"))
    assert [event[0] for event in told(branch)] == ["alias"]


def test_gits_own_reverts(branch: FakeBranch) -> None:
    branch.promote("churn@1")
    branch.promote("churn@2", aliases=("champion",))
    reverted = branch.git_revert(branch.tip)
    assert told(branch) == [
        ("revert", 1, "stages/production", (2,), (1,)),
        ("revert", 1, "stages/archived", (1,), ()),
        ("revert", 2, "aliases/champion", (2,), ()),
    ]
    branch.git_revert(reverted)
    assert [event[0] for event in told(branch)] == ["revert"] * 3
    assert branch.holds("production") == (2,)


def test_a_squash_registers_and_promotes_in_one_commit() -> None:
    branch = branch_with({}, {})
    branch.promote("churn@1")
    branch.promote("churn@2", aliases=("champion",))
    squashed = branch.squashed(DictSnapshot())
    assert told(squashed) == [
        ("register", 1, None, (), ()),
        ("register", 2, None, (), ()),
        ("promote", 2, "stages/production", (), (2,)),
        ("archive", 1, "stages/archived", (), (1,)),
        ("alias", 2, "aliases/champion", (), (2,)),
    ]


def test_several_models_are_told_in_turn() -> None:
    branch = FakeBranch()
    for model in ("b", "a"):
        branch.register(model)
    branch.promote("b@1", "a@1", aliases=("champion",))
    info, changes = branch.commits[-1]
    assert [(e.model, e.pointer) for e in events_of(info, changes)] == [
        ("a", "stages/production"),
        ("a", "aliases/champion"),
        ("b", "stages/production"),
        ("b", "aliases/champion"),
    ]


@pytest.mark.parametrize(
    ("time", "zone", "when"),
    [
        (0, "+0000", "1970-01-01T00:00:00+00:00"),
        (0, "-0130", "1969-12-31T22:30:00-01:30"),
        (1795379106, "+0100", "2026-11-22T21:25:06+01:00"),
        (0, "+9999", "1970-01-01T00:00:00+00:00"),
        (0, "+51234", "1970-01-01T00:00:00+00:00"),
        (0, "-0060", "1970-01-01T00:00:00+00:00"),
        (2**62, "+2359", "9999-12-31T23:59:00+23:59"),
        (-(2**62), "-2359", "0001-01-01T00:01:00-23:59"),
    ],
)
def test_dates_as_odd_as_git_lets_them_be(time: int, zone: str, when: str) -> None:
    assert CommitInfo("", None, ADA, ADA, time, zone, "").when == when


def test_a_rename_and_its_revert_say_both_names(branch: FakeBranch) -> None:
    branch.promote("churn@1", aliases=("champion",))
    note = Tombstone(CREATED, ADA, None, renamed_to="leavers")
    renamed = branch.commit(rename_model(branch.state, "churn", note, None))
    names = {
        (event.model, event.pointer): (event.action, event.renamed_from, event.renamed_to)
        for event in events_of(*branch.commits[-1])
    }
    for pointer in (None, "stages/production", "aliases/champion"):
        assert names["churn", pointer] == ("rename", None, "leavers")
        assert names["leavers", pointer] == ("rename", "churn", None)
    branch.git_revert(renamed)
    names = {
        (event.model, event.pointer): (event.action, event.renamed_from, event.renamed_to)
        for event in events_of(*branch.commits[-1], restored=lambda model: model == "churn")
        if event.version is None or event.pointer
    }
    assert names["leavers", None] == ("revert", None, "churn")
    assert names["leavers", "stages/production"] == ("revert", None, None)
    assert names["churn", "stages/production"] == ("revert", None, None)


def test_a_model_that_is_renamed_to_itself_is_not_renamed() -> None:
    """It is a tombstone with the model beside it, which `check` refuses."""
    path = "registry/churn/deleted.yaml"
    note = write_tombstone(Tombstone(CREATED, ADA, None, renamed_to="churn"))
    changes = [FileChange(path, None, note), FileChange(PRODUCTION, None, b"versions:\n- 1\n")]
    commit = CommitInfo("1" * 40, None, ADA, ADA, 0, "+0000", "by hand")
    assert [event.renamed_from for event in events_of(commit, changes)] == [None, None]


# The stack of a pointer


Held = tuple[int, ...]


def moves(*values: tuple[Held, Held, str]) -> list[Event]:
    return [
        Event(f"c{n}", "", "", "m", action, None, "stages/production", before, after, None, "")
        for n, (before, after, action) in enumerate(values)
    ]


def stack(*values: tuple[Held, Held, str]) -> list[str]:
    return [event.commit for event in stack_of(moves(*values))]


def steps(*values: tuple[Held, Held, str]) -> list[tuple[Held, Held]]:
    return [(event.before, event.after) for event in stack_of(moves(*values))]


A, B, C, X = (1,), (2,), (3,), (9,)
UP = (((), A, "promote"), (A, B, "promote"), (B, C, "promote"))


def test_moves_stand_until_they_are_taken_back() -> None:
    assert stack(*UP) == ["c0", "c1", "c2"]
    assert stack(*UP, (C, B, "rollback")) == ["c0", "c1"]
    assert stack(*UP, (C, B, "rollback"), (B, A, "rollback")) == ["c0"]
    assert stack(*UP, (C, A, "rollback")) == ["c0"]
    assert stack(*UP, (C, (), "revert")) == []
    assert stack(*UP, (C, B, "promote")) == ["c0", "c1", "c2", "c3"]


def test_taking_back_to_somewhere_new_amends_the_last_move() -> None:
    assert steps(*UP, (C, X, "rollback")) == [((), A), (A, B), (B, X)]
    assert steps(*UP, (C, X, "rollback"), (X, B, "rollback")) == [((), A), (A, B)]
    assert steps(*UP, (C, X, "revert"), (X, (8,), "revert")) == [((), A), (A, B), (B, (8,))]
    assert stack((C, X, "rollback")) == []  # of a history that was cut off


def test_what_was_withdrawn_together_does_not_come_back_one_by_one() -> None:
    both = ((A, B, "promote"), (B, (2, 3), "promote"))
    assert steps(*both, ((2, 3), (9,), "rollback")) == [(A, (9,))]
    assert steps(*both, ((2, 3), C, "promote"), (C, B, "rollback")) == [(A, B)]
    several = (((), A, "promote"), (A, (1, 2), "promote"), ((1, 2), C, "promote"))
    assert steps(*several, (C, B, "rollback")) == [((), A), (A, B)]
    assert steps(*several, (C, A, "rollback")) == [((), A)]


@pytest.mark.parametrize(
    ("subject", "forth"),
    [
        ('Revert "x"', False),
        ('Revert "Revert "x""', True),
        ('Reapply "x"', True),
        ('Revert "Reapply "x""', False),
        ('Revert "Revert "Revert "x"""', False),
        ('Reapply "Reapply "x""', True),
        ('Revert "roll back production to m@1"', True),
        ('Reapply "roll back production to m@1"', False),
        ("Back to 2", False),
    ],
)
def test_a_revert_that_lost_its_commit_is_told_by_its_subject(subject: str, *, forth: bool) -> None:
    events = moves(*UP, (C, B, "promote"), (B, C, "revert"))
    events[-1] = replace(events[-1], subject=subject)
    found = [event.commit for event in stack_of(events)]
    assert found == (["c0", "c1", "c2", "c3", "c4"] if forth else ["c0", "c1", "c2"])


def test_a_revert_is_of_the_commit_that_it_names() -> None:
    wavering = moves(*UP, (C, B, "promote"), (B, C, "promote"), (C, B, "revert"), (B, C, "revert"))
    first = replace(wavering[5], reverts="c2")
    assert [event.commit for event in stack_of([*wavering[:5], first])] == ["c0", "c1"]
    again = replace(wavering[6], reverts="c5", subject="whatever")
    assert [e.commit for e in stack_of([*wavering[:5], first, again])] == ["c0", "c1", "c6"]
    back = replace(moves((C, B, "rollback"))[0], reverts="c6")
    assert [e.commit for e in stack_of([*wavering[:5], first, again, back])] == ["c0", "c1"]
    unknown = replace(wavering[5], reverts="c9")
    assert [e.commit for e in stack_of([*wavering[:5], unknown])] == ["c0", "c1", "c2", "c3"]


def test_a_revert_that_was_solved_by_hand_amends_what_it_reverts() -> None:
    events = moves(*UP, (C, (9,), "revert"))
    events[-1] = replace(events[-1], reverts="c1")
    assert [(e.commit, e.before, e.after) for e in stack_of(events)] == [
        ("c0", (), A),
        ("c1", A, (9,)),
    ]


@pytest.mark.parametrize(
    ("body", "reverts"),
    [
        ("This reverts commit {}.", "{}"),
        ("Why.\n\nThis reverts commit {}, reversing\nchanges made to 1234567.", "{}"),
        ("This reverts commit 0123456 (promote, 2026-11-22).", "0123456"),
        ("> This reverts commit {}.", None),
        ("This reverts commit {}.\nThis reverts commit 0123456.", None),
        ("", None),
    ],
)
def test_an_event_knows_what_it_reverts(branch: FakeBranch, body: str, reverts: str | None) -> None:
    oid = "ab" * 20
    branch.by_hand(f'Revert "x"\n\n{body.format(oid)}\n', [])
    info, _ = branch.commits[-1]
    event = events_of(info, [FileChange(PRODUCTION, None, b"versions: [1]")])[0]
    assert event.reverts == (reverts and reverts.format(oid))


def test_of_two_ways_to_a_value_the_last_is_taken_back() -> None:
    wavering = (((), A, "promote"), (A, B, "promote"), (B, A, "promote"), (A, B, "promote"))
    assert stack(*wavering, (B, A, "rollback")) == ["c0", "c1", "c2"]


def test_what_a_pointer_names() -> None:
    assert [named_by(v) for v in ((6, 7), (), (5,))] == [7, None, 5]


# Tags


def test_tags_of_a_life() -> None:
    branch = branch_with({}, {})
    branch.promote("churn@1", aliases=("champion",))
    branch.promote("churn@2")
    branch.alias("churn@2", "champion")
    branch.unalias("churn", "champion")
    branch.delete("churn@1")
    one, two = branch.commits[0][0].oid, branch.commits[1][0].oid
    assert [(tag.name, tag.target) for tag in branch.tags] == [
        ("churn@v1.0.0", one),
        ("churn@v2.0.0", two),
        ("churn#production#1", one),
        ("churn#champion#2", one),
        ("churn#production#3", two),
        ("churn#archived#4", one),
        ("churn#champion#5", two),
        ("churn#champion!#6", one),  # to GTO it was given to both
        ("churn#champion!#7", two),
        ("churn#archived!#8", one),
        ("churn@v1.0.0!#9", one),
    ]
    assert [tag.message for tag in branch.tags][4:] == [
        "production names churn@2",
        "archived names churn@1",
        "champion names churn@2",
        "champion no longer names churn@1",
        "champion no longer names churn@2",
        "archived no longer names churn@1",
        "churn@1 was deleted",
    ]


def test_counters_and_times_rise_per_model() -> None:
    branch = FakeBranch()
    for model in ("a", "b"):
        branch.register(model)
        branch.register(model)
    for number in (1, 2, 1, 2):
        branch.promote(f"a@{number}", f"b@{number}", aliases=("champion",))
        branch.clock -= 500  # a clock that runs backwards
    for model in ("a", "b"):
        own = [tag for tag in branch.tags if tag.model == model]
        times = [tag.time for tag in own]
        assert times == sorted(set(times))
        tags = [parse_tag(tag.name) for tag in own]
        counters = [tag.counter for tag in tags if tag is not None and tag.counter is not None]
        assert counters == list(range(1, len(counters) + 1))
        assert len(counters) >= 4 * 2
    first = branch.tags[0]
    assert first.time == branch.commits[0][0].time  # no later than it must be


def test_a_stage_that_holds_several_names_the_highest() -> None:
    branch = branch_with({}, {}, {})
    branch.promote("churn@2", to="staging")
    branch.promote("churn@1", to="staging")
    branch.promote("churn@3", to="staging")
    branch.promote("churn@3", to="none")
    moved = [(tag.name, tag.message) for tag in branch.tags if "#" in tag.name]
    assert moved == [
        ("churn#staging#1", "staging names churn@2"),
        ("churn#staging#2", "staging names churn@3"),
        ("churn#staging#3", "staging names churn@2"),
    ]


def test_only_the_highest_version_of_a_squash_is_tagged() -> None:
    branch = branch_with({}, {})
    branch.promote("churn@1")
    branch.promote("churn@2", to="staging")
    squashed = branch.squashed(DictSnapshot())
    assert names_of(squashed.tags) == ["churn@v2.0.0", "churn#staging#1"]
    assert {tag.target for tag in squashed.tags} == {squashed.tip}
    squashed.alias("churn@1", "old")
    squashed.alias("churn@2", "new")
    assert names_of(squashed.tags)[2:] == ["churn#new#2"]


def test_names_that_gto_does_not_take_have_no_tags() -> None:
    branch = branch_with({}, model="two words")
    branch.promote("two words@1", aliases=("champion",))
    assert branch.tags == []
    branch = branch_with({})
    branch.alias("churn@1", "größe")
    branch.alias("churn@1", "x_")
    branch.alias("churn@1", "x")
    assert names_of(branch.tags) == ["churn@v1.0.0", "churn#x#1"]


def test_what_is_no_move_has_no_tag(branch: FakeBranch) -> None:
    before = names_of(branch.tags)
    branch.commit(annotate(branch.state, Annotation(Reference("churn", 1), description="d")))
    branch.commit(annotate(branch.state, Annotation(Reference("churn"), owner="o")))
    branch.write({layout.manifest_path("churn", 1): b"tampered"})
    branch.write({CHAMPION: b"version: 99\n"})  # a version that is not there
    assert names_of(branch.tags) == before


def test_the_bytes_of_a_tag() -> None:
    branch = branch_with({})
    branch.promote("churn@1")
    tag = branch.tags[-1]
    assert tag.content.decode() == (
        f"object {branch.commits[0][0].oid}\n"
        "type commit\n"
        "tag churn#production#1\n"
        f"tagger {ADA} 1000120 +0100\n"
        "\n"
        "production names churn@1\n"
    )


def test_whoever_derives_tags_derives_the_same() -> None:
    def life() -> FakeBranch:
        branch = branch_with({}, {})
        branch.promote("churn@1")
        branch.promote("churn@2", aliases=("champion",))
        branch.rollback()
        return branch

    first, second = (
        [hashlib.sha256(tag.content).hexdigest() for tag in life().tags] for _ in range(2)
    )
    assert first == second
    assert len(set(first)) == len(first) == 9
