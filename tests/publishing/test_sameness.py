"""Files are the same if they say the same: quotes, times and what a run decides may differ."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitreg.core.model import layout, manifest
from gitreg.core.model.manifest import Tombstone
from gitreg.core.model.model import Annotations, CodeCommit, Environment, ModelVersion
from gitreg.core.state.change import Change, Edit
from gitreg.publishing.sameness import is_the_same, is_the_same_file
from tests.core.model.test_manifest import WHOLE

MANIFEST = layout.manifest_path("churn", 5)
ANNOTATIONS = layout.annotations_path("churn", 5)
MODEL = layout.model_document_path("churn")
STAGE = layout.stage_path("churn", "production")
ALIAS = layout.alias_path("churn", "champion")
TOMBSTONE = layout.tombstone_path("churn", 5)
APPROVAL = layout.approval_path("churn", 5, "production", "ada@example.com")
REQUIREMENTS = layout.version_path("churn", 5, layout.REQUIREMENTS)
PARAMS = manifest.write_manifest(replace(WHOLE, params={"country": "NO", "rate": 1e-07}))
TAGS = manifest.write_annotations(Annotations("x", tags={"country": "NO", "at": "12:30:00"}))
CREATED = manifest.write_annotations(Annotations("x", created_at="2026-11-22T20:25:06Z"))


def answers(path: str, ours: bytes | None, theirs: bytes | None) -> tuple[bool, bool]:
    """Return what `is_the_same_file` and `is_the_same` say."""
    edit = Edit(path, ours)
    return is_the_same_file(edit, theirs), is_the_same(Change("x", (edit,)), {path: theirs}.get)


def written_by_an_earlier_release(data: bytes | None) -> bytes:
    assert data is not None
    old = data.replace(b"'NO'", b"NO").replace(b"'12:30:00'", b"12:30:00")
    old = old.replace(b"1.0e-07", b"1e-07")
    assert old != data
    return old


@pytest.mark.parametrize(
    ("path", "ours", "theirs"),
    [
        (MANIFEST, PARAMS, written_by_an_earlier_release(PARAMS)),
        (ANNOTATIONS, TAGS, written_by_an_earlier_release(TAGS)),
        (MODEL, TAGS, written_by_an_earlier_release(TAGS)),
        (STAGE, b"versions:\n- 5\n", b"versions: [5]\n"),
        (ALIAS, b"version: 5\n", b"version: 5  # the best\n"),
        (
            MANIFEST,
            PARAMS,
            manifest.write_manifest(
                replace(manifest.read_manifest(PARAMS, MANIFEST), created_at="later")
            ),
        ),
        (MODEL, CREATED, manifest.write_annotations(Annotations("x"))),
        (
            TOMBSTONE,
            manifest.write_tombstone(Tombstone("now", "Ada", "y")),
            manifest.write_tombstone(Tombstone("later", "Bob")),
        ),
        (REQUIREMENTS, None, None),
    ],
)
def test_the_same(path: str, ours: bytes | None, theirs: bytes | None) -> None:
    assert answers(path, ours, theirs) == (True, True)
    assert answers(path, theirs, ours) == (True, True)


@pytest.mark.parametrize(
    ("path", "ours", "theirs"),
    [
        (ANNOTATIONS, TAGS, manifest.write_annotations(Annotations("x", tags={"country": "SE"}))),
        (MODEL, CREATED, manifest.write_annotations(Annotations("y"))),
        (STAGE, b"versions:\n- 5\n", b"versions:\n- 5\n- 6\n"),
        (ALIAS, b"version: 5\n", b"version: 6\n"),
        (ALIAS, b"version: 5\n", b"damaged"),
        (MANIFEST, PARAMS, manifest.write_manifest(WHOLE)),
        (MANIFEST, PARAMS, b"damaged"),
        (ANNOTATIONS, TAGS, b"country: [\n"),
        *((path, b"x", None) for path in (TOMBSTONE, REQUIREMENTS, APPROVAL, layout.DVC_YAML)),
    ],
)
def test_not_the_same(path: str, ours: bytes | None, theirs: bytes | None) -> None:
    assert answers(path, ours, theirs) == (False, False)
    assert answers(path, theirs, ours) == (False, False)


@pytest.mark.parametrize(
    ("path", "ours", "theirs"),
    [
        (REQUIREMENTS, b"a==1\n", b"a==2\n"),
        (APPROVAL, b"one signature", b"another over the same text"),
        (layout.DVC_YAML, b"artifacts: {}\n", b"stages: {}\n"),
        *(
            (MANIFEST, manifest.write_manifest(WHOLE), manifest.write_manifest(other))
            for other in (
                replace(WHOLE, environment=Environment(python="3.14.0")),
                replace(WHOLE, lineage=replace(WHOLE.lineage, code=CodeCommit("f" * 40))),
                replace(WHOLE, created_by="Bob <bob@example.com>"),
            )
        ),
    ],
)
def test_what_a_run_decides_is_in_the_file_and_not_in_the_request(
    path: str, ours: bytes, theirs: bytes
) -> None:
    assert answers(path, ours, theirs) == (False, True)


@pytest.mark.parametrize(
    "other",
    [
        replace(WHOLE, params={"other": 1}),
        replace(WHOLE, metrics={"auc": 0.1}),
        replace(WHOLE, artifact=replace(WHOLE.artifact, sha256="0" * 64)),
    ],
)
def test_a_request_decides_bytes_metrics_and_params(other: ModelVersion) -> None:
    ours, theirs = manifest.write_manifest(WHOLE), manifest.write_manifest(other)
    assert answers(MANIFEST, ours, theirs) == (False, False)


def test_a_change_without_edits_is_no_commit() -> None:
    assert not is_the_same(Change("x"), lambda _path: None)
