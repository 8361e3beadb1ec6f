"""Explanations of a real registry: who, why, which keys, which rules, from what, against what."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gitreg import NotFound, Registry
from gitreg.history import explain
from gitreg.serving.predictions import Prediction, PredictionLog
from tests.conftest import git, isolate, write_model
from tests.support.commands import error, gitreg
from tests.support.signers import Key, make_key, use_ssh

GRACE = "grace@example.com"
POLICY = """\
format: 1
stages:
  staging: {{holds: any}}
  production:
    holds: 1
    crowded: {crowded}
    replaced: archived
    approvals: {{count: 1, by: [grace@example.com]}}
    override: {{by: [ada@example.com]}}
  archived: {{holds: any}}
signers:
  grace@example.com: [{key}]
"""


@dataclass
class Story:
    """A clone, and the commits of what happened in it."""

    folder: Path
    key: Key
    commits: dict[str, str] = field(default_factory=dict)

    def note(self, name: str) -> None:
        self.commits[name] = git(self.folder, "rev-parse", "HEAD")

    def rule(self, name: str, crowded: str) -> None:
        policy = self.folder / "registry" / "policy.yaml"
        policy.write_text(POLICY.format(crowded=crowded, key=self.key.line))
        git(self.folder, "commit", "--quiet", "-am", name)
        self.note(name)


@pytest.fixture(scope="module")
def story(templates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """churn@3 is approved and promoted, @4 by an override, then rolled back; then a rename."""
    work = shutil.copytree(templates, tmp_path_factory.mktemp("why") / "s", symlinks=True) / "work"
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("why-home"))
        made = Story(work, make_key(tmp_path_factory.mktemp("keys"), "grace"))
        use_ssh(work, str(made.key.file))
        made.rule("strict", "false")
        with Registry(work) as registry:
            preview = registry.preview_approval("churn@3", stage="production")
            registry.approve(preview)
            registry.promote("churn@3", stage="production", reason="recall holds")
            made.note("promoted")
        made.rule("looser", "true")
        (work / "train.csv").write_text("age\n1\n")
        (work / ".gitignore").write_text("/models/\n# changed\n")
        with Registry(work) as registry:
            registry.register(
                "churn",
                write_model(work, "weights 4"),
                metrics={"auc": 0.95},
                params={"rate": 0.1},
                data=[work / "train.csv"],
            )
            registry.set_alias("churn@4", "next")
            registry.promote("churn@4", stage="production", override="the feed broke")
            made.note("overridden")
            registry.rollback("churn", reason="drift")
            made.note("back")
            registry.rename_model("churn", "leavers")
        made.note("renamed")
        yield made


@pytest.fixture
def registry(story: Story) -> Iterator[Registry]:
    with Registry(story.folder) as opened:
        yield opened


def test_who_why_and_by_which_key(story: Story, registry: Registry) -> None:
    found = explain(registry, "churn/production", rev=story.commits["promoted"])
    assert (found.version.reference, found.place, found.stage) == (
        "churn@3",
        "stages/production",
        "production",
    )
    assert found.served is not None
    assert found.served == found.promoted
    assert (found.served.reason, found.served.action, found.served.commit) == (
        "recall holds",
        "promote",
        story.commits["promoted"],
    )
    [approval] = found.approvals
    assert (approval.principal, approval.verified, approval.stage) == (GRACE, True, "production")
    shown = git(story.folder, "config", "user.signingkey")
    assert shown == str(story.key.file)
    assert str(approval.key).startswith("SHA256:")


def test_the_policy_is_that_before_the_move(story: Story, registry: Registry) -> None:
    for name, policy, crowded in (
        ("promoted", "strict", False),
        ("overridden", "looser", True),
    ):
        found = explain(registry, "churn/production", rev=story.commits[name])
        assert found.policy is not None
        assert found.policy.commit == story.commits[policy]
        assert found.policy.read_at == git(story.folder, "rev-parse", f"{story.commits[name]}^")
        assert found.policy.policy.stage("production").crowded is crowded


def test_what_it_was_made_from_and_what_changed(story: Story, registry: Registry) -> None:
    found = explain(registry, "churn@4", rev=story.commits["overridden"])
    lineage = found.version.lineage
    assert lineage.code is not None
    assert lineage.code.dirty
    assert [item.path for item in lineage.data] == ["train.csv"]
    assert "pytest" in found.packages
    assert found.served is not None
    assert found.served.override == "the feed broke"
    assert found.before is not None
    assert (found.before.version, found.before.metrics) == (3, {"auc": 0.9})
    assert found.changed is not None
    assert found.changed.metrics["auc"].delta == pytest.approx(0.05)
    assert found.changed.params["rate"].b == 0.1
    assert "train.csv" in found.changed.data
    assert {one.pointer for one in found.intervals} == {"stages/production", "aliases/next"}


def test_an_alias_has_the_rules_of_the_stage(story: Story, registry: Registry) -> None:
    found = explain(registry, "churn@next", rev=story.commits["overridden"])
    assert (found.place, found.stage) == ("aliases/next", "production")
    assert found.promoted is not None
    assert found.promoted.commit == story.commits["overridden"]
    alone = explain(registry, "leavers@next")
    assert alone.place == "aliases/next"


def test_a_rollback_and_a_rename_lead_back_to_the_promotion(
    story: Story, registry: Registry
) -> None:
    found = explain(registry, "leavers/production", now=2**33)
    assert found.version.reference == "leavers@3"
    assert found.served is not None
    assert found.promoted is not None
    assert (found.served.model, found.served.action, found.served.until) == (
        "churn",
        "rollback",
        None,
    )
    assert found.served.commit == story.commits["back"]
    assert found.served.seconds is not None
    assert found.served.seconds > 10**9
    assert found.promoted.commit == story.commits["promoted"]
    assert [one.verified for one in found.approvals] == [True]
    assert found.before is not None
    assert (found.before.model, found.before.version, found.before.ended_by) == (
        "churn",
        4,
        "rollback",
    )
    assert found.changed is not None
    assert found.changed.a.reference == "churn@4"
    assert {one.model for one in found.intervals} == {"churn", "leavers"}


def test_a_version_that_serves_no_more_or_never_did(registry: Registry) -> None:
    found = explain(registry, "leavers@4")
    assert found.served is not None
    assert (found.place, found.served.ended_by) == ("stages/production", "rollback")
    never = explain(registry, "tokenizer@1")
    assert (never.place, never.served, never.policy, never.intervals) == (None, None, None, ())
    first = explain(registry, "leavers@1")
    assert first.before is None
    assert first.changed is None


def test_at_a_moment(story: Story, registry: Registry) -> None:
    at = git(story.folder, "log", "-1", "--format=%cd", "--date=iso-strict", "HEAD")
    found = explain(registry, "leavers/production", at=at)
    assert found.served is not None
    assert found.served.since is not None
    assert found.served.seconds is not None
    assert found.served.seconds < 10**6


def test_what_cannot_be_explained(registry: Registry) -> None:
    with pytest.raises(NotFound) as caught:
        explain(registry, "leavers/staging")
    assert caught.value.hint == "gitreg timeline leavers --stage staging shows what was there"
    with pytest.raises(NotFound):
        explain(registry, "leavers@99")


def test_the_command(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(story.folder)
    monkeypatch.setenv("COLUMNS", "200")
    out = gitreg("explain", "leavers/production").out
    lines = out.splitlines()
    assert lines[0].startswith("leavers@3 in leavers/production since 20")
    assert lines[1].startswith("rollback by Ada Lovelace <ada@example.com> in ")
    assert lines[1].endswith("because: drift")
    assert lines[2] == "the model was called churn then"
    assert "promote by Ada Lovelace" in lines[3]
    assert lines[4].startswith("before it: churn@4 since ")
    words = " ".join(out.split())
    assert f"approved by {GRACE}, verified, key SHA256:" in words
    assert "rule approvals 1 by grace@example.com" in words
    assert "what differs from churn@4, which served before" in out
    overridden = story.commits["overridden"]
    out = gitreg("explain", "churn/production", "--rev", overridden).out
    assert "the policy was overridden" in out
    assert "with uncommitted changes" in out
    found = gitreg("explain", "churn/production", "--rev", overridden, "--json").json
    assert list(found) == [
        *("model", "version", "pointer", "stage", "since", "until", "seconds", "author", "reason"),
        *("action", "commit", "ended_by", "ended_commit", "override", "promoted", "approvals"),
        *("policy", "metrics", "params", "code", "data", "environment", "artifact", "before"),
        *("changed", "intervals", "read_from"),
    ]
    assert (found["reason"], found["override"]) == ("the feed broke",) * 2
    assert found["policy"]["rules"]["crowded"] is True
    assert found["before"]["version"] == 3
    assert set(found["changed"]) == {
        *("model", "version", "metrics", "params", "data", "code", "environment", "signature"),
        "code_files",
    }
    assert "was in no stage" in gitreg("explain", "tokenizer@1").out
    assert "which version of it" in error("explain", "leavers")


def test_a_shallow_clone_says_what_it_cannot_know(story: Story, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{story.folder}", "shallow")
    ran = gitreg("explain", "leavers/production", "--repo", str(tmp_path / "shallow"))
    assert "warning: this clone is shallow" in ran.err
    assert ran.out.startswith("leavers@3 in leavers/production since earlier\n")
    assert "is not known: this clone is shallow" in ran.out


def test_a_prediction(story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(story.folder)
    commit = story.commits["promoted"]
    log = tmp_path / "predictions.jsonl"
    with PredictionLog(log) as record:
        record.record(
            Prediction(
                *("order-7", "2026-11-22T20:25:06.123Z", "churn", 3),
                *(commit, "9f" * 32, "churn/production"),
                shadow=False,
                seconds=0.01,
            )
        )
    asked = ("explain", "--prediction", "order-7", "--log", str(log))
    assert gitreg(*asked).out.startswith("churn@3 in churn/production since 20")
    assert gitreg(*asked, "--json").json["version"] == 3
    both = "--prediction and --log belong together"
    for words, message in (
        (("explain",), "give REF, or --prediction ID --log FILE"),
        (("explain", "churn@3", *asked[1:]), "give REF, or --prediction ID --log FILE"),
        (asked[:3], both),
        (("explain", "churn@3", "--log", str(log)), both),
        ((*asked, "--at", "now"), "the record names the commit"),
        (("explain", "--prediction", "order-8", "--log", str(log)), "request id order-8"),
    ):
        assert message in error(*words)
