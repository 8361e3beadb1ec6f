"""`gitreg ui`: runs MLflow's own server (web pages and REST API) on a registry, on this machine.

The server has no authentication, so it listens on the loopback interface. It stores runs and
unregistered artifacts in the user's data folder.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from gitreg.core.text.urls import has_scheme, without_credentials
from gitreg.errors import InvalidRequest, NotFound, WorldError
from gitreg.git.copies import check_url, place_name
from gitreg.mlflow.uri import RegistryUri, parse
from gitreg.registry import Registry
from gitreg.serving.listening import bound, is_loopback, until_ended, url_of

PATIENCE = 120.0
"""How long to wait for a server to answer, in seconds; most need less than ten."""

GRACE = 10.0
"""How long a server may take to shut down before it is killed, in seconds."""


@dataclass(frozen=True)
class Settings:
    """The options of `gitreg ui`.

    Attributes:
        repo: a folder in the repository, or its URL.
        host: the interface to listen on.
        port: the port to listen on; 0 for any free port.
        workers: the number of server processes.
        backend_store_uri: where MLflow stores runs; by default a database in the user's data
            folder.
        push: whether every write is published at once.
        no_authentication: whether the user accepts that everybody who can reach ``host`` can
            change the registry.
    """

    repo: str = "."
    host: str = "127.0.0.1"
    port: int = 5000
    workers: int = 4
    backend_store_uri: str | None = None
    push: bool = False
    no_authentication: bool = False


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        url: the URL of its web pages and its REST API.
        process: the leader of the server's process group.
    """

    url: str
    process: subprocess.Popen[bytes]

    def wait(self) -> None:
        """Wait until the server ends; this never returns.

        Raises:
            WorldError: the server ended.
        """
        raise WorldError(f"MLflow's server ended with exit status {self.process.wait()}")


@contextlib.contextmanager
def served(settings: Settings) -> Iterator[Server]:
    """Start a server, yield it when it answers, and end all of its processes afterwards.

    Raises:
        InvalidRequest: MLflow is not installed, a setting is invalid, or other machines can reach
            the host and ``no_authentication`` is not set.
        NotFound: there is no registry.
        WorldError: the port is in use, or the server did not start.
    """
    _check(settings)
    registry = _registry_uri(settings)
    settings = replace(settings, port=_free_port(settings.host, settings.port))
    folder = _data_folder(registry)
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server"],
        env=_environment(settings, registry, folder),
        cwd=folder,  # MLflow creates files in its working folder, and Python imports from there
        stdin=subprocess.DEVNULL,
        stdout=2,  # the standard output of `gitreg ui` has only the server's URL
        start_new_session=True,
    )
    try:
        yield Server(_answering(process, settings), process)
    finally:
        _end(process)


def run(settings: Settings, tell: Callable[[str], None]) -> None:
    """Run a server until the user interrupts it, or a service manager ends it.

    Args:
        settings: the options.
        tell: called with the server's URL once it answers.

    Raises:
        WorldError: the server ended by itself.
        GitregError: see `served`.
    """
    with until_ended(), served(settings) as server:
        tell(server.url)
        server.wait()


def _check(settings: Settings) -> None:
    if find_spec("mlflow") is None:
        raise InvalidRequest(
            "gitreg ui needs MLflow, which is not installed", hint="pip install 'gitreg[mlflow]'"
        )
    if settings.workers < 1:
        raise InvalidRequest(f"workers: {settings.workers} is less than 1")
    if not settings.no_authentication and not is_loopback(settings.host):
        raise InvalidRequest(
            f"{settings.host}: the server has no authentication, so everybody who can reach this "
            "host could change the registry",
            hint="to accept that: --no-authentication",
        )


def _registry_uri(settings: Settings) -> RegistryUri:
    """Return the URI of an existing registry."""
    if Path(settings.repo).is_dir():
        uri = RegistryUri(str(Path(settings.repo).resolve()), push=settings.push)
    else:
        url = check_url(settings.repo)
        if not has_scheme(url):
            raise InvalidRequest(
                f"{without_credentials(url)}: gitreg ui needs a URL with a scheme",
                hint="ssh://git@host/path instead of git@host:path",
            )
        uri = parse(f"gitreg+{url}")
    with Registry(settings.repo) as registry:
        if not registry.state().exists():
            raise NotFound("there is no registry here", hint="gitreg init")
    return uri


def _free_port(host: str, port: int) -> int:
    """Return the port if it is free; for 0, a free port. See `bound`."""
    with bound(host, port) as listener:
        return int(listener.getsockname()[1])


def _data_folder(registry: RegistryUri) -> Path:
    """Return the folder for the server's own data; it is created."""
    base = Path(os.environ.get("XDG_DATA_HOME", ""))
    try:
        base = base if base.is_absolute() else Path.home() / ".local" / "share"
    except RuntimeError:
        raise WorldError(
            "there is no home folder for the server's data", hint="XDG_DATA_HOME=FOLDER names one"
        ) from None
    folder = base / "gitreg" / "mlflow" / place_name(registry.root)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise WorldError(f"{error.filename}: {error.strerror}") from error
    return folder


def _environment(settings: Settings, registry: RegistryUri, folder: Path) -> dict[str, str]:
    """Return the server's environment; it has the options, which can contain a login."""
    own: Mapping[str, str] = {
        "MLFLOW_REGISTRY_STORE_URI": str(registry),
        "MLFLOW_ARTIFACTS_DESTINATION": str(replace(registry, dest=str(folder / "artifacts"))),
        "MLFLOW_BACKEND_STORE_URI": _absolute(settings.backend_store_uri)
        or f"sqlite:///{folder / 'mlflow.db'}",
        "MLFLOW_HOST": settings.host,
        "MLFLOW_PORT": str(settings.port),
        "MLFLOW_WORKERS": str(settings.workers),
    }
    defaults = {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # evaluations in more processes
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    # Settings for clients: with them, the server would send requests to itself.
    clients = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
    inherited = {name: value for name, value in os.environ.items() if name not in clients}
    return {**defaults, **inherited, **own}


def _absolute(uri: str | None) -> str | None:
    """Return a backend store's URI that does not depend on the working folder.

    >>> _absolute("postgresql://host/runs"), _absolute("sqlite:////srv/x.db")
    ('postgresql://host/runs', 'sqlite:////srv/x.db')
    """
    if uri is None:
        return None
    scheme, mark, path = uri.partition(":///") if has_scheme(uri) else ("", "", uri)
    if scheme not in ("", "sqlite") or (scheme and not mark):
        return uri
    return f"{scheme}{mark}{Path.cwd() / path}"


def _answering(process: subprocess.Popen[bytes], settings: Settings) -> str:
    """Return the URL of a server as soon as it answers."""
    url = url_of(settings.host, settings.port)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            raise WorldError(f"MLflow's server did not start: exit status {process.returncode}")
        # Without a proxy, even if the environment has one: the server is on this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with (
            contextlib.suppress(urllib.error.URLError, OSError),
            opener.open(f"{url}/health", timeout=5),
        ):
            return url
        time.sleep(0.1)
    raise WorldError(f"MLflow's server does not answer after {PATIENCE:.0f} seconds")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server: terminate the leader, which ends the others, then kill the rest."""
    process.terminate()
    deadline = time.monotonic() + GRACE
    with contextlib.suppress(KeyboardInterrupt):  # a second interrupt means: do not wait
        while time.monotonic() < deadline and _has_members(process):
            time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):  # the group is empty
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _has_members(process: subprocess.Popen[bytes]) -> bool:
    process.poll()  # until it is reaped, an ended leader counts as a member
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True
