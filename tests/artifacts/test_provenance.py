"""Registering what a caller knows all of: bytes from anywhere, numbers of another registry."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gitreg import AlreadyExists, InvalidRequest, NotFound, Registry
from gitreg.artifacts.provenance import NOT_IMPORTED, Provenance
from gitreg.core.model import manifest
from gitreg.core.model.model import (
    CodeCommit,
    DataDependency,
    Environment,
    Lineage,
    ModelSignature,
    Run,
)
from tests.conftest import git, write_model
from tests.support.fakes import ADA

SIGNATURE = ModelSignature('[{"name": "age", "type": "long"}]', '[{"type": "double"}]', None)
FULL = Provenance(
    metrics={"auc": 0.9, "loss": float("nan"), "gain": float("inf")},
    params={"lr": "0.1"},
    signature=SIGNATURE,
    lineage=Lineage(
        source="s3://key:secret@bucket/m-1/artifacts",
        code=CodeCommit("4b" * 20, "https://ada:token@example.com/team/churn.git"),
        run=Run(
            None,
            "http://ada:token@mlflow.internal:5000",
            "http://ada:token@mlflow.internal/?t=secret#/experiments/1/runs/0a1b",
        ),
        logged_model="m-1",
    ),
    environment=Environment(python="3.11.7"),
    requirements=b"numpy==2.1.0\nx @ https://ada:token@example.com/x.whl\n",
    description="the first",
    tags={"team": "growth"},
    created_at="2024-05-06T07:08:09.123Z",
    created_by="grace",
)


def test_all_that_is_given_is_kept_but_secrets_and_what_is_not_finite(
    registry: Registry, folder: Path
) -> None:
    material = replace(FULL, source=write_model(folder))
    outcome = registry.register_artifact("churn", material, reason="by MLflow")
    assert outcome.warnings == ("metrics left out, not finite: loss, gain",)
    found = registry.show("churn@1")
    assert (found.metrics, found.params, found.signature) == (
        {"auc": 0.9},
        {"lr": "0.1"},
        SIGNATURE,
    )
    assert found.lineage == Lineage(
        source="s3://bucket/m-1/artifacts",
        code=CodeCommit("4b" * 20, "https://example.com/team/churn.git"),
        run=Run(
            None,
            "http://mlflow.internal:5000",
            "http://mlflow.internal/#/experiments/1/runs/0a1b",
        ),
        logged_model="m-1",
    )
    digest = found.environment.requirements_digest
    assert found.environment == Environment("3.11.7", None, "requirements.txt", digest)
    assert registry.state().requirements("churn", 1) == [
        "numpy==2.1.0",
        "x @ https://example.com/x.whl",
    ]
    assert (found.description, found.tags) == ("the first", {"team": "growth"})
    assert (found.created_at, found.created_by) == ("2024-05-06T07:08:09.123Z", "grace")
    assert (found.artifact.path, found.artifact.files) == ("model", 2)
    assert registry.pull("churn@1", folder / "out").is_dir()
    assert registry.check(history=True).passed


def test_what_is_not_said_is_who_commits_and_now(registry: Registry, folder: Path) -> None:
    registry.register_artifact("churn", Provenance(source=write_model(folder)))
    found = registry.show("churn@1")
    assert (found.created_by, found.lineage, found.signature) == (ADA, Lineage(), None)
    assert found.environment == Environment()


def test_a_version_shares_the_bytes_of_another(stocked: Path) -> None:
    with Registry(stocked) as registry:
        given = registry.show("churn@2")
        outcome = registry.register_artifact("copy", Provenance(source=given))
        copy = registry.show("copy@1")
        assert copy.artifact == given.artifact
        assert (copy.metrics, outcome.warnings) == ({}, ())
        assert registry.check(history=True).passed
        shutil.rmtree(stocked / "registry" / ".dvc" / "cache")
        assert registry.pull(copy, stocked / "out").is_dir()  # the remote has them
        with pytest.raises(NotFound, match="no churn@9"):
            registry.register_artifact("copy", Provenance(source=replace(given, version=9)))


@pytest.mark.parametrize("name", ["model.link", "model.prompt"])
def test_a_text_is_the_bytes(registry: Registry, folder: Path, name: str) -> None:
    text = "Say héllo to {{name}}\r\nand bye\n"
    planned = registry.register_artifact("hello", Provenance(text=(name, text)), dry_run=True)
    assert planned.commit is None
    assert planned.change.paths[0] == "registry/hello/versions/1/manifest.yaml"
    registry.register_artifact("hello", Provenance(text=(name, text)))
    found = registry.show("hello@1")
    assert (found.artifact.path, found.artifact.size) == (name, len(text.encode()))
    assert registry.pull("hello@1", folder / "out").read_bytes() == text.encode()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Provenance(), "either as its source or as a text"),
        (
            Provenance(source=Path("x"), text=("model.link", "y")),
            "either as its source or as a text",
        ),
        (Provenance(source=Path("nowhere")), "no such file or folder"),
        (Provenance(text=("model", "x")), "is not an artifact's name"),
        (Provenance(text=("../x", "x")), "is not an artifact's name"),
        (Provenance(text=("model.link", "x"), created_at="yesterday"), "is not a time"),
        (Provenance(text=("model.link", "x"), created_by="a\nb"), "invisible character"),
        (Provenance(text=("model.link", "x"), tags={"": "x"}), "cannot be a tag's key"),
        (Provenance(text=("model.link", "x"), version=10_002), "more than 10,000 numbers"),
    ],
)
def test_what_makes_no_sense_is_refused(
    registry: Registry, given: Provenance, message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        registry.register_artifact("churn", given)
    assert registry.models() == []


def test_what_a_manifest_has_no_room_for_is_left_out(registry: Registry) -> None:
    outcome = registry.register_artifact(
        "big",
        Provenance(
            text=("model.link", "s3://bucket/big"),
            metrics={f"layer_{n:04}/norm": n / 7 for n in range(1000)},
            params={f"p{n}": "x" * 5000 for n in range(9)},
            signature=ModelSignature("[" + " " * 17_000 + "]"),
            requirements=b"x" * 70_000,
            lineage=Lineage(data=tuple(DataDependency("x" * 500 + str(n)) for n in range(30))),
        ),
    )
    assert [warning.split(":")[0] for warning in outcome.warnings] == [
        "555 of 1000 metrics left out",
        "6 of 9 params left out",
        "signature left out",
        "requirements.txt left out",
        "16 of 30 data left out",
    ]
    found = registry.show("big@1")
    assert (len(found.metrics), list(found.params)) == (445, ["p0", "p1", "p2"])
    assert (found.signature, found.environment.requirements) == (None, None)
    odd = Provenance(text=("model.link", "x"), requirements=b"\xff")
    assert "not UTF-8" in registry.register_artifact("big", odd).warnings[0]


# Numbers of another registry


def imported(version: int | None) -> Provenance:
    return Provenance(text=("model.link", f"s3://bucket/{version}"), version=version)


def test_numbers_are_kept_and_gaps_are_marked(registry: Registry) -> None:
    registry.register_artifact("churn", imported(3), reason="import")
    registry.register_artifact("churn", imported(4))
    registry.register_artifact("churn", imported(6))
    assert registry.register_artifact("churn", imported(None)).versions[0].version == 7
    assert [one.version for one in registry.versions("churn")] == [7, 6, 4, 3]
    with pytest.raises(NotFound, match=f"churn@5 was deleted by {ADA}.*{NOT_IMPORTED}"):
        registry.show("churn@5")
    assert registry.check(history=True).passed
    # Nothing was deleted, and no tag says so.
    assert {event.action for event in registry.log("churn")} == {"register"}
    for taken in (5, 7):
        with pytest.raises(AlreadyExists, match="7 is the highest number given so far"):
            registry.register_artifact("churn", imported(taken))


def test_an_import_that_is_repeated_is_done_once(registry: Registry) -> None:
    first = registry.register_artifact("churn", imported(3), op_id="import-churn-3")
    again = registry.register_artifact("churn", imported(3), op_id="import-churn-3")
    assert (again.commit, again.repeated) == (first.commit, True)


def test_check_refuses_a_gap_that_is_not_marked(registry: Registry, folder: Path) -> None:
    registry.register_artifact("churn", imported(3))
    git(folder, "rm", "--quiet", "registry/churn/versions/1/deleted.yaml")
    git(folder, "commit", "--quiet", "--amend", "--no-edit")
    report = registry.check("HEAD~1..HEAD")
    assert {finding.code for finding in report.findings if finding.is_error} == {"number-skipped"}


def test_an_import_is_done_again_on_what_others_published(shared: Path) -> None:
    work, other = shared / "work", shared / "other"
    git(shared, "clone", "--quiet", "origin.git", "other")
    with Registry(other) as theirs:
        theirs.register_artifact("new", imported(None), push=True)
    with Registry(work) as mine:
        mine.register_artifact("new", imported(4))
        report = mine.push()
        assert report is not None
        assert [one.version for one in mine.versions("new")] == [4, 1]
        left = mine.state().snapshot.read("registry/new/versions/3/deleted.yaml")
        assert manifest.read_tombstone(left or b"", "x").reason == NOT_IMPORTED
        assert mine.state().numbers("new") == [1, 2, 3, 4]
        assert mine.check(history=True).passed
