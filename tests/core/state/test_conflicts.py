"""What an operation expects of the pointers that it moves, compared with what is there."""

from __future__ import annotations

import pytest

from gitreg.core.model import manifest
from gitreg.core.model.layout import alias_path, stage_path
from gitreg.core.policy import Policy, StageRule
from gitreg.core.state.conflicts import first_conflict
from gitreg.core.state.history import FileChange

POLICY = Policy(
    {
        "production": StageRule(1, "archived"),
        "canary": StageRule(2, None),
        "staging": StageRule(),
        "archived": StageRule(),
    }
)

Numbers = tuple[int, ...]


def surprise(stage: str, then: Numbers, now: Numbers, after: Numbers) -> str | None:
    """Decide on a stage that held ``then``, find ``now`` there, and want to write ``after``."""
    path = stage_path("churn", stage)
    known, *both = map(manifest.write_versions, (then, now, after))
    change = FileChange(path, *both)
    found = first_conflict({path: known}.get, POLICY, [change])
    return None if found is None else found.pointer


@pytest.mark.parametrize(
    ("stage", "then", "now", "after", "agrees"),
    [
        ("production", (1,), (1,), (2,), True),
        ("production", (1,), (3,), (2,), False),
        ("production", (), (3,), (2,), False),
        ("production", (1,), (), (2,), False),
        ("canary", (1,), (1, 2), (1, 2, 3), False),  # one more, and it is full
        ("staging", (1,), (1, 2), (1, 2, 3), True),  # any number: others do not matter
        ("staging", (1, 2), (1,), (1, 3), True),
        ("staging", (1,), (1, 3), (1,), False),  # it was not there, and would be taken out
        ("staging", (1, 3), (1,), (1, 3), False),  # it was there, and would be put back
        ("archived", (), (4,), (4, 5), True),
        ("gone", (1,), (2,), (2, 3), False),  # a stage that the policy has no more
    ],
)
def test_a_stage(stage: str, then: Numbers, now: Numbers, after: Numbers, *, agrees: bool) -> None:
    assert surprise(stage, then, now, after) == (None if agrees else f"stages/{stage}")


@pytest.mark.parametrize(
    ("then", "now", "agrees"),
    [(1, 1, True), (1, 2, False), (None, 2, False), (1, None, False), (None, None, True)],
)
def test_an_alias(then: int | None, now: int | None, *, agrees: bool) -> None:
    path = alias_path("churn", "champion")
    known, here = (None if v is None else manifest.write_alias(v) for v in (then, now))
    change = FileChange(path, here, manifest.write_alias(3))
    assert (first_conflict({path: known}.get, POLICY, [change]) is None) == agrees


def test_the_same_in_other_bytes_is_no_surprise() -> None:
    """A person may write a pointer file in flow style."""
    stage, alias = stage_path("churn", "production"), alias_path("churn", "champion")
    known = {stage: b"versions: [1]\n", alias: b"# Ada's\nversion: 1\n"}
    changes = [
        FileChange(stage, b"versions:\n- 1\n", b"versions:\n- 2\n"),
        FileChange(alias, b"version: 1\n", b"version: 2\n"),
    ]
    assert first_conflict(known.get, POLICY, changes) is None


@pytest.mark.parametrize("broken", [b"versions: {", b"\xff", b"versions: [0]\n", b"x: 1\n"])
def test_what_cannot_be_read_is_a_surprise(broken: bytes) -> None:
    path = stage_path("churn", "production")
    good = b"versions:\n- 1\n"
    for known, here in ((broken, good), (good, broken)):
        found = first_conflict({path: known}.get, POLICY, [FileChange(path, here, None)])
        assert found is not None
    same = FileChange(path, broken, None)
    assert first_conflict({path: broken}.get, POLICY, [same]) is None


def test_other_files_are_nobodys_expectation() -> None:
    changes = [
        FileChange("registry/churn/versions/2/manifest.yaml", b"a", b"b"),
        FileChange("registry/policy.yaml", b"a", b"b"),
        FileChange("dvc.yaml", b"a", b"b"),
    ]
    nothing: dict[str, bytes] = {}
    assert first_conflict(nothing.get, POLICY, changes) is None


def test_the_stage_that_was_fought_for_is_named() -> None:
    """The archive changes because production does, and comes first by name."""
    archived, production = stage_path("churn", "archived"), stage_path("churn", "production")
    changes = [
        FileChange(archived, b"versions:\n- 2\n", None),
        FileChange(production, b"versions:\n- 1\n", b"versions:\n- 2\n"),
    ]
    found = first_conflict({production: b"versions:\n- 3\n"}.get, POLICY, changes)
    assert found is not None
    assert found.pointer == "stages/production"
