"""The policy on real repositories: enforced, overridden, shown, tested, judged again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gitreg import Registry
from tests.conftest import git, write_model
from tests.support.commands import error, everything, gitreg

PRODUCTION = """format: 1
stages:
  staging: {holds: any}
  production:
    holds: 1
    replaced: archived
"""
REST = """  archived: {holds: any}
"""


@pytest.fixture
def work(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(stocked)
    return stocked


def policy(folder: Path, *lines: str, rest: str = "") -> None:
    """Commit a policy whose production has these lines as well."""
    text = PRODUCTION + "".join(f"    {line}\n" for line in lines) + REST + rest
    (folder / "registry" / "policy.yaml").write_text(text)
    git(folder, "commit", "--quiet", "-am", "another policy")


def tip(folder: Path) -> str:
    return git(folder, "log", "-1", "--format=%B")


GATES = (
    "gates:",
    "- {metric: auc, at_least: 0.85}",
    "- {artifact: on_remote}",
    "- {formats: {forbidden: [pkl]}}",
)


def test_a_refusal_shows_every_verdict_and_writes_nothing(work: Path) -> None:
    policy(work, *GATES)
    git(work, "push", "--quiet")
    before = everything(work)
    ran = gitreg("promote", "churn@3", "--to", "production", code=1)
    assert ran.out == ""
    assert ran.err == (
        "passed  metric: auc 0.9 is at least 0.85\n"
        "passed  remote: the artifact is on the DVC remote\n"
        "failed  formats: model.pkl is forbidden: pkl\n"
        "gitreg: churn@3 is not promoted to production: model.pkl is forbidden: pkl\n"
    )
    assert everything(work) == before
    told = gitreg("promote", "churn@1", "--to", "production", "--json", code=1)
    assert told.json["refused"].startswith("churn@1 is not promoted to production: auc 0.7 is not")
    assert told.json["verdicts"][0] == {
        "model": "churn",
        "version": 1,
        "reference": "churn@1",
        "stage": "production",
        "rule": "metric",
        "passed": False,
        "line": "auc 0.7 is not at least 0.85",
        "known": True,
    }
    assert told.err.startswith("gitreg: churn@1 is not promoted")
    assert "auc 0.7 is not" in error("promote", "churn@1", "--to=production", "--dry-run", code=1)
    assert everything(work) == before
    assert "auc 0.7 is not" in error("promote", "churn@1", "--to", "production", "--push", code=1)
    assert git(work, "rev-parse", "HEAD", "origin/main") == f"{before['head']}\n{before['head']}"


def test_what_passes_is_in_the_commit(work: Path) -> None:
    policy(work, *GATES[:3], "- {code_on: main}", "- {environment: present}")
    ran = gitreg("promote", "churn@3", "--to", "production", "--json")
    assert [(entry["rule"], entry["passed"]) for entry in ran.json["verdicts"]] == [
        ("metric", True),
        ("remote", True),
        ("code-on", True),
        ("environment", True),
    ]
    assert "\n  auc 0.9 is at least 0.85\n  remote: the artifact is on the DVC remote\n" in tip(
        work
    )


def test_bytes_that_are_not_shared_are_refused(work: Path) -> None:
    policy(work, "gates: [{artifact: on_remote}]")
    gitreg("register", "churn", str(write_model(work, "fresh")))
    assert "is not on the DVC remote" in error("promote", "churn@4", "--to", "production", code=1)
    (work / "registry" / ".dvc" / "config").write_text("")
    said = gitreg("promote", "churn@4", "--to", "production", code=1).err
    assert said.startswith("unknown  remote: the DVC remote cannot be asked")


def test_code_that_is_on_no_branch_or_elsewhere(work: Path) -> None:
    git(work, "checkout", "--quiet", "--orphan", "side")
    git(work, "commit", "--quiet", "-m", "a side", "--allow-empty")
    git(work, "checkout", "--quiet", "main")
    policy(work, "gates: [{code_on: side}]")
    said = gitreg("promote", "churn@3", "--to", "production", code=1).err
    assert said.startswith("unknown  code-on: ")  # a branch that only this clone has
    git(work, "push", "--quiet", "origin", "side")
    assert "is not on side" in error("promote", "churn@3", "--to", "production", code=1)
    policy(work, "gates: [{code_on: nowhere}]")
    said = gitreg("promote", "churn@3", "--to", "production", code=1).err
    assert said.startswith("unknown  code-on: ")


def test_soak_is_counted_by_history(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy(work, "from: [staging]", "gates: [{soak: {in: staging, at_least: 24h}}]")
    assert "only staging leads to production" in error(
        "promote", "churn@3", "--to", "production", code=1
    )
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2030-01-01T00:00:00Z")
    gitreg("promote", "churn@3", "--to", "staging")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2030-01-01T23:00:00Z")
    assert "23h in staging, not yet 1d" in error("promote", "churn@3", "--to=production", code=1)
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2030-01-02T00:00:00Z")
    gitreg("promote", "churn@3", "--to", "production")
    assert "  soak: 1d in staging, at least 1d\n" in tip(work)


def test_a_freeze_and_the_way_through_it(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    window = "{from: '2029-12-20T00:00:00Z', until: '2030-01-02T00:00:00Z', reason: Christmas}"
    policy(work, "override: {by: [ada@example.com]}", rest=f"freeze: [{window}]\n")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2030-01-01T00:00:00Z")
    said = "production is frozen until 2030-01-02T00:00:00Z: Christmas"
    assert said in error("promote", "churn@3", "--to", "production", code=1)
    assert "is frozen" in error("archive", "churn@2", code=1)
    assert "is frozen" in error("promote", "churn@2", "--to", "none", code=1)
    done = gitreg("promote", "churn@3", "--to", "production", "--override", "it is on fire")
    assert "failed  freeze: " in done.err
    assert "passed  override: ada@example.com may override" in done.err
    message = tip(work)
    assert f"  churn@3: overridden: freeze: {said}\n" in message
    assert "  churn@2: overridden: freeze: archived is frozen" in message
    assert "\nGitreg-Override: it is on fire\n" in message
    gitreg("rollback", "churn")  # not asked about the freeze
    assert gitreg("resolve", "churn/production", "--rev", "origin/main").out == "churn@2\n"
    gitreg("check", "HEAD^..HEAD")  # nor by what CI and a server run
    gitreg("archive", "churn@2", "--override", "it leaks")
    assert "\nGitreg-Override: it leaks\n" in tip(work)


def test_an_override_is_seen_in_the_log(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy(
        work,
        "gates: [{metric: f1}]",
        "override: {by: [leads]}",
        rest="roles: {leads: [ada@example.com]}\n",
    )
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "bob@example.com")
    assert "only leads may override" in error(
        "promote", "churn@3", "--to", "production", "--override", "please", code=1
    )
    monkeypatch.delenv("GIT_AUTHOR_EMAIL")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "ada@example.com")
    assert "needs a reason" in error("promote", "churn@3", "--to", "production", "--override", " ")
    gitreg("promote", "churn@3", "--to", "production", "--override", "f1 comes later")
    events = gitreg("log", "churn/production", "--json").json
    assert [event["override"] for event in events[:2]] == ["f1 comes later", None]
    assert "promote (override)" in gitreg("log", "churn").out
    assert "f1 comes later" in gitreg("log", "churn/production").out


def test_protected_aliases(work: Path) -> None:
    policy(work, "aliases: [champion]", rest="aliases: {champion: {protected: true}}\n")
    head = git(work, "rev-parse", "HEAD")
    said = error("alias", "set", "churn@3", "champion", code=1)
    assert "@champion is protected: it moves together with production" in said
    assert "gitreg promote churn@3 --to production" in said
    assert "is protected" in error("alias", "delete", "churn@champion", code=1)
    assert "is protected" in error("promote", "churn@3", "--to=staging", "--alias=champion", code=1)
    assert git(work, "rev-parse", "HEAD") == head
    gitreg("promote", "churn@3", "--to", "production")
    assert gitreg("resolve", "churn@champion").out == "churn@3\n"
    gitreg("rollback", "churn")
    assert gitreg("resolve", "churn@champion").out == "churn@2\n"


def test_else_archive_is_for_metrics(work: Path) -> None:
    """A freeze is not about the candidate."""
    window = "freeze: [{from: '2000-01-01T00:00:00Z', until: '2100-01-01T00:00:00Z', "
    policy(work, rest=window + "stages: [production]}]\n")
    head = git(work, "rev-parse", "HEAD")
    words = ("promote", "churn@3", "--to", "production", "--if-better", "auc", "--else-archive")
    assert "is frozen" in error(*words, code=1)
    assert git(work, "rev-parse", "HEAD") == head
    policy(work, "gates: [{metric: auc, at_least: 0.95}]")
    assert "archived instead" in error(*words, code=1)


def test_an_operation_that_was_done_is_found_though_it_would_be_refused_now(work: Path) -> None:
    words = ("promote", "churn@3", "--to", "production", "--op-id", "nightly-1", "--json")
    done = gitreg(*words).json
    window = "freeze: [{from: '2000-01-01T00:00:00Z', until: '2100-01-01T00:00:00Z'}]\n"
    policy(work, rest=window)
    again = gitreg(*words).json
    assert (again["commit"], again["repeated"]) == (done["commit"], True)


# Another tip


def grace(shared: Path) -> Path:
    """Return a clone of somebody else."""
    git(shared, "clone", "--quiet", "origin.git", "grace")
    return shared / "grace"


def test_the_rules_of_the_published_tip_hold(work: Path, shared: Path) -> None:
    other = grace(shared)
    policy(other, "gates: [{metric: f1}]")
    git(other, "push", "--quiet")
    assert "f1 is missing" in error("promote", "churn@3", "--to", "production", "--push", code=1)


def test_a_push_judges_again(work: Path, shared: Path) -> None:
    gitreg("promote", "churn@3", "--to", "production")
    gitreg("annotate", "churn@3", "--tag", "a=b")
    other = grace(shared)
    policy(other, "gates: [{metric: f1}]")
    git(other, "push", "--quiet")
    ran = gitreg("push", code=1)
    assert "not pushed: " in ran.out
    assert "churn@3 is not promoted to production: f1 is missing from churn@3" in ran.out
    with Registry(shared / "origin.git") as published:
        assert published.resolve("churn/production").version == 2
        assert published.show("churn@3").tags == {"a": "b"}


def test_a_push_does_not_believe_that_something_is_a_rollback(work: Path, shared: Path) -> None:
    policy(work, "gates: [{metric: f1}]")
    git(work, "push", "--quiet")
    other = grace(shared)
    production = work / "registry" / "churn" / "stages" / "production.yaml"
    production.write_text("versions:\n- 3\n")
    git(work, "commit", "--quiet", "-am", "roll back churn\n\nGitreg-Action: rollback\n")
    gitreg("annotate", "churn@3", "--tag", "a=b", "--push", "--repo", str(other))
    assert "f1 is missing from churn@3" in gitreg("push", code=1).out


def test_a_push_knows_where_versions_were_before_it(work: Path, shared: Path) -> None:
    other = grace(shared)
    gitreg("promote", "churn@3", "--to", "production")
    gitreg("rollback", "churn")
    gitreg("rollback", "churn", "--to", "3")  # what was rolled back returns by a promotion
    policy(other, "from: [none]")
    git(other, "push", "--quiet")
    assert (
        "churn@3 is not promoted to production: it comes from archived"
        in gitreg("push", code=1).out
    )
    assert gitreg("resolve", "churn/production", "--rev", "origin/main").out == "churn@2\n"


def test_a_push_adds_what_the_new_rules_say(work: Path, shared: Path) -> None:
    gitreg("promote", "churn@3", "--to", "production")
    other = grace(shared)
    policy(other, "gates: [{metric: auc, at_least: 0.5}]", "aliases: [champion]")
    git(other, "push", "--quiet")
    gitreg("push")
    assert "  auc 0.9 is at least 0.5\n" in tip(work)
    assert gitreg("resolve", "churn@champion", "--repo", str(shared / "origin.git")).out == (
        "churn@3\n"
    )


def test_a_push_keeps_an_override_that_is_still_allowed(work: Path, shared: Path) -> None:
    lines = ("gates: [{metric: f1}]", "override: {by: [ada@example.com]}")
    policy(work, *lines)
    git(work, "push", "--quiet")
    other = grace(shared)
    gitreg("promote", "churn@3", "--to", "production", "--override", "now")
    policy(other, "override: {by: [ada@example.com]}", "gates: [{metric: f2}]")
    git(other, "push", "--quiet")
    gitreg("push")
    assert "overridden: f2 is missing from churn@3" in tip(work)
    gitreg("promote", "churn@1", "--to", "production", "--override", "again")
    git(other, "pull", "--quiet")
    policy(other, "gates: [{metric: f2}]")
    git(other, "push", "--quiet")
    assert "nobody may override" in gitreg("push", code=1).out


# Show and test


def test_the_effective_policy_is_shown(work: Path) -> None:
    policy(
        work,
        "gates: [{metric: f1}]",
        "approvals: {count: 2, by: [managers]}",
        rest="roles: {managers: [ada@example.com]}\n"
        "models: {'ch*': {stages: {production: {gates: []}}}}\n",
    )
    shown = gitreg("policy", "show").out
    assert "  gate       f1 is present\n" in shown
    assert "  approvals  2 by managers (ada@example.com)\n" in shown
    assert "  differs for ch*\n" in shown
    assert "  gates      none\n" in gitreg("policy", "show", "churn").out
    found = gitreg("policy", "show", "churn", "--json").json
    assert found["stages"]["production"]["gates"] == []
    assert found["stages"]["production"]["approvals"] == {"count": 2, "by": ["managers"]}
    assert "models" not in found
    assert gitreg("policy", "show", "churn", "--rev", "HEAD~1", "--json").json["roles"] == {}
    assert "is one version" in error("policy", "show", "churn@1")


def test_rules_for_an_unregistered_model_give_a_warning(work: Path) -> None:
    rules = "{stages: {production: {holds: 2}}}"
    names = ("churn", "ch*", "token-*", "tokeniser")
    policy(work, rest="models:\n" + "".join(f"  '{name}': {rules}\n" for name in names))
    assert gitreg("policy", "show").err.splitlines() == [
        "warning: no model 'token-*' is registered: did you mean 'tokenizer'?",
        "warning: no model 'tokeniser' is registered: did you mean 'tokenizer'?",
    ]
    assert gitreg("policy", "show", "tokenizer").err == ""
    assert gitreg("policy", "show", "new").err == "warning: no model 'new' is registered\n"


def test_a_policy_that_does_not_parse_stops_a_promotion(work: Path) -> None:
    policy(work, "gate: [{metric: f1}]")
    for words in (
        "policy show",
        "policy test churn@3 --to production",
        "promote churn@3 --to production",
    ):
        said = error(*words.split())
        assert "registry/policy.yaml: line 7: stages.production.gate: unknown key" in said
        assert "did you mean 'gates'?" in said


def test_show_answers_while_the_policy_does_not_parse(work: Path) -> None:
    policy(work, "gate: [{metric: f1}]")
    assert "churn@2 in production" in gitreg("show", "churn/production").out
    assert gitreg("show", "churn@1", "--json").json["version"] == 1


def test_a_policy_is_tried_without_a_version(work: Path) -> None:
    draft = work / "draft.yaml"
    draft.write_text("aprovals: 1\n")
    said = error("policy", "test", "--policy", "draft.yaml")
    assert "draft.yaml: line 1: aprovals: unknown key" in said
    assert "roles" not in said
    draft.write_text("format: 1\nstages: {production: {}}\n")
    assert "draft.yaml: no mistakes" in gitreg("policy", "test", "--policy", "draft.yaml").out
    assert gitreg("policy", "test", "--policy", "draft.yaml", "--json").json == []
    assert "gitreg policy test churn@1 --to production" in error("policy", "test", "churn@1")
    assert "--to staging" in error("policy", "test", "--to", "staging", "--policy", "draft.yaml")


def test_a_test_of_the_policy_writes_nothing(work: Path) -> None:
    policy(work, *GATES)
    gitreg("policy", "test", "churn@3", "--to", "staging")
    before = everything(work)
    ran = gitreg("policy", "test", "churn@3", "--to", "production", code=1)
    assert ran.out.splitlines()[2] == "failed  formats: model.pkl is forbidden: pkl"
    assert ran.err == "gitreg: it would be refused: 1 of 3 rules say no\n"
    told = gitreg("policy", "test", "churn@3", "--to", "production", "--json", code=1).json
    assert [entry["passed"] for entry in told] == [True, True, False]
    assert gitreg("policy", "test", "churn@3", "--to", "staging").out == (
        "no rule of the policy applies\n"
    )
    assert everything(work) == before
    assert "no stage 'prod'" in error("policy", "test", "churn@3", "--to", "prod")


def test_a_test_of_the_policy_of_another_commit(work: Path) -> None:
    git(work, "switch", "--quiet", "-c", "stricter")
    policy(work, "gates: [{metric: f1}]")
    git(work, "switch", "--quiet", "main")
    words = ("policy", "test", "churn@3", "--to", "production")
    assert gitreg(*words).out == "no rule of the policy applies\n"
    ran = gitreg(*words, "--rev", "stricter", code=1)
    assert ran.out == "failed  metric: f1 is missing from churn@3\n"
    gitreg(*words, "--at", "1999-01-01T00:00Z", code=2)


def test_from_python(work: Path) -> None:
    policy(work, "gates: [{metric: auc, at_least: 0.85}]")
    with Registry(work) as registry:
        assert [str(gate) for gate in registry.policy("churn").stage("production").gates] == [
            "auc is at least 0.85"
        ]
        judged = registry.test_policy("churn@1", stage="production")
        assert [(one.reference, one.passed) for one in judged] == [("churn@1", False)]
        assert registry.test_policy("churn@3", stage="production")[0].passed


def test_a_policy_without_such_rules_wakes_neither_dvc_nor_ssh(work: Path) -> None:
    policy(work, "from: [none]", "gates: [{metric: auc}, {code_on: main}]", "approvals: null")
    script = (
        "import sys\n"
        "from gitreg import Registry\n"
        "with Registry('.') as registry:\n"
        "    registry.promote('churn@3', stage='production')\n"
        "print(*sorted(m for m in sys.modules if m.partition('.')[0] == 'dvc'\n"
        "      or m in ('gitreg.approvals.signatures', 'gitreg.dvc', 'gitreg.artifacts.store')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=work, capture_output=True, text=True, check=True
    )
    assert done.stdout == "\n"


def test_an_uncommitted_policy_gives_a_warning(work: Path) -> None:
    shown = gitreg("policy", "show", "churn")
    assert shown.err == ""
    path = work / "registry" / "policy.yaml"
    owners = "    replaced: archived\n    owners: ['@org/managers']\n"
    path.write_text(path.read_text().replace("    replaced: archived\n", owners))
    edited = gitreg("policy", "show", "churn")
    assert edited.out == shown.out
    told = "warning: registry/policy.yaml has changes that are not committed"
    assert edited.err.startswith(told)
    assert gitreg("policy", "test", "churn@3", "--to", "production").err.startswith(told)
    assert gitreg("codeowners", code=2).err.startswith(told)
    assert gitreg("policy", "show", "churn", "--rev", "HEAD").err == ""
    git(work, "commit", "--quiet", "-am", "owners")
    assert gitreg("codeowners").err == ""


def test_showing_an_unregistered_model_gives_a_warning(work: Path) -> None:
    # Its rules are shown: they can be looked at before its first version is there.
    ran = gitreg("policy", "show", "chrn")
    assert ran.err == "warning: no model 'chrn' is registered: did you mean 'churn'?\n"
    assert ran.out == gitreg("policy", "show", "churn").out
