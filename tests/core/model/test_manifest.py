"""The registry's documents: every type round trips, and what is odd is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitreg.core.documents import yaml
from gitreg.core.model import manifest
from gitreg.core.model.manifest import Tombstone
from gitreg.core.model.model import (
    Annotations,
    Artifact,
    CodeCommit,
    DataDependency,
    Environment,
    Lineage,
    Model,
    ModelSignature,
    ModelVersion,
    Resolved,
    Run,
)
from gitreg.errors import InvalidDocument, InvalidRequest
from tests.core.documents.test_yaml import TEXTS, VALUES, typed
from tests.support.fakes import ADA, CREATED, MD5, SHA256

QUICK = settings(max_examples=30, deadline=None)
COUNTS = st.integers(0, 2**60)
HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
MD5S = st.text("0123456789abcdef", min_size=32, max_size=32)
PATHS = st.sampled_from(["model", "model.pkl", "model.tar.gz", "model.5"])
METRICS = st.dictionaries(
    TEXTS,
    st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False),
    max_size=3,
)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


LINEAGES = st.builds(
    Lineage,
    maybe(TEXTS),
    maybe(st.builds(CodeCommit, TEXTS, maybe(TEXTS), st.booleans())),
    st.lists(
        st.builds(DataDependency, TEXTS, maybe(TEXTS), maybe(COUNTS), maybe(TEXTS)), max_size=3
    ).map(tuple),
    maybe(TEXTS),
    maybe(st.builds(Run, TEXTS, maybe(TEXTS), maybe(TEXTS)) | st.builds(Run, link=TEXTS)),
    maybe(TEXTS),
)
MANIFESTS = st.builds(
    ModelVersion,
    TEXTS,
    st.integers(1, 10**9),
    TEXTS,
    TEXTS,
    st.builds(Artifact, PATHS, COUNTS, st.integers(1, 2**60), HEX),
    METRICS,
    st.dictionaries(TEXTS, VALUES, max_size=2),
    LINEAGES,
    st.builds(
        Environment, maybe(TEXTS), maybe(TEXTS), maybe(st.just("requirements.txt")), maybe(HEX)
    ),
    signature=maybe(st.builds(ModelSignature, st.just("[]"), maybe(TEXTS), maybe(TEXTS))),
)


@settings(max_examples=60, deadline=None)
@given(MANIFESTS)
def test_manifests_are_read_back(version: ModelVersion) -> None:
    found = manifest.read_manifest(manifest.write_manifest(version), "manifest.yaml")
    assert found == version
    assert typed(dict(found.metrics)) == typed(dict(version.metrics))
    assert typed(dict(found.params)) == typed(dict(version.params))
    assert manifest.write_manifest(found) == manifest.write_manifest(version)


@QUICK
@given(
    st.builds(Annotations, maybe(TEXTS), maybe(TEXTS), st.dictionaries(TEXTS, TEXTS, max_size=3))
)
def test_annotations_are_read_back(said: Annotations) -> None:
    data = manifest.write_annotations(said)
    assert manifest.read_annotations(data, "annotations.yaml") == said
    assert (data is None) == (said == Annotations())


@QUICK
@given(st.builds(Tombstone, TEXTS, TEXTS, maybe(TEXTS)))
def test_tombstones_are_read_back(tombstone: Tombstone) -> None:
    data = manifest.write_tombstone(tombstone)
    assert manifest.read_tombstone(data, "deleted.yaml") == tombstone


@QUICK
@given(PATHS, COUNTS, COUNTS, MD5S, st.sampled_from(["", ".dir"]))
def test_dvc_pointers_are_read_back(
    path: str, size: int, files: int, md5: str, suffix: str
) -> None:
    artifact = Artifact(path, size, files, SHA256, md5 + suffix)
    data = manifest.write_dvc_pointer(artifact)
    assert manifest.read_dvc_pointer(data, "model.dvc") == md5 + suffix
    out = yaml.parse(data, "model.dvc")["outs"]
    count = {"nfiles": files} if suffix else {}
    assert out == [{"md5": md5 + suffix, "size": size, **count, "hash": "md5", "path": path}]


@QUICK
@given(st.sets(st.integers(1, 10**9 - 1), max_size=8), st.integers(1, 10**9 - 1))
def test_pointers_are_read_back(versions: set[int], version: int) -> None:
    data = manifest.write_versions(tuple(versions))
    assert manifest.read_versions(data, "production.yaml") == tuple(sorted(versions))
    assert (data is None) == (not versions)
    assert manifest.read_alias(manifest.write_alias(version), "champion.yaml") == version


def test_pointers_are_two_line_diffs() -> None:
    assert manifest.write_versions((10, 9)) == b"versions:\n- 9\n- 10\n"
    assert manifest.write_alias(5) == b"version: 5\n"


WHOLE = ModelVersion(
    "churn-predictor",
    5,
    CREATED,
    ADA,
    Artifact("model", 184312, 4, SHA256, MD5 + ".dir"),
    {"roc_auc": 0.921},
    {"learning_rate": 0.01, "layers": [64, 32]},
    Lineage(
        "models/churn",
        CodeCommit("4b652c8" * 5 + "00000", "git@example.com:team/churn.git"),
        (DataDependency("data/train.csv", MD5, 90211),),
        "python train.py",
        Run("0a1b", "http://mlflow.internal:5000"),
    ),
    Environment("3.11.7", "linux-x86_64", "requirements.txt"),
)


def test_a_manifest_as_the_design_shows_it() -> None:
    assert manifest.write_manifest(WHOLE).decode() == (
        f"""\
format: 1
model: churn-predictor
version: 5
created_at: '2026-11-22T20:25:06Z'
created_by: Ada Lovelace <ada@example.com>
artifact:
  path: model
  size: 184312
  files: 4
  sha256: {SHA256}
metrics:
  roc_auc: 0.921
params:
  learning_rate: 0.01
  layers:
  - 64
  - 32
lineage:
  source: models/churn
  code:
    commit: {"4b652c8" * 5}00000
    repository: git@example.com:team/churn.git
    dirty: false
  data:
  - path: data/train.csv
    md5: {MD5}
    size: 90211
  command: python train.py
  run:
    id: 0a1b
    tracking_uri: http://mlflow.internal:5000
environment:
  python: 3.11.7
  platform: linux-x86_64
  requirements: requirements.txt
"""
    )


def test_what_is_absent_is_not_written() -> None:
    version = ModelVersion("m", 1, CREATED, ADA, Artifact("model", 0, 1, SHA256))
    keys = yaml.parse(manifest.write_manifest(version), "m")
    assert list(keys) == ["format", "model", "version", "created_at", "created_by", "artifact"]


def test_the_files_that_had_changes_are_kept() -> None:
    code = CodeCommit("4b652c8" * 5 + "00000", dirty=True, changed=("größe 2.py", "train.py"))
    written = manifest.write_manifest(replace(WHOLE, lineage=Lineage(code=code)))
    assert manifest.read_manifest(written, "m").lineage.code == code


def test_untracked_code_is_written_where_it_is_true_alone() -> None:
    code = CodeCommit("4b652c8" * 5 + "00000", untracked=True)
    version = replace(WHOLE, lineage=Lineage(code=code))
    written = manifest.write_manifest(version)
    assert b"    dirty: false\n    untracked: true\n" in written
    assert manifest.read_manifest(written, "m").lineage.code == code
    denied = written.replace(b"untracked: true", b"untracked: false")
    assert manifest.read_manifest(denied, "m").lineage.code == replace(code, untracked=False)


def broken(path: str, value: object) -> bytes:
    """Return the whole manifest in which one field, named by a dotted path, has another value."""
    document: Any = yaml.parse(manifest.write_manifest(WHOLE), "m")
    inner = document
    *way, last = path.split(".")
    for name in way:
        inner = inner[int(name) if name.isdigit() else name]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return yaml.dump(document)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("format", 2, "format: 2 is not supported: this gitreg reads 1"),
        ("format", "1", "format: expected an integer, found text"),
        ("format", True, "format: expected an integer, found a boolean"),
        ("format", ..., "format: missing"),
        ("model", 5, "model: expected text, found an integer"),
        ("model", True, "model: expected text, found a boolean"),
        ("version", "5", "version: expected an integer, found text"),
        ("version", 5.0, "version: expected an integer, found a number"),
        ("version", 0, "version: 0 is less than 1"),
        ("created_at", None, "created_at: expected text, found nothing"),
        ("created_by", ..., "created_by: missing"),
        ("owner", "x", "owner: unknown key"),
        ("artifact", "x", "artifact: expected a mapping, found text"),
        ("artifact", ..., "artifact.path: missing"),
        ("artifact.md5", MD5, "artifact.md5: unknown key"),
        ("artifact.path", "../model", "artifact.path: expected 'model', or 'model' with an ext"),
        ("artifact.path", "/etc/passwd", "artifact.path: expected 'model'"),
        ("artifact.path", "model/x", "artifact.path: expected 'model'"),
        ("artifact.path", "model.", "artifact.path: expected 'model'"),
        ("artifact.path", "model.p\n", "artifact.path: expected 'model'"),
        ("artifact.size", -1, "artifact.size: -1 is less than 0"),
        ("artifact.size", True, "artifact.size: expected an integer, found a boolean"),
        ("artifact.files", 0, "artifact.files: 0 is less than 1"),
        ("artifact.sha256", SHA256.upper(), "artifact.sha256: expected 64 lower-case hex digits"),
        ("artifact.sha256", SHA256 + "0", "artifact.sha256: expected 64 lower-case hex digits"),
        ("artifact.sha256", 5, "artifact.sha256: expected text, found an integer"),
        ("metrics", [], "metrics: expected a mapping, found a list"),
        ("metrics.roc_auc", "0.9", "metrics.roc_auc: expected a number, found text"),
        ("metrics.roc_auc", True, "metrics.roc_auc: expected a number, found a boolean"),
        ("metrics.roc_auc", {"a": 1}, "metrics.roc_auc: expected a number, found a mapping"),
        ("params", "x", "params: expected a mapping, found text"),
        ("lineage", [], "lineage: expected a mapping, found a list"),
        ("lineage.sauce", "x", "lineage.sauce: unknown key"),
        ("lineage.source", 5, "lineage.source: expected text, found an integer"),
        ("lineage.code.dirty", "no", "lineage.code.dirty: expected true or false, found text"),
        ("lineage.code.dirty", 0, "lineage.code.dirty: expected true or false, found an integer"),
        ("lineage.code.untracked", 1, "lineage.code.untracked: expected true or false, found an"),
        ("lineage.code.untracked", ["a.py"], "lineage.code.untracked: expected true or false, fou"),
        ("lineage.code.commit", ..., "lineage.code.commit: missing"),
        ("lineage.code.url", "x", "lineage.code.url: unknown key"),
        ("lineage.run", {}, "lineage.run: expected one of id, tracking_uri, link"),
        ("lineage.logged_model", 5, "lineage.logged_model: expected text, found an integer"),
        ("signature", {}, "signature: expected one of inputs, outputs, params"),
        ("signature", {"inputs": []}, "signature.inputs: expected text, found a list"),
        ("signature", {"input": "[]"}, "signature.input: unknown key"),
        ("signature", {"inputs": "x" * 20_000}, "signature: more than 16384 characters"),
        ("lineage.data", {}, "lineage.data: expected a list, found a mapping"),
        ("lineage.data", ["x"], "lineage.data[0]: expected a mapping, found text"),
        ("lineage.data.0.size", "5", "lineage.data[0].size: expected an integer, found text"),
        ("lineage.data.0.hash", "5", "lineage.data[0].hash: unknown key"),
        ("lineage.run.id", 5, "lineage.run.id: expected text, found an integer"),
        ("lineage.run.uri", "x", "lineage.run.uri: unknown key"),
        ("environment.python", 3.11, "environment.python: expected text, found a number"),
        ("environment.requirements", "../x", "environment.requirements: expected 'requirements.t"),
        ("environment.os", "x", "environment.os: unknown key"),
    ],
)
def test_manifests_that_break_a_rule(path: str, value: object, message: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        manifest.read_manifest(broken(path, value), "v/manifest.yaml")
    assert str(caught.value).startswith(f"v/manifest.yaml: {message}")


def test_a_format_of_tomorrow_says_to_upgrade() -> None:
    with pytest.raises(InvalidDocument) as caught:
        manifest.read_manifest(b"format: 2\nshape: round\n", "m")
    assert caught.value.hint == "upgrade gitreg: pip install -U gitreg"


def test_a_manifest_that_is_too_large_is_not_written() -> None:
    params = {"prompt": "x" * 70_000}
    version = ModelVersion("m", 1, CREATED, ADA, WHOLE.artifact, params=params)
    with pytest.raises(InvalidRequest, match="65,536 is the most"):
        manifest.write_manifest(version)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_metric_that_is_not_finite_is_not_written(value: float) -> None:
    version = ModelVersion("m", 1, CREATED, ADA, WHOLE.artifact, metrics={"auc": value})
    with pytest.raises(InvalidRequest, match=r"'metrics\.auc': .* is not a finite number"):
        manifest.write_manifest(version)


@pytest.mark.parametrize(
    ("write", "given", "message"),
    [
        (
            manifest.write_manifest,
            {"metrics": {"auc": "0.9"}},
            "manifest.yaml: metrics.auc: expected a number, found text",
        ),
        (
            manifest.write_manifest,
            {"params": {5: 1}},
            "manifest.yaml: line 14: a key must be text, found an integer",
        ),
        (manifest.write_manifest, {"version": 0}, "manifest.yaml: version: 0 is less than 1"),
        (
            manifest.write_annotations,
            {"tags": {"a": 5}},
            "annotations: tags.a: expected text, found an integer",
        ),
        (
            manifest.write_annotations,
            {"owner": True},
            "annotations: owner: expected text, found a boolean",
        ),
        (
            manifest.write_tombstone,
            {"reason": 5},
            "deleted.yaml: reason: expected text, found an integer",
        ),
        (
            manifest.write_dvc_pointer,
            {"md5": "x"},
            "model.dvc: outs[0].md5: expected an MD5, with .dir for a folder",
        ),
    ],
)
def test_what_could_not_be_read_back_is_not_written(
    write: Callable[[object], bytes], given: dict[str, Any], message: str
) -> None:
    whole: dict[object, Any] = {
        manifest.write_manifest: WHOLE,
        manifest.write_annotations: Annotations(),
        manifest.write_tombstone: Tombstone("now", "me"),
        manifest.write_dvc_pointer: WHOLE.artifact,
    }
    with pytest.raises(InvalidRequest) as caught:
        write(replace(whole[write], **given))
    assert str(caught.value) == f"this cannot be written: {message}"


def test_pointers_that_could_not_be_read_back_are_not_written() -> None:
    with pytest.raises(InvalidRequest, match="the alias: version: 0 is less than 1"):
        manifest.write_alias(0)
    with pytest.raises(InvalidRequest, match="the stage: versions: expected version numbers"):
        manifest.write_versions((0, 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("outs: []", "outs: expected exactly one output"),
        ("deps: []", "outs: expected exactly one output"),
        ("outs: [{}, {}]", "outs: expected exactly one output"),
        ("outs: [x]", "outs: expected exactly one output"),
        ("outs: x", "outs: expected a list, found text"),
        ("outs: [{}]", "outs[0].path: missing"),
        (f"outs: [{{md5: {MD5}, hash: md5, path: ../model}}]", "outs[0].path: expected 'model'"),
        (f"outs: [{{md5: {MD5}, path: model}}]", "outs[0].hash: missing"),
        (f"outs: [{{md5: {MD5}, hash: sha1, path: model}}]", "outs[0].hash: expected 'md5'"),
        ("outs: [{hash: md5, path: model}]", "outs[0].md5: missing"),
        ("outs: [{md5: ../../x, hash: md5, path: model}]", "outs[0].md5: expected an MD5"),
        *(
            (
                f"{key}: {value}\nouts: [{{md5: {MD5}, hash: md5, path: model}}]",
                f"{key}: unknown key",
            )
            for key, value in {
                "cmd": "evil",
                "wdir": "../../..",
                "deps": "[{path: x}]",
                "frozen": "true",
                "meta": "{a: b}",
                "desc": "a text",
                "md5": MD5,
            }.items()
        ),
        *(
            (
                f"outs: [{{md5: {MD5}, hash: md5, path: model, {key}: {value}}}]",
                f"outs[0].{key}: unknown key",
            )
            for key, value in {
                "remote": "mine",
                "cache": "false",
                "persist": "true",
                "push": "false",
                "desc": "a text",
                "cloud": "{}",
                "files": "[]",
            }.items()
        ),
        (f"outs: [{{md5: {MD5}.dirt, hash: md5, path: model}}]", "outs[0].md5: expected an MD5"),
    ],
)
def test_files_that_are_no_dvc_pointer(text: str, message: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        manifest.read_dvc_pointer(text.encode(), "model.dvc")
    assert str(caught.value).startswith(f"model.dvc: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("versions: [2, 1]", "versions: the numbers must ascend, without duplicates"),
        ("versions: [1, 1]", "versions: the numbers must ascend, without duplicates"),
        ("versions:\n- 2\n- 1\n", "versions: the numbers must ascend, without duplicates"),
        ("versions: ['1']", "versions: expected version numbers, found text '1'"),
        ("versions: [true]", "versions: expected version numbers, found a boolean True"),
        ("versions: [0]", "versions: expected version numbers, found an integer 0"),
        ("versions: 5", "versions: expected a list, found an integer"),
        ("version: 5", "version: unknown key"),
    ],
)
def test_files_that_are_no_stage(text: str, message: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        manifest.read_versions(text.encode(), "production.yaml")
    assert str(caught.value) == f"production.yaml: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: '5'", "version: expected an integer, found text"),
        ("version: 5.0", "version: expected an integer, found a number"),
        ("version: true", "version: expected an integer, found a boolean"),
        ("version: 0\n", "version: 0 is less than 1"),
        ("version:", "version: expected an integer, found nothing"),
        ("{}", "version: missing"),
        ("version: 5\nwhy: x", "why: unknown key"),
        ("version: 5\nversion: 6", "line 2: duplicate key 'version'"),
    ],
)
def test_files_that_are_no_alias(text: str, message: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        manifest.read_alias(text.encode(), "champion.yaml")
    assert str(caught.value) == f"champion.yaml: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tags: {a: true}", "tags.a: expected text, found a boolean"),
        ("tags: {a: 5}", "tags.a: expected text, found an integer"),
        ("tags: [a]", "tags: expected a mapping, found a list"),
        ("description: yes", ""),
        ("description: true", "description: expected text, found a boolean"),
        ("owner: 5", "owner: expected text, found an integer"),
        ("descripton: x", "descripton: unknown key"),
    ],
)
def test_files_that_are_no_annotations(text: str, message: str) -> None:
    if not message:
        assert manifest.read_annotations(text.encode(), "a").description == "yes"
        return
    with pytest.raises(InvalidDocument) as caught:
        manifest.read_annotations(text.encode(), "a.yaml")
    assert str(caught.value) == f"a.yaml: {message}"


def test_a_file_that_is_absent_says_nothing() -> None:
    assert manifest.read_annotations(None, "a") == Annotations()
    assert manifest.read_versions(None, "p") == ()


def test_a_tombstone_needs_who_and_when() -> None:
    with pytest.raises(InvalidDocument, match="d: deleted_by: missing"):
        manifest.read_tombstone(b"deleted_at: now", "d")
    with pytest.raises(InvalidDocument, match="d: why: unknown key"):
        manifest.read_tombstone(b"deleted_at: a\ndeleted_by: b\nwhy: c", "d")


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("model", True),
        ("model.pkl", True),
        ("model.tar.gz", True),
        ("model.a.b.c", False),
        ("Model", False),
        ("model..gz", False),
        ("model." + "x" * 21, False),
        ("other.pkl", False),
    ],
)
def test_artifact_names(*, name: str, right: bool) -> None:
    assert manifest.is_artifact_name(name) is right


# The values themselves


def test_an_artifact_knows_whether_it_is_a_folder() -> None:
    assert WHOLE.artifact.is_folder
    assert not Artifact("model", 1, 1, SHA256, MD5).is_folder
    assert not Artifact("model", 1, 1, SHA256).is_folder


def test_a_model_places_its_versions() -> None:
    model = Model("m", 3, {"staging": (2, 3), "production": (1,)}, {"new": 3, "best": 1, "a": 3})
    assert [model.stage_of(n) for n in (1, 2, 3, 4)] == ["production", "staging", "staging", None]
    assert model.aliases_of(3) == ("a", "new")
    assert model.aliases_of(2) == ()
    both = Model("m", 3, {"staging": (1,), "production": (1,)})
    assert both.stage_of(1) == "production"


def test_versions_are_shown_as_references() -> None:
    assert WHOLE.reference == "churn-predictor@5"
    assert str(Resolved("m", 5, "c0")) == "m@5"


def test_a_tag_of_a_model_may_be_without_a_value_one_of_a_version_not() -> None:
    data = manifest.write_annotations(Annotations("x", tags={"a": None, "b": ""}))
    assert data == b"description: x\ntags:\n  a: null\n  b: ''\n"
    assert manifest.read_model_document(data, "model.yaml").tags == {"a": None, "b": ""}
    with pytest.raises(InvalidDocument, match=r"tags.a: expected text, found nothing"):
        manifest.read_annotations(data, "annotations.yaml")


def test_what_people_say_may_be_long() -> None:
    said = Annotations("y" * 100_000, "ada", {f"tag {n}": "x" * 100_000 for n in range(9)})
    data = manifest.write_annotations(said)
    assert manifest.read_annotations(data, "annotations.yaml") == said
    with pytest.raises(InvalidRequest, match="1,048,576 is the most"):
        manifest.write_annotations(Annotations("y" * 1_048_577))
