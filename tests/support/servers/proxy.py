"""A line between client and server that takes its time, and an address where nobody listens."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

_BLOCK = 1 << 16


def closed_port() -> int:
    """Return a port of 127.0.0.1 at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def slow_line(port: int, delay: float) -> Iterator[int]:
    """Give the port of a proxy for ``port`` that holds blocks back.

    The first of a connection for ``delay`` seconds, each further one for half as long as the one
    before it: the dozens of blocks of one SSH session are not worth a test's time.
    """
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with suppress(OSError):  # closed, which is how it ends
                while True:
                    client, _ = listener.accept()
                    thread = threading.Thread(target=_carry, args=(client, port, delay))
                    threads.append(thread)
                    thread.start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)  # closing alone would not wake it up
        acceptor.join()
    for thread in threads:
        thread.join()


def _carry(client: socket.socket, port: int, delay: float) -> None:
    with (
        closing(client),
        closing(socket.create_connection(("127.0.0.1", port))) as server,
        suppress(ConnectionError),
    ):
        other = {client: server, server: client}
        while other:
            for source in select.select(list(other), [], [])[0]:
                block = source.recv(_BLOCK)
                time.sleep(delay)
                delay /= 2
                if block:
                    other[source].sendall(block)
                else:
                    with suppress(OSError):
                        other.pop(source).shutdown(socket.SHUT_WR)
