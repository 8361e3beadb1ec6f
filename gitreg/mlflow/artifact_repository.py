"""MLflow's artifact repositories on a registry: for its versions, and for a server's artifacts.

`GitregArtifactRepository` serves registered artifacts, read-only. `ServedArtifactRepository` is for
a server started with ``--artifacts-destination "gitreg:///repo?dest=/srv/artifacts"``: artifacts
that clients know as ``mlflow-artifacts:/gitreg/<model>/<version>/…`` come from the registry, all
others are stored at ``dest``. So clients can load registered models without gitreg.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import AsyncIterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn
from urllib.parse import urlsplit

from mlflow.entities import FileInfo
from mlflow.entities.presigned_download import PresignedDownloadUrlResponse
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ABORTED, PERMISSION_DENIED, RESOURCE_DOES_NOT_EXIST
from mlflow.store.artifact.artifact_repo import (
    ArtifactRepository,
    MultipartDownloadMixin,
    MultipartUploadMixin,
    StreamUploadMixin,
)
from mlflow.store.artifact.artifact_repository_registry import (
    get_artifact_repository,
    get_registered_artifact_repositories,
)
from mlflow.store.artifact.models_artifact_repo import ModelsArtifactRepository
from mlflow.store.artifact.runs_artifact_repo import RunsArtifactRepository
from mlflow.tracking import get_registry_uri
from mlflow.utils.file_utils import create_tmp_dir

from gitreg.core.model.model import ModelVersion
from gitreg.core.text.urls import has_scheme, hide_credentials, without_credentials
from gitreg.errors import InvalidRequest
from gitreg.mlflow.checkouts import Checkout, checkout
from gitreg.mlflow.failures import translated
from gitreg.mlflow.serving import (
    DESTINATION,
    IN_SERVER,
    REGISTRY_STORE,
    SERVES,
    bare,
    is_ours,
    serves,
)
from gitreg.mlflow.uri import (
    INSIDE,
    SCHEMES,
    RegistryUri,
    check_path,
    parse,
    parse_version_path,
    split,
    undecoded_folder,
)

if TYPE_CHECKING:
    from mlflow.entities.multipart_upload import CreateMultipartUploadResponse, MultipartUploadPart

LINK = "model.link"
"""The artifact of a version whose bytes are elsewhere: a file with the URI of its source."""

SERVED = "gitreg"
"""The folder of a server's artifacts that contains the artifacts of its registry."""

_LOCAL_SCHEMES = ("", "file")
_SERVERS_OWN = (*_LOCAL_SCHEMES, "mlflow-artifacts", "runs", "models", *SCHEMES)
"""The schemes of sources that a server reads itself, or refuses."""

_LOGGED_MODEL = "models:/m-"
_ROUTE = "/api/2.0/mlflow-artifacts/artifacts"


def artifact_repository(
    artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
) -> ArtifactRepository:
    """Return the artifact repository of a URI: the server's own if it was started with that URI."""
    with translated():
        if not _is_own_destination(artifact_uri):
            return GitregArtifactRepository(artifact_uri, tracking_uri, registry_uri)
        dest = parse(artifact_uri).dest
        if dest is None:
            raise InvalidRequest(
                "this server has no place to store the artifacts of runs",
                hint="--artifacts-destination 'gitreg://…?dest=/srv/artifacts'",
            )
        return served_artifact_repository(artifact_uri, dest, tracking_uri, registry_uri)


def download_uri(registry: RegistryUri, version: ModelVersion) -> str:
    """Return the URI of a version's artifact, for the clients of this process.

    In a server that serves the registry's artifacts, the URI points to the server, so that its
    clients need neither gitreg nor access to the repository. For a link, it is the source: when the
    version was registered, the server could not read it, and a client may have access.
    """
    if os.environ.get(SERVES) != "true" or not serves(registry, os.environ.get(DESTINATION)):
        return registry.version_uri(version.model, version.version)
    source = without_credentials(version.lineage.source or "")
    if version.artifact.path == LINK and urlsplit(source).scheme.lower() not in _SERVERS_OWN:
        return source
    return f"mlflow-artifacts:/{SERVED}/{undecoded_folder(version.model)}/{version.version}"


@dataclass(frozen=True)
class Found:
    """A file or folder at ``path`` in an artifact repository."""

    repository: ArtifactRepository
    path: str

    def download(self, folder: str | None) -> str:
        """Return the local path of the download, in ``folder`` if one is given."""
        return str(self.repository.download_artifacts(self.path, folder))

    def download_file(self, target: str) -> None:
        """Download a file to a path."""
        self.repository._download_file(self.path, target)

    def entries(self, path: str) -> list[FileInfo]:
        """Return the entries of a folder for a client that calls it ``path``."""
        return _under(path, self.path, self.repository.list_artifacts(self.path))


def own_artifact(uri: str) -> Found | None:
    """Return the place of a client's URI among this server's own artifacts.

    For ``mlflow-artifacts:/…``, MLflow would send an HTTP request from the server to itself,
    without knowing its address. Returns ``None`` for artifacts elsewhere, and outside servers.
    """
    if os.environ.get(SERVES) != "true":
        return None
    if uri.startswith("runs:/"):
        uri = RunsArtifactRepository.get_underlying_uri(uri)
    elif uri.startswith(_LOGGED_MODEL):
        uri = ModelsArtifactRepository.get_underlying_uri(uri)
    parts = urlsplit(uri)
    path = parts.path
    if parts.scheme in ("http", "https"):
        path = path.partition(f"{_ROUTE}/")[2]
    elif parts.scheme != "mlflow-artifacts":
        return None
    return (
        Found(get_artifact_repository(os.environ[DESTINATION]), path.strip("/")) if path else None
    )


class GitregArtifactRepository(ArtifactRepository):
    """The artifacts of a registry's versions, read-only.

    Args:
        artifact_uri: ``<registry>/-/<model>/<version>``, with or without a path in the artifact;
            MLflow may remove the end of the URI and pass it to the methods as a path.
        tracking_uri: the tracking server for the run of a link.
        registry_uri: supplies the login for a URI without one; see `RegistryUri.version_uri`.

    Raises:
        MlflowException: the URI is malformed, or this server was not started with that registry.
    """

    def __init__(
        self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
    ) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        with translated():
            self._location = _permitted(parse(artifact_uri).location, registry_uri)
            self._inner = split(artifact_uri)[1]

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """Return the entries of a folder; empty for a file, as MLflow expects."""
        with translated():
            files, inner = self._open(path)
            with self._link(files, inner) as link:
                if link is not None:
                    return link.entries(path or "")
            return [
                FileInfo(posixpath.join(path or "", entry.name), entry.size is None, entry.size)
                for entry in files.entries(inner)
            ]

    def download_artifacts(self, artifact_path: str | None, dst_path: str | None = None) -> str:
        """Return the local path of a file or folder that was compared with the manifest.

        Args:
            artifact_path: its path, relative to the repository's URI.
            dst_path: the folder to copy it into, under ``artifact_path``. Without it, the returned
                path is in the user's cache folder; do not change the files there.
        """
        path = artifact_path or ""
        with translated():
            files, inner = self._open(path)
            with self._link(files, inner) as link:
                if link is not None:
                    # A copy even if the source is on this machine: MLflow would write into it.
                    return link.download(dst_path or create_tmp_dir())
            if dst_path is None:
                return str(files.hand_out(inner))
            if not Path(dst_path).is_dir():
                raise InvalidRequest(f"{dst_path} is not a folder")

            def target_of(member: str) -> Path:
                name = _client_path(path, inner, member)
                return Path(self._create_download_destination(name, dst_path))

            files.copy(inner, target_of)
            return os.path.join(dst_path, os.path.normpath(path)) if path else dst_path  # noqa: PTH118

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        with translated():
            files, inner = self._open(remote_file_path)
            with self._link(files, inner) as link:
                if link is not None:
                    link.download_file(local_path)
                    return
            if files.entries(inner):
                raise InvalidRequest(f"{remote_file_path} is a folder, not a file")
            files.copy(inner, lambda _: Path(local_path))

    def _open(self, path: str | None) -> tuple[Checkout, str]:
        """Return the checkout of the version that a path names, and the path in its artifact."""
        rest = check_path(path or "")
        if not self._inner:  # MLflow removed everything from the separator `INSIDE` on
            rest = rest.removeprefix(INSIDE.lstrip("/"))
        found = parse_version_path(posixpath.join(self._inner, rest))
        return checkout(self._location, found.model, found.version), found.path

    @contextmanager
    def _link(self, files: Checkout, inner: str) -> Iterator[Found | None]:
        """Yield the target of a link; ``None`` for a version that has its own bytes.

        Raises:
            MlflowException: the source cannot be read. Each store has its own errors; MLflow's
                client repeats what a server does not explain for minutes.
        """
        if [entry.name for entry in files.entries("")] != [LINK]:
            yield None
            return
        source = files.hand_out(LINK).read_text("utf-8").strip()
        _check_link(source)
        try:
            yield self._target(source, inner)
        except Exception as error:
            raise _unreadable(source, error) from error

    def _target(self, source: str, inner: str) -> Found:
        own = own_artifact(source)
        if own is not None:
            return Found(own.repository, posixpath.join(own.path, inner))
        return Found(get_artifact_repository(source, self.tracking_uri, self.registry_uri), inner)

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> NoReturn:  # noqa: ARG002
        """Refuse: a registered artifact never changes."""
        raise _read_only(self.artifact_uri)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> NoReturn:  # noqa: ARG002
        """Refuse: a registered artifact never changes."""
        raise _read_only(self.artifact_uri)

    def delete_artifacts(self, artifact_path: str | None = None) -> NoReturn:  # noqa: ARG002
        """Refuse: a registered artifact never changes."""
        raise _read_only(self.artifact_uri)


class ServedArtifactRepository(ArtifactRepository):
    """A server's artifacts: below `SERVED` the registry's, read-only; the others are at ``dest``.

    Mixins add the optional capabilities of ``dest``; see `served_artifact_repository`.
    """

    def __init__(
        self,
        artifact_uri: str,
        dest: ArtifactRepository,
        tracking_uri: str | None = None,
        registry_uri: str | None = None,
    ) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        self._dest = dest
        self._location = parse(artifact_uri).location

    def _served(self, path: str | None) -> Found | None:
        """Return the place of a path in the registry; ``None`` for a path at ``dest``."""
        top, _, rest = check_path(path or "").partition("/")
        if top != SERVED:
            return None
        folder, _, inner = rest.partition("/")
        found = parse_version_path(f"{folder.replace('~', '%')}/{inner}")
        uri = RegistryUri(self._location).version_uri(found.model, found.version)
        lender = f"gitreg+{self._location}" if has_scheme(self._location) else self.registry_uri
        return Found(GitregArtifactRepository(uri, self.tracking_uri, lender), found.path)

    def _writable(self, path: str | None) -> ArtifactRepository:
        with translated():
            if check_path(path or "").partition("/")[0] == SERVED:
                raise _read_only(f"{SERVED}/")
        return self._dest

    def get_local_path(self, artifact_path: str) -> str | None:
        """Return the local path of a file at ``dest``; ``None`` for a file of the registry.

        The server calls this where it must not block, and a copy that is verified while it is made
        is safer than a file that was verified some time ago.
        """
        with translated():
            served = self._served(artifact_path)
        if served is not None:
            return None
        found: str | None = self._dest.get_local_path(artifact_path)
        return found

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """Return the entries of a folder."""
        with translated():
            served = self._served(path)
        if served is None:
            return list(self._dest.list_artifacts(path))
        return served.entries(path or "")

    def download_artifacts(self, artifact_path: str | None, dst_path: str | None = None) -> str:
        """Return the local path of a file or folder."""
        with translated():
            served = self._served(artifact_path)
        if served is None:
            return str(self._dest.download_artifacts(artifact_path, dst_path))
        return served.download(dst_path)

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        with translated():
            served = self._served(remote_file_path)
        (served or Found(self._dest, remote_file_path)).download_file(local_path)

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Store a file at ``dest``."""
        self._writable(artifact_path or Path(local_file).name).log_artifact(
            local_file, artifact_path
        )

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Store the files of a folder at ``dest``."""
        self._writable(artifact_path).log_artifacts(local_dir, artifact_path)

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Delete a file or folder at ``dest``."""
        self._writable(artifact_path).delete_artifacts(artifact_path)


class _StreamUpload(ServedArtifactRepository, StreamUploadMixin):
    """Adds uploads from a stream."""

    def log_artifact_from_stream(
        self, stream: BinaryIO, artifact_file_name: str, artifact_path: str | None = None
    ) -> None:
        self._writable(artifact_path or artifact_file_name).log_artifact_from_stream(
            stream, artifact_file_name, artifact_path
        )

    async def log_artifact_from_async_stream(
        self,
        chunks: AsyncIterable[bytes],
        artifact_file_name: str,
        artifact_path: str | None = None,
    ) -> None:
        await self._writable(artifact_path or artifact_file_name).log_artifact_from_async_stream(
            chunks, artifact_file_name, artifact_path
        )


class _MultipartUpload(ServedArtifactRepository, MultipartUploadMixin):
    """Adds uploads in parts, directly to the storage of ``dest``."""

    def create_multipart_upload(
        self, local_file: str, num_parts: int, artifact_path: str | None = None
    ) -> CreateMultipartUploadResponse:
        return self._writable(artifact_path or local_file).create_multipart_upload(
            local_file, num_parts, artifact_path
        )

    def complete_multipart_upload(
        self,
        local_file: str,
        upload_id: str,
        parts: list[MultipartUploadPart],
        artifact_path: str | None = None,
    ) -> None:
        self._writable(artifact_path or local_file).complete_multipart_upload(
            local_file, upload_id, parts, artifact_path
        )

    def abort_multipart_upload(
        self, local_file: str, upload_id: str, artifact_path: str | None = None
    ) -> None:
        self._writable(artifact_path or local_file).abort_multipart_upload(
            local_file, upload_id, artifact_path
        )


class _MultipartDownload(ServedArtifactRepository, MultipartDownloadMixin):
    """Adds downloads directly from the storage of ``dest``."""

    def get_download_presigned_url(
        self, artifact_path: str, expiration: int = 300
    ) -> PresignedDownloadUrlResponse:
        with translated():
            if self._served(artifact_path) is not None:
                # Without a size, MLflow's client downloads through the server. An error would make
                # it give up.
                return PresignedDownloadUrlResponse(url="", headers={}, file_size=None)
        return self._dest.get_download_presigned_url(artifact_path, expiration)


_CAPABILITIES: tuple[tuple[type, type[ServedArtifactRepository]], ...] = (
    (StreamUploadMixin, _StreamUpload),
    (MultipartUploadMixin, _MultipartUpload),
    (MultipartDownloadMixin, _MultipartDownload),
)


def served_artifact_repository(
    artifact_uri: str, dest: str, tracking_uri: str | None = None, registry_uri: str | None = None
) -> ServedArtifactRepository:
    """Return a server's artifact repository with the same capabilities as the one at ``dest``.

    MLflow tests for capabilities with ``isinstance``.

    Raises:
        InvalidRequest: MLflow has no artifact repository for the scheme of ``dest``.
    """
    scheme = urlsplit(dest).scheme.lower()
    # Not `get_artifact_repository`: it refuses hosts that the operator did not configure in MLflow
    # itself, as with sftp://.
    make = get_registered_artifact_repositories().get(scheme)
    if make is None or scheme in SCHEMES:
        raise InvalidRequest(
            f"dest={dest[:100]!a}: a server cannot store artifacts there",
            hint="give an absolute path, or a URI such as s3://bucket/path",
        )
    target = make(dest, tracking_uri=tracking_uri, registry_uri=registry_uri)
    bases = tuple(ours for theirs, ours in _CAPABILITIES if isinstance(target, theirs))
    kind = type("ServedArtifactRepository", bases, {}) if bases else ServedArtifactRepository
    made: ServedArtifactRepository = kind(artifact_uri, target, tracking_uri, registry_uri)
    return made


def _is_own_destination(artifact_uri: str) -> bool:
    """Return whether this is a server started with this URI, or with the URI of a folder above it.

    In other processes a URI can come from anywhere, and must not choose where files are written.
    """
    own = os.environ.get(DESTINATION, "")
    if not is_ours(own) or IN_SERVER not in os.environ:
        return False
    # For traces, MLflow appends the path to the whole URI, and so to its last option.
    if artifact_uri != own and not artifact_uri.startswith(f"{own}/"):
        return False
    check_path(artifact_uri.removeprefix(own).strip("/"))
    return True


def _permitted(location: str, registry_uri: str | None) -> str:
    """Return the location of a registry if this process may read from it.

    A server reads only from the registries that it was started with; otherwise clients could make
    it connect anywhere.
    """
    named = [os.environ.get(name, "") for name in (REGISTRY_STORE, DESTINATION)]
    if has_scheme(location):
        named.append(registry_uri or get_registry_uri())
    known = [parse(uri).location for uri in named if is_ours(uri)]
    for own in known:
        if bare(own) == bare(location):
            return own  # with its login
    if IN_SERVER in os.environ:
        raise MlflowException(
            f"{bare(location)}: this server was not started with that registry",
            error_code=PERMISSION_DENIED,
        )
    return location


def _check_link(source: str) -> None:
    """Refuse a link that can form a cycle, or that leads to a server's private files."""
    scheme = urlsplit(source).scheme.lower()
    if scheme in SCHEMES or (scheme == "models" and not source.startswith(_LOGGED_MODEL)):
        raise InvalidRequest(f"gitreg does not follow a link to another version: {source}")
    if IN_SERVER in os.environ and scheme in _LOCAL_SCHEMES:
        raise MlflowException(
            "gitreg does not follow a link to the server's own files", error_code=PERMISSION_DENIED
        )


def _unreadable(source: str, error: Exception) -> MlflowException:
    """Return the error for a link whose source cannot be read; MLflow's client does not retry it.

    What a store says is not found stays so.
    """
    status = error.get_http_status_code() if isinstance(error, MlflowException) else 0
    code = RESOURCE_DOES_NOT_EXIST if status == 404 else ABORTED
    said = hide_credentials(str(error).strip().partition("\n")[0])[:300]
    where = "the server" if IN_SERVER in os.environ else "this machine"
    return MlflowException(
        f"the version is a link to {source}, which {where} cannot read: "
        f"{type(error).__name__}: {said}\nRegister it again where its source can be read.",
        error_code=code,
    )


def _under(path: str, inner: str, found: list[FileInfo]) -> list[FileInfo]:
    return [
        FileInfo(_client_path(path, inner, file.path), file.is_dir, file.file_size)
        for file in found
    ]


def _client_path(path: str, inner: str, member: str) -> str:
    """Return the name of a file under ``inner`` for a client that calls ``inner`` ``path``.

    >>> _client_path("1/data", "data", "data/x.csv"), _client_path("1", "", "MLmodel")
    ('1/data/x.csv', '1/MLmodel')
    >>> _client_path("a", "a", "a")
    'a'
    """
    below = member[len(inner) :].strip("/")
    return posixpath.join(path, below) if below else path.rstrip("/")


def _read_only(what: str) -> MlflowException:
    return MlflowException(
        f"{what}: registered artifacts cannot be changed; register another version",
        error_code=PERMISSION_DENIED,
    )
