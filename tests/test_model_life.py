"""Models as a whole: created before their first version, renamed, deleted, and begun anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import AlreadyExists, InvalidRequest, LostRace, NotFound, Refused
from gitreg.model import Annotations

from .conftest import git, write_model

# Create


def test_a_model_is_there_before_its_first_version(registry: Registry, folder: Path) -> None:
    outcome = registry.create_model("churn", description="who leaves", tags={"team": "growth"})
    assert outcome.change.subject == "create churn"
    model = registry.model("churn")
    assert (model.latest, model.description, dict(model.tags)) == (
        None, "who leaves", {"team": "growth"},
    )  # fmt: skip
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
    with pytest.raises(AlreadyExists, match="'churn' is there already"):
        registry.create_model("churn")
    with pytest.raises(InvalidRequest, match="only by case"):
        registry.create_model("Churn")
    with pytest.raises(InvalidRequest, match="kept for references"):
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
            before.stages, before.aliases, before.description, before.latest,
        )  # fmt: skip
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
