"""A DVC remote in S3, spoken to by the real dvc-s3 over HTTP: what an ETag proves, and does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gitreg.dvc import DvcProject, digest
from gitreg.errors import DvcError
from tests.dvc.projects import forget_cache, make_project

pytest.importorskip("dvc_s3")
boto3: Any = pytest.importorskip("boto3")
moto_server: Any = pytest.importorskip("moto.server")

pytestmark = [
    pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(moto|botocore|aiobotocore|s3fs).*"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]

BUCKET = "models"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(endpoint: str) -> Iterator[Any]:
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="key-id",
        aws_secret_access_key="secret",
    )
    client.create_bucket(Bucket=BUCKET)
    yield client
    for entry in client.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        client.delete_object(Bucket=BUCKET, Key=entry["Key"])
    client.delete_bucket(Bucket=BUCKET)
    client.close()


@pytest.fixture
def project(tmp_path: Path, endpoint: str, s3: Any) -> DvcProject:
    return make_project(
        tmp_path / "repo",
        f"s3://{BUCKET}/store",
        endpointurl=endpoint,
        region="us-east-1",
        access_key_id="key-id",
        secret_access_key="secret",
    )


def key(oid: str) -> str:
    return f"store/files/md5/{oid[:2]}/{oid[2:]}"


def content(s3: Any, oid: str) -> bytes:
    return bytes(s3.get_object(Bucket=BUCKET, Key=key(oid))["Body"].read())


def put_in_parts(s3: Any, oid: str, data: bytes) -> str:
    """Upload as large objects are: in parts, which gives an ETag that is no MD5."""
    place = {"Bucket": BUCKET, "Key": key(oid)}
    upload = s3.create_multipart_upload(**place)["UploadId"]
    part = s3.upload_part(**place, UploadId=upload, PartNumber=1, Body=data)
    done = s3.complete_multipart_upload(
        **place,
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    return str(done["ETag"])


def test_there_and_back(project: DvcProject, model: Path) -> None:
    tree = project.stage(model)
    assert project.push([tree.md5]) == 4
    assert project.push([tree.md5]) == 0
    assert project.audit([tree.md5])[tree.md5].tree == tree
    project = forget_cache(project)
    assert project.push([tree.md5]) == 0
    project.fetch(tree.md5)
    assert project.digest(tree.md5) == digest.hash_tree(model)


def test_other_bytes_of_the_same_size_are_found_and_put_right(
    project: DvcProject, model: Path, s3: Any
) -> None:
    tree = project.stage(model)
    project.push([tree.md5])
    oid = tree.members[1].md5
    good = content(s3, oid)
    for damaged in (b"!" + good[1:], b"short"):
        for name in (oid, tree.md5):
            s3.put_object(Bucket=BUCKET, Key=key(name), Body=damaged)
        assert project.push([tree.md5]) == 2
        assert content(s3, oid) == good
    s3.put_object(Bucket=BUCKET, Key=key(oid), Body=b"!" + good[1:])
    project.cache_path(oid).unlink()
    with pytest.raises(DvcError, match=f"{oid} is damaged on remote storage, and not in the cache"):
        project.push([tree.md5])


def test_an_etag_that_is_no_md5_is_not_taken_for_damage(
    project: DvcProject, model: Path, s3: Any
) -> None:
    tree = project.stage(model)
    project.push([tree.md5])
    oid = tree.members[1].md5
    etag = put_in_parts(s3, oid, content(s3, oid))
    assert "-" in etag
    project.cache_path(oid).unlink()
    assert project.push([tree.md5]) == 0
    assert project.audit([tree.md5])[tree.md5].tree == tree


def test_what_only_the_audit_finds(project: DvcProject, model: Path, s3: Any) -> None:
    """In parts, of the right size, other bytes: publishing would have to download everything."""
    tree = project.stage(model)
    project.push([tree.md5])
    oid = tree.members[1].md5
    put_in_parts(s3, oid, b"!" + content(s3, oid)[1:])
    assert project.push([tree.md5]) == 0
    found = project.audit([tree.md5])
    assert {fault.oid for fault in found[tree.md5].faults} == {oid}
    assert project.repair(found)[tree.md5].tree == tree
    assert project.audit([tree.md5])[tree.md5].tree == tree


def test_an_object_that_is_missing_is_put_back(project: DvcProject, model: Path, s3: Any) -> None:
    tree = project.stage(model)
    project.push([tree.md5])
    oid = tree.members[1].md5
    s3.delete_object(Bucket=BUCKET, Key=key(oid))
    (fault, *_) = project.audit([tree.md5])[tree.md5].faults
    assert (fault.oid, fault.is_missing, fault.in_cache) == (oid, True, True)
    assert project.push([tree.md5]) == 1


def test_a_bucket_that_is_not_there(project: DvcProject, model: Path) -> None:
    config = project.root / ".dvc" / "config"
    config.write_text(config.read_text().replace("s3://models", "s3://no-such-bucket"))
    project = DvcProject(project.root)
    tree = project.stage(model)
    with pytest.raises(DvcError, match="DVC remote storage: "):
        project.push([tree.md5])
