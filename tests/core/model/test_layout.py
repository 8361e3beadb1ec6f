"""Paths and what they name are inverse functions; what gitreg never wrote is no model."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from gitreg.core.model import layout
from gitreg.core.model.layout import Place
from gitreg.errors import InvalidRequest
from tests.core.model.test_names import ALIASES, MODELS, STAGES, VERSIONS


@settings(max_examples=60, deadline=None)
@given(MODELS, STAGES, ALIASES, VERSIONS)
def test_a_path_is_located_as_what_it_was_made_for(
    model: str, stage: str, alias: str, version: int
) -> None:
    places = {
        layout.stage_path(model, stage): Place(model, "stages", name=stage),
        layout.alias_path(model, alias): Place(model, "aliases", name=alias),
        layout.manifest_path(model, version): Place(model, "manifest", version=version),
        layout.tombstone_path(model, version): Place(model, "deleted", version=version),
        layout.annotations_path(model, version): Place(model, "annotations", version=version),
        layout.model_document_path(model): Place(model, "model"),
        layout.dvc_pointer_path(model, version, "model.pkl"): Place(
            model, "other", version=version
        ),
    }
    assert {path: layout.locate(path) for path in places} == places
    assert all(path.startswith(layout.model_path(model) + "/") for path in places)
    assert len(places) == 7


@pytest.mark.parametrize(
    "path",
    [
        "registry/policy.yaml",
        "registry/.gitignore",
        "registry/churn",
        "dvc.yaml",
        "models/churn/stages/production.yaml",
        "Registry/churn/stages/production.yaml",
        "registry/.git/stages/production.yaml",
        "registry//stages/production.yaml",
        "registry/../stages/production.yaml",
        "registry/%2E%2E/stages/production.yaml",
        "registry/a%2Fb/stages/production.yaml",
        "registry/a%40b/stages/production.yaml",
        "registry/%1B%5Bm/stages/production.yaml",
        "registry/con/stages/production.yaml",
        "registry/a b/stages/production.yaml",
        "registry/%FF/stages/production.yaml",
    ],
)
def test_paths_of_no_model(path: str) -> None:
    assert layout.locate(path) is None


@pytest.mark.parametrize(
    "path",
    [
        "stages/Production.yaml",
        "stages/none.yaml",
        "stages/5.yaml",
        "stages/production.yml",
        "stages/production",
        "stages/.yaml",
        "stages/deep/production.yaml",
        "aliases/.yaml",
        "aliases/champion",
        "aliases/a%40b.yaml",
        "aliases/%1B.yaml",
        "aliases/%63hampion.yaml",
        "aliases/ö.yaml",
        "versions/0/manifest.yaml",
        "versions/05/manifest.yaml",
        "versions/1234567890/manifest.yaml",
        "versions/٣/manifest.yaml",
        "versions/5",
        "versions/5/model/manifest.yaml",
        "versions/x/manifest.yaml",
        "model.yaml/x",
        "notes.md",
    ],
)
def test_files_of_a_model_that_gitreg_does_not_know(path: str) -> None:
    assert layout.locate(f"registry/churn/{path}") == Place("churn", "other")


def test_pointers() -> None:
    assert Place("m", "stages", name="production").pointer == "stages/production"
    assert Place("m", "aliases", name="champion").pointer == "aliases/champion"
    assert Place("m", "manifest", version=1).pointer is None


def test_odd_names_on_disk() -> None:
    assert layout.manifest_path("two words", 5) == "registry/two%20words/versions/5/manifest.yaml"
    assert layout.alias_path("m", "größe") == "registry/m/aliases/gr%C3%B6%C3%9Fe.yaml"
    assert layout.alias_path("m", "con") == "registry/m/aliases/%63on.yaml"
    assert layout.version_path("m", 5) == "registry/m/versions/5"


def test_the_archive_comes_last() -> None:
    stages = sorted(["staging", "archived", "canary", "production"], key=layout.stage_order)
    assert stages == ["canary", "production", "staging", "archived"]


def test_names_and_paths_of_approvals() -> None:
    for stage, principal in (
        ("production", "ada"),
        ("pre-prod", "ada@example.com"),
        ("a_b", "jürgen@example.com"),
        ("production", "a.b+c@example.com"),
    ):
        path = layout.approval_path("churn", 5, stage, principal)
        place = layout.locate(path)
        assert place == layout.Place("churn", "approval", stage, 5, principal)
    for file in (
        "production.sig",
        ".ada.sig",
        "production.ada",
        "Production.ada.sig",
        "none.ada.sig",
        "production.*.sig",
        "production.-x.sig",
        "production.a%2fb.sig",
        "production.a%0Ab.sig",
    ):
        place = layout.locate(f"registry/churn/versions/5/approvals/{file}")
        assert place is not None
        assert place.kind == "other"
    for principal in ("", "*", "a b", "-x", "é" * 99):
        with pytest.raises(InvalidRequest):
            layout.approval_path("churn", 5, "production", principal)
