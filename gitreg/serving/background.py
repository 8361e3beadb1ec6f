"""Work that a request does not wait for: one thread behind a bounded queue.

>>> done = []
>>> background = Background(done.append, "example")
>>> background.offer(1), background.offer(2)
(True, True)
>>> background.close()
>>> done, background.dropped
([1, 2], 0)
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

_T = TypeVar("_T")

PATIENCE = 10.0
"""How many seconds the end of a process may wait for work that nobody waits for."""


class Background(Generic[_T]):
    """Calls a function with one item after another, in a thread of its own.

    The thread starts with the first item, in a forked worker too.

    Args:
        work: what is called; what it raises is counted.
        name: of the thread.
        waiting: how many items may wait; what comes on top is dropped and counted.
    """

    def __init__(self, work: Callable[[_T], object], name: str, waiting: int = 64) -> None:
        self.dropped = 0
        self.failed = 0
        self._work = work
        self._name = name
        self._waiting = waiting
        self._begin()

    def _begin(self) -> None:
        self._queue: queue.Queue[tuple[_T] | None] = queue.Queue(self._waiting)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._process = os.getpid()

    def offer(self, item: _T) -> bool:
        """Take an item if there is room; this neither waits nor raises."""
        if self._process != os.getpid():
            self._begin()  # a fork takes the queue along, but not the thread
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
        try:
            self._queue.put_nowait((item,))
        except queue.Full:
            with self._lock:
                self.dropped += 1
            return False
        return True

    def close(self) -> None:
        """Wait until the work that was taken is done, but not longer than `PATIENCE`."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is None or self._process != os.getpid():
            return
        until = time.monotonic() + PATIENCE
        with suppress(queue.Full):
            self._queue.put(None, timeout=PATIENCE)
            thread.join(max(0.0, until - time.monotonic()))

    def _run(self) -> None:
        while (taken := self._queue.get()) is not None:
            try:
                self._work(*taken)
            except BaseException:  # noqa: BLE001 - nobody waits for it, and the next item comes
                self.failed += 1
