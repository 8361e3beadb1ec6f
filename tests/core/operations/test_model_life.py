"""Models as a whole: created before their first version, renamed, deleted, and begun anew."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.core.model.model import Annotations
from gitreg.core.operations.judging import GateRefused
from gitreg.errors import (
    AlreadyExists,
    InvalidDocument,
    InvalidRequest,
    LostRace,
    NotFound,
    Refused,
)
from gitreg.publishing.outcome import Outcome
from gitreg.render.events import events_text
from tests.conftest import git, write_model
from tests.support.commands import error, gitreg

# Create


def test_a_model_is_there_before_its_first_version(registry: Registry, folder: Path) -> None:
    outcome = registry.create_model("churn", description="who leaves", tags={"team": "growth"})
    assert outcome.change.subject == "create churn"
    model = registry.model("churn")
    assert (model.latest, model.description, dict(model.tags)) == (
        None,
        "who leaves",
        {"team": "growth"},
    )
    assert [found.name for found in registry.models()] == ["churn"]
    assert registry.versions("churn") == []
    with pytest.raises(NotFound, match="no version"):
        registry.resolve("churn@latest")
    assert [event.action for event in registry.log("churn")] == ["create"]
    done = registry.register("churn", write_model(folder))
    assert str(done.versions[0]) == "churn@1"


def test_what_is_said_of_a_model_may_go_and_the_model_stays(registry: Registry) -> None:
    registry.create_model("churn", description="who leaves", owner="growth")
    registry.annotate("churn", description="", owner="")
    said = registry.state().model_annotations("churn")
    assert said.created_at is not None
    assert said == Annotations(created_at=said.created_at)
    assert [model.name for model in registry.models()] == ["churn"]


def test_a_name_is_given_once(registry: Registry) -> None:
    registry.create_model("churn")
    with pytest.raises(AlreadyExists, match="'churn' already exists"):
        registry.create_model("churn")
    with pytest.raises(InvalidRequest, match="only by case"):
        registry.create_model("Churn")
    with pytest.raises(InvalidRequest, match="reserved for references"):
        registry.create_model("churn@1")


def test_a_creation_is_repeated_under_its_id(registry: Registry) -> None:
    first = registry.create_model("churn", description="d", op_id="nightly-1")
    again = registry.create_model("churn", description="d", op_id="nightly-1")
    assert again.repeated
    assert again.commit == first.commit
    with pytest.raises(InvalidRequest, match="belongs to another operation"):
        registry.create_model("churn", description="other", op_id="nightly-1")


def test_a_creation_can_be_planned(registry: Registry) -> None:
    assert registry.create_model("churn", dry_run=True).commit is None
    assert registry.models() == []


# Delete


def test_a_model_that_is_in_use_is_deleted_by_force_alone(stocked: Path) -> None:
    with Registry(stocked) as registry:
        with pytest.raises(Refused, match="churn@2 is in production"):
            registry.delete_model("churn")
        registry.promote("churn@2", stage="none")
        with pytest.raises(Refused, match="named by @champion"):
            registry.delete_model("churn")
        registry.delete_model("churn", force=True, reason="nobody asks any more")
        assert [model.name for model in registry.models()] == ["tokenizer"]
        with pytest.raises(NotFound, match=r"deleted by Ada .*: nobody asks any more"):
            registry.model("churn")
        with pytest.raises(NotFound, match="'churn' was deleted"):
            registry.show("churn@2")
        with pytest.raises(NotFound, match="'churn' was deleted"):
            registry.register("churn", write_model(stocked))
        listing = git(stocked, "ls-tree", "-r", "--name-only", "HEAD", "registry/churn/")
        assert listing == "registry/churn/deleted.yaml"
        assert "churn" not in (stocked / "dvc.yaml").read_text().replace("tokenizer", "")


def test_a_second_life_starts_at_version_1(stocked: Path) -> None:
    with Registry(stocked) as registry:
        old_tag = git(stocked, "rev-parse", "churn@v1.0.0")
        registry.delete_model("churn", force=True)
        registry.create_model("churn", description="another one")
        source = write_model(stocked, "new weights")
        done = registry.register("churn", source)
        assert str(done.versions[0]) == "churn@1"
        assert done.tags == ()
        assert registry.show("churn@1").commit == done.commit
        assert git(stocked, "rev-parse", "churn@v1.0.0") == old_tag
        for number in (2, 3, 4):
            done = registry.register("churn", write_model(stocked, f"weights anew {number}"))
        assert str(done.versions[0]) == "churn@4"
        assert done.tags == ("churn@v4.0.0",)
        assert [version.version for version in registry.versions("churn")] == [4, 3, 2, 1]
        registry.promote("churn@1", stage="production")
        with pytest.raises(Refused, match="no version was in production before"):
            registry.rollback("churn")


def test_one_version_is_deleted_by_force(stocked: Path) -> None:
    with Registry(stocked) as registry:
        with pytest.raises(Refused, match="is in production"):
            registry.delete("churn@2")
        registry.delete("churn@2", force=True)
        model = registry.model("churn")
        assert (dict(model.stages), dict(model.aliases)) == ({"archived": (1,)}, {})
        with pytest.raises(NotFound, match="churn@2 was deleted"):
            registry.show("churn@2")


# Rename


def test_a_model_is_renamed_with_all_that_belongs_to_it(stocked: Path) -> None:
    with Registry(stocked) as registry:
        registry.annotate("churn", description="who leaves")
        before, versions = registry.model("churn"), registry.versions("churn")
        files = git(stocked, "ls-tree", "-r", "HEAD", "registry/churn/").splitlines()
        registry.rename_model("churn", "leavers", reason="plainer")
        after = registry.model("leavers")
        assert (after.stages, after.aliases, after.description, after.latest) == (
            before.stages,
            before.aliases,
            before.description,
            before.latest,
        )
        found = registry.versions("leavers")
        assert [v.reference for v in found] == ["leavers@3", "leavers@2", "leavers@1"]
        assert [v.commit for v in found] == [v.commit for v in versions]
        moved = git(stocked, "ls-tree", "-r", "HEAD", "registry/leavers/").splitlines()
        told = [line for line in files if "manifest" not in line]
        assert [line.replace("/churn/", "/leavers/") for line in told] == [
            line for line in moved if "manifest" not in line
        ]
        difference = git(stocked, "diff", "--numstat", "-M", "HEAD~1", "HEAD").splitlines()
        assert all(line.startswith(("0\t0", "1\t1")) for line in difference if "=>" in line)
        with pytest.raises(NotFound, match="'churn' was renamed to 'leavers' by Ada"):
            registry.show("churn@2")
        assert "leavers" in (stocked / "dvc.yaml").read_text()
        assert str(registry.register("leavers", write_model(stocked, "4")).versions[0]) == (
            "leavers@4"
        )


def test_a_rename_to_a_name_that_is_taken(stocked: Path) -> None:
    with Registry(stocked) as registry:
        with pytest.raises(AlreadyExists, match="'tokenizer'"):
            registry.rename_model("churn", "tokenizer")
        with pytest.raises(InvalidRequest, match="only by case"):
            registry.rename_model("churn", "Churn")
        assert registry.rename_model("churn", "churn").is_unchanged
        registry.rename_model("churn", "leavers")
        registry.rename_model("leavers", "churn")
        assert [model.name for model in registry.models()] == ["churn", "tokenizer"]
        assert registry.rename_model("churn", "leavers").commit
        registry.create_model("churn")
        assert str(registry.register("churn", write_model(stocked, "5")).versions[0]) == "churn@1"


# Two at once


def test_two_create_one_model(shared: Path) -> None:
    git(shared, "clone", "--quiet", "origin.git", "other")
    with Registry(shared / "work") as here, Registry(shared / "other") as there:
        there.create_model("leavers", push=True)
        with pytest.raises(AlreadyExists):
            here.create_model("leavers", push=True)


def test_a_registration_beside_a_deletion(shared: Path) -> None:
    git(shared, "clone", "--quiet", "origin.git", "other")
    with Registry(shared / "work") as here, Registry(shared / "other") as there:
        there.delete_model("churn", force=True, push=True)
        with pytest.raises(NotFound, match="'churn' was deleted"):
            here.register("churn", write_model(shared / "work", "4"), push=True)
        with pytest.raises(NotFound, match="'churn' was deleted"):
            here.promote("churn@3", stage="production", push=True)


def test_a_deletion_beside_a_registration(shared: Path) -> None:
    git(shared, "clone", "--quiet", "origin.git", "other")
    with Registry(shared / "work") as here, Registry(shared / "other") as there:
        there.create_model("leavers", push=True)
        here.fetch()
        here.register("leavers", write_model(shared / "work", "4"), push=True)
        with pytest.raises(LostRace, match="leavers@1, which this would delete, was registered"):
            there.delete_model("leavers", push=True)
        there.delete_model("leavers", push=True)


def test_a_rename_beside_a_promotion(shared: Path) -> None:
    git(shared, "clone", "--quiet", "origin.git", "other")
    with Registry(shared / "work") as here, Registry(shared / "other") as there:
        there.promote("churn@3", stage="production", push=True)
        here.rename_model("churn", "leavers", push=True)
        assert here.model("leavers").stages["production"] == (3,)
        with pytest.raises(NotFound, match="renamed to 'leavers'"):
            there.promote("churn@2", stage="production", push=True)


# What happened


def test_what_became_of_a_name_is_told(stocked: Path) -> None:
    with Registry(stocked) as registry:
        registry.rename_model("churn", "leavers", reason="plainer")
        (told,) = (event for event in registry.log("churn") if event.ends_the_model)
        assert (told.action, told.renamed_to, told.reason) == ("rename", "leavers", "plainer")
        assert {event.action for event in registry.log("leavers")} == {"rename"}
        assert registry.log("leavers@2")[0].renamed_from == "churn"
        registry.delete_model("leavers", force=True, reason="old")
        assert {event.reason for event in registry.log(limit=1)} == {"old"}
        assert "register" in {event.action for event in registry.log("churn")}
        table = events_text(registry.log("churn", limit=20), 200)
        assert "churn → leavers" in table


def test_a_rollback_after_a_rename_is_honest(stocked: Path) -> None:
    with Registry(stocked) as registry:
        registry.rename_model("churn", "leavers")
        with pytest.raises(Refused, match="before since it was called churn") as refused:
            registry.rollback("leavers")
        assert "gitreg log churn" in str(refused.value.hint)
        registry.promote("leavers@3", stage="production")
        registry.rollback("leavers")
        assert registry.model("leavers").stages["production"] == (2,)


def test_they_are_done_once_under_an_id(stocked: Path) -> None:
    with Registry(stocked) as registry:
        writes: tuple[Callable[[], Outcome], ...] = (
            lambda: registry.rename_model("churn", "leavers", op_id="nightly-1"),
            lambda: registry.delete_model("tokenizer", op_id="nightly-2"),
            lambda: registry.delete("leavers@2", force=True, op_id="nightly-3"),
        )
        for write in writes:
            first = write()
            again = write()
            assert (again.repeated, again.commit) == (True, first.commit)


# Rules


def rules(work: Path, text: str) -> None:
    (work / "registry" / "policy.yaml").write_text(f"format: 1\n{text}")
    git(work, "commit", "--quiet", "-am", "rules")


STAGES = """\
stages:
  production: {holds: 1, replaced: archived, aliases: [champion]}
  archived: {holds: any}
"""


def test_what_is_frozen_is_neither_deleted_nor_renamed(stocked: Path) -> None:
    rules(
        stocked,
        f"{STAGES}freeze:\n- {{from: '2000-01-01T00:00:00Z', until: '2100-01-01T00:00:00Z', "
        "stages: [production]}\n",
    )
    with Registry(stocked) as registry:
        with pytest.raises(GateRefused, match="churn@2 is not taken out of its stage"):
            registry.delete("churn@2", force=True)
        with pytest.raises(GateRefused, match="frozen"):
            registry.delete_model("churn", force=True)
        with pytest.raises(GateRefused, match="frozen"):
            registry.rename_model("churn", "leavers")
        registry.rename_model("tokenizer", "words")
        registry.delete_model("words")


def test_a_protected_alias_goes_with_its_stage(stocked: Path) -> None:
    rules(stocked, f"{STAGES}aliases: {{champion: {{protected: true}}}}\n")
    with Registry(stocked) as registry:
        registry.delete("churn@2", force=True)
        assert dict(registry.model("churn").aliases) == {}
        registry.promote("churn@3", stage="production")
        registry.rename_model("churn", "leavers")
        registry.delete_model("leavers", force=True)
        assert registry.check("HEAD~4..HEAD").passed


def test_a_name_with_other_rules_is_entered_by_them(stocked: Path) -> None:
    rules(
        stocked,
        f"{STAGES}models:\n  strict-*:\n    stages:\n"
        "      production: {gates: [{metric: auc, at_least: 0.85}]}\n",
    )
    with Registry(stocked) as registry:
        with pytest.raises(GateRefused, match="auc") as refused:
            registry.rename_model("churn", "strict-churn")
        assert str(refused.value.hint).endswith("rename it, and promote them as strict-churn")
        registry.promote("churn@3", stage="production")
        outcome = registry.rename_model("churn", "strict-churn")
        assert any("auc" in line for line in outcome.change.evidence)
        assert registry.check("HEAD~2..HEAD").passed


def test_approvals_stay_behind(stocked: Path) -> None:
    path = stocked / "registry/churn/versions/3/approvals/production.ada@example.com.sig"
    path.parent.mkdir()
    path.write_text("signed")
    git(stocked, "add", "registry")
    git(stocked, "commit", "--quiet", "-m", "approved")
    with Registry(stocked) as registry:
        outcome = registry.rename_model("churn", "leavers")
        assert outcome.warnings == (
            "the approvals of churn@3 are for its old name: they do not move",
        )
        assert ".sig" not in git(stocked, "ls-tree", "-r", "--name-only", "HEAD")
        assert registry.check("HEAD~1..HEAD").passed


def test_a_version_that_was_registered_here_and_renamed_is_sent(shared: Path) -> None:
    work = shared / "work"
    with Registry(work) as registry:
        registry.register("churn", write_model(work, "four"))
        registry.rename_model("churn", "leavers", push=True)
    git(shared, "clone", "--quiet", "origin.git", "other")
    with Registry(shared / "other") as other:
        assert (other.pull("leavers@4") / "model.pkl").read_text() == "four"


def test_a_manifest_that_is_not_written_by_gitreg(stocked: Path) -> None:
    path = stocked / "registry/churn/versions/3/manifest.yaml"
    path.write_text(path.read_text().replace("model: churn\n", "'model': churn\n"))
    git(stocked, "commit", "--quiet", "-am", "by hand")
    with (
        Registry(stocked) as registry,
        pytest.raises(InvalidDocument, match="did not write the line"),
    ):
        registry.rename_model("churn", "leavers")


# Pages of YAML


@pytest.mark.parametrize("name", ["Größe 2", "a b", "null", "1", "yes", "a'b", 'say "x"', "x" * 99])
def test_any_name_may_be_given(stocked: Path, name: str) -> None:
    with Registry(stocked) as registry:
        registry.rename_model("churn", name)
        assert registry.model(name).latest == 3
        registry.rename_model(name, "leavers")
        assert registry.show("leavers@2").stage == "production"
        assert registry.check("HEAD~2..HEAD").passed


def test_the_name_of_the_rules_is_no_models(registry: Registry) -> None:
    with pytest.raises(InvalidRequest, match="the policy of the registry has that name"):
        registry.create_model("Policy.yaml")


# Copies, and the command line


def test_by_url(shared: Path) -> None:
    with Registry(f"file://{shared}/origin.git") as registry:
        assert registry.create_model("leavers").pushed
        registry.rename_model("churn", "stayers")
        registry.delete_model("tokenizer")
        assert [model.name for model in registry.models()] == ["leavers", "stayers"]
    with Registry(f"file://{shared}/origin.git") as registry:
        with pytest.raises(NotFound, match="renamed to 'stayers'"):
            registry.resolve("churn@champion")
        assert registry.resolve("stayers@champion").version == 2


def test_the_command_line(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(stocked)
    assert "create leavers" in gitreg("create", "leavers", "--tag", "a=b", "-m", "why").out
    assert "already exists" in error("create", "leavers", code=2)
    assert "name the model" in error("rename", "churn@2", "stayers", code=2)
    assert "is in production" in error("delete", "churn", code=1)
    assert "rename churn to stayers" in gitreg("rename", "churn", "stayers").out
    assert "renamed to 'stayers'" in error("show", "churn@2", code=2)
    assert "delete stayers@2" in gitreg("delete", "stayers@2", "--force").out
    assert "delete stayers" in gitreg("delete", "stayers", "--force", "--json").out
    assert "leavers" in gitreg("list").out
    assert "no version yet" in error("show", "leavers@latest", code=2)


# What is asked of the past


def test_the_past_is_told_as_it_was(stocked: Path) -> None:
    with Registry(stocked) as registry:
        was = {version.version: version.commit for version in registry.versions("churn")}
        before = git(stocked, "rev-parse", "HEAD")
        registry.delete_model("churn", force=True)
        registry.create_model("churn")
        registry.register("churn", write_model(stocked, "anew"))
        then = registry.versions("churn", rev=before)
        assert {version.version: version.commit for version in then} == was
        assert registry.show("churn@champion", rev=before).version == 2
        git(stocked, "reset", "--hard", "--quiet", before)
        assert str(registry.register("churn", write_model(stocked, "four")).versions[0]) == (
            "churn@4"
        )


def test_what_doctor_says_of_tombstones(stocked: Path) -> None:
    note = stocked / "registry/churn/deleted.yaml"
    note.write_text("deleted_at: x\n")
    git(stocked, "add", "registry")
    git(stocked, "commit", "--quiet", "-m", "by hand")
    with Registry(stocked) as registry:
        found = {finding.code for finding in registry.doctor() if finding.severity == "error"}
        assert {"bad-tombstone", "half-deleted"} <= found


def test_many_create_one_model_at_once(shared: Path) -> None:
    clones = [shared / f"clone-{number}" for number in range(4)]
    for clone in clones:
        git(shared, "clone", "--quiet", "origin.git", clone.name)

    def create(clone: Path) -> bool:
        with Registry(clone) as registry:
            try:
                return registry.create_model("leavers", push=True).pushed
            except AlreadyExists:
                return False

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(create, clones)) == [False, False, False, True]
