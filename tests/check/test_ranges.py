"""Ranges of commits, checked on real Git."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import GitError, InvalidRequest, NotFound
from gitreg.git.repository import GitRepository
from tests.conftest import git
from tests.support.clones import check, commit
from tests.support.commands import error, gitreg

ARCHIVED = "registry/churn/stages/archived.yaml"
SOAKED = """\
format: 1
stages:
  staging: {}
  production: {holds: 1, replaced: archived, gates: [{soak: {in: staging, at_least: 24h}}]}
  archived: {}
"""


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
    codes = sorted(finding.code for finding in check(stocked, history=True).findings)
    assert codes == ["policy-metric", "taken-back", "taken-back"]
    found = check(stocked, "HEAD~2..HEAD").findings
    assert {finding.code for finding in found} == {"taken-back"}  # the base had no such rule
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
    commit(stocked, {production: "versions:\n- 1\n", archived: "versions:\n- 2\n- 3\n"})
    commit(stocked, {"registry/policy.yaml": strict})
    git(stocked, "switch", "--quiet", "main")
    commit(stocked, {"notes.md": "code goes on\n"})
    git(stocked, "merge", "--quiet", "--no-edit", "cunning")
    found = check(stocked, history=True).findings
    merge = git(stocked, "rev-parse", "HEAD")
    assert [(finding.code, finding.commit) for finding in found] == [("policy-metric", merge)]


def test_after_a_policy_that_does_not_parse_the_last_valid_one_judges(stocked: Path) -> None:
    valid = commit(stocked, {"registry/policy.yaml": "format: 1\nstages: {production: {}}\n"})
    commit(stocked, {"registry/policy.yaml": "format: 7\n"})
    commit(stocked, {"registry/churn/model.yaml": "owner: x\n"})
    commit(stocked, {"registry/churn/stages/staging.yaml": "versions:\n- 3\n"})
    report = check(stocked, "HEAD~2..HEAD")
    assert [finding.code for finding in report.findings] == ["unknown-stage"]
    assert f"the policy of {valid[:9]} is in force" in report.notes[0]
    whole = [finding.code for finding in check(stocked, history=True).findings]
    assert whole == ["bad-policy", "unknown-stage"]


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
    with pytest.raises(GitError, match="this clone is shallow: its history starts at"):
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


def test_a_soak_begins_with_the_merge_that_brings_it(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a branch does to staging before it is merged is nothing that main has seen."""

    def at(hours: int) -> None:
        moment = int(git(stocked, "log", "-1", "--format=%ct", base)) + hours * 3600
        monkeypatch.setenv("GIT_COMMITTER_DATE", f"{moment} +0000")

    base = commit(stocked, {"registry/policy.yaml": SOAKED})
    staging = "registry/churn/stages/staging.yaml"
    git(stocked, "switch", "--quiet", "--create", "side")
    at(0)
    commit(stocked, {staging: "versions:\n- 3\n"})
    at(20)
    git(stocked, "switch", "--quiet", "main")
    commit(stocked, {"notes.md": "as it goes\n"})
    git(stocked, "merge", "--quiet", "--no-ff", "--no-edit", "side")
    production = "registry/churn/stages/production.yaml"
    moved = {staging: None, production: "versions:\n- 3\n", ARCHIVED: "versions:\n- 1\n- 2\n"}
    at(25)
    commit(stocked, moved)
    report = check(stocked, f"{base}..HEAD")
    assert [finding.code for finding in report.findings] == ["policy-soak"]
    git(stocked, "reset", "--quiet", "--hard", "HEAD~1")
    at(45)
    commit(stocked, moved)
    assert check(stocked, f"{base}..HEAD").findings == ()


@pytest.mark.parametrize("strict", [False, True])
def test_remote(shared: Path, strict: bool) -> None:
    work = shared / "work"
    assert check(work, history=True, remote=True).findings == ()
    for place in (shared / "dvc-remote").rglob("*.dir"):
        place.unlink()
    found = check(work, history=True, remote=True, strict=strict).findings
    assert {finding.code for finding in found} == {"not-on-remote"}
    assert len(found) == 4
    commit(work, {"registry/.dvc/config": "[core]\n    autostage = false\n"})
    unknown = check(work, history=True, remote=True, strict=strict)
    assert {finding.code for finding in unknown.findings} == {"unknown-remote"}
    assert (
        "the DVC remote cannot be asked here whether it has the bytes"
        in unknown.findings[0].message
    )
    assert unknown.passed is not strict


def test_tags_of_the_clone(stocked: Path) -> None:
    git(stocked, "tag", "-f", "churn@v1.0.0", "HEAD")
    assert [f.code for f in check(stocked, history=True).findings] == ["tag-moved"]


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
