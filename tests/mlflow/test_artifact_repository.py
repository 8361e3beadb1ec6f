"""The artifact repositories: what MLflow's own code gets from a registry, and from a server."""

from __future__ import annotations

import asyncio
import io
import posixpath
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
import pytest
from mlflow.entities.multipart_upload import CreateMultipartUploadResponse, MultipartUploadPart
from mlflow.entities.presigned_download import PresignedDownloadUrlResponse
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, TEMPORARILY_UNAVAILABLE
from mlflow.server import constants
from mlflow.store.artifact import artifact_repository_registry
from mlflow.store.artifact.artifact_repo import (
    MultipartDownloadMixin,
    MultipartUploadMixin,
    StreamUploadMixin,
)
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from gitreg import Registry
from gitreg.artifacts.provenance import Provenance
from gitreg.core.model.model import Lineage
from gitreg.mlflow import serving
from gitreg.mlflow.artifact_repository import LINK, download_uri, own_artifact
from gitreg.mlflow.checkouts import META_FILE
from gitreg.mlflow.uri import parse, undecoded_folder
from tests.mlflow.test_checkouts import MODEL, files_of

if TYPE_CHECKING:
    from mlflow.entities import FileInfo

NAME = "Größe 2"


@pytest.fixture
def uri(registry: Registry, tmp_path: Path) -> str:
    """The URI of a registry with a folder, a file and a link as versions 1, 2 and 3 of `NAME`."""
    source = tmp_path / "source"
    for name, text in MODEL.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    registry.register(NAME, source)
    (tmp_path / "net.onnx").write_text("graph")
    registry.register(NAME, tmp_path / "net.onnx")
    (tmp_path / "sent.link").write_text(f"{source}\n")
    registry.register(NAME, tmp_path / "sent.link")
    return f"gitreg://{tmp_path}/registry-repo"


def version_uri(uri: str, version: int) -> str:
    return parse(uri).version_uri(NAME, version)


def listed(files: list[FileInfo]) -> list[tuple[str, bool, int | None]]:
    return [(file.path, file.is_dir, file.file_size) for file in files]


def code_of(error: pytest.ExceptionInfo[MlflowException]) -> str:
    return str(error.value.error_code)


# A version's artifact


@pytest.mark.parametrize("above", [0, 1, 2, 3])
def test_a_uri_may_be_split_anywhere(uri: str, tmp_path: Path, above: int) -> None:
    parts = version_uri(uri, 1).split("/")
    cut = len(parts) - above
    path = "/".join(parts[cut:])
    repository = get_artifact_repository("/".join(parts[:cut]))
    assert listed(repository.list_artifacts(posixpath.join(path, "data"))) == [
        (posixpath.join(path, "data/deep"), True, None)
    ]
    (tmp_path / "there").mkdir()
    into = str(tmp_path / "there")
    found = repository.download_artifacts(posixpath.join(path, "data"), into)
    assert found == posixpath.join(into, path, "data")
    assert files_of(Path(found)) == {"deep/sample.csv": "1,2"}
    found = repository.download_artifacts(posixpath.join(path, "MLmodel"), into)
    assert Path(found).read_text() == MODEL["MLmodel"]
    assert files_of(Path(repository.download_artifacts(path))) == MODEL


def test_mlflow_downloads_and_lists(uri: str, tmp_path: Path) -> None:
    whole = version_uri(uri, 1)
    assert files_of(Path(mlflow.artifacts.download_artifacts(whole))) == MODEL
    into = str(tmp_path / "there")
    copied = Path(mlflow.artifacts.download_artifacts(whole, dst_path=into))
    assert files_of(copied) == MODEL
    one = mlflow.artifacts.download_artifacts(f"{whole}/code/net.py", dst_path=into)
    assert Path(one).read_text() == MODEL["code/net.py"]
    assert mlflow.artifacts.load_text(f"{whole}/MLmodel") == MODEL["MLmodel"]
    names = [file.path for file in mlflow.artifacts.list_artifacts(whole)]
    assert names == ["1/MLmodel", "1/code", "1/data", "1/model.pkl"]
    assert mlflow.artifacts.list_artifacts(f"{whole}/MLmodel") == []


def test_loading_writes_beside_the_model_and_alters_nothing(
    uri: str, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/runs.db")
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", uri)
    registry.set_alias(f"{NAME}@1", "champion")
    place = Path(mlflow.artifacts.download_artifacts(f"models:/{NAME}@champion"))
    assert "model_version" in (place / META_FILE).read_text()
    assert Path(mlflow.artifacts.download_artifacts(f"models:/{NAME}/1")) == place
    # MLflow's loaders decode the path as if it were a URI.
    assert Model.load(str(place)).flavors == {}
    assert [findings for _, findings in registry.verify()] == [[], [], []]
    copied = mlflow.artifacts.download_artifacts(version_uri(uri, 1), dst_path=str(tmp_path / "x"))
    assert files_of(Path(copied)) == MODEL


def test_a_file_is_in_a_folder_of_its_own(uri: str, tmp_path: Path) -> None:
    repository = get_artifact_repository(version_uri(uri, 2))
    assert listed(repository.list_artifacts()) == [("model.onnx", False, 5)]
    assert (
        files_of(Path(repository.download_artifacts("", str(tmp_path / "source"))))["model.onnx"]
        == "graph"
    )
    repository._download_file("model.onnx", str(tmp_path / "one"))
    assert (tmp_path / "one").read_text() == "graph"
    with pytest.raises(MlflowException, match="is a folder"):
        get_artifact_repository(version_uri(uri, 1))._download_file("data", str(tmp_path / "x"))


def test_a_link_is_followed(uri: str, tmp_path: Path) -> None:
    repository = get_artifact_repository(version_uri(uri, 3))
    assert ("data", True, None) in listed(repository.list_artifacts())
    assert listed(repository.list_artifacts("data")) == [("data/deep", True, None)]
    found = Path(repository.download_artifacts(""))
    assert files_of(found) == MODEL
    assert found != tmp_path / "source"
    repository._download_file("MLmodel", str(tmp_path / "one"))
    assert (tmp_path / "one").read_text() == MODEL["MLmodel"]


@pytest.mark.parametrize("source", ["models:/other/1", "gitreg:///r/-/other/1"])
def test_a_link_to_another_version_is_not_followed(
    uri: str, registry: Registry, tmp_path: Path, source: str
) -> None:
    (tmp_path / "circle.link").write_text(source)
    registry.register(NAME, tmp_path / "circle.link")
    with pytest.raises(
        MlflowException, match="does not follow a link to another version"
    ) as raised:
        get_artifact_repository(version_uri(uri, 4)).download_artifacts("")
    assert code_of(raised) == "INVALID_PARAMETER_VALUE"


def test_what_is_not_there_is_not_found(uri: str, tmp_path: Path) -> None:
    for bad in (version_uri(uri, 9), f"{uri}/-/nobody/1", f"{version_uri(uri, 1)}/nothing"):
        with pytest.raises(MlflowException) as raised:
            mlflow.artifacts.download_artifacts(bad)
        assert code_of(raised) == "RESOURCE_DOES_NOT_EXIST"
    with pytest.raises(MlflowException, match="is not a folder"):
        get_artifact_repository(version_uri(uri, 1)).download_artifacts("", str(tmp_path / "no"))
    with pytest.raises(MlflowException, match="is not a path inside an artifact"):
        get_artifact_repository(version_uri(uri, 1)).download_artifacts("../2")
    with pytest.raises(MlflowException, match="does not name a version"):
        get_artifact_repository(uri).list_artifacts()


def test_what_is_registered_cannot_be_written(uri: str, tmp_path: Path) -> None:
    repository = get_artifact_repository(version_uri(uri, 1))
    writes: tuple[Callable[[], object], ...] = (
        lambda: repository.log_artifact(str(tmp_path / "net.onnx")),
        lambda: repository.log_artifacts(str(tmp_path)),
        repository.delete_artifacts,
    )
    for write in writes:
        with pytest.raises(MlflowException, match="cannot be changed") as raised:
            write()
        assert code_of(raised) == "PERMISSION_DENIED"


def test_a_login_is_lent_by_the_registry_that_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    own, bare = "gitreg+https://ada:s3cret@host/r.git", "gitreg+https://host/r.git/-/m/1"
    repository = get_artifact_repository(bare, registry_uri=own)
    assert repository._location == "https://ada:s3cret@host/r.git"
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", own)
    assert get_artifact_repository(bare)._location == repository._location
    other = get_artifact_repository("gitreg+https://other/r.git/-/m/1")
    assert other._location == "https://other/r.git"
    assert "s3cret" not in repr(repository).replace(own, "")


# A server's artifacts


@pytest.fixture
def in_server(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make this process look like a server's, with its artifacts in ``kept``; return its URI."""
    own = f"{uri}?dest={tmp_path / 'kept'}"
    for name, value in {
        constants.REGISTRY_STORE_URI_ENV_VAR: uri,
        constants.ARTIFACTS_DESTINATION_ENV_VAR: own,
        constants.SERVE_ARTIFACTS_ENV_VAR: "true",
        constants.ARTIFACT_ROOT_ENV_VAR: "mlflow-artifacts:/",
    }.items():
        monkeypatch.setenv(name, value)
    return own


def test_a_server_serves_versions_and_keeps_the_rest(in_server: str, tmp_path: Path) -> None:
    repository = get_artifact_repository(in_server)
    top = f"gitreg/{undecoded_folder(NAME)}/1"
    assert listed(repository.list_artifacts(f"{top}/data")) == [(f"{top}/data/deep", True, None)]
    (tmp_path / "there").mkdir()
    found = repository.download_artifacts(f"{top}/MLmodel", str(tmp_path / "there"))
    assert Path(found).read_text() == MODEL["MLmodel"]
    assert repository.get_local_path(f"{top}/MLmodel") is None
    repository._download_file(f"{top}/MLmodel", str(tmp_path / "one"))
    assert (tmp_path / "one").read_text() == MODEL["MLmodel"]

    repository.log_artifact(str(tmp_path / "net.onnx"), "1/run/artifacts")
    repository.log_artifacts(str(tmp_path / "source"), "1/run/model")
    kept = tmp_path / "kept" / "1" / "run"
    assert (kept / "artifacts" / "net.onnx").read_text() == "graph"
    assert files_of(kept / "model") == MODEL
    assert repository.get_local_path("1/run/model/MLmodel") == str(kept / "model" / "MLmodel")
    assert listed(repository.list_artifacts("1/run/artifacts")) == [
        ("1/run/artifacts/net.onnx", False, 5)
    ]
    found = repository.download_artifacts("1/run/model", str(tmp_path / "there"))
    assert files_of(Path(found)) == MODEL
    repository._download_file("1/run/model/MLmodel", str(tmp_path / "two"))
    repository.delete_artifacts("1/run/model")
    assert not (kept / "model").exists()


def test_a_server_writes_nothing_where_versions_are(in_server: str, tmp_path: Path) -> None:
    repository = get_artifact_repository(in_server)
    assert isinstance(repository, StreamUploadMixin)
    assert not isinstance(repository, (MultipartUploadMixin, MultipartDownloadMixin))
    writes: tuple[Callable[[], object], ...] = (
        lambda: repository.log_artifact(str(tmp_path / "net.onnx"), "gitreg/m/1"),
        lambda: repository.log_artifacts(str(tmp_path), "./gitreg"),
        lambda: repository.delete_artifacts("gitreg"),
        lambda: repository.log_artifact_from_stream(io.BytesIO(b"x"), "gitreg", None),
    )
    for write in writes:
        with pytest.raises(MlflowException, match="cannot be changed") as raised:
            write()
        assert code_of(raised) == "PERMISSION_DENIED"
    assert not (tmp_path / "kept").exists()


def test_a_server_takes_streams(in_server: str, tmp_path: Path) -> None:
    repository = get_artifact_repository(in_server)

    async def chunks() -> AsyncIterator[bytes]:
        yield b"gra"
        yield b"ph"

    repository.log_artifact_from_stream(io.BytesIO(b"graph"), "a", "1")
    asyncio.run(repository.log_artifact_from_async_stream(chunks(), "b", "1"))
    assert files_of(tmp_path / "kept") == {"1/a": "graph", "1/b": "graph"}


class Parts(LocalArtifactRepository, MultipartUploadMixin, MultipartDownloadMixin):  # type: ignore[misc]
    """A repository that takes and gives parts, and remembers what it was asked."""

    asked: list[tuple[object, ...]]

    def create_multipart_upload(
        self, local_file: str, num_parts: int, artifact_path: str | None = None
    ) -> CreateMultipartUploadResponse:
        self.asked.append(("create", local_file, num_parts, artifact_path))
        return CreateMultipartUploadResponse("id", [])

    def complete_multipart_upload(
        self,
        local_file: str,
        upload_id: str,
        parts: list[MultipartUploadPart],
        artifact_path: str | None = None,
    ) -> None:
        self.asked.append(("complete", local_file, upload_id, artifact_path))

    def abort_multipart_upload(
        self, local_file: str, upload_id: str, artifact_path: str | None = None
    ) -> None:
        self.asked.append(("abort", local_file, upload_id, artifact_path))

    def get_download_presigned_url(
        self, artifact_path: str, expiration: int = 300
    ) -> PresignedDownloadUrlResponse:
        self.asked.append(("presign", artifact_path, expiration))
        return PresignedDownloadUrlResponse("https://bucket/x", {}, 5)


def test_a_server_can_what_its_destination_can(
    uri: str, in_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(Parts, "asked", asked, raising=False)
    known = artifact_repository_registry.get_registered_artifact_repositories()
    monkeypatch.setitem(known, "parts", lambda uri, **_: Parts(uri.removeprefix("parts:")))
    own = f"{uri}?dest=parts:/x"
    monkeypatch.setenv(constants.ARTIFACTS_DESTINATION_ENV_VAR, own)
    repository = get_artifact_repository(own)
    assert isinstance(repository, (MultipartUploadMixin, MultipartDownloadMixin))
    repository.create_multipart_upload("f", 2, "1")
    repository.complete_multipart_upload("f", "id", [], "1")
    repository.abort_multipart_upload("f", "id", "1")
    assert repository.get_download_presigned_url("1/f", 9).file_size == 5
    assert asked == [
        ("create", "f", 2, "1"),
        ("complete", "f", "id", "1"),
        ("abort", "f", "id", "1"),
        ("presign", "1/f", 9),
    ]
    with pytest.raises(MlflowException, match="cannot be changed"):
        repository.create_multipart_upload("f", 2, "gitreg/m/1")
    # Without a size MLflow's client downloads through the server.
    assert repository.get_download_presigned_url("gitreg/m/1/f").file_size is None


def test_where_a_server_writes_is_not_for_clients_to_say(
    uri: str, in_server: str, tmp_path: Path
) -> None:
    elsewhere = get_artifact_repository(f"{uri}?dest={tmp_path}")
    with pytest.raises(MlflowException, match="cannot be changed"):
        elsewhere.log_artifact(str(tmp_path / "net.onnx"))
    with pytest.raises(MlflowException, match="was not started with that registry"):
        get_artifact_repository("gitreg+file:///other/-/m/1")
    with pytest.raises(MlflowException, match="is not a path inside an artifact"):
        get_artifact_repository(f"{in_server}/../../etc")
    # Where traces go is said by a path after the whole URI.
    get_artifact_repository(f"{in_server}/1/traces").log_artifact(str(tmp_path / "net.onnx"))
    assert files_of(tmp_path / "kept") == {"1/traces/net.onnx": "graph"}


def test_a_server_follows_no_link_to_its_own_files(uri: str, in_server: str) -> None:
    with pytest.raises(MlflowException, match="the server's own") as raised:
        get_artifact_repository(in_server).list_artifacts(f"gitreg/{undecoded_folder(NAME)}/3")
    assert code_of(raised) == "PERMISSION_DENIED"


@pytest.mark.parametrize("dest", ["nowhere://x", "gitreg:///r"])
def test_a_destination_of_no_known_kind_is_refused(
    uri: str, in_server: str, monkeypatch: pytest.MonkeyPatch, dest: str
) -> None:
    own = f"{uri}?dest={dest}"
    monkeypatch.setenv(constants.ARTIFACTS_DESTINATION_ENV_VAR, own)
    with pytest.raises(MlflowException, match="a server cannot store artifacts there"):
        get_artifact_repository(own)


def test_a_server_without_a_destination_says_so(
    uri: str, in_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(constants.ARTIFACTS_DESTINATION_ENV_VAR, uri)
    with pytest.raises(MlflowException, match="has no place to store the artifacts of runs"):
        get_artifact_repository(uri)


def test_a_server_sends_its_clients_to_itself(
    uri: str, registry: Registry, in_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = registry.show(f"{NAME}@1")
    own = parse(uri)
    assert download_uri(own, version) == "mlflow-artifacts:/gitreg/Gr~C3~B6~C3~9Fe~202/1"
    assert download_uri(parse("gitreg:///other"), version) == version_uri("gitreg:///other", 1)
    monkeypatch.setenv(constants.ARTIFACTS_DESTINATION_ENV_VAR, "/srv/artifacts")
    assert download_uri(own, version) == version_uri(uri, 1)
    monkeypatch.delenv(constants.SERVE_ARTIFACTS_ENV_VAR)
    assert download_uri(own, version) == version_uri(uri, 1)


@pytest.mark.parametrize(
    ("source", "is_given"),
    [
        ("s3://ada:secret@bucket/model", True),
        ("hdfs://host/model", True),
        ("mlflow-artifacts:/1/model", False),
        ("runs:/0123/model", False),
        ("/home/ada/model", False),
        ("file:///etc", False),
        ("gitreg:///other/-/m/1", False),
    ],
)
def test_a_server_sends_its_clients_to_the_source_of_a_link(
    uri: str, registry: Registry, in_server: str, source: str, is_given: bool
) -> None:
    linked = Provenance(text=(LINK, "x"), lineage=Lineage(source))
    registry.register_artifact("linked", linked)
    given = download_uri(parse(uri), registry.show("linked@1"))
    expected = "mlflow-artifacts:/gitreg/linked/1"
    assert given == (source.replace("ada:secret@", "") if is_given else expected)


class Broken(LocalArtifactRepository):  # type: ignore[misc]  # MLflow is not typed
    """An artifact repository of a store that cannot be reached."""

    problem: Exception

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        raise self.problem

    def download_artifacts(self, artifact_path: str, dst_path: str | None = None) -> str:
        raise self.problem

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        raise self.problem


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (OSError("https://ada:secret@host: no route to host\nmore"), 409),
        (MlflowException("internal"), 409),
        (MlflowException("later", TEMPORARILY_UNAVAILABLE), 409),
        (MlflowException("no such object", RESOURCE_DOES_NOT_EXIST), 404),
        (None, 409),
    ],
)
def test_a_link_that_cannot_be_read_is_one_error_that_nobody_repeats(
    registry: Registry,
    uri: str,
    in_server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    problem: Exception | None,
    status: int,
) -> None:
    if problem is not None:
        monkeypatch.setattr(Broken, "problem", problem, raising=False)
        known = artifact_repository_registry.get_registered_artifact_repositories()
        monkeypatch.setitem(known, "broken", lambda *_, **__: Broken(str(tmp_path)))
    registry.register_artifact("linked", Provenance(text=(LINK, "broken://host/model")))
    server = get_artifact_repository(in_server)
    calls: tuple[Callable[[], object], ...] = (
        lambda: server.list_artifacts("gitreg/linked/1"),
        lambda: server.download_artifacts("gitreg/linked/1/MLmodel", str(tmp_path)),
        lambda: server._download_file("gitreg/linked/1/MLmodel", str(tmp_path / "x")),
    )
    for call in calls:
        with pytest.raises(MlflowException) as raised:
            call()
        assert raised.value.get_http_status_code() == status
        said = raised.value.message
        assert "a link to broken://host/model, which the server cannot read" in said
        assert "secret" not in said
        assert said.count("\n") == 1


def test_a_server_reads_its_own_artifacts_itself(in_server: str, tmp_path: Path) -> None:
    route = "http://127.0.0.1:5000/api/2.0/mlflow-artifacts/artifacts"
    get_artifact_repository(in_server).log_artifact(str(tmp_path / "net.onnx"), "1/model")
    for source in ("mlflow-artifacts:/1/model", f"{route}/1/model"):
        found = own_artifact(source)
        assert found is not None
        assert found.path == "1/model"
        assert [file.path for file in found.repository.list_artifacts(found.path)] == [
            "1/model/net.onnx"
        ]
    assert own_artifact("http://elsewhere/model") is None
    assert own_artifact(str(tmp_path / "source")) is None


def test_the_names_of_variables_are_mlflows() -> None:
    assert serving.DESTINATION == constants.ARTIFACTS_DESTINATION_ENV_VAR
    assert serving.REGISTRY_STORE == constants.REGISTRY_STORE_URI_ENV_VAR
    assert serving.SERVES == constants.SERVE_ARTIFACTS_ENV_VAR
    assert serving.IN_SERVER == constants.ARTIFACT_ROOT_ENV_VAR
