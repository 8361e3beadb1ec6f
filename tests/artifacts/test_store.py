"""A version's bytes: taken by a known hash, delivered verified, looked at again."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from gitreg import Registry
from gitreg.artifacts.provenance import Provenance
from gitreg.artifacts.source import Source
from gitreg.errors import DvcError, InvalidRequest, NotFound
from tests.conftest import dvc_project, git, write_model


def track(project: Path, source: Path, *, md5: str | None = None) -> Path:
    """Write the ``.dvc`` file that ``dvc add`` writes for a file."""
    data = source.read_bytes()
    md5 = md5 or hashlib.md5(data).hexdigest()
    pointer = source.with_name(f"{source.name}.dvc")
    dvc_project(project)
    pointer.write_text(
        f"outs:\n- md5: {md5}\n  size: {len(data)}\n  hash: md5\n  path: {source.name}\n"
    )
    return pointer


def cache_of(folder: Path, md5: str) -> Path:
    return folder / "registry" / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]


# In


@pytest.mark.parametrize(
    ("name", "artifact"),
    [
        ("weights.bin", "model.bin"),
        ("weights", "model"),
        ("model.tar.gz", "model.tar.gz"),
        ("model.v1.onnx", "model.onnx"),
        ("model.ü", "model"),
        ("model.dvc.bak~", "model"),
    ],
)
def test_a_file_keeps_its_extension(tmp_path: Path, name: str, artifact: str) -> None:
    (tmp_path / name).write_text("x")
    assert Source.of(tmp_path / name, with_metrics=True).artifact_name == artifact


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").touch()
    with pytest.raises(NotFound) as missing:
        Source.of(tmp_path / "modle.pkl", with_metrics=True)
    assert "model.pkl" in str(missing.value.hint)


def test_what_is_no_model_is_refused(registry: Registry, folder: Path) -> None:
    for inside in (folder / ".git" / "config", folder / ".git" / "refs", folder / ".git"):
        with pytest.raises(InvalidRequest, match=r"is inside a \.git folder"):
            registry.register("churn", inside)
        with pytest.raises(InvalidRequest, match=r"is inside a \.git folder"):
            registry.register_artifact("churn", Provenance(source=inside))
    own = folder / "registry"
    for inside in (
        own,
        own / "churn",
        own / "churn" / "versions",
        own / "churn" / "versions" / "1",
    ):
        inside.mkdir(exist_ok=True)
        with pytest.raises(InvalidRequest, match="is a folder of the registry, not a model"):
            registry.register("churn", inside)
    os.mkfifo(folder / "pipe")
    with pytest.raises(InvalidRequest, match="is neither a file nor a folder"):
        registry.register("churn", folder / "pipe")
    assert registry.models() == []


def test_what_dvc_tracks_is_registered_by_its_known_hash(stocked: Path, tmp_path: Path) -> None:
    source = stocked / "models" / "tiny.pkl"
    source.write_text("tiny")
    pointer = track(stocked, source)
    with Registry(stocked) as registry:
        registry.register("tiny", source)
        registry.register("tiny", pointer)
        first, second = registry.show("tiny@1"), registry.show("tiny@2")
        assert first.artifact == second.artifact
        assert first.artifact.md5 == hashlib.md5(b"tiny").hexdigest()
        assert first.artifact.sha256 == hashlib.sha256(b"tiny").hexdigest()
        assert registry.pull("tiny@1", tmp_path).read_text() == "tiny"


def test_what_is_in_the_cache_alone_is_registered(stocked: Path) -> None:
    source = stocked / "models" / "tiny.pkl"
    source.write_text("tiny")
    track(stocked, source)
    with Registry(stocked) as registry:
        registry.register("tiny", source)
        source.unlink()
        registry.register("tiny", source)
        assert registry.show("tiny@2").artifact == registry.show("tiny@1").artifact
        planned = registry.register("tiny", source, dry_run=True)
        assert planned.commit is None
        cache_of(stocked, hashlib.md5(b"tiny").hexdigest()).unlink()
        with pytest.raises(InvalidRequest, match="neither in the work tree nor in DVC's cache"):
            registry.register("tiny", source, dry_run=True)


def test_a_link_into_the_cache_is_registered(stocked: Path) -> None:
    """With `cache.type = symlink` DVC checks files and the members of folders out as links."""
    folder = write_model(stocked, "weights 3")
    with Registry(stocked) as registry:
        artifact = registry.show("churn@3").artifact
        (stocked / "models" / "churn.dvc").write_text(
            f"outs:\n- md5: {artifact.md5}\n  size: {artifact.size}\n  nfiles: 2\n"
            "  hash: md5\n  path: churn\n"
        )
        md5 = hashlib.md5(b"weights 3").hexdigest()
        (folder / "model.pkl").unlink()
        (folder / "model.pkl").symlink_to(cache_of(stocked, md5))
        registry.register("churn", folder)
        assert registry.show("churn@4").artifact == artifact


def test_bytes_that_differ_from_dvc_s_record_are_refused(stocked: Path) -> None:
    source = stocked / "models" / "tiny.pkl"
    source.write_text("tiny")
    track(stocked, source, md5=hashlib.md5(b"other").hexdigest())
    before = git(stocked, "for-each-ref")
    with Registry(stocked) as registry, pytest.raises(InvalidRequest, match=r"tiny\.pkl\.dvc"):
        registry.register("tiny", source)
    assert git(stocked, "for-each-ref") == before


def test_bytes_that_are_nowhere_are_refused(stocked: Path) -> None:
    source = stocked / "models" / "tiny.pkl"
    source.write_text("tiny")
    track(stocked, source)
    (stocked / ".dvc" / "config").write_text(
        "[core]\nremote = store\n['remote \"store\"']\nurl = ../../dvc-remote\n"
    )
    source.unlink()
    with Registry(stocked) as registry, pytest.raises(DvcError, match="does not have"):
        registry.register("tiny", source)


def test_a_source_of_another_project_is_copied(stocked: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    Registry.init(other)
    source = other / "tiny.pkl"
    source.write_text("tiny")
    track(other, source)
    with Registry(stocked) as registry:
        registry.register("tiny", source, push=True)
        shown = registry.show("tiny@1")
        assert shown.lineage.source == "tiny.pkl"  # no path of this machine
        assert cache_of(stocked, str(shown.artifact.md5)).exists()


def test_a_dry_run_takes_nothing(stocked: Path) -> None:
    source = stocked / "fresh.bin"
    source.write_text("fresh")
    cache = sorted((stocked / "registry" / ".dvc" / "cache").rglob("*"))
    with Registry(stocked) as registry:
        outcome = registry.register("fresh", source, dry_run=True)
    assert outcome.commit is None
    assert hashlib.sha256(b"fresh").hexdigest().encode() in b"".join(
        edit.content or b"" for edit in outcome.change.edits
    )
    assert sorted((stocked / "registry" / ".dvc" / "cache").rglob("*")) == cache


# Out


def test_progress_is_told(shared: Path, tmp_path: Path) -> None:
    git(shared, "clone", "--quiet", "origin.git", "clone")
    told: list[object] = []
    with Registry(shared / "clone", progress=lambda *args: told.append(args)) as registry:
        registry.pull("churn@1", tmp_path)
    assert told


def test_something_else_in_the_destination_is_kept(stocked: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine").write_text("mine")
    with Registry(stocked) as registry:
        with pytest.raises(InvalidRequest):
            registry.pull("churn@1", tmp_path)
        assert (tmp_path / "model" / "mine").read_text() == "mine"
        path = registry.pull("churn@1", tmp_path, replace_existing=True)
    assert sorted(entry.name for entry in path.iterdir()) == ["features.json", "model.pkl"]


def test_its_own_place_is_put_right(stocked: Path) -> None:
    with Registry(stocked) as registry:
        path = registry.pull("churn@1")
        assert path == stocked / "registry/churn/versions/1/model"
        (path / "model.pkl").write_text("changed")
        (path / "more").touch()
        ((version, findings),) = registry.verify("churn@1")
        assert version.version == 1
        assert {finding.code for finding in findings} == {"artifact-differs"}
        assert any("model.pkl" in finding.message for finding in findings)
        assert registry.pull("churn@1") == path
        assert (path / "model.pkl").read_text() == "weights 1"
        assert next(registry.verify("churn@1"))[1] == []
    assert git(stocked, "status", "--porcelain") == ""


# Looked at again


def test_a_damaged_cache_is_found(stocked: Path) -> None:
    md5 = hashlib.md5(b"weights 2").hexdigest()
    damaged = cache_of(stocked, md5)
    damaged.chmod(0o644)
    damaged.write_text("weights X")
    damaged.chmod(0o444)
    with Registry(stocked) as registry:
        found = {version.version: findings for version, findings in registry.verify("churn")}
    assert [finding.message for finding in found[2]] == ["DVC cache: model.pkl: differs"]
    assert found[2][0].remedy == "gitreg pull churn@2"
    assert found[1] == found[3] == []


def test_missing_bytes_are_found(shared: Path) -> None:
    md5 = hashlib.md5(b"weights 2").hexdigest()
    cache_of(shared / "work", md5).unlink()
    (shared / "dvc-remote" / "files" / "md5" / md5[:2] / md5[2:]).unlink()
    with Registry(shared / "work") as registry:
        found = {version.reference: findings for version, findings in registry.verify()}
    assert {name for name, findings in found.items() if findings} == {"churn@2"}
    assert found["churn@2"][0].code == "artifact-missing"
    with Registry(shared / "work") as registry, pytest.raises(NotFound):
        list(registry.verify("chrun"))


def test_a_repository_without_dvc_s_configuration(shared: Path) -> None:
    work = shared / "work"
    git(work, "rm", "--quiet", "--cached", "registry/.dvc/config", ".dvc/config")
    git(work, "commit", "--quiet", "-m", "no configuration")
    git(work, "push", "--quiet")
    with (
        Registry(shared / "origin.git") as registry,
        pytest.raises(DvcError, match=r"\.dvc/config"),
    ):
        registry.pull("churn@1")


@pytest.mark.parametrize(
    "config",
    [
        b"",
        b"\xff",
        b"[core]\nremote = here\n",
        b"[core]\nremote = here\n['remote \"here\"']\nurl = ../../outside\n",
        b"[core]\nremote = here\n['remote \"here\"']\nurl = /absolute\n",
        b"[core]\nremote = here\n['remote \"here\"']\nurl = s3://bucket/path\n",
    ],
)
def test_only_a_folder_of_the_tree_is_lent_from_git(config: bytes) -> None:
    from gitreg.artifacts.remote_in_tree import remote_in_tree

    assert remote_in_tree(".dvc/config", config) is None


def test_a_listing_that_lies_lends_nothing(shared: Path) -> None:
    """What a remote inside the tree holds is read from Git, and then believed no more than any."""
    work = shared / "work"
    (work / "registry" / ".dvc" / "config").write_text(
        "[core]\n    remote = here\n['remote \"here\"']\n    url = ../../bytes\n"
    )
    with Registry(work) as registry:
        md5 = str(registry.show("churn@1").artifact.md5)
    place = work / "bytes" / "files" / "md5" / md5[:2] / md5[2:]
    place.parent.mkdir(parents=True)
    for listing in (b'[{"md5": "../../../x", "relpath": "y"}]', b"{}", b"[1]", b"not JSON"):
        place.write_bytes(listing)
        git(work, "add", "bytes", "registry/.dvc/config")
        git(work, "commit", "--quiet", "-m", "a lie")
        git(work, "push", "--quiet")
        with Registry(shared / "origin.git") as registry, pytest.raises(DvcError):
            registry.pull("churn@1")
