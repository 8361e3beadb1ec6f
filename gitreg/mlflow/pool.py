"""A pool of open registries for the threads of a process; one thread uses each at a time.

A `Registry` holds a Git process and a database, so threads that share one would wait for each
other. After a fork, the child opens its own registries.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

from gitreg.git.copies import cache_folder
from gitreg.mlflow.uri import RegistryUri
from gitreg.registry import Registry

KEPT = 8
"""How many idle registries are kept; more are opened when more threads call at once."""

_Identity: TypeAlias = "tuple[int, int] | None"

FRESH = 10.0
"""For how many seconds the copy of a registry used by URL counts as up to date."""


class Pool:
    """The registries of one location."""

    def __init__(self, uri: RegistryUri) -> None:
        self._uri = uri
        self._start()

    def _start(self) -> None:
        self._owner = os.getpid()
        self._idle: list[tuple[_Identity, Registry]] = []
        self._updated: float | None = None
        self._updating = threading.Lock()

    @contextmanager
    def borrow(self) -> Iterator[Registry]:
        """Lend a registry to this thread.

        Raises:
            GitregError: there is no registry at the location.
        """
        if self._owner != os.getpid():
            # Kept alive: closing an inherited database would release the parent's locks.
            _inherited.append(self._idle)
            self._start()
        folder = self._identity()
        registry = self._take(folder) or Registry(self._uri.location)
        try:
            yield registry
        finally:
            if len(self._idle) < KEPT:
                self._idle.append((folder, registry))
            else:
                registry.close()

    def _take(self, folder: _Identity) -> Registry | None:
        """Return an idle registry of a folder, and close those of a folder that is gone."""
        while True:
            try:
                opened_in, registry = self._idle.pop()
            except IndexError:
                return None
            if opened_in == folder:
                return registry
            registry.close()

    def _identity(self) -> _Identity:
        """Return device and inode, which tell the folder from a new one at the same path.

        For a registry used by URL, this is the folder with the copies. The inode is not reused
        while a Git process of an idle registry runs in the folder.
        """
        place = str(cache_folder()) if self._uri.is_url else self._uri.location
        try:
            status = os.stat(place)  # noqa: PTH116  runs at every call
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def refresh(self) -> None:
        """Update the copy of a registry used by URL if it is older than `FRESH`.

        One thread updates it; the others continue with the old copy.

        Raises:
            GitregError: the remote cannot be reached, and there is no copy.
        """
        if not self._uri.is_url or not self._is_stale:
            return
        never = self._updated is None
        if self._updating.acquire(blocking=never):
            try:
                if self._is_stale:
                    self.update()
            finally:
                self._updating.release()

    @property
    def _is_stale(self) -> bool:
        return self._updated is None or time.monotonic() - self._updated >= FRESH

    def update(self) -> None:
        """Update the copy of a registry used by URL, however old it is.

        Raises:
            GitregError: the remote cannot be reached, and there is no copy.
        """
        if self._uri.is_url:
            registry = Registry(self._uri.location)
            registry.state()
            self._updated = time.monotonic()
            self._idle.append((self._identity(), registry))

    def close(self) -> None:
        """Close the idle registries; the next call opens a new one."""
        while self._idle:
            self._idle.pop()[1].close()


_inherited: list[list[tuple[_Identity, Registry]]] = []
