"""Registries for all threads of a process: each is used by one at a time, and kept for the next.

A `Registry` holds a process of Git's and a database; threads that shared one would wait for each
other. After a fork the child starts anew: what the parent opened is the parent's.
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
"""How many registries wait for the next call; more are made when more threads call at once."""

_Identity: TypeAlias = "tuple[int, int] | None"

FRESH = 10.0
"""For how many seconds a registry that is used by URL answers before it is asked again."""


class Pool:
    """The registries of one location."""

    def __init__(self, uri: RegistryUri) -> None:
        self._uri = uri
        self._start()

    def _start(self) -> None:
        self._owner = os.getpid()
        self._idle: list[tuple[_Identity, Registry]] = []
        self._asked: float | None = None
        self._asking = threading.Lock()

    @contextmanager
    def borrow(self) -> Iterator[Registry]:
        """Lend a registry to this thread.

        Raises:
            GitregError: there is none at the location.
        """
        if self._owner != os.getpid():
            # Kept alive: closing a copy of an open database would take the parent's locks away.
            _inherited.append(self._idle)
            self._start()
        where = self._identity()
        registry = self._kept(where) or Registry(self._uri.location)
        try:
            yield registry
        finally:
            if len(self._idle) < KEPT:
                self._idle.append((where, registry))
            else:
                registry.close()

    def _kept(self, where: _Identity) -> Registry | None:
        """Return a registry that waits; those of a folder that is gone are closed."""
        while True:
            try:
                of, registry = self._idle.pop()
            except IndexError:
                return None
            if of == where:
                return registry
            registry.close()

    def _identity(self) -> _Identity:
        """Return what tells the folder from one that was made anew in its place.

        Of a registry that is used by URL it is the one with the copies. A number is not given again
        while a process of a kept registry's works in the folder.
        """
        place = str(cache_folder()) if self._uri.is_url else self._uri.location
        try:
            found = os.stat(place)  # noqa: PTH116  asked at every call
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def refresh(self) -> None:
        """Bring the copy of a registry that is used by URL up to date, if it is time to.

        One thread asks; the others go on with what is known.

        Raises:
            GitregError: it cannot be reached, and there is no copy to answer from.
        """
        if not self._uri.is_url or not self._is_stale:
            return
        never = self._asked is None
        if self._asking.acquire(blocking=never):
            try:
                if self._is_stale:
                    self.ask()
            finally:
                self._asking.release()

    @property
    def _is_stale(self) -> bool:
        return self._asked is None or time.monotonic() - self._asked >= FRESH

    def ask(self) -> None:
        """Bring the copy of a registry that is used by URL up to date.

        Raises:
            GitregError: it cannot be reached, and there is no copy to answer from.
        """
        if self._uri.is_url:
            registry = Registry(self._uri.location)
            registry.state()
            self._asked = time.monotonic()
            self._idle.append((self._identity(), registry))

    def close(self) -> None:
        """End what idle registries hold; the next call opens another."""
        while self._idle:
            self._idle.pop()[1].close()


_inherited: list[list[tuple[_Identity, Registry]]] = []
