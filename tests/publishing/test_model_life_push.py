"""`gitreg push` does creations, renames and deletions of models again where the remote moved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.errors import Refused
from tests.conftest import git, write_model


@pytest.fixture
def here(shared: Path) -> Iterator[Registry]:
    """A clone that works without publishing."""
    with Registry(shared / "work") as opened:
        yield opened


@pytest.fixture
def there(shared: Path) -> Iterator[Registry]:
    """A clone of somebody who publishes at once."""
    git(shared, "clone", "--quiet", "origin.git", "other")
    with Registry(shared / "other") as opened:
        yield opened


def whole(registry: Registry) -> dict[str, dict[str, tuple[int, ...]]]:
    return {model.name: dict(model.stages) for model in registry.models()}


def test_a_line_of_lives_is_published_as_it_is(here: Registry, shared: Path) -> None:
    here.create_model("leavers")
    here.rename_model("churn", "stayers")
    here.delete_model("tokenizer")
    here.create_model("tokenizer")
    here.register("tokenizer", write_model(shared / "work", "anew"))
    report = here.push()
    assert len(report.sent) == 5
    with Registry(f"file://{shared}/origin.git") as published:
        assert whole(published) == whole(here)
        assert published.check(history=True).passed
        assert published.show("tokenizer@1").artifact.sha256 == (
            here.show("tokenizer@1").artifact.sha256
        )


def test_lives_are_done_again(here: Registry, there: Registry, shared: Path) -> None:
    work = shared / "work"
    here.register("churn", write_model(work, "ours"))
    here.rename_model("churn", "leavers", reason="plainer")
    here.promote("leavers@4", stage="staging")
    here.create_model("churn", description="another")
    here.register("churn", write_model(work, "anew"))
    here.promote("churn@1", stage="production")
    here.delete_model("tokenizer")
    there.register("churn", write_model(shared / "other", "theirs"), push=True)
    report = here.push()
    assert [left.reason for left in report.left] == []
    assert [sent.subject for sent in report.sent] == [
        "register churn@5",
        "rename churn to leavers",
        "promote leavers@5 to staging",
        "create churn",
        "register churn@1",
        "promote churn@1 to production",
        "delete tokenizer",
    ]
    assert whole(here) == {
        "churn": {"production": (1,)},
        "leavers": {"staging": (5,), "production": (2,), "archived": (1,)},
    }
    assert here.model("churn").description == "another"
    assert here.log("leavers")[1].reason == "plainer"
    assert here.check(history=True).passed
    assert git(work, "status", "--porcelain") == ""
    assert here.push().sent == ()
    there.fetch()
    assert whole(there) == whole(here)


def test_what_somebody_else_did_stops_a_deletion(
    here: Registry, there: Registry, shared: Path
) -> None:
    here.delete_model("tokenizer")
    here.delete_model("churn", force=True)
    there.register("tokenizer", write_model(shared / "other", "theirs"), push=True)
    there.promote("churn@3", stage="production", push=True)
    report = here.push()
    assert [left.reason for left in report.left] == [
        "tokenizer@2 has been registered by somebody else",
        "churn aliases/champion has been moved by somebody else"
        if there.model("churn").aliases != {"champion": 2}
        else "churn stages/archived has been moved by somebody else",
    ]


def test_who_was_first_has_the_name(here: Registry, there: Registry) -> None:
    here.create_model("leavers", description="ours")
    here.rename_model("churn", "stayers")
    here.promote("stayers@3", stage="staging")
    there.create_model("leavers", description="theirs", push=True)
    there.create_model("stayers", push=True)
    report = here.push()
    assert [left.reason for left in report.left] == [
        "the model 'leavers' already exists",
        "the model 'stayers' already exists",
        "stayers@3 belongs to a commit that was not pushed",
    ]


def test_a_promotion_of_what_was_renamed_meanwhile(here: Registry, there: Registry) -> None:
    here.promote("churn@3", stage="production")
    there.rename_model("churn", "leavers", push=True)
    report = here.push()
    assert "renamed to 'leavers'" in report.left[0].reason


def test_an_unsound_line_is_not_published(here: Registry, shared: Path) -> None:
    work = shared / "work"
    (work / "registry/churn/deleted.yaml").write_text("deleted_at: x\ndeleted_by: y\n")
    git(work, "add", "registry")
    git(work, "commit", "--quiet", "-m", "by hand")
    with pytest.raises(Refused, match="says that churn was deleted"):
        here.push()
