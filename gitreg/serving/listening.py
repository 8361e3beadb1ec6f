"""The interface and port that a server of ours listens on."""

from __future__ import annotations

import contextlib
import ipaddress
import signal
import socket
from collections.abc import Iterator

from gitreg.errors import InvalidRequest, WorldError


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a host.

    >>> [is_loopback(host) for host in ("localhost", "127.0.0.2", "::1", "0.0.0.0", "my.host")]
    [True, True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def url_of(host: str, port: int) -> str:
    """Return the URL of a server as this machine reaches it.

    >>> url_of("::1", 5000), url_of("0.0.0.0", 80)
    ('http://[::1]:5000', 'http://127.0.0.1:80')
    """
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host)
        if address.is_unspecified:
            host = "127.0.0.1" if address.version == 4 else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to a port; 0 takes any free one.

    Raises:
        InvalidRequest: there is no such port or host.
        WorldError: the port is in use, or this user may not listen on it.
    """
    if not 0 <= port < 2**16:
        raise InvalidRequest(f"port: {port} is not between 0 and 65535")
    listener = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        # As servers do: a port that was just released can still have old connections.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except socket.gaierror as error:
        raise InvalidRequest(f"{host}: {error.strerror}") from error
    except OSError as error:
        if listener is not None:
            listener.close()
        raise WorldError(
            f"cannot listen on port {port} of {host}: {error.strerror}",
            hint="choose another port: --port 0 takes a free one",
        ) from error
    return listener


@contextlib.contextmanager
def until_ended() -> Iterator[None]:
    """End what is inside, without an error, when the user or a service manager asks for it."""

    def end(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before)
